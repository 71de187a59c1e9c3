# SPDX-License-Identifier: Apache-2.0
"""What stands in a design report: the displays of each planned endpoint, and the wording."""

from collections.abc import Iterator, Mapping
from typing import Any

from radioligand.planning import Plan
from radioligand.planning.wording import NAMES, level_in_words
from radioligand.protocol import Protocol
from radioligand.report import Arm, Display, KeyLine, Report, Statement, formatting

# part of a plan: the kind of display that shows it, its title
DISPLAYS = (
    ("assumptions", "quantities", "Assumptions"),
    ("size", "quantities", "Size and duration"),
    ("methods", "grid", "What each method asks for at this effect"),
    ("curves", "planned-curves", "Assumed curves"),
    ("power", "power-curve", "Power against the hazard ratio"),
    ("looks", "grid", "Looks and boundaries"),
    ("looks", "boundaries", "Boundaries for efficacy"),
    ("timeline", "timeline", "Expected accrual and events"),
    ("sensitivity", "grid", "If one assumption fails"),
)
NOTES = {
    "methods": ("Subjects are those in whom that many events are expected by the planned month.",),
    "power": (
        "By the method of the plan, with the planned events; with looks, by Schoenfeld's, of "
        "crossing a boundary at any of them.",
    ),
    "looks": ("The hazard ratio is the largest that would be significant at the look.",),
    "timeline": ("Band: 90 % of trials, if each subject has the event by its own chance.",),
    "sensitivity": (
        "Power by the method of Lakatos at the level of the last look, also in the first row; it "
        "differs from the formula the trial was planned by.",
    ),
}
# where several experimental arms are planned
SEVERAL = {
    "curves": ("The same curve is assumed of every experimental arm.",),
    "power": ("Power of one comparison of an experimental arm with control.",),
    "timeline": ("Subjects are those of all arms, events those of one comparison.",),
}
METHODS = (
    "Schoenfeld: the events of a log-rank test from the hazard ratio and the allocation alone.",
    "Freedman: the same from the shares of subjects at risk under the alternative.",
    "Lakatos: a Markov chain over the follow-up, with the numbers at risk and the hazards of each "
    "of its steps, accrual, dropout and crossover.",
    "Subjects and dates follow from the curves, accrual and dropout assumed: subjects enter as "
    "planned, and each has the event by its own chance.",
)


def design_report(
    protocol: Protocol,
    plans: tuple[Plan, ...],
    *,
    words: tuple[str, ...],
    rates: bool,
    provenance: Mapping[str, Any],
) -> Report:
    """Plan the design report of a protocol; its numbers are `planning.plan_results`."""
    primary = plans[0]
    return Report(
        title=f"{protocol.trial.name}: design",
        subtitle=protocol.trial.title,
        registry=protocol.trial.registry,
        arms=tuple(Arm(arm.id, arm.label, arm.short) for arm in protocol.arms),
        displays=tuple(_displays(plans, rates=rates)),
        simulated=False,
        has_data=False,
        month_days=protocol.data.month_days,
        key_lines=_key_lines(primary),
        statements=(Statement("Wording for the protocol", words),),
        methods=METHODS,
        provenance=provenance,
    )


def _displays(plans: tuple[Plan, ...], *, rates: bool) -> Iterator[Display]:
    for plan in plans:
        for part, kind, title in DISPLAYS:
            if kind == "boundaries" and len(plan.look_events) == 1:
                continue
            yield Display(
                name=f"{part}-{plan.name}{'-figure' if kind == 'boundaries' else ''}",
                analysis=f"{part}-{plan.name}",
                kind=kind,
                title=title,
                section=plan.label,
                footnotes=(
                    *(NOTES.get(part, ()) if kind != "boundaries" else ()),
                    *(SEVERAL.get(part, ()) if plan.comparison.arms > 1 else ()),
                ),
            )
    if rates:
        yield Display(
            name="rates", analysis="rates", kind="grid", title="Rates", section="Rates compared"
        )


def _key_lines(plan: Plan) -> tuple[KeyLine, ...]:
    given = plan.given
    interval = "at the planned month"
    if plan.event_months:
        low, high = (formatting.rounded(month) for month in plan.event_months)
        interval = f"90 % of trials {low}–{high}"
    first = float(plan.looks.nominal_p[0])
    looks = f"{len(plan.look_events)} looks" if len(plan.look_events) > 1 else "one look"
    return (
        KeyLine("Events", str(plan.events), f"{plan.events_needed:.1f} by {NAMES[given.method]}"),
        KeyLine("Subjects", str(plan.subjects), f"over {plan.accrual_months:.1f} months"),
        KeyLine("Power", f"{100 * plan.power:.1f} %", f"hazard ratio {given.hazard_ratio:.3g}"),
        KeyLine("Duration, months", f"{plan.analysis_months:.1f}", interval),
        KeyLine(
            "First boundary, p",
            level_in_words(first),
            f"{looks}, {'one' if given.sided == 1 else 'two'}-sided",
        ),
    )
