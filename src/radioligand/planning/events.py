# SPDX-License-Identifier: Apache-2.0
"""How many events a log-rank test needs, and what it finds with those it has."""

from typing import Literal, get_args

import numpy as np
from scipy.special import ndtr, ndtri

from radioligand.planning.faults import error_faults, outside, refuse

Method = Literal["schoenfeld", "freedman"]


def logrank_events(
    hazard_ratio: float,
    *,
    alpha: float = 0.025,
    sided: int = 1,
    power: float = 0.9,
    ratio: float = 1.0,
    margin: float = 1.0,
    method: Method = "schoenfeld",
) -> float:
    r"""Return how many events find a hazard ratio with that power, not rounded.

    Parameters
    ----------
    hazard_ratio : assumed, experimental over control.
    alpha : type I error, of both sides together if two-sided.
    sided : 1 or 2.
    power : probability of finding it.
    ratio : subjects allocated to the experimental arm for each one to control: 2 for 2:1.
    margin : hazard ratio of the null hypothesis: above 1 for non-inferiority, then below it.
    method : "schoenfeld" or "freedman".

    Raises PlanningError that names each fault.

    Notes
    -----
    With r the ratio and z the normal deviates of alpha (half of it, if two-sided) and power,
    :math:`d=(z_\alpha+z_\beta)^2\frac{(1+r)^2}{r\,\log^2(\mathrm{HR}/\mathrm{margin})}` by
    Schoenfeld (Biometrika 1981;68:316) and, for superiority,
    :math:`d=(z_\alpha+z_\beta)^2\frac{(1+r\,\mathrm{HR})^2}{r(1-\mathrm{HR})^2}` by Freedman
    (Stat Med 1982;1:121). Oracle: R ``rpact::getSampleSizeSurvival``.

    """
    refuse(
        [*effect_faults(hazard_ratio, ratio, margin, method), *error_faults(alpha, power, sided)]
    )
    z = deviates(alpha, sided) + float(ndtri(power))
    return z**2 / information_per_event(hazard_ratio, ratio=ratio, margin=margin, method=method)


def logrank_power(
    events: float,
    hazard_ratio: float,
    *,
    alpha: float = 0.025,
    sided: int = 1,
    ratio: float = 1.0,
    margin: float = 1.0,
    method: Method = "schoenfeld",
) -> float:
    """Return the power of a log-rank test with so many events; options as in `logrank_events`.

    Only a difference in the direction of `hazard_ratio` counts as found. At a hazard ratio equal
    to the margin that is alpha, or half of it if two-sided.

    Raises PlanningError that names each fault.
    """
    faults = effect_faults(hazard_ratio, ratio, margin, method, null=True)
    faults += error_faults(alpha, 0.9, sided)
    faults += outside({"events": events}, above=0, mend="give a number above 0")
    refuse(faults)
    gain = information_per_event(hazard_ratio, ratio=ratio, margin=margin, method=method)
    return float(ndtr(np.sqrt(events * gain) - deviates(alpha, sided)))


def significant_hazard_ratio(
    events: float, *, nominal_p: float, sided: int = 1, ratio: float = 1.0, margin: float = 1.0
) -> float:
    """Return the largest hazard ratio that `events` would call different at that p value.

    By Schoenfeld's variance of a log hazard ratio, (1 + ratio)^2 / (ratio events).
    """
    given = {"events": events, "ratio": ratio, "margin": margin}
    refuse(outside(given, above=0, mend="give a number above 0"))
    error = (1 + ratio) / np.sqrt(ratio * events)
    return float(margin * np.exp(-deviates(nominal_p, sided) * error))


def information_per_event(
    hazard_ratio: float, *, ratio: float, margin: float, method: Method
) -> float:
    """Return by how much one event raises the square of the mean of z."""
    if method == "freedman":
        return ratio * (1 - hazard_ratio) ** 2 / (1 + ratio * hazard_ratio) ** 2
    return float(ratio * np.log(hazard_ratio / margin) ** 2 / (1 + ratio) ** 2)


def deviates(alpha: float, sided: int) -> float:
    """Return the z beyond which a test of that level rejects."""
    return float(-ndtri(alpha / sided))


def effect_faults(
    hazard_ratio: float, ratio: float, margin: float, method: str, *, null: bool = False
) -> list[str]:
    """Tell what is wrong with an effect, its null hypothesis and the allocation."""
    given = {"hazard_ratio": hazard_ratio, "ratio": ratio, "margin": margin}
    faults = outside(given, above=0, mend="give a number above 0")
    if method not in get_args(Method):
        faults.append(f"method: {method!r} is unknown; give one of {', '.join(get_args(Method))}.")
    if method == "freedman" and margin != 1:
        faults.append("margin: Freedman's formula has none; give method 'schoenfeld'.")
    if hazard_ratio == margin and not null:
        faults.append(f"hazard_ratio: {hazard_ratio!r} is the null hypothesis; give an effect.")
    return faults
