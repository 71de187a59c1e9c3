# SPDX-License-Identifier: Apache-2.0
"""Dates of SDTM: ISO 8601 text, possibly partial, compared and completed by declared rules."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import polars as pl

# Any part may be unknown: 2019, 2019-07, 2019---07 (month unknown), --07-18 (year unknown).
ISO_8601 = (
    r"^(?:\d{4}|-)(?:-(?:0[1-9]|1[0-2]|-)(?:-(?:0[1-9]|[12]\d|3[01]|-)"
    r"(?:T(?:[01]\d|2[0-3]|-)(?::(?:[0-5]\d|-)(?::(?:[0-5]\d(?:\.\d+)?|-))?)?"
    r"(?:Z|[+-]\d{2}:\d{2})?)?)?)?$"
)
KNOWN = r"^(\d{4}(?:-\d{2}(?:-\d{2})?)?)"
COMPARABLE = r"^\d{4}(?:$|-\d{2}(?:$|-\d{2}(?:$|T)))"

BEGINNING, END = date(1, 1, 1), date(9999, 12, 31)  # of a date of which nothing is known


def is_iso8601(column: pl.Expr) -> pl.Expr:
    """Return true where text is a date of ISO 8601, whole or partial, that the calendar has."""
    day = column.str.slice(0, 10)
    whole = day.str.contains(r"^\d{4}-\d{2}-\d{2}$")
    on_calendar = ~whole | day.str.to_date("%Y-%m-%d", strict=False).is_not_null()
    return column.str.contains(ISO_8601) & on_calendar & (column != "-")


def is_not_before(later: pl.Expr, earlier: pl.Expr) -> pl.Expr:
    """Return false where one date text certainly lies before another; true when either is null.

    Partial dates are compared as far as both are known: 2019-03 is not before 2019-03-28. A text
    with a gap, such as 2019---07, or that is no date, is before nothing.
    """
    shared = pl.min_horizontal(later.str.len_bytes(), earlier.str.len_bytes())
    in_order = later.str.slice(0, shared) >= earlier.str.slice(0, shared)
    known = later.str.contains(COMPARABLE) & earlier.str.contains(COMPARABLE)
    return in_order | ~known.fill_null(False)


def imputed_date(
    column: str | pl.Expr,
    *,
    highest: Literal["none", "D", "M", "Y"],
    towards: Literal["first", "mid", "last"] = "first",
    not_before: str | pl.Expr | Sequence[str | pl.Expr] = (),
    not_after: str | pl.Expr | Sequence[str | pl.Expr] = (),
) -> pl.Expr:
    """Complete partial ISO 8601 dates by a declared rule, and say which parts were made up.

    Returns a struct of ``date`` (Date; null where more is missing than the rule may complete) and
    ``flag`` (null for a date as collected; D the day, M month and day, Y all of it imputed). Unpack
    with ``.struct.rename_fields(["ASTDT", "ASTDTF"]).struct.unnest()``.

    highest : the largest part that may be imputed.
    towards : the first, middle (15th; 30 June) or last day of what is known.
    not_before, not_after : dates (Date columns) that bound an imputed date, each only where it
        could be the date itself: 2020-05 is moved to a first dose on 2020-05-10, not on 2020-06-10.

    A day whose month is unknown (2019---07) is not used. With highest "Y" a wholly unknown date is
    taken from its bounds, hence towards "first" needs not_before and "last" needs not_after.
    Raises ValueError if they are absent. The rule and its flags are those of admiral's
    derive_vars_dt and of the ADaM guide's *DTF.
    """
    lower_bounds, upper_bounds = (
        [_column(each) for each in _listed(bounds)] for bounds in (not_before, not_after)
    )
    if highest == "Y" and not {"first": lower_bounds, "last": upper_bounds}.get(towards):
        raise ValueError(
            "a wholly unknown date is imputed from bounds: give not_before with towards='first', "
            f"or not_after with towards='last'; here towards={towards!r}"
        )
    known = _column(column).str.extract(KNOWN)  # 2019, 2019-07 or 2019-07-18
    characters = known.str.len_bytes()
    earliest = (known + "-01-01").str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    last_month = ((known + "-12").str.slice(0, 7) + "-01").str.to_date("%Y-%m-%d", strict=False)
    latest = pl.when(characters == 10).then(earliest).otherwise(last_month.dt.month_end())
    if highest == "Y":
        earliest = pl.when(known.is_null()).then(BEGINNING).otherwise(earliest)
        latest = pl.when(known.is_null()).then(END).otherwise(latest)
    middle = (
        pl.when(characters == 4).then(earliest.dt.offset_by("5mo").dt.month_end())
        .when(characters == 7).then(earliest.dt.offset_by("14d"))
        .otherwise(earliest)
    )  # fmt: skip
    day = {"first": earliest, "mid": middle, "last": latest}[towards]
    for bound in lower_bounds:
        possible = bound.is_between(earliest, latest)
        day = pl.when(possible).then(pl.max_horizontal(day, bound)).otherwise(day)
    for bound in upper_bounds:
        possible = bound.is_between(earliest, latest)
        day = pl.when(possible).then(pl.min_horizontal(day, bound)).otherwise(day)
    shortest = {"none": 10, "D": 7, "M": 4, "Y": 0}[highest]
    kept = (characters.fill_null(0) >= shortest) & ~day.is_in([BEGINNING, END])
    day = pl.when(kept).then(day)
    part = characters.fill_null(0).replace_strict({10: None, 7: "D", 4: "M", 0: "Y"})
    return pl.struct(date=day, flag=pl.when(day.is_not_null()).then(part))


def _column(column: str | pl.Expr) -> pl.Expr:
    return pl.col(column) if isinstance(column, str) else column


def _listed(bounds: str | pl.Expr | Sequence[str | pl.Expr]) -> Sequence[str | pl.Expr]:
    return (bounds,) if isinstance(bounds, str | pl.Expr) else bounds
