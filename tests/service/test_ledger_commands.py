# SPDX-License-Identifier: Apache-2.0
"""The commands of lists and ledgers, as they are typed."""

import json
from dataclasses import asdict

import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.io.lists import read_list
from radioligand.io.outputs import OutputError
from radioligand.service.backup import write_backup
from radioligand.service.database import connect
from radioligand.service.keys import read_secret
from radioligand.service.ledger import Ledger


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Type a command in an empty folder; its output, if it ends as it should."""
    monkeypatch.chdir(tmp_path)

    def run(*words, status=0):
        done = CliRunner().invoke(cli, [str(word) for word in words])
        assert done.exit_code == status, done.output
        return done.output

    return run


def test_a_list_is_made_checked_and_never_replaced(typed, tmp_path):
    typed("list", "make", "netter-2", "--out", "list")
    assert "no faults. 960 entries in 4 strata" in typed(
        "list", "check", "list/list.csv", "netter-2"
    )
    assert (tmp_path / "list").stat().st_mode & 0o777 == 0o700
    assert read_list(tmp_path / "list" / "list.csv").schema["STRGRADE"] == pl.String
    assert "never replaced" in typed("list", "make", "netter-2", "--out", "list", status=1)


def test_the_same_seed_makes_the_same_files(typed, tmp_path):
    typed("list", "make", "netter-2", "--out", "one", "--blocks", "3,6")
    typed(
        "list", "make", "netter-2", "--out", "two", "--blocks", "3,6", "--seed-file", "one/seed.txt"
    )
    for name in ("list.csv", "salts.csv", "seed.txt"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_test_list_wrong_blocks_and_no_lists_are_refused(typed, tmp_path):
    typed("list", "make", "netter-2", "--out", "list")
    again = ("list", "check", "list/list.csv", "netter-2", "--against", "list/list.csv")
    assert "of the test list" in typed(*again, status=1)
    assert "allowed: 9" in typed(*again[:4], "--blocks", "9", status=1)
    assert "no list of whole numbers" in typed(*again[:4], "--blocks", "six", status=2)
    (tmp_path / "short").write_text("guess me")
    short = ("list", "make", "netter-2", "--out", "other", "--seed-file", "short")
    assert "could be guessed" in typed(*short, status=1)
    (tmp_path / "x.csv").write_text("STRATUM,SEQUENCE\na,first\n")
    with pytest.raises(OutputError, match="is no randomisation list"):
        read_list(tmp_path / "x.csv")


def test_a_ledger_is_opened_audited_backed_up_and_restored(typed, tmp_path):
    typed("list", "make", "netter-2", "--out", "list")
    opened = ("ledger", "open", "netter-2", "a.db", "--list", "list", "--actor", "lister")
    key = typed(*opened).split()[-1]
    assert "holds a ledger already" in typed(*opened, status=1)
    assert (tmp_path / "a.secret").stat().st_mode & 0o777 == 0o600

    told = json.loads(typed("audit", "a.db", "--key", key, "--list", "list", "--json"))
    assert told["sound"]
    assert told["head"]["number"] == 1
    assert "✗ the ledger's key" in typed("audit", "a.db", "--key", "0" * 64, status=1)

    typed("ledger", "backup", "a.db", "monday")
    assert (tmp_path / "monday").stat().st_mode & 0o777 == 0o600
    typed("ledger", "restore", "monday", "b.db")
    assert "✓ the head is the last record" in typed("audit", "b.db")


def test_lost_allocations_are_reconciled_from_a_file(typed, tmp_path, protocol, ready, randomise):
    typed("list", "make", "netter-2", "--out", "list")
    typed("ledger", "open", "netter-2", "a.db", "--list", "list", "--actor", "lister")
    engine = connect("a.db")
    keys = read_secret(tmp_path / "a.secret")
    ledger = Ledger(engine, protocol, keys=keys, anchor=tmp_path / "b.anchor")
    ledger.record("list released", actor="manager")
    ledger.record("site opened", site="1001", actor="manager")
    ready(ledger, "1001-001")
    write_backup(engine, tmp_path / "monday")
    told = asdict(randomise(ledger, "1001-001"))
    engine.dispose()
    fields = ("subject", "site", "arm", "strata", "actor", "signature", "reference")
    (tmp_path / "lost.json").write_text(json.dumps([{name: told[name] for name in fields}]))
    typed("ledger", "restore", "monday", "b.db")

    lost = ("ledger", "reconcile", "netter-2", "b.db", "lost.json", "--secret", "a.secret")
    assert "1 allocations entered again" in typed(*lost, "--actor", "me", "--reason", "fire")
    assert "nothing to reconcile" in typed(*lost, "--actor", "me", "--reason", "?", status=1)
    assert "Note: reconciled at record" in typed("audit", "b.db", "--anchor", "b.anchor")
    (tmp_path / "lost.json").write_text('[{"subject": "1001-001"}]')
    assert "holds no certificates" in typed(*lost, "--actor", "me", "--reason", "?", status=1)


def test_what_cannot_be_opened_is_told_in_one_line(typed, tmp_path):
    assert "there is no database nowhere.db" in typed("audit", "nowhere.db", status=1)
    assert "the ledger runs on" in typed("audit", "mysql://host/x", status=1)
    absent = f"postgresql://nobody@/none?host={tmp_path}"
    assert "does not open" in typed("audit", absent, status=1)
    (tmp_path / "empty.db").touch()
    assert "holds no ledger" in typed("audit", "empty.db", status=1)
