# SPDX-License-Identifier: Apache-2.0
"""The log-rank test of a trend: whether hazard rises or falls over ordered groups."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.observations import Faults, Floats, numbers
from radioligand.statistics.ranks import Weighting, logrank
from radioligand.statistics.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class LogrankTrend(Record, rows="groups"):
    """What a test of trend found; arrays follow `groups`, (g,)."""

    groups: tuple[Any, ...]
    scores: Floats
    observed: Floats  # events seen, weighted as the test weights them
    expected: Floats  # events, had all groups of a stratum one hazard
    z: float  # positive: hazard rises with the score
    chi_square: float  # z squared, with one degree of freedom
    p_value: float  # two-sided


def logrank_trend(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    *,
    scores: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    weights: Weighting = "logrank",
    groups: Sequence[Hashable] | None = None,
) -> LogrankTrend:
    r"""Test whether hazard rises or falls with the score of ordered groups.

    Parameters
    ----------
    time, event, group, strata, entry, weights, groups : as in `logrank`; the groups in their
        order, sorted unless `groups` says otherwise.
    scores : (g,) numbers for the groups, such as activities; 0, 1, 2, ... if not given.

    Raises ValueError as `logrank` does, and if there is not one score a group or all are equal.

    Notes
    -----
    With O, E and V of `logrank` and scores c: :math:`z=c'(O-E)/\sqrt{c'Vc}`. Tarone, Biometrika
    1975;62:679. Two groups give the log-rank test. Oracle: R ``survival::survdiff``, its sums
    combined.

    """
    test = logrank(time, event, group, strata=strata, entry=entry, weights=weights, groups=groups)
    known, faults = len(test.groups), Faults()
    score = np.arange(known, dtype=np.float64)
    if scores is not None:
        score = numbers("scores", scores, faults)
        if not faults and score.size != known:
            faults.append(f"scores: {score.size} for {known} groups, {test.groups}; give one each.")
        elif not faults and not np.isfinite(score).all():
            faults.append("scores: some are missing or infinite; give numbers.")
        elif not faults and np.ptp(score) == 0:
            faults.append(f"scores: all are {score[0]:g}; equal scores have no trend.")
    faults.refuse()
    centred = score - score.mean()  # nothing but rounding depends on where they begin
    excess = float(centred @ (test.observed - test.expected))
    z = excess / float(np.sqrt(centred @ test.variance @ centred))
    return LogrankTrend(
        groups=test.groups,
        scores=score,
        observed=test.observed,
        expected=test.expected,
        z=z,
        chi_square=z**2,
        p_value=float(special.chdtrc(1, z**2)),
    )
