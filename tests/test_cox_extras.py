# SPDX-License-Identifier: Apache-2.0
"""Around Cox's model: residuals, baseline hazard, predicted curves, profile and Firth's penalty."""

import json
from math import exp, log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import chdtri

from radioligand.statistics.survival import (
    baseline_hazard,
    cox,
    cox_residuals,
    firth_cox,
    kaplan_meier,
    nelson_aalen,
    predicted_survival,
    profile_interval,
)

FOLDER = Path(__file__).parent / "reference"
REFERENCE = json.loads((FOLDER / "cox_extras.json").read_text("utf-8"))
DATA = (
    json.loads((FOLDER / "survival.json").read_text("utf-8"))["data"] | REFERENCE["data"]
)  # R writes a data frame as a list of rows
OURS = {"arcsin": "arcsine"}

covariate = st.floats(-2, 2).map(lambda value: round(value, 2))
subject = st.tuples(st.integers(1, 12), st.booleans(), covariate, st.sampled_from([1, 2]))
trials = st.lists(subject, min_size=6, max_size=30).map(
    lambda rows: [np.array(column) for column in zip(*rows)]
)


def columns_of(case):
    rows = DATA[case["data"]]
    if isinstance(rows, dict):
        return {name: np.array(values) for name, values in rows.items()}
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def arguments(case):
    """Return time, event and covariates, and the options of the model a case names."""
    rows = columns_of(case)
    x = np.column_stack([rows[name] for name in case["columns"]])
    options = {"ties": case["ties"]}
    for name, wanted in (("strata", "stratified"), ("weights", "weighted"), ("entry", "entry")):
        if case[wanted]:
            options[name] = rows[name]
    return (rows["time"], rows["event"], x), options


def named(case):
    flags = [name for name in ("stratified", "weighted", "entry") if case[name]]
    return "-".join([case["data"], str(len(case["columns"])), case["ties"], *flags])


def agrees(found, thinned, *, rel=1e-9, floor=1e-12):
    """Compare some rows with R's, and all rows by their sums and squares."""
    table = found.reshape(found.shape[0], -1)
    np.testing.assert_allclose(
        table[np.atleast_1d(thinned["rows"])],
        np.array(thinned["values"], float).reshape(-1, table.shape[1]),
        rtol=rel,
        atol=floor,
    )
    size = np.abs(table).sum(0).max()
    np.testing.assert_allclose(
        table.sum(0), np.atleast_1d(thinned["sums"]), rtol=rel, atol=1e-11 * size
    )
    np.testing.assert_allclose((table**2).sum(0), np.atleast_1d(thinned["squares"]), rtol=rel)


def if_possible(question, *arguments, **options):
    try:
        return question(*arguments, **options)
    except ValueError:
        assume(False)


# --- residuals ------------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["residuals"], ids=named)
def test_residuals_agree_with_r(case):
    rows, options = arguments(case)

    found = cox_residuals(*rows, **options)

    for ours, theirs in (
        ("martingale", "martingale"), ("deviance", "deviance"), ("score", "score"),
        ("dfbeta", "dfbeta"), ("dfbetas", "dfbetas"), ("schoenfeld", "schoenfeld"),
        ("scaled_schoenfeld", "scaledsch"),
    ):  # fmt: skip
        size = np.abs(getattr(found, ours)).max()
        agrees(getattr(found, ours), case[theirs], floor=1e-10 * size)
    assert found.event_row.size == case["events"]
    assert found.event_time.tolist() == rows[0][found.event_row].tolist()


