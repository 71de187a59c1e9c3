# SPDX-License-Identifier: Apache-2.0
"""The subjects of one virtual trial, compiled: entry, allocation, event, dropout, scans, death."""

import numpy as np

from radioligand.simulation.counters import (
    HALF,
    LOW,
    Whole,
    Words,
    draw_words,
    exponentials,
    lean,
    mixed,
)
from radioligand.simulation.model import (
    ARM,
    CHANCES,
    CONTROL,
    CROSSED,
    DEATH,
    ENTRY,
    FOREVER,
    HAPPENED,
    LOST,
    PROGRESSION,
    RESPONDS,
    SEEN,
    STRATUM,
    Bench,
    Model,
)
from radioligand.statistics.observations import Floats

FIRST, SECOND, THIRD = np.uint64(0), np.uint64(1), np.uint64(2)  # purposes of words
QUARTER, LOW_QUARTER = np.uint64(16), np.uint64(0xFFFF)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
PER_WORD = 1 / 4_294_967_296
FEW_KNOTS = 4  # looked through one by one
PLACES, LOW_PLACES = np.int64(32), np.int64(0xFFFFFFFF)


@lean
def draw_subjects(model: Model, bench: Bench, seed: np.uint64, trial: np.uint64) -> None:
    """Draw the subjects of one trial and what becomes of them; writes `bench.subjects`."""
    words, bits, power, waiting = bench.words, bench.bits, bench.power, bench.waiting
    draw_words(seed, trial, FIRST, words[:4])
    exponentials(words[0], bits, power, waiting[0])
    exponentials(words[2], bits, power, waiting[1])
    exponentials(words[3], bits, power, waiting[2])
    subjects = bench.subjects
    enter(model.recruitment, waiting[0], subjects)
    allocate(
        words[1],
        model.stratum_chance,
        model.block,
        model.block_experimental,
        bench.left,
        subjects,
    )
    follow(waiting, model.curves, model.stratum_factor, model.dropout_days, subjects)
    subjects[CROSSED] = FOREVER
    if model.switch_days < FOREVER:
        draw_words(seed, trial, THIRD, words[4:])
        exponentials(words[4], bits, power, waiting[4])
        switch(waiting, model.curves, model.stratum_factor, model.switch_days, subjects)
    if model.has_course:
        draw_words(seed, trial, SECOND, words[4:])
        exponentials(words[4], bits, power, waiting[3])
        add_progression(
            words,
            waiting[3],
            model.visits,
            model.visits_before,
            model.window_days,
            model.missed_chance,
            model.death_chance,
            model.later_days,
            model.crossover_chance,
            bench.visit_key,
            subjects,
        )
        add_response(words, model.response_chance, model.response_follows, subjects)


@lean
def enter(recruitment: Floats, waiting: Floats, subjects: Whole) -> None:
    """Let subjects enter at random: a Poisson process of the rate expected."""
    days, summed, days_each = recruitment
    expected, knot = 0.0, 0
    for i in range(waiting.size):
        expected += waiting[i]
        while knot + 1 < days.size and summed[knot + 1] <= expected:
            knot += 1
        day = days[knot] + (expected - summed[knot]) * days_each[knot]
        subjects[ENTRY, i] = int(min(day, float(FOREVER)))


@lean
def allocate(
    words: Words,
    stratum_chance: Whole,
    block: int,
    block_experimental: int,
    left: Whole,
    subjects: Whole,
) -> None:
    """Draw strata, and allocate arms by permuted blocks within them.

    Within a block each arm is drawn among the places left, so every order is equally likely.
    """
    left[:] = 0
    full = (np.int64(block_experimental) << PLACES) | np.int64(block)
    for i in range(words.size):
        chance, stratum = np.int64(words[i] >> QUARTER), 0
        for k in range(stratum_chance.size):
            stratum += chance >= stratum_chance[k]
        held = left[stratum]
        held += full * (held == 0)
        chance = np.int64(words[i] & LOW_QUARTER) * (held & LOW_PLACES)
        arm = np.int64(chance < (held >> PLACES) * CHANCES)
        left[stratum] = held - 1 - (arm << PLACES)
        subjects[STRATUM, i], subjects[ARM, i] = stratum, arm


