# SPDX-License-Identifier: Apache-2.0
"""Virtual trials that change while they run, compiled: arms open and stop, looks, more events.

A trial goes from one day of decision to the next. Whoever enters after a day on which the open arms
changed is allocated anew, in new blocks; the random numbers of a subject stay. So all that was seen
by that day stays as it was.
"""

import math
from typing import Any, cast

import numpy as np

from radioligand.simulation.adaptive_model import (
    C_BOUND,
    C_CROSSED,
    C_DAY,
    C_DEATHS,
    C_ENTERED,
    C_EVENTS,
    C_FIRST_LOG_HAZARD_RATIO,
    C_FIRST_STANDARD_ERROR,
    C_FROM_DAY,
    C_IN_ARM,
    C_LOG_HAZARD_RATIO,
    C_LOOK,
    C_MEDIAN_CONTROL,
    C_MEDIAN_EXPERIMENTAL,
    C_REACHED,
    C_RESPONSE_CONTROL,
    C_RESPONSE_EXPERIMENTAL,
    C_RESPONSE_Z,
    C_STANDARD_ERROR,
    C_STOPPED,
    C_SURVIVAL_LOG_HAZARD_RATIO,
    C_SURVIVAL_Z,
    C_Z,
    COMPARED,
    ENDED,
    OPEN,
    T_CONDITIONAL_POWER,
    T_DAY,
    T_ENTERED,
    T_EVENTS_PLANNED,
    T_FIRST_DAY,
    T_FIRST_ENTERED,
    T_IN_CONTROL,
    T_MOST,
    T_ON,
    WAITING,
    WHOLE_TRIAL,
    AdaptiveModel,
)
from radioligand.simulation.comparisons import (
    hazard_ratio,
    medians,
    note_events,
    rank_test,
    response_test,
    sort_days,
    weighted_rank_test,
)
from radioligand.simulation.counters import Whole, Words, draw_words, exponentials
from radioligand.simulation.courses import (
    FIRST,
    LOW_QUARTER,
    QUARTER,
    SECOND,
    THIRD,
    add_progression,
    add_response,
    enter,
    follow,
    switch,
)
from radioligand.simulation.decisions import (
    conditional_power,
    events_for_power,
    max_combo_z,
    spending_bound,
    spent,
)
from radioligand.simulation.kernels import cut, cut_survival, margin_z
from radioligand.simulation.model import (
    ARM,
    CHANCES,
    CROSSED,
    ENTRY,
    FOREVER,
    HAPPENED,
    SEEN,
    STRATUM,
    SUBJECT,
    Bench,
    bench_for,
)
from radioligand.statistics.kernels import compiled
from radioligand.statistics.observations import Floats

ROWS = len(SUBJECT)
NEVER = 2 * FOREVER  # a day that does not come
# typed, so that each function is compiled once
NONE, FIRST_ARM, ALL_OPEN, NEVER_TYPED = (cast(int, np.int64(x)) for x in (0, 1, -1, NEVER))
OPENS, DROPS, RESIZES, LOOKS = 0, 1, 2, 3  # kinds of decisions, in the order of one day


def simulate_adaptive(
    model: AdaptiveModel, *, seed: int, first: int, last: int
) -> tuple[Floats, Floats]:
    """Return what the trials [first, last) of a seed leave.

    That is (n, len(WHOLE_TRIAL)) of whole trials and (n, a - 1, len(COMPARED)) of comparisons.
    """
    whole = np.empty((last - first, len(WHOLE_TRIAL)))
    compared = np.empty((last - first, model.places.size - 1, len(COMPARED)))
    bench = bench_for(model.trial)
    run_adaptive_trials(model, bench, np.uint64(seed), np.uint64(first), whole, compared)
    return whole, compared


