# SPDX-License-Identifier: Apache-2.0
"""Whole virtual trials, compiled: subjects, looks, the decision to stop, and what is found then."""

import math

import numpy as np

from radioligand.simulation.comparisons import (
    hazard_ratio,
    medians,
    note_events,
    rank_test,
    response_test,
    sort_days,
    weighted_rank_test,
)
from radioligand.simulation.counters import Whole, Words, lean
from radioligand.simulation.courses import draw_subjects, last_scan
from radioligand.simulation.model import (
    CALENDAR,
    CHAIN_STEPS,
    COARSE_DAYS,
    CROSSED,
    CROSSED_BY_THEN,
    DAY,
    DAY_OF_LOOK,
    DEATH,
    DEATHS,
    ENTERED,
    ENTRY,
    EVENT,
    EVENTS,
    HAPPENED,
    LOG_HAZARD_RATIO,
    LOOK,
    LOST,
    MEDIAN_CONTROL,
    MEDIAN_EXPERIMENTAL,
    REACHED,
    RESPONSE_CONTROL,
    RESPONSE_EXPERIMENTAL,
    RESPONSE_Z,
    RESULTS,
    SEEN,
    STANDARD_ERROR,
    STOPPED,
    SURVIVAL_LOG_HAZARD_RATIO,
    SURVIVAL_Z,
    Bench,
    Model,
    Z,
    bench_for,
)
from radioligand.statistics.observations import Floats

VERSION = 2  # of trials and tallies: raised when the same seed gives others


def simulate_trials(model: Model, *, seed: int, first: int, last: int) -> Floats:
    """Return what the trials [first, last) of a seed leave, (last - first, len(RESULTS))."""
    found = np.empty((last - first, len(RESULTS)))
    run_trials(model, bench_for(model), np.uint64(seed), np.uint64(first), found)
    return found


@lean
def run_trials(
    model: Model, bench: Bench, seed: np.uint64, first: np.uint64, found: Floats
) -> None:
    """Run as many trials as `found` has rows; `bench` holds the last one afterwards."""
    for row in range(found.shape[0]):
        run_trial(model, bench, seed, first + np.uint64(row), found[row])


@lean
def run_trial(model: Model, bench: Bench, seed: np.uint64, trial: np.uint64, found: Floats) -> None:
    """Run one trial until a look stops it."""
    found[:] = math.nan
    draw_subjects(model, bench, seed, trial)
    subjects, stratified = bench.subjects, model.stratified
    if model.follow_up_days < 0:
        count_events(subjects, bench.calendar, bench.coarse)
    looks, weighted = model.stop_z.size, model.rho != 0 or model.gamma != 0
    for look in range(looks):
        day, reached = subjects[ENTRY, -1] + model.follow_up_days, True
        if model.follow_up_days < 0:
            day, reached = event_day(
                subjects, model.look_events[look], bench.calendar, bench.coarse, bench.few
            )
        entered = cut(
            subjects,
            day,
            model.visits,
            model.visits_before,
            model.window_days,
            model.missed_chance,
            bench.visit_key,
        )
        sort_days(subjects, entered, stratified, model.visits.size > 0, bench.bucket, bench.keys)
        ordered = bench.keys[1, :entered]
        times, many, of_control, of_experimental = note_events(
            ordered, bench.at_risk, bench.risk, bench.tied, bench.several, bench.falls
        )
        risk, tied, work = bench.risk[:, :times], bench.tied[:, :times], bench.work
        if weighted:
            z = weighted_rank_test(risk, tied, model.rho, model.gamma, bench.survival)
        else:
            z = rank_test(risk, tied, work)
        if model.log_margin != 0:
            z = margin_z(*hazard_ratio(risk, tied, bench.several[:many], work), model.log_margin)
        stopped = 0
        if z <= -model.stop_z[look]:
            stopped = 1
        elif z >= -model.futility_z[look] and look < looks - 1:
            stopped = -1
        if stopped != 0 or look == looks - 1 or not reached:
            break
    found[LOOK], found[STOPPED], found[REACHED] = look, stopped, reached
    found[DAY_OF_LOOK], found[ENTERED], found[Z] = day, entered, z
    found[EVENTS] = of_control + of_experimental
    found[LOG_HAZARD_RATIO], found[STANDARD_ERROR] = hazard_ratio(
        risk, tied, bench.several[:many], work
    )
    found[MEDIAN_CONTROL], found[MEDIAN_EXPERIMENTAL] = medians(
        ordered, bench.falls, of_control, of_experimental
    )
    if model.has_course:
        z, control, experimental = response_test(
            subjects, entered, day, model.response_day, stratified, bench.table
        )
        found[RESPONSE_Z] = z
        found[RESPONSE_CONTROL], found[RESPONSE_EXPERIMENTAL] = control, experimental
    if model.has_survival:
        found[CROSSED_BY_THEN] = cut_survival(subjects, entered, day)
        sort_days(subjects, entered, stratified, False, bench.bucket, bench.keys)
        ordered = bench.keys[1, :entered]
        times, many, of_control, of_experimental = note_events(
            ordered, bench.at_risk, bench.risk, bench.tied, bench.several, bench.falls
        )
        risk, tied, work = bench.risk[:, :times], bench.tied[:, :times], bench.work
        found[SURVIVAL_Z] = rank_test(risk, tied, work)
        found[DEATHS] = of_control + of_experimental
        found[SURVIVAL_LOG_HAZARD_RATIO], _ = hazard_ratio(risk, tied, bench.several[:many], work)
    found[CHAIN_STEPS] = steps_held(model.chain, model.chain_z, found)


