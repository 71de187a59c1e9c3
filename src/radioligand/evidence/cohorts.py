# SPDX-License-Identifier: Apache-2.0
"""Virtual cohorts as arrays: simulated, cut and derived as any study is, a row for each subject.

What one randomised subject draws changes nothing for another. So a cohort may take each subject
from another draw of the same seed, and its arrays are put together from theirs.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from radioligand.analysis.best_response import evaluable
from radioligand.analysis.scope import scope
from radioligand.analysis.shrinkage import best_change, followed, progressive, sums
from radioligand.cdisc import join_supplemental
from radioligand.derivation import cut, derive
from radioligand.evidence.targets import WEIGHT, Target, Targets
from radioligand.protocol import Protocol
from radioligand.protocol.records import BestResponse, ShrinkageLandmarks
from radioligand.simulation.design import Design, design_of
from radioligand.simulation.parameters import Calibration, Population
from radioligand.simulation.patients import simulate_study
from radioligand.simulation.population import simulate_subjects
from radioligand.subjects import derive_adsl

Cohort = Mapping[str, NDArray[Any]]  # arrays by name, (n,) randomised subjects by USUBJID
WITHOUT = ("AE", "LB", "QS")  # domains on which no target stands
LAST_ALIVE = "LSTALVDT"
NO_LIMIT = 0  # as the day of a best change: whenever it was


def calibrated(
    population: Population, targets: Targets, *, seed: int, draws: Iterable[int]
) -> Population:
    """Return the population with the study of this seed and these draws as its calibration."""
    chosen = Calibration(
        study=targets.id,
        paper=targets.paper,
        cutoff=targets.cutoff,
        reviewer=targets.reviewer,
        seed=seed,
        draws=tuple(draws),
    )
    return replace(population, calibration=chosen)


def left_out(protocol: Protocol, targets: Targets) -> tuple[str, ...]:
    """The domains without which the targets that count are exactly what they are with them.

    An endpoint that ends when a subject was last known to be alive takes dates from more of them.
    """
    asked = {one.endpoint for one in targets.targets if WEIGHT[one.role]}
    lasts = any(
        source.date == LAST_ALIVE
        for one in protocol.endpoints
        if one.id in asked
        for source in one.censors
    )
    dated = {source.dataset for source in protocol.data.alive if lasts}
    return tuple(domain for domain in WITHOUT if domain not in dated)


def virtual_cohort(
    population: Population,
    targets: Targets,
    *,
    protocol: Protocol,
    seed: int,
    draw: int = 0,
    without: Collection[str] = WITHOUT,
) -> Cohort:
    """Simulate a study, each subject by the same draw of the seed, and measure it at the cutoff.

    Without all of `WITHOUT` it takes less time, and some are followed for a few days less.
    """
    everyone = [draw] * population.enrolment.randomised
    population = calibrated(population, targets, seed=seed, draws=everyone)
    study = simulate_study(protocol=protocol, population=population, seed=seed, without=without)
    return arrays(study, targets, protocol=protocol)


def baseline_cohort(
    population: Population, targets: Targets, *, protocol: Protocol, seed: int
) -> Cohort:
    """Return of a virtual study what does not depend on what happens after randomisation."""
    study = simulate_study(protocol=protocol, population=population, seed=seed, without=WITHOUT)
    seen = cut(join_supplemental(study).frames, cutoff=targets.cutoff)
    adsl = derive_adsl(seen, protocol=protocol, cutoff=targets.cutoff)
    return _arrays(_subjects(adsl, targets))


def arrays(study: Mapping[str, pl.DataFrame], targets: Targets, *, protocol: Protocol) -> Cohort:
    """Derive SDTM datasets at the targets' cutoff and return what the targets ask of each subject.

    arm, stratum (text), member (of the full analysis), and as far as asked: "PFS time" and "PFS
    event" by endpoint (days; nan without record), response, evaluable, "change 150" by landmark
    (percent; nan without), progressive, columns of ADSL, and FOLLOWUP, days to the cutoff.
    """
    lean = _lean(protocol, targets)
    adam = derive(join_supplemental(study).frames, protocol=lean, cutoff=targets.cutoff)
    frame = _subjects(adam["ADSL"], targets)
    for endpoint in sorted({one.endpoint for one in targets.targets} - {""}):
        times = adam["ADTTE"].filter(PARAMCD=endpoint).select(
            "USUBJID", (pl.col("CNSR") == 0).alias(f"{endpoint} event"),
            pl.col("AVAL").cast(pl.Float64).alias(f"{endpoint} time"),
        )  # fmt: skip
        frame = frame.join(times, on="USUBJID", how="left", maintain_order="left")
        frame = frame.with_columns(pl.col(f"{endpoint} event").fill_null(False))
    frame = _with_response(frame, adam, protocol)
    if days := sorted({one.day for one in targets.targets if one.measure.startswith("shrinkage")}):
        frame = _with_changes(frame, adam, protocol, days)
    return _arrays(frame)


def design_for(population: Population, protocol: Protocol) -> Design:
    """Return the design of a virtual study of this population."""
    enrolment = population.enrolment
    return design_of(protocol, days=(enrolment.followed_until - enrolment.first_screened).days)


def by_consent(
    draws: NDArray[np.int64],
    cohort: Cohort,
    population: Population,
    *,
    protocol: Protocol,
    seed: int,
) -> tuple[int, ...]:
    """Return the draws of a cohort's subjects in the order in which the simulation has them.

    Who is randomised after the cutoff is in no cohort, and has the seed's own draw, 0.
    """
    design = design_for(population, protocol)
    everyone = simulate_subjects(population, design=design, seed=seed)
    drawn = dict(zip(cohort["USUBJID"].tolist(), draws.tolist(), strict=True))
    return tuple(drawn.get(name, 0) for name in everyone.identifier[everyone.randomised].tolist())


def chosen(pool: Mapping[str, NDArray[Any]], draws: NDArray[np.int64]) -> Cohort:
    """Put a cohort together: each subject, (n,), from its draw in the pool's arrays, (k, n)."""
    place = np.arange(draws.size)
    return {name: values[draws, place] for name, values in pool.items()}


