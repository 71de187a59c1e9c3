"""Times to an event: curves, medians and comparisons, by hand, by R, and where there are none."""

import json
from datetime import timedelta
from math import sqrt
from pathlib import Path
from statistics import NormalDist

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radioligand.protocol import MONTH_DAYS

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "analysis.json").read_text()
)  # by analysis.R
PAIR = "LU v CONTROL"
PFS = {
    "kind": "time to event",
    "id": "pfs",
    "endpoint": "PFS",
    "landmarks_months": [3.0, 5.0],
    "axis_months": 3.0,
    "test": {"stratified": True, "sided": 1},
    "model": {"stratified": True, "ties": "efron"},
    "follow_up": ["administrative", "reverse"],
}
# Two strata of two subjects an arm. Days; a plus is censored.
#   grade 2:  LU 120, 180+   CONTROL 60, 150
#   grade 3:  LU  90+, 240   CONTROL 30, 210
ARMS = ["LU", "LU", "CONTROL", "CONTROL"] * 2
GRADES = ["2"] * 4 + ["3"] * 4
DAYS = [120, 180, 60, 150, 90, 240, 30, 210]
EVENTS = [True, False, True, True, False, True, True, True]


@pytest.fixture
def eight(results_of, subjects, times):
    adsl = subjects(ARMS, STRGRADE=GRADES)
    return results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, EVENTS)}, PFS)


@pytest.mark.by_hand
def test_curves_step_where_an_event_happens_and_end_with_the_last_subject(eight):
    lu, control = (eight.of("survival", arm=arm) for arm in ("LU", "CONTROL"))

    assert lu["time_days"].to_list() == [0, 120, 240]
    assert lu["value"].to_list() == pytest.approx([1, 2 / 3, 0])
    assert control["time_days"].to_list() == [0, 30, 60, 150, 210]
    assert control["value"].to_list() == pytest.approx([1, 0.75, 0.5, 0.25, 0])


@pytest.mark.by_hand
def test_marks_censored_subjects_on_the_curve(eight):
    marks = eight.of("censor", arm="LU")

    assert marks["time_days"].to_list() == [90, 180]
    assert marks["value"].to_list() == pytest.approx([1, 2 / 3])
    assert eight.of("censor", arm="CONTROL").is_empty()


@pytest.mark.by_hand
def test_counts_those_at_risk_every_three_months(eight):
    lu, control = (eight.of("at_risk", arm=arm) for arm in ("LU", "CONTROL"))

    assert lu["time_days"].to_list() == [0, 3 * MONTH_DAYS, 6 * MONTH_DAYS]
    assert lu["value"].to_list() == [4, 3, 1]
    assert control["value"].to_list() == [4, 2, 1]


@pytest.mark.by_hand
def test_median_is_a_time_in_months(eight):
    assert eight.value("median", arm="LU") == pytest.approx(240 / MONTH_DAYS)
    assert eight.value("median", arm="CONTROL") == pytest.approx((60 + 150) / 2 / MONTH_DAYS)
    assert eight.row("median", arm="LU")["unit"] == "months"


@pytest.mark.by_hand
def test_a_month_is_as_long_as_the_protocol_says(results_of, subjects, times, protocol_of):
    data = {**protocol_of().data.model_dump(exclude_none=True, by_alias=True), "month_days": 30.0}
    adsl = subjects(ARMS, STRGRADE=GRADES)
    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, EVENTS)}, PFS, data=data)

    assert found.value("median", arm="LU") == 8.0  # day 240
    assert "1 month = 30 days" in found.row("median", arm="LU")["method"]
    # on day 150 one of the four controls, day 210, is without an event
    assert found.value("survival_at", arm="CONTROL", time_days=150.0) == 0.25
    assert found.of("at_risk", arm="LU")["time_days"].to_list() == [0, 90, 180]
    assert found.value("follow_up_median", arm="LU") == pytest.approx(365 / 30)


