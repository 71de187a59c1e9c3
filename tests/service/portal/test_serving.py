# SPDX-License-Identifier: Apache-2.0
"""The command that serves: what it starts from, where it listens, what it says once."""

import sqlite3
from dataclasses import replace

import polars as pl
import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from radioligand.allocation import ListError, make_draws
from radioligand.cli import cli, serving
from radioligand.io.documents import DocumentError
from radioligand.io.outputs import OutputError
from radioligand.service import accounts
from radioligand.service.audit import anchor_line, write_anchor
from radioligand.service.database import DatabaseError
from radioligand.service.roles import Role
from radioligand.service.starting import Place
from radioligand.service.verification import verify_ledger


@pytest.fixture
def place(tmp_path):
    return Place(
        url=f"sqlite:///{tmp_path}/trial.db",
        secret=tmp_path / "trial.secret",
        anchor=tmp_path / "trial.anchor",
    )


def test_a_first_start_makes_everything_and_a_second_finds_it(protocol, place):
    origins = frozenset({"http://127.0.0.1:8000"})
    first = serving.started(protocol, place, origins=origins)
    second = serving.started(protocol, place, origins=origins)

    assert [one.name for one in accounts.accounts(first.portal.engine)] == ["admin"]
    assert "one-time password" in first.said[-1]
    assert second.said == ()
    assert second.portal.ledger.head() == first.portal.ledger.head()
    first.portal.ledger.record("list released", actor="manager")
    kept = [place.secret, place.anchor, *place.sealed.iterdir()]
    kept += place.secret.parent.glob("trial.db*")
    assert len(kept) >= 6
    assert [one.name for one in kept if one.stat().st_mode & 0o077] == []
    for one in (first, second):
        one.portal.engine.dispose()


def test_a_new_trial_randomises_nobody_before_its_list_is_released(protocol, place):
    started = serving.started(protocol, place, origins=frozenset())
    kinds = [one.kind for one in started.portal.ledger.events()]
    assert kinds == ["ledger opened"]
    started.portal.engine.dispose()


@pytest.mark.parametrize(
    ("host", "address", "says"),
    [
        ("0.0.0.0", None, "open to a network"),
        ("0.0.0.0", "http://portal.example.org", "https:// alone"),
    ],
)
def test_nothing_is_served_to_a_network_without_encryption(host, address, says):
    with pytest.raises(DocumentError, match=says):
        serving.origins_of(host, 8000, address)


def test_origins_are_what_browsers_send():
    assert serving.origins_of("127.0.0.1", 8000, None) == {
        "http://127.0.0.1:8000",
        "http://localhost:8000",
    }
    behind = serving.origins_of("0.0.0.0", 8000, "https://portal.example.org/")
    assert behind == {"https://portal.example.org"}


def test_what_can_be_mended_is_told_in_one_line(tmp_path):
    (tmp_path / "trial.secret").write_text("not a secret")
    typed = ["serve", "netter-2", "--database", str(tmp_path / "trial.db")]
    told = CliRunner().invoke(cli, typed)
    assert told.exit_code == 1
    assert "is never replaced" in told.output
    assert "Traceback" not in told.output


# --- the commitments of a list can be opened, whoever made it -------------------------------------


def audited(place, folder):
    database = place.url.removeprefix("sqlite:///")
    return CliRunner().invoke(cli, ["audit", database, "--list", str(folder)])


