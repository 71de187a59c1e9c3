# SPDX-License-Identifier: Apache-2.0
"""Loops of Cox's model over millions of rows; as in `kernels`, each on a piece [begin, end).

`ordered_likelihood` calls them and says what they sum up to. Rows are ordered by stratum and time.
"""

import math

import numpy as np

from radioligand.statistics.kernels import Bytes, compiled
from radioligand.statistics.observations import Floats, Rows

FAINT = 1e-100  # the product of two such is still a number

# what a row is, in bits of one byte
EVENT, CELL, HAPPENS, STRATUM = 1, 2, 4, 8


@compiled
def column_sums(x: Floats, sums: Floats, begin: int, end: int) -> None:
    """Find the total, least and greatest of each column, sums (3, p)."""
    p = x.shape[1]
    for j in range(p):
        sums[0, j], sums[1, j], sums[2, j] = 0.0, math.inf, -math.inf
    for i in range(begin, end):
        for j in range(p):
            value = x[i, j]
            sums[0, j] += value
            sums[1, j] = min(sums[1, j], value)
            sums[2, j] = max(sums[2, j], value)


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
    p = x.shape[1]
    found[:] = 0.0
    for i in range(begin, end):
        seen = event[i]
        for j in range(p):
            value = x[i, j]
            at_low, at_high = value == low[j], value == high[j]
            found[0, j] += (value - mean[j]) ** 2
            found[1, j] += at_low
            found[2, j] += at_low & seen
            found[3, j] += at_high
            found[4, j] += at_high & seen


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
def relative_hazards(
    z: Floats,
    weight: Floats,
    beta: Floats,
    shift: float,
    stop: int,
    theta: Floats,
    sums: Floats,
    begin: int,
    end: int,
) -> None:
    """Compute theta, and sum it and its products with the covariates, (1 + p,), up to `stop`."""
    p = beta.size
    sums[:] = 0.0
    for i in range(begin, end):
        linear = -shift
        for j in range(p):
            linear += z[i, j] * beta[j]
        value = math.exp(linear)
        if weight.size:
            value *= weight[i]
        theta[i] = value
        if i < stop:
            sums[p] += value
            for j in range(p):
                sums[j] += value * z[i, j]


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
    tied = np.zeros(p + 1)
    logarithms, passed, own = 0.0, 0.0, False
    d, tied_weight, product, cell = 0, 0.0, 1.0, last
    for i in range(end - 1, begin - 1, -1):
        value, seen = theta[i], mark[i] & EVENT
        of_event = value * seen  # most rows that could be told apart by a branch cannot be foretold
        d += seen
        if weighted:
            tied_weight += weight[i] * seen
        at_risk[p] += value
        tied[p] += of_event
        for j in range(p):
            at_risk[j] += value * z[i, j]
            tied[j] += of_event * z[i, j]
        if mark[i] & HAPPENS:
            each = tied_weight / d if weighted else 1.0
            h, s, b0, b1, b2, logs = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for number in range(d):
                share = number / d if efron else 0.0
                denominator = float(at_risk[p] - share * tied[p])
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
            d, tied_weight = 0, 0.0
            tied[:] = 0.0
        if mark[i] & STRATUM:
            at_risk[:] = 0.0
            own = True
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
    """Go on in time; sum the events expected of each row times its covariates, and their products.

    `passed` is the hazard of the stratum before `begin`, and `cell` the place of the next cell with
    events. Adds to expected (p,) and to the lower half of squares (p, p).
    """
    p = expected.size
    spare = 0.0
    for i in range(begin, end):
        if mark[i] & STRATUM:
            passed = 0.0
        if mark[i] & HAPPENS:
            passed += hazard[cell]
            spare = spared[cell]
            cell += 1
        value = theta[i] * (passed - spare if mark[i] & EVENT else passed)
        for j in range(p):
            part = value * z[i, j]
            expected[j] += part
            for k in range(j + 1):
                squares[j, k] += part * z[i, k]
