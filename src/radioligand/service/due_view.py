# SPDX-License-Identifier: Apache-2.0
"""What is due of a patient: assessments of the schedule, injections and doses, in their windows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, NamedTuple

from radioligand.protocol import Protocol
from radioligand.protocol.records import Activity, Treatment
from radioligand.service.dose_view import infusions, next_dose
from radioligand.service.events import Patient

AHEAD_DAYS = 200  # how far ahead assessments are shown
SOON_DAYS = 28  # how far ahead the list of a site looks
State = Literal["done", "due", "overdue", "planned"]


class Form(NamedTuple):
    """How an assessment is recorded: the domain that asks for it, its event, its page."""

    domain: str
    kind: str
    page: str


FORMS = (
    Form("TU", "imaging recorded", "imaging"),
    Form("QS", "questionnaire recorded", "questionnaire"),
    Form("LB", "laboratory recorded", "laboratory"),
    Form("VS", "visit recorded", "visit"),
)
# until when something is planned: images until progression, all else until the end of treatment
_ENDS = {"imaging recorded": "progression confirmed"}
_LEFT = ("died", "left the study", "consent withdrawn")  # as events
_GONE = ("dead", "left the study", "consent withdrawn")  # as facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One thing that is planned: its day, its window, and what became of it.

    `page` is where it is recorded; `follows_treatment` says that its day would tell a blinded
    reader when treatment began, and so, as a dose has to be ordered, the arm.
    """

    label: str
    week: float | None  # None for what is counted from the last administration
    day: date
    first: date
    last: date
    state: State
    page: str
    follows_treatment: bool

    @property
    def says(self) -> str:
        """What it is, with its week."""
        if self.week is None:
            return self.label
        return f"{self.label}, {f'week {self.week:g}' if self.week else 'baseline'}"


def assessments(
    patient: Patient, *, protocol: Protocol, today: date, of: Sequence[str] = ()
) -> tuple[Due, ...]:
    """Return the assessments that the schedule plans, up to half a year ahead, in order of days.

    of : domains to look at, such as ("TU",); empty: all that the portal has a form for.

    The baseline may be recorded on any day of its window up to the anchor; a later record counts
    for the planned day in whose window it lies. What was still to come when images or treatment
    ended is not planned any more.
    """
    found: list[Due] = []
    for plan in protocol.schedule:
        form = next((one for one in FORMS if one.domain in plan.domains), None)
        start = _anchor(plan, patient, protocol)
        if form is None or start is None or (of and form.domain not in of):
            continue
        seen, end = _days(patient, form.kind), _end(patient, form.kind)
        if plan.baseline_days is not None:
            first = start - timedelta(days=plan.baseline_days)
            found.append(_due(plan, form, 0, (start, first, start), seen, today))
        until = max((today - start).days, 0) + AHEAD_DAYS
        for day in plan.planned_days(until):
            planned, window = start + timedelta(days=day), timedelta(days=plan.window_days)
            span = (planned, planned - window, planned + window)
            one = _due(plan, form, day / 7, span, seen, today)
            if end is None or one.state == "done" or one.last < end:
                found.append(one)
    return tuple(sorted(found, key=lambda one: one.day))


def _anchor(plan: Activity, patient: Patient, protocol: Protocol) -> date | None:
    if patient.randomised_at is None:
        return None
    if plan.anchor == "RANDDT":
        return date.fromisoformat(patient.randomised_at[:10])
    if plan.anchor == "TRTSDT":
        counted = {one.name for arm in protocol.arms for one in arm.treatments if one.amount}
        return min(
            (day for name, day in _given(patient, protocol) if name in counted), default=None
        )
    return None  # the portal has no event for the beginning of a follow-up


def _given(patient: Patient, protocol: Protocol) -> Iterable[tuple[str, date]]:
    for one in patient.events:
        if one.kind == "dose infused" and protocol.dosing:
            yield protocol.dosing.treatment, date.fromisoformat(one.payload["date"])
        elif one.kind == "treatment given":
            yield one.payload["drug"], date.fromisoformat(one.payload["date"])


def _days(patient: Patient, kind: str) -> list[date]:
    return [date.fromisoformat(one.payload["date"]) for one in patient.events if one.kind == kind]


def _end(patient: Patient, kind: str) -> date | None:
    """Return the day after which an assessment is planned no more; None while it goes on."""
    ended = _ENDS.get(kind, "treatment ended")
    days = [
        date.fromisoformat(str(one.payload.get("date") or one.at[:10]))
        for one in patient.events
        if one.kind in _LEFT or (one.kind == ended and ended in patient.facts)
    ]
    return min(days, default=None)


