# SPDX-License-Identifier: Apache-2.0
"""Whether a ledger is what it was: chain, anchors, commitments, and the order of every event.

Nothing here trusts what the database says of itself: the chain is hashed again, allocations,
cursors and answers are derived again from the audit records, and the heads come from a file that
was written outside. What each check finds is data: what it says, how many it held against it, and
the first that broke it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, Row, select

from radioligand.allocation import commitments, entry_values, list_hash, minimise, plan_of
from radioligand.protocol import Protocol
from radioligand.service.audit import GENESIS, Anchors, canonical, chained, read_anchors
from radioligand.service.database import (
    ALLOCATION,
    ANSWER,
    AUDIT,
    CURSOR,
    HEAD,
    LIST_ENTRY,
    reading,
)
from radioligand.service.events import KINDS, Event, Patient, after, faults_of
from radioligand.service.journal import randomised, read_event

SHOWN = 3  # examples of each broken check


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that holds of a sound ledger, and what broke it."""

    says: str
    checked: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """All checks of one ledger, its head, and what is worth knowing though it breaks nothing."""

    trial: str
    number: int
    hash: str
    allocations: int
    checks: tuple[Check, ...]
    notes: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        return not any(check.faults for check in self.checks)


def verify_ledger(
    engine: Engine,
    *,
    anchor: Path | None = None,
    public: str | None = None,
    entries: pl.DataFrame | None = None,
    salts: pl.Series | None = None,
    protocol: Protocol | None = None,
) -> Verification:
    """Hold a ledger against itself, its anchor and, when the list may be seen, its list.

    `public` is the public half of the ledger's key as the auditor was given it; without it the
    one in the database is used, which somebody who rewrote the whole database could have replaced.
    `entries` and `salts` are the list and its salts from its maker's hands; for a minimised trial
    the arms are computed again from them, which needs the `protocol`.
    """
    with reading(engine) as connection:
        audit = connection.execute(select(AUDIT).order_by(AUDIT.c.number)).all()
        head = connection.execute(select(HEAD)).one()
        events = [read_event(row.record, row.hash) for row in audit]
        opened = events[0].payload if events else {}
        checks = [
            _chain(audit),
            _columns(audit),
            _head(audit, head, events),
            _orders(events),
            _restores(events),
            *_allocations(connection, events),
            _answers(connection, events),
            _list(connection, opened),
        ]
        if entries is not None and salts is not None:
            checks += _opened_list(connection, entries, salts)
            if "DRAW" not in entries.columns:
                checks.append(_arms(connection, entries))
            elif protocol is not None:
                checks.append(_minimised(events, entries, protocol))
    trial = str(opened.get("trial"))
    notes = [*_clock_notes(events), *_restore_notes(events)]
    if anchor is not None:
        key = public or str(opened.get("anchor_key"))
        anchors = read_anchors(anchor, trial=trial, public=key)
        checks.append(_anchored(anchors, audit, events))
        notes += _anchor_notes(anchors, events)
        if anchors.torn:
            notes.append(f"{anchors.torn} lines of the anchor file were cut short while written")
    else:
        notes.append("without an anchor file, a cut end or a full rewriting goes unseen")
    if public is not None and public != opened.get("anchor_key"):
        fault = ("the ledger was opened with another key than the auditor's",)
        checks.append(Check(says="the ledger's key is the auditor's", checked=1, faults=fault))
    return Verification(
        trial=trial,
        number=head.number,
        hash=head.hash,
        allocations=head.allocations,
        checks=tuple(checks),
        notes=tuple(notes),
    )


def _check(says: str, checked: int, faults: Iterable[str]) -> Check:
    return Check(says=says, checked=checked, faults=tuple(faults))


def _chain(audit: Sequence[Row[Any]]) -> Check:
    def faults() -> Iterator[str]:
        previous = GENESIS
        for place, row in enumerate(audit, start=1):
            if row.number != place:
                yield f"record {row.number} stands at place {place}"
            if chained(previous, row.record) != row.hash:
                yield f"record {row.number} does not follow from the one before"
            previous = row.hash

    return _check("each record is numbered and hashed after the one before", len(audit), faults())


def _columns(audit: Sequence[Row[Any]]) -> Check:
    def faults() -> Iterator[str]:
        for row in audit:
            told = json.loads(row.record)
            if canonical(told) != row.record:
                yield f"record {row.number} is not in canonical form"
            for name in ("number", "kind", "site", "subject"):
                if told[name] != getattr(row, name):
                    yield f"record {row.number}: column {name} is not that of the record"

    return _check("the columns beside a record repeat it", len(audit), faults())


