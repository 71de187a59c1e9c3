# SPDX-License-Identifier: Apache-2.0
"""The mixed model for repeated measures: against R, by hand, by its laws, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.regression.mixed_linear_model import MixedLM

from radioligand.statistics.longitudinal import repeated_measures

REFERENCE = json.loads((Path(__file__).parent / "reference" / "longitudinal.json").read_text())
CASES = {case["name"]: case for case in REFERENCE["cases"]}

# two arms of three subjects, two visits
VALUE = np.array([1.0, 2, 2, 4, 3, 9, 4, 5, 6, 9, 8, 10])
SUBJECT = np.repeat(list("abcdef"), 2)
VISIT = np.tile([1, 2], 6)
ARM = np.repeat(["control", "treated"], 6)


def of_case(case, **options):
    data = case["data"]
    covariates = np.column_stack([data["base"], data["age"]]) if case["slopes"] else None
    return repeated_measures(
        data["value"], data["subject"], data["visit"], data["arm"],
        covariates=covariates, covariance=case["covariance"],
        slopes=case["slopes"] or "common", **options,
    )  # fmt: skip


def off(found, expected, errors):
    """How many standard errors two estimates lie apart, at most."""
    return float(np.max(np.abs(np.subtract(found, expected)) / errors))


def restricted_likelihood(design, value, visit, subject, between):
    """The definition, with matrices of all rows."""
    same = subject[:, None] == subject[None]
    whole = np.where(same, between[np.ix_(visit, visit)], 0.0)
    inverse = np.linalg.inv(whole)
    crossed = design.T @ inverse @ design
    residual = value - design @ np.linalg.solve(crossed, design.T @ inverse @ value)
    return -0.5 * (
        (value.size - design.shape[1]) * np.log(2 * np.pi)
        + np.linalg.slogdet(whole)[1]
        + np.linalg.slogdet(crossed)[1]
        + residual @ inverse @ residual
    )


# --- R --------------------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_the_likelihood_climbed_in_r(name):
    """R's derivatives are differences, so its top is known to some seven digits of a deviation."""
    case = CASES[name]

    found = of_case(case)

    assert list(found.arms) == case["arms"]
    assert found.log_likelihood == pytest.approx(case["log_likelihood"], abs=1e-10)
    assert found.covariance == pytest.approx(np.array(case["between"]), rel=1e-6)
    assert off(found.means.estimate, case["means"], found.means.standard_error) < 1e-6
    assert found.means.standard_error == pytest.approx(case["mean_errors"], rel=1e-7)
    assert found.means.degrees_of_freedom == pytest.approx(case["mean_df"], rel=1e-6)
    gap = found.differences
    assert off(gap.estimate, case["differences"], gap.standard_error) < 1e-6
    assert gap.standard_error == pytest.approx(case["difference_errors"], rel=1e-7)
    assert gap.degrees_of_freedom == pytest.approx(case["difference_df"], rel=1e-6)
    assert gap.p_value == pytest.approx(case["difference_p"], rel=1e-6)


@pytest.mark.reference
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_gls_as_far_as_gls_converges(name):
    case = CASES[name]["gls"]

    found = of_case(CASES[name], degrees_of_freedom="residual")

    assert found.log_likelihood == pytest.approx(case["log_likelihood"], abs=1e-7)
    assert off(found.means.estimate, case["means"], found.means.standard_error) < 1e-4
    assert found.means.standard_error == pytest.approx(case["mean_errors"], rel=1e-4)
    assert set(found.means.degrees_of_freedom) == {case["df"]}


@pytest.mark.reference
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "lmer" in case])
def test_compound_symmetry_is_the_random_intercept_of_lmer(name):
    case = CASES[name]["lmer"]

    found = of_case(CASES[name])

    assert found.log_likelihood == pytest.approx(case["log_likelihood"], abs=1e-7)
    assert off(found.means.estimate, case["means"], found.means.standard_error) < 1e-4
    assert found.means.standard_error == pytest.approx(case["mean_errors"], rel=1e-4)
    assert found.means.degrees_of_freedom == pytest.approx(case["df"], rel=1e-3)