@compiled
def run_adaptive_trials(
    model: AdaptiveModel,
    bench: Bench,
    seed: np.uint64,
    first: np.uint64,
    whole: Floats,
    compared: Floats,
) -> None:
    """Run as many trials as `whole` has rows; `bench` holds the last one afterwards."""
    for row in range(whole.shape[0]):
        run_adaptive_trial(model, bench, seed, first + np.uint64(row), whole[row], compared[row])


@compiled
def run_adaptive_trial(
    model: AdaptiveModel,
    bench: Bench,
    seed: np.uint64,
    trial: np.uint64,
    whole: Floats,
    compared: Floats,
) -> None:
    """Run one trial until each comparison has ended."""
    whole[:], compared[:] = math.nan, math.nan
    subjects, arms, looks = bench.subjects, model.places.size, model.stop_z.size
    draw_entries(model, bench, seed, trial)
    state = np.full(arms, WAITING)
    opened, look = np.zeros(arms, np.int64), np.zeros(arms, np.int64)
    seen, bounds = np.zeros((arms, looks), np.int64), np.full((arms, looks), math.inf)
    for arm in range(arms):
        if model.opens[arm] <= 0:
            state[arm] = OPEN
    first = drop = day = since = first_events = NONE
    n, final, resized, first_z = model.subjects, model.look_events[looks - 1], False, math.nan
    whole[T_ON] = np.sum(state[1:] == OPEN)
    changed = True
    while True:
        if changed:
            allocate_open(bench.words[1], model, state, first, bench, subjects)
            live(model, bench)
            changed = False
        decision, arm, day, reached = next_decision(
            model, bench, state, opened, look, since, drop, day, n, first_events == 0, final
        )
        if day >= NEVER:
            break
        if decision == OPENS:
            state[arm], opened[arm], changed = OPEN, day + 1, True
            whole[T_ON] += 1
        elif decision == DROPS:
            changed = drop_arms(model, bench, state, opened, look, drop, day, n, compared)
            drop += 1
            whole[T_ON] = np.sum(state[1:] == OPEN) + np.sum(state[1:] == WAITING)
            whole[T_FIRST_DAY] = day
            whole[T_FIRST_ENTERED] = np.sum(subjects[ENTRY, :n] <= day)
            if not model.first_stage_counts:
                since = day + 1
        elif decision == RESIZES:
            first_events, first_z, power, final, n = resize(
                model, bench, opened, since, day, n, final
            )
            resized = final > model.look_events[looks - 1]
            whole[T_CONDITIONAL_POWER] = power
        else:
            found = compared[arm - 1]
            k = look[arm]
            z = compare(model, bench, arm, max(opened[arm], since), day, n, found)
            if resized and model.resize_weighted and k == looks - 1:
                z = joined_z(first_z, first_events, z, found[C_EVENTS], model)
                found[C_Z] = z
            seen[arm, k] = np.int64(found[C_EVENTS])
            last = k == looks - 1 or not reached
            bounds[arm, k] = model.stop_z[k]
            if model.spending > 0:
                bounds[arm, k] = bound_at(model, seen[arm], bounds[arm], k, last)
            stopped = 0
            if z <= -bounds[arm, k]:
                stopped = 1
            elif z >= -model.futility_z[k] and k < looks - 1:
                stopped = -1
            if stopped != 0 or last:
                found[C_LOOK], found[C_STOPPED], found[C_REACHED] = k, stopped, reached
                found[C_BOUND] = bounds[arm, k]
                finish(model, bench, arm, max(opened[arm], since), day, n, found)
                state[arm], changed = ENDED, True
            look[arm] += 1
        going = np.sum(state[1:] == OPEN)
        if going == 0:
            whole[T_DAY] = day
            break
        if changed:
            while first < n and subjects[ENTRY, first] <= day:
                first += 1
            changed = first < n
    count_subjects(bench.subjects, n, int(whole[T_DAY]), whole, compared)
    whole[T_EVENTS_PLANNED], whole[T_MOST] = final, n