@pytest.mark.by_hand
def test_counts_events_and_why_the_others_were_censored(eight):
    assert eight.value("n", arm="LU") == 4
    assert eight.value("n", arm="ALL") == 8
    assert eight.value("events", arm="LU") == 2
    assert eight.value("events_percent", arm="LU") == 50
    assert eight.value("events", arm="LU", level="Death") == 2
    assert eight.value("censored", arm="LU") == 2
    assert eight.value("censored", arm="LU", level="Alive") == 2
    assert eight.text("censored", arm="LU", level="Alive") == "CNSR 1"


@pytest.mark.by_hand
def test_survival_at_a_landmark_is_that_of_the_last_whole_day(eight):
    five = 5 * MONTH_DAYS  # 152.2 days

    assert eight.value("survival_at", arm="LU", time_days=five) == pytest.approx(2 / 3)
    assert eight.value("survival_at", arm="CONTROL", time_days=five) == pytest.approx(1 / 4)


@pytest.mark.by_hand
def test_stratified_logrank_sums_statistics_and_variances_over_strata(eight):
    # grade 2: O 1, E 1/2 + 2/3 + 1/2, V 1/4 + 2/9 + 1/4
    # grade 3: O 1, E 1/2 + 1/2 + 1, V 1/4 + 1/4
    z = (2 - 5 / 3 - 2) / sqrt(13 / 18 + 1 / 2)

    assert z == pytest.approx(-5 / sqrt(11))
    assert eight.value("logrank_z", arm=PAIR) == pytest.approx(z)
    assert eight.value("logrank_p", arm=PAIR) == pytest.approx(NormalDist().cdf(z))
    assert eight.value("logrank_expected", arm="LU") == pytest.approx(5 / 3 + 2)
    method = eight.row("logrank_p", arm=PAIR)["method"]
    assert "stratified by STRGRADE, STRORIG" in method
    assert "one-sided" in method


@pytest.mark.by_hand
def test_two_sided_logrank_takes_both_tails(results_of, subjects, times):
    adsl = subjects(ARMS, STRGRADE=GRADES)
    two_sided = {**PFS, "test": {"stratified": True, "sided": 2}}

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, EVENTS)}, two_sided)

    expected = 2 * NormalDist().cdf(-5 / sqrt(11))
    assert found.value("logrank_p", arm=PAIR) == pytest.approx(expected)


@pytest.mark.by_hand
def test_administrative_follow_up_runs_from_randomisation_to_cutoff(results_of, subjects, times):
    followed = [100, 200, 300, 400, 500, 600, 700, 800]
    adsl = subjects(ARMS).with_columns(
        CUTDT=pl.col("RANDDT") + pl.Series([timedelta(days=days) for days in followed])
    )

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, EVENTS)}, PFS)

    assert found.value("follow_up_median", arm="ALL") == pytest.approx(450 / MONTH_DAYS)
    assert found.value("follow_up_q1", arm="ALL") == pytest.approx(250 / MONTH_DAYS)
    assert found.value("follow_up_q3", arm="ALL") == pytest.approx(650 / MONTH_DAYS)
    assert found.value("follow_up_median", arm="LU") == pytest.approx(350 / MONTH_DAYS)
    assert found.row("follow_up_median", arm="ALL")["dataset"] == "ADSL"


@pytest.mark.by_hand
def test_every_row_says_where_its_number_comes_from(eight):
    row = eight.row("hazard_ratio", arm=PAIR)

    assert row["analysis"] == "pfs"
    assert row["dataset"] == "ADTTE"
    assert row["where"] == "PARAMCD = 'PFS' and FASFL = 'Y'"
    assert row["population"] == "full-analysis"
    assert row["parameter"] == "PFS"


# -- against R -------------------------------------------------------------------------------


@pytest.fixture
def sixty(subjects, times):
    """The trial of analysis.R."""
    trial = REFERENCE["trial"]
    adsl = subjects(
        trial["arm"], STRGRADE=trial["grade"], STRORIG=trial["origin"], SEX=trial["sex"]
    )
    return {"ADSL": adsl, "ADTTE": times(adsl, trial["days"], trial["event"])}


