# SPDX-License-Identifier: Apache-2.0
"""Interval-censored survival: against R, a published curve, and its laws."""

import json
from math import inf, log, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from radioligand.statistics.survival import kaplan_meier, turnbull

REFERENCE = json.loads((Path(__file__).parent / "reference" / "turnbull.json").read_text())
CASES = REFERENCE["cases"]

interval = st.tuples(st.integers(0, 12), st.one_of(st.integers(0, 6), st.just(inf)))
studies = st.lists(interval, min_size=1, max_size=25)


def ends(study):
    """Lower and upper days of intervals given as a day and a length, 0 an exact day."""
    lower = np.array([day for day, _ in study], float)
    return lower, lower + np.array([length for _, length in study])


def at_all(lower, upper):
    days = np.concatenate([lower, upper])
    return np.unique(days[np.isfinite(days)])


@pytest.mark.reference
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_r(name):
    case = CASES[name]
    upper = [inf if one is None else one for one in case["upper"]]

    found = turnbull(case["lower"], upper)

    # between jumps R puts the fall into the middle, so a day within an interval tells nothing
    at = found.survival_at(case["days"])
    known = at.lower == at.upper
    assert known.mean() > 0.5
    assert at.lower[known] == pytest.approx(np.array(case["survival"])[known], rel=1e-9, abs=1e-9)
    # survfit stops while single steps of its EM are below 5e-5
    assert at.lower[known] == pytest.approx(np.array(case["survfit"])[known], abs=5e-3)
    assert found.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-11)
    assert found.certificate < 1e-10


@pytest.mark.trial
def test_agrees_with_the_published_curve_of_breast_retraction():
    # after radiotherapy alone, to four digits: Finkelstein, Biometrics 1986;42:845
    case = CASES["retraction"]

    found = turnbull(case["lower"], [nan if one is None else one for one in case["upper"]])

    assert found.begin.tolist() == [4, 6, 7, 11, 24, 33, 38, 46]
    assert found.end.tolist() == [5, 7, 8, 12, 25, 34, 40, 48]
    assert found.probability.round(4).tolist() == [
        0.0463, 0.0334, 0.0887, 0.0708, 0.0926, 0.0818, 0.1209, 0.4656,
    ]  # fmt: skip
    assert tuple(found.quantile(0.25)) == (24, 25)
    assert found.median == 39


@pytest.mark.by_hand
def test_three_subjects_by_hand():
    # (0,2], (1,3] and (3,inf): the first two may share (1,2], which has 2/3, and (3,inf) the rest
    found = turnbull([0, 1, 3], [2, 3, inf])

    assert found.begin.tolist() == [1, 3]
    assert found.end.tolist() == [2, inf]
    assert found.probability == pytest.approx([2 / 3, 1 / 3])
    assert found.log_likelihood == pytest.approx(2 * log(2 / 3) + log(1 / 3))
    at = found.survival_at([1, 1.5, 2, 3, 4])
    assert at.upper == pytest.approx([1, 1, 1 / 3, 1 / 3, 1 / 3])
    assert at.lower == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3, 0])
    assert tuple(found.quantile(0.5)) == (1, 2)
    assert found.median == 1.5
    assert tuple(found.quantile(0.9)) == (3, inf)
    assert np.isnan(found.quantile(0.9).middle)


@pytest.mark.by_hand
def test_an_interval_is_open_where_it_begins():
    # an event on day 2, and one after day 2 and up to day 4, do not meet
    found = turnbull([2, 2], [2, 4])

    assert found.begin.tolist() == [2, 2]
    assert found.end.tolist() == [2, 4]
    assert found.probability == pytest.approx([0.5, 0.5])
    assert found.survival_at([1, 2, 3, 4]).upper == pytest.approx([1, 0.5, 0.5, 0])
    assert found.survival_at([1, 2, 3, 4]).lower == pytest.approx([1, 0.5, 0, 0])


@pytest.mark.law
@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=40))
def test_equals_kaplan_meier_where_intervals_are_points(subjects):
    time, event = (np.array(column) for column in zip(*subjects))
    assume(event.any())

    found = turnbull(time, np.where(event, time, inf))

    curve = kaplan_meier(time, event)
    at = found.survival_at(curve.time)
    assert at.lower == pytest.approx(curve.survival, abs=1e-9)
    assert at.upper == pytest.approx(curve.survival, abs=1e-9)
    open_end = curve.survival[-1] > 0
    assert bool(np.isinf(found.end[-1])) == open_end


@pytest.mark.law
@given(studies)
def test_is_at_the_top(study):
    lower, upper = ends(study)
    assume(np.isfinite(upper).any())

    found = turnbull(lower, upper)

    assert found.certificate < 1e-9
    assert found.probability.sum() == pytest.approx(1)
    assert np.all(found.probability > 0)
    holds = (found.begin >= lower[:, None]) & (found.end <= upper[:, None])
    exact = lower[:, None] == upper[:, None]
    holds &= exact | (found.end > lower[:, None])
    chance = holds @ found.probability
    assert np.log(chance).sum() == pytest.approx(found.log_likelihood, abs=1e-8)
    # the gain of each place that has a share is that of all: sum of 1/P over rows is their number
    assert (1 / chance) @ holds == pytest.approx(lower.size, rel=1e-8)


@pytest.mark.law
@given(studies, st.integers(2, 5))
def test_unit_order_and_doubled_rows_change_nothing(study, factor):
    lower, upper = ends(study)
    assume(np.isfinite(upper).any())
    found = turnbull(lower, upper)

    turned = turnbull(lower[::-1] * factor, upper[::-1] * factor)
    doubled = turnbull(np.tile(lower, 2), np.tile(upper, 2))
    weighted = turnbull(lower, upper, weights=np.full(lower.size, 2.0))

    days = at_all(lower, upper)
    expected = found.survival_at(days).upper
    assert turned.survival_at(days * factor).upper == pytest.approx(expected, abs=1e-8)
    assert doubled.survival_at(days).upper == pytest.approx(expected, abs=1e-8)
    assert weighted.survival_at(days).upper == pytest.approx(expected, abs=1e-8)
    assert weighted.log_likelihood == pytest.approx(doubled.log_likelihood)


def test_missing_ends_are_before_the_first_visit_and_after_the_last():
    found = turnbull([None, 3, 5], [4, None, 7])
    again = turnbull([0, 3, 5], [4, inf, 7])

    assert found.probability.tolist() == again.probability.tolist()
    assert found.begin.tolist() == again.begin.tolist()
    assert found.end.tolist() == again.end.tolist()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (([], []), "There are no rows"),
        (([1, 2], [3]), "Lengths differ: lower 2, upper 1"),
        (([3, 5], [4, 2]), r"upper: 1 of 2 are before lower \(\[1\] 2.0\)"),
        (([-1, 2], [4, 5]), "lower: 1 of 2 are negative"),
        (([1, 2], [inf, nan]), "upper: none of 2 rows has an event"),
        ((["a"], [3]), "lower: holds text"),
        (([[1, 2]], [[3, 4]]), "give one value a row"),
    ],
)
def test_refuses_what_it_cannot_answer(rows, says):
    with pytest.raises(ValueError, match=says):
        turnbull(*rows)


def test_refuses_weights_of_nothing_and_shares_of_more_than_all():
    with pytest.raises(ValueError, match="weights: 1 of 2 are zero"):
        turnbull([1, 2], [3, 4], weights=[0, 1])
    with pytest.raises(ValueError, match=r"p: 1\.5 is no share"):
        turnbull([1, 2], [3, 4]).quantile(1.5)