@lean
def follow(
    waiting: Floats,
    curves: Floats,
    stratum_factor: Floats,
    dropout_days: Floats,
    subjects: Whole,
) -> None:
    """Find the day of each subject's event and dropout, and which of them the trial sees."""
    if curves.shape[2] == 1:  # without a branch, so that several subjects are followed at a time
        for i in range(subjects.shape[1]):
            arm = subjects[ARM, i]
            hazard = waiting[1, i] * stratum_factor[subjects[STRATUM, i]]
            event = 1 + int(min(hazard * curves[arm, 2, 0], float(FOREVER - 1)))
            subjects[PROGRESSION, i] = event
    else:
        for i in range(subjects.shape[1]):
            curve = curves[subjects[ARM, i]]
            hazard = waiting[1, i] * stratum_factor[subjects[STRATUM, i]]
            subjects[PROGRESSION, i] = 1 + day_of(curve, hazard)
    for i in range(subjects.shape[1]):
        lost = 1 + int(min(waiting[2, i] * dropout_days[subjects[ARM, i]], float(FOREVER - 1)))
        event = subjects[PROGRESSION, i]
        subjects[LOST, i] = lost
        subjects[SEEN, i], subjects[HAPPENED, i] = min(event, lost), event <= lost


@lean
def switch(
    waiting: Floats, curves: Floats, stratum_factor: Floats, switch_days: float, subjects: Whole
) -> None:
    """Let control subjects without event go on with the hazard of the experimental arm.

    They switch at a constant hazard, on a day of theirs that is over; what is left of the hazard
    that each can bear is borne along the other curve. So control becomes a Markov chain, as in
    Lakatos' theory.
    """
    for i in range(subjects.shape[1]):
        day = int(min(waiting[4, i] * switch_days, float(FOREVER)))
        event, lost = subjects[PROGRESSION, i], subjects[LOST, i]
        if subjects[ARM, i] != CONTROL or day + 1 >= event or day + 1 > lost:
            continue
        own = waiting[1, i] * stratum_factor[subjects[STRATUM, i]]
        left = own - summed_by(curves[0], float(day))
        event = 1 + day_of(curves[1], summed_by(curves[1], float(day)) + max(left, 0.0))
        subjects[CROSSED, i], subjects[PROGRESSION, i] = day + 1, event
        subjects[SEEN, i], subjects[HAPPENED, i] = min(event, lost), event <= lost


@lean
def summed_by(curve: Floats, day: float) -> float:
    """Return the hazard that a curve has summed by a day."""
    knot = knot_before(curve[0], day)
    return float(curve[1, knot] + (day - curve[0, knot]) / curve[2, knot])


@lean
def day_of(curve: Floats, hazard: float) -> int:
    """Return the whole day within which a curve has summed so much hazard."""
    knot = knot_before(curve[1], hazard)
    beyond = (hazard - curve[1, knot]) * curve[2, knot]
    return int(min(curve[0, knot] + beyond, float(FOREVER - 1)))


@lean
def knot_before(summed: Floats, hazard: float) -> int:
    """Return the last knot of a curve at which no more than `hazard` is summed."""
    if summed.size <= FEW_KNOTS:
        knot = 0
        for later in range(1, summed.size):
            knot += summed[later] <= hazard
        return knot
    low, high = 0, summed.size
    while high - low > 1:
        middle = (low + high) >> 1
        if summed[middle] <= hazard:
            low = middle
        else:
            high = middle
    return low