@compiled
def draw_entries(model: AdaptiveModel, bench: Bench, seed: np.uint64, trial: np.uint64) -> None:
    """Draw the numbers of all subjects there may be, and the days on which they enter."""
    words, waiting = bench.words, bench.waiting
    draw_words(seed, trial, FIRST, words[:4])
    exponentials(words[0], bench.bits, bench.power, waiting[0])
    exponentials(words[2], bench.bits, bench.power, waiting[1])
    exponentials(words[3], bench.bits, bench.power, waiting[2])
    enter(model.trial.recruitment, waiting[0], bench.subjects)
    if model.trial.switch_days < FOREVER:
        draw_words(seed, trial, THIRD, words[4:])
        exponentials(words[4], bench.bits, bench.power, waiting[4])
    if model.trial.has_course:
        draw_words(seed, trial, SECOND, words[4:])
        exponentials(words[4], bench.bits, bench.power, waiting[3])


@compiled
def allocate_open(
    words: Words, model: AdaptiveModel, state: Whole, first: int, bench: Bench, subjects: Whole
) -> None:
    """Allocate subjects from `first` on to control and the open arms, by blocks within strata.

    Within a block each arm is drawn among the places left, so every order is equally likely.
    """
    arms, strata = state.size, model.trial.stratum_factor.size
    left = np.zeros((arms, strata), np.int64)
    all_left = np.zeros(strata, np.int64)
    chances = model.trial.stratum_chance
    for i in range(first, words.size):
        chance, stratum = np.int64(words[i] >> QUARTER), 0
        for k in range(chances.size):
            stratum += chance >= chances[k]
        if all_left[stratum] == 0:
            for arm in range(arms):
                if arm == 0 or state[arm] == OPEN:
                    left[arm, stratum] = model.places[arm]
                    all_left[stratum] += model.places[arm]
        chance = np.int64(words[i] & LOW_QUARTER) * all_left[stratum]
        below, arm = np.int64(0), 0
        for candidate in range(arms - 1, 0, -1):
            below += left[candidate, stratum] * CHANCES
            if chance < below:
                arm = candidate
                break
        all_left[stratum] -= 1
        left[arm, stratum] -= 1
        subjects[STRATUM, i], subjects[ARM, i] = stratum, arm


@compiled
def live(model: AdaptiveModel, bench: Bench) -> None:
    """Find what becomes of each subject in the arm allocated."""
    trial, subjects, waiting = model.trial, bench.subjects, bench.waiting
    follow(waiting, trial.curves, trial.stratum_factor, trial.dropout_days, subjects)
    subjects[CROSSED] = FOREVER
    if trial.switch_days < FOREVER:
        switch(waiting, trial.curves, trial.stratum_factor, trial.switch_days, subjects)
    if trial.has_course:
        add_progression(
            bench.words,
            waiting[3],
            trial.visits,
            trial.visits_before,
            trial.window_days,
            trial.missed_chance,
            trial.death_chance,
            trial.later_days,
            trial.crossover_chance,
            bench.visit_key,
            subjects,
        )
        add_response(bench.words, trial.response_chance, trial.response_follows, subjects)


