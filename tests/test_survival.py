# SPDX-License-Identifier: Apache-2.0
"""Survival statistics: against R, against their own laws, and on data they must refuse."""

import json
from math import inf, log, nan, sqrt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from radioligand.statistics.survival import (
    cox,
    cumulative_incidence,
    interaction_test,
    kaplan_meier,
    landmark,
    logrank,
    median_follow_up,
    nelson_aalen,
    proportional_hazards_test,
    restricted_mean,
    restricted_mean_difference,
)

REFERENCE = json.loads((Path(__file__).parent / "reference" / "survival.json").read_text())
DATA = REFERENCE["data"]
OURS = {"arcsin": "arcsine"}

subject = st.tuples(st.integers(1, 30), st.booleans(), st.sampled_from("ab"))
trials = st.lists(subject, min_size=2, max_size=40).map(lambda rows: list(zip(*rows)))


def close(expected, *, rel=1e-10, floor=1e-13):
    """Compare arrays where R's null is nan."""
    return pytest.approx(np.array(expected, float), rel=rel, abs=floor, nan_ok=True)


def named(case):
    return "-".join(str(value) for value in case.values() if not isinstance(value, (list, dict)))[
        :50
    ]


def of(case, *columns):
    """Return time, event and any other columns of the data set a case names."""
    return [np.array(DATA[case["data"]][name]) for name in ("time", "event", *columns)]


# --- Kaplan–Meier ----------------------------------------------------------------------------


def curve_of(case):
    rows = DATA[case["data"]]
    return kaplan_meier(
        rows["time"],
        rows["event"],
        entry=rows["entry"] if case["entry"] else None,
        weights=rows["weights"] if case["weighted"] else None,
        interval=OURS.get(case["interval"], case["interval"]),
        level=case["level"],
    )


def as_list(value):
    return value if isinstance(value, list) else [value]


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["curves"], ids=named)
def test_kaplan_meier_agrees_with_r(case):
    found = curve_of(case)

    assert found.time == close(as_list(case["time"]))
    assert found.lower == close(as_list(case["lower"]))
    assert found.upper == close(as_list(case["upper"]))
    for name in ("at_risk", "events", "censored", "survival", "standard_error"):
        if name in case:
            assert getattr(found, name) == close(as_list(case[name])), name


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["curves"], ids=named)
def test_quantiles_and_survival_at_times_agree_with_r(case):
    curve = curve_of(case)

    found = curve.quantile(case["p"])
    at = curve.survival_at(as_list(case["at"]))

    assert found.estimate == close(case["quantile"])
    assert found.lower == close(case["quantile_lower"])
    assert found.upper == close(case["quantile_upper"])
    printed = curve.quantile(0.5, convention="r-table")
    assert [printed.estimate, printed.lower, printed.upper] == close(case["table"])
    assert at.estimate == close(as_list(case["at_survival"]))
    assert at.standard_error == close(as_list(case["at_error"]))
    assert at.lower == close(as_list(case["at_lower"]))
    assert at.upper == close(as_list(case["at_upper"]))
    assert at.at_risk == close(as_list(case["at_risk_at"]))


@pytest.mark.reference
@pytest.mark.parametrize(
    "case", [one for one in REFERENCE["curves"] if "cumulative_hazard" in one], ids=named
)
def test_nelson_aalen_agrees_with_r(case):
    rows = DATA[case["data"]]

    found = nelson_aalen(
        rows["time"],
        rows["event"],
        entry=rows["entry"] if case["entry"] else None,
        weights=rows["weights"] if case["weighted"] else None,
    )

    assert found.cumulative_hazard == close(as_list(case["cumulative_hazard"]))
    assert found.standard_error == close(as_list(case["hazard_error"]))


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("time", "event", "r", "sas"),
    [
        # S = 3/4, 1/2, 1/4: one half is held from day 2 to day 3
        ([1, 2, 3, 4], [1, 1, 1, 0], 2.5, 2.5),
        # one half is held to the end: R takes the middle, SAS has nothing under one half
        ([1, 2, 3, 4], [1, 1, 0, 0], 3.0, nan),
        # S = 2/3, 1/3
        ([1, 2, 3], [1, 1, 0], 2.0, 2.0),
        ([5, 6], [0, 0], nan, nan),
    ],
)
def test_median_of_either_convention(time, event, r, sas):
    assert kaplan_meier(time, event).median == pytest.approx(r, nan_ok=True)
    assert kaplan_meier(time, event, convention="sas").median == pytest.approx(sas, nan_ok=True)


