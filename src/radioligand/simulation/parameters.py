# SPDX-License-Identifier: Apache-2.0
"""The assumptions a virtual population is made of: one document, read into frozen records.

The document says how patients, tumours, visits and events behave; the protocol says what is done
with them. Shares and rates are fractions, times are days or weeks as their names say.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from importlib.resources import files
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from radioligand.protocol.inheritance import InheritanceError, inherit, renamed
from radioligand.simulation.dose_scenarios import DoseScenario, shape_faults

Quantiles = tuple[tuple[float, float], ...]  # (probability, value), linear in between
Share = dict[str, float]


class PopulationError(ValueError):
    """A population document breaks its rules. The message tells every fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """How many come, from when to when, and how long each is followed."""

    subject_prefix: str
    randomised: int
    screen_failures: int
    first_screened: date
    accrual_days: Quantiles  # of the days from the first screening to each subject's
    screening_days: tuple[int, int]
    followed_until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """Sites and shares of the screened subjects of one country."""

    code: str
    number: int
    sites: int
    share: float
    race: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenFailure:
    """A reason for which a subject is not randomised; `finding` is what its data then show."""

    finding: str
    reason: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Who the randomised subjects are."""

    factors: tuple[str, ...]  # of Subjects: what the protocol's strata are made of, in its order
    strata: Share  # levels of the factors, joined by "/"
    wrong_stratum: float  # stratified by mistake
    grade: Share  # each empty where it is a factor
    origin: Share
    highest_uptake: Share
    analogue_time: Share  # levels of the time at a constant dose; empty: none has such a time
    analogue_days: dict[str, Quantiles]  # that time up to randomisation, by its level
    progression_on_analogue: float
    usual_ki67_percent: float  # at which the exponents of Ki-67 have no effect
    ki67_percent: dict[str, Quantiles]  # by grade
    primary_site: dict[str, Share]  # by origin
    age_years: Quantiles
    male: float
    karnofsky: Share
    karnofsky_follows_age: float
    days_since_diagnosis: Quantiles
    metastatic: float
    metastases: dict[str, Share]  # by origin and organ (population.ORGANS)
    prior_analogue: float
    prior_surgery: float
    prior_systemic: float
    prior_chemotherapy: float  # of those with prior systemic therapy
    line_of_therapy: Share | None  # left out where no line is asked for
    months_after_prrt: Quantiles | None  # from the last dose to progression; left out: none had any
    washout_days: int  # before consent, without therapy other than an analogue
    uneven_uptake: float  # a target lesion of the lowest score taken, whatever the highest
    weight_kg: dict[str, tuple[float, float]]  # by sex: median, log sd
    height_cm: dict[str, tuple[float, float]]  # by sex: mean, sd
    clearance_ml_min: tuple[float, float, float]  # mean at age 60, change a year, sd
    clearance_lowest: float
    creatinine_highest_umol_l: float
    weight_lowest: float
    chromogranin_ug_l: tuple[float, float]  # median, log sd
    hiaa_umol_day: dict[str, tuple[float, float]]  # by origin: median, log sd


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesions:
    """Where lesions sit and how long they are at baseline."""

    measurable: Share  # share of subjects with a lesion in the slot, given disease in the organ
    primary_measurable: Share  # by origin
    no_measurable: float  # subjects with non-target disease alone
    diameter_mm: dict[str, tuple[float, float]]  # by organ: median, log sd
    small_node: float  # a node of 10 to 15 mm, given nodal disease


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Tumour growth inhibition: y(t) = y0 (exp(-d t) + exp(g t) - 1), t in weeks."""

    shrinkage_sd: float  # between subjects, on the log scale
    correlation: float  # of log d and log g
    growth_ki67: float  # exponent of Ki-67 over its usual value, in g
    shrinkage_pancreas: float  # added to log d
    shrinkage_grade3: float
    shrinkage_uptake4: float
    lesion_shrinkage_sd: float  # between the lesions of a subject
    lesion_growth_sd: float
    new_lesion: float  # hazard accumulated: this times (exp(g t) - 1)
    non_target: float
    kinetics_shape: float  # the hazard of new disease accumulates as its power
    large_lesion_mm: float | None  # of the liver: above it lesions shrink less
    large_lesion_shrinkage: float | None  # so many times as fast


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmGrowth:
    """What an arm's treatment does to the tumour."""

    shrinkage_per_week: float
    growth_per_week: float
    growth_sd: float  # between subjects, on the log scale
    minority: float  # share whose tumours behave otherwise than most
    minority_growth_per_week: float
    minority_shrinkage: float  # of theirs, times that of most
    deep_responder: float  # share whose lesions melt away, the small ones altogether
    deep_shrinkage_per_week: float
    deep_growth: float  # of theirs, times that of most
    debulked: float | None  # share of the large liver lesions that shrink as small ones do
    correlation: float | None  # of log d and log g in this arm; left out: that of [growth]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader makes of the images; the same for every reader, drawn for each."""

    error_fraction: dict[str, float]  # by reader
    error_mm: float
    vanishes_mm: float
    too_small_mm: float
    selection_sd: float  # of the log diameters by which a reader chooses targets
    passed_over: float  # a measurable lesion taken as non-target
    not_evaluable: float  # an assessment with an unreadable target
    delay_weeks: dict[str, float]  # by reader: mean time until new disease is called
    equivocal: float  # new lesions first called equivocal


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """How scans keep to the schedule."""

    baseline_days_before: tuple[int, int]
    jitter_days: Quantiles
    late: float
    late_days: tuple[int, int]
    missed: float
    unscheduled: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A way to leave early: what happens, when, and to whom it happens how often."""

    kind: str
    share: Share  # by arm
    days: tuple[int, int]
    treated: bool
    new_therapy: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """Treatment, follow-up and death."""

    first_dose_days: dict[str, tuple[int, int]]  # by arm, after randomisation
    cycle_jitter_days: Quantiles
    octreotide_jitter_days: Quantiles
    delayed: Share  # subjects with a dose put off, by arm
    delay_days: tuple[int, int]
    reduced: Share  # subjects with a dose reduced, by arm
    activity_fraction: Quantiles  # of a subject: given over planned
    activity_sd: float  # between a subject's cycles, as a fraction
    confirmation_days: tuple[int, int]  # from a scan to its central confirmation
    withdrawal_per_year: float
    adverse_event_stop: Share  # stop all treatment for an adverse event, by arm
    adverse_event_stop_days: tuple[int, int]
    therapy_at_local_progression: float
    therapy_days: tuple[int, int]  # from there to the new therapy
    death_growth_per_year: float  # before progression, at g = 0.005 a week; with its square
    death_earliest_day: int  # nobody is randomised who would not live so long
    death_lag_days: float  # from progression until its hazard applies
    death_after_progression_per_year: dict[str, float]  # by next treatment
    death_ki67: float  # exponent of Ki-67 over its usual value
    death_baseline_per_year: float
    crossover: float
    crossover_days: tuple[int, int]
    later_radioligand: float
    later_radioligand_days: tuple[int, int]
    retreatment: float
    next_therapy: float
    next_therapy_days: tuple[int, int]
    next_therapies: Share
    lost_per_year: float  # after progression
    lost_share: float  # of those who leave: lost, not withdrawn


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTerm:
    """An adverse event: shares of the treated subjects who have it in the treatment period."""

    term: str
    organ_class: str
    any_grade: Share  # by arm
    severe: Share  # grade 3 or worse, by arm
    moderate: float  # grade 2 among the milder ones
    radioligand: float  # of those given the radioligand, related to it
    octreotide: float  # related to octreotide
    serious: float  # of the severe ones
    onset: str  # "any", "infusion", "nadir" (weeks after one), "late" (about 14 months), or
    # "long-term" (9 to 57 months after the first dose, treatment over or not)
    days: float  # median duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """Adverse events around the terms."""

    frailty: Quantiles  # multiplies every share of a subject; its mean is 1
    onset_days: float  # mean of "any" onset
    grade4: float  # of the severe ones
    serious_mild: float  # of the milder ones
    partial_date: float  # starts of which only the month is known
    outside: float  # events in the follow-up after treatment, a subject
    resolved: float
    fatal: Share  # deaths in the treatment period that are also reported as an event, by arm
    fatal_term: dict[str, tuple[str, str]]  # by arm: term and organ class
    beside_radioligand: float  # how much less often events are related to octreotide beside it
    severe_octreotide: float  # how much less often severe events are related to octreotide
    stopping_terms: tuple[tuple[str, str], ...]  # of the events that stop treatment, with class
    stopping_severe: float  # grade 3 of the events that stop treatment
    stopping_octreotide: float  # of those in the control arm, related to octreotide
    terms: tuple[EventTerm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaboratoryTest:
    """A laboratory test: what is usual, and what the radioligand does to it."""

    code: str
    name: str
    unit: str
    baseline: tuple[float, float]  # median, sd of the logarithm; (0, 0): from the subject
    visit_sd: float  # between visits, on the log scale
    normal: tuple[float, float]
    decimals: int
    lowest: float  # fraction of baseline at the nadir after an infusion; 1: none
    events: tuple[str, ...]  # adverse events that a grade of this test goes with
    grades: tuple[float, ...]  # values at which grades 2, 3 and 4 begin
    every_weeks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityOfLife:
    """Answers to the questionnaire, alike in all arms."""

    severity: tuple[float, ...]  # mean latent severity of each item
    subject_sd: float
    item_sd: float  # between subjects, of one item
    visit_sd: float
    drift_per_year: float
    missing_form: float
    missing_item: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Whose published summaries a population was calibrated to, and the study that meets them."""

    study: str
    paper: str
    cutoff: date
    reviewer: str
    seed: int
    draws: tuple[int, ...]  # of each randomised subject, by consent; 0 is the seed's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Every assumption of a virtual study."""

    name: str
    about: str
    enrolment: Enrolment
    countries: tuple[Country, ...]
    screen_failures: tuple[ScreenFailure, ...]
    baseline: Baseline
    lesions: Lesions
    growth: Growth
    arms: dict[str, ArmGrowth]
    reading: Reading
    visits: Visits
    departures: tuple[Departure, ...]
    conduct: Conduct
    safety: Safety
    laboratory: tuple[LaboratoryTest, ...]
    quality_of_life: QualityOfLife | None  # left out where no questionnaire is filled in
    dosimetry: DoseScenario | None  # left out where doses are not measured
    calibration: Calibration | None  # left out unless it was calibrated to one paper


