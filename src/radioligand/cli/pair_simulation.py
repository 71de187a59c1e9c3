# SPDX-License-Identifier: Apache-2.0
"""Virtual trials of two arms as JSON and on the terminal."""

from collections.abc import Iterator
from math import exp, log
from typing import Any

from radioligand.cli.adaptive_simulation import told_mean
from radioligand.planning import PlanningError, expected_power, months_to_events
from radioligand.simulation.scenarios import Scenario
from radioligand.simulation.tallies import SHARES, Characteristics, level_of
from radioligand.simulation.trial_design import TrialDesign

ARMS = ("control", "experimental")


def pair_json(
    design: TrialDesign, found: Characteristics, null: Characteristics | None
) -> dict[str, Any]:
    """What was found as a JSON object; times in months."""
    means, month = found.means, design.month_days
    ratio = means["log_hazard_ratio"]
    answer: dict[str, Any] = {
        "scenario": design.scenario.name,
        "endpoint": design.endpoint,
        "trials": found.trials,
        "power": found.power,
        "power_error": found.power_error,
        "type_one_error": null
        and {"rate": null.power, "error": null.power_error, "nominal": level_of(design.plan)},
        "hazard_ratio": {
            "assumed": exp(design.log_hazard_ratio),
            "geometric_mean": exp(ratio.mean),
            "log_bias": ratio.mean - design.log_hazard_ratio,
            "log_bias_error": ratio.error,
            "log_standard_deviation": ratio.standard_deviation,
            "coverage": found.coverage,
            "quantiles": quantiles(found.hazard_ratio_quantiles),
        },
        "duration_months": {
            **told_mean(means["day"], month),
            "quantiles": quantiles(tuple(day / month for day in found.day_quantiles)),
        },
        "subjects": told_mean(means["entered"]),
        "events": told_mean(means["events"]),
        "median_months": {
            "control": told_mean(means["median_control"], month),
            "experimental": told_mean(means["median_experimental"], month),
        },
        "looks": [
            {"events": int(events), "z": float(z), "efficacy": efficacy, "futility": futility}
            for events, z, efficacy, futility in zip(
                design.model.look_events,
                design.model.stop_z,
                found.efficacy,
                found.futility,
                strict=True,
            )
        ],
        "chain": [
            {"step": step, "probability": share}
            for step, share in zip(design.chain, found.chain, strict=True)
        ],
        "significant_harm": found.harm,
        "events_not_reached": found.unreached,
        "theory": theory(design),
    }
    if design.scenario.has_response:
        answer["response"] = {arm: told_mean(means[f"response_{arm}"]) for arm in ARMS}
    if design.scenario.primaries:
        answer["primaries"] = {
            "rule": design.scenario.primaries.rule,
            "held": dict(zip(design.scenario.primaries.endpoints, found.primaries, strict=True)),
        }
    if design.scenario.has_survival:
        answer["survival"] = {
            "hazard_ratio": exp(means["survival_log_hazard_ratio"].mean),
            "deaths": told_mean(means["deaths"]),
            "crossed_over": told_mean(means["crossed"]),
        }
    return answer


def theory(design: TrialDesign) -> dict[str, Any]:
    """Power and months by theory, for the assumptions of the protocol's own plan alone.

    `power` is that of the plan, by its `method`; `power_lakatos` Lakatos' at the level of the only
    look. With unequal arms the two lie on either side of the truth. None where the scenario assumes
    otherwise.
    """
    told = dict.fromkeys(("method", "power", "power_lakatos", "duration_months"))
    if design.scenario != Scenario(name=design.scenario.name):
        return told
    plan = design.plan
    told |= {"method": plan.given.method, "power": plan.power}
    try:
        months = months_to_events(plan.course, plan.events)
    except PlanningError:
        return told
    if plan.looks.z.size > 1 or plan.given.margin != 1:
        return told | {"duration_months": months}
    level = float(plan.looks.nominal_p[-1])
    power = expected_power(
        plan.course, analysis_months=plan.analysis_months, alpha=level, sided=plan.given.sided
    )
    return told | {"power_lakatos": power, "duration_months": plan.analysis_months}


def quantiles(values: tuple[float, ...]) -> dict[str, float]:
    """Quantiles under their shares."""
    return {f"{share:g}": value for share, value in zip(SHARES, values, strict=True)}


def pair_text(told: dict[str, Any], design: TrialDesign, found: Characteristics) -> Iterator[str]:
    """The same for a terminal."""
    means, month = found.means, design.month_days
    yield f"  power                 {share_text(found.power, found.power_error)}"
    if (by := told["theory"])["power"] is not None:
        others = {by["method"]: by["power"], "lakatos": by["power_lakatos"]}
        shown = (f"{100 * p:.1f} % ({m.title()})" for m, p in others.items() if p is not None)
        yield f"  power by theory       {', '.join(shown)}"
    if error := told["type_one_error"]:
        level = f"nominal {100 * error['nominal']:g} %"
        yield f"  type I error          {share_text(error['rate'], error['error'])}, {level}"
    low, middle, high = found.hazard_ratio_quantiles
    assumed = exp(design.log_hazard_ratio)
    yield (
        f"  hazard ratio          {middle:.3f} (90 % of trials {low:.2f} to {high:.2f}), "
        f"{assumed:g} assumed; interval covers it in {100 * found.coverage:.1f} %"
    )
    low, middle, high = (day / month for day in found.day_quantiles)
    yield f"  duration, months      {means['day'].mean / month:.1f} ({low:.1f} to {high:.1f})"
    yield f"  subjects, events      {means['entered'].mean:.1f}, {means['events'].mean:.1f}"
    medians = " and ".join(f"{means[f'median_{arm}'].mean / month:.1f} ({arm})" for arm in ARMS)
    yield f"  mean median, months   {medians}"
    if len(design.model.stop_z) > 1:
        for look in told["looks"]:
            yield (
                f"  look at {look['events']:>4} events   stops for efficacy in "
                f"{100 * look['efficacy']:.1f} %, for futility in {100 * look['futility']:.1f} %"
            )
    if len(design.chain) > 1:
        steps = ", ".join(
            f"{one['step']} {100 * one['probability']:.1f} %" for one in told["chain"]
        )
        yield f"  chain of tests        {steps}"
    if primaries := told.get("primaries"):
        held = ", ".join(f"{step} {100 * p:.1f} %" for step, p in primaries["held"].items())
        yield f"  primary endpoints     {held} ({primaries['rule']})"
    if found.unreached:
        yield f"  events never reached  in {100 * found.unreached:.2f} % of trials"


def share_text(share: float, error: float) -> str:
    """A probability with as many digits as its error lets count."""
    digits = 1 if error <= 0 else max(1, min(4, -int(log(100 * error, 10) // 1)))
    return f"{100 * share:.{digits}f} % ± {100 * error:.{digits}f}"
