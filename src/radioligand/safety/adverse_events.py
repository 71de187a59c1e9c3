# SPDX-License-Identifier: Apache-2.0
"""ADAE: adverse events with their dates, grades, treatment-emergent flag and groupings."""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from radioligand import criteria
from radioligand.cdisc import Dictionary, imputed_date
from radioligand.protocol import Protocol
from radioligand.protocol.records import Query
from radioligand.safety.coding import coded

OPTIONAL: dict[str, pl.DataType] = {
    **dict.fromkeys(("STUDYID", "AETERM", "AEDECOD", "AEBODSYS"), pl.String()),
    **dict.fromkeys(("AESTDTC", "AEENDTC"), pl.String()),
    **dict.fromkeys(("AETOXGR", "AESER", "AEREL", "AESDTH"), pl.String()),
    "AESEQ": pl.Int64(),
}
# flag: (the first record of each of these, in order of time or of falling grade)
OCCURRENCES = {
    "AOCCFL": (("USUBJID",), "time"),
    "AOCCSFL": (("USUBJID", "AEBODSYS"), "time"),
    "AOCCPFL": (("USUBJID", "AEDECOD"), "time"),
    "AOCCIFL": (("USUBJID",), "grade"),
    "AOCCSIFL": (("USUBJID", "AEBODSYS"), "grade"),
    "AOCCPIFL": (("USUBJID", "AEDECOD"), "grade"),
}


def derive_adae(
    ae: pl.DataFrame,
    adsl: pl.DataFrame,
    *,
    protocol: Protocol,
    dictionary: Dictionary | None = None,
) -> pl.DataFrame:
    """Derive ADAE: AE with dates, grade, treatment-emergent flag, first and worst occurrences.

    ASTDT and AENDT complete partial dates (ASTDTF, AENDTF say what was made up): the start by
    `protocol.data.event_dates`, but not before the treatment period where the known part allows
    the period's first day; the end to the last day known, but not after death or cutoff.
    ATOXGR and ATOXGRN are the grade of CTCAE. TRTEMFL: see `treatment_emergent`, over the period
    of `protocol.safety`, for subjects who were treated; an event that began before and whose
    grade rose (AEITOXGR, where collected) counts. Among treatment-emergent events, AOCCFL,
    AOCCSFL and AOCCPFL flag the first of a subject, organ class and preferred term, AOCCIFL,
    AOCCSIFL and AOCCPIFL the first of the worst grade. CQnnNAM bears the label of the nth query
    of the protocol where the event is in it. AEDECOD and AEBODSYS of events that the study has
    not coded are those of the `dictionary`, else the verbatim term; AEDICT tells which. Columns
    that the overview asks for and AE lacks are null. Raises ValueError if the protocol has no
    safety table.
    """
    safety = protocol.safety
    if safety is None:
        raise ValueError("the protocol has no [safety]; add the treatment period and the grading")
    asked = {
        one.field for row in safety.overview if row.holds for one in criteria.comparisons(row.holds)
    }
    wanted = dict.fromkeys(sorted(asked), pl.String()) | OPTIONAL
    lacking = {name: kind for name, kind in wanted.items() if name not in ae.columns}
    start = "RANDDT" if safety.from_ == "randomisation" else "TRTSDT"
    treated = pl.col("TRTSDT").is_not_null()
    people = adsl.select(
        *("USUBJID", "TRT01P", "TRT01A", "TRTSDT", "TRTEDT", "DTHDT", "CUTDT"),
        period=pl.when(treated).then(pl.coalesce(start, "TRTSDT")),
    )
    collected = ae.with_columns(**{name: pl.lit(None, kind) for name, kind in lacking.items()})
    adae = (
        coded(collected, dictionary=dictionary)
        .join(people, on="USUBJID", how="inner")
        .with_row_index("row")
    )
    adae = _dated(adae, protocol)
    grade = pl.col("AETOXGR").cast(pl.String).str.extract(r"^\s*([1-5])\s*$")
    adae = adae.with_columns(
        ATOXGR=grade,
        ATOXGRN=grade.cast(pl.Int64),
        ASTDY=_study_day("ASTDT"),
        AENDY=_study_day("AENDT"),
        **_queries(safety.queries),
    )
    emergent = treatment_emergent(
        period_start="period",
        period_end="TRTEDT",
        days_after=safety.days_after_last_dose,
        grade="ATOXGR",
        grade_before="AEITOXGR" if "AEITOXGR" in ae.columns else None,
    )
    adae = adae.with_columns(TRTEMFL=pl.when(emergent).then(pl.lit("Y")))
    return _with_occurrences(adae).sort("USUBJID", "ASTDT", "AESEQ", "row").drop("row", "period")


