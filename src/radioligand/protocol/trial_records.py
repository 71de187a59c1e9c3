# SPDX-License-Identifier: Apache-2.0
"""What a protocol says of the trial: arms, treatments, eligibility, randomisation, schedule."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from radioligand.protocol.base import Condition, Days, Fraction, Name, Positive, Record, Word


class Trial(Record):
    """Identification, as a registry would print it."""

    id: Word
    name: str
    title: str
    registry: str
    phase: int
    design: str
    sponsor: str | None = None
    sites: int | None = None
    countries: int | None = None
    first_screened: date | None = None
    last_randomised: date | None = None
    changed_after_start: bool = False
    sources: tuple[str, ...] = ()


class Treatment(Record):
    """One drug of an arm's regimen: how much, how, how often, until when."""

    name: str
    amount: Positive | None = None
    unit: str | None = None
    route: str
    cycles: int | None = None
    every_weeks: Positive | None = None
    window_weeks: float = 0
    infusion_minutes: Positive | None = None
    accompanies: str | None = None  # given with each administration of that treatment
    follows: str | None = None  # begins when that treatment's cycles are complete
    start_minutes: float | None = None  # relative to the accompanied infusion; negative: before
    duration_hours: Positive | None = None
    until: str | None = None
    note: str | None = None


class Arm(Record):
    """One randomised group; `id` is its ARMCD."""

    id: Name
    label: str
    short: str
    ratio: Annotated[int, Field(ge=1)]
    role: Literal["experimental", "control"]
    treatments: tuple[Treatment, ...] = ()
    names: tuple[str, ...] = ()  # other ARMCD or ARM values that a study writes for this arm


class Criterion(Record):
    """One eligibility criterion; `holds` is what an eligible patient must satisfy."""

    id: str
    says: str
    kind: Literal["inclusion", "exclusion"]
    holds: Condition
    source: str | None = None
    default: bool = True  # False: kept for the record, not applied


class Level(Record):
    """One level of a stratification factor."""

    id: str
    label: str
    holds: Condition | None = None


class Factor(Record):
    """A stratification factor: what was given at randomisation and what baseline data say."""

    id: Name
    label: str
    levels: Annotated[tuple[Level, ...], Field(min_length=2)]
    baseline: Name | None = None  # the ADSL variable that holds the level by baseline data


class Randomisation(Record):
    """How the next patient's arm is found."""

    method: Literal["permuted blocks", "minimisation"]
    block_size: Annotated[int, Field(ge=2)]
    entries_per_stratum: Annotated[int, Field(ge=1)]
    forced: Literal[False] = False
    by_site: bool = False
    probability: Fraction = 0.8  # of minimisation's coin, for the arm of least imbalance
    strata: tuple[Factor, ...] = ()


class Activity(Record):
    """One row of the schedule of activities: planned weeks after `anchor`, with their window."""

    id: Word
    label: str
    domains: tuple[str, ...] = ()
    anchor: Name = "RANDDT"
    baseline_days: Days | None = None  # baseline lies in so many days up to the anchor
    weeks: tuple[float, ...] = ()
    then_every_weeks: Positive | None = None
    window_days: Days
    until: str | None = None
    ends: Name | None = None  # the subject date after which it is planned no more
    evaluations: tuple[str, ...] = ()  # the readings it is for; empty: all

    def planned_days(self, until_day: int) -> tuple[int, ...]:
        """Planned days after the anchor, up to and including `until_day`."""
        days = [round(7 * week) for week in self.weeks]
        while self.then_every_weeks and (days[-1] if days else 0) < until_day:
            days.append((days[-1] if days else 0) + round(7 * self.then_every_weeks))
        return tuple(day for day in days if day <= until_day)


class Phase(Record):
    """A stretch of each subject's time in the study: where it begins and what ends it.

    Whichever comes first ends it: the event of `failure`, the end of `weeks`, or leaving.
    """

    id: Word
    label: str
    begins: Name  # the subject date
    failure: Name | None = None  # the endpoint whose event is failure of the treatment
    weeks: Positive | None = None  # after `begins`
    weeks_from: date | None = None  # the day on which the limit of weeks comes into force
