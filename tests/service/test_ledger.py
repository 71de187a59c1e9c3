# SPDX-License-Identifier: Apache-2.0
"""The ledger: what it gives, what it refuses before it reads the list, and what it keeps."""

import inspect
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from radioligand.allocation import make_draws, make_list, make_salts
from radioligand.service import randomising
from radioligand.service.database import DatabaseError, connect
from radioligand.service.events import KINDS, Signature
from radioligand.service.keys import KeysError, keys_of
from radioligand.service.ledger import BusyError, Ledger, RefusalError, open_ledger, utc_now
from radioligand.service.verification import verify_ledger

from .conftest import SIGNED


def used(ledger):
    """Stratum and sequence of every allocation, in the order of the audit records."""
    with ledger.engine.connect() as connection:
        rows = connection.execute(text("select stratum, sequence from allocation order by number"))
        return [tuple(row) for row in rows]


# --- what it gives --------------------------------------------------------------------------------


def test_a_patient_gets_the_next_entry_of_the_stratum(ledgers, ready, randomise, entries):
    stratum = entries.filter(STRGRADE="3", STRORIG="OTHER").sort("SEQUENCE")
    for number in range(7):
        ready(ledgers, f"1001-{number:03}", ki67_percent=30.0, primary_site="RECTUM")

    found = [randomise(ledgers, f"1001-{number:03}").arm for number in range(7)]

    assert found == stratum["ARMCD"].head(7).to_list()
    assert used(ledgers) == [("3 / OTHER", sequence) for sequence in range(1, 8)]
    assert ledgers.head().allocations == 7


def test_the_same_request_again_gets_the_same_answer(ledgers, ready, randomise):
    ready(ledgers, "1001-001")
    first = randomise(ledgers, "1001-001", key="one")

    assert randomise(ledgers, "1001-001", key="one") == first
    assert ledgers.head().allocations == 1


def test_a_key_of_another_request_or_user_is_refused_in_the_same_words(ledger, ready, randomise):
    ready(ledger, "1001-001")
    ready(ledger, "1001-002")
    randomise(ledger, "1001-001", key="one")

    with pytest.raises(RefusalError) as other_subject:
        randomise(ledger, "1001-002", key="one")
    with pytest.raises(RefusalError) as other_user:
        randomise(ledger, "1001-001", key="one", actor="somebody")

    assert other_subject.value.code == other_user.value.code == "key"
    assert str(other_subject.value) == str(other_user.value)
    assert "1001-001" not in str(other_user.value)


def test_a_key_is_remembered_after_the_service_has_started_again(ledger, ready, randomise, keys):
    ready(ledger, "1001-001")
    first = randomise(ledger, "1001-001", key="one")

    again = Ledger(ledger.engine, ledger.protocol, keys=keys, anchor=ledger.anchor)

    assert randomise(again, "1001-001", key="one") == first


def test_the_arm_is_what_the_list_says_and_no_argument_chooses_it(ledger, ready):
    ready(ledger, "1001-001")
    with pytest.raises(TypeError, match="arm"):
        ledger.allocate(
            "1001-001", site="1001", actor="a", key="k", signature=SIGNED, arm="CONTROL"
        )
    for kind in ("randomised", "reconciled", "restored", "ledger opened"):
        with pytest.raises(RefusalError, match="not recorded but done"):
            ledger.record(kind, subject="1001-001", site="1001", actor="a", payload={"arm": "LU"})


def test_the_answer_tells_neither_place_nor_count(ledger, ready, randomise):
    ready(ledger, "1001-001")
    told = randomise(ledger, "1001-001")

    shown = {name for name in told.__slots__ if isinstance(getattr(told, name), int)}
    event = ledger.patient("1001-001").events[-1]
    assert shown == set()
    assert {"sequence", "block", "next", "entries"} & set(event.payload) == set()


