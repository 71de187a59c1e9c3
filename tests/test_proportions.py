# SPDX-License-Identifier: Apache-2.0
"""Proportions and tables: against R and print, against their own laws, and what they refuse."""

import json
from math import inf, nan
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from radioligand.statistics.proportions import (
    agresti_coull,
    breslow_day,
    clopper_pearson,
    cochran_mantel_haenszel,
    cohen_kappa,
    fisher_exact,
    jeffreys,
    miettinen_nurminen_difference,
    newcombe_difference,
    odds_ratio,
    wald,
    wald_difference,
    wilson,
)

REFERENCE = json.loads((Path(__file__).parent / "reference" / "proportions.json").read_text())
# responders and subjects of the NETTER-2 strata, 177Lu-DOTATATE and control
LU, LU_N = (26, 6, 21, 12), (53, 46, 29, 23)
CONTROL, CONTROL_N = (1, 2, 2, 2), (28, 20, 13, 14)
STRATA = [[[x, n - x], [y, m - y]] for x, n, y, m in zip(LU, LU_N, CONTROL, CONTROL_N, strict=True)]

INTERVALS = (clopper_pearson, wilson, wald, agresti_coull, jeffreys)
DIFFERENCES = (wald_difference, newcombe_difference, miettinen_nurminen_difference)
pair = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
two_by_two = st.lists(st.integers(0, 25), min_size=4, max_size=4).map(
    lambda cells: [cells[:2], cells[2:]]
)


def number(value):
    return {"NA": nan, "Inf": inf}.get(value, value)


def close(expected, rel=1e-10):
    return pytest.approx([number(one) for one in expected], rel=rel, abs=1e-12, nan_ok=True)


def limits(found):
    return [found.lower, found.upper]


# --- one proportion --------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["single"])
def test_intervals_agree_with_r(case):
    counts = {"events": case["events"], "n": case["n"], "level": case["level"]}

    assert limits(clopper_pearson(**counts)) == close(case["clopper_pearson"])
    assert limits(wilson(**counts)) == close(case["wilson"])
    assert limits(agresti_coull(**counts)) == close(case["agresti_coull"])
    assert limits(jeffreys(**counts)) == close(case["jeffreys"])


@pytest.mark.trial
@pytest.mark.parametrize(
    ("events", "n", "published"),
    [
        (65, 151, (43.0, 35.0, 51.3)),
        (7, 75, (9.3, 3.8, 18.3)),
        (137, 151, (90.7, 84.9, 94.8)),
        (50, 75, (66.7, 54.8, 77.1)),
    ],
)
def test_response_and_control_rates_of_netter_2(events, n, published):
    found = clopper_pearson(events, n)
    percent = [round(100 * one, 1) for one in (found.estimate, found.lower, found.upper)]
    assert percent == list(published)


@pytest.mark.by_hand
def test_wald_interval_is_cut_to_what_a_share_can_be():
    found = wald([1, 50], [10, 100])

    assert found.estimate == pytest.approx([0.1, 0.5])
    assert found.lower == pytest.approx([0, 0.5 - 1.959963984540054 * 0.05])
    assert found.upper == pytest.approx(
        [0.1 + 1.959963984540054 * 0.09**0.5 / 10**0.5, 0.598], abs=1e-4
    )


@pytest.mark.law
@given(pair, st.sampled_from(INTERVALS))
def test_every_interval_holds_its_estimate_and_mirrors(counts, interval):
    events, n = counts

    found, mirrored = interval(events, n), interval(n - events, n)

    assert 0 <= found.lower <= found.estimate + 1e-12
    assert found.estimate - 1e-12 <= found.upper <= 1
    assert mirrored.lower == pytest.approx(1 - found.upper, abs=1e-9)


@pytest.mark.law
@given(st.integers(2, 60), st.floats(0.5, 0.99))
def test_clopper_pearson_rises_with_events_and_covers_at_least_its_level(n, level):
    found = clopper_pearson(np.arange(n + 1), n, level=level)

    assert np.all(np.diff(found.lower) > 0)
    assert np.all(np.diff(found.upper) > 0)
    for truth in (0.03, 0.3, 0.5):
        held = (found.lower <= truth) & (truth <= found.upper)
        chances = np.array([choose(n, k) * truth**k * (1 - truth) ** (n - k) for k in range(n + 1)])
        assert chances[held].sum() >= level - 1e-9


def choose(n, k):
    row = 1
    for step in range(k):
        row = row * (n - step) // (step + 1)
    return row


# --- two proportions -------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["differences"])
def test_differences_agree_with_r(case):
    assert limits(wald_difference(*case["counts"])) == close(case["wald"])
    assert limits(newcombe_difference(*case["counts"])) == close(case["newcombe"])
    assert limits(miettinen_nurminen_difference(*case["counts"])) == close(
        case["miettinen_nurminen"], rel=1e-8
    )


