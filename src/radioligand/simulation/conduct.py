# SPDX-License-Identifier: Apache-2.0
"""What happens to each randomised subject: scans, progression, doses, departures, death.

Days are counted from randomisation (day 0); `inf` is never. Progression is not drawn: it is what
the readers find on the scans, and the central finding ends randomised treatment and scanning.
"""

from dataclasses import dataclass

import numpy as np

from radioligand.simulation.design import Design
from radioligand.simulation.parameters import Population
from radioligand.simulation.population import EPOCH_ORDINAL, Subjects
from radioligand.simulation.reading import PD, Reads, read_scans
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
    waiting_times,
)
from radioligand.simulation.tumours import Tumours, diameters, simulate_tumours

YEAR = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Scans:
    """The calendar of scans, (n, v); column 0 is the baseline."""

    name: tuple[str, ...]  # VISIT of each column
    number: Floats  # VISITNUM of each column
    day: Floats  # (n, v)
    done: Flags  # (n, v)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doses:
    """Doses of one drug in one epoch: row i belongs to subject `subject[i]`."""

    subject: Whole
    day: Whole
    cycle: Whole
    amount: Floats
    adjustment: Texts  # reason of a change, "" for none


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Everything that happens to the randomised subjects, (n,) unless said otherwise."""

    tumours: Tumours
    scans: Scans
    central: Reads
    local: Reads
    central_pd: Floats  # day of the scan
    local_pd: Floats
    last_visit: Floats  # scans after this day are not done
    start: Floats  # first dose
    stop: Floats  # decision to end randomised treatment
    stop_reason: Texts  # DSDECOD; "" while it goes on
    departure: Texts  # reason of an early departure, "" for none
    new_therapy: Floats  # first new anticancer therapy, before or after progression
    new_therapy_name: Texts
    crossover: Floats  # control subjects: first radioligand dose in the crossover phase
    later_radioligand: Floats  # radioligand outside the study's phases
    retreatment: Floats
    withdrawn: Floats  # leaves the study
    withdrawal_reason: Texts
    death: Floats
    end: Floats  # of the simulated follow-up: the study's, or death or withdrawal
    radioligand: Doses
    octreotide: Doses
    crossover_doses: Doses
    retreatment_doses: Doses


def simulate_course(
    subjects: Subjects, *, population: Population, design: Design, seed: int
) -> Course:
    """Take randomised subjects (all of `subjects`) through the study."""
    conduct, n = population.conduct, subjects.arm.size
    arm_id = np.array(design.arms)[subjects.arm]
    horizon = population.enrolment.followed_until.toordinal() - EPOCH_ORDINAL
    study_end = (horizon - subjects.randomised_day).astype(np.float64)

    kind, left, departs = _departures(population, arm_id, seed)
    treated = np.array([each.treated for each in population.departures] + [True])[kind]
    switches = np.array([each.new_therapy for each in population.departures] + [False])[kind]
    reason = np.array([each.reason for each in population.departures] + [""])[kind]
    departure = np.array([each.kind for each in population.departures] + [""])[kind]

    start = _between(
        uniforms(seed, "first dose", n),
        np.array([conduct.first_dose_days[each] for each in design.arms])[subjects.arm],
    )
    start = np.where(treated, start, np.inf)
    tumours = simulate_tumours(subjects, population=population, arm_ids=design.arms, seed=seed)
    scans = _scans(population, design, departure, left, seed, n)
    zero = np.where(np.isfinite(start), start, 0.0)
    week = (scans.day - zero[:, None]) / 7
    true_mm = diameters(tumours, week, treated=treated)
    reads = [
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
        for reader, decimals in (("central", 1), ("local", 0))
    ]
    progression = [_first_progression(each, scans) for each in reads]
    central_pd, local_pd = progression

    # leaving before central progression
    rate = conduct.withdrawal_per_year / YEAR
    after = design.scan_days[0] + 14  # who leaves earlier is dealt with as a departure
    withdrawn = after + np.floor(waiting_times(seed, "withdrawal", n) / rate)
    withdrawn = np.where(departs & ~switches, left, withdrawn)
    new_therapy = np.where(departs & switches, left, np.inf)
    impatient = uniforms(seed, "local progression", n, 2)
    ahead = (local_pd < central_pd) & (impatient[:, 0] < conduct.therapy_at_local_progression)
    ahead_day = local_pd + np.floor(14 + 42 * impatient[:, 1])
    new_therapy = np.where(
        ahead & (ahead_day < central_pd), np.minimum(new_therapy, ahead_day), new_therapy
    )
    stop_chance = np.array([conduct.adverse_event_stop[each] for each in arm_id])
    stopper = uniforms(seed, "adverse event stop", n, 2)
    ae_stop = np.where(
        (stopper[:, 0] < stop_chance) & treated,
        zero + _between(stopper[:, 1], np.array(conduct.adverse_event_stop_days)),
        np.inf,
    )

    confirmation = central_pd + _between(
        uniforms(seed, "confirmation", n), np.array(conduct.confirmation_days)
    )
    left_first = np.minimum(new_therapy, withdrawn)
    progressed = central_pd <= np.minimum(left_first, study_end)
    u = uniforms(seed, "after progression", n, 8)
    control = subjects.arm == len(design.arms) - 1
    path = _next_treatment(population, control & progressed, progressed & ~control, u[:, 0])
    death = _deaths(
        subjects,
        population,
        tumours,
        np.where(central_pd <= study_end, central_pd, np.inf),
        path,
        seed,
    )
    death = np.where(death > 20, death, 20.0)
    lost = confirmation + waiting_times(seed, "lost", n) * YEAR / conduct.lost_per_year
    withdrawn = np.where(progressed, np.floor(lost), withdrawn)
    withdrawn = np.where(np.minimum(withdrawn, death) < study_end, withdrawn, np.inf)
    end = np.minimum(np.minimum(death, withdrawn), study_end)
    withdrawn = np.where(withdrawn < death, withdrawn, np.inf)
    death = np.where((death <= withdrawn) & (death <= study_end), death, np.inf)

    progressed &= central_pd < end
    last_visit = np.minimum(np.minimum(central_pd, new_therapy), end - 1)
    reasons = np.array(
        ["PROGRESSIVE DISEASE", "WITHDRAWAL BY SUBJECT", "DEATH", "PHYSICIAN DECISION",
         "ADVERSE EVENT", ""]
    )  # fmt: skip
    stops = np.stack([confirmation, withdrawn, death, new_therapy, ae_stop, study_end])
    stop = stops.min(0)
    stop_reason = reasons[stops.argmin(0)]
    start = np.where(start < stop, start, np.inf)

    crossover = np.where(
        progressed & (path == "CROSSOVER"),
        confirmation + _between(u[:, 1], np.array(conduct.crossover_days)),
        np.inf,
    )
    retreatment = np.where(
        progressed & (path == "RE-TREATMENT"),
        confirmation + _between(u[:, 2], np.array(conduct.crossover_days)),
        np.inf,
    )
    later = np.where(
        progressed & (path == "RADIOLIGAND"),
        confirmation + _between(u[:, 3], np.array([60, 240])),
        np.inf,
    )
    therapy = confirmation + _between(u[:, 4], np.array(conduct.next_therapy_days))
    takes = progressed & np.isin(path, ("THERAPY",))
    new_therapy = np.where(takes, np.minimum(new_therapy, therapy), new_therapy)
    crossover, retreatment, later, new_therapy = (
        np.where(each < end, each, np.inf) for each in (crossover, retreatment, later, new_therapy)
    )
    names = [*conduct.next_therapies]
    drug = np.array(names)[chosen(u[:, 5], [*conduct.next_therapies.values()])]
    drug = np.where(departure == "surgery", "SURGICAL RESECTION", drug)

    # the next infusion waits for the reading of a scan, the next injection does not
    hold = np.minimum(stop, central_pd + 1)
    radioligand = _infusions(subjects, population, design, start, hold, "treatment", seed)
    return Course(
        tumours=tumours,
        scans=scans,
        central=reads[0],
        local=reads[1],
        central_pd=np.where(progressed, central_pd, np.inf),
        local_pd=np.where(local_pd <= last_visit, local_pd, np.inf),
        last_visit=last_visit,
        start=start,
        stop=stop,
        stop_reason=stop_reason,
        departure=np.where(departs, reason, ""),
        new_therapy=new_therapy,
        new_therapy_name=drug,
        crossover=crossover,
        later_radioligand=later,
        retreatment=retreatment,
        withdrawn=withdrawn,
        withdrawal_reason=np.where(u[:, 6] < 0.35, "LOST TO FOLLOW-UP", "WITHDRAWAL BY SUBJECT"),
        death=death,
        end=end,
        radioligand=radioligand,
        octreotide=_injections(subjects, population, design, start, stop, radioligand, seed),
        crossover_doses=_infusions(subjects, population, design, crossover, end, "crossover", seed),
        retreatment_doses=_infusions(
            subjects, population, design, retreatment, end, "re-treatment", seed
        ),
    )


def _between(u: Floats, limits: np.ndarray) -> Floats:
    """Whole days evenly between two limits, both included."""
    low, high = limits[..., 0], limits[..., 1]
    return np.asarray(low + np.floor((high + 1 - low) * u), dtype=np.float64)


def _departures(population: Population, arm_id: Texts, seed: int) -> tuple[Whole, Floats, Flags]:
    """Deal early departures within each arm: kind (the last index: none), day, whether."""
    kinds = population.departures
    kind = np.full(arm_id.size, len(kinds))
    order = uniforms(seed, "departure", arm_id.size)
    offsets = uniforms(seed, "departure rounding", 8)
    for i, arm in enumerate(np.unique(arm_id)):
        inside = arm_id == arm
        shares = [each.share[str(arm)] for each in kinds]
        kind[inside] = quota(order[inside], [*shares, 1 - sum(shares)], offset=float(offsets[i]))
    days = np.array([each.days for each in kinds] + [(0, 0)])[kind]
    left = _between(uniforms(seed, "departure day", arm_id.size), days)
    return kind, left, kind < len(kinds)


def _scans(
    population: Population, design: Design, departure: Texts, left: Floats, seed: int, n: int
) -> Scans:
    """Baseline, planned visits with their jitter, and now and then a scan between two visits."""
    visits = population.visits
    planned = np.array(design.scan_days, dtype=np.float64)
    k = planned.size
    jitter = np.round(from_quantiles(uniforms(seed, "scan day", n, k), visits.jitter_days))
    late = uniforms(seed, "late scan", n, k, 2)
    delay = np.where(
        late[..., 0] < visits.late, _between(late[..., 1], np.array(visits.late_days)), 0.0
    )
    on_plan = planned + jitter + delay
    done = uniforms(seed, "missed scan", n, k) >= visits.missed
    baseline = -_between(uniforms(seed, "baseline scan", n), np.array(visits.baseline_days_before))
    before = np.concatenate([np.zeros((n, 1)), on_plan[:, :-1]], axis=1)
    extra = uniforms(seed, "unscheduled scan", n, k, 2)
    extra_day = np.round(before + (0.3 + 0.4 * extra[..., 1]) * (on_plan - before))
    extra_done = extra[..., 0] < visits.unscheduled
    early = departure == "early scan"
    extra_done[:, 0] = early
    extra_day[early, 0] = left[early] - 9

    day = np.empty((n, 2 * k + 1))
    day[:, 0], day[:, 1::2], day[:, 2::2] = baseline, extra_day, on_plan
    was_done = np.ones((n, 2 * k + 1), dtype=bool)
    was_done[:, 1::2], was_done[:, 2::2] = extra_done, done
    names, numbers = ["SCREENING"], [1.0]
    for days in design.scan_days:
        names += ["UNSCHEDULED", f"WEEK {days // 7}"]
        numbers += [days / 7 + 99.5, days / 7 + 100]
    return Scans(name=tuple(names), number=np.array(numbers), day=day, done=was_done)


def _first_progression(reads: Reads, scans: Scans) -> Floats:
    found = (reads.overall == PD) & scans.done
    found[:, 0] = False
    first: Floats = np.where(found, scans.day, np.inf).min(1)
    return first


def _next_treatment(
    population: Population, control: Flags, experimental: Flags, u: Floats
) -> Texts:
    """What follows central progression: CROSSOVER, RADIOLIGAND, RE-TREATMENT, THERAPY or NONE."""
    conduct = population.conduct
    path = np.full(u.size, "NONE", dtype="<U12")
    ladder = np.where(
        u < conduct.crossover,
        "CROSSOVER",
        np.where(u < conduct.crossover + conduct.later_radioligand, "RADIOLIGAND", "THERAPY"),
    )
    other = np.where(
        u < conduct.retreatment,
        "RE-TREATMENT",
        np.where(u < conduct.retreatment + conduct.next_therapy, "THERAPY", "NONE"),
    )
    path[control], path[experimental] = ladder[control], other[experimental]
    return path


def _deaths(
    subjects: Subjects,
    population: Population,
    tumours: Tumours,
    progression: Floats,
    path: Texts,
    seed: int,
) -> Floats:
    """Day of death: one hazard before progression, which grows with g, another after it."""
    conduct = population.conduct
    prognosis = (subjects.ki67_percent / 16.0) ** conduct.death_ki67
    fast = (tumours.subject_growth / 0.005) ** 2
    before = (conduct.death_baseline_per_year + conduct.death_growth_per_year * fast) / YEAR
    rates = conduct.death_after_progression_per_year
    after = prognosis * np.array([rates[each] for each in path]) / YEAR
    hazard = waiting_times(seed, "death", path.size)
    alone = hazard / before
    left = hazard - before * np.minimum(progression, 1e9)
    with_progression = progression + conduct.death_lag_days + left / after
    return np.ceil(np.where(alone <= progression, alone, with_progression))


def _infusions(
    subjects: Subjects,
    population: Population,
    design: Design,
    start: Floats,
    stop: Floats,
    phase: str,
    seed: int,
) -> Doses:
    """Radioligand infusions of one phase; in the treatment phase those of the first arm only."""
    conduct, n, cycles = population.conduct, start.size, design.cycles
    jitter = from_quantiles(
        uniforms(seed, f"{phase} cycle day", n, cycles), conduct.cycle_jitter_days
    )
    share = conduct.delayed[design.arms[0]]
    late = uniforms(seed, f"{phase} delay", n, 3)
    which = 1 + np.floor((cycles - 1) * late[:, 1]).astype(np.int64)
    delayed = (late[:, 0] < share)[:, None] & (np.arange(cycles) == which[:, None])
    delay = np.where(delayed, _between(late[:, 2], np.array(conduct.delay_days))[:, None], 0.0)
    interval = np.round(design.cycle_days + jitter + delay)
    interval[:, 0] = 0
    finite = np.where(np.isfinite(start), start, 0.0)
    day = finite[:, None] + np.cumsum(interval, axis=1)
    reduced = uniforms(seed, f"{phase} reduction", n, 2)
    from_cycle = 1 + np.floor((cycles - 1) * reduced[:, 1]).astype(np.int64)
    half = (reduced[:, 0] < conduct.reduced[design.arms[0]])[:, None] & (
        np.arange(cycles) >= from_cycle[:, None]
    )
    activity = (
        design.activity_gbq
        * from_quantiles(uniforms(seed, f"{phase} activity", n, 1), conduct.activity_fraction)
        * (1 + conduct.activity_sd * normals(seed, f"{phase} activity of a cycle", n, cycles))
        * np.where(half, 0.5, 1.0)
    )
    given = (day < stop[:, None]) & np.isfinite(start)[:, None]
    if phase == "treatment":
        given &= (subjects.arm == 0)[:, None]
    who, cycle = np.nonzero(given)
    reason = np.where(half, "ADVERSE EVENT: REDUCED ACTIVITY", np.where(delayed, "DELAYED", ""))
    return Doses(
        subject=who,
        day=day[who, cycle].astype(np.int64),
        cycle=cycle + 1,
        amount=np.round(activity[who, cycle], 2),
        adjustment=reason[who, cycle],
    )


def _injections(
    subjects: Subjects,
    population: Population,
    design: Design,
    start: Floats,
    stop: Floats,
    radioligand: Doses,
    seed: int,
) -> Doses:
    """Octreotide until the end of treatment; beside the radioligand after each infusion first."""
    conduct, n = population.conduct, start.size
    length = int(design.scan_days[-1] // design.analogue_days) + 1
    interval = np.round(
        design.analogue_days
        + from_quantiles(
            uniforms(seed, "octreotide day", n, length), conduct.octreotide_jitter_days
        )
    )
    late = uniforms(seed, "octreotide delay", n, 3)
    share = np.array([conduct.delayed[each] for each in design.arms])[subjects.arm]
    share = np.where(subjects.arm == 0, 0.0, share)  # that arm's delays are the infusions'
    which = 1 + np.floor(6 * late[:, 1]).astype(np.int64)
    delayed = (late[:, 0] < share)[:, None] & (np.arange(length) == which[:, None])
    interval += np.where(delayed, _between(late[:, 2], np.array(conduct.delay_days))[:, None], 0.0)
    last = np.where(np.isfinite(start), start, 0.0)
    infused = np.zeros(n, dtype=np.int64)
    np.add.at(infused, radioligand.subject, 1)
    if radioligand.subject.size:
        last_infusion = np.zeros(n)
        np.maximum.at(last_infusion, radioligand.subject, radioligand.day.astype(np.float64))
        last = np.where(subjects.arm == 0, last_infusion, last)
    interval[:, 0] = np.where(subjects.arm == 0, 1.0, 0.0)
    # the first injection after the last infusion, when a cycle that never came was due
    day = last[:, None] + np.cumsum(interval, axis=1)
    given = (day < stop[:, None]) & np.isfinite(start)[:, None]
    who, number = np.nonzero(given)
    between = radioligand.day + 1
    not_last = np.ones(between.size, dtype=bool)
    if between.size:
        not_last[np.flatnonzero(np.diff(radioligand.subject, append=-1))] = False
    reduced = (
        uniforms(seed, "octreotide reduction", n)
        < np.array([conduct.reduced[each] for each in design.arms])[subjects.arm]
    )
    reduced &= subjects.arm != 0
    mg = np.array(design.analogue_mg)[subjects.arm]
    amount = np.where(reduced[who] & (number >= 4), mg[who] / 2, mg[who])
    adjust = np.where(
        delayed[who, number],
        "DELAYED",
        np.where(amount < mg[who], "ADVERSE EVENT: REDUCED DOSE", ""),
    )
    subject = np.concatenate([radioligand.subject[not_last], who])
    days = np.concatenate([between[not_last], day[who, number].astype(np.int64)])
    order = np.lexsort((days, subject))
    return Doses(
        subject=subject[order],
        day=days[order],
        cycle=np.zeros(order.size, dtype=np.int64),
        amount=np.concatenate([mg[radioligand.subject[not_last]], amount])[order],
        adjustment=np.concatenate([np.full(int(not_last.sum()), ""), adjust])[order],
    )
