# SPDX-License-Identifier: Apache-2.0
"""The plan of a trial: from the assumptions of its protocol to events, subjects and months."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from scipy.optimize import brentq

from radioligand import protocol as p
from radioligand.planning.assumptions import (
    Comparison,
    accrual_of,
    comparison_of,
    control_curve,
    experimental_curve,
)
from radioligand.planning.course import (
    LATEST_MONTH,
    Course,
    dropout_hazard,
    expected,
    months_to_events,
    with_dropout,
)
from radioligand.planning.events import (
    Method,
    information_per_event,
    logrank_events,
    logrank_power,
)
from radioligand.planning.faults import PlanningError, whole
from radioligand.planning.lakatos import expected_power, lakatos, scaled
from radioligand.planning.looks import inflation, look_boundaries
from radioligand.planning.rates import rate_power, rate_subjects
from radioligand.planning.selection import SelectionPower, selection_power
from radioligand.planning.waiting import event_month_interval
from radioligand.statistics.sequential import Boundaries, exit_probabilities

METHODS = ("schoenfeld", "freedman", "lakatos")
LARGEST = 1e6  # subjects among which a size is looked for
START = 1e-6  # months: no event is there yet


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSize:
    """What one method asks for in a comparison analysed at the planned month, not rounded."""

    method: str
    events: float
    subjects: float  # of all arms


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan for one endpoint. With several experimental arms, events are of one comparison."""

    endpoint: str
    label: str
    given: p.Planning
    comparison: Comparison
    course: Course  # of control and one experimental arm
    events_needed: float  # without interim looks, not rounded
    events: int
    subjects: int  # of all arms
    power: float
    analysis_months: float
    event_months: tuple[float, float] | None  # 90 % interval; None if the month is fixed
    expected_events: float  # at the analysis
    looks: Boundaries
    look_events: tuple[int, ...]
    inflation: float  # of the events by looking early
    methods: tuple[MethodSize, ...]
    cohort: p.Cohort | None = None  # None: all subjects

    @property
    def name(self) -> str:
        """The endpoint and the cohort, if it is of one, as part of a file's name."""
        names = [self.endpoint, *([self.cohort.id] if self.cohort else [])]
        return "-".join(names).lower()

    @property
    def accrual_months(self) -> float:
        """When the last subject enters."""
        return self.course.accrual_months


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePlan:
    """The plan for a comparison of two rates."""

    given: p.RatePlanning
    subjects_needed: float
    power: float  # with the subjects of the trial


def plan(protocol: p.Protocol) -> tuple[Plan, ...]:
    """Return the plan of each endpoint that the protocol makes assumptions on, primary first.

    Raises PlanningError if the protocol has no [planning], or its assumptions reach no size.
    """
    if protocol.planning is None:
        raise PlanningError(
            f"{protocol.trial.id}: the protocol has no [planning]; add the assumptions of its "
            "sample size."
        )
    return tuple(
        plan_endpoint(protocol, given) for given in (protocol.planning, *protocol.planning.also)
    )


def plan_endpoint(protocol: p.Protocol, given: p.Planning) -> Plan:
    """Return the plan of one endpoint of a protocol; its errors name trial and endpoint."""
    try:
        return _plan(protocol, given, comparison_of(protocol, given))
    except PlanningError as error:
        raise PlanningError(f"{protocol.trial.id}, planning of {given.endpoint}: {error}") from None


def power_at(plan: Plan, hazard_ratio: float) -> float:
    """Return the power of the planned events at another hazard ratio, by the method of the plan.

    At the planned one it is `plan.power`. Lakatos' is that of the month in which the events are
    then expected, or of the month that is fixed.

    Raises PlanningError if so many events are not to be had.
    """
    given = plan.given.model_copy(update={"hazard_ratio": hazard_ratio})
    course, month = plan.course, plan.analysis_months
    by_hazard = plan.given.method == "lakatos" and plan.looks.z.size == 1
    if by_hazard and hazard_ratio != plan.given.hazard_ratio:
        course = replace(course, experimental=experimental_curve(given))
        if plan.event_months is not None:
            month = months_to_events(course, plan.events)
    return _power(given, plan.comparison, course, month, plan.looks, plan.events)