@pytest.mark.by_hand
def test_limits_of_the_median_of_either_convention():
    # plain limits: day 1 (0.326, 1), day 2 (0.010, 0.990), day 3 (0, 0.674), day 4 none: S is 0
    time, event = [1, 2, 3, 4], [1, 1, 1, 1]

    r = kaplan_meier(time, event, interval="plain")
    sas = kaplan_meier(time, event, interval="plain", convention="sas")

    assert r.lower[:2] == pytest.approx(
        [0.75 - 1.959964 * sqrt(0.75 * 0.25 / 4), 0.01001], abs=1e-5
    )
    assert r.median_interval == pytest.approx((1, nan), nan_ok=True)
    assert sas.median_interval == (1, 4)


@pytest.mark.by_hand
def test_nothing_is_known_after_the_last_time_unless_all_had_the_event():
    open_end = kaplan_meier([1, 2], [1, 0])
    closed = kaplan_meier([1, 2], [1, 1])

    assert open_end.survival_at([0, 1, 2, 3]).estimate == pytest.approx(
        [1, 0.5, 0.5, nan], nan_ok=True
    )
    assert open_end.survival_at(3, extend=True).estimate == 0.5
    assert closed.survival_at(3).estimate == 0
    assert open_end.survival_at([0, 1, 1.5, 2, 3]).at_risk.tolist() == [2, 2, 1, 1, 0]


# --- log-rank --------------------------------------------------------------------------------


def known_strata(case):
    return of(case, "strata")[2] if case["stratified"] else None


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["ranks"], ids=named)
def test_logrank_agrees_with_r(case):
    time, event, group = of(case, "group")
    labels = case["groups"] if group.dtype.kind == "U" else [int(one) for one in case["groups"]]

    found = logrank(
        time, event, group, strata=known_strata(case), groups=labels,
        weights=("fleming-harrington", case["rho"], 0.0),
    )  # fmt: skip

    assert found.observed == close(case["observed"])
    assert found.expected == close(case["expected"])
    assert found.variance == close(case["variance"])
    assert found.chi_square == close(case["chi_square"])
    assert found.p_value == close(case["p_value"])


@pytest.mark.by_hand
def test_weights_of_each_test_on_four_subjects():
    # day 1: an event of a, 4 at risk; day 2: an event of b, 3 at risk, 1 of them of a;
    # day 3: an event of b, 2 at risk, 1 of them of a; day 4 tells nothing
    rows = [1, 2, 3, 4], [1, 1, 1, 1], ["a", "b", "b", "a"]
    excess = {1: -0.5, 2: 1 / 3, 3: 0.5}  # of b
    variance = {1: 1 / 4, 2: 2 / 9, 3: 1 / 4}
    survival = {1: 1, 2: 3 / 4, 3: 1 / 2}
    weights = {
        "logrank": {1: 1, 2: 1, 3: 1},
        "gehan": {1: 4, 2: 3, 3: 2},
        "tarone-ware": {1: 2, 2: sqrt(3), 3: sqrt(2)},
        ("fleming-harrington", 1.0, 1.0): {day: s * (1 - s) for day, s in survival.items()},
    }

    for name, weight in weights.items():
        u = sum(weight[day] * excess[day] for day in excess)
        v = sum(weight[day] ** 2 * variance[day] for day in excess)
        assert logrank(*rows, weights=name).z == pytest.approx(u / sqrt(v), rel=1e-12)


