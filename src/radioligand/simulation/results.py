# SPDX-License-Identifier: Apache-2.0
"""Operating characteristics as a results frame: one row a number, as figures and tables read it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any, Literal

import numpy as np
import polars as pl

from radioligand.planning import power_at, selection_power
from radioligand.planning.results import SCHEMA
from radioligand.simulation.adaptive_design import AdaptiveDesign
from radioligand.simulation.adaptive_tallies import AdaptiveCharacteristics
from radioligand.simulation.calendar import Fan
from radioligand.simulation.cohort_design import CohortDesign
from radioligand.simulation.cohort_tallies import CohortCharacteristics
from radioligand.simulation.dose_courses import DesignOutcome
from radioligand.simulation.late_harm import LateHarmOutcome
from radioligand.simulation.scenarios import ASSUMED, Scenario
from radioligand.simulation.tallies import Characteristics
from radioligand.simulation.trial_design import TrialDesign
from radioligand.statistics.observations import Floats

Row = dict[str, Any]
AnyDesign = TrialDesign | AdaptiveDesign | CohortDesign
AnyCharacteristics = Characteristics | AdaptiveCharacteristics | CohortCharacteristics
Curve = Sequence[tuple[float, float, float]]  # hazard ratio, power, its error
LEAST_RATIO = 0.3
MOST_MAPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One scenario that was simulated, with and perhaps without effect."""

    design: AnyDesign
    found: AnyCharacteristics
    null: AnyCharacteristics | None
    late_harm: tuple[LateHarmOutcome, ...] = ()


def simulation_results(
    runs: Sequence[Run],
    *,
    curve: Curve,
    fan: Fan,
    z: Floats | None,
    doses: Sequence[DesignOutcome] = (),
) -> pl.DataFrame:
    """Return the numbers of simulated scenarios; the analyses are named by what they tell.

    curve : power at other hazard ratios, of the first scenario.
    fan : its calendar.
    z : quantiles of z at its looks, (l, 3), None where looks are not by events of two arms.
    doses : what fixed and informed activity do to virtual patients.
    """
    parts: Mapping[str, Iterator[Row]] = {
        "scenarios": _scenarios(runs),
        "each-arm": _arms(runs[0]),
        "each-cohort": _cohorts(runs[0]),
        "late-harm": _late_harm(runs[0]),
        **_maps(runs),
        "power": _power(runs[0].design, curve),
        "fan": _fan(runs[0], fan),
        "looks": _looks(runs[0].design, z),
        "dose-designs": _designs(doses),
        "in-target": _heterogeneity(doses, "in_target"),
        "over-limit": _heterogeneity(doses, "over_limit"),
    }
    rows = [{"analysis": name, **row} for name, of in parts.items() for row in of]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def curve_ratios(design: AnyDesign) -> list[float]:
    """Return hazard ratios over which power is told, with that of the plan among them."""
    planned = design.plan.given.hazard_ratio
    low = min(LEAST_RATIO, 0.8 * planned) if planned < 0.5 else planned - 0.25
    high = max(1.0, design.plan.given.margin)
    return sorted({round(one, 3) for one in (*np.linspace(low, high, 7), planned)})


def curve_power(design: AnyDesign, found: AnyCharacteristics) -> tuple[float, float]:
    """Return the power that a curve tells, with its error: any arm picked, or the mean arm."""
    if not isinstance(found, AdaptiveCharacteristics) or picks(design):
        return found.power, found.power_error
    power = float(np.mean([one.found for one in found.arms]))
    return power, float(np.sqrt(power * (1 - power) / found.trials))


def picks(design: AnyDesign) -> bool:
    """Whether one of several arms is picked by the protocol's selection."""
    return isinstance(design, AdaptiveDesign) and design.plan.comparison.selection is not None


def varied(scenarios: Sequence[Scenario]) -> tuple[str, ...]:
    """Return the assumptions in which scenarios differ."""
    keys = (key for key in ASSUMED if len({getattr(one, key) for one in scenarios}) > 1)
    return tuple(keys)


def _scenarios(runs: Sequence[Run]) -> Iterator[Row]:
    for run in runs:
        found, design = run.found, run.design
        month = design.month_days
        numbers: dict[str, float] = {
            "power_percent": 100 * found.power,
            "power_error_percent": 100 * found.power_error,
        }
        if run.null is not None:
            numbers["type_one_percent"] = 100 * run.null.power
        numbers["duration"] = found.means["day"].mean / month
        numbers["subjects"] = found.means["entered"].mean
        if isinstance(found, AdaptiveCharacteristics):
            numbers["ratio_bias"] = exp(found.bias_at_end.mean)
        else:
            of_all = found.together if isinstance(found, CohortCharacteristics) else found
            numbers["events"] = of_all.means["events"].mean
            bias = of_all.means["log_hazard_ratio"].mean - _assumed(design)
            numbers["ratio_bias"] = exp(bias)
            numbers["coverage"] = 100 * of_all.coverage
        for statistic, value in numbers.items():
            yield _cell("scenarios", design.scenario.name, statistic, value)