@lean
def margin_z(log_hazard_ratio: float, standard_error: float, log_margin: float) -> float:
    """Return z of an estimate against a margin: the bound of its interval excludes it or not."""
    return (log_hazard_ratio - log_margin) / standard_error


@lean
def count_events(subjects: Whole, calendar: Whole, coarse: Whole) -> None:
    """Count events by days of the trial, and by pieces of the calendar; the last day has no end."""
    calendar[:] = 0
    coarse[:] = 0
    for i in range(subjects.shape[1]):
        day = min(subjects[ENTRY, i] + subjects[SEEN, i], CALENDAR - 1)
        calendar[day] += subjects[HAPPENED, i]
        coarse[day >> COARSE_DAYS] += subjects[HAPPENED, i]


@lean
def event_day(
    subjects: Whole, wanted: int, calendar: Whole, coarse: Whole, few: Whole
) -> tuple[int, bool]:
    """Return the day of the trial on which the nth event is seen, and True.

    All events of that day count. Days are whole and are compared on the calendar, so the event
    that is waited for is always among those seen. If there are too few: the day on which the last
    subject is done with, and False.
    """
    before, piece = np.int64(0), 0
    while piece < coarse.size and before + coarse[piece] < wanted:
        before += coarse[piece]
        piece += 1
    if piece == coarse.size:
        last = np.int64(0)
        for i in range(subjects.shape[1]):
            last = max(last, subjects[ENTRY, i] + subjects[SEEN, i] - 1)
        return int(last), False
    day = piece << COARSE_DAYS
    while day < CALENDAR - 1 and before + calendar[day] < wanted:
        before += calendar[day]
        day += 1
    if day < CALENDAR - 1:
        return day - 1, True
    many = 0
    for i in range(subjects.shape[1]):
        late = subjects[ENTRY, i] + subjects[SEEN, i]
        if (late >= CALENDAR - 1) & (subjects[HAPPENED, i] == 1):
            j = many
            while j > 0 and few[j - 1] > late:
                few[j] = few[j - 1]
                j -= 1
            few[j] = late
            many += 1
    return int(few[wanted - before - 1]) - 1, True


@lean
def cut(
    subjects: Whole,
    day: int,
    visits: Whole,
    visits_before: Whole,
    window_days: int,
    missed_chance: float,
    visit_key: Words,
) -> int:
    """See the trial as on one day: each subject's own day, and whether it is an event.

    Returns how many have entered. Who had no event counts until the last scan, if there are scans.
    """
    entered, n = 0, subjects.shape[1]
    while entered < n and subjects[ENTRY, entered] <= day:
        entered += 1
    for i in range(entered):
        limit = day - subjects[ENTRY, i] + 1
        subjects[DAY, i] = min(subjects[SEEN, i], limit)
        subjects[EVENT, i] = subjects[HAPPENED, i] * (subjects[SEEN, i] <= limit)
    if visits.size > 0 and window_days == 0 and missed_chance <= 0:
        for i in range(entered):
            held_by_then = visits_before[min(subjects[DAY, i] + 1, visits_before.size - 1)]
            last = visits[max(held_by_then - 1, 0)] if held_by_then > 0 else 1
            subjects[DAY, i] = subjects[DAY, i] if subjects[EVENT, i] else max(last, 1)
    elif visits.size > 0:
        for i in range(entered):
            if subjects[EVENT, i] == 0:
                subjects[DAY, i] = last_scan(
                    visits,
                    visits_before,
                    window_days,
                    missed_chance,
                    visit_key[i],
                    subjects[DAY, i],
                )
    return entered


@lean
def cut_survival(subjects: Whole, entered: int, day: int) -> int:
    """See survival as on one day of the trial; returns how many have crossed over by then."""
    crossed = 0
    for i in range(entered):
        limit = min(subjects[LOST, i], day - subjects[ENTRY, i] + 1)
        subjects[DAY, i] = min(subjects[DEATH, i], limit)
        subjects[EVENT, i] = subjects[DEATH, i] <= limit
        crossed += subjects[CROSSED, i] <= limit
    return crossed


@lean
def steps_held(chain: Whole, chain_z: float, found: Floats) -> int:
    """Count the steps of the chain that are significant in a row; one that fails ends it."""
    steps = 0
    for step in chain:
        if step == 0:
            holds = found[STOPPED] == 1.0
        elif step == 1:
            holds = found[RESPONSE_Z] >= chain_z
        else:
            holds = found[SURVIVAL_Z] <= -chain_z
        if not holds:
            break
        steps += 1
    return steps