def _head(audit: Sequence[Row[Any]], head: Row[Any], events: Sequence[Event]) -> Check:
    last = audit[-1] if audit else None
    told = {
        "number": last.number if last else 0,
        "hash": last.hash if last else GENESIS,
        "allocations": sum(event.kind == "randomised" for event in events),
        "era": max(
            (event.payload["era"] for event in events if event.kind == "restored"), default=0
        ),
    }
    faults = [
        f"the head's {name} is {getattr(head, name)}, by the records {value}"
        for name, value in told.items()
        if getattr(head, name) != value
    ]
    return _check("the head is the last record", 1, faults)


def _orders(events: Sequence[Event]) -> Check:
    """Fold every subject again and hold each event against what was true before it."""
    patients: dict[str, Patient] = {}

    def faults() -> Iterator[str]:
        for event in events:
            patient = None
            if event.kind in KINDS and KINDS[event.kind].about == "subject":
                subject = str(event.subject)
                patient = patients.get(subject, Patient(subject=subject))
            found = faults_of(
                event.kind,
                patient,
                site=event.site,
                payload=event.payload,
                reason=event.reason,
                signature=event.signature,
            )
            if "restored_from" not in event.payload:  # entered again, out of its order
                yield from (f"record {event.number}: {fault}" for fault in found)
            if patient is not None:
                patients[patient.subject] = after(patient, event)

    return _check("every event came when it might", len(events), list(faults()))


def _restores(events: Sequence[Event]) -> Check:
    found = [event for event in events if event.kind in ("restored", "reconciled")]
    last = found[-1] if found else None
    told = f"records were lost before record {last.number}" if last else ""
    faults = [told] if last and last.kind == "restored" else []
    count = sum(event.kind == "restored" for event in found)
    return _check("every restore that lost records was reconciled", count, faults)


def _allocations(connection: Connection, events: Sequence[Event]) -> Iterator[Check]:
    made = [event for event in events if event.kind == "randomised"]
    places: dict[str, int] = {}
    wanted = []
    for event in made:
        stratum = str(event.payload["stratum"])
        places[stratum] = places.get(stratum, 0) + 1
        arm = event.payload["arm"]
        wanted.append((event.number, stratum, places[stratum], event.subject, event.site, arm))
    stored = [tuple(row) for row in connection.execute(select(ALLOCATION).order_by("number"))]
    differ = sorted({row[0] for row in {*wanted} ^ {*stored}})
    yield _check(
        "in each stratum, patients got entries 1, 2, ... in the order of the records",
        len(made),
        (f"allocation of record {number} is not that of the audit" for number in differ),
    )
    cursors = connection.execute(select(CURSOR)).all()
    yield _check(
        "each cursor stands behind the last entry used",
        len(cursors),
        (
            f"stratum {row.stratum}: the cursor is at {row.next_sequence}, "
            f"{places.get(row.stratum, 0)} entries are used"
            for row in cursors
            if row.next_sequence != places.get(row.stratum, 0) + 1
        ),
    )


def _answers(connection: Connection, events: Sequence[Event]) -> Check:
    stored = {row.number: row.response for row in connection.execute(select(ANSWER))}
    own = {"ledger opened", "restored"}  # these answer nobody
    by_number = {event.number: event for event in events}

    def faults() -> Iterator[str]:
        for event in events:
            if event.kind not in own and event.number not in stored:
                yield f"record {event.number} has no stored answer"
        for number, response in stored.items():
            found, told = by_number.get(number), json.loads(response)
            if found is None or told["number"] != number:
                yield f"the answer to record {number} answers nothing"
            elif found.kind == "randomised" and (
                told["arm"] != found.payload["arm"]
                or told["subject"] != found.subject
                or told["reference"] != found.hash
            ):
                yield f"the answer to record {number} is not what the record says"

    return _check("every event has its stored answer", len(stored), faults())


def _list(connection: Connection, opened: Any) -> Check:
    rows = connection.execute(
        select(LIST_ENTRY.c.commitment, LIST_ENTRY.c.stratum, LIST_ENTRY.c.sequence)
    ).all()
    cursors = {row.stratum: row.entries for row in connection.execute(select(CURSOR))}
    faults = []
    if sorted(row.commitment for row in rows) != sorted({row.commitment for row in rows}):
        faults.append("two entries have one commitment")
    counted: dict[str, int] = {}
    for row in rows:
        counted[row.stratum] = counted.get(row.stratum, 0) + 1
    if counted != cursors:
        faults.append("the cursors do not count the entries of their strata")
    stored = pl.DataFrame(
        [tuple(row) for row in rows], schema=["COMMITMENT", "STRATUM", "SEQUENCE"], orient="row"
    )
    if list_hash(stored, stored["COMMITMENT"]) != opened.get("list"):
        faults.append("the commitments are not those with which the ledger was opened")
    return _check("the list is the one that was committed to", len(rows), faults)


