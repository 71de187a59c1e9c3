# SPDX-License-Identifier: Apache-2.0
"""Backup, restore, and what happens when a restore lost allocations that doctors have seen."""

import gzip
import shutil
from dataclasses import replace

import pytest
from sqlalchemy import text

from radioligand.service.backup import read_backup, restore_backup, write_backup
from radioligand.service.database import DatabaseError, connect
from radioligand.service.ledger import Ledger, RefusalError
from radioligand.service.reconciling import Certificate
from radioligand.service.verification import verify_ledger


@pytest.fixture
def again(protocol, keys, clock, tmp_path):
    """Restore a backup into a new file and open the ledger on it with its anchor."""
    engines = []

    def restore(path, *, anchor):
        engine = connect(f"{tmp_path}/restored-{len(engines)}.db")
        engines.append(engine)
        restore_backup(engine, path)
        return Ledger(engine, protocol, keys=keys, clock=clock, anchor=anchor)

    yield restore
    for engine in engines:
        engine.dispose()


def certificate(told):
    return Certificate(
        subject=told.subject,
        site=told.site,
        arm=told.arm,
        strata=told.strata,
        actor=told.actor,
        signature=told.signature,
        reference=told.reference,
    )


@pytest.fixture
def lost(ledger, ready, randomise, again, tmp_path):
    """Four patients, a backup after the first two, a restore; the last two certificates."""
    for number in range(4):
        ready(ledger, f"1001-{number:03}")
    randomise(ledger, "1001-000")
    randomise(ledger, "1001-001")
    write_backup(ledger.engine, tmp_path / "backup")
    gone = [randomise(ledger, "1001-002"), randomise(ledger, "1001-003")]
    return again(tmp_path / "backup", anchor=ledger.anchor), [certificate(one) for one in gone]


def test_a_backup_restores_every_row(ledgers, ready, randomise, again, tmp_path):
    ready(ledgers, "1001-001")
    first = randomise(ledgers, "1001-001")
    head = write_backup(ledgers.engine, tmp_path / "backup")

    restored = again(tmp_path / "backup", anchor=ledgers.anchor)

    assert restored.head() == head == ledgers.head()
    assert restored.events() == ledgers.events()
    assert restored.state() == "open"
    assert randomise(restored, "1001-001") == first
    assert verify_ledger(restored.engine, anchor=ledgers.anchor).is_sound
    with pytest.raises(Exception, match="append-only"), restored.engine.begin() as connection:
        connection.execute(text("delete from audit"))


def test_a_backup_goes_into_the_other_kind_of_database(
    ledger, postgresql_url, ready, randomise, tmp_path, protocol, keys, clock
):
    ready(ledger, "1001-001")
    ready(ledger, "1001-002")
    randomise(ledger, "1001-001")
    write_backup(ledger.engine, tmp_path / "backup")
    engine = connect(postgresql_url)
    restore_backup(engine, tmp_path / "backup")
    moved = Ledger(engine, protocol, keys=keys, clock=clock, anchor=ledger.anchor)

    randomise(moved, "1001-002")

    assert moved.head().allocations == 2
    assert verify_ledger(engine, anchor=ledger.anchor).is_sound
    engine.dispose()


def test_a_damaged_backup_is_refused(ledger, tmp_path):
    path = tmp_path / "backup"
    write_backup(ledger.engine, path)
    with pytest.raises(DatabaseError, match="never replaced"):
        write_backup(ledger.engine, path)
    lines = gzip.decompress(path.read_bytes())

    (tmp_path / "edited").write_bytes(gzip.compress(lines.replace(b"manager", b"nobody!", 1)))
    with pytest.raises(DatabaseError, match="is damaged"):
        read_backup(tmp_path / "edited")
    (tmp_path / "cut").write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatabaseError, match="is no backup"):
        read_backup(tmp_path / "cut")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(DatabaseError, match="is no backup"):
        read_backup(tmp_path / "text")
    with pytest.raises(DatabaseError, match="restore into an empty one"):
        restore_backup(ledger.engine, path)


