# SPDX-License-Identifier: Apache-2.0
"""What a virtual trial is drawn from and what it leaves: plain numbers for compiled loops.

Time is in whole days. Day 1 of a subject is the day of entry, as in ADTTE; days of the trial count
from the day on which recruitment opens, 0.
"""

from typing import NamedTuple

import numpy as np

from radioligand.simulation.counters import Whole, Words
from radioligand.statistics.observations import Floats

CONTROL, EXPERIMENTAL, CROSSED_OVER = 0, 1, 2  # places in pairs and threes
FOREVER = 1_000_000  # days: what lies later never happens
CHANCES = 1 << 16  # in how many parts the chance of a stratum or an arm is told
BUCKETS = 512  # by which days are sorted
CALENDAR = 4096  # days of the trial by which events are counted; what is later is sorted
COARSE_DAYS = 5  # bits of a day that are not told apart at first
BELOW_STRATUM, BELOW_LEAVING, BELOW_DAY = 1, 7, 8  # bits of a sorting key: arm, stratum, no event
MOST_STRATA = 1 << (BELOW_LEAVING - BELOW_STRATUM)

STEPS = ("primary", "response", "survival")  # what a chain of tests may hold

# what a trial leaves, one number each
RESULTS = (
    "look",  # at which it stopped, from 0
    "stopped",  # 1 for efficacy, -1 for futility, 0 neither: the last look without significance
    "reached",  # 1 if the events of that look were reached
    "day",  # of the trial at that look
    "entered",  # subjects by then
    "events",
    "z",  # of the primary test: negative where the experimental arm does better
    "log_hazard_ratio",
    "standard_error",
    "median_control",  # days
    "median_experimental",
    "response_z",  # positive where the experimental arm responds more often
    "response_control",  # rate
    "response_experimental",
    "survival_z",
    "survival_log_hazard_ratio",
    "deaths",
    "crossed",  # control subjects who crossed over by then
    "steps",  # of the chain that were significant in a row
)
(
    LOOK,
    STOPPED,
    REACHED,
    DAY_OF_LOOK,
    ENTERED,
    EVENTS,
    Z,
    LOG_HAZARD_RATIO,
    STANDARD_ERROR,
    MEDIAN_CONTROL,
    MEDIAN_EXPERIMENTAL,
    RESPONSE_Z,
    RESPONSE_CONTROL,
    RESPONSE_EXPERIMENTAL,
    SURVIVAL_Z,
    SURVIVAL_LOG_HAZARD_RATIO,
    DEATHS,
    CROSSED_BY_THEN,
    CHAIN_STEPS,
) = range(len(RESULTS))


# what is known of a subject: rows of `Bench.subjects`
SUBJECT = (
    "entry",  # day of the trial
    "stratum",
    "arm",
    "lost",  # day of dropping out
    "progression",  # day; FOREVER if none comes before death
    "death",  # day; FOREVER if it does not come
    "seen",  # day of the event as the trial sees it, or of leaving without
    "happened",  # whether that is the event
    "crossed",  # day of crossing over, before progression or after; FOREVER if never
    "responds",
    "day",  # as the last analysis had it, with `event`
    "event",
)
(
    ENTRY,
    STRATUM,
    ARM,
    LOST,
    PROGRESSION,
    DEATH,
    SEEN,
    HAPPENED,
    CROSSED,
    RESPONDS,
    DAY,
    EVENT,
) = range(len(SUBJECT))


