# SPDX-License-Identifier: Apache-2.0
"""How long subjects were followed, from where time is counted, and the mean time up to a day."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radioligand.statistics import special
from radioligand.statistics.curves import Convention, Interval, kaplan_meier, survivors
from radioligand.statistics.observations import (
    Bools,
    Faults,
    Floats,
    check_choice,
    coded,
    deviate,
    numbers,
    observations,
)
from radioligand.statistics.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp(Record):
    """How long subjects were followed; nan is not estimated."""

    median: float
    quartiles: tuple[float, float]  # first and third
    lower: float  # limits of the median; nan for the administrative method, which is exact
    upper: float
    method: Literal["reverse", "administrative"]


def median_follow_up(
    time: ArrayLike,
    event: ArrayLike,
    *,
    method: Literal["reverse", "administrative"] = "reverse",
    potential: ArrayLike | None = None,
    interval: Interval = "log-log",
    level: float = 0.95,
    convention: Convention = "r",
) -> FollowUp:
    """Return the median follow-up, by one of two methods that differ by months.

    Parameters
    ----------
    time, event, interval, level, convention : as in `kaplan_meier`.
    method : "reverse" is Kaplan–Meier with event and censoring exchanged, which takes an event
        as the end of an unfinished follow-up (Schemper and Smith, Control Clin Trials
        1996;17:343). "administrative" is the plain median of `potential`.
    potential : (n,) days from origin to the data cut-off, for the administrative method.

    Raises ValueError that names each fault of the input.

    """
    check_choice("method", method, ("reverse", "administrative"))
    rows = observations(time, event, potential=potential)
    if method == "administrative":
        if potential is None:
            raise ValueError("potential: is missing; give days from origin to data cut-off.")
        faults = Faults()
        days = numbers("potential", potential, faults)
        short = ~((days >= rows.time) & (days < np.inf))
        mend = "no subject is seen after the data cut-off"
        faults.among("potential", days, short, "are missing or less than time", mend)
        faults.refuse()
        first, median, third = np.quantile(days, [0.25, 0.5, 0.75]).tolist()
        return FollowUp(
            median=median, quartiles=(first, third), lower=np.nan, upper=np.nan, method=method
        )
    curve = kaplan_meier(
        rows.time, ~rows.event, interval=interval, level=level, convention=convention
    )
    lower, upper = curve.median_interval
    quarters = np.asarray(curve.quantile([0.25, 0.75]).estimate)
    return FollowUp(
        median=curve.median,
        quartiles=(float(quarters[0]), float(quarters[1])),
        lower=lower,
        upper=upper,
        method=method,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmark(Record, rows="time", apart=("at_risk",)):
    """The subjects still at risk after a landmark, and their times counted from it, (k,)."""

    at: float
    at_risk: Bools  # (n,) True for a subject who is kept
    index: NDArray[np.intp]  # (k,) rows kept
    time: Floats  # (k,) days after the landmark
    event: Bools  # (k,)


def landmark(time: ArrayLike, event: ArrayLike, *, at: float) -> Landmark:
    """Keep the subjects still at risk after day `at`, and count their time from there.

    A subject whose event or censoring falls on the landmark itself is not at risk after it, and
    is left out. With ``at=0`` all are kept whose time is positive. Anderson, Cain and Gelber,
    J Clin Oncol 1983;1:710.

    Raises ValueError that names each fault of the input, a landmark that is no day, or one that
    nobody outlives.
    """
    rows = observations(time, event)
    if not 0 <= at < np.inf:
        raise ValueError(f"at: {at} is no day; give 0 or more.")
    kept = rows.time > at
    if not kept.any():
        last = rows.time.max()
        raise ValueError(f"at: nobody is at risk after day {at:g}; the last time is {last:g}.")
    return Landmark(
        at=float(at),
        at_risk=kept,
        index=np.flatnonzero(kept),
        time=rows.time[kept] - at,
        event=rows.event[kept],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedMean(Record):
    """Mean time to the event, counted up to a horizon: the area under the survival curve."""

    horizon: float
    estimate: float
    standard_error: float
    lower: float
    upper: float
    level: float


def restricted_mean(
    time: ArrayLike,
    event: ArrayLike,
    *,
    horizon: float,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> RestrictedMean:
    r"""Return the mean time to the event within `horizon` days, in days.

    Other arguments are those of `kaplan_meier`.

    Raises ValueError that names each fault of the input, and if the curve is not known as far as
    the horizon, because the last subject was censored before it.

    Notes
    -----
    :math:`\mu=\int_0^h S(t)\,dt` with variance
    :math:`\sum_{t\le h}\{\int_t^h S\}^2 d_t/\{Y_t(Y_t-d_t)\}`.
    Irwin, J Hyg 1949;47:188. Oracle: ``rmean`` of R ``survival::survfit``.

    """
    curve = kaplan_meier(time, event, entry=entry, weights=weights, level=level)
    if not 0 < horizon < np.inf:
        raise ValueError(f"horizon: {horizon} is no day; give more than 0.")
    if horizon > curve.time[-1] and curve.survival[-1] > 0:
        raise ValueError(
            f"horizon: day {horizon:g} is after the last follow-up on day {curve.time[-1]:g}, "
            "where survival is not known; give an earlier one."
        )
    inside = curve.time <= horizon
    steps = np.concatenate([[0.0], curve.time[inside], [horizon]])
    height = np.concatenate([[1.0], curve.survival[inside]])
    area = np.diff(steps) * height
    beyond = np.cumsum(area[::-1])[::-1][1:]  # (m,) from each time to the horizon
    at_risk, events = curve.at_risk[inside], curve.events[inside]
    left = survivors(at_risk, events)
    hazard = np.divide(events, at_risk * left, out=np.zeros(left.size), where=left > 0)
    mean, error = float(area.sum()), float(np.sqrt(np.sum(beyond**2 * hazard)))
    width = deviate(level) * error
    return RestrictedMean(
        horizon=float(horizon),
        estimate=mean,
        standard_error=error,
        lower=mean - width,
        upper=mean + width,
        level=level,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedMeanDifference(Record):
    """Restricted mean of the second group less that of the first."""

    groups: tuple[Any, ...]
    means: tuple[RestrictedMean, RestrictedMean]
    estimate: float
    standard_error: float
    lower: float
    upper: float
    z: float  # nan if no event happened within the horizon
    p_value: float  # two-sided
    level: float


def restricted_mean_difference(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    *,
    horizon: float,
    groups: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> RestrictedMeanDifference:
    """Compare the restricted means of two groups, the second less the first, in days.

    Arguments and errors are those of `restricted_mean` and `logrank`. Both curves must be known
    as far as the horizon. Royston and Parmar, BMC Med Res Methodol 2013;13:152.
    """
    rows = observations(time, event, group=group)
    known, member = coded("group", group, order=groups)
    if len(known) != 2:
        raise ValueError(f"group: has {len(known)} groups, {known}; a difference is of two.")
    first, second = (
        restricted_mean(
            rows.time[member == code], rows.event[member == code], horizon=horizon, level=level
        )
        for code in (0, 1)
    )
    difference = second.estimate - first.estimate
    error = float(np.hypot(first.standard_error, second.standard_error))
    z = difference / error if error else np.nan
    width = deviate(level) * error
    return RestrictedMeanDifference(
        groups=known,
        means=(first, second),
        estimate=difference,
        standard_error=error,
        lower=difference - width,
        upper=difference + width,
        z=z,
        p_value=float(2 * special.ndtr(-abs(z))),
        level=level,
    )
