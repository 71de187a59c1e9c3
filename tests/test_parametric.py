# SPDX-License-Identifier: Apache-2.0
"""Survival of a given shape: against survreg and poisson.test, by hand, and by its laws."""

import json
from math import exp, inf, log, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from radioligand.statistics.survival import parametric_survival, piecewise_exponential

REFERENCE = json.loads((Path(__file__).parent / "reference" / "parametric.json").read_text())
DATA = REFERENCE["data"]

subjects = st.lists(
    st.tuples(st.integers(1, 60), st.booleans()), min_size=3, max_size=40
).map(lambda rows: list(zip(*rows)))  # fmt: skip


def named(case):
    return "-".join(str(value) for value in case.values() if isinstance(value, (str, bool)))


def covariates(case):
    if not case["columns"]:
        return None
    return np.array([DATA[case["data"]][name] for name in case["columns"]], float).T


# --- Weibull and exponential ----------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["models"], ids=named)
def test_agrees_with_survreg(case):
    rows = DATA[case["data"]]

    found = parametric_survival(
        rows["time"], rows["event"], covariates(case), distribution=case["distribution"],
        weights=rows["weights"] if case["weighted"] else None,
    )  # fmt: skip

    assert found.coefficient == pytest.approx(np.atleast_1d(case["coefficient"]), rel=1e-9)
    assert found.scale == pytest.approx(case["scale"], rel=1e-9)
    covariance = np.array(case["covariance"]).reshape(found.covariance.shape)
    assert found.covariance == pytest.approx(covariance, rel=1e-8)
    expected = np.atleast_1d(case["log_likelihood"])
    assert found.log_likelihood == pytest.approx((expected[0], expected[-1]), rel=1e-11)
    quantile = found.quantile(case["p"], case["at"])
    assert quantile.estimate == pytest.approx(np.array(case["quantile"]), rel=1e-9)
    assert quantile.lower == pytest.approx(np.array(case["quantile_lower"]), rel=1e-9)
    assert quantile.upper == pytest.approx(np.array(case["quantile_upper"]), rel=1e-9)


@pytest.mark.by_hand
def test_exponential_rates_of_two_arms():
    # 2 events in 10 days against 3 in 6: hazard ratio (3/6)/(2/10), log variance 1/2 + 1/3
    time, event, arm = [1, 4, 5, 1, 2, 3], [1, 1, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1]

    found = parametric_survival(time, event, arm, distribution="exponential", names=["arm"])

    assert found.names == ("intercept", "arm")
    assert found.hazard_ratio[0] == pytest.approx(2.5)
    width = 1.959963984540054 * sqrt(1 / 2 + 1 / 3)
    assert found.hazard_ratio_lower[0] == pytest.approx(2.5 * exp(-width))
    assert found.hazard_ratio_upper[0] == pytest.approx(2.5 * exp(width))
    assert found.coefficient == pytest.approx([log(5), -log(2.5)])
    assert found.survival_at([0, 3], [0]).estimate == pytest.approx([1, exp(-3 / 5)])
    assert found.log_likelihood[1] == pytest.approx(2 * log(0.2) + 3 * log(0.5) - 5)
    assert (found.scale, found.scale_interval) == (1, (1, 1))


@pytest.mark.law
@pytest.mark.parametrize("distribution", ["weibull", "exponential"])
def test_a_quantile_is_where_survival_has_fallen_so_far(distribution):
    rows = DATA["lung"]
    found = parametric_survival(
        rows["time"], rows["event"], rows["x1"], distribution=distribution, level=0.9
    )

    at = found.quantile([0.2, 0.7], [60])

    assert found.survival_at(at.estimate, [60]).estimate == pytest.approx([0.8, 0.3])
    curve = found.survival_at([0, 100, 1e9], [60])
    assert curve.estimate[[0, 2]] == pytest.approx([1, 0])
    assert curve.lower[1] < curve.estimate[1] < curve.upper[1]


@pytest.mark.law
@given(subjects, st.sampled_from([7, 30.4375]))
def test_weibull_knows_no_unit_of_time(rows, factor):
    time, event = np.array(rows[0]), np.array(rows[1])
    assume(event.any() and time[event].min() < time.max())

    found = parametric_survival(time, event)
    again = parametric_survival(time * factor, event)

    assert again.scale == pytest.approx(found.scale, rel=1e-6)
    assert again.coefficient[0] == pytest.approx(found.coefficient[0] + log(factor))
    assert found.shape == pytest.approx(1 / found.scale)


@pytest.mark.law
def test_weights_of_two_equal_doubled_rows():
    rows = DATA["aml"]
    x = np.array(rows["x1"])

    doubled = parametric_survival(rows["time"] * 2, rows["event"] * 2, np.tile(x, 2))
    weighted = parametric_survival(rows["time"], rows["event"], x, weights=[2] * x.size)

    assert weighted.coefficient == pytest.approx(doubled.coefficient)
    assert weighted.covariance == pytest.approx(doubled.covariance)
    assert weighted.log_likelihood == pytest.approx(doubled.log_likelihood)


