# SPDX-License-Identifier: Apache-2.0
"""Laboratory grades: the worst under treatment, the shift from baseline, by cycle, over time."""

from collections.abc import Callable, Iterator

import polars as pl

from radioligand.analysis.descriptive import count_rows
from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import NotAvailable, Scope
from radioligand.protocol.records import LaboratoryGrades
from radioligand.protocol.safety_records import GradedTest

GRADES = (0, 1, 2, 3, 4)
UNKNOWN = "missing"
PERIOD = "TREATMENT"  # EPOCH of the randomised treatment, whose cycles count
COLUMNS = ("ADT", "ONTRTFL", "ATOXGRL", "ATOXGRH", "BTOXGRL", "BTOXGRH")
LETTER = {"low": "L", "high": "H"}


def laboratory(scope: Scope, analysis: LaboratoryGrades) -> Iterator[Row]:
    """Return one of the tables of laboratory grades; values under treatment alone count."""
    records = scope.records("ADLB", "PARAMCD", "PARAM", *COLUMNS)
    yield from scope.sizes(scope.origin("ADLB", where="ONTRTFL = 'Y'"))
    for test in analysis.tests:
        graded = _of_test(records, test)
        term = _term(graded, test)
        origin = scope.origin("ADLB", where="ONTRTFL = 'Y'", parameter=test.test)
        variable = f"{test.test} {test.direction}"
        yield origin.row("label", variable=variable, text=term)
        if graded.filter(pl.col("grade").is_not_null()).is_empty():
            reason = f"no value of {test.test} under treatment has a grade"
            yield origin.row("not_available", variable=variable, text=reason)
            continue
        yield from TABLES[analysis.table](scope, analysis, graded, origin, variable)


def _of_test(records: pl.DataFrame, test: GradedTest) -> pl.DataFrame:
    """Return the records of a test under treatment, with their grade and that of the baseline."""
    letter = LETTER[test.direction]
    return records.filter(PARAMCD=test.test, ONTRTFL="Y").with_columns(
        grade=pl.col(f"ATOXGR{letter}").cast(pl.Int64, strict=False),
        at_baseline=pl.col(f"BTOXGR{letter}").cast(pl.Int64, strict=False),
    )


def _term(graded: pl.DataFrame, test: GradedTest) -> str:
    """Return what the grade is of, by the criteria's own word, else the test and its side."""
    name = f"ATOXDSC{LETTER[test.direction]}"
    terms = graded[name].drop_nulls() if name in graded.columns else pl.Series(dtype=pl.String)
    return str(terms[0]) if len(terms) else f"{test.test}, {test.direction}"


