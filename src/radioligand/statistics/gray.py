# SPDX-License-Identifier: Apache-2.0
"""Gray's test: does one event, which others may keep from happening, come equally often?"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.curves import survivors
from radioligand.statistics.observations import Floats, coded, observations
from radioligand.statistics.ranks import quadratic_form
from radioligand.statistics.records import Record
from radioligand.statistics.risk_sets import risk_sets


@dataclass(frozen=True, slots=True, kw_only=True)
class GrayTest(Record, rows="groups", apart=("strata",)):
    """What the test found; arrays follow `groups`, (g,)."""

    groups: tuple[Any, ...]
    of: Any  # the event compared
    score: Floats  # (g,) weighted events seen, less those expected of equal incidence
    variance: Floats  # (g, g)
    chi_square: float
    degrees_of_freedom: int
    p_value: float  # two-sided
    strata: tuple[Any, ...]
    stratum_score: Floats  # (k, g)
    stratum_variance: Floats  # (k, g, g)


def gray_test(
    time: ArrayLike,
    cause: ArrayLike,
    group: ArrayLike,
    *,
    of: Hashable = 1,
    censored: Hashable = 0,
    strata: ArrayLike | None = None,
    rho: float = 0.0,
    groups: Sequence[Hashable] | None = None,
) -> GrayTest:
    r"""Test whether groups share one cumulative incidence of an event, within strata if any.

    Parameters
    ----------
    time : (n,) whole days from origin to the first event of any cause, or to censoring.
    cause : (n,) label of the event, such as 0, 1 and 2; `censored` marks no event.
    group : (n,) each subject's arm; sorted, unless `groups` says which comes first.
    of : label of the event that is compared; all others compete with it.
    strata : (n,) each subject's stratum; scores and variances are summed over strata.
    rho : weights an event by :math:`(1-F(t-))^\rho`, so a larger one weighs early events more.

    Raises ValueError that names each fault of the input, or if no event compares two groups.

    Notes
    -----
    With Y at risk and S free of any event in group k, a subject who has had another event stays
    in the risk set, whose size is estimated by :math:`R_k=Y_k(1-F_k(t-))/S_k(t-)`. The score of
    group k is :math:`\sum(1-F)^\rho(d_k-d\,R_k/R)`. Gray, Ann Stat 1988;16:1141. Tied events
    are given hypergeometric variance. Oracle: R ``cmprsk::cuminc``.

    """
    labels, code = coded("cause", cause)
    if of not in labels or of == censored:
        raise ValueError(f"of: no row of cause is {of!r}; it has {', '.join(map(str, labels))}.")
    if not np.isfinite(rho):
        raise ValueError(f"rho: {rho!r} is no weight; give a number such as 0.")
    of_interest = code == labels.index(of)
    other = ~of_interest
    if censored in labels:
        other &= code != labels.index(censored)
    rows = observations(time, of_interest, cause=cause, group=group, strata=strata)
    known, member = coded("group", group, order=groups)
    levels, stratum = ((None,), None) if strata is None else coded("strata", strata)
    if len(known) < 2:
        raise ValueError(f"group: all rows are of {known[0]!r}; one group compares with nothing.")

    sets = risk_sets(rows, stratum=stratum)
    belongs = [(member == one).astype(np.float64) for one in range(len(known))]
    at_risk = np.stack([sets.at_risk(one) for one in belongs], axis=1)
    events = np.stack([sets.total(one * of_interest) for one in belongs], axis=1)
    others = np.stack([sets.total(one * other) for one in belongs], axis=1)
    parts = [stratum_parts(at_risk[s], events[s], others[s], rho) for s in sets.strata()]
    stratum_score = np.stack([score for score, _ in parts])
    stratum_variance = np.stack([variance for _, variance in parts])
    score, variance = stratum_score.sum(0), stratum_variance.sum(0)
    chi_square, freedom = quadratic_form(score, variance, compared=np.diag(variance) > 0)
    return GrayTest(
        groups=known,
        of=of,
        score=score,
        variance=variance,
        chi_square=chi_square,
        degrees_of_freedom=freedom,
        p_value=float(special.chdtrc(freedom, chi_square)),
        strata=levels,
        stratum_score=stratum_score,
        stratum_variance=stratum_variance,
    )


def stratum_parts(
    at_risk: Floats, events: Floats, others: Floats, rho: float
) -> tuple[Floats, Floats]:
    """Return score (g,) and variance (g, g) from counts at each time of one stratum, (m, g).

    The score is a sum of martingales, one of each group and cause, over its own risk set. An
    event of interest at time t moves the score of group i by what it adds at t, and by what it
    changes of the incidence, hence of all later risk sets; another event by the latter alone.
    """
    there = at_risk > 0
    everyone = np.where(there, at_risk, 1.0)
    stays = np.where(there, survivors(everyone, events + others) / everyone, 1.0)
    survival: Floats = np.cumprod(stays, axis=0, dtype=np.float64)
    before = shifted(survival, 1.0)
    happening = np.where(there, before * events / everyone, 0.0)
    of_group: Floats = np.cumsum(happening, axis=0, dtype=np.float64)

    size = np.divide(at_risk, before, out=np.zeros_like(at_risk), where=there)  # Y / S
    total, seen = size.sum(1), events.sum(1)
    jumps = np.divide(seen, total, out=np.zeros_like(total), where=seen > 0)
    pooled: Floats = np.cumsum(jumps, dtype=np.float64)
    pooled_before = shifted(pooled, 0.0)
    left = 1 - pooled_before  # not positive at the very end, when groups have run out one by one
    happens = seen > 0
    known = happens & (left > 0)
    weight = np.power(left, rho, out=np.full_like(left, float(rho == 0)), where=known) * happens

    standing = size * (1 - shifted(of_group, 0.0))
    share = np.divide(
        standing, standing.sum(1, keepdims=True), out=np.zeros_like(size), where=happens[:, None]
    )
    score = weight @ (events - seen[:, None] * share)

    portion = np.divide(size, total[:, None], out=np.zeros_like(size), where=happens[:, None])
    direct = (
        weight[:, None, None] * size[:, :, None] * (np.eye(size.shape[1]) - portion[:, None, :])
    )
    hazard = np.divide(seen, total * left, out=np.zeros_like(total), where=known)
    so_far = np.cumsum(direct * hazard[:, None, None], axis=0)
    later = so_far[-1] - so_far

    free = (1 - pooled)[:, None]  # of the event of interest, over free of any: 1 if none compete
    ratio = np.divide(free, survival, out=np.zeros_like(survival), where=survival > 0)
    by_event = direct + (1 - ratio)[:, None, :] * later
    by_other = ratio[:, None, :] * later
    expected = np.where(there, portion * seen[:, None], 0.0)  # of the pooled events, in group k
    jump = expected * (before / everyone) ** 2 * fewer(seen[:, None], total[:, None] * before)
    other_jump = others * (before / everyone) ** 2 * fewer(others, at_risk)
    variance = np.einsum("mik,mjk,mk->ij", by_event, by_event, jump)
    variance += np.einsum("mik,mjk,mk->ij", by_other, by_other, other_jump)
    return np.asarray(score, np.float64), np.asarray(variance, np.float64)


def fewer(tied: Floats, size: Floats) -> Floats:
    """Return the factor (Y - d)/(Y - 1) by which ties lessen a variance, as a sample's does."""
    several = np.broadcast_to(tied > 1, size.shape)
    less = np.zeros_like(size)
    np.divide(tied - 1, size - 1, out=less, where=several & (size != 1))
    return 1 - less


def shifted(values: Floats, start: float) -> Floats:
    """Return each value's predecessor, `start` before the first."""
    return np.concatenate([np.full_like(values[:1], start), values[:-1]])