@pytest.mark.reference
@pytest.mark.parametrize("arm", ["LU", "CONTROL"])
@pytest.mark.parametrize("name", ["median", "quartile_25"])
def test_quantiles_agree_with_r(results_of, sixty, arm, name):
    found = results_of(sixty, PFS)

    expected = [REFERENCE[name][part][arm] / MONTH_DAYS for part in ("estimate", "lower", "upper")]
    assert found.triple(name, arm=arm) == pytest.approx(expected)


@pytest.mark.reference
def test_landmarks_agree_with_r(results_of, sixty):
    year = 365 / MONTH_DAYS
    found = results_of(sixty, {**PFS, "landmarks_months": [year]})
    expected = REFERENCE["at_year"]

    for place, arm in enumerate(expected["arm"]):
        keys = {"arm": arm, "time_days": year * MONTH_DAYS}
        three = [found.value(f"survival_at{end}", **keys) for end in ("", "_lower", "_upper")]
        assert three == pytest.approx(
            [expected[part][place] for part in ("estimate", "lower", "upper")]
        )


@pytest.mark.reference
def test_comparison_of_experimental_against_control_agrees_with_r(results_of, sixty):
    found = results_of(sixty, PFS)

    z = found.value("logrank_z", arm=PAIR)
    assert z == pytest.approx(-sqrt(REFERENCE["logrank"]["chi_square"]))
    expected = REFERENCE["logrank"]["expected_lu"]
    assert found.value("logrank_expected", arm="LU") == pytest.approx(expected)
    hazards = (*found.triple("hazard_ratio", arm=PAIR), found.value("cox_p", arm=PAIR))
    assert hazards == pytest.approx(REFERENCE["stratified"], rel=1e-6)
    reverse = [days / MONTH_DAYS for days in REFERENCE["reverse"]]
    assert found.triple("reverse_km_median", arm="ALL") == pytest.approx(reverse)


@pytest.mark.reference
def test_unstratified_model_agrees_with_r(results_of, sixty):
    plain = {**PFS, "model": {"stratified": False}}
    found = results_of(sixty, plain)

    hazards = (*found.triple("hazard_ratio", arm=PAIR), found.value("cox_p", arm=PAIR))
    assert hazards == pytest.approx(REFERENCE["plain"], rel=1e-6)


SUBGROUPS = {
    "kind": "subgroups",
    "endpoint": "PFS",
    "variables": ["SEX"],
    "model": {"stratified": False},
}


@pytest.mark.reference
def test_subgroups_and_interaction_agree_with_r(results_of, sixty):
    found = results_of(sixty, SUBGROUPS)

    assert found.triple("hazard_ratio", arm=PAIR) == pytest.approx(REFERENCE["plain"][:3], rel=1e-6)
    for level, name in (("F", "female"), ("M", "male")):
        three = found.triple("hazard_ratio", arm=PAIR, variable="SEX", level=level)
        assert three == pytest.approx(REFERENCE[name][:3], rel=1e-6)
    interaction = found.value("interaction_p", arm=PAIR, variable="SEX")
    assert interaction == pytest.approx(REFERENCE["interaction_p"], rel=1e-6)
    trial = REFERENCE["trial"]
    women = sum(sex == "F" and arm == "LU" for sex, arm in zip(trial["sex"], trial["arm"]))
    assert found.value("n", arm="LU", variable="SEX", level="F") == women


# -- where there is no answer ----------------------------------------------------------------


@pytest.mark.by_hand
def test_arm_without_events_has_no_hazard_ratio_and_says_so(results_of, subjects, times):
    adsl = subjects(ARMS)
    events = [arm == "CONTROL" for arm in ARMS]

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, events)}, PFS)

    reason = "not estimable: no events in arm LU"
    assert found.text("hazard_ratio", arm=PAIR) == reason
    assert found.value("hazard_ratio", arm=PAIR) is None
    assert found.text("not_estimable", arm=PAIR) == reason
    assert found.text("median", arm="LU") == "NE"
    assert found.value("logrank_z", arm=PAIR) < 0  # the test has an answer all the same


