# SPDX-License-Identifier: Apache-2.0
"""Cox's partial likelihood, its score and its information, at given coefficients.

With Efron's rule the l-th of d tied events, l from 0, faces a risk set from which the share l/d
of the tied has been taken; with Breslow's the share is 0. Sums over the risk set need no second
moments at each time: summed over times, they are one product of the covariates with themselves.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from radioligand.statistics import special
from radioligand.statistics.observations import Floats, Ints, Observations
from radioligand.statistics.risk_sets import RiskSets, risk_sets

Ties = Literal["efron", "breslow", "exact"]


class Likelihood(NamedTuple):
    """The logarithm of the likelihood, its first derivative (p,), and minus its second (p, p)."""

    value: float
    score: Floats
    information: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class CoxData:
    """What does not change from one set of coefficients to the next; q cells hold events."""

    x: Floats  # (n, p)
    event: Floats  # (n,) the row's weight where its event was seen, else 0
    weight: Floats  # (n,)
    sets: RiskSets
    happens: Ints  # (q,) the cells with events
    share: Floats  # (E,) of the tied taken from the risk set, for each event in the order of cells
    begin: Ints  # (q,) where each cell begins in `share`
    tied: Floats  # (q,) number of events
    mean_weight: Floats  # (q,) of the events
    ties: Ties


def cox_data(rows: Observations, x: Floats, *, stratum: Ints | None, ties: Ties) -> CoxData:
    """Gather rows into risk sets, and number the tied events in each."""
    sets = risk_sets(rows, stratum=stratum)
    seen = rows.event.astype(np.float64)
    weight = np.ones(seen.size) if rows.weights is None else rows.weights
    tied = sets.total(seen)
    happens = np.flatnonzero(tied)
    tied = tied[happens]
    begin = np.concatenate([[0], np.cumsum(tied)[:-1]]).astype(np.intp)
    number = np.arange(int(tied.sum())) - np.repeat(begin, tied.astype(np.intp))
    share = number / np.repeat(tied, tied.astype(np.intp)) * (ties == "efron")
    mean_weight = sets.total(seen * weight)[happens] / tied
    return CoxData(
        x=x, event=seen * weight, weight=weight, sets=sets, happens=happens, share=share,
        begin=begin, tied=tied, mean_weight=mean_weight, ties=ties,
    )  # fmt: skip


class RiskSums(NamedTuple):
    """Sums at the cells with events, (q,) or (q, p), at given coefficients."""

    theta: Floats  # (n,) weight times relative hazard
    shift: float  # taken from every linear predictor against overflow
    inverse: Floats  # (E,) mean weight over each event's denominator
    denominator: Floats  # (E,)
    at_risk_x: Floats  # (q, p) theta times covariates over those at risk
    tied_x: Floats  # (q, p) the same over the tied events


def risk_sums(data: CoxData, linear: Floats) -> RiskSums:
    """Sum relative hazards over each risk set."""
    shift = float(linear.max())
    theta = data.weight * np.exp(linear - shift)
    of_event = np.where(data.event > 0, theta, 0.0)
    sets, happens, many = data.sets, data.happens, data.tied.astype(np.intp)
    at_risk, tied = sets.at_risk(theta)[happens], sets.total(of_event)[happens]
    denominator = np.repeat(at_risk, many) - data.share * np.repeat(tied, many)
    columns = data.x.T
    return RiskSums(
        theta=theta,
        shift=shift,
        inverse=np.repeat(data.mean_weight, many) / denominator,
        denominator=denominator,
        at_risk_x=np.stack([sets.at_risk(theta * one)[happens] for one in columns], axis=1),
        tied_x=np.stack([sets.total(of_event * one)[happens] for one in columns], axis=1),
    )


def likelihood(
    data: CoxData, coefficients: Floats, *, cell_weight: Floats | None = None
) -> Likelihood:
    """Return the partial likelihood at `coefficients` (p,).

    `cell_weight` (q,) multiplies what each cell with events adds: with a function of time it
    gives the parts of the test of proportional hazards.
    """
    linear = data.x @ coefficients
    with np.errstate(all="ignore"):  # a step too far gives inf or nan, and is not taken
        if data.ties == "exact":
            return exact_likelihood(data, linear)
        return approximate_likelihood(data, linear, cell_weight)


def approximate_likelihood(data: CoxData, linear: Floats, cell_weight: Floats | None) -> Likelihood:
    """Return the likelihood with tied events by Efron's or by Breslow's rule."""
    sums = risk_sums(data, linear)
    cell = np.ones(data.tied.size) if cell_weight is None else cell_weight
    row_cell = np.zeros(data.sets.time.size)
    row_cell[data.happens] = cell
    of_event = data.event * row_cell[data.sets.cell]
    many = data.tied.astype(np.intp)
    log_denominators = np.repeat(data.mean_weight * cell, many) * (
        np.log(sums.denominator) + sums.shift
    )
    value = float(of_event @ linear) - float(log_denominators.sum())

    hazard = np.add.reduceat(sums.inverse, data.begin) * cell
    spared = np.add.reduceat(sums.inverse * data.share, data.begin) * cell
    expected = expected_events(data, sums.theta, hazard, spared)
    score = data.x.T @ (of_event - expected)

    squared = sums.inverse / sums.denominator
    b0, b1, b2 = (
        np.add.reduceat(squared * data.share**power, data.begin) * cell for power in range(3)
    )
    s, t = sums.at_risk_x, sums.tied_x
    crossed = (b1[:, None] * s).T @ t
    means = (b0[:, None] * s).T @ s - crossed - crossed.T + (b2[:, None] * t).T @ t
    information = (expected[:, None] * data.x).T @ data.x - means
    return Likelihood(value, score, information)


def expected_events(data: CoxData, theta: Floats, hazard: Floats, spared: Floats) -> Floats:
    """Return each row's cumulative hazard times its theta, (n,), tied events spared their part."""
    on_cells = np.zeros((2, data.sets.time.size))
    on_cells[:, data.happens] = hazard, spared
    return theta * (
        accumulated(data.sets, on_cells[0])
        - np.where(data.event > 0, on_cells[1][data.sets.cell], 0.0)
    )


