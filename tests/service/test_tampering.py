# SPDX-License-Identifier: Apache-2.0
"""Somebody with every right on the database changes something: which check finds it."""

import hashlib
import json
import sqlite3

import pytest
from sqlalchemy import text

from radioligand.allocation import make_salts
from radioligand.service.audit import read_anchors
from radioligand.service.keys import keys_of
from radioligand.service.ledger import RefusalError
from radioligand.service.verification import verify_ledger

SEED = "a seed that only these tests know"

CHAIN = "each record is numbered and hashed after the one before"
COLUMNS = "the columns beside a record repeat it"
HEAD = "the head is the last record"
ORDER = "every event came when it might"
ENTRIES = "in each stratum, patients got entries 1, 2, ... in the order of the records"
CURSORS = "each cursor stands behind the last entry used"
ANSWERS = "every event has its stored answer"
LIST = "the list is the one that was committed to"
OPENS = "every entry of the list opens its commitment"
ARMS = "every patient got the arm of the entry"
ANCHORED = "every anchored head is in the chain"


@pytest.fixture
def used(ledger, ready, randomise):
    """A ledger with three patients, and nothing left that guards its tables."""
    for number in range(3):
        ready(ledger, f"1001-{number:03}")
        randomise(ledger, f"1001-{number:03}")
    with ledger.engine.begin() as connection:
        names = connection.execute(text("select name from sqlite_master where type = 'trigger'"))
        for name in names.scalars().all():
            connection.execute(text(f"drop trigger {name}"))
    return ledger


def attack(ledger, *statements, **values):
    """Write past the ledger, its triggers and its foreign keys."""
    connection = sqlite3.connect(ledger.engine.url.database)
    for statement in statements:
        named = {name: value for name, value in values.items() if f":{name}" in statement}
        connection.execute(statement, named)
    connection.commit()
    connection.close()


def rewrite(ledger):
    """Hash every record again, as somebody who knows the rule would."""
    with ledger.engine.begin() as connection:
        rows = connection.execute(text("select number, record from audit order by number")).all()
        digest, number = "0" * 64, 0
        for number, record in rows:
            digest = hashlib.sha256((digest + record).encode()).hexdigest()
            connection.execute(
                text("update audit set hash = :h where number = :n"), {"h": digest, "n": number}
            )
        connection.execute(
            text("update head set hash = :h, number = :n"), {"h": digest, "n": number}
        )


def broken(ledger, keys, entries=None, anchor="its own", public=None):
    found = verify_ledger(
        ledger.engine,
        anchor=ledger.anchor if anchor == "its own" else anchor,
        public=public or keys.public,
        entries=entries,
        salts=None if entries is None else make_salts(entries, seed=SEED),
    )
    return {check.says for check in found.checks if check.faults}


def arm_of(ledger, number):
    with ledger.engine.connect() as connection:
        asked = text("select arm from allocation where number = :n")
        return connection.execute(asked, {"n": number}).scalar_one()


def last_allocation(ledger):
    return ledger.events(kinds=("randomised",))[-1].number


def test_an_untouched_ledger_is_sound(used, keys, entries):
    assert broken(used, keys, entries) == set()


def test_an_edit_breaks_the_chain(used, keys):
    attack(
        used, "update audit set record = replace(record, 'coordinator', 'nobody') where number = 5"
    )
    assert CHAIN in broken(used, keys, anchor=None)


def test_a_signature_copied_to_another_record_is_found_and_stops_the_ledger(used, keys):
    (signed,) = used.events(subject="1001-000", kinds=("eligibility signed",))
    (unsigned,) = used.events(subject="1001-002", kinds=("consented",))
    attack(
        used,
        "update audit set record = json_set(record, '$.signature', json((select "
        "json_extract(record, '$.signature') from audit where number = :signed))) "
        "where number = :bare",
        signed=signed.number,
        bare=unsigned.number,
    )
    assert used.event(unsigned.number).signature == signed.signature
    assert CHAIN in broken(used, keys, anchor=None)

    rewrite(used)
    assert CHAIN not in broken(used, keys)
    assert ANCHORED in broken(used, keys)
    with pytest.raises(RefusalError, match="not the one that was anchored"):
        used.record("site closed", site="1001", actor="manager", reason="a look")


