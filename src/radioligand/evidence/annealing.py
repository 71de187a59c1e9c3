# SPDX-License-Identifier: Apache-2.0
"""Targets and a pool of draws as plain tables, for loops that are compiled.

The rows are those of `measures`, made of the whole pool at once; the kernels only do with them what
the statistics do. Days of a later stratum are moved up, so that one order holds all strata.
"""

from collections.abc import Mapping, Sequence
from math import inf, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radioligand.evidence import annealing_kernels as kernels
from radioligand.evidence import measures
from radioligand.evidence.annealing_kernels import Asking, Draws, Walk
from radioligand.evidence.measure_kernels import APART, MOST_STRATA
from radioligand.evidence.measures import MEASURES, Asked, Rows, Statistic
from radioligand.evidence.printing import decimals_of, value_of
from radioligand.evidence.targets import NOT_ESTIMATED, TOKEN, WEIGHT, Target
from radioligand.statistics.observations import Floats

KERNELS: Mapping[Statistic, int] = {
    measures.count: kernels.COUNT,
    measures.middle: kernels.MIDDLE,
    measures.odds_ratio: kernels.ODDS_RATIO,
    measures.curve_median: kernels.CURVE_MEDIAN,
    measures.survival: kernels.SURVIVAL,
    measures.logrank_p: kernels.RANK_TEST,
    measures.hazard_ratio: kernels.HAZARD_RATIO,
}
AIMED = 0.3  # what a miss of one counts of a cell that is aimed at
ROUNDING = 1 - 5e-13  # twelve digits decide how a number prints, see printing.rounded


def in_kernel_order(targets: Sequence[Target]) -> tuple[Target, ...]:
    """The targets as the tables have them: counts first, then by what they cost."""
    return tuple(sorted(targets, key=lambda one: _place(one)))


def tables(
    pool: Mapping[str, NDArray[Any]],
    targets: Sequence[Target],
    *,
    asked: Asked,
    least: float = 0.0,
) -> tuple[Draws, Asking]:
    """Return what targets, in the kernels' order, read of a pool (k, n), and what they print.

    least : what a number counts that prints otherwise, however near; 0 as in `Target.distance`.
    Raises KeyError if a target's measure is of the baseline, which no draw changes.
    """
    rows = [MEASURES[one.measure].rows(pool, one, asked) for one in targets]
    codes = [KERNELS[MEASURES[one.measure].statistic] for one in targets]
    shape = pool["arm"].shape
    counts = [each.who for each, code in zip(rows, codes, strict=True) if code == kernels.COUNT]
    counted = np.stack([*counts, np.zeros(shape, bool)], axis=-1).astype(np.int64)
    _, alike = np.unique(counted.reshape(-1, counted.shape[-1]), axis=0, return_inverse=True)
    kept: dict[bytes, int] = {}
    stacked: list[Floats] = []

    def place(row: Floats) -> int:
        """Where a row stands: equal rows are kept once."""
        row = np.ascontiguousarray(np.broadcast_to(row, shape), dtype=np.float64)
        if kept.setdefault(row.tobytes(), len(stacked)) == len(stacked):
            stacked.append(row)
        return kept[row.tobytes()]

    read = [
        [place(part) for part in _parts(each, code)] for each, code in zip(rows, codes, strict=True)
    ]
    printed = np.array([_printed(one) for one in targets])  # (t, 3 values, low and high)
    asking = Asking(
        statistic=np.array(codes),
        row=np.array(read),
        unit=np.array([_unit(one, asked) for one in targets]),
        numbers=np.array([len(one.values) for one in targets]),
        printed=np.ascontiguousarray(printed[:, 0]),
        low=np.ascontiguousarray(printed[:, 1]),
        high=np.ascontiguousarray(printed[:, 2]),
        scale=np.array([one.scale for one in targets]),
        weight=np.array([WEIGHT[one.role] for one in targets]),
        least=np.full(len(targets), least),
    )
    return (
        Draws(
            counted=np.ascontiguousarray(counted[..., : len(counts)]),
            alike=np.ascontiguousarray(alike.reshape(shape)),
            rows=np.ascontiguousarray(np.stack(stacked, axis=-1)),
            movers=np.array(
                [
                    each.who.any(axis=0)
                    if code == kernels.COUNT
                    else np.any(
                        [(stacked[one] != stacked[one][0]).any(axis=0) for one in own], axis=0
                    )
                    for each, code, own in zip(rows, codes, read, strict=True)
                ]
            ),
        ),
        asking,
    )


