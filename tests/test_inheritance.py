# SPDX-License-Identifier: Apache-2.0
"""Documents like another: what is merged, what is left out, and what is refused."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from radioligand.cli import cli
from radioligand.io.documents import protocol_chain, read_protocol
from radioligand.protocol import ProtocolError
from radioligand.protocol.inheritance import InheritanceError, found_at, inherit, renamed
from radioligand.simulation.parameters import PopulationError, read_population

BASE = {
    "trial": {"id": "old", "sites": 4},
    "arms": [{"id": "A", "ratio": 2}, {"id": "B", "ratio": 1}],
    "weeks": [16, 24],
    "drugs": [{"name": "X", "amount": 1}, {"name": "X", "amount": 2}],
}


@pytest.mark.by_hand
def test_tables_merge_to_the_bottom_and_entries_by_their_name():
    own = {"trial": {"id": "new"}, "arms": [{"id": "C", "ratio": 3}, {"id": "B", "ratio": 5}]}

    assert inherit(own, BASE) == {
        **BASE,
        "trial": {"id": "new", "sites": 4},
        "arms": [{"id": "A", "ratio": 2}, {"id": "B", "ratio": 5}, {"id": "C", "ratio": 3}],
    }


@pytest.mark.by_hand
def test_lists_of_values_and_of_entries_that_share_a_name_are_replaced():
    own = {"weeks": [12], "drugs": [{"name": "X", "amount": 3}]}

    assert inherit(own, BASE) == {**BASE, **own}


@pytest.mark.by_hand
def test_what_is_left_out():
    own = {"like": "old", "without": ["trial.sites", "arms.A", "weeks"], "trial": {"sites": 9}}

    assert inherit(own, BASE) == {
        "trial": {"id": "old", "sites": 9},
        "arms": [{"id": "B", "ratio": 1}],
        "drugs": BASE["drugs"],
    }
    assert inherit({"without": ["arms.A.ratio"]}, BASE)["arms"][0] == {"id": "A"}


def test_leaving_out_what_is_not_there_is_refused():
    with pytest.raises(InheritanceError, match=r"nothing is at arms\.Z, drugs\.X"):
        inherit({"without": ["arms.Z", "weeks", "drugs.X"]}, BASE)


@pytest.mark.by_hand
def test_paths_and_new_names():
    assert found_at(BASE, "arms.B.ratio") == 1
    assert found_at(BASE, "arms.Z") is None
    assert found_at(BASE, "trial.id.more") is None
    shares = {"share": {"A": 0.1, "B": 0.2}, "all": [{"A": 1}]}
    assert renamed(shares, {"A": ["P", "Q"], "B": []}) == {
        "share": {"P": 0.1, "Q": 0.1},
        "all": [{"P": 1, "Q": 1}],
    }


TABLES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inside: st.dictionaries(st.sampled_from("abcd"), inside, max_size=3),
    max_leaves=8,
)


@given(TABLES.filter(lambda one: isinstance(one, dict)))
@pytest.mark.law
def test_a_document_like_another_that_says_the_same_or_nothing_is_that_other(tables):
    assert inherit({}, tables) == tables
    assert inherit(tables, tables) == tables
    assert inherit(tables, {}) == tables


# -- from files ------------------------------------------------------------------------------


def test_a_protocol_like_a_shipped_one(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text('like = "netter-2"\n[trial]\nsites = 3\n')
    theirs, changed = read_protocol("netter-2"), read_protocol(str(mine))

    assert changed.trial.sites == 3
    assert changed.model_copy(update={"trial": theirs.trial}) == theirs
    assert [name for _, name in protocol_chain(str(mine))] == [str(mine), "netter-2.toml"]


def test_faults_of_inheritance_are_told(tmp_path):
    mine, yours = tmp_path / "mine.toml", tmp_path / "yours.toml"
    mine.write_text('like = "netter-2"\nwithout = ["eligibility.I99"]\n')
    with pytest.raises(ProtocolError, match=r"nothing is at eligibility\.I99"):
        read_protocol(str(mine))

    mine.write_text(f'like = "{yours}"\n')
    yours.write_text(f'like = "{mine}"\n')
    with pytest.raises(ProtocolError, match="no end"):
        read_protocol(str(mine))

    mine.write_text('like = "netter-9"\n')
    with pytest.raises(ProtocolError, match="no shipped protocol"):
        read_protocol(str(mine))


def test_a_design_report_names_both_documents(tmp_path):
    out = tmp_path / "design"
    done = CliRunner().invoke(cli, ["plan", "captem-prrt", "--out", str(out)])

    assert done.exit_code == 0, done.output
    told = json.loads((out / "provenance.json").read_text())["protocol"]
    assert told["document"] == "captem-prrt.toml"
    assert list(told["like"]) == ["netter-2.toml"]


def test_populations_are_like_another_with_arms_of_their_own():
    theirs, mine = read_population("netter-2"), read_population("net-retreat")

    assert set(mine.arms) == {"LU", "EVEROL"}
    assert mine.conduct.delayed == {"LU": 0.17, "EVEROL": 0.21}  # NETTER-2's LU and CONTROL
    assert mine.reading == theirs.reading
    with pytest.raises(PopulationError, match="no population is called"):
        read_population("netter-9")
