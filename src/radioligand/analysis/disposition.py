# SPDX-License-Identifier: Apache-2.0
"""Where every screened subject went: the nodes of the flow diagram, with their reasons."""

from collections.abc import Iterator

import polars as pl

from radioligand.analysis.descriptive import count_rows
from radioligand.analysis.results import ALL, Origin, Row
from radioligand.analysis.scope import ARM_OF, Scope
from radioligand.protocol.records import Disposition

UNSAID = "Reason not recorded"
# where ADSL tells why; the first that is filled counts
WHY_NOT_RANDOMISED = ("DCSREAS", "ARMNRS")
WHY_NOT_TREATED = ("DCTREAS", "DCSREAS", "ARMNRS")
WHY_ENDED = ("DCTREAS",)


def disposition(scope: Scope, analysis: Disposition) -> Iterator[Row]:
    """Count subjects at each node: screened, randomised, treated, ended, crossed over, analysed.

    `variable` is the node and `level` the reason. Percentages are of the screened in the arm
    "ALL", of the randomised in an arm, and of the treated for what became of their treatment.
    """
    origin = scope.origin()
    everyone = pl.concat([scope.subjects, scope.strays]).sort("USUBJID")
    yield from scope.sizes(origin, everyone)
    n = everyone.height
    yield from count_rows(origin, n, n, arm=ALL, variable="screened")
    if "RANDDT" not in everyone.columns:
        yield origin.row("not_available", variable="randomised", text="ADSL has no RANDDT")
        return
    randomised = everyone.filter(pl.col("RANDDT").is_not_null())
    lost = everyone.filter(pl.col("RANDDT").is_null())
    yield from _node(origin, lost, n, node="not_randomised", arm=ALL, why=WHY_NOT_RANDOMISED)
    yield from count_rows(origin, randomised.height, n, arm=ALL, variable="randomised")
    for arm in scope.arms:
        own = randomised.filter(arm=arm)
        yield from count_rows(origin, own.height, own.height, arm=arm, variable="randomised")
        yield from _treatment(origin, own, arm=arm)
        yield from _crossed_over(scope, origin, own, arm=arm)
        yield from _analysed(scope, origin, randomised, arm=arm, n=own.height)


def _node(
    origin: Origin,
    subjects: pl.DataFrame,
    n: int,
    *,
    node: str,
    arm: str,
    why: tuple[str, ...],
) -> Iterator[Row]:
    """Count a node and its reasons, the most frequent first."""
    yield from count_rows(origin, subjects.height, n, arm=arm, variable=node)
    told = [pl.col(name).cast(pl.String) for name in why if name in subjects.columns]
    reasons = subjects.with_columns(reason=pl.coalesce(*told, pl.lit(UNSAID)))
    counted = reasons.group_by("reason").len().sort("len", "reason", descending=[True, False])
    for reason, count in counted.iter_rows():
        yield from count_rows(origin, count, n, arm=arm, variable=node, level=reason)


def _treatment(origin: Origin, own: pl.DataFrame, *, arm: str) -> Iterator[Row]:
    if "TRTSDT" not in own.columns:
        yield origin.row("not_available", variable="treated", arm=arm, text="ADSL has no TRTSDT")
        return
    treated = own.filter(pl.col("TRTSDT").is_not_null())
    never = own.filter(pl.col("TRTSDT").is_null())
    yield from count_rows(origin, treated.height, own.height, arm=arm, variable="treated")
    yield from _node(origin, never, own.height, node="not_treated", arm=arm, why=WHY_NOT_TREATED)
    if "EOTSTT" not in own.columns:
        text = "ADSL has no EOTSTT (end of treatment status)"
        yield origin.row("not_available", variable="treatment_ended", arm=arm, text=text)
        return
    is_ongoing = pl.col("EOTSTT") == "ONGOING"
    ongoing, ended = treated.filter(is_ongoing), treated.filter(~is_ongoing)
    n = treated.height
    yield from count_rows(origin, ongoing.height, n, arm=arm, variable="treatment_ongoing")
    yield from _node(origin, ended, n, node="treatment_ended", arm=arm, why=WHY_ENDED)
    unknown = treated["EOTSTT"].null_count()
    if unknown:
        yield origin.row("missing", unknown, variable="treatment_ended", arm=arm)


def _crossed_over(scope: Scope, origin: Origin, own: pl.DataFrame, *, arm: str) -> Iterator[Row]:
    """Count those of an arm that the protocol lets change, by the phase in which they did."""
    if arm not in {each.from_ for each in scope.protocol.crossover}:
        return
    if "XOVERPH" not in own.columns:
        text = "ADSL has no XOVERPH (phase of crossover)"
        yield origin.row("not_available", variable="crossed_over", arm=arm, text=text)
        return
    crossed = own.filter(pl.col("XOVERPH").is_not_null())
    yield from _node(origin, crossed, own.height, node="crossed_over", arm=arm, why=("XOVERPH",))


def _analysed(
    scope: Scope, origin: Origin, randomised: pl.DataFrame, *, arm: str, n: int
) -> Iterator[Row]:
    """Count the protocol's first population, then every other by its label, as analysed there."""
    for place, population in enumerate(scope.protocol.populations):
        treated_as = ARM_OF[population.analysed_as]
        if population.id == scope.analysis.population or not {
            population.flag,
            treated_as,
        } <= set(randomised.columns):
            continue
        held = (pl.col(population.flag) == "Y") & (pl.col(treated_as) == arm)
        count = randomised.filter(held).height
        level = population.label if place else None
        yield from count_rows(origin, count, n, arm=arm, variable="analysed", level=level)
