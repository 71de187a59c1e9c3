# SPDX-License-Identifier: Apache-2.0
"""Best overall response: its levels, response and control rates, and the arms compared."""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import polars as pl

from radioligand.analysis.descriptive import count_rows
from radioligand.analysis.results import Keys, Origin, Row
from radioligand.analysis.scope import Comparison, Scope
from radioligand.analysis.strata import strata_of, why_no_strata
from radioligand.protocol.records import BestResponse
from radioligand.statistics.proportions import (
    Difference,
    Proportion,
    clopper_pearson,
    cochran_mantel_haenszel,
    fisher_exact,
    miettinen_nurminen_difference,
    newcombe_difference,
    odds_ratio,
    wald,
    wald_difference,
    wilson,
)

INTERVALS: dict[str, Callable[..., Proportion]] = {
    "clopper-pearson": clopper_pearson,
    "wilson": wilson,
    "wald": wald,
}
DIFFERENCES: dict[str, Callable[..., Difference]] = {
    "wald": wald_difference,
    "newcombe": newcombe_difference,
    "miettinen-nurminen": miettinen_nurminen_difference,
}
DIFFERENCE = ("difference", "difference_lower", "difference_upper")
ODDS = ("odds_ratio", "odds_ratio_lower", "odds_ratio_upper")
NOT_KNOWN = ("NE", "ND", "MISSING")
UNKNOWN = "NE"  # also of subjects without a record, and of AVALC "MISSING" where no level is so


def best_response(scope: Scope, analysis: BestResponse) -> Iterator[Row]:
    """Count the levels of best response and compare the rates of objective response and control.

    Every subject of the population counts: one without a record is unknown. With `evaluable` only
    those count who have a known response in that parameter, and the others are told as missing.
    """
    records = scope.one_each("ADRS", "AVALC", parameter=analysis.parameter)
    origin = scope.origin("ADRS", parameter=analysis.parameter)
    members = evaluable(scope, analysis)
    yield from scope.sizes(origin, members)
    if analysis.evaluable:
        for arm in scope.arms:
            left_out = scope.arm_sizes[arm] - members.filter(arm=arm).height
            text = "subjects without a known response after baseline are in no number"
            yield origin.row("missing", left_out, arm=arm, text=text)
    responses = known_levels(members, records, levels=analysis.levels)
    others = sorted(set(responses["level"]) - set(analysis.levels))
    for arm in scope.arms:
        own = responses.filter(arm=arm)
        for level in (*analysis.levels, *others):
            count = int((own["level"] == level).sum())
            yield from count_rows(origin, count, own.height, arm=arm, variable="BOR", level=level)
    for variable, counted in (("ORR", analysis.objective), ("DCR", analysis.control)):
        marked = responses.with_columns(has=pl.col("level").is_in(list(counted)))
        for arm in scope.arms:
            yield from _rate(origin, analysis, marked.filter(arm=arm), arm=arm, variable=variable)
        for pair in scope.comparisons:
            yield from _compared(scope, origin, analysis, marked, pair, variable=variable)


def evaluable(scope: Scope, analysis: BestResponse) -> pl.DataFrame:
    """Return the subjects in the denominator of the rates.

    That is everyone, or who has a response other than not evaluable or not done in the parameter
    that `analysis.evaluable` names.
    """
    if not analysis.evaluable:
        return scope.subjects
    seen = scope.records("ADRS", "AVALC", parameter=analysis.evaluable)
    known = seen.filter(pl.col("AVALC").is_not_null(), ~pl.col("AVALC").is_in(list(NOT_KNOWN)))
    return scope.subjects.join(known, on="USUBJID", how="semi", maintain_order="left")


def known_levels(
    subjects: pl.DataFrame, records: pl.DataFrame, *, levels: tuple[str, ...]
) -> pl.DataFrame:
    """Return USUBJID, arm and `level` of every subject; what is not known is "NE"."""
    found = subjects.select("USUBJID", "arm").join(
        records.select("USUBJID", level="AVALC"), on="USUBJID", how="left", maintain_order="left"
    )
    if "MISSING" in levels:
        return found.with_columns(pl.col("level").fill_null("MISSING"))
    return found.with_columns(pl.col("level").replace("MISSING", UNKNOWN).fill_null(UNKNOWN))


def _rate(
    origin: Origin, analysis: BestResponse, own: pl.DataFrame, *, arm: str, variable: str
) -> Iterator[Row]:
    events, n = int(own["has"].sum()), own.height
    yield from count_rows(origin, events, n, arm=arm, variable=variable)
    if not n:
        reason = f"no subjects in arm {arm}"
        yield from origin.not_estimable(reason, "lower", "upper", arm=arm, variable=variable)
        return
    found = INTERVALS[analysis.interval](events, n, level=analysis.level)
    method = f"{analysis.interval} interval, {analysis.level:.0%}"
    for name, limit in (("lower", found.lower), ("upper", found.upper)):
        value = 100 * float(limit)
        yield origin.row(name, value, arm=arm, variable=variable, unit="%", method=method)


