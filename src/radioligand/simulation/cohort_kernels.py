# SPDX-License-Identifier: Apache-2.0
"""Virtual trials of several cohorts, compiled: each runs until it stops, then all are one trial."""

import math
from typing import Any

import numpy as np

from radioligand.simulation.comparisons import (
    hazard_ratio,
    medians,
    note_events,
    rank_test,
    sort_days,
    weighted_rank_test,
)
from radioligand.simulation.counters import Whole, Words, mixed
from radioligand.simulation.kernels import (
    count_events,
    cut,
    event_day,
    margin_z,
    run_trial,
)
from radioligand.simulation.model import (
    DAY_OF_LOOK,
    ENTERED,
    ENTRY,
    EVENTS,
    FOREVER,
    LOG_HAZARD_RATIO,
    LOOK,
    MEDIAN_CONTROL,
    MEDIAN_EXPERIMENTAL,
    REACHED,
    RESULTS,
    STANDARD_ERROR,
    STOPPED,
    STRATUM,
    SUBJECT,
    Bench,
    Model,
    Z,
    bench_for,
)
from radioligand.statistics.kernels import compiled
from radioligand.statistics.observations import Floats

VERSION = 1  # of trials of cohorts and their tallies
ROWS = len(SUBJECT)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)

# what the whole trial leaves besides the look at all subjects
COHORT_TRIAL = ("day", "entered")  # of the last look at anything, and subjects by then
T_DAY, T_ENTERED = range(len(COHORT_TRIAL))


def simulate_cohorts(
    models: tuple[Model, ...], together: Model, *, seed: int, first: int, last: int
) -> tuple[Floats, Floats, Floats]:
    """Return what the trials [first, last) of a seed leave.

    That is (n, c, len(RESULTS)) of c cohorts, (n, len(RESULTS)) of all subjects together, where
    medians, z and hazard ratio are known, and (n, len(COHORT_TRIAL)).
    """
    n = last - first
    found = np.empty((n, len(models), len(RESULTS)))
    of_all, ended = np.empty((n, len(RESULTS))), np.empty((n, len(COHORT_TRIAL)))
    run_cohort_trials(
        models,
        tuple(bench_for(one) for one in models),
        together,
        bench_for(together),
        cohort_seeds(seed, len(models)),
        np.uint64(first),
        found,
        of_all,
        ended,
    )
    return found, of_all, ended


def cohort_seeds(seed: int, many: int) -> Words:
    """Return the seed of each cohort: its trials are those of a trial of two arms of that seed."""
    seeds = [cohort_seed(np.uint64(seed), np.uint64(one)) for one in range(many)]
    return np.array(seeds, np.uint64)


@compiled
def cohort_seed(seed: np.uint64, cohort: np.uint64) -> np.uint64:
    """Return a seed that depends on every bit of the trial's seed, and on the cohort."""
    return mixed(seed + GOLDEN * (cohort + np.uint64(1)))


@compiled
def run_cohort_trials(
    models: Any,
    benches: Any,
    together: Model,
    bench: Bench,
    seeds: Words,
    first: np.uint64,
    found: Floats,
    of_all: Floats,
    ended: Floats,
) -> None:
    """Run as many trials as `found` has rows: each cohort until it stops, then the look at all."""
    for row in range(found.shape[0]):
        trial = first + np.uint64(row)
        for cohort in range(len(models)):
            run_trial(models[cohort], benches[cohort], seeds[cohort], trial, found[row, cohort])
        subjects, keys = merged(models, benches, found[row])
        look_at_all(together, bench, subjects, keys, of_all[row])
        day = of_all[row, DAY_OF_LOOK]
        for cohort in range(len(models)):
            day = max(day, found[row, cohort, DAY_OF_LOOK])
        ended[row, T_DAY] = day
        ended[row, T_ENTERED] = np.sum(subjects[ENTRY] <= day)


@compiled
def merged(models: Any, benches: Any, found: Floats) -> tuple[Whole, Words]:
    """Return the subjects of all cohorts in the order of entry, with the keys of their scans.

    A cohort that stopped early takes nobody in any more. Strata are numbered on from one cohort to
    the next.
    """
    many = len(models)
    until, upto = np.empty(many, np.int64), np.zeros(many, np.int64)
    total = 0
    for cohort in range(many):
        early = found[cohort, STOPPED] != 0 and found[cohort, LOOK] < models[cohort].stop_z.size - 1
        until[cohort] = np.int64(found[cohort, DAY_OF_LOOK]) if early else FOREVER
        entry = benches[cohort].subjects[ENTRY]
        while upto[cohort] < entry.size and entry[upto[cohort]] <= until[cohort]:
            upto[cohort] += 1
        total += upto[cohort]
    subjects: Any = np.empty((ROWS, total), np.int32)
    keys: Any = np.empty(total, np.uint64)
    next_one = np.zeros(many, np.int64)
    for i in range(total):
        soonest, own, strata, before = 2 * FOREVER, 0, 0, 0
        for cohort in range(many):
            if next_one[cohort] < upto[cohort]:
                day = benches[cohort].subjects[ENTRY, next_one[cohort]]
                if day < soonest:
                    soonest, own, before = day, cohort, strata
            strata += models[cohort].stratum_factor.size
        place = next_one[own]
        for row in range(ROWS):
            subjects[row, i] = benches[own].subjects[row, place]
        subjects[STRATUM, i] += before
        keys[i] = benches[own].visit_key[place]
        next_one[own] += 1
    return subjects, keys


@compiled
def look_at_all(model: Model, bench: Bench, subjects: Whole, keys: Words, found: Floats) -> None:
    """Test all subjects once, at the events planned; strata are those of each cohort."""
    found[:] = math.nan
    count_events(subjects, bench.calendar, bench.coarse)
    day, reached = event_day(
        subjects, model.look_events[0], bench.calendar, bench.coarse, bench.few
    )
    entered = cut(
        subjects,
        day,
        model.visits,
        model.visits_before,
        model.window_days,
        model.missed_chance,
        keys,
    )
    sort_days(subjects, entered, model.stratified, model.visits.size > 0, bench.bucket, bench.keys)
    ordered = bench.keys[1, :entered]
    times, many, of_control, of_experimental = note_events(
        ordered, bench.at_risk, bench.risk, bench.tied, bench.several, bench.falls
    )
    risk, tied, work = bench.risk[:, :times], bench.tied[:, :times], bench.work
    if model.rho != 0 or model.gamma != 0:
        z = weighted_rank_test(risk, tied, model.rho, model.gamma, bench.survival)
    else:
        z = rank_test(risk, tied, work)
    if model.log_margin != 0:
        z = margin_z(*hazard_ratio(risk, tied, bench.several[:many], work), model.log_margin)
    found[LOOK], found[STOPPED], found[REACHED] = 0, z <= -model.stop_z[0], reached
    found[DAY_OF_LOOK], found[ENTERED], found[Z] = day, entered, z
    found[EVENTS] = of_control + of_experimental
    found[LOG_HAZARD_RATIO], found[STANDARD_ERROR] = hazard_ratio(
        risk, tied, bench.several[:many], work
    )
    found[MEDIAN_CONTROL], found[MEDIAN_EXPERIMENTAL] = medians(
        ordered, bench.falls, of_control, of_experimental
    )