@lean
def add_progression(
    words: Words,
    waiting: Floats,
    visits: Whole,
    visits_before: Whole,
    window_days: int,
    missed_chance: float,
    death_chance: float,
    later_days: Floats,
    crossover_chance: float,
    visit_key: Words,
    subjects: Whole,
) -> None:
    """Tell progression from death, and follow both: scans, crossover, survival.

    The event is death with one chance, whenever it comes: an illness–death model whose two hazards
    before progression are proportional. After progression death has a constant hazard, another one
    once a control subject has crossed over, then or before. Progression is seen at the first scan
    that is held on or after its day, death on its day.
    """
    dies, crosses = death_chance * CHANCES, crossover_chance * CHANCES
    for i in range(waiting.size):
        event, lost = subjects[PROGRESSION, i], subjects[LOST, i]
        cause = words[5, i]
        visit_key[i] = mixed((words[6, i] << HALF) | words[7, i])
        crossed = subjects[CROSSED, i] < FOREVER
        seen = death = event
        if np.float64(cause >> QUARTER) < dies:
            subjects[PROGRESSION, i] = FOREVER
        else:
            seen = first_scan(
                visits, visits_before, window_days, missed_chance, visit_key[i], event
            )
            mean = later_days[-1] if crossed else later_days[subjects[ARM, i]]
            later, before = waiting[i] * mean, float(seen - event)
            if (
                subjects[ARM, i] == CONTROL
                and not crossed
                and np.float64(cause & LOW_QUARTER) < crosses
                and later > before
                and seen <= lost
            ):
                subjects[CROSSED, i] = seen
                later = before + (later - before) / mean * later_days[-1]
            death = min(event + 1 + int(min(later, float(FOREVER))), FOREVER)
            seen = min(seen, death)
        subjects[DEATH, i] = death
        subjects[HAPPENED, i] = seen <= lost
        subjects[SEEN, i] = min(seen, lost)


@lean
def add_response(words: Words, chance: Floats, follows: float, subjects: Whole) -> None:
    """Decide who responds; for some it goes with the time to the event, for the others not.

    A long time to the event has a low word, and so has a response: whichever of the two words
    decides is uniform, and the rate is kept exactly.
    """
    for i in range(subjects.shape[1]):
        own = np.float64(words[6, i]) * PER_WORD < follows
        rank = np.float64(words[2, i] if own else words[7, i]) * PER_WORD
        subjects[RESPONDS, i] = rank < chance[subjects[ARM, i]]


@lean
def scan_day(
    visits: Whole, window_days: int, missed_chance: float, key: np.uint64, visit: int
) -> int:
    """Return the day on which a scan was held, -1 if it was missed."""
    if missed_chance <= 0 and window_days == 0:
        return int(visits[visit])
    chances = mixed(key + GOLDEN * np.uint64(visit + 1))
    if np.float64(chances >> HALF) * PER_WORD < missed_chance:
        return -1
    wide = np.uint64(2 * window_days + 1)
    return int(visits[visit] + np.int64(((chances & LOW) * wide) >> HALF) - window_days)


@lean
def first_scan(
    visits: Whole,
    visits_before: Whole,
    window_days: int,
    missed_chance: float,
    key: np.uint64,
    day: int,
) -> int:
    """Return the day of the first scan held on or after `day`, FOREVER if there is none."""
    if visits.size == 0:
        return day
    early = min(max(day - window_days, 0), visits_before.size - 1)
    for visit in range(visits_before[early], visits.size):
        held = scan_day(visits, window_days, missed_chance, key, visit)
        if held >= day:
            return held
    return FOREVER


@lean
def last_scan(
    visits: Whole,
    visits_before: Whole,
    window_days: int,
    missed_chance: float,
    key: np.uint64,
    day: int,
) -> int:
    """Return the day of the last scan held by `day`, 1 if there is none since entry."""
    late = min(day + window_days + 1, visits_before.size - 1)
    for visit in range(visits_before[late] - 1, -1, -1):
        held = scan_day(visits, window_days, missed_chance, key, visit)
        if 0 < held <= day:
            return held
    return 1
