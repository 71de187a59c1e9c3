# SPDX-License-Identifier: Apache-2.0
"""Safety and quality of life analysed: classes, rates, late events, deaths, grades, all by hand."""

from datetime import date, timedelta

import polars as pl
import pytest

RANDOMISED = date(2021, 1, 1)
SAFETY = {
    "grading": "CTCAE 5.0",
    "dictionary": "MedDRA 26.0",
    "days_after_last_dose": 30,
    "queries": [{"id": "blood", "label": "Blood", "terms": ["Anaemia"]}],
}


def day(number: int | None) -> date | None:
    """Return the date so many days after randomisation."""
    return None if number is None else RANDOMISED + timedelta(days=number)


def one(kind: str, **more) -> dict:
    return {"kind": kind, "id": "asked", "population": "safety"} | more


@pytest.fixture
def treated(subjects):
    """Three subjects of LU, two of CONTROL, with their days of dose and death."""

    def build(last_dose: list[int], death: list[int | None], **more) -> pl.DataFrame:
        arms = ["LU", "LU", "LU", "CONTROL", "CONTROL"]
        return subjects(
            arms,
            TRTSDT=[day(1)] * 5,
            TRTEDT=[day(each) for each in last_dose],
            DTHDT=pl.Series([day(each) for each in death], dtype=pl.Date),
            **more,
        )

    return build


def adae(*rows: tuple) -> pl.DataFrame:
    """Rows of subject, term, class, grade, day."""
    return pl.DataFrame(
        [(*row[:4], day(row[4]), "Y") for row in rows],
        schema={
            "USUBJID": pl.String, "AEDECOD": pl.String, "AEBODSYS": pl.String,
            "ATOXGRN": pl.Int64, "ASTDT": pl.Date, "TRTEMFL": pl.String,
        },
        orient="row",
    )  # fmt: skip


EVENTS = adae(
    ("001", "Nausea", "Gut", 1, 10),
    ("001", "Nausea", "Gut", 3, 20),
    ("001", "Vomiting", "Gut", 2, 20),
    ("002", "Anaemia", "Blood", 4, 40),
    ("004", "Vomiting", "Gut", 1, 5),
    ("005", "Rash", None, None, 5),
)


# -- adverse events --------------------------------------------------------------------------


@pytest.fixture
def counts(results_of, treated):
    adsl = treated([100, 100, 100, 100, 100], [None] * 5)

    def build(**more):
        asked = one("adverse events", **more)
        return results_of({"ADSL": adsl, "ADAE": EVENTS}, asked, safety=SAFETY)

    return build


@pytest.mark.by_hand
def test_classes_hold_their_terms_by_the_highest_grade_of_each_subject(counts):
    found = counts(table="classes")

    labels = found.frame.filter(statistic="label")["variable"].to_list()
    assert labels == [
        "Gut", "Gut: Vomiting", "Gut: Nausea", "Blood", "Blood: Anaemia",
        "Not coded", "Not coded: Rash",
    ]  # fmt: skip
    of = {"arm": "LU", "variable": "Gut"}
    assert found.value("count", level="all grades", **of) == 1
    assert [found.value("count", level=f"grade {g}", **of) for g in range(1, 6)] == [0, 0, 1, 0, 0]
    assert found.value("percent", level="all grades", **of) == pytest.approx(100 / 3)
    assert found.value("count", arm="CONTROL", variable="Not coded", level="all grades") == 1
    assert found.value("label", variable="Gut: Nausea") == 1  # set in by one


@pytest.mark.by_hand
def test_terms_in_a_share_of_an_arm_alone_are_common(counts):
    found = counts(table="terms", at_least_percent=40.0)
    common = found.frame.filter(statistic="common")
    assert common["variable"].to_list() == ["Vomiting", "Rash"]  # one of two in CONTROL
    assert common["text"][0] == "in at least 40% of an arm"


@pytest.mark.by_hand
def test_milder_events_do_not_count_where_severe_ones_are_asked(counts):
    found = counts(table="terms", min_grade=3, at_least_percent=0.0)
    assert found.of("count", arm="LU")["variable"].to_list() == ["Anaemia", "Nausea"]
    assert found.frame["level"].drop_nulls().unique().to_list() == ["grade >= 3"]
    assert (
        "ATOXGRN >= 3"
        in found.row("count", arm="LU", variable="Nausea", level="grade >= 3")["where"]
    )


