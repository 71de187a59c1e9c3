# SPDX-License-Identifier: Apache-2.0
"""Tables of the document on doses, further questionnaires, and the analyses of safety."""

from typing import Annotated, Literal

from pydantic import Field

from radioligand.protocol.base import (
    Analysis,
    Condition,
    Days,
    Fraction,
    Name,
    Positive,
    Record,
    Where,
    Word,
)


class Module(Record):
    """A further questionnaire, by the records that hold its answers."""

    instrument: Literal["EORTC QLQ-GI.NET21"]
    where: Where


# -- dose rules ------------------------------------------------------------------------------


class DoseField(Record):
    """A fact on which doses are decided: records of a derived dataset, up to the day itself.

    With `days` they lie in so many days up to the decision; without, after the administration
    before. `none` is the value without such a record; left out, that is unknown.
    """

    field: str
    unit: str | None = None
    dataset: Literal["ADLB", "ADAE"]
    where: Where = {}
    value: Name
    take: Literal["last", "highest", "lowest"] = "last"
    days: Days | None = None
    none: float | None = None


class DoseRule(Record):
    """What is done with a dose when its condition is met, and who says so."""

    id: Word
    says: str
    action: Literal["stop", "hold", "reduce", "resume"]
    when: Condition
    origin: str


class Dosing(Record):
    """The dose rules of one treatment, evaluated before each administration after the first."""

    treatment: str
    reduced_fraction: Fraction = 0.5
    fields: Annotated[tuple[DoseField, ...], Field(min_length=1)]
    rules: Annotated[tuple[DoseRule, ...], Field(min_length=1)]


# -- analyses --------------------------------------------------------------------------------


class CompetingRisks(Analysis):
    """Cumulative incidence of an endpoint that other events can forestall."""

    kind: Literal["competing risks"]
    endpoint: Name
    competing: Annotated[tuple[int, ...], Field(min_length=1)]  # CNSR of the events that compete
    landmarks_months: tuple[float, ...] = ()
    axis_months: Positive = 6.0
    level: Fraction = 0.95


class Deaths(Analysis):
    """Who died, in the treatment period and later, and of what."""

    kind: Literal["deaths"]


class GradedTest(Record):
    """A laboratory test and the side of normal on which it is graded."""

    test: Name
    direction: Literal["low", "high"]


class LaboratoryGrades(Analysis):
    """Laboratory grades: the worst, the shift from baseline, by cycle, or over time."""

    kind: Literal["laboratory"]
    table: Literal["worst", "shift", "cycles", "over time"]
    tests: Annotated[tuple[GradedTest, ...], Field(min_length=1)]
    activity: Word | None = None  # whose planned weeks and windows time is told by
    at_least: Annotated[int, Field(ge=1)] = 5  # subjects of an arm at a visit that is drawn


class QualityOfLifeProfile(Analysis):
    """Mean change from baseline of each scale by visit and arm, with intervals."""

    kind: Literal["quality of life"]
    scales: Annotated[tuple[Name, ...], Field(min_length=1)]
    level: Fraction = 0.95
    at_least: Annotated[int, Field(ge=2)] = 10  # subjects of an arm at a visit that is told


class RepeatedMeasures(Analysis):
    """Change of one scale by arm at each visit, by a mixed model for repeated measures."""

    kind: Literal["repeated measures"]
    scale: Name
    weeks: Annotated[tuple[float, ...], Field(min_length=1)]  # planned visits in the model
    covariance: Literal[
        "unstructured", "heterogeneous-autoregressive", "autoregressive", "compound-symmetry"
    ] = "unstructured"
    """How a subject's values hang together."""
    level: Fraction = 0.95


class DoseDecisions(Analysis):
    """What the dose rules decided, and whether the doses given follow."""

    kind: Literal["dose decisions"]
