# SPDX-License-Identifier: Apache-2.0
"""Times to an event: curves by arm, medians, landmarks, follow-up, and the arms compared.

Everything is computed in whole days; months appear only where a median is written down.
"""

from collections.abc import Iterator
from math import floor

import polars as pl

from radioligand.analysis.descriptive import QUARTILES, percent, quartiles
from radioligand.analysis.results import ALL, Keys, Origin, Row
from radioligand.analysis.scope import NO_COMPARISON, Comparison, Scope, groups
from radioligand.analysis.strata import strata_of, why_no_strata
from radioligand.protocol.records import Model, RankTest, TimeToEvent
from radioligand.statistics.survival import (
    KaplanMeier,
    cox,
    kaplan_meier,
    logrank,
    median_follow_up,
)

HAZARD = ("hazard_ratio", "hazard_ratio_lower", "hazard_ratio_upper", "cox_p")
RANKS = ("logrank_z", "logrank_p")
ADMINISTRATIVE = ("follow_up_median", "follow_up_q1", "follow_up_q3")
REVERSE = ("reverse_km_median", "reverse_km_median_lower", "reverse_km_median_upper")


def time_to_event(scope: Scope, analysis: TimeToEvent) -> Iterator[Row]:
    """Analyse one endpoint of ADTTE: arms described, compared, and followed up."""
    sample = timed(scope, endpoint=analysis.endpoint)
    origin = scope.origin("ADTTE", parameter=analysis.endpoint)
    yield from scope.sizes(origin, sample)
    yield from summary(scope, analysis, sample, origin)
    if analysis.figure:
        yield from _curves(scope, analysis, sample, origin)


def summary(
    scope: Scope,
    analysis: TimeToEvent,
    sample: pl.DataFrame,
    origin: Origin,
    *,
    variable: str | None = None,
) -> Iterator[Row]:
    """Return every number of the endpoint but its curves; `variable` keeps several apart."""
    for arm, members in groups(scope.subjects, scope.arms):
        without = members.join(sample, on="USUBJID", how="anti").height
        if without:
            told = f"subjects of the population without a time of {origin.parameter}"
            yield origin.row("missing", without, arm=arm, variable=variable, text=told)
    for arm in scope.arms:
        own = sample.filter(arm=arm)
        yield from _counts(own, origin, arm=arm, variable=variable)
        if own.is_empty():
            yield from origin.not_estimable(
                f"no subjects in arm {arm}", "median", arm=arm, variable=variable
            )
            continue
        curve = curve_of(own, analysis)
        month_days = scope.protocol.data.month_days
        yield from _quantiles(curve, origin, month_days, arm=arm, variable=variable)
        yield from _landmarks(curve, analysis, origin, month_days, arm=arm, variable=variable)
    for pair in scope.comparisons:
        both = sample.filter(pl.col("arm").is_in(list(pair)))
        if analysis.test:
            yield from ranks(scope, both, pair, analysis.test, origin, variable=variable)
        if analysis.model:
            yield from hazards(
                scope, both, pair, analysis.model, origin, level=analysis.level, variable=variable
            )
    if (analysis.test or analysis.model) and not scope.comparisons:
        yield from origin.not_estimable(NO_COMPARISON, variable=variable)
    yield from _follow_up(scope, analysis, sample, origin, variable=variable)


def timed(scope: Scope, *, endpoint: str) -> pl.DataFrame:
    """Return the records of an endpoint that have a time of 0 days or more, one a subject.

    `event` is added: the event was seen (CNSR is 0). Raises NotAvailable as `Scope.one_each`.
    """
    records = scope.one_each("ADTTE", "AVAL", "CNSR", parameter=endpoint)
    has_time = pl.col("AVAL").is_finite() & (pl.col("AVAL") >= 0)
    return records.filter(has_time, pl.col("CNSR").is_not_null()).with_columns(
        event=pl.col("CNSR") == 0
    )


def curve_of(sample: pl.DataFrame, analysis: TimeToEvent) -> KaplanMeier:
    """Return the Kaplan–Meier curve of a sample, as the analysis wants it."""
    return kaplan_meier(
        sample["AVAL"].to_numpy(),
        sample["event"].to_numpy(),
        interval=analysis.interval,
        level=analysis.level,
        convention=analysis.median,
    )


# -- by arm ----------------------------------------------------------------------------------


def _counts(own: pl.DataFrame, origin: Origin, *, arm: str, variable: str | None) -> Iterator[Row]:
    """Return events and censored subjects, then each by its reason with its code in `text`."""
    events = int(own["event"].sum())
    share = percent(events, own.height)
    yield origin.row("events", events, arm=arm, variable=variable)
    yield origin.row("events_percent", share, arm=arm, variable=variable, unit="%")
    yield origin.row("censored", own.height - events, arm=arm, variable=variable)
    for statistic, described, chosen in (
        ("events", "EVNTDESC", own.filter("event")),
        ("censored", "CNSDTDSC", own.filter(~pl.col("event"))),
    ):
        if described not in own.columns:
            continue
        reasons = chosen.group_by(pl.col(described).fill_null("not said"), "CNSR").len()
        for reason, code, count in reasons.sort("CNSR", described).iter_rows():
            yield origin.row(
                statistic, count, arm=arm, variable=variable, level=reason, text=f"CNSR {code}"
            )


