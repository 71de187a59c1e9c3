# SPDX-License-Identifier: Apache-2.0
"""What a protocol says of the data of a subject: sources, variables, populations, dates."""

from typing import Literal

from pydantic import Field

from radioligand.protocol.base import PRINTED, Condition, Name, Record, Where

MONTH_DAYS = 30.4375  # a month in days, the mean of the Julian year that trials use
TIMES = ("days", "weeks", "months", "years")


class Source(Record):
    """Where a study holds a fact: records of `dataset` that match `where`, and which of them.

    `take` says what becomes of several records: the value of the first or last by date, the
    lowest or highest value, "any" (a flag: is there one), "count", or "longest" (days from
    `date` to `end`). `until` names a subject date that records may not lie after. `none` is
    the value when a subject has no such record; left out, that is unknown.
    """

    dataset: str
    where: Where = {}
    value: str | None = None
    date: str | None = None
    end: str | None = None
    unit: str | None = None  # the column that holds the unit
    per: str | None = None  # the column that divides the value, such as its upper limit of normal
    take: Literal["first", "last", "lowest", "highest", "any", "count", "longest"] = "last"
    until: str | None = None
    none: str | int | float | bool | None = None


class Band(Record):
    """One band of a number: at least / above one limit, at most / below another."""

    label: str
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None


class Variable(Record):
    """One ADSL variable: found by `source`, or made of others by exactly one of the rest.

    `field` is the name eligibility criteria know it by; it carries the unit.
    """

    name: Name
    label: str
    type: Literal["number", "text", "date", "flag"]
    field: str | None = None
    unit: str | None = None
    source: Source | None = None
    bands_of: Name | None = None
    bands: tuple[Band, ...] = ()
    recode_of: Name | None = None
    recode: dict[str, str] = {}
    other: str | None = None
    interval: tuple[Name, Name] | None = None  # from, to
    first_of: tuple[Name, ...] = ()
    order: tuple[str, ...] = ()  # levels in the order a table prints them


class Population(Record):
    """An analysis population: who is in it, and by which treatment they are analysed."""

    id: str
    flag: Name
    label: str
    holds: Condition
    analysed_as: Literal["randomised", "treated"]


class Imputation(Record):
    """How partial dates of one purpose are completed; the result is always flagged."""

    day: Literal["first", "mid", "last"] | None = None
    month: Literal["first", "mid", "last"] | None = None


class Data(Record):
    """Conventions of the study's data."""

    model_config = PRINTED

    randomised: Source
    first_treatment: Source
    last_treatment: Source
    death: Source
    screen_failure: Source | None = None  # why a screened subject was not randomised
    end_of_treatment: Source | None = None  # why randomised treatment ended, or never began
    end_of_study: Source | None = None
    death_cause: Source | None = None
    new_therapy: tuple[Source, ...] = ()
    alive: tuple[Source, ...] = ()  # every source of a date on which the subject was alive
    response_dates: Imputation = Imputation(day="last")
    lesion_dates: Imputation = Imputation(day="last")
    event_dates: Imputation = Imputation(day="first", month="first")
    month_days: float = Field(
        MONTH_DAYS,
        ge=28,
        le=31,
        description="A month in days; days are divided by it in the last step only.",
    )

    def days_in(self, unit: str) -> float:
        """Return the days of one unit of time: days, weeks, months or years (365.25 days)."""
        return {"days": 1.0, "weeks": 7.0, "months": self.month_days, "years": 365.25}[unit]