def test_an_edit_with_every_hash_made_again_breaks_the_anchor_alone(used, keys):
    attack(
        used, "update audit set record = replace(record, 'coordinator', 'nobody') where number = 5"
    )
    rewrite(used)
    attack(
        used,
        "update answer set response = json_set(response, '$.reference', "
        "(select hash from audit where audit.number = answer.number)) "
        "where number in (select number from allocation)",
    )
    assert broken(used, keys, anchor=None) == set()
    assert broken(used, keys) == {ANCHORED}
    with pytest.raises(RefusalError, match="not the one that was anchored") as told:
        used.record("signed in", actor="coordinator")
    assert told.value.code == "tampered"
    assert used.state() == "tampered"


def test_another_arm_in_every_table_disagrees_with_the_list(used, keys, entries):
    number = last_allocation(used)
    arm = arm_of(used, number)
    other = {"LU": "CONTROL", "CONTROL": "LU"}[arm]
    attack(
        used,
        "update allocation set arm = :other where number = :n",
        "update audit set record = replace(record, :quoted, :instead) where number = :n",
        other=other,
        n=number,
        quoted=f'"arm":"{arm}"',
        instead=f'"arm":"{other}"',
    )
    rewrite(used)
    attack(
        used,
        "update answer set response = json_set(response, '$.arm', :other, '$.reference', "
        "(select hash from audit where number = :n)) where number = :n",
        other=other,
        n=number,
    )
    assert broken(used, keys, entries) == {ANCHORED, ARMS}


def test_an_arm_changed_in_one_table_is_not_that_of_the_audit(used, keys):
    attack(used, "update allocation set arm = case arm when 'LU' then 'CONTROL' else 'LU' end")
    assert broken(used, keys, anchor=None) == {ENTRIES}


def test_an_inserted_record_breaks_the_chain(used, keys):
    attack(
        used,
        "insert into audit select number + 1000, kind, site, subject, record, hash from audit "
        "where number = 4",
    )
    assert {CHAIN, COLUMNS, HEAD} <= broken(used, keys, anchor=None)


def test_an_event_slipped_in_and_hashed_again_breaks_the_anchor_and_the_order(used, keys):
    head = used.head()
    told = json.loads(_record(used, 5)) | {"number": head.number + 1, "kind": "eligibility signed"}
    record = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    attack(
        used,
        "insert into audit values (:n, 'eligibility signed', '1001', :subject, :record, '')",
        n=head.number + 1,
        subject=told["subject"],
        record=record,
    )
    rewrite(used)
    assert {ORDER, ANSWERS} <= broken(used, keys, anchor=None)


def test_a_deleted_record_leaves_a_gap(used, keys):
    attack(used, "delete from audit where number = 6")
    assert CHAIN in broken(used, keys, anchor=None)


def test_two_records_in_each_others_place_break_the_chain(used, keys):
    first, second = _record(used, 4), _record(used, 5)
    attack(used, "update audit set record = :record where number = 4", record=second)
    attack(used, "update audit set record = :record where number = 5", record=first)
    assert CHAIN in broken(used, keys, anchor=None)
    rewrite(used)
    assert COLUMNS in broken(used, keys, anchor=None)
    assert ANCHORED in broken(used, keys)


def test_a_tail_that_was_cut_off_is_missed_by_the_anchor_alone(used, keys):
    number = last_allocation(used)
    stratum = used.event(number).payload["stratum"]
    attack(
        used,
        "delete from answer where number >= :n",
        "delete from allocation where number >= :n",
        "delete from audit where number >= :n",
        "update cursor set next_sequence = next_sequence - 1 where stratum = :stratum",
        "update head set allocations = allocations - 1",
        n=number,
        stratum=stratum,
    )
    rewrite(used)
    assert broken(used, keys, anchor=None) == set()
    assert broken(used, keys) == {ANCHORED}


