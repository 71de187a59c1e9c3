# SPDX-License-Identifier: Apache-2.0
"""Crossover: against g-estimation and weights written out in R, by hand, and by their laws."""

import json
from math import exp, log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.statistics.crossover import (
    counterfactual,
    crossover_weights,
    rank_preserving_model,
    weighted_cox,
)
from radioligand.statistics.survival import cox, logrank

REFERENCE = json.loads((Path(__file__).parent / "reference" / "crossover.json").read_text())
TRIAL = {name: np.array(values) for name, values in REFERENCE["trial"].items()}
ROWS = {name: np.array(values) for name, values in REFERENCE["rows"].items()}


def fitted(*, strata=None, **options):
    return rank_preserving_model(
        TRIAL["time"], TRIAL["event"], TRIAL["group"], TRIAL["treated"],
        potential=TRIAL["potential"], strata=strata, **options,
    )  # fmt: skip


# --- rank-preserving model ------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["estimates"], ids=["plain", "stratified"])
def test_g_estimation_agrees_with_r(case):
    found = fitted(strata=TRIAL["strata"] if case["stratified"] else None)

    assert found.groups == ("control", "treated")
    assert [found.psi, found.lower, found.upper] == pytest.approx(
        [case["psi"], case["lower"], case["upper"]], rel=1e-9
    )
    assert found.untreated.time == pytest.approx(np.array(case["untreated_time"]), rel=1e-9)
    assert found.untreated.event.tolist() == case["untreated_event"]
    assert found.hazard_ratio == pytest.approx(case["hazard_ratio"], rel=1e-9)
    assert found.hazard_ratio_interval == pytest.approx(case["hazard_ratio_interval"], rel=1e-9)


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["estimates"], ids=["plain", "stratified"])
def test_test_of_times_untreated_agrees_with_r(case):
    control = TRIAL["group"] == "control"
    strata = TRIAL["strata"] if case["stratified"] else None

    z = []
    for psi in case["at"]:
        there = counterfactual(
            TRIAL["time"], TRIAL["event"], TRIAL["treated"],
            psi=psi, potential=TRIAL["potential"], recensored=control,
        )  # fmt: skip
        z.append(logrank(there.time, there.event, TRIAL["group"], strata=strata).z)

    assert z == pytest.approx(case["z"], rel=1e-9)


@pytest.mark.reference
def test_the_effect_that_was_put_in_lies_in_the_interval():
    found = fitted(strata=TRIAL["strata"])

    assert found.lower < REFERENCE["effect"] < found.upper
    assert found.time_ratio == pytest.approx(exp(-found.psi))
    assert found.time_ratio_interval == pytest.approx((exp(-found.upper), exp(-found.lower)))


@pytest.mark.by_hand
def test_twice_as_long_in_the_treated_arm():
    # untreated, the treated live 2k, 4k and 6k days: at k = 1/2 as the controls; a little less
    # and they die first, a little more and the controls do, so z changes its sign there alone
    time, group = [1, 2, 3, 2, 4, 6], ["a", "a", "a", "b", "b", "b"]

    found = rank_preserving_model(
        time, [1] * 6, group, [0, 0, 0, 2, 4, 6], potential=[9] * 6, level=0.5
    )

    assert found.psi == pytest.approx(log(0.5))
    assert found.time_ratio == pytest.approx(2)
    assert found.untreated.time == pytest.approx([1, 2, 3, 1, 2, 3])


@pytest.mark.by_hand
def test_days_are_stretched_and_censored_at_the_earliest_that_could_be():
    # k = 1/2: 10 untreated days + 20 treated are 10 + 10; cutoff 50 turns to 25
    rows = [30, 30, 40, 50], [1, 0, 1, 0], [20, 0, 10, 50]

    there = counterfactual(*rows, psi=log(0.5), potential=[50] * 4)
    longer = counterfactual(*rows, psi=log(2), potential=[50] * 4)
    kept = counterfactual(*rows, psi=log(0.5), potential=[50] * 4, recensored=[0, 0, 0, 0])

    assert there.time == pytest.approx([20, 25, 25, 25])
    assert there.event.tolist() == [True, False, False, False]
    assert longer.time == pytest.approx([50, 30, 50, 50])
    assert longer.event.tolist() == [True, False, True, False]
    assert kept.time == pytest.approx([20, 30, 35, 25])
    assert kept.event.tolist() == [True, False, True, False]


rows_of_trials = st.lists(
    st.tuples(st.integers(1, 500), st.booleans(), st.floats(0, 1), st.integers(0, 300)),
    min_size=1, max_size=30,
)  # fmt: skip


