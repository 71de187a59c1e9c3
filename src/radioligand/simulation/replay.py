# SPDX-License-Identifier: Apache-2.0
"""One virtual trial drawn again, alone: as arrays, and as the ADaM frames an analysis reads."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from radioligand.protocol import Protocol
from radioligand.simulation.counters import Whole, Words
from radioligand.simulation.courses import scan_day
from radioligand.simulation.kernels import cut, cut_survival, run_trial
from radioligand.simulation.model import (
    ARM,
    CROSSED,
    DAY,
    DAY_OF_LOOK,
    DEATH,
    ENTERED,
    ENTRY,
    EVENT,
    FOREVER,
    LOST,
    PROGRESSION,
    RESPONDS,
    RESULTS,
    SEEN,
    STRATUM,
    Model,
    bench_for,
)
from radioligand.simulation.trial_design import TrialDesign
from radioligand.simulation.trials import check_request
from radioligand.statistics.observations import Bools, Floats

OPENS = date(2020, 1, 1)  # recruitment, where the protocol says no day


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualTrial:
    """One trial as it stood when it stopped; arrays of the n subjects entered by then, (n,).

    Days of a subject count from 1, the day of entry.
    """

    results: dict[str, float]  # what the kernel found, by the names of `RESULTS`
    entry_day: Whole  # of the trial
    stratum: Whole  # place in the strata of the design
    experimental: Bools
    time_days: Whole  # to the event or to censoring
    event: Bools
    responds: Bools | None  # None if response is not simulated
    survival_days: Whole | None  # None if survival is not simulated
    died: Bools | None
    # what only the simulation knows: 1,000,000 stands for never
    progression_day: Whole
    death_day: Whole
    crossover_day: Whole
    dropout_day: Whole
    scan_days: Whole | None  # (n, v) on which scans are held if all went on, -1 if missed


def replay_trial(design: TrialDesign, *, seed: int, trial: int) -> VirtualTrial:
    """Draw the trial of that number again, from its seed alone.

    Raises SimulationError for a trial or seed that is no such number.
    """
    check_request(trial + 1, seed)
    model, bench = design.model, bench_for(design.model)
    found: Floats = np.empty(len(RESULTS))
    run_trial(model, bench, np.uint64(seed), np.uint64(trial), found)
    day, entered = int(found[DAY_OF_LOOK]), int(found[ENTERED])
    subjects = bench.subjects
    cut(
        subjects,
        day,
        model.visits,
        model.visits_before,
        model.window_days,
        model.missed_chance,
        bench.visit_key,
    )
    seen = subjects[:, :entered].copy()
    followed = np.minimum(day - seen[ENTRY] + 1, seen[SEEN])
    cut_survival(subjects, entered, day)
    alive = subjects[:, :entered]
    scenario = design.scenario
    return VirtualTrial(
        results=dict(zip(RESULTS, found.tolist(), strict=True)),
        entry_day=seen[ENTRY],
        stratum=seen[STRATUM],
        experimental=seen[ARM] == 1,
        time_days=seen[DAY],
        event=seen[EVENT] == 1,
        responds=(seen[RESPONDS] == 1) & (followed >= model.response_day)
        if scenario.has_response
        else None,
        survival_days=alive[DAY].copy() if scenario.has_course else None,
        died=alive[EVENT] == 1 if scenario.has_course else None,
        progression_day=seen[PROGRESSION],
        death_day=seen[DEATH] if scenario.has_course else np.full(entered, FOREVER, np.int32),
        crossover_day=seen[CROSSED],
        dropout_day=seen[LOST],
        scan_days=scan_days_of(model, bench.visit_key[:entered], day),
    )


def scan_days_of(model: Model, keys: Words, day: int) -> Whole | None:
    """Return the day of each scan planned by a day of the trial, (n, v), -1 if it was missed.

    None if there are no scans.
    """
    if not model.visits.size:
        return None
    many = int(np.searchsorted(model.visits, day + model.window_days, "right"))
    held = [
        [
            scan_day(model.visits, model.window_days, model.missed_chance, key, v)
            for v in range(many)
        ]
        for key in keys
    ]
    return np.array(held, np.int64).reshape(len(keys), many)


def trial_frames(
    virtual: VirtualTrial, *, design: TrialDesign, protocol: Protocol, opens: date | None = None
) -> dict[str, pl.DataFrame]:
    """Return a virtual trial as ADSL, ADTTE and, if response is simulated, ADRS.

    opens : the day of the trial's day 0; the protocol's first screening, if it says so.

    The frames hold what the analyses of the primary endpoint, of survival and of response read,
    not all that a derived study has.
    """
    n = virtual.time_days.size
    start = np.datetime64(opens or protocol.trial.first_screened or OPENS)
    control, experimental = design.arms
    arm = np.where(virtual.experimental, experimental, control)
    levels = [design.strata[place].id.split("/") for place in virtual.stratum.tolist()]
    entered = start + virtual.entry_day
    study = protocol.trial.name
    subject = [f"{study}-{number:05d}" for number in range(1, n + 1)]
    cutoff = start + np.int64(virtual.results["day"])
    adsl = pl.DataFrame(
        {
            "STUDYID": [study] * n,
            "USUBJID": subject,
            "TRT01P": arm,
            "TRT01A": arm,
            **{
                factor: [level[place] for level in levels]
                for place, factor in enumerate(design.factors)
            },
            **{each.flag: ["Y"] * n for each in protocol.populations},
            "RANDDT": entered,
            "CUTDT": np.full(n, cutoff),
        }
    )
    times = [_times(design.endpoint, virtual.time_days, virtual.event, subject, arm, entered)]
    if virtual.survival_days is not None and virtual.died is not None:
        times.append(_times("OS", virtual.survival_days, virtual.died, subject, arm, entered))
    frames = {"ADSL": adsl, "ADTTE": pl.concat(times)}
    if virtual.responds is not None:
        frames["ADRS"] = pl.DataFrame(
            {
                "USUBJID": subject,
                "PARAMCD": ["BOR"] * n,
                "AVALC": np.where(virtual.responds, "PR", "SD"),
            }
        )
    return frames


def _times(
    endpoint: str,
    days: Whole,
    event: Bools,
    subject: list[str],
    arm: NDArray[np.str_],
    entered: NDArray[np.datetime64],
) -> pl.DataFrame:
    """The records of one endpoint in ADTTE."""
    return pl.DataFrame(
        {
            "USUBJID": subject,
            "PARAMCD": [endpoint] * days.size,
            "TRTP": arm,
            "STARTDT": entered,
            "ADT": entered + (days - 1),
            "AVAL": days.astype(np.float64),
            "CNSR": (~event).astype(np.int64),
        }
    )
