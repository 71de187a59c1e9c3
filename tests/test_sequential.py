# SPDX-License-Identifier: Apache-2.0
"""Group-sequential boundaries and results: against R, print, their own laws, and refusals."""

import json
from itertools import pairwise
from math import exp, inf, log, nan, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from radioligand.statistics.root_finding import root
from radioligand.statistics.sequential import (
    boundaries,
    conditional_power,
    exit_probabilities,
    futility_boundaries,
    predictive_power,
    repeated_intervals,
    repeated_p_values,
    required_drift,
    stagewise_result,
)

REFERENCE = json.loads((Path(__file__).parent / "reference" / "sequential.json").read_text())
NAMES = {
    "asOF": "obrien-fleming",
    "asP": "pocock",
    "asKD": "kim-demets",
    "asHSD": "hwang-shih-decani",
    "OF": "classical-obrien-fleming",
    "P": "classical-pocock",
    "WT": "wang-tsiatis",
    "HP": "haybittle-peto",
    "bsOF": "obrien-fleming",
    "bsP": "pocock",
    "bsKD": "kim-demets",
    "bsHSD": "hwang-shih-decani",
}
R_SEARCH = 2e-6  # rpact stops its searches there
EXACT = 1e-10
UNTIMED = settings(deadline=None, max_examples=40)


def close(expected, *, rel=R_SEARCH, floor=1e-14):
    """Compare arrays, to as many digits as the oracle has."""
    return pytest.approx(np.array(expected, float), rel=rel, abs=floor)


def as_list(value):
    return value if isinstance(value, list) else [value]


def way(kind, parameter):
    return NAMES[kind] if parameter is None else (NAMES[kind], parameter)


def named(case):
    return "-".join(str(value) for value in case.values() if not isinstance(value, dict))[:60]


def design_of(case):
    return boundaries(
        case["fractions"],
        alpha=case.get("alpha", 0.025 * case["sided"]),
        spending=way(case["kind"], case.get("parameter")),
        sided=case["sided"],
    )


# --- exit probabilities ----------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["exits"], ids=named)
def test_exit_probabilities_agree_with_the_multivariate_normal(case):
    fractions, upper, lower = (as_list(case[name]) for name in ("fractions", "z", "lower_z"))

    found = exit_probabilities(
        fractions, upper, lower=None if None in lower else lower, drift=case["drift"]
    )

    assert found.upper == close(as_list(case["upper"]), rel=1e-11, floor=5e-15)
    assert found.lower == close(as_list(case["lower"]), rel=1e-11, floor=5e-15)
    assert found.continuing == pytest.approx(case["continuing"], rel=1e-12)


@pytest.mark.by_hand
def test_one_look_is_a_tail_of_the_normal_distribution():
    found = exit_probabilities([0.25], [1.0], lower=[-2.0], drift=3.0)

    assert found.upper[0] == pytest.approx(ndtr(0.5), rel=1e-15)
    assert found.lower[0] == pytest.approx(ndtr(-3.5), rel=1e-14)
    assert found.expected_fraction == pytest.approx(0.25, rel=1e-14)


looks = st.lists(st.integers(1, 100), min_size=1, max_size=7, unique=True).map(
    lambda steps: np.array(sorted(steps)) / max(steps)
)
any_spending = st.one_of(
    st.sampled_from(["obrien-fleming", "pocock"]),
    st.tuples(st.just("hwang-shih-decani"), st.floats(-10, 10)),
    st.tuples(st.just("kim-demets"), st.floats(0.2, 8)),
    st.just(lambda time: time**2),
)
any_shape = st.one_of(
    st.sampled_from(["classical-obrien-fleming", "classical-pocock"]),
    st.tuples(st.just("wang-tsiatis"), st.floats(0, 0.6)),
)
alphas = st.floats(0.001, 0.2)
sides = st.sampled_from([1, 2])


