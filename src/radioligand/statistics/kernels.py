# SPDX-License-Identifier: Apache-2.0
"""Loops over millions of rows, compiled; for the data of one trial nothing here is needed.

numba takes longer to import than numpy takes for ten thousand rows, so this module is imported
only where rows are many (`ordering.is_large`). Each loop does what a plain array version elsewhere
in the room does, and tests hold the two equal. Loops work on a piece of the rows, [begin, end), and
release Python's lock, so that pieces run on all cores.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from radioligand.statistics.observations import Floats, Ints, Rows

Function = TypeVar("Function", bound=Callable[..., Any])
Bits = NDArray[np.uint64]
Bytes = NDArray[np.uint8]

DIGIT = 11  # bits sorted by in one pass: a table of so many places stays in the nearest cache
PLACES = 1 << DIGIT
LEADING = 3 * DIGIT  # bits sorted by
FEW = 32  # rows that insertion sorts best, and moves of a row at which it is given up
MAGNITUDE = np.uint64((1 << 63) - 1)  # all bits of a number but its sign


def compiled(function: Function, *, freely: frozenset[str] = frozenset()) -> Function:
    """Compile at the first call, and keep the code for the next process where that is allowed.

    `freely` names what the compiler may do to sums.
    """
    build = partial(numba.njit, nogil=True, error_model="numpy", fastmath=set(freely))
    try:
        return cast(Function, build(function, cache=True))
    except RuntimeError:  # no folder for the code may be written to
        return cast(Function, build(function))


def compiled_in_lanes(function: Function) -> Function:
    """Compile, with sums taken in any order, so that several are taken at a time."""
    return compiled(function, freely=frozenset({"contract", "reassoc"}))


# --- order ----------------------------------------------------------------------------------------


@compiled
def count_digit(
    bits: Bits, least: np.uint64, shift: np.uint64, table: Ints, begin: int, end: int
) -> None:
    """Count how many numbers have each digit.

    The bits of numbers that are not negative are in the order of the numbers; a digit is `DIGIT` of
    them, `shift` from the lowest, once those of the least number are taken away.
    """
    mask = np.uint64(PLACES - 1)
    for i in range(begin, end):
        table[np.int64((((bits[i] & MAGNITUDE) - least) >> shift) & mask)] += 1


@compiled
def place_digit(
    bits: Bits,
    least: np.uint64,
    shift: np.uint64,
    place: Ints,
    placed: Bits,
    row: Rows,
    begin: int,
    end: int,
) -> None:
    """Put each number, and its row, at the next place of its digit."""
    mask = np.uint64(PLACES - 1)
    for i in range(begin, end):
        digit = np.int64((((bits[i] & MAGNITUDE) - least) >> shift) & mask)
        placed[place[digit]], row[place[digit]] = bits[i], i
        place[digit] += 1


@compiled
def sort_parts(
    bits: Bits, row: Rows, least: np.uint64, low: int, high: int, ends: Ints, first: int, last: int
) -> bool:
    """Sort each of the parts [first, last) by itself; `ends` is where a part and the next begin.

    Within a part numbers are alike from bit `high` up, and are sorted by digits from bit `low` on.
    What lower bits leave out of order is mended by insertion, which is given up, False, if it takes
    too many moves.
    """
    mask = np.uint64(PLACES - 1)
    place = np.zeros(PLACES, np.int64)
    most = 0
    for part in range(first, last):
        most = max(most, ends[part + 1] - ends[part])
    bits_room, row_room = np.empty(most, np.uint64), np.empty(most, np.uint32)
    for part in range(first, last):
        begin, end = ends[part], ends[part + 1]
        size = end - begin
        part_bits, part_row = bits[begin:end], row[begin:end]
        from_bits, from_row, to_bits, to_row = part_bits, part_row, bits_room, row_room
        start = low  # a short part has few rows that more digits would tell apart
        if size <= FEW:
            start = high
        elif size <= 2 * PLACES:
            start = max(low, high - DIGIT)
        for lowest in range(start, high, DIGIT):
            shift = np.uint64(lowest)
            place[:] = 0
            for i in range(size):
                place[np.int64((((from_bits[i] & MAGNITUDE) - least) >> shift) & mask)] += 1
            before = 0
            for digit in range(PLACES):
                many = place[digit]
                place[digit] = before
                before += many
            for i in range(size):
                own = np.int64((((from_bits[i] & MAGNITUDE) - least) >> shift) & mask)
                to_bits[place[own]], to_row[place[own]] = from_bits[i], from_row[i]
                place[own] += 1
            from_bits, to_bits = to_bits, from_bits
            from_row, to_row = to_row, from_row
        moves = 0
        for i in range(size):
            value, here, j = from_bits[i], from_row[i], i
            while j > 0 and (part_bits[j - 1] & MAGNITUDE) > (value & MAGNITUDE):
                part_bits[j], part_row[j] = part_bits[j - 1], part_row[j - 1]
                j -= 1
            part_bits[j], part_row[j] = value, here
            moves += i - j
            if moves > FEW * size:
                return False
    return True


@compiled
def spacing(ascending: Floats, begin: int, end: int) -> tuple[float, int, float]:
    """Return the sum and the number of the distinct numbers, and the smallest step between two."""
    before = ascending[begin]
    total, many, least = before, 1, math.inf
    for i in range(begin + 1, end):
        value = ascending[i]
        if value != before:
            total += value
            many += 1
            least = min(least, value - before)
            before = value
    return total, many, least


@compiled
def merge_near(ascending: Floats, apart: float) -> None:
    """Give numbers that follow each other by no more than `apart` the first one's value."""
    first = before = ascending[0]
    for i in range(1, ascending.size):
        value = ascending[i]
        if value - before > apart:
            first = value
        before = value
        ascending[i] = first


