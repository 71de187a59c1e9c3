# SPDX-License-Identifier: Apache-2.0
"""What happens to each randomised subject: scans, progression, doses, departures, death.

Days are counted from randomisation (day 0); `inf` is never. Progression is not drawn: it is what
the readers find on the scans, and the central finding ends randomised treatment and scanning.
"""

from dataclasses import dataclass, replace

import numpy as np

from radioligand.simulation.design import Design, Drug
from radioligand.simulation.dose_study import VirtualDoses
from radioligand.simulation.dosing import Doses, further_doses, infusions, injections, last_dose
from radioligand.simulation.parameters import Population
from radioligand.simulation.population import EPOCH_ORDINAL, Subjects
from radioligand.simulation.reading import PD, Reads, read_scans
from radioligand.simulation.scanning import Scans, simulate_scans, until, with_follow_up
from radioligand.simulation.streams import (
    Flags,
    Floats,
    Texts,
    Whole,
    between,
    chosen,
    quota,
    uniforms,
    waiting_times,
)
from radioligand.simulation.tumours import Tumours, diameters, simulate_tumours

YEAR = 365.25
_READERS = (("central", 1), ("local", 0))  # and the decimals of the millimetres they record


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Everything that happens to the randomised subjects, (n,) unless said otherwise."""

    scans: Scans
    central: Reads
    local: Reads
    central_pd: Floats  # day of the scan
    last_visit: Floats  # planned scans after this day are not done
    follow_up: Floats  # enters long-term follow-up; inf where the protocol has none
    start: Floats  # first dose
    stop: Floats  # decision to end randomised treatment
    stop_reason: Texts  # DSDECOD; "" while it goes on
    departure: Texts  # reason of an early departure, "" for none
    new_therapy: Floats  # first new anticancer therapy, before or after progression
    new_therapy_name: Texts
    crossover: Floats  # subjects not infused: first radioligand dose in the crossover phase
    later_radioligand: Floats  # radioligand outside the study's phases
    retreatment: Floats
    withdrawn: Floats  # leaves the study
    withdrawal_reason: Texts
    death: Floats
    end: Floats  # of the simulated follow-up: the study's, or death or withdrawal
    radioligand: Doses
    octreotide: Doses
    further: tuple[tuple[Drug, Doses], ...]
    crossover_doses: Doses
    retreatment_doses: Doses
    last_dose: Floats  # of randomised treatment

    @property
    def seen(self) -> Flags:
        """Scans that were done and read by someone, (n, v)."""
        scans = self.scans
        return scans.done & (scans.follow_up | (scans.day <= self.last_visit[:, None]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Departures:
    """Who leaves before a first assessment, and how, (n,)."""

    kind: Texts  # "" for those who stay
    reason: Texts
    day: Floats
    treated: Flags
    new_therapy: Flags


def simulate_course(
    subjects: Subjects,
    *,
    population: Population,
    design: Design,
    seed: int,
    draws: Whole | None = None,
    doses: VirtualDoses | None = None,
) -> Course:
    """Take randomised subjects (all of `subjects`) through the study.

    doses : activities that follow dosimetry, and how they change shrinkage; without them everyone
        infused is given the protocol's activity.

    draws : (n,) which draw of tumour kinetics, visits, withdrawal and death each subject has;
        without it the seed's own. What one subject draws changes nothing for another.
    """
    conduct, n = population.conduct, subjects.arm.size
    arm_id = np.array(design.arms)[subjects.arm]
    horizon = population.enrolment.followed_until.toordinal() - EPOCH_ORDINAL
    study_end = (horizon - subjects.randomised_day).astype(np.float64)

    early = _departures(population, arm_id, seed)
    windows = np.array([conduct.first_dose_days[arm] for arm in design.arms])[subjects.arm]
    planned = between(uniforms(seed, "first dose", n), windows)
    start = np.where(early.treated, planned, np.inf)
    tumours = simulate_tumours(
        subjects, population=population, arm_ids=design.arms, seed=seed, draws=draws
    )
    if doses is not None:
        tumours = replace(tumours, shrinkage=tumours.shrinkage * doses.shrinkage[:, None])
    scanned_early = np.where(early.kind == "early scan", early.day - 9, np.inf)
    scans = simulate_scans(population, design=design, early=scanned_early, seed=seed, draws=draws)
    central, local = _readings(tumours, scans, start, population, seed)
    disease_pd = _first_progression(central, scans)  # as if scanning never stopped
    phase_end = _phase_end(subjects, design)
    scans = until(scans, phase_end)
    central_pd, local_pd = _first_progression(central, scans), _first_progression(local, scans)

    new_therapy = _therapy_before_progression(early, central_pd, local_pd, population, seed)
    withdrawn = _withdrawal_before_progression(early, population, design, seed, draws)
    progressed = central_pd <= np.minimum(np.minimum(new_therapy, withdrawn), study_end)
    u = uniforms(seed, "after progression", n, 8)
    is_infused = np.array(design.infused)[subjects.arm]
    path = _next_treatment(population, progressed, is_infused, u[:, 0])
    confirmation = central_pd + between(
        uniforms(seed, "confirmation", n), conduct.confirmation_days
    )
    progression = np.where(disease_pd <= study_end, disease_pd, np.inf)
    unseen = disease_pd < central_pd
    death = _deaths(
        subjects, population, tumours, progression, np.where(unseen, "THERAPY", path), seed, draws
    )
    lost = confirmation + waiting_times(seed, "lost", n) * YEAR / conduct.lost_per_year
    withdrawn = np.where(progressed, np.floor(lost), withdrawn)
    end = np.minimum(np.minimum(death, withdrawn), study_end)
    death = np.where(death <= end, death, np.inf)
    withdrawn = np.where((withdrawn <= end) & (withdrawn < death), withdrawn, np.inf)
    progressed &= central_pd < end
    last_visit = np.minimum(np.minimum(central_pd, new_therapy), end - 1)
    follow_up = _follow_up(confirmation, phase_end, end, progressed=progressed, design=design)

    ae_stop = start + _adverse_event_stop(arm_id, population, seed)
    stops = {
        "PROGRESSIVE DISEASE": confirmation,
        "WITHDRAWAL BY SUBJECT": withdrawn,
        "DEATH": death,
        "PHYSICIAN DECISION": new_therapy,
        "ADVERSE EVENT": ae_stop,
        "COMPLETED": phase_end,
        "": study_end,
    }
    days = np.stack([*stops.values()])
    stop, stop_reason = days.min(0), np.array([*stops])[days.argmin(0)]
    start = np.where(start < stop, start, np.inf)

    def after_progression(way: str, column: int, limits: tuple[int, int]) -> Floats:
        day = np.where(progressed & (path == way), confirmation, np.inf)
        day = day + between(u[:, column], limits)
        return np.where(day < end, day, np.inf)

    crossover = after_progression("CROSSOVER", 1, conduct.crossover_days)
    retreatment = after_progression("RE-TREATMENT", 2, conduct.crossover_days)
    drugs = conduct.next_therapies
    drug = np.array([*drugs])[chosen(u[:, 5], [*drugs.values()])]

    def infused(first: Floats, until: Floats, phase: str, given_gbq: Floats | None = None) -> Doses:
        return infusions(
            *(first, until),
            population=population,
            design=design,
            phase=phase,
            seed=seed,
            given_gbq=given_gbq,
        )

    other_therapy = np.where(
        new_therapy < end, new_therapy, after_progression("THERAPY", 4, conduct.next_therapy_days)
    )
    if design.follow_up_scan_days:
        scans = with_follow_up(
            scans,
            start=follow_up,
            stop=np.minimum(end, other_therapy),
            population=population,
            design=design,
            seed=seed,
        )
        central, local = _readings(tumours, scans, start, population, seed)

    # the next infusion waits for the reading of a scan, the next injection does not
    in_cycles = np.where(is_infused, start, np.inf)
    given_gbq = doses.given_gbq if doses else None
    radioligand = infused(in_cycles, np.minimum(stop, central_pd + 1), "treatment", given_gbq)
    octreotide = injections(
        start, stop, subjects.arm, radioligand, population=population, design=design, seed=seed
    )
    drugs_given = tuple(
        (
            drug,
            further_doses(
                *(start, stop, subjects.arm, radioligand),
                drug=drug,
                given=np.array([drug in of_arm for of_arm in design.further]),
            ),
        )
        for drug in dict.fromkeys(drug for of_arm in design.further for drug in of_arm)
    )
    return Course(
        scans=scans,
        central=central,
        local=local,
        central_pd=np.where(progressed, central_pd, np.inf),
        last_visit=last_visit,
        follow_up=follow_up,
        start=start,
        stop=stop,
        stop_reason=stop_reason,
        departure=early.reason,
        new_therapy=other_therapy,
        new_therapy_name=np.where(early.kind == "surgery", "SURGICAL RESECTION", drug),
        crossover=crossover,
        later_radioligand=after_progression("RADIOLIGAND", 3, conduct.later_radioligand_days),
        retreatment=retreatment,
        withdrawn=withdrawn,
        withdrawal_reason=np.where(
            (u[:, 6] < conduct.lost_share) & (early.kind == ""),
            "LOST TO FOLLOW-UP",
            "WITHDRAWAL BY SUBJECT",
        ),
        death=death,
        end=end,
        radioligand=radioligand,
        octreotide=octreotide,
        further=drugs_given,
        crossover_doses=infused(crossover, end, "crossover"),
        retreatment_doses=infused(retreatment, end, "re-treatment"),
        last_dose=last_dose(
            (radioligand, octreotide, *(doses for _, doses in drugs_given)), subjects=n
        ),
    )


def _phase_end(subjects: Subjects, design: Design) -> Floats:
    """Day on which the treatment phase is over for who has no progression; inf: never."""
    limit = design.treatment_limit.toordinal() - EPOCH_ORDINAL - subjects.randomised_day
    day: Floats = np.maximum(design.treatment_days, limit.astype(np.float64))
    return day


def _follow_up(
    confirmation: Floats, phase_end: Floats, end: Floats, *, progressed: Flags, design: Design
) -> Floats:
    """Day of entering long-term follow-up: at treatment failure, or when the phase is over."""
    if not design.follow_up_scan_days:
        return np.full(end.size, np.inf)
    day = np.where(progressed, np.minimum(confirmation, phase_end), phase_end)
    return np.where(day < end, day, np.inf)


def _readings(
    tumours: Tumours, scans: Scans, start: Floats, population: Population, seed: int
) -> list[Reads]:
    """Central and local reading of every scan, as if scanning never stopped."""
    treated = np.isfinite(start)
    week = (scans.day - np.where(treated, start, 0.0)[:, None]) / 7
    true_mm = diameters(tumours, week, treated=treated)
    return [
        read_scans(
            tumours,
            true_mm,
            week,
            scans.done,
            population=population,
            reader=reader,
            decimals=decimals,
            seed=seed,
        )
        for reader, decimals in _READERS
    ]


def _first_progression(reads: Reads, scans: Scans) -> Floats:
    found = (reads.overall == PD) & scans.done
    found[:, 0] = False
    first: Floats = np.where(found, scans.day, np.inf).min(1)
    return first


def _departures(population: Population, arm_id: Texts, seed: int) -> _Departures:
    """Deal early departures within each arm, so that each comes up its expected number of times."""
    kinds = population.departures
    dealt = np.full(arm_id.size, len(kinds))
    order = uniforms(seed, "departure", arm_id.size)
    offsets = uniforms(seed, "departure rounding", 8)
    for i, arm in enumerate(np.unique(arm_id)):
        inside = arm_id == arm
        shares = [each.share[str(arm)] for each in kinds]
        dealt[inside] = quota(order[inside], [*shares, 1 - sum(shares)], offset=float(offsets[i]))
    days = np.array([*(each.days for each in kinds), (0, 0)])[dealt]
    return _Departures(
        kind=np.array([*(each.kind for each in kinds), ""])[dealt],
        reason=np.array([*(each.reason for each in kinds), ""])[dealt],
        day=between(uniforms(seed, "departure day", arm_id.size), days),
        treated=np.array([*(each.treated for each in kinds), True])[dealt],
        new_therapy=np.array([*(each.new_therapy for each in kinds), False])[dealt],
    )


def _therapy_before_progression(
    early: _Departures, central_pd: Floats, local_pd: Floats, population: Population, seed: int
) -> Floats:
    """New therapy without central progression: early, or since the investigator sees it alone."""
    conduct = population.conduct
    u = uniforms(seed, "local progression", local_pd.size, 2)
    alone = (local_pd < central_pd) & (u[:, 0] < conduct.therapy_at_local_progression)
    soon = np.where(alone, local_pd, np.inf) + between(u[:, 1], conduct.therapy_days)
    soon = np.where(soon < central_pd, soon, np.inf)
    return np.minimum(soon, np.where(early.new_therapy, early.day, np.inf))


def _withdrawal_before_progression(
    early: _Departures, population: Population, design: Design, seed: int, draws: Whole | None
) -> Floats:
    """Day of leaving the study; before the first scan only those who depart early do."""
    rate = population.conduct.withdrawal_per_year / YEAR
    waited = np.floor(waiting_times(seed, "withdrawal", early.day.size, draws=draws) / rate)
    leaves = (early.kind != "") & ~early.new_therapy
    return np.where(leaves, early.day, design.scan_days[0] + 14 + waited)


def _adverse_event_stop(arm_id: Texts, population: Population, seed: int) -> Floats:
    """Days from the first dose until treatment stops for an adverse event, mostly inf."""
    conduct = population.conduct
    u = uniforms(seed, "adverse event stop", arm_id.size, 2)
    stops = u[:, 0] < np.array([conduct.adverse_event_stop[arm] for arm in arm_id])
    return np.where(stops, between(u[:, 1], conduct.adverse_event_stop_days), np.inf)


def _next_treatment(
    population: Population, progressed: Flags, is_infused: Flags, u: Floats
) -> Texts:
    """What follows central progression: CROSSOVER, RADIOLIGAND, RE-TREATMENT, THERAPY or NONE."""
    conduct = population.conduct
    of_others = np.select(
        [u < conduct.crossover, u < conduct.crossover + conduct.later_radioligand],
        ["CROSSOVER", "RADIOLIGAND"],
        "THERAPY",
    )
    of_infused = np.select(
        [u < conduct.retreatment, u < conduct.retreatment + conduct.next_therapy],
        ["RE-TREATMENT", "THERAPY"],
        "NONE",
    )
    return np.where(progressed, np.where(is_infused, of_infused, of_others), "NONE")


def _deaths(
    subjects: Subjects,
    population: Population,
    tumours: Tumours,
    progression: Floats,
    path: Texts,
    seed: int,
    draws: Whole | None,
) -> Floats:
    """Day of death: one hazard before progression, which grows with g, another after it."""
    conduct = population.conduct
    usual = population.baseline.usual_ki67_percent
    prognosis = (subjects.ki67_percent / usual) ** conduct.death_ki67
    fast = (tumours.subject_growth / 0.005) ** 2
    before = (conduct.death_baseline_per_year + conduct.death_growth_per_year * fast) / YEAR
    rates = conduct.death_after_progression_per_year
    after = prognosis * np.array([rates[each] for each in path]) / YEAR
    hazard = waiting_times(seed, "death", path.size, draws=draws)
    alone = hazard / before
    left = hazard - before * np.minimum(progression, 1e9)
    with_progression = progression + conduct.death_lag_days + left / after
    day = np.where(alone <= progression, alone, with_progression)
    return np.maximum(np.ceil(day), conduct.death_earliest_day)