def _quantiles(
    curve: KaplanMeier, origin: Origin, month_days: float, *, arm: str, variable: str | None
) -> Iterator[Row]:
    method = (
        f"Kaplan–Meier; {curve.level:.0%} interval of Brookmeyer and Crowley, {curve.interval}; "
        f"quantiles as in {'SAS' if curve.convention == 'sas' else 'R'}; "
        f"1 month = {month_days:g} days"
    )
    for name, share in (("median", 0.5), ("quartile_25", 0.25), ("quartile_75", 0.75)):
        for suffix, days in zip(("", "_lower", "_upper"), curve.quantile(share), strict=True):
            yield origin.row(
                name + suffix,
                float(days) / month_days,
                arm=arm,
                variable=variable,
                unit="months",
                method=method,
            )


def _landmarks(
    curve: KaplanMeier,
    analysis: TimeToEvent,
    origin: Origin,
    month_days: float,
    *,
    arm: str,
    variable: str | None,
) -> Iterator[Row]:
    days = [months * month_days for months in analysis.landmarks_months]
    found = curve.survival_at(days)
    method = f"Kaplan–Meier; {curve.level:.0%} interval by Greenwood, {curve.interval}"
    for name, values in (
        ("survival_at", found.estimate),
        ("survival_at_lower", found.lower),
        ("survival_at_upper", found.upper),
    ):
        for time, value in zip(days, values.tolist(), strict=True):
            yield origin.row(name, value, arm=arm, variable=variable, time_days=time, method=method)


def _curves(
    scope: Scope, analysis: TimeToEvent, sample: pl.DataFrame, origin: Origin
) -> Iterator[Row]:
    """Return steps from time 0 to the last time, censor marks, and numbers at risk."""
    last = sample["AVAL"].max()
    if not isinstance(last, int | float):
        return
    step = analysis.axis_months * scope.protocol.data.month_days
    grid = [step * place for place in range(floor(last / step) + 1)]
    for arm in scope.arms:
        own = sample.filter(arm=arm)
        if own.is_empty():
            continue
        curve = curve_of(own, analysis)
        steps = curve.events > 0
        steps[-1] = True  # the curve ends where its last subject leaves
        times = [0.0, *curve.time[steps].tolist()]
        for name, values in (
            ("survival", curve.survival),
            ("survival_lower", curve.lower),
            ("survival_upper", curve.upper),
        ):
            for time, value in zip(times, [1.0, *values[steps].tolist()], strict=True):
                yield origin.row(name, value, arm=arm, time_days=time)
        marks = curve.censored > 0
        for time, value in zip(
            curve.time[marks].tolist(), curve.survival[marks].tolist(), strict=True
        ):
            yield origin.row("censor", value, arm=arm, time_days=time)
        at_risk = curve.survival_at(grid).at_risk
        for time, value in zip(grid, at_risk.tolist(), strict=True):
            yield origin.row("at_risk", value, arm=arm, time_days=time)


# -- arms compared ---------------------------------------------------------------------------


def ranks(
    scope: Scope,
    both: pl.DataFrame,
    pair: Comparison,
    test: RankTest,
    origin: Origin,
    *,
    variable: str | None = None,
) -> Iterator[Row]:
    """Compare two arms by a rank test; z is negative where the experimental arm does better."""
    reason = why_not(scope, both, pair, stratified=test.stratified, every_arm=False)
    try:
        if reason:
            raise ValueError(reason)
        found = logrank(
            both["AVAL"].to_numpy(),
            both["event"].to_numpy(),
            both["arm"].to_numpy(),
            strata=strata_of(scope, both).to_numpy() if test.stratified else None,
            weights=test.weights,
            groups=(pair.control, pair.experimental),
        )
    except ValueError as error:
        yield from origin.not_estimable(str(error), *RANKS, arm=pair.id, variable=variable)
        return
    words = {"logrank": "log-rank", "gehan": "Gehan", "tarone-ware": "Tarone–Ware"}[test.weights]
    where = f"stratified by {', '.join(scope.strata)}: " if test.stratified else "unstratified: "
    method = (
        f"{words} test, {where}sum of observed less expected events of {pair.experimental} over "
        "the root of the summed variance"
    )
    one_sided = test.sided == 1
    p = found.one_sided(fewer_events_in=pair.experimental) if one_sided else found.p_value
    sided = f"; {'one' if one_sided else 'two'}-sided against the normal distribution"
    for arm, expected in zip(found.groups, found.expected.tolist(), strict=True):
        yield origin.row("logrank_expected", expected, arm=arm, variable=variable, method=method)
    yield origin.row("logrank_z", found.z, arm=pair.id, variable=variable, method=method)
    yield origin.row("logrank_p", p, arm=pair.id, variable=variable, method=method + sided)