def _assumed(design: AnyDesign) -> float:
    if isinstance(design, CohortDesign):
        return design.together.log_hazard_ratio
    return design.log_hazard_ratio if isinstance(design, TrialDesign) else 0.0


def _arms(run: Run) -> Iterator[Row]:
    """Each arm of several: found, dropped, subjects, bias."""
    if not isinstance(run.found, AdaptiveCharacteristics):
        return
    for one in run.found.arms:
        numbers = {
            "assumed_ratio": exp(one.log_hazard_ratio),
            "found_percent": 100 * one.found,
            "dropped_percent": 100 * one.dropped,
            "futile_percent": 100 * one.futile,
            "subjects": one.means["in_arm"].mean,
            "ratio_bias_kept": exp(one.bias_at_first.mean),
            "ratio_bias": exp(one.bias_at_end.mean),
            "coverage": 100 * one.coverage,
        }
        for statistic, value in numbers.items():
            yield _cell("arm", one.arm, statistic, value)


def _cohorts(run: Run) -> Iterator[Row]:
    """Each cohort: found, with and without effect, given up, subjects, events, month, bias."""
    if not isinstance(run.found, CohortCharacteristics) or not isinstance(run.design, CohortDesign):
        return
    nulls = run.null.cohorts if isinstance(run.null, CohortCharacteristics) else ()
    for place, (name, one) in enumerate(zip(run.design.names, run.found.cohorts, strict=True)):
        assumed = run.design.cohorts[place].log_hazard_ratio
        numbers = {"assumed_ratio": exp(assumed), "found_percent": 100 * one.power}
        if nulls:
            numbers["type_one_percent"] = 100 * nulls[place].power
        numbers |= {
            "futile_percent": 100 * sum(one.futility),
            "duration": one.means["day"].mean / run.design.month_days,
            "subjects": one.means["entered"].mean,
            "events": one.means["events"].mean,
            "ratio_bias": exp(one.means["log_hazard_ratio"].mean - assumed),
            "coverage": 100 * one.coverage,
        }
        for statistic, value in numbers.items():
            yield _cell("cohort", name, statistic, value)


def _late_harm(run: Run) -> Iterator[Row]:
    """Each late harm in each arm, at the usual and at the high share."""
    for one in run.late_harm:
        for at in (one.usual, one.high):
            case = f"{one.endpoint}, {one.arm}, share {100 * at.share:g} %"
            numbers = {
                "subjects": one.subjects,
                "known": one.known,
                "incidence_percent": 100 * at.incidence,
                "seen_percent": 100 * at.seen,
                "seen_error_percent": 100 * at.seen_error,
                "excluded_percent": 100 * at.excluded,
                "excluded_error_percent": 100 * at.excluded_error,
                "month": one.month,
            }
            for statistic, value in numbers.items():
                yield _cell("late harm", case, statistic, value)