@pytest.mark.reference
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "lmer" in case])
def test_compound_symmetry_is_the_random_intercept_of_statsmodels(name):
    case = CASES[name]
    data = {key: np.array(values) for key, values in case["data"].items()}
    cell = np.unique(list(zip(data["arm"], data["visit"].astype(str))), axis=0)
    design = [
        (data["arm"] == arm) & (data["visit"].astype(str) == visit) for arm, visit in cell.tolist()
    ]
    if case["slopes"]:
        for word in ("base", "age"):
            centred = data[word] - data[word].mean()
            design += [centred * (data["visit"] == visit) for visit in range(1, 6)]
    peer = MixedLM(data["value"], np.column_stack(design).astype(float), data["subject"])

    fitted = peer.fit(reml=True, method="bfgs", gtol=1e-9)
    found = of_case(case)

    means = found.means
    assert found.log_likelihood == pytest.approx(fitted.llf, abs=1e-6)
    assert off(means.estimate, fitted.fe_params[: len(cell)], means.standard_error) < 1e-4
    # its standard errors are of another kind, and depart from lmer's by some tenths of a percent
    assert means.standard_error == pytest.approx(fitted.bse_fe[: len(cell)], rel=1e-2)


# --- by hand --------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_complete_data_give_the_means_and_covariance_of_the_arms():
    """Residuals (-1,-3) (0,-1) (1,4) and (-2,-3) (0,1) (2,2): squares 10 and 40, products 17."""
    found = repeated_measures(VALUE, SUBJECT, VISIT, ARM)

    assert found.means.estimate == pytest.approx([2, 5, 6, 8], rel=1e-12)
    assert found.covariance == pytest.approx(np.array([[10, 17], [17, 40]]) / 4, rel=1e-9)
    assert found.means.standard_error == pytest.approx(np.sqrt([10 / 12, 40 / 12] * 2), rel=1e-9)
    assert found.means.degrees_of_freedom == pytest.approx([4] * 4, rel=1e-9)
    assert found.differences.estimate == pytest.approx([4, 3], rel=1e-12)
    assert found.differences.standard_error == pytest.approx(np.sqrt([20 / 12, 80 / 12]), rel=1e-9)
    assert found.differences.arm == ("treated",) * 2
    assert found.differences.reference == ("control",) * 2
    assert found.differences.visit == (1, 2)
    # t^2 = 9.6 on 4 degrees of freedom: p = 1 - x (1 + (1 - x^2) / 2) with x^2 = t^2 / (t^2 + 4)
    x = np.sqrt(9.6 / 13.6)
    assert found.differences.p_value[0] == pytest.approx(1 - x * (1 + (1 - x**2) / 2), rel=1e-9)


@pytest.mark.by_hand
def test_contrast_averages_over_visits():
    """The mean of both visits varies by (10 + 2 x 17 + 40) / 4 / 4 = 5.25 between subjects."""
    found = repeated_measures(VALUE, SUBJECT, VISIT, ARM).contrast([[-0.5, -0.5], [0.5, 0.5]])

    assert found.estimate == pytest.approx(3.5, rel=1e-12)
    assert found.standard_error == pytest.approx(np.sqrt(5.25 * 2 / 3), rel=1e-9)
    assert found.degrees_of_freedom == pytest.approx(4, rel=1e-9)


@pytest.mark.by_hand
def test_compound_symmetry_of_complete_data_is_the_split_plot():
    """Subjects' totals are off by -4 -1 5 and -5 1 4: squares 84, over 2 visits 42, on 4 df.

    Within subjects 50 - 42 = 8 is left, on 4 df: the mean squares are 10.5 and 2.
    """
    found = repeated_measures(VALUE, SUBJECT, VISIT, ARM, covariance="compound-symmetry")

    assert found.covariance == pytest.approx(np.array([[6.25, 4.25], [4.25, 6.25]]), rel=1e-9)
    between = found.contrast([[-0.5, -0.5], [0.5, 0.5]])
    assert between.standard_error == pytest.approx(np.sqrt(10.5 / 2 * 2 / 3), rel=1e-9)
    assert between.degrees_of_freedom == pytest.approx(4, rel=1e-9)
    within = found.contrast([[-1, 1], [0, 0]])
    assert within.standard_error == pytest.approx(np.sqrt(2 * 2 / 3), rel=1e-9)
    assert within.degrees_of_freedom == pytest.approx(4, rel=1e-9)
    assert found.means.degrees_of_freedom == pytest.approx([12.5**2 / (10.5**2 + 2**2) * 4] * 4)