def _compared(
    scope: Scope,
    origin: Origin,
    analysis: BestResponse,
    marked: pl.DataFrame,
    pair: Comparison,
    *,
    variable: str,
) -> Iterator[Row]:
    both = marked.filter(pl.col("arm").is_in(list(pair)))
    empty = [arm for arm in pair if both.filter(arm=arm).is_empty()]
    if empty:
        statistics = (*DIFFERENCE, *ODDS, "p_value", "fisher_p")
        reason = f"no subjects in arm {' or '.join(empty)}"
        yield from origin.not_estimable(reason, *statistics, arm=pair.id, variable=variable)
        return
    table = _table(both, pair)
    yield from _difference(origin, analysis, table, arm=pair.id, variable=variable)
    side: Literal["greater", "two-sided"] = "greater" if analysis.sided == 1 else "two-sided"
    exact = fisher_exact(table, alternative=side)
    told = f"Fisher's exact test, unstratified, {_sided(analysis)}"
    if analysis.stratified:
        yield from _stratified(scope, origin, analysis, both, pair, variable=variable)
    else:
        ratio = odds_ratio(table, level=analysis.level)
        method = f"sample odds ratio, unstratified; {analysis.level:.0%} interval of Woolf"
        for name, value in zip(ODDS, (ratio.estimate, ratio.lower, ratio.upper), strict=True):
            yield origin.row(name, value, arm=pair.id, variable=variable, method=method)
        yield origin.row("p_value", exact.p_value, arm=pair.id, variable=variable, method=told)
    yield origin.row("fisher_p", exact.p_value, arm=pair.id, variable=variable, method=told)


def _table(both: pl.DataFrame, pair: Comparison) -> np.ndarray:
    """Return a table of counts: experimental arm first, those who have it first."""
    counted = [
        [int((both["has"] & (both["arm"] == arm)).sum()), int((both["arm"] == arm).sum())]
        for arm in pair
    ]
    return np.array([[events, n - events] for events, n in counted])


def _sided(analysis: BestResponse) -> str:
    return "one-sided" if analysis.sided == 1 else "two-sided"


def _difference(
    origin: Origin, analysis: BestResponse, table: np.ndarray, *, arm: str, variable: str
) -> Iterator[Row]:
    (events, others), (reference, reference_others) = table.tolist()
    found = DIFFERENCES[analysis.difference](
        events, events + others, reference, reference + reference_others, level=analysis.level
    )
    method = f"difference of proportions, {analysis.difference} interval, {analysis.level:.0%}"
    for name, value in zip(DIFFERENCE, (found.estimate, found.lower, found.upper), strict=True):
        share = 100 * float(value)
        yield origin.row(name, share, arm=arm, variable=variable, unit="%", method=method)


def _stratified(
    scope: Scope,
    origin: Origin,
    analysis: BestResponse,
    both: pl.DataFrame,
    pair: Comparison,
    *,
    variable: str,
) -> Iterator[Row]:
    """Return the common odds ratio and its test over the strata given at randomisation."""
    keys: Keys = {"arm": pair.id, "variable": variable}
    reason = why_no_strata(scope, both)
    try:
        if reason:
            raise ValueError(reason)
        labelled = both.with_columns(stratum=strata_of(scope, both))
        strata = labelled["stratum"].unique().sort()
        tables = [_table(labelled.filter(stratum=one), pair) for one in strata]
        found = cochran_mantel_haenszel(np.stack(tables), level=analysis.level)
    except ValueError as error:
        yield from origin.not_estimable(str(error), *ODDS, "p_value", **keys)
        return
    by = f"stratified by {', '.join(scope.strata)}"
    method = (
        f"Mantel–Haenszel odds ratio, {by}; {analysis.level:.0%} interval of Robins, Breslow and "
        "Greenland"
    )
    if np.isfinite(found.odds_ratio):
        for name, value in zip(ODDS, (found.odds_ratio, found.lower, found.upper), strict=True):
            yield origin.row(name, value, **keys, method=method)
    else:
        yield from origin.not_estimable(_one_sided_table(both, pair, variable), *ODDS, **keys)
    p = found.one_sided(alternative="greater") if analysis.sided == 1 else found.p_value
    told = f"Cochran–Mantel–Haenszel test, {by}, without continuity correction, {_sided(analysis)}"
    yield origin.row("cmh_z", found.z, **keys, method=told)
    yield origin.row("p_value", p, **keys, method=told)


def _one_sided_table(both: pl.DataFrame, pair: Comparison, variable: str) -> str:
    """Return why an odds ratio is infinite: in no stratum has the control arm someone who has it
    beside someone of the other arm who has not.
    """
    if not (both["has"] & (both["arm"] == pair.control)).any():
        return f"nobody in arm {pair.control} counts for {variable}"
    return f"no stratum has both a {variable} in {pair.control} and none in {pair.experimental}"
