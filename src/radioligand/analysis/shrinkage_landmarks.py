# SPDX-License-Identifier: Apache-2.0
"""Does early shrinkage foretell what comes after? Each landmark, each arm, one Cox model.

At a landmark the clock is set to 0 again, and only those still at risk are asked. Without a limit
the best change is looked for until the event itself, which favours those who stay longest: that
model is naive, and says so. The model with time-dependent shrinkage knows of each day no more than
was known on it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from radioligand.analysis.descriptive import number_rows, percent
from radioligand.analysis.results import Keys, Origin, Row
from radioligand.analysis.scope import Scope
from radioligand.analysis.shrinkage import (
    best_change,
    best_so_far,
    followed,
    progressive,
    spells,
    sums,
)
from radioligand.analysis.time_to_event import HAZARD, hazard_rows
from radioligand.protocol.records import Probabilities, ShrinkageLandmarks
from radioligand.statistics.survival import cox, predicted_survival

NO_LIMIT, TIME_DEPENDENT = "no limit", "time-dependent"
PER_POINT = "hazard ratio per percentage point of shrinkage"
PROBABILITY = ("event_probability", "event_probability_lower", "event_probability_upper")

# why a subject is not in the model of a landmark, in the order in which it is asked
NO_TIME = "no time to event"
EVENT = "event by then"
LEFT = "no longer followed"
NOT_MEASURED = "no measurement by then"
PROGRESSION = "best response is progression"
REASONS = (NO_TIME, EVENT, LEFT, NOT_MEASURED, PROGRESSION)
AT_RISK = (NOT_MEASURED, PROGRESSION)  # left out although still at risk


class Moment(NamedTuple):
    """A landmark: its id in the results, its words, and its day; None is without limit."""

    id: str
    label: str
    day: int | None


def shrinkage_landmarks(scope: Scope, analysis: ShrinkageLandmarks) -> Iterator[Row]:
    """Return for each landmark and arm who was eligible, their best change, and the hazard ratio.

    The landmark is `variable`; the last ones are "no limit" and "time-dependent".
    """
    origin = scope.origin("ADTTE", parameter=analysis.endpoint)
    times = followed(scope, endpoint=analysis.endpoint)
    changes = sums(scope, analysis)
    worst = progressive(scope, analysis, changes)
    yield from scope.sizes(origin)
    for moment in moments(analysis):
        yield origin.row("label", variable=moment.id, text=moment.label, time_days=moment.day)
        judged = eligibility(scope.subjects, times, changes, worst, day=moment.day)
        for arm in scope.arms:
            own = judged.filter(arm=arm)
            yield from _counts(origin, own, arm=arm, variable=moment.id)
            analysed = own.filter(pl.col("reason").is_null())
            yield from _changes(origin, analysed["best"], arm=arm, variable=moment.id)
            yield from _hazards(scope, origin, analysis, analysed, moment, arm=arm)
    if analysis.time_dependent:
        yield origin.row("label", variable=TIME_DEPENDENT, text="Time-dependent")
        parted = spells(times, best_so_far(changes))
        for arm in scope.arms:
            yield from _time_dependent(origin, analysis, parted.filter(arm=arm), arm=arm)


def moments(analysis: ShrinkageLandmarks) -> tuple[Moment, ...]:
    """Return the landmarks, and the analysis without limit if it is asked for."""
    found = [Moment(f"day {one.days}", one.label, one.days) for one in analysis.landmarks]
    without = [Moment(NO_LIMIT, "No limit (naive)", None)] if analysis.no_limit else []
    return (*found, *without)


def eligibility(
    subjects: pl.DataFrame,
    times: pl.DataFrame,
    changes: pl.DataFrame,
    worst: pl.Series,
    *,
    day: int | None,
) -> pl.DataFrame:
    """Return each subject with the `reason` not to be in the model of a landmark, null for none.

    USUBJID, arm, `best` (the lowest change by then), `time` counted from the landmark, `event`.
    An event or a censoring on the landmark itself is by then.
    """
    judged = (
        subjects.select("USUBJID", "arm")
        .join(times.drop("arm"), on="USUBJID", how="left", maintain_order="left")
        .join(best_change(changes, by_day=day), on="USUBJID", how="left", maintain_order="left")
    )
    over = pl.lit(False) if day is None else pl.col("day") <= day
    asked = (
        (pl.col("time").is_null(), NO_TIME),
        (over & pl.col("event"), EVENT),
        (over, LEFT),
        (pl.col("best").is_null(), NOT_MEASURED),
        (pl.col("USUBJID").is_in(worst.implode()), PROGRESSION),
    )
    return judged.select(
        *("USUBJID", "arm", "best", "event"),
        time=pl.col("time") - (day or 0),
        reason=pl.coalesce(pl.when(holds).then(pl.lit(says)) for holds, says in asked),
    )


def _counts(origin: Origin, own: pl.DataFrame, *, arm: str, variable: str) -> Iterator[Row]:
    """Return who is still at risk, each reason to be left out, and who remains."""
    counted = {reason: int((own["reason"] == reason).sum()) for reason in REASONS}
    remain = own["reason"].null_count()
    at_risk = remain + sum(counted[reason] for reason in AT_RISK)
    method = "no event and no censoring up to and with the landmark"
    yield origin.row("eligible", at_risk, arm=arm, variable=variable, method=method)
    share = percent(at_risk, own.height)
    yield origin.row("eligible_percent", share, arm=arm, variable=variable, unit="%")
    for reason, count in counted.items():
        yield origin.row("excluded", count, arm=arm, variable=variable, level=reason)
    yield origin.row("n", remain, arm=arm, variable=variable)


def _changes(origin: Origin, best: pl.Series, *, arm: str, variable: str) -> Iterator[Row]:
    if best.is_empty():
        yield from origin.not_estimable(
            f"nobody in arm {arm} is analysed", "median", arm=arm, variable=variable
        )
        return
    for row in number_rows(origin, best, arm=arm, variable=variable, unit="%"):
        if row.statistic != "missing":
            yield row


# -- models ----------------------------------------------------------------------------------


def _hazards(
    scope: Scope,
    origin: Origin,
    analysis: ShrinkageLandmarks,
    analysed: pl.DataFrame,
    moment: Moment,
    *,
    arm: str,
) -> Iterator[Row]:
    """Return the hazard ratio per percentage point of shrinkage, and probabilities of the event."""
    keys: Keys = {"arm": arm, "variable": moment.id}
    yield origin.row("events", int(analysed["event"].sum()), **keys)
    values = (
        analysed["time"].to_numpy(),
        analysed["event"].to_numpy(),
        -analysed["best"].to_numpy(),
    )
    try:
        if analysed.is_empty():
            raise ValueError(f"nobody in arm {arm} is analysed")
        found = cox(*values, ties=analysis.ties, level=analysis.level, names=("shrinkage",))
    except ValueError as error:
        yield from origin.not_estimable(str(error), *HAZARD, **keys)
        return
    where = f"best change by day {moment.day}, time from there, those still at risk"
    if moment.day is None:
        where = "naive: best change at any time until the event, time from day 0"
    yield from hazard_rows(origin, found, keys, method=_method(analysis, where))
    if asked := analysis.probabilities:
        days = [months * scope.protocol.data.month_days for months in asked.months]
        yield from _probabilities(
            origin, analysis, asked, days, values, arm=arm, variable=moment.id
        )


def _method(analysis: ShrinkageLandmarks, where: str) -> str:
    interval = f"{analysis.level:.0%} Wald interval"
    return f"Cox model, {PER_POINT}; {where}; {analysis.ties} ties; {interval}"


def _probabilities(
    origin: Origin,
    analysis: ShrinkageLandmarks,
    asked: Probabilities,
    days: Sequence[float],
    values: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    arm: str,
    variable: str,
) -> Iterator[Row]:
    """Return the probability of the event within some days, of subjects who shrank so far."""
    found = predicted_survival(
        *values, at=asked.shrinkage_percent, ties=analysis.ties, level=analysis.level
    ).survival_at(days)
    method = f"Cox model, 1 − predicted survival; {analysis.level:.0%} log-log interval"
    for place, shrinkage in enumerate(asked.shrinkage_percent):
        for name, curve in zip(
            PROBABILITY, (found.estimate, found.upper, found.lower), strict=True
        ):
            for day, survival in zip(days, curve[:, place].tolist(), strict=True):
                yield origin.row(
                    name,
                    1 - survival,
                    arm=arm,
                    variable=variable,
                    level=f"{shrinkage:g}",
                    time_days=day,
                    method=method,
                )


def _time_dependent(
    origin: Origin, analysis: ShrinkageLandmarks, parted: pl.DataFrame, *, arm: str
) -> Iterator[Row]:
    """Return the hazard ratio per point of the best shrinkage so far; nobody is left out."""
    keys: Keys = {"arm": arm, "variable": TIME_DEPENDENT}
    yield origin.row("n", parted["USUBJID"].n_unique(), **keys)
    yield origin.row("events", int(parted["event"].sum()), **keys)
    try:
        if parted.is_empty():
            raise ValueError(f"nobody in arm {arm} is analysed")
        found = cox(
            parted["time"].to_numpy(),
            parted["event"].to_numpy(),
            parted["value"].to_numpy(),
            entry=parted["entry"].to_numpy(),
            ties=analysis.ties,
            level=analysis.level,
            names=("shrinkage",),
        )
    except ValueError as error:
        yield from origin.not_estimable(str(error), *HAZARD, **keys)
        return
    where = "best shrinkage so far, 0 before the first measurement, time from day 0"
    yield from hazard_rows(origin, found, keys, method=_method(analysis, where))
