# SPDX-License-Identifier: Apache-2.0
"""Deaths: in the treatment period and after it, each with the cause that was collected."""

from collections.abc import Iterator

import polars as pl

from radioligand.analysis.descriptive import count_rows
from radioligand.analysis.results import Row
from radioligand.analysis.scope import NotAvailable, Scope
from radioligand.protocol.records import Deaths

UNKNOWN = "cause not collected"
PERIODS = {
    "all": "Deaths",
    "during": "In the treatment period",
    "after": "After the treatment period",
}


def deaths(scope: Scope, analysis: Deaths) -> Iterator[Row]:
    """Count deaths by arm, period and cause.

    The treatment period ends `days_after_last_dose` days after the last randomised dose; for who
    was never treated, with randomisation.
    """
    safety = scope.protocol.safety
    if safety is None:
        raise NotAvailable("the protocol has no [safety], which names the treatment period")
    absent = [name for name in ("DTHDT", "TRTEDT") if name not in scope.subjects.columns]
    if absent:
        raise NotAvailable(f"ADSL has no {', '.join(absent)}")
    named = pl.col("DTHCAUS") if "DTHCAUS" in scope.subjects.columns else pl.lit(None, pl.String)
    last = pl.col("TRTEDT") + pl.duration(days=safety.days_after_last_dose)
    dead = scope.subjects.filter(pl.col("DTHDT").is_not_null()).with_columns(
        cause=named.fill_null(UNKNOWN),
        period=pl.when(pl.col("DTHDT") <= last).then(pl.lit("during")).otherwise(pl.lit("after")),
    )
    origin = scope.origin(where="DTHDT is not null")
    yield from scope.sizes(origin)
    for period, label in PERIODS.items():
        counted = dead if period == "all" else dead.filter(period=period)
        causes = counted.group_by("cause").len().sort("len", "cause", descending=[True, False])
        yield origin.row("label", variable=period, text=label)
        for arm in scope.arms:
            n, own = scope.arm_sizes[arm], counted.filter(arm=arm)["cause"]
            yield from count_rows(origin, len(own), n, arm=arm, variable=period)
            for cause in causes["cause"]:
                count = int((own == cause).sum())
                yield from count_rows(origin, count, n, arm=arm, variable=period, level=cause)
