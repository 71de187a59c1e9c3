# SPDX-License-Identifier: Apache-2.0
"""After a restore: what the anchor knows and the database lost, and how it comes back.

Whoever restores a backup may lose allocations that doctors have seen. The anchor file has the
signed number and hash of every event that was answered, so the ledger notices at its first write,
says so in an event of its own ("restored", which begins a new era), and does not randomise until
every lost allocation has been entered again from its certificate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from radioligand.allocation import ListError
from radioligand.protocol import Protocol
from radioligand.service.audit import Head, canonical, read_anchors
from radioligand.service.database import ANSWER, AUDIT
from radioligand.service.events import Event, Signature
from radioligand.service.journal import append, read_events, read_head
from radioligand.service.keys import Keys
from radioligand.service.randomising import Wish, take_entry
from radioligand.service.refusals import RefusalError

TAIL_BYTES = 4096  # of the anchor file, read before each write: some ten heads
REFERENCE_LETTERS = 16  # of a certificate's reference, at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a site holds of an allocation, word for word.

    An allocation from a sealed envelope has the envelope's number in its stratum and the time, in
    UTC, when it was opened, and no reference before the ledger gave it one.
    """

    subject: str
    site: str
    arm: str
    strata: Mapping[str, str]
    actor: str
    signature: Signature
    reference: str = ""  # the hash, or the first 16 letters of it or more
    envelope: int | None = None
    opened_at: str | None = None


def state_of(connection: Connection, *, trial: str, public: str, anchor: Path | None) -> str:
    """Tell "open", "reconcile" or "tampered"."""
    try:
        lost = _lost(connection, read_head(connection, lock=False), trial, public, anchor)
    except RefusalError:
        return "tampered"
    return "reconcile" if lost or is_reconciling(connection) else "open"


def is_reconciling(connection: Connection) -> bool:
    """Whether the ledger was restored and has not been reconciled since."""
    found = read_events(connection, kinds=("restored", "reconciled"))
    return bool(found) and found[-1].kind == "restored"


def acknowledged(
    connection: Connection, head: Head, *, trial: str, public: str, anchor: Path | None, at: str
) -> Head:
    """Append what a restore lost as an event of its own, if there is such; return the head.

    Raises RefusalError if an anchored event is not the one that stands in the database.
    """
    lost = _lost(connection, head, trial, public, anchor)
    if lost is None:
        return head
    payload = {
        "era": lost.era + 1,
        "kept": head.number,
        "anchored": lost.number,
        "anchored_hash": lost.hash,
        "allocations_lost": _most_allocations(anchor, trial, public) - head.allocations,
    }
    append(
        connection,
        replace(head, era=lost.era + 1),
        kind="restored",
        actor="ledger",
        at=at,
        payload=payload,
    )
    return read_head(connection, lock=False)


def _most_allocations(anchor: Path | None, trial: str, public: str) -> int:
    """Return how many patients were ever allocated; a restore not reconciled counts fewer."""
    heads = read_anchors(anchor, trial=trial, public=public).heads if anchor else ()
    return max((one.allocations for one in heads), default=0)


def _lost(
    connection: Connection, head: Head, trial: str, public: str, anchor: Path | None
) -> Head | None:
    """Return the last anchored head that the database has not reached, or None."""
    if anchor is None:
        return None
    found = read_anchors(anchor, trial=trial, public=public, last_bytes=TAIL_BYTES).heads
    here = [one for one in found if one.era == head.era and one.number <= head.number]
    asked = select(AUDIT.c.number, AUDIT.c.hash).where(
        AUDIT.c.number.in_([one.number for one in here])
    )
    hashes = {row.number: row.hash for row in connection.execute(asked)}
    for one in here:
        if hashes.get(one.number) != one.hash:
            raise RefusalError(
                "tampered", f"event {one.number} is not the one that was anchored; audit the ledger"
            )
    ahead = [
        one
        for one in found
        if one.era > head.era or (one.era == head.era and one.number > head.number)
    ]
    return max(ahead, key=lambda one: (one.era, one.number), default=None)