def test_correcting_the_stratum_leaves_the_allocation_and_the_list(ledger, ready, randomise):
    ready(ledger, "1001-001")
    randomise(ledger, "1001-001")
    true = {"STRGRADE": "3", "STRORIG": "PANCREAS"}
    ledger.correct_stratum(
        "1001-001", strata=true, site="1001", actor="investigator", reason="Ki-67 was read again"
    )

    row = ledger.allocations().row(0, named=True)
    patient = ledger.patient("1001-001")

    assert (row["STRGRADE"], row["STRGRADEC"], row["STRATCOR"]) == ("2", "3", "Y")
    assert (row["STRORIG"], row["STRORIGC"]) == ("PANCREAS", "PANCREAS")
    assert patient.strata_entered == {"STRGRADE": "2", "STRORIG": "PANCREAS"}
    assert patient.strata == true
    assert used(ledger) == [("2 / PANCREAS", 1)]


def test_a_clock_set_back_changes_no_order(ledger, ready, randomise, clock):
    for number in range(3):
        ready(ledger, f"1001-{number:03}")
    for number in range(3):
        clock.now -= timedelta(seconds=60)
        randomise(ledger, f"1001-{number:03}")

    told = ledger.events(kinds=("randomised",))
    assert [event.subject for event in told] == ["1001-000", "1001-001", "1001-002"]
    assert [event.at for event in told] == sorted((event.at for event in told), reverse=True)
    assert [sequence for _, sequence in used(ledger)] == [1, 2, 3]
    found = verify_ledger(ledger.engine, anchor=ledger.anchor)
    assert found.is_sound
    assert sum("clock went back" in note for note in found.notes) == 3


def test_times_are_told_in_utc_wherever_the_clock_stands(opened, protocol, keys):
    seoul = datetime(2026, 3, 1, 8, 30, tzinfo=ZoneInfo("Asia/Seoul"))
    ledger = opened()
    there = Ledger(ledger.engine, protocol, keys=keys, clock=lambda: seoul)

    assert there.record("signed in", actor="a").at == "2026-02-28T23:30:00.000000+00:00"
    naive = Ledger(ledger.engine, protocol, keys=keys, clock=lambda: datetime(2026, 3, 1))
    with pytest.raises(ValueError, match="without its zone"):
        naive.record("signed in", actor="a")


def test_clocks_of_service_and_database_far_apart_are_recorded_and_noted(
    opened, postgresql_url, protocol, keys
):
    first = opened(postgresql_url)  # its clock stands in January 2026
    with_true_clock = Ledger(first.engine, protocol, keys=keys, anchor=first.anchor)
    near = with_true_clock.record("signed in", actor="a")
    ahead = Ledger(
        first.engine,
        protocol,
        keys=keys,
        anchor=first.anchor,
        clock=lambda: utc_now() + timedelta(seconds=30),
    ).record("signed in", actor="a")

    assert near.database_at is None
    apart = datetime.fromisoformat(ahead.at) - datetime.fromisoformat(ahead.database_at)
    assert timedelta(seconds=25) < apart < timedelta(seconds=31)
    found = verify_ledger(first.engine, anchor=first.anchor)
    assert found.is_sound
    (note,) = [note for note in found.notes if "seconds apart" in note]
    assert "apart at 4 records, first at record 1: 2026-01-12T09:00:01" in note


def test_nothing_that_is_asked_for_names_an_arm_or_a_place():
    doors = [
        Ledger.allocate,
        Ledger.record,
        Ledger.correct_stratum,
        randomising.Wish,
        randomising.randomise,
    ]
    asked = {name for door in doors for name in inspect.signature(door).parameters}

    assert {"arm", "armcd", "sequence", "entry", "block", "force", "override"} & asked == set()


# --- what it refuses, and when --------------------------------------------------------------------


def ask(ledger, subject="1001-001", site="1001", **options):
    options = {"actor": "investigator", "key": "k", "signature": SIGNED} | options
    return ledger.allocate(subject, site=site, **options)