def hazards(
    scope: Scope,
    both: pl.DataFrame,
    pair: Comparison,
    model: Model,
    origin: Origin,
    *,
    level: float,
    variable: str | None = None,
    group: str | None = None,
) -> Iterator[Row]:
    """Return the hazard ratio of the experimental arm against control, or why there is none."""
    reason = why_not(scope, both, pair, stratified=model.stratified, every_arm=True)
    keys: Keys = {"arm": pair.id, "variable": variable, "level": group}
    try:
        if reason:
            raise ValueError(reason)
        found = cox(
            both["AVAL"].to_numpy(),
            both["event"].to_numpy(),
            (both["arm"] == pair.experimental).to_numpy().astype(float),
            strata=strata_of(scope, both).to_numpy() if model.stratified else None,
            ties=model.ties,
            level=level,
            names=(pair.id,),
        )
    except ValueError as error:
        yield from origin.not_estimable(str(error), *HAZARD, **keys)
        return
    strata = f"stratified by {', '.join(scope.strata)}" if model.stratified else "unstratified"
    method = f"Cox model, {strata}, {model.ties} ties; {level:.0%} Wald interval"
    for name, value in zip(
        HAZARD, (found.hazard_ratio, found.lower, found.upper, found.p_value), strict=True
    ):
        told = f"{method}, two-sided Wald test" if name == "cox_p" else method
        yield origin.row(name, float(value[0]), **keys, method=told)


def why_not(
    scope: Scope, both: pl.DataFrame, pair: Comparison, *, stratified: bool, every_arm: bool
) -> str | None:
    """Return why two arms cannot be compared, if so: empty, without events, without strata.

    A rank test needs events somewhere, a hazard ratio needs them in every arm.
    """
    sizes = {arm: both.filter(arm=arm) for arm in pair}
    empty = [arm for arm, own in sizes.items() if own.is_empty()]
    if empty:
        return f"no subjects in arm {' or '.join(empty)}"
    silent = [arm for arm, own in sizes.items() if not own["event"].any()]
    if silent and (every_arm or len(silent) == 2):
        return f"no events in arm {' or '.join(silent)}"
    return why_no_strata(scope, both) if stratified else None


# -- follow-up -------------------------------------------------------------------------------


def _follow_up(
    scope: Scope,
    analysis: TimeToEvent,
    sample: pl.DataFrame,
    origin: Origin,
    *,
    variable: str | None,
) -> Iterator[Row]:
    if "administrative" in analysis.follow_up:
        yield from _administrative(scope, variable=variable)
    if "reverse" not in analysis.follow_up:
        return
    method = (
        f"reverse Kaplan–Meier: censoring counts as the event; {analysis.level:.0%} interval of "
        f"Brookmeyer and Crowley, {analysis.interval}"
    )
    for arm, own in groups(sample, scope.arms):
        if own.is_empty():
            yield from origin.not_estimable(
                f"no subjects in arm {arm}", *REVERSE, arm=arm, variable=variable
            )
            continue
        found = median_follow_up(
            own["AVAL"].to_numpy(),
            own["event"].to_numpy(),
            interval=analysis.interval,
            level=analysis.level,
            convention=analysis.median,
        )
        for name, days in zip(REVERSE, (found.median, found.lower, found.upper), strict=True):
            yield origin.row(
                name,
                days / scope.protocol.data.month_days,
                arm=arm,
                variable=variable,
                unit="months",
                method=method,
            )


def _administrative(scope: Scope, *, variable: str | None) -> Iterator[Row]:
    """Return quartiles of the time from randomisation to data cutoff (CUTDT − RANDDT)."""
    origin = scope.origin("ADSL")
    absent = [name for name in ("RANDDT", "CUTDT") if name not in scope.subjects.columns]
    if absent:
        reason = f"ADSL has no {', '.join(absent)}"
        yield from origin.not_estimable(reason, *ADMINISTRATIVE, arm=ALL, variable=variable)
        return
    days = (pl.col("CUTDT") - pl.col("RANDDT")).dt.total_days()
    method = f"randomisation to data cutoff (CUTDT − RANDDT); {QUARTILES}"
    for arm, own in groups(scope.subjects.with_columns(days=days), scope.arms):
        if own["days"].drop_nulls().is_empty():
            reason = "no subject has both RANDDT and CUTDT"
            yield from origin.not_estimable(reason, *ADMINISTRATIVE, arm=arm, variable=variable)
            continue
        q1, median, q3 = quartiles(own["days"])
        for name, value in zip(ADMINISTRATIVE, (median, q1, q3), strict=True):
            yield origin.row(
                name,
                value / scope.protocol.data.month_days,
                arm=arm,
                variable=variable,
                unit="months",
                method=method,
            )
