# SPDX-License-Identifier: Apache-2.0
"""Two arms compared in one pass over the sorted days of a trial, compiled.

Each does for a few hundred subjects, in microseconds, what `statistics` does for any data; tests
hold the two equal.
"""

import math

import numpy as np

from radioligand.simulation.counters import Whole, Words
from radioligand.simulation.model import (
    ARM,
    BELOW_DAY,
    BELOW_STRATUM,
    BUCKETS,
    DAY,
    ENTRY,
    EVENT,
    RESPONDS,
    SEEN,
    STRATUM,
)
from radioligand.statistics.kernels import compiled
from radioligand.statistics.observations import Floats

NEAR = 1e-9  # of a half: a plateau of the curve there
SETTLED = 1e-10  # step of the log hazard ratio after which none is needed
MOST_STEPS, FAR = 40, 30.0
BITS_DAY, BITS_STRATUM, ONE = np.uint64(BELOW_DAY), np.uint64(BELOW_STRATUM), np.uint64(1)
CODE = np.uint64((1 << BELOW_DAY) - 1)


@compiled
def sort_days(subjects: Whole, entered: int, stratified: bool, bucket: Whole, keys: Words) -> Words:
    """Write day, stratum, arm and event of each subject as one number, and return these sorted.

    They are put into buckets of some days each, and then in order by insertion.
    """
    unordered, ordered = keys[0, :entered], keys[1, :entered]
    last = 1
    for i in range(entered):
        stratum = subjects[STRATUM, i] if stratified else 0
        code = (stratum << BELOW_STRATUM) | (subjects[ARM, i] << 1) | subjects[EVENT, i]
        unordered[i] = np.uint64((subjects[DAY, i] << BELOW_DAY) | code)
        last = max(last, int(subjects[DAY, i]))
    shift = BITS_DAY
    while last >= BUCKETS:
        last >>= 1
        shift += ONE
    bucket[:] = 0
    for i in range(entered):
        bucket[np.int64(unordered[i] >> shift) + 1] += 1
    for place in range(1, BUCKETS + 1):
        bucket[place] += bucket[place - 1]
    for i in range(entered):
        own = np.int64(unordered[i] >> shift)
        ordered[bucket[own]] = unordered[i]
        bucket[own] += 1
    for i in range(1, entered):
        key, j = ordered[i], i
        while j > 0 and ordered[j - 1] > key:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = key
    return ordered


@compiled
def rank_test(
    ordered: Words, rho: float, gamma: float, at_risk: Floats, risk: Floats, tied: Whole
) -> tuple[float, int, int]:
    """Go up the sorted days: log-rank z, events, and how many times were noted for Cox's model.

    An event weighs S^rho (1 - S)^gamma, S the survival of its stratum just before. z is nan if no
    event compares the arms. At each time of an event of a stratum, who is at risk and who has it
    is noted in `risk` and `tied`.
    """
    at_risk[:2], at_risk[2] = 0.0, 1.0
    weighted = rho != 0 or gamma != 0
    for key in ordered:
        at_risk[np.int64((key >> ONE) & ONE), np.int64((key & CODE) >> BITS_STRATUM)] += 1.0
    excess, variance, weight = 0.0, 0.0, 1.0
    events, times, i = 0, 0, 0
    while i < ordered.size:
        day, first, here = ordered[i] >> BITS_DAY, i, np.int64(0)
        while i < ordered.size and ordered[i] >> BITS_DAY == day:
            here += np.int64(ordered[i] & ONE)
            i += 1
        j = first
        while here > 0 and j < i:  # the keys of a day are by stratum
            stratum = np.int64((ordered[j] & CODE) >> BITS_STRATUM)
            d, d_experimental = np.int64(0), np.int64(0)
            while j < i and np.int64((ordered[j] & CODE) >> BITS_STRATUM) == stratum:
                seen = np.int64(ordered[j] & ONE)
                d += seen
                d_experimental += seen * np.int64((ordered[j] >> ONE) & ONE)
                j += 1
            if d == 0:
                continue
            control, experimental = at_risk[0, stratum], at_risk[1, stratum]
            n = control + experimental
            share = experimental / n
            if weighted:
                s = at_risk[2, stratum]
                weight = s**rho * (1.0 - s) ** gamma
                at_risk[2, stratum] = s * (n - d) / n
            excess += weight * (d_experimental - d * share)
            spread = d * share * (1.0 - share)
            if d > 1:
                spread *= (n - d) / (n - 1.0)
            variance += weight * weight * spread
            risk[0, times], risk[1, times] = control, experimental
            tied[0, times], tied[1, times] = d, d_experimental
            events += int(d)
            times += 1
        for j in range(first, i):
            key = ordered[j]
            at_risk[np.int64((key >> ONE) & ONE), np.int64((key & CODE) >> BITS_STRATUM)] -= 1.0
    if variance <= 0:
        return math.nan, events, times
    return excess / math.sqrt(variance), events, times


