# SPDX-License-Identifier: Apache-2.0
"""Simulated annealing over the draws of each subject, compiled: a million steps take seconds.

Subjects are n, draws of each k, targets t. Of these the first c are counts, kept as a running
tally; the others are measured of the cohort anew where a changed subject moves them.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radioligand.evidence.measure_kernels import (
    APART,
    curve_median,
    hazard_ratio,
    in_order,
    middle,
    odds_ratio,
    rank_test,
    survival_at,
)
from radioligand.evidence.targets import FAR
from radioligand.simulation.counters import mixed
from radioligand.statistics.kernels import compiled
from radioligand.statistics.observations import Floats, Ints

COUNT, MIDDLE, ODDS_RATIO, CURVE_MEDIAN, SURVIVAL, RANK_TEST, HAZARD_RATIO = range(7)
KEY, EVENT, VALUE = range(3)  # rows that a target reads
ALONE, TOGETHER = 0.45, 0.6  # up to where a random number asks for one or two subjects at random
TRIES = 12  # draws looked at for one that counts as another does
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
BITS, SHIFT = 1.0 / (1 << 53), np.uint64(11)


class Asking(NamedTuple):
    """The targets, those that are counts first: how each is measured, and what is printed."""

    statistic: Ints  # (t,)
    row: Ints  # (t, 3) of the pool's rows: key, event and value
    unit: Floats  # (t,) days of a month, the day of a survival, or the sides of a test
    numbers: Ints  # (t,) how many numbers are printed
    printed: Floats  # (t, 3), nan: not estimated
    low: Floats  # (t, 3) above this, and below `high`, a number prints the same
    high: Floats
    scale: Floats  # (t,)
    weight: Floats  # (t,)
    least: Floats  # (t,) what a number counts that prints otherwise, however near; below 1


class Draws(NamedTuple):
    """What the targets read of each draw of each subject."""

    counted: Ints  # (k, n, c) 1: is counted
    alike: Ints  # (k, n) equal numbers are counted alike in all targets
    rows: Floats  # (k, n, rows) keys, events and values, see measure_kernels
    movers: NDArray[np.bool_]  # (t, n) whose draws differ in what a target reads


class Walk(NamedTuple):
    """Where a search is: arrays that it changes."""

    draws: Ints  # (n,)
    best: Ints  # (n,) the draws at the lowest distance so far
    lowest: Floats  # (1,)
    tally: Floats  # (c,)
    cohort: Floats  # (rows, n)
    order: Ints  # (t, n) subjects by their key
    start: Floats  # (t,) log hazard ratios last found
    away: Floats  # (t,) weighted distances
    tables: Floats  # (strata, 4) room to count in
    random: NDArray[np.uint64]  # (2,) state and seed


@compiled
def uniform(state: NDArray[np.uint64]) -> float:
    """Return the next random number from 0 to 1, without 0 and 1."""
    state[0] += GOLDEN
    bits = mixed(state[0] ^ state[1]) >> SHIFT
    return BITS * float(bits) + BITS / 2.0


@compiled
def numbers_of(
    t: int, asking: Asking, cohort: Floats, order: Ints, start: Floats, tables: Floats
) -> tuple[float, float, float]:
    """Measure a target, other than a count, of a cohort."""
    statistic, unit = asking.statistic[t], asking.unit[t]
    key, event = cohort[asking.row[t, KEY]], cohort[asking.row[t, EVENT]]
    value, own = cohort[asking.row[t, VALUE]], order[t]
    if statistic == ODDS_RATIO:
        tables[:] = 0.0
        for i in range(key.size):
            if key[i] < math.inf:
                cell = 2 * (1 - int(value[i])) + 1 - int(event[i])
                tables[int(key[i] / APART), cell] += 1.0
        return odds_ratio(tables)
    m = in_order(own, key)
    if statistic == MIDDLE:
        return middle(own, key, m)
    if statistic == CURVE_MEDIAN:
        a, b, c = curve_median(own, key, event, m)
        return a / unit, b / unit, c / unit
    if statistic == SURVIVAL:
        return survival_at(own, key, event, m, unit)
    if statistic == RANK_TEST:
        z = rank_test(own, key, event, value, m)
        if unit == 2:
            return math.erfc(abs(z) / math.sqrt(2.0)), math.nan, math.nan
        return math.erfc(-z / math.sqrt(2.0)) / 2.0, math.nan, math.nan
    a, b, c, found = hazard_ratio(own, key, event, value, m, start[t])
    if math.isnan(a) and start[t] != 0:
        a, b, c, found = hazard_ratio(own, key, event, value, m, 0.0)
    start[t] = found
    return a, b, c


@compiled
def distance_of(t: int, asking: Asking, found: tuple[float, float, float]) -> float:
    """Return the weighted distance of a target, as `Target.distance` has it."""
    total = 0.0
    for number in range(asking.numbers[t]):
        value, printed = found[number], asking.printed[t, number]
        if math.isnan(printed) or math.isnan(value):
            total += 0.0 if math.isnan(printed) and math.isnan(value) else FAR
        elif not asking.low[t, number] < value < asking.high[t, number]:
            least = asking.least[t]
            units = least + (1.0 - least) * abs(value - printed) / asking.scale[t]
            total += units if units <= 1 else min(FAR, 1.0 + math.log(units))
    return total * float(asking.weight[t])


@compiled
def count_distance(t: int, asking: Asking, tally: float) -> float:
    """Return the weighted distance of a target that is a count."""
    return distance_of(t, asking, (tally, math.nan, math.nan))


@compiled
def restart(pool: Draws, asking: Asking, walk: Walk) -> None:
    """Go to the walk's best draws and measure every target there."""
    c = walk.tally.size
    walk.draws[:] = walk.best
    walk.tally[:] = 0.0
    for i in range(walk.draws.size):
        for t in range(c):
            walk.tally[t] += pool.counted[walk.draws[i], i, t]
        walk.cohort[:, i] = pool.rows[walk.draws[i], i]
    for t in range(walk.away.size):
        if t < c:
            walk.away[t] = count_distance(t, asking, walk.tally[t])
        else:
            found = numbers_of(t, asking, walk.cohort, walk.order, walk.start, walk.tables)
            walk.away[t] = distance_of(t, asking, found)
    walk.lowest[0] = walk.away.sum()


