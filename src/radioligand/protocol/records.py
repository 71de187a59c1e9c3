# SPDX-License-Identifier: Apache-2.0
"""The tables a protocol document is made of, as frozen records: its whole vocabulary.

They stand in a file for each part of the document; here they come together as one trial.
"""

from typing import Annotated, Literal

from pydantic import Field

from radioligand.protocol.analysis_records import (
    AbsorbedDose,
    AdverseEvents,
    Agreement,
    AnyAnalysis,
    Baseline,
    BestResponse,
    Disposition,
    DoseAndEffect,
    Eligibility,
    Exposure,
    Hierarchy,
    Interim,
    LandmarkDay,
    Model,
    Phases,
    Probabilities,
    RankTest,
    ResponseSystem,
    Sensitivity,
    Shrinkage,
    ShrinkageBaseline,
    ShrinkageGroups,
    ShrinkageLandmarks,
    ShrinkageThresholds,
    ShrinkageWaterfall,
    Step,
    Subgroups,
    SubjectFigure,
    TimeToEvent,
)
from radioligand.protocol.base import Analysis, Record
from radioligand.protocol.conduct_records import (
    Crossover,
    CrossoverPhase,
    OverviewRow,
    Query,
    Retreatment,
    Safety,
)
from radioligand.protocol.design_records import (
    Adaptation,
    ArmAddition,
    ArmDrop,
    Assumption,
    Cohort,
    CohortPlanning,
    LateHarm,
    Resizing,
    Selection,
)
from radioligand.protocol.dosimetry_records import (
    DoseExpectation,
    DoseLimit,
    DoseMethod,
    DosePrior,
    DoseTarget,
    Dosimetry,
    SValueFiles,
)
from radioligand.protocol.planning_records import (
    AccrualStep,
    Cutoff,
    HazardRatioStep,
    HazardStep,
    Looks,
    Planning,
    RatePlanning,
    SiteActivation,
)
from radioligand.protocol.response_records import (
    Censoring,
    CensorSource,
    Endpoint,
    Evaluation,
    EventSource,
    QualityOfLife,
    Response,
    Scale,
)
from radioligand.protocol.safety_records import (
    CompetingRisks,
    Deaths,
    DoseDecisions,
    Dosing,
    LaboratoryGrades,
    Module,
    QualityOfLifeProfile,
    RepeatedMeasures,
)
from radioligand.protocol.subject_records import (
    MONTH_DAYS,
    TIMES,
    Band,
    Data,
    Imputation,
    Population,
    Source,
    Variable,
)
from radioligand.protocol.trial_records import (
    Activity,
    Arm,
    Criterion,
    Factor,
    Level,
    Phase,
    Randomisation,
    Treatment,
    Trial,
)

__all__ = [
    "MONTH_DAYS",
    "TIMES",
    "AbsorbedDose",
    "AccrualStep",
    "Activity",
    "Adaptation",
    "AdverseEvents",
    "Agreement",
    "Analysis",
    "AnyAnalysis",
    "Arm",
    "ArmAddition",
    "ArmDrop",
    "Assumption",
    "Band",
    "Baseline",
    "BestResponse",
    "CensorSource",
    "Censoring",
    "Cohort",
    "CohortPlanning",
    "CompetingRisks",
    "Criterion",
    "Crossover",
    "CrossoverPhase",
    "Cutoff",
    "Data",
    "Deaths",
    "Disposition",
    "DoseAndEffect",
    "DoseDecisions",
    "DoseExpectation",
    "DoseLimit",
    "DoseMethod",
    "DosePrior",
    "DoseTarget",
    "Dosimetry",
    "Dosing",
    "Eligibility",
    "Endpoint",
    "Evaluation",
    "EventSource",
    "Exposure",
    "Factor",
    "HazardRatioStep",
    "HazardStep",
    "Hierarchy",
    "Imputation",
    "Interim",
    "LaboratoryGrades",
    "LandmarkDay",
    "LateHarm",
    "Level",
    "Looks",
    "Model",
    "Module",
    "OverviewRow",
    "Phase",
    "Phases",
    "Planning",
    "Population",
    "Probabilities",
    "Protocol",
    "QualityOfLife",
    "QualityOfLifeProfile",
    "Query",
    "Randomisation",
    "RankTest",
    "RatePlanning",
    "Record",
    "RepeatedMeasures",
    "Resizing",
    "Response",
    "ResponseSystem",
    "Retreatment",
    "SValueFiles",
    "Safety",
    "Scale",
    "Selection",
    "Sensitivity",
    "Shrinkage",
    "ShrinkageBaseline",
    "ShrinkageGroups",
    "ShrinkageLandmarks",
    "ShrinkageThresholds",
    "ShrinkageWaterfall",
    "SiteActivation",
    "Source",
    "Step",
    "Subgroups",
    "SubjectFigure",
    "TimeToEvent",
    "Treatment",
    "Trial",
    "Variable",
]


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
    dosimetry: Dosimetry | None = None
    crossover: tuple[Crossover, ...] = ()
    retreatment: tuple[Retreatment, ...] = ()
    analyses: tuple[AnyAnalysis, ...] = ()
    cutoff: Cutoff | None = None
    planning: Planning | None = None
    cohorts: tuple[Cohort, ...] = ()
    selection: Selection | None = None
    adaptation: Adaptation | None = None
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
