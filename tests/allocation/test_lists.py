# SPDX-License-Identifier: Apache-2.0
"""Randomisation lists: the bytes of the generator, the laws of blocks, and what a check refuses."""

import hashlib
from collections import Counter
from itertools import islice

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from radioligand.allocation import (
    ListError,
    check_list,
    commitments,
    make_list,
    make_salts,
    strata,
    stratum_of,
)
from radioligand.allocation.generator import below, shuffled, words
from radioligand.io.documents import read_protocol, shipped_protocols

SEED = "a seed that only these tests know"
# computed by tests/reference/allocation_list.mjs, which knows the description alone
LIST_SHA256 = "7a47e635ec8290dbb059cd4d159722cae6ca364e4ab7a326cede14df2c0fc3aa"
PROTOCOLS = {name: read_protocol(name) for name in ("netter-1", "netter-2")}
NETTER_2 = PROTOCOLS["netter-2"]


def with_plan(protocol=NETTER_2, **changes):
    return protocol.model_copy(
        update={"randomisation": protocol.randomisation.model_copy(update=changes)}
    )


# --- the generator --------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_words_are_the_eight_byte_pieces_of_numbered_hashes():
    first = hashlib.sha256(b"radioligand list 1\0seed\0arms\0" + bytes(8)).digest()
    second = hashlib.sha256(b"radioligand list 1\0seed\0arms\0" + bytes(7) + b"\1").digest()
    expected = [int.from_bytes((first + second)[at : at + 8], "big") for at in range(0, 64, 8)]

    assert list(islice(words("seed", purpose="arms"), 8)) == expected


@pytest.mark.by_hand
def test_numbers_below_pass_over_words_that_would_favour_the_small():
    # 2^64 = 3 * 6148914691236517205 + 1: the one word 2^64 - 1 is left over
    assert below(3, iter([(1 << 64) - 1, 7])) == 1
    assert below(3, iter([(1 << 64) - 2])) == 2


@pytest.mark.by_hand
def test_a_shuffle_swaps_from_the_last_place_down():
    # place 3 with 6 mod 4 = 2: a b d c; place 2 with 3 mod 3 = 0: d b a c; place 1 with 1: stays
    assert shuffled("abcd", iter([6, 3, 1])) == ["d", "b", "a", "c"]


@pytest.mark.reference
def test_the_list_of_a_seed_never_changes():
    text = "\n".join(
        f"{stratum},{sequence},{arm}"
        for stratum, sequence, arm in make_list(NETTER_2, seed=SEED)
        .select("STRATUM", "SEQUENCE", "ARMCD")
        .iter_rows()
    )
    assert hashlib.sha256(text.encode()).hexdigest() == LIST_SHA256


# --- lists ----------------------------------------------------------------------------------------


@pytest.mark.trial
def test_netter_2_has_240_entries_in_blocks_of_six_in_each_of_four_strata():
    found = make_list(NETTER_2, seed=SEED)
    blocks = found.group_by("STRATUM", "BLOCK").agg(
        pl.len(), (pl.col("ARMCD") == "LU").sum().alias("LU")
    )

    assert found.height == 960
    assert found.group_by("STRATUM").len()["len"].to_list() == [240] * 4
    assert blocks.height == 4 * 40
    assert set(blocks.select("len", "LU").iter_rows()) == {(6, 4)}


@pytest.mark.parametrize("name", shipped_protocols())
def test_every_shipped_protocol_that_randomises_has_a_list_that_passes(name):
    protocol = read_protocol(name)
    if protocol.randomisation is None:
        with pytest.raises(ListError, match="does not randomise"):
            make_list(protocol, seed=SEED)
        return
    assert check_list(make_list(protocol, seed=SEED), protocol).height > 0


@pytest.mark.law
@settings(max_examples=25, deadline=None)
@given(
    st.text(min_size=32, max_size=40),
    st.sets(st.sampled_from([3, 6, 9, 12]), min_size=1),
    st.integers(1, 20),
)
def test_any_seed_any_sizes_balance_in_every_block(seed, sizes, times):
    length = min(sizes) * times
    found = make_list(NETTER_2, seed=seed, blocks=sorted(sizes), entries_per_stratum=length)

    assert check_list(found, NETTER_2, blocks=sorted(sizes), entries_per_stratum=length) is found
    assert found.height == 4 * length