@pytest.mark.by_hand
def test_sign_follows_the_second_group_and_its_order_can_be_given():
    time, event, arm = [5, 6, 7, 1, 2, 3], [1] * 6, ["Lu"] * 3 + ["control"] * 3

    found = logrank(time, event, arm)
    turned = logrank(time, event, arm, groups=("control", "Lu"))

    assert (found.groups, turned.groups) == (("Lu", "control"), ("control", "Lu"))
    assert found.z > 0  # control, second, has more events than expected
    assert turned.z == pytest.approx(-found.z)
    assert found.one_sided(fewer_events_in="Lu") < 0.025
    assert turned.one_sided(fewer_events_in="Lu") == pytest.approx(
        found.one_sided(fewer_events_in="Lu")
    )
    both = found.one_sided(fewer_events_in="Lu") + found.one_sided(fewer_events_in="control")
    assert both == pytest.approx(1)
    assert found.p_value == pytest.approx(2 * found.one_sided(fewer_events_in="Lu"))


@pytest.mark.reference
def test_strata_sum_as_the_protocol_of_netter_2_defines():
    time, event, group, strata = of({"data": "lung"}, "group", "strata")
    apart = [logrank(time[strata == s], event[strata == s], group[strata == s]) for s in (0, 1, 2)]
    together = logrank(time, event, group, strata=strata)
    statistic = sum((one.observed - one.expected)[1] for one in apart)
    variance = sum(one.variance[1, 1] for one in apart)

    assert together.z == pytest.approx(statistic / sqrt(variance), rel=1e-12)
    assert together.strata == (0, 1, 2, 3)  # the one patient of stratum 3 adds nothing


# --- Cox -------------------------------------------------------------------------------------


def model_of(case):
    rows = DATA[case["data"]]
    return cox(
        rows["time"],
        rows["event"],
        np.column_stack([rows[name] for name in as_list(case["columns"])]),
        strata=rows["strata"] if case["stratified"] else None,
        entry=rows["entry"] if case["entry"] else None,
        weights=rows["weights"] if case["weighted"] else None,
        cluster=rows["cluster"] if case["clustered"] else None,
        ties=case["ties"],
    )


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["models"], ids=named)
def test_cox_agrees_with_r(case):
    found = model_of(case)

    assert found.log_hazard_ratio == close(as_list(case["log_hazard_ratio"]), rel=1e-9)
    assert found.covariance == close(case["covariance"], rel=1e-9)
    assert found.lower == close(as_list(case["lower"]), rel=1e-9)
    assert found.upper == close(as_list(case["upper"]), rel=1e-9)
    assert found.p_value == close(as_list(case["p_value"]), rel=1e-8)
    assert found.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-12)
    assert found.score_test.statistic == close(case["score"], rel=1e-9)
    assert found.wald_test.statistic == close(case["wald"], rel=1e-9)


@pytest.mark.reference
def test_cox_finds_the_summit_of_a_nearly_flat_likelihood():
    # sums over risk sets once ran on from one stratum to the next, and rounding moved the summit
    case = REFERENCE["nearly_separated"]

    found = model_of(case)

    assert found.log_hazard_ratio == close(case["log_hazard_ratio"], rel=1e-6)
    assert found.standard_error[1] == pytest.approx(sqrt(case["covariance"][1][1]), rel=1e-5)
    assert found.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-10)


@pytest.mark.by_hand
def test_cox_of_three_subjects():
    # the likelihood is r/(2r + 1) * 1/(r + 1), with r the hazard ratio: largest at r = 1/sqrt(2)
    found = cox([1, 2, 3], [1, 1, 1], [1, 0, 1])

    assert found.hazard_ratio == pytest.approx(sqrt(0.5), rel=1e-12)
    assert found.log_likelihood[0] == pytest.approx(-log(6))


@pytest.mark.reference
def test_interaction_agrees_with_r():
    case = REFERENCE["interaction"]
    rows = DATA["lung"]
    subgroup = np.searchsorted(case["subgroup_cuts"], rows["x1"])

    found = interaction_test(
        rows["time"], rows["event"], rows["x2"], subgroup, strata=rows["strata"]
    )

    assert found.statistic == close(case["statistic"], rel=1e-9)
    assert found.degrees_of_freedom == 2
    assert found.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-12)


