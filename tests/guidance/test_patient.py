# SPDX-License-Identifier: Apache-2.0
"""Forms and tables of patients: what is worked out, what is refused, and the laws of unknowns."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from radioligand.advice import patient_of, read_library
from radioligand.criteria import AllOf, AnyOf, Comparison, Not, comparisons, met
from radioligand.guidance import (
    APPLIES,
    UNDETERMINED,
    PatientError,
    judge,
    patient_template,
    questions,
    read_patient,
    read_patients,
    verdicts,
)
from radioligand.guidance.evaluation import kleene
from radioligand.guidance.patient import fields_of, in_label

LIBRARY = read_library()
GUIDELINES = LIBRARY.guidelines
FIELDS = fields_of(GUIDELINES)
PATIENT = {
    "subject": "01-001",
    "assessment_date": "2025-11-01",
    "primary_site": "PANCREAS",
    "ki67_percent": 17,
    "highest_uptake_score": 4,
    "highest_uptake_score_date": "2025-10-10",
}


def read(**changes: object) -> pl.DataFrame:
    return read_patient(PATIENT | changes, guidelines=GUIDELINES)


def verdict_of(statement: str, patient: pl.DataFrame) -> str:
    found = judge(patient, guidelines=GUIDELINES)
    return next(one.verdict for one in found if one.statement.id == statement)


# -- what follows by definition -------------------------------------------------------------------


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("ki67", "grade", "differentiation"),
    [
        (0, "G1", "WELL DIFFERENTIATED"),
        (2.5, "G1", "WELL DIFFERENTIATED"),  # NETTER-1's own grades leave 2 to 3 % out
        (2.9, "G1", "WELL DIFFERENTIATED"),
        (3, "G2", "WELL DIFFERENTIATED"),
        (20, "G2", "WELL DIFFERENTIATED"),
        (20.1, "G3", None),  # a tumour G3 or a carcinoma: nobody can tell
        (55, "G3", None),
    ],
)
def test_grade_and_differentiation_by_who_2022(ki67, grade, differentiation):
    patient = read(ki67_percent=ki67)
    assert (patient["grade"][0], patient["differentiation"][0]) == (grade, differentiation)


def test_what_is_given_is_never_overwritten():
    patient = read(ki67_percent=None, grade="G3", differentiation="WELL DIFFERENTIATED")
    assert (patient["grade"][0], patient["differentiation"][0]) == ("G3", "WELL DIFFERENTIATED")


def test_both_ways_of_writing_a_form_mean_the_same():
    nested = {
        "subject": "01-001",
        "fields": {
            "assessment_date": "2025-11-01",
            "primary_site": {"value": "PANCREAS"},
            "ki67_percent": {"value": 17, "unit": "%"},
            "highest_uptake_score": {"value": 4, "date": "2025-10-10"},
        },
    }
    assert read_patient(nested, guidelines=GUIDELINES).equals(read(), null_equal=True)


def test_an_empty_template_is_a_form_of_which_nothing_is_known():
    template = patient_template(GUIDELINES, also=LIBRARY.fields)
    patient = patient_of(template, library=LIBRARY)

    found = judge(patient, guidelines=GUIDELINES)

    assert len(template["fields"]) == len(FIELDS) + len(LIBRARY.fields)
    assert {one.verdict for one in found} == {UNDETERMINED}


# -- time -----------------------------------------------------------------------------------------


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("found_on", "verdict"),
    [
        ("2025-11-01", "applies"),
        ("2025-08-01", "applies"),  # 92 days: 30 of August, 30, 31 and 1
        ("2025-07-31", "undetermined"),
        ("2025-11-02", "undetermined"),  # after the board
        (None, "undetermined"),
    ],
)
def test_a_scan_counts_for_92_days(found_on, verdict):
    patient = read(highest_uptake_score_date=found_on)
    assert verdict_of("board-receptor-positive", patient) == verdict


def test_an_old_scan_is_told_as_what_is_missing():
    patient = read(highest_uptake_score_date="2025-07-31")
    found = judge(patient, guidelines=GUIDELINES)
    one = next(one for one in found if one.statement.id == "board-receptor-positive")

    assert one.missing == ("highest_uptake_score within 92 days up to assessment_date",)
    assert one.because == (
        "Uptake at least that of the liver (score 2 or more): 4, too old or undated",
    )


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("ki67_percent", "Ki-67 index"),
        ("fdg_positive_date", "date of: Lesions take up FDG"),
        (
            "fdg_positive within 92 days up to assessment_date",
            "Lesions take up FDG, found in the 92 days before",
        ),
        ("nobody_knows", "nobody_knows"),
    ],
)
def test_what_is_missing_is_named_by_its_label(missing, told):
    assert in_label(missing, fields_of(GUIDELINES)) == told


def test_reasons_name_fields_by_their_labels():
    found = judge(read(ki67_percent=12, grade="G2"), guidelines=GUIDELINES)
    because = {one.statement.id: one.because for one in found}

    assert "Ki-67 index below 10 %: 12" in because["esmo-midgut-after-analogue"]
    assert "Progression of disease, by images or clinically: unknown" in because["board-candidate"]


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ki67_percent": 140}, "ki67_percent: 140 % is above 100"),
        ({"ki67_percent": -1}, "ki67_percent: -1 is not possible"),
        ({"ki67_percent": "17"}, "'17' is not a number"),
        ({"ki67_percent": float("nan")}, "nan is not possible"),
        ({"ki67_percent": {"value": 17, "unit": "points"}}, "the unit is %, not 'points'"),
        ({"ki67_percnt": 17}, "did you mean 'ki67_percent'"),
        ({"highest_uptake_score": 2.5}, "2.5 is no whole number"),
        ({"highest_uptake_score": 5}, "highest_uptake_score: 5 points is above 4"),
        ({"primary_site": "pancreas"}, "'pancreas' is written 'PANCREAS'"),
        ({"primary_site": "TONGUE"}, "'TONGUE' is none of PANCREAS"),
        ({"primary_site": 7}, "7 is not text"),
        ({"inoperable": "yes"}, "inoperable: 'yes' is neither true nor false"),
        ({"assessment_date": "1.11.2025"}, "is not a date such as"),
        ({"assessment_date": "2525-11-01"}, "2525-11-01 is not possible"),
        ({"line_of_treatment": 0}, "line_of_treatment: 0 is not possible"),
        ({"fields": {}, "note": 1}, "note: this does not belong beside 'fields'"),
        ({"inoperable": {"valve": True}}, "'valve' is none of value"),
    ],
)
def test_impossible_forms_are_refused(changes, says):
    with pytest.raises(PatientError, match=says):
        read(**changes)


CONTRADICTIONS = {
    "carcinoma-below-g3": {
        "differentiation": "POORLY DIFFERENTIATED", "grade": "G1", "ki67_percent": None,
    },
    "carcinoma-low-ki67": {"differentiation": "POORLY DIFFERENTIATED", "ki67_percent": 20},
    "grade-1-ki67": {"grade": "G1", "ki67_percent": 3},
    "grade-2-ki67": {"grade": "G2", "ki67_percent": 20.1},
    "grade-3-ki67": {"grade": "G3", "ki67_percent": 20},
    "mismatch-without-fdg": {"receptor_fdg_mismatch": True, "fdg_positive": False},
    "highly-but-not-symptomatic": {"highly_symptomatic": True, "symptomatic": False},
    "refractory-without-syndrome": {"syndrome_refractory": True, "syndrome": "NONE"},
    "analogue-progression-without-analogue": {
        "progression_on_somatostatin_analogue": True, "prior_somatostatin_analogue": False,
    },
    "radioligand-benefit-without-radioligand": {
        "months_of_benefit_from_prrt": 3, "prior_prrt": False,
    },
    "therapies-without-systemic-therapy": {"prior_systemic_therapy": False, "prior_prrt": True},
    "later-line-without-therapy": {"line_of_treatment": 2, "prior_systemic_therapy": False},
    "clinical-but-no-progression": {"clinical_progression": True, "progression": False},
    "uptake-order": {"lowest_uptake_score": 4, "highest_uptake_score": 3},
}  # fmt: skip


@pytest.mark.by_hand
@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradictions_are_refused(name):
    with pytest.raises(PatientError) as told:
        read(**CONTRADICTIONS[name])

    says = {one.id: one.says for one in GUIDELINES.contradictions}[name]
    assert len(told.value.faults) == 1
    assert says in told.value.faults[0]


def test_every_contradiction_has_a_case():
    assert {one.id for one in GUIDELINES.contradictions} == set(CONTRADICTIONS)


@pytest.mark.parametrize(
    "changes",
    [
        {"grade": "G2", "ki67_percent": 20},
        {"grade": "G3", "ki67_percent": 20.1},
        {"differentiation": "POORLY DIFFERENTIATED", "ki67_percent": 20.1},
        {"lowest_uptake_score": 4},
        {"line_of_treatment": 1, "prior_systemic_therapy": False},
    ],
)
def test_what_does_not_contradict_is_read(changes):
    assert read(**changes).height == 1


def test_every_fault_of_a_form_is_told_at_once():
    with pytest.raises(PatientError) as told:
        read(ki67_percent=140, differentiation="POORLY DIFFERENTIATED", grade="G1", age=3)

    assert len(told.value.faults) == 3
    assert "has 3 faults" in str(told.value)


# -- a registry's table ---------------------------------------------------------------------------


def table(**columns: list) -> pl.DataFrame:
    return pl.DataFrame({"USUBJID": ["1", "2", "3"]} | columns)


def test_a_table_is_read_as_its_forms_would_be():
    read_table = read_patients(
        table(
            assessment_date=["2025-11-01"] * 3,
            primary_site=["PANCREAS", "ILEUM", None],
            ki67_percent=[17, 2, 40],
            inoperable=["true", "FALSE", None],
            hospital=["a", "b", "c"],
        ),
        guidelines=GUIDELINES,
    )

    assert read_table["grade"].to_list() == ["G2", "G1", "G3"]
    assert read_table["inoperable"].to_list() == [True, False, None]
    assert read_table["assessment_date"][0] == date(2025, 11, 1)
    assert "hospital" not in read_table.columns


def test_a_table_tells_each_broken_rule_once_with_its_rows():
    wrong = table(
        primary_site=["PANCREAS", "TONGUE", "ILEUM"],
        ki67_percent=[140.0, 17.0, 3.0],
        grade=["G3", "G2", "G1"],
        inoperable=["yes", "true", None],
    )

    with pytest.raises(PatientError) as told:
        read_patients(wrong, guidelines=GUIDELINES)

    faults = "\n".join(told.value.faults)
    assert len(told.value.faults) == 4
    assert "the value lies from 0 to 100 %; 1 of 3 rows break this." in faults
    assert "USUBJID '2'  primary_site 'TONGUE'" in faults
    assert "inoperable: a flag is what stands here; 1 of 3 rows" in faults
    assert "G1 has a Ki-67 index below 3 %; 1 of 3 rows" in faults


def test_a_table_without_names_of_patients_is_refused():
    with pytest.raises(PatientError, match="USUBJID: the column that names"):
        read_patients(pl.DataFrame({"ki67_percent": [3.0]}), guidelines=GUIDELINES)


# -- laws -----------------------------------------------------------------------------------------


def values_of(name: str) -> st.SearchStrategy:
    field = FIELDS[name]
    match field.type:
        case "flag":
            return st.booleans()
        case "text":
            return st.sampled_from(field.words)
        case "date":
            return st.dates(date(2025, 6, 1), date(2025, 12, 31)).map(str)
        case _:
            top = 60 if field.highest is None else min(field.highest, 60)
            return st.integers(int(field.lowest), int(top))


def forms(*, least: int = 0) -> st.SearchStrategy[dict]:
    """Forms of a few fields each, with the dates of findings that age."""
    names = st.lists(st.sampled_from(list(FIELDS)), min_size=least, max_size=14, unique=True)
    day = st.dates(date(2025, 7, 1), date(2025, 11, 10)).map(str)

    @st.composite
    def drawn(draw) -> dict:
        form = {"assessment_date": "2025-11-01"}
        for name in draw(names):
            form[name] = draw(values_of(name))
            if FIELDS[name].window_days is not None:
                form[f"{name}_date"] = draw(day)
        return form

    return drawn()


def _number(told: str) -> float | None:
    return float(told) if told.replace(".", "").isdigit() else None


def judged(form: dict) -> dict[str, bool | None]:
    try:
        patient = read_patient(form, guidelines=GUIDELINES)
    except PatientError:
        reject()
    return verdicts(patient, guidelines=GUIDELINES).drop("USUBJID").row(0, named=True)


@pytest.mark.law
@settings(max_examples=40)
@given(forms(least=2), st.data())
def test_more_missing_data_never_makes_a_statement_apply(form, data):
    """Nor not apply; and so more data never turn what was decided into unknown."""
    lost = data.draw(st.sampled_from(sorted(form)))
    full = judged(form)
    gap = judged({name: value for name, value in form.items() if name != lost})

    changed = {name for name, holds in gap.items() if holds is not None and holds != full[name]}
    assert changed == set()


@pytest.mark.law
@settings(max_examples=30)
@given(forms())
def test_reasons_agree_with_the_frame(form):
    """One patient's reasons and a registry's columns come from the same three values."""
    by_frame = judged(form)
    findings = judge(read_patient(form, guidelines=GUIDELINES), guidelines=GUIDELINES)

    assert len(findings) == len(by_frame)
    for one in findings:
        assert one.applies == (by_frame[one.statement.id] is True)
        assert (one.verdict == UNDETERMINED) == (by_frame[one.statement.id] is None)
        assert one.because
        assert bool(one.missing) <= (one.verdict == UNDETERMINED)


@pytest.mark.law
@settings(max_examples=15)
@given(forms(least=3))
def test_a_question_answered_settles_what_it_said(form):
    """Give the value of a question: the statement then has the verdict that was foretold."""
    try:
        patient = read_patient(form, guidelines=GUIDELINES)
    except PatientError:
        reject()
    for question in questions(patient, guidelines=GUIDELINES)[:3]:
        field = FIELDS[question.field]
        change = question.changes[-1]
        told = change.values[0]
        value = (
            {"flag": told == "yes", "text": told}.get(field.type)
            if field.type != "number"
            else float(told)
        )
        answered = form | {question.field: value}
        if field.window_days is not None:
            answered[f"{question.field}_date"] = form["assessment_date"]
        found = judge(read_patient(answered, guidelines=GUIDELINES), guidelines=GUIDELINES)
        verdict = next(one.verdict for one in found if one.statement.id == change.statement)
        assert verdict == change.verdict


terms = st.sampled_from("abc").map(lambda name: Comparison(field=name, operator="is", value=True))
conditions = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=8,
)
answers = st.one_of(st.none(), st.booleans())


@pytest.mark.law
@given(conditions, st.tuples(answers, answers, answers))
def test_kleene_joins_as_the_frame_does(condition, given_answers):
    known = dict(zip("abc", given_answers))
    frame = pl.DataFrame([known], schema=dict.fromkeys("abc", pl.Boolean))
    by_term = {one: known[one.field] for one in comparisons(condition)}

    assert kleene(condition, by_term) == frame.select(met(condition)).item()


def test_one_patient_is_judged_at_a_time():
    with pytest.raises(ValueError, match="the frame holds 2"):
        judge(pl.concat([read(), read()]), guidelines=GUIDELINES)


def test_a_question_is_asked_of_a_scan_that_is_too_old():
    asked = questions(read(highest_uptake_score_date="2025-01-01"), guidelines=GUIDELINES)
    scan = next(one for one in asked if one.field == "highest_uptake_score")
    change = next(
        one
        for one in scan.changes
        if one.statement == "board-receptor-positive" and one.verdict == APPLIES
    )

    assert change.values == ("2", "3", "4")
