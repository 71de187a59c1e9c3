# SPDX-License-Identifier: Apache-2.0
"""What a refusal tells of the next arm: nothing by what it reads, says, or how long it takes."""

import random
import time

import polars as pl
import pytest
from scipy.stats import mannwhitneyu
from sqlalchemy import event

from radioligand.allocation import make_list, make_salts
from radioligand.service import randomising
from radioligand.service.backup import restore_backup, write_backup
from radioligand.service.database import connect
from radioligand.service.ledger import Ledger, RefusalError, open_ledger
from radioligand.service.randomising import Wish

from .conftest import SEED, SIGNED

TIMINGS = 2_500  # of each of four kinds; benchmarks/refusals.py takes those of whole requests


def has_consented(ledger, ready, randomise):
    consent = {"consent_date": "2026-01-09"}
    here = {"subject": "1001-009", "site": "1001", "actor": "coordinator"}
    ledger.record("consented", payload=consent, **here)


def meets_the_cap_of_the_trial(ledger, ready, randomise):
    ready(ledger, "1001-009")
    ledger.record("caps set", actor="manager", payload={"trial": 0}, reason="a pause")


def is_at_a_closed_site(ledger, ready, randomise):
    ready(ledger, "1001-009")
    ledger.record("site closed", site="1001", actor="manager", reason="a pause")


def comes_after_the_last_entry(ledger, ready, randomise):
    ready(ledger, "1001-001")
    randomise(ledger, "1001-001")
    ready(ledger, "1001-009")


KINDS = (
    has_consented,
    meets_the_cap_of_the_trial,
    is_at_a_closed_site,
    comes_after_the_last_entry,
)


@pytest.fixture(params=KINDS, ids=[one.__name__ for one in KINDS])
def two_ledgers(request, opened, protocol, entries, ready, randomise, tmp_path):
    """Two ledgers alike but for the first arm, with one patient who is refused."""
    made = {}
    few = pl.col("SEQUENCE") <= (1 if request.param is comes_after_the_last_entry else 240)
    for arm in protocol.arms:
        head = pl.when(pl.col("SEQUENCE") == 1).then(pl.lit(arm.id)).otherwise("ARMCD")
        listed = entries.with_columns(ARMCD=head).filter(few)
        made[arm.id] = opened(f"sqlite:///{tmp_path}/{arm.id}.db", entries=listed, anchor=None)
        request.param(made[arm.id], ready, randomise)
    return made


def times_of_refusals(ledgers, keys, number):
    """Seconds of each refusal by arm; both ledgers in turn, in an order drawn at random."""
    wish = Wish(subject="1001-009", site="1001", actor="a", at="2026-01-12", signature=SIGNED)
    times = {arm: [] for arm in ledgers}
    open_ones = {arm: ledger.engine.connect() for arm, ledger in ledgers.items()}
    heads = {arm: ledger.head() for arm, ledger in ledgers.items()}
    protocol = next(iter(ledgers.values())).protocol
    for _ in range(number // len(ledgers)):
        for arm in random.sample(list(ledgers), len(ledgers)):
            begin = time.perf_counter()
            try:
                randomising.randomise(
                    open_ones[arm], heads[arm], wish, protocol=protocol, keys=keys
                )
            except RefusalError:
                times[arm].append(time.perf_counter() - begin)
    for connection in open_ones.values():
        connection.close()
    assert {len(found) for found in times.values()} == {number // len(ledgers)}
    return times


@pytest.mark.law
def test_the_time_of_a_refusal_does_not_tell_the_next_arm(two_ledgers, keys):
    def p_value():
        return mannwhitneyu(*times_of_refusals(two_ledgers, keys, TIMINGS).values()).pvalue

    assert p_value() >= 0.001 or p_value() >= 0.001  # by chance alone once in a million


# --- refusals that need more than one step to come about ------------------------------------------
# those of site, cap, consent, criteria and signature stand in test_ledger.py


def against_the_form(opened, ready, randomise, **_):
    ledger = opened()
    ready(ledger, "1001-001")
    return ledger, {"strata": {"STRGRADE": "3"}}


def a_level_unheard_of(opened, ready, randomise, **_):
    ledger = opened()
    ready(ledger, "1001-001")
    return ledger, {"strata": {"STRGRADE": "2", "STRORIG": "PANCREAS", "EYES": "BLUE"}}


def used_up(opened, ready, randomise, protocol, **_):
    short = make_list(protocol, seed=SEED, blocks=(3,), entries_per_stratum=3)
    ledger = opened(entries=short)
    for number in range(1, 5):
        ready(ledger, f"1001-00{number}")
    for number in range(2, 5):
        randomise(ledger, f"1001-00{number}")
    return ledger, {}


def not_released(opened, ready, protocol, entries, keys, tmp_path, **_):
    engine = connect(f"{tmp_path}/fresh.db")
    salts = make_salts(entries, seed=SEED)
    open_ledger(engine, protocol, entries, salts=salts, keys=keys, actor="maker")
    ledger = Ledger(engine, protocol, keys=keys)
    ledger.record("site opened", site="1001", actor="manager")
    ready(ledger, "1001-001")
    return ledger, {}


def of_another_request(opened, ready, randomise, **_):
    ledger = opened()
    ready(ledger, "1001-001")
    ready(ledger, "1001-002")
    randomise(ledger, "1001-002", key="k")
    return ledger, {}


def restored_from_an_older_copy(opened, ready, randomise, protocol, keys, tmp_path, **_):
    first = opened()
    ready(first, "1001-001")
    ready(first, "1001-002")
    write_backup(first.engine, tmp_path / "monday")
    randomise(first, "1001-002")
    engine = connect(f"{tmp_path}/again.db")
    restore_backup(engine, tmp_path / "monday")
    ledger = Ledger(engine, protocol, keys=keys, anchor=first.anchor)
    ledger.record("site opened", site="1002", actor="manager")  # it notices what was lost
    return ledger, {}


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (against_the_form, "strata"),
        (a_level_unheard_of, "strata"),
        (used_up, "exhausted"),
        (not_released, "release"),
        (of_another_request, "key"),
        (restored_from_an_older_copy, "reconcile"),
    ],
)
def test_no_refusal_reads_an_entry(
    prepare, code, opened, ready, randomise, protocol, entries, keys, tmp_path
):
    given = {"protocol": protocol, "entries": entries, "keys": keys, "tmp_path": tmp_path}
    ledger, options = prepare(opened=opened, ready=ready, randomise=randomise, **given)
    before, seen = ledger.head(), []
    event.listen(
        ledger.engine,
        "before_cursor_execute",
        lambda connection, cursor, statement, *rest: seen.append(statement),
    )

    with pytest.raises(RefusalError) as told:
        randomise(ledger, "1001-001", key="k", **options)

    assert told.value.code == code
    assert seen
    assert [statement for statement in seen if "list_entry" in statement] == []
    assert ledger.head() == before
    ledger.engine.dispose()
