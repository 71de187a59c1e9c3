# SPDX-License-Identifier: Apache-2.0
"""Laboratory grades of CTCAE 4, 5 and 6: the expressions that read the table of criteria."""

import re
from collections.abc import Iterator

import polars as pl

from radioligand.safety.ctcae_table import CRITERIA, Criterion, Direction, Limits

# conventional units: how many of the criterion's unit one of them is
CONVERSIONS = {
    ("g/dl", "g/l"): 10.0,
    ("mg/dl", "g/l"): 0.01,
    ("10^3/ul", "10^9/l"): 1.0,
    ("10^3/ml", "10^9/l"): 0.001,
    ("1/ul", "10^9/l"): 0.001,
    ("/mm3", "10^9/l"): 0.001,
}
LIMIT = re.compile(r"(<=|>=|<|>)([\d.]*)(ULN|LLN|BASE)?(?:\+([\d.]+))?")
COLUMN = {"ULN": "ANRHI", "LLN": "ANRLO", "BASE": "BASE"}
DIGITS = 12  # significant digits compared: 3 x 0.1 is 0.3


def version_of(grading: str) -> int | None:
    """Return the major version in a name such as "CTCAE 5.0"; None if the table has not that."""
    found = re.match(r"CTCAE\D*(\d+)", grading)
    known = {version for criterion in CRITERIA for version in criterion.versions}
    return int(found[1]) if found and int(found[1]) in known else None


def criterion_of(
    test: str, direction: Direction, *, version: int, fasting: bool = False
) -> Criterion | None:
    """Return the criterion for a test (LBTESTCD) in a direction; None if it has none.

    Of a value taken fasting the criterion that asks for it comes first, of any other it is none.
    """
    listed = [one for one in CRITERIA if one.test == test and _applies(one, direction, version)]
    asked = [one for one in listed if one.fasting and fasting]
    return next(iter([*asked, *(one for one in listed if not one.fasting)]), None)


def _applies(criterion: Criterion, direction: Direction, version: int) -> bool:
    return criterion.direction == direction and version in criterion.versions


def grade(direction: Direction, *, term: str, version: int) -> pl.Expr:
    """Return the grade of each laboratory value by the term in column `term`, in any case.

    See `graded`; null where the table has no such term.
    """
    said = pl.col(term).str.to_lowercase()
    each = [
        pl.when(said == one.term.lower()).then(graded(one))
        for one in CRITERIA
        if _applies(one, direction, version)
    ]
    return pl.coalesce(*each)


def graded(criterion: Criterion) -> pl.Expr:
    """Return the grade, "0" to "4", of laboratory values that one criterion is about.

    Reads AVAL, AVALU, ANRLO, ANRHI, BASE and BNRIND (HIGH, HIGH HIGH: baseline above normal).
    Null where the unit is none of the criterion's, or no grade is certain: a limit that cannot
    be compared and no grade that holds. A baseline that is not known counts as normal.
    """
    found = _in_unit(criterion, criterion.limits, _factor(criterion.unit))
    if criterion.conventional is None:
        return found
    unit, limits = criterion.conventional
    return pl.coalesce(found, _in_unit(criterion, limits, _factor(unit)))


def _in_unit(criterion: Criterion, limits: Limits, factor: pl.Expr) -> pl.Expr:
    value = pl.col("AVAL") * factor
    normal = _first(limits, value, factor)
    found = normal
    if criterion.abnormal:
        side = _outside(criterion)
        on_baseline = _first(criterion.abnormal, value, factor)
        bounded = pl.col("ANRHI").is_not_null() | (criterion.baseline == "LOW")
        found = pl.when(side & bounded).then(on_baseline)
        found = pl.coalesce(found, pl.when(~side).then(normal))
    said = value.is_not_null()
    if criterion.silent:
        said &= ~_passed(criterion.silent, value, factor, grade=2)
    return pl.when(said).then(found)


def _outside(criterion: Criterion) -> pl.Expr:
    """Tell whether the baseline lay on that side of normal: as it was said, else by its value."""
    said = pl.col("BNRIND").str.starts_with(criterion.baseline)
    if criterion.baseline == "HIGH" and any("+" in limit for limit in criterion.abnormal or ()):
        said = pl.coalesce(said, pl.col("BASE") > pl.col("ANRHI"))
    return said.fill_null(False)


def _first(limits: Limits, value: pl.Expr, factor: pl.Expr) -> pl.Expr:
    """Return the highest grade whose limit is passed; "0" if none is and all could be judged."""
    passed = {
        number: pl.any_horizontal(_alternatives(limit, value, factor, grade=number))
        for number, limit in enumerate(limits, start=1)
        if limit
    }
    grades = [
        pl.when(passes).then(pl.lit(str(number))) for number, passes in reversed(passed.items())
    ]
    none = pl.when(~pl.any_horizontal(passed.values())).then(pl.lit("0"))
    return pl.coalesce(*grades, none)


def _alternatives(limit: str, value: pl.Expr, factor: pl.Expr, *, grade: int) -> Iterator[pl.Expr]:
    for alternative in limit.split(" or "):
        parts = alternative.split(" and ")
        yield pl.all_horizontal(_passed(part, value, factor, grade=grade) for part in parts)


def _passed(limit: str, value: pl.Expr, factor: pl.Expr, *, grade: int) -> pl.Expr:
    found = LIMIT.fullmatch(limit)
    if not found:
        raise ValueError(f"{limit!r} is not a limit such as '<100' or '>2.5ULN'")
    sign, number, of, plus = found.groups()
    bound = pl.lit(float(number or 1))
    if of:
        bound = bound * pl.col(COLUMN[of]) * factor + float(plus or 0)
    seen, bound = value.round_sig_figs(DIGITS), bound.round_sig_figs(DIGITS)
    passes = {"<": seen < bound, "<=": seen <= bound, ">": seen > bound, ">=": seen >= bound}
    # the lowest grade cannot be ruled out without the baseline it asks for; a higher one can
    return passes[sign].fill_null(False) if of == "BASE" and grade > 1 else passes[sign]


def _factor(unit: str) -> pl.Expr:
    """Return what turns AVALU into the criterion's unit; null for any other unit."""
    if not unit:
        return pl.lit(1.0)
    said = pl.col("AVALU").str.to_lowercase()
    factors = {unit.lower(): 1.0} | {
        given: times for (given, wanted), times in CONVERSIONS.items() if wanted == unit.lower()
    }
    return said.replace_strict(factors, default=None, return_dtype=pl.Float64)


def combined_grade(
    *,
    low: str = "ATOXGRL",
    high: str = "ATOXGRH",
    low_term: str = "ATOXDSCL",
    high_term: str = "ATOXDSCH",
) -> pl.Expr:
    """Return one grade of two directions: "3" above, "-3" below normal, "0" when neither.

    "0" needs every direction that has a term to be graded.
    """
    below, above = pl.col(low), pl.col(high)
    graded = (below.is_not_null() | pl.col(low_term).is_null()) & (
        above.is_not_null() | pl.col(high_term).is_null()
    )
    some = below.is_not_null() | above.is_not_null()
    return (
        pl.when(above > "0")
        .then(above)
        .when(below > "0")
        .then(pl.concat_str(pl.lit("-"), below))
        .when(graded & some)
        .then(pl.lit("0"))
    )
