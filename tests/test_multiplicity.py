# SPDX-License-Identifier: Apache-2.0
"""Several hypotheses: adjusted p values against R and closed tests, their laws, and refusals."""

import json
from itertools import pairwise
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from radioligand.statistics.multiplicity import (
    bonferroni,
    fixed_sequence,
    graphical,
    graphical_sequential,
    hochberg,
    holm,
    hommel,
    without,
)

FOLDER = Path(__file__).parent / "reference"
REFERENCE = json.loads((FOLDER / "multiplicity.json").read_text())
SEQUENTIAL = json.loads((FOLDER / "sequential.json").read_text())
METHODS = {"bonferroni": bonferroni, "holm": holm, "hochberg": hochberg, "hommel": hommel}
UNTIMED = settings(deadline=None, max_examples=60)

families = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def same(expected):
    return pytest.approx(np.array(expected, float), rel=1e-12, abs=1e-300)


# --- adjusted p values -----------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", REFERENCE["adjusted"], ids=lambda case: str(case["p_values"]))
def test_adjusted_p_values_agree_with_r(case, method):
    assert METHODS[method](case["p_values"]) == same(case[method])


@pytest.mark.by_hand
def test_a_fixed_sequence_waits_for_the_first_that_fails():
    assert fixed_sequence([0.01, 0.04, 0.002]).tolist() == [0.01, 0.04, 0.04]


@pytest.mark.law
@UNTIMED
@given(families)
def test_each_method_rejects_what_the_stricter_one_does(p):
    adjusted = [hommel(p), hochberg(p), holm(p), bonferroni(p)]

    for lenient, strict in pairwise(adjusted):
        assert np.all(lenient <= strict * (1 + 1e-12))
    assert np.all(np.array(p) <= adjusted[0])


@pytest.mark.law
@UNTIMED
@given(families, st.randoms())
def test_the_order_of_hypotheses_changes_nothing(p, random):
    order = list(range(len(p)))
    random.shuffle(order)

    for method in METHODS.values():
        assert method([p[one] for one in order]) == same(method(p)[order])


# --- graphs ----------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["graphs"], ids=lambda case: str(case["p_values"]))
def test_a_graph_agrees_with_the_closed_test_it_stands_for(case):
    found = graphical(case["p_values"], weights=case["weights"], transitions=case["transitions"])

    assert found.adjusted == same(case["adjusted"])


def holm_graph(size):
    transitions = (np.ones((size, size)) - np.eye(size)) / max(size - 1, 1)
    return {"weights": np.full(size, 1 / size), "transitions": transitions}


def sequence_graph(size):
    return {"weights": np.eye(size)[0], "transitions": np.eye(size, k=1)}


@pytest.mark.law
@UNTIMED
@given(families)
def test_holm_is_a_graph(p):
    assert graphical(p, **holm_graph(len(p))).adjusted == pytest.approx(holm(p), rel=1e-9)


@pytest.mark.law
@UNTIMED
@given(families)
def test_a_fixed_sequence_is_a_graph(p):
    found = graphical(p, **sequence_graph(len(p)))

    assert found.adjusted == pytest.approx(fixed_sequence(p), rel=1e-12)
    assert found.rejected(0.025).tolist() == (fixed_sequence(p) <= 0.025).tolist()


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 5))
    row = st.lists(st.integers(0, 5), min_size=size, max_size=size)
    weights = np.array(draw(row), float)
    transitions = np.array([draw(row) for _ in range(size)], float) * (1 - np.eye(size))
    transitions /= np.maximum(transitions.sum(1, keepdims=True), 1)
    return weights / max(weights.sum(), 1), transitions


@pytest.mark.law
@UNTIMED
@given(graphs(), st.data())
def test_a_graph_never_gives_out_more_than_alpha(graph, data):
    weights, transitions = graph
    order = data.draw(st.permutations(range(weights.size)))

    for rejected in order:
        weights, transitions = without(weights, transitions, rejected)
        assert weights[rejected] == 0
        assert weights.sum() <= 1 + 1e-12
        assert np.all(transitions.sum(1) <= 1 + 1e-12)
        assert np.all(transitions >= 0)


@pytest.mark.law
@UNTIMED
@given(graphs(), st.data())
def test_the_order_of_rejections_does_not_matter(graph, data):
    weights, transitions = graph
    one, other = weights, weights
    passed_one, passed_other = transitions, transitions
    taken = data.draw(st.sets(st.integers(0, weights.size - 1)))
    order = data.draw(st.permutations(sorted(taken)))

    for rejected in sorted(taken):
        one, passed_one = without(one, passed_one, rejected)
    for rejected in order:
        other, passed_other = without(other, passed_other, rejected)

    assert one == pytest.approx(other, abs=1e-9)