@pytest.mark.by_hand
def test_nobody_with_an_event(results_of, subjects, times):
    adsl = subjects(ARMS)

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, [False] * 8)}, PFS)

    reason = "not estimable: no events in arm LU or CONTROL"
    for statistic in ("hazard_ratio", "cox_p", "logrank_z", "logrank_p"):
        assert found.text(statistic, arm=PAIR) == reason


@pytest.mark.by_hand
def test_empty_arm(results_of, subjects, times):
    adsl = subjects(["LU"] * 8)

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, EVENTS)}, PFS)

    assert found.value("n", arm="CONTROL") == 0
    assert found.text("median", arm="CONTROL") == "not estimable: no subjects in arm CONTROL"
    assert found.text("logrank_p", arm=PAIR) == "not estimable: no subjects in arm CONTROL"
    assert found.value("median", arm="LU") is not None


@pytest.mark.by_hand
def test_arms_that_never_meet_in_a_stratum_cannot_be_compared(results_of, subjects, times):
    adsl = subjects(ARMS, STRGRADE=["2" if arm == "LU" else "3" for arm in ARMS])

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, EVENTS)}, PFS)

    for statistic in ("hazard_ratio", "logrank_p"):
        assert found.value(statistic, arm=PAIR) is None
        assert str(found.text(statistic, arm=PAIR)).startswith("not estimable: ")


@pytest.mark.by_hand
def test_missing_stratum_names_the_subjects(results_of, subjects, times):
    adsl = subjects(ARMS, STRGRADE=["2", None, "2", "2", "3", "3", None, "3"])

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, EVENTS)}, PFS)

    told = found.text("logrank_p", arm=PAIR)
    assert told == (
        "not estimable: the stratum at randomisation (STRGRADE, STRORIG) is missing for 2 of 8 "
        "subjects (002, 007)"
    )


@pytest.mark.by_hand
def test_study_without_strata_has_no_stratified_comparison(results_of, subjects, times):
    adsl = subjects(ARMS).drop("STRORIG")

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, EVENTS)}, PFS)

    assert found.text("hazard_ratio", arm=PAIR) == "not estimable: ADSL has no STRORIG"
    assert found.value("median", arm="LU") is not None


@pytest.mark.by_hand
def test_landmark_after_the_last_time_is_not_estimated(results_of, subjects, times):
    adsl = subjects(ARMS)
    adtte = times(adsl, DAYS, [False] * 8)

    found = results_of({"ADSL": adsl, "ADTTE": adtte}, {**PFS, "landmarks_months": [24.0]})

    row = found.row("survival_at", arm="LU", time_days=24 * MONTH_DAYS)
    assert (row["value"], row["text"]) == (None, "NE")


@pytest.mark.by_hand
def test_study_without_cutoff_has_no_administrative_follow_up(results_of, subjects, times):
    adsl = subjects(ARMS, CUTDT=pl.Series([None] * 8, dtype=pl.Date))

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, EVENTS)}, PFS)

    reason = "not estimable: no subject has both RANDDT and CUTDT"
    assert found.text("follow_up_median", arm="ALL") == reason


@pytest.mark.by_hand
def test_subjects_without_a_time_are_counted_as_missing(results_of, subjects, times):
    adsl = subjects(ARMS)
    adtte = times(adsl, [None, -5, *DAYS[2:]], EVENTS).filter(pl.col("USUBJID") != "003")

    found = results_of({"ADSL": adsl, "ADTTE": adtte}, PFS)

    assert found.value("n", arm="ALL") == 5
    assert found.value("missing", arm="LU") == 2
    assert found.value("missing", arm="CONTROL") == 1


@pytest.mark.by_hand
def test_two_records_of_a_subject_are_not_analysed(results_of, subjects, times):
    adsl = subjects(ARMS)
    adtte = times(adsl, DAYS, EVENTS)

    found = results_of({"ADSL": adsl, "ADTTE": pl.concat([adtte, adtte.head(1)])}, PFS)

    told = "1 subjects have several ADTTE records with PARAMCD 'PFS' (001)"
    assert found.text("not_available") == told


