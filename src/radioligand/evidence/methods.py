# SPDX-License-Identifier: Apache-2.0
"""The methods by which published numbers are recomputed: a name, a function, typed inputs."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from radioligand.evidence import calculations as c
from radioligand.evidence import designs as d
from radioligand.evidence.printing import Rounding

Input = Literal["count", "counts", "number", "numbers", "tables", "day"]
Answer = float | tuple[float, ...] | bool


class Method(NamedTuple):
    """How a number is made.

    The function takes the `inputs` by name and returns the numbers of the published text in order,
    `gives` of them; a rule gives none and returns whether it holds. `nudged` names the counts of
    events: a row is weak if one more or less there prints the same. With `before_rounding` a
    printed input may be any number that rounds to it.
    """

    function: Callable[..., Answer]
    inputs: Mapping[str, Input]
    says: str
    gives: int = 1
    nudged: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    rounding: Rounding = "half up"
    before_rounding: bool = False


ONE_ARM: dict[str, Input] = {"events": "count", "n": "count"}
TWO_ARMS: dict[str, Input] = {**ONE_ARM, "reference_events": "count", "reference_n": "count"}
LIMITS: dict[str, Input] = {"lower": "number", "upper": "number"}
RATIO: dict[str, Input] = {"ratio": "number", **LIMITS}
PAIR: dict[str, Input] = {"first": "number", "second": "number"}
EFFECT: dict[str, Input] = {
    "experimental": "number", "control": "number", "ratio": "count",
    "alpha": "number", "sided": "count", "power": "number",
}  # fmt: skip
TRIAL: dict[str, Input] = {**EFFECT, "accrual": "number", "follow_up": "number"}
LOOK: dict[str, Input] = {
    "events": "count", "final_events": "count", "alpha": "number", "sided": "count"
}  # fmt: skip

EVENTS, BOTH = ("events",), ("events", "reference_events")

# fmt: off
AS_PRINTED: dict[str, Method] = {
    "percentage": Method(c.percentage, ONE_ARM, "100 x / n, half up", nudged=EVENTS),
    "percentage or <1": Method(
        c.percentage, ONE_ARM, "100 x / n, half up; between 0 and 1 it is printed <1",
        nudged=EVENTS, rounding="under one as <1"),
    "percentage, half to even": Method(
        c.percentage, ONE_ARM, "100 x / n, a half to the even digit",
        nudged=EVENTS, rounding="half to even"),
    "percentage, cut off": Method(
        c.percentage, ONE_ARM, "100 x / n, further digits cut off",
        nudged=EVENTS, rounding="cut off"),
    "percentage, rounded first": Method(
        c.rounded_percentage, ONE_ARM, "100 x / n, half up, then held against a bound",
        nudged=EVENTS),
    "percentage without": Method(
        c.percentage_without, ONE_ARM, "100 (n − x) / n, half up", nudged=EVENTS),
    "nearest possible percentage": Method(
        c.nearest_possible_percentage, {"share": "number", "n": "count"},
        "the nearest share that a whole number of n patients can be"),
    "Clopper–Pearson interval": Method(
        c.exact_interval, ONE_ARM, "exact 95 % interval of x / n, percent", 2, EVENTS),
    "Wald interval": Method(
        c.wald_interval, ONE_ARM, "normal 95 % interval of x / n, cut to 0 and 100 %", 2, EVENTS),
    "difference, Wald interval": Method(
        c.difference_in_points, TWO_ARMS,
        "of two percentages, normal 95 % interval with each arm's own variance", 3, BOTH),
    "Fisher's exact test": Method(
        c.fisher_p_value, TWO_ARMS, "two-sided: all tables no likelier than the one seen", 1, BOTH),
    "Fisher's exact test, doubled": Method(
        c.doubled_fisher_p_value, TWO_ARMS, "two-sided: twice the smaller tail", 1, BOTH),
    "chi-square test": Method(
        c.chi_square_p_value, TWO_ARMS, "Pearson's, without correction", 1, BOTH),
    "odds ratio": Method(
        c.crude_odds_ratio, TWO_ARMS, "of all patients together, Woolf's 95 % interval", 3, BOTH),
    "Mantel–Haenszel odds ratio, strata that fit": Method(
        c.stratified_odds_ratio, {"tables": "tables"},
        "common to strata that keep every printed margin; interval by Robins, Breslow and "
        "Greenland", 3),
    "log-rank events, Schoenfeld": Method(
        d.schoenfeld_events, EFFECT, "(zα + zβ)² (1 + r)² / (r log² HR), up to a whole number"),
    "log-rank events, Freedman": Method(
        d.freedman_events, EFFECT,
        "(zα + zβ)² (1 + r HR)² / (r (1 − HR)²), up to a whole number"),
    "log-rank events, Lakatos": Method(
        d.lakatos_events, TRIAL, "Lakatos' Markov model of accrual and follow-up"),
    "log-rank subjects, Schoenfeld": Method(
        d.schoenfeld_subjects, TRIAL, "Schoenfeld's events over the share with one by the end"),
    "log-rank subjects, Freedman": Method(
        d.freedman_subjects, TRIAL, "Freedman's events over the share with one by the end"),
    "log-rank subjects, Lakatos": Method(
        d.lakatos_subjects, TRIAL, "Lakatos' Markov model of accrual and follow-up"),
    "first boundary, Lan–DeMets": Method(
        d.spending_boundary, LOOK, "nominal p value, O'Brien–Fleming spending of two looks"),
    "first boundary, O'Brien–Fleming": Method(
        d.classical_boundary, LOOK, "nominal p value, classical shape for the looks held"),
    "first boundary, O'Brien–Fleming of equal looks": Method(
        d.classical_boundary_of_equal_looks, LOOK,
        "nominal p value, the constant of two equally spaced looks over the root of the share of "
        "events seen"),
    "sum": Method(c.total, {"parts": "numbers"}, "the parts together"),
    "product": Method(c.times, {"factors": "numbers"}, "the factors multiplied"),
    "remainder": Method(
        c.remainder, {"whole": "number", "parts": "numbers"}, "the whole less its parts"),
    "difference": Method(c.difference, PAIR, "the first less the second"),
    "printed again": Method(c.same, {"number": "number"}, "the same number with fewer digits"),
    "risk reduction": Method(
        c.risk_reduction, {"hazard_ratio": "number"}, "100 (1 − hazard ratio)"),
    "hazard ratio of medians": Method(
        c.hazard_ratio_of_medians, {"experimental": "number", "control": "number"},
        "of two exponential arms: the control median over the experimental"),
    "middle of limits": Method(c.middle, LIMITS, "half of the sum of the limits"),
    "middle of limits, log scale": Method(
        c.geometric_middle, LIMITS, "the root of the product of a ratio's limits"),
    "middle of limits, log–log scale": Method(
        c.log_log_middle, LIMITS, "survival midway between its limits in log(−log S)"),
    "Wald test of a ratio": Method(
        c.ratio_p_value, RATIO, "two-sided, log scale, from estimate and 95 % interval"),
    "Wald test of a ratio, one-sided": Method(
        c.one_sided_ratio_p_value, RATIO, "one-sided, log scale, from estimate and 95 % interval"),
    "log-rank test by Peto's variance": Method(
        c.peto_p_value, {"hazard_ratio": "number", "events": "count"},
        "two-sided, two equal arms: the variance is a quarter of the events", nudged=EVENTS),
    "weighted mean": Method(
        c.weighted_mean, {"values": "numbers", "sizes": "counts"},
        "of percentages, weighted by the sizes of their groups"),
    "GBq to mCi": Method(c.millicuries, {"activity_gbq": "number"}, "1 mCi = 0.037 GBq"),
    "creatinine to mg/dL": Method(
        c.creatinine_mg_per_dl, {"creatinine_umol_per_l": "number"}, "113.12 g/mol"),
    "days to weeks": Method(c.weeks, {"days": "number"}, "days / 7"),
    "weeks to months": Method(c.months, {"weeks": "number"}, "7 weeks / 30.4375"),
    "inside its interval": Method(
        c.lies_inside, {"estimate": "number", **LIMITS},
        "an estimate lies between its limits", gives=0, optional=("upper",)),
    "part of a whole": Method(
        c.is_part_of, {"part": "count", "whole": "count"},
        "a part counts no more than its whole", gives=0),
    "possible follow-up": Method(
        c.is_possible_follow_up,
        {"months": "number", "first_enrolled": "day", "last_enrolled": "day", "cutoff": "day"},
        "between the last patient's and the first one's at the cutoff", gives=0),
}
# fmt: on


def _before_rounding(method: Method) -> Method:
    says = f"{method.says}; printed inputs may be any numbers that round to them"
    return method._replace(says=says, before_rounding=True)


METHODS: Mapping[str, Method] = AS_PRINTED | {
    f"{name}, before rounding": _before_rounding(method)
    for name, method in AS_PRINTED.items()
    if method.gives and {"number", "numbers"} & set(method.inputs.values())
}


def answer(method: Method, inputs: Mapping[str, Any]) -> tuple[float, ...] | bool:
    """Apply the method: the numbers it gives, or whether its rule holds."""
    found = method.function(**inputs)
    if isinstance(found, bool | tuple):
        return found
    return (float(found),)
