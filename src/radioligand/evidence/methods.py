# SPDX-License-Identifier: Apache-2.0
"""The methods by which published numbers are recomputed: a name, typed inputs, one function.

Functions take the inputs of a row by name and return the numbers of its published text in order,
or, for a rule, whether it holds. What a study computes too comes from `radioligand.statistics`
and `radioligand.planning`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from math import ceil, floor, prod
from typing import Literal

import numpy as np

from radioligand.evidence import summaries
from radioligand.evidence.printing import Rounding
from radioligand.statistics.proportions import (
    clopper_pearson,
    cochran_mantel_haenszel,
    fisher_exact,
    odds_ratio,
    wald,
    wald_difference,
)

Input = Literal["count", "counts", "number", "numbers", "tables", "day"]
Values = tuple[float, ...]
Answer = Values | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How a number is made: `inputs` by name and type, `gives` how many numbers (0: a rule).

    `nudged` names the counts of events; a row is weak if one more or less there would still print
    the same. With `before_rounding`, printed numbers may be any that round to what is printed.
    """

    says: str
    function: Callable[..., Answer]
    inputs: Mapping[str, Input]
    gives: int = 1
    optional: tuple[str, ...] = ()
    nudged: tuple[str, ...] = ()
    rounding: Rounding = "half up"
    before_rounding: bool = field(default=False)


# --- shares of counts -----------------------------------------------------------------------------


def percentage(events: int, n: int) -> Values:
    """100 x / n."""
    return (100 * float(clopper_pearson(events, n).estimate),)


def percentage_without(events: int, n: int) -> Values:
    """100 (n - x) / n."""
    return percentage(n - events, n)


def rounded_percentage(events: int, n: int) -> Values:
    """100 x / n as a whole number, for a bound that was held against the rounded value."""
    return (float(floor(percentage(events, n)[0] + 0.5)),)


def nearest_possible_percentage(share: float, n: int) -> Values:
    """The percentage nearest to `share` that a whole number out of n can have."""
    return percentage(round(share * n / 100), n)


def exact_interval(events: int, n: int) -> Values:
    """Clopper and Pearson's interval, in percent."""
    found = clopper_pearson(events, n)
    return 100 * float(found.lower), 100 * float(found.upper)


def wald_interval(events: int, n: int) -> Values:
    """The normal interval, cut to 0 and 100 percent."""
    found = wald(events, n)
    return 100 * float(found.lower), 100 * float(found.upper)


def difference_in_points(events: int, n: int, reference_events: int, reference_n: int) -> Values:
    """The difference of two percentages and its unpooled Wald interval, in points."""
    found = wald_difference(events, n, reference_events, reference_n)
    return tuple(100 * float(one) for one in (found.estimate, found.lower, found.upper))


# --- tests and odds ratios of two arms ------------------------------------------------------------


def two_by_two(events: int, n: int, reference_events: int, reference_n: int) -> list[list[int]]:
    """Return the arms in rows; those with the event and those without in columns."""
    return [[events, n - events], [reference_events, reference_n - reference_events]]


def fisher_p_value(events: int, n: int, reference_events: int, reference_n: int) -> Values:
    """Fisher's exact test, two-sided: all tables no likelier than the one seen."""
    return (fisher_exact(two_by_two(events, n, reference_events, reference_n)).p_value,)


def doubled_fisher_p_value(events: int, n: int, reference_events: int, reference_n: int) -> Values:
    """Fisher's exact test, twice the smaller tail."""
    table = two_by_two(events, n, reference_events, reference_n)
    return (fisher_exact(table, two_sided="central").p_value,)


def chi_square_p_value(events: int, n: int, reference_events: int, reference_n: int) -> Values:
    """Pearson's chi-square test without correction."""
    cells = np.array(two_by_two(events, n, reference_events, reference_n), np.float64)
    rows, columns, total = cells.sum(1), cells.sum(0), cells.sum()
    z = (cells[0, 0] * cells[1, 1] - cells[0, 1] * cells[1, 0]) * np.sqrt(
        total / (rows.prod() * columns.prod())
    )
    return (summaries.normal_p_value(float(z), sided=2),)


def crude_odds_ratio(events: int, n: int, reference_events: int, reference_n: int) -> Values:
    """The odds ratio of all patients together with Woolf's interval."""
    found = odds_ratio(two_by_two(events, n, reference_events, reference_n))
    return found.estimate, found.lower, found.upper


