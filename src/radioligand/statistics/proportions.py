# SPDX-License-Identifier: Apache-2.0
"""Proportions on plain counts: their intervals, and the difference of two.

Tests of tables, from Fisher's to Cochran's, Mantel's and Haenszel's, and Cohen's kappa are in
`radioligand.statistics.tables`, differences common to strata in
`radioligand.statistics.risk_difference`, and both can be taken from here too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.observations import Faults, Floats, Numbers, check_level, deviate
from radioligand.statistics.records import Record
from radioligand.statistics.risk_difference import (
    MantelHaenszelDifference,
    StratifiedDifference,
    mantel_haenszel_difference,
    stratified_newcombe_difference,
)
from radioligand.statistics.tables import (
    BreslowDay,
    CochranMantelHaenszel,
    FisherExact,
    Kappa,
    OddsRatio,
    breslow_day,
    cochran_mantel_haenszel,
    cohen_kappa,
    fisher_exact,
    odds_ratio,
)

__all__ = [
    "BreslowDay",
    "CochranMantelHaenszel",
    "Difference",
    "FisherExact",
    "Kappa",
    "MantelHaenszelDifference",
    "OddsRatio",
    "Proportion",
    "StratifiedDifference",
    "agresti_coull",
    "breslow_day",
    "clopper_pearson",
    "cochran_mantel_haenszel",
    "cohen_kappa",
    "fisher_exact",
    "jeffreys",
    "mantel_haenszel_difference",
    "miettinen_nurminen_difference",
    "newcombe_difference",
    "odds_ratio",
    "stratified_newcombe_difference",
    "wald",
    "wald_difference",
    "wilson",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion(Record, rows="estimate"):
    """A share and its interval: floats for one pair of counts, arrays for arrays of them."""

    estimate: Numbers
    lower: Numbers
    upper: Numbers
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Record, rows="estimate"):
    """A share less the reference's, and its interval."""

    estimate: Numbers
    lower: Numbers
    upper: Numbers
    level: float


