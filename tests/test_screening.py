# SPDX-License-Identifier: Apache-2.0
"""Eligibility: patients worked by hand, three-valued laws, and forms that must be refused."""

import tomllib
from datetime import date
from importlib.resources import files

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radioligand.protocol import parse_protocol
from radioligand.screening import answer, consort, patient_template, read_patient, screen, summary
from radioligand.subjects import complete

UNTIMED = settings(deadline=None, max_examples=50)
NETTER_2 = parse_protocol(
    tomllib.loads((files("radioligand") / "trials" / "netter-2.toml").read_text("utf-8"))
)
ELIGIBLE = {
    "age_years": 61,
    "disease_extent": "METASTATIC",
    "inoperable": True,
    "primary_site": "PANCREAS",
    "specimen": "HISTOLOGY",
    "differentiation": "WELL DIFFERENTIATED",
    "ki67_percent": 17,
    "diagnosis_date": "2021-01-04",
    "screening_date": "2021-03-05",
    "assessment_date": "2021-03-20",
    "karnofsky": 90,
    "weight_kg": 71.5,
    "lowest_uptake_score": 3,
    "lowest_uptake_score_date": "2021-02-01",
    "creatinine_clearance_ml_min": 88,
    "prior_prrt": False,
    "prior_hepatic_artery_embolisation": False,
    "prior_radiofrequency_ablation": False,
    "prior_systemic_therapy": False,
    "prior_somatostatin_analogue": False,
    "consent_date": "2021-03-01",
}


def judge(**changes) -> dict:
    form = {name: value for name, value in (ELIGIBLE | changes).items() if value is not ...}
    patient = complete(
        read_patient(form, protocol=NETTER_2), variables=NETTER_2.variables, data=NETTER_2.data
    )
    return answer(patient, protocol=NETTER_2)


def by_id(found: dict) -> dict:
    return {criterion["id"]: criterion for criterion in found["criteria"]}


@pytest.mark.by_hand
def test_an_eligible_patient():
    found = judge(subject="01-001")
    assert (found["subject"], found["verdict"]) == ("01-001", "eligible")
    verdicts = {criterion["id"]: criterion["verdict"] for criterion in found["criteria"]}
    assert verdicts.pop("I13") == "not applied"
    assert set(verdicts.values()) == {"met"}
    assert by_id(found)["I07"]["value"] == 17
    assert by_id(found)["I08"]["value"] == pytest.approx(60 / 30.4375)
    assert by_id(found)["I11"]["value"] == {
        "lowest_uptake_score": 3, "lowest_uptake_score_date": "2021-02-01",
    }  # fmt: skip


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("changes", "verdict", "criterion", "missing"),
    [
        ({"ki67_percent": 9.9}, "not eligible", "I07", []),
        ({"ki67_percent": 10}, "eligible", None, []),
        ({"ki67_percent": 55.1}, "not eligible", "I07", []),
        ({"ki67_percent": None}, "undetermined", "I07", ["ki67_percent"]),
        ({"age_years": 14.9}, "not eligible", "I01", []),
        ({"weight_kg": 40}, "not eligible", "I10", []),  # above 40 kg
        ({"specimen": "CYTOLOGY"}, "not eligible", "I05", []),
        ({"prior_prrt": True}, "not eligible", "E02", []),
        ({"creatinine_clearance_ml_min": 40}, "eligible", None, []),
        ({"creatinine_clearance_ml_min": 39.9}, "not eligible", "E01", []),
        ({"diagnosis_date": "2020-09-03"}, "not eligible", "I08", []),  # 183 days: 6.01 months
        ({"diagnosis_date": "2020-09-04"}, "eligible", None, []),  # 182 days: 5.98 months
        ({"lowest_uptake_score_date": "2020-12-18"}, "eligible", None, []),  # 92 days
        (
            {"lowest_uptake_score_date": "2020-12-17"},
            "undetermined",
            "I11",
            ["lowest_uptake_score within 92 days up to assessment_date"],
        ),
        (
            {"lowest_uptake_score_date": None},
            "undetermined",
            "I11",
            ["lowest_uptake_score_date"],
        ),
        # a score of 2 that is too old says nothing either
        (
            {"lowest_uptake_score": 2, "lowest_uptake_score_date": "2020-12-17"},
            "undetermined",
            "I11",
            ["lowest_uptake_score within 92 days up to assessment_date"],
        ),
    ],
)
def test_one_thing_is_different(changes, verdict, criterion, missing):
    found = judge(**changes)
    decisive = [one["id"] for one in found["criteria"] if one["verdict"] in ("not met", "unknown")]
    assert found["verdict"] == verdict
    assert decisive == ([criterion] if criterion else [])
    if criterion:
        assert by_id(found)[criterion]["missing"] == missing


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"prior_systemic_therapy_days": 20, "weeks_since_systemic_therapy": 12}, "met"),
        ({"prior_systemic_therapy_days": 31, "weeks_since_systemic_therapy": 12}, "not met"),
        ({"prior_systemic_therapy_days": 20, "weeks_since_systemic_therapy": 11}, "not met"),
        ({"prior_systemic_therapy_days": 31}, "not met"),  # whatever the date
        ({"prior_systemic_therapy_days": 20}, "unknown"),
        # the weeks follow from the dates: 84 days before 20 March 2021
        (
            {"prior_systemic_therapy_days": 20, "prior_systemic_therapy_end_date": "2020-12-26"},
            "met",
        ),
    ],
)
def test_previous_systemic_therapy(changes, verdict):
    found = judge(prior_systemic_therapy=True, **changes)
    assert by_id(found)["E05"]["verdict"] == verdict