def parse_population(document: Mapping[str, Any], *, name: str = "population") -> Population:
    """Turn the tables of a document into a Population.

    Raises PopulationError that names every missing, unknown or mistyped key by its path.
    """
    faults: list[str] = []
    population = _value(Population, document, "", faults)
    if not faults and population.dosimetry:
        for one in (*population.dosimetry.organs, population.dosimetry.lesion):
            faults += [f"dosimetry.{one.region}.{fault}" for fault in shape_faults(one)]
            if one.mass_g is None or one.mass_log_sd is None:
                faults.append(f"dosimetry.{one.region}.mass_g: a virtual study needs the mass.")
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise PopulationError(f"{name}: {len(faults)} to mend.\n{listed}")
    return population  # type: ignore[no-any-return]


def read_population(name: str = "netter-2") -> Population:
    """Read a shipped population document, with what it takes over from the one it is `like`.

    `arms_like` of such a document names for each arm of the other the arms that stand for it.
    Raises PopulationError if there is none of that name.
    """
    return parse_population(_tables(name), name=f"{name}.toml")


def _tables(name: str) -> dict[str, Any]:
    folder = files("radioligand.simulation")
    path = folder / f"{name}.toml"
    if not path.is_file():
        shipped = sorted(each.name[:-5] for each in folder.iterdir() if each.name.endswith(".toml"))
        raise PopulationError(f"no population is called {name!r}; there is {', '.join(shipped)}")
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    if "like" not in document:
        return document
    arms = document.pop("arms_like", {})
    try:
        return inherit(document, renamed(_tables(document["like"]), arms))
    except InheritanceError as error:
        raise PopulationError(f"{name}.toml: without: {error}. Correct it.") from None


