# SPDX-License-Identifier: Apache-2.0
"""Two arms compared in one pass over the sorted days of a trial, compiled.

Each does for a few hundred subjects, in microseconds, what `statistics` does for any data; tests
hold the two equal.
"""

import math

import numpy as np

from radioligand.simulation.counters import Whole, Words, lean
from radioligand.simulation.model import (
    ARM,
    BELOW_DAY,
    BELOW_LEAVING,
    BELOW_STRATUM,
    BUCKETS,
    DAY,
    ENTRY,
    EVENT,
    MOST_STRATA,
    RESPONDS,
    SEEN,
    STRATUM,
)
from radioligand.statistics.observations import Floats

NEAR = 1e-9  # of a half: a plateau of the curve there
SETTLED = 1e-5  # step of the log hazard ratio, whose error falls as its cube, after the last one
MOST_STEPS, FAR = 40, 30.0
BITS_DAY, BITS_STRATUM, ONE = np.uint64(BELOW_DAY), np.uint64(BELOW_STRATUM), np.uint64(1)
BITS_LEAVING = np.uint64(BELOW_LEAVING)
STRATA = np.uint64(MOST_STRATA - 1)
CODES = (1 << BELOW_DAY) + 1
CODE = np.uint64(CODES - 2)
HALF = np.int64(32)  # of a number that holds one for each arm, control in the lower half
LOW = np.int64(0xFFFFFFFF)


@lean
def sort_days(
    subjects: Whole, entered: int, stratified: bool, scans: bool, bucket: Whole, keys: Words
) -> None:
    """Write day, event, stratum and arm of each subject as one number, sorted, to `keys[1]`.

    Of a day events come before those who leave, who are still at risk, and those of a stratum side
    by side. Numbers are put into buckets of some days each, and then in order by insertion. If days
    are those of `scans` many are the same, and numbers are put in order of all but the day first.
    """
    unordered, ordered = keys[0, :entered], keys[1, :entered]
    last = 1
    for i in range(entered):
        stratum = subjects[STRATUM, i] if stratified else 0
        code = ((1 - subjects[EVENT, i]) << BELOW_LEAVING) | (stratum << BELOW_STRATUM)
        unordered[i] = np.uint64((subjects[DAY, i] << BELOW_DAY) | code | subjects[ARM, i])
        last = max(last, int(subjects[DAY, i]))
    if scans:
        bucket[:CODES] = 0
        for i in range(entered):
            bucket[(unordered[i] & CODE) + ONE] += 1
        for place in range(1, CODES):
            bucket[place] += bucket[place - 1]
        for i in range(entered):
            code = unordered[i] & CODE
            ordered[bucket[code]] = unordered[i]
            bucket[code] += 1
        for i in range(entered):
            unordered[i] = ordered[i]
    shift = BITS_DAY
    while last >= BUCKETS:
        last >>= 1
        shift += ONE
    bucket[: last + 2] = 0
    for i in range(entered):
        bucket[np.int64(unordered[i] >> shift) + 1] += 1
    for place in range(1, last + 1):
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


@lean
def note_events(
    ordered: Words, at_risk: Whole, risk: Floats, tied: Whole, several: Whole, falls: Whole
) -> tuple[int, int, int, int]:
    """Go up the sorted days and note each event.

    Returns how many times of strata with an event there are, how many of them have several, and the
    events of either arm. `risk` and `tied` tell of each such time who is at risk, who has the
    event, how many of them are of the experimental arm, and the stratum; `several` where there is
    more than one event. `falls` tells of each event of an arm its day and how many of the arm are
    left: what a curve falls by. What is no event is written down as well, and overwritten by the
    next, which is faster than to ask.
    """
    at_risk[:] = 0
    for key in ordered:
        at_risk[(key >> BITS_STRATUM) & STRATA] += np.int64(1) << (HALF * np.int64(key & ONE))
    left = np.int64(0)
    for stratum in range(at_risk.size):
        left += at_risk[stratum]
    times, many, events, previous = np.int64(0), np.int64(0), np.int64(0), np.uint64(0)
    for key in ordered:
        arm, event = np.int64(key & ONE), 1 - np.int64((key >> BITS_LEAVING) & ONE)
        stratum = (key >> BITS_STRATUM) & STRATA
        half = HALF * arm
        own = np.int64(1) << half
        falls[arm, (events >> half) & LOW] = (np.int64(key >> BITS_DAY) << HALF) | (
            (left >> half) & LOW
        )
        moment = key >> ONE
        if (moment == previous) & (event == 1):
            several[many] = times - 1
            many += tied[0, times - 1] == 1
            tied[0, times - 1] += 1
            tied[1, times - 1] += arm
        else:
            here = at_risk[stratum]
            risk[0, times], risk[1, times] = float(here & LOW), float(here >> HALF)
            tied[0, times], tied[1, times], tied[2, times] = 1, arm, np.int64(stratum)
            times += event
        previous = moment
        events += event << half
        left -= own
        at_risk[stratum] -= own
    return int(times), int(many), int(events & LOW), int(events >> HALF)