def clopper_pearson(events: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Proportion:
    r"""Return a proportion with its exact interval, which never covers less than `level`.

    Parameters
    ----------
    events : number who have it, one or an array of any shape.
    n : number of subjects, one or an array that broadcasts.
    level : coverage.

    Raises ValueError for counts that are missing, negative or not whole, more events than
    subjects, or no subjects.

    Notes
    -----
    With x of n, quantiles of the beta distribution: lower :math:`B_{\alpha/2}(x,n-x+1)`, upper
    :math:`B_{1-\alpha/2}(x+1,n-x)`. Clopper and Pearson, Biometrika 1934;26:404. Oracle: R
    ``binom.test``.

    """
    x, size = counts(events, n, level)
    tail = (1 - level) / 2
    lower = np.where(x == 0, 0.0, special.betaincinv(np.maximum(x, 1), size - x + 1, tail))
    upper = np.where(x == size, 1.0, special.betaincinv(x + 1, np.maximum(size - x, 1), 1 - tail))
    return proportion(x / size, lower, upper, level)


def wilson(events: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Proportion:
    """Return a proportion with the interval that inverts the score test, without correction.

    Arguments and errors are those of `clopper_pearson`. Covers `level` on average and is shorter
    than the exact one. Wilson, J Am Stat Assoc 1927;22:209. Oracle: R ``prop.test``.
    """
    x, size = counts(events, n, level)
    return proportion(x / size, *wilson_limits(x, size, level), level)


def wald(events: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Proportion:
    """Return a proportion with its normal interval, cut to 0 and 1.

    Arguments and errors are those of `clopper_pearson`. It has no width at 0 and n events and
    covers too little in small samples; it is here because reports use it.
    """
    x, size = counts(events, n, level)
    share = x / size
    width = deviate(level) * np.sqrt(share * (1 - share) / size)
    return proportion(share, np.maximum(share - width, 0), np.minimum(share + width, 1), level)


def agresti_coull(events: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Proportion:
    """Return a proportion with the Wald interval about Wilson's centre, cut to 0 and 1.

    Arguments and errors are those of `clopper_pearson`. Agresti and Coull, Am Stat 1998;52:119.
    """
    x, size = counts(events, n, level)
    z = deviate(level)
    padded = size + z**2
    centre = (x + z**2 / 2) / padded
    width = z * np.sqrt(centre * (1 - centre) / padded)
    lower, upper = np.maximum(centre - width, 0), np.minimum(centre + width, 1)
    return proportion(x / size, lower, upper, level)


def jeffreys(events: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Proportion:
    """Return a proportion with equal-tailed limits under Jeffreys' prior, Beta(1/2, 1/2).

    Arguments and errors are those of `clopper_pearson`. The lower limit is 0 without events and
    the upper 1 without others. Brown, Cai and DasGupta, Stat Sci 2001;16:101.
    """
    x, size = counts(events, n, level)
    tail = (1 - level) / 2
    lower = np.where(x == 0, 0.0, special.betaincinv(x + 0.5, size - x + 0.5, tail))
    upper = np.where(x == size, 1.0, special.betaincinv(x + 0.5, size - x + 0.5, 1 - tail))
    return proportion(x / size, lower, upper, level)


def wald_difference(
    events: ArrayLike,
    n: ArrayLike,
    reference_events: ArrayLike,
    reference_n: ArrayLike,
    *,
    level: float = 0.95,
) -> Difference:
    r"""Return the difference of two proportions with its normal, unpooled interval.

    Parameters
    ----------
    events, n : of the group of interest, as in `clopper_pearson`.
    reference_events, reference_n : of the group whose proportion is subtracted.
    level : coverage.

    Raises ValueError as `clopper_pearson` does.

    Notes
    -----
    :math:`p_1-p_2\pm z\sqrt{p_1(1-p_1)/n_1+p_2(1-p_2)/n_2}`, cut to -1 and 1. Oracle: R
    ``prop.test`` with ``correct = FALSE``.

    """
    x1, n1, x2, n2 = two_counts(events, n, reference_events, reference_n, level)
    p1, p2 = x1 / n1, x2 / n2
    width = deviate(level) * np.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
    return difference(p1 - p2, p1 - p2 - width, p1 - p2 + width, level)


def newcombe_difference(
    events: ArrayLike,
    n: ArrayLike,
    reference_events: ArrayLike,
    reference_n: ArrayLike,
    *,
    level: float = 0.95,
) -> Difference:
    """Return the difference of two proportions with the hybrid of their Wilson limits.

    Arguments and errors are those of `wald_difference`. Newcombe, Stat Med 1998;17:873, method
    10, without continuity correction.
    """
    x1, n1, x2, n2 = two_counts(events, n, reference_events, reference_n, level)
    p1, p2 = x1 / n1, x2 / n2
    (low1, high1), (low2, high2) = wilson_limits(x1, n1, level), wilson_limits(x2, n2, level)
    lower = p1 - p2 - np.hypot(p1 - low1, high2 - p2)
    upper = p1 - p2 + np.hypot(high1 - p1, p2 - low2)
    return difference(p1 - p2, lower, upper, level)


def miettinen_nurminen_difference(
    events: ArrayLike,
    n: ArrayLike,
    reference_events: ArrayLike,
    reference_n: ArrayLike,
    *,
    level: float = 0.95,
) -> Difference:
    r"""Return the difference of two proportions with the interval that inverts its score test.

    Arguments and errors are those of `wald_difference`.

    Notes
    -----
    The limits are the d with :math:`(p_1-p_2-d)^2=z^2\,V(d)\,N/(N-1)`, where V(d) is the variance
    at the most likely pair of proportions that differ by d. Miettinen and Nurminen, Stat Med
    1985;4:213.

    """
    x1, n1, x2, n2 = two_counts(events, n, reference_events, reference_n, level)
    seen, limit = x1 / n1 - x2 / n2, deviate(level) ** 2

    def excess(shift: Floats) -> Floats:
        p1, p2 = restricted_pair(x1, n1, x2, n2, shift)
        variance = (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * (n1 + n2) / (n1 + n2 - 1)
        return np.asarray((seen - shift) ** 2 - limit * variance, np.float64)

    lower = bisect(excess, np.full(seen.shape, -1.0), seen)
    upper = bisect(excess, np.ones(seen.shape), seen)
    return difference(seen, lower, upper, level)


def restricted_pair(
    x1: Floats, n1: Floats, x2: Floats, n2: Floats, shift: Floats
) -> tuple[Floats, Floats]:
    """Return the most likely proportions p1 and p2 with p1 - p2 = shift: a cubic's middle root."""
    n, x = n1 + n2, x1 + x2
    a2 = (n1 + 2 * n2) * shift - n - x
    a1 = (n2 * shift - n - 2 * x2) * shift + x
    a0 = x2 * shift * (1 - shift)
    centre = a2 / (3 * n)
    q = centre**3 - a1 * a2 / (6 * n**2) + a0 / (2 * n)
    spread = np.sqrt(np.maximum(centre**2 - a1 / (3 * n), 0.0))
    p = np.where(q >= 0, spread, -spread)
    cosine = np.divide(q, p**3, out=np.zeros_like(q), where=p != 0)
    angle = (np.pi + np.arccos(np.clip(cosine, -1, 1))) / 3
    p2 = np.clip(2 * p * np.cos(angle) - centre, np.maximum(-shift, 0), np.minimum(1 - shift, 1))
    return np.asarray(p2 + shift, np.float64), np.asarray(p2, np.float64)


def bisect(function: Callable[[Floats], Floats], outside: Floats, inside: Floats) -> Floats:
    """Find where `function` turns from positive outside to not positive inside, elementwise."""
    for _ in range(80):
        middle = (outside + inside) / 2
        beyond = function(middle) > 0
        outside, inside = np.where(beyond, middle, outside), np.where(beyond, inside, middle)
    return (outside + inside) / 2


def wilson_limits(x: Floats, n: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the limits of the score test, exactly 0 and 1 at the ends."""
    z = deviate(level)
    centre = (x + z**2 / 2) / (n + z**2)
    width = z * np.sqrt(x * (n - x) / n + z**2 / 4) / (n + z**2)
    return np.where(x == 0, 0.0, centre - width), np.where(x == n, 1.0, centre + width)


def counts(events: ArrayLike, n: ArrayLike, level: float, *, of: str = "") -> tuple[Floats, Floats]:
    """Check counts and level; return counts as floats of one shape. `of` begins their names."""
    check_level(level)
    if {np.asarray(one).dtype.kind for one in (events, n)} & set("USmM"):
        raise ValueError(f"{of}events and {of}n: give whole numbers; got {events!r} of {n!r}.")
    try:
        pair = np.broadcast_arrays(np.asarray(events, np.float64), np.asarray(n, np.float64))
    except (TypeError, ValueError):
        told = f"{of}events and {of}n: give whole numbers; got {events!r} of {n!r}."
        raise ValueError(told) from None
    x, size = (np.ravel(one) for one in pair)
    faults = Faults()
    whole = (x >= 0) & (x == np.floor(x)) & (x < np.inf)
    faults.among(f"{of}events", x, ~whole, "are no counts", "give whole numbers, 0 or more")
    whole = (size >= 1) & (size == np.floor(size)) & (size < np.inf)
    mend = "give whole numbers, 1 or more"
    faults.among(f"{of}n", size, ~whole, "are no numbers of subjects", mend)
    mend = "give the subjects with the event"
    faults.among(f"{of}events", x, x > size, f"are more than {of}n", mend)
    faults.refuse()
    return pair[0], pair[1]


def two_counts(
    events: ArrayLike, n: ArrayLike, reference_events: ArrayLike, reference_n: ArrayLike,
    level: float,
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    """Check the counts of two groups; return them as floats of one shape."""
    first = counts(events, n, level)
    second = counts(reference_events, reference_n, level, of="reference_")
    x1, n1, x2, n2 = np.broadcast_arrays(*first, *second)
    return x1, n1, x2, n2


def proportion(estimate: Floats, lower: Floats, upper: Floats, level: float) -> Proportion:
    """Make the record, of floats where one was asked for."""
    return Proportion(estimate=plain(estimate), lower=plain(lower), upper=plain(upper), level=level)


def difference(estimate: Floats, lower: Floats, upper: Floats, level: float) -> Difference:
    """Make the record, with limits within -1 and 1."""
    lower, upper = np.maximum(lower, -1), np.minimum(upper, 1)
    return Difference(estimate=plain(estimate), lower=plain(lower), upper=plain(upper), level=level)


def plain(values: Floats) -> Numbers:
    """Return a float for an array without dimensions, else the array."""
    return float(values) if np.ndim(values) == 0 else np.asarray(values, np.float64)
