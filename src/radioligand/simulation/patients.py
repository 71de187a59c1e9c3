# SPDX-License-Identifier: Apache-2.0
"""A virtual study of a protocol, written as SDTM: the front door of simulated patients.

Nothing downstream can tell the datasets from a real study's but by the flag in TS (TSPARMCD
"SIMULATD"). Follow-up runs well past the event count that ends the trial: the data cutoff is the
analysis's business.
"""

from collections.abc import Callable, Collection
from dataclasses import fields

import numpy as np
import polars as pl

from radioligand.protocol import Protocol
from radioligand.simulation.adverse_events import adverse_events, simulate_events
from radioligand.simulation.conduct import simulate_course
from radioligand.simulation.demography import (
    characteristics,
    demographics,
    screening_day,
)
from radioligand.simulation.design import Design, design_of
from radioligand.simulation.disposition import deaths, disposition, exposure, medication, visits
from radioligand.simulation.dose_study import measurements, simulate_doses
from radioligand.simulation.frames import dataset
from radioligand.simulation.imaging import imaging
from radioligand.simulation.laboratory import karnofsky, laboratory, vital_signs
from radioligand.simulation.parameters import Population, parse_population, read_population
from radioligand.simulation.population import Subjects, simulate_subjects
from radioligand.simulation.prior_therapy import prior_therapy
from radioligand.simulation.questionnaires import questionnaires
from radioligand.simulation.streams import Whole

__all__ = ["Population", "parse_population", "read_population", "simulate_study"]

_STEPS = 8


def simulate_study(
    *,
    protocol: Protocol,
    population: Population,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    without: Collection[str] = (),
) -> dict[str, pl.DataFrame]:
    """Simulate one study of `protocol` with patients of `population`, as SDTM datasets by name.

    The same protocol, population and seed give the same datasets. `progress`, if given, is told
    how many steps are done and how many there are. A population calibrated to a paper gives, with
    the seed of its calibration, the subjects chosen there. Of the domains `without`, AE, LB, VS
    and QS are not made at all, nor what follows from them. Raises ValueError if an allocation
    list runs out, which a protocol without forced randomisation does not allow, or if a
    calibration chose for another number of subjects.
    """
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, _STEPS)

    enrolment = population.enrolment
    days = (enrolment.followed_until - enrolment.first_screened).days
    design = design_of(protocol, days=days)
    everyone = simulate_subjects(population, design=design, seed=seed)
    subjects = _of(everyone)
    step()
    draws = _draws(population, subjects, seed)
    doses = simulate_doses(
        subjects, protocol=protocol, population=population, design=design, seed=seed
    )
    course = simulate_course(
        subjects, population=population, design=design, seed=seed, draws=draws, doses=doses
    )
    step()
    screening = screening_day(everyone, seed)
    study = demographics(everyone, course, design=design, visit=screening)
    study |= characteristics(everyone, design=design, visit=screening, seed=seed)
    washout = population.baseline.washout_days
    prior, procedures = prior_therapy(everyone, washout_days=washout, seed=seed)
    study["PR"] = dataset("PR", design.study, procedures, order=["PRSCAT"])
    study["CM"] = medication(prior, subjects, course, design=design, seed=seed)
    step()
    study["DS"] = disposition(everyone, subjects, course, design=design)
    study["DD"] = deaths(subjects, course, design=design)
    study["SV"] = visits(everyone, subjects, course, design=design, screening=screening)
    study |= exposure(subjects, course, design=design, seed=seed, planned=doses)
    if doses is not None:
        study["XA"] = measurements(
            study["EX"],
            subjects.identifier,
            course.end,
            subjects.randomised_day,
            doses,
            design=design,
        )
    step()
    study |= imaging(subjects, course, design=design)
    study["RS"] = _with_scores(
        study["RS"], karnofsky(everyone, course, screening=screening, seed=seed), design
    )
    step()
    events = simulate_events(subjects, course, population=population, design=design, seed=seed)
    if "AE" not in without:
        study |= adverse_events(events, subjects, population=population, design=design, seed=seed)
    step()
    if "LB" not in without:
        study["LB"] = laboratory(
            everyone,
            subjects,
            course,
            events,
            population=population,
            design=design,
            screening=screening,
            seed=seed,
        )
    if "VS" not in without:
        study["VS"] = vital_signs(
            everyone, subjects, course, design=design, screening=screening, seed=seed
        )
    step()
    if design.form_days and population.quality_of_life and "QS" not in without:
        study["QS"] = questionnaires(
            subjects, course, model=population.quality_of_life, design=design, seed=seed
        )
    study["TS"] = _trial_summary(design, everyone, population, seed)
    step()
    return dict(sorted(study.items()))


def _of(everyone: Subjects) -> Subjects:
    """Those of the screened subjects who were randomised."""
    keep = everyone.randomised
    return Subjects(
        **{field.name: getattr(everyone, field.name)[keep] for field in fields(everyone)}
    )


def _draws(population: Population, subjects: Subjects, seed: int) -> Whole | None:
    """Which draw each randomised subject takes; None: the seed's own for all."""
    chosen = population.calibration
    if chosen is None or chosen.seed != seed:
        return None
    if len(chosen.draws) != subjects.arm.size:
        raise ValueError(
            f"population {population.name}: its calibration chose {len(chosen.draws)} draws for "
            f"{subjects.arm.size} randomised subjects. Calibrate this population again."
        )
    return np.array(chosen.draws)


def _with_scores(
    responses: pl.DataFrame, scores: dict[str, object], design: Design
) -> pl.DataFrame:
    rows = pl.concat(
        [responses.drop("STUDYID", "DOMAIN", "RSSEQ"), pl.DataFrame(scores)], how="diagonal_relaxed"
    )
    return dataset("RS", design.study, rows, order=["RSCAT", "RSEVAL", "VISITNUM", "RSTESTCD"])


def _trial_summary(
    design: Design, everyone: Subjects, population: Population, seed: int
) -> pl.DataFrame:
    """TS: the trial; SIMULATD says that its patients are not real, SIMCALIB whom they resemble."""
    rows = [
        ("TITLE", "Trial Title", design.title),
        ("REGID", "Registry Identifier", design.registry),
        ("PLANSUB", "Planned Number of Subjects", str(design.planned_subjects or "")),
        ("ACTSUB", "Actual Number of Subjects", str(int(everyone.randomised.sum()))),
        ("NARMS", "Planned Number of Arms", str(len(design.arms))),
        ("RANDOM", "Trial is Randomized", "Y"),
        ("SIMULATD", "Patients are simulated", "Y"),
        ("SIMSEED", "Seed of the simulation", str(seed)),
    ]
    if fitted := population.calibration:
        told = f"{fitted.paper}, cutoff {fitted.cutoff}, {fitted.reviewer} review"
        rows.append(("SIMCALIB", "Calibrated to published summaries of", told))
    code, name, value = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "STUDYID": [design.study] * len(rows),
            "DOMAIN": ["TS"] * len(rows),
            "TSSEQ": [1] * len(rows),
            "TSPARMCD": code,
            "TSPARM": name,
            "TSVAL": value,
        }
    )
