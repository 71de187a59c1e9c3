# SPDX-License-Identifier: Apache-2.0
"""The sample-size section of a protocol, worded from the numbers of its plan."""

from collections.abc import Iterator
from decimal import Decimal

from radioligand import protocol as p
from radioligand.planning.events import significant_hazard_ratio
from radioligand.planning.faults import whole
from radioligand.planning.sizing import Plan, RatePlan, selection_pace, selection_powers

NAMES = {"schoenfeld": "Schoenfeld", "freedman": "Freedman", "lakatos": "Lakatos"}
NEAR = 0.1  # of the subjects at a selection: what is more is told
SHAPES = {
    "obrien-fleming": "an O'Brien–Fleming-type spending function",
    "pocock": "a Pocock-type spending function",
    "classical-obrien-fleming": "classical O'Brien–Fleming boundaries",
    "classical-pocock": "classical Pocock boundaries",
    "haybittle-peto": "Haybittle–Peto boundaries",
}


def wording(plan: Plan, *, protocol: p.Protocol) -> tuple[str, ...]:
    """Return paragraphs on the size of a trial for one endpoint: for its protocol to take over."""
    paragraphs = (
        _events(plan, protocol),
        _subjects(plan, protocol),
        _looks(plan),
        _selection(plan),
    )
    return tuple(filter(None, (*paragraphs, " ".join(remarks(plan)))))


def rate_wording(plan: RatePlan) -> str:
    """Return the sentence on a comparison of two rates."""
    given = plan.given
    power = _percent(given.power)
    return (
        f"{given.label}: rates of {_percent(given.experimental)} and {_percent(given.control)} "
        f"would be told apart with {power} power at a {_sides(given.sided)} level of "
        f"{_percent(given.alpha)} by {whole(plan.subjects_needed)} subjects; the trial has "
        f"{_percent(plan.power)} power."
    )


def remarks(plan: Plan) -> Iterator[str]:
    """Yield where the plan and what its protocol states differ, and why."""
    given = plan.given
    told = "; ".join(
        f"{NAMES[one.method]} {whole(one.events)} events and {whole(one.subjects)} subjects"
        for one in plan.methods
    )
    if given.events is not None and given.events != plan.events:
        yield f"The protocol states {given.events} events; found are {plan.events} ({told})."
    if given.subjects is not None and given.subjects != plan.subjects:
        all_found = {whole(one.subjects) for one in plan.methods}
        agree = [NAMES[m.method] for m in plan.methods if whole(m.subjects) == given.subjects]
        why = f"; it is the number by {' and '.join(agree)}" if agree else ""
        if not agree:
            above = "more" if given.subjects > max(all_found) else "other"
            near = min(all_found, key=lambda size: abs(size - given.subjects))  # type: ignore[operator]
            why = f"; no method gives that number, which may have been rounded from {near}"
            if abs(near - given.subjects) > 0.05 * near:
                why = f"; that is {above} than any of these methods asks for"
        yield (
            f"The protocol states {given.subjects} subjects; {plan.subjects} suffice ({told}){why}."
        )
    need = plan.events_needed * plan.inflation
    if plan.inflation == 1 and plan.power < given.power - 1e-9:
        yield f"{_percent(given.power)} power would need {whole(plan.events_needed)} events."
    if plan.inflation > 1 and plan.events < need - 1e-9:
        yield (
            f"Looking early costs events: {_percent(given.power)} power would need "
            f"{whole(need)} ({plan.inflation:.3f} times {plan.events_needed:.1f})."
        )
    changing = given.delay_months or given.crossover_per_month
    if changing and given.method != "lakatos":
        yield (
            f"{NAMES[given.method]}'s formula knows one hazard ratio for all time, and these "
            "assumptions have none; plan by the method of Lakatos."
        )


def _events(plan: Plan, protocol: p.Protocol) -> str:
    given, ratio = plan.given, plan.comparison.ratio
    control, experimental = protocol.arm("control"), protocol.arm("experimental")
    aim = f"a hazard ratio of {given.hazard_ratio:.3g}"
    if given.margin != 1:
        aim = f"non-inferiority with a margin of {given.margin:g} if the hazard ratio is "
        aim += f"{given.hazard_ratio:.3g}"
    medians = f"a median of {given.median_control_months:g} months with {control.short}"
    if given.median_experimental_months:
        medians += f" and {given.median_experimental_months:g} months with {experimental.short}"
    several = plan.comparison.arms
    per = " in each comparison of an experimental arm with control" if several > 1 else ""
    corrected = f"{given.multiplicity} for" if given.multiplicity != "none" else "of each of"
    if plan.comparison.selection:
        corrected = "after picking the best of"
        per = " in the comparison of the arm that goes on with control"
    correction = f" ({corrected} {several} comparisons)" if several > 1 else ""
    return (
        f"{plan.label}: {plan.events} events{per} give {_percent(plan.power)} power to show {aim} "
        f"({medians}) by a log-rank test at a {_sides(given.sided)} level of "
        f"{_percent(plan.comparison.alpha)}{correction}, with {ratio:g}:1 allocation. "
        f"{_percent(given.power)} power was asked for, which takes {plan.events_needed:.1f} events "
        f"by the method of {NAMES[given.method]}{_shape(given)}. At the final analysis a hazard "
        f"ratio of {_limit(plan):.3f} or lower would be significant."
    )


