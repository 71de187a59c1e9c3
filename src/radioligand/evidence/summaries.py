# SPDX-License-Identifier: Apache-2.0
"""What follows from printed estimates, intervals and amounts without any patient's data."""

from math import exp, log, sqrt

from scipy.special import ndtr, ndtri

DAYS_PER_MONTH = 30.4375
MILLICURIE_GBQ = 0.037  # exact: a curie is 37 GBq
CREATININE_G_PER_MOL = 113.12


def normal_p_value(z: float, *, sided: int) -> float:
    """Return the chance of a normal deviate at least as far out, on one side or on both."""
    return float(sided * ndtr(-abs(z)))


def geometric_middle(lower: float, upper: float) -> float:
    """Return the ratio whose logarithm lies midway between the limits of its interval."""
    return sqrt(lower * upper)


def log_log_middle(lower: float, upper: float) -> float:
    """Return the percentage midway between its limits where log(-log) of it is taken as normal."""
    places = [log(-log(limit / 100)) for limit in (lower, upper)]
    return 100 * exp(-exp(sum(places) / 2))


def ratio_p_value(ratio: float, lower: float, upper: float, *, sided: int) -> float:
    """Return the Wald p value of a ratio: its logarithm over the 95 % interval's standard error."""
    error = log(upper / lower) / (2 * float(ndtri(0.975)))
    return normal_p_value(log(ratio) / error, sided=sided)


def peto_p_value(ratio: float, events: float) -> float:
    """Return the two-sided p value of a hazard ratio with equal arms.

    The log-rank variance is a quarter of the events, so that z is log(ratio) √events / 2 (Peto
    et al., Br J Cancer 1977;35:1).
    """
    return normal_p_value(log(ratio) * sqrt(events) / 2, sided=2)


def hazard_ratio_of_medians(experimental: float, control: float) -> float:
    """Return the hazard ratio of two exponential arms by their medians."""
    return control / experimental


def millicuries(activity_gbq: float) -> float:
    """Return an activity in mCi."""
    return activity_gbq / MILLICURIE_GBQ


def creatinine_mg_per_dl(creatinine_umol_per_l: float) -> float:
    """Return a concentration of creatinine in mg/dL."""
    return creatinine_umol_per_l * CREATININE_G_PER_MOL / 10_000


def weighted_mean(values: tuple[float, ...], sizes: tuple[float, ...]) -> float:
    """Return the mean of groups of these sizes together."""
    return sum(value * size for value, size in zip(values, sizes, strict=True)) / sum(sizes)
