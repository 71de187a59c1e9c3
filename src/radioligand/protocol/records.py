# SPDX-License-Identifier: Apache-2.0
"""The tables a protocol document is made of, as frozen records: its whole vocabulary."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from radioligand.protocol.base import Analysis as Analysis
from radioligand.protocol.base import (
    Condition,
    Days,
    Fraction,
    Name,
    Percent,
    Positive,
    Where,
    Word,
)
from radioligand.protocol.base import Record as Record
from radioligand.protocol.design_records import Assumption as Assumption
from radioligand.protocol.design_records import Cohort as Cohort
from radioligand.protocol.design_records import LateHarm as LateHarm
from radioligand.protocol.design_records import Selection as Selection
from radioligand.protocol.safety_records import CompetingRisks as CompetingRisks
from radioligand.protocol.safety_records import Deaths as Deaths
from radioligand.protocol.safety_records import DoseDecisions as DoseDecisions
from radioligand.protocol.safety_records import Dosing as Dosing
from radioligand.protocol.safety_records import LaboratoryGrades as LaboratoryGrades
from radioligand.protocol.safety_records import Module as Module
from radioligand.protocol.safety_records import QualityOfLifeProfile as QualityOfLifeProfile
from radioligand.protocol.safety_records import RepeatedMeasures as RepeatedMeasures

MONTH_DAYS = 30.4375  # a month in days, the mean of the Julian year that trials use
TIMES = ("days", "weeks", "months", "years")


# -- the trial and its arms ------------------------------------------------------------------


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

    method: Literal["permuted blocks"]
    block_size: Annotated[int, Field(ge=2)]
    entries_per_stratum: Annotated[int, Field(ge=1)]
    forced: Literal[False] = False
    by_site: bool = False
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


# -- what is known of a subject --------------------------------------------------------------


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


# -- response and endpoints ------------------------------------------------------------------


class Evaluation(Record):
    """One reading of the images: whose, and how its records are told apart.

    `where` keys are variable names without their domain: EVAL, EVALID, ACPTFL. `suffix` is
    added to the PARAMCD of everything this reading yields.
    """

    id: Word
    label: str
    suffix: Annotated[str, Field(pattern=r"^[A-Z0-9]?$")]
    where: Where
    governs: bool = False
    overall: Literal["lesions", "RS"] = "lesions"
    organs: tuple[str, ...] = ()  # TULOC of the lesions that count; empty: all


class Response(Record):
    """RECIST 1.1 with every choice on which sources differ as a named policy."""

    rules: Literal["RECIST 1.1"] = "RECIST 1.1"
    """The response criteria (Eisenhauer 2009)."""
    response_fraction: Fraction = 0.30
    """Decrease of the sum from baseline that makes a partial response."""
    progression_fraction: Fraction = 0.20
    """Increase of the sum from its nadir that makes progression."""
    progression_mm: Positive = 5.0
    """Increase in millimetres that progression needs besides."""
    node_normal_mm: Positive = 10.0
    """A lymph node whose short axis is below this is normal."""
    too_small_mm: Positive = 5.0
    """What a target lesion too small to measure counts in the sum."""
    response_after_complete: Literal["recist", "admiral"] = "recist"
    """Any disease after a complete response: progression (recist), or as measured (admiral)."""
    sustained_response: bool = False
    """Whether a partial response lasts until progression though the sum rises above its limit."""
    confirmation_days: Days = 28
    """Days between a response and the assessment that confirms it."""
    confirmation_not_evaluable: Days = 1
    """Assessments not evaluable that may stand between the two."""
    confirmation_stable: Days = 0
    """Assessments of stable disease that may stand between the two."""
    stable_days: Days = 42
    """Days from the start before which stable disease is no best response."""
    adequate_assessment: Literal["every lesion", "evaluable"] = "every lesion"
    """What an assessment without progression needs to be adequate, beside being evaluable."""
    progression_date: Literal["first scan", "last scan"] = "first scan"
    """Which scan of the visit dates a progression of the sum."""
    equivocal_new_lesion: Literal["date first seen", "date confirmed"] = "date first seen"
    """How progression by an equivocal new lesion is dated once it is confirmed."""
    new_therapy: Literal["not counted after", "counted"] = "not counted after"
    """Whether a response after new anticancer therapy counts."""
    split_and_merged: Literal["refused", "as declared"] = "refused"
    """What becomes of lesions that split or merge."""


class Censoring(Record):
    """A convention for progression-free survival, evaluated in the order of these fields."""

    id: Word
    label: str
    no_baseline: Literal["censor at start", "ignore"] = "censor at start"
    """A subject without adequate baseline assessment."""
    no_post_baseline: Literal["censor at start", "ignore"] = "censor at start"
    """A subject without adequate assessment after baseline."""
    early_death_assessments: Days = 2
    """A death within so many scheduled assessments counts although none was made."""
    new_therapy: Literal["censor before", "ignore"] = "censor before"
    """New anticancer therapy before the event."""
    missed_assessments: Days = 2
    """So many scheduled assessments missed in a row before the event censor it; 0: never."""
    source: str | None = None


class EventSource(Record):
    """One way to have the event: records of an ADaM dataset, dated."""

    says: str
    dataset: Literal["ADSL", "ADRS", "ADQS", "ADAE"]
    where: Where = {}
    date: Name = "ADT"


class CensorSource(Record):
    """One date up to which a subject was known to be free of the event."""

    says: str
    because: str
    code: Annotated[int, Field(ge=1)] = 1
    dataset: Literal["ADSL", "ADRS", "ADQS"]
    where: Where = {}
    date: Name = "ADT"


class Endpoint(Record):
    """A time to event: where it starts, what ends it, where it is censored."""

    id: Name
    label: str
    start: EventSource
    events: Annotated[tuple[EventSource, ...], Field(min_length=1)]
    censors: Annotated[tuple[CensorSource, ...], Field(min_length=1)]
    evaluation: str | None = None
    censoring: str | None = None
    population: str | None = None
    count_first_day: bool = True
    """Whether the first day counts as day 1: AVAL = ADT - STARTDT + 1."""


class Scale(Record):
    """A scale of a questionnaire and which way it deteriorates."""

    id: Name
    label: str
    worse: Literal["higher", "lower"]


class QualityOfLife(Record):
    """The questionnaire, its scales, and what counts as deterioration."""

    instrument: Literal["EORTC QLQ-C30"]
    dataset: str = "QS"
    where: Where = {}
    activity: str
    scales: Annotated[tuple[Scale, ...], Field(min_length=1)]
    threshold: Positive
    confirmed: bool = False
    baseline: Literal["last before first dose"] = "last before first dose"
    modules: tuple[Module, ...] = ()  # further questionnaires, scored beside it


# -- safety ----------------------------------------------------------------------------------


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


# -- analyses --------------------------------------------------------------------------------


class RankTest(Record):
    """The log-rank or rank test of a comparison."""

    weights: Literal["logrank", "gehan", "tarone-ware"] = "logrank"
    stratified: bool
    sided: Literal[1, 2]


class Model(Record):
    """The proportional-hazards model of a comparison."""

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


class Cutoff(Record):
    """When the primary analysis is due: at the nth event of an endpoint."""

    endpoint: Name
    events: Annotated[int, Field(ge=1)]
    published: date | None = None


class AccrualStep(Record):
    """Subjects a month, from a month on until the next step."""

    from_month: Annotated[float, Field(ge=0)]
    per_month: Annotated[float, Field(ge=0)]


class SiteActivation(Record):
    """Sites that open one after the other, each with the same share of the full rate."""

    sites: Annotated[int, Field(ge=1)]
    per_month: Positive


class Looks(Record):
    """Looks at the data while the events gather; the last look is the final analysis."""

    events: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2)]
    spending: Literal[
        "obrien-fleming",
        "pocock",
        "classical-obrien-fleming",
        "classical-pocock",
        "haybittle-peto",
    ] = "obrien-fleming"
    planned_events: tuple[Annotated[int, Field(ge=1)], ...] = ()


class RatePlanning(Record):
    """The assumptions of a comparison of two rates, such as objective response."""

    label: str
    control: Fraction
    experimental: Fraction
    alpha: Fraction
    sided: Literal[1, 2]
    power: Fraction
    margin: Annotated[float, Field(gt=-1, lt=1)] = 0.0


class Planning(Record):
    """The assumptions of the sample size, of a time to event; `also` holds further endpoints."""

    endpoint: Name
    hazard_ratio: Positive
    median_control_months: Positive
    median_experimental_months: Positive | None = None
    alpha: Fraction
    sided: Literal[1, 2]
    power: Fraction
    method: Literal["schoenfeld", "freedman", "lakatos"] = "schoenfeld"
    margin: Positive = 1.0
    shape: Positive = 1.0
    cured_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    delay_months: Annotated[float, Field(ge=0)] = 0.0
    crossover_per_month: Annotated[float, Field(ge=0)] = 0.0
    accrual_per_month: Positive | None = None
    accrual_months: Positive | None = None
    accrual_steps: tuple[AccrualStep, ...] = ()
    ramp_months: Positive | None = None
    site_activation: SiteActivation | None = None
    follow_up_months: Positive | None = None
    dropout_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    dropout_months: Positive | None = None
    multiplicity: Literal["none", "bonferroni", "dunnett"] = "none"
    interim: Looks | None = None
    events: Annotated[int, Field(ge=1)] | None = None
    subjects: Annotated[int, Field(ge=1)] | None = None
    rates: tuple[RatePlanning, ...] = ()
    also: tuple["Planning", ...] = ()


class Protocol(Record):
    """A whole trial."""

    document: Literal[1]
    trial: Trial
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    eligibility: tuple[Criterion, ...] = ()
    randomisation: Randomisation | None = None
    schedule: tuple[Activity, ...] = ()
    phases: tuple[Phase, ...] = ()
    data: Data
    variables: tuple[Variable, ...] = ()
    populations: Annotated[tuple[Population, ...], Field(min_length=1)]
    evaluations: tuple[Evaluation, ...] = ()
    response: Response = Response()
    censoring: tuple[Censoring, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    quality_of_life: QualityOfLife | None = None
    safety: Safety | None = None
    dosing: Dosing | None = None
    crossover: tuple[Crossover, ...] = ()
    retreatment: tuple[Retreatment, ...] = ()
    analyses: tuple[AnyAnalysis, ...] = ()
    cutoff: Cutoff | None = None
    planning: Planning | None = None
    cohorts: tuple[Cohort, ...] = ()
    selection: Selection | None = None
    late_harm: tuple[LateHarm, ...] = ()
    assumptions: tuple[Assumption, ...] = ()

    def arm(self, role: str) -> Arm:
        """The first arm of that role: "experimental" or "control"."""
        return next(arm for arm in self.arms if arm.role == role)

    def activity(self, activity_id: str) -> Activity:
        return next(activity for activity in self.schedule if activity.id == activity_id)

    def evaluation(self, evaluation_id: str) -> Evaluation:
        return next(one for one in self.evaluations if one.id == evaluation_id)

    def endpoint(self, endpoint_id: str) -> Endpoint:
        return next(one for one in self.endpoints if one.id == endpoint_id)

    def population(self, population_id: str) -> Population:
        return next(one for one in self.populations if one.id == population_id)

    def variable(self, name: str) -> Variable:
        return next(one for one in self.variables if one.name == name)