@pytest.mark.law
@UNTIMED
@given(looks, st.data(), st.floats(-4, 6))
def test_a_trial_stops_above_or_below_or_goes_on(fractions, data, drift):
    upper = data.draw(st.lists(st.floats(-1, 6), min_size=fractions.size, max_size=fractions.size))
    gap = data.draw(st.floats(0, 6))
    lower = np.array(upper) - gap

    found = exit_probabilities(fractions, upper, lower=lower, drift=drift)
    mirror = exit_probabilities(fractions, -lower, lower=-np.array(upper), drift=-drift)

    assert found.upper.sum() + found.lower.sum() + found.continuing == pytest.approx(1, abs=1e-12)
    assert np.all(found.upper >= 0)
    assert mirror.lower == pytest.approx(found.upper, rel=1e-9, abs=1e-14)


@pytest.mark.law
@UNTIMED
@given(looks, st.floats(1, 5), st.floats(0.5, 50))
def test_the_unit_of_information_changes_nothing(fractions, drift, factor):
    upper = np.full(fractions.size, 2.2)

    found = exit_probabilities(fractions, upper, drift=drift)
    scaled = exit_probabilities(fractions * factor, upper, drift=drift / sqrt(factor))

    assert scaled.upper == pytest.approx(found.upper, rel=1e-9, abs=1e-14)


# --- boundaries ------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["boundaries"], ids=named)
def test_boundaries_agree_with_rpact(case):
    found = design_of(case)

    assert found.z == close(case["z"])
    assert found.cumulative_alpha == close(case["cumulative_alpha"], rel=5e-6)
    assert found.nominal_p == pytest.approx(case["sided"] * ndtr(-found.z), rel=1e-15)
    if case.get("precise_z"):
        assert found.z == close(case["precise_z"], rel=EXACT)


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["boundaries"], ids=named)
def test_the_drift_for_a_power_agrees_with_rpact(case):
    found = required_drift(design_of(case), power=case["power"])

    fixed = ndtri(case["power"]) - ndtri(case["alpha"] / case["sided"])
    assert found.drift**2 == pytest.approx(case["squared_drift"], rel=R_SEARCH)
    assert found.inflation == pytest.approx(case["inflation"], rel=R_SEARCH)
    # rpact's is a share of the information of a trial with one look
    expected = found.expected_fraction * (found.drift / fixed) ** 2
    assert expected == pytest.approx(case["expected_over_fixed"], rel=1e-6)


@pytest.mark.trial
@pytest.mark.parametrize(
    ("number", "pocock", "obrien_fleming"),
    [
        (2, 2.178, 1.977),
        (3, 2.289, 2.004),
        (4, 2.361, 2.024),
        (5, 2.413, 2.040),
        (10, 2.555, 2.087),
    ],
)
def test_constants_are_those_of_jennison_and_turnbull(number, pocock, obrien_fleming):
    """Group Sequential Methods, 2000, tables 2.1 and 2.3: two-sided 5 %, equal steps."""
    fractions = np.arange(1, number + 1) / number
    options = {"alpha": 0.05, "sided": 2}

    flat = boundaries(fractions, spending="classical-pocock", **options)
    steep = boundaries(fractions, spending="classical-obrien-fleming", **options)

    assert flat.constant == pytest.approx(pocock, abs=5e-4)
    assert flat.z == pytest.approx(np.full(number, pocock), abs=5e-4)
    assert steep.constant == pytest.approx(obrien_fleming, abs=5e-4)
    assert steep.z == pytest.approx(obrien_fleming / np.sqrt(fractions), abs=5e-4 * sqrt(number))