class Model(NamedTuple):
    """A trial of two arms; control is the first of each pair.

    Recruitment and curves are straight between knots: rows are the day of a knot, what is summed
    by then (subjects expected, hazard), and the days that one more takes after it.
    """

    subjects: int
    recruitment: Floats  # (3, j)
    # allocation
    stratum_chance: Whole  # (s - 1,) summed shares, of `CHANCES`
    block: int
    block_experimental: int
    # the event: progression or death, or whatever the endpoint is
    curves: Floats  # (2, 3, k)
    stratum_factor: Floats  # (s,) by which hazard is divided: one over the strata's hazard ratios
    dropout_days: Floats  # (2,) mean
    switch_days: float  # mean until control subjects switch to the other curve; no end: never
    # what becomes of a subject besides; used if `has_course`
    has_course: bool
    death_chance: float  # that the event is death, not progression
    later_days: Floats  # (3,) mean from progression to death: control, experimental, crossed over
    crossover_chance: float  # of control subjects, when progression is seen
    visits: Whole  # (v,) planned days of scans; none: progression is seen when it happens
    visits_before: Whole  # (d,) how many of them are before each day from 0
    window_days: int  # by which a scan may be early or late
    missed_chance: float
    response_chance: Floats  # (2,)
    response_follows: float  # share of subjects whose response goes with their time to the event
    response_day: int  # on which response is known
    has_survival: bool  # whether deaths are followed
    # when it is analysed, and how
    look_events: Whole  # (l,)
    follow_up_days: int  # after the last entry, instead of events; -1 if by events
    stop_z: Floats  # (l,) efficacy at or below its negative
    futility_z: Floats  # (l,) futility at or above its negative; -inf: never
    stratified: bool
    log_margin: float  # of the hazard ratio; not 0: z is that of the estimate against it
    rho: float  # of Fleming and Harrington's weights
    gamma: float
    chain: Whole  # (c,) which of `STEPS`, in order
    chain_z: float  # at which a step after the primary test is significant


class Bench(NamedTuple):
    """Room to work in; `subjects` holds the last trial that was worked on."""

    words: Words  # (8, n)
    bits: Words  # (n,)
    power: Whole  # (n,)
    waiting: Floats  # (5, n) exponential: entry, event, dropout, death after progression, switch
    left: Whole  # (s,) places left in a stratum's block: all, and 2^32 for each experimental one
    subjects: Whole  # (len(SUBJECT), n) in the order of entry
    visit_key: Words  # (n,) from which the chances of a subject's scans are drawn
    calendar: Whole  # (CALENDAR,) events by days of the trial
    coarse: Whole  # (CALENDAR >> COARSE_DAYS,) the same by pieces of the calendar
    few: Whole  # (n,) event days
    keys: Words  # (2, n) as filled, and sorted
    bucket: Whole  # (BUCKETS + 1,)
    at_risk: Whole  # (s,) control, and 2^32 for each of the experimental arm
    survival: Floats  # (s,)
    risk: Floats  # (2, n + 1) control, experimental, at each time of an event in a stratum
    tied: Whole  # (3, n + 1) events then, those of the experimental arm, and the stratum
    several: Whole  # (n + 1,) which of them have more than one event
    falls: (
        Whole  # (2, n + 1) of each event of an arm: how many of it are left, and 2^32 times the day
    )
    work: Floats  # (3, n + 1)
    table: Floats  # (s, 2, 2) responders by arm


def bench_for(model: Model) -> Bench:
    """Return room for the trials of a model."""
    n, s = model.subjects, model.stratum_factor.size
    return Bench(
        words=np.zeros((8, n), np.uint32),
        bits=np.zeros(n, np.uint64),
        power=np.zeros(n, np.int64),
        waiting=np.zeros((5, n)),
        left=np.zeros(s, np.int64),
        subjects=np.zeros((len(SUBJECT), n), np.int32),
        visit_key=np.zeros(n, np.uint64),
        calendar=np.zeros(CALENDAR, np.int32),
        coarse=np.zeros(CALENDAR >> COARSE_DAYS, np.int32),
        few=np.zeros(n, np.int32),
        keys=np.zeros((2, n), np.uint32),
        bucket=np.zeros(BUCKETS + 1, np.int32),
        at_risk=np.zeros(s, np.int64),
        survival=np.zeros(s),
        risk=np.zeros((2, n + 1)),
        tied=np.zeros((3, n + 1), np.int32),
        several=np.zeros(n + 1, np.int32),
        falls=np.zeros((2, n + 1), np.int64),
        work=np.zeros((3, n + 1)),
        table=np.zeros((s, 2, 2)),
    )
