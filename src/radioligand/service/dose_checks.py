# SPDX-License-Identifier: Apache-2.0
"""What stands between a signed dose and the patient: values since, activity, and the day."""

from datetime import date

from radioligand.protocol import Protocol
from radioligand.service.dose_view import DECISIONS, Dose, decision, infusions, radioligand_of
from radioligand.service.events import Patient

DAYS_OF_VALUES = 35  # how long laboratory values hold where the dose rules do not say
TOLERANCE = 0.10  # of the decided activity: beyond it a reason is asked for
MOST_ABOVE = 0.25  # above the decided activity: more is refused
SOONEST = 0.5  # of the planned interval: no dose follows sooner
_STRICTER = ("full", "half", "hold", "", "stop")  # "": something that a rule asks for is unknown


def days_of_values(protocol: Protocol) -> int:
    """Return for how many days values, and a decision made on them, hold.

    The shortest `days` of the dose rules' fields; 35 where none is limited.
    """
    fields = protocol.dosing.fields if protocol.dosing else ()
    return int(min((one.days for one in fields if one.days is not None), default=DAYS_OF_VALUES))


def signed_before(patient: Patient, dose: Dose, *, protocol: Protocol, on: date) -> str:
    """Say why the signed decision does not hold on a day, so that it is signed again; "" if so.

    It does not hold once the rules, asked again on all that is recorded up to that day, say less
    than they said and than was signed; nor when it is older than the values it may rest on.
    """
    if not dose.is_done("decided"):
        return ""
    signed = dose.payload["dose decided"]
    age, most = (on - date.fromisoformat(signed["date"])).days, days_of_values(protocol)
    if age > most:
        return f"The decision is {age} days old, of {most} at most: sign again."
    now = decision(patient, protocol=protocol, on=on)
    known = max(
        _STRICTER.index(signed["decision"]),
        _STRICTER.index(DECISIONS.get(signed["rule_said"], "")),
    )
    if _STRICTER.index(now.word) <= known:
        return ""
    missing = f" Not known: {', '.join(now.missing)}." if now.missing else ""
    return (
        f"The rules say {now.verdict.lower()} on {on}, {signed['rule_said'].lower()} when the "
        f"decision was signed. {now.says.rstrip('.')}.{missing} Sign again."
    )


def is_off(activity_gbq: float, dose: Dose) -> str:
    """Say how far an activity is off the decided one, if by more than a tenth; "" otherwise."""
    decided = float(dose.payload["dose decided"]["activity_gbq"])
    if abs(activity_gbq - decided) <= TOLERANCE * decided:
        return ""
    return f"{activity_gbq:.2f} GBq are {activity_gbq / decided - 1:+.0%} off the {decided:g} GBq"


def is_too_much(activity_gbq: float, most_gbq: float) -> str:
    """Say that an activity is above `most_gbq` by more than a quarter; "" otherwise."""
    limit = most_gbq * (1 + MOST_ABOVE)
    if activity_gbq <= limit:
        return ""
    return f"{activity_gbq:.2f} GBq are above {limit:.2f} GBq, the most for {most_gbq:g} GBq."


def planned_gbq(protocol: Protocol) -> float:
    """Return the full activity of a dose, in GBq."""
    plan = radioligand_of(protocol)
    return float(plan.amount or 0) if plan else 0.0


def is_too_soon(day: date, dose: Dose, patient: Patient) -> str:
    """Say that a day comes sooner after the last infusion than half the interval; "" otherwise."""
    if dose.due is None:
        return ""
    given = date.fromisoformat(infusions(patient)[-1]["date"])
    soonest = given + SOONEST * (date.fromisoformat(dose.due[0]) - given)
    if day >= soonest:
        return ""
    return f"{day} is {(day - given).days} days after the last infusion; not before {soonest}."


def is_odd_day(day: date, dose: Dose, *, planned: str | None = None) -> str:
    """Say that a day is not the planned one, or lies outside the window; "" otherwise."""
    if planned is not None and day.isoformat() == planned:
        return ""
    if dose.due and not dose.due[1] <= day.isoformat() <= dose.due[2]:
        return f"{day} lies outside the window, {dose.due[1]} to {dose.due[2]}"
    if planned is not None:
        return f"{day} is not the planned day, {planned}"
    return ""
