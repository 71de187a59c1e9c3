# SPDX-License-Identifier: Apache-2.0
"""When a number of events will be there: as planned, and from a trial that is under way.

A trial under way is looked at blinded: who entered when, who has had the event, who is still
followed. The arm of a subject is never read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.special import gammaincinv, ndtr

from radioligand.planning.course import LATEST_MONTH, Course, FollowUp, follow, months_to_events
from radioligand.planning.curves import Floats
from radioligand.planning.faults import PlanningError, refuse
from radioligand.protocol import MONTH_DAYS

TIMES = ("USUBJID", "PARAMCD", "AVAL", "CNSR", "ADT")
ONGOING = (1, 5)  # CNSR of who had no event, or no assessment yet; the others are lost
RECENT_DAYS = 183  # over which the pace of entry is counted
DRAWS = 200  # equally likely values of the hazard
FAR_DAYS = 36_525
TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDate:
    """When a number of events is predicted, from a trial under way."""

    events: int  # waited for
    events_so_far: int
    cutoff: date
    day: date | None  # in the middle of the prediction; None: never, in a hundred years
    lower: date | None
    upper: date | None
    level: float
    followed: int  # subjects without event who are still followed
    lost: int
    to_enter: int
    hazard_per_day: float
    loss_per_day: float


def event_variance(course: Course, months: Floats) -> Floats:
    """Return the variance of the events by each of `months`, (q,), when subjects enter as planned.

    Each subject has the event by its own chance p, with the variance p (1 - p).
    """
    path = follow(course, until_months=float(months.max(initial=0.0)))
    return _mean_and_variance(course, path, months)[1]


def event_month_interval(
    course: Course, events: float, *, level: float = 0.9
) -> tuple[float, float]:
    """Return between which months so many events come with probability `level`, as planned.

    Subjects enter as planned and the count of events by a month is taken as a normal variable.
    An upper month that is never reached is infinite.

    Raises PlanningError if so many are never expected.
    """
    check_level(level)
    until = min(8 * months_to_events(course, events) + 24, LATEST_MONTH)
    path = follow(course, until_months=until)

    def reached(month: float) -> float:
        mean, variance = _mean_and_variance(course, path, np.array([month]))
        return float(ndtr((mean[0] - events + 0.5) / np.sqrt(max(variance[0], TINY))))

    def month_at(chance: float) -> float:
        if reached(until) < chance:
            return float(np.inf)
        return float(brentq(lambda month: reached(month) - chance, 0.0, until, xtol=1e-6))

    return month_at((1 - level) / 2), month_at((1 + level) / 2)


def _mean_and_variance(course: Course, path: FollowUp, months: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the events by each of `months`, (q,)."""
    entered = course.entered(months[:, None] - path.middle_months)
    aged = -np.diff(entered, axis=1, append=0.0)  # (q, m) subjects of the age of each cell
    chance = np.cumsum(path.events, axis=1) - path.events / 2  # (2, m)
    shares = course.shares[:, None]
    mean = np.einsum("qm,m->q", aged, (shares * chance).sum(0))
    variance = np.einsum("qm,m->q", aged, (shares * chance * (1 - chance)).sum(0))
    return np.asarray(mean, np.float64), np.asarray(variance, np.float64)


def predict_events(
    adsl: pl.DataFrame,
    adtte: pl.DataFrame,
    *,
    endpoint: str,
    events: int,
    cutoff: date,
    subjects: int | None = None,
    per_month: float | None = None,
    month_days: float = MONTH_DAYS,
    silent_days: int = 183,
    planned_hazard_per_day: float | None = None,
    planned_events: float = 0.0,
    level: float = 0.9,
) -> EventDate:
    r"""Predict the day of a number of events from a trial under way, without looking at its arms.

    Parameters
    ----------
    adsl : one row a subject: USUBJID, RANDDT and, if there is one, EOSDT.
    adtte : one row a subject and endpoint: USUBJID, PARAMCD, AVAL (days), CNSR, ADT.
    endpoint : PARAMCD of the events.
    events : how many are waited for.
    cutoff : the day up to which the data are known.
    subjects : randomised in all when accrual ends; left out, accrual has ended.
    per_month : at which rate the others enter; left out, as fast as those of the last 183 days,
        and if there are none, accrual has ended.
    month_days : of a month, for `per_month`.
    silent_days : a subject last known to be free of the event longer ago than this is lost.
    planned_hazard_per_day, planned_events : what was planned, worth so many events seen.
    level : coverage of the interval.

    Raises PlanningError that names each fault.

    Notes
    -----
    Events come at one hazard for all, losses at another: events over days at risk. What is not
    known of the hazard is a gamma distribution with the events seen (and planned) as its shape.
    For each of its values a subject followed since day a has the event by day t with probability
    :math:`\frac{\lambda}{\lambda+\mu}(1-e^{-(\lambda+\mu)(t-a)})`, and the events still to come
    are near a normal variable with the sum of these as mean. Bagiella and Heitjan, Stat Med
    2001;20:2055.

    """
    check_level(level)
    if (planned_events > 0) != (planned_hazard_per_day is not None):
        raise PlanningError(
            "planned_hazard_per_day, planned_events: one tells nothing without the other; give "
            "both above 0, or neither."
        )
    known = blinded(adsl, adtte, endpoint=endpoint, cutoff=cutoff)
    seen = int((known["CNSR"] == 0).sum())
    days = known["AVAL"].to_numpy().astype(np.float64)
    since = (pl.lit(cutoff) - pl.col("ADT")).dt.total_days()
    is_followed = pl.col("CNSR").is_in(ONGOING) & (since <= silent_days) & pl.col("EOSDT").is_null()
    followed = known.filter(is_followed).select(since=since)["since"].to_numpy().astype(np.float64)
    lost = known.height - seen - followed.size
    entering = to_enter(known, subjects, per_month, cutoff=cutoff, month_days=month_days)
    shape = seen + planned_events
    exposure = float(days.sum())
    if planned_hazard_per_day is not None:
        exposure += planned_events / planned_hazard_per_day
    if not shape:
        raise PlanningError(
            f"ADTTE: no event of {endpoint} by {cutoff}; wait for the first, or say what was "
            "planned (planned_hazard_per_day, planned_events)."
        )
    middles = (np.arange(DRAWS) + 0.5) / DRAWS
    hazards = gammaincinv(shape, middles) / exposure
    loss = lost / float(days.sum())
    starts = np.concatenate([-followed, entering])  # days after the cutoff

    def chance(day: float) -> float:
        return chance_of_events(day, events - seen, starts, hazards, loss)

    shares = ((1 - level) / 2, 0.5, (1 + level) / 2)
    first, middle, last = (
        (known.filter(pl.col("CNSR") == 0)["ADT"].sort()[events - 1],) * 3
        if seen >= events
        else [day_of(chance, share, cutoff) for share in shares]
    )
    return EventDate(
        events=events,
        events_so_far=seen,
        cutoff=cutoff,
        day=middle,
        lower=first,
        upper=last,
        level=level,
        followed=followed.size,
        lost=lost,
        to_enter=entering.size,
        hazard_per_day=float(shape / exposure),
        loss_per_day=loss,
    )


