# SPDX-License-Identifier: Apache-2.0
"""Interim analyses: the p value of an endpoint held against the stopping boundary of its look."""

from collections.abc import Iterator, Mapping, Sequence

from radioligand.analysis.hierarchy import p_value_of
from radioligand.analysis.results import ALL, Row
from radioligand.analysis.scope import Scope
from radioligand.protocol.records import Interim
from radioligand.statistics.sequential import Boundaries, boundaries

BOUNDARY = ("boundary_z", "boundary_p", "alpha_spent", "final_boundary_p")


def interim(scope: Scope, analysis: Interim, *, done: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
    """Compare the p value of another analysis with its boundary; `done` holds that one's rows.

    Information is the share of the events of the final analysis that have happened, and the
    boundary is read there; a classical shape keeps the constant that it has for the looks
    planned. The verdict stands in the text of p_value: "crossed" if p is at most boundary_p. At
    the number of events of the final analysis there is no interim look any more, and the reason
    is given.
    """
    origin = scope.origin()
    rows = done.get(analysis.analysis, ())
    events = _events(rows, scope.arms)
    fraction = events / analysis.final_events
    yield from scope.sizes(origin)
    yield origin.row("events", events, arm=ALL)
    yield origin.row("final_events", analysis.final_events, arm=ALL)
    yield origin.row("information", 100 * fraction, arm=ALL, unit="%")
    try:
        if not 0 < fraction < 1:
            told = f"{events} of {analysis.final_events} events"
            raise ValueError(
                f"an interim look is before the last event and after the first: {told}"
            )
        design = boundaries(
            [fraction, 1.0],
            alpha=analysis.alpha,
            sided=analysis.sided,
            spending=analysis.spending,
            planned=analysis.planned_fractions or None,
        )
    except ValueError as error:
        yield from origin.not_estimable(str(error), *BOUNDARY)
        return
    method = _method(analysis, design)
    for name, value in zip(
        BOUNDARY,
        (design.z[0], design.nominal_p[0], design.cumulative_alpha[0], design.nominal_p[1]),
        strict=True,
    ):
        yield origin.row(name, float(value), arm=ALL, method=method)
    p, reason = p_value_of(scope, rows, analysis.analysis, analysis.sided)
    if p is None:
        yield from origin.not_estimable(reason, "p_value")
        return
    verdict = "crossed" if p <= design.nominal_p[0] else "not crossed"
    pair = scope.comparisons[0].id
    yield origin.row("p_value", p, arm=pair, text=verdict, method=method)


def _events(rows: Sequence[Row], arms: tuple[str, ...]) -> int:
    """Add up the events of all arms; a row with a level counts those of one reason only."""
    counts = (
        row.value or 0
        for row in rows
        if row.statistic == "events" and row.arm in arms and not row.level and not row.variable
    )
    return int(sum(counts))


def _method(analysis: Interim, design: Boundaries) -> str:
    sides = "one-sided" if analysis.sided == 1 else "two-sided"
    told = f"{analysis.spending} boundary, alpha {analysis.alpha:g} {sides}"
    if analysis.planned_fractions:
        looks = ", ".join(f"{look:.3g}" for look in analysis.planned_fractions)
        told += f", constant {design.constant:.4f} for looks at {looks}, read at the events seen"
    return told