def map_facets(runs: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    """Return the maps of power that scenarios make: what each holds fixed in words, and its runs.

    Across and down are the first two assumptions that vary; one map for each combination of the
    others, at most MOST_MAPS. Where fewer than two vary there is none.
    """
    keys = varied([run.design.scenario for run in runs])
    if len(keys) < 2:
        return []
    facets: dict[str, list[Run]] = {}
    for run in runs:
        fixed = ", ".join(_assumption(run, key) for key in keys[2:])
        facets.setdefault(fixed, []).append(run)
    return list(facets.items())[:MOST_MAPS]


def map_name(place: int, facets: int) -> str:
    """Return the name of a map among so many: 'map', or 'map-1', 'map-2' and so on."""
    return "map" if facets == 1 else f"map-{place + 1}"


def _maps(runs: Sequence[Run]) -> dict[str, Iterator[Row]]:
    facets = map_facets(runs)
    keys = varied([run.design.scenario for run in runs])
    powers = [run.found.power for _, some in facets for run in some]
    return {
        map_name(place, len(facets)): _map(some, keys[0], keys[1], powers)
        for place, (_, some) in enumerate(facets)
    }


def _map(runs: Sequence[Run], across: str, down: str, powers: Sequence[float]) -> Iterator[Row]:
    """Power by two assumptions; the colours of all maps are those of the same powers."""
    for run in runs:
        yield _cell(_assumption(run, across), _assumption(run, down), "power", run.found.power)
    yield {"statistic": "lowest", "value": min(powers)}
    yield {"statistic": "highest", "value": max(powers)}


def _assumption(run: Run, key: str) -> str:
    """An assumption and its value in words; None is as the protocol plans it."""
    value = getattr(run.design.scenario, key)
    words = key.replace("_", " ")
    if isinstance(value, bool) or value is None:
        return f"{words} {'planned' if value is None else 'yes' if value else 'no'}"
    return f"{words} {value:g}"


def _power(design: AnyDesign, curve: Curve) -> Iterator[Row]:
    plan, given = design.plan, design.plan.given
    selection = plan.comparison.selection
    ratios = [ratio for ratio, _, _ in curve]
    for ratio in np.linspace(min(ratios), max(ratios), 41):
        if selection is not None and isinstance(design, AdaptiveDesign):
            power = selection_power(
                (float(ratio),) * plan.comparison.arms,
                first_events=selection.events,
                events=plan.events,
                level=float(plan.looks.nominal_p[-1]),
                sided=given.sided,
                ratio=plan.comparison.ratio,
                at_most_hazard_ratio=selection.at_most_hazard_ratio,
                first_stage_counts=selection.first_stage_counts,
            ).power
        else:
            power = power_at(plan, float(ratio))
        yield _cell("hazard_ratio", f"{float(ratio):.6g}", "power", power)
    for ratio, power, error in curve:
        yield _cell("simulated", f"{ratio:.6g}", "power_simulated", power)
        yield _cell("simulated", f"{ratio:.6g}", "power_error", error)
    level = plan.given.alpha / given.sided
    yield {"statistic": "level", "value": level}


def _fan(run: Run, fan: Fan) -> Iterator[Row]:
    for name, values in (("subjects", fan.subjects), ("events", fan.events)):
        for which, line in zip(("lower", "median", "upper"), values, strict=True):
            for month, value in zip(fan.months.tolist(), line.tolist(), strict=True):
                days = month * run.design.month_days
                at = {"arm": "ALL", "time_days": days, "statistic": f"{name}_{which}"}
                yield at | {"value": value}
    low, _, high = (day / run.design.month_days for day in run.found.day_quantiles)
    yield {"statistic": "stop_lower", "value": low, "unit": "months"}
    yield {"statistic": "stop_upper", "value": high, "unit": "months"}


def _looks(design: AnyDesign, z: Floats | None) -> Iterator[Row]:
    """Boundaries by events, with the z of trials; nothing where that is not known, or at one look.

    One look would be a single point.
    """
    if z is None or isinstance(design, CohortDesign) or design.model.look_events.size == 1:
        return
    model = design.model
    for look, events in enumerate(model.look_events.tolist()):
        numbers = {"look_events": events, "boundary_z": float(model.stop_z[look])}
        if np.isfinite(model.futility_z[look]):
            numbers["futility_z"] = float(model.futility_z[look])
        numbers |= dict(zip(("z_lower", "z_median", "z_upper"), z[look].tolist(), strict=True))
        for statistic, value in numbers.items():
            yield _cell("looks", f"{events} events", statistic, value)


def _designs(doses: Sequence[DesignOutcome]) -> Iterator[Row]:
    """Each design by its scans and the spread between sites."""
    for one in doses:
        name = ", ".join(filter(None, (one.design, one.strategy)))
        if one.strategy:
            name += f", {one.scans}, sites {100 * one.site_log_sd:g} %"
        for statistic, value in (
            ("activity_mean", one.activity_gbq),
            ("steering_median", one.steering_gy),
            ("steering_low", one.steering_lower_gy),
            ("steering_high", one.steering_upper_gy),
            ("in_target_percent", 100 * one.in_target),
            ("over_limit_percent", 100 * one.over_limit),
        ):
            yield _cell("designs", name, statistic, value)


def _heterogeneity(
    doses: Sequence[DesignOutcome], share: Literal["in_target", "over_limit"]
) -> Iterator[Row]:
    """A share over the spread between sites, a line a design; the fixed one has no spread."""
    for one in doses:
        line = ", ".join(filter(None, (one.strategy or one.design, one.strategy and one.scans)))
        level = f"{one.site_log_sd:g}" if one.strategy else "any"
        value = one.in_target if share == "in_target" else one.over_limit
        error = one.in_target_error if share == "in_target" else one.over_limit_error
        yield _cell(line, level, "share_percent", 100 * value)
        yield _cell(line, level, "share_error_percent", 100 * error)


def _cell(variable: str, level: str, statistic: str, value: float) -> Row:
    """A number under its variable and level; one that is not finite is null and "NE"."""
    known = bool(np.isfinite(value))
    return {
        "variable": variable,
        "level": level,
        "statistic": statistic,
        "value": float(value) if known else None,
        "text": None if known else "NE",
    }
