# SPDX-License-Identifier: Apache-2.0
"""Late events that death can forestall: cumulative incidence by arm, and each subject who had one.

Kaplan–Meier would treat who died as one who might still have the event, and so tell too much.
"""

from collections.abc import Iterator
from math import floor

import numpy as np
import polars as pl

from radioligand.analysis.descriptive import percent, quartiles
from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import Scope
from radioligand.analysis.time_to_event import timed
from radioligand.protocol.records import CompetingRisks
from radioligand.statistics.survival import CumulativeIncidence, cumulative_incidence, gray_test

EVENT, COMPETING, NONE = 1, 2, 0
CURVE = ("incidence", "incidence_lower", "incidence_upper")


def competing_risks(scope: Scope, analysis: CompetingRisks) -> Iterator[Row]:
    """Analyse an endpoint of ADTTE whose CNSR tells events that compete with it."""
    sample = timed(scope, endpoint=analysis.endpoint).with_columns(
        cause=pl.when("event")
        .then(EVENT)
        .when(pl.col("CNSR").is_in(list(analysis.competing)))
        .then(COMPETING)
        .otherwise(NONE)
    )
    origin = scope.origin("ADTTE", parameter=analysis.endpoint)
    month_days = scope.protocol.data.month_days
    yield from scope.sizes(origin, sample)
    for arm in scope.arms:
        yield from _arm(sample.filter(arm=arm), origin, analysis, month_days, arm=arm)
    yield from _cases(sample, origin, month_days)
    for pair in scope.comparisons:
        both = sample.filter(pl.col("arm").is_in(list(pair)))
        yield from _gray(both, origin, arm=pair.id)


def _arm(
    own: pl.DataFrame, origin: Origin, analysis: CompetingRisks, month_days: float, *, arm: str
) -> Iterator[Row]:
    for name, cause in (("events", EVENT), ("competing", COMPETING), ("censored", NONE)):
        count = int((own["cause"] == cause).sum())
        yield origin.row(name, count, arm=arm)
        if cause == EVENT:
            yield origin.row("events_percent", percent(count, own.height), arm=arm, unit="%")
    days = own.filter(cause=EVENT)["AVAL"]
    q1, median, q3 = quartiles(days)
    for name, value in (("onset_median", median), ("onset_q1", q1), ("onset_q3", q3)):
        told = "among subjects with the event"
        yield origin.row(name, value / month_days, arm=arm, unit="months", method=told)
    known = own.filter(pl.col("cause") != NONE)
    if known.is_empty():
        reason = f"neither the event nor a competing one in arm {arm}"
        yield from origin.not_estimable(reason, "incidence_at", arm=arm)
        return
    found = cumulative_incidence(
        own["AVAL"].to_numpy(), own["cause"].to_numpy(), level=analysis.level
    )
    method = (
        f"cumulative incidence of Aalen and Johansen, competing events CNSR "
        f"{', '.join(map(str, analysis.competing))}; {found.level:.0%} interval, {found.interval}"
    )
    columns = _curve(found)
    for months in analysis.landmarks_months:
        place = int(np.searchsorted(found.time, months * month_days, side="right")) - 1
        for name, values in zip(("", "_lower", "_upper"), columns, strict=True):
            value = float(values[place]) if place >= 0 else 0.0
            yield origin.row(
                f"incidence_at{name}", 100 * value, arm=arm, unit="%", method=method,
                time_days=months * month_days,
            )  # fmt: skip
    times = [0.0, *found.time.tolist()]
    for name, values in zip(CURVE, columns, strict=True):
        for time, value in zip(times, [0.0, *values.tolist()], strict=True):
            yield origin.row(name, 100 * value, arm=arm, time_days=time, unit="%")
    step = analysis.axis_months * month_days
    for place in range(floor(times[-1] / step) + 1):
        still = int((own["AVAL"] >= place * step).sum())
        yield origin.row("at_risk", still, arm=arm, time_days=place * step)


def _curve(found: CumulativeIncidence) -> tuple[np.ndarray, ...]:
    """Return incidence, lower and upper limit of the event; 0 where it was never seen."""
    if EVENT not in found.causes:
        nothing = np.zeros(found.time.size)
        return nothing, np.full(found.time.size, np.nan), np.full(found.time.size, np.nan)
    place = found.causes.index(EVENT)
    return tuple(each[:, place] for each in (found.incidence, found.lower, found.upper))


def _cases(sample: pl.DataFrame, origin: Origin, month_days: float) -> Iterator[Row]:
    """Return each subject with the event: months from the start in value, the event in text."""
    cases = sample.filter(cause=EVENT).sort("AVAL", "USUBJID")
    described = "EVNTDESC" if "EVNTDESC" in cases.columns else "USUBJID"
    for subject, arm, days, told in cases.select("USUBJID", "arm", "AVAL", described).iter_rows():
        yield origin.row(
            "onset", days / month_days, arm=arm, subject=subject, time_days=days, text=told,
            unit="months",
        )  # fmt: skip


def _gray(both: pl.DataFrame, origin: Origin, *, arm: str) -> Iterator[Row]:
    try:
        found = gray_test(
            both["AVAL"].to_numpy(), both["cause"].to_numpy(), both["arm"].to_numpy(), of=EVENT
        )
    except ValueError as error:
        yield from origin.not_estimable(str(error), "gray_p", arm=arm)
        return
    method = "Gray's test of equal cumulative incidence, two-sided"
    yield origin.row("gray_p", found.p_value, arm=arm, method=method)