def is_anchored(*, trial: str, public: str, anchor: Path) -> bool:
    """Whether the end of an anchor file holds a head of this ledger."""
    found = read_anchors(anchor, trial=trial, public=public, last_bytes=TAIL_BYTES)
    return bool(found.heads)


def reconciled(
    connection: Connection,
    head: Head,
    certificates: Sequence[Certificate],
    *,
    protocol: Protocol,
    keys: Keys,
    anchor: Path | None,
    actor: str,
    reason: str,
    at: str,
) -> Event:
    """Enter the lost allocations again from their certificates and close the matter.

    Raises RefusalError if nothing was lost, if certificates are missing, unknown to the anchor or
    given twice, or if one does not come out with its arm.
    """
    if not is_reconciling(connection):
        raise RefusalError("reconcile", "there is nothing to reconcile")
    if not reason.strip():
        raise RefusalError("request", "reconciling needs its reason")
    wanted = read_events(connection, kinds=("restored",))[-1].payload["allocations_lost"]
    faults = []
    if len(certificates) != wanted:
        faults.append(f"{wanted} allocations were lost, {len(certificates)} certificates given")
    order = _anchored_order(certificates, trial=protocol.trial.id, keys=keys, anchor=anchor)
    faults += [
        f"the certificate of {one.subject} has a reference that the anchor does not know"
        for one in certificates
        if one.reference not in order
    ]
    if len({one.subject for one in certificates}) < len(certificates):
        faults.append("a subject has two certificates")
    if faults:
        raise RefusalError("reconcile", *faults)
    for one in sorted(certificates, key=lambda one: order[one.reference]):
        _enter_again(connection, one, protocol=protocol, keys=keys, at=at)
    return append(
        connection,
        read_head(connection, lock=False),
        kind="reconciled",
        actor=actor,
        at=at,
        payload={"certificates": len(certificates)},
        reason=reason,
    )


def _envelope_told(one: Certificate) -> dict[str, Any]:
    if one.envelope is None:
        return {}
    told = {"envelope": one.envelope, "opened_at": one.opened_at}
    return told | {"date": str(one.opened_at)[:10]}


def _anchored_order(
    certificates: Sequence[Certificate], *, trial: str, keys: Keys, anchor: Path | None
) -> dict[str, tuple[int, int]]:
    """Era and number of each certificate's event, by its reference, as the anchor has them."""
    heads = read_anchors(anchor, trial=trial, public=keys.public).heads if anchor else ()
    order = {}
    for one in certificates:
        for head in heads:
            long = len(one.reference) >= REFERENCE_LETTERS
            if long and head.hash.startswith(one.reference):
                order[one.reference] = (head.era, head.number)
    return order


def _enter_again(
    connection: Connection, one: Certificate, *, protocol: Protocol, keys: Keys, at: str
) -> None:
    wish = Wish(subject=one.subject, site=one.site, actor=one.actor, at=at, signature=one.signature)
    earlier = read_events(connection, subject=one.subject, kinds=("randomised",))
    if earlier:
        raise RefusalError("reconcile", f"{one.subject} has an allocation in this database")
    payload: dict[str, Any] = {"restored_from": one.reference} | _envelope_told(one)
    head = read_head(connection, lock=False)
    try:
        told = take_entry(
            connection,
            head,
            wish,
            levels=one.strata,
            protocol=protocol,
            keys=keys,
            payload=payload,
            is_fallback=one.envelope is not None,
        )
    except ListError as error:
        raise RefusalError("strata", f"{one.subject}: {error}") from None
    if told["arm"] != one.arm:
        raise RefusalError(
            "reconcile", f"the certificate of {one.subject} does not agree with the list"
        )
    answer = {"key": f"restored {one.reference}", "request": one.reference}
    answer |= {"number": told["number"], "response": canonical(told)}
    connection.execute(insert(ANSWER), answer)