@compiled
def next_decision(
    model: AdaptiveModel,
    bench: Bench,
    state: Whole,
    opened: Whole,
    look: Whole,
    since: int,
    drop: int,
    today: int,
    n: int,
    may_resize: bool,
    final: int,
) -> tuple[int, int, int, bool]:
    """Return what is decided next, of which arm, on which day, and whether its events are there.

    Of one day arms open first, then they are dropped, then events are raised, then arms looked at.
    """
    best, whose, soonest, is_reached = LOOKS, NONE, NEVER_TYPED, True
    arms, open_places = state.size, 0
    for arm in range(1, arms):
        if state[arm] == WAITING and model.opens[arm] < soonest:
            best, whose, soonest = OPENS, arm, max(model.opens[arm], today)
        if state[arm] == OPEN:
            open_places += model.places[arm]
    going = np.sum(state[1:] == OPEN)
    if drop < model.drop_events.size and going > 0:
        # the mean comparison has its share of the events of all open arms
        share = (model.places[0] + open_places) * going / (going * model.places[0] + open_places)
        wanted = math.ceil(model.drop_events[drop] * share - 1e-9)
        day, reached = nth_event_day(bench, state, ALL_OPEN, NONE, wanted, n)
        day = max(day, today)
        if reached and (day < soonest or (day == soonest and best > DROPS)):
            best, whose, soonest = DROPS, NONE, day
    if model.resize_events > 0 and may_resize and going > 0:
        day, reached = nth_event_day(bench, state, FIRST_ARM, NONE, model.resize_events, n)
        if reached and day >= today and (day < soonest or (day == soonest and best > RESIZES)):
            best, whose, soonest = RESIZES, FIRST_ARM, day
    looks = model.stop_z.size
    for arm in range(1, arms):
        if state[arm] != OPEN:
            continue
        k = look[arm]
        if model.look_days[k] >= 0:
            day, reached = model.look_days[k], True
        else:
            wanted = final if k == looks - 1 else model.look_events[k]
            day, reached = nth_event_day(bench, state, arm, max(opened[arm], since), wanted, n)
        day = max(day, today)
        if day < soonest:
            best, whose, soonest, is_reached = LOOKS, arm, day, reached
    return best, whose, soonest, is_reached


@compiled
def nth_event_day(
    bench: Bench, state: Whole, arm: int, since: int, wanted: int, n: int
) -> tuple[int, bool]:
    """Return the day of the trial of the nth event of control and an arm, and True.

    Counted are those who enter from the day `since`; of ALL_OPEN all who are in open arms. If there
    are too few: the day on which the last of them is done with, and False.
    """
    subjects, days, m, last = bench.subjects, bench.few, 0, 0
    for i in range(n):
        own = subjects[ARM, i]
        counted = own == 0 or own == arm or (arm < 0 and state[own] == OPEN)
        if counted and subjects[ENTRY, i] >= since:
            day = subjects[ENTRY, i] + subjects[SEEN, i] - 1
            last = max(last, day)
            if subjects[HAPPENED, i] == 1:
                days[m] = day
                m += 1
    if m < wanted:
        return int(last), False
    return int(smallest(days[:m], wanted)), True


@compiled
def smallest(values: Whole, wanted: int) -> int:
    """Return the nth smallest of values, which are put in another order (Hoare's selection)."""
    low, high = 0, values.size - 1
    while low < high:
        pivot, i, j = values[wanted - 1], low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if j < wanted - 1:
            low = i
        if i > wanted - 1:
            high = j
    return int(values[wanted - 1])


@compiled
def pair_of(bench: Bench, arm: int, since: int, day: int, n: int) -> tuple[Whole, Words]:
    """Return the subjects of control and an arm who entered from one day to another.

    They are as those of a trial of two arms; with them the keys of their scans.
    """
    subjects, m = bench.subjects, 0
    for i in range(n):
        own = subjects[ARM, i]
        if (own == 0 or own == arm) and since <= subjects[ENTRY, i] <= day:
            m += 1
    pair: Any = np.empty((ROWS, m), np.int32)
    keys: Any = np.empty(m, np.uint64)
    m = 0
    for i in range(n):
        own = subjects[ARM, i]
        if (own == 0 or own == arm) and since <= subjects[ENTRY, i] <= day:
            for row in range(ROWS):
                pair[row, m] = subjects[row, i]
            pair[ARM, m] = 1 if own == arm else 0
            keys[m] = bench.visit_key[i]
            m += 1
    return pair, keys


