# SPDX-License-Identifier: Apache-2.0
"""What many trials of cohorts left, summed up: each cohort, all together, and what to borrow by."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from radioligand.simulation.cohort_design import CohortDesign
from radioligand.simulation.cohort_kernels import COHORT_TRIAL, T_DAY, simulate_cohorts
from radioligand.simulation.model import (
    CHAIN_STEPS,
    DAY_OF_LOOK,
    ENTERED,
    EVENTS,
    LOG_HAZARD_RATIO,
    STANDARD_ERROR,
    STOPPED,
)
from radioligand.simulation.tallies import (
    WEEKS,
    Characteristics,
    Mean,
    Tally,
    characteristics,
    mean_of,
    quantiles_of,
    tally,
)
from radioligand.statistics.observations import Floats

TOGETHER = "together"
ESTIMATES = {
    "events": EVENTS,
    "subjects": ENTERED,
    "day": DAY_OF_LOOK,
    "stopped": STOPPED,
    "log_hazard_ratio": LOG_HAZARD_RATIO,
    "standard_error": STANDARD_ERROR,
}


def cohort_tally(found: Floats, of_all: Floats, ended: Floats, *, design: CohortDesign) -> Tally:
    """Sum up what `simulate_cohorts` returned; a cohort's own tally stands under its name."""
    held = found[:, :, STOPPED] == 1
    weeks = np.minimum(ended[:, T_DAY] // 7, WEEKS - 1).astype(np.int64)
    known = of_all.copy()
    known[:, CHAIN_STEPS] = known[:, STOPPED] == 1  # the first step; no other is followed of all
    total = {
        "trials": np.array([found.shape[0]]),
        "any": np.array([held.any(axis=1).sum()]),
        "every": np.array([held.all(axis=1).sum()]),
        "end_sums": ended.sum(axis=0),
        "end_squares": (ended**2).sum(axis=0),
        "end_weeks": np.bincount(weeks, minlength=WEEKS),
    }
    parts = {
        **{
            name: (found[:, place], design.cohorts[place])
            for place, name in enumerate(design.names)
        },
        TOGETHER: (known, design.together),
    }
    for name, (rows, own) in parts.items():
        total |= {f"{name}:{key}": value for key, value in tally(rows, design=own).items()}
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortCharacteristics:
    """The operating characteristics of a design of cohorts, from so many trials."""

    trials: int
    power: float  # of the test of all together, which the protocol plans
    power_error: float
    any: float  # share of trials in which any cohort was found better
    every: float  # share in which all were
    cohorts: tuple[Characteristics, ...]
    together: Characteristics
    means: Mapping[str, Mean]  # of each of COHORT_TRIAL
    day_quantiles: tuple[float, ...]  # of the last look at anything


def cohort_characteristics(total: Tally, *, design: CohortDesign) -> CohortCharacteristics:
    """Return the operating characteristics that a tally holds."""
    n = int(total["trials"][0])

    def of(name: str) -> Characteristics:
        prefix = f"{name}:"
        own = {key: value for key, value in total.items() if key.startswith(prefix)}
        return characteristics({key.removeprefix(prefix): value for key, value in own.items()})

    together = of(TOGETHER)
    return CohortCharacteristics(
        trials=n,
        power=together.power,
        power_error=together.power_error,
        any=float(total["any"][0] / n),
        every=float(total["every"][0] / n),
        cohorts=tuple(of(name) for name in design.names),
        together=together,
        means={
            name: mean_of(n, float(total["end_sums"][i]), float(total["end_squares"][i]))
            for i, name in enumerate(COHORT_TRIAL)
        },
        day_quantiles=tuple((7.0 * quantiles_of(total["end_weeks"])).tolist()),
    )


def cohort_estimates(design: CohortDesign, *, seed: int, trials: int) -> pl.DataFrame:
    """Return what each cohort of each trial estimates on stopping: one row a trial and cohort.

    Columns: trial, cohort, events, subjects, day (of the trial), stopped (1 for efficacy, -1 for
    futility, 0 neither), log_hazard_ratio and its standard_error. It is what a model that borrows
    between cohorts begins with; which model is for its user to choose.
    """
    found, _, _ = simulate_cohorts(
        tuple(one.model for one in design.cohorts),
        design.together.model,
        seed=seed,
        first=0,
        last=trials,
    )
    many = len(design.names)
    return pl.DataFrame(
        {
            "trial": np.repeat(np.arange(trials), many),
            "cohort": list(design.names) * trials,
            **{name: found[:, :, column].ravel() for name, column in ESTIMATES.items()},
        }
    ).with_columns(pl.col("events", "subjects", "day", "stopped").cast(pl.Int64))