def closed_site(ledger, ready):
    ready(ledger, "1001-001")
    ledger.record("site closed", site="1001", actor="manager", reason="inspection")


def full_site(ledger, ready):
    ledger.record("site opened", site="1001", actor="manager", payload={"cap": 0})
    ready(ledger, "1001-001")


def full_trial(ledger, ready):
    ledger.record("caps set", actor="manager", payload={"trial": 0}, reason="the last is in")
    ready(ledger, "1001-001")


def nothing(ledger, ready):
    pass


def not_signed(ledger, ready):
    here = {"subject": "1001-001", "site": "1001", "actor": "coordinator"}
    ready(ledger, "1001-001")
    form = ledger.patient("1001-001").form
    ledger.record("screened", payload={"form": form}, **here)


def not_eligible(ledger, ready):
    with pytest.raises(RefusalError, match="comes after: eligible"):
        ready(ledger, "1001-001", karnofsky=50.0)


def undetermined(ledger, ready):
    with pytest.raises(RefusalError, match="comes after: eligible"):
        ready(ledger, "1001-001", karnofsky=None)


def withdrawn(ledger, ready):
    ready(ledger, "1001-001")
    ledger.record("consent withdrawn", subject="1001-001", site="1001", actor="coordinator")


@pytest.mark.parametrize(
    ("prepare", "code", "says"),
    [
        (closed_site, "site", "site 1001 is not open"),
        (full_site, "cap", "site 1001 has its 0 patients"),
        (full_trial, "cap", "the trial has its 0 patients"),
        (nothing, "state", "comes after: consented"),
        (not_signed, "state", "comes after: eligibility signed"),
        (not_eligible, "state", "comes after: eligible;"),
        (undetermined, "state", "comes after: eligible;"),
        (withdrawn, "state", "cannot follow: consent withdrawn"),
    ],
)
def test_refusals_come_before_the_list_is_read(ledger, ready, prepare, code, says):
    prepare(ledger, ready)
    before = ledger.head()
    seen = []
    event.listen(
        ledger.engine,
        "before_cursor_execute",
        lambda connection, cursor, statement, *rest: seen.append(statement),
    )

    with pytest.raises(RefusalError, match=says) as told:
        ask(ledger)

    assert told.value.code == code
    assert seen
    assert not [statement for statement in seen if "list_entry" in statement]
    assert ledger.head() == before


def test_a_subject_of_another_site_is_refused_as_one_that_does_not_exist(ledger, ready):
    ledger.record("site opened", site="1002", actor="manager")
    ready(ledger, "1001-001")

    with pytest.raises(RefusalError) as told:
        ask(ledger, site="1002")

    assert str(told.value) == "this subject number is none of the site's."


def test_a_list_that_is_not_released_by_another_person_is_not_used(
    protocol, entries, keys, tmp_path, ready
):
    engine = connect(f"{tmp_path}/ledger.db")
    salts = make_salts(entries, seed="s" * 32)
    open_ledger(engine, protocol, entries, salts=salts, keys=keys, actor="maker")
    ledger = Ledger(engine, protocol, keys=keys)
    ledger.record("site opened", site="1001", actor="manager")
    ready(ledger, "1001-001")

    with pytest.raises(RefusalError, match="has not been released"):
        ask(ledger)
    with pytest.raises(RefusalError, match="does not release it"):
        ledger.record("list released", actor="maker")
    engine.dispose()


def test_levels_entered_against_the_form_are_refused(ledger, ready):
    ready(ledger, "1001-001")
    with pytest.raises(RefusalError, match="entered as '3', by the screening form it is '2'"):
        ask(ledger, strata={"STRGRADE": "3", "STRORIG": "PANCREAS"})
    assert ask(ledger, key="other", strata={"STRGRADE": "2"}).strata["STRORIG"] == "PANCREAS"


