# SPDX-License-Identifier: Apache-2.0
"""Survival of a given shape: Weibull and exponential regression, and piecewise constant hazards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.ascent import climb
from radioligand.statistics.covariates import check_covariates
from radioligand.statistics.cox import model_rows, named, symmetric_inverse
from radioligand.statistics.observations import (
    Faults,
    Floats,
    Observations,
    check_choice,
    check_level,
    deviate,
    numbers,
    observations,
)
from radioligand.statistics.partial_likelihood import Likelihood
from radioligand.statistics.records import Record, Values

Distribution = Literal["weibull", "exponential"]


@dataclass(frozen=True, slots=True)
class CurveEstimate(Values, rows="estimate"):
    """An estimate with its limits, (k,) each."""

    estimate: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ParametricModel(
    Record,
    rows="names",
    apart=(
        "log_likelihood",
        "scale_interval",
        "hazard_ratio",
        "hazard_ratio_lower",
        "hazard_ratio_upper",
    ),
):
    r"""A fitted model; arrays follow the intercept and then the covariates, (1 + p,).

    :math:`\log T=x\beta+\sigma W` with W of the least extreme value distribution, so that
    :math:`S(t)=\exp\{-(t\,e^{-x\beta})^{1/\sigma}\}`.
    """

    names: tuple[str, ...]
    coefficient: Floats  # on log time: positive lengthens it
    standard_error: Floats
    lower: Floats
    upper: Floats
    z: Floats
    p_value: Floats  # two-sided, Wald
    scale: float  # sigma; 1 in an exponential model
    scale_interval: tuple[float, float]
    covariance: Floats  # (1 + p, 1 + p), in a Weibull model a row more for log sigma
    hazard_ratio: Floats  # (p,) of the covariates alone, as are the next two
    hazard_ratio_lower: Floats
    hazard_ratio_upper: Floats
    log_likelihood: tuple[float, float]  # without covariates, and fitted
    distribution: Distribution
    iterations: int
    rows: int
    events: int
    level: float

    @property
    def shape(self) -> float:
        """Weibull's shape, 1/sigma: above 1 the hazard rises."""
        return 1 / self.scale

    def survival_at(self, times: ArrayLike, covariates: ArrayLike = ()) -> CurveEstimate:
        """Return survival at `times` (k,) of a subject with these `covariates` (p,).

        The interval is symmetric on the scale of log(-log). Raises ValueError if there are not p
        covariates.
        """
        x = self._subject(covariates)
        moments = np.atleast_1d(np.asarray(times, np.float64))
        with np.errstate(divide="ignore"):
            standard = (np.log(moments) - x @ self.coefficient) / self.scale
        slope = np.column_stack([np.tile(-x / self.scale, (moments.size, 1)), -standard])
        with np.errstate(invalid="ignore"):
            width = deviate(self.level) * self._error(slope)
        width = np.where(np.isfinite(standard), width, 0.0)
        with np.errstate(over="ignore"):
            survival, lower, upper = (
                np.exp(-np.exp(one)) for one in (standard, standard + width, standard - width)
            )
        return CurveEstimate(survival, lower, upper)

    def quantile(self, p: ArrayLike, covariates: ArrayLike = ()) -> CurveEstimate:
        """Return the times (k,) by which shares `p` of such subjects have had the event.

        The interval is symmetric on the scale of log time. Raises ValueError if there are not p
        covariates, or a share is not between 0 and 1.
        """
        x = self._subject(covariates)
        shares = np.atleast_1d(np.asarray(p, np.float64))
        if not np.all((shares > 0) & (shares < 1)):
            raise ValueError(f"p: {p!r} is no share; give numbers between 0 and 1.")
        standard = np.log(-np.log1p(-shares))
        log_time = x @ self.coefficient + self.scale * standard
        slope = np.column_stack([np.tile(x, (shares.size, 1)), self.scale * standard])
        width = deviate(self.level) * self._error(slope)
        return CurveEstimate(np.exp(log_time), np.exp(log_time - width), np.exp(log_time + width))

    def _subject(self, covariates: ArrayLike) -> Floats:
        x = np.append(1.0, np.asarray(covariates, np.float64))
        if x.size != len(self.names):
            raise ValueError(
                f"covariates: {x.size - 1} given; the model has {len(self.names) - 1}."
            )
        return x

    def _error(self, slope: Floats) -> Floats:
        part = slope[:, : len(self.covariance)]
        return np.asarray(np.sqrt(np.sum((part @ self.covariance) * part, axis=1)), np.float64)


