# SPDX-License-Identifier: Apache-2.0
"""From the [planning] of a protocol to curves, accrual and arms."""

from dataclasses import dataclass

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
from radioligand.planning.curves import Cured, Curve, Effect, Weibull, exponential
from radioligand.planning.faults import PlanningError


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Experimental arms against one control: how many, in which ratio, at which level."""

    arms: int
    ratio: float  # subjects in each experimental arm for one in control
    alpha: float  # of each comparison

    @property
    def share(self) -> float:
        """Of all subjects in one experimental arm and control together."""
        return (1 + self.ratio) / (1 + self.arms * self.ratio)


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
    ratio = experimental[0] / control[0]
    alpha = comparison_alpha(
        len(experimental),
        alpha=given.alpha,
        sided=given.sided,
        multiplicity=given.multiplicity,
        ratio=ratio,
    )
    return Comparison(arms=len(experimental), ratio=ratio, alpha=alpha)


def control_curve(given: p.Planning) -> Curve:
    """Return the curve of the control arm; its median is that of subjects who are not cured."""
    median = given.median_control_months
    plain = given.shape == 1
    curve: Curve = (
        exponential(median) if plain else Weibull(median_months=median, shape=given.shape)
    )
    return Cured(fraction=given.cured_fraction, uncured=curve) if given.cured_fraction else curve


def experimental_curve(
    given: p.Planning,
    *,
    hazard_ratio: float | None = None,
    control: Curve | None = None,
    delay_months: float | None = None,
) -> Curve:
    """Return the curve of an experimental arm, with another effect, control or delay if given."""
    ratio = given.hazard_ratio if hazard_ratio is None else hazard_ratio
    delay = given.delay_months if delay_months is None else delay_months
    return Effect(
        control=control or control_curve(given),
        starts_months=(0.0, delay) if delay else (0.0,),
        hazard_ratios=(1.0, ratio) if delay else (ratio,),
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
