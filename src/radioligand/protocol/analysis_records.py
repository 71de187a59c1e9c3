# SPDX-License-Identifier: Apache-2.0
"""The analyses that a protocol can name, one record a kind."""

from typing import Annotated, Literal

from pydantic import Field

from radioligand.protocol.base import PRINTED, Analysis, Fraction, Name, Percent, Positive, Record
from radioligand.protocol.safety_records import (
    CompetingRisks,
    Deaths,
    DoseDecisions,
    LaboratoryGrades,
    QualityOfLifeProfile,
    RepeatedMeasures,
)


class RankTest(Record):
    """The log-rank or rank test of a comparison."""

    weights: Literal["logrank", "gehan", "tarone-ware"] = "logrank"
    stratified: bool
    sided: Literal[1, 2]


class Model(Record):
    """The proportional-hazards model of a comparison."""

    model_config = PRINTED

    stratified: bool
    ties: Literal["efron", "breslow", "exact"] = "efron"
    """How events on the same day share a likelihood."""


class Disposition(Analysis):
    """Where every screened subject went."""

    kind: Literal["disposition"]


class Eligibility(Analysis):
    """How many of the screened met each criterion."""

    kind: Literal["eligibility"]


class Phases(Analysis):
    """How many subjects are in each phase of the study, and what ended it."""

    kind: Literal["phases"]


class Baseline(Analysis):
    """Baseline characteristics by arm and in total."""

    kind: Literal["baseline"]
    variables: Annotated[tuple[str, ...], Field(min_length=1)]
    number: Literal["median (IQR)", "mean (SD)"] = "median (IQR)"


class Exposure(Analysis):
    """Duration, cycles and activity."""

    kind: Literal["exposure"]


class BestResponse(Analysis):
    """Best overall response, its rates with intervals, and the comparison of rates."""

    model_config = PRINTED

    kind: Literal["response"]
    parameter: Name
    levels: tuple[str, ...]
    objective: tuple[str, ...]
    control: tuple[str, ...]
    evaluable: Name | None = None  # only who has a response known in this PARAMCD, such as OVR
    interval: Literal["clopper-pearson", "wilson", "wald"] = "clopper-pearson"
    """Interval of a response rate."""
    difference: Literal["wald", "newcombe", "miettinen-nurminen"] = "wald"
    """Interval of the difference of two rates."""
    stratified: bool = True
    sided: Literal[1, 2]
    level: Fraction = 0.95


class TimeToEvent(Analysis):
    """Kaplan–Meier by arm, and the comparison of arms if there is one."""

    model_config = PRINTED

    kind: Literal["time to event"]
    endpoint: Name
    interval: Literal["log-log", "log", "plain", "arcsine"] = "log-log"
    """Scale of the pointwise interval of a survival curve, and so of its median."""
    median: Literal["r", "sas"] = "r"
    """Whose convention for a median on a plateau of the curve."""
    level: Fraction = 0.95
    landmarks_months: tuple[float, ...] = ()
    axis_months: Positive = 3.0
    test: RankTest | None = None
    model: Model | None = None
    follow_up: tuple[Literal["administrative", "reverse"], ...] = ()
    figure: bool = True


class Subgroups(Analysis):
    """The forest: one hazard ratio a subgroup, and one interaction test a variable."""

    kind: Literal["subgroups"]
    endpoint: Name
    variables: Annotated[tuple[str, ...], Field(min_length=1)]
    model: Model
    level: Fraction = 0.95


class Sensitivity(Analysis):
    """The same endpoint under several censoring conventions, side by side."""

    kind: Literal["sensitivity"]
    endpoints: Annotated[tuple[Name, ...], Field(min_length=2)]


class SubjectFigure(Analysis):
    """Waterfall, spider or swimmer: one mark a subject."""

    kind: Literal["waterfall", "spider", "swimmer"]
    evaluation: str
    response: Name
    at_most: int = 400  # subjects; above that the figure is left out and says so


class Shrinkage(Analysis):
    """What every analysis of tumour shrinkage has: whose sums, and until when they count."""

    model_config = PRINTED

    evaluation: str
    until: Name


class Probabilities(Record):
    """At which times, and for how much shrinkage, a model tells the probability of the event."""

    months: Annotated[tuple[Positive, ...], Field(min_length=1)]
    shrinkage_percent: Annotated[tuple[float, ...], Field(min_length=1)]


class LandmarkDay(Record):
    """A time point at which the clock is set to 0 again."""

    label: str
    days: Annotated[int, Field(ge=1)]


class ShrinkageLandmarks(Shrinkage):
    """Best shrinkage by each landmark as covariate of what comes after, arms apart."""

    kind: Literal["shrinkage landmarks"]
    endpoint: Name
    landmarks: Annotated[tuple[LandmarkDay, ...], Field(min_length=1)]
    no_limit: bool = True
    time_dependent: bool = True
    progressive: Literal["best response", "sum or new lesion"] = "best response"
    """Whose best response is progression, and so is left out."""
    probabilities: Probabilities | None = None
    ties: Literal["efron", "breslow"] = "efron"
    """How events on the same day share a likelihood."""
    level: Fraction = 0.95