def blinded(
    adsl: pl.DataFrame, adtte: pl.DataFrame, *, endpoint: str, cutoff: date
) -> pl.DataFrame:
    """Return what may be known of each subject: RANDDT, EOSDT, AVAL, CNSR, ADT; nothing of arms.

    Raises PlanningError if columns, the endpoint or subjects are missing.
    """
    needs = {"ADSL": ({"USUBJID", "RANDDT"}, adsl), "ADTTE": (set(TIMES), adtte)}
    faults = [
        f"{name}: {', '.join(sorted(columns - set(frame.columns)))} missing; derive it first."
        for name, (columns, frame) in needs.items()
        if columns - set(frame.columns)
    ]
    refuse(faults)
    times = adtte.select(TIMES).filter(pl.col("PARAMCD") == endpoint)
    if times.is_empty():
        held = ", ".join(adtte["PARAMCD"].unique().sort().to_list()) or "none"
        raise PlanningError(f"ADTTE: holds no endpoint {endpoint!r}; it holds {held}.")
    if late := times.filter(pl.col("ADT") > cutoff).height:
        raise PlanningError(
            f"ADTTE: {late} of {times.height} times of {endpoint} end after the cutoff {cutoff}; "
            "cut the study on that day first."
        )
    ended = pl.col("EOSDT") if "EOSDT" in adsl.columns else pl.lit(None, pl.Date).alias("EOSDT")
    subjects = adsl.select("USUBJID", "RANDDT", ended).filter(pl.col("RANDDT").is_not_null())
    if without := subjects.join(times, on="USUBJID", how="anti").height:
        raise PlanningError(
            f"ADTTE: {without} of {subjects.height} randomised subjects have no time of "
            f"{endpoint}; derive ADTTE from the same study as ADSL."
        )
    return subjects.join(times, on="USUBJID", validate="1:1").sort("RANDDT", "USUBJID")


def to_enter(
    known: pl.DataFrame,
    subjects: int | None,
    per_month: float | None,
    *,
    cutoff: date,
    month_days: float,
) -> Floats:
    """Return the days after the cutoff on which the missing subjects enter, at an even pace."""
    missing = 0 if subjects is None else subjects - known.height
    if missing <= 0:
        return np.empty(0)
    if per_month is None:
        recent = known.filter(pl.col("RANDDT") > cutoff - timedelta(days=RECENT_DAYS)).height
        per_month = recent / RECENT_DAYS * month_days
    if not per_month > 0:
        return np.empty(0)
    return np.asarray((np.arange(missing) + 0.5) * month_days / per_month, np.float64)


def chance_of_events(
    day: float, missing: int, starts: Floats, hazards: Floats, loss: float
) -> float:
    """Return the chance that `missing` events come by that day, over all values of the hazard."""
    at_risk = np.maximum(day - starts, 0.0)
    leaving = hazards[:, None] + loss
    chance = hazards[:, None] / leaving * -np.expm1(-leaving * at_risk)  # (draws, subjects)
    mean, spread = chance.sum(1), (chance * (1 - chance)).sum(1)
    z = (mean - missing + 0.5) / np.sqrt(np.maximum(spread, TINY))
    return float(ndtr(z).mean())


def day_of(chance: Callable[[float], float], share: float, cutoff: date) -> date | None:
    """Return the first day by which the events are there with that chance; None if never."""
    if chance(FAR_DAYS) < share:
        return None
    if chance(1) >= share:
        return cutoff + timedelta(days=1)
    return cutoff + timedelta(
        days=ceil(brentq(lambda day: chance(day) - share, 1, FAR_DAYS, xtol=0.01))
    )


def check_level(level: float) -> None:
    """Raise PlanningError unless `level` lies between 0 and 1."""
    if not 0 < level < 1:
        raise PlanningError(f"level: {level!r} is no coverage; give a number such as 0.9.")