@compiled
def hazard_ratio(risk: Floats, tied: Whole) -> tuple[float, float]:
    """Fit Cox's model with Efron's ties to the noted times: log hazard ratio, standard error.

    Both are nan if an arm has no event, or Newton's steps run away.
    """
    control, experimental, share = risk
    events, events_experimental = tied
    times = events.size
    total, of_experimental, ties = 0, 0, False
    for k in range(times):
        total += events[k]
        of_experimental += events_experimental[k]
        ties = ties or events[k] > 1
    if of_experimental in (0, total):
        return math.nan, math.nan
    beta = 0.0
    for _ in range(MOST_STEPS):
        ratio = math.exp(beta)
        for k in range(times):
            hazard = experimental[k] * ratio
            share[k] = hazard / (hazard + control[k])
        summed, squares = 0.0, 0.0
        for k in range(times):
            summed += share[k]
            squares += share[k] * share[k]
        if ties:
            for k in range(times):
                d, d_experimental = events[k], events_experimental[k]
                for taken in range(1, d):
                    part = taken / d
                    hazard = (experimental[k] - part * d_experimental) * ratio
                    one = hazard / (hazard + control[k] - part * (d - d_experimental))
                    summed += one
                    squares += one * one
        information = summed - squares
        step = (of_experimental - summed) / information
        beta += step
        if not abs(beta) < FAR:
            return math.nan, math.nan
        if abs(step) < SETTLED:
            return beta, 1.0 / math.sqrt(information)
    return math.nan, math.nan


@compiled
def median_day(ordered: Words, arm: int) -> float:
    """Return the day on which the curve of an arm falls to one half.

    Where the curve equals one half along a plateau it is the plateau's middle, as in R; nan if the
    curve does not fall so far.
    """
    left = 0
    for key in ordered:
        left += np.int64((key >> ONE) & ONE) == arm
    survival, plateau, last, i = 1.0, -1.0, 0.0, 0
    while i < ordered.size:
        day = ordered[i] >> BITS_DAY
        leaving, events = 0, 0
        while i < ordered.size and ordered[i] >> BITS_DAY == day:
            own = np.int64((ordered[i] >> ONE) & ONE) == arm
            leaving += own
            events += own and np.int64(ordered[i] & ONE) == 1
            i += 1
        if leaving > 0:
            last = float(day)
        if events > 0:
            survival *= 1.0 - events / left
            if plateau >= 0:
                return (plateau + last) / 2.0
            if abs(survival - 0.5) < NEAR:
                plateau = last
            elif survival < 0.5:
                return last
        left -= leaving
    return (plateau + last) / 2.0 if plateau >= 0 else math.nan


@compiled
def response_test(
    subjects: Whole, entered: int, day: int, response_day: int, stratified: bool, table: Floats
) -> tuple[float, float, float]:
    """Compare responders known by a day of the trial: z of Cochran, Mantel and Haenszel, rates.

    z is positive where the experimental arm responds more often, nan if nothing can be compared.
    """
    table[:] = 0.0  # stratum, arm, (others, responders)
    for i in range(entered):
        followed = min(day - subjects[ENTRY, i] + 1, subjects[SEEN, i])
        responder = subjects[RESPONDS, i] if followed >= response_day else 0
        table[subjects[STRATUM, i] if stratified else 0, subjects[ARM, i], responder] += 1.0
    excess, variance = 0.0, 0.0
    rates = np.zeros((2, 2))
    for stratum in range(table.shape[0]):
        one = table[stratum]
        rates += one
        n = one.sum()
        if n > 1:
            experimental, responders = one[1].sum(), one[0, 1] + one[1, 1]
            excess += one[1, 1] - experimental * responders / n
            others = (n - experimental) * (n - responders)
            variance += experimental * responders * others / (n * n * (n - 1.0))
    z = excess / math.sqrt(variance) if variance > 0 else math.nan
    return z, rates[0, 1] / rates[0].sum(), rates[1, 1] / rates[1].sum()
