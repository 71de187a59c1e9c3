# SPDX-License-Identifier: Apache-2.0
"""Lists, arrays, and the Series and DataFrames of polars and pandas: one answer to all of them."""

import inspect
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from radioligand.statistics import (
    crossover,
    longitudinal,
    multiplicity,
    proportions,
    sequential,
    survival,
)

DOORS = (survival, proportions, sequential, multiplicity, longitudinal, crossover)
PUBLIC = [getattr(door, name) for door in DOORS for name in door.__all__]
FUNCTIONS = {thing for thing in PUBLIC if inspect.isroutine(thing)}

TIME = [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161, 5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45]
EVENT = [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1]
ARM = ["maintained"] * 11 + ["not"] * 12
SITE = ["north", "south"] * 11 + ["north"]
CAUSE = [one and 1 + row % 2 for row, one in enumerate(EVENT)]
ENTRY = [row % 4 for row in range(23)]
WEIGHT = [1.0 + row % 3 for row in range(23)]
X = [[int(row >= 11), 0.5 * (row % 5)] for row in range(23)]
TABLE, TABLES = [[10, 20], [4, 26]], [[[10, 20], [4, 26]], [[15, 25], [6, 34]]]
GRAPH = {"weights": [0.5, 0.5], "transitions": [[0, 1], [1, 0]]}
DESIGN = sequential.boundaries([0.5, 1])
ROWS = {"time": TIME, "event": EVENT}


class Call(NamedTuple):
    """A function, what holds a value a row, and what else it is given."""

    function: object
    given: dict
    options: dict = {}  # noqa: RUF012
    may_miss: tuple = ()  # missing means something here


def call(function, given, may_miss=(), **options):
    return Call(function, given, options, tuple(may_miss))


