# SPDX-License-Identifier: Apache-2.0
"""Curves of several groups: against R, and against the curve of each group alone."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.statistics.survival import KaplanMeier, kaplan_meier, kaplan_meier_curves

REFERENCE = json.loads((Path(__file__).parent / "reference" / "curve_groups.json").read_text())
CASES = [name for name in REFERENCE if name != "made_by"]

subject = st.tuples(st.integers(0, 30), st.booleans(), st.sampled_from("abc"))
trials = st.lists(subject, min_size=1, max_size=40).map(lambda rows: tuple(zip(*rows)))


def nan(values):
    return np.array([np.nan if one is None else one for one in values], float)


@pytest.mark.reference
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_r(name):
    case = REFERENCE[name]

    found = kaplan_meier_curves(
        case["time_days"], case["event"], case["group"], groups=case["groups"], entry=case["entry"]
    )

    assert found.groups == tuple(case["groups"])
    assert [found.group.count(one) for one in found.groups] == case["sizes"]
    assert found.time.tolist() == case["time"]
    assert found.at_risk.tolist() == case["at_risk"]
    assert found.events.tolist() == case["events"]
    assert found.survival == pytest.approx(nan(case["survival"]), rel=1e-12)
    assert found.lower == pytest.approx(nan(case["lower"]), rel=1e-9, nan_ok=True)
    assert found.upper == pytest.approx(nan(case["upper"]), rel=1e-9, nan_ok=True)
    assert found.medians == pytest.approx(nan(case["medians"]), nan_ok=True)


@pytest.mark.law
@given(trials)
def test_each_curve_is_that_of_the_group_alone(trial):
    time, event, group = map(np.array, trial)

    found = kaplan_meier_curves(time, event, group)

    for label, curve in zip(found.groups, found.curves):
        alone = kaplan_meier(time[group == label], event[group == label])
        for field in fields(KaplanMeier):
            np.testing.assert_array_equal(getattr(curve, field.name), getattr(alone, field.name))


def test_a_frame_says_whose_curve_a_row_is_of():
    frame = kaplan_meier_curves([1, 2, 3], [1, 1, 1], ["a", "b", "a"], groups="ba").to_frame()

    assert frame["group"].to_list() == ["b", "a", "a"]
    assert frame["survival"].to_list() == [0, 0.5, 0]


def test_refuses_a_group_that_is_not_there():
    found = kaplan_meier_curves([1, 2], [1, 1], ["a", "b"])
    with pytest.raises(ValueError, match=r"group: 'c' is none of \('a', 'b'\)"):
        found.curve("c")
    with pytest.raises(ValueError, match="Lengths differ: time 2, event 2, group 1"):
        kaplan_meier_curves([1, 2], [1, 1], ["a"])
