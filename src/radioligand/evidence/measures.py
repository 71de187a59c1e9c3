# SPDX-License-Identifier: Apache-2.0
"""What a target asks of a cohort: whom, which rows of each subject, and one of our statistics.

The rows are made element by element, so that a pool of draws has them as a cohort has. What is done
with them is here by the statistics of any analysis; `measure_kernels` does the same for the search.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from radioligand.analysis.descriptive import quartiles
from radioligand.analysis.shrinkage import DIGITS
from radioligand.evidence.cohorts import Cohort
from radioligand.evidence.targets import Target
from radioligand.protocol import Protocol
from radioligand.protocol.records import TimeToEvent
from radioligand.statistics.proportions import cochran_mantel_haenszel
from radioligand.statistics.survival import cox, kaplan_meier, logrank

Flags = NDArray[np.bool_]
NAN = float("nan")
OBJECTIVE = ("CR", "PR")


class Asked(NamedTuple):
    """The parts of a protocol on which measures depend."""

    month_days: float
    experimental: str
    stratified: Mapping[str, bool]  # by endpoint: whether its comparison is
    sided: Mapping[str, int]


class Rows(NamedTuple):
    """What a statistic reads of each subject; (n,) of a cohort, (k, n) of a pool of draws.

    Days and event of an endpoint; a value, which is a covariate, an arm as 0 and 1, or what is
    described; the stratum's text. Left out is what the statistic does not read.
    """

    who: Flags  # of whom it is
    time: NDArray[Any] = np.empty(0)
    event: NDArray[Any] = np.empty(0)
    value: NDArray[Any] = np.empty(0)
    stratum: NDArray[Any] | None = None


Statistic = Callable[[Rows, Target, Asked], tuple[float, ...]]


class Measure(NamedTuple):
    """How a number is made, how many numbers it is, and whether the seed alone decides it."""

    rows: Callable[[Cohort, Target, Asked], Rows]
    statistic: Statistic
    numbers: int
    at_baseline: bool = False


def asked_of(protocol: Protocol) -> Asked:
    """Read from a protocol how its endpoints are compared."""
    times = [one for one in protocol.analyses if isinstance(one, TimeToEvent)]
    tests = {one.endpoint: one.test for one in times if one.test}
    models = {one.endpoint: one.model for one in times if one.model}
    return Asked(
        month_days=protocol.data.month_days,
        experimental=next(arm.id for arm in protocol.arms if arm.role == "experimental"),
        stratified={name: model.stratified for name, model in models.items()},
        sided={name: test.sided for name, test in tests.items()},
    )


def measured(cohort: Cohort, target: Target, *, asked: Asked) -> tuple[float, ...]:
    """Return the numbers that a target asks for; nan: not estimated."""
    measure = MEASURES[target.measure]
    rows = measure.rows(cohort, target, asked)
    return measure.statistic(rows, target, asked)[: measure.numbers]


# -- rows ----------------------------------------------------------------------------------------


def _own(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    """Members of the analysis, of the target's arm if it names one."""
    return Rows(_members(cohort, target))


def _members(cohort: Cohort, target: Target) -> Flags:
    members: Flags = cohort["member"]
    return members & (cohort["arm"] == target.arm) if target.arm else members