def test_an_exhausted_stratum_takes_from_no_other(opened, protocol, ready, randomise):
    short = make_list(protocol, seed="s" * 32, entries_per_stratum=6)
    ledger = opened(entries=short)
    for number in range(7):
        ready(ledger, f"1001-{number:03}")
    for number in range(6):
        randomise(ledger, f"1001-{number:03}")

    with pytest.raises(RefusalError, match="is used up") as told:
        randomise(ledger, "1001-006")

    assert told.value.code == "exhausted"
    assert {stratum for stratum, _ in used(ledger)} == {"2 / PANCREAS"}
    assert ledger.head().allocations == 6


def test_a_signature_needs_a_name_and_a_meaning(ledger, ready):
    ready(ledger, "1001-001")
    with pytest.raises(RefusalError, match="needs a signature with name and meaning"):
        ask(ledger, signature=Signature(name="Example investigator", meaning=" "))


def test_a_reason_is_asked_for_where_something_is_put_right(ledger, ready, randomise):
    ready(ledger, "1001-001")
    randomise(ledger, "1001-001")
    with pytest.raises(RefusalError, match="needs its reason"):
        ledger.correct_stratum(
            "1001-001",
            strata={"STRGRADE": "3", "STRORIG": "OTHER"},
            site="1001",
            actor="a",
            reason=" ",
        )
    with pytest.raises(RefusalError, match="STRGRADE is '4'"):
        ledger.correct_stratum(
            "1001-001",
            strata={"STRGRADE": "4", "STRORIG": "OTHER"},
            site="1001",
            actor="a",
            reason="typing",
        )


# --- doses ----------------------------------------------------------------------------------------


@pytest.fixture
def dosed(ledger, ready, randomise, entries):
    """A patient on the radioligand, and a function that records the next event."""
    first = entries.filter(STRATUM="2 / PANCREAS")["ARMCD"].to_list().index("LU")
    for number in range(first + 1):
        ready(ledger, f"1001-{number:03}")
        randomise(ledger, f"1001-{number:03}")

    def then(kind, cycle=1, **payload):
        return ledger.record(
            kind,
            subject=f"1001-{first:03}",
            site="1001",
            actor="radiopharmacist",
            payload={"cycle": cycle} | payload,
            reason="broken vial" if kind == "dose discarded" else None,
            signature=SIGNED if KINDS[kind].signed else None,
        )

    return then


STEPS = ("dose planned", "labs checked", "dose decided", "dose ordered", "dose received")


def walk(then, cycle, decision="full"):
    for kind in STEPS:
        then(kind, cycle, **({"decision": decision} if kind == "dose decided" else {}))
    return then("dose infused", cycle, activity_gbq=7.4)


def test_four_cycles_go_their_way_and_no_step_is_skipped(ledger, dosed):
    with pytest.raises(RefusalError, match="comes after: cycle 1 over"):
        dosed("dose planned", 2)
    for cycle in (1, 2, 3, 4):
        with pytest.raises(RefusalError, match=f"comes after: cleared for dose {cycle}"):
            dosed("dose ordered", cycle)
        told = walk(dosed, cycle)

    assert ledger.patient(told.subject).cycles == (1, 2, 3, 4)


@pytest.mark.parametrize("decision", ["hold", "stop"])
def test_a_dose_on_hold_or_stopped_is_not_ordered(dosed, decision):
    dosed("dose planned")
    dosed("labs checked")
    dosed("dose decided", decision=decision)
    with pytest.raises(RefusalError, match="cleared for dose 1"):
        dosed("dose ordered")


def test_new_labs_ask_for_a_new_decision(dosed):
    dosed("dose planned")
    dosed("labs checked")
    dosed("dose decided", decision="full")
    dosed("labs checked")
    with pytest.raises(RefusalError, match="cleared for dose 1"):
        dosed("dose ordered")