@pytest.mark.reference
@pytest.mark.parametrize("case", [one for one in REFERENCE["models"] if "zph" in one], ids=named)
@pytest.mark.parametrize("transform", ["km", "identity", "rank", "log"])
def test_proportional_hazards_test_agrees_with_r(case, transform):
    rows = DATA[case["data"]]

    found = proportional_hazards_test(
        rows["time"],
        rows["event"],
        np.column_stack([rows[name] for name in as_list(case["columns"])]),
        transform=transform,
        strata=rows["strata"] if case["stratified"] else None,
        entry=rows["entry"] if case["entry"] else None,
        weights=rows["weights"] if case["weighted"] else None,
        ties=case["ties"],
    )

    *each, overall = case["zph"][transform]
    assert found.statistic == close(each, rel=1e-8)
    assert found.overall.statistic == close(overall, rel=1e-8)


@pytest.mark.reference
def test_interaction_with_a_stratification_factor_is_that_of_models_apart():
    time, event, arm, prior = of({"data": "veteran"}, "x3", "strata")
    apart = [cox(*(one[prior == level] for one in (time, event, arm))) for level in (0, 10)]
    one = cox(time, event, arm, strata=prior)

    found = interaction_test(time, event, arm, prior, strata=prior)

    together = sum(model.log_likelihood[1] for model in apart)
    assert found.log_likelihood == pytest.approx((one.log_likelihood[1], together), rel=1e-12)
    assert found.degrees_of_freedom == 1


# --- means, follow-up, landmark, competing events --------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["means"], ids=named)
def test_restricted_mean_agrees_with_r(case):
    found = restricted_mean(*of(case), horizon=case["horizon"])

    assert found.estimate == pytest.approx(case["mean"], rel=1e-12)
    assert found.standard_error == pytest.approx(case["standard_error"], rel=1e-10)


@pytest.mark.by_hand
def test_difference_of_restricted_means():
    # a: 1 for two days, 1/2 for two more: 3 days; b: 1 for one day, 1/2 for three: 2.5 days
    time, event, arm = [2, 5, 1, 6], [1, 0, 1, 0], ["a", "a", "b", "b"]

    found = restricted_mean_difference(time, event, arm, horizon=4)

    assert [one.estimate for one in found.means] == [3, 2.5]
    assert found.estimate == -0.5
    # each hazard 1 of 2 * 1, each area beyond it 1/2 * 2 and 1/2 * 3
    assert found.standard_error == pytest.approx(sqrt(1**2 / 2 + 1.5**2 / 2))
    turned = restricted_mean_difference(time, event, arm, horizon=4, groups=("b", "a"))
    assert turned.z == -found.z
    assert turned.p_value == found.p_value


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["follow_up"], ids=named)
def test_reverse_follow_up_agrees_with_r(case):
    found = median_follow_up(*of(case))

    assert [found.quartiles[0], found.median, found.quartiles[1]] == close(case["quartiles"])
    assert [found.lower, found.upper] == close([case["lower"], case["upper"]])


@pytest.mark.by_hand
def test_administrative_follow_up_is_that_of_the_calendar():
    found = median_follow_up(
        [10, 20, 30], [1, 0, 1], method="administrative", potential=[90, 20, 40]
    )

    assert (found.median, found.quartiles) == (40, (30, 65))


@pytest.mark.by_hand
def test_landmark_keeps_those_at_risk_after_it():
    found = landmark([100, 150, 151, 400], [1, 1, 1, 0], at=150)

    assert found.index.tolist() == [2, 3]
    assert found.at_risk.tolist() == [False, False, True, True]
    assert found.time.tolist() == [1, 250]
    assert found.event.tolist() == [True, False]


@pytest.mark.reference
@pytest.mark.parametrize("interval", ["log", "log-log"])
def test_cumulative_incidence_agrees_with_r(interval):
    case = REFERENCE["incidence"]

    found = cumulative_incidence(case["months"], case["cause"], interval=interval)

    assert found.causes == (1, 2)
    assert found.time == close(case["time"])
    assert found.at_risk == close(case["at_risk"])
    assert found.incidence == close(case["incidence"])
    assert found.standard_error == close(case["standard_error"])
    seen = found.incidence > 0
    assert found.lower[seen] == close(np.array(case["lower"][interval])[seen])
    assert found.upper[seen] == close(np.array(case["upper"][interval])[seen])


