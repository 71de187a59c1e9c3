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
from radioligand.planning.adaptation import (
    AdaptationPlan,
    adaptation_plan,
    adaptation_wording,
    kept,
)
from radioligand.planning.cohorts import (
    any_cohort,
    cohort_planning,
    cohort_plans,
    cohort_stops,
    cohort_wording,
    planned_cohorts,
)
from radioligand.planning.comparisons import comparison_alpha
from radioligand.planning.considerations import DesignFinding, design_findings
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
from radioligand.planning.late_harm import LateHarmPlan, late_harm_plans, late_harm_wording
from radioligand.planning.looks import inflation, look_boundaries
from radioligand.planning.rates import rate_power, rate_subjects
from radioligand.planning.results import plan_results
from radioligand.planning.scenarios import Scenario, scenarios
from radioligand.planning.selection import SelectionPower, selection_alpha, selection_power
from radioligand.planning.sizing import (
    MethodSize,
    Plan,
    RatePlan,
    plan,
    plan_endpoint,
    plan_rates,
    power_at,
    selection_pace,
    selection_powers,
)
from radioligand.planning.waiting import (
    EventDate,
    event_month_interval,
    event_variance,
    predict_events,
)
from radioligand.planning.wording import rate_wording, remarks, wording

__all__ = [
    "Accrual",
    "AdaptationPlan",
    "Course",
    "Cured",
    "Curve",
    "DesignFinding",
    "Effect",
    "EventDate",
    "Expected",
    "FollowUp",
    "LateHarmPlan",
    "LogrankSize",
    "MethodSize",
    "PiecewiseExponential",
    "Plan",
    "PlanningError",
    "RatePlan",
    "Scenario",
    "SelectionPower",
    "Weibull",
    "adaptation_plan",
    "adaptation_wording",
    "any_cohort",
    "cohort_planning",
    "cohort_plans",
    "cohort_stops",
    "cohort_wording",
    "comparison_alpha",
    "design_findings",
    "dropout_hazard",
    "event_month_interval",
    "event_variance",
    "expected",
    "expected_power",
    "exponential",
    "follow",
    "inflation",
    "kept",
    "lakatos",
    "late_harm_plans",
    "late_harm_wording",
    "logrank_events",
    "logrank_power",
    "look_boundaries",
    "months_to_events",
    "months_until",
    "piecewise_accrual",
    "plan",
    "plan_endpoint",
    "plan_rates",
    "plan_results",
    "planned_cohorts",
    "power_at",
    "predict_events",
    "ramped_accrual",
    "rate_power",
    "rate_subjects",
    "rate_wording",
    "remarks",
    "scaled",
    "scenarios",
    "selection_alpha",
    "selection_pace",
    "selection_power",
    "selection_powers",
    "significant_hazard_ratio",
    "site_accrual",
    "survival",
    "uniform_accrual",
    "whole",
    "with_dropout",
    "wording",
]
