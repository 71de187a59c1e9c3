# SPDX-License-Identifier: Apache-2.0
"""The difference of two proportions in a stratified trial, common to its strata.

A table has the group of interest in its first row and the reference in its second; subjects with
the event in its first column and the others in its second.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.observations import Floats, check_level, deviate
from radioligand.statistics.records import Record
from radioligand.statistics.tables import checked


@dataclass(frozen=True, slots=True, kw_only=True)
class StratifiedDifference(Record, rows="differences"):
    """A share less the reference's, averaged over strata; arrays follow the strata, (k,)."""

    estimate: float
    lower: float
    upper: float
    weights: Floats  # of each stratum's difference; they sum to 1
    differences: Floats  # nan in a stratum with one arm, whose weight is 0
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MantelHaenszelDifference(StratifiedDifference):
    """A difference with its standard error and its test of no difference."""

    standard_error: float
    z: float
    p_value: float  # two-sided


def mantel_haenszel_difference(
    tables: ArrayLike, *, level: float = 0.95
) -> MantelHaenszelDifference:
    r"""Return the Mantel–Haenszel difference of two proportions, with Sato's interval.

    Parameters
    ----------
    tables : (k, 2, 2) counts, strata first, then see the module. A stratum with one arm only adds
        nothing.
    level : coverage of the normal interval, cut to -1 and 1.

    Raises ValueError if the tables are not two by two whole numbers, or no stratum has two arms.

    Notes
    -----
    Strata are weighted by :math:`w=n_1n_2/n`. With x events the variance is
    :math:`(\hat\delta\sum P+\sum Q)/(\sum w)^2`, where
    :math:`P=\{n_1^2x_2-n_2^2x_1+n_1n_2(n_2-n_1)/2\}/n^2` and
    :math:`Q=\{x_1(n_2-x_2)+x_2(n_1-x_1)\}/(2n)`; it holds in few large strata and in many small
    ones. Greenland and Robins, Biometrics 1985;41:55; Sato, Biometrics 1989;45:1323. Oracle: R
    ``metafor::rma.mh``.

    """
    check_level(level)
    x1, n1, x2, n2, weight = arms(tables)
    share, apart = averaged(x1, n1, x2, n2, weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = n1 + n2
        turning = (n1**2 * x2 - n2**2 * x1 + n1 * n2 * (n2 - n1) / 2) / n**2
        spread = (x1 * (n2 - x2) + x2 * (n1 - x1)) / (2 * n)
    two_arms = weight > 0
    estimate = float(share[two_arms] @ apart[two_arms])
    variance = estimate * turning[two_arms].sum() + spread[two_arms].sum()
    error = float(np.sqrt(max(variance, 0.0)) / weight.sum())
    width = deviate(level) * error
    z = estimate / error if error else np.nan
    return MantelHaenszelDifference(
        estimate=estimate,
        lower=max(estimate - width, -1.0),
        upper=min(estimate + width, 1.0),
        weights=share,
        differences=apart,
        standard_error=error,
        z=z,
        p_value=float(2 * special.ndtr(-abs(z))),
        level=level,
    )


def stratified_newcombe_difference(
    tables: ArrayLike, *, level: float = 0.95
) -> StratifiedDifference:
    r"""Return the same difference with the hybrid of two stratified Wilson intervals.

    Arguments and errors are those of `mantel_haenszel_difference`. It never leaves -1 to 1 and
    has width also where an arm has no event. With one stratum it is `newcombe_difference`.

    Notes
    -----
    With weights w that sum to 1, an arm's limits are the weighted means of its Wilson limits,
    each at the deviate :math:`z\sqrt{\sum w^2v}/\sum w\sqrt v` with :math:`v=p(1-p)/n`, so that
    strata together keep the level. The limits l and u of the arms give
    :math:`\hat\delta-z\sqrt{\lambda_1l_1(1-l_1)+\lambda_2u_2(1-u_2)}` and likewise the upper, with
    :math:`\lambda=\sum w^2/n`. Yan and Su, Stat Biopharm Res 2010;2:383; SAS PROC FREQ's
    ``RISKDIFF(COMMON CL=NEWCOMBE)``.

    """
    check_level(level)
    x1, n1, x2, n2, weight = arms(tables)
    share, apart = averaged(x1, n1, x2, n2, weight)
    two_arms = weight > 0
    w, z = share[two_arms], deviate(level)
    estimate = float(w @ apart[two_arms])
    low1, high1, scale1 = stratified_wilson(x1[two_arms], n1[two_arms], w, z)
    low2, high2, scale2 = stratified_wilson(x2[two_arms], n2[two_arms], w, z)
    below = np.sqrt(scale1 * low1 * (1 - low1) + scale2 * high2 * (1 - high2))
    above = np.sqrt(scale2 * low2 * (1 - low2) + scale1 * high1 * (1 - high1))
    return StratifiedDifference(
        estimate=estimate,
        lower=max(float(estimate - z * below), -1.0),
        upper=min(float(estimate + z * above), 1.0),
        weights=share,
        differences=apart,
        level=level,
    )


def stratified_wilson(x: Floats, n: Floats, weight: Floats, z: float) -> tuple[float, float, float]:
    """Return the limits of one arm's weighted proportion, and sum of weight squared over n."""
    p = x / n
    variance = p * (1 - p) / n
    if not variance.any():  # none or all have the event: what is left as p goes to 0 or 1 alike
        variance = 1 / n
    stratum_z = z * np.sqrt(np.sum(weight**2 * variance)) / np.sum(weight * np.sqrt(variance))
    centre = (x + stratum_z**2 / 2) / (n + stratum_z**2)
    width = stratum_z * np.sqrt(x * (n - x) / n + stratum_z**2 / 4) / (n + stratum_z**2)
    low, high = float(weight @ (centre - width)), float(weight @ (centre + width))
    return max(low, 0.0), min(high, 1.0), float(np.sum(weight**2 / n))


def arms(tables: ArrayLike) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return events and subjects of each arm, and the weight of each stratum, (k,) each."""
    cells = checked(tables, shape=(None, 2, 2))
    x1, x2 = cells[:, :, 0].T
    n1, n2 = cells.sum(2).T
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where((n1 > 0) & (n2 > 0), n1 * n2 / (n1 + n2), 0.0)
    if not weight.any():
        raise ValueError("tables: no stratum has subjects in both arms; nothing to compare.")
    return x1, n1, x2, n2, weight


def averaged(
    x1: Floats, n1: Floats, x2: Floats, n2: Floats, weight: Floats
) -> tuple[Floats, Floats]:
    """Return weights that sum to 1, and the difference in each stratum."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return weight / weight.sum(), np.where(weight > 0, x1 / n1 - x2 / n2, np.nan)
