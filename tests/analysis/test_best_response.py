"""Best response: the published counts and intervals, R's stratified test, two readers."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "analysis.json").read_text()
)  # by analysis.R
PAIR = "LU v CONTROL"
ORR = {
    "kind": "response",
    "id": "orr",
    "parameter": "BOR",
    "levels": ["CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE"],
    "objective": ["CR", "PR"],
    "control": ["CR", "PR", "SD", "NON-CR/NON-PD"],
    "sided": 1,
}
# NETTER-2 (Lancet 2024;403:2807), table 3: the same order of levels
PUBLISHED = {"LU": [8, 57, 72, 0, 8, 6], "CONTROL": [0, 7, 42, 1, 14, 11]}


@pytest.fixture
def responses():
    """Build ADRS of best responses; None is a subject without a record."""

    def build(adsl: pl.DataFrame, levels: list[str | None], name: str = "BOR") -> pl.DataFrame:
        return pl.DataFrame(
            {"USUBJID": adsl["USUBJID"], "PARAMCD": [name] * adsl.height, "AVALC": levels},
            schema_overrides={"AVALC": pl.String},
        ).filter(pl.col("AVALC").is_not_null())

    return build


@pytest.fixture
def netter_2(results_of, subjects, responses):
    arms, levels = [], []
    for arm, counts in PUBLISHED.items():
        for level, count in zip(ORR["levels"], counts):
            arms += [arm] * count
            levels += [level] * count
    unstratified = {**ORR, "stratified": False}
    adsl = subjects(arms)
    return results_of({"ADSL": adsl, "ADRS": responses(adsl, levels)}, unstratified)


@pytest.mark.trial
def test_levels_of_netter_2(netter_2):
    for arm, counts in PUBLISHED.items():
        for level, count in zip(ORR["levels"], counts):
            assert netter_2.value("count", arm=arm, variable="BOR", level=level) == count
    share = netter_2.value("percent", arm="LU", variable="BOR", level="PR")
    assert share == pytest.approx(100 * 57 / 151)


@pytest.mark.trial
@pytest.mark.parametrize(
    ("arm", "variable", "count", "published"),
    [
        ("LU", "ORR", 65, (43.0, 35.0, 51.3)),
        ("CONTROL", "ORR", 7, (9.3, 3.8, 18.3)),
        ("LU", "DCR", 137, (90.7, 84.9, 94.8)),
        ("CONTROL", "DCR", 50, (66.7, 54.8, 77.1)),
    ],
)
def test_rates_of_netter_2(netter_2, arm, variable, count, published):
    assert netter_2.value("count", arm=arm, variable=variable) == count
    found = [
        netter_2.value(name, arm=arm, variable=variable) for name in ("percent", "lower", "upper")
    ]
    assert [round(value, 1) for value in found] == list(published)


@pytest.mark.trial
def test_difference_of_netter_2(netter_2):
    found = netter_2.triple("difference", arm=PAIR, variable="ORR")

    assert [round(value, 1) for value in found] == [33.7, 23.4, 44.0]
    assert netter_2.value("p_value", arm=PAIR, variable="ORR") < 0.0001


@pytest.fixture
def sixty(subjects, responses):
    """The trial of analysis.R."""
    trial = REFERENCE["trial"]
    adsl = subjects(trial["arm"], STRGRADE=trial["grade"], STRORIG=trial["origin"])
    levels = ["PR" if response else "SD" for response in trial["response"]]
    return {"ADSL": adsl, "ADRS": responses(adsl, levels)}


@pytest.mark.reference
def test_stratified_comparison_agrees_with_r(results_of, sixty):
    one_sided = results_of(sixty, ORR)
    two_sided = results_of(sixty, {**ORR, "sided": 2})
    expected = REFERENCE["cmh"]

    found = one_sided.triple("odds_ratio", arm=PAIR, variable="ORR")
    assert found == pytest.approx((expected["odds_ratio"], *expected["interval"]))
    z = one_sided.value("cmh_z", arm=PAIR, variable="ORR")
    assert z == pytest.approx(expected["chi_square"] ** 0.5)  # positive: more responses in LU
    p = one_sided.value("p_value", arm=PAIR, variable="ORR")
    assert two_sided.value("p_value", arm=PAIR, variable="ORR") == pytest.approx(2 * p)
    exact = one_sided.value("fisher_p", arm=PAIR, variable="ORR")
    assert exact == pytest.approx(REFERENCE["fisher_greater"])
    assert (
        "stratified by STRGRADE, STRORIG"
        in one_sided.row("p_value", arm=PAIR, variable="ORR")["method"]
    )


@pytest.mark.by_hand
def test_unknown_are_those_not_evaluable_missing_or_without_a_record(
    results_of, subjects, responses
):
    adsl = subjects(["LU"] * 4 + ["CONTROL"])

    found = results_of(
        {"ADSL": adsl, "ADRS": responses(adsl, ["NE", "MISSING", None, "ND", "PR"])}, ORR
    )

    assert found.value("count", arm="LU", variable="BOR", level="NE") == 3
    assert found.value("count", arm="LU", variable="BOR", level="ND") == 1  # never left out
    assert found.value("count", arm="LU", variable="ORR") == 0


@pytest.mark.by_hand
def test_control_arm_without_response_has_a_test_but_no_odds_ratio(results_of, subjects, responses):
    adsl = subjects(["LU", "LU", "CONTROL", "CONTROL"])

    found = results_of({"ADSL": adsl, "ADRS": responses(adsl, ["PR", "SD", "SD", "SD"])}, ORR)

    reason = "not estimable: nobody in arm CONTROL counts for ORR"
    assert found.text("odds_ratio", arm=PAIR, variable="ORR") == reason
    assert found.value("difference", arm=PAIR, variable="ORR") == pytest.approx(50)
    assert 0 < found.value("p_value", arm=PAIR, variable="ORR") < 0.5


@pytest.mark.by_hand
def test_no_response_anywhere_compares_nothing(results_of, subjects, responses):
    adsl = subjects(["LU", "CONTROL"])

    found = results_of({"ADSL": adsl, "ADRS": responses(adsl, ["SD", "PD"])}, ORR)

    for statistic in ("odds_ratio", "p_value"):
        told = str(found.text(statistic, arm=PAIR, variable="ORR"))
        assert told.startswith("not estimable: ")
        assert "no stratum has both arms and both outcomes" in told
    assert found.value("difference", arm=PAIR, variable="ORR") == 0


@pytest.mark.by_hand
def test_empty_arm(results_of, subjects, responses):
    adsl = subjects(["LU", "LU"])

    found = results_of({"ADSL": adsl, "ADRS": responses(adsl, ["PR", "SD"])}, ORR)

    reason = "not estimable: no subjects in arm CONTROL"
    for statistic in ("difference", "odds_ratio", "p_value", "fisher_p", "not_estimable"):
        assert found.text(statistic, arm=PAIR, variable="ORR") == reason
    assert found.text("lower", arm="CONTROL", variable="ORR") == reason
    assert found.value("percent", arm="LU", variable="ORR") == 50


@pytest.mark.by_hand
@pytest.mark.parametrize("method", ["wald", "newcombe", "miettinen-nurminen"])
def test_each_interval_of_the_difference_holds_it(results_of, sixty, method):
    found = results_of(sixty, {**ORR, "difference": method})

    estimate, lower, upper = found.triple("difference", arm=PAIR, variable="ORR")
    assert lower < estimate < upper
    assert method in found.row("difference", arm=PAIR, variable="ORR")["method"]


AGREEMENT = {"kind": "agreement", "id": "readers", "evaluations": ["central", "local"]}


@pytest.fixture
def two_readers(results_of, subjects, responses, times):
    adsl = subjects(["LU"] * 6)
    central = responses(adsl, ["PR", "PR", "SD", "SD", "PD", "PD"])
    local = responses(adsl, ["PR", "SD", "SD", "SD", "PD", "PR"], name="BORI")
    adtte = pl.concat(
        [
            times(adsl, [100, 200, 300, 400, 500, 600], [True, True, True, True, False, False]),
            times(
                adsl,
                [100, 190, 330, 450, 480, 600],
                [True, True, True, False, True, False],
                name="PFSI",
            ),
        ]
    )
    adam = {"ADSL": adsl, "ADRS": pl.concat([central, local]), "ADTTE": adtte}
    return results_of(adam, AGREEMENT)


@pytest.mark.by_hand
def test_readers_are_crossed_level_by_level(two_readers):
    counts = two_readers.of("count", arm="ALL")
    found = {(row["variable"], row["level"]): row["value"] for row in counts.to_dicts()}

    expected = {("PR", "PR"): 1, ("PR", "SD"): 1, ("SD", "SD"): 2, ("PD", "PD"): 1, ("PD", "PR"): 1}
    assert {key: count for key, count in found.items() if count} == expected
    assert len(found) == 9


@pytest.mark.by_hand
def test_kappa_is_agreement_beyond_chance(two_readers):
    # seen 4/6; by chance (2·2 + 2·3 + 2·1)/36 = 1/3; kappa = (2/3 - 1/3)/(1 - 1/3)
    assert two_readers.value("percent_agreement", arm="ALL") == pytest.approx(200 / 3)
    estimate, lower, upper = two_readers.triple("kappa", arm="ALL")
    assert estimate == pytest.approx(0.5)
    assert lower < 0.5 < upper
    assert two_readers.text("kappa", arm="CONTROL") == "not estimable: no subjects in arm CONTROL"


@pytest.mark.by_hand
def test_readers_agree_on_who_progressed_and_when(two_readers):
    def found(statistic: str) -> object:
        return two_readers.value(statistic, arm="ALL", variable="PFS v PFSI")

    assert found("compared") == 6
    assert found("event_in_both") == 3
    assert found("event_in_central_only") == 1
    assert found("event_in_local_only") == 1
    assert found("event_in_neither") == 1
    assert found("event_on_same_day") == 1
    assert found("event_earlier_in_central") == 1
    assert found("event_earlier_in_local") == 1
    assert [found(name) for name in ("gap_q1", "gap_median", "gap_q3")] == [-10, 0, 30]


@pytest.mark.by_hand
def test_one_reader_alone_agrees_with_nobody(results_of, subjects, responses):
    adsl = subjects(["LU", "CONTROL"])

    found = results_of({"ADSL": adsl, "ADRS": responses(adsl, ["PR", "SD"])}, AGREEMENT)

    told = set(found.of("not_available")["text"])
    assert told == {"ADRS has no records with PARAMCD 'BORI'", "the study has no ADTTE"}


@pytest.mark.law
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["LU", "CONTROL"]),
            st.sampled_from([*ORR["levels"], "MISSING", None]),
            st.sampled_from("23"),
        ),
        min_size=1,
        max_size=25,
    )
)
def test_levels_add_up_to_the_arm_and_nothing_is_left_without_a_word(
    results_of, subjects, responses, rows
):
    arms, levels, grades = map(list, zip(*rows))
    adsl = subjects(arms, STRGRADE=grades)
    adrs = responses(adsl, levels)

    found = results_of({"ADSL": adsl, "ADRS": adrs}, ORR)

    if adrs.is_empty():
        assert found.text("not_available") == "ADRS has no records with PARAMCD 'BOR'"
        return
    for arm in ("LU", "CONTROL"):
        counts = found.of("count", arm=arm, variable="BOR")["value"]
        assert counts.sum() == found.value("n", arm=arm)
    assert found.frame.filter(pl.col("value").is_null())["text"].null_count() == 0
