"""Subjects described: baseline, disposition, exposure and adverse events, worked by hand."""

from datetime import date

import polars as pl
import pytest

RANDOMISED = date(2021, 1, 1)


# -- baseline ---------------------------------------------------------------------------------

BASELINE = {"kind": "baseline", "variables": ["SITE", "KI67", "METBONE", "AGE"]}


@pytest.fixture
def described(results_of, subjects):
    adsl = subjects(
        ["LU"] * 6 + ["CONTROL"] * 2,
        SITE=["Pancreas", "Pancreas", "Pancreas", "Lung", None, "Other", "Other", "Pancreas"],
        KI67=[10.0, 12.0, 20.0, 30.0, 55.0, None, 15.0, 25.0],
        METBONE=["Y", "N", "Y", "N", None, "N", "Y", "Y"],
    )
    return results_of({"ADSL": adsl}, BASELINE)


@pytest.mark.by_hand
def test_levels_are_counted_with_those_that_nobody_has(described):
    levels = described.of("count", arm="LU", variable="SITE")

    assert levels["level"].to_list() == ["Pancreas", "Rectum", "Other", "Lung"]
    assert levels["value"].to_list() == [3, 0, 1, 1]
    share = described.value("percent", arm="LU", variable="SITE", level="Pancreas")
    assert share == 50
    assert described.value("missing", arm="LU", variable="SITE") == 1
    assert described.value("count", arm="ALL", variable="SITE", level="Pancreas") == 4


@pytest.mark.by_hand
def test_numbers_have_the_quartiles_of_sas(described):
    # LU: 10 12 20 30 55. Definition 5: rank 5·p is never whole here, so the next number counts.
    found = [described.value(name, arm="LU", variable="KI67") for name in ("q1", "median", "q3")]

    assert found == [12, 20, 30]
    # all: 10 12 15 20 25 30 55: ranks 1.75, 3.5 and 5.25
    found = [described.value(name, arm="ALL", variable="KI67") for name in ("q1", "median", "q3")]
    assert found == [12, 20, 30]
    # CONTROL: 15 25: rank 1 is whole for the median, so the mean of two neighbours counts
    found = [
        described.value(name, arm="CONTROL", variable="KI67") for name in ("q1", "median", "q3")
    ]
    assert found == [15, 20, 25]
    assert described.value("missing", arm="LU", variable="KI67") == 1
    assert described.row("median", arm="LU", variable="KI67")["unit"] == "%"
    assert "QNTLDEF 5" in described.row("median", arm="LU", variable="KI67")["method"]


@pytest.mark.by_hand
def test_mean_and_spread(described):
    keys = {"arm": "LU", "variable": "KI67"}

    assert described.value("mean", **keys) == pytest.approx(127 / 5)
    squares = sum((value - 25.4) ** 2 for value in (10, 12, 20, 30, 55))
    assert described.value("sd", **keys) == pytest.approx((squares / 4) ** 0.5)
    assert (described.value("min", **keys), described.value("max", **keys)) == (10, 55)


@pytest.mark.by_hand
def test_flags_count_those_who_have_it(described):
    levels = described.of("count", arm="LU", variable="METBONE")

    assert levels.select("level", "value").rows() == [("Y", 2)]
    assert described.value("missing", arm="LU", variable="METBONE") == 1


@pytest.mark.by_hand
def test_variable_that_the_study_lacks_says_so(described):
    assert described.text("label", variable="AGE") == "Age"
    assert described.text("not_available", variable="AGE") == "ADSL has no AGE"


# -- disposition ------------------------------------------------------------------------------


@pytest.fixture
def flow(results_of, subjects):
    arms = ["LU"] * 4 + ["CONTROL"] * 3 + [None] * 3
    started = [RANDOMISED] * 3 + [None] + [RANDOMISED] * 3 + [None] * 3
    status = ["ONGOING", "DISCONTINUED", "DISCONTINUED", None]
    status += ["ONGOING", "DISCONTINUED", "COMPLETED", None, None, None]
    reasons = [None, "DEATH", "PROGRESSIVE DISEASE", "SURGERY BEFORE FIRST TREATMENT"]
    reasons += [None, "PROGRESSIVE DISEASE", "PROGRESSIVE DISEASE", None, None, None]
    adsl = subjects(
        arms,
        TRTSDT=started,
        SAFFL=["Y" if day else "N" for day in started],
        EOTSTT=status,
        DCTREAS=reasons,
        XOVERPH=[None] * 5 + ["Crossover phase"] + [None] * 4,
        DCSREAS=[None] * 7 + ["Ki-67 below 10%", "Consent withdrawn", "Ki-67 below 10%"],
    )
    listed = {"kind": "disposition", "population": "screened"}
    return results_of({"ADSL": adsl}, listed)