@pytest.fixture
def made(tmp_path):
    """The folder of a list, as `list make` wrote it."""
    folder = tmp_path / "list"
    done = CliRunner().invoke(cli, ["list", "make", "netter-2", "--out", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


def test_a_list_with_its_salts_beside_it_is_opened_by_its_makers_folder(protocol, place, made):
    started = serving.started(protocol, place, origins=frozenset(), list_file=made / "list.csv")
    started.portal.engine.dispose()

    assert not place.sealed.exists()
    assert "✓ every entry of the list opens its commitment: 960" in audited(place, made).output


def test_the_salts_of_an_uploaded_list_are_sealed_outside_the_database(
    protocol, place, made, tmp_path
):
    uploaded = tmp_path / "uploaded.csv"
    (made / "salts.csv").unlink()
    (made / "list.csv").rename(uploaded)

    started = serving.started(protocol, place, origins=frozenset(), list_file=uploaded)
    started.portal.engine.dispose()

    assert str(place.sealed) in started.said[0]
    assert place.sealed.stat().st_mode & 0o777 == 0o700
    told = audited(place, place.sealed)
    assert told.exit_code == 0
    assert "✓ every entry of the list opens its commitment: 960" in told.output
    text = (place.sealed / "list.csv").read_text("utf-8")
    last = text.splitlines()[-1]
    other = last[:-2] + "CONTROL" if last.endswith("LU") else last.removesuffix("CONTROL") + "LU"
    (place.sealed / "list.csv").write_text(text.replace(last, other), "utf-8")
    told = audited(place, place.sealed)
    assert told.exit_code == 1
    assert "✗ every entry of the list opens its commitment" in told.output


def test_a_list_made_at_the_first_start_is_sealed_as_well(protocol, place):
    started = serving.started(protocol, place, origins=frozenset())
    started.portal.engine.dispose()

    told = audited(place, place.sealed)
    assert told.exit_code == 0
    assert "✓ every entry of the list opens its commitment: 960" in told.output
    assert sorted(one.name for one in place.sealed.iterdir()) == [
        "list.csv",
        "salts.csv",
        "seed.txt",
    ]


def test_a_sealed_list_is_never_replaced_and_salts_are_those_of_the_list(protocol, place, made):
    place.sealed.mkdir()
    with pytest.raises(DatabaseError, match="is never replaced"):
        serving.started(protocol, place, origins=frozenset())
    assert not place.secret.exists()

    lines = (made / "salts.csv").read_text("utf-8").splitlines()
    (made / "salts.csv").write_text("\n".join(lines[:-1]), "utf-8")
    with pytest.raises(OutputError, match="the salts of another list"):
        serving.started(protocol, place, origins=frozenset(), list_file=made / "list.csv")
    (made / "salts.csv").write_text("STRATUM,SALT\nA,b\n", "utf-8")
    with pytest.raises(OutputError, match="holds no salts"):
        serving.started(protocol, place, origins=frozenset(), list_file=made / "list.csv")


def test_a_busy_database_is_told_as_such_and_a_fault_is_not_hidden(browser, monkeypatch):
    one = browser(Role.MONITOR)

    def fails_with(says):
        def resume(*_, **__):
            raise OperationalError("select", None, sqlite3.OperationalError(says))

        monkeypatch.setattr("radioligand.service.application.resume", resume)

    fails_with("database is locked")
    answer = one.get("/patients")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert "send it again" in answer.text
    fails_with("no such table: sessions")
    with pytest.raises(OperationalError):
        one.get("/patients")


# --- the anchor ----------------------------------------------------------------------------------


@pytest.fixture
def under_way(protocol, place):
    """A portal that has begun, with events beyond its opening."""
    started = serving.started(protocol, place, origins=frozenset())
    started.portal.ledger.record("list released", actor="manager")
    started.portal.engine.dispose()


@pytest.mark.parametrize("left", ["nothing", "an empty file", "another ledger's heads"])
def test_a_ledger_under_way_is_not_served_without_its_anchor(protocol, place, under_way, left):
    heads = place.anchor.read_text("utf-8")
    place.anchor.unlink()
    if left == "an empty file":
        place.anchor.touch()
    elif left != "nothing":
        place.anchor.write_text(heads.replace('"trial":"netter-2"', '"trial":"netter-1"'))

    with pytest.raises(DatabaseError, match="holds no head of this ledger of 2 events"):
        serving.started(protocol, place, origins=frozenset())


def test_a_new_anchor_is_begun_with_its_reason_and_the_audit_tells_it(protocol, place, under_way):
    with pytest.raises(DatabaseError, match="has its anchor"):
        serving.started(protocol, place, origins=frozenset(), new_anchor="not needed")
    place.anchor.unlink()

    started = serving.started(protocol, place, origins=frozenset(), new_anchor="the disk broke")
    engine = started.portal.engine
    last = started.portal.ledger.events()[-1]
    found = verify_ledger(engine, anchor=place.anchor)
    engine.dispose()

    assert (last.number, last.kind, last.reason) == (3, "anchor begun", "the disk broke")
    assert found.is_sound
    assert found.notes == (
        "the anchor begins at record 3; what came before stands on the chain alone",
        "a new anchor was begun at record 3: the disk broke",
    )
    again = serving.started(protocol, place, origins=frozenset())
    again.portal.engine.dispose()


# --- the list of a new trial ----------------------------------------------------------------------


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Type `serve` with a list, in an empty folder; nothing is answered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serving, "serve", lambda started, *_, **__: started.portal.engine.dispose())

    def typed(*words):
        return CliRunner().invoke(cli, ["serve", *map(str, words)])

    return typed


def test_a_list_of_blocks_of_several_sizes_is_served(served, tmp_path):
    make = ["list", "make", "netter-2", "--out", "list", "--blocks", "3,6,9"]
    assert CliRunner().invoke(cli, make).exit_code == 0

    refused = served("netter-2", "--list", "list/list.csv")
    assert refused.exit_code == 1
    assert "allowed: 6" in refused.output
    done = served("netter-2", "--list", "list/list.csv", "--blocks", "3,6,9")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "netter-2.db").exists()


