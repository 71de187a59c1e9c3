# SPDX-License-Identifier: Apache-2.0
"""Which function answers which kind of analysis, and the run through a protocol's list."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from radioligand.analysis.absorbed_dose import absorbed_dose
from radioligand.analysis.adverse_events import adverse_events
from radioligand.analysis.agreement import agreement
from radioligand.analysis.baseline import baseline
from radioligand.analysis.best_response import best_response
from radioligand.analysis.competing_risks import competing_risks
from radioligand.analysis.deaths import deaths
from radioligand.analysis.disposition import disposition
from radioligand.analysis.dose_decisions import dose_decisions
from radioligand.analysis.eligibility import eligibility
from radioligand.analysis.exposure import exposure
from radioligand.analysis.hierarchy import hierarchy
from radioligand.analysis.interim import interim
from radioligand.analysis.laboratory import laboratory
from radioligand.analysis.phases import phases
from radioligand.analysis.quality_of_life import quality_of_life
from radioligand.analysis.repeated_measures import repeated_measures
from radioligand.analysis.results import Origin, Row, frame_of
from radioligand.analysis.scope import NotAvailable, Scope, scope
from radioligand.analysis.sensitivity import sensitivity
from radioligand.analysis.shrinkage_groups import (
    shrinkage_baseline,
    shrinkage_groups,
    shrinkage_thresholds,
)
from radioligand.analysis.shrinkage_landmarks import shrinkage_landmarks
from radioligand.analysis.shrinkage_waterfall import shrinkage_waterfall
from radioligand.analysis.subgroups import subgroups
from radioligand.analysis.subject_figures import subject_figure
from radioligand.analysis.time_to_event import time_to_event
from radioligand.protocol import Protocol
from radioligand.protocol.records import (
    AbsorbedDose,
    AdverseEvents,
    Agreement,
    Analysis,
    Baseline,
    BestResponse,
    CompetingRisks,
    Deaths,
    Disposition,
    DoseDecisions,
    Eligibility,
    Exposure,
    Hierarchy,
    Interim,
    LaboratoryGrades,
    Phases,
    QualityOfLifeProfile,
    RepeatedMeasures,
    Sensitivity,
    ShrinkageBaseline,
    ShrinkageGroups,
    ShrinkageLandmarks,
    ShrinkageThresholds,
    ShrinkageWaterfall,
    Subgroups,
    SubjectFigure,
    TimeToEvent,
)

KINDS: dict[type[Analysis], Callable[[Scope, Any], Iterator[Row]]] = {
    Disposition: disposition,
    Phases: phases,
    Eligibility: eligibility,
    Baseline: baseline,
    Exposure: exposure,
    BestResponse: best_response,
    TimeToEvent: time_to_event,
    Subgroups: subgroups,
    Sensitivity: sensitivity,
    SubjectFigure: subject_figure,
    ShrinkageLandmarks: shrinkage_landmarks,
    ShrinkageGroups: shrinkage_groups,
    ShrinkageBaseline: shrinkage_baseline,
    ShrinkageThresholds: shrinkage_thresholds,
    ShrinkageWaterfall: shrinkage_waterfall,
    Agreement: agreement,
    AdverseEvents: adverse_events,
    AbsorbedDose: absorbed_dose,
    CompetingRisks: competing_risks,
    Deaths: deaths,
    LaboratoryGrades: laboratory,
    QualityOfLifeProfile: quality_of_life,
    RepeatedMeasures: repeated_measures,
    DoseDecisions: dose_decisions,
}
# these read the p values of other analyses, and so come after them
LATER: dict[type[Analysis], Callable[..., Iterator[Row]]] = {
    Hierarchy: hierarchy,
    Interim: interim,
}


def analyse(
    adam: Mapping[str, pl.DataFrame],
    *,
    protocol: Protocol,
    progress: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """Run every analysis of the protocol on ADaM datasets; return the results frame (SCHEMA).

    Rows stand in the order of the protocol's analyses. What the data cannot answer is a row too:
    "not_available" where a dataset, column or population is absent, "not_estimable" where the
    data hold no answer, each with its reason in `text`. Nothing depends on the order of rows in
    the datasets. `progress` is called with the title of each analysis as it begins.
    """
    done: dict[str, list[Row]] = {}
    later = [each for each in protocol.analyses if type(each) in LATER]
    first = [each for each in protocol.analyses if type(each) not in LATER]
    for analysis in (*first, *later):
        if progress:
            progress(analysis.title)
        done[analysis.id] = list(_rows(adam, protocol, analysis, done))
    return frame_of(row for analysis in protocol.analyses for row in done[analysis.id])


def _rows(
    adam: Mapping[str, pl.DataFrame],
    protocol: Protocol,
    analysis: Analysis,
    done: Mapping[str, list[Row]],
) -> Iterator[Row]:
    origin = Origin(analysis=analysis.id, population=analysis.population)
    try:
        seen = scope(adam, protocol=protocol, analysis=analysis)
        if type(analysis) in LATER:
            yield from LATER[type(analysis)](seen, analysis, done=done)
            return
        yield from KINDS[type(analysis)](seen, analysis)
    except NotAvailable as reason:
        yield origin.row("not_available", text=str(reason))
        return
    if not isinstance(analysis, Disposition | Eligibility):
        yield from seen.without_arm()