@compiled
def counted_as(pool: Draws, who: int, alike: int, own: int, random: NDArray[np.uint64]) -> int:
    """Look for another draw of a subject that counts alike; its own if none is met with."""
    k = pool.alike.shape[0]
    for _ in range(TRIES):
        tried = int(uniform(random) * k)
        if pool.alike[tried, who] == alike and tried != own:
            return tried
    return own


@compiled
def whom(pool: Draws, walk: Walk) -> int:
    """Choose a subject at random, or half the time one who may move a target that is not met."""
    random, n = walk.random, walk.draws.size
    i = int(uniform(random) * n)
    if uniform(random) < 0.5:
        return i
    for _ in range(TRIES):
        t = int(uniform(random) * walk.away.size)
        if walk.away[t] > 0:
            for _ in range(TRIES):
                if pool.movers[t, i]:
                    return i
                i = int(uniform(random) * n)
    return i


@compiled
def propose(pool: Draws, walk: Walk, who: Ints, drawn: Ints) -> None:
    """Choose two subjects, or one twice, and new draws for them.

    One or two get any draw; or one gets a draw that counts as its own does; or two of an arm get
    draws that count as the other's did, so that no count changes but those of strata do.
    """
    k, n = pool.alike.shape
    random, draws, kind = walk.random, walk.draws, uniform(walk.random)
    who[0] = who[1] = whom(pool, walk)
    if kind < ALONE:
        drawn[0] = drawn[1] = int(uniform(random) * k)
        return
    if kind < TOGETHER:
        who[1] = int(uniform(random) * n)
        drawn[0], drawn[1] = int(uniform(random) * k), int(uniform(random) * k)
        if who[0] == who[1]:
            drawn[1] = drawn[0]
        return
    own = draws[who[0]]
    alike = pool.alike[own, who[0]]
    for _ in range(TRIES):
        other = int(uniform(random) * n)
        theirs = draws[other]
        if pool.alike[theirs, other] != alike:
            first = counted_as(pool, who[0], pool.alike[theirs, other], own, random)
            if first != own:
                second = counted_as(pool, other, alike, theirs, random)
                if second != theirs:
                    who[1], drawn[0], drawn[1] = other, first, second
                    return
        if kind < (1.0 + TOGETHER) / 2:
            break
    drawn[0] = drawn[1] = counted_as(pool, who[0], alike, own, random)


