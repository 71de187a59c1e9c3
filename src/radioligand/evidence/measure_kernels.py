# SPDX-License-Identifier: Apache-2.0
"""The statistics that targets ask for, of one small cohort, in microseconds each; compiled.

Each does what `statistics` does for any data, and tests hold the two equal. Subjects are given by
arrays, (n,), and the `order` of their keys, which are days: those of a later stratum are higher by
`APART`, and those whom the statistic is not of are infinite. The first `m` in order are the others.
All return three numbers; nan is not estimated.
"""

import math

import numpy as np
from numpy.typing import NDArray

from radioligand.statistics.kernels import compiled
from radioligand.statistics.observations import Floats, Ints, deviate
from radioligand.statistics.ordering import NEAR

Three = tuple[float, float, float]
APART = float(1 << 20)  # days between strata
Z = deviate(0.95)
REACHED, PASSED = -math.log(0.5 + NEAR), -math.log(0.5 - NEAR)
SETTLED = 1e-10  # a step that moves no linear predictor further is the last
LONGEST, FARTHEST, MOST_STEPS = 3.0, 30.0, 60
SILENT = 1e-10  # information, of a covariate of range 1, that tells nothing
MOST_STRATA = 64


@compiled
def in_order(order: Ints, key: Floats) -> int:
    """Sort subjects by their keys; return how many keys are finite.

    By insertion, which is quick where few are out of their place.
    """
    m = 0
    for i in range(order.size):
        own, j = order[i], i
        value = key[own]
        m += value < math.inf
        while j > 0 and key[order[j - 1]] > value:
            order[j] = order[j - 1]
            j -= 1
        order[j] = own
    return m