def test_a_restored_ledger_does_not_randomise_before_it_is_reconciled(lost, ready, randomise):
    ledger, gone = lost
    assert ledger.state() == "reconcile"
    with pytest.raises(RefusalError, match="restored") as told:
        randomise(ledger, "1001-002", key="new")
    assert told.value.code == "reconcile"

    ready(ledger, "1001-009")  # other events go on, and say that a restore came before
    assert [event.kind for event in ledger.events()].count("restored") == 1
    with pytest.raises(RefusalError, match="not reconciled"):
        randomise(ledger, "1001-009")

    event = ledger.reconcile(gone, actor="manager", reason="server room burnt down")

    assert event.payload == {"certificates": 2}
    assert ledger.state() == "open"
    assert ledger.head().allocations == 4
    assert {one.subject: ledger.patient(one.subject).arm for one in gone} == {
        one.subject: one.arm for one in gone
    }
    randomise(ledger, "1001-009")
    found = verify_ledger(ledger.engine, anchor=ledger.anchor)
    assert found.is_sound
    assert any("2 allocations among them" in note for note in found.notes)
    assert any("server room" in note for note in found.notes)


def test_certificates_come_back_in_their_first_order(lost, entries):
    ledger, gone = lost
    ledger.reconcile(gone[::-1], actor="manager", reason="restore")

    with ledger.engine.connect() as connection:
        rows = connection.execute(text("select subject, arm from allocation order by sequence"))
        found = [tuple(row) for row in rows]
    arms = entries.filter(STRATUM="2 / PANCREAS")["ARMCD"].head(4).to_list()
    assert found == [(f"1001-{number:03}", arm) for number, arm in enumerate(arms)]


def test_reconciling_needs_every_certificate_and_no_other(lost):
    ledger, gone = lost
    other = {"LU": "CONTROL", "CONTROL": "LU"}
    wrong_arm = replace(gone[0], arm=other[gone[0].arm])
    for given, says in [
        (gone[:1], "2 allocations were lost, 1 certificates given"),
        ([gone[0], gone[0]], "two certificates"),
        ([gone[0], replace(gone[1], reference="f" * 64)], "that the anchor does not know"),
        ([gone[0], replace(gone[1], reference=gone[1].reference[:8])], "does not know"),
        ([wrong_arm, gone[1]], "does not agree with the list"),
        ([replace(gone[0], subject="1001-000"), gone[1]], "has an allocation in this database"),
        ([replace(gone[0], strata={"STRGRADE": "9"}), gone[1]], "STRGRADE is '9'"),
    ]:
        with pytest.raises(RefusalError, match=says):
            ledger.reconcile(given, actor="manager", reason="restore")
        assert ledger.head().allocations == 2
    with pytest.raises(RefusalError, match="needs its reason"):
        ledger.reconcile(gone, actor="manager", reason=" ")


def test_a_reference_may_be_typed_from_paper_by_its_first_letters(lost):
    ledger, gone = lost
    typed = [replace(one, reference=one.reference[:16]) for one in gone]
    assert ledger.reconcile(typed, actor="manager", reason="restore").number


def test_there_is_nothing_to_reconcile_in_an_open_ledger(ledger):
    with pytest.raises(RefusalError, match="nothing to reconcile"):
        ledger.reconcile([], actor="manager", reason="to be sure")


def test_a_second_restore_to_before_the_first_is_seen_too(lost, again, tmp_path, randomise):
    ledger, gone = lost
    ledger.reconcile(gone, actor="manager", reason="first fire")
    second = again(tmp_path / "backup", anchor=ledger.anchor)

    assert second.state() == "reconcile"
    second.reconcile(gone, actor="manager", reason="second fire")

    assert second.head().era == 2
    assert second.head().allocations == 4
    assert verify_ledger(second.engine, anchor=ledger.anchor).is_sound


def test_a_restore_twice_without_reconciling_forgets_nobody(lost, again, tmp_path, randomise):
    ledger, gone = lost
    ledger.record("signed in", actor="manager")
    found = verify_ledger(ledger.engine, anchor=ledger.anchor)
    broken = [check.says for check in found.checks if check.faults]
    assert broken == ["every restore that lost records was reconciled"]

    second = again(tmp_path / "backup", anchor=ledger.anchor)
    with pytest.raises(RefusalError, match="2 allocations were lost, 0 certificates given"):
        second.reconcile([], actor="manager", reason="second fire")
    second.reconcile(gone, actor="manager", reason="second fire")

    assert second.head().allocations == 4
    assert verify_ledger(second.engine, anchor=ledger.anchor).is_sound


def test_a_copy_of_the_files_in_the_midst_of_writing_is_sound(ledger, ready, tmp_path, keys):
    """What a power cut leaves: the database and its log as they lie on the disk."""
    for number in range(3):
        ready(ledger, f"1001-{number:03}")
        for suffix in ("", "-wal"):
            shutil.copy(f"{tmp_path}/ledger.db{suffix}", f"{tmp_path}/cut-{number}.db{suffix}")
        engine = connect(f"{tmp_path}/cut-{number}.db")
        assert verify_ledger(engine).is_sound
        engine.dispose()
