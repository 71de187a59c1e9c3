# SPDX-License-Identifier: Apache-2.0
"""Pages on which a site or the central reader records what was found or happened."""

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from radioligand.cdisc.terms import RECIST_RESPONSES
from radioligand.service.corrections_view import CAUSES
from radioligand.service.deeds import (
    UnfitError,
    day_typed,
    number_typed,
    patient_asked,
    recorded,
    signature_of,
)
from radioligand.service.due_view import assessments, in_words, injections, regimen_of
from radioligand.service.events import Patient
from radioligand.service.laboratory_view import TESTS
from radioligand.service.lesions import STATES, images, lesions_typed, places
from radioligand.service.portal import Ask, Page, sent_to, shown
from radioligand.service.refusals import RefusalError
from radioligand.service.roles import Action

BASELINE = "BASELINE"
CENTRAL, LOCAL = "INDEPENDENT ASSESSOR", "INVESTIGATOR"
RESPONSES = tuple(one for one in RECIST_RESPONSES if one in ("CR", "PR", "SD", "PD", "NE"))
CROSS_OVER = "The progression is centrally confirmed and I ask for treatment after crossover."
APPROVE = "I have checked the central confirmation and approve treatment after crossover."
Context = dict[str, Any]


def page(template: str, extra: Callable[[Ask, Patient], Context]) -> Callable[..., Response]:
    """Return what shows one form on a patient, empty or with what was wrong with it."""

    def show(ask: Ask, patient: Patient | None = None, says: str = "") -> Response:
        found = patient or patient_asked(ask)
        context = {"patient": found, "says": says, "form": ask.form, "key": ask.form.get("key")}
        context["key"] = context["key"] or ask.key
        return shown(ask, template, context | extra(ask, found), status=422 if says else 200)

    return show


def deed(
    show: Callable[..., Response], do: Callable[[Ask, Patient], object], then: str = ""
) -> Callable[[Ask], Response]:
    """Return what does something to a patient, or shows the form again with the reason."""

    def answer(ask: Ask) -> Response:
        patient = patient_asked(ask)
        try:
            do(ask, patient)
        except (UnfitError, RefusalError) as error:
            return show(ask, patient, str(error))
        return sent_to(f"/patients/{patient.subject}{then}")

    return answer


def consent_day(patient: Patient) -> str:
    """Return the day of consent; nothing is recorded of days before it."""
    return next(
        (one.payload["consent_date"] for one in patient.events if one.kind == "consented"), ""
    )


# -- laboratory -----------------------------------------------------------------------------------


def _record_laboratory(ask: Ask, patient: Patient) -> None:
    day = day_typed(ask, "date", label="Date of sampling")
    tests = {}
    faults = []
    for one in TESTS:
        if not ask.form.get(one.code, "").strip():
            continue
        try:
            least, most = one.possible
            value = number_typed(ask, one.code, label=one.label, lowest=least, highest=most)
        except UnfitError as error:
            faults.append(str(error))
            continue
        tests[one.code] = {"value": value, "unit": one.unit, "low": one.low, "high": one.high}
    if faults:
        raise UnfitError(" ".join(faults))
    if not tests:
        raise UnfitError("No value was filled in.")
    recorded(ask, "laboratory recorded", patient, {"date": day, "tests": tests})


show_laboratory = page("laboratory.html", lambda ask, patient: {"tests": TESTS})
record_laboratory = deed(show_laboratory, _record_laboratory)


# -- adverse events -------------------------------------------------------------------------------


def _record_event(ask: Ask, patient: Patient) -> None:
    term = ask.form.get("term", "").strip()
    if not 2 <= len(term) <= 200:
        raise UnfitError("Name the event, in 2 to 200 letters.")
    payload = {
        "term": term,
        "date": day_typed(ask, "date", label="Onset", not_before=consent_day(patient)),
        "grade": int(number_typed(ask, "grade", label="Grade", lowest=1, highest=5)),
        "is_related": ask.form.get("is_related") == "yes",
        "is_serious": ask.form.get("is_serious") == "yes",
    }
    recorded(ask, "adverse event recorded", patient, payload)


