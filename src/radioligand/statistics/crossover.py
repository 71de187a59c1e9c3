# SPDX-License-Identifier: Apache-2.0
"""What a treatment does to survival, had controls not crossed over to it: the door to both ways.

The rank-preserving model asks by how much treatment stretches a life, and uses randomisation
alone. Weighting censors controls when they cross over, and lets those like them who have not
stand in for them; it needs to know what makes a control cross over.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.cox import cox
from radioligand.statistics.crossover_weights import (
    CrossoverWeights,
    crossover_weights,
    weighted_cox,
)
from radioligand.statistics.observations import (
    Bools,
    Faults,
    Floats,
    Ints,
    check_level,
    coded,
    deviate,
    events,
    numbers,
    observations,
)
from radioligand.statistics.ranks import logrank
from radioligand.statistics.records import Record, Values

__all__ = [
    "Counterfactual",
    "CrossoverWeights",
    "RankPreservingModel",
    "counterfactual",
    "crossover_weights",
    "rank_preserving_model",
    "weighted_cox",
]

GRID = 121  # values of psi at which the test is looked at; an odd number, to hold 0
FINER = 50  # parts of a step of the grid, where the test comes near a value that is sought
NEAR = 0.5  # in standard errors; a few subjects who change places move the test by less
HALVINGS = 50


@dataclass(frozen=True, slots=True)
class Counterfactual(Values, rows="time"):
    """Times had nobody been treated, (n,) each."""

    time: Floats
    event: Bools  # False where re-censoring came first


@dataclass(frozen=True, slots=True, kw_only=True)
class RankPreservingModel(Record):
    """What g-estimation found. A life of t days untreated lasts t exp(-psi) days on treatment."""

    groups: tuple[Any, ...]  # the control first
    psi: float  # below 0, treatment lengthens life
    lower: float  # nan where the test does not reject within the range searched
    upper: float
    crossings: Floats  # all psi at which z changes its sign; `psi` lies midway of the outermost
    grid: Floats  # (m,) values of psi looked at
    z: Floats  # (m,) of the log-rank test of the treated arm; nan where no event is left
    untreated: Counterfactual  # at psi
    p_value: float  # two-sided, of the arms as randomised; the model does not change it
    hazard_ratio: float  # treated arm as seen, to the control untreated; nan: not estimated
    hazard_ratio_interval: tuple[float, float]  # that keeps the p value of the arms as randomised
    level: float

    @property
    def time_ratio(self) -> float:
        """How many times longer a life is on treatment: exp(-psi)."""
        return float(np.exp(-self.psi))

    @property
    def time_ratio_interval(self) -> tuple[float, float]:
        """Limits of `time_ratio`; nan is not estimated."""
        return float(np.exp(-self.upper)), float(np.exp(-self.lower))


def counterfactual(
    time: ArrayLike,
    event: ArrayLike,
    treated: ArrayLike,
    *,
    psi: float,
    potential: ArrayLike | None = None,
    recensored: ArrayLike | None = None,
) -> Counterfactual:
    r"""Return the times subjects would have had untreated, were treatment's effect `psi`.

    Parameters
    ----------
    time : (n,) days from origin to event or censoring.
    event : (n,) bool or 0 and 1, True where the event was seen.
    treated : (n,) days of `time` on treatment or after its start, 0 to `time`.
    psi : log of the days untreated that one day on treatment is worth.
    potential : (n,) days from origin to the data cutoff, had there been no event; without it
        nobody is re-censored.
    recensored : (n,) bool, whom to re-censor; all if not given.

    Raises ValueError that names each fault of the input.

    Notes
    -----
    :math:`U=(t-a)+a\,e^{\psi}` for a days on treatment. Once psi is not 0, censoring at the cutoff
    would depend on the outcome through a, so U is censored at
    :math:`\min(c,c\,e^{\psi})`, the earliest it could have been for any a.

    """
    rows, on, cutoff = checked(time, event, treated, potential)
    who, faults = np.ones(on.size, np.bool_), Faults()
    if recensored is not None:
        who = events("recensored", recensored, faults)
        if not faults and who.shape != on.shape:
            faults.append(f"Lengths differ: time {on.size}, recensored {who.size}.")
    faults.refuse()
    return untreated(rows.time, rows.event, on, np.where(who, cutoff, np.inf), psi)


def rank_preserving_model(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    treated: ArrayLike,
    *,
    potential: ArrayLike,
    strata: ArrayLike | None = None,
    groups: Sequence[Hashable] | None = None,
    search: tuple[float, float] = (-3.0, 3.0),
    level: float = 0.95,
) -> RankPreservingModel:
    r"""Estimate the effect of treatment that makes untreated survival equal in both arms.

    Parameters
    ----------
    time, event : (n,) as in `logrank`.
    group : (n,) each subject's arm; the control first in sorted order, unless `groups` says so.
    treated : (n,) days of `time` on treatment or after its start, 0 to `time`: all of it in the
        treated arm, in the control the days since crossover.
    potential : (n,) days from origin to the data cutoff, at least `time`, for re-censoring. An
        arm in which everyone was treated throughout, or nobody ever, is not re-censored.
    strata : (n,) each subject's stratum, for the log-rank test and the hazard ratio.
    groups : the two labels of `group`, control first.
    search : smallest and largest psi considered.
    level : coverage of the intervals.

    Raises ValueError that names each fault of the input, or if no psi in the range makes the arms
    equal.

    Notes
    -----
    z(psi) is the stratified log-rank test of the arms' times untreated, see `counterfactual`. It
    is a step function and may cross 0 several times: psi is midway between the outermost
    crossings, and the interval reaches to the outermost crossings of the normal deviates. They are
    looked for at every 6000th of the range. The hazard ratio h is Cox's, with limits
    :math:`\exp(\log h\,(1\pm z_{1-\alpha/2}/|z(0)|))`. Robins and Tsiatis, Commun Stat
    1991;20:2609; White, Babiker, Walker and Darbyshire, Stat Med 1999;18:2617.

    """
    check_level(level)
    rows, on, cutoff = checked(time, event, treated, potential)
    known, arm = coded("group", group, order=groups)
    if len(known) != 2 or arm.size != on.size:
        raise ValueError(f"group: has the labels {known} on {arm.size} rows; give two arms.")
    low, high = search
    if not -np.inf < low < high < np.inf:
        raise ValueError(f"search: {search!r} is no range; give such as (-3, 3).")
    if not on.any():
        raise ValueError(f"treated: none of {on.size} rows was ever treated; psi is of treatment.")
    for one in range(2):
        of_arm = arm == one
        if np.all(on[of_arm] == 0) or np.all(on[of_arm] == rows.time[of_arm]):
            cutoff = np.where(of_arm, np.inf, cutoff)

    as_seen = logrank(rows.time, rows.event, arm, strata=strata)

    def z_at(psi: float) -> float:
        there = untreated(rows.time, rows.event, on, cutoff, psi)
        try:
            return logrank(there.time, there.event, arm, strata=strata).z
        except ValueError:  # re-censoring has left no event to compare
            return np.nan

    critical = deviate(level)
    grid, z = searched(z_at, low, high, (-critical, 0.0, critical))
    crossings = roots(z_at, grid, z, 0.0)
    if not crossings.size:
        raise ValueError(
            f"No psi from {low:g} to {high:g} makes the arms equal untreated: z stays between "
            f"{np.nanmin(z):.2f} and {np.nanmax(z):.2f}. Widen the search, if the model can fit."
        )
    psi = float(crossings[0] + crossings[-1]) / 2
    limits = np.sort(np.concatenate([roots(z_at, grid, z, one) for one in (-critical, critical)]))
    lower, upper = limits[limits < crossings[0]], limits[limits > crossings[-1]]
    there = untreated(rows.time, rows.event, on, cutoff, psi)
    log_ratio = corrected(rows.time, rows.event, arm, there, strata)
    reach = abs(log_ratio) * critical / abs(as_seen.z) if as_seen.z else np.nan
    return RankPreservingModel(
        groups=known,
        psi=psi,
        lower=float(lower[0]) if lower.size else np.nan,
        upper=float(upper[-1]) if upper.size else np.nan,
        crossings=crossings,
        grid=grid,
        z=z,
        untreated=there,
        p_value=as_seen.p_value,
        hazard_ratio=float(np.exp(log_ratio)),
        hazard_ratio_interval=(
            float(np.exp(log_ratio - reach)),
            float(np.exp(log_ratio + reach)),
        ),
        level=level,
    )


def untreated(time: Floats, event: Bools, on: Floats, cutoff: Floats, psi: float) -> Counterfactual:
    """Stretch the days on treatment by exp(psi), and censor at what the cutoff then leaves."""
    change = float(np.expm1(psi))
    moved, last = time + on * change, cutoff.copy()
    last[cutoff < np.inf] += cutoff[cutoff < np.inf] * min(change, 0.0)
    return Counterfactual(np.minimum(moved, last), event & (moved <= last))


def corrected(
    time: Floats, event: Bools, arm: Ints, there: Counterfactual, strata: ArrayLike | None
) -> float:
    """Return Cox's log hazard ratio of the treated arm as seen against the control untreated."""
    own = arm == 1
    times, events = np.where(own, time, there.time), np.where(own, event, there.event)
    try:
        return float(cox(times, events, arm, strata=strata).log_hazard_ratio[0])
    except ValueError:  # re-censoring has left no event in an arm, or separated the two
        return np.nan


