# SPDX-License-Identifier: Apache-2.0
"""Stratified risk differences: against metafor, a formula in R, and their laws."""

import json
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from radioligand.statistics.proportions import (
    cochran_mantel_haenszel,
    mantel_haenszel_difference,
    newcombe_difference,
    stratified_newcombe_difference,
)

REFERENCE = json.loads((Path(__file__).parent / "reference" / "risk_difference.json").read_text())
CASES = REFERENCE["cases"]
BOTH = [mantel_haenszel_difference, stratified_newcombe_difference]

row = st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(any)
studies = st.lists(st.tuples(row, row), min_size=1, max_size=6)


def tables_of(case):
    x1, n1, x2, n2 = (np.array(case["tables"][name]) for name in ("x1", "n1", "x2", "n2"))
    return np.moveaxis(np.array([[x1, n1 - x1], [x2, n2 - x2]]), 2, 0)


@pytest.mark.reference
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_r(name):
    case = CASES[name]

    found = mantel_haenszel_difference(tables_of(case))

    assert found.estimate == pytest.approx(case["estimate"], rel=1e-12)
    assert found.standard_error == pytest.approx(case["standard_error"], rel=1e-12)
    assert [found.lower, found.upper] == pytest.approx([case["lower"], case["upper"]], rel=1e-10)
    assert found.p_value == pytest.approx(case["p_value"], rel=1e-9)


@pytest.mark.reference
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("level", "key"), [(0.95, "newcombe"), (0.9, "newcombe_90")])
def test_newcombe_agrees_with_r(name, level, key):
    case = CASES[name]

    found = stratified_newcombe_difference(tables_of(case), level=level)

    assert [found.estimate, found.lower, found.upper] == pytest.approx(case[key], rel=1e-10)


@pytest.mark.by_hand
def test_two_strata_by_hand():
    # 10/30 - 4/30 = 0.2 of weight 15, 15/40 - 6/40 = 0.225 of weight 20: (3 + 4.5)/35
    found = mantel_haenszel_difference([[[10, 20], [4, 26]], [[15, 25], [6, 34]]])

    assert found.estimate == pytest.approx(7.5 / 35)
    assert found.weights == pytest.approx([15 / 35, 20 / 35])
    assert found.differences == pytest.approx([0.2, 0.225])
    # P = -900 * 6/3600 = -1.5 and -1600 * 9/6400 = -2.25;
    # Q = (10 * 26 + 4 * 20)/120 = 17/6 and (15 * 34 + 6 * 25)/160 = 4.125
    variance = (7.5 / 35 * -3.75 + 17 / 6 + 4.125) / 35**2
    assert found.standard_error == pytest.approx(sqrt(variance))


@pytest.mark.law
@given(row, row, st.sampled_from([0.9, 0.95]))
def test_of_one_stratum_it_is_newcombes(first, second, level):
    found = stratified_newcombe_difference([[first, second]], level=level)

    alone = newcombe_difference(first[0], sum(first), second[0], sum(second), level=level)
    assert [found.estimate, found.lower, found.upper] == pytest.approx(
        [alone.estimate, alone.lower, alone.upper], abs=1e-12
    )


@pytest.mark.law
@pytest.mark.parametrize("method", BOTH)
@given(tables=studies)
def test_arms_and_outcomes_exchanged_turn_the_sign(method, tables):
    cells = np.array(tables)
    found = method(cells)

    for turned in (cells[:, ::-1], cells[:, :, ::-1]):
        again = method(turned)
        assert again.estimate == pytest.approx(-found.estimate, abs=1e-12)
        assert (again.lower, again.upper) == pytest.approx((-found.upper, -found.lower), abs=1e-9)


@pytest.mark.law
@pytest.mark.parametrize("method", BOTH)
@given(tables=studies)
def test_a_stratum_of_one_arm_adds_nothing_and_order_does_not_count(method, tables):
    cells = np.array(tables)
    found = method(cells)

    again = method(np.concatenate([[[[3, 4], [0, 0]]], cells[::-1]]))

    assert (again.estimate, again.lower, again.upper) == pytest.approx(
        (found.estimate, found.lower, found.upper), abs=1e-12
    )
    assert again.weights[0] == 0
    assert np.isnan(again.differences[0])


@pytest.mark.law
@given(studies)
def test_limits_hold_the_estimate_and_stay_within_one(tables):
    found = stratified_newcombe_difference(tables)

    assert -1 <= found.lower <= found.estimate + 1e-12
    assert found.estimate - 1e-12 <= found.upper <= 1
    assert found.lower < found.upper


@pytest.mark.law
@given(studies)
def test_has_the_sign_of_the_test_within_strata(tables):
    # both weigh the same differences: sum of a - E is sum of n1 n2/n times p1 - p2
    try:
        test = cochran_mantel_haenszel(tables)
    except ValueError:
        assume(False)

    found = mantel_haenszel_difference(tables)

    assert abs(found.estimate) < 1e-12 or np.sign(found.estimate) == np.sign(test.z)


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ([[[3, 4], [0, 0]]], "no stratum has subjects in both arms"),
        ([[1, 2], [3, 4]], "has shape"),
        ([[[1.5, 2], [3, 4]]], "no counts"),
        ([[[-1, 2], [3, 4]]], "no counts"),
    ],
)
def test_refuses_what_it_cannot_answer(method, tables, says):
    with pytest.raises(ValueError, match=says):
        method(tables)


@pytest.mark.parametrize("method", BOTH)
def test_refuses_a_level_that_is_none(method):
    with pytest.raises(ValueError, match="is no coverage"):
        method([[[1, 2], [3, 4]]], level=95)
