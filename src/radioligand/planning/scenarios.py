# SPDX-License-Identifier: Apache-2.0
"""What becomes of a planned trial if an assumption fails: one at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from radioligand.planning.assumptions import control_curve, experimental_curve
from radioligand.planning.course import Course, expected, months_to_events
from radioligand.planning.curves import Cured
from radioligand.planning.events import logrank_power
from radioligand.planning.faults import PlanningError
from radioligand.planning.lakatos import average_hazard_ratio, event_cells, expected_power
from radioligand.planning.sizing import Plan

CROSSOVER_PER_MONTH, LATER_MONTHS, CURED = 0.03, 3.0, 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One deviation from the plan; power is at the level of the last look, by Lakatos' method."""

    label: str
    events_at_month: float  # expected at the planned month
    power_at_month: float
    month_of_events: float  # in which the planned events are expected; nan: never
    power_at_events: float


def scenarios(plan: Plan) -> tuple[Scenario, ...]:
    """Return the plan itself and what follows if one assumption fails, the others being right."""
    return tuple(_scenario(label, course, plan) for label, course in _courses(plan))


def _courses(plan: Plan) -> Iterator[tuple[str, Course]]:
    course, given = plan.course, plan.given
    yield "As planned", course
    for ratio in _near(given.hazard_ratio):
        worse = experimental_curve(given, hazard_ratio=ratio)
        yield f"Hazard ratio {ratio:.2f}", replace(course, experimental=worse)
    for factor in (0.8, 1.25):
        months = given.median_control_months * factor
        changed = given.model_copy(update={"median_control_months": months})
        control, experimental = control_curve(changed), experimental_curve(changed)
        yield (
            f"Median with control {months:.1f} months",
            replace(course, control=control, experimental=experimental),
        )
    for factor, word in ((0.75, "slower"), (1.25, "faster")):
        accrual = course.accrual.faster(factor)
        yield f"Accrual 25 % {word}", replace(course, accrual=accrual)
    if course.dropout_per_month:
        yield "No dropout", replace(course, dropout_per_month=0.0)
        doubled = 2 * course.dropout_per_month
        yield "Twice the rate of dropout", replace(course, dropout_per_month=doubled)
    later = experimental_curve(given, delay_months=given.delay_months + LATER_MONTHS)
    yield f"Effect {LATER_MONTHS:g} months later", replace(course, experimental=later)
    crossing = course.crossover_per_month + CROSSOVER_PER_MONTH
    share = 100 * (1 - np.exp(-12 * CROSSOVER_PER_MONTH))
    yield (
        f"{share:.0f} % of control subjects a year cross over before the event",
        replace(course, crossover_per_month=crossing),
    )
    if not given.cured_fraction:
        cured = Cured(fraction=CURED, uncured=course.control)
        effect = experimental_curve(given, control=cured)
        yield (
            f"{100 * CURED:g} % of control subjects never have the event",
            replace(course, control=cured, experimental=effect),
        )


def _near(hazard_ratio: float) -> tuple[float, ...]:
    """Two hazard ratios to either side on the log scale, short of no effect."""
    steps = np.array([-0.2, -0.1, 0.1, 0.2, 0.3])
    near = np.exp(np.log(hazard_ratio) * (1 - steps))
    return tuple(float(one) for one in np.unique(np.round(near, 2)) if one < 1)


def _scenario(label: str, course: Course, plan: Plan) -> Scenario:
    month = plan.analysis_months
    try:
        due = months_to_events(course, plan.events)
    except PlanningError:
        due = float("nan")
    return Scenario(
        label=label,
        events_at_month=float(expected(course, month).events[0]),
        power_at_month=_power(course, month, plan),
        month_of_events=due,
        power_at_events=_power(course, due, plan) if np.isfinite(due) else float("nan"),
    )


def _power(course: Course, month: float, plan: Plan) -> float:
    """By Lakatos, or with a margin by Schoenfeld from the events and their average effect."""
    level, given = float(plan.looks.nominal_p[-1]), plan.given
    if given.margin == 1:
        return expected_power(course, analysis_months=month, alpha=level, sided=given.sided)
    cells = event_cells(course, month)
    effect = average_hazard_ratio(cells)
    if effect >= given.margin:
        return level / given.sided
    return logrank_power(
        float(cells.events.sum()),
        effect,
        alpha=level,
        sided=given.sided,
        ratio=course.ratio,
        margin=given.margin,
    )