@pytest.mark.by_hand
def test_flow_from_screening_to_randomisation(flow):
    assert flow.value("count", arm="ALL", variable="screened") == 10
    assert flow.value("count", arm="ALL", variable="randomised") == 7
    assert flow.value("count", arm="ALL", variable="not_randomised") == 3
    reasons = flow.of("count", arm="ALL", variable="not_randomised").drop_nulls("level")
    assert reasons.select("level", "value").rows() == [
        ("Ki-67 below 10%", 2),
        ("Consent withdrawn", 1),
    ]
    assert flow.of("not_available").is_empty()  # those not randomised are not strays here


@pytest.mark.by_hand
def test_flow_of_an_arm(flow):
    def count(node: str, arm: str, level: str | None = None) -> object:
        return flow.value("count", arm=arm, variable=node, level=level)

    assert count("randomised", "LU") == 4
    assert count("treated", "LU") == 3
    assert count("not_treated", "LU") == 1
    assert count("not_treated", "LU", "SURGERY BEFORE FIRST TREATMENT") == 1
    assert count("treatment_ongoing", "LU") == 1
    assert count("treatment_ended", "LU", "DEATH") == 1
    assert count("treatment_ended", "CONTROL", "PROGRESSIVE DISEASE") == 2
    assert count("crossed_over", "CONTROL") == 1
    assert count("crossed_over", "CONTROL", "Crossover phase") == 1
    assert flow.of("count", arm="LU", variable="crossed_over").is_empty()
    assert count("analysed", "LU") == 4
    assert count("analysed", "LU", "Safety set") == 3


@pytest.mark.by_hand
def test_flow_without_treatment_status_says_so(results_of, subjects):
    adsl = subjects(["LU", "CONTROL", None, None], TRTSDT=[RANDOMISED] * 2 + [None] * 2)

    found = results_of({"ADSL": adsl}, {"kind": "disposition", "population": "screened"})

    assert found.value("count", arm="ALL", variable="not_randomised") == 2
    unsaid = {"variable": "not_randomised", "level": "Reason not recorded"}
    assert found.value("count", arm="ALL", **unsaid) == 2
    told = "ADSL has no EOTSTT (end of treatment status)"
    assert found.text("not_available", arm="LU", variable="treatment_ended") == told
    told = "ADSL has no XOVERPH (phase of crossover)"
    assert found.text("not_available", arm="CONTROL", variable="crossed_over") == told


# -- adverse events ---------------------------------------------------------------------------

SAFETY = {
    "grading": "CTCAE 5.0",
    "dictionary": "MedDRA 26.0",
    "days_after_last_dose": 30,
    "overview": [
        {"id": "any", "label": "Adverse events"},
        {
            "id": "related-lu",
            "label": "Related to Lu",
            "indent": 1,
            "arms": ["LU"],
            "holds": {"field": "AERELLU", "equals": "Y"},
        },
        {"id": "related", "label": "Related", "holds": {"field": "AEREL", "equals": "Y"}},
    ],
    "queries": [
        {
            "id": "blood",
            "label": "Blood",
            "min_grade": 3,
            "terms": ["Anaemia"],
            "lower_grade": {"Platelet count decreased": 2},
        },
        {"id": "kidney", "label": "Kidney", "terms": ["Proteinuria"], "part_of": "blood"},
    ],
}
EVENTS = [  # subject, term, grade, emergent, related to Lu
    ("001", "Nausea", 1, "Y", "Y"),
    ("001", "Nausea", 3, "Y", "N"),
    ("001", "Anaemia", 2, "Y", "N"),
    ("002", "Nausea", 2, "Y", "N"),
    ("002", "Platelet count decreased", 2, "Y", "Y"),
    ("003", "Anaemia", 4, "N", "Y"),
    ("004", "Fatigue", 1, "Y", "N"),
    ("004", "Anaemia", None, "Y", "N"),
    ("005", "Proteinuria", 1, "Y", "N"),
]


@pytest.fixture
def safety(results_of, subjects):
    adsl = subjects(["LU", "LU", "LU", "CONTROL", "CONTROL"])
    adae = pl.DataFrame(
        EVENTS, schema=["USUBJID", "AEDECOD", "ATOXGRN", "TRTEMFL", "AERELLU"], orient="row"
    )
    tables = [
        {"kind": "adverse events", "id": name, "table": name, "population": "safety"}
        for name in ("overview", "terms", "queries")
    ]
    found = results_of({"ADSL": adsl, "ADAE": adae}, *tables, safety=SAFETY)
    return {
        name: type(found)(found.frame.filter(analysis=name))
        for name in ("overview", "terms", "queries")
    }