@pytest.mark.by_hand
def test_the_log_and_the_profile_of_three_patients():
    patients = pl.concat(
        [
            complete(
                read_patient(ELIGIBLE | changes, protocol=NETTER_2),
                variables=NETTER_2.variables,
                data=NETTER_2.data,
            )
            for changes in (
                {"subject": "A"},
                {"subject": "B", "ki67_percent": 5, "weight_kg": 30},
                {"subject": "C", "karnofsky": None},
            )
        ],
        how="diagonal",
    )
    log = screen(patients, protocol=NETTER_2)
    short = summary(log)

    assert log.height == 3 * 19
    assert log.filter(USUBJID="B", CRITERION="I07")["FIELDS"].item() == "ki67_percent = 5"
    assert short["VERDICT"].to_list() == ["eligible", "not eligible", "undetermined"]
    assert short["REASONS"].to_list()[1].startswith("Ki-67 index")
    assert short["REASONS"].to_list()[1].endswith("; Body weight above 40 kg at screening")
    assert short["MISSING"].to_list() == [None, None, "karnofsky"]

    adsl = pl.DataFrame(
        {
            "USUBJID": ["A", "B", "C", "D"],
            "TRT01P": ["LU", None, None, None],
            "RANDDT": [date(2021, 3, 20), None, None, None],
            "TRTSDT": pl.Series([None] * 4, dtype=pl.Date),
        }
    )
    assert consort(adsl, log).rows() == [
        ("screened", None, None, 4),
        ("not_randomised", None, None, 3),
        ("not_randomised", None, "Eligibility undetermined", 2),  # C, and D who has no log
        ("not_randomised", None, log.filter(CRITERION="I07")["SAYS"][0], 1),
        ("randomised", "LU", None, 1),
        ("not_treated", "LU", None, 1),
    ]


@pytest.mark.by_hand
def test_a_field_that_is_no_column_is_unknown():
    patients = pl.DataFrame({"USUBJID": ["A"], "consent_date": [date(2021, 3, 1)]})
    short = summary(screen(patients, protocol=NETTER_2))
    assert short["VERDICT"].to_list() == ["undetermined"]
    assert "lowest_uptake_score" in short["MISSING"][0].split(", ")


@pytest.mark.by_hand
def test_a_protocol_without_criteria_excludes_nobody():
    free = NETTER_2.model_copy(update={"eligibility": ()})
    assert screen(pl.DataFrame({"USUBJID": ["A"]}), protocol=free).is_empty()


# -- laws ------------------------------------------------------------------------------------

changed = st.fixed_dictionaries(
    {},
    optional={
        "ki67_percent": st.integers(0, 100),
        "age_years": st.integers(0, 99),
        "karnofsky": st.sampled_from([40, 60, 90]),
        "prior_prrt": st.booleans(),
        "prior_systemic_therapy": st.booleans(),
        "prior_systemic_therapy_days": st.integers(0, 60),
        "weeks_since_systemic_therapy": st.integers(0, 30),
        "prior_somatostatin_analogue": st.booleans(),
        "progression_on_somatostatin_analogue": st.booleans(),
        "lowest_uptake_score": st.integers(0, 4),
    },
)


