# SPDX-License-Identifier: Apache-2.0
"""Planning a trial by theory: events, subjects, power, duration, boundaries and the calendar.

Months count from the entry of the first subject, or from a subject's own entry; hazards are per
month, and whole subjects and events are for the last step.
"""

from radioligand.planning.accrual import (
    Accrual,
    piecewise_accrual,
    ramped_accrual,
    site_accrual,
    uniform_accrual,
)
from radioligand.planning.course import (
    Course,
    Expected,
    FollowUp,
    dropout_hazard,
    expected,
    follow,
    months_to_events,
    with_dropout,
)
from radioligand.planning.curves import (
    Cured,
    Curve,
    Effect,
    PiecewiseExponential,
    Weibull,
    exponential,
    months_until,
    survival,
)
from radioligand.planning.events import (
    logrank_events,
    logrank_power,
    significant_hazard_ratio,
)
from radioligand.planning.faults import PlanningError, whole
from radioligand.planning.lakatos import LogrankSize, expected_power, lakatos, scaled
from radioligand.planning.looks import inflation, look_boundaries

__all__ = [
    "Accrual",
    "Course",
    "Cured",
    "Curve",
    "Effect",
    "Expected",
    "FollowUp",
    "LogrankSize",
    "PiecewiseExponential",
    "PlanningError",
    "Weibull",
    "dropout_hazard",
    "expected",
    "expected_power",
    "exponential",
    "follow",
    "inflation",
    "lakatos",
    "logrank_events",
    "logrank_power",
    "look_boundaries",
    "months_to_events",
    "months_until",
    "piecewise_accrual",
    "ramped_accrual",
    "scaled",
    "significant_hazard_ratio",
    "site_accrual",
    "survival",
    "uniform_accrual",
    "whole",
    "with_dropout",
]
