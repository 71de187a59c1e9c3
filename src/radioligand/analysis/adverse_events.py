# SPDX-License-Identifier: Apache-2.0
"""Adverse events: how many subjects had one, by kind, by term and by query.

Only treatment-emergent events count (TRTEMFL is Y), and a subject counts once in a row, under
the highest grade: "grade >= 3" are the subjects whose highest grade there is 3 or more.
"""

from collections.abc import Callable, Iterable, Iterator

import polars as pl

from radioligand.analysis.descriptive import count_rows
from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import NotAvailable, Scope
from radioligand.criteria import comparisons, met
from radioligand.protocol.records import AdverseEvents, Query, Safety
from radioligand.statistics.proportions import fisher_exact

ALL_GRADES, SEVERE = "all grades", "grade >= 3"
SEVERE_GRADE = 3


def adverse_events(scope: Scope, analysis: AdverseEvents) -> Iterator[Row]:
    """Return one of the tables of adverse events: overview, terms or queries."""
    safety = scope.protocol.safety
    if safety is None:
        raise NotAvailable("the protocol has no [safety]")
    events = scope.records("ADAE", "AEDECOD", "TRTEMFL").filter(TRTEMFL="Y")
    events = events.with_columns(grade=_grade(events), term=pl.col("AEDECOD").str.to_lowercase())
    origin = scope.origin("ADAE", where="TRTEMFL = 'Y'")
    yield from scope.sizes(origin)
    for arm in scope.arms:
        ungraded = events.filter(arm=arm)["grade"].null_count()
        if ungraded:
            text = "events without a grade count in all grades only"
            yield origin.row("missing", ungraded, arm=arm, text=text)
    rows = TABLES[analysis.table](scope, safety, events, origin)
    yield from _compared(scope, origin, rows) if analysis.compare == "fisher" else rows


def _grade(events: pl.DataFrame) -> pl.Expr:
    """Return the grade as a number, from ATOXGRN or else AETOXGR; null if it has none."""
    for name in ("ATOXGRN", "ATOXGR", "AETOXGR"):
        if name in events.columns:
            return pl.col(name).cast(pl.Int64, strict=False)
    return pl.lit(None, pl.Int64)


def _overview(scope: Scope, safety: Safety, events: pl.DataFrame, origin: Origin) -> Iterator[Row]:
    for place in safety.overview:
        yield origin.row("label", place.indent, variable=place.id, text=place.label)
        absent = [
            each.field
            for each in (comparisons(place.holds) if place.holds else ())
            if each.field not in events.columns
        ]
        if absent:
            text = f"ADAE has no {', '.join(dict.fromkeys(absent))}"
            yield origin.row("not_available", variable=place.id, text=text)
            continue
        counted = events.filter(met(place.holds)) if place.holds else events
        yield from _by_grade(scope, counted, origin, variable=place.id, arms=place.arms)


def _terms(scope: Scope, safety: Safety, events: pl.DataFrame, origin: Origin) -> Iterator[Row]:
    """Return terms by the number of subjects with them, most first, then by name.

    A term in at least `common_percent` of an arm, or of high grade in more than
    `common_severe_percent`, also has a row "common".
    """
    subjects = events.group_by("AEDECOD", "arm", "USUBJID").agg(pl.col("grade").max())
    counted = subjects.group_by("AEDECOD", "arm").agg(
        any=pl.len(), severe=(pl.col("grade") >= SEVERE_GRADE).sum()
    )
    found = {(term, arm): (every, severe) for term, arm, every, severe in counted.iter_rows()}
    sizes = {arm: scope.subjects.filter(arm=arm).height for arm in scope.arms}
    totals = counted.group_by("AEDECOD").agg(pl.col("any").sum()).drop_nulls()
    for term in totals.sort("any", "AEDECOD", descending=[True, False])["AEDECOD"]:
        common = False
        for arm in scope.arms:
            every, severe = found.get((term, arm), (0, 0))
            for level, count in ((ALL_GRADES, every), (SEVERE, severe)):
                yield from count_rows(
                    origin, count, sizes[arm], arm=arm, variable=term, level=level
                )
            often = 100 * every >= safety.common_percent * sizes[arm]
            severely = 100 * severe > safety.common_severe_percent * sizes[arm]
            common |= sizes[arm] > 0 and (often or severely)
        if common:
            yield origin.row("common", 1, variable=term, text=_common_words(safety))


def _common_words(safety: Safety) -> str:
    return (
        f"in at least {safety.common_percent:g}% of an arm, "
        f"or of grade 3 or more in over {safety.common_severe_percent:g}%"
    )


def _queries(scope: Scope, safety: Safety, events: pl.DataFrame, origin: Origin) -> Iterator[Row]:
    for query in safety.queries:
        indent = 1 if query.part_of else 0
        yield origin.row("label", indent, variable=query.id, text=query.label)
        yield from _by_grade(scope, events.filter(_in_query(query)), origin, variable=query.id)


def _in_query(query: Query) -> pl.Expr:
    """Tell the events of a query: its terms, each from the grade that counts for it."""
    limits = dict.fromkeys(query.terms, query.min_grade) | query.lower_grade
    by_limit: dict[int, list[str]] = {}
    for term, limit in limits.items():
        by_limit.setdefault(limit, []).append(term.lower())
    return pl.any_horizontal(
        pl.col("term").is_in(terms)
        & (pl.col("grade").fill_null(0) >= limit if limit > 1 else pl.lit(True))
        for limit, terms in by_limit.items()
    )


def _by_grade(
    scope: Scope,
    events: pl.DataFrame,
    origin: Origin,
    *,
    variable: str,
    arms: tuple[str, ...] = (),
) -> Iterator[Row]:
    """Count subjects by arm and grade; a row that is not for an arm says "NA" there."""
    for arm in scope.arms:
        n = scope.subjects.filter(arm=arm).height
        own = events.filter(arm=arm)
        for level, counted in ((ALL_GRADES, own), (SEVERE, own.filter(_is_severe()))):
            if arms and arm not in arms:
                yield origin.row("count", arm=arm, variable=variable, level=level, text="NA")
                continue
            count = counted["USUBJID"].n_unique()
            yield from count_rows(origin, count, n, arm=arm, variable=variable, level=level)


def _is_severe() -> pl.Expr:
    return pl.col("grade") >= SEVERE_GRADE


def _compared(scope: Scope, origin: Origin, rows: Iterable[Row]) -> Iterator[Row]:
    """Add to each row of the table Fisher's exact test of events of any grade, arm against arm.

    A row that is not for one of the arms has none.
    """
    told = list(rows)
    yield from told
    counts = {
        (row.variable, row.arm): int(row.value)
        for row in told
        if row.statistic == "count" and row.level == ALL_GRADES and row.value is not None
    }
    sizes = {arm: scope.subjects.filter(arm=arm).height for arm in scope.arms}
    method = f"Fisher's exact test, {ALL_GRADES}, two-sided, not adjusted for multiplicity"
    for variable in dict.fromkeys(row.variable for row in told if row.variable):
        for pair in scope.comparisons:
            found = [(counts.get((variable, arm)), sizes[arm]) for arm in pair]
            if any(count is None or not n for count, n in found):
                continue
            table = [[count, n - count] for count, n in found if count is not None]
            p = fisher_exact(table).p_value
            yield origin.row("fisher_p", p, arm=pair.id, variable=variable, method=method)


Table = Callable[[Scope, Safety, pl.DataFrame, Origin], Iterator[Row]]
TABLES: dict[str, Table] = {"overview": _overview, "terms": _terms, "queries": _queries}
