# SPDX-License-Identifier: Apache-2.0
"""The largest of weighted log-rank tests, and the test of trend: against R, and their laws."""

import json
from math import pi, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import ndtr, owens_t

from radioligand.statistics.normal_maximum import exceedance
from radioligand.statistics.survival import logrank, logrank_trend, max_combo

FOLDER = Path(__file__).parent / "reference"
REFERENCE = json.loads((FOLDER / "combination.json").read_text("utf-8"))
DATA = json.loads((FOLDER / "survival.json").read_text("utf-8"))["data"]

subject = st.tuples(st.integers(1, 30), st.booleans(), st.sampled_from("ab"))
trials = st.lists(subject, min_size=4, max_size=40).map(lambda rows: list(zip(*rows)))


def rows_of(case):
    rows = DATA[case["data"]]
    strata = rows["strata"] if case["stratified"] else None
    return [rows[name] for name in ("time", "event", "group")], strata


def named(case):
    return f"{case['data']}-{len(case.get('weights', case.get('scores')))}-{case['stratified']}"


# --- the largest of several tests -----------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["combinations"], ids=named)
def test_max_combo_agrees_with_r(case):
    rows, strata = rows_of(case)

    found = max_combo(*rows, weights=case["weights"], strata=strata)

    first, second = found.groups
    assert found.z == pytest.approx(case["z"], rel=1e-9)
    assert found.correlation == pytest.approx(np.array(case["correlation"]), rel=1e-9)
    assert found.statistic == max(abs(one) for one in found.z)
    assert found.p_value == pytest.approx(case["p_value"], rel=1e-9, abs=1e-11)
    assert found.one_sided(fewer_events_in=first) == pytest.approx(case["first_fewer"], abs=1e-11)
    assert found.one_sided(fewer_events_in=second) == pytest.approx(case["second_fewer"], abs=1e-11)


@pytest.mark.reference
@pytest.mark.parametrize(
    "case", REFERENCE["largest"], ids=lambda case: f"{len(case['correlation'])}-{case['bound']}"
)
def test_probability_of_the_largest_agrees_with_r(case):
    correlation, bound = np.array(case["correlation"]), case["bound"]

    assert exceedance(correlation, bound, two_sided=True) == pytest.approx(
        case["two_sided"], abs=1e-12
    )
    assert exceedance(correlation, bound, two_sided=False) == pytest.approx(
        case["one_sided"], abs=1e-12
    )
    assert exceedance(correlation, -bound, two_sided=False) == pytest.approx(
        case["under"], abs=1e-12
    )


@pytest.mark.by_hand
@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("bound", [-2.0, -0.3, 0.0, 0.02, 1.0, 3.0])
def test_the_largest_of_independent_variables_is_a_product(k, bound):
    both, one = (exceedance(np.eye(k), bound, two_sided=sides) for sides in (True, False))

    inside = max(ndtr(bound) - ndtr(-bound), 0.0)
    assert both == pytest.approx(1 - inside**k, abs=1e-14)
    assert one == pytest.approx(1 - ndtr(bound) ** k, abs=1e-14)


@pytest.mark.by_hand
def test_the_largest_of_three_in_the_plane():
    # three at 120 degrees, their sum nought: beyond the triangle lie three sides, and each half
    # side is a triangle of Owen's with the tangent of 60 degrees
    correlation = np.array([[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]])

    found = exceedance(correlation, 1.5, two_sided=False)

    assert found == pytest.approx(6 * owens_t(1.5, sqrt(3)), rel=1e-14)
    # at 0 one of the three exceeds always; with tests of signs +, + and + an octant's angle counts
    assert exceedance(correlation, 0.0, two_sided=False) == pytest.approx(1, abs=1e-14)
    angle = np.arccos(-0.5) / (2 * pi)
    assert exceedance(correlation[:2, :2], 0.0, two_sided=False) == pytest.approx(
        1 - (0.5 - angle), abs=1e-14
    )


def equicorrelated(k, rho, bound):
    """Integrate over what the variables share; equal steps are exact for a smooth function."""
    shared, step = np.linspace(-12, 12, 24_001, retstep=True)
    own = sqrt(1 - rho)
    upper = ndtr((bound - sqrt(rho) * shared) / own)
    lower = ndtr((-bound - sqrt(rho) * shared) / own)
    density = step * np.exp(-(shared**2) / 2) / sqrt(2 * pi)
    return 1 - density @ (upper - lower) ** k, 1 - density @ upper**k


@pytest.mark.by_hand
@pytest.mark.parametrize("rho", [0.2, 0.7, 0.95, 0.99])
@pytest.mark.parametrize(("k", "bound"), [(2, 0.4), (3, 2.0), (4, 2.5), (4, 0.7)])
def test_the_largest_of_equally_correlated_variables_is_one_integral(k, rho, bound):
    correlation = np.full((k, k), rho) + (1 - rho) * np.eye(k)
    both, one = equicorrelated(k, rho, bound)

    assert exceedance(correlation, bound, two_sided=True) == pytest.approx(both, abs=1e-11)
    assert exceedance(correlation, bound, two_sided=False) == pytest.approx(one, abs=1e-11)


def test_a_tail_keeps_its_digits():
    # far out the two hardly meet: twice the two tails, less the four corners
    both = exceedance(np.eye(2), 8.0, two_sided=True)
    assert both == pytest.approx(4 * ndtr(-8.0), rel=1e-12)