@compiled
def part_strata(
    row: Rows, ascending: Floats, stratum: Ints, place: Ints, parted: Rows, times: Floats
) -> None:
    """Order rows by stratum and keep their order within it; `place` is where each begins."""
    for i in range(row.size):
        code = stratum[row[i]]
        parted[place[code]] = row[i]
        times[place[code]] = ascending[i]
        place[code] += 1


@compiled
def rank_rows(row: Rows, ascending: Floats, rank: Ints) -> None:
    """Number the distinct numbers from 0, and give each row the number of its own."""
    code = 0
    for i in range(row.size):
        if i > 0 and ascending[i] != ascending[i - 1]:
            code += 1
        rank[row[i]] = code


# --- curves and rank tests ------------------------------------------------------------------------


@compiled
def count_cells(
    row: Rows,
    begins: Ints,
    event: Bytes,
    weight: Floats,
    total: Floats,
    events: Floats,
    begin: int,
    end: int,
) -> None:
    """Count the rows and the events of each cell in [begin, end), or their weights if any."""
    weighted = weight.size > 0
    for cell in range(begin, end):
        first, last = begins[cell], begins[cell + 1]
        if weighted:
            all_weight, event_weight = 0.0, 0.0
            for i in range(first, last):
                here = row[i]
                all_weight += weight[here]
                if event[here]:
                    event_weight += weight[here]
            total[cell], events[cell] = all_weight, event_weight
        else:
            seen = 0
            for i in range(first, last):
                seen += event[row[i]]
            total[cell], events[cell] = last - first, seen


@compiled
def gather(row: Rows, values: NDArray[Any], gathered: NDArray[Any], begin: int, end: int) -> None:
    """Write values in the order of rows."""
    for i in range(begin, end):
        gathered[i] = values[row[i]]


@compiled
def rank_sums(
    ascending: Floats,
    mark: NDArray[np.unsignedinteger[Any]],
    power: float,
    rho: float,
    gamma: float,
    observed: Floats,
    expected: Floats,
    variance: Floats,
    begin: int,
    end: int,
) -> None:
    """Sum events, expected events (g,) and their variance (g, g) over the times of a stratum.

    A row's mark is twice its group, and one more if it has an event. An event weighs
    (at risk)^power S^rho (1 - S)^gamma, with S the survival just before it.
    """
    g = observed.size
    leaving, at_risk, share = np.zeros(2 * g), np.zeros(g), np.zeros(g)
    for i in range(begin, end):
        at_risk[mark[i] >> 1] += 1
    n, survival = float(end - begin), 1.0
    i = begin
    while i < end:
        now, first = ascending[i], i
        while i < end and ascending[i] == now:
            leaving[mark[i]] += 1
            i += 1
        d = 0.0
        for group in range(g):
            d += leaving[2 * group + 1]
        if d > 0:
            weight = 1.0
            if power != 0:
                weight = n**power
            if rho != 0:
                weight *= survival**rho
            if gamma != 0:
                weight *= (1 - survival) ** gamma
            spread = weight * weight * d * (n - d) / max(n - 1, 1.0)
            for group in range(g):
                share[group] = at_risk[group] / n
                observed[group] += weight * leaving[2 * group + 1]
                expected[group] += weight * d * share[group]
            for group in range(g):
                own = spread * share[group]
                variance[group, group] += own
                for other in range(g):
                    variance[group, other] -= own * share[other]
            survival *= (n - d) / n
        for group in range(g):
            at_risk[group] -= leaving[2 * group] + leaving[2 * group + 1]
            leaving[2 * group] = leaving[2 * group + 1] = 0
        n -= i - first