@pytest.mark.law
@given(st.text(min_size=32, max_size=40))
@settings(max_examples=10, deadline=None)
def test_a_list_is_the_same_whenever_it_is_made_and_another_by_another_seed(seed):
    found = make_list(NETTER_2, seed=seed)

    assert found.equals(make_list(NETTER_2, seed=seed))
    assert not found.equals(make_list(NETTER_2, seed=seed + "."))


def test_every_arrangement_of_a_block_is_equally_likely():
    counts = Counter()
    for number in range(25):
        found = make_list(NETTER_2, seed=f"{number:040}")
        blocks = found.group_by("STRATUM", "BLOCK", maintain_order=True).agg("ARMCD")["ARMCD"]
        counts.update(tuple(block) for block in blocks)

    assert len(counts) == 15  # 6! / (4! 2!)
    assert chisquare(list(counts.values())).pvalue > 1e-4


def test_sizes_of_blocks_are_drawn_at_random():
    found = make_list(NETTER_2, seed=SEED, blocks=(3, 6, 9))
    sizes = found.group_by("STRATUM", "BLOCK", maintain_order=True).len()

    by_stratum = [rows["len"].to_list() for _, rows in sizes.group_by("STRATUM")]
    assert {size for rows in by_stratum for size in rows} == {3, 6, 9}
    assert len({tuple(rows) for rows in by_stratum}) == 4


def test_a_list_by_site_has_every_stratum_at_every_site():
    protocol = with_plan(by_site=True)
    with pytest.raises(ListError, match="name the sites"):
        make_list(protocol, seed=SEED)
    found = make_list(protocol, seed=SEED, sites=("01", "02"))

    assert check_list(found, protocol, sites=("01", "02")).height == 2 * 960
    levels = {"STRGRADE": "2", "STRORIG": "OTHER"}
    assert stratum_of(levels, protocol=protocol, site="02") == "02 / 2 / OTHER"
    assert "02 / 2 / OTHER" in strata(protocol, sites=("01", "02"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seed": "20261121"}, "could be guessed"),
        ({"seed": SEED, "blocks": (4,)}, "cannot hold the ratio 2:1; use multiples of 3"),
        ({"seed": SEED, "blocks": (6, 9), "entries_per_stratum": 3}, "not whole blocks of 6, 9"),
        ({"seed": SEED, "blocks": (0,)}, "a block of 0"),
    ],
)
def test_a_list_that_cannot_be_made_is_refused(options, says):
    with pytest.raises(ListError, match=says):
        make_list(NETTER_2, **options)


def test_levels_are_refused_by_name():
    with pytest.raises(ListError) as told:
        stratum_of({"STRGRADE": "1", "SEX": "F"}, protocol=NETTER_2)
    assert "SEX is no factor of this trial; it has STRGRADE, STRORIG" in str(told.value)
    assert "STRGRADE is '1'; it is one of 2, 3" in str(told.value)
    assert "STRORIG (Tumour origin) is missing" in str(told.value)


# --- the check ------------------------------------------------------------------------------------


def renumbered(entries):
    return entries.with_columns(SEQUENCE=pl.int_range(1, pl.len() + 1).over("STRATUM"))


def swapped(entries):
    """Two entries of different blocks exchange their arms."""
    arms = entries["ARMCD"].to_list()
    other = next(at for at in range(6, 240) if arms[at] != arms[0])
    arms[0], arms[other] = arms[other], arms[0]
    return entries.with_columns(ARMCD=pl.Series(arms))