SUBJECT = ["a", "b", "c", "c", "d", "d", "e", "f"]
PARTS = {
    "subject": SUBJECT, "time": [10, 10, 10, 30, 10, 20, 25, 40],
    "entry": [0, 0, 0, 10, 0, 10, 0, 0],
}  # fmt: skip
TREATED = [0] * 8 + [5, 10, 100] + TIME[11:]
WHO = [row // 2 for row in range(16)]
MEASURED = [float(np.sin(7 * one) + np.cos(3 * row * one)) for row, one in enumerate(WHO)]

CALLS = [
    call(survival.kaplan_meier, ROWS | {"entry": ENTRY, "weights": WEIGHT}),
    call(survival.kaplan_meier_curves, ROWS | {"group": ARM, "entry": ENTRY, "weights": WEIGHT}),
    call(survival.nelson_aalen, ROWS | {"entry": ENTRY, "weights": WEIGHT}),
    call(survival.logrank, ROWS | {"group": ARM, "strata": SITE, "entry": ENTRY}),
    call(survival.logrank_trend, ROWS | {"group": ARM, "strata": SITE, "scores": [1, 2]}),
    call(survival.max_combo, ROWS | {"group": ARM, "strata": SITE, "entry": ENTRY}),
    call(
        survival.cox,
        ROWS | {"covariates": X, "strata": SITE, "entry": ENTRY, "weights": WEIGHT}
        | {"cluster": TIME},
    ),
    call(survival.firth_cox, ROWS | {"covariates": X, "strata": SITE, "entry": ENTRY}),
    call(survival.profile_interval, ROWS | {"covariates": X, "strata": SITE, "weights": WEIGHT}),
    call(survival.cox_residuals, ROWS | {"covariates": X, "strata": SITE, "weights": WEIGHT}),
    call(survival.baseline_hazard, ROWS | {"covariates": X, "strata": SITE, "entry": ENTRY}),
    call(survival.predicted_survival, ROWS | {"covariates": X, "at": X[:2], "strata": SITE}),
    call(survival.proportional_hazards_test, ROWS | {"covariates": X, "strata": SITE}),
    call(survival.interaction_test, ROWS | {"treatment": ARM, "subgroup": SITE}),
    call(survival.restricted_mean, ROWS | {"weights": WEIGHT}, horizon=40),
    call(survival.restricted_mean_difference, ROWS | {"group": ARM}, horizon=40),
    call(survival.landmark, ROWS, at=12),
    call(
        survival.median_follow_up, ROWS | {"potential": [170] * 23}, method="administrative"
    ),
    call(survival.cumulative_incidence, {"time": TIME, "cause": CAUSE, "entry": ENTRY}),
    call(survival.gray_test, {"time": TIME, "cause": CAUSE, "group": ARM, "strata": SITE}),
    call(survival.fine_gray, {"time": TIME, "cause": CAUSE, "covariates": X, "strata": SITE}),
    call(
        survival.turnbull,
        {"lower": TIME, "upper": [one + 5 for one in TIME], "weights": WEIGHT},
        may_miss=["lower", "upper"],
    ),
    call(survival.parametric_survival, ROWS | {"covariates": X, "weights": WEIGHT}),
    call(survival.piecewise_exponential, ROWS | {"cuts": [12, 30], "entry": ENTRY}),
    *(
        call(one, {"events": [1, 2, 3], "n": [10, 11, 12]})
        for one in (
            proportions.clopper_pearson, proportions.wilson, proportions.wald,
            proportions.agresti_coull, proportions.jeffreys,
        )
    ),
    *(
        call(
            one,
            {"events": [5, 6], "n": [10, 11], "reference_events": [2, 3], "reference_n": [10, 12]},
        )
        for one in (
            proportions.wald_difference, proportions.newcombe_difference,
            proportions.miettinen_nurminen_difference,
        )
    ),
    call(proportions.odds_ratio, {"table": TABLE}),
    call(proportions.fisher_exact, {"table": TABLE}),
    call(proportions.cohen_kappa, {"table": TABLE}),
    call(proportions.cochran_mantel_haenszel, {"tables": TABLES}),
    call(proportions.breslow_day, {"tables": TABLES}),
    call(proportions.mantel_haenszel_difference, {"tables": TABLES}),
    call(proportions.stratified_newcombe_difference, {"tables": TABLES}),
    call(sequential.boundaries, {"fractions": [0.5, 1], "spending_time": [0.6, 1]}),
    call(sequential.futility_boundaries, {"fractions": [0.5, 1], "spending_time": [0.6, 1]}),
    call(sequential.required_drift, {}, design=DESIGN, power=0.9),
    call(
        sequential.exit_probabilities,
        {"fractions": [0.5, 1], "upper": [3, 2], "lower": [0, 2]},
    ),
    call(sequential.repeated_p_values, {"z": [2.5, 3]}, may_miss=["z"], design=DESIGN),
    call(
        sequential.repeated_intervals,
        {"estimate": [0.3, 0.2], "standard_error": [0.2, 0.1]}, design=DESIGN,
    ),
    call(
        sequential.stagewise_result, {},
        estimate=0.3, standard_error=0.1, design=DESIGN, look=1,
    ),
    call(sequential.conditional_power, {}, z=1.5, design=DESIGN, look=1),
    call(sequential.predictive_power, {}, z=1.5, design=DESIGN, look=1),
    *(
        call(one, {"p_values": [0.01, 0.03, 0.02]})
        for one in (
            multiplicity.fixed_sequence, multiplicity.bonferroni, multiplicity.holm,
            multiplicity.hochberg, multiplicity.hommel,
        )
    ),
    call(multiplicity.graphical, {"p_values": [0.01, 0.02], **GRAPH}),
    call(
        multiplicity.graphical_sequential,
        {"z": [[1, 3], [2, 2]], "fractions": [[0.5, 1], [0.6, 1]], **GRAPH},
        may_miss=["z", "fractions"],
    ),
    call(
        longitudinal.repeated_measures,
        {
            "value": MEASURED, "subject": WHO, "visit": [1, 2] * 8, "arm": [one % 2 for one in WHO],
            "covariates": [[float(np.sin(one)), one * one] for one in WHO],
        },
    ),
    call(
        crossover.rank_preserving_model,
        ROWS | {"group": ARM, "treated": TREATED, "potential": [200] * 23, "strata": SITE},
    ),
    call(
        crossover.counterfactual,
        ROWS | {"treated": TREATED, "potential": [200] * 23, "recensored": EVENT}, psi=-0.2,
    ),
    call(
        crossover.crossover_weights,
        PARTS | {
            "crossed": [1, 1, 0, 0, 0, 0, 0, 0], "predictors": [0, 1, 0, 0, 1, 1, 0, 1],
            "eligible": [1, 1, 1, 0, 1, 0, 0, 0],
        },
    ),
    call(
        crossover.weighted_cox,
        PARTS | {
            "event": [0, 0, 0, 1, 0, 1, 1, 1],
            "covariates": [[0, row % 3] for row in range(6)] + [[1, 0], [1, 2]],
        },
        weights=crossover.crossover_weights(
            *(PARTS["subject"], PARTS["time"], [1, 1] + [0] * 6, [0, 1, 0, 0, 1, 1, 0, 1]),
            entry=PARTS["entry"], eligible=[1, 1, 1, 0, 1, 0, 0, 0],
        ),
    ),
]  # fmt: skip
NAMED = [pytest.param(one, id=one.function.__name__) for one in CALLS]


def answer(one, **changed):
    found = one.function(**(one.given | changed), **one.options)
    return found.to_frame() if hasattr(found, "to_frame") else np.asarray(found)


def polars(values):
    if np.ndim(values) == 3:
        return [polars(one) for one in values]
    if np.ndim(values) == 2:
        return pl.DataFrame(values, schema=list("ab"), orient="row")
    return pl.Series("of any name", values)


def pandas(values):
    """With an index that is not the order of rows, which nobody may heed."""
    if np.ndim(values) == 3:
        return [pandas(one) for one in values]
    index = range(len(values))[::-1]
    if np.ndim(values) == 2:
        return pd.DataFrame(values, columns=list("ab"), index=index)
    return pd.Series(values, index=index)


def nullable(values):
    """The types of pandas that hold NA."""
    if np.ndim(values) == 3:
        return [nullable(one) for one in values]
    return pandas(values).convert_dtypes()


def test_every_public_function_is_tried_here():
    assert {one.function for one in CALLS} == FUNCTIONS


@pytest.mark.parametrize("container", [np.array, tuple, polars, pandas, nullable])
@pytest.mark.parametrize("one", NAMED)
def test_every_container_has_the_same_answer(one, container):
    expected = answer(one)

    found = answer(one, **{name: container(values) for name, values in one.given.items()})

    if isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected)
    else:
        assert_frame_equal(found, expected, check_exact=True)


