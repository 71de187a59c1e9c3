# SPDX-License-Identifier: Apache-2.0
"""From the [planning] of a protocol to curves, accrual and arms."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from radioligand import protocol as p
from radioligand.planning.accrual import (
    Accrual,
    piecewise_accrual,
    ramped_accrual,
    site_accrual,
    uniform_accrual,
)
from radioligand.planning.comparisons import comparison_alpha
from radioligand.planning.curves import (
    LOG_2,
    Cured,
    Curve,
    Effect,
    PiecewiseExponential,
    Weibull,
    exponential,
)
from radioligand.planning.events import logrank_events
from radioligand.planning.faults import PlanningError
from radioligand.planning.selection import selection_alpha


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Experimental arms against one control: how many, in which ratio, at which level."""

    arms: int
    ratio: float  # subjects in each experimental arm for one in control
    alpha: float  # of each comparison
    selection: p.Selection | None = None  # of one arm, which goes on with control alone

    @property
    def share(self) -> float:
        """Of all subjects in one experimental arm and control together, all arms being open."""
        return (1 + self.ratio) / (1 + self.arms * self.ratio)

    def compared(self, subjects: float) -> float:
        """Return how many of all subjects are in the arm compared last, or in control."""
        return max(subjects * self.share, subjects - self._stopped)

    def in_all(self, compared: float) -> float:
        """Return the subjects of all arms, if so many are in two of them."""
        return min(compared / self.share, compared + self._stopped)

    @property
    def _stopped(self) -> float:
        """Subjects in arms that a selection stops; without one no arm is ever stopped."""
        return (1 - self.share) * self.selection.subjects if self.selection else inf

    def accrual(self, of_all: Accrual) -> Accrual:
        """Return how the subjects of two arms come; after a selection nobody else does."""
        if self.selection is None:
            return of_all.faster(self.share)
        picked = of_all.months_for(self.selection.subjects)
        before = of_all.per_month[0] * self.share
        return piecewise_accrual([0.0, picked], [before, of_all.per_month[0]])


def comparison_of(protocol: p.Protocol, given: p.Planning) -> Comparison:
    """Return the comparison that the arms of a protocol make.

    Raises PlanningError without both roles, with several controls or unequal experimental arms.
    """
    ratios = {
        role: [arm.ratio for arm in protocol.arms if arm.role == role]
        for role in ("experimental", "control")
    }
    experimental, control = ratios["experimental"], ratios["control"]
    if not experimental or len(control) != 1 or len(set(experimental)) != 1:
        raise PlanningError(
            f"{protocol.trial.id}: planned are experimental arms of one size against one control; "
            f"the ratios are {experimental} and {control}. Change role or ratio of the arms."
        )
    ratio, arms = experimental[0] / control[0], len(experimental)
    selection = protocol.selection
    if selection is not None and selection.endpoint == given.endpoint:
        alpha = _level_after(selection, given, arms=arms, ratio=ratio)
        return Comparison(arms=arms, ratio=ratio, alpha=alpha, selection=selection)
    alpha = comparison_alpha(
        arms,
        alpha=given.alpha,
        sided=given.sided,
        multiplicity=given.multiplicity,
        ratio=ratio,
    )
    return Comparison(arms=arms, ratio=ratio, alpha=alpha)


def _level_after(selection: p.Selection, given: p.Planning, *, arms: int, ratio: float) -> float:
    """The level of the final comparison after picking the winner, which its events depend on.

    Raises PlanningError if the final comparison has no more events than the first stage, or if
    subjects do not enter at one rate.
    """
    if given.accrual_per_month is None or given.ramp_months or given.site_activation:
        raise PlanningError("a selection is planned with accrual_per_month alone; give that.")
    if given.hazard_ratio_steps:
        raise PlanningError("a selection is planned with one hazard ratio; give no steps.")
    alpha = given.alpha
    for _ in range(30):  # the level falls as the first stage weighs more, and the events rise
        events = logrank_events(
            given.hazard_ratio, alpha=alpha, sided=given.sided, power=given.power, ratio=ratio
        )
        if events <= selection.events:
            raise PlanningError(
                f"the winner is picked at {selection.events} events, and {events:.1f} are enough "
                "for the final comparison; pick it earlier."
            )
        alpha = selection_alpha(
            arms,
            fraction=selection.events / events,
            alpha=given.alpha,
            sided=given.sided,
            ratio=ratio,
            first_stage_counts=selection.first_stage_counts,
        )
    return alpha


def control_curve(given: p.Planning) -> Curve:
    """Return the curve of the control arm; its median is that of subjects who are not cured.

    Hazards that change in steps are all multiplied by what makes that median.
    """
    median = given.median_control_months
    curve: Curve = exponential(median)
    if given.hazard_steps:
        steps = hazard_pieces(given.hazard_steps)
        factor = LOG_2 / float(steps.cumulative_hazard(np.array([median]))[0])
        hazards = tuple(factor * one for one in steps.per_month)
        curve = PiecewiseExponential(starts_months=steps.starts_months, per_month=hazards)
    elif given.shape != 1:
        curve = Weibull(median_months=median, shape=given.shape)
    return Cured(fraction=given.cured_fraction, uncured=curve) if given.cured_fraction else curve


def experimental_curve(
    given: p.Planning,
    *,
    hazard_ratio: float | None = None,
    control: Curve | None = None,
    delay_months: float | None = None,
) -> Curve:
    """Return the curve of an experimental arm, with another effect, control or delay if given.

    Where the hazard ratio has steps, another effect raises all of them to the same power, so that
    the smallest is the ratio given, and at a ratio of 1 none has an effect.
    """
    ratio = given.hazard_ratio if hazard_ratio is None else hazard_ratio
    delay = given.delay_months if delay_months is None else delay_months
    starts, ratios = [0.0], [ratio]
    if steps := given.hazard_ratio_steps:
        power = np.log(ratio) / np.log(min(one.hazard_ratio for one in steps))
        starts = [one.from_month for one in steps]
        ratios = [float(one.hazard_ratio**power) for one in steps]
    if delay:
        starts, ratios = [0.0, *(one + delay for one in starts)], [1.0, *ratios]
    return Effect(
        control=control or control_curve(given),
        starts_months=tuple(starts),
        hazard_ratios=tuple(ratios),
    )


def hazard_pieces(steps: Sequence[p.HazardStep]) -> PiecewiseExponential:
    """Return the hazards of steps as they are written, a median as the hazard that makes it."""
    return PiecewiseExponential(
        starts_months=tuple(one.from_month for one in steps),
        per_month=tuple(
            LOG_2 / one.median_months if one.median_months else one.per_month or 0.0
            for one in steps
        ),
    )


def accrual_of(given: p.Planning, *, per_month: float | None = None) -> Accrual:
    """Return how subjects come; without a rate in the assumptions, at `per_month`."""
    rate = given.accrual_per_month or per_month or 1.0
    if given.accrual_steps:
        steps = given.accrual_steps
        return piecewise_accrual([s.from_month for s in steps], [s.per_month for s in steps])
    if given.ramp_months:
        return ramped_accrual(rate, ramp_months=given.ramp_months)
    if sites := given.site_activation:
        opens = np.arange(sites.sites) / sites.per_month
        return site_accrual(opens.tolist(), per_site_per_month=rate / sites.sites)
    return uniform_accrual(rate)