def graded(found, arm: str, variable: str) -> tuple[object, object]:
    return tuple(
        found.value("count", arm=arm, variable=variable, level=level)
        for level in ("all grades", "grade >= 3")
    )


@pytest.mark.by_hand
def test_a_subject_counts_once_under_the_highest_grade(safety):
    terms = safety["terms"]

    assert graded(terms, "LU", "Nausea") == (2, 1)
    assert graded(terms, "LU", "Anaemia") == (1, 0)  # 003's began before treatment
    assert graded(terms, "CONTROL", "Anaemia") == (1, 0)
    assert terms.value("percent", arm="LU", variable="Nausea", level="all grades") == pytest.approx(
        200 / 3
    )
    assert terms.value("missing", arm="CONTROL") == 1  # event without a grade


@pytest.mark.by_hand
def test_terms_stand_by_how_many_have_them(safety):
    terms = safety["terms"].of("count", arm="LU", level="all grades")["variable"].to_list()

    assert terms == ["Anaemia", "Nausea", "Fatigue", "Platelet count decreased", "Proteinuria"]
    assert safety["terms"].value("common", variable="Nausea") == 1


@pytest.mark.by_hand
def test_overview_counts_what_its_condition_says(safety):
    overview = safety["overview"]

    assert graded(overview, "LU", "any") == (2, 1)
    assert graded(overview, "LU", "related-lu") == (2, 0)
    row = overview.row("count", arm="CONTROL", variable="related-lu", level="all grades")
    assert (row["value"], row["text"]) == (None, "NA")
    assert overview.text("not_available", variable="related") == "ADAE has no AEREL"
    assert overview.row("label", variable="related-lu")["value"] == 1  # how far it is set in


@pytest.mark.by_hand
def test_queries_count_from_the_grade_each_term_needs(safety):
    queries = safety["queries"]

    assert graded(queries, "LU", "blood") == (1, 0)  # 002 by platelets; 001's anaemia is grade 2
    assert graded(queries, "CONTROL", "blood") == (0, 0)
    assert graded(queries, "CONTROL", "kidney") == (1, 0)


# -- exposure ---------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_exposure_by_drug(results_of, subjects):
    adsl = subjects(["LU", "LU", "LU", "CONTROL"])
    rows = [
        ("001", "NCYCLE", "177LU", "TREATMENT", 4.0, None),
        ("002", "NCYCLE", "177LU", "TREATMENT", 2.0, None),
        ("004", "NCYCLE", "177LU", "CROSSOVER", 4.0, None),  # not the randomised treatment
        ("002", "RSNFEW", "177LU", "TREATMENT", None, "ADVERSE EVENT"),
        ("001", "CUMDOSE", "177LU", "TREATMENT", 29.6, None),
        ("001", "RDI", "177LU", "TREATMENT", 0.95, None),
        ("001", "NREDUC", "ANY TREATMENT", "TREATMENT", 2.0, None),
        ("002", "NREDUC", "ANY TREATMENT", "TREATMENT", 0.0, None),
        ("001", "TDURW", "ANY TREATMENT", "TREATMENT", 70.0, None),
        ("004", "TDURW", "ANY TREATMENT", "TREATMENT", 40.0, None),
        ("004", "TDURW", "OCTREOTIDE", "TREATMENT", 39.0, None),
    ]
    columns = ["USUBJID", "PARAMCD", "PARCAT2", "EPOCH", "AVAL", "AVALC"]
    adex = pl.DataFrame(rows, schema=columns, orient="row")

    found = results_of({"ADSL": adsl, "ADEX": adex}, {"kind": "exposure", "population": "safety"})

    assert found.value("median", arm="LU", variable="cycles") == 3
    assert found.value("count", arm="LU", variable="cycles", level="4 cycles") == 1
    assert found.value("count", arm="LU", variable="cycles", level="1 cycle") == 0
    assert found.value("missing", arm="LU", variable="cycles") == 1
    assert found.text("median", arm="CONTROL", variable="cycles") == "NA"
    assert found.value("median", arm="LU", variable="cumulative_gbq") == 29.6
    assert found.row("median", arm="LU", variable="cumulative_gbq")["unit"] == "GBq"
    assert found.value("median", arm="LU", variable="dose_intensity") == pytest.approx(95)
    assert found.value("count", arm="LU", variable="reduced") == 1
    assert found.value("count", arm="LU", variable="interrupted") == 0
    assert found.value("count", arm="LU", variable="fewer_cycles", level="ADVERSE EVENT") == 1
    assert found.value("median", arm="CONTROL", variable="duration_weeks") == 40
    assert found.value("median", arm="CONTROL", variable="duration_weeks OCTREOTIDE") == 39