def _limit(plan: Plan) -> float:
    return significant_hazard_ratio(
        plan.events,
        nominal_p=float(plan.looks.nominal_p[-1]),
        sided=plan.given.sided,
        ratio=plan.comparison.ratio,
        margin=plan.given.margin,
    )


def _shape(given: p.Planning) -> str:
    told = []
    if given.shape != 1:
        told.append(f"Weibull hazards of shape {given.shape:g}")
    if given.cured_fraction:
        told.append(f"{_percent(given.cured_fraction)} of control subjects without event for ever")
    if given.delay_months:
        told.append(f"an effect that begins after {given.delay_months:g} months")
    if given.hazard_steps:
        months = " and ".join(f"{one.from_month:g}" for one in given.hazard_steps[1:])
        told.append(f"a hazard that changes in month {months}")
    if steps := given.hazard_ratio_steps:
        ratios = ", ".join(f"{one.hazard_ratio:g} from month {one.from_month:g}" for one in steps)
        told.append(f"a hazard ratio of {ratios}")
    if given.crossover_per_month:
        rate = _percent(given.crossover_per_month)
        told.append(f"{rate} of control subjects a month changing to experimental treatment")
    return f", assuming {', '.join(told)}" if told else ""


def _subjects(plan: Plan, protocol: p.Protocol) -> str:
    given = plan.given
    arms = "equally" if plan.comparison.ratio == 1 else f"{plan.comparison.ratio:g}:1"
    lost = ""
    if given.dropout_fraction:
        by = (
            f"within {given.dropout_months:g} months" if given.dropout_months else "by the analysis"
        )
        lost = f" With {_percent(given.dropout_fraction)} lost {by}, "
    months = f"{plan.analysis_months:.1f} months after the first subject is randomised"
    if plan.event_months is None:
        due = f"{plan.expected_events:.0f} events are expected at the analysis, {months}."
    else:
        low, high = plan.event_months
        upper = f"{high:.0f}" if high < float("inf") else "never"
        due = f"event {plan.events} is expected {months} (90 % interval {low:.0f} to {upper})."
    due = f"{lost}{due}" if lost else f" {due[0].upper()}{due[1:]}"
    return (
        f"{plan.subjects} subjects will be allocated {arms} over {plan.accrual_months:.1f} "
        f"months.{due}"
    )


def _selection(plan: Plan) -> str:
    """What is picked and when, how often it is the right arm, and how far picking flatters it."""
    picked, powers = plan.comparison.selection, selection_powers(plan)
    if picked is None or powers is None:
        return ""
    one, every = powers
    month, subjects = selection_pace(plan) or (float("nan"), float("nan"))
    apart = ""
    if abs(subjects / picked.subjects - 1) > NEAR:
        apart = (
            f" By its accrual {subjects:.0f} subjects are in by then, and not the "
            f"{picked.subjects} that the protocol assumes: change events, accrual or subjects."
        )
    least = picked.at_most_hazard_ratio
    but = f", unless its hazard ratio is above {least:g}" if least else ""
    return (
        f"At {picked.events} events in each comparison, with {picked.subjects} subjects in "
        f"{plan.comparison.arms + 1} arms, expected in month {month:.1f}, the arm with the largest "
        f"effect goes on with control alone{but}; the level above keeps the error of the whole "
        f"trial at {_percent(plan.given.alpha)}. If one arm is as assumed and the others are as "
        f"control, it goes on with a probability of {_percent(one.chosen[0])} and is found better "
        f"with {_percent(one.power_of[0])}, and its hazard ratio at the end is estimated at "
        f"{one.ratio_at_end[0]:.3f} times the true one; if all are as assumed, one of them is "
        f"found better with {_percent(every.power)}, at {every.ratio_at_end[0]:.3f} times."
        f"{apart}"
    )


def _looks(plan: Plan) -> str:
    if len(plan.look_events) == 1:
        return ""
    before = " and ".join(str(events) for events in plan.look_events[:-1])
    spending = plan.given.interim.spending if plan.given.interim else "obrien-fleming"
    levels = ", ".join(level_in_words(float(level)) for level in plan.looks.nominal_p)
    return (
        f"Interim looks are planned at {before} events, before the final analysis at "
        f"{plan.look_events[-1]}, with {SHAPES[spending]}: the nominal {_sides(plan.given.sided)} "
        f"levels are {levels}.{_futility(plan)}"
    )


def _futility(plan: Plan) -> str:
    """When a cohort is given up; its limits cost power, which the plan does not count."""
    own = plan.cohort.planning if plan.cohort else None
    if own is None or not own.futility_z:
        return ""
    limits = ", ".join(f"{one:g}" for one in own.futility_z)
    return (
        f" The cohort stops for futility if z in favour is {limits} or less there, which is not "
        "binding, and which the power above does not count."
    )


def level_in_words(level: float) -> str:
    """Return a level with two digits that count, without an exponent: 0.000085."""
    return format(Decimal(f"{level:.2g}"), "f")


def _sides(sided: int) -> str:
    return "one-sided" if sided == 1 else "two-sided"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
