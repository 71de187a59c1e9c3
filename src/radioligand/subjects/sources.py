# SPDX-License-Identifier: Apache-2.0
"""One fact a subject from many records: filter, order, and keep the one that the protocol means."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Literal

import polars as pl

from radioligand.cdisc import found, imputed_date
from radioligand.protocol.records import TIMES, Data, Imputation, Source

Kind = Literal["number", "text", "date", "flag"]
Study = Mapping[str, pl.DataFrame]

DTYPES: dict[str, pl.DataType] = {
    "number": pl.Float64(),
    "text": pl.String(),
    "date": pl.Date(),
    "flag": pl.Boolean(),
}


def absent(study: Study, source: Source) -> str | None:
    """Say what of a source the study lacks, or None if it has all of it."""
    frame = study.get(source.dataset)
    if frame is None:
        return f"the study has no {source.dataset}"
    named = (*source.where, source.value, source.date, source.end, source.unit, source.per)
    lacking = sorted({name for name in named if name and name not in frame.columns})
    return f"{source.dataset} has no {', '.join(lacking)}" if lacking else None


def date_rule(data: Data, dataset: str) -> Imputation:
    """Return how the protocol completes partial dates of a dataset."""
    return {"RS": data.response_dates, "TR": data.lesion_dates}.get(dataset, data.event_dates)


def as_date(
    frame: pl.DataFrame, column: str, rule: Imputation, *, not_before: tuple[str, ...] = ()
) -> pl.DataFrame:
    """Return `date` and `flag` (D, M: what was imputed) of each row, from a column of dates."""
    highest: Literal["M", "D", "none"] = "M" if rule.month else "D" if rule.day else "none"
    towards = rule.day or rule.month or "first"
    if frame.schema[column] != pl.String():
        whole = pl.col(column).cast(pl.Date)
        return frame.select(date=whole, flag=pl.lit(None, pl.String))
    given = frame.select(pl.col(column).str.slice(0, 10), *not_before)
    imputed = imputed_date(column, highest=highest, towards=towards, not_before=not_before)
    # many records, few days: each is read once
    read = given.unique().with_columns(imputed.struct.unnest())
    return given.join(
        read, on=given.columns, how="left", nulls_equal=True, maintain_order="left"
    ).select("date", "flag")


def matching(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Return the records that a source speaks of; true and false stand for Y and N."""
    conditions = []
    for name, wanted in source.where.items():
        values = list(wanted) if isinstance(wanted, tuple) else [wanted]
        if frame.schema[name] == pl.String():
            words = ["YN"[not one] if isinstance(one, bool) else str(one) for one in values]
            conditions.append(pl.col(name).is_in(words))
        else:
            conditions.append(pl.col(name).is_in(values))
    return frame.filter(*conditions)


def one_each(
    study: Study,
    source: Source,
    *,
    kind: Kind,
    rule: Imputation,
    unit_days: float = 1.0,
    until: pl.DataFrame | None = None,
    cutoff: date | None = None,
) -> pl.DataFrame:
    """Return one row for each subject with such a record: USUBJID, value, date, flag, text.

    `until` holds USUBJID and until: records after that date do not count, nor do undated ones; a
    subject without such a date has no bound. Nothing after `cutoff` counts. `date` is that of the
    record, `flag` tells what of it was imputed, `text` is the date as collected. A flag found
    without dates is true if one of its records says so; the longest of several spells is counted
    in units of `unit_days`. A source that the study lacks yields no rows; records of equal date
    are told apart by their sequence number.
    """
    if absent(study, source):
        return pl.DataFrame(schema=_schema(kind))
    frame = matching(study[source.dataset], source)
    records = _dated(frame, source, kind=kind, rule=rule)
    if cutoff:
        records = records.filter(pl.col("date").is_null() | (pl.col("date") <= cutoff))
    if until is not None:
        records = records.join(until, on="USUBJID", how="left")
        no_bound = pl.col("until").is_null()
        records = records.filter(no_bound | (pl.col("date") <= pl.col("until")).fill_null(False))
    take = "any" if kind == "flag" and source.value and not source.date else source.take
    if take == "count":
        counted = pl.len().cast(pl.Float64).alias("value"), pl.col("date").max()
        alone = records.group_by("USUBJID").agg(*counted)
        nothing = pl.lit(None, pl.String)
        return alone.with_columns(flag=nothing, text=nothing).select(*_schema(kind))
    if take == "longest":
        end = pl.col("end")
        if until is not None:
            end = pl.min_horizontal(end, pl.col("until"))
        days = (end - pl.col("date")).dt.total_days()
        records = records.with_columns(value=days / unit_days)
    order = [key for key in ("date", "text", "seq", "value") if records.schema[key] != pl.Null()]
    unknown = pl.col("value").is_null()
    ordered: dict[str, tuple[list[str | pl.Expr], bool]] = {
        "first": ([unknown, *order], False),
        "last": ([~unknown, *order], True),
        "lowest": ([unknown, "value", *order], False),
        "highest": ([~unknown, "value", *order], True),
        # unknown lies between true and false, as in the logic of criteria
        "any": ([pl.col("value").cast(pl.Float64).fill_null(0.5), *order], True),
        "longest": ([unknown, "value", *order], True),  # one unknown length may be the longest
    }
    keys, descending = ordered[take]
    return (
        records.sort(
            "USUBJID", *keys, descending=[False, *[descending] * len(keys)], nulls_last=True
        )
        .unique("USUBJID", keep="first", maintain_order=True)
        .select(*_schema(kind))
    )