def _dated(adae: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    rule = protocol.data.event_dates
    highest: Literal["none", "D", "M"] = "M" if rule.month else "D" if rule.day else "none"
    begun = imputed_date(
        "AESTDTC", highest=highest, towards=rule.day or "first", not_before=["period"]
    )
    ended = imputed_date("AEENDTC", highest=highest, towards="last", not_after=["DTHDT", "CUTDT"])
    return adae.with_columns(
        begun.struct.rename_fields(["ASTDT", "ASTDTF"]).struct.unnest(),
        ended.struct.rename_fields(["AENDT", "AENDTF"]).struct.unnest(),
    )


def _study_day(column: str) -> pl.Expr:
    days = (pl.col(column) - pl.col("TRTSDT")).dt.total_days()
    return pl.when(days >= 0).then(days + 1).otherwise(days)


def treatment_emergent(
    *,
    start: str = "ASTDT",
    end: str = "AENDT",
    period_start: str = "TRTSDT",
    period_end: str = "TRTEDT",
    days_after: int | None = None,
    grade: str | None = None,
    grade_before: str | None = None,
    episode: Sequence[str] = (),
    whole_days: bool = True,
) -> pl.Expr:
    """Return true for events of the treatment period; null dates and grades are allowed.

    An event is one of the period if it starts on or after `period_start` and, with `days_after`,
    no later than that many days after `period_end` (no end, no bound); with `whole_days` times of
    day are ignored at the end. An event without a start counts unless it ended before the
    period. Without `period_start` nothing counts.

    Two ways to count what began before and got worse: `grade_before` names the grade at the start
    of the period, and an event that began before, is not over then, and has a higher `grade`
    counts. Or `episode` names the columns that hold together the records of one event; where the
    first began before, records of the period count from the first whose `grade` exceeds that
    of the record before. The rule is that of admiral's derive_var_trtemfl.
    """
    began, ended, opens, closes = (pl.col(one) for one in (start, end, period_start, period_end))
    within = began >= opens
    if days_after is not None:
        last, day = closes + pl.duration(days=days_after), began
        if whole_days:
            last, day = last.cast(pl.Date), began.cast(pl.Date)
        within &= (day <= last) | closes.is_null()
    not_over = ended.is_null() | (ended >= opens)
    counts = within
    if grade_before and grade:
        rose = pl.col(grade) > pl.col(grade_before)
        counts = within | ((began < opens) & not_over & rose).fill_null(False)
    elif episode and grade:
        before = (began.min().over(episode) < opens).fill_null(False)
        rise = within & (pl.col(grade) > pl.col(grade).shift(1).over(episode, order_by=start))
        risen = rise.fill_null(False).cast(pl.Int8).cum_max().over(episode, order_by=start) == 1
        counts = within & (~before | risen)
    return opens.is_not_null() & pl.when(began.is_null()).then(not_over).otherwise(counts)


def _queries(queries: Sequence[Query]) -> dict[str, pl.Expr]:
    """Return CQnnNAM of each query: its label where term and grade are within it."""
    term = pl.col("AEDECOD").str.to_lowercase()
    names: dict[str, pl.Expr] = {}
    for number, query in enumerate(queries, start=1):
        lowest = {each.lower(): query.min_grade for each in query.terms}
        lowest |= {each.lower(): grade for each, grade in query.lower_grade.items()}
        limit = term.replace_strict(lowest, default=None, return_dtype=pl.Int64)
        # an event whose grade is not known is in a query that takes any grade
        inside = limit <= pl.col("AETOXGR").cast(pl.Int64, strict=False).fill_null(1)
        names[f"CQ{number:02d}NAM"] = pl.when(inside).then(pl.lit(query.label))
    return names


def _with_occurrences(adae: pl.DataFrame) -> pl.DataFrame:
    """Flag the first and the first worst treatment-emergent event by subject, class and term."""
    emergent = adae.filter(pl.col("TRTEMFL") == "Y")
    time = ["ASTDT", "AESEQ", "row"]
    orders = {
        "time": emergent.sort(*time, nulls_last=True),
        "grade": emergent.sort(
            "ATOXGRN", *time, descending=[True, False, False, False], nulls_last=True
        ),
    }
    for flag, (keys, order) in OCCURRENCES.items():
        first = orders[order].unique(keys, keep="first", maintain_order=True)
        adae = adae.join(
            first.select("row", pl.lit("Y").alias(flag)),
            on="row",
            how="left",
            maintain_order="left",
        )
    return adae
