# SPDX-License-Identifier: Apache-2.0
"""Medical dictionaries: files as they come, the demonstration, coding, and files refused."""

import hashlib

import polars as pl
import pytest

from radioligand.io.dictionaries import (
    DictionaryError,
    demonstration_dictionary,
    read_dictionary,
)
from radioligand.safety.coding import coded

# made up in the form of the licensed files, with none of their content
HIERARCHY = """1$11$12$13$Green spots$Spots$Colours$Skin things$Skin$$13$Y$
1$21$22$23$Green spots$Spots$Colours$Other things$Oth$$13$N$
2$11$12$13$Blue spots$Spots$Colours$Skin things$Skin$$13$Y$
"""
LOWEST = """101$Spots, verdant$1$$$$$$$Y$$
102$Green spots$1$$$$$$$Y$$
"""


@pytest.fixture
def hierarchy(tmp_path):
    (tmp_path / "mdhier.asc").write_text(HIERARCHY, "utf-8")
    (tmp_path / "llt.asc").write_text(LOWEST, "utf-8")
    return tmp_path / "mdhier.asc"


def ae(*rows) -> pl.DataFrame:
    names = ["AETERM", "AEDECOD", "AEBODSYS"]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


@pytest.mark.by_hand
def test_the_licence_holders_file_gives_terms_and_their_primary_class(hierarchy):
    found = read_dictionary(hierarchy)

    assert found.terms.rows() == [
        ("green spots", "Green spots", "Skin things"),
        ("blue spots", "Blue spots", "Skin things"),
        ("spots, verdant", "Green spots", "Skin things"),
    ]
    assert found.sha256 == hashlib.sha256(HIERARCHY.encode()).hexdigest()
    assert (found.name, found.columns[4], len(found.columns)) == ("mdhier.asc", "pt_name", 12)


@pytest.mark.by_hand
def test_events_that_are_not_coded_are_and_the_others_stay(hierarchy):
    events = ae(
        ("SPOTS,  VERDANT", None, None),
        ("Blue spots", "Nausea", "Gut"),
        ("hiccups", None, "Gut"),
        (None, None, None),
    )

    found = coded(events, dictionary=read_dictionary(hierarchy))

    assert found.select("AEDECOD", "AEBODSYS", "AEDICT").rows() == [
        ("Green spots", "Skin things", "mdhier.asc"),
        ("Nausea", "Gut", "as collected"),
        ("hiccups", "Gut", "verbatim"),
        (None, None, None),
    ]
    assert found.columns == [*events.columns, "AEDICT"]


@pytest.mark.by_hand
def test_without_a_dictionary_terms_stay_verbatim():
    found = coded(ae(("sick", None, None)), dictionary=None)
    assert found.row(0) == ("sick", "sick", None, "verbatim")


def test_the_demonstration_knows_plain_words():
    words = demonstration_dictionary()
    found = coded(ae(("Low platelets", None, None), ("MDS", None, None)), dictionary=words)
    assert found["AEDECOD"].to_list() == ["Platelet count decreased", "Myelodysplastic syndrome"]
    assert found["AEDICT"].unique().to_list() == ["demonstration dictionary"]
    assert words.terms.height > 40


def test_a_table_of_ones_own_will_do(tmp_path):
    table = pl.DataFrame({"TERM": ["A"], "PREFERRED": ["B"], "CLASS": ["C"], "NOTE": ["D"]})
    table.write_csv(tmp_path / "own.csv")
    table.write_parquet(tmp_path / "own.parquet")
    for name in ("own.csv", "own.parquet"):
        found = read_dictionary(tmp_path / name)
        assert (found.terms.rows(), found.columns[-1]) == ([("a", "B", "C")], "NOTE")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("own.csv", "TERM,PREFERRED\na,b\n", "own.csv: no column CLASS"),
        ("own.csv", "TERM,PREFERRED,CLASS\na,b,c\nA,d,c\n", "1 terms have two meanings \\(a\\)"),
        ("own.txt", "TERM", "own.txt: not a dictionary"),
        ("mdhier.asc", "1$2$3$\n", "MedDRA's file has 12"),
    ],
)
def test_refuses_what_is_no_dictionary(tmp_path, name, content, told):
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(DictionaryError, match=told):
        read_dictionary(tmp_path / name)