@compiled
def middle(order: Ints, value: Floats, m: int) -> Three:
    """Return the median of m numbers in order."""
    if m == 0:
        return math.nan, math.nan, math.nan
    both = value[order[(m - 1) // 2]] + value[order[m // 2]]
    return both / 2.0, math.nan, math.nan


@compiled
def curve_median(order: Ints, day: Floats, event: Floats, m: int) -> Three:
    """Return the median of the Kaplan–Meier curve and its log-log limits, in days, as R has them.

    Curve and limits are followed as -log: L, and L exp(±z e / L) for a relative error e. A limit
    that rises again counts where it is nearest to one half.
    """
    reached, passed = np.full(3, math.inf), np.full(3, math.inf)
    begin, end = np.full(3, math.nan), np.full(3, math.nan)
    height = np.zeros(3)
    at_risk, survival, error, i = float(m), 1.0, 0.0, 0
    while i < m:
        now, first, d = day[order[i]], i, 0.0
        while i < m and day[order[i]] == now:
            d += event[order[i]]
            i += 1
        if d > 0:
            left = at_risk - d
            survival *= left / at_risk
            height[0] = height[1] = height[2] = math.inf if survival == 0 else -math.log(survival)
            if survival > 0:
                error += d / (at_risk * left)
                factor = math.exp(Z * math.sqrt(error) / height[0])
                height[1] *= factor
                height[2] /= factor
            else:
                height[1] = height[2] = math.nan
            for one in range(3):
                if height[one] >= REACHED and (
                    height[one] < reached[one] or begin[one] != begin[one]
                ):
                    reached[one], begin[one] = height[one], now
                if height[one] >= PASSED and (height[one] < passed[one] or end[one] != end[one]):
                    passed[one], end[one] = height[one], now
        at_risk -= i - first
    for one in range(3):
        if REACHED < height[one] < PASSED:  # the curve ends at one half
            end[one] = day[order[m - 1]]
    half = (begin + end) / 2.0
    return half[0], half[1], half[2]


@compiled
def survival_at(order: Ints, day: Floats, event: Floats, m: int, moment: float) -> Three:
    """Return percent of the Kaplan–Meier curve at a day, with log-log limits."""
    at_risk, survival, error, i = float(m), 1.0, 0.0, 0
    while i < m and day[order[i]] <= moment:
        now, first, d = day[order[i]], i, 0.0
        while i < m and day[order[i]] == now:
            d += event[order[i]]
            i += 1
        left = at_risk - d
        survival *= left / at_risk
        if left > 0:
            error += d / (at_risk * left)
        at_risk -= i - first
    if i == 0 and m > 0:
        return 100.0, 100.0, 100.0
    if survival == 0:
        return 0.0, math.nan, math.nan
    if i == m:
        last = day[order[m - 1]] if m else -math.inf
        if moment > last:
            return math.nan, math.nan, math.nan
    if survival == 1:
        return 100.0, math.nan, math.nan
    power = math.exp(Z * math.sqrt(error) / math.log(survival))
    return 100.0 * survival, 100.0 * survival ** (1.0 / power), 100.0 * survival**power


@compiled
def hazard_ratio(
    order: Ints, key: Floats, event: Floats, value: Floats, m: int, start: float
) -> tuple[float, float, float, float]:
    """Return Cox's hazard ratio of one covariate by strata, Efron's ties, and its Wald limits.

    `start` is a log hazard ratio to begin from; the fourth number is that found.
    """
    none = math.nan, math.nan, math.nan, 0.0
    low, high, events = math.inf, -math.inf, 0.0
    for i in range(m):
        one = order[i]
        low, high, events = min(low, value[one]), max(high, value[one]), events + event[one]
    spread = high - low
    if events == 0 or not spread > 0:
        return none
    beta = start
    for _ in range(MOST_STEPS):
        ratio = math.exp(beta)
        score, information = 0.0, 0.0
        s0, s1, s2, stratum, i = 0.0, 0.0, 0.0, -1.0, m - 1
        while i >= 0:
            now = key[order[i]]
            if math.floor(now / APART) != stratum:
                s0, s1, s2, stratum = 0.0, 0.0, 0.0, math.floor(now / APART)
            t0, t1, t2, d = 0.0, 0.0, 0.0, 0
            while i >= 0 and key[order[i]] == now:
                one = order[i]
                x = value[one] - low
                theta = 1.0 if x == 0 else ratio if x == 1 else math.exp(beta * x)
                s0 += theta
                s1 += theta * x
                s2 += theta * x * x
                if event[one]:
                    t0 += theta
                    t1 += theta * x
                    t2 += theta * x * x
                    score += x
                    d += 1
                i -= 1
            for taken in range(d):
                share = taken / d
                total = s0 - share * t0
                mean = (s1 - share * t1) / total
                score -= mean
                information += (s2 - share * t2) / total - mean * mean
        if not information * spread * spread > SILENT:
            return none
        step = score / information
        longest = LONGEST / spread
        beta += min(max(step, -longest), longest)
        if not abs(beta) * spread < FARTHEST:
            return none
        if abs(step) * spread < SETTLED:
            width = Z / math.sqrt(information)
            return math.exp(beta), math.exp(beta - width), math.exp(beta + width), beta
    return none


@compiled
def rank_test(order: Ints, key: Floats, event: Floats, value: Floats, m: int) -> float:
    """Return z of the log-rank test by strata, positive where those of value 1 have more events."""
    excess, variance = 0.0, 0.0
    n, n1, stratum, i = 0.0, 0.0, -1.0, m - 1
    while i >= 0:
        now = key[order[i]]
        if math.floor(now / APART) != stratum:
            n, n1, stratum = 0.0, 0.0, math.floor(now / APART)
        d, d1 = 0.0, 0.0
        while i >= 0 and key[order[i]] == now:
            one = order[i]
            n += 1.0
            n1 += value[one]
            d += event[one]
            d1 += event[one] * value[one]
            i -= 1
        if d > 0:
            share = n1 / n
            excess += d1 - d * share
            variance += d * share * (1.0 - share) * (n - d) / max(n - 1.0, 1.0)
    return excess / math.sqrt(variance) if variance > 0 else math.nan


@compiled
def odds_ratio(tables: Floats) -> Three:
    """Return Mantel and Haenszel's odds ratio of tables (k, 4), limits by Robins and others."""
    favour, against, both, mixed, neither, compares = 0.0, 0.0, 0.0, 0.0, 0.0, False
    for k in range(tables.shape[0]):
        a, b, c, d = tables[k, 0], tables[k, 1], tables[k, 2], tables[k, 3]
        n = a + b + c + d
        if n > 1:
            compares = compares or (a + b) * (c + d) * (a + c) * (b + d) > 0
            agree, differ, r, s = (a + d) / n, (b + c) / n, a * d / n, b * c / n
            favour += r
            against += s
            both += agree * r
            mixed += agree * s + differ * r
            neither += differ * s
    if not (compares and favour > 0 and against > 0):
        return math.nan, math.nan, math.nan
    variance = (both / favour**2 + mixed / (favour * against) + neither / against**2) / 2.0
    ratio, factor = favour / against, math.exp(Z * math.sqrt(variance))
    return ratio, ratio / factor, ratio * factor


@compiled
def odds_ratios_that_print(
    first: Ints, second: Ints, size: Floats, low: Floats, high: Floats
) -> NDArray[np.bool_]:
    """Tell which pairs of counts by stratum, (a, s) and (b, s), have an odds ratio within bounds.

    `size` (2 s,) is of the strata of the first arm, then of the second; bounds (3,) are of the
    ratio and its limits.
    """
    strata = first.shape[1]
    tables, prints = np.empty((strata, 4)), np.zeros((first.shape[0], second.shape[0]), np.bool_)
    for i in range(first.shape[0]):
        for k in range(strata):
            tables[k, 0], tables[k, 1] = first[i, k], size[k] - first[i, k]
        for j in range(second.shape[0]):
            for k in range(strata):
                tables[k, 2], tables[k, 3] = second[j, k], size[strata + k] - second[j, k]
            ratio, lower, upper = odds_ratio(tables)
            prints[i, j] = (
                low[0] < ratio < high[0] and low[1] < lower < high[1] and low[2] < upper < high[2]
            )
    return prints