def aimed(
    read: Draws,
    asking: Asking,
    flags: NDArray[np.bool_],
    wanted: Sequence[int],
    *,
    instead_of: int,
) -> tuple[Draws, Asking]:
    """Let counts be met in place of the target from which they follow; alike draws stay alike.

    flags : (cells, k, n) whether a draw counts in a cell; wanted : (cells,) the counts.
    """
    cells, place = len(wanted), read.counted.shape[-1]
    added = np.moveaxis(flags.astype(np.int64), 0, -1)
    movers = np.concatenate([read.movers[:place], flags.any(axis=1), read.movers[place:]])
    value, none = np.array(wanted, dtype=np.float64), np.full(cells, nan)

    def put(values: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([values[:place], new, values[place:]]).astype(values.dtype)

    def three(number: Floats) -> Floats:
        return np.stack([number, none, none], axis=-1)

    one, weight = np.ones(cells), asking.weight.copy()
    weight[instead_of] = 0.0
    return (
        read._replace(
            counted=np.ascontiguousarray(np.concatenate([read.counted, added], -1)), movers=movers
        ),
        Asking(
            statistic=put(asking.statistic, kernels.COUNT * one),
            row=put(asking.row, np.zeros((cells, 3))),
            unit=put(asking.unit, one),
            numbers=put(asking.numbers, one),
            printed=put(asking.printed, three(value)),
            low=put(asking.low, three(value - 0.5)),
            high=put(asking.high, three(value + 0.5)),
            scale=put(asking.scale, one),
            weight=put(weight, AIMED * one),
            least=put(asking.least, 0 * one),
        ),
    )


def walk_from(draws: NDArray[np.int64], pool: Draws, asking: Asking, *, seed: int) -> Walk:
    """Return a walk that begins at these draws, (n,), measured."""
    targets, n = asking.statistic.size, draws.size
    walk = Walk(
        draws=draws.astype(np.int64),
        best=draws.astype(np.int64),
        lowest=np.zeros(1),
        tally=np.zeros(pool.counted.shape[-1]),
        cohort=np.zeros((pool.rows.shape[-1], n)),
        order=np.tile(np.arange(n), (targets, 1)),
        start=np.zeros(targets),
        away=np.zeros(targets),
        tables=np.zeros((MOST_STRATA, 4)),
        random=np.array([0, seed], dtype=np.uint64),
    )
    kernels.restart(pool, asking, walk)
    return walk


def _place(target: Target) -> tuple[bool, int]:
    is_count = MEASURES[target.measure].statistic is measures.count
    return not is_count, list(MEASURES).index(target.measure)


def _parts(rows: Rows, code: int) -> tuple[Floats, Floats, Floats]:
    """Key, event and value of each subject; of those it is not of, infinite, 0 and 0."""
    who, none = rows.who, np.zeros(1)
    if code == kernels.COUNT:
        return none, none, none
    key = rows.value if code == kernels.MIDDLE else rows.time if rows.time.size else none
    value = none if code == kernels.MIDDLE or not rows.value.size else rows.value
    if rows.stratum is not None:
        key = key + APART * np.unique(rows.stratum, return_inverse=True)[1].reshape(who.shape)
    return (
        np.where(who, key, inf),
        np.where(who & rows.event, 1.0, 0.0) if rows.event.size else none,
        np.where(who, value, 0.0),
    )


def _unit(target: Target, asked: Asked) -> float:
    statistic = MEASURES[target.measure].statistic
    if statistic is measures.survival:
        return target.months * asked.month_days
    if statistic is measures.logrank_p:
        return float(asked.sided.get(target.endpoint, 2))
    return asked.month_days


def _printed(target: Target) -> list[list[float]]:
    """The three numbers, and between which bounds a number prints the same."""
    found = [_bounds(bound, number) for bound, number in TOKEN.findall(target.published)]
    found += [(nan, nan, nan)] * (3 - len(found))
    return [list(part) for part in zip(*found, strict=True)]


def _bounds(bound: str, number: str) -> tuple[float, float, float]:
    if number == NOT_ESTIMATED:
        return nan, nan, nan
    value = value_of(number)
    if bound:
        edge = (
            float(np.nextafter(value, inf if bound in "≤>" else -inf)) if bound in "≤≥" else value
        )
        return (value, -inf, edge) if bound in "<≤" else (value, edge, inf)
    half = 0.5 * 10.0 ** -decimals_of(number)
    inner, outer = ROUNDING * (abs(value) - half), ROUNDING * (abs(value) + half)
    if value == 0:
        return value, -outer, outer
    return (value, inner, outer) if value > 0 else (value, -outer, -inner)
