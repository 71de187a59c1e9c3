# SPDX-License-Identifier: Apache-2.0
"""Pages of one dose: planned, checked, decided and signed, ordered, received, infused."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from starlette.responses import Response

from radioligand.patient_form import EARLIEST
from radioligand.service.deeds import (
    UnfitError,
    number_typed,
    patient_asked,
    recorded,
    signature_of,
)
from radioligand.service.dose_checks import (
    days_of_values,
    is_odd_day,
    is_off,
    is_too_much,
    is_too_soon,
    planned_gbq,
    signed_before,
)
from radioligand.service.dose_view import (
    Decision,
    Dose,
    activity_at,
    decision,
    next_dose,
    ordered_cycle,
    radioligand_of,
)
from radioligand.service.events import Patient
from radioligand.service.journal import in_utc
from radioligand.service.laboratory_view import panel
from radioligand.service.portal import Ask, Page, sent_to, shown
from radioligand.service.refusals import RefusalError
from radioligand.service.roles import Action

DECIDE = "I have looked at the values and take responsibility for this dose decision."
MOST_GBQ = 30.0  # a larger number is a slip of the pen
LONGEST_PLANNED_DAYS = 200
LONGEST_HOURS = 96.0  # between a calibrator's reading and the infusion
CHOICES = {"full": 1.0, "half": None, "hold": 0.0, "stop": 0.0}


def show_dose(ask: Ask, patient: Patient | None = None, says: str = "") -> Response:
    """Where the next dose stands, what the rules decide, and the form of the next step."""
    found = patient or patient_asked(ask)
    protocol = ask.portal.protocol
    dose = next_dose(found, protocol=protocol)
    plan = radioligand_of(protocol)
    decided = decision(found, protocol=protocol, on=ask.today) if dose else None
    again = signed_before(found, dose, protocol=protocol, on=ask.today) if dose else ""
    context: dict[str, Any] = {
        "patient": found,
        "dose": dose,
        "plan": plan,
        "decision": decided,
        "panel": panel(found, protocol=protocol),
        "again": again,
        "ordered": ordered_cycle(found),
        "days_of_values": days_of_values(protocol),
        "meaning": DECIDE,
        "choices": _choices(decided),
        "key": ask.form.get("key") or ask.key,
        "form": ask.form,
        "says": says,
        "reduced": _activity("half", ask),
    }
    return shown(ask, "dose.html", context, status=422 if says else 200)


def _choices(decided: Decision | None) -> tuple[str, ...]:
    """Return what may be signed: never a dose while something that a rule asks for is unknown."""
    if decided is None:
        return ()
    return tuple(CHOICES) if decided.word else ("hold", "stop")


def _step(do: Callable[[Ask, Patient, Dose], object]) -> Callable[[Ask], Response]:
    """Return what takes the next dose one step on, or shows the page with the reason."""

    def answer(ask: Ask) -> Response:
        patient = patient_asked(ask)
        dose = next_dose(patient, protocol=ask.portal.protocol)
        try:
            if dose is None:
                raise UnfitError("No dose of the radioligand is due for this patient.")
            if ask.form.get("cycle") != str(dose.cycle):
                raise UnfitError(f"The page spoke of another dose; the next one is {dose.cycle}.")
            do(ask, patient, dose)
        except (UnfitError, RefusalError) as error:
            return show_dose(ask, patient, str(error))
        return sent_to(f"/patients/{patient.subject}/dose")

    return answer


def _plan(ask: Ask, patient: Patient, dose: Dose) -> None:
    text = ask.form.get("date", "").strip()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UnfitError(f"Planned day: {text or 'nothing'} is not a date.") from None
    if not timedelta(0) <= day - ask.today <= timedelta(days=LONGEST_PLANNED_DAYS):
        raise UnfitError(
            f"Planned day: it lies between today and {LONGEST_PLANNED_DAYS} days from now."
        )
    _refuse_too_soon(day, patient, dose)
    reason = _reason_for(ask, is_odd_day(day, dose))
    payload = {"cycle": dose.cycle, "date": day.isoformat()}
    recorded(ask, "dose planned", patient, payload, reason=reason)


def _refuse_too_soon(day: date, patient: Patient, dose: Dose) -> None:
    if says := is_too_soon(day, dose, patient):
        raise UnfitError(says)


def _refuse_signed_before(ask: Ask, patient: Patient, dose: Dose, on: date) -> None:
    if not dose.is_done("decided"):
        raise UnfitError("No decision is signed that lets this dose be given.")
    if says := signed_before(patient, dose, protocol=ask.portal.protocol, on=on):
        raise UnfitError(says)


def _reason_for(ask: Ask, *odd: str) -> str | None:
    """Return the reason of the form; raises UnfitError if something is odd and none is given."""
    reason = ask.form.get("reason", "").strip()
    told = "; ".join(one for one in odd if one)
    if told and not reason:
        raise UnfitError(f"{told}: give the reason.")
    return reason or None


def _check(ask: Ask, patient: Patient, dose: Dose) -> None:
    days = [day for day, _ in panel(patient, protocol=ask.portal.protocol).days]
    most = days_of_values(ask.portal.protocol)
    oldest = (ask.today - timedelta(days=most)).isoformat()
    recent = [day for day in days if day >= oldest]
    if not recent:
        raise UnfitError(f"No laboratory values of the last {most} days are recorded: record them.")
    payload = {"cycle": dose.cycle, "values_of": recent, "date": ask.today.isoformat()}
    recorded(ask, "labs checked", patient, payload)


def _decide(ask: Ask, patient: Patient, dose: Dose) -> None:
    decided = decision(patient, protocol=ask.portal.protocol, on=ask.today)
    chosen = ask.form.get("decision", "")
    if chosen not in _choices(decided):
        raise UnfitError("Choose one of the decisions.")
    if ask.form.get("rule_said") != decided.verdict:
        raise UnfitError("The rules now say something else than was shown; read it again.")
    reason = ask.form.get("reason", "").strip()
    departs = chosen != decided.word
    if departs and not reason:
        raise UnfitError("A decision that departs from the rules needs its reason.")
    signature = signature_of(ask, DECIDE)
    payload = {
        "cycle": dose.cycle,
        "decision": chosen,
        "activity_gbq": _activity(chosen, ask),
        "rule_said": decided.verdict,
        "rule": decided.rule,
        "says": decided.says,
        "values": [list(one) for one in decided.values],
        "missing": list(decided.missing),
        "departs": departs,
        "date": ask.today.isoformat(),
    }
    recorded(ask, "dose decided", patient, payload, reason=reason, signature=signature)


def _activity(chosen: str, ask: Ask) -> float:
    protocol = ask.portal.protocol
    reduced = protocol.dosing.reduced_fraction if protocol.dosing else 1.0
    share = CHOICES[chosen]
    return planned_gbq(protocol) * (reduced if share is None else share)


def _order(ask: Ask, patient: Patient, dose: Dose) -> None:
    _refuse_signed_before(ask, patient, dose, ask.today)
    infusion = _moment(ask, "infusion", label="Planned infusion")
    calibration = _moment(ask, "calibration", label="Calibration")
    if not timedelta(0) <= infusion - calibration <= timedelta(hours=LONGEST_HOURS):
        raise UnfitError("The infusion comes after the calibration, by 96 hours at most.")
    _refuse_too_soon(infusion.date(), patient, dose)
    planned = dose.payload["dose planned"]["date"]
    reason = _reason_for(ask, is_odd_day(infusion.date(), dose, planned=planned))
    wanted = float(dose.payload["dose decided"]["activity_gbq"])
    payload = {
        "cycle": dose.cycle,
        "date": infusion.date().isoformat(),
        "infusion": infusion.isoformat(),
        "calibration": calibration.isoformat(),
        "activity_gbq": wanted,
        "activity_at_calibration_gbq": activity_at(wanted, measured=infusion, at=calibration),
    }
    recorded(ask, "dose ordered", patient, payload, reason=reason)


def _receive(ask: Ask, patient: Patient, dose: Dose) -> None:
    measured = _moment(ask, "measured", label="Measured", is_past=ask.now)
    _refuse_signed_before(ask, patient, dose, ask.today)
    if not dose.is_done("ordered"):
        raise UnfitError("The dose was not ordered yet.")
    activity = number_typed(ask, "activity", label="Activity", lowest=0.1, highest=MOST_GBQ)
    infusion = datetime.fromisoformat(dose.payload["dose ordered"]["infusion"])
    there = activity_at(activity, measured=measured, at=infusion)
    # of a dose that is cut, the whole one may come and a part of it be given
    if says := is_too_much(there, planned_gbq(ask.portal.protocol)):
        raise UnfitError(f"At the planned infusion {says}")
    off = is_off(there, dose)
    reason = _reason_for(ask, off and f"At the planned infusion {off} decided")
    payload = {
        "cycle": dose.cycle,
        "date": measured.date().isoformat(),
        "measured": measured.isoformat(),
        "activity_gbq": activity,
    }
    recorded(ask, "dose received", patient, payload, reason=reason)


def _infuse(ask: Ask, patient: Patient, dose: Dose) -> None:
    started = _moment(ask, "started", label="Start of infusion", is_past=ask.now)
    residual = number_typed(ask, "residual", label="Residual activity", lowest=0, highest=MOST_GBQ)
    if not dose.is_done("received"):
        raise UnfitError("The dose was not received yet.")
    received = dose.payload["dose received"]
    measured = datetime.fromisoformat(received["measured"])
    if not timedelta(0) <= started - measured <= timedelta(hours=LONGEST_HOURS):
        raise UnfitError("The infusion comes after the calibrator's reading, by 96 hours at most.")
    there = activity_at(received["activity_gbq"], measured=measured, at=started)
    if residual > there:
        raise UnfitError(f"More is left ({residual:g} GBq) than was there ({there:.2f} GBq).")
    day = started.date()
    _refuse_signed_before(ask, patient, dose, day)
    _refuse_too_soon(day, patient, dose)
    given, decided = there - residual, float(dose.payload["dose decided"]["activity_gbq"])
    if says := is_too_much(given, decided):
        raise UnfitError(f"Infused: {says}")
    off = is_off(given, dose)
    odd = is_odd_day(day, dose, planned=dose.payload["dose ordered"]["date"])
    reason = _reason_for(ask, off and f"Infused: {off} decided", odd)
    payload = {
        "cycle": dose.cycle,
        "date": day.isoformat(),
        "started": started.isoformat(),
        "residual_gbq": residual,
        "activity_gbq": round(given, 4),
    }
    recorded(ask, "dose infused", patient, payload, reason=reason)


def discard(ask: Ask) -> Response:
    """Record that an ordered dose is not given, also when no further dose is due."""
    patient = patient_asked(ask)
    cycle = ordered_cycle(patient)
    try:
        if cycle is None or ask.form.get("cycle") != str(cycle):
            raise UnfitError("No dose of this cycle is ordered.")
        payload = {"cycle": cycle, "date": ask.today.isoformat()}
        reason = ask.form.get("reason", "").strip()
        recorded(ask, "dose discarded", patient, payload, reason=reason)
    except (UnfitError, RefusalError) as error:
        return show_dose(ask, patient, str(error))
    return sent_to(f"/patients/{patient.subject}/dose")


def _moment(ask: Ask, name: str, *, label: str, is_past: datetime | None = None) -> datetime:
    """Return a moment of the form: UTC, unless it says its own distance from it."""
    text = ask.form.get(name, "").strip()
    try:
        moment = in_utc(text)
    except ValueError:
        raise UnfitError(
            f"{label}: {text or 'nothing'} is not a time such as 2024-03-09T10:30."
        ) from None
    if not EARLIEST <= moment.date() <= ask.today + timedelta(days=LONGEST_PLANNED_DAYS):
        raise UnfitError(f"{label}: {text} is not possible.")
    if is_past is not None and moment > is_past:
        raise UnfitError(f"{label}: {text} has not come yet; times are in UTC.")
    return moment


HERE = "/patients/{subject}/dose"
_STEPS: tuple[tuple[str, Action, Callable[[Ask, Patient, Dose], object]], ...] = (
    ("plan", Action.RECORD, _plan),
    ("laboratory", Action.RECORD, _check),
    ("decision", Action.DECIDE_DOSE, _decide),
    ("order", Action.HANDLE_ORDERS, _order),
    ("receipt", Action.HANDLE_ORDERS, _receive),
    ("infusion", Action.HANDLE_ORDERS, _infuse),
)
PAGES = (
    Page(path=HERE, method="GET", action=Action.SEE_TREATMENT, answer=show_dose),
    Page(path=f"{HERE}/discard", method="POST", action=Action.HANDLE_ORDERS, answer=discard),
    *(
        Page(path=f"{HERE}/{name}", method="POST", action=action, answer=_step(do))
        for name, action, do in _STEPS
    ),
)