def columns():
    """Each argument with a value a row, for each function."""
    for one in CALLS:
        for name, values in one.given.items():
            if np.ndim(values) == 1 and name not in one.may_miss:
                yield pytest.param(one, name, id=f"{one.function.__name__}, {name}")


def none_first(values):
    return pl.Series([None, *values[1:]])


def nan_first(values):
    return pd.Series([np.nan, *values[1:]])


def na_first(values):
    return pd.Series([pd.NA, *values[1:]]).convert_dtypes()


@pytest.mark.parametrize("container", [none_first, nan_first, na_first])
@pytest.mark.parametrize(("one", "name"), list(columns()))
def test_a_missing_value_is_refused_by_the_name_of_its_argument(one, name, container):
    told = rf"(?m)^(upper, )?{name}\b"

    with pytest.raises(ValueError, match=told):
        answer(one, **{name: container(one.given[name])})


@pytest.mark.parametrize("container", [polars, pandas, nullable])
@pytest.mark.parametrize("one", [one for one in NAMED if "covariates" in one.values[0].given])
def test_a_missing_covariate_of_a_table_is_refused_by_its_place(one, container):
    table = [list(row) for row in one.given["covariates"]]
    table[2][1] = None

    with pytest.raises(ValueError, match="covariate 1: 1 of"):
        answer(one, covariates=container(table))