def stratified_odds_ratio(tables: list[list[list[int]]]) -> Values:
    """Mantel and Haenszel's odds ratio with Robins, Breslow and Greenland's interval."""
    found = cochran_mantel_haenszel(tables)
    return found.odds_ratio, found.lower, found.upper


# --- arithmetic of printed numbers ----------------------------------------------------------------


def total_of(parts: tuple[float, ...]) -> Values:
    """The sum."""
    return (float(sum(parts)),)


def product_of(factors: tuple[float, ...]) -> Values:
    """The product."""
    return (float(prod(factors)),)


def remainder_of(whole: float, parts: tuple[float, ...]) -> Values:
    """What is left of the whole without the parts."""
    return (float(whole - sum(parts)),)


def rounded_up_product(factors: tuple[float, ...]) -> Values:
    """The product, up to the next whole number."""
    return (float(ceil(round(prod(factors), 9))),)


def months_between(first: date, last: date) -> Values:
    """Months of 30.4375 days from one day to another."""
    return ((last - first).days / summaries.DAYS_PER_MONTH,)


# --- rules ----------------------------------------------------------------------------------------


def lies_inside(estimate: float, lower: float, upper: float | None = None) -> bool:
    """An estimate lies in its own interval; without an upper limit, not below the lower one."""
    return lower <= estimate and (upper is None or estimate <= upper)


def is_part_of(part: int, whole: int) -> bool:
    """A part counts no more than its whole."""
    return part <= whole


def is_possible_follow_up(
    months: float, first_enrolled: date, last_enrolled: date, cutoff: date
) -> bool:
    """A follow-up to the cutoff is no longer than the first patient's nor shorter than the last's.

    Half a unit of the last digit of `months`, printed with one decimal, is allowed.
    """
    (longest,), (shortest,) = (
        months_between(first_enrolled, cutoff),
        months_between(last_enrolled, cutoff),
    )
    return shortest - 0.05 <= months <= longest + 0.05


ONE: Mapping[str, Input] = {"events": "count", "n": "count"}
TWO: Mapping[str, Input] = ONE | {"reference_events": "count", "reference_n": "count"}
LIMITS: Mapping[str, Input] = {"lower": "number", "upper": "number"}
EVENTS = ("events",)
BOTH = ("events", "reference_events")


def _share(says: str, function: Callable[..., Answer], **more: object) -> Method:
    return Method(says=says, function=function, inputs=ONE, nudged=EVENTS, **more)  # type: ignore[arg-type]


def _pair(says: str, function: Callable[..., Answer], gives: int = 1) -> Method:
    return Method(says=says, function=function, inputs=TWO, nudged=BOTH, gives=gives)


def _of(says: str, function: Callable[..., Answer], gives: int = 1, **inputs: Input) -> Method:
    return Method(says=says, function=function, inputs=inputs, gives=gives)