def pooled(cohorts: Iterable[Cohort]) -> dict[str, NDArray[Any]]:
    """Stack cohorts of the same subjects, (k, n), the draw first."""
    several = tuple(cohorts)
    return {name: np.stack([each[name] for each in several]) for name in several[0]}


def _arrays(frame: pl.DataFrame) -> Cohort:
    columns = {name: frame[name].to_numpy() for name in frame.columns}
    return {
        name: values.astype(str) if values.dtype == object else values
        for name, values in columns.items()
    }


def _subjects(adsl: pl.DataFrame, targets: Targets) -> pl.DataFrame:
    """The randomised subjects, sorted by USUBJID, with what is asked of them at baseline."""
    return (
        adsl.filter(pl.col("RANDDT").is_not_null())
        .sort("USUBJID")
        .with_columns(
            arm="TRT01P",
            stratum="STRATUM",
            member=(pl.col("FASFL") == "Y").fill_null(False),
            FOLLOWUP=(pl.lit(targets.cutoff) - pl.col("RANDDT")).dt.total_days(),
        )
        .select("USUBJID", "arm", "stratum", "member", *_columns(targets.targets))
    )


def _columns(targets: Iterable[Target]) -> tuple[str, ...]:
    return tuple(sorted({one.column for one in targets} - {""}))


def _lean(protocol: Protocol, targets: Targets) -> Protocol:
    """The protocol without what no target asks for, which saves half of the time."""
    asked = {one.endpoint for one in targets.targets}
    return protocol.model_copy(
        update={
            "eligibility": (),
            "dosing": None,
            "endpoints": tuple(one for one in protocol.endpoints if one.id in asked),
        }
    )


def _with_response(
    frame: pl.DataFrame, adam: Mapping[str, pl.DataFrame], protocol: Protocol
) -> pl.DataFrame:
    """Add the best response, and whether any is known, as the protocol's analysis has them."""
    analysis = next(one for one in protocol.analyses if isinstance(one, BestResponse))
    best = adam["ADRS"].filter(PARAMCD=analysis.parameter).select("USUBJID", response="AVALC")
    seen = evaluable(scope(adam, protocol=protocol, analysis=analysis), analysis)["USUBJID"]
    unknown = pl.col("response").replace("MISSING", "NE").fill_null("NE")
    return frame.join(best, on="USUBJID", how="left", maintain_order="left").with_columns(
        response=unknown, evaluable=pl.col("USUBJID").is_in(seen.implode())
    )


def _with_changes(
    frame: pl.DataFrame, adam: Mapping[str, pl.DataFrame], protocol: Protocol, days: list[int]
) -> pl.DataFrame:
    """Add the best change by each landmark and who progressed at best."""
    analysis = next(one for one in protocol.analyses if isinstance(one, ShrinkageLandmarks))
    own = scope(adam, protocol=protocol, analysis=analysis)
    changes = sums(own, analysis)
    worst = progressive(own, analysis, changes)
    frame = frame.with_columns(progressive=pl.col("USUBJID").is_in(worst.implode()))
    lasted = followed(own, endpoint=analysis.endpoint).select(
        "USUBJID", pl.col("day").cast(pl.Float64).alias(f"{analysis.endpoint} day")
    )
    frame = frame.join(lasted, on="USUBJID", how="left", maintain_order="left")
    for day in days:
        best = best_change(changes, by_day=None if day == NO_LIMIT else day)
        named = best.select("USUBJID", pl.col("best").alias(f"change {day}"))
        frame = frame.join(named, on="USUBJID", how="left", maintain_order="left")
    return frame