@pytest.mark.by_hand
def test_rates_end_with_the_first_event_the_period_and_death(results_of, treated):
    adsl = treated([100, 100, 100, 10, 400], [None, None, 59, None, None])
    found = results_of(
        {"ADSL": adsl, "ADAE": EVENTS}, one("adverse events", table="rates"), safety=SAFETY
    )

    # from day 0: 001 to its first event on day 10, 002 to day 40, 003 to its death on day 59
    years = (11 + 41 + 60) / 365.25
    any_event = {"arm": "LU", "variable": "any"}
    assert found.value("incidence_years", **any_event) == pytest.approx(years)
    assert found.value("incidence_rate", **any_event) == pytest.approx(100 * 2 / years)
    # all events over the whole period: to day 130, 130 and 59
    whole = (131 + 131 + 60) / 365.25
    assert found.value("event_count", **any_event) == 4
    assert found.value("event_rate", **any_event) == pytest.approx(100 * 4 / whole)
    # CONTROL has no anaemia: to day 40, and to the cutoff on day 365
    blood = {"arm": "CONTROL", "variable": "blood"}
    assert found.value("incidence_years", **blood) == pytest.approx((41 + 366) / 365.25)
    assert found.value("incidence_rate_lower", **blood) == 0


# -- late events and deaths ------------------------------------------------------------------


@pytest.mark.by_hand
def test_a_late_event_is_told_with_death_competing(results_of, treated, times):
    adsl = treated([100] * 5, [None] * 5)
    adtte = times(adsl, [400, 200, 900, 300, 600], [True, False, False, False, False], "SHM")
    adtte = adtte.with_columns(CNSR=pl.Series([0, 6, 1, 1, 1]))
    asked = one("competing risks", endpoint="SHM", competing=[6], landmarks_months=[6, 24])
    endpoint = {
        "id": "SHM", "label": "Late", "population": "safety",
        "start": {"says": "Dose", "dataset": "ADSL", "date": "TRTSDT"},
        "events": [{"says": "Late", "dataset": "ADSL", "date": "DTHDT"}],
        "censors": [{"says": "A", "because": "A", "dataset": "ADSL", "date": "LSTALVDT"}],
    }  # fmt: skip
    found = results_of({"ADSL": adsl, "ADTTE": adtte}, asked, endpoints=[endpoint])

    assert [found.value(name, arm="LU") for name in ("events", "competing", "censored")] == [1] * 3
    # one of three dies at 200; of the two left one has the event at 400: 2/3 of 1/2
    at = {"arm": "LU", "time_days": 24 * 30.4375}
    assert found.value("incidence_at", **at) == pytest.approx(100 / 3)
    assert found.value("incidence_at", arm="LU", time_days=6 * 30.4375) == 0
    assert found.value("onset_median", arm="LU") == pytest.approx(400 / 30.4375)
    case = found.row("onset", arm="LU", subject="001", time_days=400.0)
    assert case["value"] == pytest.approx(400 / 30.4375)
    assert found.text("not_estimable", arm="CONTROL").startswith("not estimable: neither the event")
    assert found.value("gray_p", arm="LU v CONTROL") is not None


@pytest.mark.by_hand
def test_deaths_are_told_by_period_and_cause(results_of, treated):
    causes = ["DISEASE", None, None, "DISEASE", "OTHER"]
    adsl = treated([100] * 5, [130, 131, None, 50, 300], DTHCAUS=causes)

    found = results_of({"ADSL": adsl}, one("deaths"), safety=SAFETY)

    def count(arm, period, cause=None):
        return found.value("count", arm=arm, variable=period, level=cause)

    assert [count("LU", period) for period in ("all", "during", "after")] == [2, 1, 1]
    assert count("LU", "after", "cause not collected") == 1  # day 131: 31 days after the last dose
    assert count("LU", "during", "DISEASE") == 1
    assert count("CONTROL", "all", "OTHER") == 1


# -- laboratory ------------------------------------------------------------------------------


def adlb(*rows: tuple) -> pl.DataFrame:
    """Rows of subject, day, grade below normal, grade at baseline; platelets under treatment."""
    return pl.DataFrame(
        [(who, "PLAT", "Platelets", day(when), "Y", str(low), None, str(base), None, "Low")
         for who, when, low, base in rows],
        schema=dict.fromkeys(
            ("USUBJID", "PARAMCD", "PARAM", "ADT", "ONTRTFL", "ATOXGRL", "ATOXGRH", "BTOXGRL",
             "BTOXGRH", "ATOXDSCL"), pl.String,
        ) | {"ADT": pl.Date},
        orient="row",
    )  # fmt: skip


VALUES = adlb(
    ("001", 28, 1, 0), ("001", 56, 3, 0), ("001", 84, 0, 0),
    ("002", 27, 2, 1), ("002", 60, 1, 1),
    ("004", 29, 0, 0),
)  # fmt: skip
PLATELETS = {"tests": [{"test": "PLAT", "direction": "low"}]}