def _opened_list(
    connection: Connection, entries: pl.DataFrame, salts: pl.Series
) -> Iterator[Check]:
    committed = {
        (row.stratum, row.sequence): row.commitment
        for row in connection.execute(select(LIST_ENTRY))
    }
    places = list(zip(entries["STRATUM"], entries["SEQUENCE"], strict=True))
    opens = dict(zip(places, commitments(entries, salts), strict=True))
    wrong = sorted(
        place for place in {*committed, *opens} if committed.get(place) != opens.get(place)
    )
    yield _check(
        "every entry of the list opens its commitment",
        len(opens),
        (f"stratum {stratum} entry {sequence} does not" for stratum, sequence in wrong),
    )


def _arms(connection: Connection, entries: pl.DataFrame) -> Check:
    places = zip(entries["STRATUM"], entries["SEQUENCE"], strict=True)
    arms = dict(zip(places, entry_values(entries), strict=True))
    rows = connection.execute(select(ALLOCATION).order_by("number")).all()
    return _check(
        "every patient got the arm of the entry",
        len(rows),
        (
            f"{row.subject} got {row.arm}, entry {row.sequence} of {row.stratum} is another"
            for row in rows
            if arms.get((row.stratum, row.sequence)) != row.arm
        ),
    )


def _minimised(events: Sequence[Event], entries: pl.DataFrame, protocol: Protocol) -> Check:
    """Minimise again, patient by patient, with the strata as they were corrected until then."""
    plan = plan_of(protocol)
    draws = iter(entries.sort("SEQUENCE")["DRAW"])
    made = [event for event in events if event.kind in ("randomised", "stratum corrected")]

    def faults() -> Iterator[str]:
        for at, event in enumerate(made):
            if event.kind != "randomised":
                continue
            arm = minimise(
                randomised(made[:at], protocol=protocol),
                event.payload["strata"],
                protocol=protocol,
                uniform=next(draws),
                probability=plan.probability,
            )
            if arm != event.payload["arm"]:
                yield f"{event.subject} got {event.payload['arm']}, minimisation gives another"

    count = sum(event.kind == "randomised" for event in made)
    return _check("every patient got the arm that minimisation gives", count, faults())


def _anchored(anchors: Anchors, audit: Sequence[Row[Any]], events: Sequence[Event]) -> Check:
    """Hold every anchored head against the chain, but for what a restore is known to have lost."""
    hashes = {row.number: row.hash for row in audit}
    kept = _kept(events)
    faults = [f"{anchors.unsigned} lines are not signed with this key"] if anchors.unsigned else []
    missing = []
    for head in anchors.heads:
        if head.number > kept.get(head.era, head.number):
            continue  # lost in a restore, which an event of its own tells
        found = hashes.get(head.number)
        if found is None:
            missing.append(head.number)
        elif found != head.hash:
            faults.append(f"record {head.number} is not the one that was anchored")
    if missing:
        many = len(set(missing))
        faults.append(f"{many} anchored records are gone, {min(missing)} to {max(missing)}")
    if not anchors.heads:
        faults.append("the anchor file holds no head of this ledger")
    return _check("every anchored head is in the chain", len(anchors.heads), faults)


def _anchor_notes(anchors: Anchors, events: Sequence[Event]) -> Iterator[str]:
    """Tell from which record the anchor holds, where it is not from the first one answered."""
    first = min((head.number for head in anchors.heads), default=0)
    if first > 2:
        yield f"the anchor begins at record {first}; what came before stands on the chain alone"
    for event in events:
        if event.kind == "anchor begun":
            yield f"a new anchor was begun at record {event.number}: {event.reason}"


def _kept(events: Sequence[Event]) -> dict[int, int]:
    """Up to which number the records of each bygone era were kept."""
    kept: dict[int, int] = {}
    for event in events:
        if event.kind == "restored":
            for era in range(int(event.payload["era"])):
                kept[era] = min(kept.get(era, event.payload["kept"]), event.payload["kept"])
    return kept


def _clock_notes(events: Sequence[Event]) -> Iterator[str]:
    for before, event in pairwise(events):
        if event.at < before.at:
            yield f"the clock went back before record {event.number}: {before.at} to {event.at}"
    apart = [event for event in events if event.database_at is not None]
    if apart:
        first = apart[0]
        yield (
            f"the clocks of service and database stood more than 2 seconds apart at {len(apart)} "
            f"records, first at record {first.number}: {first.at} and {first.database_at}"
        )


def _restore_notes(events: Sequence[Event]) -> Iterator[str]:
    for event in events:
        if event.kind == "restored":
            told = event.payload
            yield (
                f"restored at record {event.number}: records {told['kept'] + 1} to "
                f"{told['anchored']} of an earlier copy were lost, {told['allocations_lost']} "
                "allocations among them"
            )
        elif event.kind == "reconciled":
            yield f"reconciled at record {event.number}: {event.reason}"