def selection_powers(plan: Plan) -> tuple[SelectionPower, SelectionPower] | None:
    """Return what picking the winner does: one arm as assumed, the others as control; all so.

    None if the protocol picks none.
    """
    comparison, given = plan.comparison, plan.given
    if comparison.selection is None:
        return None
    one = (given.hazard_ratio, *[1.0] * (comparison.arms - 1))
    first, second = (
        selection_power(
            ratios,
            first_events=comparison.selection.events,
            events=plan.events,
            level=float(plan.looks.nominal_p[-1]),
            sided=given.sided,
            ratio=comparison.ratio,
            at_most_hazard_ratio=comparison.selection.at_most_hazard_ratio,
            first_stage_counts=comparison.selection.first_stage_counts,
        )
        for ratios in (one, (given.hazard_ratio,) * comparison.arms)
    )
    return first, second


def selection_pace(plan: Plan) -> tuple[float, float] | None:
    """Return the month in which the winner is picked, and the subjects of all arms by then.

    They are expected with every arm open and the accrual as planned; None if the protocol picks
    none. The subjects of its `[selection]` ought to be near.
    """
    comparison = plan.comparison
    if comparison.selection is None:
        return None
    of_all = accrual_of(plan.given)
    open_arms = replace(
        plan.course,
        accrual=of_all.faster(comparison.share),
        subjects=comparison.share * plan.subjects,
    )
    month = months_to_events(open_arms, comparison.selection.events)
    return month, float(np.minimum(of_all.entered(month), plan.subjects))


def plan_rates(protocol: p.Protocol, *, subjects: int) -> tuple[RatePlan, ...]:
    """Return what the comparisons of rates need, and their power with the trial's subjects."""
    given = protocol.planning
    if given is None or not given.rates:
        return ()
    comparison = comparison_of(protocol, given)
    held = comparison.compared(subjects)
    plans = []
    for one in given.rates:
        needed = rate_subjects(
            one.experimental,
            one.control,
            alpha=one.alpha,
            sided=one.sided,
            power=one.power,
            ratio=comparison.ratio,
            margin=one.margin,
        )
        power = rate_power(
            held,
            one.experimental,
            one.control,
            alpha=one.alpha,
            sided=one.sided,
            ratio=comparison.ratio,
            margin=one.margin,
        )
        plans.append(RatePlan(given=one, subjects_needed=comparison.in_all(needed), power=power))
    return tuple(plans)


def _plan(protocol: p.Protocol, given: p.Planning, comparison: Comparison) -> Plan:
    course, month = _sized(given, comparison)
    total = whole(comparison.in_all(course.subjects))
    course = _resized(given, course, comparison.compared(total))
    needed = events_by(given.method, given, comparison, course, month)
    events = whole(needed)
    if given.follow_up_months is not None:
        month = course.accrual_months + given.follow_up_months
        course = _dropping_out(given, course, month)
        if given.accrual_months and _has_rate(given):  # nothing is left to find but the power
            events = max(round(float(expected(course, month).events[0])), 1)
    if given.interim:
        events = given.interim.events[-1]
    if given.follow_up_months is None:
        course, month = _when(given, course, lambda course, month: events)
    held = given.interim.events if given.interim else (events,)
    looks = look_boundaries(
        held,
        alpha=comparison.alpha,
        sided=given.sided,
        spending=given.interim.spending if given.interim else "obrien-fleming",
        planned_events=given.interim.planned_events if given.interim else None,
    )
    fixed = given.follow_up_months is not None
    return Plan(
        endpoint=given.endpoint,
        label=protocol.endpoint(given.endpoint).label,
        given=given,
        comparison=comparison,
        course=course,
        events_needed=needed,
        events=events,
        subjects=total,
        power=_power(given, comparison, course, month, looks, events),
        analysis_months=month,
        event_months=None if fixed else event_month_interval(course, events),
        expected_events=float(expected(course, month).events[0]),
        looks=looks,
        look_events=held,
        inflation=inflation(looks, power=given.power) if len(held) > 1 else 1.0,
        methods=tuple(_methods(given, comparison, course, month)),
    )


def events_by(
    method: str, given: p.Planning, comparison: Comparison, course: Course, month: float
) -> float:
    """Return the events that a method asks for in a course analysed at that month, not rounded."""
    alpha, sided, power = comparison.alpha, given.sided, given.power
    if method == "lakatos":
        size = lakatos(course, analysis_months=month, alpha=alpha, sided=sided, power=power)
        return size.events
    return logrank_events(
        given.hazard_ratio,
        alpha=alpha,
        sided=sided,
        power=power,
        ratio=comparison.ratio,
        margin=given.margin,
        method=cast(Method, method),
    )