AS_PRINTED: Mapping[str, Method] = {
    "percentage": _share("100 x / n, half up", percentage),
    "percentage, under one as <1": _share(
        "100 x / n, half up; a share between 0 and 1 % is printed <1%",
        percentage,
        rounding="under one as <1",
    ),
    "percentage, half to even": _share("100 x / n, half to even", percentage, rounding="half to even"),
    "percentage, cut off": _share("100 x / n, further digits cut off", percentage, rounding="cut off"),
    "percentage, rounded first": _share(
        "100 x / n, half up, before it is held against a bound", rounded_percentage
    ),
    "percentage without": _share("100 (n − x) / n", percentage_without),
    "nearest possible percentage": _of(
        "the nearest percentage that a whole number of n patients can have",
        nearest_possible_percentage,
        share="number",
        n="count",
    ),
    "Clopper–Pearson interval": _share("exact 95 % interval, percent", exact_interval, gives=2),
    "Wald interval": _share("normal 95 % interval, cut to 0 and 100 %", wald_interval, gives=2),
    "difference, Wald interval": _pair(
        "difference of two percentages with its unpooled normal 95 % interval",
        difference_in_points,
        gives=3,
    ),
    "Fisher's exact test": _pair("two-sided: all tables no likelier than the one seen", fisher_p_value),
    "Fisher's exact test, doubled": _pair("twice the smaller tail", doubled_fisher_p_value),
    "chi-square test": _pair("Pearson's, without correction", chi_square_p_value),
    "odds ratio": _pair("of all patients together, Woolf's 95 % interval", crude_odds_ratio, gives=3),
    "Mantel–Haenszel odds ratio, strata that fit": _of(
        "common to strata that keep every printed margin, with Robins, Breslow and Greenland's "
        "95 % interval",
        stratified_odds_ratio,
        gives=3,
        tables="tables",
    ),
    "sum": _of("the parts together", total_of, parts="numbers"),
    "product": _of("the factors multiplied", product_of, factors="numbers"),
    "product, rounded up": _of(
        "the factors multiplied, up to a whole number", rounded_up_product, factors="numbers"
    ),
    "remainder": _of("the whole less its parts", remainder_of, whole="number", parts="numbers"),
    "difference": _of(
        "the first less the second", lambda first, second: (first - second,),
        first="number", second="number",
    ),
    "ratio": _of(
        "the first over the second", lambda first, second: (first / second,),
        first="number", second="number",
    ),
    "printed again": _of(
        "the same number with fewer digits", lambda number: (number,), number="number"
    ),
    "risk reduction": _of(
        "100 (1 − hazard ratio)", lambda hazard_ratio: (100 * (1 - hazard_ratio),),
        hazard_ratio="number",
    ),
    "hazard ratio of medians": _of(
        "of two exponential arms: control over experimental median",
        lambda experimental, control: (summaries.hazard_ratio_of_medians(experimental, control),),
        experimental="number",
        control="number",
    ),
    "middle of limits": _of(
        "half of the sum of the limits", lambda lower, upper: ((lower + upper) / 2,), **LIMITS
    ),
    "middle of limits, log scale": _of(
        "the square root of the product of a ratio's limits",
        lambda lower, upper: (summaries.geometric_middle(lower, upper),),
        **LIMITS,
    ),
    "middle of limits, log–log scale": _of(
        "the survival midway between its limits on the scale of log(−log S)",
        lambda lower, upper: (summaries.log_log_middle(lower, upper),),
        **LIMITS,
    ),
    "Wald test of a ratio": _of(
        "two-sided, from the estimate and its 95 % interval on the log scale",
        lambda ratio, lower, upper: (summaries.ratio_p_value(ratio, lower, upper, sided=2),),
        ratio="number",
        **LIMITS,
    ),
    "Wald test of a ratio, one-sided": _of(
        "one-sided, from the estimate and its 95 % interval on the log scale",
        lambda ratio, lower, upper: (summaries.ratio_p_value(ratio, lower, upper, sided=1),),
        ratio="number",
        **LIMITS,
    ),
    "log-rank test by Peto's variance": _of(
        "two-sided, from hazard ratio and events: variance a quarter of the events",
        lambda hazard_ratio, events: (summaries.peto_p_value(hazard_ratio, events),),
        hazard_ratio="number",
        events="count",
    ),
    "weighted mean": _of(
        "of percentages, weighted by the size of their groups",
        lambda values, sizes: (summaries.weighted_mean(values, sizes),),
        values="numbers",
        sizes="counts",
    ),
    "GBq to mCi": _of(
        "1 mCi = 0.037 GBq", lambda activity_gbq: (summaries.millicuries(activity_gbq),),
        activity_gbq="number",
    ),
    "creatinine to mg/dL": _of(
        "113.12 g/mol",
        lambda creatinine_umol_per_l: (summaries.creatinine_mg_per_dl(creatinine_umol_per_l),),
        creatinine_umol_per_l="number",
    ),
    "days to weeks": _of("days / 7", lambda days: (days / 7,), days="number"),
    "weeks to months": _of(
        "7 weeks / 30.4375", lambda weeks: (weeks * 7 / summaries.DAYS_PER_MONTH,), weeks="number"
    ),
    "months between": _of(
        "days / 30.4375", months_between, first="day", last="day"
    ),
    "inside its interval": Method(
        says="an estimate lies between its limits",
        function=lies_inside,
        inputs={"estimate": "number", **LIMITS},
        optional=("upper",),
        gives=0,
    ),
    "part of a whole": _of("a part counts no more than its whole", is_part_of, gives=0, part="count", whole="count"),
    "possible follow-up": _of(
        "between those of the last and the first patient at the cutoff",
        is_possible_follow_up,
        gives=0,
        months="number",
        first_enrolled="day",
        last_enrolled="day",
        cutoff="day",
    ),
}  # fmt: skip


def _before_rounding(method: Method) -> Method:
    says = f"{method.says}; the inputs may be any numbers that round to those printed"
    return replace(method, says=says, before_rounding=True)


METHODS: Mapping[str, Method] = dict(AS_PRINTED) | {
    f"{name}, before rounding": _before_rounding(method)
    for name, method in AS_PRINTED.items()
    if method.gives and {"number", "numbers"} & set(method.inputs.values())
}