show_event = page("adverse_event.html", lambda ask, patient: {})
record_event = deed(show_event, _record_event)


# -- images and their central reading -------------------------------------------------------------


def _imaging(ask: Ask, patient: Patient) -> Context:
    evaluator = CENTRAL if ask.may(Action.READ_CENTRALLY) else LOCAL
    return {
        "responses": RESPONSES if images(patient, evaluator) else (BASELINE, *RESPONSES),
        "places": places(patient, evaluator),
        "states": STATES,
        "due": assessments(patient, protocol=ask.portal.protocol, today=ask.today, of=("TU",)),
        "is_central": ask.may(Action.READ_CENTRALLY),
    }


def _record_reading(ask: Ask, patient: Patient, evaluator: str) -> None:
    response = ask.form.get("response", "")
    allowed = RESPONSES if images(patient, evaluator) else (BASELINE, *RESPONSES)
    if response not in allowed:
        raise UnfitError(f"The response is one of {', '.join(allowed)}.")
    day = day_typed(ask, "date", label="Date of the images")
    try:
        lesions = lesions_typed(ask.form, patient, evaluator)
    except ValueError as error:
        raise UnfitError(str(error)) from None
    payload = {"date": day, "evaluator": evaluator, "response": response, "lesions": lesions}
    recorded(ask, "imaging recorded", patient, payload)


def _record_local(ask: Ask, patient: Patient) -> None:
    _record_reading(ask, patient, LOCAL)


def _record_central(ask: Ask, patient: Patient) -> None:
    _record_reading(ask, patient, CENTRAL)
    if ask.form["response"] == "PD" and "progression confirmed" not in patient.facts:
        ask.portal.ledger.record(
            "progression confirmed",
            actor=ask.signed_in.account.name,
            subject=patient.subject,
            site=patient.site,
            payload={"date": ask.form["date"].strip()},
        )


show_imaging = page("imaging.html", _imaging)
record_imaging = deed(show_imaging, _record_local)
record_central = deed(show_imaging, _record_central)


# -- other treatment, the end of treatment, death, strata ------------------------------------------


def _drugs(ask: Ask, patient: Patient) -> Context:
    """Offer the drugs of the patient's own regimen, but not the one that is ordered by the dose."""
    protocol = ask.portal.protocol
    ordered = protocol.dosing.treatment if protocol.dosing else ""
    drugs = {
        (one.name, one.amount): one
        for one in regimen_of(patient, protocol)
        if one.name != ordered and one.amount and one.unit
    }
    due = injections(patient, protocol=protocol, today=ask.today)
    return {"drugs": list(drugs.values()), "due": due, "in_words": in_words}


def _record_drug(ask: Ask, patient: Patient) -> None:
    offered = {f"{one.name} {one.amount:g}": one for one in _drugs(ask, patient)["drugs"]}
    drug = offered.get(ask.form.get("drug", ""))
    if drug is None:
        raise UnfitError("Choose one of the drugs of the patient's arm.")
    payload = {
        "drug": drug.name,
        "route": drug.route,
        "unit": drug.unit,
        "amount": number_typed(ask, "amount", label="Amount", lowest=0, highest=10_000),
        "date": day_typed(ask, "date", label="Date", not_before=(patient.randomised_at or "")[:10]),
    }
    recorded(ask, "treatment given", patient, payload)


show_treatment = page("treatment.html", _drugs)
record_treatment = deed(show_treatment, _record_drug)


def _end_treatment(ask: Ask, patient: Patient) -> None:
    day = day_typed(ask, "date", label="Date", not_before=consent_day(patient))
    reason = ask.form.get("reason", "").strip()
    recorded(ask, "treatment ended", patient, {"date": day}, reason=reason)


def _record_death(ask: Ask, patient: Patient) -> None:
    day = day_typed(ask, "date", label="Date of death", not_before=consent_day(patient))
    cause = ask.form.get("cause", "").strip().upper()
    if cause and cause not in CAUSES:
        raise UnfitError(f"The cause is one of {', '.join(CAUSES)}.")
    recorded(ask, "died", patient, {"date": day, "cause": cause or "UNKNOWN"})


