# SPDX-License-Identifier: Apache-2.0
"""The sizes and boundaries that papers plan with, from the assumptions that they print."""

from dataclasses import dataclass
from typing import Any, Literal

from radioligand.evidence.calculations import hazard_ratio_of_medians
from radioligand.planning import (
    Course,
    LogrankSize,
    exponential,
    lakatos,
    logrank_events,
    look_boundaries,
    uniform_accrual,
    whole,
)
from radioligand.statistics.sequential import Spending

Formula = Literal["schoenfeld", "freedman"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """Two exponential arms: medians and durations in months, alpha and power in percent.

    `ratio` is how many patients are given the experimental arm for each one given control.
    Patients enter evenly over the accrual.
    """

    experimental: float
    control: float
    ratio: int
    alpha: float
    sided: int
    power: float
    accrual: float = 0.0
    follow_up: float = 0.0


def events_by_formula(given: Assumptions, formula: Formula) -> float:
    """Return the events that a log-rank test needs, not rounded."""
    return logrank_events(
        hazard_ratio_of_medians(given.experimental, given.control),
        alpha=given.alpha / 100,
        sided=given.sided,
        power=given.power / 100,
        ratio=given.ratio,
        method=formula,
    )


def size_by_lakatos(given: Assumptions) -> LogrankSize:
    """Return what Lakatos' method asks for, not rounded, and the share with an event by the end."""
    course = Course(
        control=exponential(given.control),
        experimental=exponential(given.experimental),
        accrual=uniform_accrual(1.0),
        subjects=given.accrual,
        ratio=given.ratio,
    )
    return lakatos(
        course,
        analysis_months=given.accrual + given.follow_up,
        alpha=given.alpha / 100,
        sided=given.sided,
        power=given.power / 100,
    )


def schoenfeld_events(**given: Any) -> float:
    """Return Schoenfeld's events, up to a whole number; arguments are those of `Assumptions`."""
    return whole(events_by_formula(Assumptions(**given), "schoenfeld"))


def freedman_events(**given: Any) -> float:
    """Return Freedman's events, up to a whole number; arguments are those of `Assumptions`."""
    return whole(events_by_formula(Assumptions(**given), "freedman"))


def lakatos_events(**given: Any) -> float:
    """Return Lakatos' events, up to a whole number; arguments are those of `Assumptions`."""
    return whole(size_by_lakatos(Assumptions(**given)).events)


def schoenfeld_subjects(**given: Any) -> float:
    """Return the subjects that have Schoenfeld's events by the end, up to a whole number."""
    return subjects_by_formula(Assumptions(**given), "schoenfeld")


def freedman_subjects(**given: Any) -> float:
    """Return the subjects that have Freedman's events by the end, up to a whole number."""
    return subjects_by_formula(Assumptions(**given), "freedman")


def lakatos_subjects(**given: Any) -> float:
    """Return Lakatos' subjects, up to a whole number; arguments are those of `Assumptions`."""
    return whole(size_by_lakatos(Assumptions(**given)).subjects)


def subjects_by_formula(given: Assumptions, formula: Formula) -> float:
    """Return the subjects of whom so many have an event by the end, up to a whole number."""
    return whole(events_by_formula(given, formula) / size_by_lakatos(given).event_fraction)


def spending_boundary(events: int, final_events: int, alpha: float, sided: int) -> float:
    """Return the nominal p value of the first of two looks: Lan and DeMets' O'Brien–Fleming."""
    return first_of_two_looks(events, final_events, alpha, sided, "obrien-fleming")


def classical_boundary(events: int, final_events: int, alpha: float, sided: int) -> float:
    """Return the nominal p value of the first of two looks in O'Brien and Fleming's own shape."""
    return first_of_two_looks(events, final_events, alpha, sided, "classical-obrien-fleming")


def classical_boundary_of_equal_looks(
    events: int, final_events: int, alpha: float, sided: int
) -> float:
    """Return the same where the constant is that of looks at half and at all of the events."""
    halves = (final_events / 2, final_events)
    shape: Spending = "classical-obrien-fleming"
    return first_of_two_looks(events, final_events, alpha, sided, shape, planned=halves)


def first_of_two_looks(
    events: int,
    final_events: int,
    alpha: float,
    sided: int,
    spending: Spending,
    *,
    planned: tuple[float, float] | None = None,
) -> float:
    """Return the nominal p value at the first look of two; alpha in percent."""
    looks = look_boundaries(
        (events, final_events),
        alpha=alpha / 100,
        sided=sided,
        spending=spending,
        planned_events=planned,
    )
    return float(looks.nominal_p[0])
