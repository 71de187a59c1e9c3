# SPDX-License-Identifier: Apache-2.0
"""Virtual trials of several arms, or with rules of change, as JSON and on the terminal."""

from collections.abc import Iterator
from math import exp
from typing import Any

from radioligand.planning import selection_power
from radioligand.simulation.adaptive_design import AdaptiveDesign
from radioligand.simulation.adaptive_tallies import AdaptiveCharacteristics, ArmCharacteristics
from radioligand.simulation.scenarios import Scenario
from radioligand.simulation.tallies import SHARES, Mean, level_of


def as_told(
    design: AdaptiveDesign, found: AdaptiveCharacteristics, null: AdaptiveCharacteristics | None
) -> dict[str, Any]:
    """What was found as a JSON object; times in months, ratios on the log scale where it says."""
    means, month = found.means, design.month_days
    model, scenario = design.model, design.scenario
    answer: dict[str, Any] = {
        "scenario": scenario.name,
        "endpoint": design.endpoint,
        "trials": found.trials,
        "power": found.power,
        "power_error": found.power_error,
        "power_of_every_arm": found.every,
        "type_one_error": null
        and {
            "rate": null.power,
            "error": null.power_error,
            "nominal": design.plan.given.alpha / design.plan.given.sided,
            "of_each_arm": [one.found for one in null.arms],
            "nominal_of_each_arm": level_of(design.plan),
        },
        "hazard_ratio": {
            "geometric_mean": _ratio(
                sum(one.log_hazard_ratio * one.bias_at_end.known for one in found.arms)
                / max(found.bias_at_end.known, 1)
                + found.bias_at_end.mean
            ),
            "log_bias": found.bias_at_end.mean,
            "log_bias_error": found.bias_at_end.error,
            "log_standard_deviation": found.bias_at_end.standard_deviation,
        },
        "arms": [_arm(one, design) for one in found.arms],
        "duration_months": {
            **told_mean(means["day"], month),
            "quantiles": {
                f"{share:g}": day / month
                for share, day in zip(SHARES, found.day_quantiles, strict=True)
            },
        },
        "subjects": told_mean(means["entered"]),
        "subjects_in_control": told_mean(means["in_control"]),
        "looks": [
            {
                "events": None if day >= 0 else int(events),
                "month": day / month if day >= 0 else None,
                "z": None if model.spending else float(z),
            }
            for events, day, z in zip(model.look_events, model.look_days, model.stop_z, strict=True)
        ],
    }
    if model.drop_events.size:
        answer["dropping"] = {
            "events": model.drop_events.tolist(),
            "month_of_last": told_mean(means["first_day"], month),
            "subjects_by_then": told_mean(means["first_entered"]),
            "arms_left": told_mean(means["on"]),
            "no_arm_left": found.none_on,
            # of arms that went on: log of the estimate over the true hazard ratio
            "bias_when_kept": told_mean(found.bias_at_first),
            "bias_at_end": told_mean(found.bias_at_end),
        }
    if model.resize_events:
        answer["resizing"] = {
            "raised": found.raised,
            "conditional_power": told_mean(means["conditional_power"]),
            "events_planned": told_mean(means["events_planned"]),
        }
    if scenario.primaries:
        answer["primaries"] = {
            "rule": scenario.primaries.rule,
            "endpoints": list(scenario.primaries.endpoints),
            "held": {one.arm: list(one.primaries) for one in found.arms},
        }
    return answer | {"theory": theory(design)}


def theory(design: AdaptiveDesign) -> dict[str, Any] | None:
    """Picking the winner by theory, or the power of each arm by the plan.

    None where more is assumed than effects, and without a selection where anything is assumed or
    the trial changes.
    """
    selection, plan, model = design.plan.comparison.selection, design.plan, design.model
    if selection is None and _as_planned(design):
        return {
            "method": plan.given.method,
            "power_of_each_arm": plan.power,
            "duration_months": plan.analysis_months,
        }
    if selection is None or model.look_events.size > 1 or model.max_combo:
        return None
    given = plan.given
    found = selection_power(
        [exp(ratio) for ratio in design.log_hazard_ratios],
        first_events=selection.events,
        events=plan.events,
        level=float(plan.looks.nominal_p[-1]),
        sided=given.sided,
        ratio=plan.comparison.ratio,
        at_most_hazard_ratio=selection.at_most_hazard_ratio,
        first_stage_counts=selection.first_stage_counts,
    )
    return {
        "method": "selection",
        "power": found.power,
        "chosen": list(found.chosen),
        "stopped": found.stopped,
        "power_of": list(found.power_of),
        "ratio_at_end": list(found.ratio_at_end),
        "duration_months": plan.analysis_months,
    }


def _as_planned(design: AdaptiveDesign) -> bool:
    """Whether nothing is assumed but the plan, and no arm is dropped, opened or grows."""
    model = design.model
    changes = model.drop_events.size or model.resize_events or model.opens.any()
    return design.scenario == Scenario(name=design.scenario.name) and not changes


