# SPDX-License-Identifier: Apache-2.0
"""ADLB: laboratory values with baseline, change, and CTCAE grades in both directions."""

from collections.abc import Sequence

import polars as pl

from radioligand.protocol import Protocol
from radioligand.safety.ctcae import combined_grade, criterion_of, graded, version_of

OPTIONAL: dict[str, pl.DataType] = {
    **dict.fromkeys(("STUDYID", "LBTEST", "LBSTRESU", "LBNRIND", "VISIT", "LBSTAT"), pl.String()),
    "LBFAST": pl.String(),
    **dict.fromkeys(("LBSTNRLO", "LBSTNRHI", "VISITNUM"), pl.Float64()),
    "LBSEQ": pl.Int64(),
}
SERIES = ("USUBJID", "PARAMCD")
GRADES = (
    *("ATOXDSCL", "ATOXDSCH", "ATOXGRL", "ATOXGRH", "ATOXGR"),
    *("WORSTLFL", "WORSTHFL", "BTOXGRL", "BTOXGRH"),
)


def derive_adlb(lb: pl.DataFrame, adsl: pl.DataFrame, *, protocol: Protocol) -> pl.DataFrame:
    """Derive ADLB: one row a laboratory value, by subject, test (PARAMCD) and date.

    AVAL in AVALU, with its normal range (ANRLO, ANRHI) and ANRIND as collected or by the range.
    ONTRTFL flags values after the first dose and up to `days_after_last_dose` after the last
    randomised one. ABLFL flags the last value up to the first dose (up to randomisation where
    never treated), the day itself included; BASE, BNRIND, CHG and PCHG (null from a baseline of
    0) follow from it.
    ATOXGRL and ATOXGRH are CTCAE grades below and above normal by the version of
    `protocol.safety`, ATOXGR both in one ("-3": grade 3 below), BTOXGRL and BTOXGRH those at
    baseline. WORSTLFL and WORSTHFL flag the first record of the worst grade after baseline. All
    are null for a grading other than CTCAE 4, 5 or 6. Results that were not done are left out.
    """
    lacking = {name: kind for name, kind in OPTIONAL.items() if name not in lb.columns}
    day = pl.col("LBDTC").str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)  # whole dates
    days = protocol.safety.days_after_last_dose if protocol.safety else 0
    people = adsl.select(
        *("USUBJID", "TRT01P", "TRT01A", "TRTSDT"),
        first=pl.coalesce("TRTSDT", "RANDDT"),
        last=pl.col("TRTEDT") + pl.duration(days=days),
    )
    adlb = (
        lb.with_columns(**{name: pl.lit(None, kind) for name, kind in lacking.items()})
        .filter(pl.col("LBSTRESN").is_not_null())
        .join(people, on="USUBJID", how="inner")
        .select(
            "STUDYID",
            "USUBJID",
            "TRT01P",
            "TRT01A",
            PARAMCD="LBTESTCD",
            PARAM=pl.coalesce("LBTEST", "LBTESTCD"),
            AVAL=pl.col("LBSTRESN").cast(pl.Float64),
            AVALU="LBSTRESU",
            ANRLO=pl.col("LBSTNRLO").cast(pl.Float64),
            ANRHI=pl.col("LBSTNRHI").cast(pl.Float64),
            ANRIND="LBNRIND",
            ADT=day,
            AVISIT="VISIT",
            AVISITN="VISITNUM",
            ADY=_study_day(day, pl.col("TRTSDT")),
            LBDTC="LBDTC",
            LBSEQ="LBSEQ",
            LBFAST="LBFAST",
            first="first",
            last="last",
        )
        .with_columns(ANRIND=pl.coalesce("ANRIND", _by_range()))
        .sort(*SERIES, "ADT", "LBDTC", "LBSEQ", nulls_last=True)
        .with_columns(ASEQ=pl.int_range(1, pl.len() + 1).over("USUBJID"))
    )
    adlb = with_baseline(_with_flag(adlb), by=SERIES)
    change = pl.col("AVAL") - pl.col("BASE")
    after = pl.col("ABLFL").is_null() & (pl.col("ADT") > pl.col("first"))
    under = (pl.col("ADT") > pl.col("first")) & (pl.col("ADT") <= pl.col("last"))
    adlb = adlb.with_columns(
        ONTRTFL=pl.when(under).then(pl.lit("Y")),
        CHG=pl.when(after).then(change),
        PCHG=pl.when(after & (pl.col("BASE") != 0)).then(100 * change / pl.col("BASE")),
    )
    return _graded(adlb, protocol).drop("first", "last")


