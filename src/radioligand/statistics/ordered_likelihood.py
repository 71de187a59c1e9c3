# SPDX-License-Identifier: Apache-2.0
"""Cox's partial likelihood over millions of rows, in three passes over them in order of time.

The first pass takes each row's relative hazard; the second goes back in time, collects the risk
sets and leaves the hazard at each cell with events; the third goes on in time and sums what is
expected of each row. So second moments are summed over rows once, never over risk sets. Rows are
cut into pieces that the cores share; what a piece needs to know of those before it or after it are
a few sums. Numbers are those of `partial_likelihood`, which is the plain version.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radioligand.statistics.observations import Floats, Ints, Observations
from radioligand.statistics.ordering import (
    by_stratum_and_time,
    loopable,
    on_all_cores,
    order_of,
    pieces_of,
)
from radioligand.statistics.partial_likelihood import Likelihood, Ties

BLOCK = 1 << 13  # rows that stay in a core's own cache from one loop to the next
SAFE = 300.0  # exponent far from overflow and from nothing, even summed over all rows


class Frame(NamedTuple):
    """What each covariate is centred and scaled by, and its least and greatest value, (p,)."""

    mean: Floats
    scale: Floats
    low: Floats
    high: Floats


class Piece(NamedTuple):
    """Rows [begin, end) that hold whole cells."""

    begin: int
    end: int
    stop: int  # where the stratum of the first row ends, or the piece
    fresh: bool  # a stratum begins with the piece
    cell: int  # cells with events before it

    @property
    def parted(self) -> bool:
        """Whether a stratum begins within it."""
        return self.stop < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedCox:
    """Rows ordered by stratum and time, and what does not change with the coefficients."""

    z: Floats  # (n, p) covariates, centred and scaled
    low: Floats  # (p,) least of each
    high: Floats
    weight: Floats  # (n,), or (0,) if all are 1
    mark: NDArray[np.uint8]  # (n,) event, beginning of a cell, of a stratum: see `kernels`
    pieces: tuple[Piece, ...]
    events: Floats  # (p,) covariates summed over the events
    cells: int  # that hold events
    ties: Ties
    theta: Floats  # (n,) room for the relative hazards of each evaluation


def ordered_cox(
    rows: Observations, x: Floats, frame: Frame, *, stratum: Ints | None, ties: Ties
) -> OrderedCox:
    """Put rows in order, none of which enters late, and their covariates centred and scaled."""
    from radioligand.statistics import cox_kernels, kernels

    row, ascending, first = by_stratum_and_time(order_of(rows), stratum)
    n, p = x.shape
    cuts = whole_cells(ascending, first)
    event, mark = loopable(rows.event).view(np.uint8), np.zeros(n, np.uint8)
    mark[first] = cox_kernels.STRATUM
    happening = on_all_cores(
        cox_kernels.mark_rows, [(row, ascending, event, mark, *cut) for cut in cuts]
    )

    z, weight, precision = np.empty((n, p)), np.empty(0), 1 / frame.scale
    on_all_cores(
        cox_kernels.gather_rows, [(row, x, frame.mean, precision, z, *cut) for cut in cuts]
    )
    if rows.weights is not None:
        weight, given = np.empty(n), loopable(rows.weights)
        on_all_cores(kernels.gather, [(row, given, weight, *cut) for cut in cuts])
    events = np.zeros((len(cuts), p))
    on_all_cores(
        cox_kernels.sum_events,
        [(z, mark, weight, own, *cut) for own, cut in zip(events, cuts, strict=True)],
    )
    return OrderedCox(
        z=z,
        low=(frame.low - frame.mean) * precision,
        high=(frame.high - frame.mean) * precision,
        weight=weight,
        mark=mark,
        pieces=pieces_among(cuts, first, happening),
        events=events.sum(0),
        cells=sum(happening),
        ties=ties,
        theta=np.empty(n),
    )


def pieces_among(
    cuts: list[tuple[int, int]], first: Ints, happening: list[int]
) -> tuple[Piece, ...]:
    """Tell each piece where strata begin, and how many cells with events are before it."""
    begins, ends = np.array(cuts).T
    following = np.searchsorted(first, begins, "right")
    stops = np.minimum(np.append(first, ends[-1])[following], ends)
    fresh = first[following - 1] == begins
    cells = np.cumsum(happening) - happening
    columns = (one.tolist() for one in (begins, ends, stops, fresh, cells))
    return tuple(map(Piece, *columns))


def whole_cells(ascending: Floats, first: Ints) -> list[tuple[int, int]]:
    """Cut the rows into pieces, (begin, end) each, between times."""
    begins = []
    last = np.append(first[1:], ascending.size)
    for begin, _ in pieces_of(ascending.size):
        stratum = int(np.searchsorted(first, begin, "right")) - 1
        here = slice(first[stratum], last[stratum])
        begins.append(here.start + int(np.searchsorted(ascending[here], ascending[begin])))
    ends = [*sorted(set(begins)), ascending.size]
    return [(int(begin), int(end)) for begin, end in pairwise(ends)]


def ordered_likelihood(data: OrderedCox, coefficients: Floats) -> Likelihood:
    """Return the partial likelihood at `coefficients` (p,)."""
    from radioligand.statistics import cox_kernels

    pieces, p = data.pieces, coefficients.size
    farthest = float(np.abs(coefficients) @ np.maximum(-data.low, data.high))
    shift = 0.0 if farthest < SAFE else reach(data, coefficients)[1]
    heads = on_all_cores(relative_hazards, [(data, coefficients, shift, one) for one in pieces])
    hazard, spared = np.empty((2, data.cells))
    means = np.zeros((len(pieces), p, p))
    found = on_all_cores(
        cox_kernels.sum_risks,
        [
            (data.z, data.theta, data.weight, data.mark, data.ties == "efron", shift,
             at_risk, last, hazard, spared, own, *one[:2])
            for one, at_risk, last, own in zip(
                pieces, after(pieces, heads), [*(one.cell for one in pieces[1:]), data.cells],
                means, strict=True,
            )
        ],
    )  # fmt: skip
    logarithms, passed = np.array(found).T
    expected, squares = np.empty((len(pieces), p)), np.empty((len(pieces), p, p))
    on_all_cores(
        cox_kernels.sum_expected,
        [
            (data.z, data.theta, data.mark, before_it, one.cell, hazard, spared, own, square,
             *one[:2])
            for one, before_it, own, square in zip(
                pieces, before(pieces, passed), expected, squares, strict=True
            )
        ],
    )  # fmt: skip
    lower = squares.sum(0) - means.sum(0)
    return Likelihood(
        value=float(data.events @ coefficients) - float(logarithms.sum()),
        score=data.events - expected.sum(0),
        information=np.tril(lower) + np.tril(lower, -1).T,
    )


def relative_hazards(data: OrderedCox, coefficients: Floats, shift: float, piece: Piece) -> Floats:
    """Compute theta of a piece, and sum it and its products with the covariates, (p + 1,).

    The sums are over those rows alone that belong to the stratum of the first.
    """
    from radioligand.statistics import cox_kernels

    total = np.zeros(coefficients.size + 1)
    for begin in range(piece.begin, piece.end, BLOCK):
        z, theta = (one[begin : min(begin + BLOCK, piece.end)] for one in (data.z, data.theta))
        cox_kernels.linear_predictors(z, coefficients, shift, theta)
        with np.errstate(all="ignore"):  # a step too far gives inf or nan, and is not taken
            np.exp(theta, out=theta)  # many at a time, as no compiled loop has it
            if data.weight.size:
                theta *= data.weight[begin : begin + theta.size]
        if inside := max(0, piece.stop - begin):
            cox_kernels.sum_hazards(z[:inside], theta[:inside], total)
    return total


def after(pieces: tuple[Piece, ...], heads: list[Floats]) -> list[Floats]:
    """Return for each piece the sums over the rows after it in the stratum it ends in."""
    found, summed = [], np.zeros_like(heads[0])
    for piece, head in zip(reversed(pieces), reversed(heads), strict=True):
        found.append(summed.copy())
        if piece.fresh:
            summed = np.zeros_like(head)
        elif piece.parted:
            summed = head
        else:
            summed = head + summed
    return found[::-1]


def before(pieces: tuple[Piece, ...], passed: Floats) -> list[float]:
    """Return for each piece the hazard before it in the stratum it begins in."""
    found, summed = [], 0.0
    for piece, own in zip(pieces, passed.tolist(), strict=True):
        found.append(summed)
        summed = own if piece.fresh or piece.parted else summed + own
    return found


def reach(data: OrderedCox, coefficients: Floats) -> tuple[float, float]:
    """Return the least and the greatest linear predictor."""
    from radioligand.statistics import cox_kernels

    ends = on_all_cores(
        cox_kernels.reach, [(data.z, coefficients, *one[:2]) for one in data.pieces]
    )
    low, high = np.array(ends).T
    return float(low.min()), float(high.max())
