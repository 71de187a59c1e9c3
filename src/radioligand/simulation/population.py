# SPDX-License-Identifier: Apache-2.0
"""Who comes to the study: screening, baseline findings, and the arm each is given."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from radioligand.simulation.design import Design
from radioligand.simulation.parameters import Population
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

ORGANS = ("BONE", "LIVER", "LN", "PERI")  # of metastases, as in METBONE, METLIVER, METLN, METPERI


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
    stratum_given: Texts  # "grade/origin" as told to the allocation service
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
    metastases: Flags  # (n, 4) ORGANS
    prior_analogue: Flags
    analogue_progression: Flags
    prior_systemic: Flags
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
    enrolment, base = population.enrolment, population.baseline
    n = enrolment.randomised + enrolment.screen_failures

    def draw(purpose: str) -> Floats:
        return uniforms(seed, purpose, n)

    def offset(purpose: str) -> float:
        return float(uniforms(seed, purpose + " rounding", 1)[0])

    consent, randomised = _calendar(population, seed, n)
    country, site, identifier = _sites(population, seed, n)
    shares = [dict(each.race) for each in population.countries]
    races = sorted({race for share in shares for race in share})
    by_country = np.array([[share.get(race, 0.0) for race in races] for share in shares])
    race = np.array(races)[
        (np.cumsum(by_country, axis=1)[country] / by_country.sum(1)[country, None])
        .__lt__(draw("race")[:, None])
        .sum(1)
        .clip(0, len(races) - 1)
    ]

    strata = tuple(base.strata)
    stratum = np.array(strata)[
        quota(draw("stratum"), [*base.strata.values()], offset=offset("stratum"))
    ]
    grade, origin = np.array([each.split("/") for each in stratum]).T
    ki67 = _by_level(grade, base.ki67_percent, draw("ki67"))
    primary = np.empty(n, dtype="<U16")
    for level, sites in base.primary_site.items():
        inside = origin == level
        dealt = quota(
            draw("primary site")[inside], [*sites.values()], offset=offset("primary site")
        )
        primary[inside] = np.array([*sites])[dealt]

    male = quota(draw("sex"), [base.male, 1 - base.male], offset=offset("sex")) == 0
    age_rank = draw("age")
    age = np.floor(from_quantiles(age_rank, base.age_years))
    frailty = base.karnofsky_follows_age * ndtri(age_rank) + normals(seed, "karnofsky", n)
    karnofsky = np.array([int(score) for score in base.karnofsky])[
        quota(-frailty, [*base.karnofsky.values()], offset=offset("karnofsky"))
    ]
    metastatic = (
        quota(draw("extent"), [base.metastatic, 1 - base.metastatic], offset=offset("extent")) == 0
    )
    rates = np.array([[base.metastases[level][organ] for organ in ORGANS] for level in origin])
    metastases = (uniforms(seed, "metastases", n, len(ORGANS)) < rates) & metastatic[:, None]
    liver = ORGANS.index("LIVER")
    metastases[:, liver] |= metastatic & ~metastases.any(1)

    scores = [*base.highest_uptake.items()]
    highest = np.array([int(score) for score, _ in scores])[
        quota(draw("uptake"), [share for _, share in scores], offset=offset("uptake"))
    ]
    lowest = np.where(draw("lowest uptake") < 0.6, 3, highest)
    sex = np.where(male, "M", "F")
    weight = np.array([base.weight_kg[each] for each in sex])
    height = np.array([base.height_cm[each] for each in sex])
    at_60, a_year, sd = base.clearance_ml_min
    clearance: Floats = at_60 + a_year * (age - 60) + sd * normals(seed, "clearance", n)
    hiaa = np.array([base.hiaa_umol_day[each] for each in origin])
    none = np.zeros(n, dtype=bool)
    return Subjects(
        identifier=identifier,
        site=site,
        country=np.array([each.code for each in population.countries])[country],
        consent_day=consent,
        randomised_day=randomised,
        failure=np.full(n, "", dtype="<U32"),
        failure_reason=np.full(n, "", dtype="<U80"),
        arm=np.full(n, -1),
        stratum_given=stratum,
        grade=grade,
        origin=origin,
        primary_site=primary,
        ki67_percent=np.floor(ki67).astype(np.int64),
        well_differentiated=~none,
        histology=~none,
        age_years=age.astype(np.int64),
        male=male,
        race=race,
        karnofsky=karnofsky,
        diagnosis_day=consent
        - np.clip(
            np.floor(from_quantiles(draw("diagnosis"), base.days_since_diagnosis))
            - (randomised - consent),
            3,
            170,
        ).astype(np.int64),
        metastatic=metastatic,
        metastases=metastases,
        prior_analogue=quota(
            draw("analogue"),
            [base.prior_analogue, 1 - base.prior_analogue],
            offset=offset("analogue"),
        )
        == 0,
        analogue_progression=none,
        prior_systemic=none,
        prior_embolisation=none,
        highest_uptake=highest,
        lowest_uptake=lowest,
        weight_kg=np.round(
            np.maximum(weight[:, 0] * np.exp(weight[:, 1] * normals(seed, "weight", n)), 40.6), 1
        ),
        height_cm=np.round(height[:, 0] + height[:, 1] * normals(seed, "height", n)),
        clearance_ml_min=np.asarray(
            np.maximum(clearance, base.clearance_lowest).round(1), dtype=np.float64
        ),
        chromogranin_ug_l=np.round(_lognormal(base.chromogranin_ug_l, normals(seed, "cga", n))),
        hiaa_umol_day=np.round(hiaa[:, 0] * np.exp(hiaa[:, 1] * normals(seed, "hiaa", n))),
    )


def _lognormal(median_and_sd: tuple[float, float], normal: Floats) -> Floats:
    median, sd = median_and_sd
    return np.asarray(median * np.exp(sd * normal), dtype=np.float64)


def _by_level(
    level: Texts, quantiles: dict[str, tuple[tuple[float, float], ...]], u: Floats
) -> Floats:
    values = np.empty(u.size)
    for each, pairs in quantiles.items():
        values[level == each] = from_quantiles(u[level == each], pairs)
    return values


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
    other_grade = np.where(subjects.grade == "2", "3", "2")
    told = np.char.add(
        np.char.add(np.where(wrong, other_grade, subjects.grade), "/"), subjects.origin
    )
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

    def broken(finding: str, values: Whole | Floats | Flags, bad: Whole | Floats | float) -> object:
        return np.where(failure == finding, bad, values)

    low, high = np.floor(2 + 8 * u), np.floor(56 + 30 * u)
    ki67 = np.where(failure == "ki67", np.where(u < 0.7, low, high), subjects.ki67_percent).astype(
        np.int64
    )
    days = np.floor(190 + 200 * u).astype(np.int64)
    grade = np.where(ki67 > 20, "3", np.where(ki67 >= 3, "2", "1"))
    changed = {
        "ki67_percent": ki67,
        "grade": np.where(failure == "ki67", grade, subjects.grade),
        "well_differentiated": broken("differentiation", subjects.well_differentiated, False),
        "histology": broken("cytology", subjects.histology, False),
        "karnofsky": broken("karnofsky", subjects.karnofsky, 50),
        "diagnosis_day": broken("diagnosis", subjects.diagnosis_day, subjects.consent_day - days),
        "lowest_uptake": broken("uptake", subjects.lowest_uptake, np.floor(3 * u).astype(int)),
        "clearance_ml_min": broken(
            "clearance", subjects.clearance_ml_min, np.round(22 + 17 * u, 1)
        ),
        "weight_kg": broken("weight", subjects.weight_kg, np.round(34 + 5.5 * u, 1)),
        "prior_systemic": broken("systemic therapy", subjects.prior_systemic, True),
        "prior_embolisation": broken("embolisation", subjects.prior_embolisation, True),
        "prior_analogue": broken("analogue progression", subjects.prior_analogue, True),
        "analogue_progression": broken("analogue progression", subjects.analogue_progression, True),
    }
    return replace(subjects, failure=failure, failure_reason=reason, **changed)  # type: ignore[arg-type]
