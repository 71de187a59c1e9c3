# SPDX-License-Identifier: Apache-2.0
"""FHIR bundles to forms: what is read, of which version, and which bundles are refused."""

import copy

import pytest

from radioligand.guidance import PatientError, read_patient
from radioligand.guidance.fhir import FIELD_SYSTEM, form_of, is_bundle

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"


def observation(system: str, code: str, *, day: str = "2025-10-01", **value: object) -> dict:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/01-001"},
        "effectiveDateTime": day,
        **value,
    }


def percent(value: float, unit: str = "%") -> dict:
    return {"valueQuantity": {"value": value, "unit": unit}}


PATIENT = {"resourceType": "Patient", "id": "01-001", "birthDate": "1964-11-02"}
CONDITION = {
    "resourceType": "Condition",
    "clinicalStatus": {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
                "code": "active",
            }
        ]
    },
    "subject": {"reference": "Patient/01-001"},
    "bodySite": [{"coding": [{"system": SNOMED, "code": "34516001"}]}],
    "onsetDateTime": "2025-08-20",
}
SCORE = observation(FIELD_SYSTEM, "highest_uptake_score", day="2025-10-10T09:30:00Z",
                    valueInteger=4)  # fmt: skip
KI67 = observation(LOINC, "29593-1", **percent(17))
STAGE = observation(
    LOINC, "21908-9", valueCodeableConcept={"coding": [{"code": "IV", "display": "Stage IV"}]}
)
GRADE = observation(LOINC, "33732-9", valueCodeableConcept={"text": "G2"})
PROGRESSION = observation(FIELD_SYSTEM, "progression", valueBoolean=False)
RESOURCES = (PATIENT, CONDITION, SCORE, KI67, STAGE, GRADE, PROGRESSION)


def bundle(*resources: dict, **keys: object) -> dict:
    entries = [{"resource": copy.deepcopy(one)} for one in resources]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": "2025-11-01T08:00:00Z",
        "entry": entries,
    } | keys


def form(library, *resources: dict, **keys: object) -> dict:
    return form_of(bundle(*resources, **keys), guidelines=library.guidelines, also=library.fields)


@pytest.mark.by_hand
def test_a_bundle_becomes_a_form(library):
    found = form(library, *RESOURCES)

    assert found["subject"] == "01-001"
    assert {name: parts["value"] for name, parts in found["fields"].items()} == {
        "primary_site": "ILEUM",
        "diagnosis_date": "2025-08-20",
        "highest_uptake_score": 4,
        "ki67_percent": 17,
        "disease_extent": "METASTATIC",
        "grade": "G2",
        "progression": False,
        "assessment_date": "2025-11-01",
        "age_years": 60,  # the 61st birthday is a day later
    }
    assert found["fields"]["highest_uptake_score"]["date"] == "2025-10-10"
    patient = read_patient(found, guidelines=library.guidelines, also=library.fields)
    assert patient["differentiation"][0] == "WELL DIFFERENTIATED"


def test_r4b_is_read_too(library):
    # an encounter's class is one coding in R4B and a list of concepts in R5
    encounter = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/01-001"},
    }
    assert form(library, *RESOURCES, encounter) == form(library, *RESOURCES)


def test_the_latest_finding_counts_and_void_ones_do_not(library):
    older = observation(LOINC, "29593-1", day="2024-01-01", **percent(5))
    void = observation(LOINC, "29593-1", day="2025-10-30", **percent(90)) | {
        "status": "entered-in-error"
    }
    refuted = CONDITION | {
        "bodySite": [{"coding": [{"system": SNOMED, "code": "15776009"}]}],
        "onsetDateTime": "2025-10-01",
        "verificationStatus": {"coding": [{"code": "refuted"}]},
    }

    found = form(library, PATIENT, CONDITION, refuted, older, KI67, void)

    assert found["fields"]["ki67_percent"] == {"value": 17, "date": "2025-10-01"}
    assert found["fields"]["primary_site"]["value"] == "ILEUM"


@pytest.mark.parametrize(
    ("resources", "keys", "says"),
    [
        ((KI67,), {}, "the bundle holds 0"),
        ((PATIENT, PATIENT), {}, "the bundle holds 2"),
        ((PATIENT, KI67, observation(LOINC, "29593-1", **percent(40))), {}, "17 and 40"),
        ((PATIENT, observation(LOINC, "29593-1", **percent(0.17, "1"))), {}, "not '1'; convert"),
        (
            (PATIENT, observation(FIELD_SYSTEM, "syndrome", valueString="flushing")),
            {},
            r"syndrome: no value that the form knows; found \['flushing'\]",
        ),
        (
            (PATIENT, observation(LOINC, "33732-9", valueCodeableConcept={"text": "G9"})),
            {},
            r"grade: no value that the form knows; found \['G9'\]",
        ),
        ((PATIENT,), {"type": 7}, r"not R5: type.*\n.*not R4B: type"),
    ],
)
def test_bundles_that_are_refused(library, resources, keys, says):
    with pytest.raises(PatientError, match=says):
        form(library, *resources, **keys)


def test_every_fault_of_a_bundle_is_told_at_once(library):
    wrong = observation(LOINC, "29593-1", **percent(0.17, "1"))
    unknown = observation(FIELD_SYSTEM, "syndrome", valueString="flushing")

    with pytest.raises(PatientError) as told:
        form(library, wrong, unknown)

    assert len(told.value.faults) == 3


def test_impossible_values_are_told_with_the_faults_of_the_bundle(library):
    unit = observation(FIELD_SYSTEM, "age_years", valueQuantity={"value": 7, "unit": "months"})
    index = observation(LOINC, "29593-1", **percent(140))

    with pytest.raises(PatientError, match="the FHIR bundle has 2 faults") as told:
        form(library, PATIENT, unit, index)

    assert told.value.faults == (
        "age_years: the unit is years, not 'months'; convert the value",
        "ki67_percent: 140 % is above 100 %",
    )


@pytest.mark.parametrize(
    ("code", "text"), [("21908-9", "Stage IIIB"), ("21902-2", "II"), ("33732-9", "GX")]
)
def test_a_value_that_says_nothing_of_the_field_is_unknown(library, code, text):
    found = form(library, PATIENT, observation(LOINC, code, valueCodeableConcept={"text": text}))

    assert not {"disease_extent", "grade"} & found["fields"].keys()


def test_another_resource_is_no_bundle(library):
    assert is_bundle(PATIENT)
    with pytest.raises(PatientError, match="it is a Patient; give the Bundle"):
        form_of(PATIENT, guidelines=library.guidelines)


def test_a_form_is_no_bundle():
    assert is_bundle(bundle(PATIENT))
    assert not is_bundle({"subject": "01-001", "fields": {}})
