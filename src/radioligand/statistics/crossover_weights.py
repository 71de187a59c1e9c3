# SPDX-License-Identifier: Apache-2.0
"""Weights by which those who did not cross over stand in for those like them who did.

Follow-up comes in rows: a subject's days from `entry` to `time`, with covariates as they were
known at `entry`. Rows end when a subject crosses over; what happens later is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.ascent import climb
from radioligand.statistics.cox import CoxModel, cox, named, symmetric_inverse
from radioligand.statistics.observations import (
    Bools,
    Faults,
    Floats,
    Ints,
    coded,
    events,
    numbers,
    observations,
)
from radioligand.statistics.parametric import check_combinations
from radioligand.statistics.partial_likelihood import Likelihood
from radioligand.statistics.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossoverWeights(Record, rows="weights", apart=("names", "log_odds_ratio", "standard_error")):
    """A weight for each row, (n,), and the model of crossover they come from, (1 + p,)."""

    weights: Floats  # (n,) of the row, from its subject's chance not to have crossed over before
    names: tuple[str, ...]  # of the coefficients, the intercept first
    log_odds_ratio: Floats
    standard_error: Floats
    covariance: Floats
    chance: Floats  # (n,) of crossing over at the end of the row; 0 where it could not happen
    stabilised: bool
    crossed: int
    eligible: int  # rows that could end with crossover


def crossover_weights(
    subject: ArrayLike,
    time: ArrayLike,
    crossed: ArrayLike,
    predictors: ArrayLike,
    *,
    entry: ArrayLike,
    eligible: ArrayLike | None = None,
    stabilisers: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> CrossoverWeights:
    r"""Weight rows of follow-up by the inverse chance of not having crossed over before.

    Parameters
    ----------
    subject : (n,) label of the subject a row is of; rows in any order.
    time, entry : (n,) days from origin: a row is of the days after `entry`, up to `time`.
    crossed : (n,) bool or 0 and 1, True if the subject crossed over at the end of the row, which
        must be the subject's last.
    predictors : (n,) or (n, p) numbers known at `entry` that tell who crosses over: also time
        itself, if the chance changes with it.
    eligible : (n,) bool, rows that could end with crossover, such as those of controls after
        progression; all if not given. The model is fitted to these alone.
    stabilisers : (n,) or (n, q) numbers, such as baseline covariates, of a second model whose
        chances go into the numerator; they keep weights near 1. Without it the numerator is 1.
        Adjust the outcome model for them.
    names : p words for the predictors, used in messages.

    Raises ValueError that names each fault of the input, rows of a subject that overlap or go on
    after crossover, and predictors that separate those who cross over.

    Notes
    -----
    One logistic model is fitted to all eligible rows pooled. The weight of a row is
    :math:`\prod(1-\pi^*_j)/(1-\pi_j)` over the subject's earlier eligible rows j, so that a row
    counts in full up to the crossover that ends it. Robins and Finkelstein, Biometrics
    2000;56:779. Oracle: R ``glm`` and ``survival::coxph``.

    """
    faults = Faults()
    events("crossed", crossed, faults)
    faults.refuse()
    rows = observations(time, crossed, entry=entry, subject=subject, eligible=eligible)
    _, code = coded("subject", subject)
    x = matrix("predictors", predictors, code.size)
    words = named(names, x.shape[1])
    may = np.ones(code.size, np.bool_) if eligible is None else events("eligible", eligible, faults)
    faults.refuse()
    if rows.entry is None:
        raise ValueError("entry: give the day after which each row begins.")
    order = np.lexsort((rows.entry, code))
    check_order(rows.entry[order], rows.time[order], rows.event[order], code[order])
    if odd := int(np.sum(rows.event & ~may)):
        raise ValueError(f"eligible: {odd} rows end with crossover that were not eligible for it.")
    if not rows.event.any():
        raise ValueError(f"crossed: none of {code.size} rows ends with crossover; weights are 1.")
    if rows.event[may].all():
        raise ValueError("crossed: all eligible rows end with crossover; nobody stands in.")

    beta, covariance, chance = logistic(x, rows.event, may, words)
    log_stays = np.log1p(-chance)
    if stabilisers is not None:
        z = matrix("stabilisers", stabilisers, code.size)
        told = tuple(f"stabiliser {one}" for one in range(z.shape[1]))
        log_stays -= np.log1p(-logistic(z, rows.event, may, told)[2])
    weights = np.empty(code.size)
    weights[order] = np.exp(-earlier(log_stays[order], code[order]))
    return CrossoverWeights(
        weights=weights,
        names=("intercept", *words),
        log_odds_ratio=beta,
        standard_error=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        chance=chance,
        stabilised=stabilisers is not None,
        crossed=int(rows.event.sum()),
        eligible=int(may.sum()),
    )


def weighted_cox(
    subject: ArrayLike,
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    weights: CrossoverWeights,
    *,
    entry: ArrayLike,
    strata: ArrayLike | None = None,
    level: float = 0.95,
    names: Sequence[str] | None = None,
) -> CoxModel:
    """Fit Cox's model to weighted rows of follow-up, with the robust variance over subjects.

    `subject`, `time` and `entry` are those given to `crossover_weights`; `event` is true on the
    row that ends with the event, and the others are as in `cox`. The variance takes the weights
    for known, which errs on the side of caution. Raises ValueError as `cox` does.
    """
    coded("subject", subject)  # refuses what is no label by this name
    return cox(
        time, event, covariates, strata=strata, entry=entry, weights=weights.weights,
        cluster=subject, level=level, names=names,
    )  # fmt: skip


def logistic(
    x: Floats, event: Bools, may: Bools, words: tuple[str, ...]
) -> tuple[Floats, Floats, Floats]:
    """Fit event on x in the rows that may have it; return coefficients, covariance and chances."""
    own, seen = x[may], event[may]
    centre, spread = own.mean(0), own.std(0)
    if constant := [word for word, one in zip(words, spread, strict=True) if one == 0]:
        raise ValueError(f"{', '.join(constant)}: the same in every eligible row; leave it out.")
    scaled = (own - centre) / spread
    check_combinations(scaled, words)
    design = np.column_stack([np.ones(len(own)), scaled])

    def likelihood(beta: Floats) -> Likelihood:
        linear = design @ beta
        chance = special.expit(linear)
        value = float(linear[seen].sum() - np.logaddexp(0, linear).sum())
        information = ((chance * (1 - chance))[:, None] * design).T @ design
        return Likelihood(value, design.T @ (seen - chance), information)

    beta, found, _ = climb(likelihood, np.zeros(design.shape[1]), ("intercept", *words))
    back = np.eye(beta.size)
    back[1:, 1:] = np.diag(1 / spread)
    back[0, 1:] = -centre / spread
    covariance = back @ symmetric_inverse(found.information) @ back.T
    chance = np.zeros(may.size)
    chance[may] = special.expit(design @ beta)
    return np.asarray(back @ beta, np.float64), np.asarray(covariance, np.float64), chance


def earlier(values: Floats, code: Ints) -> Floats:
    """Sum `values` over the rows before each of the same subject; rows in order of subject."""
    total = np.cumsum(values) - values
    first = np.flatnonzero(np.diff(code, prepend=-1))
    return np.asarray(total - np.repeat(total[first], np.diff(np.append(first, code.size))))


def check_order(entry: Floats, time: Floats, crossed: Bools, code: Ints) -> None:
    """Refuse a subject's rows that overlap, or go on after crossover."""
    same = code[1:] == code[:-1]
    faults = Faults()
    if overlapping := int(np.sum(same & (entry[1:] < time[:-1]))):
        faults.append(f"entry: {overlapping} rows begin before the same subject's row ended.")
    if later := int(np.sum(same & crossed[:-1])):
        faults.append(f"crossed: {later} subjects have rows after crossover; leave those out.")
    faults.refuse()


def matrix(name: str, values: ArrayLike, rows: int) -> Floats:
    """Return covariates as (n, p), checked."""
    array = np.asarray(values)
    columns = array[:, None] if array.ndim == 1 else array
    if columns.ndim != 2 or columns.shape[0] != rows or not columns.shape[1]:
        raise ValueError(f"{name}: have shape {array.shape}; give numbers for {rows} rows.")
    faults = Faults()
    x = [numbers(f"{name} {place}", one, faults) for place, one in enumerate(columns.T)]
    for place, one in enumerate(x):
        mend = "fill in what was last known"
        faults.among(f"{name} {place}", one, ~np.isfinite(one), "are missing or infinite", mend)
    faults.refuse()
    return np.stack(x, axis=1)