def parametric_survival(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    distribution: Distribution = "weibull",
    weights: ArrayLike | None = None,
    level: float = 0.95,
    names: Sequence[str] | None = None,
) -> ParametricModel:
    r"""Fit a Weibull or an exponential model, read as accelerated time or as hazards.

    Parameters
    ----------
    time : (n,) days from origin to event or censoring, above 0.
    event : (n,) bool or 0 and 1, True where the event was seen (in ADTTE, ``CNSR == 0``).
    covariates : (n,) or (n, p) numbers, or none for one curve.
    distribution : "weibull", or "exponential" with a constant hazard.
    weights : (n,) how many equal rows a row stands for.
    level : coverage of the Wald intervals.
    names : p words for the covariates, used in messages.

    Raises ValueError that names each fault of the input, a time of 0, a covariate that is
    constant or a combination of others, and one that all or no events share.

    Notes
    -----
    With :math:`z=(\log t-x\beta)/\sigma` the log likelihood is
    :math:`\sum d\,(z-\log\sigma-\log t)-e^z`; the covariance is the inverse of its observed
    information in :math:`(\beta,\log\sigma)`. The log hazard ratio is :math:`-\beta/\sigma`, its
    error by the delta method. Kalbfleisch and Prentice, The Statistical Analysis of Failure Time
    Data, 2002, 3. Oracle: R ``survival::survreg``.

    """
    check_level(level)
    check_choice("distribution", distribution, get_args(Distribution))
    if covariates is None:
        rows = observations(time, event, weights=weights)
        if not rows.event.any():
            raise ValueError(f"event: none of {rows.time.size} rows has one; nothing to model.")
        x, words = np.empty((rows.time.size, 0)), named(names, 0)
    else:
        rows, x, _ = model_rows(time, event, covariates, None, None, weights)
        words = named(names, x.shape[1])
        check_covariates(rows, x, words)
    faults = Faults()
    mend = "give at least the day itself, or half a day"
    faults.among(
        "time", rows.time, rows.time <= 0, "are 0, which these models give no chance", mend
    )
    faults.refuse()

    with_scale = distribution == "weibull"
    if with_scale and rows.time[rows.event].min() == rows.time.max():
        raise ValueError("time: all events are on the last day, so Weibull's shape is infinite.")
    centre, spread = x.mean(0), x.std(0)
    scaled = (x - centre) / spread if x.size else x
    check_combinations(scaled, words)
    null, _, _ = fit(rows, x[:, :0], with_scale, ())
    found, beta, iterations = fit(rows, scaled, with_scale, words)

    # back from centred, scaled covariates: a linear map of (intercept, covariates, log sigma)
    back = np.eye(beta.size)
    p = spread.size
    back[1 : p + 1, 1 : p + 1] = np.diag(1 / spread)
    back[0, 1 : p + 1] = -centre / spread
    covariance = back @ symmetric_inverse(found.information) @ back.T
    beta = back @ beta
    error, z_level = np.sqrt(np.diag(covariance)), deviate(level)
    log_scale = float(beta[p + 1]) if with_scale else 0.0
    sigma, scale_error = float(np.exp(log_scale)), float(error[-1]) if with_scale else 0.0
    coefficient, own = beta[: p + 1], error[: p + 1]
    width = z_level * own

    log_ratio = -coefficient[1:] / sigma
    slope = np.zeros((p, beta.size))
    slope[:, 1 : p + 1] = -np.eye(p) / sigma
    if with_scale:
        slope[:, -1] = -log_ratio
    ratio_width = z_level * np.sqrt(np.sum((slope @ covariance) * slope, axis=1))
    with np.errstate(over="ignore"):
        ratio, ratio_lower, ratio_upper = np.exp(
            [log_ratio, log_ratio - ratio_width, log_ratio + ratio_width]
        )
    return ParametricModel(
        names=("intercept", *words),
        coefficient=coefficient,
        standard_error=own,
        lower=coefficient - width,
        upper=coefficient + width,
        z=coefficient / own,
        p_value=2 * special.ndtr(-np.abs(coefficient / own)),
        scale=sigma,
        scale_interval=(
            float(np.exp(log_scale - z_level * scale_error)),
            float(np.exp(log_scale + z_level * scale_error)),
        ),
        covariance=covariance,
        hazard_ratio=ratio,
        hazard_ratio_lower=ratio_lower,
        hazard_ratio_upper=ratio_upper,
        log_likelihood=(null.value, found.value),
        distribution=distribution,
        iterations=iterations,
        rows=rows.time.size,
        events=int(rows.event.sum()),
        level=level,
    )


def check_combinations(scaled: Floats, words: Sequence[str]) -> None:
    """Refuse covariates that are combinations of each other."""
    if not words:
        return
    values, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    if values[0] < 1e-10:
        mixed = [word for word, part in zip(words, vectors[:, 0], strict=True) if abs(part) > 1e-4]
        raise ValueError(f"{', '.join(mixed)}: are combinations of each other; leave one out.")