@pytest.mark.law
@UNTIMED
@given(graphs(), st.data())
def test_a_smaller_p_value_rejects_no_fewer(graph, data):
    weights, transitions = graph
    size = weights.size
    p = np.array(data.draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)))
    smaller = p * np.array(data.draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)))

    before = graphical(p, weights=weights, transitions=transitions)
    after = graphical(smaller, weights=weights, transitions=transitions)

    assert np.all(after.adjusted <= before.adjusted + 1e-12)
    assert np.all(before.adjusted >= p * (1 - 1e-12))


@pytest.mark.by_hand
def test_a_graph_passes_alpha_on():
    """Two doses on one endpoint, then each on a second: 0.02 has half of alpha, then all of it."""
    found = graphical(
        [0.005, 0.02, 0.03, 0.5],
        weights=[0.5, 0.5, 0, 0],
        transitions=[[0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5], [0, 1, 0, 0], [1, 0, 0, 0]],
    )

    # 1 goes at 0.005 / 0.5, and leaves a quarter each to 2 and 3. 2 goes with three quarters; as 1
    # is gone, it leaves a third of them to 3 and two thirds to 4. So 3 goes with one half.
    assert found.order.tolist() == [0, 1, 2, 3]
    assert found.adjusted == pytest.approx([0.01, 0.02 / 0.75, 0.03 / 0.5, 0.5])
    assert found.weights == pytest.approx([0.5, 0.75, 0.5, 1])


# --- graphs over looks -----------------------------------------------------------------------


def needed(alpha):
    """Return R's O'Brien–Fleming-like boundaries at half and all of the information."""
    for case in SEQUENTIAL["boundaries"]:
        plan = case["kind"], case["fractions"], case["alpha"], case["sided"]
        if plan == ("asOF", [0.5, 1], alpha, 1):
            return case["precise_z"]
    raise LookupError(alpha)


PROGRESSION_THEN_SURVIVAL = {
    "fractions": [[1, nan], [0.5, 1]],
    "weights": [1, 0],
    "transitions": [[0, 1], [0, 0]],
}


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("progression", "survival", "look"),
    [
        (3.0, [-1, -1], [1, 0]),
        (3.0, [-1, 0.01], [1, 2]),
        (3.0, [0.01, -1], [1, 1]),
        (1.9, [9, 9], [0, 0]),
        (3.0, [nan, nan], [1, 0]),
        (3.0, [-1, nan], [1, 0]),
    ],
)
def test_survival_is_asked_after_progression(progression, survival, look):
    """Progression is tested once, survival at the same look and later, with all of alpha."""
    boundary = np.array(needed(0.025))

    found = graphical_sequential(
        [[progression, nan], boundary + survival], **PROGRESSION_THEN_SURVIVAL
    )

    assert found.look.tolist() == look
    assert found.rejected.tolist() == [one > 0 for one in look]
    if look[0]:
        assert found.z_needed[1] == pytest.approx(boundary, rel=1e-9)
        assert found.weights[1] == 1
    else:
        assert np.all(found.z_needed[1] == inf)


@pytest.mark.by_hand
@pytest.mark.parametrize(("look_back", "look"), [(False, [0, 2]), (True, [2, 2])])
def test_an_earlier_look_counts_only_if_asked(look_back, look):
    """Hypothesis 1 would have stopped at look 1 with all of alpha, which it has only at look 2."""
    half, whole = needed(0.0125), needed(0.025)
    first = [(half[0] + whole[0]) / 2, 1.0]
    second = [0.0, (half[1] + 4) / 2]

    found = graphical_sequential(
        [first, second],
        [[0.5, 1], [0.5, 1]],
        weights=[0.5, 0.5],
        transitions=[[0, 1], [1, 0]],
        look_back=look_back,
    )

    assert found.look.tolist() == look
    assert found.z_needed[1] == pytest.approx(half, rel=1e-9)
    assert found.z_needed[0] == pytest.approx(whole, rel=1e-9)