@pytest.mark.by_hand
def test_a_quarter_each_to_two_causes():
    found = cumulative_incidence(
        [1, 2, 3, 4], ["death", "progression", "none", "none"], censored="none"
    )

    assert found.incidence[-1].tolist() == [0.25, 0.25]
    assert found.standard_error[-1] == pytest.approx([sqrt(0.25 * 0.75 / 4)] * 2)


# --- laws ------------------------------------------------------------------------------------


def if_possible(question, *arguments, **options):
    try:
        return question(*arguments, **options)
    except ValueError:
        assume(False)


@pytest.mark.law
@given(trials, st.randoms())
def test_the_order_of_rows_changes_nothing(trial, random):
    rows = list(zip(*trial))
    test, curve = if_possible(logrank, *trial), kaplan_meier(*trial[:2])
    random.shuffle(rows)
    time, event, arm = zip(*rows)

    assert logrank(time, event, arm).z == pytest.approx(test.z, rel=1e-12, abs=1e-12)
    assert kaplan_meier(time, event).survival.tolist() == curve.survival.tolist()


@pytest.mark.law
@given(trials, st.integers(2, 400))
def test_the_unit_of_time_and_the_names_of_arms_change_nothing(trial, factor):
    time, event, arm = trial
    renamed = ["experimental" if one == "a" else "standard" for one in arm]
    test, curve = if_possible(logrank, *trial), kaplan_meier(time, event)

    again = logrank(np.array(time) * factor, event, renamed)
    longer = kaplan_meier(np.array(time) / factor, event)

    assert again.z == pytest.approx(test.z, rel=1e-12, abs=1e-12)
    assert longer.median * factor == pytest.approx(curve.median, nan_ok=True)
    assert longer.upper == close(curve.upper)


@pytest.mark.law
@given(trials)
def test_survival_never_rises_and_lies_within_its_limits(trial):
    for interval in ("log-log", "log", "plain", "arcsine"):
        curve = kaplan_meier(*trial[:2], interval=interval)
        known = np.isfinite(curve.lower)
        assert np.all(np.diff(curve.survival) <= 0)
        assert np.all(curve.lower[known] <= curve.survival[known] + 1e-12)
        assert np.all(curve.upper[known] >= curve.survival[known] - 1e-12)
        assert curve.at_risk[0] == len(trial[0])


@pytest.mark.law
@given(trials, st.lists(st.integers(1, 30), min_size=1, max_size=10))
def test_strata_without_events_or_without_a_second_arm_add_nothing(trial, times):
    time, event, arm = trial
    n, k = len(time), len(times)
    strata = ["main"] * n + ["no event"] * k + ["one arm"] * k

    alone = if_possible(logrank, *trial)
    found = logrank(
        [*time, *times, *times],
        [*event, *[False] * k, *[True] * k],
        [*arm, *"ab" * k][: n + k] + ["a"] * k,
        strata=strata,
    )

    assert found.z == pytest.approx(alone.z, rel=1e-9, abs=1e-12)
    assert found.chi_square == pytest.approx(alone.chi_square, rel=1e-9, abs=1e-12)


@pytest.mark.law
@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab")), min_size=4, max_size=40))
def test_logrank_is_the_score_test_of_cox_without_ties(rows):
    event, arm = zip(*rows)
    time = np.arange(1, len(rows) + 1)
    test = if_possible(logrank, time, event, arm)
    model = if_possible(cox, time, event, [one == "b" for one in arm])

    assert model.score_test.statistic == pytest.approx(test.chi_square, rel=1e-9, abs=1e-12)
    assert abs(test.z) < 1e-6 or model.log_hazard_ratio[0] * test.z > 0