@pytest.fixture
def graded(results_of, treated):
    adsl = treated([100] * 5, [None] * 5)
    doses = [("001", 1, 1), ("001", 2, 56), ("002", 1, 1), ("002", 2, 57)]
    adex = pl.DataFrame(
        [(who, "DOSE", "177LU", "TREATMENT", cycle, day(when)) for who, cycle, when in doses],
        schema=["USUBJID", "PARAMCD", "PARCAT2", "EPOCH", "CYCLE", "ASTDT"],
        orient="row",
    )
    schedule = [
        {"id": "blood", "label": "Blood", "anchor": "TRTSDT", "then_every_weeks": 4.0,
         "window_days": 3}
    ]  # fmt: skip

    def build(table: str, **more):
        asked = one("laboratory", table=table, **PLATELETS, **more)
        frames = {"ADSL": adsl, "ADLB": VALUES, "ADEX": adex}
        return results_of(frames, asked, schedule=schedule, safety=SAFETY)

    return build


@pytest.mark.by_hand
def test_the_worst_grade_is_of_those_with_a_value(graded):
    found = graded("worst")

    of = {"arm": "LU", "variable": "PLAT low"}
    assert found.value("evaluated", **of) == 2
    assert [found.value("count", level=f"grade {g}", **of) for g in range(5)] == [0, 0, 1, 1, 0]
    assert found.value("percent", level="grade >= 3", **of) == 50
    assert found.text("label", variable="PLAT low") == "Low"


@pytest.mark.by_hand
def test_the_shift_goes_from_baseline_to_the_worst(graded):
    found = graded("shift")
    of = {"arm": "LU", "variable": "PLAT low"}
    assert found.value("count", level="baseline 0: grade 3", **of) == 1
    assert found.value("count", level="baseline 1: grade 2", **of) == 1
    assert (
        found.value("count", arm="CONTROL", variable="PLAT low", level="baseline 0: grade 0") == 1
    )


@pytest.mark.by_hand
def test_a_cycle_runs_to_the_day_of_the_next_dose(graded):
    found = graded("cycles")
    of = {"arm": "LU", "variable": "PLAT low"}
    assert found.value("count", level="cycle 1: grade 3", **of) == 1  # on the day of dose 2
    assert found.value("count", level="cycle 2: grade 1", **of) == 1
    assert found.value("evaluated", level="cycle 2", **of) == 2
    assert found.of("evaluated", arm="CONTROL").height == 0


@pytest.mark.by_hand
def test_grades_over_time_stand_at_the_visits_of_the_schedule(graded):
    found = graded("over time", activity="blood", at_least=1)
    at = {"arm": "LU", "variable": "PLAT low", "time_days": 28.0}
    assert found.value("at_visit", **at) == 2  # day 28 and 27, of doses on day 1
    assert found.value("grade_share", level="grade 2", **at) == 50
    # 60 is 59 days after the first dose: at the edge of the window of week 8
    assert found.value("at_visit", arm="LU", variable="PLAT low", time_days=56.0) == 2


@pytest.mark.by_hand
def test_a_test_without_grades_says_so(results_of, treated):
    adsl = treated([100] * 5, [None] * 5)
    asked = one("laboratory", table="worst", tests=[{"test": "NEUT", "direction": "low"}])
    found = results_of({"ADSL": adsl, "ADLB": VALUES}, asked, safety=SAFETY)
    assert found.text("not_available", variable="NEUT low") == (
        "no value of NEUT under treatment has a grade"
    )


# -- quality of life -------------------------------------------------------------------------


@pytest.mark.by_hand
def test_the_mean_change_is_of_the_nearest_form_of_each_subject(results_of, treated):
    rows = [  # subject, visit, score, change, planned day, away from it
        ("001", "BASELINE", 50.0, None, None, None), ("002", "BASELINE", 70.0, None, None, None),
        ("001", "WEEK 12", 40.0, -10.0, 84, 5), ("001", "WEEK 12", 60.0, 10.0, 84, -2),
        ("002", "WEEK 12", 74.0, 4.0, 84, 0), ("003", "WEEK 12", 80.0, None, 84, 0),
        ("001", "WEEK 24", 50.0, 0.0, 168, 0),
    ]  # fmt: skip
    names = ["USUBJID", "AVISIT", "AVAL", "CHG", "AWTARGET", "AWTDIFF"]
    adqs = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        PARAMCD=pl.lit("QL2"), PARAM=pl.lit("Global"), WORSE=pl.lit("lower"), ADT=pl.lit(day(90))
    )
    asked = one("quality of life", scales=["QL2", "XX"], at_least=2)
    found = results_of({"ADSL": treated([100] * 5, [None] * 5), "ADQS": adqs}, asked)

    at = {"arm": "LU", "variable": "QL2"}
    assert found.value("mean_baseline", time_days=0.0, **at) == 60
    assert found.value("mean_change", time_days=84.0, **at) == 7  # 10 and 4
    # Student's t with one degree of freedom: 12.706 times the standard error of 3
    assert found.value("mean_change_upper", time_days=84.0, **at) == pytest.approx(
        7 + 3 * 12.7062047
    )
    assert found.of("mean_change", arm="LU")["time_days"].to_list() == [84.0]  # one at week 24
    assert found.row("label", variable="QL2")["method"] == "lower is worse"
    assert "no records with PARAMCD 'XX'" in str(found.text("not_available", variable="XX"))