@pytest.mark.trial
def test_the_boundary_of_the_first_interim_analysis_of_netter_1():
    """NETTER-1 compared its p value of survival, at 40 deaths of 158, with 0.000085."""
    two_looks = boundaries(
        [40 / 158, 1],
        alpha=0.05,
        sided=2,
        spending="classical-obrien-fleming",
        planned=[0.5, 1],
    )
    three_looks = boundaries(
        [40 / 158, 79 / 158, 1], alpha=0.05, sided=2, spending="classical-obrien-fleming"
    )
    spent = boundaries([40 / 158, 1], alpha=0.05, sided=2)

    assert two_looks.constant == pytest.approx(1.9774, abs=5e-5)
    assert round(two_looks.nominal_p[0], 6) == 0.000085
    assert round(three_looks.nominal_p[0], 6) == 0.000085
    # the spending function is five times stricter: 4 - 4 Phi(2.2414 / sqrt(40 / 158))
    assert round(spent.nominal_p[0], 6) == 0.000017


@pytest.mark.law
@UNTIMED
@given(looks, alphas, any_spending, sides)
def test_spending_boundaries_spend_exactly_alpha(fractions, alpha, spending, sided):
    found = boundaries(fractions, alpha=alpha, spending=spending, sided=sided)

    under = exit_probabilities(found.fractions, found.z, lower=found.lower)
    assert np.cumsum(under.upper + under.lower) == pytest.approx(found.cumulative_alpha, rel=1e-9)
    assert found.cumulative_alpha[-1] == pytest.approx(alpha, rel=1e-12)


@pytest.mark.law
@UNTIMED
@given(looks, alphas, any_shape, sides)
def test_classical_boundaries_spend_exactly_alpha(fractions, alpha, spending, sided):
    found = boundaries(fractions, alpha=alpha, spending=spending, sided=sided)

    under = exit_probabilities(found.fractions, found.z, lower=found.lower)
    assert np.sum(under.upper + under.lower) == pytest.approx(alpha, rel=1e-10)
    assert found.cumulative_alpha[-1] == pytest.approx(alpha, rel=1e-10)


@pytest.mark.law
@UNTIMED
@given(looks, alphas, any_spending)
def test_more_alpha_lowers_every_boundary(fractions, alpha, spending):
    strict = boundaries(fractions, alpha=alpha, spending=spending)
    lenient = boundaries(fractions, alpha=alpha * 1.5, spending=spending)

    assert np.all(lenient.z <= strict.z)
    assert np.all(np.diff(strict.cumulative_alpha) >= 0)
    assert np.all(strict.nominal_p <= alpha * (1 + 1e-12))


@pytest.mark.law
@UNTIMED
@given(looks, alphas, any_spending)
def test_two_sides_are_as_strict_as_two_halves(fractions, alpha, spending):
    one = boundaries(fractions, alpha=alpha / 2, spending=spending)
    two = boundaries(fractions, alpha=alpha, spending=spending, sided=2)

    # crossing below first excuses from crossing above later, which is all the difference
    assert np.all(two.z <= one.z + 1e-12)
    assert two.z[0] == pytest.approx(one.z[0], rel=1e-12)


@pytest.mark.law
@UNTIMED
@given(looks.filter(lambda fractions: fractions.size > 1), any_spending)
def test_a_boundary_does_not_know_the_looks_to_come(fractions, spending):
    whole = boundaries(fractions, spending=spending)
    begun = boundaries(fractions[:-1], spending=spending)

    assert begun.z == pytest.approx(whole.z[:-1], rel=1e-9)


@pytest.mark.by_hand
def test_one_look_has_the_boundary_of_a_fixed_trial():
    for spending in ("obrien-fleming", "classical-pocock", "haybittle-peto", lambda time: time):
        assert boundaries([1], spending=spending).z == pytest.approx([1.959963984540054])
        assert boundaries([1], alpha=0.05, sided=2, spending=spending).z[0] == pytest.approx(
            1.959963984540054
        )


@pytest.mark.by_hand
def test_a_share_of_nothing_is_a_look_that_cannot_stop():
    found = boundaries([0.5, 1], spending=[0, 1])

    assert found.z == pytest.approx([inf, 1.959963984540054])
    assert found.nominal_p == pytest.approx([0, 0.025])


