# SPDX-License-Identifier: Apache-2.0
"""Those whose tumours shrank so far beside those whose did not: curves, baseline, thresholds.

Groups made of what happened after randomisation cannot be compared as if they were randomised: to
shrink takes time, and whoever shrank was alive until then. So curves stand without a test, and
thresholds set the naive hazard ratio beside two that are free of immortal time.
"""

from collections.abc import Iterator

import polars as pl

from radioligand.analysis.baseline import baseline
from radioligand.analysis.results import ALL, Keys, Origin, Row
from radioligand.analysis.scope import Scope
from radioligand.analysis.shrinkage import (
    best_change,
    chosen_arms,
    first_reached,
    followed,
    in_parts,
    spells,
    sums,
)
from radioligand.analysis.time_to_event import (
    HAZARD,
    hazard_rows,
    hazards,
    summary,
    time_to_event,
    timed,
)
from radioligand.protocol.records import (
    Arm,
    Baseline,
    Model,
    ResponseSystem,
    ShrinkageBaseline,
    ShrinkageGroups,
    ShrinkageThresholds,
    TimeToEvent,
)
from radioligand.statistics.survival import cox

COMMON = {"id", "title", "section", "population", "notes"}
NAIVE, LANDMARK, TIME_DEPENDENT = "naive", "landmark", "time-dependent"


def shrinkage_groups(scope: Scope, analysis: ShrinkageGroups) -> Iterator[Row]:
    """Return the endpoint's numbers and curves in each group, and how many were not measured."""
    best = best_change(sums(scope, analysis))
    keys = {*COMMON, "endpoint", "interval", "median", "level", "landmarks_months", "axis_months"}
    curves = TimeToEvent(kind="time to event", **analysis.model_dump(include=keys))
    for arm in chosen_arms(scope.protocol, analysis.arms):
        parts = in_parts(scope, arm, best, percent=analysis.percent)
        yield from _of_groups(time_to_event(parts, curves))
        yield from _unmeasured(parts, best)


def shrinkage_baseline(scope: Scope, analysis: ShrinkageBaseline) -> Iterator[Row]:
    """Describe both groups at baseline."""
    best = best_change(sums(scope, analysis))
    table = Baseline(
        kind="baseline", **analysis.model_dump(include={*COMMON, "variables", "number"})
    )
    for arm in chosen_arms(scope.protocol, analysis.arms):
        parts = in_parts(scope, arm, best, percent=analysis.percent)
        yield from _of_groups(baseline(parts, table))


def _of_groups(rows: Iterator[Row]) -> Iterator[Row]:
    """Leave out what is counted over both groups: that is the arm, and other analyses tell it."""
    return (row for row in rows if row.arm != ALL)


def _unmeasured(parts: Scope, best: pl.DataFrame) -> Iterator[Row]:
    """Return how many of the lesser group are in it for want of a measurement after baseline."""
    less = parts.arms[1]
    without = parts.subjects.filter(arm=less).join(best, on="USUBJID", how="anti").height
    text = "subjects without a measurement after baseline, counted here by intention to treat"
    yield parts.origin("ADTR").row("missing", without, arm=less, text=text)


# -- response systems ------------------------------------------------------------------------