@pytest.mark.law
@given(rows_of_trials)
def test_without_an_effect_nothing_changes(rows):
    time, event, share, more = (np.array(column) for column in zip(*rows))

    there = counterfactual(time, event, share * time, psi=0.0, potential=time + more)

    assert there.time.tolist() == time.tolist()
    assert there.event.tolist() == event.tolist()


@pytest.mark.law
@given(rows_of_trials, st.floats(-2, 2))
def test_recensoring_makes_no_events_and_no_time_longer(rows, psi):
    time, event, share, more = (np.array(column) for column in zip(*rows))

    free = counterfactual(time, event, share * time, psi=psi)
    censored = counterfactual(time, event, share * time, psi=psi, potential=time + more)

    assert np.all(censored.time <= free.time)
    assert np.all(free.event >= censored.event)
    assert np.all(censored.time <= (time + more) * (1 + 1e-12))
    assert free.event.tolist() == event.tolist()


@pytest.mark.law
def test_unit_of_time_order_and_names_change_nothing():
    found = fitted()
    order = np.random.default_rng(1).permutation(TRIAL["time"].size)
    named = np.where(TRIAL["group"] == "control", "z", "y")[order]

    again = rank_preserving_model(
        TRIAL["time"][order] * 7, TRIAL["event"][order], named, TRIAL["treated"][order] * 7,
        potential=TRIAL["potential"][order] * 7, groups=["z", "y"],
    )  # fmt: skip

    assert again.psi == pytest.approx(found.psi)
    assert (again.lower, again.upper) == pytest.approx((found.lower, found.upper))


def test_a_limit_beyond_the_search_is_not_estimated():
    time, group = [1, 2, 3, 2, 4, 6], ["a", "a", "a", "b", "b", "b"]

    found = rank_preserving_model(
        time, [1] * 6, group, [0, 0, 0, 2, 4, 6], potential=[9] * 6, search=(-1, 0.2)
    )

    assert found.psi == pytest.approx(log(0.5))
    assert np.isnan([found.lower, found.upper]).all()
    assert np.isnan(found.time_ratio_interval).all()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"treated": [0, 0, 9, 9]}, r"treated: 1 of 4 .*\[2\] 9"),
        ({"treated": [0, 0, 0, 0]}, "none of 4 rows was ever treated"),
        ({"potential": [9, 9, 9, 2]}, r"potential: 1 of 4 .* before time"),
        ({"group": ["a", "b", "c", "a"]}, "give two arms"),
        ({"search": (1, -1)}, "is no range"),
        ({"event": [1, 2, 1, 1]}, "may mean either"),
        ({"time": [1, 2, 3]}, "Lengths differ"),
        ({"search": (2, 3)}, "No psi from 2 to 3"),
    ],
)
def test_rank_preserving_model_refuses_what_it_cannot_answer(changed, says):
    given = {
        "time": [3, 4, 8, 9], "event": [1, 1, 1, 1], "group": ["a", "a", "b", "b"],
        "treated": [0, 1, 8, 9], "potential": [9, 9, 9, 9], "search": (-3, 3),
    } | changed  # fmt: skip
    rows = [given.pop(name) for name in ("time", "event", "group", "treated")]
    with pytest.raises(ValueError, match=says):
        rank_preserving_model(*rows, **given)


# --- weights --------------------------------------------------------------------------------------


def weighted(*, stabilised=False, order=slice(None)):
    rows = {name: values[order] for name, values in ROWS.items()}
    return rows, crossover_weights(
        rows["subject"], rows["time"], rows["crossed"],
        np.stack([rows["health"], rows["month"]], axis=1),
        entry=rows["entry"], eligible=rows["eligible"],
        stabilisers=rows["month"] if stabilised else None, names=["health", "month"],
    )  # fmt: skip


@pytest.mark.reference
def test_model_of_crossover_agrees_with_r():
    _, found = weighted()

    assert found.names == ("intercept", "health", "month")
    assert found.log_odds_ratio == pytest.approx(REFERENCE["model"]["coefficient"], rel=1e-9)
    assert found.covariance == pytest.approx(np.array(REFERENCE["model"]["covariance"]), rel=1e-9)
    assert found.crossed == ROWS["crossed"].sum()
    assert found.eligible == ROWS["eligible"].sum()