@pytest.mark.by_hand
def test_spending_may_follow_the_calendar():
    """At half of the time a trial has spent half of alpha, though 30 of 100 events are seen."""
    by_time = boundaries([0.3, 1], spending=("kim-demets", 1), spending_time=[0.5, 1])
    by_events = boundaries([0.3, 1], spending=("kim-demets", 1))

    assert by_time.cumulative_alpha == pytest.approx([0.0125, 0.025])
    assert by_time.z[0] == pytest.approx(-ndtri(0.0125))
    assert by_events.z[0] == pytest.approx(-ndtri(0.0075))


@pytest.mark.by_hand
def test_a_shape_of_other_looks_tells_what_it_spends():
    found = boundaries([0.25, 1], spending="classical-pocock", planned=[0.5, 1])

    # both looks keep 2.178, and agree less with each other than the planned ones would
    assert found.z == pytest.approx([2.1783, 2.1783], abs=1e-4)
    assert 0.025 < found.cumulative_alpha[-1] < 2 * ndtr(-2.1783)


@pytest.mark.by_hand
def test_haybittle_and_peto_leave_the_last_look_almost_alone():
    found = boundaries([0.5, 1], alpha=0.05, sided=2, spending=("haybittle-peto", 3.0))

    assert found.z[0] == 3
    assert 1.96 < found.z[1] < 1.98
    assert found.cumulative_alpha == pytest.approx([0.0027, 0.05], abs=1e-5)


# --- futility --------------------------------------------------------------------------------


def futility_of(case):
    return futility_boundaries(
        case["fractions"],
        beta=case["beta"],
        spending=way(case["kind"], case["parameter"]),
        futility_spending=way(case["beta_kind"], case["beta_parameter"]),
        binding=case["binding"],
    )


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["futility"], ids=named)
def test_futility_boundaries_agree_with_rpact(case):
    found = futility_of(case)

    assert found.z == close(case["z"], rel=2e-6)
    assert found.futility_z[:-1] == close(as_list(case["futility_z"]), rel=2e-6, floor=2e-6)
    assert found.drift**2 == pytest.approx(case["squared_drift"], rel=2e-6)


@pytest.mark.law
@UNTIMED
@given(looks, st.floats(0.05, 0.3), st.booleans(), st.sampled_from(["obrien-fleming", "pocock"]))
def test_futility_spends_exactly_beta(fractions, beta, binding, spending):
    found = futility_boundaries(fractions, beta=beta, binding=binding, futility_spending=spending)

    under = exit_probabilities(fractions, found.z, lower=found.lower, drift=found.drift)
    null = exit_probabilities(fractions, found.z, lower=found.lower if binding else None, drift=0)
    assert np.cumsum(under.lower) == pytest.approx(found.cumulative_beta, rel=1e-8, abs=1e-13)
    assert under.power == pytest.approx(1 - beta, rel=1e-9)
    assert np.cumsum(null.upper) == pytest.approx(found.cumulative_alpha, rel=1e-8)
    assert required_drift(found, power=1 - beta).drift == pytest.approx(found.drift, rel=1e-8)


@pytest.mark.law
@UNTIMED
@given(looks, st.floats(0.05, 0.3))
def test_binding_futility_buys_back_alpha(fractions, beta):
    free = futility_boundaries(fractions, beta=beta, futility_spending="pocock")
    bound = futility_boundaries(fractions, beta=beta, futility_spending="pocock", binding=True)

    assert np.all(bound.z <= free.z + 1e-9)
    assert bound.drift <= free.drift + 1e-9


# --- during a trial --------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["repeated"], ids=named)
def test_repeated_p_values_agree_with_the_multivariate_normal(case):
    found = repeated_p_values(case["z"], design_of(case))

    assert found == close(case["repeated_p"], rel=1e-9)


