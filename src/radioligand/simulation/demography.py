# SPDX-License-Identifier: Apache-2.0
"""What is collected of a subject at screening: DM, SUPPDM, MI, SC."""

from typing import Any

import numpy as np
import polars as pl

from radioligand.simulation.conduct import Course
from radioligand.simulation.design import Design
from radioligand.simulation.frames import (
    dataset,
    iso_dates,
    numbers,
    plain,
    supplemental,
    texts,
)
from radioligand.simulation.population import ORGANS, Subjects
from radioligand.simulation.prior_therapy import progression_after_prrt
from radioligand.simulation.streams import Floats, Whole, uniforms


def screening_day(subjects: Subjects, seed: int) -> Whole:
    """Day of the screening visit, on which everything at screening is done."""
    wait = np.floor(8 * uniforms(seed, "screening visit", subjects.arm.size))
    return subjects.consent_day + wait.astype(np.int64)


def on_everyone(subjects: Subjects, values: Floats, *, other: float = np.inf) -> Floats:
    """Spread values of the randomised over all screened subjects."""
    spread = np.full(subjects.arm.size, other)
    spread[subjects.randomised] = values
    return spread


def demographics(
    subjects: Subjects, course: Course, *, design: Design, visit: Whole
) -> dict[str, pl.DataFrame]:
    """DM and SUPPDM of every screened subject; `visit` is the day of the screening visit."""
    arm, there = subjects.arm, subjects.randomised
    day0 = subjects.randomised_day

    def calendar(days: Floats) -> Floats:
        return day0 + on_everyone(subjects, days)

    codes, labels = np.array([*design.arms, ""]), np.array([*design.labels, ""])
    start, death = calendar(course.start), calendar(course.death)
    last = calendar(course.last_dose)
    ended = calendar(np.minimum(course.death, course.withdrawn))
    treated = np.isfinite(start)
    actual = np.where(treated, arm, -1)
    why = np.where(treated, "", np.where(there, "ASSIGNED, NOT TREATED", "SCREEN FAILURE"))
    dm = dataset(
        "DM",
        design.study,
        {
            "USUBJID": subjects.identifier,
            "SUBJID": [name.split("-", 1)[1] for name in subjects.identifier.tolist()],
            "RFSTDTC": iso_dates(start),
            "RFENDTC": iso_dates(last),
            "RFXSTDTC": iso_dates(start),
            "RFXENDTC": iso_dates(last),
            "RFICDTC": iso_dates(subjects.consent_day),
            "RFPENDTC": iso_dates(np.where(there, ended, day0)),
            "DTHDTC": iso_dates(death),
            "DTHFL": texts(np.where(np.isfinite(death), "Y", "")),
            "SITEID": subjects.site,
            "AGE": subjects.age_years.astype(np.float64),
            "AGEU": "YEARS",
            "SEX": np.where(subjects.male, "M", "F"),
            "RACE": subjects.race,
            "ARMCD": texts(codes[arm]),
            "ARM": texts(labels[arm]),
            "ACTARMCD": texts(codes[actual]),
            "ACTARM": texts(labels[actual]),
            "ARMNRS": texts(why),
            "COUNTRY": subjects.country,
            "DMDTC": iso_dates(visit),
            "DMDY": pl.Series(
                values=np.where(treated, visit - np.where(treated, start, 0), 0)
            ).cast(pl.Int64),
        },
    ).with_columns(DMDY=pl.when(pl.col("RFSTDTC").is_not_null()).then("DMDY"))
    given = np.array([each.split("/") for each in subjects.stratum_given[there]])
    qualifiers = {
        factor: (f"{label}, as randomised", given[:, i])
        for i, (factor, label) in enumerate(design.factors)
    }
    supp = supplemental("DM", design.study, subjects.identifier[there], qualifiers)
    return {"DM": dm, "SUPPDM": supp}


