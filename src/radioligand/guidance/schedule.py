# SPDX-License-Identifier: Apache-2.0
"""What is due and what is out of date: examinations of a patient, statements of a library."""

from datetime import date, timedelta
from typing import Any, NamedTuple

import polars as pl

from radioligand.criteria import met
from radioligand.guidance.parsing import ASSESSED
from radioligand.guidance.records import Examination, Guidelines, Source, Statement

STALE_MONTHS = 24
MONTH_DAYS = 30.4375


class Due(NamedTuple):
    """An examination by a source's rule: its window, and where the patient stands.

    `state`: "done", "due", "overdue", "not yet", "undetermined" where it cannot be said. `last`
    is the day it was last done, as far as known.
    """

    examination: Examination
    state: str
    first: date | None
    until: date | None
    last: date | None


class Stale(NamedTuple):
    """A statement that is superseded, or older than the limit; `age_months` on the day asked."""

    statement: Statement
    source: Source
    age_months: float
    superseded_by: str | None


def due(patient: pl.DataFrame, *, guidelines: Guidelines) -> tuple[Due, ...]:
    """Tell which examinations the sources ask for, and by when, of one patient.

    A rule that does not hold for the patient is left out, and so is one whose date has not come
    up (no start planned, no course completed).
    """
    row = patient.row(0, named=True)
    found = []
    for one in guidelines.examinations:
        holds = patient.select(met(one.when)).item()
        if holds is False or (one.anchor is not None and row[one.anchor] is None):
            continue
        found.append(_due(one, holds, row))
    return tuple(found)


def _due(one: Examination, holds: bool | None, row: dict[str, Any]) -> Due:
    today: date | None = row[ASSESSED]
    anchor: date | None = today if one.anchor is None else row[one.anchor]
    last: date | None = row.get(f"{one.done}_date")
    if anchor is None or today is None or holds is None:
        return Due(one, "undetermined", None, None, last)
    first = anchor + timedelta(one.from_days)
    until = None if one.to_days is None else anchor + timedelta(one.to_days)
    if one.anchor is None:  # asked for by how the patient is now
        is_done = last is not None and 0 <= (today - last).days <= one.within_days
        return Due(one, "done" if is_done else "due", first, until, last)
    if last is not None and last >= first and (until is None or last <= until or until < today):
        return Due(one, "done", first, until, last)
    if today < first:
        return Due(one, "not yet", first, until, last)
    return Due(one, "due" if until is None or today <= until else "overdue", first, until, last)


def stale(guidelines: Guidelines, *, on: date, months: float = STALE_MONTHS) -> tuple[Stale, ...]:
    """List the statements that on a day are superseded, or older than so many months; oldest first.

    Age is counted from the first day that the printed date can mean, in months of 30.4375 days,
    to one decimal.
    """
    found = []
    for one in guidelines.statements:
        source = guidelines.source_of[one.source]
        superseded = one.superseded_by or source.superseded_by
        age = (on - source.earliest).days / MONTH_DAYS
        if superseded or age > months:
            found.append(Stale(one, source, round(age, 1), superseded))
    return tuple(sorted(found, key=lambda each: -each.age_months))