@compiled
def moves(pool: Draws, asking: Asking, t: int, i: int, old: int, new: int) -> bool:
    """Tell whether a new draw of a subject changes what a target reads."""
    for part in range(3):
        row = asking.row[t, part]
        if pool.rows[old, i, row] != pool.rows[new, i, row]:
            return True
    return False


@compiled
def wander(
    pool: Draws, asking: Asking, walk: Walk, hot: float, cold: float, first: int, last: int, of: int
) -> None:
    """Take the steps [first, last) of `of`, while heat falls from hot to cold as a power.

    A change for the worse by x is kept with probability exp(-x / heat). Ends when all is met.
    """
    targets, c = walk.away.size, walk.tally.size
    who, drawn, old = np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(2, np.int64)
    tally, away = np.empty(c), np.empty(targets)
    total = walk.away.sum()
    for step in range(first, last):
        if walk.lowest[0] == 0:
            return
        propose(pool, walk, who, drawn)
        size = 1 if who[0] == who[1] else 2
        heat = hot * (cold / hot) ** (step / of)
        affordable = total - heat * math.log(uniform(walk.random))
        tally[:], away[:] = walk.tally, walk.away
        for one in range(size):
            i = who[one]
            old[one] = walk.draws[i]
            for t in range(c):
                tally[t] += pool.counted[drawn[one], i, t] - pool.counted[old[one], i, t]
        moved = 0.0
        for t in range(c):
            if tally[t] != walk.tally[t]:
                away[t] = count_distance(t, asking, tally[t])
            moved += away[t]
        for t in range(c, targets):
            touched = False
            for one in range(size):
                touched = touched or moves(pool, asking, t, who[one], old[one], drawn[one])
            if touched:
                away[t] = -1.0  # to be measured
            else:
                moved += away[t]
        if moved > affordable:
            continue
        for one in range(size):
            walk.cohort[:, who[one]] = pool.rows[drawn[one], who[one]]
        for t in range(c, targets):
            if away[t] < 0 and moved <= affordable:
                found = numbers_of(t, asking, walk.cohort, walk.order, walk.start, walk.tables)
                away[t] = distance_of(t, asking, found)
                moved += away[t]
        if moved > affordable:
            for one in range(size):
                walk.cohort[:, who[one]] = pool.rows[old[one], who[one]]
            continue
        for one in range(size):
            walk.draws[who[one]] = drawn[one]
        walk.tally[:], walk.away[:] = tally, away
        total = away.sum()
        if total < walk.lowest[0]:
            walk.lowest[0] = total
            walk.best[:] = walk.draws


@compiled
def changes_of(i: int, pool: Draws, asking: Asking, walk: Walk) -> Floats:
    """Return the distances of every target, (k, t), for each draw that a subject may get instead.

    The walk is left as it was.
    """
    several, targets, c = pool.alike.shape[0], walk.away.size, walk.tally.size
    found, own = np.empty((several, targets)), walk.draws[i]
    for new in range(several):
        found[new] = walk.away
        walk.cohort[:, i] = pool.rows[new, i]
        for t in range(c):
            change = pool.counted[new, i, t] - pool.counted[own, i, t]
            if change != 0:
                found[new, t] = count_distance(t, asking, walk.tally[t] + change)
        for t in range(c, targets):
            if moves(pool, asking, t, i, own, new):
                numbers = numbers_of(t, asking, walk.cohort, walk.order, walk.start, walk.tables)
                found[new, t] = distance_of(t, asking, numbers)
    walk.cohort[:, i] = pool.rows[own, i]
    return found