def _study_day(day: pl.Expr, start: pl.Expr) -> pl.Expr:
    days = (day - start).dt.total_days()
    return pl.when(days >= 0).then(days + 1).otherwise(days)


def _by_range() -> pl.Expr:
    value = pl.col("AVAL")
    return (
        pl.when(value > pl.col("ANRHI"))
        .then(pl.lit("HIGH"))
        .when(value < pl.col("ANRLO"))
        .then(pl.lit("LOW"))
        .when(value.is_between(pl.col("ANRLO"), pl.col("ANRHI")))
        .then(pl.lit("NORMAL"))
    )


def _with_flag(adlb: pl.DataFrame) -> pl.DataFrame:
    """Flag the last value up to the first dose; rows are in order of time."""
    before = (pl.col("ADT") <= pl.col("first")).fill_null(False)
    last = before & ~before.shift(-1).over(SERIES).fill_null(False)
    return adlb.with_columns(ABLFL=pl.when(last).then(pl.lit("Y")))


def with_baseline(frame: pl.DataFrame, *, by: Sequence[str], value: str = "AVAL") -> pl.DataFrame:
    """Add BASE, the value where ABLFL is "Y" of each group, and BNRIND if there is an ANRIND.

    Raises ValueError that names groups with more than one baseline.
    """
    columns = {"BASE": value} | ({"BNRIND": "ANRIND"} if "ANRIND" in frame.columns else {})
    flagged = frame.filter(pl.col("ABLFL") == "Y")
    base = flagged.select(*by, **{new: pl.col(old) for new, old in columns.items()})
    twice = base.filter(pl.struct(by).is_duplicated()).select(by).unique(maintain_order=True)
    if twice.height:
        shown = "; ".join(", ".join(map(str, row)) for row in twice.head(3).iter_rows())
        raise ValueError(f"{twice.height} groups have more than one baseline (ABLFL): {shown}")
    return frame.join(base, on=list(by), how="left", maintain_order="left")


def _graded(adlb: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    version = version_of(protocol.safety.grading) if protocol.safety else None
    if version is None or adlb.is_empty():
        return adlb.with_columns(pl.lit(None, pl.String).alias(name) for name in GRADES)
    read = ("PARAMCD", "AVAL", "AVALU", "ANRLO", "ANRHI", "BASE", "BNRIND")
    fasting = (pl.col("LBFAST") == "Y").fill_null(False)
    values, parts = adlb.select(*read, fasting=fasting).with_row_index("row"), []
    for (test, fasted), part in values.group_by("PARAMCD", "fasting", maintain_order=True):
        low = criterion_of(str(test), "L", version=version, fasting=bool(fasted))
        high = criterion_of(str(test), "H", version=version, fasting=bool(fasted))
        none = pl.lit(None, pl.String)
        parts.append(
            part.select(
                "row",
                ATOXDSCL=pl.lit(low.term) if low else none,
                ATOXDSCH=pl.lit(high.term) if high else none,
                ATOXGRL=graded(low) if low else none,
                ATOXGRH=graded(high) if high else none,
            )
        )
    grades = pl.concat(parts).sort("row").drop("row")
    adlb = adlb.hstack(grades).with_columns(ATOXGR=combined_grade())
    adlb = adlb.with_columns(WORSTLFL=_worst(adlb, "ATOXGRL"), WORSTHFL=_worst(adlb, "ATOXGRH"))
    at_baseline = adlb.filter(pl.col("ABLFL") == "Y").select(
        *SERIES, BTOXGRL="ATOXGRL", BTOXGRH="ATOXGRH"
    )
    return adlb.join(at_baseline, on=SERIES, how="left", maintain_order="left")


def _worst(adlb: pl.DataFrame, column: str) -> pl.Series:
    """Flag the first record of the worst grade after the first dose, if it is a grade at all."""
    after = pl.col("ADT") > pl.col("first")
    worst = (
        adlb.with_row_index("row")
        .filter(after & (pl.col(column) > "0"))
        .sort(column, "row", descending=[True, False])
        .unique(SERIES, keep="first", maintain_order=True)
    )
    flags = pl.DataFrame({"row": worst["row"], "flag": "Y"}, schema_overrides={"row": pl.UInt32})
    rows = pl.DataFrame({"row": pl.int_range(adlb.height, dtype=pl.UInt32, eager=True)})
    return rows.join(flags, on="row", how="left", maintain_order="left")["flag"]