class ShrinkageGroups(Shrinkage):
    """An endpoint in those whose tumours shrank so far and in those whose did not."""

    kind: Literal["shrinkage groups"]
    endpoint: Name
    percent: Percent = 30.0
    arms: tuple[Name, ...] = ()
    interval: Literal["log-log", "log", "plain", "arcsine"] = "log-log"
    """Scale of the pointwise interval of a survival curve, and so of its median."""
    median: Literal["r", "sas"] = "r"
    """Whose convention for a median on a plateau of the curve."""
    level: Fraction = 0.95
    landmarks_months: tuple[float, ...] = ()
    axis_months: Positive = 6.0


class ShrinkageBaseline(Shrinkage):
    """Baseline characteristics of the two groups."""

    kind: Literal["shrinkage baseline"]
    percent: Percent = 30.0
    arms: tuple[Name, ...] = ()
    variables: Annotated[tuple[str, ...], Field(min_length=1)]
    number: Literal["median (IQR)", "mean (SD)"] = "median (IQR)"


class ResponseSystem(Record):
    """A response system by the shrinkage that it calls a response."""

    label: str
    percent: Percent


class ShrinkageThresholds(Shrinkage):
    """The groups of several response systems, compared naively and without immortal time."""

    kind: Literal["shrinkage thresholds"]
    endpoint: Name
    systems: Annotated[tuple[ResponseSystem, ...], Field(min_length=1)]
    landmark_days: Annotated[int, Field(ge=1)]
    arms: tuple[Name, ...] = ()
    ties: Literal["efron", "breslow"] = "efron"
    """How events on the same day share a likelihood."""
    level: Fraction = 0.95


class ShrinkageWaterfall(Shrinkage):
    """Best change of each subject, and why one beyond the threshold is no response."""

    kind: Literal["shrinkage waterfall"]
    response: Name = "CBOR"
    percent: Percent = 30.0
    progressive: Literal["best response", "sum or new lesion"] = "best response"
    """Whose best response is progression, and so is left out."""
    at_most: int = 400  # subjects; above that the figure is left out and says so


class Agreement(Analysis):
    """Two evaluations of the same subjects, compared."""

    kind: Literal["agreement"]
    evaluations: tuple[str, str]


class AdverseEvents(Analysis):
    """Overview, terms, organ classes, events of special interest, or rates by exposure."""

    kind: Literal["adverse events"]
    table: Literal["overview", "terms", "classes", "queries", "rates"]
    at_least_percent: Annotated[float, Field(ge=0, le=100)] | None = None  # of an arm, of any grade
    compare: Literal["fisher"] | None = None  # a test in each row, of events of any grade
    min_grade: Annotated[int, Field(ge=1, le=5)] = 1  # milder events do not count
    level: Fraction = 0.95


class DoseAndEffect(Record):
    """A dose and what it is set beside.

    `region` is one of ADRAD, TARGET LESIONS for the statistic that steers, or ACTIVITY for the GBq
    given. The effect is the best change of the sum of diameters, the best confirmed response, or
    the worst grade of a laboratory test on treatment.
    """

    region: str
    effect: Literal["best change", "response", "grade"]
    test: Name | None = None  # of a grade: the laboratory test, and the side on which it is graded
    direction: Literal["low", "high"] | None = None


class AbsorbedDose(Analysis):
    """Doses by region and arm, activity planned and given, dose beside effect, or sites."""

    kind: Literal["absorbed dose"]
    table: Literal["doses", "activities", "effects", "sites"]
    effects: tuple[DoseAndEffect, ...] = ()
    evaluation: str | None = None  # whose sums and responses are the effect
    responses: tuple[str, ...] = ()  # best responses that count as one; empty: CR and PR


class Step(Record):
    """One hypothesis of the chain: an analysis of this protocol and its p value."""

    analysis: str
    label: str


class Hierarchy(Analysis):
    """Fixed-sequence testing: each hypothesis is tested only if all before were rejected."""

    kind: Literal["hierarchy"]
    alpha: Fraction
    sided: Literal[1, 2]
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]


class Interim(Analysis):
    """A look at an endpoint before its final analysis, held against a stopping boundary."""

    model_config = PRINTED

    kind: Literal["interim"]
    analysis: str  # a time to event, with its test
    final_events: Annotated[int, Field(ge=1)]
    alpha: Fraction
    sided: Literal[1, 2]
    spending: Literal[
        "classical-obrien-fleming", "classical-pocock", "obrien-fleming", "pocock"
    ] = "obrien-fleming"
    """Shape of the stopping boundary, or how alpha is spent over the looks."""
    planned_fractions: tuple[Annotated[float, Field(gt=0, le=1)], ...] = ()


AnyAnalysis = Annotated[
    Disposition
    | Phases
    | Eligibility
    | Baseline
    | Exposure
    | BestResponse
    | TimeToEvent
    | Subgroups
    | Sensitivity
    | SubjectFigure
    | ShrinkageLandmarks
    | ShrinkageGroups
    | ShrinkageBaseline
    | ShrinkageThresholds
    | ShrinkageWaterfall
    | Agreement
    | AdverseEvents
    | AbsorbedDose
    | CompetingRisks
    | Deaths
    | LaboratoryGrades
    | QualityOfLifeProfile
    | RepeatedMeasures
    | DoseDecisions
    | Hierarchy
    | Interim,
    Field(discriminator="kind"),
]