@pytest.mark.by_hand
def test_residuals_of_three_subjects():
    # hazard ratio r = 1/sqrt(2); the risk sets have hazards 2r + 1, r + 1 and r
    r = 0.5**0.5
    first, second, third = 1 / (2 * r + 1), 1 / (r + 1), 1 / r

    found = cox_residuals([1, 2, 3], [1, 1, 1], [1, 0, 1])

    martingale = [1 - r * first, 1 - first - second, 1 - r * (first + second + third)]
    assert found.martingale == pytest.approx(martingale, rel=1e-12)
    means = np.array([2 * r * first, r * second, 1])
    assert found.schoenfeld[:, 0] == pytest.approx([1, 0, 1] - means, abs=1e-12)
    expected = 1 - martingale[1]
    deviance = -((2 * (expected - 1 - log(expected))) ** 0.5)
    assert found.deviance[1] == pytest.approx(deviance, rel=1e-12)
    assert found.event_row.tolist() == [0, 1, 2]


@pytest.mark.law
@given(trials, st.sampled_from(["efron", "breslow"]))
def test_residuals_sum_to_nought(trial, ties):
    time, event, x, strata = trial
    found = if_possible(cox_residuals, time, event, x, strata=strata, ties=ties)
    assume(np.ptp(x) > 0.1 and abs(found.dfbeta).max() < 100)

    for stratum in (1, 2):
        assert found.martingale[strata == stratum].sum() == pytest.approx(0, abs=1e-8)
    assert found.score.sum() == pytest.approx(0, abs=1e-6)
    assert found.schoenfeld.sum() == pytest.approx(0, abs=1e-6)
    assert np.all(found.martingale <= event + 1e-12)
    assert np.all(np.sign(found.deviance) * found.martingale >= 0)


@pytest.mark.law
def test_dfbeta_squared_is_the_robust_variance():
    rows = DATA["lung"]
    x = np.column_stack([rows["x1"], rows["x2"]])

    found = cox_residuals(rows["time"], rows["event"], x)

    robust = cox(rows["time"], rows["event"], x, cluster=range(len(x)))
    assert found.dfbeta.T @ found.dfbeta == pytest.approx(robust.covariance, rel=1e-10)


def test_dfbeta_is_near_what_leaving_a_row_out_does():
    time, event, x = (np.array(DATA["ovarian"][name]) for name in ("time", "event", "x1"))
    all_rows = cox(time, event, x).log_hazard_ratio[0]
    rest = [
        cox(*(np.delete(one, row) for one in (time, event, x))).log_hazard_ratio[0]
        for row in range(time.size)
    ]

    found = cox_residuals(time, event, x)

    change = all_rows - np.array(rest)
    assert np.corrcoef(change, found.dfbeta[:, 0])[0, 1] > 0.99
    assert np.abs(found.dfbetas).argmax() == np.abs(change).argmax()


# --- baseline hazard and predicted curves ---------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["predictions"], ids=named)
def test_predicted_curves_agree_with_r(case):
    rows, options = arguments(case)

    found = predicted_survival(*rows, at=case["at"], **options)

    for name in ("time", "at_risk", "events", "survival", "cumulative_hazard", "hazard_error"):
        agrees(getattr(found, name), case[name])
    for interval, limits in case["limits"].items():
        curve = predicted_survival(
            *rows, at=case["at"], interval=OURS.get(interval, interval), **options
        )
        for name in ("lower", "upper"):
            expected = np.array(limits[name], float)
            # where survival is 1 less rounding, R's limits near 1 are rounding too
            np.testing.assert_allclose(
                getattr(curve, name)[limits["rows"]], expected, rtol=1e-8, atol=1e-8
            )


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["predictions"], ids=named)
def test_baseline_hazard_agrees_with_r(case):
    rows, options = arguments(case)

    found = baseline_hazard(*rows, **options)

    agrees(found.cumulative_hazard, case["baseline"], floor=0)


@pytest.mark.by_hand
def test_baseline_hazard_of_three_subjects():
    r = 0.5**0.5

    found = baseline_hazard([1, 2, 3], [1, 1, 1], [1, 0, 1])

    steps = [1 / (2 * r + 1), 1 / (r + 1), 1 / r]
    assert found.cumulative_hazard == pytest.approx(np.cumsum(steps), rel=1e-12)
    assert found.strata == (None,)
    survival = predicted_survival([1, 2, 3], [1, 1, 1], [1, 0, 1], at=[0, 1]).survival
    assert survival[0] == pytest.approx([exp(-steps[0]), exp(-r * steps[0])], rel=1e-12)