@pytest.mark.reference
def test_a_survival_trial_agrees_with_rpact():
    case = REFERENCE["survival"]
    design = boundaries(case["fractions"])
    z, error = np.array(case["z"]), 1 / np.sqrt(case["information"])

    repeated = repeated_p_values(z, design)
    intervals = repeated_intervals(z * error, error, design)
    final = stagewise_result(z[2] * error[2], error[2], design, look=3)

    assert repeated == close(case["repeated_p"], rel=1e-3)  # rpact's search stops at 1e-6 or so
    assert intervals.lower == close(case["repeated_lower"], floor=1e-6)
    assert intervals.upper == close(case["repeated_upper"], floor=1e-6)
    assert intervals.level == pytest.approx(0.95)
    assert final.p_value == pytest.approx(case["final_p"], rel=R_SEARCH)
    assert final.lower == pytest.approx(case["final_lower"], rel=1e-5)
    assert final.upper == pytest.approx(case["final_upper"], rel=1e-5)
    assert final.estimate == pytest.approx(case["final_estimate"], rel=1e-5)


@pytest.mark.law
@UNTIMED
@given(looks, any_spending, sides, st.data())
def test_a_repeated_p_value_is_the_alpha_of_its_boundary(fractions, spending, sided, data):
    alpha = data.draw(st.floats(1e-4, 0.2))
    design = boundaries(fractions, spending=spending, sided=sided)
    other = boundaries(fractions, spending=spending, sided=sided, alpha=alpha)

    found = repeated_p_values(other.z, design)

    assert found == pytest.approx(np.full(fractions.size, alpha), rel=1e-7)


@pytest.mark.law
@UNTIMED
@given(st.floats(-1, 6), st.floats(0.01, 1))
def test_a_greater_z_has_a_smaller_repeated_p_value(z, more):
    design = boundaries([0.4, 0.7, 1], spending="classical-obrien-fleming")

    low, high = repeated_p_values([z, z, z], design), repeated_p_values([z + more] * 3, design)

    assert np.all(high <= low)
    assert np.all(low >= ndtr(-z) * (1 - 1e-9))


@pytest.mark.by_hand
def test_a_repeated_p_value_says_nothing_of_a_look_not_held():
    found = repeated_p_values([nan, 8], boundaries([0.5, 1], spending=[0.0, 1.0]))

    assert np.isnan(found[0])
    assert found[1] == pytest.approx(ndtr(-8), rel=1e-9)


@pytest.mark.by_hand
def test_repeated_p_values_at_their_ends():
    design = boundaries([0.5, 1])

    assert repeated_p_values([-1, 50], design).tolist() == [1, 0]


@pytest.mark.law
@UNTIMED
@given(st.floats(-2, 5), st.floats(-2, 5))
def test_a_repeated_interval_leaves_out_no_effect_when_the_boundary_is_crossed(first, second):
    design = boundaries([0.5, 1], sided=2, alpha=0.05)

    found = repeated_intervals([first, second], [1, 1], design)

    assert np.array_equal(found.lower >= 0, np.array([first, second]) >= design.z)
    assert found.level == pytest.approx(0.95)


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["power"], ids=named)
def test_conditional_and_predictive_power_agree_with_the_conditional_normal(case):
    design, look = boundaries(case["fractions"]), case["look"]

    planned = conditional_power(case["z"], design, look=look, drift=case["drift"])
    trend = conditional_power(case["z"], design, look=look)
    flat = predictive_power(case["z"], design, look=look)
    informed = predictive_power(case["z"], design, look=look, prior=tuple(case["prior"]))

    assert planned == pytest.approx(case["planned"], rel=1e-9)
    assert trend == pytest.approx(case["trend"], rel=1e-9)
    assert flat == pytest.approx(case["flat"], rel=1e-9)
    assert informed == pytest.approx(case["informed"], rel=1e-9)


@pytest.mark.by_hand
@pytest.mark.parametrize("z", [-1.0, 0.5, 2.0])
def test_conditional_power_with_one_look_to_come(z):
    """The formula of Lan, Simon and Halperin, and its mean over a flat prior."""
    design = boundaries([0.4, 1])
    last = design.z[1]

    trend = conditional_power(z, design, look=1)
    flat = predictive_power(z, design, look=1)

    assert trend == pytest.approx(ndtr((z / sqrt(0.4) - last) / sqrt(0.6)))
    assert flat == pytest.approx(ndtr((z - last * sqrt(0.4)) / sqrt(0.6)))