def _arm(one: ArmCharacteristics, design: AdaptiveDesign) -> dict[str, Any]:
    means, month = one.means, design.month_days
    answer: dict[str, Any] = {
        "arm": one.arm,
        "hazard_ratio_assumed": _ratio(one.log_hazard_ratio),
        "power": one.found,
        "dropped": one.dropped,
        "futility": one.futile,
        "went_on": one.on,
        "efficacy_by_look": list(one.efficacy),
        "futility_by_look": list(one.futility),
        "coverage": one.coverage,
        "bias_when_kept": told_mean(one.bias_at_first),
        "bias_at_end": told_mean(one.bias_at_end),
        "subjects": told_mean(means["in_arm"]),
        "events_compared": told_mean(means["events"]),
        "end_month": told_mean(means["day"], month),
        "events_not_reached": one.unreached,
    }
    if len(design.chain) > 1:
        answer["chain"] = [
            {"step": step, "probability": share}
            for step, share in zip(design.chain, one.chain, strict=True)
        ]
    if design.scenario.has_response:
        answer["response"] = {
            arm: told_mean(means[f"response_{arm}"]) for arm in ("control", "experimental")
        }
    if design.scenario.has_survival:
        answer["survival"] = {
            "hazard_ratio": _ratio(means["survival_log_hazard_ratio"].mean),
            "deaths": told_mean(means["deaths"]),
        }
    return answer


def told_mean(one: Mean, unit: float = 1.0) -> dict[str, float]:
    """A mean with its Monte Carlo error, in another unit if given."""
    return {
        "mean": one.mean / unit,
        "error": one.error / unit,
        "standard_deviation": one.standard_deviation / unit,
    }


def _ratio(logarithm: float) -> float:
    return exp(logarithm)


def text(told: dict[str, Any], *, share: Any) -> Iterator[str]:
    """The same for a terminal; `share` words a probability with its error."""
    yield f"  power, any arm        {share(told['power'], told['power_error'])}"
    by = told["theory"] or {}
    if len(told["arms"]) > 1 and "power" not in by:
        yield f"  power, every arm      {100 * told['power_of_every_arm']:.1f} %"
    if "power" in by:
        yield f"  power by theory       {100 * by['power']:.1f} %"
    if "power_of_each_arm" in by:
        each = f"{100 * by['power_of_each_arm']:.1f} % ({by['method'].title()})"
        yield f"  power by theory       of each arm {each}"
    if error := told["type_one_error"]:
        level = f"nominal {100 * error['nominal']:g} %"
        each = f"of each arm nominal {100 * error['nominal_of_each_arm']:.3g} %"
        yield f"  type I error          {share(error['rate'], error['error'])}, {level}; {each}"
    if dropping := told.get("dropping"):
        yield (
            f"  arms dropped          in month {dropping['month_of_last']['mean']:.1f} with "
            f"{dropping['subjects_by_then']['mean']:.0f} subjects; "
            f"{dropping['arms_left']['mean']:.2f} go on, "
            f"none in {100 * dropping['no_arm_left']:.1f} %"
        )
        kept, end = dropping["bias_when_kept"]["mean"], dropping["bias_at_end"]["mean"]
        yield (
            f"  bias of selection     estimated hazard ratio over the true one: {exp(kept):.3f} "
            f"when kept, {exp(end):.3f} at the end"
        )
    if resizing := told.get("resizing"):
        yield (
            f"  events raised         in {100 * resizing['raised']:.1f} % of trials, to "
            f"{resizing['events_planned']['mean']:.1f} in the mean"
        )
    for one in told["arms"]:
        dropped = f", dropped in {100 * one['dropped']:.1f} %" if told.get("dropping") else ""
        yield (
            f"  {one['arm']:<21} found in {100 * one['power']:.1f} %{dropped}; "
            f"{one['subjects']['mean']:.1f} subjects, hazard ratio {one['hazard_ratio_assumed']:g} "
            f"assumed, interval covers it in {100 * one['coverage']:.1f} %"
        )
        if chain := one.get("chain"):
            steps = ", ".join(f"{step['step']} {100 * step['probability']:.1f} %" for step in chain)
            yield f"  chain of tests        {one['arm']}: {steps}"
    if primaries := told.get("primaries"):
        for arm, held in primaries["held"].items():
            each = ", ".join(
                f"{name} {100 * one:.1f} %"
                for name, one in zip(primaries["endpoints"], held, strict=True)
            )
            yield f"  primary endpoints     {arm}: {each} ({primaries['rule']})"
    low, _, high = told["duration_months"]["quantiles"].values()
    yield (
        f"  duration, months      {told['duration_months']['mean']:.1f} ({low:.1f} to {high:.1f})"
    )
    yield f"  subjects              {told['subjects']['mean']:.1f}"
