# SPDX-License-Identifier: Apache-2.0
"""Minimisation: by hand, by its laws, and against permutations without a coin."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.allocation import ListError, make_draws, minimise
from radioligand.io.documents import read_protocol

NETTER_2 = read_protocol("netter-2")  # arms LU and CONTROL, 2:1; factors STRGRADE and STRORIG
SEED = "a seed that only these tests know"
EMPTY = {"STRGRADE": pl.String, "STRORIG": pl.String, "ARMCD": pl.String}
levels = st.fixed_dictionaries(
    {
        "STRGRADE": st.sampled_from(["2", "3"]),
        "STRORIG": st.sampled_from(["PANCREAS", "OTHER"]),
    }
)


def patients(*rows):
    return pl.DataFrame(rows, schema=EMPTY, orient="row")


@pytest.mark.by_hand
def test_the_arm_of_least_imbalance_gets_the_coins_share():
    # grade 2: LU 2, CONTROL 0; pancreas: LU 1, CONTROL 0; each divided by the ratio 2:1.
    # With LU: |3/2 - 0| + |2/2 - 0| = 2.5.  With CONTROL: |2/2 - 1| + |1/2 - 1| = 0.5.
    so_far = patients(("2", "PANCREAS", "LU"), ("2", "OTHER", "LU"))
    new = {"STRGRADE": "2", "STRORIG": "PANCREAS"}

    # CONTROL has 0.8; LU stands first and takes the stretch from 0 to 0.2
    assert minimise(so_far, new, protocol=NETTER_2, uniform=0.19) == "LU"
    assert minimise(so_far, new, protocol=NETTER_2, uniform=0.21) == "CONTROL"
    assert minimise(so_far, new, protocol=NETTER_2, uniform=0.0, probability=1.0) == "CONTROL"


@pytest.mark.by_hand
def test_a_tie_is_tossed_by_the_ratio_of_the_arms():
    # nobody yet: with LU 1/2 + 1/2 = 1, with CONTROL 1 + 1 = 2, so LU has 0.8.
    new = {"STRGRADE": "2", "STRORIG": "PANCREAS"}
    assert minimise(patients(), new, protocol=NETTER_2, uniform=0.79) == "LU"
    assert minimise(patients(), new, protocol=NETTER_2, uniform=0.81) == "CONTROL"
    # grade 2 has LU 1, pancreas nobody: with LU 2/2 + 1/2, with CONTROL 1/2 + 1, which is a tie
    so_far = patients(("2", "OTHER", "LU"))
    tied = {"STRGRADE": "2", "STRORIG": "PANCREAS"}
    assert minimise(so_far, tied, protocol=NETTER_2, uniform=0.66) == "LU"
    assert minimise(so_far, tied, protocol=NETTER_2, uniform=0.67) == "CONTROL"


def trial(seed, **options):
    """240 patients of even strata, one after another."""
    draws = make_draws(NETTER_2, seed=seed, entries=240)["DRAW"].to_list()
    rows = []
    for number, draw in enumerate(draws):
        new = {"STRGRADE": "23"[number % 2], "STRORIG": ("PANCREAS", "OTHER")[number // 2 % 2]}
        arm = minimise(patients(*rows), new, protocol=NETTER_2, uniform=draw, **options)
        rows.append((new["STRGRADE"], new["STRORIG"], arm))
    return patients(*rows)


def test_margins_stay_near_the_ratio():
    found = trial(SEED)
    for factor in ("STRGRADE", "STRORIG"):
        for _, rows in found.group_by(factor):
            assert (rows["ARMCD"] == "LU").sum() == pytest.approx(80, abs=3)


@pytest.mark.law
@given(st.lists(st.tuples(levels, st.sampled_from(["LU", "CONTROL"])), max_size=30), levels)
def test_every_arm_stays_possible_and_the_coin_decides(rows, new):
    so_far = patients(*((row["STRGRADE"], row["STRORIG"], arm) for row, arm in rows))

    assert minimise(so_far, new, protocol=NETTER_2, uniform=0.0) == "LU"
    assert minimise(so_far, new, protocol=NETTER_2, uniform=0.999999) == "CONTROL"


@pytest.mark.law
@given(
    st.lists(st.tuples(levels, st.sampled_from(["LU", "CONTROL"])), max_size=30),
    levels,
    st.floats(0, 1, exclude_max=True),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_patients_changes_nothing(rows, new, uniform, random):
    frame = [(row["STRGRADE"], row["STRORIG"], arm) for row, arm in rows]
    again = frame.copy()
    random.shuffle(again)

    one = minimise(patients(*frame), new, protocol=NETTER_2, uniform=uniform)
    assert minimise(patients(*again), new, protocol=NETTER_2, uniform=uniform) == one


def test_draws_are_uniform_and_of_a_seed():
    found = make_draws(NETTER_2, seed=SEED, entries=4000)

    assert found["DRAW"].is_between(0, 1, closed="left").all()
    assert found["DRAW"].mean() == pytest.approx(0.5, abs=0.02)
    assert found.equals(make_draws(NETTER_2, seed=SEED, entries=4000))
    with pytest.raises(ListError, match="the seed has 3 letters"):
        make_draws(NETTER_2, seed="abc", entries=4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"uniform": 1.0}, "0 ≤ u < 1"),
        ({"uniform": 0.5, "probability": 0.5}, "above 0.667"),
    ],
)
def test_refuses_a_coin_that_is_none(options, says):
    with pytest.raises(ListError, match=says):
        minimise(patients(), {"STRGRADE": "2", "STRORIG": "OTHER"}, protocol=NETTER_2, **options)