@pytest.mark.by_hand
def test_a_model_of_one_visit_is_the_analysis_of_covariance(results_of, subjects):
    adsl = subjects(["LU"] * 3 + ["CONTROL"] * 3)
    changes, bases = [2.0, 5.0, 5.0, 0.0, 3.0, 1.0], [10.0, 20.0, 30.0] * 2
    adqs = pl.DataFrame(
        {
            "USUBJID": adsl["USUBJID"], "PARAMCD": "QL2", "PARAM": "Global", "BASE": bases,
            "CHG": changes, "AWTARGET": 84, "AWTDIFF": 0, "ADT": day(90),
        }
    )  # fmt: skip
    asked = one("repeated measures", scale="QL2", weeks=[12])

    found = results_of({"ADSL": adsl, "ADQS": adqs}, asked)

    # the arms have the same baselines; the slope is 40/400, the residual variance (32/3 - 4)/3
    pair = {"arm": "LU v CONTROL", "variable": "QL2", "time_days": 84.0}
    assert found.value("ls_difference", **pair) == pytest.approx(8 / 3)
    half = 3.182446305 * (20 / 9 * 2 / 3) ** 0.5  # t with 3 degrees of freedom
    assert found.value("ls_difference_upper", **pair) == pytest.approx(8 / 3 + half)
    assert found.value("ls_mean", arm="LU", variable="QL2", time_days=84.0) == pytest.approx(4)
    assert found.value("forms", arm="CONTROL", variable="QL2", time_days=84.0) == 3


# -- dose decisions --------------------------------------------------------------------------


@pytest.mark.by_hand
def test_decisions_are_counted_and_those_departed_from(results_of, treated):
    rows = [
        ("001", "ADMINISTERED", "FULL DOSE", "as decided", None),
        ("001", "ADMINISTERED", "HOLD", "departs", "low"),
        ("002", "ADMINISTERED", "HOLD", "departs", "low"),
        ("002", "DUE", "HOLD", "as decided", "low"),
    ]
    addose = pl.DataFrame(
        rows, schema=["USUBJID", "PARCAT1", "AVALC", "AUDIT", "RULE"], orient="row"
    ).with_columns(SAYS=pl.lit("Low"), ORIGIN=pl.lit("assumed"))
    dosing = {
        "treatment": "177LU",
        "fields": [{"field": "count", "dataset": "ADLB", "value": "AVAL"}],
        "rules": [
            {"id": "low", "says": "Low", "action": "hold", "origin": "assumed",
             "when": {"field": "count", "below": 75}}
        ],
    }  # fmt: skip
    frames = {"ADSL": treated([100] * 5, [None] * 5), "ADDOSE": addose}
    found = results_of(frames, one("dose decisions"), dosing=dosing)

    held = {"arm": "LU", "variable": "ADMINISTERED", "level": "HOLD"}
    assert (found.value("count", **held), found.value("departed", **held)) == (2, 2)
    assert found.value("percent", **held) == pytest.approx(200 / 3)
    assert found.value("count", arm="LU", variable="DUE") == 1
    assert found.value("count", arm="LU", variable="rule low") == 3
    assert found.value("departed", arm="LU", variable="rule low") == 2
    assert found.text("label", variable="rule low") == "Low (assumed)"


@pytest.mark.parametrize(
    ("asked", "frames", "told"),
    [
        (one("adverse events", table="classes"), {"ADAE": EVENTS.drop("AEBODSYS")}, "AEBODSYS"),
        (one("deaths"), {}, "ADSL has no TRTEDT"),
        (one("laboratory", table="worst", **PLATELETS), {}, "the study has no ADLB"),
        (one("dose decisions"), {}, "the study has no ADDOSE"),
        (one("quality of life", scales=["QL2"]), {}, "the study has no ADQS"),
    ],
)
def test_what_the_data_cannot_carry_is_a_row_with_its_reason(
    results_of, subjects, asked, frames, told
):
    adsl = subjects(["LU", "CONTROL"], DTHDT=pl.Series([None, None], dtype=pl.Date))
    found = results_of({"ADSL": adsl} | frames, asked, safety=SAFETY)
    assert told in str(found.frame.filter(statistic="not_available")["text"][0])