def accumulated(sets: RiskSets, values: Floats) -> Floats:
    """Sum cell values (m,) over the cells at which each row was at risk, (n,)."""
    total = sets.so_far(values)
    summed = total[sets.cell]
    if sets.late is not None:
        summed = summed - np.where(sets.late >= 0, total[sets.late], 0.0)
    return np.asarray(summed, np.float64)


def score_residuals(data: CoxData, coefficients: Floats) -> Floats:
    """Return what each row adds to the score, (n, p), its weight included."""
    sums = risk_sums(data, data.x @ coefficients)
    many = data.tied.astype(np.intp)
    by_event = (data.share * np.repeat(sums.tied_x, many, axis=0).T).T
    mean = (np.repeat(sums.at_risk_x, many, axis=0) - by_event) / sums.denominator[:, None]
    hazard = np.add.reduceat(sums.inverse, data.begin)
    spared = np.add.reduceat(sums.inverse * data.share, data.begin)
    expected = expected_events(data, sums.theta, hazard, spared)
    residuals = (data.event - expected)[:, None] * data.x

    seen = data.event > 0
    on_cells = np.zeros(data.sets.time.size)
    for column in range(data.x.shape[1]):
        weighted = sums.inverse * mean[:, column]
        on_cells[data.happens] = np.add.reduceat(weighted, data.begin)
        residuals[:, column] += sums.theta * accumulated(data.sets, on_cells)
        on_cells[data.happens] = np.add.reduceat(weighted * data.share, data.begin)
        back = sums.theta * on_cells[data.sets.cell]
        on_cells[data.happens] = np.add.reduceat(mean[:, column], data.begin) / data.tied
        back += data.event * on_cells[data.sets.cell]
        residuals[:, column] -= np.where(seen, back, 0.0)
    return np.asarray(residuals, np.float64)


def exact_likelihood(data: CoxData, linear: Floats) -> Likelihood:
    r"""Return the likelihood that conditions on how many of a risk set had the event.

    Its denominator is the elementary symmetric polynomial :math:`e_d` of the relative hazards,
    kept over :math:`\binom{n}{d}` so that it neither overflows nor vanishes, and grown by one
    subject at a time from the last time to the first. Gail, Lubin and Rubinstein,
    Biometrika 1981;68:703. Takes time as n times the most tied events.
    """
    p, sets = data.x.shape[1], data.sets
    shift = float(linear.max())
    theta = np.exp(linear - shift)
    tied = np.zeros(sets.time.size, np.intp)
    tied[data.happens] = data.tied.astype(np.intp)
    rows_of_cell = np.split(
        np.argsort(sets.cell, kind="stable"), np.cumsum(sets.total().astype(np.intp))[:-1]
    )
    value = float(data.event @ linear) - shift * float(data.event.sum())
    score, information = data.event @ data.x, np.zeros((p, p))

    for here in sets.strata():
        most, members = int(tied[here].max()), 0
        degree = np.arange(1, most + 1)
        e0, e1, e2 = np.zeros(most + 1), np.zeros((most + 1, p)), np.zeros((most + 1, p, p))
        e0[0] = 1.0
        for cell in reversed(range(here.start, here.stop)):
            for row in rows_of_cell[cell].tolist():
                members += 1
                kept, grown = 1 - degree / members, degree / members * theta[row]
                x = data.x[row]
                crossed = e1[:-1, :, None] * x
                second = crossed + crossed.transpose(0, 2, 1)
                second += e2[:-1] + e0[:-1, None, None] * np.outer(x, x)
                e2[1:] = kept[:, None, None] * e2[1:] + grown[:, None, None] * second
                e1[1:] = kept[:, None] * e1[1:] + grown[:, None] * (e1[:-1] + e0[:-1, None] * x)
                e0[1:] = kept * e0[1:] + grown * e0[:-1]
            if d := tied[cell]:
                mean = e1[d] / e0[d]
                choices = (
                    special.gammaln(members + 1)
                    - special.gammaln(d + 1)
                    - special.gammaln(members - d + 1)
                )
                value -= float(np.log(e0[d]) + choices)
                score = score - mean
                information += e2[d] / e0[d] - np.outer(mean, mean)
    return Likelihood(value, score, information)