def fit(
    rows: Observations, x: Floats, with_scale: bool, words: Sequence[str]
) -> tuple[Likelihood, Floats, int]:
    """Return the likelihood at its top, where that is, and the number of steps."""
    weight = np.ones(rows.time.size) if rows.weights is None else rows.weights
    seen = weight * rows.event
    log_time = np.log(rows.time)
    design = np.column_stack([np.ones(rows.time.size), x])
    middle = float(log_time.mean())

    def likelihood(beta: Floats) -> Likelihood:
        log_scale = float(beta[-1]) if with_scale else 0.0
        scale = np.exp(log_scale)
        with np.errstate(all="ignore"):  # a step too far gives inf or nan, and is not taken
            z = (log_time - middle - design @ beta[: design.shape[1]]) / scale
            hazard = weight * np.exp(z)
            value = float(seen @ (z - log_scale - log_time) - hazard.sum())
            slope = hazard - seen
            score = design.T @ slope / scale
            information = (hazard[:, None] * design).T @ design / scale**2
            if with_scale:
                score = np.append(score, z @ slope - seen.sum())
                mixed = design.T @ (hazard * z + slope) / scale
                own = float(np.sum(z * (hazard * z + slope)))
                information = np.block([[information, mixed[:, None]], [mixed, np.array([own])]])
        return Likelihood(value, score, information)

    start = np.zeros(design.shape[1] + with_scale)
    start[0] = np.log((weight * rows.time).sum() / seen.sum()) - middle
    told = ("intercept", *words, *(("log scale",) if with_scale else ()))
    beta, found, iterations = climb(likelihood, start, told)
    beta = beta.copy()
    beta[0] += middle
    return found, beta, iterations


@dataclass(frozen=True, slots=True, kw_only=True)
class PiecewiseExponential(Record, rows="begin"):
    """Hazards that are constant in each of k periods; arrays follow the periods, (k,)."""

    begin: Floats  # after this day,
    end: Floats  # and not after this; infinite in the last
    events: Floats
    exposure: Floats  # days at risk, summed over subjects
    rate: Floats  # events a day; nan where nobody was at risk
    lower: Floats
    upper: Floats
    log_likelihood: float
    level: float

    def survival_at(self, times: ArrayLike) -> Floats:
        """Return survival at `times` (k,); nan beyond a period in which nobody was at risk."""
        moments = np.atleast_1d(np.asarray(times, np.float64))[:, None]
        passed = np.clip(moments, self.begin, self.end) - self.begin
        with np.errstate(invalid="ignore"):
            hazard = np.where(passed > 0, passed * self.rate, 0.0)
        return np.asarray(np.exp(-hazard.sum(1)), np.float64)


def piecewise_exponential(
    time: ArrayLike,
    event: ArrayLike,
    *,
    cuts: ArrayLike,
    entry: ArrayLike | None = None,
    level: float = 0.95,
) -> PiecewiseExponential:
    r"""CurveEstimate a hazard that is constant between `cuts`.

    Parameters
    ----------
    time : (n,) days from origin to event or censoring.
    event : (n,) bool or 0 and 1, True where the event was seen (in ADTTE, ``CNSR == 0``).
    cuts : (k - 1,) days above 0 at which the hazard changes, ascending; an event on such a day is
        of the period before it. None at all gives one rate.
    entry : (n,) days after which the subject was at risk; 0 for all if not given.
    level : coverage of the exact interval of each rate.

    Raises ValueError that names each fault of the input, or for cuts that do not ascend.

    Notes
    -----
    With d events in T days the rate is d/T, and its exact limits are quantiles of the gamma
    distribution, :math:`G(\alpha/2;d)/T` and :math:`G(1-\alpha/2;d+1)/T`. Garwood, Biometrika
    1936;28:437; Friedman, Ann Stat 1982;10:101. Oracle: R ``poisson.test`` on what
    ``survival::survSplit`` sums to.

    """
    check_level(level)
    faults = Faults()
    edges = numbers("cuts", np.asarray(cuts, np.float64) if np.size(cuts) == 0 else cuts, faults)
    if edges.size and not (np.all(np.diff(edges) > 0) and edges[0] > 0 and edges[-1] < np.inf):
        faults.append(f"cuts: {edges.tolist()} do not ascend from above 0; give days in order.")
    faults.refuse()
    rows = observations(time, event, entry=entry)
    begin, end = np.append(0.0, edges), np.append(edges, np.inf)
    entered = np.zeros(rows.time.size) if rows.entry is None else rows.entry
    exposure = np.array([
        np.sum(np.maximum(np.minimum(rows.time, high) - np.maximum(entered, low), 0.0))
        for low, high in zip(begin.tolist(), end.tolist(), strict=True)
    ])  # fmt: skip
    period = np.searchsorted(edges, rows.time[rows.event], "left")
    events = np.bincount(period, minlength=begin.size).astype(np.float64)
    if instant := int(events[exposure == 0].sum()):
        raise ValueError(f"time: {instant} events come without a day at risk; no rate has those.")

    tail = (1 - level) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = events / exposure
        lower = (
            np.where(events > 0, special.gammaincinv(np.maximum(events, 1), tail), 0.0) / exposure
        )
        upper = special.gammaincinv(events + 1, 1 - tail) / exposure
        logs = np.where(events > 0, events * np.log(rate), 0.0)
    nobody = exposure == 0
    lower[nobody] = upper[nobody] = np.nan
    return PiecewiseExponential(
        begin=begin,
        end=end,
        events=events,
        exposure=exposure,
        rate=rate,
        lower=lower,
        upper=upper,
        log_likelihood=float(np.sum(logs) - events.sum()),
        level=level,
    )
