# SPDX-License-Identifier: Apache-2.0
"""Pages from consent to arm: the screening form, the signed eligibility, the randomisation."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from radioligand.screening import inputs, typed
from radioligand.service.deeds import (
    UnfitError,
    day_typed,
    key_of,
    patient_asked,
    patients_seen,
    recorded,
    signature_of,
)
from radioligand.service.eligibility_view import (
    Eligibility,
    eligibility,
    fields_shown,
)
from radioligand.service.events import Patient
from radioligand.service.portal import Ask, NotGivenError, Page, sent_to, shown
from radioligand.service.refusals import RefusalError
from radioligand.service.roles import Action

ELIGIBLE = "I have examined this patient and the source documents and confirm the eligibility."
RANDOMISE = "I ask for this patient to be randomised. It cannot be undone."


def form_of(patient: Patient) -> Mapping[str, Mapping[str, Any]]:
    """Return the fields of the patient's last screening form; none before the first."""
    fields: Mapping[str, Mapping[str, Any]] = (patient.form or {}).get("fields", {})
    return fields


def screening_of(patient: Patient) -> int:
    """Return how many screening forms were recorded: which one the last is; 0 before the first."""
    return sum(one.kind == "screened" for one in patient.events)


def _consent(patient: Patient) -> str:
    told = (one.payload["consent_date"] for one in patient.events if one.kind == "consented")
    return next(told, "")


# -- consent --------------------------------------------------------------------------------------


def show_new(ask: Ask) -> Response:
    """The next patient's number at the reader's site, and consent."""
    return _new(ask)


def _next_subject(ask: Ask) -> str:
    numbers = [int(one.subject.rpartition("-")[2]) for one in patients_seen(ask)]
    return f"{ask.site}-{max(numbers, default=0) + 1:03d}"


def _new(ask: Ask, says: str = "") -> Response:
    context = {
        "subject": _next_subject(ask),
        "says": says,
        "consent_date": ask.form.get("consent_date", ""),
    }
    return shown(ask, "screening_new.html", context, status=422 if says else 200)


def begin(ask: Ask) -> Response:
    """Record consent under the next number of the site."""
    subject = _next_subject(ask)
    try:
        day = day_typed(ask, "consent_date", label="Date of informed consent")
        if ask.form.get("has_consented") != "yes":
            raise UnfitError("A patient is screened after having signed the consent form.")
        patient = Patient(subject=subject, site=ask.site)
        event = recorded(ask, "consented", patient, {"consent_date": day})
    except (UnfitError, RefusalError) as error:
        return _new(ask, str(error))
    return sent_to(f"/patients/{event.subject}/screening")


# -- the form -------------------------------------------------------------------------------------


def show_form(ask: Ask) -> Response:
    """The form as it was last recorded."""
    patient = patient_asked(ask)
    values: dict[str, str] = {}
    for name, entry in form_of(patient).items():
        values[name] = _as_typed(entry.get("value"))
        values[f"{name}_date"] = str(entry.get("date") or "")
    values.setdefault("consent_date", _consent(patient))
    values.setdefault("screening_date", ask.today.isoformat())
    return _form(ask, patient, values)