def test_a_discarded_dose_is_planned_anew(ledger, dosed):
    for kind in STEPS:
        dosed(kind, **({"decision": "half"} if kind == "dose decided" else {}))
    dosed("dose discarded")

    told = walk(dosed, 1, decision="half")

    assert ledger.patient(told.subject).cycles == (1,)


def test_a_control_gets_the_radioligand_after_confirmed_progression_alone(
    ledger, ready, randomise, entries
):
    first = entries.filter(STRATUM="2 / PANCREAS")["ARMCD"].to_list().index("CONTROL")
    for number in range(first + 1):
        ready(ledger, f"1001-{number:03}")
        randomise(ledger, f"1001-{number:03}")
    control = {"subject": f"1001-{first:03}", "site": "1001", "actor": "investigator"}

    with pytest.raises(RefusalError, match="comes after: on radioligand"):
        ledger.record("dose planned", payload={"cycle": 1}, **control)
    with pytest.raises(RefusalError, match="comes after: progression confirmed"):
        ledger.record("crossover requested", **control)
    ledger.record("progression confirmed", **control)
    ledger.record("crossover requested", **control)
    ledger.record("crossover approved", signature=SIGNED, **control)

    assert ledger.record("dose planned", payload={"cycle": 1}, **control).number


def test_every_kind_speaks_of_facts_that_another_kind_gives():
    given = {fact for kind in KINDS.values() for fact in kind.gives}
    given |= {fact for kind in KINDS.values() for told in kind.outcomes.values() for fact in told}
    asked = {
        fact for kind in KINDS.values() for fact in (*kind.requires, *kind.forbids, *kind.takes)
    }
    previous = {"cycle {previous} over"}  # given as cycle {cycle} over

    assert asked - given - previous == set()


# --- the database itself --------------------------------------------------------------------------


FORBIDDEN = (
    "update audit set record = '{}' where number = 1",
    "delete from audit where number = 1",
    "update allocation set arm = 'CONTROL'",
    "delete from allocation",
    "update answer set response = '{}'",
    "update list_entry set sealed = ''",
    "delete from list_entry",
    "update cursor set next_sequence = 1",
    "update cursor set next_sequence = next_sequence + 2",
    "delete from cursor",
    "update head set number = number - 1",
    "delete from head",
    "insert into allocation select number - 1, stratum, sequence, 'x', site, arm from allocation",
    "insert into allocation select number - 1, stratum, sequence + 1, subject, site, arm "
    "from allocation",
    "insert into allocation values (1, '2 / PANCREAS', 999, 'y', '1001', 'LU')",
)


def test_the_database_refuses_what_the_ledger_never_asks(ledgers, ready, randomise):
    ready(ledgers, "1001-001")
    randomise(ledgers, "1001-001")
    for statement in FORBIDDEN:
        with pytest.raises(DBAPIError), ledgers.engine.begin() as connection:
            connection.execute(text(statement))
    assert verify_ledger(ledgers.engine, anchor=ledgers.anchor).is_sound


def test_the_list_is_unreadable_in_the_database(ledger, entries):
    with ledger.engine.connect() as connection:
        sealed = connection.execute(text("select sealed from list_entry")).scalars().all()

    assert len(sealed) == entries.height == len(set(sealed))
    assert {len(one) for one in sealed} == {120}  # nonce, 32 bytes, tag; LU as long as CONTROL
    assert not [one for one in sealed if b"CONTROL".hex() in one]


def test_entries_swapped_in_the_database_do_not_open(opened, ready, randomise, tmp_path):
    ledger = opened(anchor=None)
    ready(ledger, "1001-001")
    with ledger.engine.begin() as connection:
        connection.execute(text("drop trigger list_entry_no_update"))
        connection.execute(
            text(
                "update list_entry set sealed = (select sealed from list_entry as other where "
                "other.stratum = list_entry.stratum and other.sequence = 2) where sequence = 1"
            )
        )

    with pytest.raises(KeysError, match="moved or changed"):
        randomise(ledger, "1001-001")
    assert ledger.head().allocations == 0


