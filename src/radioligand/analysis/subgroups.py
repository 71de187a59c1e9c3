# SPDX-License-Identifier: Apache-2.0
"""The forest: a hazard ratio in each subgroup, and for each variable a test of interaction."""

from collections.abc import Iterator, Sequence

import polars as pl

from radioligand.analysis.baseline import label_of, levels_of
from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import NO_COMPARISON, Comparison, Scope
from radioligand.analysis.strata import strata_of, why_no_strata
from radioligand.analysis.time_to_event import hazards, timed
from radioligand.protocol.records import Subgroups
from radioligand.statistics.survival import interaction_test


def subgroups(scope: Scope, analysis: Subgroups) -> Iterator[Row]:
    """Return all subjects first (no variable), then each level of each variable."""
    records = timed(scope, endpoint=analysis.endpoint)
    origin = scope.origin("ADTTE", parameter=analysis.endpoint)
    yield from scope.sizes(origin, records)
    for arm in scope.arms:
        yield origin.row("events", int(records.filter(arm=arm)["event"].sum()), arm=arm)
    for pair in scope.comparisons:
        both = records.filter(pl.col("arm").is_in(list(pair)))
        yield from hazards(scope, both, pair, analysis.model, origin, level=analysis.level)
    if not scope.comparisons:
        yield from origin.not_estimable(NO_COMPARISON)
    for name in analysis.variables:
        yield origin.row("label", variable=name, text=label_of(scope.protocol, name))
        reason = _why_no_levels(scope, name)
        if reason:
            yield origin.row("not_available", variable=name, text=reason)
            continue
        levels = scope.subjects.select("USUBJID", pl.col(name).cast(pl.String).alias("level"))
        grouped = records.drop("level", strict=False).join(
            levels, on="USUBJID", how="left", maintain_order="left"
        )
        found = set(grouped["level"])
        order = [one for one in levels_of(scope.protocol, scope.subjects[name]) if one in found]
        yield from _variable(scope, analysis, grouped, origin, variable=name, order=order)


def _why_no_levels(scope: Scope, name: str) -> str | None:
    if name not in scope.subjects.columns:
        return f"ADSL has no {name}"
    if scope.subjects[name].dtype.is_float():
        return f"{name} is a number; name a variable made of bands of it"
    return None


def _variable(
    scope: Scope,
    analysis: Subgroups,
    grouped: pl.DataFrame,
    origin: Origin,
    *,
    variable: str,
    order: Sequence[str],
) -> Iterator[Row]:
    for level in order:
        own = grouped.filter(level=level)
        for arm in scope.arms:
            rows = own.filter(arm=arm)
            yield origin.row("n", rows.height, arm=arm, variable=variable, level=level)
            events = int(rows["event"].sum())
            yield origin.row("events", events, arm=arm, variable=variable, level=level)
        for pair in scope.comparisons:
            yield from hazards(
                scope,
                own.filter(pl.col("arm").is_in(list(pair))),
                pair,
                analysis.model,
                origin,
                level=analysis.level,
                variable=variable,
                group=level,
            )
    for arm in scope.arms:
        missing = grouped.filter(arm=arm)["level"].null_count()
        if missing:
            yield origin.row("missing", missing, arm=arm, variable=variable)
    for pair in scope.comparisons:
        both = grouped.filter(pl.col("arm").is_in(list(pair)))
        yield from _interaction(scope, analysis, both, pair, origin, variable=variable, order=order)


def _interaction(
    scope: Scope,
    analysis: Subgroups,
    both: pl.DataFrame,
    pair: Comparison,
    origin: Origin,
    *,
    variable: str,
    order: Sequence[str],
) -> Iterator[Row]:
    """Test whether the hazard ratio differs, over the levels with an event in either arm."""
    seen = both.filter("event").group_by("level").agg(arms=pl.col("arm").n_unique())
    compared = set(seen.filter(arms=2)["level"].drop_nulls())
    kept = [level for level in order if level in compared]
    left_out = [level for level in order if level not in compared]
    rows = both.filter(pl.col("level").is_in(kept))
    stratified = analysis.model.stratified
    try:
        if len(kept) < 2:
            raise ValueError(f"{len(kept)} levels of {variable} have events in both arms")
        if stratified and (reason := why_no_strata(scope, rows)):
            raise ValueError(reason)
        found = interaction_test(
            rows["AVAL"].to_numpy(),
            rows["event"].to_numpy(),
            rows["arm"].to_numpy(),
            rows["level"].to_numpy(),
            strata=strata_of(scope, rows).to_numpy() if stratified else None,
            groups=(pair.control, pair.experimental),
            ties=analysis.model.ties,
        )
    except ValueError as error:
        yield from origin.not_estimable(str(error), "interaction_p", arm=pair.id, variable=variable)
        return
    without = f"; without {', '.join(left_out)} (no event in an arm)" if left_out else ""
    method = (
        f"likelihood-ratio test of arm by {variable} in Cox's model, "
        f"{found.degrees_of_freedom} degrees of freedom{without}"
    )
    yield origin.row("interaction_p", found.p_value, arm=pair.id, variable=variable, method=method)
