# SPDX-License-Identifier: Apache-2.0
"""Rank tests of equal hazards: the log-rank test, its weighted family, and strata."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.curves import survivors
from radioligand.statistics.observations import (
    Bools,
    Floats,
    Ints,
    Observations,
    check_choice,
    coded,
    observations,
)
from radioligand.statistics.ordering import (
    by_stratum_and_time,
    is_large,
    on_all_cores,
    order_of,
    pieces_of,
)
from radioligand.statistics.records import Record
from radioligand.statistics.risk_sets import RiskSets, risk_sets

Weighting = (
    Literal["logrank", "gehan", "tarone-ware"]
    | tuple[Literal["fleming-harrington"], float, float]
)  # fmt: skip

FEW_GROUPS = 127  # whose codes, doubled, fit a byte


@dataclass(frozen=True, slots=True, kw_only=True)
class LogrankTest(Record, rows="groups", apart=("strata",)):
    """What a rank test found; arrays follow `groups`, (g,), and `strata`, (k,).

    Events are weighted as the test weights them, by 1 in the log-rank test.
    """

    groups: tuple[Any, ...]
    observed: Floats  # (g,) events seen
    expected: Floats  # (g,) events, had all groups of a stratum one hazard
    variance: Floats  # (g, g) of observed - expected
    chi_square: float
    degrees_of_freedom: int  # groups at risk when an event happened, less one
    p_value: float  # two-sided
    strata: tuple[Any, ...]
    stratum_observed: Floats  # (k, g)
    stratum_expected: Floats  # (k, g)
    stratum_variance: Floats  # (k, g, g)

    @property
    def z(self) -> float:
        """Observed less expected events of the second of two groups, over its standard error.

        Positive: the second group has more events than equal hazards would give, so does worse.
        nan if there are more groups than two.
        """
        if len(self.groups) != 2:
            return np.nan
        return float((self.observed - self.expected)[1] / np.sqrt(self.variance[1, 1]))

    def one_sided(self, *, fewer_events_in: Hashable) -> float:
        """Return the p value of the one-sided claim that this of two groups has fewer events.

        Raises ValueError if the group is unknown or there are more than two.
        """
        if len(self.groups) != 2 or fewer_events_in not in self.groups:
            raise ValueError(
                f"A one-sided test is of one of two groups; {fewer_events_in!r} of {self.groups}."
            )
        second = fewer_events_in == self.groups[1]
        return float(special.ndtr(self.z if second else -self.z))


def logrank(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    weights: Weighting = "logrank",
    groups: Sequence[Hashable] | None = None,
) -> LogrankTest:
    r"""Test whether groups share one hazard, within strata if there are any.

    Parameters
    ----------
    time : (n,) whole days from origin to event or censoring.
    event : (n,) bool or 0 and 1, True where the event was seen (in ADTTE, ``CNSR == 0``).
    group : (n,) each subject's arm; sorted, unless `groups` says which comes first.
    strata : (n,) each subject's stratum; one label even where several factors make it.
    entry : (n,) days after which the subject was at risk.
    weights : of an event, from the Y at risk and the pooled survival S just before it in its
        stratum: "logrank" 1, "gehan" Y, "tarone-ware" :math:`\sqrt Y`, and
        ``("fleming-harrington", rho, gamma)`` :math:`S^\rho(1-S)^\gamma`.
    groups : the labels of `group` in the order wanted, reference first.

    Raises ValueError that names each fault of the input, or if no event compares two groups.

    Notes
    -----
    At each event time of each stratum, with d events among Y at risk, :math:`Y_g` of group g:
    :math:`E_g=d\,Y_g/Y,\quad V_{gh}=d\frac{Y-d}{Y-1}\frac{Y_g}{Y}(\delta_{gh}-\frac{Y_h}{Y})`.
    Observed less expected, and V, are summed over times and then over strata; for two groups
    :math:`z=\sum(O_2-E_2)/\sqrt{\sum V_{22}}`. A stratum with one arm or no event adds nothing.
    Mantel, Cancer Chemother Rep 1966;50:163; Fleming and Harrington, Counting Processes and
    Survival Analysis, 1991. Oracle: R ``survival::survdiff``.

    """
    rows = observations(time, event, entry=entry, group=group, strata=strata)
    known, member = coded("group", group, order=groups)
    levels, stratum = ((None,), None) if strata is None else coded("strata", strata)
    if len(known) < 2:
        raise ValueError(f"group: all rows are of {known[0]!r}; one group compares with nothing.")
    powers = weight_powers(weights)
    sums = sums_of_many if is_large(rows.time.size) and rows.entry is None else sums_by_stratum
    observed, expected, variance = sums(rows, member, stratum, powers)
    total_observed, total_expected = observed.sum(0), expected.sum(0)
    chi_square, freedom = quadratic_form(
        total_observed - total_expected, variance.sum(0), compared=total_expected > 0
    )
    return LogrankTest(
        groups=known,
        observed=total_observed,
        expected=total_expected,
        variance=variance.sum(0),
        chi_square=chi_square,
        degrees_of_freedom=freedom,
        p_value=float(special.chdtrc(freedom, chi_square)),
        strata=levels,
        stratum_observed=observed,
        stratum_expected=expected,
        stratum_variance=variance,
    )


class Powers(NamedTuple):
    """An event weighs Y^at_risk S^survival (1 - S)^loss."""

    at_risk: float = 0.0
    survival: float = 0.0
    loss: float = 0.0


def weight_powers(weights: Weighting) -> Powers:
    """Return the powers a named weighting stands for."""
    if isinstance(weights, tuple):
        if len(weights) != 3 or weights[0] != "fleming-harrington":
            raise ValueError(f"weights: {weights!r}; give ('fleming-harrington', rho, gamma).")
        _, rho, gamma = weights
        if not (rho >= 0 and gamma >= 0):
            raise ValueError(f"weights: rho {rho} and gamma {gamma} must be 0 or more.")
        return Powers(survival=float(rho), loss=float(gamma))
    check_choice("weights", weights, ("logrank", "gehan", "tarone-ware"))
    return Powers(at_risk={"logrank": 0.0, "tarone-ware": 0.5, "gehan": 1.0}[weights])


class Sums(NamedTuple):
    """Events by stratum and group, seen and expected (k, g), and their variance (k, g, g)."""

    observed: Floats
    expected: Floats
    variance: Floats


def sums_by_stratum(rows: Observations, member: Ints, stratum: Ints | None, powers: Powers) -> Sums:
    """Sum over the times of each stratum."""
    sets = risk_sets(rows, stratum=stratum)
    belongs = [(member == code).astype(np.float64) for code in range(int(member.max()) + 1)]
    events = np.stack([sets.total(one * rows.event) for one in belongs], axis=1)  # (m, g)
    at_risk = np.stack([sets.at_risk(one) for one in belongs], axis=1)
    d, n = events.sum(1), at_risk.sum(1)
    happens = d > 0
    weight = event_weights(sets, d, n, powers)[happens, None]

    events, at_risk, d, n = events[happens], at_risk[happens], d[happens, None], n[happens, None]
    share = at_risk / n
    spread = weight**2 * d * (n - d) / np.maximum(n - 1, 1) * share
    begin = np.searchsorted(sets.stratum[happens], np.arange(sets.first.size + 1))

    def by_stratum(values: Floats) -> Floats:
        summed = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
        return np.diff(summed[begin], axis=0)

    variance = np.empty((sets.first.size, len(belongs), len(belongs)))
    for code in range(len(belongs)):
        variance[:, code] = -by_stratum(spread * share[:, [code]])
        variance[:, code, code] += by_stratum(spread[:, [code]])[:, 0]
    return Sums(by_stratum(weight * events), by_stratum(weight * d * share), variance)


def sums_of_many(rows: Observations, member: Ints, stratum: Ints | None, powers: Powers) -> Sums:
    """Sum as `sums_by_stratum` does, in one pass over the rows in their order; none enters late."""
    from radioligand.statistics import kernels

    order = order_of(rows)
    row, ascending, first = by_stratum_and_time(order, stratum)
    g, ends = int(member.max()) + 1, np.append(first, row.size)
    code = member.astype(np.uint8 if g <= FEW_GROUPS else np.uint32)
    code = 2 * code + rows.event
    mark = np.empty_like(code)
    on_all_cores(kernels.gather, [(row, code, mark, *one) for one in pieces_of(row.size)])
    observed, expected = np.zeros((2, first.size, g))
    variance = np.zeros((first.size, g, g))
    each = zip(observed, expected, variance, ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    on_all_cores(kernels.rank_sums, [(ascending, mark, *powers, *one) for one in each])
    return Sums(observed, expected, variance)


def event_weights(sets: RiskSets, d: Floats, n: Floats, powers: Powers) -> Floats:
    """Return the weight of an event in each cell, (m,)."""
    before = survival_before(sets, d, n) if powers.survival or powers.loss else np.ones(n.size)
    weight = n**powers.at_risk * before**powers.survival * (1 - before) ** powers.loss
    return np.asarray(weight, np.float64)


def survival_before(sets: RiskSets, d: Floats, n: Floats) -> Floats:
    """Return the Kaplan–Meier estimate just before each cell, within its stratum."""
    survival = np.empty(d.size)
    for here in sets.strata():
        left = survivors(n[here], d[here]) / n[here]
        survival[here] = np.concatenate([[1.0], np.cumprod(left)[:-1]])
    return survival


def quadratic_form(excess: Floats, variance: Floats, *, compared: Bools) -> tuple[float, int]:
    """Return chi-square and its degrees of freedom; one compared group is fixed by the others."""
    free = np.flatnonzero(compared)[1:]
    part = variance[np.ix_(free, free)]
    scale = np.sqrt(np.diag(part))
    if not free.size or not np.all(scale > 0):
        raise ValueError("No event happened while two groups were at risk: nothing to compare.")
    correlation = part / np.outer(scale, scale)
    if np.linalg.matrix_rank(correlation, tol=1e-9, hermitian=True) < free.size:
        raise ValueError("Some groups are never at risk together, so cannot be compared.")
    return float(excess[free] @ np.linalg.solve(part, excess[free])), int(free.size)
