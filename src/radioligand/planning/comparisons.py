# SPDX-License-Identifier: Apache-2.0
"""Several experimental arms against one control: the level of each comparison."""

from typing import Literal, get_args

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from radioligand.planning.faults import error_faults, outside, refuse

Multiplicity = Literal["none", "bonferroni", "dunnett"]
SHARED = np.linspace(-9, 9, 401)  # an equal sum over these is exact to the last digits


def comparison_alpha(
    comparisons: int,
    *,
    alpha: float = 0.025,
    sided: int = 1,
    multiplicity: Multiplicity = "dunnett",
    ratio: float = 1.0,
) -> float:
    r"""Return the level of each comparison at which all together keep `alpha`.

    Parameters
    ----------
    comparisons : experimental arms, each compared with the same control.
    alpha, sided : of the family; alpha of both sides together if two-sided.
    multiplicity : "none" leaves alpha to each; "bonferroni" divides it; "dunnett" uses that
        comparisons share their control.
    ratio : subjects in each experimental arm for one in control.

    Raises PlanningError that names each fault.

    Notes
    -----
    Two statistics correlate by r / (1 + r) under the null hypothesis, with r the ratio; Dunnett's
    bound is what the largest of them exceeds with probability alpha (J Am Stat Assoc
    1955;50:1096). Oracle: R ``mvtnorm::pmvnorm``.

    """
    faults = error_faults(alpha, 0.9, sided)
    faults += outside({"ratio": ratio}, above=0, mend="give a number above 0")
    if comparisons < 1:
        faults.append(f"comparisons: {comparisons!r}; give the number of experimental arms.")
    if multiplicity not in get_args(Multiplicity):
        known = ", ".join(get_args(Multiplicity))
        faults.append(f"multiplicity: {multiplicity!r} is unknown; give one of {known}.")
    refuse(faults)
    if multiplicity == "none" or comparisons == 1:
        return alpha
    if multiplicity == "bonferroni":
        return alpha / comparisons

    def excess(bound: float) -> float:
        return largest_beyond(bound, comparisons, ratio / (1 + ratio), sided) - alpha

    bound = float(brentq(excess, 0.1, 8.0, xtol=1e-12))
    return float(sided * ndtr(-bound))


def largest_beyond(bound: float, count: int, correlation: float, sided: int) -> float:
    """Return the probability that the largest of equally correlated normal variables is beyond.

    Given what they share they are independent, so one integral over that is enough.
    """
    shared, own = np.sqrt(correlation) * SHARED, np.sqrt(1 - correlation)
    within = ndtr((bound - shared) / own)
    if sided == 2:
        within -= ndtr((-bound - shared) / own)
    density = np.exp(-(SHARED**2) / 2) / np.sqrt(2 * np.pi)
    return float(1 - (within**count @ density) * (SHARED[1] - SHARED[0]))