def _schema(kind: Kind) -> dict[str, pl.DataType]:
    return {
        "USUBJID": pl.String(),
        "value": DTYPES[kind],
        "date": pl.Date(),
        "flag": pl.String(),
        "text": pl.String(),
    }


def _dated(frame: pl.DataFrame, source: Source, *, kind: Kind, rule: Imputation) -> pl.DataFrame:
    """Return USUBJID, value, date, flag, text, end, seq of each record."""
    dated_by = source.date or (source.value if kind == "date" else None)
    records = frame.select("USUBJID", value=_value(frame, source, kind=kind, rule=rule))
    if dated_by:
        when = as_date(frame, dated_by, rule).with_columns(text=frame[dated_by].cast(pl.String))
        records = records.hstack(when)
    else:
        nothing = {"date": pl.Date(), "flag": pl.String(), "text": pl.String()}
        records = records.with_columns(
            pl.lit(None, dtype).alias(name) for name, dtype in nothing.items()
        )
    end = as_date(frame, source.end, rule)["date"] if source.end else pl.lit(None, pl.Date)
    sequence = f"{source.dataset}SEQ"
    number = frame[sequence] if sequence in frame.columns else pl.lit(0)
    return records.with_columns(end=end, seq=number)


def _value(
    frame: pl.DataFrame, source: Source, *, kind: Kind, rule: Imputation
) -> pl.Expr | pl.Series:
    column = source.value or (source.date if kind == "date" else None)
    if column is None:
        return pl.lit(True if kind == "flag" else None, DTYPES[kind])
    if kind == "date":
        return as_date(frame, column, rule)["date"]
    if kind == "flag":
        yes, no = pl.col(column) == "Y", pl.col(column) == "N"
        return pl.when(yes).then(True).when(no).then(False)
    value = pl.col(column).cast(DTYPES[kind], strict=False)
    if source.per:
        by = pl.col(source.per).cast(pl.Float64, strict=False)
        return pl.when(by > 0).then(value / by)
    return value


def value_findings(
    study: Study, source: Source, *, name: str, kind: Kind, unit: str | None
) -> Iterator[pl.DataFrame]:
    """Yield what is wrong with the values a source finds: another unit, or no number."""
    if absent(study, source) or kind != "number" or not source.value:
        return
    frame = matching(study[source.dataset], source).filter(pl.col(source.value).is_not_null())
    shows = [c for c in ("USUBJID", f"{source.dataset}SEQ") if c in frame.columns]
    if source.unit:
        said, wanted = pl.col(source.unit), unit
        if unit in TIMES:  # CDISC writes units of time in capitals
            said, wanted = said.str.to_lowercase(), unit
        bad = frame.filter((said != wanted).fill_null(True))
        if bad.height:
            yield found(
                source.dataset,
                f"{name} is in {unit} ({source.unit})",
                "Convert when mapping to SDTM, or declare the study's unit; it is never guessed.",
                broken=bad.height,
                rows=frame.height,
                examples=bad.select(*shows, source.value, source.unit).head(3).to_dicts(),
            )
    bad = frame.filter(pl.col(source.value).cast(pl.Float64, strict=False).is_null())
    if bad.height:
        yield found(
            source.dataset,
            f"{name} is a number ({source.value})",
            "Give the standardised numeric result.",
            broken=bad.height,
            rows=frame.height,
            examples=bad.select(*shows, source.value).head(3).to_dicts(),
        )
