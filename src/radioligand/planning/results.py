# SPDX-License-Identifier: Apache-2.0
"""Plans as results: one row a number, in the columns of the results frame."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from radioligand import protocol as p
from radioligand.planning.assumptions import hazard_pieces
from radioligand.planning.course import expected, months_to_events
from radioligand.planning.curves import months_until, survival
from radioligand.planning.events import significant_hazard_ratio
from radioligand.planning.faults import PlanningError, whole
from radioligand.planning.scenarios import scenarios
from radioligand.planning.sizing import Plan, RatePlan, power_at
from radioligand.planning.waiting import event_variance
from radioligand.planning.wording import NAMES, SHAPES
from radioligand.statistics.sequential import exit_probabilities

SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("analysis", "dataset", "where", "population"), pl.String),
        **dict.fromkeys(("parameter", "arm", "variable", "level", "subject"), pl.String),
        "time_days": pl.Float64,
        "statistic": pl.String,
        "value": pl.Float64,
        **dict.fromkeys(("text", "unit", "method"), pl.String),
    }
)
ALL = "ALL"
LAKATOS = "Lakatos"
Row = dict[str, Any]


def plan_results(
    plans: tuple[Plan, ...], rates: tuple[RatePlan, ...] = (), *, protocol: p.Protocol
) -> pl.DataFrame:
    """Return the numbers of plans as a frame; the analyses are named by part and endpoint.

    Parts: assumptions, size, methods, curves, power, looks, timeline, sensitivity; and rates.
    """
    rows: list[Row] = []
    for plan in plans:
        for part, of in PARTS.items():
            name = f"{part}-{plan.name}"
            rows += [
                {"analysis": name, "parameter": plan.endpoint, **row} for row in of(plan, protocol)
            ]
    rows += [{"analysis": "rates", **row} for plan in rates for row in _rates(plan)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _assumptions(plan: Plan, protocol: p.Protocol) -> Iterator[Row]:
    given = plan.given
    control, experimental = protocol.arm("control").short, protocol.arm("experimental").short
    ratio = f"{plan.comparison.ratio:g}:1"
    median = months_until(plan.course.experimental)
    yield from _told("hazard_ratio", "Hazard ratio", given.hazard_ratio)
    if given.margin != 1:
        yield from _told("margin", "Margin of non-inferiority (hazard ratio)", given.margin)
    yield from _told("control", f"Median, {control}", given.median_control_months, "months")
    yield from _told("experimental", f"Median, {experimental}", median, "months")
    for key, label, unit in (
        ("shape", "Weibull shape", None),
        ("cured_fraction", "Control subjects who never have the event", "%"),
        ("delay_months", "Effect begins after", "months"),
        ("crossover_per_month", "Control subjects who cross over before the event, a month", "%"),
    ):
        value = getattr(given, key)
        if value != p.Planning.model_fields[key].default:
            yield from _told(key, label, 100 * value if unit == "%" else value, unit)
    yield from _steps(given)
    yield from _told(
        "alpha", f"Level, {'one' if given.sided == 1 else 'two'}-sided", 100 * given.alpha, "%"
    )
    if plan.comparison.arms > 1:
        label = f"Level of each of {plan.comparison.arms} comparisons ({given.multiplicity})"
        if plan.comparison.selection:
            label = f"Level of the final comparison, the best of {plan.comparison.arms} arms picked"
        yield from _told("comparison_alpha", label, 100 * plan.comparison.alpha, "%")
    yield from _told("power", "Power asked for", 100 * given.power, "%")
    yield from _told("method", "Method", None, text=f"log-rank, {NAMES[given.method]}")
    yield from _told("ratio", "Allocation, each experimental arm to control", None, text=ratio)
    yield from _told("accrual", "Accrual", None, text=_accrual(given))
    if given.follow_up_months:
        follow_up = given.follow_up_months
        yield from _told("follow_up", "Follow-up after the last subject", follow_up, "months")
    by = f"within {given.dropout_months:g} months" if given.dropout_months else "by the analysis"
    yield from _told("dropout", f"Dropout {by}", 100 * given.dropout_fraction, "%")
    if given.interim:
        yield from _told("spending", "Boundaries", None, text=SHAPES[given.interim.spending])


def _steps(given: p.Planning) -> Iterator[Row]:
    """The hazards of control subjects and the effect, where they change."""
    if given.hazard_steps:
        hazards = hazard_pieces(given.hazard_steps)
        months = zip(hazards.starts_months, hazards.per_month, strict=True)
        text = "; ".join(f"{hazard:.3g} a month from month {start:g}" for start, hazard in months)
        yield from _told("hazard_steps", "Hazard of control subjects", None, text=text)
    if steps := given.hazard_ratio_steps:
        text = "; ".join(f"{one.hazard_ratio:g} from month {one.from_month:g}" for one in steps)
        yield from _told("hazard_ratio_steps", "Hazard ratio in steps", None, text=text)


def _accrual(given: p.Planning) -> str:
    if given.accrual_steps:
        steps = [
            f"{s.per_month:g} a month from month {s.from_month:g}" for s in given.accrual_steps
        ]
        return "; ".join(steps)
    told = f"{given.accrual_per_month:g} a month" if given.accrual_per_month else "even"
    if given.ramp_months:
        told += f", reached over {given.ramp_months:g} months"
    if sites := given.site_activation:
        told += f", once {sites.sites} sites are open ({sites.per_month:g} open a month)"
    return f"{told}, over {given.accrual_months:g} months" if given.accrual_months else told


def _size(plan: Plan, protocol: p.Protocol) -> Iterator[Row]:
    given = plan.given
    method = f"{NAMES[given.method]}, {plan.events_needed:.2f} before rounding"
    if given.interim:
        method = f"as stated; {method}"
    yield from _told("events", "Events", plan.events, method=method)
    yield from _told("subjects", "Subjects, all arms", plan.subjects)
    yield from _told("power", "Power with these events", 100 * plan.power, "%")
    yield from _told("accrual", "Accrual ends", plan.accrual_months, "months")
    yield from _told("analysis", "Analysis expected", plan.analysis_months, "months")
    if plan.event_months:
        low, high = plan.event_months
        yield from _told("earliest", "Analysis, 5 % chance to be earlier than", low, "months")
        yield from _told("latest", "Analysis, 5 % chance to be later than", high, "months")
    else:
        yield from _told("expected", "Expected then", plan.expected_events, "events")
    limit = _limit(plan, len(plan.look_events) - 1)
    yield from _told("limit", "Largest significant hazard ratio, final analysis", limit)
    if plan.inflation > 1:
        yield from _told("inflation", "Events multiply by looking early", plan.inflation)
    for key, label in (("events", "Events"), ("subjects", "Subjects")):
        stated = getattr(given, key)
        if stated is not None:
            yield from _told(f"stated_{key}", f"{label} stated by the protocol", stated)


def _methods(plan: Plan, protocol: p.Protocol) -> Iterator[Row]:
    for one in plan.methods:
        label = NAMES[one.method]
        yield _cell("methods", label, "events_unrounded", one.events, method=label)
        yield _cell("methods", label, "events", whole(one.events), method=label)
        yield _cell("methods", label, "subjects_unrounded", one.subjects, method=label)
        yield _cell("methods", label, "subjects", whole(one.subjects), method=label)


def _curves(plan: Plan, protocol: p.Protocol) -> Iterator[Row]:
    last = 12 * np.ceil(plan.analysis_months / 12)
    months = np.linspace(0, last, 121)
    roles = {"experimental": plan.course.experimental, "control": plan.course.control}
    for role, curve in roles.items():
        arm = protocol.arm(role).id
        yield {"statistic": "median", "arm": arm, "value": months_until(curve), "unit": "months"}
        for month, share in zip(months, survival(curve, months), strict=True):
            days = float(month) * protocol.data.month_days
            yield {"statistic": "planned_survival", "arm": arm, "time_days": days, "value": share}


def _power(plan: Plan, protocol: p.Protocol) -> Iterator[Row]:
    """Power by hazard ratio; a ratio at which the events are not to be had is left out."""
    given = plan.given
    by = "Schoenfeld, crossing a boundary" if plan.looks.z.size > 1 else NAMES[given.method]
    method = f"{by}, {plan.events} events"
    lowest, highest = min(0.3, given.hazard_ratio * 0.8), max(1.0, given.margin)
    steps = np.round(np.arange(lowest, highest + 0.005, 0.01), 6)
    for ratio in np.unique([*np.minimum(steps, highest), given.hazard_ratio]).tolist():
        try:
            power = power_at(plan, ratio)
        except PlanningError:
            continue
        yield _cell("hazard_ratio", f"{ratio:.6g}", "power", power, method=method)
    yield {"statistic": "planned_hazard_ratio", "value": given.hazard_ratio}
    yield {"statistic": "planned_power", "value": given.power}


def _looks(plan: Plan, protocol: p.Protocol) -> Iterator[Row]:
    looks = plan.looks
    drift = _drift(plan)
    stopped = np.cumsum(exit_probabilities(looks.fractions, looks.z, drift=drift).upper)
    for look, events in enumerate(plan.look_events):
        numbers = {
            "information": 100 * looks.fractions[look],
            "month": _month(plan, events),
            "boundary_z": looks.z[look],
            "boundary_p": looks.nominal_p[look],
            "boundary_hazard_ratio": _limit(plan, look),
            "cumulative_alpha": looks.cumulative_alpha[look],
            "stopped": 100 * stopped[look],
        }
        for statistic, value in numbers.items():
            yield _cell("looks", f"{events} events", statistic, float(value))
        yield _cell("looks", f"{events} events", "look_events", events)


def _drift(plan: Plan) -> float:
    ratio, given = plan.comparison.ratio, plan.given
    effect = abs(np.log(given.hazard_ratio / given.margin))
    return float(effect * np.sqrt(plan.events * ratio) / (1 + ratio))


def _limit(plan: Plan, look: int) -> float:
    return significant_hazard_ratio(
        plan.look_events[look],
        nominal_p=float(plan.looks.nominal_p[look]),
        sided=plan.given.sided,
        ratio=plan.comparison.ratio,
        margin=plan.given.margin,
    )


def _month(plan: Plan, events: float) -> float:
    try:
        return months_to_events(plan.course, events)
    except PlanningError:
        return float("nan")


def _timeline(plan: Plan, protocol: p.Protocol) -> Iterator[Row]:
    last = 6 * np.ceil((plan.analysis_months * 1.25) / 6)
    months = np.union1d(np.linspace(0, last, 97), plan.accrual_months)
    found = expected(plan.course, months)
    spread = np.sqrt(event_variance(plan.course, months))
    entered = [plan.comparison.in_all(each) for each in found.entered.tolist()]
    for place, month in enumerate(months):
        at = {"arm": ALL, "time_days": float(month) * protocol.data.month_days}
        events = float(found.events[place])
        yield {**at, "statistic": "expected_subjects", "value": float(entered[place])}
        yield {**at, "statistic": "expected_events", "value": events}
        low, high = events - 1.645 * spread[place], events + 1.645 * spread[place]
        yield {**at, "statistic": "expected_events_lower", "value": max(float(low), 0.0)}
        yield {**at, "statistic": "expected_events_upper", "value": float(high)}
    yield {"statistic": "planned_events", "value": float(plan.events)}
    yield {"statistic": "analysis_month", "value": plan.analysis_months, "unit": "months"}


def _sensitivity(plan: Plan, protocol: p.Protocol) -> Iterator[Row]:
    for one in scenarios(plan):
        yield _cell("scenarios", one.label, "month_of_events", one.month_of_events)
        power = 100 * one.power_at_events
        yield _cell("scenarios", one.label, "power_at_events", power, method=LAKATOS)
        yield _cell("scenarios", one.label, "events_at_month", one.events_at_month)
        power = 100 * one.power_at_month
        yield _cell("scenarios", one.label, "power_at_month", power, method=LAKATOS)


def _rates(plan: RatePlan) -> Iterator[Row]:
    label = plan.given.label
    method = "Farrington and Manning"
    yield _cell("rates", label, "rate_experimental", 100 * plan.given.experimental)
    yield _cell("rates", label, "rate_control", 100 * plan.given.control)
    yield _cell("rates", label, "subjects", whole(plan.subjects_needed), method=method)
    yield _cell("rates", label, "power_held", 100 * plan.power, method=method)


def _told(
    variable: str,
    label: str,
    value: float | None,
    unit: str | None = None,
    *,
    text: str | None = None,
    method: str | None = None,
) -> Iterator[Row]:
    yield {"statistic": "label", "variable": variable, "text": label}
    yield _cell(variable, None, "value", value, unit=unit, text=text, method=method)


def _cell(
    variable: str, level: str | None, statistic: str, value: float | None, **more: str | None
) -> Row:
    """A number under its variable and level; one that is not finite is null and "NE"."""
    known = value is not None and np.isfinite(value)
    keys: Mapping[str, Any] = {"variable": variable, "level": level, "statistic": statistic}
    text = more.get("text") or (None if known or value is None else "NE")
    return {
        **keys,
        **more,
        "value": float(value) if known and value is not None else None,
        "text": text,
    }


PARTS = {
    "assumptions": _assumptions,
    "size": _size,
    "methods": _methods,
    "looks": _looks,
    "curves": _curves,
    "power": _power,
    "timeline": _timeline,
    "sensitivity": _sensitivity,
}