@pytest.mark.law
def test_hazard_ratio_is_that_of_times_on_the_scale_of_the_shape():
    rows = DATA["aml"]
    found = parametric_survival(rows["time"], rows["event"], rows["x1"])

    ratio = -np.log(found.survival_at(20, [1]).estimate) / -np.log(
        found.survival_at(20, [0]).estimate
    )
    assert ratio == pytest.approx(found.hazard_ratio)
    assert found.hazard_ratio == pytest.approx(np.exp(-found.coefficient[1:] * found.shape))


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        (([0, 2, 3], [1, 1, 0]), {}, r"time: 1 of 3 are 0"),
        (([1, 2, 3], [0, 0, 0]), {}, "none of 3 rows has one"),
        (([1, 3, 3], [0, 1, 1]), {}, "all events are on the last day"),
        (([1, 2, 3], [1, 1, 0], [1, 1, 1]), {}, "covariate 0: is 1 in every row"),
        (([1, 2, 3], [1, 1, 0], [0, 0, 1]), {"names": ["arm"]}, "arm: none of the 1 rows"),
        (([1, 2, 3], [1, 1, 1], [[1, 2], [2, 4], [4, 8]]), {}, "are combinations"),
        (([1, 2, 3], [1, 1, 0]), {"distribution": "gamma"}, "distribution: 'gamma' is unknown"),
        (([1, 2, 3], [1, 1]), {}, "Lengths differ"),
    ],
)
def test_refuses_what_it_cannot_answer(rows, options, says):
    with pytest.raises(ValueError, match=says):
        parametric_survival(*rows, **options)


def test_predictions_refuse_other_covariates_and_shares():
    found = parametric_survival([1, 2, 3], [1, 1, 0])
    with pytest.raises(ValueError, match="1 given; the model has 0"):
        found.survival_at(3, [1])
    with pytest.raises(ValueError, match="is no share"):
        found.quantile([0.5, 1])


# --- piecewise exponential ------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["pieces"], ids=named)
def test_piecewise_rates_agree_with_r(case):
    rows = DATA[case["data"]]
    entry = np.floor(np.array(rows["time"]) / 3) if case["delayed"] else None

    found = piecewise_exponential(rows["time"], rows["event"], cuts=case["cuts"], entry=entry)

    for name in ("events", "exposure", "rate"):
        assert getattr(found, name) == pytest.approx(np.array(case[name]), rel=1e-10), name
    assert found.lower == pytest.approx(np.array(case["lower"]), rel=1e-10)
    assert found.upper == pytest.approx(np.array(case["upper"]), rel=1e-10)
    assert found.survival_at(case["at"]) == pytest.approx(np.array(case["survival"]), rel=1e-9)


@pytest.mark.by_hand
def test_periods_by_hand():
    # to day 10: 10 + 10 + 4 days and 2 events, one of them on day 10 itself; then 5 and none
    found = piecewise_exponential([10, 15, 4], [1, 0, 1], cuts=[10, 20])

    assert found.begin.tolist() == [0, 10, 20]
    assert found.end.tolist() == [10, 20, inf]
    assert found.events.tolist() == [2, 0, 0]
    assert found.exposure.tolist() == [24, 5, 0]
    assert found.rate == pytest.approx([2 / 24, 0, np.nan], nan_ok=True)
    assert found.lower == pytest.approx([0.2422 / 24, 0, np.nan], abs=1e-5, nan_ok=True)
    assert found.upper == pytest.approx(
        [7.2247 / 24, -log(0.025) / 5, np.nan], abs=1e-5, nan_ok=True
    )
    assert found.survival_at([5, 10, 15, 25]) == pytest.approx(
        [exp(-10 / 24), exp(-20 / 24), exp(-20 / 24), np.nan], nan_ok=True
    )
    assert found.log_likelihood == pytest.approx(2 * log(2 / 24) - 2)


@pytest.mark.law
@given(subjects)
def test_one_period_is_the_exponential_model(rows):
    assume(any(rows[1]))

    found = piecewise_exponential(*rows, cuts=[])

    model = parametric_survival(*rows, distribution="exponential")
    assert found.rate[0] == pytest.approx(exp(-model.coefficient[0]))
    assert found.log_likelihood == pytest.approx(model.log_likelihood[1])


@pytest.mark.law
@given(subjects, st.lists(st.integers(1, 70), max_size=4, unique=True).map(sorted))
def test_periods_share_all_events_and_days(rows, cuts):
    found = piecewise_exponential(*rows, cuts=cuts)

    assert found.events.sum() == sum(rows[1])
    assert found.exposure.sum() == sum(rows[0])
    there = found.exposure > 0
    assert np.all(found.lower[there] <= found.rate[there])
    assert np.all(found.rate[there] < found.upper[there])


@pytest.mark.parametrize(
    ("rows", "cuts", "says"),
    [
        (([1, 2], [1, 1]), [5, 3], "do not ascend"),
        (([1, 2], [1, 1]), [0, 3], "do not ascend from above 0"),
        (([1, 2], [1, 1]), ["a"], "cuts: holds text"),
        (([0, 0], [1, 1]), [3], "2 events come without a day at risk"),
        (([1, 2], [1, 2]), [3], "may mean either"),
    ],
)
def test_piecewise_refuses_what_it_cannot_answer(rows, cuts, says):
    with pytest.raises(ValueError, match=says):
        piecewise_exponential(*rows, cuts=cuts)
