# SPDX-License-Identifier: Apache-2.0
"""The data cutoff: a study as it was known on one day."""

from collections.abc import Mapping
from datetime import date

import polars as pl


def cut(study: Mapping[str, pl.DataFrame], *, cutoff: date) -> dict[str, pl.DataFrame]:
    """Leave out what happened after the cutoff.

    A record goes by its start (--STDTC, else --DTC); an end after the cutoff turns to null, since
    on that day it was still going on. A partial date stays if part of it lies on or before the
    cutoff. In DM, subjects who had not yet consented go, and later deaths are not yet known.
    """
    return {
        name: _demographics(frame, cutoff) if name == "DM" else _domain(frame, name, cutoff)
        for name, frame in study.items()
    }


def _is_by(column: str, cutoff: date) -> pl.Expr:
    """True where a date text, as far as it is known, is not after the cutoff; true of null."""
    text = pl.col(column).str.slice(0, 10).str.replace("-+$", "")
    known = pl.lit(cutoff.isoformat()).str.slice(0, text.str.len_bytes())
    return (text <= known).fill_null(True)


def _domain(frame: pl.DataFrame, name: str, cutoff: date) -> pl.DataFrame:
    starts = [column for column in (f"{name}STDTC", f"{name}DTC") if column in frame.columns]
    ends = [column for column in (f"{name}ENDTC",) if column in frame.columns]
    kept = frame.filter(_is_by(starts[0], cutoff)) if starts else frame
    return kept.with_columns(pl.when(_is_by(end, cutoff)).then(pl.col(end)) for end in ends)


def _demographics(frame: pl.DataFrame, cutoff: date) -> pl.DataFrame:
    kept = frame.filter(_is_by("RFICDTC", cutoff)) if "RFICDTC" in frame.columns else frame
    dates = [
        column
        for column in ("DTHDTC", "RFSTDTC", "RFENDTC", "RFXSTDTC", "RFXENDTC", "RFPENDTC")
        if column in frame.columns
    ]
    known = kept.with_columns(
        pl.when(_is_by(column, cutoff)).then(pl.col(column)) for column in dates
    )
    if "DTHFL" in frame.columns and "DTHDTC" in frame.columns:
        died_later = kept["DTHDTC"].is_not_null() & known["DTHDTC"].is_null()
        known = known.with_columns(DTHFL=pl.when(~died_later).then(pl.col("DTHFL")))
    return known


def date_of_event(adtte: pl.DataFrame, *, endpoint: str, events: int) -> date:
    """The day on which the nth event of an endpoint happened, over all arms.

    Raises ValueError if there are fewer.
    """
    dates = adtte.filter((pl.col("PARAMCD") == endpoint) & (pl.col("CNSR") == 0))["ADT"].sort()
    if dates.len() < events:
        raise ValueError(
            f"ADTTE: {dates.len()} events of {endpoint}, the cutoff waits for {events}. "
            "Give a date as cutoff, or wait for more follow-up."
        )
    day: date = dates[events - 1]
    return day
