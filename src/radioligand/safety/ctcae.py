# SPDX-License-Identifier: Apache-2.0
"""Laboratory grades of CTCAE 4 and 5: one table, and the expression that reads it.

Written from the criteria of the US National Cancer Institute (CTCAE 4.03, 2010; 5.0, 2017), which
are in the public domain. Only what a laboratory value can tell is graded: a transfusion, a symptom
or an intervention may raise a grade further, and does so among the adverse events.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

import polars as pl

Direction = Literal["L", "H"]


class Criterion(NamedTuple):
    """Limits of grades 1 to 4 of one term; an empty limit is a grade the laboratory cannot tell.

    A limit compares with a number in `unit`, or with a multiple of ULN, LLN or BASE; alternatives
    are joined by "or". `abnormal` are the limits for a subject whose baseline was above normal.
    """

    test: str  # LBTESTCD
    term: str
    direction: Direction
    unit: str  # empty: any, since limits are multiples
    limits: tuple[str, str, str, str]
    abnormal: tuple[str, str, str, str] | None = None
    versions: tuple[int, ...] = (4, 5)


# Where the text leaves a limit open ("2.0 to 2.5 times baseline") admiral decides: it counts
# exactly twice the baseline for ALP and not for GGT.
# fmt: off
CRITERIA = (
    Criterion("HGB", "Anemia", "L", "g/L", ("<LLN", "<100", "<80", "")),
    Criterion("HGB", "Hemoglobin increased", "H", "g/L",
              (">ULN", ">ULN+20", ">ULN+40", ""), versions=(5,)),
    Criterion("WBC", "White blood cell decreased", "L", "10^9/L", ("<LLN", "<3", "<2", "<1")),
    Criterion("WBC", "Leukocytosis", "H", "10^9/L", ("", "", ">100", "")),
    Criterion("NEUT", "Neutrophil count decreased", "L", "10^9/L", ("<LLN", "<1.5", "<1", "<0.5")),
    Criterion("LYM", "Lymphocyte count decreased", "L", "10^9/L", ("<LLN", "<0.8", "<0.5", "<0.2")),
    Criterion("LYM", "Lymphocyte count increased", "H", "10^9/L", ("", ">4", ">20", "")),
    Criterion("CD4", "CD4 lymphocytes decreased", "L", "10^9/L", ("<LLN", "<0.5", "<0.2", "<0.05")),
    Criterion("PLAT", "Platelet count decreased", "L", "10^9/L", ("<LLN", "<75", "<50", "<25")),
    Criterion("CREAT", "Creatinine increased", "H", "",
              (">ULN", ">1.5ULN or >1.5BASE", ">3ULN or >3BASE", ">6ULN"), versions=(5,)),
    Criterion("CREAT", "Creatinine increased", "H", "",
              (">ULN or >BASE", ">1.5ULN or >1.5BASE", ">3ULN or >3BASE", ">6ULN"), versions=(4,)),
    Criterion("ALT", "Alanine aminotransferase increased", "H", "",
              (">ULN", ">3ULN", ">5ULN", ">20ULN"), versions=(4,)),
    Criterion("ALT", "Alanine aminotransferase increased", "H", "",
              (">ULN", ">3ULN", ">5ULN", ">20ULN"),
              (">=1.5BASE", ">3BASE", ">5BASE", ">20BASE"), versions=(5,)),
    Criterion("AST", "Aspartate aminotransferase increased", "H", "",
              (">ULN", ">3ULN", ">5ULN", ">20ULN"), versions=(4,)),
    Criterion("AST", "Aspartate aminotransferase increased", "H", "",
              (">ULN", ">3ULN", ">5ULN", ">20ULN"),
              (">=1.5BASE", ">3BASE", ">5BASE", ">20BASE"), versions=(5,)),
    Criterion("ALP", "Alkaline phosphatase increased", "H", "",
              (">ULN", ">2.5ULN", ">5ULN", ">20ULN"), versions=(4,)),
    Criterion("ALP", "Alkaline phosphatase increased", "H", "",
              (">ULN", ">2.5ULN", ">5ULN", ">20ULN"),
              (">=2BASE", ">2.5BASE", ">5BASE", ">20BASE"), versions=(5,)),
    Criterion("GGT", "GGT increased", "H", "",
              (">ULN", ">2.5ULN", ">5ULN", ">20ULN"), versions=(4,)),
    Criterion("GGT", "GGT increased", "H", "",
              (">ULN", ">2.5ULN", ">5ULN", ">20ULN"),
              (">2BASE", ">2.5BASE", ">5BASE", ">20BASE"), versions=(5,)),
    Criterion("BILI", "Blood bilirubin increased", "H", "",
              (">ULN", ">1.5ULN", ">3ULN", ">10ULN"), versions=(4,)),
    Criterion("BILI", "Blood bilirubin increased", "H", "",
              (">ULN", ">1.5ULN", ">3ULN", ">10ULN"),
              (">BASE", ">1.5BASE", ">3BASE", ">10BASE"), versions=(5,)),
    Criterion("ALB", "Hypoalbuminemia", "L", "g/L", ("<LLN", "<30", "<20", "")),
    Criterion("AMYLASE", "Serum amylase increased", "H", "",
              (">ULN", ">1.5ULN", ">2ULN", ">5ULN")),
    Criterion("LIPASE", "Lipase increased", "H", "", (">ULN", ">1.5ULN", ">2ULN", ">5ULN")),
    Criterion("CK", "CPK increased", "H", "", (">ULN", ">2.5ULN", ">5ULN", ">10ULN")),
    Criterion("LDH", "Blood lactate dehydrogenase increased", "H", "", (">ULN", "", "", ""),
              versions=(5,)),
    Criterion("HAPTOG", "Haptoglobin decreased", "L", "", ("<LLN", "", "", "")),
    Criterion("APTT", "Activated partial thromboplastin time prolonged", "H", "",
              (">ULN", ">1.5ULN", ">2.5ULN", "")),
    Criterion("CHOL", "Cholesterol high", "H", "mmol/L", (">ULN", ">7.75", ">10.34", ">12.92")),
    Criterion("TRIG", "Hypertriglyceridemia", "H", "mmol/L", (">1.71", ">3.42", ">5.7", ">11.4")),
    Criterion("K", "Hyperkalemia", "H", "mmol/L", (">ULN", ">5.5", ">6", ">7")),
    Criterion("K", "Hypokalemia", "L", "mmol/L", ("", "<LLN", "<3", "<2.5")),
    Criterion("SODIUM", "Hypernatremia", "H", "mmol/L", (">ULN", ">150", ">155", ">160")),
    Criterion("SODIUM", "Hyponatremia", "L", "mmol/L", ("<LLN", "", "<=129", "<120"),
              versions=(5,)),
    Criterion("SODIUM", "Hyponatremia", "L", "mmol/L", ("<LLN", "", "<130", "<120"), versions=(4,)),
    Criterion("MG", "Hypermagnesemia", "H", "mmol/L", (">ULN", "", ">1.23", ">3.3")),
    Criterion("MG", "Hypomagnesemia", "L", "mmol/L", ("<LLN", "<0.5", "<0.4", "<0.3")),
    Criterion("PHOS", "Hypophosphatemia", "L", "mmol/L", ("<LLN", "<0.8", "<0.6", "<0.3"),
              versions=(4,)),
    Criterion("CAION", "Hypercalcemia (Ionized)", "H", "mmol/L", (">ULN", ">1.5", ">1.6", ">1.8")),
    Criterion("CAION", "Hypocalcemia (Ionized)", "L", "mmol/L", ("<LLN", "<1", "<0.9", "<0.8")),
    Criterion("GLUC", "Hypoglycemia", "L", "mmol/L", ("<LLN", "<3", "<2.2", "<1.7")),
    Criterion("URATE", "Hyperuricemia", "H", "", ("", "", ">ULN", ""), versions=(5,)),
)
# fmt: on

# conventional units: how many of the criterion's unit one of them is
CONVERSIONS = {("g/dl", "g/l"): 10.0, ("10^3/ul", "10^9/l"): 1.0}
LIMIT = re.compile(r"(<=|>=|<|>)([\d.]*)(ULN|LLN|BASE)?(?:\+([\d.]+))?")
COLUMN = {"ULN": "ANRHI", "LLN": "ANRLO", "BASE": "BASE"}
DIGITS = 12  # significant digits compared: 3 x 0.1 is 0.3


def version_of(grading: str) -> int | None:
    """Return the major version in a name such as "CTCAE 5.0"; None if the table has not that."""
    found = re.match(r"CTCAE\D*(\d+)", grading)
    known = {version for criterion in CRITERIA for version in criterion.versions}
    return int(found[1]) if found and int(found[1]) in known else None


def criterion_of(test: str, direction: Direction, *, version: int) -> Criterion | None:
    """Return the criterion for a test (LBTESTCD) in a direction; None if it has none."""
    listed = (one for one in CRITERIA if one.test == test and _applies(one, direction, version))
    return next(listed, None)


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
    Null where the unit is not that of the criterion, or no grade is certain: a limit that cannot
    be compared and no grade that holds. A baseline that is not known counts as normal.
    """
    factor = _factor(criterion.unit)
    value = pl.col("AVAL") * factor
    normal = _first(criterion.limits, value, factor)
    found = normal
    if criterion.abnormal:
        high = pl.col("BNRIND").str.starts_with("HIGH").fill_null(False)
        on_baseline = _first(criterion.abnormal, value, factor)
        found = pl.when(high & pl.col("ANRHI").is_not_null()).then(on_baseline)
        found = pl.coalesce(found, pl.when(~high).then(normal))
    return pl.when(value.is_not_null()).then(found)


