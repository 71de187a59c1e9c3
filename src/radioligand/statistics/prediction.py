# SPDX-License-Identifier: Apache-2.0
"""What Cox's model says of time: its baseline hazard, and the survival of a chosen subject."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.cox import Fit, fit, symmetric_inverse
from radioligand.statistics.curves import Interval, SurvivalAt, pointwise_interval
from radioligand.statistics.event_sums import each_event, faced, on_cells
from radioligand.statistics.observations import Floats, Ints, check_choice, check_level, coded
from radioligand.statistics.partial_likelihood import Ties
from radioligand.statistics.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineHazard(Record, rows="time", apart=("strata",)):
    """The hazard of a subject whose covariates are 0; arrays follow the distinct times, (m,).

    With strata, the times of the first stratum come first, ascending, then those of the next.
    """

    strata: tuple[Any, ...]  # (None,) if there are none
    stratum: Ints  # (m,) its place in `strata`
    time: Floats  # of an event or a censoring
    at_risk: Floats  # just before, weights summed
    events: Floats
    cumulative_hazard: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedSurvival(
    Record,
    rows="time",
    apart=("strata",),
    wide=("cumulative_hazard", "hazard_error", "survival", "lower", "upper"),
):
    """Survival of k chosen subjects, a column each, at the distinct times, (m, k).

    With strata, the times of the first stratum come first, ascending, then those of the next:
    a curve for each subject in each stratum.
    """

    strata: tuple[Any, ...]  # (None,) if there are none
    stratum: Ints  # (m,) its place in `strata`
    time: Floats  # (m,) of an event or a censoring
    at_risk: Floats  # (m,) just before, weights summed
    events: Floats  # (m,)
    cumulative_hazard: Floats
    hazard_error: Floats  # standard error of the cumulative hazard
    survival: Floats
    lower: Floats  # nan where the interval is not defined
    upper: Floats
    interval: Interval
    level: float

    def survival_at(self, times: ArrayLike, *, stratum: Hashable = None) -> SurvivalAt:
        """Return survival of each subject, (q, k), at `times`, (q,) or one number.

        After the last time of the stratum nothing is known, so the answer is nan.

        Raises ValueError if the model has strata and `stratum` is none of them.
        """
        if stratum not in self.strata:
            raise ValueError(f"stratum: {stratum!r} is unknown; give one of {self.strata}.")
        here = self.stratum == self.strata.index(stratum)
        moments = np.atleast_1d(np.asarray(times, np.float64))
        place = np.searchsorted(self.time[here], moments, "right")
        unknown = moments > self.time[here][-1]

        def at(start: float, curves: Floats) -> Floats:
            found = np.concatenate([np.full((1, curves.shape[1]), start), curves[here]])[place]
            found[unknown] = np.nan
            return found

        left = np.searchsorted(self.time[here], moments, "left")
        return SurvivalAt(
            time=moments,
            at_risk=np.append(self.at_risk[here], 0.0)[left],
            estimate=at(1.0, self.survival),
            standard_error=at(0.0, self.survival * self.hazard_error),
            lower=at(1.0, self.lower),
            upper=at(1.0, self.upper),
        )


def baseline_hazard(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    ties: Ties = "efron",
    names: Sequence[str] | None = None,
) -> BaselineHazard:
    r"""Fit Cox's model and return the cumulative hazard that its covariates multiply.

    Parameters
    ----------
    time, event, covariates, strata, entry, weights, names : as in `cox`. Code covariates so that
        0 is a subject worth looking at, such as age less 60; at age 0 the hazard may be 1e-9.
    ties : "efron" or "breslow", of the hazard as of the model.

    Raises ValueError as `cox` does.

    Notes
    -----
    :math:`\Lambda_0(t)=\sum_{s\le t} d_s/\sum_{j\in R(s)} e^{x_j\beta}` (Breslow, J R Stat Soc B
    1972;34:216); with Efron's rule the tied events of a time leave its risk set one by one.
    Oracle: R ``survival::basehaz`` with ``centered = FALSE``.

    """
    check_choice("ties", ties, ("efron", "breslow"))
    found = fit(time, event, covariates, strata, entry, weights, ties, names)
    at = faced(found.data, found.scaled)
    reference = float(
        place_of(found, covariates, np.zeros((1, found.scale.size)))[0] @ found.scaled
    )
    hazard = on_cells(found.data, at.hazard) * np.exp(reference - at.shift)
    return BaselineHazard(
        strata=labels(strata),
        stratum=found.data.sets.stratum,
        time=found.data.sets.time,
        at_risk=found.data.sets.at_risk(found.rows.weights),
        events=found.data.sets.total(found.data.event),
        cumulative_hazard=found.data.sets.so_far(hazard),
    )


def predicted_survival(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    *,
    at: ArrayLike,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    ties: Ties = "efron",
    interval: Interval = "log-log",
    level: float = 0.95,
    names: Sequence[str] | None = None,
) -> PredictedSurvival:
    r"""Fit Cox's model and return the survival it predicts for chosen subjects.

    Parameters
    ----------
    time, event, covariates, strata, entry, weights, names : as in `cox`.
    at : covariates of the chosen: (k, p), or (p,) for one subject; of a model whose covariates
        are (n,), a number or (k,).
    ties : "efron" or "breslow", of the hazard as of the model.
    interval : scale on which the pointwise interval is symmetric, as in `kaplan_meier`.
    level : coverage of the intervals.

    Raises ValueError as `cox` does, and if `at` has not the model's number of covariates.

    Notes
    -----
    :math:`S(t\mid x)=\exp\{-\Lambda_0(t)e^{x\beta}\}`. With :math:`\bar x(s)` the mean over the
    risk set and V the covariance of :math:`\beta`, the variance of the cumulative hazard is
    :math:`e^{2x\beta}\{\sum_{s\le t} d_s/(\sum_j e^{x_j\beta})^2+q'Vq\}` with
    :math:`q=\int_0^t (x-\bar x)\,d\Lambda_0`: Tsiatis, Ann Stat 1981;9:93. It counts the baseline
    and the coefficients as estimated, the subject as given.
    Oracle: R ``survival::survfit.coxph``.

    """
    check_choice("ties", ties, ("efron", "breslow"))
    check_choice("interval", interval, get_args(Interval))
    check_level(level)
    found = fit(time, event, covariates, strata, entry, weights, ties, names)
    data, sets = found.data, found.data.sets
    chosen = place_of(found, covariates, subjects(at, covariates))
    by_event = faced(data, found.scaled)

    def summed(values: Floats) -> Floats:
        return sets.so_far(on_cells(data, values))

    hazard = summed(by_event.hazard)[:, None]  # (m, 1)
    spread = summed(by_event.hazard**2 / each_event(data, data.mean_weight))[:, None]
    means = np.stack([summed(by_event.hazard * one) for one in by_event.mean.T], axis=1)  # (m, p)
    covariance = symmetric_inverse(found.fitted.information)
    with np.errstate(over="ignore"):
        ratio = np.exp(chosen @ found.scaled - by_event.shift)  # (k,)

    cumulative = hazard * ratio
    error = np.empty_like(cumulative)
    for column, x in enumerate(chosen):
        lever = hazard * x - means
        of_coefficients = np.einsum("mi,ij,mj->m", lever, covariance, lever)
        error[:, column] = ratio[column] * np.sqrt(spread[:, 0] + of_coefficients)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        survival = np.exp(-cumulative)
        lower, upper = pointwise_interval(survival, error, interval, level)
    return PredictedSurvival(
        strata=labels(strata),
        stratum=sets.stratum,
        time=sets.time,
        at_risk=sets.at_risk(found.rows.weights),
        events=sets.total(data.event),
        cumulative_hazard=cumulative,
        hazard_error=error,
        survival=survival,
        lower=lower,
        upper=upper,
        interval=interval,
        level=level,
    )


def subjects(at: ArrayLike, covariates: ArrayLike) -> Floats:
    """Return the chosen covariates as (k, p)."""
    shape = np.shape(np.asarray(covariates))
    p = 1 if len(shape) == 1 else shape[1]
    given = np.asarray(at)
    try:
        chosen = given.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"at: holds {given.ravel().tolist()[0]!r}; give numbers.") from None
    chosen = chosen.reshape(-1, 1) if len(shape) == 1 and chosen.ndim < 2 else np.atleast_2d(chosen)
    if chosen.ndim != 2 or chosen.shape[1] != p or not chosen.size:
        raise ValueError(f"at: has shape {given.shape}; give {p} covariates a subject.")
    if not np.isfinite(chosen).all():
        raise ValueError("at: some covariates are missing or infinite; give numbers.")
    return chosen


def place_of(found: Fit, covariates: ArrayLike, chosen: Floats) -> Floats:
    """Return chosen covariates (k, p) as the model holds its own: centred, and over `scale`."""
    given = np.asarray(covariates, np.float64).reshape(found.data.x.shape)
    centre = given.mean(0) - found.data.x.mean(0) * found.scale
    return np.asarray((chosen - centre) / found.scale, np.float64)


def labels(strata: ArrayLike | None) -> tuple[Any, ...]:
    """Return the distinct strata, sorted, as the model counts them."""
    return (None,) if strata is None else coded("strata", strata)[0]
