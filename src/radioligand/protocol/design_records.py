# SPDX-License-Identifier: Apache-2.0
"""Tables of the document on the design: what is assumed, cohorts, changes of arms, late harm."""

from typing import Annotated, Literal

from pydantic import Field

from radioligand.protocol.base import Condition, Fraction, Name, Positive, Record
from radioligand.protocol.planning_records import Looks

Share = Annotated[float, Field(gt=0, lt=1)]


class Assumption(Record):
    """Where a part of the document comes from: its source says so, or its author assumed it.

    `path` leads to a table, a key, or an entry by its name: `planning.hazard_ratio`, `arms.EVE`.
    """

    path: str
    origin: Literal["source", "assumed"]
    says: str


class CohortPlanning(Record):
    """The assumptions of one cohort; a key that is left out is as in `[planning]`."""

    accrual_share: Share  # of the subjects who come
    hazard_ratio: Positive | None = None
    median_control_months: Positive | None = None
    alpha: Fraction | None = None
    power: Fraction | None = None
    interim: Looks | None = None
    futility_z: tuple[float, ...] = ()  # of each look but the last: the cohort stops at or below


class Cohort(Record):
    """A part of the patients that is enrolled, tested and reported for itself."""

    id: Name
    label: str
    holds: Condition
    subjects: Annotated[int, Field(ge=1)] | None = None
    planning: CohortPlanning | None = None


class Selection(Record):
    """A first stage after which the best experimental arm goes on with the control arm alone.

    The others stop. `events` are those of one comparison when the arms are compared.
    """

    endpoint: Name
    rule: Literal["largest effect"] = "largest effect"
    events: Annotated[int, Field(ge=1)]
    subjects: Annotated[int, Field(ge=1)]  # of all arms by then
    at_most_hazard_ratio: Positive | None = None  # of the best arm, or the trial ends
    first_stage_counts: bool = True  # whether its data are part of the final comparison


class ArmDrop(Record):
    """A look after which experimental arms may stop: those that do too little, all but the best."""

    events: Annotated[int, Field(ge=1)]  # of one comparison, the mean of those that are open
    at_most_hazard_ratio: Positive | None = None  # an arm above it stops
    keep: Annotated[int, Field(ge=1)] | None = None  # the arms with the largest effects


class ArmAddition(Record):
    """An experimental arm that opens later; its controls are those who enter from then on."""

    arm: Name
    month: Positive  # since the first subject


class Resizing(Record):
    """More events if the conditional power at a look is promising (Mehta and Pocock, 2011)."""

    events: Annotated[int, Field(ge=1)]  # at the look
    promising_from: Fraction = 0.3  # conditional power
    promising_below: Fraction = 0.9
    power: Fraction = 0.9  # conditional power aimed at
    most_events: Annotated[int, Field(ge=1)]
    most_subjects: Annotated[int, Field(ge=1)] | None = None  # subjects rise with the events
    test: Literal["weighted", "log-rank"] = "weighted"  # at the end, if there are more events


class Adaptation(Record):
    """What the trial changes about itself while it runs, by rules that are fixed beforehand."""

    drops: tuple[ArmDrop, ...] = ()
    additions: tuple[ArmAddition, ...] = ()
    resizing: Resizing | None = None


class LateHarm(Record):
    """A harm that comes late: how many have it by when, and how sure the trial is to see it."""

    endpoint: Name
    label: str
    usual: Share  # of the subjects, by `months`
    high: Share
    months: Positive
    seen: Fraction = 0.95  # probability of the first subject with it that is asked for