def _first(limits: tuple[str, ...], value: pl.Expr, factor: pl.Expr) -> pl.Expr:
    """Return the highest grade whose limit is passed; "0" if none is and all could be judged."""
    passed = {
        number: pl.any_horizontal(_passed(limit, value, factor, grade=number))
        for number, limit in enumerate(limits, start=1)
        if limit
    }
    grades = [
        pl.when(passes).then(pl.lit(str(number))) for number, passes in reversed(passed.items())
    ]
    none = pl.when(~pl.any_horizontal(passed.values())).then(pl.lit("0"))
    return pl.coalesce(*grades, none)


def _passed(limit: str, value: pl.Expr, factor: pl.Expr, *, grade: int) -> Iterator[pl.Expr]:
    for alternative in limit.split(" or "):
        found = LIMIT.fullmatch(alternative)
        if not found:
            raise ValueError(f"{alternative!r} is not a limit such as '<100' or '>2.5ULN'")
        sign, number, of, plus = found.groups()
        bound = pl.lit(float(number or 1))
        if of:
            bound = bound * pl.col(COLUMN[of]) * factor + float(plus or 0)
        seen, bound = value.round_sig_figs(DIGITS), bound.round_sig_figs(DIGITS)
        passes = {"<": seen < bound, "<=": seen <= bound, ">": seen > bound, ">=": seen >= bound}
        # the lowest grade cannot be ruled out without the baseline it asks for; a higher one can
        yield passes[sign].fill_null(False) if of == "BASE" and grade > 1 else passes[sign]


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
