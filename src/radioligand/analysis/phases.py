# SPDX-License-Identifier: Apache-2.0
"""Phases of the study: how many subjects began each, what ended it, and who is still in it."""

from collections.abc import Iterator, Mapping
from datetime import date

import polars as pl

from radioligand.analysis.descriptive import count_rows
from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import Scope, required
from radioligand.protocol.records import Phase, Phases

FAILED, LIMIT, DIED, LEFT, ONGOING = (
    "Treatment failure",
    "Completed",
    "Died",
    "Left the study",
    "Still in it at the cutoff",
)


def phases(scope: Scope, analysis: Phases) -> Iterator[Row]:
    """Count by arm who began each phase of the protocol, and what ended it (`subject_phases`).

    `variable` is the phase and `level` the end; percentages are of those who began it.
    """
    origin = scope.origin("ADTTE")
    yield from scope.sizes(scope.origin())
    for phase in scope.protocol.phases:
        yield origin.row("label", variable=phase.id, text=phase.label)
        if phase.begins not in scope.subjects.columns:
            text = f"ADSL has no {phase.begins}"
            yield origin.row("not_available", variable=phase.id, text=text)
            continue
        ended = subject_phases(scope.subjects, scope.adam, phase=phase)
        yield from _counts(scope, origin, ended, phase=phase)


def _counts(scope: Scope, origin: Origin, ended: pl.DataFrame, *, phase: Phase) -> Iterator[Row]:
    found = set(ended["END"])
    order = [end for end in (FAILED, LIMIT, DIED, LEFT, ONGOING) if end in found]
    for arm in scope.arms:
        own = ended.filter(arm=arm)
        n = scope.arm_sizes[arm]
        yield from count_rows(origin, own.height, n, arm=arm, variable=phase.id)
        for end in order:
            count = own.filter(END=end).height
            text = _words(phase, end)
            yield from count_rows(origin, count, own.height, arm=arm, variable=phase.id, level=text)


def _words(phase: Phase, end: str) -> str:
    return f"{end} {phase.weeks:g} weeks" if end == LIMIT else end


def subject_phases(
    adsl: pl.DataFrame, adam: Mapping[str, pl.DataFrame], *, phase: Phase
) -> pl.DataFrame:
    """Return who began a phase, with END, what ended it, and ENDDT, when (null: ongoing).

    What comes first ends it: treatment failure (the event of `phase.failure` in ADTTE), the end of
    its weeks or the day from which that limit is in force if that is later, death (DTHDT), or
    leaving the study (EOSDT). Of two on one day the first of these counts. Nothing after the cutoff
    (CUTDT) counts. Raises NotAvailable if there is an endpoint of failure and no ADTTE.
    """
    began = adsl.filter(pl.col(phase.begins).is_not_null())
    failed = pl.DataFrame(schema={"USUBJID": pl.String, "FAILDT": pl.Date})
    if phase.failure:
        times = required(adam, "ADTTE", "USUBJID", "PARAMCD", "CNSR", "ADT")
        failed = times.filter(PARAMCD=phase.failure, CNSR=0).select("USUBJID", FAILDT="ADT")
    limit = pl.lit(None, pl.Date)
    if phase.weeks:
        over = pl.col(phase.begins) + pl.duration(days=round(7 * phase.weeks))
        limit = pl.max_horizontal(over, pl.lit(phase.weeks_from or date.min))
    dates = {
        FAILED: pl.col("FAILDT"),
        LIMIT: limit,
        DIED: _date(began, "DTHDT"),
        LEFT: _date(began, "EOSDT"),
    }
    known = began.join(failed, on="USUBJID", how="left", maintain_order="left").with_columns(
        **dates, cutoff=_date(began, "CUTDT")
    )
    by_cutoff = [
        pl.when((pl.col(end) <= pl.col("cutoff")).fill_null(True)).then(pl.col(end)).alias(end)
        for end in dates
    ]
    first = pl.min_horizontal(*dates)
    why = pl.coalesce(pl.when(pl.col(end) == pl.col("ENDDT")).then(pl.lit(end)) for end in dates)
    return (
        known.with_columns(by_cutoff)
        .with_columns(ENDDT=first)
        .with_columns(END=why.fill_null(ONGOING))
        .select("USUBJID", "arm", "END", "ENDDT")
    )


def _date(frame: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name) if name in frame.columns else pl.lit(None, pl.Date)
