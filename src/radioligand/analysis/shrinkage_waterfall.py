# SPDX-License-Identifier: Apache-2.0
"""The best change of each subject, and why a bar beyond the threshold is no partial response."""

from collections.abc import Iterator

import polars as pl

from radioligand.analysis.best_response import UNKNOWN
from radioligand.analysis.descriptive import count_rows
from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import Scope, groups, required
from radioligand.analysis.shrinkage import best_change, followed, progressive, shrank, sums
from radioligand.protocol.records import ShrinkageWaterfall

RESPONSES, STABLE_DISEASE = ("CR", "PR"), ("SD", "NON-CR/NON-PD")

# why a subject whose sum shrank so far has no response, in the order in which it is asked
NEW_LESION = "a new lesion at that visit"
NON_TARGET = "progression of non-target lesions at that visit"
REGROWTH = "growth from the nadir at that visit"
STABLE = "stable disease by the rules of that visit"
NOT_EVALUABLE = "overall response of that visit not evaluable"
NOT_COUNTED = "after progression or new anticancer therapy"
NO_LATER = "not confirmed: no later assessment"
PROGRESSED = "not confirmed: progression at a later assessment"
NOT_HELD = "not confirmed: response not held long enough"
REASONS = (
    *(NEW_LESION, NON_TARGET, REGROWTH, STABLE, NOT_EVALUABLE),
    *(NOT_COUNTED, NO_LATER, PROGRESSED, NOT_HELD),
)


def shrinkage_waterfall(scope: Scope, analysis: ShrinkageWaterfall) -> Iterator[Row]:
    """Return each subject's bar, the time of `until` beside it, and the counts behind the figure.

    Bars are of subjects with a measurement after baseline whose best response is not progression.
    `text` of a bar is the best response; "not_response" gives the reason of one beyond the
    threshold without response. The counts are by arm and for all.
    """
    parameter = f"SDIAM{scope.protocol.evaluation(analysis.evaluation).suffix}"
    where = f"ANL01FL = 'Y' up to the end of {analysis.until}"
    origin = scope.origin("ADTR", where=where, parameter=parameter)
    changes = sums(scope, analysis)
    worst = progressive(scope, analysis, changes)
    bars = _bars(scope, analysis, changes)
    is_worst = pl.col("USUBJID").is_in(worst.implode())
    shown = bars.filter(pl.col("best").is_not_null() & ~is_worst)
    yield from scope.sizes(origin)
    until = scope.protocol.endpoint(analysis.until).label
    for level, words in (
        ("any", "Any shrinkage"),
        ("far", f"Shrinkage of {analysis.percent:g}% or more"),
        ("response", "of these, complete or partial response"),
        ("after", f"{analysis.percent:g}% reached only after the end of {until}"),
    ):
        yield origin.row("label", variable="shrinkage", level=level, text=words)
    for arm, own in groups(bars.with_columns(worst=is_worst), scope.arms):
        yield from _counts(origin, analysis, own, changes, arm=arm)
    n = scope.subjects.height
    if n > analysis.at_most:
        text = f"left out: {n} subjects, and the figure is for {analysis.at_most} at most"
        yield origin.row("not_available", text=text)
        return
    yield from _marks(origin, shown)


def _bars(scope: Scope, analysis: ShrinkageWaterfall, changes: pl.DataFrame) -> pl.DataFrame:
    """Return every subject with `best`, `response`, `reason`, and the time and event of `until`."""
    suffix = scope.protocol.evaluation(analysis.evaluation).suffix
    code = analysis.response.removesuffix(suffix) + suffix if suffix else analysis.response
    responses = scope.one_each("ADRS", "AVALC", parameter=code).select(
        "USUBJID", response=pl.col("AVALC").replace("MISSING", UNKNOWN)
    )
    times = followed(scope, endpoint=analysis.until).select("USUBJID", "time", "event")
    bars = scope.subjects.select("USUBJID", "arm")
    for known in (best_change(changes), responses, times):
        bars = bars.join(known, on="USUBJID", how="left", maintain_order="left")
    bars = bars.with_columns(
        pl.col("response").fill_null(UNKNOWN),
        far=shrank("best", percent=analysis.percent),
    )
    without = bars.filter("far", ~pl.col("response").is_in(RESPONSES))
    reasons = why_no_response(scope, analysis, changes, among=without["USUBJID"])
    return bars.join(reasons, on="USUBJID", how="left", maintain_order="left")