@pytest.mark.by_hand
@pytest.mark.parametrize("covariance", ["unstructured", "autoregressive", "compound-symmetry"])
def test_one_visit_is_analysis_of_covariance(covariance):
    """Slope 9/10 of two parallel lines through (1,2) (2,4) (3,3) and (2,5) (3,6) (5,8)."""
    x, y = np.array([1.0, 2, 3, 2, 3, 5]), np.array([2.0, 4, 3, 5, 6, 8])
    arm = np.repeat([0, 1], 3)
    products = (-1 * -1 + 0 + 0) + (-4 / 3 * -4 / 3 + -1 / 3 * -1 / 3 + 5 / 3 * 5 / 3)
    squares = 2 + 14 / 3
    slope = products / squares
    left = 2 + 14 / 3 - slope * products  # sum of squares, on 3 degrees of freedom

    found = repeated_measures(y, range(6), [1] * 6, arm, covariates=x, covariance=covariance)

    assert found.slopes.estimate == pytest.approx([slope], rel=1e-9)
    assert found.slopes.standard_error == pytest.approx([np.sqrt(left / 3 / squares)], rel=1e-9)
    assert found.slopes.degrees_of_freedom == pytest.approx([3], rel=1e-9)
    assert found.differences.estimate == pytest.approx([10 / 3 - 4 / 3 * slope], rel=1e-9)
    spread = np.sqrt(left / 3 * (2 / 3 + (4 / 3) ** 2 / squares))
    assert found.differences.standard_error == pytest.approx([spread], rel=1e-9)


# --- laws -----------------------------------------------------------------------------------------


def virtual(seed, *, subjects=24, visits=3):
    """A trial of two arms in which some visits are missing, but never the first."""
    chance = np.random.default_rng(seed)
    subject, visit = np.divmod(np.arange(subjects * visits), visits)
    arm = subject % 2
    own = chance.normal(size=subjects)
    value = own[subject] + chance.normal(size=visit.size) * (1 + visit) + arm * visit
    kept = (chance.random(visit.size) > 0.15) | (visit == 0)
    return value[kept], subject[kept], visit[kept], arm[kept]


@pytest.mark.law
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["unstructured", "heterogeneous-autoregressive"]))
def test_what_is_found_maximises_the_restricted_likelihood(seed, covariance):
    value, subject, visit, arm = virtual(seed)
    found = repeated_measures(value, subject, visit, arm, covariance=covariance)
    design = (arm * 3 + visit)[:, None] == np.arange(6)
    chance = np.random.default_rng(seed + 1)

    def at(between):
        return restricted_likelihood(design.astype(float), value, visit, subject, between)

    top = at(found.covariance)
    assert found.log_likelihood == pytest.approx(top, abs=1e-8)
    for _ in range(5):
        if covariance == "unstructured":
            noise = chance.normal(size=(3, 3))
            other = found.covariance + 0.02 * (noise + noise.T)
        else:
            grow = np.exp(0.05 * chance.normal(size=3))
            lag = np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
            fade = 0.97**lag
            other = found.covariance * np.outer(grow, grow) * fade
        if np.linalg.eigvalsh(other)[0] > 0:
            assert at(other) <= top + 1e-9


@pytest.mark.law
@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(["unstructured", "autoregressive", "compound-symmetry"]),
    st.floats(0.01, 100),
)
def test_order_of_rows_names_and_units_change_nothing(seed, covariance, unit):
    value, subject, visit, arm = virtual(seed)
    plain = repeated_measures(value, subject, visit, arm, covariance=covariance)
    order = np.random.default_rng(seed).permutation(value.size)
    names = np.array(["first", "second"])

    again = repeated_measures(
        (7 + unit * value)[order], subject[order].astype(str), visit[order] * 3, names[arm][order],
        covariance=covariance,
    )  # fmt: skip

    assert again.differences.estimate == pytest.approx(unit * plain.differences.estimate, rel=1e-7)
    assert again.differences.p_value == pytest.approx(plain.differences.p_value, rel=1e-7)
    assert again.means.estimate == pytest.approx(7 + unit * plain.means.estimate, rel=1e-7)
    assert again.means.degrees_of_freedom == pytest.approx(plain.means.degrees_of_freedom, rel=1e-6)


@pytest.mark.law
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_arms_turns_differences_round(seed):
    value, subject, visit, arm = virtual(seed)
    plain = repeated_measures(value, subject, visit, arm)
    turned = repeated_measures(value, subject, visit, arm, arms=(1, 0), visits=(2, 0, 1))

    back = np.argsort(turned.differences.visit)
    assert -turned.differences.estimate[back] == pytest.approx(plain.differences.estimate, rel=1e-8)
    assert turned.differences.lower[back] == pytest.approx(-plain.differences.upper, rel=1e-8)
    assert turned.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-9)


