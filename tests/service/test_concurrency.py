# SPDX-License-Identifier: Apache-2.0
"""Many at once, and workers that die: nobody is lost, nobody gets two entries, none is left out."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text

import radioligand
from radioligand.allocation import make_list
from radioligand.service.keys import keys_of
from radioligand.service.ledger import Ledger, RefusalError
from radioligand.service.verification import verify_ledger

ROOT = Path(__file__).parents[2]
HERE = {"PYTHONPATH": str(Path(radioligand.__file__).parents[1])}


def program(*arguments, timeout=120):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=os.environ | HERE,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def at_once(number, act):
    """What `act(0)` to `act(number - 1)` gave in as many threads, refusals as themselves."""

    def one(place):
        try:
            return act(place)
        except RefusalError as told:
            return told

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def used(ledger):
    with ledger.engine.connect() as connection:
        rows = connection.execute(text("select stratum, sequence from allocation order by number"))
        return [tuple(row) for row in rows]


def is_sound(ledger):
    return verify_ledger(ledger.engine, anchor=ledger.anchor).is_sound


def test_twenty_at_once_get_the_first_twenty_entries(ledgers, ready, randomise, entries):
    for number in range(20):
        ready(ledgers, f"1001-{number:03}")

    told = at_once(20, lambda number: randomise(ledgers, f"1001-{number:03}"))

    assert used(ledgers) == [("2 / PANCREAS", sequence) for sequence in range(1, 21)]
    arms = entries.filter(STRATUM="2 / PANCREAS")["ARMCD"].head(20)
    assert sorted(one.arm for one in told) == sorted(arms)
    assert is_sound(ledgers)


def test_one_patient_from_ten_sides_is_randomised_once(ledgers, ready, randomise):
    ready(ledgers, "1001-001")

    told = at_once(10, lambda number: randomise(ledgers, "1001-001", key=f"side {number}"))

    assert len([one for one in told if not isinstance(one, RefusalError)]) == 1
    assert {str(one) for one in told if isinstance(one, RefusalError)} == {
        "'randomised' cannot follow: randomised."
    }
    assert len(used(ledgers)) == 1


def test_one_key_sent_ten_times_at_once_has_one_answer(ledgers, ready, randomise):
    ready(ledgers, "1001-001")

    told = at_once(10, lambda number: randomise(ledgers, "1001-001", key="double click"))

    assert len({one.reference for one in told}) == 1
    assert len(used(ledgers)) == 1


def test_the_last_entry_wanted_by_fifty_goes_to_one(opened, url, protocol, ready, randomise):
    short = make_list(protocol, seed="s" * 32, blocks=(3,), entries_per_stratum=3)
    ledger = opened(url, entries=short)
    for number in range(52):
        ready(ledger, f"1001-{number:03}")
    randomise(ledger, "1001-050")
    randomise(ledger, "1001-051")

    told = at_once(50, lambda number: randomise(ledger, f"1001-{number:03}"))

    refused = [one for one in told if isinstance(one, RefusalError)]
    assert {one.code for one in refused} == {"exhausted"}
    assert len(refused) == 49
    assert used(ledger) == [("2 / PANCREAS", sequence) for sequence in (1, 2, 3)]


def test_withdrawal_and_randomisation_at_once_leave_a_legal_order(ledgers, ready, randomise):
    for number in range(6):
        ready(ledgers, f"1001-{number:03}")

    def act(place):
        subject = f"1001-{place // 2:03}"
        if place % 2:
            return randomise(ledgers, subject)
        here = {"subject": subject, "site": "1001", "actor": "coordinator"}
        return ledgers.record("consent withdrawn", **here)

    at_once(12, act)

    assert is_sound(ledgers)  # an order that may not be would be a fault


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_postgresql_at_stricter_isolation_tries_again(
    opened, postgresql_url, protocol, keys, ready, randomise, level
):
    first = opened(postgresql_url)
    for number in range(8):
        ready(first, f"1001-{number:03}")
    engine = create_engine(postgresql_url, isolation_level=level, pool_size=8)
    ledger = Ledger(engine, protocol, keys=keys, anchor=first.anchor)

    told = at_once(8, lambda number: randomise(ledger, f"1001-{number:03}"))

    assert len({one.reference for one in told}) == 8
    assert [sequence for _, sequence in used(ledger)] == list(range(1, 9))
    assert is_sound(ledger)
    engine.dispose()


def test_a_connection_that_is_cut_in_a_transaction_is_taken_up_again(
    opened, postgresql_url, ready, randomise
):
    ledger = opened(postgresql_url)
    ready(ledger, "1001-001")
    cut = create_engine(postgresql_url)
    done = []

    @event.listens_for(ledger.engine, "before_cursor_execute")
    def terminate(connection, cursor, statement, *rest):
        if "INSERT INTO answer" in statement and not done:
            done.append(connection.connection.driver_connection.info.backend_pid)
            with cut.connect() as other:
                other.execute(text(f"select pg_terminate_backend({done[0]})"))

    told = randomise(ledger, "1001-001")

    assert done
    assert randomise(ledger, "1001-001") == told
    assert used(ledger) == [("2 / PANCREAS", 1)]
    assert is_sound(ledger)
    cut.dispose()


def test_a_worker_killed_at_any_step_leaves_all_or_nothing(opened, url, ready, keys):
    secret = b"thirty-two bytes for these tests"
    assert keys_of(secret) == keys
    ledger = opened(url)
    ready(ledger, "1001-001")
    before = ledger.head().number
    ledger.engine.dispose()

    rows = program(
        Path(__file__).parent / "kill_at_every_step.py",
        url,
        ledger.anchor,
        secret.hex(),
        "1001-001",
    )

    early = [row for row in rows if "execute" in row["where"] or row["where"] == "commit"]
    late = rows[len(early) :]
    assert len(early) > 12
    assert {(row["killed"], row["number"]) for row in early} == {(True, before)}
    assert [row["killed"] for row in late] == [True, True, False, False]
    assert {row["number"] for row in late} == {before + 1}
    assert late[-1]["told"] == late[-2]["told"] == rows[-1]["told"]
    assert late[-1]["told"]["reference"] == ledger.events(kinds=("randomised",))[0].hash
    assert is_sound(ledger)
