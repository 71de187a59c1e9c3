# SPDX-License-Identifier: Apache-2.0
"""Rates of events over time at risk: against R, and their laws."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.statistics.rates import poisson_rate

CASES = json.loads((Path(__file__).parent / "reference" / "rates.json").read_text())["cases"]
counts = st.integers(0, 500)
times = st.floats(0.01, 1e4)


@pytest.mark.reference
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['events']} in {case['exposure']}")
def test_agrees_with_r(case):
    found = poisson_rate(case["events"], case["exposure"], level=case["level"])

    expected = (case["estimate"], case["lower"], case["upper"])
    assert (found.estimate, found.lower, found.upper) == pytest.approx(expected, rel=1e-12)


@pytest.mark.by_hand
def test_no_events_have_the_limit_that_makes_them_improbable():
    found = poisson_rate(0, 10.0)
    assert (found.estimate, found.lower) == (0, 0)
    assert np.exp(-10 * found.upper) == pytest.approx(0.025)  # the chance of none at that rate


@pytest.mark.law
@given(counts, times)
def test_the_rate_lies_within_its_limits_and_scales_with_time(events, exposure):
    found, slower = poisson_rate(events, exposure), poisson_rate(events, 2 * exposure)
    assert found.lower <= found.estimate <= found.upper
    assert slower.upper == pytest.approx(found.upper / 2)


@pytest.mark.law
@given(st.lists(st.tuples(counts, times), min_size=1, max_size=5))
def test_arrays_are_their_elements(rows):
    events, exposure = zip(*rows, strict=True)
    found = poisson_rate(events, exposure)
    assert found.upper.tolist() == [float(poisson_rate(*row).upper) for row in rows]


def test_tells_of_every_fault():
    with pytest.raises(ValueError, match=r"a count is whole.*time at risk is positive"):
        poisson_rate([1.5, -1], [0.0, 2.0])
    with pytest.raises(ValueError, match="level"):
        poisson_rate(1, 1.0, level=1.2)
