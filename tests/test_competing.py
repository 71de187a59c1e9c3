# SPDX-License-Identifier: Apache-2.0
"""Competing events: Gray's test and Fine's and Gray's model, against cmprsk and survival."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from radioligand.statistics.survival import (
    cox,
    cumulative_incidence,
    fine_gray,
    gray_test,
    kaplan_meier,
    logrank,
)

REFERENCE = json.loads((Path(__file__).parent / "reference" / "competing.json").read_text())
DATA = REFERENCE["data"]


def named(case):
    return "-".join(str(value) for value in case.values() if isinstance(value, (str, int)))[:40]


def covariates(case):
    return np.array([DATA[case["data"]][name] for name in case["columns"]], float).T


subject = st.tuples(st.integers(1, 20), st.sampled_from([0, 1, 2]), st.sampled_from("ab"))
trials = st.lists(subject, min_size=4, max_size=40).map(lambda rows: list(zip(*rows)))


# --- Aalen–Johansen -------------------------------------------------------------------------------


@pytest.mark.law
@given(trials)
def test_incidences_and_survival_sum_to_one(trial):
    time, cause, _ = trial
    assume(any(cause))

    found = cumulative_incidence(time, cause)

    assert found.incidence.sum(1) + found.survival == pytest.approx(1.0)


# --- Gray's test ----------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["gray"], ids=named)
def test_gray_agrees_with_cmprsk(case):
    rows = DATA[case["data"]]

    found = gray_test(
        rows["time"], rows["cause"], rows["group"], of=case["of"], rho=case["rho"],
        strata=rows["strata"] if case["stratified"] else None,
    )  # fmt: skip

    assert found.chi_square == pytest.approx(case["chi_square"], rel=1e-10)
    assert found.degrees_of_freedom == case["degrees_of_freedom"]
    assert found.p_value == pytest.approx(case["p_value"], rel=1e-10)
    assert found.stratum_score.sum(0) == pytest.approx(found.score)
    assert found.score.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.by_hand
def test_score_of_four_subjects():
    # day 1: b has the other event, and of two at risk in b one is left: S = 1/2, so the one who
    # is left stands for two; day 2: a has the event, R_a = 2, R_b = 1/(1/2) = 2, expected 1/2;
    # day 3: b has it, R_a = 1 (1 - 1/2)/(1/2) = 1, R_b = 2, expected 2/3
    found = gray_test([1, 2, 3, 4], [2, 1, 1, 0], ["b", "a", "b", "a"])

    assert found.score == pytest.approx([1 - 1 / 2 - 1 / 3, 1 - 1 / 2 - 2 / 3])


@pytest.mark.law
@given(trials, st.integers(2, 9))
def test_gray_knows_neither_order_nor_unit_nor_names(trial, factor):
    time, cause, group = (np.array(column) for column in trial)
    try:
        found = gray_test(time, cause, group)
    except ValueError:
        assume(False)
    order = np.random.default_rng(factor).permutation(time.size)

    again = gray_test(time[order] * factor, cause[order], np.where(group == "a", "z", "y")[order])

    assert again.chi_square == pytest.approx(found.chi_square, rel=1e-6, abs=1e-9)


@pytest.mark.law
@given(trials)
def test_without_other_events_the_score_is_that_of_the_log_rank_test(trial):
    time, cause, group = trial
    event = [one == 1 for one in cause]
    try:
        ranks = logrank(time, event, group)
        found = gray_test(time, [int(one) for one in event], group)
    except ValueError:
        assume(False)

    assert found.score == pytest.approx(ranks.observed - ranks.expected, abs=1e-9)


@pytest.mark.law
def test_a_stratum_without_events_adds_nothing():
    rows = DATA["apart"]
    time, cause, group = rows["time"], rows["cause"], rows["group"]

    found = gray_test(
        [*time, 5, 6, 7], [*cause, 0, 0, 0], [*group, "a", "b", "c"],
        strata=[1] * len(time) + [2] * 3,
    )  # fmt: skip

    assert found.chi_square == pytest.approx(gray_test(time, cause, group).chi_square)


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        (([1, 2], [1, 0], ["a", "a"]), {}, "one group compares with nothing"),
        (([1, 2], [1, 0], ["a", "b"]), {"of": 3}, "no row of cause is 3; it has 0, 1"),
        (([1, 2], [1, 0], ["a", "b"]), {"of": 0}, "no row of cause is 0"),
        (([1, -2], [1, 0], ["a", "b"]), {}, r"time: 1 of 2 are negative"),
        (([1, 2], [1, 0, 2], ["a", "b"]), {}, "Lengths differ"),
        (([1, 2], [1, None], ["a", "b"]), {}, "labels are missing"),
        (([1, 2], [1, 0], ["a", "b"]), {"rho": np.nan}, "rho: nan is no weight"),
        (([1, 2], [1, 1], ["a", "b"]), {"strata": [1, 2]}, "nothing to compare"),
    ],
)
def test_gray_refuses_what_it_cannot_answer(rows, options, says):
    with pytest.raises(ValueError, match=says):
        gray_test(*rows, **options)


# --- Fine and Gray --------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["cmprsk"], ids=named)
def test_fine_gray_agrees_with_its_authors(case):
    rows = DATA[case["data"]]

    found = fine_gray(rows["time"], rows["cause"], covariates(case), of=case["of"])

    assert found.log_hazard_ratio == pytest.approx(case["log_hazard_ratio"], rel=1e-9)
    assert found.covariance == pytest.approx(np.array(case["covariance"]), rel=1e-9)
    assert found.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-11)
    incidence = found.incidence_at(case["curve_time"], case["at"])
    assert incidence == pytest.approx(np.array(case["incidence"]), rel=1e-9)


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["survival"], ids=named)
def test_fine_gray_agrees_with_survival(case):
    rows = DATA[case["data"]]

    found = fine_gray(
        rows["time"], rows["cause"], covariates(case), of=case["of"], convention="survival",
        strata=rows["strata"] if case["stratified"] else None,
    )  # fmt: skip

    assert found.log_hazard_ratio == pytest.approx(case["log_hazard_ratio"], rel=1e-9)
    assert found.covariance == pytest.approx(np.array(case["covariance"]), rel=1e-9)
    assert found.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-11)


@pytest.mark.law
@pytest.mark.parametrize(("convention", "ties"), [("cmprsk", "breslow"), ("survival", "efron")])
def test_without_other_events_it_is_cox_with_robust_variance(convention, ties):
    rows = DATA["tied"]
    event = np.array(rows["cause"]) == 1
    x = np.array([rows["x1"], rows["x2"]]).T

    found = fine_gray(rows["time"], event.astype(int), x, convention=convention)

    model = cox(rows["time"], event, x, ties=ties, cluster=np.arange(event.size))
    assert found.log_hazard_ratio == pytest.approx(model.log_hazard_ratio)
    assert found.standard_error == pytest.approx(model.standard_error)
    assert found.p_value == pytest.approx(model.p_value)


@pytest.mark.law
def test_unit_of_covariates_and_order_of_rows_change_nothing():
    rows = DATA["mgus"]
    x = np.array([rows["x1"], rows["x2"]]).T
    order = np.random.default_rng(3).permutation(len(x))
    time, cause = np.array(rows["time"]), np.array(rows["cause"])

    found = fine_gray(time, cause, x)
    again = fine_gray(time[order], cause[order], x[order] * [10, -0.1] + [5, 100])

    assert again.z == pytest.approx(found.z * [1, -1])
    assert again.incidence_at(100, [705, 99]) == pytest.approx(found.incidence_at(100, [70, 10]))


@pytest.mark.law
def test_predicted_incidence_of_the_whole_is_near_the_one_seen():
    rows = DATA["mgus"]
    x = np.array(rows["x3"])

    found = fine_gray(rows["time"], rows["cause"], x, of=2)

    seen = cumulative_incidence(rows["time"], rows["cause"])
    at = 120
    place = np.searchsorted(seen.time, at, "right") - 1
    share = x.mean() * found.incidence_at(at, [1]) + (1 - x.mean()) * found.incidence_at(at, [0])
    assert share == pytest.approx(seen.incidence[place, 1], abs=0.01)
    alone = kaplan_meier(rows["time"], np.array(rows["cause"]) == 2)
    assert found.incidence_at(at, [1])[0] < 1 - alone.survival_at(at).estimate[0] + 0.1


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        (([1, 2, 3], [1, 2, 0], [0, 0, 0]), {}, "covariate 0: is 0 in every row"),
        (([1, 2, 3, 4], [1, 2, 1, 0], [0, 1, 0, 1]), {}, "none of the 2 rows where it is 1 has"),
        (([1, 2, 3], [2, 2, 0], [0, 1, 0]), {}, "no row of cause is 1"),
        (([1, 2, 3], [1, 2, 0], [0, 1, np.nan]), {}, "1 of 3 are missing"),
        (([1, 2, 3], [1, 2, 0], [0, 1, 0]), {"convention": "sas"}, "convention: 'sas' is unknown"),
        (([1, 2, 3], [1, 2, 0], [0, 1, 0]), {"level": 95}, "is no coverage"),
        (([1, 2, 3, 4], [1, 1, 1, 0], [[0, 0], [2, 2], [1, 1], [3, 3]]), {}, "combinations"),
        (([1, 2, 3, 4], [1, 1, 1, 0], [4, 3, 2, 1]), {}, "coefficient is infinite"),
    ],
)
def test_fine_gray_refuses_what_it_cannot_answer(rows, options, says):
    with pytest.raises(ValueError, match=says):
        fine_gray(*rows, **options)


def test_prediction_refuses_other_covariates():
    rows = DATA["mgus"]
    found = fine_gray(rows["time"], rows["cause"], rows["x1"])
    with pytest.raises(ValueError, match="2 given; the model has 1"):
        found.incidence_at(12, [1, 2])


def test_rounding_before_the_first_event_of_a_cause_is_no_warning():
    """An incidence that rounds to nothing has an interval; its scale may overflow unseen."""
    found = cumulative_incidence([1, 1, 1, 2, 3, 4], [0, 0, 1, 1, 1, 1])
    assert found.time.size == 4
