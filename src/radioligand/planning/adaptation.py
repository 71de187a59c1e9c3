# SPDX-License-Identifier: Apache-2.0
"""What theory says of the rules by which a trial changes itself: who stops, who enters, how often.

The plan's numbers do not count on these rules. What is told here is of a trial that follows the
assumptions up to the first rule; virtual trials follow all of them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import e, log, sqrt

import numpy as np
from scipy.special import ndtr, ndtri

from radioligand import protocol as p
from radioligand.planning.assumptions import accrual_of
from radioligand.planning.comparisons import SHARED
from radioligand.planning.course import months_to_events
from radioligand.planning.curves import Floats
from radioligand.planning.events import information_per_event
from radioligand.planning.faults import PlanningError, outside, refuse
from radioligand.planning.sizing import Plan

VALUES, BEYOND = 401, 9.0  # of z over which is summed, and how far beyond its means


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPlan:
    """A look at which arms may stop, if nothing has changed before it."""

    given: p.ArmDrop
    month: float  # in which its events are expected; nan: never
    kept_alone: float  # chance that an arm as assumed goes on, the others being like control
    kept_of_all: float  # the same if all arms are as assumed
    kept_without_effect: float  # the same if none has an effect


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionPlan:
    """An arm that opens later: how many enter it, and control from then on."""

    given: p.ArmAddition
    subjects: float
    controls: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizingPlan:
    """A look that may raise the events."""

    given: p.Resizing
    month: float
    raised: float  # chance that events are raised, if the effect is as assumed
    raised_without_effect: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationPlan:
    """What theory says of each rule, in the order of the protocol."""

    drops: tuple[DropPlan, ...]
    additions: tuple[AdditionPlan, ...]
    resizing: ResizingPlan | None


def adaptation_plan(plan: Plan, protocol: p.Protocol) -> AdaptationPlan | None:
    """Return what theory says of a protocol's `[adaptation]`; None without one."""
    rules = protocol.adaptation
    if rules is None:
        return None
    return AdaptationPlan(
        drops=tuple(_drop(one, plan, rules) for one in rules.drops),
        additions=tuple(_addition(one, plan) for one in rules.additions),
        resizing=_resizing(rules.resizing, plan) if rules.resizing else None,
    )


def kept(
    hazard_ratios: Sequence[float],
    *,
    events: float,
    keep: int | None = None,
    at_most_hazard_ratio: float | None = None,
    ratio: float = 1.0,
) -> tuple[float, ...]:
    """Return the probability of each arm to go on after a look at so many events.

    Parameters
    ----------
    hazard_ratios : the true one of each experimental arm against the same control.
    events : of one comparison.
    keep : at most so many arms go on, those with the largest z; None: all may.
    at_most_hazard_ratio : an arm with a larger estimate stops; None: no limit.
    ratio : subjects in each experimental arm for one in control.

    Raises PlanningError that names each fault.

    Notes
    -----
    By Schoenfeld z of an arm is normal about -log(hazard ratio) times the root of the information;
    two correlate by r / (1 + r). Given what they share they are independent, so that an arm goes on
    if fewer than `keep` of the others are above it.

    """
    given = {f"hazard_ratios[{i}]": one for i, one in enumerate(hazard_ratios)}
    faults = outside({**given, "ratio": ratio, "events": events}, above=0, mend="raise it")
    if keep is not None and keep < 1:
        faults.append(f"keep: {keep!r}; give the number of arms that go on.")
    refuse(faults)
    information = events * information_per_event(e, ratio=ratio, margin=1.0, method="schoenfeld")
    means = -np.log(np.asarray(hazard_ratios, np.float64)) * sqrt(information)
    low = float(means.min()) - BEYOND
    if at_most_hazard_ratio is not None:
        low = -log(at_most_hazard_ratio) * sqrt(information)
    z = np.linspace(low, max(float(means.max()), low) + BEYOND, VALUES)  # of an arm that goes on
    step = np.full(VALUES, z[1] - z[0])
    step[[0, -1]] /= 2
    correlation = ratio / (1 + ratio)
    own = sqrt(1 - correlation)
    at = (z - means[:, None, None] - sqrt(correlation) * SHARED[:, None]) / own
    density = np.exp(-(at**2) / 2) / (sqrt(2 * np.pi) * own)
    shared = np.exp(-(SHARED**2) / 2) / sqrt(2 * np.pi) * (SHARED[1] - SHARED[0])
    most = means.size if keep is None else keep
    found = []
    for place in range(means.size):
        fewer = _fewer(np.delete(ndtr(-at), place, axis=0), most)
        found.append(float(shared @ (density[place] * fewer) @ step))
    return tuple(found)