def _sized(given: p.Planning, comparison: Comparison) -> tuple[Course, float]:
    """The course of one experimental arm and control, not rounded, and the month of analysis."""
    accrual = comparison.accrual(accrual_of(given))
    months, follow_up = given.accrual_months, given.follow_up_months
    start = Course(
        control=control_curve(given),
        experimental=experimental_curve(given),
        accrual=accrual,
        subjects=float(accrual.entered(months)) if months else 1.0,
        ratio=comparison.ratio,
        crossover_per_month=given.crossover_per_month,
    )

    def needed(course: Course, month: float) -> float:
        return events_by(given.method, given, comparison, course, month)

    if follow_up is None:
        return _when(given, start, needed)
    if months and _has_rate(given):
        return _dropping_out(given, start, months + follow_up), months + follow_up

    def of_size(subjects: float) -> tuple[Course, float]:
        course = _resized(given, start, subjects)
        month = course.accrual_months + follow_up
        return _dropping_out(given, course, month), month

    def surplus(subjects: float) -> float:
        course, month = of_size(subjects)
        return float(expected(course, month).events[0]) - needed(course, month)

    many = 2.0
    while surplus(many) < 0:
        many *= 2
        if many > LARGEST or _resized(given, start, many).accrual_months > LATEST_MONTH:
            raise PlanningError(
                f"even {many:g} subjects have too few events; follow them longer, or assume a "
                "larger effect."
            )
    return of_size(float(brentq(surplus, 1.0, many, xtol=1e-9)))


def _has_rate(given: p.Planning) -> bool:
    return given.accrual_per_month is not None or bool(given.accrual_steps)


def _resized(given: p.Planning, course: Course, subjects: float) -> Course:
    """The course with so many subjects: at the rate given, or else in the same accrual time."""
    return replace(course, subjects=subjects) if _has_rate(given) else scaled(course, subjects)


def _when(
    given: p.Planning, course: Course, events: Callable[[Course, float], float]
) -> tuple[Course, float]:
    """The month in which `events` are expected, and the course with its dropout by then."""

    def surplus(month: float) -> float:
        try:
            dropping = _dropping_out(given, course, month)
            return float(expected(dropping, month).events[0]) - events(dropping, month)
        except PlanningError:  # so early that the dropout or the effect cannot be there yet
            return -1.0

    early, late = START, course.accrual_months / 2
    while surplus(late) < 0:
        early, late = late, 1.5 * late
        if late > LATEST_MONTH:
            last = _dropping_out(given, course, LATEST_MONTH)
            wanted, reached = events(last, LATEST_MONTH), expected(last, LATEST_MONTH).events[0]
            raise PlanningError(
                f"{reached:.1f} of {wanted:.1f} events are expected by month {LATEST_MONTH:.0f} "
                f"with {course.subjects:.0f} subjects; plan more subjects, or fewer events."
            )
    month = float(brentq(surplus, early, late, xtol=1e-9))
    return _dropping_out(given, course, month), month


def _dropping_out(given: p.Planning, course: Course, month: float) -> Course:
    """The course with the dropout assumed: by a time of follow-up, or by the analysis."""
    fraction = given.dropout_fraction
    if given.dropout_months:
        return with_dropout(course, float(-np.log1p(-fraction) / given.dropout_months))
    return with_dropout(course, dropout_hazard(course, fraction=fraction, months=month))


def _power(
    given: p.Planning,
    comparison: Comparison,
    course: Course,
    month: float,
    looks: Boundaries,
    events: int,
) -> float:
    """The power of the planned events; with looks, of crossing a boundary at any of them."""
    if looks.z.size > 1:
        gain = information_per_event(
            given.hazard_ratio, ratio=comparison.ratio, margin=given.margin, method="schoenfeld"
        )
        drift = float(np.sqrt(events * gain))
        return exit_probabilities(looks.fractions, looks.z, drift=drift).power
    if given.method == "lakatos":
        alpha = comparison.alpha
        return expected_power(course, analysis_months=month, alpha=alpha, sided=given.sided)
    return logrank_power(
        events,
        given.hazard_ratio,
        alpha=comparison.alpha,
        sided=given.sided,
        ratio=comparison.ratio,
        margin=given.margin,
        method=given.method,
    )


def _methods(
    given: p.Planning, comparison: Comparison, course: Course, month: float
) -> Iterator[MethodSize]:
    """What each method asks for, analysed at the planned month; those with a margin know one."""
    fraction = float(expected(course, month).events[0]) / course.subjects
    for method in ("schoenfeld",) if given.margin != 1 else METHODS:
        events = events_by(method, given, comparison, course, month)
        yield MethodSize(
            method=method, events=events, subjects=comparison.in_all(events / fraction)
        )