@pytest.mark.law
@UNTIMED
@given(changed, st.sets(st.sampled_from(sorted(ELIGIBLE))))
def test_more_missing_data_never_makes_a_criterion_met_or_not_met(changes, lost):
    whole, less = by_id(judge(**changes)), by_id(judge(**(changes | dict.fromkeys(lost, ...))))
    del less["I12"]  # asks whether consent is known, which a missing date does answer
    for name, criterion in less.items():
        assert criterion["verdict"] in ("unknown", whole[name]["verdict"])


@pytest.mark.law
@UNTIMED
@given(changed)
def test_a_patient_is_eligible_when_nothing_is_in_the_way(changes):
    found = judge(**changes)
    verdicts = {one["verdict"] for one in found["criteria"]} - {"not applied"}
    expected = (
        "not eligible" if "not met" in verdicts
        else "undetermined" if "unknown" in verdicts
        else "eligible"
    )  # fmt: skip
    assert found["verdict"] == expected


# -- forms -----------------------------------------------------------------------------------


def test_both_forms_are_read_alike():
    flat = {"subject": 7, "ki67_percent": 17, "ki67_percent_date": "2024-01-03"}
    table = {"value": 17, "unit": "%", "date": "2024-01-03"}
    nested = {"subject": "7", "fields": {"ki67_percent": table}}
    assert read_patient(flat, protocol=NETTER_2).equals(read_patient(nested, protocol=NETTER_2))
    assert read_patient(nested, protocol=NETTER_2)["USUBJID"].item() == "7"


def test_the_template_is_an_empty_form():
    template = patient_template(NETTER_2)
    patient = read_patient(template, protocol=NETTER_2)
    asked = [one.field for one in NETTER_2.variables if one.field]
    assert list(template["fields"]) == asked
    assert template["fields"]["ki67_percent"] == {
        "label": "Ki-67 index, %", "value": None, "unit": "%",
    }  # fmt: skip
    assert template["fields"]["lowest_uptake_score"]["date"] is None
    assert all(patient[name].is_null().all() for name in patient.columns)


def test_tells_of_every_fault_of_a_form():
    form = {
        "ki67": 17,
        "age_years": "old",
        "primary_site": "pancreas",
        "sex": "X",
        "karnofsky": True,
        "ki67_percent": 120,
        "creatinine_clearance_ml_min": -1,
        "weight_kg": {"value": 70_000, "unit": "g"},
        "inoperable": "yes",
        "consent_date": "2024-02-30",
        "screening_date": "1024-02-03",
        "lowest_uptake_score": {"value": 3, "when": "today"},
        "differentiation": 3,
    }
    with pytest.raises(ValueError, match="13 faults") as error:
        read_patient(form, protocol=NETTER_2)
    assert str(error.value).splitlines()[1:] == [
        "  ki67: there is no such field; did you mean 'ki67_percent'?",
        "  age_years: 'old' is not a number",
        "  primary_site: 'pancreas' is written 'PANCREAS'",
        "  sex: 'X' is none of Male, Female",
        "  karnofsky: True is not a number",
        "  ki67_percent: 120 % is above 100 %",
        "  creatinine_clearance_ml_min: -1 is not possible",
        "  weight_kg: the unit is kg, not 'g'; convert the value",
        "  inoperable: 'yes' is neither true nor false",
        "  consent_date: '2024-02-30' is not a date such as 2024-03-09",
        "  screening_date: 1024-02-03 is not possible",
        "  lowest_uptake_score: 'when' is none of value, unit, date, label",
        "  differentiation: 3 is not text",
    ]


@pytest.mark.parametrize("form", [[], {"fields": [1]}, "ki67_percent"])
def test_refuses_what_is_no_form(form):
    with pytest.raises(ValueError, match="is a table of field names and values"):
        read_patient(form, protocol=NETTER_2)


def test_refuses_a_key_beside_the_fields():
    with pytest.raises(ValueError, match=r"age_years: .*beside 'fields'"):
        read_patient({"fields": {}, "age_years": 5}, protocol=NETTER_2)


def test_judges_one_patient_at_a_time():
    with pytest.raises(ValueError, match="the frame holds 2"):
        answer(pl.DataFrame({"USUBJID": ["A", "B"]}), protocol=NETTER_2)
