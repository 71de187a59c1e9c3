# SPDX-License-Identifier: Apache-2.0
"""What a protocol says of adverse events, crossover and re-treatment."""

from typing import Annotated, Literal

from pydantic import Field

from radioligand.protocol.base import Condition, Days, Positive, Record, Word
from radioligand.protocol.subject_records import Source


class Query(Record):
    """A grouping of adverse events by preferred term, with the lowest grade that counts."""

    id: Word
    label: str
    terms: Annotated[tuple[str, ...], Field(min_length=1)]
    min_grade: Annotated[int, Field(ge=1, le=5)] = 1
    lower_grade: dict[str, Annotated[int, Field(ge=1, le=5)]] = {}  # further terms, own limits
    part_of: str | None = None


class OverviewRow(Record):
    """One row of the adverse-event overview: the events it counts."""

    id: Word
    label: str
    holds: Condition | None = None
    indent: int = 0
    arms: tuple[str, ...] = ()  # empty: all


class Safety(Record):
    """Grading, treatment period and the groupings of adverse events."""

    grading: str
    dictionary: str
    days_after_last_dose: Days
    from_: Literal["randomisation", "first dose"] = Field(alias="from", default="randomisation")
    overview: tuple[OverviewRow, ...] = ()
    queries: tuple[Query, ...] = ()
    common_percent: Positive = 20.0
    common_severe_percent: Positive = 3.0


class CrossoverPhase(Record):
    """One way to have changed treatment, and the records that show it."""

    label: str
    source: Source


class Crossover(Record):
    """Who may change to which treatment, and when."""

    from_: str = Field(alias="from")
    to: str
    after: str
    phases: tuple[CrossoverPhase, ...] = ()  # the first that a subject has records of counts


class Retreatment(Record):
    """Who may be treated again; what the sources leave open stays open."""

    arm: str
    after: str
    criteria: str | None = None
