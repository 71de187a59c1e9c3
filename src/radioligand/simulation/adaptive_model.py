# SPDX-License-Identifier: Apache-2.0
"""A virtual trial that changes while it runs, and what it leaves: plain numbers for loops.

Several experimental arms against one control, arms that stop or open, boundaries spent by what has
been seen, more events where a look is promising. What the trials of `model` have is as there.
"""

from typing import NamedTuple

from radioligand.simulation.counters import Whole
from radioligand.simulation.model import Model
from radioligand.statistics.observations import Floats

VERSION = 2  # of these trials and their tallies: raised when the same seed gives others

# what one comparison leaves, in each trial and experimental arm
COMPARED = (
    "look",  # at which it ended, from 0; of a dropped arm how many looks it had had
    "stopped",  # 1 for efficacy, -1 for futility, -2 dropped, 0 at the last look without
    "reached",  # 1 if the events of that look were reached
    "day",  # of the trial when it ended
    "entered",  # subjects of both arms who are compared
    "events",
    "z",  # of the test: negative where the experimental arm does better
    "log_hazard_ratio",
    "standard_error",
    "median_control",  # days
    "median_experimental",
    "response_z",
    "response_control",
    "response_experimental",
    "survival_z",
    "survival_log_hazard_ratio",
    "deaths",
    "crossed",
    "bound",  # of that look, z upward
    "first_log_hazard_ratio",  # when arms were compared to be dropped, the last time
    "first_standard_error",
    "in_arm",  # subjects allocated to the experimental arm in the whole trial
    "from_day",  # of the trial, on which the first of those compared could enter
)
(
    C_LOOK,
    C_STOPPED,
    C_REACHED,
    C_DAY,
    C_ENTERED,
    C_EVENTS,
    C_Z,
    C_LOG_HAZARD_RATIO,
    C_STANDARD_ERROR,
    C_MEDIAN_CONTROL,
    C_MEDIAN_EXPERIMENTAL,
    C_RESPONSE_Z,
    C_RESPONSE_CONTROL,
    C_RESPONSE_EXPERIMENTAL,
    C_SURVIVAL_Z,
    C_SURVIVAL_LOG_HAZARD_RATIO,
    C_DEATHS,
    C_CROSSED,
    C_BOUND,
    C_FIRST_LOG_HAZARD_RATIO,
    C_FIRST_STANDARD_ERROR,
    C_IN_ARM,
    C_FROM_DAY,
) = range(len(COMPARED))

# what the whole trial leaves
WHOLE_TRIAL = (
    "day",  # on which the last comparison ended
    "entered",  # subjects by then
    "in_control",
    "on",  # arms left after the last drop; all of them without one
    "conditional_power",  # at the look that may raise the events
    "events_planned",  # of one comparison at the end, as planned or raised
    "first_day",  # of the last look at which arms could be dropped
    "first_entered",  # subjects by then
    "most",  # subjects who may enter, as planned or raised
)
(
    T_DAY,
    T_ENTERED,
    T_IN_CONTROL,
    T_ON,
    T_CONDITIONAL_POWER,
    T_EVENTS_PLANNED,
    T_FIRST_DAY,
    T_FIRST_ENTERED,
    T_MOST,
) = range(len(WHOLE_TRIAL))

WAITING, OPEN, ENDED = 0, 1, 2  # states of an arm


class AdaptiveModel(NamedTuple):
    """A trial of a control and a - 1 experimental arms with its rules; control is the first.

    Of `trial` the subjects are the most there may be, and its looks are not used.
    """

    trial: Model
    subjects: int  # as planned
    places: Whole  # (a,) of each arm in a block
    opens: Whole  # (a,) day of the trial; 0 from the start
    # arms that stop
    drop_events: Whole  # (d,) of one comparison
    drop_log_ratio: Floats  # (d,) above which an arm stops; inf: never
    drop_keep: Whole  # (d,) arms that go on at most
    first_stage_counts: bool  # False: final comparisons are of those who enter after the drops
    # looks of each comparison
    look_events: Whole  # (l,) of the comparison; the last are those planned, and spent by
    look_days: Whole  # (l,) of the trial, instead of events; -1: by events
    stop_z: Floats  # (l,) efficacy, upward; found at the look if `spending`
    futility_z: Floats  # (l,) upward: futility at or below; -inf: never
    spending: int  # by events seen: 0 none, 1 O'Brien and Fleming, 2 Pocock
    alpha: float  # one-sided, of a comparison
    max_combo: bool
    # more events where it is promising
    resize_events: int  # 0: never
    promising_from: float
    promising_below: float
    resize_power_z: float
    most_events: int
    resize_weighted: bool
