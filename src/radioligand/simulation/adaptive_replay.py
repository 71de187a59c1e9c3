# SPDX-License-Identifier: Apache-2.0
"""One virtual trial of several arms drawn again, alone: each comparison as arrays."""

from dataclasses import dataclass

import numpy as np

from radioligand.simulation.adaptive_design import AdaptiveDesign
from radioligand.simulation.adaptive_kernels import pair_of, run_adaptive_trial
from radioligand.simulation.adaptive_model import C_DAY, C_FROM_DAY, COMPARED, T_MOST, WHOLE_TRIAL
from radioligand.simulation.counters import Whole
from radioligand.simulation.kernels import cut, cut_survival
from radioligand.simulation.model import (
    ARM,
    DAY,
    DEATH,
    ENTRY,
    EVENT,
    FOREVER,
    LOST,
    PROGRESSION,
    STRATUM,
    bench_for,
)
from radioligand.simulation.replay import scan_days_of
from radioligand.simulation.trials import check_request
from radioligand.statistics.observations import Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualComparison:
    """One arm and control as they stood when the arm ended; arrays of n subjects, (n,).

    Days of a subject count from 1, the day of entry.
    """

    arm: str
    results: dict[str, float]  # what the kernel found, by the names of `COMPARED`
    entry_day: Whole  # of the trial
    stratum: Whole
    experimental: Bools
    time_days: Whole
    event: Bools
    survival_days: Whole | None  # None if survival is not simulated
    died: Bools | None
    # what only the simulation knows: 1,000,000 stands for never
    progression_day: Whole
    death_day: Whole
    dropout_day: Whole
    scan_days: Whole | None  # (n, v) on which scans are held if all went on, -1 if missed


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualAdaptiveTrial:
    """One trial of several arms; arrays of all subjects there may have been, (n,)."""

    results: dict[str, float]  # by the names of `WHOLE_TRIAL`
    entry_day: Whole
    stratum: Whole
    arm: Whole  # place in the arms of the design, control first
    comparisons: tuple[VirtualComparison, ...]  # of the arms that opened


def replay_adaptive_trial(design: AdaptiveDesign, *, seed: int, trial: int) -> VirtualAdaptiveTrial:
    """Draw the trial of that number again, from its seed alone.

    Raises SimulationError for a trial or seed that is no such number.
    """
    check_request(trial + 1, seed)
    model, bench = design.model, bench_for(design.model.trial)
    whole = np.empty(len(WHOLE_TRIAL))
    compared = np.empty((len(design.arms) - 1, len(COMPARED)))
    run_adaptive_trial(model, bench, np.uint64(seed), np.uint64(trial), whole, compared)
    subjects = bench.subjects
    most = int(whole[T_MOST])
    comparisons = []
    for place, found in enumerate(compared):
        if np.isnan(found[C_DAY]):
            continue
        day, since = int(found[C_DAY]), int(found[C_FROM_DAY])
        drawn = model.trial
        pair, keys = pair_of(bench, place + 1, since, day, most)
        cut(
            pair,
            day,
            drawn.visits,
            drawn.visits_before,
            drawn.window_days,
            drawn.missed_chance,
            keys,
        )
        seen = pair.copy()
        if drawn.has_survival:
            cut_survival(pair, pair.shape[1], day)
        comparisons.append(
            VirtualComparison(
                arm=design.arms[place + 1],
                results=dict(zip(COMPARED, found.tolist(), strict=True)),
                entry_day=seen[ENTRY],
                stratum=seen[STRATUM],
                experimental=seen[ARM] == 1,
                time_days=seen[DAY],
                event=seen[EVENT] == 1,
                survival_days=pair[DAY] if drawn.has_survival else None,
                died=pair[EVENT] == 1 if drawn.has_survival else None,
                progression_day=seen[PROGRESSION],
                death_day=seen[DEATH]
                if drawn.has_course
                else np.full(seen.shape[1], FOREVER, np.int32),
                dropout_day=seen[LOST],
                scan_days=scan_days_of(drawn, keys, day),
            )
        )
    return VirtualAdaptiveTrial(
        results=dict(zip(WHOLE_TRIAL, whole.tolist(), strict=True)),
        entry_day=subjects[ENTRY, :most].copy(),
        stratum=subjects[STRATUM, :most].copy(),
        arm=subjects[ARM, :most].copy(),
        comparisons=tuple(comparisons),
    )
