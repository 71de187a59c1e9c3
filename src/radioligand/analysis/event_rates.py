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
    arms: tuple[str, ...],
    variable: str,
) -> Iterator[Row]:
    """Return the rates of one kind of event in each arm.

    `incidence_rate`: subjects with the event over `person_years` until the first one, or the end
    of the period. `event_rate`: all events over the years of the whole period.
    """
    each = events.group_by("arm", "USUBJID").agg(pl.len(), first=pl.col("ASTDT").min())
    counts = dict(each.group_by("arm").agg(pl.col("len").sum()).iter_rows())
    onset = pl.max_horizontal("first", "opens")  # one without a date counts from the first day on
    has = pl.col("len").is_not_null()
    until = pl.when(has).then(pl.min_horizontal(onset, "closes")).otherwise("closes")
    both = period.join(each.drop("arm"), on="USUBJID", how="left").group_by("arm")
    sums = both.agg(
        has.sum(),
        ((until - pl.col("opens")).dt.total_days() + 1).sum().alias("days"),
        ((pl.col("closes") - pl.col("opens")).dt.total_days() + 1).sum().alias("whole"),
    )
    found = {arm: numbers for arm, *numbers in sums.iter_rows()}
    for arm in arms:
        subjects, days, whole = found.get(arm, (0, 0, 0))
        yield from _rates_of(
            origin, subjects, counts.get(arm, 0), days, whole, analysis, arm=arm, variable=variable
        )


def _rates_of(
    origin: Origin,
    subjects: int,
    events: int,
    days_to_first: int,
    days: int,
    analysis: AdverseEvents,
    *,
    arm: str,
    variable: str,
) -> Iterator[Row]:
    yield origin.row("count", subjects, arm=arm, variable=variable)
    yield origin.row("event_count", events, arm=arm, variable=variable)
    until_first = "until the first event or the end of the treatment period"
    for name, seen, at_risk, told in (
        ("incidence", subjects, days_to_first, f"subjects with the event; years {until_first}"),
        ("event", events, days, "all events; years of the whole treatment period"),
    ):
        years = at_risk / YEAR_DAYS
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