def test_another_secret_protocol_or_database_is_refused(ledger, protocol, tmp_path):
    with pytest.raises(DatabaseError, match="not the one that the ledger was opened with"):
        Ledger(ledger.engine, protocol, keys=keys_of(b"x" * 32))
    other = protocol.model_copy(update={"arms": protocol.arms[::-1]})
    with pytest.raises(DatabaseError, match="another plan of arms"):
        Ledger(ledger.engine, other, keys=keys_of(b"x" * 32))
    empty = connect(f"{tmp_path}/empty.db")
    with pytest.raises(DatabaseError, match="holds no ledger"):
        Ledger(empty, protocol, keys=keys_of(b"x" * 32))
    empty.dispose()
    for address, says in [
        ("sqlite://", "in memory"),
        ("mysql://host/x", "sqlite and postgresql"),
        ("no url://", "no database URL"),
    ]:
        with pytest.raises(DatabaseError, match=says):
            connect(address)


def test_a_ledger_is_opened_once(ledger, protocol, entries, keys):
    salts = make_salts(entries, seed="s" * 32)
    with pytest.raises(DatabaseError, match="never replaced"):
        open_ledger(ledger.engine, protocol, entries, salts=salts, keys=keys, actor="maker")


# --- a disk that is full or gone ------------------------------------------------------------------


def test_a_full_database_takes_nothing_and_goes_on_when_there_is_room(
    ledger, ready, randomise, monkeypatch
):
    monkeypatch.setattr("radioligand.service.ledger.PATIENCE", 0)
    for number in range(20):
        ready(ledger, f"1001-{number:03}")
    before = ledger.head()
    is_full = [True]

    @event.listens_for(ledger.engine, "begin")
    def limit(connection):
        pages = 1 if is_full[0] else 1 << 30  # SQLite never goes below what is there
        connection.exec_driver_sql(f"pragma max_page_count={pages}")

    told = []

    def until_it_is_full():
        for number in range(20):
            told.append(randomise(ledger, f"1001-{number:03}"))

    with pytest.raises(BusyError, match="repeat with the same key"):
        until_it_is_full()
    assert ledger.head().allocations == len(told) < 20
    is_full[0] = False

    again = [randomise(ledger, f"1001-{number:03}") for number in range(20)]

    assert again[: len(told)] == told
    assert ledger.head().number == before.number + 20
    assert [sequence for _, sequence in used(ledger)] == list(range(1, 21))
    assert verify_ledger(ledger.engine, anchor=ledger.anchor).is_sound


def test_what_is_not_anchored_is_not_answered_until_it_is(opened, ready, randomise, tmp_path):
    ledger = opened()
    ready(ledger, "1001-001")
    away = tmp_path / "other disk"
    ledger.anchor.rename(tmp_path / "kept")
    ledger.anchor = away / "anchor"

    with pytest.raises(BusyError, match="done but not anchored"):
        randomise(ledger, "1001-001")
    away.mkdir()
    (tmp_path / "kept").rename(ledger.anchor)

    told = randomise(ledger, "1001-001")
    assert ledger.head().allocations == 1
    assert told.reference in ledger.anchor.read_text()


# --- other kinds of trials ------------------------------------------------------------------------


def another(protocol, **plan):
    randomisation = protocol.randomisation.model_copy(update=plan)
    return protocol.model_copy(update={"randomisation": randomisation})


@pytest.fixture
def start(keys, tmp_path):
    """Open a ledger for another protocol, with sites 1001 and 1002."""
    engines = []

    def begin(protocol, entries):
        engine = connect(f"{tmp_path}/other.db")
        engines.append(engine)
        salts = make_salts(entries, seed="s" * 32)
        open_ledger(engine, protocol, entries, salts=salts, keys=keys, actor="maker")
        ledger = Ledger(engine, protocol, keys=keys, anchor=tmp_path / "other.anchor")
        ledger.record("list released", actor="manager")
        for site in ("1001", "1002"):
            ledger.record("site opened", site=site, actor="manager")
        return ledger

    yield begin
    for engine in engines:
        engine.dispose()


