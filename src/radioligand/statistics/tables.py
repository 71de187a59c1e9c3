# SPDX-License-Identifier: Apache-2.0
"""Tests of tables of counts: Fisher, Cochran–Mantel–Haenszel, Breslow–Day, and Cohen's kappa.

A two-by-two table has arms in rows, the arm of interest first, and in columns those with the
event and those without: ``[[events, others], [reference events, reference others]]``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.observations import Floats, check_choice, check_level, deviate
from radioligand.statistics.records import Record

Side = Literal["two-sided", "greater", "less"]
TwoSided = Literal["minimum-likelihood", "central"]
NEARLY = 1 + 1e-7  # R's tolerance for tables as likely as the one seen


@dataclass(frozen=True, slots=True, kw_only=True)
class OddsRatio(Record):
    """The sample odds ratio with its interval; 0, infinite or nan where a cell is empty."""

    estimate: float
    lower: float
    upper: float
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FisherExact(Record):
    """Fisher's exact test, given the margins."""

    odds_ratio: float  # the most likely one given the margins, as R has it
    lower: float  # limits by inverting both exact one-sided tests
    upper: float
    p_value: float
    alternative: Side
    two_sided: TwoSided
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CochranMantelHaenszel(Record):
    """A test of association within strata, and the odds ratio common to them."""

    odds_ratio: float
    lower: float
    upper: float
    log_standard_error: float
    statistic: float  # chi-square with one degree of freedom
    z: float  # signed: positive if the first row has more events than expected
    p_value: float  # two-sided
    level: float

    def one_sided(self, *, alternative: Literal["greater", "less"] = "greater") -> float:
        """Return the p value of the claim that the first row has more (or fewer) events."""
        return float(special.ndtr(-self.z if alternative == "greater" else self.z))


