# SPDX-License-Identifier: Apache-2.0
"""Loops of Cox's model over millions of rows; as in `kernels`, each on a piece [begin, end).

`ordered_likelihood` calls them and says what they sum up to. Rows are ordered by stratum and time.
"""

import math

import numpy as np

from radioligand.statistics.kernels import Bytes, compiled, compiled_in_lanes
from radioligand.statistics.observations import Floats, Rows

FAINT = 1e-100  # the product of two such is still a number

BLOCK = 1 << 11  # rows that stay in a core's nearest cache from one loop to the next

# what a row is, in bits of one byte
EVENT, CELL, HAPPENS, STRATUM = 1, 2, 4, 8


@compiled
def column_sums(x: Floats, sums: Floats, begin: int, end: int) -> None:
    """Find the total, least and greatest of each column, sums (3, p)."""
    for j in range(x.shape[1]):
        sums[0, j], sums[1, j], sums[2, j] = 0.0, math.inf, -math.inf
    for first in range(begin, end, BLOCK):
        block = x[first : min(first + BLOCK, end)]
        for j in range(x.shape[1]):
            total, low, high = 0.0, math.inf, -math.inf
            for i in range(block.shape[0]):
                value = block[i, j]
                total += value
                low, high = min(low, value), max(high, value)
            sums[0, j] += total
            sums[1, j], sums[2, j] = min(sums[1, j], low), max(sums[2, j], high)


@compiled
def column_spread(
    x: Floats,
    event: Bytes,
    mean: Floats,
    low: Floats,
    high: Floats,
    found: Floats,
    begin: int,
    end: int,
) -> None:
    """Sum squares about the mean, and count rows and events at the least and at the greatest.

    found (5, p): squares, rows at the least, of them events, rows at the greatest, events.
    """
    found[:] = 0.0
    for first in range(begin, end, BLOCK):
        last = min(first + BLOCK, end)
        block, seen = x[first:last], event[first:last]
        for j in range(x.shape[1]):
            squares, lows, low_events, highs, high_events = 0.0, 0, 0, 0, 0
            for i in range(block.shape[0]):
                value = block[i, j]
                at_low, at_high = value == low[j], value == high[j]
                squares += (value - mean[j]) ** 2
                lows += at_low
                low_events += at_low & seen[i]
                highs += at_high
                high_events += at_high & seen[i]
            found[0, j] += squares
            found[1, j] += lows
            found[2, j] += low_events
            found[3, j] += highs
            found[4, j] += high_events


@compiled
def gather_rows(
    row: Rows, x: Floats, mean: Floats, precision: Floats, z: Floats, begin: int, end: int
) -> None:
    """Write the covariates in the order of times, less their mean, times one over their spread."""
    for i in range(begin, end):
        here = row[i]
        for j in range(x.shape[1]):
            z[i, j] = (x[here, j] - mean[j]) * precision[j]


@compiled
def mark_rows(row: Rows, ascending: Floats, event: Bytes, mark: Bytes, begin: int, end: int) -> int:
    """Mark events and beginnings of cells in [begin, end), which holds whole cells.

    Strata are marked before. Returns the number of cells with events.
    """
    happening = 0
    i = begin
    while i < end:
        first, now, seen = i, ascending[i], np.uint8(0)
        while i < end and ascending[i] == now and (i == first or not mark[i] & STRATUM):
            seen |= event[row[i]]
            mark[i] |= event[row[i]]
            i += 1
        mark[first] |= CELL
        if seen:
            mark[first] |= HAPPENS
            happening += 1
    return happening


@compiled
def sum_events(z: Floats, mark: Bytes, weight: Floats, total: Floats, begin: int, end: int) -> None:
    """Sum the covariates of the events, (p,), by weight if there is any."""
    for i in range(begin, end):
        seen = float(mark[i] & EVENT)
        if weight.size:
            seen *= weight[i]
        for j in range(total.size):
            total[j] += seen * z[i, j]


@compiled
def reach(z: Floats, beta: Floats, begin: int, end: int) -> tuple[float, float]:
    """Return the least and the greatest linear predictor."""
    low, high = math.inf, -math.inf
    for i in range(begin, end):
        linear = 0.0
        for j in range(beta.size):
            linear += z[i, j] * beta[j]
        low, high = min(low, linear), max(high, linear)
    return low, high


@compiled
def linear_predictors(z: Floats, beta: Floats, shift: float, linear: Floats) -> None:
    """Compute the linear predictors, less `shift`."""
    for i in range(linear.size):
        value = -shift
        for j in range(beta.size):
            value += z[i, j] * beta[j]
        linear[i] = value


@compiled_in_lanes
def sum_hazards(z: Floats, theta: Floats, total: Floats) -> None:
    """Add the products of theta with the covariates, and theta, to total (p + 1,)."""
    p = z.shape[1]
    if p == 1:  # sums with names of their own stay in registers
        summed, product = 0.0, 0.0
        for i in range(theta.size):
            summed += theta[i]
            product += theta[i] * z[i, 0]
        total[0] += product
        total[1] += summed
    else:
        for i in range(theta.size):
            total[p] += theta[i]
            for j in range(p):
                total[j] += theta[i] * z[i, j]


