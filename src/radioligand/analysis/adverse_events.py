# SPDX-License-Identifier: Apache-2.0
"""Adverse events: how many subjects had one, by kind, class, term and query, and how often.

Only treatment-emergent events count (TRTEMFL is Y), and a subject counts once in a row, under
the highest grade: "grade >= 3" are the subjects whose highest grade there is 3 or more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import polars as pl

from radioligand.analysis.descriptive import count_rows
from radioligand.analysis.event_rates import rate_rows, time_at_risk
from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import NotAvailable, Scope
from radioligand.criteria import comparisons, met
from radioligand.protocol.records import AdverseEvents, Query, Safety
from radioligand.statistics.proportions import fisher_exact

ALL_GRADES, SEVERE = "all grades", "grade >= 3"
SEVERE_GRADE = 3
GRADES = (1, 2, 3, 4, 5)
NOT_CODED = "Not coded"

# Subjects by arm and by the highest grade of each; None is no grade.
Subjects = dict[str, dict[int | None, int]]


def adverse_events(scope: Scope, analysis: AdverseEvents) -> Iterator[Row]:
    """Return one of the tables of adverse events; events below `min_grade` do not count."""
    safety = scope.protocol.safety
    if safety is None:
        raise NotAvailable("the protocol has no [safety]")
    emergent = pl.col("TRTEMFL") == "Y"
    events = scope.records("ADAE", "AEDECOD", "TRTEMFL", where=emergent)
    events = events.with_columns(grade=_grade(events), term=pl.col("AEDECOD").str.to_lowercase())
    where = "TRTEMFL = 'Y'"
    if analysis.min_grade > 1:
        events = events.filter(pl.col("grade") >= analysis.min_grade)
        where += f" and ATOXGRN >= {analysis.min_grade}"
    origin = scope.origin("ADAE", where=where)
    yield from scope.sizes(origin)
    for arm in scope.arms:
        ungraded = events.filter(arm=arm)["grade"].null_count()
        if ungraded:
            text = "events without a grade count in all grades only"
            yield origin.row("missing", ungraded, arm=arm, text=text)
    rows = TABLES[analysis.table](scope, safety, events, origin, analysis)
    yield from _compared(scope, origin, rows) if analysis.compare == "fisher" else rows


def _grade(events: pl.DataFrame) -> pl.Expr:
    """Return the grade as a number, from ATOXGRN or else AETOXGR; null if it has none."""
    for name in ("ATOXGRN", "ATOXGR", "AETOXGR"):
        if name in events.columns:
            return pl.col(name).cast(pl.Int64, strict=False)
    return pl.lit(None, pl.Int64)


def _overview(
    scope: Scope, safety: Safety, events: pl.DataFrame, origin: Origin, analysis: AdverseEvents
) -> Iterator[Row]:
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


def _terms(
    scope: Scope, safety: Safety, events: pl.DataFrame, origin: Origin, analysis: AdverseEvents
) -> Iterator[Row]:
    """Return terms by the number of subjects with them, most first, then by name.

    A term in at least `common_percent` of an arm, or of high grade in more than
    `common_severe_percent`, also has a row "common"; where the analysis names a percentage of its
    own, a term in at least so many percent of an arm.
    """
    sizes, milder = scope.arm_sizes, analysis.min_grade < SEVERE_GRADE
    for (term,), subjects in _highest(events.drop_nulls("AEDECOD"), "AEDECOD").items():
        common = False
        for arm, n in sizes.items():
            every, severe = _any(subjects.get(arm, {})), _severe(subjects.get(arm, {}))
            told = ((ALL_GRADES, every), (SEVERE, severe)) if milder else ((SEVERE, severe),)
            for level, count in told:
                yield from count_rows(origin, count, n, arm=arm, variable=term, level=level)
            common |= n > 0 and _is_common(every, severe, n, safety, analysis)
        if common:
            yield origin.row("common", 1, variable=term, text=_common_words(safety, analysis))


def _is_common(every: int, severe: int, size: int, safety: Safety, analysis: AdverseEvents) -> bool:
    if analysis.at_least_percent is not None:
        return 100 * every >= analysis.at_least_percent * size
    often = 100 * every >= safety.common_percent * size
    return often or 100 * severe > safety.common_severe_percent * size


def _common_words(safety: Safety, analysis: AdverseEvents) -> str:
    if analysis.at_least_percent is not None:
        return f"in at least {analysis.at_least_percent:g}% of an arm"
    return (
        f"in at least {safety.common_percent:g}% of an arm, "
        f"or of grade 3 or more in over {safety.common_severe_percent:g}%"
    )


def _classes(
    scope: Scope, safety: Safety, events: pl.DataFrame, origin: Origin, analysis: AdverseEvents
) -> Iterator[Row]:
    """Return organ classes and in each its terms, most subjects first, by the highest grade.

    With `at_least_percent` a term is left out that is rarer in every arm; its class counts it.
    """
    if "AEBODSYS" not in events.columns:
        raise NotAvailable("ADAE has no AEBODSYS")
    coded = events.with_columns(
        pl.col("AEBODSYS").fill_null(NOT_CODED), pl.col("AEDECOD").fill_null(NOT_CODED)
    )
    least, sizes = analysis.at_least_percent or 0, scope.arm_sizes
    terms = _highest(coded, "AEBODSYS", "AEDECOD")
    for (organ_class,), of_class in _highest(coded, "AEBODSYS").items():
        yield origin.row("label", 0, variable=organ_class, text=organ_class)
        yield from _by_highest(of_class, sizes, origin, variable=organ_class)
        for (within, term), of_term in terms.items():
            if within != organ_class or not _is_in_percent(of_term, sizes, least):
                continue
            variable = f"{organ_class}: {term}"
            yield origin.row("label", 1, variable=variable, text=term)
            yield from _by_highest(of_term, sizes, origin, variable=variable)


def _highest(events: pl.DataFrame, *by: str) -> dict[tuple[str, ...], Subjects]:
    """Return how many subjects of each arm have which highest grade, in each group of events.

    Groups stand with most subjects first, then by name.
    """
    subjects = events.group_by(*by, "arm", "USUBJID").agg(pl.col("grade").max())
    found: dict[tuple[str, ...], Subjects] = {}
    for *group, arm, grade, count in subjects.group_by(*by, "arm", "grade").len().iter_rows():
        found.setdefault(tuple(group), {}).setdefault(arm, {})[grade] = count
    totals = {group: sum(map(_any, arms.values())) for group, arms in found.items()}
    return {group: found[group] for group in sorted(found, key=lambda one: (-totals[one], one))}


def _any(grades: dict[int | None, int]) -> int:
    return sum(grades.values())


def _severe(grades: dict[int | None, int]) -> int:
    return sum(n for grade, n in grades.items() if grade is not None and grade >= SEVERE_GRADE)


def _is_in_percent(subjects: Subjects, sizes: Mapping[str, int], least: float) -> bool:
    return any(n and 100 * _any(subjects.get(arm, {})) >= least * n for arm, n in sizes.items())


def _by_highest(
    subjects: Subjects, sizes: Mapping[str, int], origin: Origin, *, variable: str
) -> Iterator[Row]:
    """Count subjects by arm: all, and under the highest grade of each."""
    for arm, n in sizes.items():
        grades = subjects.get(arm, {})
        told = {ALL_GRADES: _any(grades)} | {f"grade {g}": grades.get(g, 0) for g in GRADES}
        for level, count in told.items():
            yield from count_rows(origin, count, n, arm=arm, variable=variable, level=level)


def _rates(
    scope: Scope, safety: Safety, events: pl.DataFrame, origin: Origin, analysis: AdverseEvents
) -> Iterator[Row]:
    """Return rates by exposure: any event, the queries, and the common terms."""
    period = time_at_risk(scope, safety)
    kinds = [("any", "Any adverse event", events)]
    kinds += [(one.id, one.label, events.filter(_in_query(one))) for one in safety.queries]
    for (term,), of_term in _highest(events.drop_nulls("AEDECOD"), "AEDECOD").items():
        arms = ((of_term.get(arm, {}), n) for arm, n in scope.arm_sizes.items() if n)
        if any(_is_common(_any(own), _severe(own), n, safety, analysis) for own, n in arms):
            kinds.append((f"term {term}", term, events.filter(AEDECOD=term)))
    for variable, label, of_kind in kinds:
        yield origin.row("label", variable=variable, text=label)
        yield from rate_rows(origin, of_kind, period, analysis, arms=scope.arms, variable=variable)


def _queries(
    scope: Scope, safety: Safety, events: pl.DataFrame, origin: Origin, analysis: AdverseEvents
) -> Iterator[Row]:
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
    subjects = _highest(events).get((), {})
    for arm, n in scope.arm_sizes.items():
        grades = subjects.get(arm, {})
        for level, count in ((ALL_GRADES, _any(grades)), (SEVERE, _severe(grades))):
            if arms and arm not in arms:
                yield origin.row("count", arm=arm, variable=variable, level=level, text="NA")
                continue
            yield from count_rows(origin, count, n, arm=arm, variable=variable, level=level)


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
    sizes = scope.arm_sizes
    method = f"Fisher's exact test, {ALL_GRADES}, two-sided, not adjusted for multiplicity"
    for variable in dict.fromkeys(row.variable for row in told if row.variable):
        for pair in scope.comparisons:
            found = [(counts.get((variable, arm)), sizes[arm]) for arm in pair]
            if any(count is None or not n for count, n in found):
                continue
            table = [[count, n - count] for count, n in found if count is not None]
            p = fisher_exact(table).p_value
            yield origin.row("fisher_p", p, arm=pair.id, variable=variable, method=method)


Table = Callable[[Scope, Safety, pl.DataFrame, Origin, AdverseEvents], Iterator[Row]]
TABLES: dict[str, Table] = {
    "overview": _overview,
    "terms": _terms,
    "classes": _classes,
    "queries": _queries,
    "rates": _rates,
}