@pytest.mark.law
@UNTIMED
@given(graphs(), st.data())
def test_with_one_look_it_is_the_graph(graph, data):
    weights, transitions = graph
    size = weights.size
    z = np.array(data.draw(st.lists(st.floats(0.01, 4), min_size=size, max_size=size)))

    found = graphical_sequential(
        z[:, None], np.ones((size, 1)), weights=weights, transitions=transitions
    )
    once = graphical(ndtr(-z), weights=weights, transitions=transitions)

    assert found.repeated_p[:, 0] == pytest.approx(ndtr(-z), rel=1e-9)
    assert found.rejected.tolist() == once.rejected(0.025).tolist()


@pytest.mark.by_hand
def test_each_hypothesis_may_spend_in_its_own_way():
    found = graphical_sequential(
        [[1, nan], [1, nan]],
        [[0.5, 1], [0.5, 1]],
        weights=[0.5, 0.5],
        transitions=[[0, 1], [1, 0]],
        spending=[("kim-demets", 1), [0.2, 1.0]],
    )

    assert found.z_needed[:, 0] == pytest.approx(-ndtri([0.00625, 0.0025]))


# --- refusals --------------------------------------------------------------------------------

PAIR = {"weights": [0.5, 0.5], "transitions": [[0, 1], [1, 0]]}


@pytest.mark.parametrize("method", [*METHODS.values(), fixed_sequence])
@pytest.mark.parametrize(
    ("p", "says"),
    [
        ([], "p_values: is empty"),
        ([0.5, nan], "p_values: 1 of 2 are no probabilities"),
        ([5], "p_values: 1 of 1 are no probabilities"),
        (["x"], "p_values: holds text"),
    ],
)
def test_refuses_what_is_no_p_value(method, p, says):
    with pytest.raises(ValueError, match=says):
        method(p)


@pytest.mark.parametrize(
    ("p", "changes", "says"),
    [
        ([0.1], {}, "p_values 1, weights 2"),
        ([0.1, 2], {}, "p_values: 1 of 2"),
        ([0.1, 0.1], {"weights": [0.9, 0.9]}, "weights: sum to 1.8"),
        ([0.1, 0.1], {"weights": [-1, 1]}, "weights: 1 of 2 are no shares"),
        ([0.1, 0.1], {"weights": []}, "weights: is empty"),
        ([0.1, 0.1], {"transitions": [[0.5, 0.5], [1, 0]]}, "leaves alpha to itself"),
        ([0.1, 0.1], {"transitions": [[0, 1]]}, r"transitions: has shape \(1, 2\)"),
        ([0.1, 0.1], {"transitions": [[0, 1, 0], [0, 0, 1]]}, r"shape \(2, 3\) for 2 hypotheses"),
        ([0.1, 0.1], {"transitions": [[0, nan], [0, 0]]}, "missing or not from 0 to 1"),
        ([0.1, 0.1], {"transitions": "none"}, "transitions: is no table of numbers"),
    ],
)
def test_graphs_refuse(p, changes, says):
    with pytest.raises(ValueError, match=says):
        graphical(p, **PAIR | changes)


def test_a_graph_refuses_rows_over_one():
    with pytest.raises(ValueError, match="transitions: 1 of 3 rows sum to more than 1"):
        graphical([0.1] * 3, weights=[1, 0, 0], transitions=[[0, 0.9, 0.9], [0, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize(
    ("z", "fractions", "options", "says"),
    [
        ([[1]], [[1]], {}, r"(?s)z: has shape \(1, 1\).*fractions: has shape \(1, 1\)"),
        ([[1], [1]], [[0.5, 1], [0.5, 1]], {}, r"z has shape \(2, 1\), fractions \(2, 2\)"),
        ([[1], [inf]], [[1], [1]], {}, "z: 1 of 2 are infinite"),
        ([[1], [1]], [[1], [nan]], {}, "fractions: 1 are missing where z is known"),
        ([[1], [1]], [[1], [2]], {}, "fractions of hypothesis 2: 1 of 1 are above 1"),
        ([[1], [1]], [[1], [1]], {"alpha": 0}, "alpha: 0 is no error rate"),
        ([[1], [1]], [[1], [1]], {"spending": ["pocock"]}, "1 entries for 2 hypotheses"),
        ([[1], [1]], [[1], [1]], {"spending": "pocok"}, "spending of hypothesis 1: 'pocok' is unk"),
        ([[1], [1]], [[1], [1]], {"spending": "classical-pocock"}, "is a classical shape"),
    ],
)
def test_graphs_over_looks_refuse(z, fractions, options, says):
    with pytest.raises(ValueError, match=says):
        graphical_sequential(z, fractions, **PAIR | options)
