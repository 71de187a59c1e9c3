# SPDX-License-Identifier: Apache-2.0
"""Pages of the first look: home, the list of patients, and one patient's record."""

from datetime import date
from typing import Any

from starlette.responses import Response

from radioligand.service.corrections_view import links_of
from radioligand.service.deeds import patient_asked, patients_seen
from radioligand.service.dose_view import Dose, decision, next_dose
from radioligand.service.due_view import SOON_DAYS, Due, assessments, everything_due
from radioligand.service.events import Patient
from radioligand.service.laboratory_view import panel
from radioligand.service.pages_screening import form_of, strata_in_words
from radioligand.service.patient_view import by_day, cycles, history, listed, state_of
from radioligand.service.portal import NAVIGATION, Ask, Page, shown
from radioligand.service.roles import Action

SHOWN = 12  # steps on the first page
SAYS = {
    "/patients": "Who is in screening, in the trial, or has left it.",
    "/due": "What is overdue at the site, and what comes within four weeks.",
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
    if dose and dose.next_step and _is_near(dose, ask):
        when = f", due {dose.due[0]}" if dose.due else ""
        says = f"Dose {dose.cycle}: {WAITS[dose.next_step]}{when}"
        steps.append((ACTS[dose.next_step], "/dose", says))
    due = everything_due(patient, protocol=ask.portal.protocol, today=ask.today)
    late = [one for one in due if one.state == "overdue" and one.page != "dose"]
    for page in dict.fromkeys(one.page for one in late):
        last = [one for one in late if one.page == page][-1]
        steps.append((Action.RECORD, f"/{page}", f"Overdue: {last.says}, {last.last}"))
    return steps


def _is_near(dose: Dose, ask: Ask) -> bool:
    """Whether a dose was begun, or comes within the weeks in which it is prepared."""
    if dose.next_step != "planned" or dose.due is None:
        return True
    return (date.fromisoformat(dose.due[0]) - ask.today).days <= SOON_DAYS


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
        "decision": decision(found, protocol=protocol, on=ask.today)
        if dose and _is_near(dose, ask)
        else None,
        "due": _due_shown(found, ask),
        "can_correct": links_of(found, is_central=False) if ask.may(Action.CORRECT) else {},
        "can_reread": links_of(found, is_central=True) if ask.may(Action.READ_CENTRALLY) else {},
        "crossover": _crossover(found, ask) if sees_arms else None,
        "form": form_of(found),
        "steps": [
            (f"/patients/{found.subject}{path}", says)
            for action, path, says in _next_steps(found, ask)
            if ask.may(action)
        ],
    }
    return shown(ask, "patient.html", context)


def _due_shown(patient: Patient, ask: Ask) -> list[tuple[str, tuple[Due, ...]]]:
    """Return what is due, by heading; images alone to a reader who does not see arms.

    Of each assessment what was done is left out but for the last one.
    """
    protocol, today = ask.portal.protocol, ask.today
    if ask.sees_arms:
        found = everything_due(patient, protocol=protocol, today=today)
    else:
        found = assessments(patient, protocol=protocol, today=today, of=("TU",))
    groups: dict[str, list[Due]] = {}
    for one in found:
        groups.setdefault(one.label, []).append(one)
    shown = []
    for label, rows in groups.items():
        done = [one for one in rows if one.state == "done"]
        open_ones = [one for one in rows if one.state in ("due", "overdue")]
        coming = [one for one in rows if one.state == "planned"]
        kept = (*done[-1:], *open_ones, *coming[:2])
        shown.append((label, tuple(sorted(kept, key=lambda one: one.day))))
    return shown


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