@pytest.mark.law
@given(trials)
def test_a_weight_of_two_is_two_equal_rows(trial):
    time, event, arm = trial
    twice = [column * 2 for column in trial]
    two = np.full(len(time), 2.0)
    curve, doubled = kaplan_meier(time, event, weights=two), kaplan_meier(*twice[:2])

    assert curve.survival == close(doubled.survival)
    assert curve.lower == close(doubled.lower)
    assert curve.at_risk.tolist() == doubled.at_risk.tolist()

    one_b = [one == "b" for one in arm]
    model = if_possible(cox, time, event, one_b, weights=two, ties="breslow")
    again = cox(twice[0], twice[1], one_b * 2, ties="breslow")
    assert model.log_hazard_ratio == close(again.log_hazard_ratio, rel=1e-8, floor=1e-9)
    assert model.standard_error == close(again.standard_error, rel=1e-8)


@pytest.mark.law
@given(trials)
def test_entry_on_day_zero_is_no_entry_at_all(trial):
    time, event, _ = trial
    zero = [0] * len(time)
    curve, late = kaplan_meier(time, event), kaplan_meier(time, event, entry=zero)
    test = if_possible(logrank, *trial)

    assert late.survival.tolist() == curve.survival.tolist()
    assert logrank(*trial, entry=zero).z == pytest.approx(test.z, rel=1e-12, abs=1e-12)


@pytest.mark.law
@given(trials)
def test_incidence_of_all_causes_and_survival_sum_to_one(trial):
    time, event, arm = trial
    cause = [("none", one)[seen] for seen, one in zip(event, arm)]
    found = if_possible(cumulative_incidence, time, cause, censored="none")

    assert found.incidence.sum(1) + found.survival == close(np.ones(found.time.size))
    assert found.survival == close(kaplan_meier(time, event).survival)


@pytest.mark.law
@given(trials)
def test_reversing_events_twice_gives_the_curve_back(trial):
    time, event, _ = trial
    reverse = median_follow_up(time, event)

    assert reverse.median == close(kaplan_meier(time, ~np.array(event)).median)


# --- inputs and refusals ---------------------------------------------------------------------


def test_takes_lists_arrays_and_series_alike():
    rows = DATA["aml"]
    expected = logrank(rows["time"], rows["event"], rows["group"])

    for kind in (np.array, pl.Series, tuple):
        found = logrank(*(kind(rows[name]) for name in ("time", "event", "group")))
        assert found.z == expected.z
        assert found.groups == ("Maintained", "Nonmaintained")
    seen = np.array(rows["event"], bool)
    assert (
        kaplan_meier(rows["time"], seen).median == kaplan_meier(rows["time"], rows["event"]).median
    )


def test_inputs_are_left_as_they_were():
    time, event = np.array([3.0, 1.0, 2.0]), np.array([1, 0, 1])
    kaplan_meier(time, event, weights=np.ones(3), entry=np.zeros(3))
    assert time.tolist() == [3, 1, 2]
    assert event.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("time", "event", "says"),
    [
        ([1, -2, nan], [1, 1, 1], r"time: 2 of 3 are negative, missing or infinite \(\[1\] -2"),
        ([1, inf], [1, 1], "time: 1 of 2 are negative, missing or infinite"),
        ([1, 2], [1, 2], "event: is coded 1 and 2, which may mean either; give event == 2"),
        ([1, 2], [0, 3], r"event: 1 of 2 are neither 0 nor 1 \(\[1\] 3"),
        ([1, 2], [True, None], "event: 1 of 2 are neither 0 nor 1"),
        ([1, 2, 3], [1, 2, nan], r"event: 2 of 3 are neither 0 nor 1 \(\[1\] 2.0, \[2\] nan"),
        ([1, 2], [2, 2], "event: is coded 1 and 2"),
        ([1, 2], ["dead", "alive"], "event: holds text, such as dead"),
        (["1", "2"], [1, 0], "time: holds text, such as 1; give numbers"),
        (np.array(["2024-01-01"], "M8[D]"), [1], "time: holds dates or durations"),
        ([1, object()], [1, 0], "time: holds object; give numbers"),
        ([1, 2], [1], "Lengths differ: time 2, event 1"),
        ([[1], [2]], [1, 0], r"time: has shape \(2, 1\)"),
    ],
)
def test_refuses_what_is_no_time_or_event(time, event, says):
    for question in (kaplan_meier, nelson_aalen, median_follow_up):
        with pytest.raises(ValueError, match=says):
            question(time, event)
    with pytest.raises(ValueError, match=says):
        cox(time, event, range(len(time)))
    with pytest.raises(ValueError, match=says):
        logrank(time, event, ["a", "b", "c"][: len(time)])