@dataclass(frozen=True, slots=True, kw_only=True)
class BreslowDay(Record):
    """A test that the odds ratio is the same in all strata."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa(Record):
    """Agreement of two readers beyond chance."""

    estimate: float
    standard_error: float
    lower: float
    upper: float
    observed: float  # agreement seen, weighted
    expected: float  # agreement by chance
    null_standard_error: float  # were there agreement by chance alone
    p_value: float  # two-sided, of no agreement beyond chance
    level: float


def odds_ratio(table: ArrayLike, *, level: float = 0.95) -> OddsRatio:
    """Return the odds ratio ad / bc of a table (2, 2) with Woolf's interval on the log scale.

    With an empty cell the interval is not defined and is nan. Woolf, Ann Hum Genet 1955;19:251.

    Raises ValueError if the table is not two by two whole numbers, 0 or more.
    """
    check_level(level)
    (a, b), (c, d) = checked(table, shape=(2, 2)).tolist()
    if min(a, b, c, d) == 0:
        estimate = a * d / (b * c) if b * c else (np.inf if a * d else np.nan)
        return OddsRatio(estimate=estimate, lower=np.nan, upper=np.nan, level=level)
    factor = np.exp(deviate(level) * np.sqrt(1 / a + 1 / b + 1 / c + 1 / d))
    ratio = a * d / (b * c)
    return OddsRatio(
        estimate=ratio, lower=float(ratio / factor), upper=float(ratio * factor), level=level
    )


def fisher_exact(
    table: ArrayLike,
    *,
    alternative: Side = "two-sided",
    two_sided: TwoSided = "minimum-likelihood",
    level: float = 0.95,
) -> FisherExact:
    """Test whether two arms have the event equally often, given how many have it.

    Parameters
    ----------
    table : (2, 2) counts, see the module.
    alternative : "greater" claims higher odds in the first row.
    two_sided : "minimum-likelihood" adds up all tables no likelier than the one seen (R, SAS);
        "central" doubles the smaller tail, and so agrees with the interval.
    level : coverage of the interval, which is central whatever the alternative.

    Raises ValueError if the table is not two by two whole numbers, or holds nobody.

    Notes
    -----
    Fisher, J R Stat Soc 1935;98:39. Oracle: R ``fisher.test``.

    """
    check_level(level)
    (a, b), (c, d) = checked(table, shape=(2, 2)).tolist()
    check_choice("alternative", alternative, get_args(Side))
    check_choice("two_sided", two_sided, get_args(TwoSided))
    first, second, with_event = a + b, c + d, a + c
    low, high = max(0.0, with_event - second), min(first, with_event)
    possible = np.arange(low, high + 1)
    log_ways = log_choose(first, possible) + log_choose(second, with_event - possible)

    def chances(log_odds: float) -> Floats:
        tilted = log_ways + possible * log_odds
        weight = np.exp(tilted - tilted.max())
        return np.asarray(weight / weight.sum(), np.float64)

    def at_least(log_odds: float) -> float:
        return float(chances(log_odds)[possible >= a].sum())

    def at_most(log_odds: float) -> float:
        return float(chances(log_odds)[possible <= a].sum())

    null, tail = chances(0.0), (1 - level) / 2
    tails = {"greater": at_least(0.0), "less": at_most(0.0)}
    if alternative != "two-sided":
        p = tails[alternative]
    elif two_sided == "central":
        p = 2 * min(tails.values())
    else:
        p = float(null[null <= null[possible == a] * NEARLY].sum())
    ratio = 0.0 if a == low else np.inf
    if low < a < high:
        ratio = root(lambda odds: float(chances(odds) @ possible) - a)
    if low == high:
        ratio = np.nan
    return FisherExact(
        odds_ratio=ratio,
        lower=0.0 if a == low else root(lambda odds: at_least(odds) - tail),
        upper=np.inf if a == high else root(lambda odds: tail - at_most(odds)),
        p_value=min(p, 1.0),
        alternative=alternative,
        two_sided=two_sided,
        level=level,
    )


def cochran_mantel_haenszel(
    tables: ArrayLike, *, correct: bool = False, level: float = 0.95
) -> CochranMantelHaenszel:
    r"""Test and estimate an odds ratio common to the strata of a trial.

    Parameters
    ----------
    tables : (k, 2, 2) counts, strata first, then see the module. A stratum with one arm only, or
        with all or none having the event, adds nothing.
    correct : take one half off the distance from the expected (Yates).
    level : coverage of the interval, by Robins, Breslow and Greenland's variance.

    Raises ValueError if the tables are not two by two whole numbers, or no stratum compares.

    Notes
    -----
    Over strata with cells a, b, c, d of n: chi-square
    :math:`(\sum a-\sum E)^2/\sum V` with :math:`E=(a+b)(a+c)/n` and
    :math:`V=(a+b)(c+d)(a+c)(b+d)/\{n^2(n-1)\}`; odds ratio :math:`\sum(ad/n)/\sum(bc/n)`. Mantel
    and Haenszel, J Natl Cancer Inst 1959;22:719; Robins, Breslow and Greenland, Biometrics
    1986;42:311. Oracle: R ``mantelhaen.test``.

    """
    check_level(level)
    cells = checked(tables, shape=(None, 2, 2))
    cells = cells[cells.sum((1, 2)) > 1]
    a, b, c, d = cells.reshape(-1, 4).T
    n = a + b + c + d
    variance = float(np.sum((a + b) * (c + d) * (a + c) * (b + d) / (n**2 * (n - 1))))
    if variance == 0:
        raise ValueError("tables: no stratum has both arms and both outcomes; nothing to compare.")
    excess = float(np.sum(a - (a + b) * (a + c) / n))
    distance = max(abs(excess) - 0.5 * correct, 0.0)
    z = float(np.copysign(distance, excess) / np.sqrt(variance))

    for_first, against = a * d / n, b * c / n
    total_for, total_against = float(for_first.sum()), float(against.sum())
    agree, differ = (a + d) / n, (b + c) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.divide(total_for, total_against))
        log_variance = (
            np.divide((agree * for_first).sum(), 2 * total_for**2)
            + np.divide((agree * against + differ * for_first).sum(), 2 * total_for * total_against)
            + np.divide((differ * against).sum(), 2 * total_against**2)
        )
        log_error = float(np.sqrt(log_variance))
        factor = np.exp(deviate(level) * log_error)
        lower, upper = float(ratio / factor), float(ratio * factor)
    return CochranMantelHaenszel(
        odds_ratio=ratio,
        lower=lower,
        upper=upper,
        log_standard_error=log_error,
        statistic=z**2,
        z=z,
        p_value=float(2 * special.ndtr(-abs(z))),
        level=level,
    )


def breslow_day(tables: ArrayLike, *, tarone: bool = True) -> BreslowDay:
    """Test whether one odds ratio holds in all strata, with Tarone's correction unless refused.

    Arguments and errors are those of `cochran_mantel_haenszel`; strata that say nothing of the
    odds ratio are left out, and a ValueError tells if fewer than two remain. Breslow and Day,
    Statistical Methods in Cancer Research I, 1980, 4.4; Tarone, Biometrika 1985;72:91.
    """
    ratio = cochran_mantel_haenszel(tables).odds_ratio
    cells = checked(tables, shape=(None, 2, 2))
    rows, columns = cells.sum(2), cells.sum(1)
    cells = cells[(rows > 0).all(1) & (columns > 0).all(1)]
    if len(cells) < 2 or not 0 < ratio < np.inf:
        raise ValueError("tables: fewer than two strata tell of the odds ratio; none to compare.")
    a, first = cells[:, 0, 0], cells[:, 0].sum(1)
    second, with_event = cells[:, 1].sum(1), cells[:, :, 0].sum(1)
    low, high = np.maximum(0, with_event - second), np.minimum(first, with_event)
    for _ in range(200):  # the count in the first cell that has this odds ratio and these margins
        middle = (low + high) / 2
        others = (first - middle) * (with_event - middle)
        under = middle * (second - with_event + middle) < ratio * others
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    fitted = (low + high) / 2
    variance = 1 / (
        1 / fitted + 1 / (first - fitted)
        + 1 / (with_event - fitted) + 1 / (second - with_event + fitted)
    )  # fmt: skip
    statistic = float(np.sum((a - fitted) ** 2 / variance))
    if tarone:
        statistic -= float(np.sum(a - fitted) ** 2 / variance.sum())
    freedom = len(cells) - 1
    return BreslowDay(
        statistic=statistic,
        degrees_of_freedom=freedom,
        p_value=float(special.chdtrc(freedom, statistic)),
    )


def cohen_kappa(
    table: ArrayLike,
    *,
    weights: Literal["none", "linear", "quadratic"] = "none",
    level: float = 0.95,
) -> Kappa:
    """Return the agreement of two readers beyond chance.

    Parameters
    ----------
    table : (r, r) counts, one reader in rows and the other in columns, categories in one order.
    weights : what a disagreement is worth: nothing, or, in ordered categories, less the farther
        apart, by distance or by its square.
    level : coverage of the normal interval.

    Raises ValueError if the table is not square whole numbers, or only one category is used.

    Notes
    -----
    Variances of Fleiss, Cohen and Everitt, Psychol Bull 1969;72:323.

    """
    check_level(level)
    cells = checked(table, shape=(None, None))
    r = cells.shape[0]
    if cells.shape[1] != r or r < 2:
        raise ValueError(
            f"table: has shape {cells.shape}; give as many columns as rows, 2 or more."
        )
    check_choice("weights", weights, ("none", "linear", "quadratic"))
    n = float(cells.sum())
    share = cells / n
    rows, columns = share.sum(1), share.sum(0)
    far = np.abs(np.subtract.outer(np.arange(r), np.arange(r))) / (r - 1)
    worth = {"none": np.eye(r), "linear": 1 - far, "quadratic": 1 - far**2}[weights]

    chance = np.outer(rows, columns)
    seen, expected = float((worth * share).sum()), float((worth * chance).sum())
    if 1 - expected < 1e-12:
        raise ValueError("table: both readers use one category only; kappa is not defined.")
    kappa = (seen - expected) / (1 - expected)
    typical = np.add.outer(worth @ columns, worth.T @ rows)
    spread = float((share * (worth - typical * (1 - kappa)) ** 2).sum())
    spread -= (kappa - expected * (1 - kappa)) ** 2
    null_spread = float((chance * (worth - typical) ** 2).sum()) - expected**2
    error = float(np.sqrt(max(spread, 0.0) / n) / (1 - expected))
    null_error = float(np.sqrt(max(null_spread, 0.0) / n) / (1 - expected))
    width = deviate(level) * error
    return Kappa(
        estimate=kappa,
        standard_error=error,
        lower=kappa - width,
        upper=min(kappa + width, 1.0),
        observed=seen,
        expected=expected,
        null_standard_error=null_error,
        p_value=float(2 * special.ndtr(-abs(kappa) / null_error)) if null_error else np.nan,
        level=level,
    )


def checked(table: ArrayLike, *, shape: tuple[int | None, ...]) -> Floats:
    """Return the table as floats, or raise ValueError if it is not counts of that shape."""
    try:
        cells = np.asarray(table, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"table: give whole numbers, 0 or more; got {table!r}.") from None
    fits = cells.ndim == len(shape) and all(
        wanted in (None, own) for wanted, own in zip(shape, cells.shape, strict=True)
    )
    if not fits:
        told = " by ".join("any" if one is None else str(one) for one in shape)
        raise ValueError(f"table: has shape {cells.shape}; give counts, {told}.")
    bad = ~((cells >= 0) & (cells == np.floor(cells)) & (cells < np.inf))
    if bad.any():
        shown = ", ".join(f"{one:g}" for one in cells[bad][:3])
        raise ValueError(
            f"table: {int(bad.sum())} of {cells.size} cells are no counts ({shown}); "
            "give whole numbers, 0 or more."
        )
    if not cells.sum():
        raise ValueError("table: holds nobody; all cells are 0.")
    return cells


def log_choose(n: float, k: Floats) -> Floats:
    """Return the logarithm of the number of ways to choose k of n."""
    return np.asarray(
        special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1), np.float64
    )


def root(rising: Callable[[float], float]) -> float:
    """Find the odds at whose logarithm a rising function is 0."""
    low, high = -1.0, 1.0
    while rising(low) > 0:
        low *= 2
    while rising(high) < 0:
        high *= 2
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return float(np.exp((low + high) / 2))
