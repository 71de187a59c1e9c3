# SPDX-License-Identifier: Apache-2.0
"""A harm that comes late, in virtual trials: who is still followed when it comes.

Each subject has a day of the harm of its own, at a constant hazard that gives the share of the
protocol by its month if nothing comes before. Death and dropout are those of the trial, and
everybody else is followed so long after entry, until the last subject has been.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr

from radioligand.planning.late_harm import ERROR
from radioligand.protocol import LateHarm
from radioligand.simulation.adaptive_design import AdaptiveDesign
from radioligand.simulation.calendar import trials_again
from radioligand.simulation.cohort_design import CohortDesign
from radioligand.simulation.cohort_kernels import cohort_seeds
from radioligand.simulation.counters import Whole, draw_words
from radioligand.simulation.model import ARM, DEATH, ENTRY, FOREVER, LOST, Model
from radioligand.simulation.trial_design import TrialDesign
from radioligand.statistics.competing import cumulative_incidence
from radioligand.statistics.observations import Bools, Floats

LATE_TRIALS = 1000
PURPOSE = 16  # of the words of the first harm; those of a trial's course are below
PER_WORD = 1 / 4_294_967_296
TINY = 1e-12
NONE, HARM, DIED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LateHarmAt:
    """What an arm tells if that share has the harm; a probability has its Monte Carlo error."""

    share: float
    seen: float  # probability of at least one subject with it
    seen_error: float
    incidence: float  # cumulative, by the month, with death before it
    excluded: float  # probability that the high share is excluded
    excluded_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LateHarmOutcome:
    """A late harm in one arm over many trials."""

    endpoint: str
    label: str
    arm: str
    months: float  # of follow-up after entry
    trials: int
    subjects: float  # mean, of the arm
    known: float  # mean: those in whom it is known whether they have it by then
    month: float  # mean, of the trial: the last subject has been followed so long
    deaths: bool  # whether deaths are simulated
    usual: LateHarmAt
    high: LateHarmAt


class _Followed(NamedTuple):
    """The subjects of all trials, (n,), and the last entry of each trial, (trials,)."""

    trial: Whole
    arm: Whole
    lost: Whole
    death: Whole
    uniform: Floats  # (harms, n)
    last_entry: Whole


def late_harm_outcomes(
    design: TrialDesign | AdaptiveDesign | CohortDesign,
    harms: Sequence[LateHarm],
    *,
    seed: int,
    trials: int,
) -> tuple[LateHarmOutcome, ...]:
    """Return what the first `trials` of a seed tell of each late harm in each arm.

    The high share is excluded if so few have the harm that this has a probability of 5 % or less
    under it, among those in whom it is known (exact binomial, one-sided): who had it, died before
    or was followed to the month. With nobody lost that is `planning.late_harm_plans`.
    """
    if not harms:
        return ()
    rows = _followed(design, harms=len(harms), seed=seed, trials=trials)
    model = _model(design)
    arms = design.cohorts[0].arms if isinstance(design, CohortDesign) else design.arms
    death = rows.death if model.has_course else np.full(rows.death.size, FOREVER)
    found = []
    for place, harm in enumerate(harms):
        days = round(harm.months * design.month_days)
        month = float(np.mean(rows.last_entry + days)) / design.month_days
        for number, arm in enumerate(arms):
            own = rows.arm == number
            one = rows._replace(
                trial=rows.trial[own],
                lost=rows.lost[own],
                death=death[own],
                uniform=rows.uniform[:, own],
            )
            usual, known = _at(one, place, share=harm.usual, high=harm.high, days=days)
            high, _ = _at(one, place, share=harm.high, high=harm.high, days=days)
            found.append(
                LateHarmOutcome(
                    endpoint=harm.endpoint,
                    label=harm.label,
                    arm=arm,
                    months=harm.months,
                    trials=trials,
                    subjects=int(own.sum()) / trials,
                    known=known,
                    month=month,
                    deaths=model.has_course,
                    usual=usual,
                    high=high,
                )
            )
    return tuple(found)


def _at(
    rows: _Followed, harm: int, *, share: float, high: float, days: int
) -> tuple[LateHarmAt, float]:
    """What an arm tells at one share, and in how many subjects it is known."""
    trials = rows.last_entry.size
    hazard = max(-float(np.log1p(-min(share, 1 - TINY))), TINY)  # by `days`
    waited = -np.log(rows.uniform[harm]) / hazard
    day = 1 + np.minimum(np.floor(waited * days), FOREVER).astype(np.int64)
    before = np.minimum(np.minimum(rows.lost, rows.death), days)
    has = day <= before
    died = ~has & (rows.death <= np.minimum(rows.lost, days))
    known = has | died | (rows.lost >= days)
    many = np.bincount(rows.trial[has], minlength=trials)
    of = np.bincount(rows.trial[known], minlength=trials)
    seen = float(np.mean(many > 0))
    excluded = float(np.mean(bdtr(many, of, high) <= ERROR))
    return (
        LateHarmAt(
            share=share,
            seen=seen,
            seen_error=_error(seen, trials),
            incidence=_incidence(np.where(has, day, before), has, died),
            excluded=excluded,
            excluded_error=_error(excluded, trials),
        ),
        float(of.mean()),
    )


def _incidence(day: Whole, has: Bools, died: Bools) -> float:
    """Cumulative incidence of the harm at the end of follow-up, by Aalen and Johansen."""
    if not has.any():
        return 0.0
    cause = np.where(has, HARM, np.where(died, DIED, NONE))
    found = cumulative_incidence(day, cause, censored=NONE)
    return float(found.incidence[-1, found.causes.index(HARM)])


def _error(share: float, trials: int) -> float:
    return float(np.sqrt(share * (1 - share) / trials))


def _model(design: TrialDesign | AdaptiveDesign | CohortDesign) -> Model:
    if isinstance(design, CohortDesign):
        return design.together.model
    return design.model.trial if isinstance(design, AdaptiveDesign) else design.model


def _followed(
    design: TrialDesign | AdaptiveDesign | CohortDesign, *, harms: int, seed: int, trials: int
) -> _Followed:
    """Draw the subjects of all trials again, who entered by the last look of their own part."""
    parts = [(design, seed)] if not isinstance(design, CohortDesign) else []
    if isinstance(design, CohortDesign):
        seeds = cohort_seeds(seed, len(design.cohorts)).tolist()
        parts = list(zip(design.cohorts, seeds, strict=True))
    kept: list[Whole] = []
    uniform: list[Floats] = []
    last = np.zeros(trials, np.int64)
    for own, own_seed in parts:
        for trial, (subjects, entered) in enumerate(
            trials_again(own, seed=own_seed, trials=trials)
        ):
            rows = subjects[[ARM, LOST, DEATH], :entered].astype(np.int64)
            kept.append(np.vstack([np.full(entered, trial), rows]))
            uniform.append(_uniform(own_seed, trial, harms=harms, subjects=entered))
            if entered:
                last[trial] = max(last[trial], int(subjects[ENTRY, entered - 1]))
    trial_of, arm, lost, death = np.hstack(kept)
    return _Followed(trial_of, arm, lost, death, np.hstack(uniform), last)


def _uniform(seed: int, trial: int, *, harms: int, subjects: int) -> Floats:
    """Numbers in (0, 1) of a stream that nothing else of the trial is drawn from, (harms, n)."""
    words = np.zeros((4, subjects), np.uint64)
    found = np.empty((harms, subjects))
    for harm in range(harms):
        draw_words(np.uint64(seed), np.uint64(trial), np.uint64(PURPOSE + harm), words)
        found[harm] = (words[0] + 0.5) * PER_WORD
    return found