def _due(
    plan: Activity,
    form: Form,
    week: float,
    span: tuple[date, date, date],
    seen: Iterable[date],
    today: date,
) -> Due:
    day, first, last = span
    return Due(
        label=plan.label,
        week=week,
        day=day,
        first=first,
        last=last,
        state="done" if any(first <= one <= last for one in seen) else _state(first, last, today),
        page=form.page,
        follows_treatment=plan.anchor != "RANDDT",
    )


def _state(first: date, last: date, today: date) -> State:
    if today > last:
        return "overdue"
    return "due" if first <= today else "planned"


# -- treatment ------------------------------------------------------------------------------------


def regimen_of(patient: Patient, protocol: Protocol) -> tuple[Treatment, ...]:
    """Return the treatments of the patient's arm; after an approved crossover, of the new one."""
    arm = patient.arm
    if any(one.kind == "crossover approved" for one in patient.events):
        arm = next((one.to for one in protocol.crossover if one.from_ == arm), arm)
    return next((one.treatments for one in protocol.arms if one.id == arm), ())


def injections(patient: Patient, *, protocol: Protocol, today: date) -> tuple[Due, ...]:
    """Return the next injection of each drug that the patient's arm plans beside the radioligand.

    One that accompanies the radioligand is due on the day of the last infusion until it is given;
    one that follows it begins when its cycles are complete or stopped; any other is given every so
    many weeks from randomisation on. The day is counted from the last one given.
    """
    if patient.randomised_at is None or patient.facts & {"treatment ended", *_GONE}:
        return ()
    found: dict[str, Due] = {}
    for plan in regimen_of(patient, protocol):
        if not (plan.amount and plan.unit) or (
            protocol.dosing and plan.name == protocol.dosing.treatment
        ):
            continue
        day = _next_day(plan, patient, protocol)
        if day is not None:
            window = timedelta(days=round(7 * plan.window_weeks))
            first, last = day - window, day + window
            found[plan.name] = Due(
                label=f"{in_words(plan.name)} {plan.amount:g} {plan.unit}",
                week=None,
                day=day,
                first=first,
                last=last,
                state=_state(first, last, today),
                page="treatment",
                follows_treatment=True,
            )
    return tuple(sorted(found.values(), key=lambda one: one.day))


def _next_day(plan: Treatment, patient: Patient, protocol: Protocol) -> date | None:
    given = max((day for name, day in _given(patient, protocol) if name == plan.name), default=None)
    infused = [date.fromisoformat(one["date"]) for one in infusions(patient)]
    every = timedelta(days=round(7 * (plan.every_weeks or 0)))
    if plan.accompanies:
        return infused[-1] if infused and (given is None or given < infused[-1]) else None
    if not every:
        return None
    if plan.follows:
        if given is None or (infused and given < infused[-1]):
            return None  # the one that goes with the last infusion comes first
        return given + every if _is_over(plan.follows, patient, protocol) else None
    if given is None:
        return date.fromisoformat(str(patient.randomised_at)[:10])
    return given + every


def in_words(drug: str) -> str:
    """Return a drug's name as it is read: short words, such as LAR, stay in capitals."""
    return " ".join(one if len(one) <= 3 else one.capitalize() for one in drug.split())


def _is_over(name: str, patient: Patient, protocol: Protocol) -> bool:
    """Whether all cycles of the radioligand are given, or it was stopped."""
    whole = next((one.cycles for one in regimen_of(patient, protocol) if one.name == name), None)
    return "radioligand stopped" in patient.facts or bool(whole and len(patient.cycles) >= whole)


def doses(patient: Patient, *, protocol: Protocol, today: date) -> tuple[Due, ...]:
    """Return the next dose of the radioligand, once the one before tells its day."""
    dose = next_dose(patient, protocol=protocol)
    if dose is None or dose.due is None or patient.facts & set(_GONE):
        return ()
    day, first, last = (date.fromisoformat(one) for one in dose.due)
    return (
        Due(
            label=f"Dose {dose.cycle} of the radioligand",
            week=None,
            day=day,
            first=first,
            last=last,
            state=_state(first, last, today),
            page="dose",
            follows_treatment=True,
        ),
    )


def everything_due(patient: Patient, *, protocol: Protocol, today: date) -> tuple[Due, ...]:
    """Return assessments, injections and doses of a patient, in order of days."""
    found = (
        *assessments(patient, protocol=protocol, today=today),
        *injections(patient, protocol=protocol, today=today),
        *doses(patient, protocol=protocol, today=today),
    )
    return tuple(sorted(found, key=lambda one: one.day))
