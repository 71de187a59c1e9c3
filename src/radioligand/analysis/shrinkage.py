# SPDX-License-Identifier: Apache-2.0
"""Tumour shrinkage of each subject: the sums that count, the best of them, who shrank how far.

A change is the percentage change of the sum of diameters from baseline, negative where the tumours
shrank. Shrinkage is its opposite. Day 0 is the start of the endpoint, as a rule randomisation.
"""

from dataclasses import replace

import polars as pl

from radioligand.analysis.scope import NotAvailable, Scope, required
from radioligand.analysis.time_to_event import timed
from radioligand.protocol import Protocol
from radioligand.protocol.records import (
    Arm,
    Shrinkage,
    ShrinkageLandmarks,
    ShrinkageWaterfall,
)

DIGITS = 9  # of a percentage that is held against a threshold: binary fractions do not decide
GROWTH = 20.0  # percent from baseline that makes progression where the nadir is not asked


def followed(scope: Scope, *, endpoint: str) -> pl.DataFrame:
    """Return the time of an endpoint of each subject who has one.

    USUBJID, arm, `start` and `end` (dates), `day` (days from one to the other), `time` (AVAL, as
    the endpoint counts its days) and `event`. Raises NotAvailable if a record lacks its dates.
    """
    required(scope.adam, "ADTTE", "STARTDT", "ADT")
    records = timed(scope, endpoint=endpoint)
    undated = records.filter(pl.col("STARTDT").is_null() | pl.col("ADT").is_null())
    if undated.height:
        raise NotAvailable(
            f"{undated.height} of {records.height} ADTTE records of {endpoint} lack STARTDT or ADT "
            f"({', '.join(undated['USUBJID'].head(3))})"
        )
    return records.select(
        *("USUBJID", "arm", "event"),
        start="STARTDT",
        end="ADT",
        day=(pl.col("ADT") - pl.col("STARTDT")).dt.total_days(),
        time="AVAL",
    )


def sums(scope: Scope, analysis: Shrinkage) -> pl.DataFrame:
    """Return each complete sum of diameters after baseline, on or before the end of `until`.

    USUBJID, arm, ADT, `day` after the start of `until`, `change` in percent, and what names the
    visit where ADTR has it: VISIT and VISITNUM. Later sums are there too, with `counts` False. A
    subject without a time of `until` has none.
    """
    suffix = scope.protocol.evaluation(analysis.evaluation).suffix
    frame = scope.records(
        "ADTR",
        *("ADT", "PCHG", "ANL01FL"),
        parameter=f"SDIAM{suffix}",
        where=(pl.col("ANL01FL") == "Y") & pl.col("PCHG").is_not_null(),
    )
    ends = followed(scope, endpoint=analysis.until).select("USUBJID", "start", "end")
    dated = frame.join(ends, on="USUBJID", how="inner", maintain_order="left").with_columns(
        day=(pl.col("ADT") - pl.col("start")).dt.total_days()
    )
    return dated.filter(pl.col("day") > 0).select(
        *("USUBJID", "arm", "ADT", "day"),
        *(pl.col(name) for name in ("VISIT", "VISITNUM") if name in dated.columns),
        change="PCHG",
        counts=pl.col("ADT") <= pl.col("end"),
    )


def best_change(changes: pl.DataFrame, *, by_day: int | None = None) -> pl.DataFrame:
    """Return USUBJID and `best`, the lowest change of sums that count, up to and with a day."""
    seen = changes.filter("counts")
    if by_day is not None:
        seen = seen.filter(pl.col("day") <= by_day)
    return seen.group_by("USUBJID").agg(best=pl.col("change").min()).sort("USUBJID")


def shrank(change: str, *, percent: float) -> pl.Expr:
    """Whether a change is a shrinkage of `percent` or more; no change known is none."""
    return (pl.col(change).round(DIGITS) <= -percent).fill_null(False)


def progressive(
    scope: Scope, analysis: ShrinkageLandmarks | ShrinkageWaterfall, changes: pl.DataFrame
) -> pl.Series:
    """Return the subjects whose best response is progression, sorted.

    "best response": BOR of the evaluation is PD. "sum or new lesion": no sum that counts grew by
    less than 20 % from baseline before a new lesion was seen.
    """
    suffix = scope.protocol.evaluation(analysis.evaluation).suffix
    if analysis.progressive == "best response":
        best = scope.one_each("ADRS", "AVALC", parameter=f"BOR{suffix}")
        return best.filter(AVALC="PD")["USUBJID"].sort()
    lesions = scope.records("ADRS", "AVALC", "ADT", parameter=f"NEWLES{suffix}")
    first = lesions.filter(AVALC="Y").group_by("USUBJID").agg(new_lesion=pl.col("ADT").min())
    seen = changes.filter("counts").join(first, on="USUBJID", how="left")
    grew = pl.col("change").round(DIGITS) >= GROWTH
    after = (pl.col("ADT") >= pl.col("new_lesion")).fill_null(False)
    each = seen.group_by("USUBJID").agg(always=(grew | after).all())
    return each.filter("always")["USUBJID"].sort()


