# SPDX-License-Identifier: Apache-2.0
"""How arrays turn into SDTM datasets: ISO dates, sequence numbers, study columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

NO_TEXT = ""  # turns into null


def iso_dates(days: ArrayLike) -> pl.Series:
    """Days since 1970-01-01 as ISO dates; inf or nan, a day that never comes, is null."""
    day = np.asarray(days, dtype=np.float64)
    known = np.isfinite(day)
    whole = np.where(known, day, 0).astype("datetime64[D]").astype(str)
    return pl.Series(values=np.where(known, whole, NO_TEXT)).replace(NO_TEXT, None)


def texts(values: ArrayLike) -> pl.Series:
    """Texts with the empty one as null."""
    return pl.Series(values=np.asarray(values).astype(str)).replace(NO_TEXT, None)


def numbers(values: ArrayLike, decimals: int = 6) -> pl.Series:
    """Numbers rounded to what is recorded, nan as null."""
    rounded = np.round(np.asarray(values, dtype=np.float64), decimals)
    return pl.Series(values=rounded).fill_nan(None)


def plain(values: ArrayLike) -> pl.Series:
    """Numbers as a person writes them: 12 and 7.3, not 12.0; nan as null."""
    text = [
        None if number is None else f"{number:g}" if abs(number) < 1e6 else f"{number:.0f}"
        for number in numbers(values).to_list()
    ]
    return pl.Series(values=text, dtype=pl.String)


def yes_no(flags: ArrayLike) -> pl.Series:
    """Y or N."""
    return pl.Series(values=np.where(np.asarray(flags, dtype=bool), "Y", "N"))


def dataset(
    domain: str,
    study: str,
    rows: pl.DataFrame | Mapping[str, Any],
    *,
    order: Sequence[str] = (),
) -> pl.DataFrame:
    """Make one SDTM dataset: study columns first, rows by subject and `order`, numbered.

    rows : a frame, or its columns by name, of which one may be a single value for every row.
    A dataset without order has one row a subject and no sequence number.
    """
    if not isinstance(rows, pl.DataFrame):
        single = {key: pl.lit(value) for key, value in rows.items() if _is_single(value)}
        several = {key: value for key, value in rows.items() if key not in single}
        rows = pl.DataFrame(several).with_columns(**single).select(*rows)
    frame = rows.select(pl.lit(study).alias("STUDYID"), pl.lit(domain).alias("DOMAIN"), pl.all())
    frame = frame.sort("USUBJID", *order, maintain_order=True)
    return numbered(frame, domain) if order else frame


def numbered(frame: pl.DataFrame, domain: str) -> pl.DataFrame:
    """Number each subject's records in their order, from 1."""
    number = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("USUBJID")
    sequence = number.alias(f"{domain}SEQ")
    rest = [name for name in frame.columns if name not in ("STUDYID", "DOMAIN", "USUBJID")]
    return frame.select("STUDYID", "DOMAIN", "USUBJID", sequence, *rest)


def supplemental(
    domain: str,
    study: str,
    subject: Any,
    qualifiers: Mapping[str, tuple[str, Any]],
    sequence: Any = None,
) -> pl.DataFrame:
    """Make a SUPP-- dataset from `qualifiers`, QNAM: (QLABEL, value of each record)."""
    parts = [
        pl.DataFrame(
            {
                "USUBJID": subject,
                "IDVARVAL": pl.Series(
                    values=sequence if sequence is not None else [None] * len(subject)
                ).cast(pl.String),
                "QNAM": [name] * len(subject),
                "QLABEL": [label] * len(subject),
                "QVAL": values,
            }
        )
        for name, (label, values) in qualifiers.items()
    ]
    return (
        pl.concat(parts)
        .filter(pl.col("QVAL").is_not_null())
        .select(
            pl.lit(study).alias("STUDYID"),
            pl.lit(domain).alias("RDOMAIN"),
            "USUBJID",
            pl.lit(f"{domain}SEQ" if sequence is not None else None, dtype=pl.String).alias(
                "IDVAR"
            ),
            "IDVARVAL",
            "QNAM",
            "QLABEL",
            "QVAL",
            pl.lit("ASSIGNED" if domain == "AE" else "CRF").alias("QORIG"),
        )
        .sort("USUBJID", pl.col("IDVARVAL").cast(pl.Int64), "QNAM", maintain_order=True)
    )


def _is_single(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