@pytest.mark.law
@given(trials)
def test_one_test_is_the_weighted_logrank_test(trial):
    test = if_possible(logrank, *trial, weights=("fleming-harrington", 1, 0))
    found = max_combo(*trial, weights=[(1, 0)])

    assert found.z[0] == test.z
    assert found.p_value == pytest.approx(test.p_value, rel=1e-10, abs=1e-14)
    assert found.one_sided(fewer_events_in="a") == pytest.approx(
        test.one_sided(fewer_events_in="a"), rel=1e-10, abs=1e-14
    )


@pytest.mark.law
@given(trials, st.integers(2, 400))
def test_the_largest_is_less_telling_than_alone_and_more_than_four_times(trial, factor):
    found = if_possible(max_combo, *trial)
    alone = 2 * ndtr(-found.statistic)

    assert alone * (1 - 1e-9) <= found.p_value <= min(4 * alone, 1) * (1 + 1e-9)
    assert np.linalg.eigvalsh(found.correlation)[0] > -1e-9

    time, event, arm = trial
    turned = max_combo(np.array(time) * factor, event, arm, groups=("b", "a"))
    assert turned.z == pytest.approx(-found.z, rel=1e-9, abs=1e-12)
    assert turned.p_value == pytest.approx(found.p_value, rel=1e-8, abs=1e-11)
    assert turned.one_sided(fewer_events_in="b") == pytest.approx(
        found.one_sided(fewer_events_in="b"), rel=1e-8, abs=1e-11
    )


def if_possible(question, *arguments, **options):
    try:
        return question(*arguments, **options)
    except ValueError:
        assume(False)


EIGHT = [1, 2, 3, 4, 5, 6, 7, 8], [1] * 8, list("abbaabab")
FIVE = [(0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5), (2, 0), (0, 3)]


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        (EIGHT, {"weights": []}, "give pairs .* at least one"),
        (EIGHT, {"weights": [(0, 0), (0, 0)]}, "each once"),
        (EIGHT, {"weights": [(0, -1)]}, "of 0 or more"),
        (EIGHT, {"weights": FIVE}, "of the 6 tests are independent; give at most 4"),
        (([1, 2, 3], [1, 1, 1], list("abc")), {}, "group: has 3 arms"),
        (([2, 2, 2, 3], [1, 1, 0, 0], list("abab")), {}, r"\(0, 1\) gives no weight to any"),
        (([1, 2], [0, 0], list("ab")), {}, "^No event happened"),
        (([1, -2], [1, 1], list("ab")), {}, "^time: 1 of 2 are negative"),
    ],
)
def test_max_combo_refuses(rows, options, says):
    with pytest.raises(ValueError, match=says):
        max_combo(*rows, **options)


def test_a_one_sided_claim_names_a_group():
    with pytest.raises(ValueError, match="'c' of \\('a', 'b'\\)"):
        max_combo(*EIGHT).one_sided(fewer_events_in="c")


def test_the_strongest_test_is_named():
    # in lung the sexes part early
    found = max_combo(*(DATA["lung"][name] for name in ("time", "event", "group")))

    assert found.strongest == (1.0, 0.0)
    assert abs(found.z[found.weights.index(found.strongest)]) == found.statistic


# --- trend ----------------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["trends"], ids=named)
def test_trend_agrees_with_r(case):
    rows, strata = rows_of(case)

    found = logrank_trend(
        *rows, scores=case["scores"], strata=strata,
        weights=("fleming-harrington", case["rho"], 0),
    )  # fmt: skip

    assert found.z == pytest.approx(case["z"], rel=1e-9)
    assert found.p_value == pytest.approx(case["p_value"], rel=1e-9)
    assert found.chi_square == found.z**2


@pytest.mark.by_hand
def test_trend_of_three_subjects():
    # day 1: a of a, b, c; day 2: b of b, c. O - E = (2/3, 1 - 1/3 - 1/2, -1/3 - 1/2).
    # Scores 0, 1, 2: excess 1/6 - 5/3 = -3/2; variance of the score at risk 2/3 and 1/4
    found = logrank_trend([1, 2, 3], [1, 1, 1], list("abc"))

    assert found.z == pytest.approx(-1.5 / sqrt(2 / 3 + 1 / 4), rel=1e-12)
    assert found.scores.tolist() == [0, 1, 2]


@pytest.mark.law
@given(trials, st.floats(-5, 5), st.floats(0.1, 10))
def test_trend_of_two_groups_is_the_logrank_test_whatever_the_scores(trial, low, step):
    test = if_possible(logrank, *trial)

    found = logrank_trend(*trial, scores=[low, low + step])

    assert found.z == pytest.approx(test.z, rel=1e-9, abs=1e-9)
    assert found.p_value == pytest.approx(test.p_value, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ([1, 2], "scores: 2 for 3 groups"),
        ([1, np.nan, 2], "scores: some are missing or infinite"),
        ([3, 3, 3], "scores: all are 3; equal scores have no trend"),
        (["low", "middle", "high"], "scores: holds text, such as low"),
    ],
)
def test_trend_refuses(scores, says):
    with pytest.raises(ValueError, match=says):
        logrank_trend([1, 2, 3, 4], [1, 1, 1, 0], list("abca"), scores=scores)