@pytest.mark.law
@UNTIMED
@given(st.floats(0, 4), st.floats(0.1, 3))
def test_power_is_the_mean_of_conditional_power(drift, spread):
    """A belief so firm that data cannot move it gives the conditional power of that belief."""
    design = boundaries([0.3, 0.6, 1])

    firm = predictive_power(spread, design, look=1, prior=(drift, 1e-7))

    assert firm == pytest.approx(
        conditional_power(spread, design, look=1, drift=drift), rel=1e-6, abs=1e-12
    )


@pytest.mark.by_hand
def test_futility_ahead_lowers_conditional_power():
    plain, futile = boundaries([0.3, 0.6, 1]), futility_boundaries([0.3, 0.6, 1])

    assert conditional_power(0.5, futile, look=1, drift=3) < conditional_power(
        0.5, plain, look=1, drift=3
    )


# --- after a trial ---------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["stagewise"], ids=named)
def test_stagewise_results_agree_with_the_multivariate_normal(case):
    sided = case["sided"]
    design = (
        boundaries([0.3, 0.6, 1])
        if sided == 1
        else boundaries([0.5, 1], alpha=0.05, sided=2, spending="pocock")
    )
    # an effect of 2 for a drift of 1
    error = 2 / sqrt(as_list(case["fractions"])[-1])

    found = stagewise_result(
        case["z"] * error, error, design, look=case["look"], level=case["level"]
    )

    assert found.p_value == pytest.approx(case["p_value"], rel=1e-8)
    assert found.estimate == pytest.approx(2 * case["drift"], rel=1e-9)
    assert found.lower == pytest.approx(2 * case["drift_lower"], rel=1e-9)
    assert found.upper == pytest.approx(2 * case["drift_upper"], rel=1e-9)
    assert found.naive_estimate == pytest.approx(case["z"] * error)


@pytest.mark.by_hand
def test_a_trial_of_one_look_has_the_usual_results():
    found = stagewise_result(0.7, 0.25, boundaries([1]), look=1)

    assert found.p_value == pytest.approx(ndtr(-2.8))
    assert found.estimate == pytest.approx(0.7)
    assert found.lower == pytest.approx(0.7 - 1.959963984540054 * 0.25)
    assert found.upper == pytest.approx(0.7 + 1.959963984540054 * 0.25)
    assert found.level == pytest.approx(0.95)


@pytest.mark.law
@UNTIMED
@given(st.floats(-1, 5), any_spending)
def test_p_value_and_interval_agree_with_the_boundary(z, spending):
    """On the boundary of the last look the p value is alpha, and the interval touches 0."""
    design = boundaries([0.4, 0.7, 1], spending=spending)

    found = stagewise_result(z, 1.0, design, look=3)
    touching = stagewise_result(design.z[2], 1.0, design, look=3)

    # the root is found to rounding, so one so close to the boundary may fall either way
    if abs(z - design.z[2]) > 1e-9:
        assert (found.p_value <= 0.025) == (z >= design.z[2]) == (found.lower >= 0)
    assert touching.p_value == pytest.approx(0.025)
    assert touching.lower == pytest.approx(0, abs=1e-9)
    assert found.lower < found.estimate < found.upper


@pytest.mark.law
@UNTIMED
@given(st.floats(0, 4), st.floats(0.01, 1))
def test_stopping_sooner_is_more_extreme(z, more):
    design = boundaries([0.4, 0.7, 1], spending="pocock")

    late = stagewise_result(z, 1.0, design, look=3).p_value
    later = stagewise_result(z + more, 1.0, design, look=3).p_value
    soon = stagewise_result(design.z[1] + more, 1.0, design, look=2).p_value

    assert soon <= later <= late


