# SPDX-License-Identifier: Apache-2.0
"""Gives every column of a dataset the type its name promises, and tells what does not fit."""

from collections.abc import Iterator

import polars as pl

from radioligand.cdisc.contracts import variable_of
from radioligand.cdisc.rules import found, together
from radioligand.cdisc.terms import Kind

SAS_EPOCH = pl.date(1960, 1, 1)
NEARLY_ZERO = 1e-70  # a zero of the IBM float of SAS transport files may come back as 5.4e-79

DTYPES: dict[Kind, pl.DataType] = {
    "text": pl.String(),
    "iso": pl.String(),
    "whole": pl.Int64(),
    "number": pl.Float64(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us"),
    "time": pl.Time(),
}
SAYS: dict[Kind, str] = {
    "text": "text",
    "iso": "text",
    "whole": "a whole number",
    "number": "a number",
    "date": "a date",
    "datetime": "a date and time",
    "time": "a time of day",
}


def _number(column: pl.Expr) -> pl.Expr:
    value = column.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(
        pl.when(value.abs() < NEARLY_ZERO).then(0.0).otherwise(value)
    )


def _whole(column: pl.Expr) -> pl.Expr:
    value = _number(column)
    return pl.when(value == value.round()).then(value).cast(pl.Int64, strict=False)


def _text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_numeric():
        return pl.coalesce(_whole(column).cast(pl.String), column.cast(pl.String))
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S")
    return column.cast(pl.String, strict=False)


def _calendar(column: pl.Expr, dtype: pl.DataType, kind: Kind) -> pl.Expr:
    """Return dates and times; numbers are those of SAS, days or seconds since 1960."""
    if dtype.is_numeric():
        if kind == "date":
            return SAS_EPOCH + pl.duration(days=_whole(column))
        moment = SAS_EPOCH.cast(pl.Datetime("us")) + pl.duration(microseconds=_number(column) * 1e6)
        return moment if kind == "datetime" else moment.cast(pl.Time)
    if dtype == pl.String():
        if kind == "date":
            return column.str.replace("T00:00:00$", "").str.to_date("%Y-%m-%d", strict=False)
        if kind == "time":
            return column.str.to_time("%H:%M:%S%.f", strict=False)
        return column.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    if kind == "date" and isinstance(dtype, pl.Datetime):
        midnight = column.dt.time() == pl.time(0, 0, 0)
        return pl.when(midnight).then(column.dt.date())
    return column.cast(DTYPES[kind], strict=False)


def _typed(name: str, dtype: pl.DataType, kind: Kind | None) -> pl.Expr:
    column = pl.col(name)
    if kind is None:  # no guide knows the name: keep it, numbers in the one form that XPT has
        if dtype.is_numeric():
            return _number(column)
        if isinstance(dtype, pl.Categorical | pl.Enum | pl.Null):
            return column.cast(pl.String)
        return column.cast(pl.Datetime("us")) if isinstance(dtype, pl.Datetime) else column
    if DTYPES[kind] == dtype and kind not in ("number", "whole"):
        return column
    if dtype.is_nested():
        return pl.lit(None, DTYPES[kind])
    if kind in ("text", "iso"):
        return _text(column, dtype)
    if isinstance(dtype, pl.Categorical | pl.Enum):
        column, dtype = column.cast(pl.String), pl.String()
    if kind in ("number", "whole"):
        if dtype.is_temporal():  # a date is not a number, although it could be cast to one
            return pl.lit(None, DTYPES[kind])
        return _number(column) if kind == "number" else _whole(column)
    return _calendar(column, dtype, kind)


def _without_blanks(frame: pl.DataFrame) -> Iterator[pl.Expr]:
    """Return text without trailing blanks, which XPT cannot hold, and null where that is all."""
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Categorical | pl.Enum):
            yield pl.col(name).cast(pl.String).str.strip_chars_end().replace("", None)
        if dtype == pl.String():
            yield pl.col(name).str.strip_chars_end().replace("", None)


def conform(frame: pl.DataFrame, *, dataset: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Turn blanks to null, give every column its type; return the frame and the findings.

    Text, whole numbers (Int64), numbers (Float64), dates and times as `variable_of` tells; other
    numbers turn to Float64, other columns stay. What cannot be read as its type is a finding.
    Missing numbers are null, never nan.
    """
    kinds = {name: variable_of(dataset, name) for name in frame.columns}
    frame = frame.with_columns(_without_blanks(frame))
    typed = frame.with_columns(
        _typed(name, frame.schema[name], kind.kind if kind else None).alias(name)
        for name, kind in kinds.items()
    )
    findings = []
    for name, variable in kinds.items():
        if variable is None or typed[name].null_count() == frame[name].null_count():
            continue
        lost = typed[name].is_null() & frame[name].is_not_null()
        if frame.schema[name].is_float():
            lost &= frame[name].is_not_nan().fill_null(False)
        if lost.any():
            shows = ["USUBJID", name] if "USUBJID" in frame.columns else [name]
            finding = found(
                dataset,
                f"{name} is {SAYS[variable.kind]}",
                "Correct the value, or leave it blank.",
                broken=int(lost.sum()),
                rows=frame.height,
                examples=frame.filter(lost).select(shows).head(3).to_dicts(),
            )
            findings.append(finding)
    return typed, together(findings)
