# SPDX-License-Identifier: Apache-2.0
"""The course of a trial as expected: who has entered, had an event, dropped out, by each month."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from radioligand.planning.accrual import Accrual
from radioligand.planning.curves import Curve, Floats
from radioligand.planning.faults import PlanningError, outside, refuse

CELLS_PER_MONTH = 50  # hazards are constant in a cell; halving it moves events by less than 1e-5
LATEST_MONTH = 1200.0  # by when a number of events has to be reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is assumed of a trial of two arms."""

    control: Curve
    experimental: Curve
    accrual: Accrual
    subjects: float  # accrual ends with the last of them
    ratio: float = 1.0  # experimental subjects for each control subject
    dropout_per_month: float = 0.0  # hazard of being lost, in both arms
    crossover_per_month: float = 0.0  # hazard of control subjects to go on as experimental ones
    discontinued_per_month: float = 0.0  # hazard of experimental subjects to go on as control

    def __post_init__(self) -> None:
        """Refuse numbers that no trial has."""
        given = {"subjects": self.subjects, "ratio": self.ratio}
        faults = outside(given, above=0, mend="give a number above 0")
        hazards = ("dropout_per_month", "crossover_per_month", "discontinued_per_month")
        for name in hazards:
            if not 0 <= getattr(self, name) < np.inf:
                faults.append(f"{name}: {getattr(self, name)!r}; give a hazard, 0 or more.")
        refuse(faults)

    @property
    def accrual_months(self) -> float:
        """When the last subject enters."""
        return self.accrual.months_for(self.subjects)

    @property
    def shares(self) -> Floats:
        """Of control and experimental arm among the subjects, (2,)."""
        return np.array([1.0, self.ratio]) / (1 + self.ratio)

    def entered(self, months: ArrayLike) -> Floats:
        """Return how many have entered by each of `months`."""
        return np.minimum(self.accrual.entered(months), self.subjects)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """One subject of each arm over the months since entry; control first, (2, m)."""

    middle_months: Floats  # (m,) of each cell
    at_risk: Floats  # mean probability over the cell
    events: Floats  # probability within the cell
    dropped: Floats  # probability within the cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is expected by each of q months since the first subject's entry."""

    months: Floats  # (q,)
    entered: Floats  # (q,)
    events_by_arm: Floats  # (2, q), control first
    dropped: Floats  # (q,)

    @property
    def events(self) -> Floats:
        """Events of both arms, (q,)."""
        return np.asarray(self.events_by_arm.sum(0), np.float64)


def follow(course: Course, *, until_months: float) -> FollowUp:
    """Follow one subject of each arm in small steps: Lakatos' Markov chain.

    A subject is at risk as randomised, at risk as the other arm, has had the event or is lost;
    the first two are left with the hazards of `course`.
    """
    cells = max(int(np.ceil(until_months * CELLS_PER_MONTH - 1e-9)), 1)
    width = 1 / CELLS_PER_MONTH
    edges = np.asarray(np.arange(cells + 1) * width, np.float64)
    hazards = [
        np.diff(curve.cumulative_hazard(edges)) / width
        for curve in (course.control, course.experimental)
    ]
    arms = [
        _chain(hazards[0], hazards[1], course.dropout_per_month, course.crossover_per_month),
        _chain(hazards[1], hazards[0], course.dropout_per_month, course.discontinued_per_month),
    ]
    at_risk, events, dropped = (np.stack(one) for one in zip(*arms, strict=True))
    return FollowUp(
        middle_months=edges[:-1] + width / 2, at_risk=at_risk, events=events, dropped=dropped
    )