@pytest.mark.trial
def test_difference_in_response_of_netter_2():
    found = wald_difference(65, 151, 7, 75)
    percent = [round(100 * one, 1) for one in (found.estimate, found.lower, found.upper)]
    assert percent == [33.7, 23.4, 44.0]


@pytest.mark.by_hand
def test_difference_printed_by_newcombe_1998():
    # his table II, 56/70 less 48/80
    assert limits(newcombe_difference(56, 70, 48, 80)) == pytest.approx([0.0524, 0.3339], abs=5e-5)
    assert limits(miettinen_nurminen_difference(56, 70, 48, 80)) == pytest.approx(
        [0.0528, 0.3382], abs=5e-5
    )


@pytest.mark.law
@given(pair, pair, st.sampled_from(DIFFERENCES))
def test_a_difference_turns_its_sign_with_its_groups(first, second, method):
    found, turned = method(*first, *second), method(*second, *first)

    assert -1 <= found.lower <= found.estimate <= found.upper <= 1
    assert found.estimate == first[0] / first[1] - second[0] / second[1]
    assert turned.lower == pytest.approx(-found.upper, abs=1e-7)


# --- tables ----------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["fisher"])
def test_fisher_agrees_with_r(case):
    table = case["table"]

    found = fisher_exact(table)

    assert [found.odds_ratio] == close([case["odds_ratio"]])
    assert limits(found) == close(case["interval"])
    assert found.p_value == pytest.approx(case["p_value"], rel=1e-9)
    assert fisher_exact(table, alternative="greater").p_value == pytest.approx(case["greater"])
    assert fisher_exact(table, alternative="less").p_value == pytest.approx(case["less"])
    doubled = min(1, 2 * min(case["greater"], case["less"]))
    assert fisher_exact(table, two_sided="central").p_value == pytest.approx(doubled)


@pytest.mark.by_hand
def test_fisher_on_the_lady_tasting_tea():
    # of the 70 ways to name four cups, 1 has all right and 16 have three
    assert fisher_exact([[3, 1], [1, 3]], alternative="greater").p_value == pytest.approx(17 / 70)
    assert fisher_exact([[3, 1], [1, 3]]).p_value == pytest.approx(34 / 70)
    assert fisher_exact([[4, 0], [0, 4]]).p_value == pytest.approx(2 / 70)


@pytest.mark.by_hand
def test_fisher_odds_ratio_given_the_margins():
    # all margins 4: counts 0 to 4 come about in these ways, and the mean count must be 3
    x = fisher_exact([[3, 1], [1, 3]]).odds_ratio
    ways = {0: 1, 1: 16, 2: 36, 3: 16, 4: 1}
    total = sum(many * x**k for k, many in ways.items())
    assert sum(k * many * x**k for k, many in ways.items()) / total == pytest.approx(3, rel=1e-12)


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["common"])
def test_cochran_mantel_haenszel_agrees_with_r(case):
    found = cochran_mantel_haenszel(case["tables"])
    corrected = cochran_mantel_haenszel(case["tables"], correct=True)

    assert found.odds_ratio == pytest.approx(case["odds_ratio"], rel=1e-12)
    assert limits(found) == close(case["interval"])
    assert found.statistic == pytest.approx(case["statistic"], rel=1e-12)
    assert found.p_value == pytest.approx(case["p_value"], rel=1e-9)
    assert found.one_sided() == pytest.approx(case["greater"], rel=1e-9)
    assert corrected.statistic == pytest.approx(case["corrected"], rel=1e-12)
    plain, tarone = case["breslow_day"]
    assert breslow_day(case["tables"], tarone=False).statistic == pytest.approx(plain, rel=1e-8)
    assert breslow_day(case["tables"]).statistic == pytest.approx(tarone, rel=1e-8)
    assert breslow_day(case["tables"]).degrees_of_freedom == len(case["tables"]) - 1


@pytest.mark.trial
def test_common_odds_ratio_of_response_in_netter_2():
    found = cochran_mantel_haenszel(STRATA)

    assert [round(one, 2) for one in (found.odds_ratio, *limits(found))] == [7.81, 3.32, 18.40]
    assert found.one_sided() < 0.0001


@pytest.mark.law
@given(st.lists(two_by_two, min_size=1, max_size=5), two_by_two)
def test_a_stratum_of_one_arm_or_one_outcome_adds_nothing(tables, other):
    (a, b), (c, _) = other
    empty = [[[a, b], [0, 0]], [[a, 0], [c, 0]], [[0, 0], [0, 0]]]
    try:
        found = cochran_mantel_haenszel(tables)
    except ValueError:
        assume(False)

    again = cochran_mantel_haenszel(tables + empty)

    assert again.statistic == pytest.approx(found.statistic, rel=1e-12)
    assert again.odds_ratio == pytest.approx(found.odds_ratio, rel=1e-12, nan_ok=True)
    assert again.upper == pytest.approx(found.upper, rel=1e-9, nan_ok=True)


