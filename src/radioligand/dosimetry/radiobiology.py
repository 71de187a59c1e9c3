# SPDX-License-Identifier: Apache-2.0
"""Biologically effective dose of a decaying dose rate, by the Lea–Catcheside factor."""

import math

import numpy as np
from numpy.typing import ArrayLike

from radioligand.dosimetry.curves import Curve, Floats


def lea_catcheside(curve: Curve, *, repair_half_time_hours: float) -> float:
    r"""Return the protraction factor G of a dose rate that follows the curve, between 0 and 1.

    Notes
    -----
    :math:`G = \frac{2}{D^2}\int_0^\infty R(t)\int_0^t R(w)e^{-\mu(t-w)}\,dw\,dt`, and for
    :math:`R = \sum_i a_i e^{-\lambda_i t}`

    .. math:: G = \frac{2}{D^2}\sum_{ij}\frac{a_i a_j}{(\lambda_i+\lambda_j)(\mu+\lambda_j)}.

    The usual form divides by :math:`\mu-\lambda_i` and needs a series where a rate equals that
    of repair; here that factor is cancelled, so nothing special happens there.

    Raises ValueError for a repair half-time that is not positive.

    """
    if not (repair_half_time_hours > 0 and math.isfinite(repair_half_time_hours)):
        raise ValueError(f"repair half-time {repair_half_time_hours:g} h: it must be positive.")
    repair = math.log(2) / repair_half_time_hours
    a, rate = curve.amplitude_mbq, curve.rate_per_hour
    pairs = np.outer(a, a) / (np.add.outer(rate, rate) * (repair + rate)[None, :])
    return float(2 * pairs.sum() / curve.integral_mbq_h**2)


def bed_gy(dose_gy: ArrayLike, *, protraction: ArrayLike, alpha_beta_gy: float) -> Floats:
    """Return the biologically effective dose D (1 + G D / (alpha/beta)) of one cycle each.

    Over cycles these add; the formula of their summed dose would be wrong, so give each its own.
    Raises ValueError for an alpha/beta that is not positive, or G outside 0 to 1.
    """
    _positive(alpha_beta_gy)
    dose, g = np.asarray(dose_gy, float), np.asarray(protraction, float)
    if not np.all((g >= 0) & (g <= 1)):
        raise ValueError("the protraction factor lies between 0 and 1.")
    return np.asarray(dose * (1 + g * dose / alpha_beta_gy))


def eqd2_gy(bed_gy: ArrayLike, *, alpha_beta_gy: float) -> Floats:
    """Return the dose in fractions of 2 Gy of equal effect: BED / (1 + 2 / (alpha/beta))."""
    _positive(alpha_beta_gy)
    return np.asarray(np.asarray(bed_gy, float) / (1 + 2 / alpha_beta_gy))


def _positive(alpha_beta_gy: float) -> None:
    if not (alpha_beta_gy > 0 and math.isfinite(alpha_beta_gy)):
        raise ValueError(f"alpha/beta {alpha_beta_gy:g} Gy: it must be positive.")