@compiled
def compare(
    model: AdaptiveModel, bench: Bench, arm: int, since: int, day: int, n: int, found: Floats
) -> float:
    """Compare an arm with control as on one day: z, and of `found` what a look needs."""
    trial = model.trial
    pair, keys = pair_of(bench, arm, since, day, n)
    found[C_DAY], found[C_ENTERED], found[C_EVENTS], found[C_Z] = day, pair.shape[1], 0, math.nan
    found[C_LOG_HAZARD_RATIO] = found[C_STANDARD_ERROR] = math.nan
    found[C_FROM_DAY] = since
    if pair.shape[1] == 0:
        return math.nan
    entered = cut(
        pair,
        day,
        trial.visits,
        trial.visits_before,
        trial.window_days,
        trial.missed_chance,
        keys,
    )
    scans = trial.visits.size > 0
    sort_days(pair, entered, trial.stratified, scans, bench.bucket, bench.keys)
    ordered = bench.keys[1, :entered]
    times, many, of_control, of_experimental = note_events(
        ordered, bench.at_risk, bench.risk, bench.tied, bench.several, bench.falls
    )
    risk, tied, work = bench.risk[:, :times], bench.tied[:, :times], bench.work
    if model.max_combo:
        z = max_combo_z(risk, tied, bench.survival)
    elif trial.rho != 0 or trial.gamma != 0:
        z = weighted_rank_test(risk, tied, trial.rho, trial.gamma, bench.survival)
    else:
        z = rank_test(risk, tied, work)
    ratio, error = hazard_ratio(risk, tied, bench.several[:many], work)
    if trial.log_margin != 0:
        z = margin_z(ratio, error, trial.log_margin)
    found[C_EVENTS], found[C_Z] = of_control + of_experimental, z
    found[C_LOG_HAZARD_RATIO], found[C_STANDARD_ERROR] = ratio, error
    found[C_MEDIAN_CONTROL], found[C_MEDIAN_EXPERIMENTAL] = medians(
        ordered, bench.falls, of_control, of_experimental
    )
    return z


@compiled
def finish(
    model: AdaptiveModel, bench: Bench, arm: int, since: int, day: int, n: int, found: Floats
) -> None:
    """Tell response and survival of an arm and control on the day on which it ends."""
    trial = model.trial
    if not trial.has_course:
        return
    pair, _ = pair_of(bench, arm, since, day, n)
    entered = pair.shape[1]
    if entered == 0:
        return
    z, control, experimental = response_test(
        pair, entered, day, trial.response_day, trial.stratified, bench.table
    )
    found[C_RESPONSE_Z] = z
    found[C_RESPONSE_CONTROL], found[C_RESPONSE_EXPERIMENTAL] = control, experimental
    if not trial.has_survival:
        return
    found[C_CROSSED] = cut_survival(pair, entered, day)
    sort_days(pair, entered, trial.stratified, False, bench.bucket, bench.keys)
    times, many, of_control, of_experimental = note_events(
        bench.keys[1, :entered],
        bench.at_risk,
        bench.risk,
        bench.tied,
        bench.several,
        bench.falls,
    )
    risk, tied = bench.risk[:, :times], bench.tied[:, :times]
    found[C_SURVIVAL_Z] = rank_test(risk, tied, bench.work)
    found[C_DEATHS] = of_control + of_experimental
    found[C_SURVIVAL_LOG_HAZARD_RATIO], _ = hazard_ratio(
        risk, tied, bench.several[:many], bench.work
    )