GOOD = make_list(NETTER_2, seed=SEED)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: x.drop("BLOCK"), "column BLOCK is missing"),
        (lambda x: x.with_columns(pl.col("SEQUENCE").cast(pl.Float64)), "column SEQUENCE is Float"),
        (lambda x: x.with_columns(ARMCD=pl.lit(None, pl.String)), "ARMCD is empty in 960 of 960"),
        (
            lambda x: x.with_columns(ARMCD=pl.col("ARMCD").replace("CONTROL", "PLACEBO")),
            "ARMCD is none of LU, CONTROL in 320 of 960 rows",
        ),
        (lambda x: x.filter(STRATUM="2 / OTHER"), "stratum 3 / OTHER has no entry"),
        (
            lambda x: x.with_columns(STRATUM=pl.col("STRATUM").str.replace("3", "4")),
            "stratum 4 / OTHER is none of the protocol's",
        ),
        (
            lambda x: x.with_columns(STRGRADE=pl.lit("2")),
            "STRGRADE disagrees with STRATUM in 480 of 960 rows",
        ),
        (lambda x: x.slice(1), "SEQUENCE is not 1 to 239 without a gap"),
        (lambda x: renumbered(x.slice(1)), "239 entries; there have to be 240"),
        (lambda x: x.reverse(), "the rows are not in the order of SEQUENCE"),
        (lambda x: pl.concat([x, x.head(1)]), "SEQUENCE is there twice"),
        (swapped, "2 of 160 blocks lack the ratio 2:1: stratum 2 / PANCREAS block 1"),
        (
            lambda x: make_list(NETTER_2, seed=SEED, blocks=(12,)),
            "80 of 80 blocks have 12 entries; allowed: 6",
        ),
        (
            lambda x: x.with_columns(BLOCK=pl.col("BLOCK") + 1),
            "BLOCK is not 1, 2, ... in one piece",
        ),
        (lambda x: renumbered(x.sort("STRATUM", "BLOCK", "ARMCD")), "place 1 of the block favours"),
        (
            lambda x: renumbered(x.sort("STRATUM", "BLOCK", "ARMCD")),
            "runs of one arm are too many or too few",
        ),
    ],
)
def test_a_list_is_refused_with_what_is_wrong(change, says):
    with pytest.raises(ListError) as told:
        check_list(change(GOOD), NETTER_2)
    assert says in str(told.value)


def test_all_faults_come_at_once():
    spoilt = swapped(GOOD).slice(1)
    with pytest.raises(ListError) as told:
        check_list(spoilt, NETTER_2)
    assert "the randomisation list has" in str(told.value)
    assert "without a gap" in str(told.value)
    assert "lack the ratio" in str(told.value)


def test_blocks_that_mirror_the_one_before_are_not_random():
    pair = ["LU", "CONTROL", "LU", "LU", "CONTROL", "LU"]
    pattern = [*pair, *reversed(pair)] * 80
    spoilt = GOOD.with_columns(ARMCD=pl.Series(pattern))
    with pytest.raises(ListError, match="place"):
        check_list(spoilt, NETTER_2)


def test_the_test_list_is_not_the_list():
    other = make_list(NETTER_2, seed=SEED + " for tests")

    assert check_list(GOOD, NETTER_2, against=other) is GOOD
    mixed = pl.concat([other.filter(STRGRADE="2"), GOOD.filter(STRGRADE="3")])
    with pytest.raises(ListError, match="stratum 3 / OTHER is stratum 3 / OTHER of the test list"):
        check_list(GOOD, NETTER_2, against=mixed)


def test_good_lists_are_seldom_called_not_random():
    refused = 0
    for number in range(60):
        try:
            check_list(make_list(NETTER_2, seed=f"{number:040}"), NETTER_2)
        except ListError:
            refused += 1
    assert refused <= 1  # 0.06 are expected


# --- commitments ----------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_a_commitment_hashes_salt_stratum_sequence_and_arm():
    salts = make_salts(GOOD, seed=SEED)
    expected = hashlib.sha256(
        f"{salts[0]}\0{GOOD['STRATUM'][0]}\0001\0{GOOD['ARMCD'][0]}".encode()
    ).hexdigest()

    assert commitments(GOOD, salts)[0] == expected


def test_salts_differ_and_so_equal_entries_do_not_look_alike():
    salts = make_salts(GOOD, seed=SEED)
    assert salts.n_unique() == commitments(GOOD, salts).n_unique() == 960
    assert set(salts.str.len_chars()) == {64}