def test_an_allocation_taken_away_leaves_its_record(used, keys):
    attack(used, "delete from allocation where number = (select max(number) from allocation)")
    assert broken(used, keys) == {ENTRIES}


def test_a_cursor_set_back_or_forward_is_seen(used, keys):
    attack(used, "update cursor set next_sequence = next_sequence + 1")
    assert broken(used, keys) == {CURSORS}


def test_an_answer_changed_or_taken_away_is_seen(used, keys):
    attack(used, "delete from answer where number = 4")
    assert broken(used, keys) == {ANSWERS}


def test_an_answer_with_another_arm_is_seen(used, keys):
    attack(
        used,
        "update answer set response = json_set(response, '$.arm', 'OTHER') "
        "where number in (select number from allocation)",
    )
    assert broken(used, keys) == {ANSWERS}


def test_another_list_or_two_entries_exchanged_do_not_open_the_commitments(used, keys, entries):
    attack(used, "update list_entry set commitment = 'x' where sequence = 200")
    assert broken(used, keys) == {LIST}
    arms = entries["ARMCD"].to_list()
    at = next(at for at in range(7, 240) if arms[at] != arms[at + 1])
    arms[at], arms[at + 1] = arms[at + 1], arms[at]
    exchanged = entries.with_columns(ARMCD=arms)
    assert OPENS in broken(used, keys, exchanged)


def test_columns_that_hide_a_record_from_a_search_are_seen(used, keys):
    attack(used, "update audit set subject = '9999-001' where number = 5")
    assert COLUMNS in broken(used, keys)


def test_a_head_that_was_moved_is_seen(used, keys):
    attack(used, "update head set allocations = allocations + 1")
    assert broken(used, keys) == {HEAD}


def test_an_anchor_of_another_key_or_trial_counts_for_nothing(used, keys):
    other = keys_of(b"another secret of thirty-two byt")
    assert ANCHORED in broken(used, keys, public=other.public)
    line = used.anchor.read_text().splitlines()[-1]
    used.anchor.write_text(line.replace('"trial":"netter-2"', '"trial":"netter-3"') + "\n")
    found = read_anchors(used.anchor, trial="netter-2", public=keys.public)
    assert (found.heads, found.unsigned) == ((), 1)
    assert broken(used, keys) == {ANCHORED}


def test_a_changed_anchor_line_is_not_signed(used, keys):
    text_before = used.anchor.read_text()
    used.anchor.write_text(text_before.replace('"allocations":3', '"allocations":2'))
    assert broken(used, keys) == {ANCHORED}


def test_a_line_cut_short_by_a_full_disk_is_a_note_and_the_next_is_whole(used, keys):
    with used.anchor.open("ab") as file:
        file.write(b'\n{"allocations":5,"at":"2026-01')
    used.record("signed in", actor="coordinator")

    found = verify_ledger(used.engine, anchor=used.anchor, public=keys.public)

    assert found.is_sound
    assert found.notes == ("1 lines of the anchor file were cut short while written",)


def test_every_record_is_refused_when_any_one_byte_of_it_changes(used, keys):
    count = used.head().number
    for number in range(1, count + 1):
        record = _record(used, number)
        spoilt = record.replace('"actor":"', '"actor":"x', 1)
        attack(used, "update audit set record = :r where number = :n", r=spoilt, n=number)
        assert CHAIN in broken(used, keys, anchor=None)
        attack(used, "update audit set record = :r where number = :n", r=record, n=number)
    assert broken(used, keys) == set()


def _record(ledger, number):
    with ledger.engine.connect() as connection:
        asked = text("select record from audit where number = :n")
        return connection.execute(asked, {"n": number}).scalar_one()