def searched(
    function: Callable[[float], float], low: float, high: float, targets: Sequence[float]
) -> tuple[Floats, Floats]:
    """Return a function on a grid, finer where it comes near one of the targets."""
    grid = np.linspace(low, high, GRID)
    values = np.array([function(one) for one in grid.tolist()])
    off = values[:, None] - np.array(targets)
    close = np.any(np.abs(off) < NEAR, axis=1)
    known = np.isfinite(values)
    across = np.any((off[:-1] > 0) != (off[1:] > 0), axis=1) & known[:-1] & known[1:]
    cells = close[:-1] | close[1:] | across
    inner = [
        np.linspace(grid[left], grid[left + 1], FINER + 1)[1:-1]
        for left in np.flatnonzero(cells).tolist()
    ]
    more = np.concatenate(inner) if inner else np.empty(0)
    added = np.array([function(one) for one in more.tolist()])
    order = np.argsort(np.concatenate([grid, more]))
    return np.concatenate([grid, more])[order], np.concatenate([values, added])[order]


def roots(
    function: Callable[[float], float], grid: Floats, values: Floats, target: float
) -> Floats:
    """Return where a step function crosses `target`, one crossing between neighbours on a grid."""
    grid, values = grid[np.isfinite(values)], values[np.isfinite(values)]
    above = values > target
    found = [float(one) for one in grid[values == target]]
    for left in np.flatnonzero(above[:-1] != above[1:]).tolist():
        if target in (values[left], values[left + 1]):
            continue
        low, high = float(grid[left]), float(grid[left + 1])
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            if (function(middle) > target) == above[left]:
                low = middle
            else:
                high = middle
        found.append((low + high) / 2)
    return np.sort(np.array(found))


def checked(
    time: ArrayLike, event: ArrayLike, treated: ArrayLike, potential: ArrayLike | None
) -> tuple[Any, Floats, Floats]:
    """Return the rows, the days on treatment and the days to cutoff, infinite if not given."""
    rows = observations(time, event, treated=treated, potential=potential)
    faults = Faults()
    on = numbers("treated", treated, faults)
    cutoff = (
        np.full(rows.time.size, np.inf)
        if potential is None
        else numbers("potential", potential, faults)
    )
    faults.refuse()
    bad = ~((on >= 0) & (on <= rows.time))
    mend = "give days of the row's own time, 0 to all of it"
    faults.among("treated", on, bad, "are missing, negative or more than time", mend)
    mend = "give days from origin to the data cutoff"
    faults.among("potential", cutoff, ~(cutoff >= rows.time), "are missing or before time", mend)
    faults.refuse()
    return rows, on, cutoff
