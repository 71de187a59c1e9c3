# SPDX-License-Identifier: Apache-2.0
"""A study under way becomes a ledger with all that happened since, or nothing is left behind."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from radioligand.service import starting
from radioligand.service.database import DatabaseError, connect, has_ledger
from radioligand.service.sdtm import sdtm
from radioligand.service.snapshot import steps
from radioligand.service.starting import Place, list_of, start
from radioligand.simulation.patients import read_population, simulate_study

UNTIL = date(2021, 3, 1)
ORIGINS = frozenset({"https://portal.example.org"})


@pytest.fixture(scope="module")
def virtual(protocol):
    return simulate_study(protocol=protocol, population=read_population("netter-2"), seed=1)


@pytest.fixture(scope="module")
def crossed(virtual, protocol):
    """The steps of the first three patients who crossed over, and of one who did not."""
    ex = virtual["EX"].filter(pl.col("EPOCH") == "CROSSOVER", pl.col("EXSTDTC") < "2020-12")
    few = ex["USUBJID"].unique().sort().to_list()[:3]
    dm = virtual["DM"].filter(pl.col("ARMCD") == "LU", pl.col("RFICDTC") < "2020-06")
    subjects = [*few, dm["USUBJID"].sort()[0]]
    names = virtual["DM"].filter(pl.col("USUBJID").is_in(subjects))["SUBJID"].to_list()
    found = steps(virtual, protocol=protocol, until=UNTIL)
    return subjects, [one for one in found if one.subject in names]


def place_in(folder, url=""):
    return Place(
        url=url or f"sqlite:///{folder}/trial.db",
        secret=folder / "trial.secret",
        anchor=folder / "trial.anchor",
    )


def test_doses_after_crossover_visits_and_questionnaires_come_back(
    virtual, crossed, protocol, tmp_path
):
    subjects, replayed = crossed
    portal = start(
        protocol,
        place_in(tmp_path),
        origins=ORIGINS,
        entries=list_of(replayed, protocol=protocol),
        replayed=lambda: replayed,
        clock=lambda: datetime(2021, 3, 1, 12, tzinfo=UTC),
    ).portal
    frames = sdtm(portal.ledger.patients(), protocol=protocol)
    state = [one.facts for one in portal.ledger.patients() if one.arm == "CONTROL"]
    portal.engine.dispose()

    def of(frame, day, *columns):
        return (
            frame.with_columns(pl.col("USUBJID").str.split("-").list.tail(2).list.join("-"))
            .filter(pl.col(day).str.slice(0, 10) <= UNTIL.isoformat())
            .select("USUBJID", pl.col(day).str.slice(0, 16), *columns)
            .sort("USUBJID", day, *columns)
        )

    there = pl.col("USUBJID").is_in(subjects)
    given = virtual["EX"].filter(there, pl.col("EPOCH") != "RE-TREATMENT", pl.col("EXDOSE") > 0)
    doses = ("EPOCH", "EXTRT", "EXDOSE")
    is_ligand = pl.col("EXTRT") == "177LU-DOTATATE"
    assert_frame_equal(
        of(frames["EX"].filter(is_ligand), "EXSTDTC", *doses),
        of(given.filter(is_ligand), "EXSTDTC", *doses),
    )
    assert frames["EX"].filter(pl.col("EPOCH") == "CROSSOVER")["USUBJID"].n_unique() == 3
    assert all("on radioligand" in facts for facts in state)
    answers = ("QSTESTCD", "QSCAT", "QSSTRESN")
    assert_frame_equal(
        of(frames["QS"], "QSDTC", *answers), of(virtual["QS"].filter(there), "QSDTC", *answers)
    )


def break_off(monkeypatch, after, error):
    """Let the replay of a study stop after so many steps."""
    done = starting._replay
    seen = []

    def stopping(ledger, one):
        seen.append(one)
        if len(seen) > after:
            raise error
        done(ledger, one)

    monkeypatch.setattr(starting, "_replay", stopping)


@pytest.mark.parametrize("error", [DatabaseError("another arm"), KeyboardInterrupt()])
def test_a_start_that_fails_leaves_nothing_behind(
    crossed, protocol, tmp_path, url, monkeypatch, error
):
    _, replayed = crossed
    place, other = place_in(tmp_path, url), tmp_path / "other.txt"
    other.write_text("stays")
    listed = list_of(replayed, protocol=protocol)
    with monkeypatch.context() as patched:
        break_off(patched, 20, error)
        with pytest.raises(type(error)):
            start(protocol, place, origins=ORIGINS, entries=listed, replayed=lambda: replayed)

    assert [one.name for one in tmp_path.iterdir()] == ["other.txt"]
    engine = connect(url)
    assert not has_ledger(engine)
    engine.dispose()
    again = start(protocol, place, origins=ORIGINS, entries=listed, replayed=lambda: replayed[:5])
    again.portal.engine.dispose()


def test_a_start_that_fails_keeps_an_anchor_that_was_there(crossed, protocol, tmp_path):
    _, replayed = crossed
    place = place_in(tmp_path)
    place.anchor.write_text("of an earlier ledger\n")
    turned = list_of(replayed, protocol=protocol).with_columns(
        ARMCD=pl.col("ARMCD").replace({"LU": "CONTROL", "CONTROL": "LU"})
    )
    with pytest.raises(ValueError):  # noqa: PT011
        start(protocol, place, origins=ORIGINS, entries=turned, replayed=lambda: replayed)
    assert place.anchor.read_text().startswith("of an earlier ledger\n")
    assert not place.secret.exists()


def test_a_database_on_which_the_machine_stopped_is_refused(
    crossed, protocol, tmp_path, monkeypatch
):
    _, replayed = crossed
    place = place_in(tmp_path)
    listed = list_of(replayed, protocol=protocol)
    break_off(monkeypatch, 20, DatabaseError("the machine stops here"))
    monkeypatch.setattr(starting, "_take_back", lambda engine, *made: engine.dispose())
    with pytest.raises(DatabaseError, match="stops here"):
        start(protocol, place, origins=ORIGINS, entries=listed, replayed=lambda: replayed)

    with pytest.raises(DatabaseError, match="was broken off; remove the database"):
        start(protocol, place, origins=ORIGINS)