@pytest.mark.by_hand
def test_a_trial_stopped_for_futility_has_a_result():
    for binding in (True, False):
        design = futility_boundaries([0.5, 1], binding=binding)
        z = design.futility_z[0] - 0.1

        found = stagewise_result(z, 1.0, design, look=1)

        assert found.p_value == pytest.approx(ndtr(-z))
        assert found.estimate == pytest.approx(z)


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fractions", "options", "says"),
    [
        ([], {}, "fractions: is empty"),
        ([0.5, 0.5, 1], {}, r"fractions: 1 of 3 do not rise \(\[1\] 0.5\)"),
        ([0, 1], {}, "fractions: 1 of 2 are not above 0"),
        ([0.5, nan], {}, "fractions: 1 of 2 are not above 0, missing"),
        ([0.5, 1.02], {}, "fractions: 1 of 2 are above 1 .*spending_time"),
        ([0.5, 0.50001, 1], {}, "fractions: 1 of 3 are within 0.1% of the look before"),
        (["a"], {}, "fractions: holds text"),
        ([[0.5, 1]], {}, r"fractions: has shape \(1, 2\)"),
        ([1], {"alpha": 0}, "alpha: 0 is no error rate"),
        ([1], {"alpha": 5}, "alpha: 5 is no error rate"),
        ([1], {"alpha": "x"}, "alpha: 'x' is no error rate"),
        ([1], {"sided": 3}, "sided: 3 is no number of sides"),
        ([1], {"spending": "o'brien"}, 'spending: "o\'brien" is unknown; give one of obrien-flem'),
        ([1], {"spending": "kim-demets"}, "kim-demets needs its parameter"),
        ([1], {"spending": ("kim-demets", -1)}, "kim-demets has no parameter -1"),
        ([1], {"spending": ("kim-demets", nan)}, "kim-demets has no parameter nan"),
        ([1], {"spending": ("pocock", 1)}, "has parameters that pocock does not have"),
        ([1], {"spending": ("kim-demets", 1, 2)}, "has parameters that kim-demets does not"),
        ([0.5, 1], {"spending": [0.2]}, "the list has 1 numbers for 2 looks"),
        ([0.5, 1], {"spending": [0.2, 0.1]}, "shares of the error rate, from 0 to 1, that never"),
        ([0.5, 1], {"spending": [0.001, 0.025]}, "the list has 0.025 at the last look"),
        ([0.5, 1], {"spending": lambda time: time / 2}, "the function gives 0.5 at the last look"),
        ([0.5, 1], {"spending": 7}, "the list has 0 numbers for 2 looks"),
        ([0.5, 1], {"spending_time": [1]}, "fractions 2, spending_time 1"),
        ([0.5, 1], {"planned": [0.4, 1]}, "only a classical shape has planned looks"),
        ([0.5], {"spending": "classical-pocock"}, "fractions: end at 0.5; .*planned"),
        (
            [0.5, 1],
            {"spending": "haybittle-peto", "spending_time": [0.4, 1]},
            "a classical shape spends by its looks alone",
        ),
        ([0.5, 1], {"spending": "haybittle-peto", "alpha": 0.001}, "spend all of alpha 0.001"),
    ],
)
def test_boundaries_refuse(fractions, options, says):
    with pytest.raises(ValueError, match=says):
        boundaries(fractions, **options)


def test_boundaries_tell_all_faults_at_once():
    with pytest.raises(ValueError, match=r"(?s)fractions: .*spending: .*alpha: .*sided: ") as told:
        boundaries([1, 0.5], alpha=2, sided=0, spending="none")
    assert len(str(told.value).splitlines()) == 4


