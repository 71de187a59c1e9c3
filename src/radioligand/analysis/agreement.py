# SPDX-License-Identifier: Apache-2.0
"""Two evaluations of the same subjects compared: best response, and when disease progressed."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import polars as pl

from radioligand.analysis.best_response import known_levels
from radioligand.analysis.descriptive import QUARTILES, quartiles
from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import NotAvailable, Scope, groups
from radioligand.protocol.records import Agreement, Endpoint
from radioligand.statistics.proportions import cohen_kappa

ORDER = ("CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE", "MISSING")
KAPPA = ("kappa", "kappa_lower", "kappa_upper")
LEVEL = 0.95


def agreement(scope: Scope, analysis: Agreement) -> Iterator[Row]:
    """Compare best overall response and times to event of two evaluations.

    Counts of best response have the level of the first evaluation as `variable` and that of the
    second as `level`. Everything stands for each arm and for all subjects.
    """
    yield from scope.sizes(scope.origin())
    yield from _best_response(scope, analysis)
    pairs = _endpoints(scope, analysis)
    if not pairs:
        text = "no endpoint is defined alike for both evaluations"
        yield scope.origin("ADTTE").row("not_available", text=text)
    for first, second in pairs:
        yield from _times(scope, analysis, first, second)


# -- best overall response -------------------------------------------------------------------


def _best_response(scope: Scope, analysis: Agreement) -> Iterator[Row]:
    names = [f"BOR{scope.protocol.evaluation(one).suffix}" for one in analysis.evaluations]
    origin = scope.origin("ADRS", parameter=" v ".join(names))
    try:
        sides = [scope.one_each("ADRS", "AVALC", parameter=name) for name in names]
    except NotAvailable as reason:
        yield origin.row("not_available", text=str(reason))
        return
    first, second = (known_levels(scope.subjects, side, levels=()) for side in sides)
    both = first.with_columns(other=second["level"])
    found = {*both["level"], *both["other"]}
    levels = [*(level for level in ORDER if level in found), *sorted(found - set(ORDER))]
    for arm, own in groups(both, scope.arms):
        cells = {(a, b): n for a, b, n in own.group_by("level", "other").len().iter_rows()}
        table = np.array([[cells.get((a, b), 0) for b in levels] for a in levels])
        for a, b in product(levels, levels):
            count = cells.get((a, b), 0)
            yield origin.row("count", count, arm=arm, variable=a, level=b)
        yield from _kappa(origin, table, arm=arm)


def _kappa(origin: Origin, table: np.ndarray, *, arm: str) -> Iterator[Row]:
    n = int(table.sum())
    if not n:
        yield from origin.not_estimable(f"no subjects in arm {arm}", *KAPPA, arm=arm)
        return
    same = 100 * int(np.trace(table)) / n
    yield origin.row("percent_agreement", same, arm=arm, unit="%", method="same level in both")
    try:
        found = cohen_kappa(table, level=LEVEL)
    except ValueError as error:
        yield from origin.not_estimable(str(error), *KAPPA, arm=arm)
        return
    method = f"Cohen's kappa, unweighted; {LEVEL:.0%} interval of Fleiss, Cohen and Everitt"
    for name, value in zip(KAPPA, (found.estimate, found.lower, found.upper), strict=True):
        yield origin.row(name, value, arm=arm, method=method)


# -- times to event --------------------------------------------------------------------------


def _endpoints(scope: Scope, analysis: Agreement) -> list[tuple[Endpoint, Endpoint]]:
    """Return endpoints that differ in their evaluation alone, by the suffix of their ids."""
    first, second = (scope.protocol.evaluation(one) for one in analysis.evaluations)
    by_id = {each.id: each for each in scope.protocol.endpoints}
    return [
        (one, other)
        for one in scope.protocol.endpoints
        if one.evaluation == first.id
        and (other := by_id.get(one.id.removesuffix(first.suffix) + second.suffix))
        and other.evaluation == second.id
        and other.censoring == one.censoring
    ]


def _times(scope: Scope, analysis: Agreement, first: Endpoint, second: Endpoint) -> Iterator[Row]:
    """Count who has the event by which evaluation, and for both by which it came earlier."""
    one, other = analysis.evaluations
    variable = f"{first.id} v {second.id}"
    origin = scope.origin("ADTTE", parameter=variable)
    try:
        sides = [
            scope.one_each("ADTTE", "AVAL", "CNSR", parameter=each.id) for each in (first, second)
        ]
    except NotAvailable as reason:
        yield origin.row("not_available", variable=variable, text=str(reason))
        return
    left, right = (
        side.select("USUBJID", "arm", "AVAL", event=pl.col("CNSR") == 0) for side in sides
    )
    both = left.join(right.drop("arm"), on="USUBJID", suffix="_other", maintain_order="left")
    gap = pl.col("AVAL_other") - pl.col("AVAL")
    for arm, own in groups(both.with_columns(gap=gap), scope.arms):
        shared = own.filter(pl.col("event") & pl.col("event_other"))
        counts = {
            "compared": own.height,
            "event_in_both": shared.height,
            f"event_in_{one}_only": own.filter(pl.col("event") & ~pl.col("event_other")).height,
            f"event_in_{other}_only": own.filter(~pl.col("event") & pl.col("event_other")).height,
            "event_in_neither": own.filter(~pl.col("event") & ~pl.col("event_other")).height,
            "event_on_same_day": shared.filter(pl.col("gap") == 0).height,
            f"event_earlier_in_{one}": shared.filter(pl.col("gap") > 0).height,
            f"event_earlier_in_{other}": shared.filter(pl.col("gap") < 0).height,
        }
        for name, count in counts.items():
            yield origin.row(name, count, arm=arm, variable=variable)
        q1, median, q3 = quartiles(shared["gap"])
        method = (
            f"time in {other} less time in {one}, of subjects with the event in both; {QUARTILES}"
        )
        for name, value in (("gap_median", median), ("gap_q1", q1), ("gap_q3", q3)):
            yield origin.row(name, value, arm=arm, variable=variable, unit="days", method=method)
