# SPDX-License-Identifier: Apache-2.0
"""Rows in the order of their times, sorted once for every estimator of one data set.

Sorting is most of the work on millions of rows. Times are sorted by the leading 33 bits of their
binary form, eleven at a time, on all cores; the few that differ further down are put right by
insertion. Rows fewer than `LARGE` are left to numpy.
"""

import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radioligand.statistics.observations import (
    Faults,
    Floats,
    Ints,
    Observations,
    OrderedTimes,
    Rows,
    check_times,
    numbers,
)

LARGE = 50_000  # rows from which compiled loops are worth their import
NEAR = float(np.sqrt(np.finfo(float).eps))  # times nearer than this are one time, as R has it
PIECE, MOST_PIECES = 50_000, 16  # rows that are worth a thread, and pieces that are enough

Result = TypeVar("Result")


def in_order(time: ArrayLike) -> OrderedTimes:
    """Sort `time`, (n,) whole days, once; the answer is given as `time` to any estimator here.

    Worth its line where several questions are asked of the same hundred thousand rows or more.

    Raises ValueError that names each fault of the times.
    """
    if isinstance(time, OrderedTimes):
        return time
    faults = Faults()
    plain = numbers("time", time, faults)
    check_times("time", plain, faults)
    if not faults and not plain.size:
        faults.append("There are no rows: time is empty.")
    faults.refuse()
    return ordered(plain)


def is_large(n: int) -> bool:
    """Tell whether n rows are worth a compiled loop, in which a row's number has 32 bits."""
    return LARGE <= n < 2**32


def pieces_of(n: int) -> list[tuple[int, int]]:
    """Cut n rows into pieces that are worth a thread each.

    The number of cores has no say: sums of pieces must not depend on the machine.
    """
    return cut(n, max(1, min(MOST_PIECES, n // PIECE)))


def cut(n: int, many: int) -> list[tuple[int, int]]:
    """Cut n rows into so many pieces, (begin, end) each."""
    return list(pairwise(n * code // many for code in range(many + 1)))


def on_all_cores(task: Callable[..., Result], pieces: Sequence[tuple[Any, ...]]) -> list[Result]:
    """Call `task` with the arguments of each piece; return what it returned, in order."""
    threads = min(cores(), len(pieces))
    if threads < 2:
        return [task(*piece) for piece in pieces]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda piece: task(*piece), pieces))


def cores() -> int:
    """Count the processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def order_of(rows: Observations) -> OrderedTimes:
    """Return the order of the rows' times, which may be known."""
    return ordered(rows.time) if rows.order is None else rows.order


def ordered(times: Floats) -> OrderedTimes:
    """Sort times that are not negative; rows with equal times stay as they came."""
    if is_large(times.size):
        row, ascending = radix_sort(loopable(times))
        merge_near(ascending)
        return OrderedTimes(time=times, row=row, ascending=ascending)
    row = np.argsort(times, kind="stable")
    values, rank = distinct(times)
    return OrderedTimes(time=times, row=row, ascending=values[rank[row]])


def by_stratum_and_time(order: OrderedTimes, stratum: Ints | None) -> tuple[Rows, Floats, Ints]:
    """Return rows and times by stratum and then by time, and where each stratum begins, (k,)."""
    if stratum is None:
        return order.row, order.ascending, np.zeros(1, np.intp)
    from radioligand.statistics import kernels

    size = np.bincount(stratum)
    first = np.cumsum(size) - size
    row, ascending = np.empty_like(order.row), np.empty_like(order.ascending)
    kernels.part_strata(order.row, order.ascending, loopable(stratum), first.copy(), row, ascending)
    return row, ascending, first


def distinct(times: Floats, *, order: OrderedTimes | None = None) -> tuple[Floats, Ints]:
    """Return the distinct times, ascending, and each row's place among them.

    Times that differ by rounding alone are one; the first of them stands for all.
    """
    if is_large(times.size):
        from radioligand.statistics import kernels

        order = ordered(times) if order is None else order
        rank = np.empty(times.size, np.intp)
        kernels.rank_rows(order.row, order.ascending, rank)
        return order.ascending[cell_ends(order.ascending)[:-1]], rank
    values, rank = np.unique(times, return_inverse=True)
    apart = np.diff(values) > nearness(float(values.mean()))
    if not apart.all():
        rank = np.concatenate([[0], np.cumsum(apart)])[rank]
        values = values[np.concatenate([[True], apart])]
    return values, rank


def nearness(mean: float) -> float:
    """Return the largest step between distinct times of this mean that is rounding alone."""
    return NEAR * max(1.0, mean)


def cell_ends(ascending: Floats) -> Ints:
    """Return where each distinct value begins, and where the last one ends."""
    changes = np.flatnonzero(ascending[1:] != ascending[:-1])
    ends = np.zeros(changes.size + 2, np.intp)
    np.add(changes, 1, out=ends[1:-1])
    ends[-1] = ascending.size
    return ends


def radix_sort(values: Floats) -> tuple[Rows, Floats]:
    """Return the rows in ascending order of values that are not negative, and the values.

    The highest digit parts the rows, and each part is then sorted by itself. Of equal values the
    rows stay as they came.
    """
    from radioligand.statistics import kernels

    n = values.size
    least, most = (int(np.abs(one).view(np.uint64)) for one in (values.min(), values.max()))
    width = (most - least).bit_length()
    base, top = np.uint64(least), max(0, width - kernels.DIGIT)
    low = max(0, width - kernels.LEADING)
    pieces = pieces_of(n)
    counts = np.zeros((len(pieces), kernels.PLACES), np.intp)
    on_all_cores(
        kernels.count_digit,
        [
            (values.view(np.uint64), base, np.uint64(top), own, *one)
            for own, one in zip(counts, pieces, strict=True)
        ],
    )
    by_digit = counts.T.ravel()  # of each digit, the first piece's first
    places = (np.cumsum(by_digit) - by_digit).reshape(counts.T.shape).T.copy()
    bits, row = np.empty(n, np.uint64), np.empty(n, np.uint32)
    on_all_cores(
        kernels.place_digit,
        [
            (values.view(np.uint64), base, np.uint64(top), own, bits, row, *one)
            for own, one in zip(places, pieces, strict=True)
        ],
    )
    ends = np.concatenate([[0], np.cumsum(counts.sum(0))])
    mended = on_all_cores(
        kernels.sort_parts,
        [(bits, row, base, low, top, ends, *one) for one in neighbours(ends)],
    )
    if not all(mended):
        row = np.argsort(values, kind="stable").astype(np.uint32)
        return row, values[row]
    return row, bits.view(np.float64)


def neighbours(ends: Ints) -> list[tuple[int, int]]:
    """Gather parts, each from one end to the next, into shares worth a thread each."""
    many = len(pieces_of(int(ends[-1])))
    shares = np.searchsorted(ends, np.arange(1, many) * (ends[-1] / many))
    return list(pairwise([0, *np.unique(shares).tolist(), ends.size - 1]))


def merge_near(ascending: Floats) -> None:
    """Make equal, in place, what `distinct` takes as one."""
    from radioligand.statistics import kernels

    total, many, least = kernels.spacing(ascending, 0, ascending.size)
    apart = nearness(total / many)
    if least <= apart:
        kernels.merge_near(ascending, apart)


def loopable(values: NDArray[Any]) -> NDArray[Any]:
    """Return `values` as compiled loops take them: in one piece, and free to be written to."""
    return np.require(values, requirements=["C", "A", "W"])
