# SPDX-License-Identifier: Apache-2.0
"""A patient's form from an HL7 FHIR bundle, R4B or R5: reported findings, never images.

What is read: Patient (birth date), Condition (primary site by body site or code, date of
diagnosis), and Observation by the codes of the guideline documents (Ki-67, grade, stage,
Karnofsky) or by a field's own name in `FIELD_SYSTEM`. The rest of a bundle is left alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from radioligand.guidance.parsing import ASSESSED
from radioligand.guidance.patient import PatientError, fields_of, read_patient
from radioligand.guidance.records import Code, Guidelines, PatientField

FIELD_SYSTEM = "urn:radioligand:field"
VOID = ("entered-in-error", "cancelled", "refuted")
SCORES = ("{score}", "1", "points")


def is_bundle(document: Mapping[str, Any]) -> bool:
    """Whether a JSON document is FHIR and no form; only a bundle of it can be read."""
    return "resourceType" in document


def form_of(
    bundle: Mapping[str, Any], *, guidelines: Guidelines, also: Sequence[PatientField] = ()
) -> dict[str, Any]:
    """Turn a bundle into a form, as `read_patient` takes it.

    The bundle is held against R5, then R4B. Its timestamp is the day of the assessment, unless
    an observation gives that; of several findings of one field the latest counts.

    Raises PatientError for a bundle that is neither, that holds not one patient, or whose
    findings have other units, no known value, or two values on one day; every fault at once, those
    that `read_patient` finds in the rest among them.
    """
    if bundle.get("resourceType") != "Bundle":
        says = f"it is a {bundle.get('resourceType')}; give the Bundle that holds the patient"
        raise PatientError((says,), of="the FHIR resource")
    resources = list(_resources(_validated(bundle)))
    known = fields_of(guidelines, also)
    faults: list[str] = []
    patients = [one for one in resources if one["resourceType"] == "Patient"]
    if len(patients) != 1:
        faults.append(f"one patient is judged at a time; the bundle holds {len(patients)}")
    found: dict[str, list[tuple[str, Any]]] = {}
    for one in resources:
        if one["resourceType"] == "Observation" and one.get("status") not in VOID:
            _observe(one, found, guidelines.codes, known, faults)
        if one["resourceType"] == "Condition" and not _is_void(one):
            _diagnose(one, found, guidelines)
    fields = {name: _latest(name, findings, faults) for name, findings in found.items()}
    fields.setdefault(ASSESSED, {"value": _day(bundle.get("timestamp"))})
    _add_age(fields, patients)
    if faults:
        faults += _faults_of({"fields": fields}, guidelines, also)
        raise PatientError(tuple(faults), of="the FHIR bundle")
    return {"subject": patients[0].get("id"), "fields": fields}


def _faults_of(
    form: Mapping[str, Any], guidelines: Guidelines, also: Sequence[PatientField]
) -> tuple[str, ...]:
    try:
        read_patient(form, guidelines=guidelines, also=also)
    except PatientError as error:
        return error.faults
    return ()


def _validated(bundle: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        from fhir.resources.bundle import Bundle
        from fhir.resources.R4B.bundle import Bundle as BundleR4B
    except ModuleNotFoundError:
        says = "it cannot be read without the extra: pip install 'radioligand[fhir]'"
        raise PatientError((says,), of="the FHIR bundle") from None
    from pydantic import ValidationError

    text = json.dumps(bundle)
    faults: list[str] = []
    for name, kind in (("R5", Bundle), ("R4B", BundleR4B)):
        try:
            kind.model_validate_json(text)
        except ValidationError as error:
            faults += [
                f"not {name}: {'.'.join(map(str, one['loc']))}: {one['msg']}"
                for one in error.errors()[:3]
            ]
        else:
            return bundle
    raise PatientError(tuple(faults), of="the FHIR bundle")


def _resources(bundle: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for entry in bundle.get("entry", ()):
        if "resource" in entry:
            yield entry["resource"]


def _is_void(condition: Mapping[str, Any]) -> bool:
    codings = condition.get("verificationStatus", {}).get("coding", ())
    return any(coding.get("code") in VOID for coding in codings)


def _observe(
    observation: Mapping[str, Any],
    found: dict[str, list[tuple[str, Any]]],
    codes: Sequence[Code],
    known: Mapping[str, PatientField],
    faults: list[str],
) -> None:
    day = _day(
        observation.get("effectiveDateTime")
        or observation.get("effectivePeriod", {}).get("start")
        or observation.get("effectiveInstant")
    )
    for coding in observation.get("code", {}).get("coding", ()):
        key = (coding.get("system"), coding.get("code"))
        words: Mapping[str, str] = {}
        name = str(coding.get("code")) if key[0] == FIELD_SYSTEM else ""
        for one in codes:
            if key == (one.system, one.code):
                name, words = one.field, one.words
        if name not in known:
            continue
        value = _value(observation, known[name], words, faults)
        if value is not None:
            found.setdefault(name, []).append((day or "", value))
        return


def _value(
    observation: Mapping[str, Any],
    field: PatientField,
    words: Mapping[str, str],
    faults: list[str],
) -> Any:
    """The value of an observation in the field's terms; None, with a fault, if it has none.

    A word that the documents translate into "" says nothing here, and no more do others if "*" is
    translated so.
    """
    if "valueQuantity" in observation:
        quantity = observation["valueQuantity"]
        unit = quantity.get("code") or quantity.get("unit")
        if unit == field.unit or (field.unit in ("points", None) and unit in (None, *SCORES)):
            return quantity.get("value")
        faults.append(f"{field.name}: the unit is {field.unit}, not {unit!r}; convert the value")
        return None
    for key in ("valueBoolean", "valueInteger", "valueDateTime"):
        if key in observation:
            value = observation[key]
            return _day(value) if key == "valueDateTime" else value
    concept = observation.get("valueCodeableConcept", {})
    told = [coding.get(key) for coding in concept.get("coding", ()) for key in ("code", "display")]
    told += [concept.get("text"), observation.get("valueString")]
    for one in filter(None, told):
        word = words.get(one, one)
        if word in field.words:
            return word
    if not any(words.get(one, words.get("*")) == "" for one in filter(None, told)):
        faults.append(
            f"{field.name}: no value that the form knows; found {list(filter(None, told))}"
        )
    return None


def _diagnose(
    condition: Mapping[str, Any], found: dict[str, list[tuple[str, Any]]], guidelines: Guidelines
) -> None:
    day = _day(condition.get("onsetDateTime") or condition.get("recordedDate"))
    concepts = [*condition.get("bodySite", ()), condition.get("code", {})]
    for coding in (coding for concept in concepts for coding in concept.get("coding", ())):
        for one in guidelines.sites:
            if coding.get("system") == one.system and coding.get("code") in one.words:
                found.setdefault("primary_site", []).append((day or "", one.words[coding["code"]]))
                if day:
                    found.setdefault("diagnosis_date", []).append((day, day))
                return


def _latest(name: str, findings: Sequence[tuple[str, Any]], faults: list[str]) -> dict[str, Any]:
    last = max(day for day, _ in findings)
    values = list(dict.fromkeys(value for day, value in findings if day == last))
    if len(values) > 1:
        when = f"on {last}" if last else "without a date"
        faults.append(f"{name}: two findings {when} differ: {' and '.join(map(str, values))}")
    return {"value": values[0], "date": last or None}


def _add_age(fields: dict[str, Any], patients: Sequence[Mapping[str, Any]]) -> None:
    """Whole years from the birth date to the day of the assessment, if both are known."""
    born = patients[0].get("birthDate") if patients else None
    today = fields[ASSESSED]["value"]
    if "age_years" in fields or not today or not born or len(born) != 10:
        return
    birth, day = date.fromisoformat(born), date.fromisoformat(today)
    years = day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
    fields["age_years"] = {"value": years}


def _day(moment: str | None) -> str | None:
    """The calendar day of a FHIR date or instant; None for a year or month alone."""
    return moment[:10] if moment and len(moment) >= 10 else None
