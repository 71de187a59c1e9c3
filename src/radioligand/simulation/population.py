# SPDX-License-Identifier: Apache-2.0
"""Who comes to the study: screening, baseline findings, and the arm each is given."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from radioligand.simulation.design import Design
from radioligand.simulation.parameters import Baseline, Population, Share
from radioligand.simulation.streams import (
    Flags,
    Floats,
    Texts,
    Whole,
    chosen,
    from_quantiles,
    normals,
    quota,
    uniforms,
)

# of metastases, as in METBONE, METLIVER, METLN, METPERI; the first four hold lesions of their own
ORGANS = ("BONE", "LIVER", "LN", "PERI", "MESE", "LUNG", "OVAR", "OTHR")
_MAIN_ORGANS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """Screened subjects in the order of their consent; every array has one row for each, (n,).

    Days are counted from 1970-01-01. Those not randomised have arm -1.
    """

    identifier: Texts  # USUBJID
    site: Texts
    country: Texts
    consent_day: Whole
    randomised_day: Whole  # of a screen failure: the end of screening
    failure: Texts  # what breaks a criterion; "" for those randomised
    failure_reason: Texts
    arm: Whole  # index into the design's arms, -1: not randomised
    stratum_given: Texts  # levels of the factors, joined by "/", as told to the allocation service
    grade: Texts
    origin: Texts
    primary_site: Texts
    ki67_percent: Whole
    well_differentiated: Flags
    histology: Flags  # not cytology
    age_years: Whole
    male: Flags
    race: Texts
    karnofsky: Whole
    diagnosis_day: Whole
    metastatic: Flags
    metastases: Flags  # (n, 8) ORGANS
    prior_analogue: Flags
    analogue_days: Whole  # at a constant dose up to randomisation; 0: not asked of this population
    analogue_progression: Flags
    prior_surgery: Flags
    prior_systemic: Flags
    prior_chemotherapy: Flags
    line_of_therapy: Texts  # "" where it is not asked for
    months_after_prrt: Floats  # from the last dose to progression; nan: none was given
    prior_embolisation: Flags
    highest_uptake: Whole
    lowest_uptake: Whole  # over the target lesions
    weight_kg: Floats
    height_cm: Floats
    clearance_ml_min: Floats
    chromogranin_ug_l: Floats
    hiaa_umol_day: Floats

    @property
    def randomised(self) -> Flags:
        """Whether each subject was randomised, (n,)."""
        return self.arm >= 0


def simulate_subjects(population: Population, *, design: Design, seed: int) -> Subjects:
    """Screen subjects of the population and allocate those who are eligible."""
    subjects = _allocated(_screened(population, seed), population, design, seed)
    return _with_failures(subjects, population, seed)


def _screened(population: Population, seed: int) -> Subjects:
    """Everyone who is screened, as if all were eligible."""
    n = population.enrolment.randomised + population.enrolment.screen_failures
    consent, randomised = _calendar(population, seed, n)
    country, site, identifier = _sites(population, seed, n)
    draws = _Draws(seed, n)
    none = np.zeros(n, dtype=bool)
    disease = _disease(population.baseline, draws)
    return Subjects(
        identifier=identifier,
        site=site,
        country=np.array([each.code for each in population.countries])[country],
        consent_day=consent,
        randomised_day=randomised,
        failure=np.full(n, "", dtype="<U32"),
        failure_reason=np.full(n, "", dtype="<U80"),
        arm=np.full(n, -1),
        race=_race(population, country, draws),
        well_differentiated=~none,
        histology=~none,
        prior_embolisation=none,
        **_person(population.baseline, draws),
        **disease,
        **_history(population.baseline, consent, randomised, disease["analogue_days"], draws),
    )


class _Draws(NamedTuple):
    """Draws for n subjects, each under its purpose."""

    seed: int
    n: int

    def uniform(self, purpose: str, *shape: int) -> Floats:
        return uniforms(self.seed, purpose, self.n, *shape)

    def normal(self, purpose: str) -> Floats:
        return normals(self.seed, purpose, self.n)

    def quota(self, purpose: str, shares: Iterable[float], order: Floats | None = None) -> Whole:
        """Deal categories by quota: at random, or in the order given."""
        offset = uniforms(self.seed, f"{purpose} rounding", 1)[0]
        by = self.uniform(purpose) if order is None else order
        return quota(by, [*shares], offset=float(offset))

    def is_one_of(self, purpose: str, share: float) -> Flags:
        """A share of the subjects, dealt by quota."""
        return np.asarray(self.quota(purpose, (share, 1 - share)) == 0, dtype=np.bool_)


def _race(population: Population, country: Whole, draws: _Draws) -> Texts:
    races = sorted({race for each in population.countries for race in each.race})
    shares = np.array(
        [[each.race.get(race, 0.0) for race in races] for each in population.countries]
    )
    edges = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)[country]
    which = (edges < draws.uniform("race")[:, None]).sum(axis=1)
    names: Texts = np.array(races)[np.minimum(which, len(races) - 1)]
    return names


def _person(base: Baseline, draws: _Draws) -> dict[str, Any]:
    """Age, sex, build and fitness; the older are less fit."""
    male = draws.is_one_of("sex", base.male)
    sex = np.where(male, "M", "F")
    rank = draws.uniform("age")
    age = np.floor(from_quantiles(rank, base.age_years))
    frailty = base.karnofsky_follows_age * ndtri(rank) + draws.normal("karnofsky")
    scores = np.array([int(score) for score in base.karnofsky])
    weight = np.array([base.weight_kg[each] for each in sex])
    height = np.array([base.height_cm[each] for each in sex])
    at_60, a_year, sd = base.clearance_ml_min
    clearance = at_60 + a_year * (age - 60) + sd * draws.normal("clearance")
    kilograms = weight[:, 0] * np.exp(weight[:, 1] * draws.normal("weight"))
    kilograms = np.maximum(kilograms, base.weight_lowest)
    usual = cockcroft_gault(age, kilograms, male)
    clearance = np.maximum(clearance, usual / base.creatinine_highest_umol_l)
    return {
        "male": male,
        "age_years": age.astype(np.int64),
        "karnofsky": scores[draws.quota("karnofsky", base.karnofsky.values(), frailty)],
        "weight_kg": np.round(kilograms, 1),
        "height_cm": np.round(height[:, 0] + height[:, 1] * draws.normal("height")),
        "clearance_ml_min": np.round(np.maximum(clearance, base.clearance_lowest), 1),
    }


def cockcroft_gault(age_years: Any, weight_kg: Any, male: Flags) -> Floats:
    """Creatinine in umol/L times clearance in mL/min, whichever of the two is known."""
    product = (140 - age_years) * weight_kg * np.where(male, 1.23, 1.04)
    return np.asarray(product, dtype=np.float64)


def _levels(base: Baseline, stratum: Texts, draws: _Draws) -> dict[str, Texts]:
    """Grade, origin, highest uptake and time on an analogue: those of the stratum, others dealt."""
    told = np.array([each.split("/") for each in stratum]).T
    levels = dict(zip(base.factors, told, strict=True))
    dealt: dict[str, tuple[str, Share]] = {
        "grade": ("grade", base.grade),
        "origin": ("origin", base.origin),
        "highest_uptake": ("uptake", base.highest_uptake),
        "analogue_time": ("analogue time", base.analogue_time),
        "line_of_therapy": ("line of therapy", base.line_of_therapy or {}),
    }
    for name, (purpose, shares) in dealt.items():
        if shares:
            levels[name] = np.array([*shares])[draws.quota(purpose, shares.values())]
    return levels


def _disease(base: Baseline, draws: _Draws) -> dict[str, Any]:
    """The tumour: stratum first, then what follows from grade and origin."""
    stratum = np.array([*base.strata])[draws.quota("stratum", base.strata.values())]
    levels = _levels(base, stratum, draws)
    grade, origin = levels["grade"], levels["origin"]
    primary = np.empty(draws.n, dtype="<U16")
    ki67, u = np.empty(draws.n), draws.uniform("ki67")
    for level, quantiles in base.ki67_percent.items():
        ki67[grade == level] = from_quantiles(u[grade == level], quantiles)
    order = draws.uniform("primary site")
    for level, sites in base.primary_site.items():
        inside = origin == level
        dealt = draws.quota("primary site", sites.values(), order[inside])
        primary[inside] = np.array([*sites])[dealt]

    metastatic = draws.is_one_of("extent", base.metastatic)
    rates = np.array(
        [[base.metastases[level].get(organ, 0.0) for organ in ORGANS] for level in origin]
    )
    chance = np.concatenate(
        [
            draws.uniform("metastases", _MAIN_ORGANS),
            draws.uniform("further metastases", len(ORGANS) - _MAIN_ORGANS),
        ],
        axis=1,
    )
    metastases = (chance < rates) & metastatic[:, None]
    metastases[:, ORGANS.index("LIVER")] |= metastatic & ~metastases.any(axis=1)
    highest = levels["highest_uptake"].astype(np.int64)
    uneven = draws.uniform("lowest uptake") < base.uneven_uptake
    median, sd = base.chromogranin_ug_l
    hiaa = np.array([base.hiaa_umol_day[each] for each in origin])
    return {
        "stratum_given": stratum,
        "grade": grade,
        "origin": origin,
        "primary_site": primary,
        "ki67_percent": np.floor(ki67).astype(np.int64),
        "metastatic": metastatic,
        "metastases": metastases,
        "highest_uptake": highest,
        "lowest_uptake": np.where(uneven, highest.min(), highest),
        "line_of_therapy": levels.get("line_of_therapy", np.full(draws.n, "")),
        "analogue_days": _analogue_days(base, levels.get("analogue_time"), draws),
        "chromogranin_ug_l": np.round(median * np.exp(sd * draws.normal("cga"))),
        "hiaa_umol_day": np.round(hiaa[:, 0] * np.exp(hiaa[:, 1] * draws.normal("hiaa"))),
    }


def _analogue_days(base: Baseline, level: Texts | None, draws: _Draws) -> Whole:
    """Days at a constant dose of an analogue up to randomisation, by level; 0 where none has."""
    days, u = np.zeros(draws.n), draws.uniform("analogue days")
    for name, quantiles in base.analogue_days.items():
        inside = level == name
        days[inside] = from_quantiles(u[inside], quantiles)
    return np.floor(days).astype(np.int64)


def _history(
    base: Baseline, consent: Whole, randomised: Whole, analogue_days: Whole, draws: _Draws
) -> dict[str, Any]:
    """Diagnosis, no longer ago than the document says, and what was done for it before."""
    since = np.floor(from_quantiles(draws.uniform("diagnosis"), base.days_since_diagnosis))
    longest = base.days_since_diagnosis[-1][1] - _SCREENING_ROOM
    diagnosis = consent - np.clip(since - (randomised - consent), 3, longest).astype(np.int64)
    before_analogue = randomised - analogue_days - _SCREENING_ROOM
    systemic, u = draws.is_one_of("systemic", base.prior_systemic), draws.uniform(*PRIOR_THERAPY)
    return {
        "diagnosis_day": np.where(
            analogue_days > 0, np.minimum(diagnosis, before_analogue), diagnosis
        ),
        "prior_analogue": draws.is_one_of("analogue", base.prior_analogue),
        "analogue_progression": draws.is_one_of("progression", base.progression_on_analogue),
        "prior_surgery": u[:, 3] < base.prior_surgery,
        "prior_systemic": systemic,
        "prior_chemotherapy": systemic & (u[:, 5] < base.prior_chemotherapy),
        "months_after_prrt": (
            from_quantiles(draws.uniform("after PRRT"), base.months_after_prrt)
            if base.months_after_prrt
            else np.full(draws.n, np.nan)
        ),
    }


def _calendar(population: Population, seed: int, n: int) -> tuple[Whole, Whole]:
    """Days of consent, the first and last on the days the document says, and of randomisation."""
    enrolment = population.enrolment
    place = (np.arange(n) + uniforms(seed, "accrual", n)) / n
    place[[0, -1]] = 0.0, 1.0
    first = enrolment.first_screened.toordinal() - EPOCH_ORDINAL
    consent = first + np.floor(from_quantiles(place, enrolment.accrual_days)).astype(np.int64)
    shortest, longest = enrolment.screening_days
    span = shortest + np.floor((longest + 1 - shortest) * uniforms(seed, "screening", n))
    return consent, consent + span.astype(np.int64)


PRIOR_THERAPY = ("prior therapy", 6)  # the stream of what was done before the study
_SCREENING_ROOM = 30  # days that screening may take of the longest time since diagnosis
EPOCH_ORDINAL = 719163  # date(1970, 1, 1).toordinal()


def _sites(population: Population, seed: int, n: int) -> tuple[Whole, Texts, Texts]:
    """Country index, SITEID and USUBJID of each subject; sites of a country recruit unequally."""
    countries = population.countries
    home = np.repeat(np.arange(len(countries)), [each.sites for each in countries])
    number = np.concatenate([np.arange(1, each.sites + 1) for each in countries])
    weight = np.exp(0.6 * normals(seed, "site size", home.size))
    total = np.bincount(home, weights=weight)
    weight *= np.array([each.share for each in countries])[home] / total[home]
    # every site recruits someone before chance decides: the published number of sites did
    index = chosen(uniforms(seed, "site", n), weight)
    spots = np.argsort(uniforms(seed, "first of a site", n), kind="stable")[: home.size]
    index[spots] = np.arange(home.size)[: spots.size]
    codes = np.array([f"{countries[c].number}{s:02d}" for c, s in zip(home, number, strict=True)])
    seen: dict[int, int] = {}
    names = []
    for each in index.tolist():
        seen[each] = seen.get(each, 0) + 1
        names.append(f"{population.enrolment.subject_prefix}-{codes[each]}-{seen[each]:03d}")
    return home[index], codes[index], np.array(names)


def allocation_list(design: Design, *, stratum: str, seed: int) -> Whole:
    """Pre-allocated arms of one stratum in permuted blocks, (entries_per_stratum,)."""
    block = np.repeat(np.arange(len(design.arms)), design.ratio)
    block = np.tile(block, design.block_size // block.size)
    blocks = design.entries_per_stratum // design.block_size
    order = np.argsort(uniforms(seed, f"list {stratum}", blocks, design.block_size), axis=1)
    return block[order].ravel()


def _allocated(subjects: Subjects, population: Population, design: Design, seed: int) -> Subjects:
    """Choose who fails screening, tell the stratum (a few wrongly), and take the next entry."""
    n = subjects.consent_day.size
    failures = population.enrolment.screen_failures
    fails = np.zeros(n, dtype=bool)
    fails[np.argsort(uniforms(seed, "fails", n), kind="stable")[:failures]] = True
    wrong = uniforms(seed, "wrong stratum", n) < population.baseline.wrong_stratum
    told = np.where(wrong, _misread(subjects.stratum_given), subjects.stratum_given)
    arm = np.full(n, -1)
    order = np.argsort(subjects.randomised_day, kind="stable")
    for stratum in np.unique(told):
        queue = order[(told[order] == stratum) & ~fails[order]]
        entries = allocation_list(design, stratum=str(stratum), seed=seed)
        if queue.size > entries.size:
            raise ValueError(
                f"stratum {stratum}: {queue.size} subjects for {entries.size} entries; "
                "forced randomisation is not allowed. Lengthen the list."
            )
        arm[queue] = entries[: queue.size]
    return replace(subjects, arm=arm, stratum_given=told)


def _misread(stratum: Texts) -> Texts:
    """The stratum with the next level of its first factor in place of the right one."""
    first, slash, rest = np.array([each.partition("/") for each in stratum]).T
    levels = np.unique(first)
    other = np.roll(levels, -1)[np.searchsorted(levels, first)]
    return np.char.add(np.char.add(other, slash), rest)


def _with_failures(subjects: Subjects, population: Population, seed: int) -> Subjects:
    """Give those not randomised a finding that breaks a criterion, or a withdrawn consent."""
    where = np.flatnonzero(~subjects.randomised)
    kinds = population.screen_failures
    dealt = quota(
        uniforms(seed, "failure", where.size),
        [each.share for each in kinds],
        offset=float(uniforms(seed, "failure rounding", 1)[0]),
    )
    failure, reason = subjects.failure.copy(), subjects.failure_reason.copy()
    failure[where] = np.array([each.finding for each in kinds])[dealt]
    reason[where] = np.array([each.reason for each in kinds])[dealt]
    u = uniforms(seed, "failed value", subjects.arm.size)

    def broken(finding: str, values: Whole | Floats | Flags, bad: Whole | Floats | float) -> Any:
        return np.where(failure == finding, bad, values)

    low, high = np.floor(2 + 8 * u), np.floor(56 + 30 * u)
    ki67 = np.where(failure == "ki67", np.where(u < 0.7, low, high), subjects.ki67_percent).astype(
        np.int64
    )
    days = np.floor(190 + 200 * u).astype(np.int64)
    ki67 = np.where(failure == "high ki67", np.floor(21 + 40 * u).astype(np.int64), ki67)
    grade = np.where(ki67 > 20, "3", np.where(ki67 >= 3, "2", "1"))
    changed: dict[str, Any] = {
        "ki67_percent": ki67,
        "grade": np.where(np.isin(failure, ("ki67", "high ki67")), grade, subjects.grade),
        "well_differentiated": broken("differentiation", subjects.well_differentiated, False),
        "histology": broken("cytology", subjects.histology, False),
        "karnofsky": broken("karnofsky", subjects.karnofsky, 50),
        "diagnosis_day": broken("diagnosis", subjects.diagnosis_day, subjects.consent_day - days),
        "lowest_uptake": np.where(
            failure == "no uptake",
            0,
            broken("uptake", subjects.lowest_uptake, np.floor(3 * u).astype(int)),
        ),
        "clearance_ml_min": broken(
            "clearance", subjects.clearance_ml_min, np.round(22 + 17 * u, 1)
        ),
        "weight_kg": broken("weight", subjects.weight_kg, np.round(34 + 5.5 * u, 1)),
        "prior_systemic": broken("systemic therapy", subjects.prior_systemic, True),
        "prior_embolisation": broken("embolisation", subjects.prior_embolisation, True),
        "prior_analogue": broken("analogue progression", subjects.prior_analogue, True),
        "analogue_progression": np.where(
            failure == "stable disease",
            False,
            broken("analogue progression", subjects.analogue_progression, True),
        ),
    }
    return replace(subjects, failure=failure, failure_reason=reason, **changed)