def _fewer(chances: Floats, most: int) -> Floats:
    """Probability that fewer than `most` of independent events happen; the first axis is theirs."""
    counts = np.zeros((len(chances) + 1, *chances.shape[1:]))  # probability of 0, 1, ... so far
    counts[0] = 1.0
    for chance in chances:
        happened = counts[:-1] * chance
        counts *= 1 - chance
        counts[1:] += happened
    return np.asarray(counts[:most].sum(0), np.float64)


def _drop(given: p.ArmDrop, plan: Plan, rules: p.Adaptation) -> DropPlan:
    month, effect = _month(plan, given.events), plan.given.hazard_ratio
    closed = sum(not one.month <= month for one in rules.additions)
    arms = plan.comparison.arms - closed

    def going(ratios: Sequence[float]) -> float:
        return kept(
            ratios,
            events=given.events,
            keep=given.keep,
            at_most_hazard_ratio=given.at_most_hazard_ratio,
            ratio=plan.comparison.ratio,
        )[0]

    return DropPlan(
        given=given,
        month=month,
        kept_alone=going((effect, *[1.0] * (arms - 1))),
        kept_of_all=going((effect,) * arms),
        kept_without_effect=going((1.0,) * arms),
    )


def _addition(given: p.ArmAddition, plan: Plan) -> AdditionPlan:
    accrual, comparison = accrual_of(plan.given), plan.comparison
    last = accrual.months_for(plan.subjects)
    before = float(accrual.entered(min(given.month, last)))
    share = 1 / (1 + comparison.arms * comparison.ratio)
    controls = (plan.subjects - before) * share
    return AdditionPlan(given=given, subjects=controls * comparison.ratio, controls=controls)


def _resizing(given: p.Resizing, plan: Plan) -> ResizingPlan:
    """Conditional power under the trend is promising between two z, which are normal."""
    share = given.events / plan.events
    bound = float(plan.looks.z[-1])
    low, high = (
        sqrt(share) * (bound + sqrt(1 - share) * float(ndtri(power)))
        for power in (given.promising_from, given.promising_below)
    )
    information = information_per_event(
        e, ratio=plan.comparison.ratio, margin=1.0, method="schoenfeld"
    )
    drift = -log(plan.given.hazard_ratio / plan.given.margin) * sqrt(information * given.events)
    raised, without = (float(ndtr(high - mean) - ndtr(low - mean)) for mean in (drift, 0.0))
    return ResizingPlan(
        given=given,
        month=_month(plan, given.events),
        raised=raised,
        raised_without_effect=without,
    )


def _month(plan: Plan, events: float) -> float:
    try:
        return months_to_events(plan.course, events)
    except PlanningError:
        return float("nan")


def adaptation_wording(found: AdaptationPlan | None) -> tuple[str, ...]:
    """Return the paragraph on the rules, stage by stage; nothing without rules."""
    if found is None:
        return ()
    told = [_drop_words(one) for one in found.drops]
    told += [
        f"{one.given.arm} opens in month {one.given.month:g}: some {one.subjects:.0f} subjects "
        f"enter it, and {one.controls:.0f} control, with whom alone it is compared."
        for one in found.additions
    ]
    if more := found.resizing:
        limits = (more.given.promising_from, more.given.promising_below)
        zone = " to below ".join(map(_percent, limits))
        told.append(
            f"At {more.given.events} events, expected in month {more.month:.1f}, events rise to "
            f"{more.given.most_events} at most if the conditional power is from {zone}: in "
            f"{_percent(more.raised)} of trials if the effect is as assumed, in "
            f"{_percent(more.raised_without_effect)} without effect."
        )
    return (
        "The trial changes itself by fixed rules. "
        + " ".join(told)
        + " The size and the power above do not count on these rules; the virtual trials do.",
    )


def _drop_words(one: DropPlan) -> str:
    limit, keep = one.given.at_most_hazard_ratio, one.given.keep
    rules = [f"has an estimated hazard ratio above {limit:g}"] if limit else []
    rules += [f"is not among the best {keep}"] if keep else []
    when = f"At {one.given.events} events of one comparison, expected in month {one.month:.1f}"
    return (
        f"{when}, an arm stops that {' or '.join(rules)}. An arm as assumed goes on in "
        f"{_percent(one.kept_alone)} if the others are as control, in "
        f"{_percent(one.kept_of_all)} if all are as assumed; without any effect an arm goes on in "
        f"{_percent(one.kept_without_effect)}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
