# SPDX-License-Identifier: Apache-2.0
"""When each planned assessment of a patient is due, and whether it was done in its window."""

from dataclasses import dataclass
from datetime import date, timedelta

from radioligand.protocol import Protocol
from radioligand.protocol.records import Activity
from radioligand.service.events import Patient

AHEAD_DAYS = 200  # how far ahead visits are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One planned assessment: its day, its window, and what became of it."""

    activity: str
    label: str
    week: float
    day: date
    first: date
    last: date
    state: str  # done, due, overdue or planned


def imaging_due(patient: Patient, *, protocol: Protocol, today: date) -> tuple[Due, ...]:
    """Return the planned imaging of a randomised patient up to half a year ahead.

    It ends with centrally confirmed progression, death or leaving; an image counts for the
    planned day in whose window it lies.
    """
    plan = next((one for one in protocol.schedule if "TU" in one.domains), None)
    if plan is None or patient.randomised_at is None or _is_over(patient):
        return ()
    start = date.fromisoformat(patient.randomised_at[:10])
    until = max((today - start).days, 0) + AHEAD_DAYS
    return tuple(
        _due(plan, start, day, images_of(patient), today) for day in plan.planned_days(until)
    )


def _is_over(patient: Patient) -> bool:
    return bool(patient.facts & {"progression confirmed", "dead", "left the study"})


def images_of(patient: Patient) -> tuple[date, ...]:
    """Return the days of the images recorded."""
    return tuple(
        date.fromisoformat(one.payload["date"])
        for one in patient.events
        if one.kind == "imaging recorded"
    )


def _due(plan: Activity, start: date, day: int, images: tuple[date, ...], today: date) -> Due:
    planned, window = start + timedelta(days=day), timedelta(days=plan.window_days)
    first, last = planned - window, planned + window
    if any(first <= one <= last for one in images):
        state = "done"
    elif today > last:
        state = "overdue"
    else:
        state = "due" if first <= today else "planned"
    return Due(
        activity=plan.id,
        label=plan.label,
        week=day / 7,
        day=planned,
        first=first,
        last=last,
        state=state,
    )