def characteristics(
    subjects: Subjects, *, design: Design, visit: Whole, seed: int
) -> dict[str, pl.DataFrame]:
    """MI (histology) and SC (disease, uptake) at screening."""
    n = subjects.arm.size
    biopsy = subjects.diagnosis_day
    tests = [
        ("KI67", "Ki-67 index", plain(subjects.ki67_percent), subjects.ki67_percent, "%"),
        (
            "DIFF",
            "Differentiation",
            np.where(
                subjects.well_differentiated, "WELL DIFFERENTIATED", "POORLY DIFFERENTIATED"
            ),
            None,
            None,
        ),
        ("SPECTYPE", "Type of specimen", np.where(subjects.histology, "HISTOLOGY", "CYTOLOGY"),
         None, None),
    ]  # fmt: skip
    mi = _findings("MI", design.study, subjects, tests, biopsy)
    mi = mi.with_columns(
        MIMETHOD=pl.lit("IMMUNOHISTOCHEMISTRY"),
        MISPEC=pl.lit("TUMOR TISSUE"),
        VISIT=pl.lit("SCREENING"),
    )
    imaging = visit - np.floor(45 * uniforms(seed, "receptor imaging", n)).astype(np.int64)
    extent = np.where(subjects.metastatic, "METASTATIC", "LOCALLY ADVANCED")
    asked = np.where(subjects.prior_analogue, np.where(subjects.analogue_progression, "Y", "N"), "")
    disease = [
        ("PRIMSITE", "Primary tumour site", subjects.primary_site, None, None),
        ("DIAGDT", "Date of initial diagnosis", iso_dates(biopsy), None, None),
        ("EXTENT", "Extent of disease", extent, None, None),
        ("INOPER", "Considered inoperable", np.full(n, "Y"), None, None),
        ("SSAPROG", "Progression on a somatostatin analogue", texts(asked), None, None),
        *(
            (f"MET{organ}", f"Metastases: {organ.lower()}",
             np.where(subjects.metastases[:, i], "Y", "N"), None, None)
            for i, organ in enumerate(ORGANS)
            if subjects.metastases[:, i].any()  # an organ this population is not asked about
        ),
        *_progression_before(subjects, seed),
        *_lines(subjects),
    ]  # fmt: skip
    uptake = [
        ("SSTRMAX", "Highest receptor uptake score", plain(subjects.highest_uptake),
         subjects.highest_uptake, "points"),
        ("SSTRMIN", "Lowest receptor uptake score of targets", plain(subjects.lowest_uptake),
         subjects.lowest_uptake, "points"),
    ]  # fmt: skip
    sc = pl.concat(
        [
            _findings("SC", design.study, subjects, disease, visit),
            _findings("SC", design.study, subjects, uptake, imaging),
        ]
    )
    sc = sc.sort("USUBJID", "SCSEQ", maintain_order=True).with_columns(
        SCSEQ=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("USUBJID")
    )
    return {"MI": mi, "SC": sc}


def _lines(subjects: Subjects) -> list[tuple[str, str, Any, None, None]]:
    """Line of therapy and progression after earlier PRRT, where this population is asked."""
    day = progression_after_prrt(subjects)
    tests: list[tuple[str, str, Any, None, None]] = []
    if (subjects.line_of_therapy != "").any():
        tests.append(("LINE", "Line of therapy", subjects.line_of_therapy, None, None))
    if np.isfinite(day).any():
        shown = iso_dates(np.where(np.isfinite(day), day, np.inf))
        tests.append(("PRRTPD", "Progression after earlier PRRT", shown, None, None))
    return tests


def _progression_before(subjects: Subjects, seed: int) -> list[tuple[str, str, Any, None, None]]:
    """Central confirmations, and the images that show progression on a long-term analogue."""
    long_term = subjects.analogue_days > 0
    if not long_term.any():
        return []
    u = uniforms(seed, "images of progression", long_term.size, 2)
    shown = subjects.consent_day - np.floor(3 + 60 * u[:, 0])
    before = shown - np.floor(80 + 700 * u[:, 1])
    progressed = long_term & subjects.analogue_progression
    return [
        ("HISTCV", "Histology verified centrally", np.full(long_term.size, "Y"), None, None),
        ("SSTRCV", "Receptors confirmed centrally", np.full(long_term.size, "Y"), None, None),
        ("PDIMGDT", "Image that shows progression",
         iso_dates(np.where(progressed, shown, np.inf)), None, None),
        ("PDREFDT", "Image it is compared with",
         iso_dates(np.where(progressed, before, np.inf)), None, None),
    ]  # fmt: skip


def _findings(domain: str, study: str, subjects: Subjects, tests: list, day: Whole) -> pl.DataFrame:  # type: ignore[type-arg]
    n = subjects.arm.size
    parts = [
        pl.DataFrame(
            {
                "USUBJID": subjects.identifier,
                f"{domain}TESTCD": [code] * n,
                f"{domain}TEST": [name] * n,
                f"{domain}ORRES": result,
                f"{domain}STRESC": result,
                f"{domain}STRESN": numbers(np.full(n, np.nan) if number is None else number),
                f"{domain}STRESU": pl.Series(values=[unit] * n, dtype=pl.String),
                f"{domain}DTC": iso_dates(day),
                "order": np.full(n, i),
            }
        )
        for i, (code, name, result, number, unit) in enumerate(tests)
    ]
    frame = pl.concat(parts).filter(pl.col(f"{domain}STRESC").is_not_null())
    return dataset(domain, study, frame, order=["order"]).drop("order")
