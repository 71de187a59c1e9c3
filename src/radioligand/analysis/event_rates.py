# SPDX-License-Identifier: Apache-2.0
"""Rates of adverse events by exposure: events over the years in which they could be seen.

Arms that are treated for different times cannot be compared by shares of subjects alone.
"""

from collections.abc import Iterator

import polars as pl

from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import NotAvailable, Scope
from radioligand.protocol.records import AdverseEvents, Safety
from radioligand.statistics.rates import poisson_rate

YEAR_DAYS = 365.25
UNIT = "per 100 person-years"


def time_at_risk(scope: Scope, safety: Safety) -> pl.DataFrame:
    """Return USUBJID, arm, `opens` and `closes`: each subject's treatment period.

    It opens with randomisation or the first dose, and closes so many days after the last dose, at
    death or at the cutoff, whichever is first.
    """
    start = "RANDDT" if safety.from_ == "randomisation" else "TRTSDT"
    needed = (start, "TRTSDT", "TRTEDT")
    absent = [name for name in needed if name not in scope.subjects.columns]
    if absent:
        raise NotAvailable(f"ADSL has no {', '.join(absent)}")
    last = pl.col("TRTEDT") + pl.duration(days=safety.days_after_last_dose)
    ends = [name for name in ("DTHDT", "CUTDT") if name in scope.subjects.columns]
    return scope.subjects.select(
        "USUBJID",
        "arm",
        opens=pl.coalesce(start, "TRTSDT"),
        closes=pl.min_horizontal(last, *ends),
    ).filter(pl.col("closes") >= pl.col("opens"))


def rate_rows(
    origin: Origin,
    events: pl.DataFrame,
    period: pl.DataFrame,
    analysis: AdverseEvents,
    *,
    arm: str,
    variable: str,
) -> Iterator[Row]:
    """Return the rates of one kind of event in one arm.

    `incidence_rate`: subjects with the event over `person_years` until the first one, or the end
    of the period. `event_rate`: all events over the years of the whole period.
    """
    own = period.filter(arm=arm)
    first = events.filter(arm=arm).group_by("USUBJID").agg(first=pl.col("ASTDT").min())
    onset = pl.max_horizontal("first", "opens")  # one without a date counts from the first day on
    until = pl.when("has").then(pl.min_horizontal(onset, "closes")).otherwise("closes")
    both = own.join(first.with_columns(has=True), on="USUBJID", how="left").with_columns(
        pl.col("has").fill_null(False)
    )
    both = both.with_columns(
        days=(until - pl.col("opens")).dt.total_days() + 1,
        whole=(pl.col("closes") - pl.col("opens")).dt.total_days() + 1,
    )
    subjects = int(both["has"].sum())
    count = events.filter(arm=arm).height
    yield origin.row("count", subjects, arm=arm, variable=variable)
    yield origin.row("event_count", count, arm=arm, variable=variable)
    until_first = "until the first event or the end of the treatment period"
    for name, seen, days, told in (
        (
            "incidence",
            subjects,
            both["days"].sum(),
            f"subjects with the event; years {until_first}",
        ),
        ("event", count, both["whole"].sum(), "all events; years of the whole treatment period"),
    ):
        years = float(days) / YEAR_DAYS
        yield origin.row(f"{name}_years", years, arm=arm, variable=variable, unit="years")
        if not years:
            yield from origin.not_estimable(
                f"no time at risk in arm {arm}", f"{name}_rate", arm=arm, variable=variable
            )
            continue
        rate = poisson_rate(seen, years / 100, level=analysis.level)
        method = f"{told}; exact Poisson interval of Garwood, {analysis.level:.0%}"
        for suffix, value in (("", rate.estimate), ("_lower", rate.lower), ("_upper", rate.upper)):
            yield origin.row(
                f"{name}_rate{suffix}",
                float(value),
                arm=arm,
                variable=variable,
                unit=UNIT,
                method=method,
            )
