# SPDX-License-Identifier: Apache-2.0
"""What published numbers are recomputed with, from the counts and numbers printed beside them.

Shares are in percent. What a study computes too is asked of `radioligand.statistics`.
"""

from collections.abc import Sequence
from datetime import date
from math import exp, floor, log, prod, sqrt

import numpy as np
from scipy.special import ndtr, ndtri

from radioligand.protocol import MONTH_DAYS
from radioligand.statistics.proportions import (
    clopper_pearson,
    cochran_mantel_haenszel,
    fisher_exact,
    odds_ratio,
    wald,
    wald_difference,
)

MILLICURIE_GBQ = 0.037  # exact: a curie is 37 GBq
CREATININE_G_PER_MOL = 113.12

# --- shares of counts -----------------------------------------------------------------------------


def percentage(events: int, n: int) -> float:
    """Return 100 x / n."""
    return 100 * float(clopper_pearson(events, n).estimate)


def percentage_without(events: int, n: int) -> float:
    """Return 100 (n - x) / n."""
    return percentage(n - events, n)


def rounded_percentage(events: int, n: int) -> float:
    """Return 100 x / n as a whole number, half up, to hold a bound against."""
    return float(floor(percentage(events, n) + 0.5))


def nearest_possible_percentage(share: float, n: int) -> float:
    """Return the percentage nearest to `share` that a whole number of n can have."""
    return percentage(round(share * n / 100), n)


def exact_interval(events: int, n: int) -> tuple[float, float]:
    """Return Clopper and Pearson's interval."""
    found = clopper_pearson(events, n)
    return 100 * float(found.lower), 100 * float(found.upper)


def wald_interval(events: int, n: int) -> tuple[float, float]:
    """Return the normal interval, cut to 0 and 100."""
    found = wald(events, n)
    return 100 * float(found.lower), 100 * float(found.upper)


def difference_in_points(
    events: int, n: int, reference_events: int, reference_n: int
) -> tuple[float, ...]:
    """Return the difference of two percentages with its unpooled normal interval."""
    found = wald_difference(events, n, reference_events, reference_n)
    return tuple(100 * float(one) for one in (found.estimate, found.lower, found.upper))


# --- tests and odds ratios of two arms ------------------------------------------------------------


def two_by_two(events: int, n: int, reference_events: int, reference_n: int) -> list[list[int]]:
    """Return the arms in rows; those with the event and those without in columns."""
    return [[events, n - events], [reference_events, reference_n - reference_events]]


def fisher_p_value(events: int, n: int, reference_events: int, reference_n: int) -> float:
    """Return Fisher's two-sided p value: all tables no likelier than the one seen."""
    return fisher_exact(two_by_two(events, n, reference_events, reference_n)).p_value


def doubled_fisher_p_value(events: int, n: int, reference_events: int, reference_n: int) -> float:
    """Return twice Fisher's smaller tail."""
    table = two_by_two(events, n, reference_events, reference_n)
    return fisher_exact(table, two_sided="central").p_value


def chi_square_p_value(events: int, n: int, reference_events: int, reference_n: int) -> float:
    """Return the p value of Pearson's chi-square test without correction."""
    cells = np.array(two_by_two(events, n, reference_events, reference_n), np.float64)
    margins = cells.sum(0).prod() * cells.sum(1).prod()
    cross = cells[0, 0] * cells[1, 1] - cells[0, 1] * cells[1, 0]
    return normal_p_value(float(cross * np.sqrt(cells.sum() / margins)), sided=2)


def crude_odds_ratio(
    events: int, n: int, reference_events: int, reference_n: int
) -> tuple[float, float, float]:
    """Return the odds ratio of all patients together with Woolf's interval."""
    found = odds_ratio(two_by_two(events, n, reference_events, reference_n))
    return found.estimate, found.lower, found.upper


def stratified_odds_ratio(
    tables: Sequence[Sequence[Sequence[int]]],
) -> tuple[float, float, float]:
    """Return Mantel and Haenszel's odds ratio with Robins, Breslow and Greenland's interval."""
    found = cochran_mantel_haenszel(tables)
    return found.odds_ratio, found.lower, found.upper


