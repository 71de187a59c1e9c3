# SPDX-License-Identifier: Apache-2.0
"""Virtual trials of several cohorts as JSON and on the terminal."""

from collections.abc import Iterator
from math import exp
from typing import Any

from radioligand.cli.adaptive_simulation import told_mean
from radioligand.cli.pair_simulation import pair_json, quantiles, share_text
from radioligand.simulation.cohort_design import CohortDesign
from radioligand.simulation.cohort_tallies import CohortCharacteristics

# what is known of all subjects together; response and survival are told of each cohort
OF_ALL = (
    *("scenario", "endpoint", "trials", "power", "power_error", "type_one_error"),
    *("hazard_ratio", "events", "median_months", "events_not_reached", "theory"),
)


def cohorts_json(
    design: CohortDesign, found: CohortCharacteristics, null: CohortCharacteristics | None
) -> dict[str, Any]:
    """What was found as a JSON object: of all together, and of each cohort; times in months."""
    of_all = pair_json(design.together, found.together, null.together if null else None)
    nothing = null.cohorts if null else [None] * len(design.names)
    month = design.month_days
    return {
        **{key: of_all[key] for key in OF_ALL},
        "analysis_months": of_all["duration_months"],
        "duration_months": {
            **told_mean(found.means["day"], month),
            "quantiles": quantiles(tuple(day / month for day in found.day_quantiles)),
        },
        "subjects": told_mean(found.means["entered"]),
        "any_cohort": {
            "power": found.any,
            "type_one_error": None if null is None else null.any,
        },
        "every_cohort": {"power": found.every},
        "cohorts": [
            {"cohort": name, **pair_json(own, one, none)}
            for name, own, one, none in zip(
                design.names, design.cohorts, found.cohorts, nothing, strict=True
            )
        ],
    }


def cohorts_text(told: dict[str, Any]) -> Iterator[str]:
    """The same for a terminal."""
    yield f"  power, all together   {share_text(told['power'], told['power_error'])}"
    if told["theory"]["power"] is not None:
        yield f"  power by theory       {100 * told['theory']['power']:.1f} %"
    if error := told["type_one_error"]:
        level = f"nominal {100 * error['nominal']:g} %"
        yield f"  type I error          {share_text(error['rate'], error['error'])}, {level}"
    ratio = told["hazard_ratio"]
    yield (
        f"  hazard ratio, all     {ratio['geometric_mean']:.3f}, mean of the cohorts "
        f"{ratio['assumed']:.3f}; interval covers it in {100 * ratio['coverage']:.1f} %"
    )
    any_cohort, every = told["any_cohort"], told["every_cohort"]["power"]
    null = any_cohort["type_one_error"]
    without = "" if null is None else f", without effect in {100 * null:.1f} %"
    yield (
        f"  any cohort            found in {100 * any_cohort['power']:.1f} %{without}; every "
        f"cohort in {100 * every:.1f} %"
    )
    for one in told["cohorts"]:
        yield from _cohort(one)
    low, _, high = told["duration_months"]["quantiles"].values()
    yield (
        f"  duration, months      {told['duration_months']['mean']:.1f} ({low:.1f} to {high:.1f})"
    )
    yield f"  subjects, events      {told['subjects']['mean']:.1f}, {told['events']['mean']:.1f}"
    if told["events_not_reached"]:
        yield f"  events never reached  in {100 * told['events_not_reached']:.2f} % of trials"


def _cohort(one: dict[str, Any]) -> Iterator[str]:
    futile = sum(look["futility"] for look in one["looks"])
    given_up = f", given up in {100 * futile:.1f} %" if futile else ""
    error = one["type_one_error"]
    level = f"; type I error {100 * error['rate']:.1f} %" if error else ""
    ratio = one["hazard_ratio"]
    yield (
        f"  {one['cohort']:<21} found in {100 * one['power']:.1f} %{given_up}{level}; "
        f"{one['subjects']['mean']:.1f} subjects, {one['events']['mean']:.1f} events, "
        f"month {one['duration_months']['mean']:.1f}; hazard ratio {ratio['assumed']:g} assumed, "
        f"estimated {exp(ratio['log_bias']):.3f} times that"
    )
