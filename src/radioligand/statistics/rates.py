# SPDX-License-Identifier: Apache-2.0
"""Rates: events over time at risk, with exact Poisson limits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.observations import Floats, check_level


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Events per unit of time, and the limits of the rate; scalars or arrays alike the input."""

    estimate: Floats
    lower: Floats
    upper: Floats
    level: float


def poisson_rate(events: ArrayLike, exposure: ArrayLike, *, level: float = 0.95) -> Rate:
    r"""Return events per unit of exposure with the exact interval of Garwood.

    Parameters
    ----------
    events : whole numbers, none negative.
    exposure : time at risk, positive, in the unit that the rate shall have.
    level : coverage.

    Raises ValueError that names what is negative, not whole or without exposure.

    Notes
    -----
    :math:`\chi^2_{2x}(\alpha/2)/2T` and :math:`\chi^2_{2x+2}(1-\alpha/2)/2T`; the lower limit of
    no events is 0. Garwood, Biometrika 1936;28:437. Oracle: R ``poisson.test``.

    """
    check_level(level)
    x, time = np.broadcast_arrays(np.asarray(events, float), np.asarray(exposure, float))
    faults = []
    if not np.all((x >= 0) & (x == np.round(x))):
        faults.append("events: a count is whole and not negative")
    if not np.all((time > 0) & np.isfinite(time)):
        faults.append("exposure: time at risk is positive")
    if faults:
        raise ValueError("; ".join(faults) + ".")
    alpha = 1 - level
    with np.errstate(invalid="ignore"):
        lower = np.where(x > 0, special.gammaincinv(x, alpha / 2) / time, 0.0)
    upper = special.gammaincinv(x + 1, 1 - alpha / 2) / time
    return Rate(estimate=x / time, lower=lower, upper=upper, level=level)