def _highest(graded: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Return one row a subject (and `by`): the highest grade, and the grade at baseline."""
    return graded.group_by("arm", "USUBJID", *by).agg(
        pl.col("grade").max(), pl.col("at_baseline").first()
    )


def _counted(
    origin: Origin, grades: pl.Series, *, arm: str, variable: str, level: str = ""
) -> Iterator[Row]:
    """Count subjects by grade, of those who have one; `level` sets the rows apart."""
    before = f"{level}: " if level else ""
    known = grades.drop_nulls()
    yield origin.row("evaluated", len(known), arm=arm, variable=variable, level=level or None)
    for grade in GRADES:
        count = int((known == grade).sum())
        yield from count_rows(
            origin, count, len(known), arm=arm, variable=variable, level=f"{before}grade {grade}"
        )


def _worst(
    scope: Scope, analysis: LaboratoryGrades, graded: pl.DataFrame, origin: Origin, variable: str
) -> Iterator[Row]:
    worst = _highest(graded)
    for arm in scope.arms:
        grades = worst.filter(arm=arm)["grade"]
        yield from _counted(origin, grades, arm=arm, variable=variable)
        known = grades.drop_nulls()
        severe = int((known >= 3).sum())
        yield from count_rows(
            origin, severe, len(known), arm=arm, variable=variable, level="grade >= 3"
        )


def _shift(
    scope: Scope, analysis: LaboratoryGrades, graded: pl.DataFrame, origin: Origin, variable: str
) -> Iterator[Row]:
    """Return subjects by grade at baseline and highest grade after it."""
    worst = _highest(graded).filter(pl.col("grade").is_not_null())
    named = pl.col("at_baseline").cast(pl.String).fill_null(UNKNOWN)
    worst = worst.with_columns(baseline=named)
    for arm in scope.arms:
        own = worst.filter(arm=arm)
        yield origin.row("evaluated", own.height, arm=arm, variable=variable)
        for start in (*map(str, GRADES), UNKNOWN):
            grades = own.filter(baseline=start)["grade"]
            for grade in GRADES:
                count = int((grades == grade).sum())
                level = f"baseline {start}: grade {grade}"
                yield from count_rows(
                    origin, count, own.height, arm=arm, variable=variable, level=level
                )


def _cycles(
    scope: Scope, analysis: LaboratoryGrades, graded: pl.DataFrame, origin: Origin, variable: str
) -> Iterator[Row]:
    """Return the highest grade in each cycle: from a dose to the day of the next, or the end."""
    planned = {
        treatment.name: treatment.cycles
        for arm in scope.protocol.arms
        for treatment in arm.treatments
        if treatment.cycles
    }
    doses = scope.records("ADEX", "PARAMCD", "PARCAT2", "EPOCH", "CYCLE", "ASTDT").filter(
        pl.col("PARCAT2").is_in(list(planned)), PARAMCD="DOSE", EPOCH=PERIOD
    )
    if doses.is_empty():
        raise NotAvailable("ADEX has no dose of a treatment that is given in cycles")
    begun = doses.group_by("USUBJID", "CYCLE").agg(pl.col("ASTDT").min()).sort("ASTDT")
    in_cycle = graded.sort("ADT").join_asof(
        begun, left_on="ADT", right_on="ASTDT", by="USUBJID", strategy="backward",
        allow_exact_matches=False, check_sortedness=False,
    )  # fmt: skip
    worst = _highest(in_cycle.filter(pl.col("CYCLE").is_not_null()), "CYCLE")
    arms = doses["arm"].unique()
    for cycle in range(1, max(planned.values()) + 1):
        for arm in (each for each in scope.arms if each in arms):
            grades = worst.filter(arm=arm, CYCLE=cycle)["grade"]
            level = f"cycle {cycle}"
            yield from _counted(origin, grades, arm=arm, variable=variable, level=level)


def _over_time(
    scope: Scope, analysis: LaboratoryGrades, graded: pl.DataFrame, origin: Origin, variable: str
) -> Iterator[Row]:
    """Return shares of subjects by the highest grade in the window of each planned visit.

    Visits at which fewer than `at_least` subjects of an arm have a value are left out.
    """
    activity = scope.protocol.activity(analysis.activity or "")
    anchors = scope.subjects.select("USUBJID", anchor=pl.coalesce(activity.anchor, "TRTSDT"))
    days = (pl.col("ADT") - pl.col("anchor")).dt.total_days()
    dated = graded.join(anchors, on="USUBJID").with_columns(day=days).sort("day")
    last = dated["day"].max()
    plan = activity.planned_days(int(last) if isinstance(last, int) else 0)
    planned = pl.DataFrame({"visit": plan}, {"visit": pl.Int64})
    near = dated.join_asof(
        planned, left_on="day", right_on="visit", strategy="nearest", coalesce=False
    ).filter((pl.col("day") - pl.col("visit")).abs() <= activity.window_days)
    worst = _highest(near, "visit").drop_nulls("grade")
    found: dict[str, dict[int, dict[int, int]]] = {arm: {} for arm in scope.arms}
    for arm, visit, grade, count in worst.group_by("arm", "visit", "grade").len().iter_rows():
        found[arm].setdefault(visit, {})[grade] = count
    for arm, visits in found.items():
        for visit, grades in sorted(visits.items()):
            n = sum(grades.values())
            if n < analysis.at_least:
                continue
            yield origin.row("at_visit", n, arm=arm, variable=variable, time_days=visit)
            for grade in GRADES:
                share = 100 * grades.get(grade, 0) / n
                yield origin.row(
                    "grade_share", share, arm=arm, variable=variable, level=f"grade {grade}",
                    time_days=visit, unit="%",
                )  # fmt: skip


Table = Callable[[Scope, LaboratoryGrades, pl.DataFrame, Origin, str], Iterator[Row]]
TABLES: dict[str, Table] = {
    "worst": _worst,
    "shift": _shift,
    "cycles": _cycles,
    "over time": _over_time,
}