def test_a_minimised_trial_uses_up_its_draws_and_can_be_computed_again(
    protocol, start, ready, randomise
):
    minimised = another(protocol, method="minimisation")
    draws = make_draws(minimised, seed="s" * 32, entries=12)
    ledger = start(minimised, draws)
    for number in range(8):
        ready(ledger, f"1001-{number:03}", ki67_percent=[15.0, 30.0][number % 2])
        randomise(ledger, f"1001-{number:03}")
        if number == 3:
            ledger.correct_stratum(
                "1001-000",
                strata={"STRGRADE": "3", "STRORIG": "OTHER"},
                site="1001",
                actor="investigator",
                reason="second reading",
            )
    salts = make_salts(draws, seed="s" * 32)
    seen = {"anchor": ledger.anchor, "entries": draws, "salts": salts, "protocol": minimised}

    found = verify_ledger(ledger.engine, **seen)
    other = verify_ledger(
        ledger.engine, **seen | {"entries": draws.with_columns(DRAW=1 - draws["DRAW"])}
    )

    assert used(ledger) == [("all", sequence) for sequence in range(1, 9)]
    assert found.is_sound
    assert found.checks[-2].says == "every patient got the arm that minimisation gives"
    assert found.checks[-2].checked == 8
    assert other.checks[-2].faults


def test_lists_by_site_are_used_up_by_their_sites(protocol, start, ready, randomise):
    by_site = another(protocol, by_site=True)
    entries = make_list(by_site, seed="s" * 32, sites=("1001", "1002"))
    ledger = start(by_site, entries)
    for subject in ("1001-001", "1002-001", "1002-002"):
        ready(ledger, subject, site=subject[:4])
        randomise(ledger, subject, site=subject[:4])

    assert used(ledger) == [
        ("1001 / 2 / PANCREAS", 1),
        ("1002 / 2 / PANCREAS", 1),
        ("1002 / 2 / PANCREAS", 2),
    ]


UNKEPT = (
    ({"kind": "signed in", "payload": {"at": object()}}, "not plain data"),
    ({"kind": "signed in", "payload": {"x": float("nan")}}, "not plain data"),
    ({"kind": "signed in", "payload": {"x": "\ud800"}}, "not plain data"),
    ({"kind": "signed in", "actor": ""}, "actor '' is not a name"),
    ({"kind": "signed in", "key": "k" * 101}, "the key of a request"),
    ({"kind": "consented", "subject": "x" * 61}, "not a name of 1 to 60 letters"),
    ({"kind": "consented", "subject": "a\nb"}, "not a name of 1 to 60 letters"),
    ({"kind": "consented", "site": "1001"}, "is about a subject; none was named"),
    ({"kind": "consented", "subject": "1"}, "'consented' needs 'consent_date'"),
    ({"kind": "site opened"}, "is about a site; none was named"),
    ({"kind": "site opened", "site": "1", "payload": {"cap": "9"}}, "a whole number from 0"),
    ({"kind": "caps set", "payload": {"trial": -1}, "reason": "x"}, "a whole number from 0"),
    ({"kind": "dose planned", "subject": "1", "payload": {"cycle": 0}}, "from 1, not 0"),
    ({"kind": "resurrected", "subject": "1"}, "there is no event 'resurrected'"),
    (
        {"kind": "screened", "subject": "1", "payload": {"form": {"karnofsky": "good"}}},
        "'good' is not a number",
    ),
)


def test_what_cannot_be_kept_is_refused(ledgers):
    before = ledgers.head()
    for given, says in UNKEPT:
        with pytest.raises(RefusalError, match=says):
            ledgers.record(**{"actor": "a"} | given)
    assert ledgers.head() == before
