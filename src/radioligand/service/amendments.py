# SPDX-License-Identifier: Apache-2.0
"""Which protocol a ledger is run by: the one it was opened with, or the last amendment of it."""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection

from radioligand.protocol import Protocol
from radioligand.service.audit import canonical
from radioligand.service.journal import read_events

RULED = frozenset({"screened", "dose decided"})  # events that hold the protocol that decided them


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The protocol by which a ledger is run: its version, counted from 1, and since which record.

    `document` is its hash; None for a ledger that was opened before the hash was recorded.
    """

    document: str | None
    version: int
    since: int


def document_hash(protocol: Protocol) -> str:
    """Hash of what the document says, whatever its layout, comments and order of keys."""
    said = protocol.model_dump(mode="json", exclude_unset=True)
    return hashlib.sha256(canonical(said).encode()).hexdigest()


def held(connection: Connection) -> Held:
    """Return the protocol by which the ledger is run now."""
    found = read_events(connection, kinds=("ledger opened", "protocol amended"))
    last = found[-1]
    document = last.payload.get("protocol")
    return Held(document=document, version=len(found), since=last.number)