def _followed(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    """Times and events of the endpoint of those who have one."""
    time, event = cohort[f"{target.endpoint} time"], cohort[f"{target.endpoint} event"]
    return Rows(_members(cohort, target) & np.isfinite(time), time, event)


def _with_event(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    rows = _followed(cohort, target, asked)
    return Rows(rows.who & rows.event)


def _compared(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    """Those followed by arm, in strata if the protocol's comparison is stratified."""
    strata = cohort["stratum"] if asked.stratified.get(target.endpoint) else None
    rows = _followed(cohort, target, asked)
    return rows._replace(value=_treated(cohort, asked), stratum=strata)


def _treated(cohort: Cohort, asked: Asked) -> NDArray[np.float64]:
    treated: Flags = cohort["arm"] == asked.experimental
    return treated.astype(np.float64)


def _responding(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    return Rows(_members(cohort, target) & np.isin(cohort["response"], target.levels))


def _evaluable(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    return Rows(_members(cohort, target) & cohort["evaluable"])


def _objective(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    """Objective response as the event, by arm and stratum."""
    return Rows(
        _members(cohort, target),
        event=np.isin(cohort["response"], OBJECTIVE),
        value=_treated(cohort, asked),
        stratum=cohort["stratum"],
    )


def _column(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    return Rows(_members(cohort, target), value=cohort[target.column])


def _column_months(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    return Rows(_members(cohort, target), value=cohort[target.column] / asked.month_days)


# shrinkage: as analysis/shrinkage_landmarks.py and shrinkage_groups.py ask


def _landmark(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    """The model of a landmark: who is still at risk, was measured by then, not progressive.

    The clock is set to 0 at the landmark; the value is the shrinkage.
    """
    change, (who, time, event, *_) = (
        cohort[f"change {target.day}"],
        _followed(cohort, target, asked),
    )
    if target.day:
        who = who & (cohort[f"{target.endpoint} day"] > target.day)
    who = who & np.isfinite(change) & ~cohort["progressive"]
    return Rows(who, time - target.day, event, -change)


def _change(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    """The best change by the landmark of those who are in its model."""
    return Rows(_landmark(cohort, target, asked).who, value=cohort[f"change {target.day}"])


def _shrank(cohort: Cohort, target: Target) -> Flags:
    """Who shrank by the target's percentage or more; below 0 for any shrinkage at all."""
    change = np.round(cohort[f"change {target.day}"], DIGITS)
    far: Flags = (change < 0) & (change <= -target.percent)
    return far


def _shrunken(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    return Rows(_landmark(cohort, target, asked).who & _shrank(cohort, target))


def _more(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    rows = _followed(cohort, target, asked)
    return rows._replace(who=rows.who & _shrank(cohort, target))


def _less(cohort: Cohort, target: Target, asked: Asked) -> Rows:
    rows = _followed(cohort, target, asked)
    return rows._replace(who=rows.who & ~_shrank(cohort, target))


# -- statistics ----------------------------------------------------------------------------------


def count(rows: Rows, target: Target, asked: Asked) -> tuple[float, ...]:
    """How many subjects it is of."""
    return (float(rows.who.sum()),)


def middle_and_quartiles(rows: Rows, target: Target, asked: Asked) -> tuple[float, ...]:
    """Median, lower and upper quartile of the value."""
    low, middle, high = quartiles(pl.Series(values=rows.value[rows.who]))
    return middle, low, high


def mean_and_spread(rows: Rows, target: Target, asked: Asked) -> tuple[float, ...]:
    """Mean and standard deviation of the value."""
    values = rows.value[rows.who]
    return float(np.nanmean(values)), float(np.nanstd(values, ddof=1))


def middle(rows: Rows, target: Target, asked: Asked) -> tuple[float, ...]:
    """Median of the value."""
    values = rows.value[rows.who]
    return (float(np.median(values)) if values.size else NAN,)


def curve_median(rows: Rows, target: Target, asked: Asked) -> tuple[float, ...]:
    """Kaplan–Meier median and its limits in months."""
    event = rows.event[rows.who]
    if not event.any():
        return NAN, NAN, NAN
    curve = kaplan_meier(rows.time[rows.who], event)
    days = (curve.median, *curve.median_interval)
    return tuple(float(day) / asked.month_days for day in days)


def survival(rows: Rows, target: Target, asked: Asked) -> tuple[float, ...]:
    """Kaplan–Meier percentage at a month, with log-log limits."""
    curve = kaplan_meier(rows.time[rows.who], rows.event[rows.who])
    at = curve.survival_at([target.months * asked.month_days])
    return tuple(100 * float(value[0]) for value in (at.estimate, at.lower, at.upper))


def hazard_ratio(rows: Rows, target: Target, asked: Asked) -> tuple[float, ...]:
    """Cox's hazard ratio of the value, by strata if there are any, with Wald's limits."""
    who = rows.who
    strata = None if rows.stratum is None else rows.stratum[who]
    try:
        model = cox(rows.time[who], rows.event[who], rows.value[who], strata=strata)
    except ValueError:  # nothing to estimate in so odd a cohort
        return NAN, NAN, NAN
    return tuple(float(one[0]) for one in (model.hazard_ratio, model.lower, model.upper))


def logrank_p(rows: Rows, target: Target, asked: Asked) -> tuple[float, ...]:
    """P value of the protocol's log-rank test; one-sided where the protocol's is."""
    who = rows.who
    strata = None if rows.stratum is None else rows.stratum[who]
    # the experimental arm second, so that z below 0 means fewer events than expected
    test = logrank(rows.time[who], rows.event[who], rows.value[who].astype(int), strata=strata)
    if asked.sided.get(target.endpoint, 2) == 2:
        return (float(test.p_value),)
    return (float(test.one_sided(fewer_events_in=1)),)


def odds_ratio(rows: Rows, target: Target, asked: Asked) -> tuple[float, ...]:
    """Mantel–Haenszel odds ratio of the event by arm over the strata, with its limits."""
    who = rows.who
    assert rows.stratum is not None
    stratum, place = np.unique(rows.stratum[who], return_inverse=True)
    tables = np.zeros((stratum.size, 2, 2), dtype=np.int64)
    treated, event = rows.value[who].astype(int), rows.event[who].astype(int)
    np.add.at(tables, (place, 1 - treated, 1 - event), 1)
    try:
        found = cochran_mantel_haenszel(tables)
    except ValueError:
        return NAN, NAN, NAN
    return float(found.odds_ratio), float(found.lower), float(found.upper)


MEASURES: Mapping[str, Measure] = {  # those that cost little first: the search asks in this order
    "subjects": Measure(_own, count, 1, at_baseline=True),
    "quartiles": Measure(_column, middle_and_quartiles, 3, at_baseline=True),
    "quartiles in months": Measure(_column_months, middle_and_quartiles, 3, at_baseline=True),
    "median in months": Measure(_column_months, middle_and_quartiles, 1, at_baseline=True),
    "mean": Measure(_column, mean_and_spread, 2, at_baseline=True),
    "responses": Measure(_responding, count, 1),
    "evaluable": Measure(_evaluable, count, 1),
    "events": Measure(_with_event, count, 1),
    "shrinkage subjects": Measure(_landmark, count, 1),
    "shrinkage count": Measure(_shrunken, count, 1),
    "shrinkage median": Measure(_change, middle, 1),
    "odds ratio": Measure(_objective, odds_ratio, 3),
    "median": Measure(_followed, curve_median, 3),
    "median estimate": Measure(_followed, curve_median, 1),
    "survival": Measure(_followed, survival, 3),
    "shrinkage median survival, more": Measure(_more, curve_median, 3),
    "shrinkage median survival, less": Measure(_less, curve_median, 3),
    "log-rank p": Measure(_compared, logrank_p, 1),
    "hazard ratio": Measure(_compared, hazard_ratio, 3),
    "hazard ratio estimate": Measure(_compared, hazard_ratio, 1),
    "shrinkage hazard ratio": Measure(_landmark, hazard_ratio, 3),
}
