# SPDX-License-Identifier: Apache-2.0
"""lifelines on the trials of simulation.py, run by its own Python (`--peers`).

lifelines has no stratified log-rank test, so the test is without strata; Cox's model has them.
Argument: number of trials. Prints power, wall and processor seconds.
"""

import sys
import time

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import logrank_test

N, EVENTS, MONTH_RATE, DROPOUT = 226, 99, np.log(2) / 15, -np.log(1 - 0.15) / 12
SHARES, RATIOS, BLOCK = (0.36, 0.29, 0.19, 0.16), np.array([1, 1, 1.3, 1.3]), (1, 1, 1, 1, 0, 0)


def trial(numbers: np.random.Generator) -> pd.DataFrame:
    """Draw one trial, cut on the day of its last event."""
    stratum = numbers.choice(4, N, p=SHARES)
    arm = np.zeros(N, np.int64)
    for one in range(4):
        own = np.flatnonzero(stratum == one)
        blocks = [numbers.permutation(BLOCK) for _ in range(-(-own.size // len(BLOCK)))]
        arm[own] = np.concatenate([*blocks, np.zeros(0, np.int64)])[: own.size]
    entry = numbers.exponential(1 / 10, N).cumsum()
    event = numbers.exponential(1 / (MONTH_RATE * RATIOS[stratum] * np.where(arm == 1, 0.5, 1)))
    lost = numbers.exponential(1 / DROPOUT, N)
    due = np.sort((entry + event)[event <= lost])[EVENTS - 1]
    follow = np.minimum(np.minimum(event, lost), due - entry)
    seen = (event <= lost) & (entry + event <= due)
    frame = pd.DataFrame({"follow": follow, "seen": seen, "arm": arm, "stratum": stratum})
    return frame[entry < due]


def is_significant(frame: pd.DataFrame) -> bool:
    """Do what a trial of ours holds: test, model, both curves."""
    one, other = (frame[frame["arm"] == arm] for arm in (1, 0))
    found = logrank_test(one["follow"], other["follow"], one["seen"], other["seen"])
    model = CoxPHFitter().fit(frame, "follow", "seen", strata=["stratum"])
    for arm in (one, other):
        KaplanMeierFitter().fit(arm["follow"], arm["seen"])
    return bool(found.p_value <= 0.05 and model.params_["arm"] < 0)


def main() -> None:
    """Warm up, run the trials, print what they took."""
    trials, numbers = int(sys.argv[1]), np.random.default_rng(1)
    is_significant(trial(numbers))
    wall, processor = time.perf_counter(), time.process_time()
    significant = sum(is_significant(trial(numbers)) for _ in range(trials))
    print(significant / trials, time.perf_counter() - wall, time.process_time() - processor)


if __name__ == "__main__":
    main()