@lean
def added(values: Floats) -> float:
    """Return the sum, taken in eight lanes on every machine."""
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    whole = values.size - values.size % 8
    for k in range(0, whole, 8):
        a += values[k]
        b += values[k + 1]
        c += values[k + 2]
        d += values[k + 3]
        e += values[k + 4]
        f += values[k + 5]
        g += values[k + 6]
        h += values[k + 7]
    for k in range(whole, values.size):
        a += values[k]
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@lean
def rank_test(risk: Floats, tied: Whole, work: Floats) -> float:
    """Return z of the log-rank test at the noted times, nan if no event compares the arms."""
    times = tied.shape[1]
    for k in range(times):
        d, n = tied[0, k], risk[0, k] + risk[1, k]
        share = risk[1, k] / n
        work[0, k] = tied[1, k] - d * share
        work[1, k] = d * share * (1.0 - share) * (n - d) / max(n - 1.0, 1.0)
    excess, variance = added(work[0, :times]), added(work[1, :times])
    return excess / math.sqrt(variance) if variance > 0 else math.nan


@lean
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


@lean
def hazard_ratio(risk: Floats, tied: Whole, several: Whole, work: Floats) -> tuple[float, float]:
    """Fit Cox's model with Efron's ties to the noted times: log hazard ratio, standard error.

    By Halley's method. Both are nan if an arm has no event, or steps run away.
    """
    times = tied.shape[1]
    total = of_experimental = np.int64(0)
    for k in range(times):
        total += tied[0, k]
        of_experimental += tied[1, k]
    if of_experimental == 0 or of_experimental == total:
        return math.nan, math.nan
    beta = 0.0
    for _ in range(MOST_STEPS):
        ratio = math.exp(beta)
        for k in range(times):
            hazard = risk[1, k] * ratio
            one = hazard / (hazard + risk[0, k])
            spread = one * (1.0 - one)
            work[0, k], work[1, k], work[2, k] = one, spread, spread * (1.0 - 2.0 * one)
        mean, information = added(work[0, :times]), added(work[1, :times])
        change = added(work[2, :times])
        for k in several:
            d = tied[0, k]
            for taken in range(1, d):
                part = taken / d
                hazard = (risk[1, k] - part * tied[1, k]) * ratio
                one = hazard / (hazard + risk[0, k] - part * (d - tied[1, k]))
                spread = one * (1.0 - one)
                mean += one
                information += spread
                change += spread * (1.0 - 2.0 * one)
        score = of_experimental - mean
        curved = information + 0.5 * score * change / information
        step = score / (curved if curved > 0.5 * information else information)
        beta += step
        if not abs(beta) < FAR:
            return math.nan, math.nan
        if abs(step) < SETTLED:
            return beta, 1.0 / math.sqrt(information + change * step)
    return math.nan, math.nan


@lean
def medians(ordered: Words, falls: Whole, control: int, experimental: int) -> tuple[float, float]:
    """Return the days on which the curves of both arms fall to one half, as `median_of` does."""
    return (
        median_of(ordered, falls[0, :control], np.uint64(0)),
        median_of(ordered, falls[1, :experimental], np.uint64(1)),
    )


@lean
def median_of(ordered: Words, falls: Whole, arm: np.uint64) -> float:
    """Return the day on which the curve of an arm falls to one half.

    Where a curve equals one half along a plateau it is the plateau's middle, as in R; a curve that
    ends on it has its last day as the plateau's end. nan if a curve does not fall so far.
    """
    survival, plateau = 1.0, -1.0
    for fall in falls:
        survival *= 1.0 - 1.0 / float(fall & LOW)
        if survival < 0.5 + NEAR:
            day = float(fall >> HALF)
            if plateau >= 0:
                return (plateau + day) / 2.0
            if survival < 0.5 - NEAR:
                return day
            plateau = day
    if plateau >= 0:
        for i in range(ordered.size - 1, -1, -1):
            if ordered[i] & ONE == arm:
                return (plateau + float(ordered[i] >> BITS_DAY)) / 2.0
    return math.nan


@lean
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
    excess = variance = 0.0
    control = experimental = control_responders = experimental_responders = 0.0
    for stratum in range(table.shape[0]):
        one = table[stratum]
        n_control, n_experimental = one[0, 0] + one[0, 1], one[1, 0] + one[1, 1]
        n, responders = n_control + n_experimental, one[0, 1] + one[1, 1]
        control += n_control
        experimental += n_experimental
        control_responders += one[0, 1]
        experimental_responders += one[1, 1]
        if n > 1:
            excess += one[1, 1] - n_experimental * responders / n
            spread = n_experimental * responders * n_control * (n - responders)
            variance += spread / (n * n * (n - 1.0))
    z = excess / math.sqrt(variance) if variance > 0 else math.nan
    return z, control_responders / control, experimental_responders / experimental
