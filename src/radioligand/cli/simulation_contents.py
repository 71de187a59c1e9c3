# SPDX-License-Identifier: Apache-2.0
"""The page of simulated scenarios: what stands in it, and its files beside the kept parts."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from radioligand.io.outputs import OutputError
from radioligand.protocol import Protocol
from radioligand.report import Arm, Display, KeyLine, Report, Statement, render
from radioligand.simulation.adaptive_design import AdaptiveDesign, virtual_design
from radioligand.simulation.calendar import calendar_fan, z_at_looks
from radioligand.simulation.dose_courses import DesignOutcome
from radioligand.simulation.results import (
    Run,
    curve_power,
    curve_ratios,
    map_facets,
    map_name,
    picks,
    simulation_results,
)
from radioligand.simulation.scenarios import Scenario, without_effect
from radioligand.simulation.tallies import level_of
from radioligand.simulation.trial_design import TrialDesign
from radioligand.simulation.trials import simulate

CURVE_TRIALS, FAN_TRIALS, LOOK_TRIALS = 4000, 300, 2000
# the analysis of a display, its kind, its title
DISPLAYS = (
    ("scenarios", "grid", "Operating characteristics"),
    ("each-arm", "grid", "Each experimental arm"),
    ("each-cohort", "grid", "Each cohort"),
    ("late-harm", "grid", "Late harm"),
    ("power", "simulated-power", "Power, simulated and by theory"),
    ("fan", "fan", "Accrual and events"),
    ("looks", "simulated-looks", "Boundaries and simulated z"),
    ("dose-designs", "grid", "Fixed activity and activity informed by dosimetry"),
    ("in-target", "dose-heterogeneity", "In the target, by spread between sites"),
    ("over-limit", "dose-heterogeneity", "Over a limit, by spread between sites"),
)
SECTIONS = dict.fromkeys(("dose-designs", "in-target", "over-limit"), "Dosimetry")
TABLES = 4  # of the displays, before the figures
NOTES = {
    "scenarios": (
        "End / true: the hazard ratio estimated at the last look over the one assumed, as the "
        "exponent of the mean of the logarithms. Covers: the 95 % interval the one assumed.",
    ),
    "each-arm": (
        "Assumed: the hazard ratio. Kept / true and End / true: the one estimated over it, at the "
        "look that could have dropped the arm and at its last look. Covers: its 95 % interval.",
    ),
    "each-cohort": (
        "Subjects, events and months are those when the cohort stops; End / true: the hazard ratio "
        "estimated then over the one assumed. Covers: its 95 % interval.",
    ),
    "late-harm": (
        "Seen: in at least one subject. Known in: those who had the harm, died before or were "
        "followed to its month. Incidence: cumulative, by Aalen and Johansen. Excluded: the high "
        "share, if so few of those known have the harm that this has a probability of 5 % or less "
        "under it. ±: Monte Carlo error. Expected month: the last subject has been followed.",
    ),
    "fan": (
        "Middle and nine in ten of the trials, each followed on after it stops; grey: last looks.",
    ),
    "dose-designs": (
        "True doses of virtual patients: the median of what steers with its 5th and 95th "
        "percentile, who ends in the target, and who exceeds any limit. Every number of their "
        "kinetics is assumed.",
    ),
    **dict.fromkeys(
        ("in-target", "over-limit"),
        ("Spread between sites: standard deviation of the logarithm of what they measure.",),
    ),
    "looks": ("z is that of trials that all go on to the look, upward where the effect is.",),
}


def write_page(
    out: Path,
    runs: Sequence[Run],
    *,
    protocol: Protocol,
    seed: int,
    told: dict[str, Any],
    doses: Sequence[DesignOutcome] = (),
) -> None:
    """Write index.html with every figure inside, and each table and figure as a file of its own.

    `doses` are what fixed and informed activity do, of a protocol with dosimetry.

    Raises OutputError if the disk refuses.
    """
    first = runs[0].design
    frame = simulation_results(
        runs,
        curve=power_curve(protocol, first.scenario, seed=seed, trials=runs[0].found.trials),
        fan=calendar_fan(
            first,
            seed=seed,
            trials=min(FAN_TRIALS, runs[0].found.trials),
            months=np.linspace(0, _last_month(runs[0]), 97),
        ),
        z=_z(first, seed=seed, trials=min(LOOK_TRIALS, runs[0].found.trials)),
        doses=doses,
    )
    names = set(frame["analysis"])
    report = Report(
        title=f"{protocol.trial.name}: virtual trials",
        subtitle=protocol.trial.title,
        registry=protocol.trial.registry,
        arms=tuple(Arm(arm.id, arm.label, arm.short) for arm in protocol.arms),
        displays=tuple(
            Display(
                name=name if kind in ("grid", "scenario-map", "dose-heterogeneity") else kind,
                analysis=name,
                kind=kind,
                title=title,
                section=SECTIONS.get(name, protocol.endpoint(first.endpoint).label),
                footnotes=(*NOTES.get(name, ()), *(_curve_note(first) if name == "power" else ())),
            )
            for name, kind, title in (*DISPLAYS[:TABLES], *_maps(runs), *DISPLAYS[TABLES:])
            if name in names
        ),
        simulated=False,
        has_data=False,
        month_days=first.month_days,
        key_lines=_key_lines(runs[0]),
        statements=(Statement("What was run", _words(runs, seed=seed)),),
        methods=(
            "Each trial is a function of seed and number; docs/simulation.md tells what it goes "
            "through. Errors are Monte Carlo standard errors.",
        ),
        provenance={"seed": seed, "trials": runs[0].found.trials},
    )
    pages = render(frame, report=report)
    files = {
        "index.html": pages.index_html,
        "results.csv": frame.write_csv(),
        "results.json": json.dumps(told, indent=2) + "\n",
        **{f"tables/{file}": text for file, text in pages.tables.items()},
        **{f"figures/{file}": text for file, text in pages.figures.items()},
    }
    try:
        for name, text in files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror}.") from None


def _maps(runs: Sequence[Run]) -> list[tuple[str, str, str]]:
    """The displays of the maps of power: one, or one for each combination of what else varies."""
    facets = map_facets(runs)
    return [
        (
            map_name(place, len(facets)),
            "scenario-map",
            f"Power by scenario{f': {fixed}' if fixed else ''}",
        )
        for place, (fixed, _) in enumerate(facets)
    ]


def power_curve(
    protocol: Protocol, scenario: Scenario, *, seed: int, trials: int
) -> list[tuple[float, float, float]]:
    """Simulate a scenario at other hazard ratios: each with its power and Monte Carlo error."""
    curve = []
    for ratio in curve_ratios(virtual_design(protocol, scenario)):
        nothing = without_effect(scenario)
        own = nothing if ratio == 1 else _with_ratio(scenario, ratio)
        design = virtual_design(protocol, own)
        found = simulate(design, trials=min(CURVE_TRIALS, trials), seed=seed)
        curve.append((ratio, *curve_power(design, found)))
    return curve


def _with_ratio(scenario: Scenario, ratio: float) -> Scenario:
    return replace(scenario, hazard_ratio=ratio, hazard_ratios=(), cohorts=())


def _z(design: Any, *, seed: int, trials: int) -> Any:
    if not isinstance(design, TrialDesign) or design.model.follow_up_days >= 0:
        return None
    if design.model.look_events.size == 1:
        return None  # one boundary is no figure
    return z_at_looks(design, seed=seed, trials=trials)


def _last_month(run: Run) -> float:
    return float(6 * np.ceil(1.25 * run.found.day_quantiles[-1] / run.design.month_days / 6))


def _curve_note(design: Any) -> tuple[str, ...]:
    several = isinstance(design, AdaptiveDesign)
    told = (
        "Theory is that of picking the winner, all arms alike; simulated is any arm found."
        if picks(design)
        else "Theory is that of the plan, with the planned events and by its method"
        + ("; simulated is the mean of the arms." if several else ".")
    )
    return (told, "Line across: the level.")


def _key_lines(run: Run) -> tuple[KeyLine, ...]:
    found, design = run.found, run.design
    low, _, high = (day / design.month_days for day in found.day_quantiles)
    error = f"± {100 * found.power_error:.2f}"
    lines = [KeyLine("Power", f"{100 * found.power:.1f} %", error)]
    if run.null is not None:
        nominal = design.plan.given.alpha / design.plan.given.sided
        each = level_of(design.plan)
        detail = f"nominal {100 * nominal:g} %"
        detail += f", each arm {100 * each:.3g} %" if each != nominal else ""
        lines.append(KeyLine("Type I error", f"{100 * run.null.power:.2f} %", detail))
    months = f"{found.means['day'].mean / design.month_days:.1f}"
    lines.append(KeyLine("Duration, months", months, f"90 % of trials {low:.1f}–{high:.1f}"))
    lines.append(KeyLine("Subjects", f"{found.means['entered'].mean:.1f}", "entered, mean"))
    return tuple(lines)


def _words(runs: Sequence[Run], *, seed: int) -> tuple[str, ...]:
    many, trials = len(runs), runs[0].found.trials
    scenarios = "one scenario" if many == 1 else f"{many} scenarios"
    beside = ", each also without effect" if runs[0].null else ""
    return (
        f"{trials:,} virtual trials of {scenarios}{beside}, seed {seed}. Figures of accrual, "
        f"boundaries and power are of the first: {runs[0].design.scenario.name}.",
    )