def why_no_response(
    scope: Scope, analysis: ShrinkageWaterfall, changes: pl.DataFrame, *, among: pl.Series
) -> pl.DataFrame:
    """Return USUBJID and `reason` of subjects who shrank beyond the threshold without response.

    If no visit with such a sum was a response, what stood against it at the first of them; else
    why the first response was not counted or not confirmed.
    """
    suffix = scope.protocol.evaluation(analysis.evaluation).suffix
    overall = _visits(scope, f"OVR{suffix}").filter(pl.col("USUBJID").is_in(among.implode()))
    far = changes.filter(
        "counts",
        shrank("change", percent=analysis.percent),
        pl.col("USUBJID").is_in(among.implode()),
    )
    key = ["USUBJID", *(name for name in ("VISIT", "VISITNUM") if name in far.columns)]
    visits = far.select(*key, "day", sum_date="ADT")
    for name, code in (("overall", "OVR"), ("non_target", "NTGRESP"), ("new_lesion", "NEWLES")):
        found = _visits(scope, f"{code}{suffix}")
        extra = ["ADT", "ANL01FL", "ANL02FL"] if name == "overall" else []
        wanted = found.select(*key, *extra, pl.col("AVALC").alias(name), near="ADT")
        visits = _nearest(visits, wanted, key)
    visits = visits.with_columns(responded=pl.col("overall").is_in(RESPONSES).fill_null(False))
    first = visits.sort("USUBJID", ~pl.col("responded"), "day").unique(
        "USUBJID", keep="first", maintain_order=True
    )
    later = (
        first.select("USUBJID", answered="ADT")
        .join(overall.filter(ANL01FL="Y"), on="USUBJID")
        .filter(pl.col("ADT") > pl.col("answered"))
        .group_by("USUBJID")
        .agg(progressed=(pl.col("AVALC") == "PD").any())
    )
    against = pl.coalesce(
        pl.when(new_lesion="Y").then(pl.lit(NEW_LESION)),
        pl.when(non_target="PD").then(pl.lit(NON_TARGET)),
        pl.when(overall="PD").then(pl.lit(REGROWTH)),
        pl.when(pl.col("overall").is_in(STABLE_DISEASE)).then(pl.lit(STABLE)),
        pl.lit(NOT_EVALUABLE),
    )
    unconfirmed = pl.coalesce(
        pl.when(pl.col("ANL02FL").ne_missing("Y")).then(pl.lit(NOT_COUNTED)),
        pl.when(pl.col("progressed").is_null()).then(pl.lit(NO_LATER)),
        pl.when("progressed").then(pl.lit(PROGRESSED)),
        pl.lit(NOT_HELD),
    )
    return (
        first.join(later, on="USUBJID", how="left", maintain_order="left")
        .select(
            "USUBJID",
            reason=pl.when("responded").then(unconfirmed).otherwise(against),
        )
        .sort("USUBJID")
    )


def _visits(scope: Scope, parameter: str) -> pl.DataFrame:
    """Return a parameter of ADRS by visit; no rows where the reading has none."""
    needed = ("USUBJID", "PARAMCD", "AVALC", "ADT", "VISIT", "VISITNUM", "ANL01FL", "ANL02FL")
    return required(scope.adam, "ADRS", *needed).filter(PARAMCD=parameter)


def _nearest(visits: pl.DataFrame, wanted: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Join what was recorded of a visit; of several records under its name, the nearest in time."""
    apart = (pl.col("near") - pl.col("sum_date")).dt.total_days().abs()
    joined = visits.join(wanted, on=key, how="left", nulls_equal=True)
    ordered = joined.sort(*key, "day", apart, nulls_last=True)
    return ordered.unique([*key, "day"], keep="first", maintain_order=True).drop("near")


# -- rows ------------------------------------------------------------------------------------


def _counts(
    origin: Origin,
    analysis: ShrinkageWaterfall,
    own: pl.DataFrame,
    changes: pl.DataFrame,
    *,
    arm: str,
) -> Iterator[Row]:
    """Count who is not shown, who shrank at all and so far, and each reason for no response."""
    without = own["best"].null_count()
    worst = own.filter("worst", pl.col("best").is_not_null()).height
    yield origin.row("excluded", without, arm=arm, level="no measurement")
    yield origin.row("excluded", worst, arm=arm, level="best response is progression")
    shown = own.filter(pl.col("best").is_not_null() & ~pl.col("worst"))
    n = shown.height
    yield origin.row("n", n, arm=arm, variable="shown")
    shrunk = int((shown["best"] < 0).sum())
    far = shown.filter("far")
    responded = far.filter(pl.col("response").is_in(RESPONSES)).height
    for level, count in (("any", shrunk), ("far", far.height), ("response", responded)):
        yield from count_rows(origin, count, n, arm=arm, variable="shrinkage", level=level)
    for reason in REASONS:
        count = int((far["reason"] == reason).sum())
        if count:
            yield from count_rows(origin, count, n, arm=arm, variable="not_response", level=reason)
    reached = changes.filter(~pl.col("counts"), shrank("change", percent=analysis.percent))
    too_late = shown.filter(~pl.col("far")).join(reached, on="USUBJID", how="semi").height
    yield from count_rows(origin, too_late, n, arm=arm, variable="shrinkage", level="after")


def _marks(origin: Origin, shown: pl.DataFrame) -> Iterator[Row]:
    """Return bars, the greatest growth first, reasons, and the points of change against time."""
    method = "lowest percentage change from baseline of complete sums up to the end of the search"
    ranked = shown.sort("best", "USUBJID", descending=[True, False])
    for subject, arm, change, response, reason, time, event in ranked.select(
        "USUBJID", "arm", "best", "response", "reason", "time", "event"
    ).iter_rows():
        row = {"arm": arm, "subject": subject, "unit": "%"}
        yield origin.row("best_change", change, **row, text=response, method=method)
        if reason is not None:
            yield origin.row("not_response", change, **row, text=reason)
        seen = "event" if event else "censored"
        yield origin.row("change_by_time", change, **row, time_days=time, text=seen)
