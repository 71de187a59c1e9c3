# SPDX-License-Identifier: Apache-2.0
"""The columns of activities.csv and administrations.csv, and how their text is read."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import polars as pl

from radioligand.cdisc.rules import found, together

DATETIME = pl.Datetime("us")


class Column(NamedTuple):
    """One column: its type, whether every table has it, and what it holds."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    required: bool
    says: str


ACTIVITIES = (
    Column("subject", pl.String, True, "identifier of the patient"),
    Column("cycle", pl.Int64, True, "number of the cycle, from 1"),
    Column("region", pl.String, True, "name of the organ or lesion, the same in every cycle"),
    Column("role", pl.String, True, "organ, lesion, remainder, whole body or marrow"),
    Column("hours", pl.Float64, False, "middle of the scan, from the start of the infusion"),
    Column("datetime", DATETIME, False, "the same by the clock; one of the two is needed"),
    Column("activity", pl.Float64, True, "in the whole region, in `unit`"),
    Column("unit", pl.String, True, "kBq, MBq, GBq, or kBq/mL, MBq/mL"),
    Column("decay_corrected_to", pl.String, True, "none, or injection"),
    Column("relative_error", pl.Float64, True, "standard, of this scan alone"),
    Column("systematic_error", pl.Float64, True, "standard, shared by all scans: calibration"),
    Column("volume_ml", pl.Float64, True, "of the region as drawn"),
    Column("volume_error", pl.Float64, True, "standard, relative"),
    Column("density_g_per_ml", pl.Float64, True, "mass is volume times density"),
    Column("nuclide", pl.String, True, "Lu-177"),
    Column("inside", pl.String, False, "region that this one lies in, such as a liver"),
    Column("at_edge", pl.String, False, "yes if the region touches the edge of the field"),
    Column("recovery_least_ml", pl.Float64, False, "smallest volume of the recovery curve"),
    Column("marrow_method", pl.String, False, "of marrow: blood or image, the same in all cycles"),
    Column("site", pl.String, False, "where the scan was made"),
    Column("camera", pl.String, False, "with what"),
    Column("calibration_factor", pl.Float64, False, "in cps per MBq, as used"),
    Column("recovery_curve", pl.String, False, "name of the recovery curve, as used"),
    Column("source", pl.String, False, "file or series that the number comes from"),
)
ADMINISTRATIONS = (
    Column("subject", pl.String, True, "identifier of the patient"),
    Column("cycle", pl.Int64, True, "number of the cycle, from 1 without gaps"),
    Column("start", DATETIME, True, "start of the infusion"),
    Column("stop", DATETIME, False, "its end"),
    Column("activity_mbq", pl.Float64, True, "in the syringe or vial at `calibrated_at`"),
    Column("calibrated_at", DATETIME, True, "time of that measurement"),
    Column("residual_mbq", pl.Float64, False, "left over, at the same time; 0 if empty"),
    Column("nuclide", pl.String, True, "Lu-177"),
    Column("planned_gbq", pl.Float64, False, "activity that was planned or recommended"),
    Column("arm", pl.String, False, "id of the subject's arm; empty: taken for one of dosimetry"),
    Column("sex", pl.String, False, "F or M; a phantom of the other sex is refused"),
)


def read_columns(
    table: pl.DataFrame, *, name: str, columns: Iterable[Column]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a table of text as typed columns, and what is wrong with its columns and cells.

    A cell that is no number, or a date without its form, is a finding and turns to null.
    """
    findings = []
    known = tuple(columns)
    missing = [one.name for one in known if one.required and one.name not in table.columns]
    if missing:
        findings.append(
            found(
                name,
                f"these columns are there: {', '.join(missing)}",
                f"Add them. Known: {', '.join(one.name for one in known)}.",
            )
        )
    if strange := [one for one in table.columns if one not in {each.name for each in known}]:
        findings.append(
            found(
                name,
                f"every column is known; {', '.join(strange)} is not",
                f"Correct the name. Known: {', '.join(one.name for one in known)}.",
            )
        )
    series = []
    for column in known:
        if column.name not in table.columns:
            series.append(pl.Series(column.name, [None] * table.height, dtype=column.dtype))
            continue
        text = table[column.name].cast(pl.String).str.strip_chars().replace("", None)
        read, zoned = _dates(text) if column.dtype == DATETIME else (_cast(text, column), False)
        bad = text.is_not_null() & read.is_null()
        if bad.any():
            keys = [one for one in ("subject", "cycle", "region") if one in table.columns]
            shown = table.filter(bad).select(*keys, column.name).head(3).to_dicts()
            kind = "a date such as 2026-03-02T09:30" if column.dtype == DATETIME else "a number"
            findings.append(
                found(
                    name,
                    f"{column.name} is {kind}",
                    "Correct the cell; leave it empty if nothing is known.",
                    broken=int(bad.sum()),
                    rows=table.height,
                    examples=shown,
                )
            )
        if zoned:
            findings.append(
                found(
                    name,
                    f"{column.name} has a time zone everywhere or nowhere",
                    "Give all clock times of both tables in one zone, without offset.",
                )
            )
        series.append(read.rename(column.name))
    return pl.DataFrame(series), together(findings)


def _cast(text: pl.Series, column: Column) -> pl.Series:
    if column.dtype == pl.String:
        return text
    numbers = text.cast(pl.Float64, strict=False)
    if column.dtype == pl.Int64:
        whole = numbers.is_not_null() & (numbers == numbers.round())
        return pl.select(pl.when(whole).then(numbers)).to_series().cast(pl.Int64)
    return numbers


def _dates(text: pl.Series) -> tuple[pl.Series, bool]:
    """Clock times, and whether any has an offset: then none can be compared with the others."""
    read: list[datetime | None] = []
    zoned = False
    for value in text:
        try:
            moment = datetime.fromisoformat(value) if value else None
        except ValueError:
            moment = None
        if moment and moment.tzinfo:
            zoned, moment = True, moment.replace(tzinfo=None)
        read.append(moment)
    return pl.Series(text.name, read, dtype=DATETIME), zoned
