# SPDX-License-Identifier: Apache-2.0
"""Picking the winner of several arms and going on with it: levels, power, and the bias of picking.

In the first stage each experimental arm is compared with the same control; the arm with the largest
z goes on with control alone, and its final z joins both stages with the weights of their events.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from radioligand.planning.events import deviates, information_per_event
from radioligand.planning.faults import error_faults, outside, refuse

Floats = NDArray[np.float64]
SHARED = np.linspace(-8, 8, 161)  # what the comparisons share: their control arm
STEPS = 721  # of the first z
_DENSITY = np.sqrt(2 * np.pi)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionPower:
    """What picking the winner does if the arms have these effects."""

    chosen: tuple[float, ...]  # probability that each arm goes on
    stopped: float  # that none does
    power: float  # that the arm that goes on is found better
    power_of: tuple[float, ...]  # the same by arm, going on and found
    ratio_at_end: tuple[float, ...]  # hazard ratio estimated at the end over the true one, if on


def selection_alpha(
    arms: int,
    *,
    fraction: float,
    alpha: float = 0.025,
    sided: int = 1,
    ratio: float = 1.0,
    first_stage_counts: bool = True,
) -> float:
    r"""Return the level of the final comparison at which picking the winner keeps `alpha`.

    Parameters
    ----------
    arms : experimental arms.
    fraction : of the events of the final comparison, those of the first stage.
    alpha, sided : of the whole trial; of two-sided tests both sides together.
    ratio : subjects in each experimental arm for one in control.
    first_stage_counts : whether the first stage is part of the final comparison; without it
        nothing is gained by picking, and the level is `alpha`.

    Raises PlanningError that names each fault.

    Notes
    -----
    With M the largest of the first z, which correlate by r / (1 + r), and f the fraction, the
    final z of the winner is :math:`\sqrt f M+\sqrt{1-f}\,Z_2`; its upper tail under the null
    hypothesis of every arm is kept at alpha (half of it, if two-sided). A stop for futility is
    not counted on. Dunnett's bound is the case f = 1. Oracle: R ``mvtnorm::pmvnorm``.

    """
    faults = error_faults(alpha, 0.9, sided) + outside({"ratio": ratio}, above=0, mend="raise it")
    faults += outside({"fraction": fraction}, above=0, below=1, mend="give a share of the events")
    if arms < 1:
        faults.append(f"arms: {arms!r}; give the number of experimental arms.")
    refuse(faults)
    if arms == 1 or not first_stage_counts:
        return alpha
    nothing = np.zeros(arms)
    z = _values(nothing)
    winner = _first_stage(nothing, ratio, z).sum(0)

    def excess(bound: float) -> float:
        return float(winner @ _found(nothing[:1], fraction, bound, z)[0]) - alpha / sided

    bound = float(brentq(excess, deviates(alpha, sided) - 0.5, 8.0, xtol=1e-10))
    return float(sided * ndtr(-bound))


def selection_power(
    hazard_ratios: Sequence[float],
    *,
    first_events: float,
    events: float,
    level: float,
    sided: int = 1,
    ratio: float = 1.0,
    at_most_hazard_ratio: float | None = None,
    first_stage_counts: bool = True,
) -> SelectionPower:
    """Return how often each arm goes on and is found better, and how far picking flatters it.

    Parameters
    ----------
    hazard_ratios : the true one of each experimental arm against control.
    first_events, events : of one comparison, when the winner is picked and at the end.
    level, sided : of the final comparison, from `selection_alpha`.
    ratio : subjects in each experimental arm for one in control.
    at_most_hazard_ratio : no arm goes on whose estimate is above it; None: one always does.
    first_stage_counts : whether the first stage is part of the final comparison.

    Raises PlanningError that names each fault.

    """
    given = {f"hazard_ratios[{i}]": one for i, one in enumerate(hazard_ratios)}
    faults = outside({**given, "ratio": ratio}, above=0, mend="give a number above 0")
    faults += outside({"first_events": first_events}, above=0, below=events, mend="0 to `events`")
    refuse(faults + error_faults(level, 0.99, sided))
    of_one = information_per_event(np.e, ratio=ratio, margin=1.0, method="schoenfeld")
    drift = -np.log(np.asarray(hazard_ratios, np.float64)) * np.sqrt(of_one)
    first, second = drift * np.sqrt(first_events), drift * np.sqrt(events - first_events)
    least = None
    if at_most_hazard_ratio is not None:
        least = float(-np.log(at_most_hazard_ratio) * np.sqrt(of_one * first_events))
    z = _values(first, least)
    joint = _first_stage(first, ratio, z)
    fraction = first_events / events if first_stage_counts else 0.0
    found = _found(second, fraction, deviates(level, sided), z)
    chosen = joint.sum(1)
    above = (joint * (z - first[:, None])).sum(1) / chosen
    # the estimate is z over the root of the information; only its first stage is flattered
    flattered = above * np.sqrt(first_events) / (events * np.sqrt(of_one)) * (fraction > 0)
    power_of = (joint * found).sum(1)
    return SelectionPower(
        chosen=tuple(map(float, chosen)),
        stopped=float(max(1 - chosen.sum(), 0.0)),
        power=float(power_of.sum()),
        power_of=tuple(map(float, power_of)),
        ratio_at_end=tuple(map(float, np.exp(-flattered))),
    )


def _values(means: Floats, least: float | None = None) -> Floats:
    """Values of the first z over which is summed, (m,), from the least that goes on."""
    low = float(means.min()) - 9 if least is None else least
    return np.asarray(np.linspace(low, max(float(means.max()), low) + 9, STEPS), np.float64)


def _first_stage(means: Floats, ratio: float, z: Floats) -> Floats:
    """Probability that an arm has the largest z and that it is about each of `z`, (arms, m).

    Given what the comparisons share they are independent.
    """
    correlation = ratio / (1 + ratio)
    own = np.sqrt(1 - correlation)
    at = (z - means[:, None, None] - np.sqrt(correlation) * SHARED[:, None]) / own
    below, density = ndtr(at), np.exp(-(at**2) / 2) / (_DENSITY * own)
    weight = np.exp(-(SHARED**2) / 2) / _DENSITY * (SHARED[1] - SHARED[0])
    step = np.full(z.size, z[1] - z[0])
    step[[0, -1]] /= 2
    joint = [
        weight @ (density[k] * np.delete(below, k, axis=0).prod(0)) * step
        for k in range(means.size)
    ]
    return np.asarray(joint, np.float64)


def _found(second: Floats, fraction: float, bound: float, z: Floats) -> Floats:
    """Probability that the final z is beyond the bound, given the first z, (arms, m)."""
    need = (bound - np.sqrt(fraction) * z) / np.sqrt(1 - fraction)
    return np.asarray(ndtr(second[:, None] - need), np.float64)