def shrinkage_thresholds(scope: Scope, analysis: ShrinkageThresholds) -> Iterator[Row]:
    """Return for each system the groups' numbers and three hazard ratios of one against the other.

    The system is `variable`; `level` is "naive" (groups by the best change at any time, time from
    day 0), "landmark" (groups by the best change until then, time from there, those still at risk)
    or "time-dependent" (who shrinks so far changes group on that day).
    """
    changes = sums(scope, analysis)
    times = followed(scope, endpoint=analysis.endpoint)
    origin = scope.origin("ADTTE", parameter=analysis.endpoint)
    settings = TimeToEvent(
        kind="time to event",
        **analysis.model_dump(include={*COMMON, "endpoint", "level"}),
    )
    day = analysis.landmark_days
    for level, words in (
        (NAIVE, "naive: groups by the best change at any time"),
        (LANDMARK, f"landmark: groups and time from day {day}, those still at risk"),
        (TIME_DEPENDENT, "time-dependent: who shrinks so far changes group on that day"),
    ):
        yield origin.row("label", level=level, text=words)
    for arm in chosen_arms(scope.protocol, analysis.arms):
        yield origin.row("n", times.filter(arm=arm.id).height, arm=arm.id)
    for system in analysis.systems:
        label = f"{system.label} (≥ {system.percent:g}%)"
        yield origin.row("label", variable=system.label, text=label)
        for arm in chosen_arms(scope.protocol, analysis.arms):
            parts = in_parts(scope, arm, best_change(changes), percent=system.percent)
            sample = timed(parts, endpoint=analysis.endpoint)
            for part in parts.arms:
                n = sample.filter(arm=part).height
                yield origin.row("n", n, arm=part, variable=system.label)
            yield from _of_groups(summary(parts, settings, sample, origin, variable=system.label))
            yield from _compared(parts, analysis, system, sample, origin, level=NAIVE)
            yield from _after_landmark(scope, analysis, system, changes, times, origin, arm=arm)
            stepped = spells(
                times.filter(arm=arm.id), first_reached(changes, percent=system.percent)
            )
            yield from _time_dependent(parts, analysis, system, stepped, origin)


def _after_landmark(
    scope: Scope,
    analysis: ShrinkageThresholds,
    system: ResponseSystem,
    changes: pl.DataFrame,
    times: pl.DataFrame,
    origin: Origin,
    *,
    arm: Arm,
) -> Iterator[Row]:
    day = analysis.landmark_days
    parts = in_parts(scope, arm, best_change(changes, by_day=day), percent=system.percent)
    still = times.filter(pl.col("day") > day).select("USUBJID")
    sample = timed(parts, endpoint=analysis.endpoint).join(still, on="USUBJID", how="semi")
    sample = sample.with_columns(pl.col("AVAL") - day)
    yield from _compared(parts, analysis, system, sample, origin, level=LANDMARK)


def _compared(
    parts: Scope,
    analysis: ShrinkageThresholds,
    system: ResponseSystem,
    sample: pl.DataFrame,
    origin: Origin,
    *,
    level: str,
) -> Iterator[Row]:
    """Return n and events of both groups, and the hazard ratio of the first to the second."""
    (pair,) = parts.comparisons
    for part in parts.arms:
        own = sample.filter(arm=part)
        keys: Keys = {"arm": part, "variable": system.label, "level": level}
        yield origin.row("n", own.height, **keys)
        yield origin.row("events", int(own["event"].sum()), **keys)
    model = Model(stratified=False, ties=analysis.ties)
    said = {
        NAIVE: "naive: groups by the best change at any time, time from day 0",
        LANDMARK: f"groups by the best change by day {analysis.landmark_days}, time from there",
    }
    for row in hazards(
        parts,
        sample,
        pair,
        model,
        origin,
        level=analysis.level,
        variable=system.label,
        group=level,
    ):
        yield row._replace(method=f"{said[level]}; {row.method}") if row.method else row


def _time_dependent(
    parts: Scope,
    analysis: ShrinkageThresholds,
    system: ResponseSystem,
    stepped: pl.DataFrame,
    origin: Origin,
) -> Iterator[Row]:
    """Return events by the group of their day, and the hazard ratio of the first to the second."""
    (pair,) = parts.comparisons
    keys: Keys = {"arm": pair.id, "variable": system.label, "level": TIME_DEPENDENT}
    for part, state in zip(pair, (1.0, 0.0), strict=True):
        events = int(stepped.filter(value=state)["event"].sum())
        yield origin.row("events", events, arm=part, variable=system.label, level=TIME_DEPENDENT)
    try:
        if stepped.is_empty():
            raise ValueError("nobody was followed")
        found = cox(
            stepped["time"].to_numpy(),
            stepped["event"].to_numpy(),
            stepped["value"].to_numpy(),
            entry=stepped["entry"].to_numpy(),
            ties=analysis.ties,
            level=analysis.level,
            names=(pair.id,),
        )
    except ValueError as error:
        yield from origin.not_estimable(str(error), *HAZARD, **keys)
        return
    method = (
        f"Cox model, a subject changes group on the day the shrinkage is seen; {analysis.ties} "
        f"ties; {analysis.level:.0%} Wald interval"
    )
    yield from hazard_rows(origin, found, keys, method=method)