def test_refuses_no_rows():
    for question, more in ((kaplan_meier, ()), (cox, ([],)), (logrank, ([],)), (landmark, ())):
        with pytest.raises(ValueError, match="There are no rows"):
            question([], [], *more, **({"at": 1} if question is landmark else {}))


def test_tells_all_faults_at_once():
    with pytest.raises(
        ValueError, match=r"(?s)event: 1 .*time: 1 .*entry: 2 .*weights: 2 "
    ) as told:
        kaplan_meier([1, -1], [5, 0], entry=[2, 0], weights=[0, nan])
    assert len(str(told.value).splitlines()) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"interval": "logit"}, "interval: 'logit' is unknown; give one of log-log, log, plain"),
        ({"level": 95}, "level: 95 is no coverage"),
        ({"convention": "stata"}, "convention: 'stata' is unknown"),
        ({"entry": [0, 2, 0]}, "entry: 1 of 3 are not before the row's own time"),
        ({"entry": [0, 2 - 1e-13, 0]}, "entry: 1 of 3 equal the row's own time but for rounding"),
        ({"weights": [1, 0, 1]}, "weights: 1 of 3 are zero"),
        ({"weights": [1, inf, 1]}, "weights: 1 of 3 are zero, negative, missing or infinite"),
    ],
)
def test_kaplan_meier_refuses(options, says):
    with pytest.raises(ValueError, match=says):
        kaplan_meier([1, 2, 3], [1, 0, 1], **options)


def test_kaplan_meier_refuses_what_is_no_share():
    with pytest.raises(ValueError, match="p: 50 is no share"):
        kaplan_meier([1, 2], [1, 1]).quantile(50)


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (([1, 2], [1, 1], ["a", "a"]), {}, "one group compares with nothing"),
        (([1, 2], [0, 0], ["a", "b"]), {}, "nothing to compare"),
        (([1, 2], [1, 1], ["a", None]), {}, "group: 1 of 2 labels are missing"),
        (([1, 2], [1, 1], np.array(["a", 1], object)), {}, "group: labels of several types"),
        (([1, 2], [1, 1], np.array([["a"], ["b", "c"]], object)), {}, "group: holds list"),
        (([1, 2], [1, 1], ["a", "b"]), {"groups": ("a", "c")}, "group: holds b, not in the order"),
        (([1, 2], [1, 1], ["a", "b"]), {"groups": ("a", "b", "c")}, "group: no row is of c"),
        (([1, 2], [1, 1], ["a", "b"]), {"weights": "peto"}, "weights: 'peto' is unknown"),
        (([1, 2], [1, 1], ["a", "b"]), {"strata": [1]}, "Lengths differ: .*strata 1"),
        (
            ([1, 2, 1, 2], [1, 1, 1, 1], ["a", "b", "c", "d"]),
            {"strata": [1, 1, 2, 2]},
            "never at risk together",
        ),
    ],
)
def test_logrank_refuses(arguments, options, says):
    with pytest.raises(ValueError, match=says):
        logrank(*arguments, **options)
    with pytest.raises(ValueError, match="of one of two groups"):
        logrank([1, 2, 3], [1, 1, 1], list("abc")).one_sided(fewer_events_in="a")


SIX = [1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 0]

# at each event x is the greatest of those at risk, once by so little that Newton's steps run far
SEPARATED = [1, 6, 4, 3, 4, 2], [1, 1, 0, 1, 1, 0]
NEARLY_ZERO = [1, 0, 0, 0.00045579, 0.00045579, 0]


