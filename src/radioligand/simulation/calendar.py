# SPDX-License-Identifier: Apache-2.0
"""How a virtual trial unfolds: who has entered and who had the event by each month, over trials."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from radioligand.simulation.adaptive_design import AdaptiveDesign
from radioligand.simulation.adaptive_kernels import run_adaptive_trial
from radioligand.simulation.adaptive_model import COMPARED, T_ENTERED, T_MOST, WHOLE_TRIAL
from radioligand.simulation.cohort_design import CohortDesign
from radioligand.simulation.cohort_kernels import cohort_seeds
from radioligand.simulation.counters import Whole
from radioligand.simulation.kernels import run_trial, simulate_trials
from radioligand.simulation.model import ENTERED, ENTRY, HAPPENED, RESULTS, SEEN, Z, bench_for
from radioligand.simulation.trial_design import TrialDesign
from radioligand.statistics.observations import Floats

AnyDesign = TrialDesign | AdaptiveDesign | CohortDesign

SHARES = (0.05, 0.5, 0.95)  # of the trials


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """Quantiles over trials, at SHARES, by month: (3, m) each. Trials go on after they stop."""

    months: Floats  # (m,)
    subjects: Floats
    events: Floats


def calendar_fan(design: AnyDesign, *, seed: int, trials: int, months: Floats) -> Fan:
    """Return how many have entered and had the event by each month, over so many trials.

    Of several arms all events count, also those of arms that were dropped; of cohorts those of all.
    """
    days = np.asarray(months) * design.month_days
    if isinstance(design, CohortDesign):
        seeds = cohort_seeds(seed, len(design.cohorts)).tolist()
        parts = [
            _counted(own, seed=one, trials=trials, days=days)
            for own, one in zip(design.cohorts, seeds, strict=True)
        ]
    else:
        parts = [_counted(design, seed=seed, trials=trials, days=days)]
    entered, events = (np.sum(each, axis=0) for each in zip(*parts, strict=True))
    return Fan(
        months=np.asarray(months, np.float64),
        subjects=np.quantile(entered, SHARES, axis=0),
        events=np.quantile(events, SHARES, axis=0),
    )


def _counted(
    design: TrialDesign | AdaptiveDesign, *, seed: int, trials: int, days: Floats
) -> tuple[Floats, Floats]:
    """Who has entered, and who had the event, by each day, (trials, days) each."""
    entered, events = np.empty((trials, days.size)), np.empty((trials, days.size))
    for trial, (subjects, _) in enumerate(trials_again(design, seed=seed, trials=trials)):
        entry = subjects[ENTRY]
        event = np.sort((entry + subjects[SEEN] - 1)[subjects[HAPPENED] == 1])
        entered[trial] = np.searchsorted(entry, days, "right")
        events[trial] = np.searchsorted(event, days, "right")
    return entered, events


def trials_again(
    design: TrialDesign | AdaptiveDesign, *, seed: int, trials: int
) -> Iterator[tuple[Whole, int]]:
    """Give of each trial all subjects that may enter, rows of `SUBJECT`, and how many did.

    Those did who entered by its last look; the next trial is written over the same array.
    """
    bench = bench_for(design.model.trial if isinstance(design, AdaptiveDesign) else design.model)
    found = np.empty(len(RESULTS))
    whole, compared = np.empty(len(WHOLE_TRIAL)), np.empty((len(design.arms) - 1, len(COMPARED)))
    for trial in range(trials):
        if isinstance(design, AdaptiveDesign):
            run_adaptive_trial(
                design.model, bench, np.uint64(seed), np.uint64(trial), whole, compared
            )
            yield bench.subjects[:, : int(whole[T_MOST])], int(whole[T_ENTERED])
        else:
            run_trial(design.model, bench, np.uint64(seed), np.uint64(trial), found)
            yield bench.subjects, int(found[ENTERED])


def z_at_looks(design: TrialDesign, *, seed: int, trials: int) -> Floats:
    """Return quantiles of z, upward, at SHARES of the trials, if all went on to each look: (l, 3).

    Looks are by events.
    """
    model, rows = design.model, []
    never = np.array([np.inf])
    for events in model.look_events:
        one = model._replace(
            look_events=np.array([events]), stop_z=never, futility_z=-never, follow_up_days=-1
        )
        z = -simulate_trials(one, seed=seed, first=0, last=trials)[:, Z]
        rows.append(np.quantile(z[np.isfinite(z)], SHARES))
    return np.array(rows)