def _as_typed(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


def _form(
    ask: Ask,
    patient: Patient,
    values: Mapping[str, str],
    *,
    faults: Mapping[str, str] | None = None,
    says: str = "",
) -> Response:
    protocol = ask.portal.protocol
    fields, misread = typed(values, protocol=protocol, today=ask.today)
    found = eligibility(fields, subject=patient.subject, protocol=protocol)
    context = {
        "subject": patient.subject,
        "inputs": inputs(protocol),
        "values": values,
        "faults": misread | dict(faults or {}),
        "fixed": ("consent_date",),
        "found": found,
        "says": says,
    }
    return shown(ask, "screening_form.html", context, status=422 if says else 200)


def _typed(ask: Ask, patient: Patient) -> dict[str, str]:
    return {**ask.form, "consent_date": _consent(patient)}  # consent was given once


def judge(ask: Ask) -> Response:
    """The criteria alone, on what is typed so far: nothing is recorded."""
    patient = patient_asked(ask)
    protocol = ask.portal.protocol
    fields, faults = typed(_typed(ask, patient), protocol=protocol, today=ask.today)
    found = eligibility(fields, subject=patient.subject, protocol=protocol)
    if faults:
        labels = {one.field: one.label for one in inputs(protocol)}
        told = tuple(f"{labels[name]}: {fault}" for name, fault in faults.items())
        found = Eligibility(
            verdict=found.verdict,
            criteria=found.criteria,
            strata=found.strata,
            faults=(*told, *found.faults),
        )
    return shown(ask, "criteria.html", {"found": found})


def record_form(ask: Ask) -> Response:
    """Record the form; the verdict is found from it, never sent with it."""
    patient = patient_asked(ask)
    values = _typed(ask, patient)
    fields, faults = typed(values, protocol=ask.portal.protocol, today=ask.today)
    if faults:
        return _form(ask, patient, values, faults=faults, says="Some values cannot be read.")
    try:
        recorded(ask, "screened", patient, {"form": {"subject": patient.subject, "fields": fields}})
    except RefusalError as error:
        return _form(ask, patient, values, says=str(error))
    return sent_to(f"/patients/{patient.subject}")


def fail(ask: Ask) -> Response:
    """Record that the patient does not enter the trial, with the reason."""
    patient = patient_asked(ask)
    try:
        recorded(ask, "screen failed", patient, reason=ask.form.get("reason", "").strip())
    except RefusalError as error:
        raise NotGivenError(422, str(error)) from None
    return sent_to(f"/patients/{patient.subject}")


# -- eligibility, signed --------------------------------------------------------------------------


def show_eligibility(ask: Ask) -> Response:
    """What is signed: every criterion with what it saw."""
    return _eligibility(ask, patient_asked(ask))


def _eligibility(ask: Ask, patient: Patient, says: str = "") -> Response:
    protocol = ask.portal.protocol
    found = eligibility(form_of(patient), subject=patient.subject, protocol=protocol)
    context = {
        "subject": patient.subject,
        "found": found,
        "screening": screening_of(patient),
        "meaning": ELIGIBLE,
        "can_sign": found.verdict == "eligible" and "screened" in patient.facts,
        "says": says,
    }
    return shown(ask, "eligibility.html", context, status=422 if says else 200)


def sign_eligibility(ask: Ask) -> Response:
    """Sign the form that was shown; another one recorded since is not signed unseen."""
    patient = patient_asked(ask)
    try:
        if ask.form.get("screening") != str(screening_of(patient)):
            raise UnfitError("The screening form was changed since; read it again before you sign.")
        signature = signature_of(ask, ELIGIBLE)
        signed = [one for one in patient.events if one.kind == "screened"][-1]
        payload = {"signs": signed.number, "signs_hash": signed.hash}
        recorded(ask, "eligibility signed", patient, payload, signature=signature)
    except (UnfitError, RefusalError) as error:
        return _eligibility(ask, patient, str(error))
    return sent_to(f"/patients/{patient.subject}")


# -- randomisation --------------------------------------------------------------------------------


def show_randomisation(ask: Ask) -> Response:
    """Review: who, which strata, whether still eligible today; then sign again."""
    return _randomisation(ask, patient_asked(ask))


def _randomisation(ask: Ask, patient: Patient, says: str = "") -> Response:
    protocol = ask.portal.protocol
    if patient.arm is not None:
        return sent_to(f"/patients/{patient.subject}/certificate")
    found = eligibility(form_of(patient), subject=patient.subject, protocol=protocol, on=ask.today)
    is_ready = "eligibility signed" in patient.facts and found.verdict == "eligible"
    context = {
        "subject": patient.subject,
        "found": found,
        "is_signed": "eligibility signed" in patient.facts,
        "is_ready": is_ready,
        "seen": fields_shown(form_of(patient), protocol=protocol),
        "strata": strata_in_words(found.strata, ask),
        "meaning": RANDOMISE,
        "key": ask.form.get("key") or ask.key,
        "says": says,
    }
    return shown(ask, "randomisation.html", context, status=422 if says else 200)


def strata_in_words(strata: Mapping[str, str | None] | None, ask: Ask) -> list[tuple[str, str]]:
    """Return each factor with its level as a reader says them."""
    factors = ask.portal.protocol.randomisation
    told = []
    for factor in factors.strata if factors else ():
        level = (strata or {}).get(factor.id)
        labels = {one.id: one.label for one in factor.levels}
        told.append((factor.label, labels.get(level or "", "unknown")))
    return told


def randomise(ask: Ask) -> Response:
    """Give the patient the next entry of the stratum; nothing in the request can choose it."""
    patient = patient_asked(ask)
    if patient.arm is not None:
        return sent_to(f"/patients/{patient.subject}/certificate")
    try:
        key = key_of(ask)
        if key is None:
            raise UnfitError("The form came without its key; open it again.")
        on_the_day = eligibility(
            form_of(patient),
            subject=patient.subject,
            protocol=ask.portal.protocol,
            on=ask.today,
        )
        if on_the_day.verdict != "eligible":
            reasons = "; ".join(on_the_day.reasons)
            raise UnfitError(f"On {ask.today} the patient is {on_the_day.verdict}: {reasons}.")
        signature = signature_of(ask, RANDOMISE)
        ask.portal.ledger.allocate(
            patient.subject,
            site=patient.site or "",
            actor=ask.signed_in.account.name,
            key=key,
            signature=signature,
        )
    except (UnfitError, RefusalError) as error:
        return _randomisation(ask, patient, str(error))
    return sent_to(f"/patients/{patient.subject}/certificate")


def certificate(ask: Ask) -> Response:
    """The result to print: who, which arm, when, signed by whom and to what meaning."""
    patient = patient_asked(ask)
    event = next((one for one in patient.events if one.kind == "randomised"), None)
    if event is None:
        raise NotGivenError(404, "This patient has not been randomised.")
    arm = next(one for one in ask.portal.protocol.arms if one.id == event.payload["arm"])
    context = {
        "subject": patient.subject,
        "event": event,
        "arm": arm,
        "strata": strata_in_words(event.payload["strata"], ask),
        "consent_date": _consent(patient),
    }
    return shown(ask, "certificate.html", context)


HERE = "/patients/{subject}"
PAGES = (
    Page(path="/screening", method="GET", action=Action.SCREEN, answer=show_new),
    Page(path="/screening", method="POST", action=Action.SCREEN, answer=begin),
    Page(path=f"{HERE}/screening", method="GET", action=Action.SCREEN, answer=show_form),
    Page(path=f"{HERE}/screening", method="POST", action=Action.SCREEN, answer=record_form),
    Page(path=f"{HERE}/screening/judged", method="POST", action=Action.SCREEN, answer=judge),
    Page(path=f"{HERE}/screen-failure", method="POST", action=Action.SCREEN, answer=fail),
    Page(
        path=f"{HERE}/eligibility",
        method="GET",
        action=Action.SIGN_ELIGIBILITY,
        answer=show_eligibility,
    ),
    Page(
        path=f"{HERE}/eligibility",
        method="POST",
        action=Action.SIGN_ELIGIBILITY,
        answer=sign_eligibility,
    ),
    Page(
        path=f"{HERE}/randomisation",
        method="GET",
        action=Action.RANDOMISE,
        answer=show_randomisation,
    ),
    Page(path=f"{HERE}/randomisation", method="POST", action=Action.RANDOMISE, answer=randomise),
    Page(path=f"{HERE}/certificate", method="GET", action=Action.SEE_TREATMENT, answer=certificate),
)