@pytest.mark.parametrize(
    ("rows", "covariates", "options", "says"),
    [
        (SIX, [1, 1, 1, 0, 0, 0], {}, "covariate 0: the events separate the rows"),
        (SIX, [0, 0, 0, 0, 0, 1], {}, "covariate 0: none of the 1 rows where it is 1 has an event"),
        (SIX, [[1, 6], [1, 5], [1, 4], [0, 3], [0, 2], [1, 1]], {"names": ("arm", "age")},
         "age: the events separate the rows"),
        (SEPARATED, NEARLY_ZERO, {}, "covariate 0: the events separate .* or give firth_cox"),
        (SEPARATED, NEARLY_ZERO, {"ties": "exact"}, "covariate 0: the events separate"),
        (SEPARATED, np.column_stack([[1, 2, 1, 2, 1, 1], NEARLY_ZERO]), {"names": ("arm", "psa")},
         "psa: the events separate"),
        (SIX, [7] * 6, {"names": ["age"]}, "age: is 7 in every row"),
        (SIX, [0, 1e-300, 0, 1e-300, 0, 0], {}, "from 0 to 1e-300, whose squares no number holds"),
        (SIX, [0, 1e300, 0, 1e300, 0, 0], {}, "from 0 to 1e[+]300, whose squares no number holds"),
        (SIX, [0, 0, 0, 1, 1, 1], {"strata": [1, 1, 1, 2, 2, 2]}, "constant in each stratum"),
        (SIX, [[1, 3], [0, 1], [1, 3], [0, 1], [1, 3], [0, 1]], {}, "0, covariate 1: are"),
        (SIX, [1, nan, 1, 0, 0, inf], {}, "covariate 0: 2 of 6 are missing or infinite"),
        (SIX, ["a", "b", "a", "b", "a", "b"], {}, "covariate 0: holds text, such as a"),
        (SIX, [1, 0, 1], {}, "Lengths differ: time 6, event 6, covariates 3"),
        (([1, 2], [0, 0]), [0, 1], {}, "event: none of 2 rows has one"),
        (SIX, [1, 0, 1, 0, 1, 0], {"ties": "discrete"}, "ties: 'discrete' is unknown"),
        (SIX, [1, 0, 1, 0, 1, 0], {"ties": "exact", "weights": [2] * 6}, "takes neither weights"),
        (SIX, [1, 0, 1, 0, 1, 0], {"names": ["a", "b"]}, "names: 2 words for 1 covariates"),
    ],
)  # fmt: skip
def test_cox_refuses_by_name(rows, covariates, options, says):
    with pytest.raises(ValueError, match=says):
        cox(*rows, covariates, **options)


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (lambda: restricted_mean([1, 2], [1, 0], horizon=3), "day 3 is after the last follow-up"),
        (lambda: restricted_mean([1, 2], [1, 0], horizon=0), "horizon: 0 is no day"),
        (lambda: landmark([1, 2], [1, 0], at=2), "nobody is at risk after day 2"),
        (lambda: landmark([1, 2], [1, 0], at=-1), "at: -1 is no day"),
        (lambda: median_follow_up([1], [1], method="administrative"), "potential: is missing"),
        (
            lambda: median_follow_up([9], [1], method="administrative", potential=[5]),
            "potential: 1 of 1 are missing or less than time",
        ),
        (lambda: cumulative_incidence([1, 2], [0, 0]), "all 2 rows are censored"),
        (
            lambda: interaction_test([1, 2], [1, 1], ["a", "b"], ["x", "x"]),
            "all rows are of 'x'; give two or more subgroups",
        ),
        (
            lambda: interaction_test(*SIX, list("ababab"), list("xxxxyy")),
            "subgroup y: the events separate",
        ),
    ],
)
def test_refuses_what_has_no_answer(question, says):
    with pytest.raises(ValueError, match=says):
        question()


def test_one_row_and_all_tied():
    assert kaplan_meier([5], [1]).survival.tolist() == [0]
    assert kaplan_meier([5], [0]).survival.tolist() == [1]
    assert kaplan_meier([5, 5, 5], [0, 0, 0]).survival.tolist() == [1]
    assert cox([5, 5, 5], [1, 1, 1], [1, 2, 3]).log_hazard_ratio == pytest.approx([0], abs=1e-15)
    tied = cox([5, 5, 5, 5, 9, 9], [1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 1, 0])
    assert np.isfinite(tied.log_hazard_ratio[0])
