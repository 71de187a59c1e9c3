# SPDX-License-Identifier: Apache-2.0
"""What stands in a report, read from the protocol: displays, methods, policies."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import polars as pl

from radioligand import protocol as p
from radioligand.analysis.shrinkage import chosen_arms, parts_of
from radioligand.criteria import in_words
from radioligand.protocol.records import Dosimetry
from radioligand.report import (
    Arm,
    Display,
    Finding,
    MissingDomain,
    Policy,
    Report,
    headline,
)

# kind of analysis: the displays that show it (kind of display, ending of its name)
DISPLAYS: dict[str, tuple[tuple[str, str], ...]] = {
    "disposition": (("consort", "-profile"), ("disposition", "")),
    "phases": (("phases", ""),),
    "eligibility": (("eligibility", ""),),
    "baseline": (("baseline", ""),),
    "exposure": (("exposure", ""),),
    "time to event": (("kaplan-meier", "-curve"), ("time-to-event", "")),
    "response": (("response", ""),),
    "subgroups": (("forest", "-forest"), ("subgroups", "")),
    "sensitivity": (("sensitivity", ""),),
    "waterfall": (("waterfall", ""),),
    "spider": (("spider", ""),),
    "swimmer": (("swimmer", ""),),
    "shrinkage waterfall": (
        ("waterfall", ""),
        ("shrinkage-reasons", "-reasons"),
        ("shrinkage-scatter", "-scatter"),
    ),
    "shrinkage landmarks": (
        ("shrinkage-medians", "-medians"),
        ("shrinkage-eligible", "-eligible"),
        ("shrinkage-forest", "-forest"),
        ("shrinkage-hazards", ""),
        ("shrinkage-probabilities", "-probabilities"),
    ),
    "shrinkage groups": (("kaplan-meier", "-curve"), ("time-to-event", "")),
    "shrinkage baseline": (("baseline", ""),),
    "shrinkage thresholds": (("shrinkage-contrast", "-forest"), ("shrinkage-thresholds", "")),
    "agreement": (("agreement", ""),),
    "hierarchy": (("hierarchy", ""),),
    "interim": (("interim", ""),),
    "overview": (("adverse-events", ""),),
    "terms": (("adverse-event-terms", ""),),
    "queries": (("adverse-events", ""),),
    "classes": (("adverse-event-classes", ""),),
    "rates": (("adverse-event-rates", ""),),
    "competing risks": (("incidence", "-curve"), ("competing-risks", "")),
    "deaths": (("deaths", ""),),
    "worst": (("laboratory-grades", ""),),
    "shift": (("laboratory-shift", ""),),
    "cycles": (("laboratory-cycles", ""),),
    "over time": (("grades-over-time", ""),),
    "dose decisions": (("dose-decisions", ""),),
    "doses": (("dose-cycles", "-cycles"), ("absorbed-dose", "")),
    "activities": (("dose-plan", "-plan"), ("absorbed-dose", "")),
    "effects": (("dose-effect", "-figure"), ("dose-effects", "")),
    "sites": (("dose-sites", ""), ("dose-spread", "-spread")),
    "quality of life": (("profile", "-figure"), ("quality-of-life", "")),
    "repeated measures": (("repeated-measures", ""),),
}
# what a display of several of one analysis shows, after the analysis' own title
SHOWS = {
    "shrinkage-reasons": "who shrank and who responded",
    "shrinkage-scatter": "against time to the event",
    "shrinkage-medians": "median best change",
    "shrinkage-eligible": "who was eligible",
    "shrinkage-probabilities": "probability of an event",
    "dose-spread": "what part of the spread is method",
}
AFTERWARDS = (
    "The groups are made of what happened after randomisation; a difference between their curves "
    "is naive, and no effect of shrinkage."
)


def report_of(
    protocol: p.Protocol,
    results: pl.DataFrame,
    *,
    missing: tuple[tuple[str, str], ...],
    findings: pl.DataFrame,
    cutoff: date | None,
    simulated: bool,
    calibrated: bool = False,
    provenance: Mapping[str, Any],
) -> Report:
    """Plan the report of a study: the protocol says what stands in it and in which order."""
    arms = tuple(Arm(arm.id, arm.label, arm.short) for arm in protocol.arms)
    return Report(
        title=protocol.trial.name,
        subtitle=protocol.trial.title,
        registry=protocol.trial.registry,
        arms=arms,
        displays=(
            *_displays(protocol),
            Display(
                name="invariants",
                analysis="invariants",
                kind="invariants",
                title="What must hold in every derived study",
                section="Data quality",
            ),
        ),
        simulated=simulated,
        calibrated=calibrated,
        cutoff=cutoff.isoformat() if cutoff else "none: all data in the folder",
        month_days=protocol.data.month_days,
        populations=tuple(_sizes(protocol, results)),
        key_lines=_key_lines(protocol, results, arms),
        methods=tuple(_methods(protocol)),
        policies=tuple(Policy(*row) for row in p.policies(protocol)),
        findings=tuple(
            Finding(
                row["dataset"],
                row["severity"],
                row["rule"],
                row["broken"],
                row["rows"],
                tuple(row["examples"].splitlines()),
            )
            for row in findings.to_dicts()
        ),
        missing_domains=tuple(MissingDomain(*row) for row in missing),
        provenance=provenance,
        labels=_labels(protocol),
    )


def _displays(protocol: p.Protocol) -> Iterator[Display]:
    for analysis in protocol.analyses:
        kind = getattr(analysis, "table", analysis.kind)
        for display, ending in DISPLAYS[kind]:
            if display == "kaplan-meier" and not getattr(analysis, "figure", True):
                continue
            if display == "shrinkage-probabilities" and not getattr(
                analysis, "probabilities", None
            ):
                continue
            yield Display(
                name=f"{analysis.id}{ending}",
                analysis=analysis.id,
                kind=display,
                title=_title(analysis, display),
                section=analysis.section,
                population=protocol.population(analysis.population).label,
                footnotes=_footnotes(analysis),
                axis_label=_axis_label(protocol, analysis),
                time_label=_time_label(protocol, analysis),
                arms=_parts(protocol, analysis),
            )


def _title(analysis: p.Analysis, display: str) -> str:
    if display in SHOWS:
        return f"{analysis.title}: {SHOWS[display]}"
    return "Disposition" if display == "disposition" else analysis.title


def _footnotes(analysis: p.Analysis) -> tuple[str, ...]:
    return (
        (*analysis.notes, AFTERWARDS) if isinstance(analysis, p.ShrinkageGroups) else analysis.notes
    )


def _parts(protocol: p.Protocol, analysis: p.Analysis) -> tuple[Arm, ...]:
    """The groups that stand in place of the arms where an analysis parts an arm by shrinkage."""
    if not isinstance(analysis, p.ShrinkageGroups | p.ShrinkageBaseline):
        return ()
    chosen = chosen_arms(protocol, analysis.arms)
    parts = [part for arm in chosen for part in parts_of(arm, analysis.percent)]
    several = len(chosen) > 1
    return tuple(Arm(part.id, part.label, part.id if several else part.short) for part in parts)


def _axis_label(protocol: p.Protocol, analysis: p.Analysis) -> str:
    """What the upright axis of a curve measures."""
    if not isinstance(analysis, p.TimeToEvent | p.ShrinkageGroups):
        return ""
    deaths = all(source.date == "DTHDT" for source in protocol.endpoint(analysis.endpoint).events)
    return "Subjects alive (%)" if deaths else "Event-free subjects (%)"


def _time_label(protocol: p.Protocol, analysis: p.Analysis) -> str:
    """What the time axis of a figure counts from."""
    start = "randomisation"
    if isinstance(analysis, p.TimeToEvent | p.ShrinkageGroups | p.CompetingRisks):
        start = protocol.endpoint(analysis.endpoint).start.says.lower()
    return f"Months since {start}"


def _sizes(protocol: p.Protocol, results: pl.DataFrame) -> Iterator[tuple[str, str]]:
    for population in protocol.populations:
        used = [a.id for a in protocol.analyses if a.population == population.id]
        sizes = results.filter(pl.col("analysis").is_in(used) & (pl.col("statistic") == "n"))
        total = sizes.filter(pl.col("arm") == "ALL")["value"].head(1).to_list()
        by_arm = sizes.filter(pl.col("arm").is_in([arm.id for arm in protocol.arms]))
        if not total and by_arm.height:
            total = [by_arm.unique("arm", keep="first")["value"].sum()]
        if total:
            yield population.label, f"{total[0]:.0f}"


def _key_lines(
    protocol: p.Protocol, results: pl.DataFrame, arms: tuple[Arm, ...]
) -> tuple[Any, ...]:
    """The primary time to event and the first response analysis, in the words of `headline`."""
    times = [a for a in protocol.analyses if isinstance(a, p.TimeToEvent)]
    primary = [a for a in times if protocol.cutoff and a.endpoint == protocol.cutoff.endpoint]
    survival = next((a.id for a in (*primary, *times)), None)
    response = next((a.id for a in protocol.analyses if isinstance(a, p.BestResponse)), None)
    if survival is None:
        return ()
    return headline(results, arms=arms, survival=survival, response=response or "")


def _methods(protocol: p.Protocol) -> Iterator[str]:
    trial = protocol.trial
    yield f"{trial.name} ({trial.registry}): {trial.design}, phase {trial.phase}."
    for arm in protocol.arms:
        drugs = "; ".join(_treatment(treatment) for treatment in arm.treatments)
        yield f"{arm.label} (ratio {arm.ratio}): {drugs}."
    if plan := protocol.randomisation:
        factors = " × ".join(factor.label.lower() for factor in plan.strata)
        by = f" stratified by {factors}" if factors else ""
        blocks = plan.method == "permuted blocks"
        method = f"permuted blocks of {plan.block_size}" if blocks else plan.method
        yield f"Randomisation by {method}{by}."
    for activity in protocol.schedule:
        yield _activity(protocol, activity)
    for phase in protocol.phases:
        yield _phase(protocol, phase)
    if dosing := protocol.dosing:
        told = "; ".join(f"{one.action}: {one.says} ({one.origin})" for one in dosing.rules)
        yield f"Dose rules of {dosing.treatment}, before each dose after the first: {told}."
    if dosimetry := protocol.dosimetry:
        yield _dosimetry(protocol, dosimetry)
    for crossover in protocol.crossover:
        arms = f"{_arm(protocol, crossover.from_)} to {_arm(protocol, crossover.to)}"
        yield f"Crossover: from {arms}, after {crossover.after}."
    for again in protocol.retreatment:
        yield f"Re-treatment: {_arm(protocol, again.arm)}, after {again.after}."
    yield from _plan(protocol)
    for population in protocol.populations:
        yield (
            f"{population.label}: {in_words(population.holds)}, "
            f"analysed as {population.analysed_as}."
        )
    for endpoint in protocol.endpoints:
        events = ", ".join(source.says.lower() for source in endpoint.events)
        censors = ", ".join(source.says.lower() for source in endpoint.censors)
        rule = f"; convention {endpoint.censoring!r}" if endpoint.censoring else ""
        yield (
            f"{endpoint.label}: from {endpoint.start.says.lower()} to {events}; "
            f"censored at {censors}{rule}."
        )
    for convention in protocol.censoring:
        source = f" ({convention.source})" if convention.source else ""
        yield f"Censoring convention {convention.id!r}: {convention.label}{source}."


def _dosimetry(protocol: p.Protocol, dosimetry: Dosimetry) -> str:
    """How measured doses decide the next activity: strategy, target, limits and caps."""
    arms = " and ".join(_arm(protocol, arm) for arm in dosimetry.arms)
    parts = [f"Dosimetry decides the activity of later cycles in {arms}: by {dosimetry.strategy}"]
    if target := dosimetry.target:
        parts.append(
            f"{target.lower_gy:g} to {target.upper_gy:g} Gy to target lesions "
            f"({target.steering}), {target.aim_gy:g} Gy aimed at"
        )
    parts += [
        f"at most {limit.limit_gy:g} Gy of {limit.region.lower()} ({limit.quantity}), held by the "
        "upper 95 % bound"
        for limit in dosimetry.limits
    ]
    parts.append(f"never above {dosimetry.cap_gbq:g} GBq")
    if dosimetry.step_ratio:
        parts.append(f"nor {dosimetry.step_ratio:g} times the activity before")
    return f"{'; '.join(parts)}."


def _arm(protocol: p.Protocol, arm_id: str) -> str:
    return next(arm.short for arm in protocol.arms if arm.id == arm_id)


def _phase(protocol: p.Protocol, phase: p.Phase) -> str:
    """One line of a phase: 'Treatment phase: from RANDDT to treatment failure or 72 weeks'."""
    ends = [protocol.endpoint(phase.failure).label.lower()] if phase.failure else []
    if phase.weeks:
        force = f" (in force from {phase.weeks_from})" if phase.weeks_from else ""
        ends.append(f"{phase.weeks:g} weeks{force}")
    to = f" to {', or '.join(ends)}" if ends else ""
    return f"{phase.label}: from {_subject_date(protocol, phase.begins)}{to}."


def _subject_date(protocol: p.Protocol, name: str) -> str:
    """Words for a date of ADSL: the protocol's, or those every study has."""
    labels = {variable.name: variable.label.lower() for variable in protocol.variables}
    return labels.get(name) or {"RANDDT": "randomisation", "TRTSDT": "the first dose"}.get(
        name, name
    )