def _correct_strata(ask: Ask, patient: Patient) -> None:
    factors = ask.portal.protocol.randomisation
    strata = {one.id: ask.form.get(one.id, "") for one in factors.strata} if factors else {}
    reason = ask.form.get("reason", "").strip()
    recorded(ask, "stratum corrected", patient, {"strata": strata}, reason=reason)


def _factors(ask: Ask, patient: Patient) -> Context:
    factors = ask.portal.protocol.randomisation
    return {"factors": factors.strata if factors else ()}


show_end = page("treatment_end.html", lambda ask, patient: {})
end_treatment = deed(show_end, _end_treatment)
show_death = page("death.html", lambda ask, patient: {})
record_death = deed(show_death, _record_death)
show_strata = page("strata.html", _factors)
correct_strata = deed(show_strata, _correct_strata)


# -- crossover ------------------------------------------------------------------------------------


def _request_crossover(ask: Ask, patient: Patient) -> None:
    arms = {one.from_ for one in ask.portal.protocol.crossover}
    if patient.arm not in arms:
        raise UnfitError("The protocol has no crossover from this patient's arm.")
    recorded(ask, "crossover requested", patient, signature=signature_of(ask, CROSS_OVER))


def _approve_crossover(ask: Ask, patient: Patient) -> None:
    own = ask.signed_in.account.full_name.strip().casefold()
    asked = [one for one in patient.events if one.kind == "crossover requested"]
    if asked and asked[-1].signature and asked[-1].signature.name.strip().casefold() == own:
        raise UnfitError("Whoever asked for the crossover does not approve it.")
    recorded(ask, "crossover approved", patient, signature=signature_of(ask, APPROVE))


def _crossover(ask: Ask, patient: Patient) -> Context:
    can_approve = ask.may(Action.APPROVE_CROSSOVER)
    is_asked = "crossover requested" in patient.facts
    return {
        "is_confirmed": "progression confirmed" in patient.facts,
        "is_requested": is_asked,
        "can_act": is_asked if can_approve else not is_asked,
        "meaning": APPROVE if can_approve else CROSS_OVER,
        "path": "approval" if can_approve else "request",
    }


show_crossover = page("crossover.html", _crossover)
request_crossover = deed(show_crossover, _request_crossover)
approve_crossover = deed(show_crossover, _approve_crossover)

HERE = "/patients/{subject}"


def pair(path: str, action: Action, show: Any, do: Any) -> tuple[Page, Page]:
    """Return the two pages of a form on a patient: it is shown, and it is sent."""
    return (
        Page(path=f"{HERE}/{path}", method="GET", action=action, answer=show),
        Page(path=f"{HERE}/{path}", method="POST", action=action, answer=do),
    )


PAGES = (
    *pair("laboratory", Action.RECORD, show_laboratory, record_laboratory),
    *pair("adverse-event", Action.RECORD, show_event, record_event),
    *pair("imaging", Action.RECORD, show_imaging, record_imaging),
    *pair("central-reading", Action.READ_CENTRALLY, show_imaging, record_central),
    *pair("treatment", Action.RECORD, show_treatment, record_treatment),
    *pair("treatment-end", Action.DECIDE_DOSE, show_end, end_treatment),
    *pair("death", Action.RECORD, show_death, record_death),
    *pair("strata", Action.CORRECT, show_strata, correct_strata),
    Page(
        path=f"{HERE}/crossover",
        method="GET",
        action=Action.SEE_TREATMENT,
        answer=show_crossover,
    ),
    Page(
        path=f"{HERE}/crossover/request",
        method="POST",
        action=Action.REQUEST_CROSSOVER,
        answer=request_crossover,
    ),
    Page(
        path=f"{HERE}/crossover/approval",
        method="POST",
        action=Action.APPROVE_CROSSOVER,
        answer=approve_crossover,
    ),
)