@pytest.mark.by_hand
def test_subgroup_without_events_in_an_arm_says_so_and_leaves_the_interaction(
    results_of, subjects, times
):
    sex = ["F", "F", "F", "F", "M", "M", "M", "M"]
    adsl = subjects(ARMS, SEX=sex)
    events = [True, True, True, True, False, False, True, True]

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, events)}, SUBGROUPS)

    men = {"arm": PAIR, "variable": "SEX", "level": "M"}
    assert found.text("hazard_ratio", **men) == "not estimable: no events in arm LU"
    assert found.value("events", arm="LU", variable="SEX", level="M") == 0
    interaction = found.text("interaction_p", arm=PAIR, variable="SEX")
    assert interaction == "not estimable: 1 levels of SEX have events in both arms"


@pytest.mark.by_hand
def test_subgroup_variable_that_is_absent_or_a_number(results_of, subjects, times):
    adsl = subjects(ARMS, KI67=[float(number) for number in range(8)])
    listed = {**SUBGROUPS, "variables": ["KI67", "SITE"]}

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, DAYS, EVENTS)}, listed)

    told = "KI67 is a number; name a variable made of bands of it"
    assert found.text("not_available", variable="KI67") == told
    assert found.text("not_available", variable="SITE") == "ADSL has no SITE"


@pytest.mark.by_hand
def test_sensitivity_sets_endpoints_side_by_side_by_their_own_settings(results_of, subjects, times):
    adsl = subjects(ARMS, STRGRADE=GRADES)
    adtte = pl.concat([times(adsl, DAYS, EVENTS), times(adsl, DAYS, [True] * 8, name="PFSI")])
    listed = {"kind": "sensitivity", "endpoints": ["PFS", "PFSI", "OS"]}

    found = results_of({"ADSL": adsl, "ADTTE": adtte}, PFS, listed)

    beside = type(found)(found.frame.filter(analysis="sensitivity"))
    assert beside.value("events", arm="LU", variable="PFS") == 2
    assert beside.value("events", arm="LU", variable="PFSI") == 4
    assert beside.value("censored", arm="LU", variable="PFS", level="Alive") == 2
    z = beside.value("logrank_z", arm=PAIR, variable="PFS")
    assert z == pytest.approx(-5 / sqrt(11))  # stratified, as the analysis of PFS is
    told = "ADTTE has no records with PARAMCD 'OS'"
    assert beside.text("not_available", variable="OS") == told


# -- laws ------------------------------------------------------------------------------------

subject = st.tuples(
    st.sampled_from(["LU", "CONTROL"]), st.integers(1, 400), st.booleans(), st.sampled_from("23")
)


@pytest.mark.law
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(subject, min_size=1, max_size=25), seed=st.randoms(use_true_random=False))
def test_results_do_not_depend_on_the_order_of_rows(results_of, subjects, times, rows, seed):
    arms, days, events, grades = map(list, zip(*rows))
    adsl = subjects(arms, STRGRADE=grades, SEX=grades)
    adtte = times(adsl, days, events)
    order = list(range(len(rows)))
    seed.shuffle(order)

    found = results_of({"ADSL": adsl, "ADTTE": adtte}, PFS, SUBGROUPS)
    again = results_of({"ADSL": adsl[order], "ADTTE": adtte[order[::-1]]}, PFS, SUBGROUPS)

    assert found.frame.equals(again.frame)


@pytest.mark.law
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(subject, min_size=1, max_size=25))
def test_any_data_have_an_answer_or_a_reason(results_of, subjects, times, rows):
    arms, days, events, grades = map(list, zip(*rows))
    adsl = subjects(arms, STRGRADE=grades)

    found = results_of({"ADSL": adsl, "ADTTE": times(adsl, days, events)}, PFS)

    without = found.frame.filter(pl.col("value").is_null())
    assert without["text"].null_count() == 0
    for statistic in ("hazard_ratio", "logrank_z", "logrank_p"):
        assert found.of(statistic).height == 1
    for arm in ("LU", "CONTROL"):
        curve = found.of("survival", arm=arm)["value"]
        assert curve.is_sorted(descending=True)
