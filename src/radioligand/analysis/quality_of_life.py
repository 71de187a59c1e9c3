# SPDX-License-Identifier: Apache-2.0
"""The mean course of quality of life: change from baseline by visit and arm, with intervals.

A mean of those who still answer: who is too ill to, is not in it. It describes; it does not test.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import Scope
from radioligand.protocol.records import QualityOfLifeProfile
from radioligand.statistics import special

METHOD = "mean change from baseline of the subjects who answered; interval by Student's t, {:.0%}"


def quality_of_life(scope: Scope, analysis: QualityOfLifeProfile) -> Iterator[Row]:
    """Describe each scale: its baseline, and its change at each planned visit.

    Visits at which fewer than `at_least` subjects of an arm have a change are left out.
    """
    records = scope.records("ADQS", "PARAMCD", "PARAM", "AVAL", "CHG", "AVISIT", "AWTARGET")
    origin = scope.origin("ADQS")
    yield from scope.sizes(origin)
    for scale in analysis.scales:
        own = records.filter(PARAMCD=scale)
        source = scope.origin("ADQS", parameter=scale)
        if own.is_empty():
            text = f"ADQS has no records with PARAMCD {scale!r}"
            yield source.row("not_available", variable=scale, text=text)
            continue
        worse = own["WORSE"][0] if "WORSE" in own.columns else None
        told = f"{worse} is worse" if worse else None
        yield source.row("label", variable=scale, text=str(own["PARAM"][0]), method=told)
        for arm in scope.arms:
            of_arm = own.filter(arm=arm)
            first = of_arm.filter(AVISIT="BASELINE")["AVAL"].drop_nulls()
            yield from _mean(source, analysis, first, "baseline", arm=arm, scale=scale, day=0)
            for visit, change in _visits(of_arm):
                if len(change) >= analysis.at_least:
                    yield from _mean(
                        source, analysis, change, "change", arm=arm, scale=scale, day=visit
                    )


def _visits(of_arm: pl.DataFrame) -> Iterator[tuple[int, pl.Series]]:
    """Yield each planned day after baseline and the changes there, one a subject.

    Of two forms in one window the nearest to the planned day counts, of two as near the later.
    """
    by_visit = nearest_forms(of_arm).partition_by("AWTARGET", as_dict=True)
    for (visit,), forms in sorted(by_visit.items()):
        yield int(visit), forms["CHG"]


def nearest_forms(records: pl.DataFrame) -> pl.DataFrame:
    """Return the one form of each subject and planned visit that counts, of those with a change."""
    after = records.filter(pl.col("AWTARGET").is_not_null(), pl.col("CHG").is_not_null())
    distance = pl.col("AWTDIFF").abs() if "AWTDIFF" in after.columns else pl.lit(0)
    return (
        after.with_columns(distance=distance)
        .sort("USUBJID", "AWTARGET", "distance", "ADT", descending=[False, False, False, True])
        .unique(["USUBJID", "AWTARGET"], keep="first", maintain_order=True)
    )


def _mean(
    origin: Origin,
    analysis: QualityOfLifeProfile,
    values: pl.Series,
    name: str,
    *,
    arm: str,
    scale: str,
    day: int,
) -> Iterator[Row]:
    known = np.sort(values.to_numpy())  # a sum in this order has no other value
    n = known.size
    yield origin.row(f"{name}_n", n, arm=arm, variable=scale, time_days=day)
    mean = float(known.mean()) if n else np.nan
    error = float(known.std(ddof=1)) / np.sqrt(n) if n > 1 else np.nan
    reach = float(special.stdtrit(n - 1, (1 + analysis.level) / 2)) * error if n > 1 else np.nan
    for suffix, value in (("", mean), ("_lower", mean - reach), ("_upper", mean + reach)):
        yield origin.row(
            f"mean_{name}{suffix}",
            value,
            arm=arm,
            variable=scale,
            time_days=day,
            unit="points",
            method=METHOD.format(analysis.level) if name == "change" else None,
        )