@pytest.mark.law
@given(two_by_two)
def test_fisher_knows_neither_the_order_of_arms_nor_of_outcomes(table):
    (a, b), (c, d) = table
    assume(a + b + c + d > 0)
    p = fisher_exact(table).p_value

    assert 0 < p <= 1
    assert fisher_exact([[c, d], [a, b]]).p_value == pytest.approx(p, rel=1e-9)
    assert fisher_exact([[b, a], [d, c]]).p_value == pytest.approx(p, rel=1e-9)
    assert fisher_exact([[a, c], [b, d]]).p_value == pytest.approx(p, rel=1e-9)


@pytest.mark.by_hand
def test_odds_ratio_of_woolf():
    found = odds_ratio([[10, 5], [4, 8]])

    assert found.estimate == 4
    half = 1.959963984540054 * (1 / 10 + 1 / 5 + 1 / 4 + 1 / 8) ** 0.5
    assert np.log(limits(found)) == pytest.approx([np.log(4) - half, np.log(4) + half])
    assert odds_ratio([[3, 0], [1, 2]]).estimate == inf
    assert odds_ratio([[0, 3], [1, 2]]).estimate == 0


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["agreement"])
@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_agrees_with_the_delta_method(case, weights):
    expected = case[weights]

    found = cohen_kappa(expected["table"], weights=weights)

    assert found.estimate == pytest.approx(expected["kappa"], rel=1e-12)
    assert found.standard_error == pytest.approx(expected["standard_error"], rel=1e-6)


@pytest.mark.by_hand
def test_kappa_of_two_readers_of_fifty_scans():
    # 35 of 50 alike; by chance (25 * 30 + 25 * 20)/2500 = one half
    found = cohen_kappa([[20, 5], [10, 15]])

    assert (found.observed, found.expected) == (pytest.approx(0.7), pytest.approx(0.5))
    assert found.estimate == pytest.approx(0.4)
    assert found.p_value == pytest.approx(0.0038924, rel=1e-4)  # z = 0.4 / sqrt(0.24 / 50 / 0.25)
    assert cohen_kappa([[7, 0], [0, 9]]).estimate == 1


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "n", "says"),
    [
        (5, 0, "n: 1 of 1 are no numbers of subjects"),
        ([1, -2, nan], 4, "events: 2 of 3 are no counts"),
        (5, 4, "events: 1 of 1 are more than n"),
        ("5", 10, "give whole numbers"),
        (1.5, 4, "are no counts"),
        ([1, 2], [3, 4, 5], "events and n"),
    ],
)
def test_refuses_what_is_no_proportion(events, n, says):
    for interval in INTERVALS:
        with pytest.raises(ValueError, match=says):
            interval(events, n)


def test_refuses_no_level():
    with pytest.raises(ValueError, match="level: 95"):
        clopper_pearson(1, 2, level=95)


@pytest.mark.parametrize(
    ("question", "table", "says"),
    [
        (fisher_exact, [[1, 2, 3], [4, 5, 6]], r"shape \(2, 3\)"),
        (fisher_exact, [[1, -2], [4, 5]], "1 of 4 cells are no counts"),
        (fisher_exact, [[0, 0], [0, 0]], "holds nobody"),
        (odds_ratio, [["a", "b"], [1, 2]], "give whole numbers"),
        (cochran_mantel_haenszel, [[1, 2], [3, 4]], "give counts, any by 2 by 2"),
        (cochran_mantel_haenszel, [[[1, 2], [0, 0]]], "nothing to compare"),
        (breslow_day, [[[1, 2], [3, 4]]], "fewer than two strata"),
        (cohen_kappa, [[1, 2, 3], [3, 4, 5]], "as many columns as rows"),
        (cohen_kappa, [[4, 0], [0, 0]], "one category only"),
    ],
)
def test_refuses_what_is_no_table(question, table, says):
    with pytest.raises(ValueError, match=says):
        question(table)


def test_refuses_unknown_words():
    with pytest.raises(ValueError, match="alternative: 'upper' is unknown"):
        fisher_exact([[1, 2], [3, 4]], alternative="upper")
    with pytest.raises(ValueError, match="two_sided: 'doubling' is unknown"):
        fisher_exact([[1, 2], [3, 4]], two_sided="doubling")
    with pytest.raises(ValueError, match="weights: 'cubic' is unknown"):
        cohen_kappa([[1, 2], [3, 4]], weights="cubic")


def test_takes_series_and_arrays_and_answers_in_kind():
    expected = clopper_pearson([1, 2], [10, 10]).upper.tolist()

    assert clopper_pearson(pl.Series([1, 2]), pl.Series([10, 10])).upper.tolist() == expected
    assert clopper_pearson(np.array([1, 2]), 10).upper.tolist() == expected
    assert isinstance(clopper_pearson(1, 10).upper, float)