@compiled
def drop_arms(
    model: AdaptiveModel,
    bench: Bench,
    state: Whole,
    opened: Whole,
    look: Whole,
    drop: int,
    day: int,
    n: int,
    compared: Floats,
) -> bool:
    """Stop arms that do too little, and all but the best; returns whether any has stopped.

    The best have the largest z in favour. What cannot be compared yet has no effect.
    """
    arms = state.size
    z = np.full(arms, math.inf)
    going, stopped = 0, False
    for arm in range(1, arms):
        if state[arm] == OPEN:
            found = compared[arm - 1]
            value = compare(model, bench, arm, opened[arm], day, n, found)
            z[arm] = 0.0 if math.isnan(value) else value
            found[C_FIRST_LOG_HAZARD_RATIO] = found[C_LOG_HAZARD_RATIO]
            found[C_FIRST_STANDARD_ERROR] = found[C_STANDARD_ERROR]
            going += 1
    for arm in range(1, arms):
        if state[arm] != OPEN:
            continue
        better = 0
        for other in range(1, arms):
            better += z[other] < z[arm] or (z[other] == z[arm] and other < arm)
        found = compared[arm - 1]
        too_little = found[C_LOG_HAZARD_RATIO] > model.drop_log_ratio[drop]
        if too_little or better >= model.drop_keep[drop]:
            found[C_LOOK], found[C_STOPPED], found[C_REACHED] = look[arm], -2, 1
            finish(model, bench, arm, opened[arm], day, n, found)
            stopped = True
    for arm in range(1, arms):
        if state[arm] == OPEN and compared[arm - 1, C_STOPPED] == -2:
            state[arm] = ENDED
    return stopped


@compiled
def resize(
    model: AdaptiveModel, bench: Bench, opened: Whole, since: int, day: int, n: int, final: int
) -> tuple[int, float, float, int, int]:
    """Raise events and subjects if the look is promising: events, z, power, final events, subjects.

    Whoever enters besides those planned enters after the look.
    """
    found = np.empty(len(COMPARED))
    z = compare(model, bench, FIRST_ARM, max(opened[1], since), day, n, found)
    events, bound = int(found[C_EVENTS]), model.stop_z[-1]
    if math.isnan(z) or events >= final:
        return max(events, 1), z, math.nan, final, n
    power = conditional_power(-z, events, final, bound)
    if not model.promising_from <= power < model.promising_below:
        return events, z, power, final, n
    wanted = events_for_power(-z, events, final, bound, model.resize_power_z)
    raised = int(min(max(math.ceil(wanted), final), model.most_events))
    subjects = bench.subjects
    more = int(min(math.ceil(n * raised / final), subjects.shape[1]))
    later = max(day - subjects[ENTRY, n - 1], 0)
    for i in range(n, more):
        subjects[ENTRY, i] += later
    return events, z, power, raised, more


@compiled
def joined_z(
    first_z: float, first_events: float, z: float, events: float, model: AdaptiveModel
) -> float:
    """Return z of both stages with the weights that were planned, of z at the look and at the end.

    What came after the look is the difference of the two scores (Cui, Hung and Wang, 1999).
    """
    planned = first_events / model.look_events[-1]
    after = z * math.sqrt(events) - first_z * math.sqrt(first_events)
    second = after / math.sqrt(max(events - first_events, 1.0))
    return math.sqrt(planned) * first_z + math.sqrt(1.0 - planned) * second


@compiled
def bound_at(model: AdaptiveModel, seen: Whole, bounds: Floats, k: int, last: bool) -> float:
    """Return the bound of a look that spends by the events seen; the last look spends all."""
    planned, before = model.look_events[-1], 0.0
    for earlier in range(k):
        if not math.isinf(bounds[earlier]):
            before = spent(seen[earlier] / planned, model.alpha, model.spending)
    time = 1.0 if last else min(seen[k] / planned, 1.0)
    level = spent(time, model.alpha, model.spending) - before
    return spending_bound(seen, bounds, k, level)


@compiled
def count_subjects(subjects: Whole, n: int, day: int, whole: Floats, compared: Floats) -> None:
    """Count who entered each arm by the end of the trial."""
    whole[T_ENTERED] = whole[T_IN_CONTROL] = 0.0
    compared[:, C_IN_ARM] = 0.0
    for i in range(n):
        if subjects[ENTRY, i] <= day:
            whole[T_ENTERED] += 1
            if subjects[ARM, i] == 0:
                whole[T_IN_CONTROL] += 1
            else:
                compared[subjects[ARM, i] - 1, C_IN_ARM] += 1
