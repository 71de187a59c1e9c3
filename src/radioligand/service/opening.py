# SPDX-License-Identifier: Apache-2.0
"""The first day of a ledger: tables, the sealed list, and the hashes that bind them."""

import hashlib
from collections.abc import Mapping
from typing import Any

import polars as pl
from sqlalchemy import Engine, insert

from radioligand.allocation import commitments, entry_values, list_hash
from radioligand.protocol import Protocol
from radioligand.service.amendments import document_hash
from radioligand.service.audit import GENESIS, Head, canonical
from radioligand.service.database import (
    CURSOR,
    HEAD,
    LIST_ENTRY,
    DatabaseError,
    has_ledger,
)
from radioligand.service.journal import Clock, append, iso, utc_now
from radioligand.service.keys import Keys
from radioligand.service.schema import create_tables


def open_ledger(
    engine: Engine,
    protocol: Protocol,
    entries: pl.DataFrame,
    *,
    salts: pl.Series,
    keys: Keys,
    actor: str,
    clock: Clock = utc_now,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Create the tables and store the list, sealed and committed to, as the first event.

    `entries` is a list by `allocation.make_list`, or one that `allocation.check_list` passed;
    `actor` is who made it. Somebody else releases it: record "list released" of another actor.
    """
    if has_ledger(engine):
        raise DatabaseError("this database holds a ledger already; a list is never replaced.")
    trial = protocol.trial.id
    committed = commitments(entries, salts)
    rows = [
        {
            "stratum": row["STRATUM"],
            "sequence": row["SEQUENCE"],
            "sealed": keys.seal(value, place=place_of(trial, row["STRATUM"], row["SEQUENCE"])),
            "commitment": commitment,
        }
        for row, value, commitment in zip(
            entries.to_dicts(), entry_values(entries), committed, strict=True
        )
    ]
    lengths = entries.group_by("STRATUM", maintain_order=True).len().rows()
    with engine.begin() as connection:
        create_tables(connection)
        connection.execute(insert(LIST_ENTRY), rows)
        connection.execute(
            insert(CURSOR),
            [{"stratum": name, "next_sequence": 1, "entries": n} for name, n in lengths],
        )
        start = {"id": 1, "number": 0, "hash": GENESIS, "allocations": 0, "era": 0}
        connection.execute(insert(HEAD), start)
        payload = dict(details or {}) | {
            "trial": trial,
            "plan": plan_hash(protocol),
            "protocol": document_hash(protocol),
            "list": list_hash(entries, committed),
            "entries": entries.height,
            "anchor_key": keys.public,
        }
        head = Head(number=0, hash=GENESIS, allocations=0, era=0)
        append(
            connection, head, kind="ledger opened", actor=actor, at=iso(clock()), payload=payload
        )


def plan_hash(protocol: Protocol) -> str:
    """Hash of what a list depends on: arms, ratio, factors and their levels, and the method."""
    plan = protocol.randomisation
    told: dict[str, Any] = {
        "arms": [[arm.id, arm.ratio] for arm in protocol.arms],
        "method": plan.method if plan else None,
        "by_site": plan.by_site if plan else None,
        "strata": [[f.id, [level.id for level in f.levels]] for f in plan.strata] if plan else [],
    }
    if plan and plan.method == "minimisation":
        told["probability"] = plan.probability
    return hashlib.sha256(canonical(told).encode()).hexdigest()


def place_of(trial: str, stratum: str, sequence: int) -> str:
    """Name the one place of a list entry, to which its sealing is bound."""
    return f"{trial}\0{stratum}\0{sequence}"