def _value(kind: Any, value: Any, path: str, faults: list[str]) -> Any:
    """Hold `value` against the annotation `kind` and build it; append what is wrong."""
    if NoneType in get_args(kind):  # an optional record
        kind = next(each for each in get_args(kind) if each is not NoneType)
    if is_dataclass(kind):
        return _record(kind, value, path, faults)
    if get_origin(kind) is dict:
        if isinstance(value, Mapping):
            inner = get_args(kind)[1]
            return {key: _value(inner, v, f"{path}.{key}", faults) for key, v in value.items()}
    elif get_origin(kind) is tuple:
        inner = get_args(kind)
        if isinstance(value, list) and (inner[-1] is ... or len(inner) == len(value)):
            kinds = (inner[0],) * len(value) if inner[-1] is ... else inner
            return tuple(
                _value(each, v, f"{path}[{i}]", faults)
                for i, (each, v) in enumerate(zip(kinds, value, strict=True))
            )
    elif kind is float and type(value) in (int, float):
        return float(value)
    elif type(value) is kind:
        return value
    faults.append(f"{path}: {value!r} is not a {getattr(kind, '__name__', kind)}. Correct it.")
    return value


def _record(kind: Any, value: Any, path: str, faults: list[str]) -> Any:
    if not isinstance(value, Mapping):
        faults.append(f"{path}: {value!r} is not a table. Write [{path.lstrip('.')}].")
        return None
    annotations = get_type_hints(kind)
    known = [field.name for field in fields(kind)]
    optional = {key for key in known if NoneType in get_args(annotations[key])}
    faults += _strangers(value, known, path)
    faults += [f"{path}.{key}: missing. Add it." for key in known if key not in {*value, *optional}]
    parts = {
        key: _value(annotations[key], value[key], f"{path}.{key}".lstrip("."), faults)
        for key in known
        if key in value
    }
    parts = dict.fromkeys(optional) | parts
    return kind(**parts) if not faults else None


def _strangers(value: Mapping[str, Any], known: list[str], path: str) -> Iterator[str]:
    for key in value:
        if key not in known:
            yield f"{path}.{key}: unknown key. Known: {', '.join(known)}."