# -- the two groups of an arm ----------------------------------------------------------------


def chosen_arms(protocol: Protocol, arms: tuple[str, ...]) -> tuple[Arm, ...]:
    """Return the arms named, in the protocol's order; of none named, the experimental ones."""
    return tuple(
        arm for arm in protocol.arms if (arm.id in arms if arms else arm.role == "experimental")
    )


def parts_of(arm: Arm, percent: float) -> tuple[Arm, Arm]:
    """Return an arm's two groups in the form of arms: who shrank by `percent` or more, who less.

    Their ids, such as "LU >= 30%" and "LU < 30%", stand in the column `arm` of the results.
    """
    more, less = (
        arm.model_copy(
            update={
                "id": f"{arm.id} {sign} {percent:g}%",
                "label": f"{arm.label}, shrinkage {shown} {percent:g}%",
                "short": f"{shown} {percent:g}%",
                "role": role,
            }
        )
        for sign, shown, role in ((">=", "≥", "experimental"), ("<", "<", "control"))
    )
    return more, less


def in_parts(scope: Scope, arm: Arm, best: pl.DataFrame, *, percent: float) -> Scope:
    """Return the scope of one arm whose two groups stand in place of the arms.

    By intention to treat: a subject without a change counts as one who shrank less. Every analysis
    of arms then works on the groups.
    """
    parts = parts_of(arm, percent)
    own = scope.subjects.filter(arm=arm.id).join(
        best.select("USUBJID", "best"), on="USUBJID", how="left", maintain_order="left"
    )
    more, less = (pl.lit(part.id) for part in parts)
    group = pl.when(shrank("best", percent=percent)).then(more).otherwise(less)
    return replace(
        scope,
        protocol=scope.protocol.model_copy(update={"arms": parts}),
        subjects=own.with_columns(arm=group).drop("best"),
        strays=scope.strays.clear(),
    )


# -- a covariate that changes with time ------------------------------------------------------


def spells(sample: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Part each subject's time where a value steps: the form of a time-dependent covariate.

    `sample` is a frame of `followed`; `steps` holds USUBJID, `day` and `value` from that day on,
    one row a day. Returned are USUBJID, arm, `entry`, `time`, `event` and `value`, a row for each
    stretch, 0 before the first step. A step on the day of the event comes too late for it.
    """
    starts = sample.filter(pl.col("time") > 0).select("USUBJID", entry=0.0, value=0.0)
    shift = sample.select("USUBJID", shift=pl.col("time") - pl.col("day"))
    later = steps.join(shift, on="USUBJID").select(
        "USUBJID", entry=pl.col("day") + pl.col("shift"), value=pl.col("value").cast(pl.Float64)
    )
    parted = (
        pl.concat([starts, later])
        .join(sample.select("USUBJID", "arm", "event", end="time"), on="USUBJID")
        .filter(pl.col("entry") < pl.col("end"))
        .sort("USUBJID", "entry")
        .with_columns(next=pl.col("entry").shift(-1).over("USUBJID"))
    )
    return parted.select(
        *("USUBJID", "arm", "entry"),
        time=pl.col("next").fill_null(pl.col("end")),
        event=pl.col("event") & pl.col("next").is_null(),
        value="value",
    )


def best_so_far(changes: pl.DataFrame) -> pl.DataFrame:
    """Return USUBJID, `day` and `value`: the best shrinkage from that day on."""
    daily = changes.filter("counts").group_by("USUBJID", "day").agg(pl.col("change").min())
    lowest = pl.col("change").cum_min().over("USUBJID")
    return daily.sort("USUBJID", "day").select("USUBJID", "day", value=-lowest)


def first_reached(changes: pl.DataFrame, *, percent: float) -> pl.DataFrame:
    """Return USUBJID, `day` and `value` 1: the day from which the shrinkage was that far."""
    reached = changes.filter("counts").filter(shrank("change", percent=percent))
    return reached.group_by("USUBJID").agg(pl.col("day").min(), value=pl.lit(1.0)).sort("USUBJID")
