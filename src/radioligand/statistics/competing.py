# SPDX-License-Identifier: Apache-2.0
"""Cumulative incidence where one event keeps another from happening."""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.curves import Interval, pointwise_interval
from radioligand.statistics.observations import (
    Floats,
    check_choice,
    check_level,
    coded,
    observations,
)
from radioligand.statistics.records import Record
from radioligand.statistics.risk_sets import risk_sets


@dataclass(frozen=True, slots=True, kw_only=True)
class CumulativeIncidence(
    Record,
    rows="time",
    apart=("causes",),
    wide=("events", "incidence", "standard_error", "lower", "upper"),
    labels="causes",
):
    """Share of subjects who have had each event; arrays follow the distinct times, (m,)."""

    causes: tuple[Any, ...]
    time: Floats
    at_risk: Floats
    events: Floats  # (m, c) of each cause
    incidence: Floats  # (m, c)
    standard_error: Floats  # (m, c)
    lower: Floats  # (m, c) nan where the interval is not defined
    upper: Floats  # (m, c)
    survival: Floats  # (m,) free of all events
    interval: Interval
    level: float


def cumulative_incidence(
    time: ArrayLike,
    cause: ArrayLike,
    *,
    censored: object = 0,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    interval: Interval = "log-log",
    level: float = 0.95,
) -> CumulativeIncidence:
    r"""Estimate the incidence of each of several events by Aalen and Johansen.

    Parameters
    ----------
    time : (n,) whole days from origin to the first event of any cause, or to censoring.
    cause : (n,) label of the event, such as 0, 1 and 2; `censored` marks no event.
    entry, weights, interval, level : as in `kaplan_meier`.

    Raises ValueError that names each fault of the input, and if no row has an event.

    Notes
    -----
    :math:`F_k(t)=\sum_{s\le t}S(s-)\,d_{ks}/Y_s`. The variance lets the events at each time be
    multinomial, and equals the infinitesimal jackknife. Aalen and Johansen,
    Scand J Stat 1978;5:141. Oracle: R ``survival::survfit``.

    """
    check_choice("interval", interval, get_args(Interval))
    check_level(level)
    labels, code = coded("cause", cause)
    causes = tuple(label for label in labels if label != censored)
    if not causes:
        raise ValueError(f"cause: all {code.size} rows are censored ({censored!r}).")
    of_cause = [(code == labels.index(one)).astype(np.float64) for one in causes]
    rows = observations(time, np.sum(of_cause, axis=0), entry=entry, weights=weights)
    sets = risk_sets(rows)
    weight = np.ones(code.size) if rows.weights is None else rows.weights
    at_risk = sets.at_risk(weight)
    events = np.stack([sets.total(one * weight) for one in of_cause], axis=1)

    hazard = events / at_risk[:, None]
    staying = np.maximum(1 - hazard.sum(1), 0.0)
    survival = np.cumprod(np.where(staying > 1e-12, staying, 0.0), dtype=np.float64)
    before = np.concatenate([[1.0], survival[:-1]])
    incidence = np.cumsum(before[:, None] * hazard, axis=0)
    variance = multinomial_variance(incidence, hazard, before, at_risk)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        standard_error = np.sqrt(variance)
        relative_error = standard_error / incidence
        lower, upper = pointwise_interval(incidence, relative_error, interval, level)
    return CumulativeIncidence(
        causes=causes,
        time=sets.time,
        at_risk=at_risk,
        events=events,
        incidence=incidence,
        standard_error=standard_error,
        lower=lower,
        upper=upper,
        survival=survival,
        interval=interval,
        level=level,
    )


def multinomial_variance(
    incidence: Floats, hazard: Floats, before: Floats, at_risk: Floats
) -> Floats:
    """Return the variance of each incidence, (m, c).

    A hazard of cause j at time s moves F_k(t) by `before` if j is k, less what F_k still rises
    from s to t over the share that stays. The latter is linear in F_k(t), so the sum over s of
    the multinomial variances is a quadratic in F_k(t) whose coefficients are running sums.
    """
    total = hazard.sum(1, keepdims=True)
    staying = 1 - total
    lost = np.divide(1.0, staying, out=np.zeros_like(staying), where=staying > 1e-12)
    direct = before[:, None] + lost * incidence  # what F_k(t) does not change
    per = 1 / at_risk[:, None]

    # a = direct - lost F and b = lost F_k(s) - lost F are the moves by cause k and by others
    others = total - hazard
    still = lost * incidence
    mean = direct * hazard + still * others
    constant = np.cumsum(per * (direct**2 * hazard + still**2 * others - mean**2), axis=0)
    linear = np.cumsum(per * lost * (mean - mean * total), axis=0)
    square = np.cumsum(per * lost**2 * (total - total**2), axis=0)
    variance = constant - 2 * linear * incidence + square * incidence**2
    return np.maximum(variance, 0.0)
