# SPDX-License-Identifier: Apache-2.0
"""The sealed fallback list: apart from the main list, checked like it, and printed as envelopes."""

import re

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from radioligand.allocation import (
    ListError,
    check_list,
    envelopes,
    make_list,
    make_salts,
    with_fallback,
)
from radioligand.io.documents import read_protocol

SEED = "a seed that only these tests know"
NETTER_2 = read_protocol("netter-2")
MAIN = make_list(NETTER_2, seed=SEED)


@pytest.fixture(scope="module")
def joined():
    return with_fallback(MAIN, NETTER_2, seed=SEED, entries_per_stratum=6)


def test_the_main_list_stays_to_the_byte_and_the_fallback_follows(joined):
    assert_frame_equal(joined.head(960), MAIN)
    rest = joined.tail(24)
    assert rest["STRATUM"].unique(maintain_order=True).to_list() == [
        "fallback 2 / PANCREAS",
        "fallback 2 / OTHER",
        "fallback 3 / PANCREAS",
        "fallback 3 / OTHER",
    ]
    assert rest["SEQUENCE"].to_list() == [1, 2, 3, 4, 5, 6] * 4
    ratio = rest.group_by("STRATUM").agg((pl.col("ARMCD") == "LU").sum())
    assert ratio["ARMCD"].to_list() == [4, 4, 4, 4]


def test_the_fallback_is_the_list_of_the_seed_followed_by_a_word(joined):
    other = make_list(NETTER_2, seed=f"{SEED} fallback", entries_per_stratum=6)
    assert joined.tail(24)["ARMCD"].to_list() == other["ARMCD"].to_list()
    assert len(set(make_salts(joined, seed=SEED))) == joined.height


def test_a_joined_list_passes_and_its_faults_are_told_apart(joined):
    assert check_list(joined, NETTER_2).height == 984
    swapped = joined.with_columns(
        ARMCD=pl.when(pl.col("STRATUM").str.starts_with("fallback 2 / O"), pl.col("SEQUENCE") == 1)
        .then(pl.lit("CONTROL"))
        .otherwise(
            pl.when(pl.col("STRATUM") == "fallback 2 / OTHER").then(pl.lit("LU")).otherwise("ARMCD")
        )
    )
    with pytest.raises(ListError, match=r"fallback list: 1 of 4 blocks lack the ratio 2:1"):
        check_list(swapped, NETTER_2)
    with pytest.raises(ListError, match="fallback list: stratum 3 / OTHER: 5 entries"):
        check_list(joined.head(983), NETTER_2)


def test_a_minimised_trial_has_no_envelopes():
    plan = NETTER_2.randomisation.model_copy(update={"method": "minimisation"})
    minimised = NETTER_2.model_copy(update={"randomisation": plan})
    with pytest.raises(ListError, match="a minimised trial has no fallback list"):
        with_fallback(MAIN, minimised, seed=SEED, entries_per_stratum=6)


def test_each_envelope_tells_its_arm_on_its_second_side_alone(joined):
    page = envelopes(joined, NETTER_2)
    sides = re.findall(r"<section>(.*?)</section>", page, re.S)
    labels = {arm.id: arm.label for arm in NETTER_2.arms}

    assert len(sides) == 48
    assert not [side for side in sides[::2] if any(arm in side for arm in labels.values())]
    told = [re.search(r"<strong>(.*?)</strong>", side)[1] for side in sides[1::2]]
    assert told == [labels[arm] for arm in joined.tail(24)["ARMCD"]]
    assert "sealed envelope 3 of 6" in sides[4]
    with pytest.raises(ListError, match="has no fallback entries"):
        envelopes(MAIN, NETTER_2)
