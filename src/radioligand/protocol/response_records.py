# SPDX-License-Identifier: Apache-2.0
"""What a protocol says of response and endpoints: readings, policies, censoring, questionnaires."""

from typing import Annotated, Literal

from pydantic import Field

from radioligand.protocol.base import PRINTED, Days, Fraction, Name, Positive, Record, Where, Word
from radioligand.protocol.safety_records import Module


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

    model_config = PRINTED

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

    model_config = PRINTED

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

    model_config = PRINTED

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