@pytest.mark.law
def test_compound_symmetry_is_nested_in_unstructured():
    value, subject, visit, arm = virtual(1)
    found = {
        one: repeated_measures(value, subject, visit, arm, covariance=one)
        for one in ("unstructured", "heterogeneous-autoregressive", "autoregressive")
    }
    likelihoods = [one.log_likelihood for one in found.values()]
    assert likelihoods == sorted(likelihoods, reverse=True)
    assert [one.parameters for one in found.values()] == [6, 4, 2]
    for one in found.values():
        assert one.convergence.decrement < 1e-15
        assert one.convergence.least_eigenvalue > 1e-3
        assert np.diag(one.correlation) == pytest.approx([1, 1, 1], rel=1e-12)


# --- refusals -------------------------------------------------------------------------------------


def given_rows(**changed):
    rows = {"value": VALUE, "subject": SUBJECT, "visit": VISIT, "arm": ARM}
    return rows | changed


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"value": [*VALUE[:-1], np.nan]}, r"value: 1 of 12 are missing or infinite \(\[11\]"),
        ({"value": VALUE[:-1]}, "Lengths differ: value 11, subject 12"),
        ({"value": [], "subject": [], "visit": [], "arm": []}, "There are no rows"),
        ({"value": ["low"] * 12}, "value: holds text, such as low; give numbers"),
        ({"visit": [1, 1, *VISIT[2:]]}, "1 of 11 visits have more than one row .* a, visit 1"),
        ({"arm": ["treated", *ARM[1:]]}, r"arm: 1 of 6 subjects have more than one \(a\)"),
        ({"visit": [*[1, 3] * 3, *[1, 2] * 3]}, "arm control: has no row at visit 2"),
        ({"covariates": [1] * 12}, "covariate 0: is 1 in every row"),
        ({"covariates": [np.inf, *VALUE[1:]]}, "covariate 0: 1 of 12 are missing or infinite"),
        ({"covariates": ARM == "treated"}, "covariate 0: is constant or a combination"),
        ({"covariates": VALUE, "names": ["base", "age"]}, "names: 2 words for 1 covariates"),
        ({"covariance": "toeplitz"}, "covariance: 'toeplitz' is unknown; give one of unstructured"),
        ({"slopes": "none"}, "slopes: 'none' is unknown"),
        ({"degrees_of_freedom": "kenward-roger"}, "degrees_of_freedom: 'kenward-roger' is unknown"),
        ({"level": 95}, "level: 95 is no coverage"),
        ({"arms": ["treated"]}, "arm: holds control, not in the order"),
        ({"value": [1, 2, 1, 4, 1, 9, 4, 5, 4, 9, 4, 10]}, "value: does not vary at visit 1 but"),
        ({"value": np.where(VISIT == 1, 2, 6) * np.repeat(VALUE[::2], 2)}, "is singular"),
    ],
)  # fmt: skip
def test_refuses_what_it_cannot_answer(changed, says):
    with pytest.raises(ValueError, match=says):
        repeated_measures(**given_rows(**changed))


def test_refuses_more_visits_than_the_subjects_can_tell():
    value, subject, visit, arm = virtual(3, subjects=6, visits=5)
    with pytest.raises(ValueError, match="unstructured covariance of 6 subjects is singular"):
        repeated_measures(value, subject, visit, arm)


def test_refuses_visits_that_nobody_made_both():
    kept = np.repeat([0, 1] * 3, 2) == VISIT - 1
    rows = {name: one[kept] for name, one in given_rows().items()}
    with pytest.raises(ValueError, match="visits 1 and 2: nobody made both"):
        repeated_measures(**rows)


def test_refuses_more_effects_than_rows():
    rows = {name: one[[0, 1, 6, 7]] for name, one in given_rows().items()}
    with pytest.raises(ValueError, match="4 rows for 4 fixed effects"):
        repeated_measures(**rows)


def test_refuses_weights_that_are_no_contrast():
    found = repeated_measures(VALUE, SUBJECT, VISIT, ARM)
    with pytest.raises(ValueError, match=r"weights: have shape \(2,\); give \(2, 2\) numbers"):
        found.contrast([1, -1])
