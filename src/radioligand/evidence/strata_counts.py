# SPDX-License-Identifier: Apache-2.0
"""Which counts of responders by stratum print a stratified odds ratio: all are looked at.

A paper prints how many respond in each arm, and one odds ratio over the strata. The strata of each
arm are the seed's, so the ratio takes few values: of some million ways to spread the responders
over the strata, some dozens print the published one. A search that steps from one to the next does
not come upon them; one that aims at the counts of one of them does.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radioligand.evidence.annealing_kernels import Asking
from radioligand.evidence.measure_kernels import odds_ratios_that_print
from radioligand.evidence.measures import MEASURES, OBJECTIVE, Asked, odds_ratio
from radioligand.evidence.targets import Target
from radioligand.statistics.observations import Floats

MOST_TABLES = 50_000_000  # that are looked at


def stratum_cells(
    pool: Mapping[str, NDArray[Any]], target: Target, *, asked: Asked
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return who is in each cell of the odds ratio, (2 s, n), and who responds there, (2 s, k, n).

    Cells are the strata of the experimental arm, then those of the other.
    """
    rows = MEASURES[target.measure].rows(pool, target, asked)
    assert rows.stratum is not None
    codes = np.unique(rows.stratum[0], return_inverse=True)[1]
    cells = [
        rows.who[0] & (rows.value[0] == arm) & (codes == stratum)
        for arm, stratum in product((1, 0), range(int(codes.max()) + 1))
    ]
    inside = np.array(cells)
    return inside, inside[:, None, :] & rows.event


def counts_that_print(
    pool: Mapping[str, NDArray[Any]],
    targets: Sequence[Target],
    target: Target,
    *,
    asked: Asked,
    asking: Asking,
) -> NDArray[np.int64] | None:
    """Return the counts of responders by cell that print the target, (m, 2 s), likeliest first.

    None if the targets do not tell how many respond in each arm, or there are too many tables.
    Likely is what is near the means over the pool's draws, in standard deviations.
    """
    inside, responds = stratum_cells(pool, target, asked=asked)
    size = inside.sum(axis=1)
    strata = size.size // 2
    totals = [_responders(targets, asked, arm=arm) for arm in (1, 0)]
    if None in totals:
        return None
    ways = [
        _spread(int(total or 0), cells.tolist())
        for total, cells in zip(totals, (size[:strata], size[strata:]), strict=True)
    ]
    if len(ways[0]) * len(ways[1]) > MOST_TABLES:
        return None
    t = next(place for place, one in enumerate(targets) if one is target)
    prints = odds_ratios_that_print(
        ways[0], ways[1], size.astype(np.float64), asking.low[t], asking.high[t]
    )
    first, second = np.nonzero(prints)
    found = np.hstack([ways[0][first], ways[1][second]])
    share = responds.mean(axis=1)  # (2 s, n) of the draws
    mean, variance = share.sum(axis=1), (share * (1 - share)).sum(axis=1)
    away: Floats = ((found - mean) ** 2 / np.maximum(variance, 1e-9)).sum(axis=1)
    return found[np.argsort(away, kind="stable")]


def is_odds_ratio(target: Target) -> bool:
    """Whether the target is an odds ratio over strata."""
    return MEASURES[target.measure].statistic is odds_ratio


def _responders(targets: Sequence[Target], asked: Asked, *, arm: int) -> int | None:
    """How many respond in an arm as printed; None if not every kind of response is."""
    own = [
        one
        for one in targets
        if one.measure == "responses"
        and set(one.levels) <= set(OBJECTIVE)
        and (one.arm == asked.experimental) == bool(arm)
    ]
    if {level for one in own for level in one.levels} != set(OBJECTIVE):
        return None
    return sum(int(one.values[0]) for one in own)


def _spread(total: int, sizes: Sequence[int]) -> NDArray[np.int64]:
    """All ways to spread a total over cells of these sizes, (m, cells)."""
    ways = np.zeros((1, 0), dtype=np.int64)
    for place, size in enumerate(sizes):
        room = sum(sizes[place + 1 :])
        left = total - ways.sum(axis=1)
        each = [
            np.hstack([ways[fits], np.full((int(fits.sum()), 1), taken)])
            for taken in range(size + 1)
            if (fits := (left - taken >= 0) & (left - taken <= room)).any()
        ]
        ways = np.vstack(each) if each else np.zeros((0, place + 1), dtype=np.int64)
    return ways