DESIGN = boundaries([0.5, 1])


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: exit_probabilities([0.5, 1], [2]), "fractions 2, upper 1, lower 1"),
        (lambda: exit_probabilities([1], [1], lower=[2]), "1 of 1 looks have a missing boundary"),
        (lambda: exit_probabilities([1], [nan]), "1 of 1 looks have a missing boundary"),
        (lambda: exit_probabilities([1], [2], drift=inf), "drift: inf is no mean"),
        (lambda: futility_boundaries([0.5]), "fractions: end at 0.5"),
        (lambda: futility_boundaries([1], beta=1), "beta: 1 is no error rate"),
        (
            lambda: futility_boundaries([1], futility_spending="classical-pocock"),
            "futility_spending: 'classical-pocock' is a classical shape",
        ),
        (
            lambda: futility_boundaries(
                [0.1, 0.2, 0.9, 1],
                beta=0.4,
                spending=("hwang-shih-decani", 20),
                futility_spending=("hwang-shih-decani", 40),
            ),
            "the boundaries meet before the last look",
        ),
        (lambda: required_drift(DESIGN, power=0.01), "power: 0.01 is not between alpha 0.025"),
        (lambda: repeated_p_values([1, 2, 3], DESIGN), "z: has 3 looks and the design 2"),
        (lambda: repeated_p_values([], DESIGN), "z: has 0 looks"),
        (lambda: repeated_p_values([inf], DESIGN), "z: 1 of 1 are infinite"),
        (
            lambda: repeated_p_values([1], boundaries([0.5, 1], spending="haybittle-peto")),
            "early boundary is the same at every alpha",
        ),
        (lambda: repeated_intervals([1, 2], [1], DESIGN), "estimate 2, standard_error 1"),
        (lambda: repeated_intervals([nan], [0], DESIGN), "(?s)estimate: 1 .*standard_error: 1 "),
        (lambda: stagewise_result(1, 1, DESIGN, look=0), "look: 0 is none of 1 to 2"),
        (lambda: stagewise_result(1, 1, DESIGN, look=1), "at look 1 of 2 z 1 lies between"),
        (lambda: stagewise_result(3, 1, DESIGN, look=2, level=95), "level: 95"),
        (lambda: stagewise_result(3, -1, DESIGN, look=2), "standard_error: 1 of 1"),
        (lambda: conditional_power(1, DESIGN, look=2), "look: 2 is none of 1 to 1"),
        (lambda: conditional_power(nan, DESIGN, look=1), "z: nan is no finite number"),
        (lambda: conditional_power(1, boundaries([1]), look=1), "has one look, and none to come"),
        (lambda: predictive_power(1, DESIGN, look=1, prior=(0, 0)), "0 is no standard deviation"),
    ],
)
def test_refuses_what_it_cannot_answer(ask, says):
    with pytest.raises(ValueError, match=says):
        ask()


@pytest.mark.by_hand
@pytest.mark.parametrize(("low", "high"), [(0.0, 2.0), (5.0, 6.0), (-90.0, -80.0)])
def test_a_root_is_found_from_a_bracket_that_misses_it(low, high):
    assert root(lambda x: x**3 - 2, low, high) == pytest.approx(2 ** (1 / 3), rel=1e-14)
    assert root(lambda x: 2 - x**3, low, high) == pytest.approx(2 ** (1 / 3), rel=1e-14)


def test_no_root_is_refused():
    with pytest.raises(ValueError, match="No root: the values are"):
        root(lambda x: 1 + 1 / (1 + x**2), 0, 1)


def test_nothing_given_is_changed():
    fractions, z = np.array([0.5, 1.0]), np.array([1.0, 2.0])

    repeated_p_values(z, boundaries(fractions))
    exit_probabilities(fractions, z)

    assert fractions.tolist() == [0.5, 1.0]
    assert z.tolist() == [1.0, 2.0]


@pytest.mark.law
def test_boundaries_fall_towards_the_end():
    """O'Brien and Fleming's fall steeply, Pocock's less so: at every look but the last."""
    fractions = np.arange(1, 6) / 5
    steep, flat = boundaries(fractions), boundaries(fractions, spending="pocock")

    assert all(one > next_one for one, next_one in pairwise(steep.z))
    assert steep.z[0] > flat.z[0]
    assert steep.z[-1] < flat.z[-1]
    assert exp(log(steep.cumulative_alpha[-1])) == pytest.approx(flat.cumulative_alpha[-1])
