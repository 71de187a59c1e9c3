# SPDX-License-Identifier: Apache-2.0
"""What follows from coefficients and their covariance alone: Wald's interval, z and p value."""

from typing import TypedDict

import numpy as np

from radioligand.statistics import special
from radioligand.statistics.observations import Floats, deviate


class HazardRatios(TypedDict):
    """Hazard ratios of p covariates by Wald's method, (p,) each; the covariance (p, p)."""

    log_hazard_ratio: Floats
    standard_error: Floats
    hazard_ratio: Floats
    lower: Floats
    upper: Floats
    z: Floats
    p_value: Floats
    covariance: Floats
    level: float


def hazard_ratios(beta: Floats, covariance: Floats, *, level: float) -> HazardRatios:
    r"""Return :math:`e^\beta` with the interval :math:`e^{\beta\pm z\,se}` and z = beta / se.

    A coefficient of no variance, as few clusters may give, has an infinite z; one beyond the
    range of numbers an infinite ratio.
    """
    error = np.sqrt(np.diag(covariance))
    width = deviate(level) * error
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = beta / error
        ratio, lower, upper = np.exp([beta, beta - width, beta + width])
    return HazardRatios(
        log_hazard_ratio=beta,
        standard_error=error,
        hazard_ratio=ratio,
        lower=lower,
        upper=upper,
        z=z,
        p_value=2 * special.ndtr(-np.abs(z)),
        covariance=covariance,
        level=level,
    )