def _activity(protocol: p.Protocol, activity: p.Activity) -> str:
    """One line of the schedule: 'Imaging: weeks 16, 24, then every 12 weeks, ± 7 days'."""
    when = [f"weeks {', '.join(f'{week:g}' for week in activity.weeks)}"] if activity.weeks else []
    if activity.then_every_weeks:
        when.append(f"{'then ' if when else ''}every {activity.then_every_weeks:g} weeks")
    if activity.baseline_days is not None:
        when.insert(0, f"baseline in the {activity.baseline_days} days before")
    until = f", until {activity.until}" if activity.until else ""
    if activity.evaluations:
        readers = (protocol.evaluation(each).label.lower() for each in activity.evaluations)
        until = f", read by {' and '.join(readers)}{until}"
    return f"{activity.label}: {', '.join(when)}, ± {activity.window_days} days{until}."


def _plan(protocol: p.Protocol) -> Iterator[str]:
    """The planned size of the trial and when its analysis is due."""
    if plan := protocol.planning:
        size = [f"{plan.events} events of {plan.endpoint}"] if plan.events else []
        size += [f"{plan.subjects} subjects"] if plan.subjects else []
        parts = [
            f"{100 * plan.power:g} % power at a {'one' if plan.sided == 1 else 'two'}-sided "
            f"{100 * plan.alpha:g} % level to detect a hazard ratio of {plan.hazard_ratio:g} in "
            f"{plan.endpoint} (median with control {plan.median_control_months:g} months)",
            f"{plan.accrual_per_month:g} subjects a month" if plan.accrual_per_month else "",
            f"accrual of {plan.accrual_months:g} months" if plan.accrual_months else "",
            f"{100 * plan.dropout_fraction:g} % dropout" if plan.dropout_fraction else "",
        ]
        told = " and ".join(size) or "the size found by planning"
        yield f"Planned: {told}, for {', '.join(filter(None, parts))}."
    if due := protocol.cutoff:
        yield f"The analysis is due at {due.events} events of {due.endpoint}."


def _treatment(treatment: p.Treatment) -> str:
    amount = f" {treatment.amount:g} {treatment.unit}" if treatment.amount else ""
    every = f" every {treatment.every_weeks:g} weeks" if treatment.every_weeks else ""
    window = f" ± {treatment.window_weeks:g}" if treatment.window_weeks else ""
    cycles = f" × {treatment.cycles}" if treatment.cycles else ""
    after = f" with each {treatment.accompanies}" if treatment.accompanies else ""
    after += f" after {treatment.follows}" if treatment.follows else ""
    return f"{treatment.name}{amount}{cycles}{every}{window}{after}"


def _labels(protocol: p.Protocol) -> dict[str, str]:
    labels = {analysis.id: analysis.title for analysis in protocol.analyses}
    labels |= {variable.name: variable.label for variable in protocol.variables}
    labels |= {endpoint.id: endpoint.label for endpoint in protocol.endpoints}
    labels |= {evaluation.id: evaluation.label for evaluation in protocol.evaluations}
    if protocol.safety:
        labels |= {row.id: row.label for row in protocol.safety.overview}
        labels |= {query.id: query.label for query in protocol.safety.queries}
    return labels
