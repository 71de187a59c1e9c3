# SPDX-License-Identifier: Apache-2.0
"""Fine's and Gray's model: covariates that multiply the subdistribution hazard of one event."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.ascent import climb
from radioligand.statistics.covariates import check_covariates
from radioligand.statistics.cox import check_information, model_rows, named, symmetric_inverse
from radioligand.statistics.curves import survivors
from radioligand.statistics.observations import (
    Bools,
    Floats,
    Ints,
    check_choice,
    check_level,
    coded,
)
from radioligand.statistics.partial_likelihood import Likelihood
from radioligand.statistics.records import Record
from radioligand.statistics.risk_sets import RiskSets, risk_sets
from radioligand.statistics.wald import hazard_ratios

Program = Literal["cmprsk", "survival"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FineGrayModel(
    Record, rows="names", apart=("log_likelihood", "time", "stratum", "baseline_hazard")
):
    """A fitted model; arrays follow the covariates, (p,), or the times of the event, (q,)."""

    names: tuple[str, ...]
    of: Any  # the event modelled
    log_hazard_ratio: Floats  # of the subdistribution, per unit of the covariate
    standard_error: Floats
    hazard_ratio: Floats
    lower: Floats
    upper: Floats
    z: Floats
    p_value: Floats  # two-sided, Wald
    covariance: Floats  # (p, p)
    log_likelihood: tuple[float, float]  # with all coefficients 0, and fitted
    time: Floats  # (q,) of each event; of each stratum in turn, if there are several
    stratum: Ints  # (q,)
    baseline_hazard: Floats  # (q,) cumulative, of a subject whose covariates are 0
    rows: int
    events: int
    convention: Program
    level: float

    def incidence_at(self, times: ArrayLike, covariates: ArrayLike, *, stratum: int = 0) -> Floats:
        """Return the share (k,) of subjects with these `covariates` (p,) who have had the event.

        `stratum` counts from 0 in the sorted order of the labels. Raises ValueError if there are
        not p covariates.
        """
        x = np.atleast_1d(np.asarray(covariates, np.float64))
        if x.shape != self.log_hazard_ratio.shape:
            raise ValueError(f"covariates: {x.size} given; the model has {len(self.names)}.")
        here = self.stratum == stratum
        hazard = np.append(0.0, self.baseline_hazard[here])
        place = np.searchsorted(self.time[here], np.atleast_1d(times), "right")
        relative = np.exp(x @ self.log_hazard_ratio)
        return np.asarray(-np.expm1(-hazard[place] * relative), np.float64)


def fine_gray(
    time: ArrayLike,
    cause: ArrayLike,
    covariates: ArrayLike,
    *,
    of: Hashable = 1,
    censored: Hashable = 0,
    strata: ArrayLike | None = None,
    convention: Program = "cmprsk",
    level: float = 0.95,
    names: Sequence[str] | None = None,
) -> FineGrayModel:
    r"""Fit Fine's and Gray's model of an event that others may keep from happening.

    Parameters
    ----------
    time : (n,) whole days from origin to the first event of any cause, or to censoring.
    cause : (n,) label of the event, such as 0, 1 and 2; `censored` marks no event.
    covariates : (n,) or (n, p) numbers; code an arm as 0 and 1, the reference 0.
    of : label of the event that is modelled.
    strata : (n,) label of the stratum, each with its own baseline and its own censoring.
    convention : "cmprsk", the authors' own: Breslow's rule for ties, a subject with an event is
        still at risk of censoring that day, and the variance allows for the estimated censoring.
        "survival", as R's ``finegray`` and ``coxph``: Efron's rule, events before censorings, and
        Lin's and Wei's variance, which takes the censoring for known.
    level : coverage of the Wald interval.
    names : p words for the covariates, used in messages.

    Raises ValueError that names each fault of the input, a covariate that is constant or a
    combination of others, and one whose coefficient is infinite.

    Notes
    -----
    :math:`F(t\mid x)=1-\exp\{-H_0(t)e^{x\beta}\}`. A subject who had another event at s stays in
    the risk sets after s with weight G(t-)/G(s-), where G is Kaplan's and Meier's estimate of
    being uncensored. Fine and Gray, J Am Stat Assoc 1999;94:496. Oracle: R ``cmprsk::crr`` and
    ``survival::finegray``.

    """
    check_level(level)
    check_choice("convention", convention, get_args(Program))
    labels, code = coded("cause", cause)
    if of not in labels or of == censored:
        raise ValueError(f"of: no row of cause is {of!r}; it has {', '.join(map(str, labels))}.")
    event = code == labels.index(of)
    lost = code == labels.index(censored) if censored in labels else np.zeros_like(event)
    rows, x, stratum = model_rows(time, event, covariates, strata, None, None)
    words = named(names, x.shape[1])
    scale = check_covariates(rows, x, words).scale
    centre = x.mean(0)
    sets = risk_sets(rows, stratum=stratum)
    data = weighted_data(sets, (x - centre) / scale, event, lost, convention)

    null = likelihood(data, np.zeros(scale.size))
    check_information(null.information, words)
    scaled, fitted, _ = climb(lambda beta: likelihood(data, beta), np.zeros(scale.size), words)
    influence = residuals(data, scaled, with_censoring=convention == "cmprsk")
    inverse = symmetric_inverse(fitted.information)
    covariance = inverse @ (influence.T @ influence) @ inverse / np.outer(scale, scale)
    beta = scaled / scale
    sums = risk_sums(data, scaled)
    hazard = np.zeros(sets.time.size)
    hazard[data.happens] = np.add.reduceat(1 / sums.size, data.begin)
    with np.errstate(over="ignore"):
        baseline = (sets.so_far(hazard) * np.exp(-centre @ beta))[data.happens]
    return FineGrayModel(
        names=words,
        of=of,
        **hazard_ratios(beta, covariance, level=level),
        log_likelihood=(null.value, fitted.value),
        time=sets.time[data.happens],
        stratum=sets.stratum[data.happens],
        baseline_hazard=baseline,
        rows=event.size,
        events=int(event.sum()),
        convention=convention,
    )


class Weighted(NamedTuple):
    """What does not change with the coefficients: n rows in m cells, of which q hold E events."""

    sets: RiskSets
    x: Floats  # (n, p)
    event: Bools  # (n,)
    lost: Bools  # (n,) censored
    kept: Floats  # (n,) 1/G(s-) of a subject with another event at s, else 0
    uncensored: Floats  # (m,) G(t-)
    happens: Ints  # (q,) the cells with events
    begin: Ints  # (q,) where each of them begins among the events
    cell: Ints  # (E,) of each event
    share: Floats  # (E,) of the tied events taken from the risk set


class Sums(NamedTuple):
    """Sums over the risk set that each event meets, (E,), (E, p)."""

    relative: Floats  # (n,) hazard of each subject over the baseline
    size: Floats
    mean: Floats  # of the covariates


def weighted_data(
    sets: RiskSets, x: Floats, event: Bools, lost: Bools, convention: Program
) -> Weighted:
    """Estimate the censoring, and number the tied events of each cell."""
    censored = sets.total(lost.astype(np.float64))
    at_risk = sets.at_risk()
    if convention == "survival":
        at_risk = at_risk - (sets.total() - censored)
    stays = np.divide(
        survivors(at_risk, censored), at_risk, out=np.ones_like(at_risk), where=at_risk > 0
    )
    uncensored = np.empty_like(stays)
    for here in sets.strata():
        uncensored[here] = np.concatenate([[1.0], np.cumprod(stays[here])[:-1]])
    other = ~(event | lost)
    kept = np.where(other, 1 / np.where(other, uncensored[sets.cell], 1.0), 0.0)

    tied = sets.total(event.astype(np.float64)).astype(np.intp)
    happens = np.flatnonzero(tied)
    tied = tied[happens]
    begin = np.concatenate([[0], np.cumsum(tied)[:-1]]).astype(np.intp)
    share = (np.arange(tied.sum()) - np.repeat(begin, tied)) / np.repeat(tied, tied)
    if convention == "cmprsk":
        share = np.zeros_like(share)
    cell = np.repeat(happens, tied)
    return Weighted(sets, x, event, lost, kept, uncensored, happens, begin, cell, share)


def met(data: Weighted, values: Floats) -> Floats:
    """Sum row values (n,) over the risk set that each event meets, (E,)."""
    sets = data.sets
    gone = sets.total(values * data.kept)
    everyone = sets.at_risk(values) + data.uncensored * (sets.so_far(gone) - gone)
    spared = sets.total(np.where(data.event, values, 0.0))
    return np.asarray(everyone[data.cell] - data.share * spared[data.cell], np.float64)


def risk_sums(data: Weighted, beta: Floats) -> Sums:
    """Sum relative hazards and covariates over each risk set."""
    relative = np.exp(data.x @ beta)
    size = met(data, relative)
    first = np.stack([met(data, relative * column) for column in data.x.T], axis=1)
    return Sums(relative, size, first / size[:, None])


def likelihood(data: Weighted, beta: Floats) -> Likelihood:
    """Return the weighted partial likelihood at `beta` (p,)."""
    with np.errstate(all="ignore"):  # a step too far gives inf or nan, and is not taken
        sums = risk_sums(data, beta)
        value = float((data.x @ beta)[data.event].sum() - np.log(sums.size).sum())
        score = data.x[data.event].sum(0) - sums.mean.sum(0)
        information = -sums.mean.T @ sums.mean
        for i, one in enumerate(data.x.T):
            for j, two in enumerate(data.x.T[: i + 1]):
                second = float((met(data, sums.relative * one * two) / sums.size).sum())
                information[i, j] += second
                information[j, i] = information[i, j]
    return Likelihood(value, score, information)


def residuals(data: Weighted, beta: Floats, *, with_censoring: bool) -> Floats:
    """Return what each subject adds to the score, (n, p).

    A censored subject also moves the weights of all who had another event earlier;
    `with_censoring` adds what that does to the score.
    """
    sets, sums, x = data.sets, risk_sums(data, beta), data.x
    inverse = (1 / sums.size)[:, None]
    terms = np.hstack([inverse, inverse * sums.mean])  # a hazard, and the same times the mean

    def on_cells(values: Floats) -> Floats:
        placed = np.zeros((sets.time.size, values.shape[1]))
        placed[data.happens] = np.add.reduceat(values, data.begin)
        return placed

    def excess(hazards: Floats) -> Floats:
        """Turn a hazard (n, 1 + p) into the sum of (x - mean) over it, (n, p)."""
        return x * hazards[:, [0]] - hazards[:, 1:]

    full = on_cells(terms)
    to_date = columns(sets.so_far, full)
    later = columns(sets.onward, full * data.uncensored[:, None])
    after = later - full * data.uncensored[:, None]
    found = -excess(to_date[sets.cell]) - data.kept[:, None] * excess(after[sets.cell])
    spared = on_cells(terms * data.share[:, None])
    found += np.where(data.event[:, None], excess(spared[sets.cell]), 0.0)
    found *= sums.relative[:, None]
    own = on_cells(sums.mean) / np.maximum(sets.total(data.event.astype(np.float64)), 1)[:, None]
    found += np.where(data.event[:, None], x - own[sets.cell], 0.0)
    if with_censoring:
        found += censoring_residuals(data, sums, later)
    return np.asarray(found, np.float64)


def censoring_residuals(data: Weighted, sums: Sums, later: Floats) -> Floats:
    """Return what each subject adds to the score through the estimate of censoring, (n, p)."""
    sets = data.sets
    gone = (sums.relative * data.kept)[:, None] * np.hstack([np.ones((len(data.x), 1)), data.x])
    leaving = columns(sets.total, gone)
    before = columns(sets.so_far, leaving) - leaving
    moved = before[:, 1:] * later[:, [0]] - before[:, [0]] * later[:, 1:]
    at_risk = sets.at_risk()[:, None]
    censored = sets.total(data.lost.astype(np.float64))[:, None]
    compensator = columns(sets.so_far, moved * censored / at_risk**2)
    seen = np.where(data.lost[:, None], (moved / at_risk)[sets.cell], 0.0)
    return np.asarray(seen - compensator[sets.cell], np.float64)


def columns(summed: Any, values: Floats) -> Floats:
    """Apply a sum over cells to each column."""
    return np.stack([summed(np.ascontiguousarray(one)) for one in values.T], axis=1)
