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

    They are put into buckets of some days each, and then in order of days by insertion; those of a
    day stay as they came.
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
        while j > 0 and ordered[j - 1] >> BITS_DAY > key >> BITS_DAY:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = key
    return ordered


@compiled
def note_events(
    ordered: Words, at_risk: Floats, gone: Floats, risk: Floats, tied: Whole, falls: Whole
) -> tuple[int, int]:
    """Go up the sorted days and note each event: how many times of strata, how many events.

    `risk` and `tied` tell of each time of an event in a stratum who is at risk, who has it, how
    many of them are of the experimental arm, and the stratum. `falls` tells of each event its day,
    its arm and how many of the arm are left: what a curve falls by. What is no event is written
    down as well, and overwritten by the next, which is faster than to ask.
    """
    at_risk[:] = 0.0
    gone[:] = 0.0
    for key in ordered:
        at_risk[np.int64((key >> ONE) & ONE), np.int64((key & CODE) >> BITS_STRATUM)] += 1.0
    control_left, experimental_left = np.int64(at_risk[0].sum()), np.int64(at_risk[1].sum())
    times, events, i = np.int64(0), np.int64(0), 0
    while i < ordered.size:
        first, day = i, ordered[i] >> BITS_DAY
        i += 1
        if i == ordered.size or ordered[i] >> BITS_DAY != day:  # one subject alone
            key = ordered[first]
            stratum = np.int64((key & CODE) >> BITS_STRATUM)
            arm, event = np.int64((key >> ONE) & ONE), np.int64(key & ONE)
            risk[0, times], risk[1, times] = at_risk[0, stratum], at_risk[1, stratum]
            tied[0, times], tied[1, times], tied[2, times] = 1, arm, stratum
            falls[0, events], falls[1, events] = np.int64(day), arm
            falls[2, events] = experimental_left if arm else control_left
            times += event
            events += event
            at_risk[arm, stratum] -= 1.0
            experimental_left -= arm
            control_left -= 1 - arm
            continue
        while i < ordered.size and ordered[i] >> BITS_DAY == day:
            i += 1
        for key in ordered[first:i]:  # events before the others: who leaves is still at risk
            arm, event = np.int64((key >> ONE) & ONE), np.int64(key & ONE)
            gone[arm, np.int64((key & CODE) >> BITS_STRATUM)] += event
            falls[0, events], falls[1, events] = np.int64(day), arm
            falls[2, events] = experimental_left if arm else control_left
            events += event
            experimental_left -= arm * event
            control_left -= (1 - arm) * event
        for own in range(gone.shape[1]):
            d = np.int64(gone[0, own] + gone[1, own])
            risk[0, times], risk[1, times] = at_risk[0, own], at_risk[1, own]
            tied[0, times], tied[1, times] = d, np.int64(gone[1, own])
            tied[2, times] = own
            times += np.int64(d > 0)
            gone[0, own] = gone[1, own] = 0.0
        for key in ordered[first:i]:
            arm, other = np.int64((key >> ONE) & ONE), 1 - np.int64(key & ONE)
            at_risk[arm, np.int64((key & CODE) >> BITS_STRATUM)] -= 1.0
            experimental_left -= arm * other
            control_left -= (1 - arm) * other
    return int(times), int(events)


@compiled
def rank_test(risk: Floats, tied: Whole, work: Floats) -> float:
    """Return z of the log-rank test at the noted times, nan if no event compares the arms."""
    events, of_experimental = tied[0], tied[1]
    control, experimental = risk
    shares, spreads = work
    for k in range(events.size):
        d, n = events[k], control[k] + experimental[k]
        share = experimental[k] / n
        shares[k] = of_experimental[k] - d * share
        spreads[k] = d * share * (1.0 - share) * (n - d) / max(n - 1.0, 1.0)
    excess, variance = 0.0, 0.0
    for k in range(events.size):
        excess += shares[k]
        variance += spreads[k]
    return excess / math.sqrt(variance) if variance > 0 else math.nan


@compiled
def weighted_rank_test(
    risk: Floats, tied: Whole, rho: float, gamma: float, survival: Floats
) -> float:
    """Return z of Fleming and Harrington's test: an event weighs S^rho (1 - S)^gamma.

    S is the survival of its stratum just before. nan if no event compares the arms.
    """
    survival[:] = 1.0
    excess, variance = 0.0, 0.0
    for k in range(tied.shape[1]):
        d, n, s = tied[0, k], risk[0, k] + risk[1, k], survival[tied[2, k]]
        share, weight = risk[1, k] / n, s**rho * (1.0 - s) ** gamma
        excess += weight * (tied[1, k] - d * share)
        spread = d * share * (1.0 - share) * (n - d) / max(n - 1.0, 1.0)
        variance += weight * weight * spread
        survival[tied[2, k]] = s * (n - d) / n
    return excess / math.sqrt(variance) if variance > 0 else math.nan


@compiled
def hazard_ratio(risk: Floats, tied: Whole, share: Floats) -> tuple[float, float]:
    """Fit Cox's model with Efron's ties to the noted times: log hazard ratio, standard error.

    Both are nan if an arm has no event, or Newton's steps run away.
    """
    control, experimental = risk
    events, events_experimental = tied[0], tied[1]
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
def medians(falls: Whole, last_days: tuple[int, int]) -> tuple[float, float]:
    """Return the days on which the curves of control and experimental arm fall to one half.

    Where a curve equals one half along a plateau it is the plateau's middle, as in R; a curve that
    ends on it has its last day, of `last_days`, as the plateau's end. nan if a curve does not
    fall so far.
    """
    survival, plateau, median = np.ones(2), np.full(2, -1.0), np.full(2, math.nan)
    for k in range(falls.shape[1]):
        arm, day = falls[1, k], float(falls[0, k])
        survival[arm] *= 1.0 - 1.0 / falls[2, k]
        if survival[arm] < 0.5 + NEAR and math.isnan(median[arm]):
            if plateau[arm] >= 0:
                median[arm] = (plateau[arm] + day) / 2.0
            elif survival[arm] > 0.5 - NEAR:
                plateau[arm] = day
            else:
                median[arm] = day
            if not (math.isnan(median[0]) or math.isnan(median[1])):
                break
    for arm in range(2):
        if math.isnan(median[arm]) and plateau[arm] >= 0:
            median[arm] = (plateau[arm] + last_days[arm]) / 2.0
    return median[0], median[1]


@compiled
def last_days_of(ordered: Words) -> tuple[int, int]:
    """Return the last day of each arm, 0 of an arm without subjects."""
    control = experimental = np.int64(0)
    for i in range(ordered.size - 1, -1, -1):
        day = np.int64(ordered[i] >> BITS_DAY)
        if (ordered[i] >> ONE) & ONE:
            experimental = max(experimental, day)
        else:
            control = max(control, day)
        if control > 0 and experimental > 0:
            break
    return int(control), int(experimental)


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
