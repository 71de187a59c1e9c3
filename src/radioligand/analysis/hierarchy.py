# SPDX-License-Identifier: Apache-2.0
"""Fixed-sequence testing: the p values of other analyses, walked until one is too large."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from radioligand.analysis.results import Row
from radioligand.analysis.scope import Scope
from radioligand.protocol.records import BestResponse, Hierarchy, TimeToEvent

# which statistic answers an analysis, and under which variable
P_VALUE = {TimeToEvent: ("logrank_p", None), BestResponse: ("p_value", "ORR")}
SCORE = {TimeToEvent: ("logrank_z", -1), BestResponse: ("difference", 1)}  # and the better sign


def hierarchy(
    scope: Scope, analysis: Hierarchy, *, done: Mapping[str, Sequence[Row]]
) -> Iterator[Row]:
    """Walk the chain; `done` holds the rows of the analyses it names.

    The comparison tested is the first experimental arm against control. A hypothesis is
    significant if its p value is at most alpha and all before it were; after the first that is
    not, none is tested, and its p value stands as a description only.
    """
    origin = scope.origin()
    method = (
        f"fixed sequence, alpha {analysis.alpha:g} "
        f"{'one' if analysis.sided == 1 else 'two'}-sided; "
        "a hypothesis is tested only if all before it are significant"
    )
    yield from scope.sizes(origin)
    stopped: str | None = None
    for step in analysis.steps:
        row = partial(origin.row, variable=step.analysis, method=method)
        p, reason = p_value_of(scope, done.get(step.analysis, ()), step.analysis, analysis.sided)
        yield origin.row("label", variable=step.analysis, text=step.label)
        yield row("alpha", analysis.alpha)
        verdict = "not tested"
        if stopped is None and p is not None:
            verdict = "significant" if p <= analysis.alpha else "not significant"
        yield row("p_value", p, text=verdict)
        if p is None:
            yield from origin.not_estimable(reason, variable=step.analysis)
        if stopped is None and verdict != "significant":
            stopped = step.label
            yield row("stopped_at", text=step.label)
    if stopped is None:
        yield origin.row("stopped_at", text="nowhere: every hypothesis was rejected", method=method)


def p_value_of(
    scope: Scope, rows: Sequence[Row], analysis_id: str, sided: int
) -> tuple[float | None, str]:
    """Return an analysis' p value with that many sides, or None and the reason."""
    source = next(each for each in scope.protocol.analyses if each.id == analysis_id)
    if not isinstance(source, TimeToEvent | BestResponse):
        return None, f"{analysis_id} is an analysis without a p value"
    if not scope.comparisons:
        return None, "the protocol compares no arms"
    own_sides = source.test.sided if isinstance(source, TimeToEvent) and source.test else None
    if isinstance(source, BestResponse):
        own_sides = source.sided
    if own_sides is None:
        return None, f"{analysis_id} has no test"
    statistic, variable = P_VALUE[type(source)]
    arm = scope.comparisons[0].id
    found = _find(rows, statistic, arm=arm, variable=variable)
    if found is None or found.value is None:
        reasons = (found, *(row for row in rows if row.statistic == "not_available"))
        told = next((row.text for row in reasons if row and row.text), f"no {statistic}")
        return None, told.removeprefix("not estimable: ")
    name, sign = SCORE[type(source)]
    score = _find(rows, name, arm=arm, variable=variable)
    better = bool(score and score.value is not None and sign * score.value > 0)
    return converted(found.value, own_sides, sided, better=better), ""


def converted(p: float, sides: int, wanted: int, *, better: bool) -> float:
    """Return a p value of one or two sides as one of `wanted` sides.

    One-sided is the claim that the experimental arm is better; `better` tells whether it seems so.
    """
    if sides == wanted:
        return p
    if wanted == 1:
        return p / 2 if better else 1 - p / 2
    return min(1.0, 2 * min(p, 1 - p))


def _find(rows: Sequence[Row], statistic: str, *, arm: str, variable: str | None) -> Row | None:
    keys = (statistic, arm, variable)
    return next((row for row in rows if (row.statistic, row.arm, row.variable) == keys), None)