def test_the_test_list_is_not_served(served, made, tmp_path):
    listed = made / "list.csv"
    refused = served("netter-2", "--list", listed, "--against", listed)
    assert refused.exit_code == 1
    assert "of the test list" in refused.output
    assert not (tmp_path / "netter-2.secret").exists()


def draws(protocol):
    plan = protocol.randomisation.model_copy(update={"method": "minimisation"})
    minimised = protocol.model_copy(update={"randomisation": plan})
    return minimised, make_draws(minimised, seed="s" * 32, entries=20)


def test_the_draws_of_a_minimised_trial_are_checked(protocol, place, tmp_path):
    minimised, listed = draws(protocol)
    spoilt = {
        "missing: DRAW": listed.drop("DRAW"),
        "DRAW is none of": listed.with_columns(DRAW=pl.col("DRAW") + 1),
        "there twice in 20 of 20": listed.with_columns(DRAW=pl.lit(0.5)),
        "SEQUENCE is not": listed.reverse(),
        "STRATUM is not 'all'": listed.with_columns(STRATUM=pl.lit("some")),
        "has no entry": listed.clear(),
    }
    for says, frame in spoilt.items():
        frame.write_parquet(tmp_path / "spoilt.parquet")
        with pytest.raises(ListError, match=says):
            serving.started(
                minimised, place, origins=frozenset(), list_file=tmp_path / "spoilt.parquet"
            )
    listed.write_parquet(tmp_path / "test.parquet")
    used = serving.Checked(against=tmp_path / "test.parquet")
    with pytest.raises(ListError, match="those of the test list"):
        serving.started(
            minimised,
            place,
            origins=frozenset(),
            list_file=tmp_path / "test.parquet",
            checked=used,
        )
    started = serving.started(
        minimised, place, origins=frozenset(), list_file=tmp_path / "test.parquet"
    )
    started.portal.engine.dispose()


def test_the_audit_shows_the_last_restore(portal, browser, keys, moments):
    lost = replace(portal.ledger.head(), number=portal.ledger.head().number + 1, hash="f" * 64)
    line = anchor_line(lost, trial="netter-2", at=moments().isoformat(), keys=keys)
    write_anchor(portal.ledger.anchor, line)

    page = browser(Role.AUDITOR).get("/audit").text

    (event,) = portal.ledger.events(kinds=("restored",))
    assert f"Last restored: record {event.number}, 2026-01-12 09:00 UTC" in page
    assert "<dt>Protocol version</dt><dd>1</dd>" in page