# --- what estimates and intervals tell of each other ----------------------------------------------


def normal_p_value(z: float, *, sided: int) -> float:
    """Return the chance of a normal deviate at least as far out, on one side or on both."""
    return float(sided * ndtr(-abs(z)))


def middle(lower: float, upper: float) -> float:
    """Return the number midway between the limits."""
    return (lower + upper) / 2


def geometric_middle(lower: float, upper: float) -> float:
    """Return the ratio whose logarithm lies midway between those of its limits."""
    return sqrt(lower * upper)


def log_log_middle(lower: float, upper: float) -> float:
    """Return the percentage S midway between its limits on the scale of log(-log S)."""
    places = [log(-log(limit / 100)) for limit in (lower, upper)]
    return 100 * exp(-exp(sum(places) / 2))


def ratio_p_value(ratio: float, lower: float, upper: float, *, sided: int = 2) -> float:
    """Return the Wald p value of a ratio: its logarithm over the 95 % interval's standard error."""
    error = log(upper / lower) / (2 * float(ndtri(0.975)))
    return normal_p_value(log(ratio) / error, sided=sided)


def one_sided_ratio_p_value(ratio: float, lower: float, upper: float) -> float:
    """Return half of the two-sided Wald p value of a ratio."""
    return ratio_p_value(ratio, lower, upper, sided=1)


def peto_p_value(hazard_ratio: float, events: int) -> float:
    """Return the two-sided p value of a hazard ratio of two equal arms.

    The log-rank variance is a quarter of the events, so z is log(HR) √events / 2. Peto et al., Br J
    Cancer 1977;35:1.
    """
    return normal_p_value(log(hazard_ratio) * sqrt(events) / 2, sided=2)


def hazard_ratio_of_medians(experimental: float, control: float) -> float:
    """Return the hazard ratio of two exponential arms with those medians."""
    return control / experimental


def risk_reduction(hazard_ratio: float) -> float:
    """Return 100 (1 - HR)."""
    return 100 * (1 - hazard_ratio)


# --- arithmetic and units -------------------------------------------------------------------------


def same(number: float) -> float:
    """Return the number."""
    return number


def total(parts: Sequence[float]) -> float:
    """Return the sum."""
    return float(sum(parts))


def times(factors: Sequence[float]) -> float:
    """Return the product."""
    return float(prod(factors))


def remainder(whole: float, parts: Sequence[float]) -> float:
    """Return what is left of the whole without its parts."""
    return float(whole - sum(parts))


def difference(first: float, second: float) -> float:
    """Return the first less the second."""
    return first - second


def weighted_mean(values: Sequence[float], sizes: Sequence[int]) -> float:
    """Return the mean of groups of these sizes together."""
    return sum(value * n for value, n in zip(values, sizes, strict=True)) / sum(sizes)


def millicuries(activity_gbq: float) -> float:
    """Return an activity in mCi."""
    return activity_gbq / MILLICURIE_GBQ


def creatinine_mg_per_dl(creatinine_umol_per_l: float) -> float:
    """Return a concentration of creatinine in mg/dL."""
    return creatinine_umol_per_l * CREATININE_G_PER_MOL / 10_000


def weeks(days: float) -> float:
    """Return days as weeks."""
    return days / 7


def months(weeks: float) -> float:
    """Return weeks as months of 30.4375 days."""
    return weeks * 7 / MONTH_DAYS


# --- rules ----------------------------------------------------------------------------------------


def lies_inside(estimate: float, lower: float, upper: float | None = None) -> bool:
    """Return whether an estimate lies in its own interval; one without end has no upper limit."""
    return lower <= estimate and (upper is None or estimate <= upper)


def is_part_of(part: int, whole: int) -> bool:
    """Return whether a part counts no more than its whole."""
    return part <= whole


def is_possible_follow_up(
    months: float, first_enrolled: date, last_enrolled: date, cutoff: date
) -> bool:
    """Return whether a median follow-up lies between the last patient's and the first one's."""
    shortest, longest = (
        (cutoff - day).days / MONTH_DAYS for day in (last_enrolled, first_enrolled)
    )
    return shortest <= months <= longest
