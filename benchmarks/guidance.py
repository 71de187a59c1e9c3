# SPDX-License-Identifier: Apache-2.0
"""How long a registry takes: ten thousand patients against every guideline statement.

Run:  python benchmarks/guidance.py
"""

import argparse
import statistics
import time
from datetime import date, timedelta

import numpy as np
import polars as pl

from radioligand.advice import Library, read_library
from radioligand.criteria import comparisons, met
from radioligand.guidance import complete, read_patients
from radioligand.guidance.registry import agreement, counted

ASSESSED = date(2025, 11, 1)


def registry(patients: int, *, library: Library, seed: int = 1) -> pl.DataFrame:
    """Draw patients of whom each field is known with probability 0.7, and none contradict."""
    random = np.random.default_rng(seed)
    columns: dict[str, list[object]] = {"USUBJID": [str(one) for one in range(patients)]}
    left_out = ("grade", "differentiation", "assessment_date")
    for field in library.guidelines.fields:
        if field.name in left_out:
            continue
        if field.type == "flag":
            values = random.choice([True, False], patients).tolist()
        elif field.type == "text":
            values = random.choice(list(field.words), patients).tolist()
        elif field.type == "date":
            days = random.integers(0, 400, patients)
            values = [ASSESSED - timedelta(int(day)) for day in days]
        else:
            values = random.integers(int(field.lowest), int(field.highest or 60) + 1, patients)
            values = values.astype(float).tolist()
        known = random.random(patients) < 0.7
        columns[field.name] = [
            value if is_known else None for value, is_known in zip(values, known, strict=True)
        ]
        if field.window_days is not None:
            days = random.integers(0, 120, patients)
            columns[f"{field.name}_date"] = [ASSESSED - timedelta(int(day)) for day in days]
    frame = pl.DataFrame(columns, strict=False).with_columns(assessment_date=pl.lit(ASSESSED))
    return _without_contradictions(frame, library)


def _without_contradictions(frame: pl.DataFrame, library: Library) -> pl.DataFrame:
    """Set unknown what contradicts another field, so that the table is read."""
    for one in library.guidelines.contradictions:
        first = next(term.field for term in comparisons(one.when))
        if first in frame.columns:
            filled = complete(frame, guidelines=library.guidelines)
            broken = filled.select(met(one.when).fill_null(False)).to_series()
            frame = frame.with_columns(pl.when(~broken).then(pl.col(first)).alias(first))
    return frame


def main() -> None:
    """Time each step five times and print the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=10_000)
    asked = parser.parse_args()
    library = read_library()
    guidelines = library.guidelines
    table = registry(asked.patients, library=library)
    patients = read_patients(table, guidelines=guidelines)
    steps = {
        "read and check the table": lambda: read_patients(table, guidelines=guidelines),
        "count every statement": lambda: counted(patients, guidelines=guidelines),
        "agreement of sources": lambda: agreement(patients, guidelines=guidelines),
    }
    print(f"{asked.patients} patients, {len(guidelines.statements)} statements")
    for name, step in steps.items():
        seconds = []
        for _ in range(5):
            begin = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - begin)
        print(f"{name:<28} {statistics.median(seconds):.3f} s")


if __name__ == "__main__":
    main()