def _chain(own: Floats, other: Floats, lost: float, changes: float) -> tuple[Floats, ...]:
    """Mean at risk over each cell, events and losses within it, of one arm."""
    width = 1 / CELLS_PER_MONTH
    leaving = own + lost + changes
    summed = np.append(0.0, np.cumsum(leaving * width))
    at_risk = np.exp(-summed[:-1]) * _mean_decay(leaving * width)
    if not changes:
        return at_risk, at_risk * own * width, at_risk * lost * width
    arriving, leaving = at_risk * changes * width, other + lost
    at_start, now = np.empty_like(own), 0.0  # at risk as the other arm
    kept, half = np.exp(-leaving * width), np.exp(-leaving * width / 2)
    for cell in range(own.size):
        at_start[cell] = now
        now = now * kept[cell] + arriving[cell] * half[cell]
    changed = at_start * _mean_decay(leaving * width) + arriving / 2
    events = (at_risk * own + changed * other) * width
    return at_risk + changed, events, (at_risk + changed) * lost * width


def _mean_decay(exponent: Floats) -> Floats:
    """(1 - exp(-x)) / x, which is 1 at 0."""
    safe = np.where(exponent > 0, exponent, 1.0)
    return np.where(exponent > 0, -np.expm1(-safe) / safe, 1.0)


def expected(course: Course, months: ArrayLike) -> Expected:
    """Return what is expected by each of `months`, (q,) or one number, since the first entry."""
    asked = np.atleast_1d(np.asarray(months, np.float64))
    if not np.isfinite(asked).all() or (asked < 0).any():
        refuse(["months: some are negative, missing or infinite; give months, 0 or more."])
    return _expected(course, follow(course, until_months=float(asked.max(initial=0.0))), asked)


def _expected(course: Course, path: FollowUp, months: Floats) -> Expected:
    entered_by = course.entered(months[:, None] - path.middle_months)  # (q, m)
    shares = course.shares[:, None]
    by_arm = np.einsum("jm,qm->jq", shares * path.events, entered_by)  # no threads for so little
    dropped = np.einsum("m,qm->q", (shares * path.dropped).sum(0), entered_by)
    return Expected(
        months=months,
        entered=course.entered(months),
        events_by_arm=np.asarray(by_arm, np.float64),
        dropped=np.asarray(dropped, np.float64),
    )


def months_to_events(course: Course, events: float) -> float:
    """Return the month in which so many events are expected.

    Raises PlanningError if that many are never expected.
    """
    refuse(outside({"events": events}, above=0, mend="give a number above 0"))
    until = course.accrual_months + 24.0
    while True:
        path = follow(course, until_months=until)
        reached = float(_expected(course, path, np.array([until])).events[0])
        if reached >= events:
            break
        if until >= LATEST_MONTH:
            raise PlanningError(
                f"events: {reached:.1f} of {events:g} are expected by month {until:g}, with "
                f"{course.subjects:g} subjects; plan more subjects, or fewer events."
            )
        until = min(2 * until, LATEST_MONTH)

    def excess(month: float) -> float:
        return float(_expected(course, path, np.array([month])).events[0]) - events

    return float(brentq(excess, 0.0, until, xtol=1e-9))


def dropout_hazard(course: Course, *, fraction: float, months: float) -> float:
    """Return the monthly hazard by which that fraction has dropped out at `months` of the trial.

    Who has had the event can no longer drop out, and who entered late has had little time.

    Raises PlanningError if no hazard loses so many.
    """
    if not 0 <= fraction < 1:
        refuse([f"fraction: {fraction!r} dropped out; give a number from 0 to below 1."])
    if fraction == 0:
        return 0.0

    def lost(hazard: float) -> float:
        return float(expected(with_dropout(course, hazard), months).dropped[0]) / course.subjects

    high = max(-np.log1p(-fraction) / months, 1e-9)
    while lost(high) < fraction:
        high *= 2
        if high > 1e3:
            raise PlanningError(
                f"fraction: {fraction:.0%} cannot drop out by month {months:g}, when many subjects "
                "have just entered; plan fewer dropouts or a later analysis."
            )
    return float(brentq(lambda hazard: lost(hazard) - fraction, 0.0, high, xtol=1e-12))


def with_dropout(course: Course, per_month: float) -> Course:
    """Return the same course with another hazard of dropping out."""
    return replace(course, dropout_per_month=per_month)