@pytest.mark.reference
@pytest.mark.parametrize("stabilised", [False, True])
def test_weights_and_weighted_cox_agree_with_r(stabilised):
    case = REFERENCE["cox_stabilised" if stabilised else "cox"]
    rows, found = weighted(stabilised=stabilised)

    model = weighted_cox(
        rows["subject"], rows["time"], rows["event"], rows["arm"], found,
        entry=rows["entry"], strata=rows["strata"],
    )  # fmt: skip

    expected = REFERENCE["stabilised" if stabilised else "weights"]
    assert found.weights == pytest.approx(np.array(expected), rel=1e-9)
    assert model.log_hazard_ratio[0] == pytest.approx(case["log_hazard_ratio"], rel=1e-9)
    assert model.standard_error[0] == pytest.approx(case["standard_error"], rel=1e-9)


@pytest.mark.by_hand
def test_who_did_not_cross_over_stands_in_for_who_did():
    # of four controls alike two cross over on day 10, so the others count twice from then on
    subject = ["a", "b", "c", "c", "d", "d"]
    entry, time = [0, 0, 0, 10, 0, 10], [10, 10, 10, 30, 10, 20]
    crossed = [1, 1, 0, 0, 0, 0]
    first = [1, 1, 1, 0, 1, 0]
    x = [0, 1, 0, 0, 1, 1]  # tells nothing of crossover

    found = crossover_weights(subject, time, crossed, x, entry=entry, eligible=first)

    assert found.weights == pytest.approx([1, 1, 1, 2, 1, 2])
    assert found.chance == pytest.approx([0.5, 0.5, 0.5, 0, 0.5, 0])
    assert found.log_odds_ratio == pytest.approx([0, 0], abs=1e-12)


@pytest.mark.law
def test_order_of_rows_changes_no_weight():
    order = np.random.default_rng(2).permutation(ROWS["time"].size)

    assert weighted(order=order)[1].weights == pytest.approx(weighted()[1].weights[order])


@pytest.mark.law
def test_weights_of_a_model_that_knows_no_more_than_its_stabiliser_are_1():
    rows = ROWS
    found = crossover_weights(
        rows["subject"], rows["time"], rows["crossed"], rows["month"],
        entry=rows["entry"], eligible=rows["eligible"], stabilisers=rows["month"],
    )  # fmt: skip

    assert found.stabilised
    assert found.weights == pytest.approx(1.0)
    plain = cox(
        rows["time"], rows["event"], rows["arm"], entry=rows["entry"], cluster=rows["subject"]
    )
    model = weighted_cox(
        rows["subject"], rows["time"], rows["event"], rows["arm"], found, entry=rows["entry"]
    )
    assert model.standard_error == pytest.approx(plain.standard_error)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"entry": [0, 9, 0, 10, 0, 10]}, "1 rows begin before the same subject's row ended"),
        ({"crossed": [1, 0, 0, 1, 0, 0]}, "1 subjects have rows after crossover"),
        ({"crossed": [0, 0, 0, 0, 0, 0]}, "none of 6 rows ends with crossover"),
        ({"eligible": [1, 0, 1, 0, 1, 0]}, "1 rows end with crossover that were not eligible"),
        ({"x": [0, 5, 0, 0, 0, 0]}, "x0: its coefficient is infinite"),
        ({"x": [1, 1, 1, 1, 1, 1]}, "x0: the same in every eligible row"),
        ({"x": [1, 2, 3, 4, 5, np.nan]}, "predictors 0: 1 of 6 are missing"),
        ({"subject": ["a", "b"]}, "Lengths differ"),
    ],
)
def test_weights_refuse_what_they_cannot_answer(changed, says):
    given = {
        "subject": ["a", "a", "b", "b", "c", "c"], "time": [10, 20, 10, 30, 10, 20],
        "crossed": [0, 1, 0, 0, 0, 0], "x": [1, 2, 2, 1, 3, 2], "entry": [0, 10, 0, 10, 0, 10],
        "eligible": [1] * 6,
    } | changed  # fmt: skip
    rows = [given.pop(name) for name in ("subject", "time", "crossed", "x")]
    with pytest.raises(ValueError, match=says):
        crossover_weights(*rows, **given, names=["x0"])


@pytest.mark.by_hand
def test_an_effect_that_leaves_no_event_after_recensoring_is_passed_over():
    # at k = e^-3 the cutoff of 40 days is day 2, and nobody has had the event by then
    time, event = [10, 12, 14, 40, 20, 24, 28, 40], [1, 1, 1, 0, 1, 1, 1, 0]
    treated = [0, 0, 0, 10, 18, 22, 26, 36]

    found = rank_preserving_model(
        time, event, ["a"] * 4 + ["b"] * 4, treated, potential=[40] * 8, level=0.5
    )

    assert np.isnan(found.z[0])
    assert -1.5 < found.psi < 0
