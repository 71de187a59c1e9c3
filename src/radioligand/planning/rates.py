# SPDX-License-Identifier: Apache-2.0
"""How many subjects a comparison of two rates needs, such as objective response."""

import numpy as np
from scipy.special import ndtr, ndtri

from radioligand.planning.events import deviates
from radioligand.planning.faults import error_faults, outside, refuse
from radioligand.statistics.proportions import restricted_pair


def rate_subjects(
    experimental: float,
    control: float,
    *,
    alpha: float = 0.025,
    sided: int = 1,
    power: float = 0.9,
    ratio: float = 1.0,
    margin: float = 0.0,
) -> float:
    r"""Return how many subjects, of both arms, tell two rates apart, not rounded.

    Parameters
    ----------
    experimental, control : assumed rates, between 0 and 1.
    alpha, sided, power, ratio : as in `logrank_events`.
    margin : difference, experimental less control, of the null hypothesis: 0, or below 0 for
        non-inferiority of a rate that should be high.

    Raises PlanningError that names each fault.

    Notes
    -----
    With r the ratio, :math:`\tilde p` the rates most likely under the null hypothesis and p those
    assumed, the experimental arm has
    :math:`\left(\frac{z_\alpha\sqrt{\tilde p_1\tilde q_1+r\tilde p_2\tilde q_2}
    +z_\beta\sqrt{p_1q_1+r\,p_2q_2}}{p_1-p_2-\mathrm{margin}}\right)^2`: Farrington and Manning,
    Stat Med 1990;9:1447. Oracle: R ``rpact::getSampleSizeRates``.

    """
    faults = rate_faults(experimental, control, ratio, margin)
    refuse([*faults, *error_faults(alpha, power, sided)])
    null, assumed = deviations(experimental, control, ratio, margin)
    effect = experimental - control - margin
    in_arm = ((deviates(alpha, sided) * null + float(ndtri(power)) * assumed) / effect) ** 2
    return in_arm * (1 + 1 / ratio)


def rate_power(
    subjects: float,
    experimental: float,
    control: float,
    *,
    alpha: float = 0.025,
    sided: int = 1,
    ratio: float = 1.0,
    margin: float = 0.0,
) -> float:
    """Return the power with so many subjects in both arms; options as in `rate_subjects`.

    Raises PlanningError that names each fault.
    """
    faults = rate_faults(experimental, control, ratio, margin)
    faults += outside({"subjects": subjects}, above=0, mend="give a number above 0")
    refuse([*faults, *error_faults(alpha, 0.9, sided)])
    null, assumed = deviations(experimental, control, ratio, margin)
    effect = abs(experimental - control - margin) * np.sqrt(subjects / (1 + 1 / ratio))
    return float(ndtr((effect - deviates(alpha, sided) * null) / assumed))


def deviations(
    experimental: float, control: float, ratio: float, margin: float
) -> tuple[float, float]:
    """Return the standard deviation of the difference, of one experimental subject: null, assumed.

    The null's rates are the most likely ones with that margin between them.
    """
    one = np.ones(1)
    null_experimental, null_control = restricted_pair(
        ratio * experimental * one, ratio * one, control * one, one, margin * one
    )
    pairs = (float(null_experimental[0]), float(null_control[0])), (experimental, control)
    null, assumed = (float(np.sqrt(p * (1 - p) + ratio * q * (1 - q))) for p, q in pairs)
    return null, assumed


def rate_faults(experimental: float, control: float, ratio: float, margin: float) -> list[str]:
    """Tell what is wrong with two rates, their margin and the allocation."""
    mend = "give a rate between 0 and 1"
    faults = outside(
        {"experimental": experimental, "control": control}, above=0, below=1, mend=mend
    )
    faults += outside({"ratio": ratio}, above=0, mend="give a number above 0")
    faults += outside({"margin": margin}, above=-1, below=1, mend="give a difference of rates")
    if not faults and np.isclose(experimental - control, margin, rtol=0, atol=1e-12):
        faults.append(f"margin: the rates differ by just that, {margin!r}; give an effect.")
    return faults