@compiled_in_lanes
def sum_products(z: Floats, events: Floats, expected: Floats, squares: Floats) -> None:
    """Add events times covariates, (p,), and times their products, the lower half of (p, p)."""
    p = z.shape[1]
    if p == 1:
        product, square = 0.0, 0.0
        for i in range(events.size):
            part = events[i] * z[i, 0]
            product += part
            square += part * z[i, 0]
        expected[0] += product
        squares[0, 0] += square
    else:
        for i in range(events.size):
            for j in range(p):
                part = events[i] * z[i, j]
                expected[j] += part
                for k in range(j + 1):
                    squares[j, k] += part * z[i, k]


@compiled
def sum_risks(
    z: Floats,
    theta: Floats,
    weight: Floats,
    mark: Bytes,
    efron: bool,
    shift: float,
    at_risk: Floats,
    last: int,
    hazard: Floats,
    spared: Floats,
    means: Floats,
    begin: int,
    end: int,
) -> tuple[float, float]:
    """Go back in time; write the hazard at each cell with events, and what its tied are spared.

    `at_risk` (p + 1,) begins as the sums over the rows after `end`, and `last` is the place after
    that of the last such cell. Adds to `means` (p, p) the outer products of the risk sets' means.
    Returns the sum of the logarithms of the denominators, and the hazard that those after `end` in
    the same stratum have passed by then.
    """
    p, weighted = means.shape[0], weight.size > 0
    tied = np.zeros(p)
    logarithms, passed, own = 0.0, 0.0, False
    total, tied_total, d, tied_weight = float(at_risk[p]), 0.0, 0, 0.0
    product, cell = 1.0, last
    for i in range(end - 1, begin - 1, -1):
        value, seen = theta[i], mark[i] & EVENT
        of_event = value * seen  # most rows that could be told apart by a branch cannot be foretold
        d += seen
        if weighted:
            tied_weight += weight[i] * seen
        total += value
        tied_total += of_event
        for j in range(p):
            at_risk[j] += value * z[i, j]
            tied[j] += of_event * z[i, j]
        if mark[i] & HAPPENS:
            each = tied_weight / d if weighted else 1.0
            h, s, b0, b1, b2, logs = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for number in range(d):
                share = number / d if efron else 0.0
                denominator = float(total - share * tied_total)
                inverse = 1 / denominator
                one = each * inverse
                h += one
                s += share * one
                one *= inverse
                b0 += one
                b1 += share * one
                b2 += share * share * one
                if FAINT < denominator < 1 / FAINT:  # one logarithm of many factors will do
                    product *= denominator
                    if not FAINT < product < 1 / FAINT:
                        logs += math.log(product)
                        product = 1.0
                else:
                    logs += math.log(denominator)
            if weighted:
                logs += math.log(product)
                product = 1.0
            logarithms += each * (logs + d * shift)
            for j in range(p):
                for k in range(j + 1):
                    means[j, k] += b0 * at_risk[j] * at_risk[k]
            if b1 != 0:
                for j in range(p):
                    for k in range(j + 1):
                        crossed = at_risk[j] * tied[k] + tied[j] * at_risk[k]
                        means[j, k] += b2 * tied[j] * tied[k] - b1 * crossed
            cell -= 1
            hazard[cell], spared[cell] = h, s
            if not own:
                passed += h
            tied_total, d, tied_weight = 0.0, 0, 0.0
            tied[:] = 0.0
        if mark[i] & STRATUM:
            at_risk[:] = 0.0
            total, own = 0.0, True
    return logarithms + math.log(product), passed


@compiled
def sum_expected(
    z: Floats,
    theta: Floats,
    mark: Bytes,
    passed: float,
    cell: int,
    hazard: Floats,
    spared: Floats,
    expected: Floats,
    squares: Floats,
    begin: int,
    end: int,
) -> None:
    """Go on in time; turn theta into the events expected of each row, and sum these.

    `passed` is the hazard of the stratum before `begin`, and `cell` the place of the next cell with
    events. Writes expected (p,) and the lower half of squares (p, p), as `sum_products` has them.
    """
    p = expected.size
    own_expected, own_squares = np.zeros(p), np.zeros((p, p))  # a core's own, until the end
    spare = 0.0
    for first in range(begin, end, BLOCK):
        last = min(first + BLOCK, end)
        events, marks = theta[first:last], mark[first:last]
        for i in range(events.size):
            if marks[i] & STRATUM:
                passed = 0.0
            if marks[i] & HAPPENS:
                passed += hazard[cell]
                spare = spared[cell]
                cell += 1
            events[i] *= passed - spare if marks[i] & EVENT else passed
        sum_products(z[first:last], events, own_expected, own_squares)
    expected[:], squares[:] = own_expected, own_squares
