# SPDX-License-Identifier: Apache-2.0
"""Pages of the first look: home, the list of patients, and one patient's record."""

from typing import Any

from starlette.responses import Response

from radioligand.service.deeds import patient_asked, patients_seen
from radioligand.service.dose_view import decision, next_dose
from radioligand.service.events import Patient
from radioligand.service.imaging_view import imaging_due
from radioligand.service.laboratory_view import panel
from radioligand.service.pages_screening import form_of, strata_in_words
from radioligand.service.patient_view import by_day, cycles, history, listed, state_of
from radioligand.service.portal import NAVIGATION, Ask, Page, shown
from radioligand.service.roles import Action

SHOWN = 12  # steps on the first page
SAYS = {
    "/patients": "Who is in screening, in the trial, or has left it.",
    "/screening": "Consent, the form of the protocol, and its answer criterion by criterion.",
    "/office": "Accrual against plan, events against the target, what is missing.",
    "/audit": "Every event in its order, and whether the chain still holds.",
    "/data": "The study as SDTM, as it stands at this moment.",
    "/accounts": "Who may sign in, and as what.",
    "/guidance": "What labels, guidelines and experts say, and where they differ.",
}


def home(ask: Ask) -> Response:
    """What waits for this reader, and what they can do."""
    account = ask.signed_in.account
    doors = {
        path: (path, text, SAYS[path])
        for path, text, action in NAVIGATION
        if path in SAYS and ask.may(action)
    }
    waiting = waiting_for(ask) if ask.may(Action.SEE_PATIENT) else []
    context = {"greeting": account.full_name, "doors": doors.values(), "waiting": waiting}
    return shown(ask, "home.html", context)


def waiting_for(ask: Ask) -> list[dict[str, str]]:
    """Return the patients on whom this reader has the next step, with where to do it."""
    found = [
        {"subject": one.subject, "path": f"/patients/{one.subject}{path}", "says": says}
        for one in patients_seen(ask)
        for action, path, says in _next_steps(one, ask)
        if ask.may(action)
    ]
    return found[:SHOWN]


def _next_steps(patient: Patient, ask: Ask) -> list[tuple[Action, str, str]]:
    facts = patient.facts
    if facts & {"dead", "left the study", "screen failed", "consent withdrawn"}:
        return []
    if "randomised" not in facts:
        if "eligibility signed" in facts:
            return [(Action.RANDOMISE, "/randomisation", "Eligible and signed: to be randomised")]
        if "eligible" in facts:
            return [(Action.SIGN_ELIGIBILITY, "/eligibility", "Eligible: waits for a signature")]
        return [(Action.SCREEN, "/screening", "The screening form is not complete")]
    steps: list[tuple[Action, str, str]] = []
    dose = next_dose(patient, protocol=ask.portal.protocol)
    if dose and dose.next_step:
        says = f"Dose {dose.cycle}: {WAITS[dose.next_step]}"
        steps.append((ACTS[dose.next_step], "/dose", says))
    today = ask.today
    due = imaging_due(patient, protocol=ask.portal.protocol, today=today)
    late = [one for one in due if one.state == "overdue"]
    if late:
        steps.append((Action.RECORD, "/imaging", f"Imaging of week {late[-1].week:g} is overdue"))
    return steps


WAITS = {
    "planned": "to be planned",
    "labs checked": "laboratory values to be checked",
    "decided": "to be decided and signed",
    "ordered": "to be ordered",
    "received": "to be received",
    "infused": "to be infused",
}
ACTS = {
    "planned": Action.RECORD,
    "labs checked": Action.RECORD,
    "decided": Action.DECIDE_DOSE,
    "ordered": Action.HANDLE_ORDERS,
    "received": Action.HANDLE_ORDERS,
    "infused": Action.HANDLE_ORDERS,
}


def patients(ask: Ask) -> Response:
    """Every patient that this reader may see."""
    arms = {arm.id: arm for arm in ask.portal.protocol.arms}
    rows = listed(patients_seen(ask), arms=arms, sees_arms=ask.sees_arms)
    return shown(ask, "patients.html", {"rows": rows})


def patient(ask: Ask) -> Response:
    """One patient: who, where they stand, what comes next, and everything that happened."""
    found = patient_asked(ask)
    protocol = ask.portal.protocol
    arms = {arm.id: arm for arm in protocol.arms}
    sees_arms = ask.sees_arms
    state, colour = state_of(found)
    dose = next_dose(found, protocol=protocol) if sees_arms else None
    context: dict[str, Any] = {
        "patient": found,
        "state": state,
        "colour": colour,
        "arm": arms[found.arm] if sees_arms and found.arm else None,
        "strata": strata_in_words(found.strata, ask) if found.strata else [],
        "was_corrected": found.strata != found.strata_entered,
        "history": by_day(history(found, sees_arms=sees_arms)),
        "cycles": cycles(found) if sees_arms else (),
        "panel": panel(found, protocol=protocol) if sees_arms else None,
        "dose": dose,
        "decision": decision(found, protocol=protocol, on=ask.today) if dose else None,
        "due": imaging_due(found, protocol=protocol, today=ask.today),
        "crossover": _crossover(found, ask) if sees_arms else None,
        "form": form_of(found),
        "steps": [
            (f"/patients/{found.subject}{path}", says)
            for action, path, says in _next_steps(found, ask)
            if ask.may(action)
        ],
    }
    return shown(ask, "patient.html", context)


def _crossover(patient: Patient, ask: Ask) -> str | None:
    """Return where a crossover stands, in words; None where the arm has none."""
    if patient.arm not in {one.from_ for one in ask.portal.protocol.crossover}:
        return None
    facts = patient.facts
    if "on radioligand" in facts:
        return "approved"
    if "crossover requested" in facts:
        return "requested"
    return "open" if "progression confirmed" in facts else "closed"


PAGES = (
    Page(path="/", method="GET", action=Action.OWN_ACCOUNT, answer=home),
    Page(path="/patients", method="GET", action=Action.SEE_PATIENTS, answer=patients),
    Page(path="/patients/{subject}", method="GET", action=Action.SEE_PATIENT, answer=patient),
)
