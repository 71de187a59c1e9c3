# SPDX-License-Identifier: Apache-2.0
"""What a target asks of a cohort: each measure is one function of arrays, by our statistics."""

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


class Measure(NamedTuple):
    """How a number is made, how many numbers it is, and whether the seed alone decides it."""

    of: Callable[[Cohort, Target, Asked], tuple[float, ...]]
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
    return MEASURES[target.measure].of(cohort, target, asked)


def _own(cohort: Cohort, target: Target) -> Flags:
    """Members of the analysis, of the target's arm if it names one."""
    members: Flags = cohort["member"]
    return members & (cohort["arm"] == target.arm) if target.arm else members


def _followed(cohort: Cohort, target: Target, who: Flags) -> tuple[NDArray[Any], NDArray[Any]]:
    """Times and events of the endpoint of those who have one."""
    time = cohort[f"{target.endpoint} time"]
    who = who & np.isfinite(time)
    return time[who], cohort[f"{target.endpoint} event"][who]


def _subjects(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    return (float(_own(cohort, target).sum()),)


def _events(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    return (float(_followed(cohort, target, _own(cohort, target))[1].sum()),)


def _median(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    """Kaplan–Meier median and its limits in months."""
    return _median_of(*_followed(cohort, target, _own(cohort, target)), asked)


def _median_alone(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    return _median(cohort, target, asked)[:1]


def _median_of(time: NDArray[Any], event: NDArray[Any], asked: Asked) -> tuple[float, ...]:
    if not event.any():
        return NAN, NAN, NAN
    curve = kaplan_meier(time, event)
    days = (curve.median, *curve.median_interval)
    return tuple(float(day) / asked.month_days for day in days)


def _survival(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    """Kaplan–Meier percentage at a month, with log-log limits."""
    curve = kaplan_meier(*_followed(cohort, target, _own(cohort, target)))
    at = curve.survival_at([target.months * asked.month_days])
    return tuple(100 * float(value[0]) for value in (at.estimate, at.lower, at.upper))


def _hazard_ratio(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    """Cox's hazard ratio of the experimental arm, stratified if the protocol's model is."""
    who = _own(cohort, target) & np.isfinite(cohort[f"{target.endpoint} time"])
    strata = cohort["stratum"][who] if asked.stratified.get(target.endpoint) else None
    treated = (cohort["arm"][who] == asked.experimental).astype(np.float64)
    return _cox(*_followed(cohort, target, who), treated, strata)


def _hazard_ratio_alone(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    return _hazard_ratio(cohort, target, asked)[:1]


def _cox(
    time: NDArray[Any], event: NDArray[Any], values: NDArray[Any], strata: Any = None
) -> tuple[float, ...]:
    try:
        model = cox(time, event, values, strata=strata)
    except ValueError:  # nothing to estimate in so odd a cohort
        return NAN, NAN, NAN
    return tuple(float(one[0]) for one in (model.hazard_ratio, model.lower, model.upper))


def _logrank_p(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    """P value of the protocol's log-rank test; one-sided where the protocol's is."""
    who = _own(cohort, target) & np.isfinite(cohort[f"{target.endpoint} time"])
    strata = cohort["stratum"][who] if asked.stratified.get(target.endpoint) else None
    # the experimental arm second, so that z below 0 means fewer events than expected
    group = (cohort["arm"][who] == asked.experimental).astype(int)
    test = logrank(*_followed(cohort, target, who), group, strata=strata)
    if asked.sided.get(target.endpoint, 2) == 2:
        return (float(test.p_value),)
    return (float(test.one_sided(fewer_events_in=1)),)


def _responses(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    return (float(np.isin(cohort["response"][_own(cohort, target)], target.levels).sum()),)


def _evaluable(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    return (float((cohort["evaluable"] & _own(cohort, target)).sum()),)


def _odds_ratio(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    """Mantel–Haenszel odds ratio of objective response over the strata."""
    who = _own(cohort, target)
    treated = cohort["arm"][who] == asked.experimental
    response = np.isin(cohort["response"][who], OBJECTIVE)
    stratum, place = np.unique(cohort["stratum"][who], return_inverse=True)
    tables = np.zeros((stratum.size, 2, 2), dtype=np.int64)
    np.add.at(tables, (place, 1 - treated.astype(int), 1 - response.astype(int)), 1)
    try:
        found = cochran_mantel_haenszel(tables)
    except ValueError:
        return NAN, NAN, NAN
    return float(found.odds_ratio), float(found.lower), float(found.upper)


def _quartiles(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    low, middle, high = quartiles(pl.Series(values=cohort[target.column][_own(cohort, target)]))
    return middle, low, high


def _months(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    """The quartiles of days, in months."""
    return tuple(days / asked.month_days for days in _quartiles(cohort, target, asked))


def _median_months(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    return _months(cohort, target, asked)[:1]


def _mean(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    values = cohort[target.column][_own(cohort, target)]
    return float(np.nanmean(values)), float(np.nanstd(values, ddof=1))


# -- shrinkage: as analysis/shrinkage_landmarks.py and shrinkage_groups.py ask ------------------


def _analysed(cohort: Cohort, target: Target) -> Flags:
    """Who is in the model of a landmark: still at risk, measured by then, not progressive."""
    who = _own(cohort, target) & np.isfinite(cohort[f"{target.endpoint} time"])
    if target.day:
        who = who & (cohort[f"{target.endpoint} day"] > target.day)
    who = who & np.isfinite(cohort[f"change {target.day}"])
    remaining: Flags = who & ~cohort["progressive"]
    return remaining


def _shrinkage_hazard(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    """Hazard ratio per percentage point of shrinkage, the clock set to 0 at the landmark."""
    who = _analysed(cohort, target)
    time, event = _followed(cohort, target, who)
    return _cox(time - target.day, event, -cohort[f"change {target.day}"][who])


def _shrinkage_subjects(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    return (float(_analysed(cohort, target).sum()),)


def _shrinkage_median(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    changes = cohort[f"change {target.day}"][_analysed(cohort, target)]
    return (float(np.median(changes)) if changes.size else NAN,)


def _shrank(cohort: Cohort, target: Target) -> Flags:
    """Who shrank by the target's percentage or more; below 0 for any shrinkage at all."""
    change = np.round(cohort[f"change {target.day}"], DIGITS)
    far: Flags = (change < 0) & (change <= -target.percent)
    return far


def _shrinkage_count(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    return (float((_shrank(cohort, target) & _analysed(cohort, target)).sum()),)


def _shrinkage_more(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    who = _own(cohort, target) & _shrank(cohort, target)
    return _median_of(*_followed(cohort, target, who), asked)


def _shrinkage_less(cohort: Cohort, target: Target, asked: Asked) -> tuple[float, ...]:
    who = _own(cohort, target) & ~_shrank(cohort, target)
    return _median_of(*_followed(cohort, target, who), asked)


MEASURES: Mapping[str, Measure] = {  # those that cost little first: the search asks in this order
    "subjects": Measure(_subjects, 1, at_baseline=True),
    "quartiles": Measure(_quartiles, 3, at_baseline=True),
    "quartiles in months": Measure(_months, 3, at_baseline=True),
    "median in months": Measure(_median_months, 1, at_baseline=True),
    "mean": Measure(_mean, 2, at_baseline=True),
    "responses": Measure(_responses, 1),
    "evaluable": Measure(_evaluable, 1),
    "events": Measure(_events, 1),
    "shrinkage subjects": Measure(_shrinkage_subjects, 1),
    "shrinkage count": Measure(_shrinkage_count, 1),
    "shrinkage median": Measure(_shrinkage_median, 1),
    "odds ratio": Measure(_odds_ratio, 3),
    "median": Measure(_median, 3),
    "median estimate": Measure(_median_alone, 1),
    "survival": Measure(_survival, 3),
    "shrinkage median survival, more": Measure(_shrinkage_more, 3),
    "shrinkage median survival, less": Measure(_shrinkage_less, 3),
    "log-rank p": Measure(_logrank_p, 1),
    "hazard ratio": Measure(_hazard_ratio, 3),
    "hazard ratio estimate": Measure(_hazard_ratio_alone, 1),
    "shrinkage hazard ratio": Measure(_shrinkage_hazard, 3),
}