@pytest.mark.by_hand
def test_survival_at_chosen_times_and_strata():
    time, event, x = [1, 2, 3, 4, 2, 3, 5, 6], [1, 1, 1, 0] * 2, [1, 0, 1, 0, 0, 1, 0, 1]
    strata = ["b"] * 4 + ["a"] * 4
    curve = predicted_survival(time, event, x, at=[0, 1], strata=strata)

    at = curve.survival_at([0, 3.5, 4, 5], stratum="b")

    assert curve.strata == ("a", "b")
    assert curve.time.tolist() == [2, 3, 5, 6, 1, 2, 3, 4]
    assert at.estimate[0].tolist() == [1, 1]
    assert at.standard_error[0].tolist() == [0, 0]
    assert at.estimate[1].tolist() == at.estimate[2].tolist() == curve.survival[-1].tolist()
    assert np.isnan(at.estimate[3]).all()
    assert at.at_risk.tolist() == [4, 1, 1, 0]
    with pytest.raises(ValueError, match=r"stratum: None is unknown; give one of \('a', 'b'\)"):
        curve.survival_at(3)


@pytest.mark.law
@given(trials)
def test_a_chosen_subject_is_one_however_covariates_are_counted(trial):
    time, event, x, strata = trial
    curve = if_possible(predicted_survival, time, event, x, at=[-1, 0.5], strata=strata)
    assume(np.isfinite(curve.hazard_error).all() and curve.hazard_error.max() < 50)

    again = predicted_survival(time, event, 10 * x + 7, at=[-3, 12], strata=strata)

    np.testing.assert_allclose(again.survival, curve.survival, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(again.hazard_error, curve.hazard_error, rtol=1e-5, atol=1e-9)
    assert np.all(np.diff(curve.survival[curve.stratum == 0], axis=0) <= 0)
    known = np.isfinite(curve.lower)
    assert np.all(curve.lower[known] <= curve.survival[known] + 1e-12)
    assert np.all(curve.upper[known] >= curve.survival[known] - 1e-12)


def test_without_an_effect_the_baseline_is_the_hazard_of_all():
    # each x appears twice at each time, once in either half: the score is 0 at 0
    time, x = [1, 1, 2, 2, 3, 3], [0, 1, 0, 1, 0, 1]
    event = [1, 1, 1, 1, 0, 0]

    found = baseline_hazard(time, event, x, ties="breslow")

    assert found.cumulative_hazard == pytest.approx(
        nelson_aalen(time, event).cumulative_hazard, rel=1e-12
    )
    assert found.at_risk.tolist() == kaplan_meier(time, event).at_risk.tolist()


# --- profile likelihood ---------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["profiles"], ids=named)
def test_profile_interval_agrees_with_r(case):
    rows, options = arguments(case)

    found = profile_interval(*rows, level=case["level"], **options)

    # R finds the roots to about 1e-12 of a likelihood known to 1e-14 of itself
    np.testing.assert_allclose(np.log(found.lower), case["lower"], rtol=1e-9)
    np.testing.assert_allclose(np.log(found.upper), case["upper"], rtol=1e-9)
    np.testing.assert_allclose(found.p_value, case["p_value"], rtol=1e-8)
    model = cox(*rows, **options)
    assert found.hazard_ratio == pytest.approx(model.hazard_ratio, rel=1e-12)
    assert found.log_likelihood == model.log_likelihood[1]


@pytest.mark.by_hand
def test_profile_limits_of_three_subjects():
    found = profile_interval([1, 2, 3], [1, 1, 1], [1, 0, 1], level=0.9)

    def log_likelihood(r):
        return log(r / (2 * r + 1) / (r + 1))

    drop = log_likelihood(0.5**0.5) - chdtri(1, 0.1) / 2
    assert log_likelihood(found.lower[0]) == pytest.approx(drop, rel=1e-12)
    assert log_likelihood(found.upper[0]) == pytest.approx(drop, rel=1e-12)
    assert found.lower[0] < 0.5**0.5 < found.upper[0]


@pytest.mark.law
@given(trials)
def test_one_profile_p_value_is_the_likelihood_ratio_test(trial):
    time, event, x, strata = trial
    model = if_possible(cox, time, event, x, strata=strata)
    assume(model.standard_error[0] < 20)

    found = profile_interval(time, event, x, strata=strata)

    assert found.p_value[0] == pytest.approx(model.likelihood_ratio_test.p_value, abs=1e-7)
    assert found.lower[0] < found.hazard_ratio[0] < found.upper[0]
    assert (found.p_value[0] < 0.05) == (not found.lower[0] <= 1 <= found.upper[0])


def test_a_likelihood_that_hardly_falls_has_a_limit_of_nought():
    # one event, by the middle of three; x of 0 and -0.01 are told apart at a ratio of 1e-300 only
    found = profile_interval([1, 1, 1, 2, 2, 2], [0, 0, 0, 0, 0, 1], [0, 0, -2, 1, -0.01, 0])

    assert found.lower[0] == 0
    assert 0 < found.hazard_ratio[0] < 1 < found.upper[0] < np.inf


# --- Firth's penalty ------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["firth"], ids=named)
def test_firth_agrees_with_a_maximisation_in_r(case):
    rows, options = arguments(case)

    found = firth_cox(*rows, level=case["level"], **options)

    # the oracle maximises by differences: 1e-8 is what it is good for
    np.testing.assert_allclose(found.log_hazard_ratio, case["log_hazard_ratio"], rtol=1e-8)
    np.testing.assert_allclose(found.standard_error, case["standard_error"], rtol=1e-8)
    np.testing.assert_allclose(found.log_likelihood, case["log_likelihood"], rtol=1e-10)
    np.testing.assert_allclose(np.log(found.lower), case["lower"], rtol=1e-8)
    np.testing.assert_allclose(np.log(found.upper), case["upper"], rtol=1e-8)
    np.testing.assert_allclose(found.p_value, case["p_value"], rtol=1e-8)


@pytest.mark.by_hand
def test_firth_of_two_subjects():
    # log r/(r + 1), and information r/(r + 1)^2: 3/2 log r - 2 log(r + 1) is largest at r = 3
    found = firth_cox([1, 2], [1, 1], [1, 0])

    assert found.hazard_ratio[0] == pytest.approx(3, rel=1e-10)
    assert found.standard_error[0] == pytest.approx((16 / 3) ** 0.5, rel=1e-10)
    assert found.log_likelihood[1] == pytest.approx(1.5 * log(3) - 2 * log(4), rel=1e-12)
    assert found.log_likelihood[0] == pytest.approx(-2 * log(2), rel=1e-12)

    def penalised(r):
        return 1.5 * log(r) - 2 * log(r + 1)

    drop = penalised(3) - chdtri(1, 0.05) / 2
    assert penalised(found.lower[0]) == pytest.approx(drop, rel=1e-10)
    assert penalised(found.upper[0]) == pytest.approx(drop, rel=1e-10)


@pytest.mark.law
@given(trials, st.sampled_from(["efron", "breslow"]))
def test_firth_is_finite_and_knows_neither_unit_nor_direction(trial, ties):
    time, event, x, _ = trial
    assume(np.ptp(x) > 0.1)
    found = if_possible(firth_cox, time, event, x, ties=ties)

    turned = firth_cox(time, event, 3 - 10 * x, ties=ties)

    assert 0 < found.lower[0] < found.hazard_ratio[0] < found.upper[0] < np.inf
    np.testing.assert_allclose(
        turned.log_hazard_ratio, -found.log_hazard_ratio / 10, rtol=1e-6, atol=1e-8
    )
    np.testing.assert_allclose(np.log(turned.upper), -np.log(found.lower) / 10, rtol=1e-6)
    np.testing.assert_allclose(turned.p_value, found.p_value, rtol=1e-6)
    assert found.likelihood_ratio_test.p_value == pytest.approx(found.p_value[0], abs=1e-8)


def test_firth_answers_where_cox_refuses():
    case = next(one for one in REFERENCE["firth"] if one["data"] == "no_events")
    rows, options = arguments(case)
    with pytest.raises(ValueError, match="none of the 6 rows where it is 1 has an event"):
        cox(*rows, **options)

    found = firth_cox(*rows, **options)

    assert found.hazard_ratio[0] < 1 < 1 / found.hazard_ratio[0]
    assert found.p_value[0] < 0.05


def test_firth_shrinks_towards_nought_where_cox_has_an_answer():
    rows = DATA["ovarian"]
    plain = cox(rows["time"], rows["event"], rows["x1"]).log_hazard_ratio[0]
    assert 0 < firth_cox(rows["time"], rows["event"], rows["x1"]).log_hazard_ratio[0] < plain


# --- refusals -------------------------------------------------------------------------------------

SIX = [1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 0]
MIXED = [1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize("question", [cox_residuals, baseline_hazard, firth_cox])
def test_refuses_what_has_no_such_answer(question):
    with pytest.raises(ValueError, match="ties: 'exact' is unknown; give one of efron, breslow"):
        question(*SIX, MIXED, ties="exact")
    with pytest.raises(ValueError, match="age: is 7 in every row; leave it out"):
        question(*SIX, [7] * 6, names=["age"])
    with pytest.raises(ValueError, match="event: none of 2 rows has one"):
        question([1, 2], [0, 0], [0, 1])
    with pytest.raises(ValueError, match="Lengths differ: time 6, event 6, covariates 3"):
        question(*SIX, [1, 0, 1])


def test_firth_refuses_what_the_events_say_nothing_of():
    both = [[1, 3], [0, 1], [1, 3], [0, 1], [1, 3], [0, 1]]
    with pytest.raises(ValueError, match="covariate 0, covariate 1: are combinations"):
        firth_cox(*SIX, both)
    with pytest.raises(ValueError, match="constant in each stratum"):
        firth_cox(*SIX, [0, 0, 0, 1, 1, 1], strata=[1, 1, 1, 2, 2, 2])


def test_refuses_more_covariates_than_the_events_can_tell():
    a, b = 0.0478, 1.0
    x = [[0, a, a], [0, 0, a], [b, a, 0], [a, 0, b], [a, b, b], [0, 0, a], [a, b, a]]
    with pytest.raises(ValueError, match="too many covariates for these events; leave one out"):
        profile_interval([6, 1, 5, 6, 7, 5, 1], [1, 1, 0, 0, 1, 1, 1], x)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"at": [[1, 2]]}, r"at: has shape \(1, 2\); give 1 covariates a subject"),
        ({"at": []}, r"at: has shape \(0,\)"),
        ({"at": [np.nan]}, "at: some covariates are missing or infinite"),
        ({"at": ["old"]}, "at: holds 'old'; give numbers"),
        ({"at": 1, "interval": "logit"}, "interval: 'logit' is unknown"),
        ({"at": 1, "level": 95}, "level: 95 is no coverage"),
        ({"at": 1, "ties": "exact"}, "ties: 'exact' is unknown"),
    ],
)
def test_prediction_refuses(options, says):
    with pytest.raises(ValueError, match=says):
        predicted_survival(*SIX, MIXED, **options)


def test_one_subject_or_several_can_be_chosen():
    two = np.column_stack([MIXED, [3, 1, 4, 9, 2, 5]])
    one, same = (predicted_survival(*SIX, two, at=at) for at in ([1, 2], [[1, 2], [0, 3]]))

    assert one.survival.shape == (6, 1)
    assert same.survival[:, 0].tolist() == one.survival[:, 0].tolist()
    assert predicted_survival(*SIX, MIXED, at=1).survival.shape == (6, 1)
