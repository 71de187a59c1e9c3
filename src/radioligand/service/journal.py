# SPDX-License-Identifier: Apache-2.0
"""Audit records as rows: appended after the head and read back as events, inside a transaction."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Connection, Select, func, insert, select, update

from radioligand.allocation import plan_of
from radioligand.protocol import Protocol
from radioligand.service.audit import Head, canonical, chained
from radioligand.service.database import AUDIT, HEAD
from radioligand.service.events import Event, Signature

Clock = Callable[[], datetime]
CLOCKS_APART = timedelta(seconds=2)  # of service and database, until a record says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site as its events leave it."""

    site: str
    is_open: bool
    cap: int | None  # patients it may randomise
    details: Mapping[str, Any]  # of the event that opened it


def utc_now() -> datetime:
    """Tell the machine's time; it is written down and never sorted by."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Write a moment in UTC. Raises ValueError for a clock without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("the ledger's clock tells a time without its zone; give UTC")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def in_utc(text: str) -> datetime:
    """Return a time that is written as UTC; one that says its distance, as +05:00, is converted.

    Raises ValueError for what is no time.
    """
    known = datetime.fromisoformat(text)
    try:
        return known.replace(tzinfo=UTC) if known.tzinfo is None else known.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} lies outside the calendar") from None


def append(
    connection: Connection,
    head: Head,
    *,
    kind: str,
    actor: str,
    at: str,
    site: str | None = None,
    subject: str | None = None,
    payload: Mapping[str, Any],
    reason: str | None = None,
    signature: Signature | None = None,
) -> Event:
    """Append one audit record after `head` and move the head; `head` brings the new counts.

    The record's time is the service's. Where PostgreSQL's clock stands more than two seconds beside
    it, that time is recorded as well.
    """
    told = {"number": head.number + 1, "at": at, "kind": kind, "actor": actor, "site": site}
    told |= {"subject": subject, "payload": dict(payload), "reason": reason}
    told["signature"] = asdict(signature) if signature else None
    database_at = _database_clock(connection)
    if database_at and abs(database_at - datetime.fromisoformat(at)) > CLOCKS_APART:
        told["database_at"] = iso(database_at)
    record = canonical(told)
    digest = chained(head.hash, record)
    row = {"number": head.number + 1, "kind": kind, "site": site, "subject": subject}
    connection.execute(insert(AUDIT), row | {"record": record, "hash": digest})
    moved = {"number": head.number + 1, "hash": digest, "era": head.era}
    connection.execute(update(HEAD).values(**moved, allocations=head.allocations))
    return read_event(record, digest)


def _database_clock(connection: Connection) -> datetime | None:
    """Return the clock of the database's machine; None on SQLite, which has that of the service."""
    if connection.dialect.name != "postgresql":
        return None
    told: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return told


def read_event(record: str, digest: str) -> Event:
    """Turn a stored record and its hash into the event."""
    told = json.loads(record)
    signature = told.pop("signature")
    return Event(**told, signature=signature and Signature(**signature), hash=digest)


def read_events(
    connection: Connection,
    *,
    subject: str | None = None,
    site: str | None = None,
    kinds: tuple[str, ...] = (),
    after: int = 0,
    limit: int | None = None,
) -> tuple[Event, ...]:
    """Read events in the order of their numbers, those after number `after`."""
    asked = select(AUDIT.c.record, AUDIT.c.hash).where(AUDIT.c.number > after)
    if subject is not None:
        asked = asked.where(AUDIT.c.subject == subject)
    if site is not None:
        asked = asked.where(AUDIT.c.site == site)
    if kinds:
        asked = asked.where(AUDIT.c.kind.in_(kinds))
    rows = connection.execute(asked.order_by(AUDIT.c.number).limit(limit))
    return tuple(read_event(record, digest) for record, digest in rows)


def read_head(connection: Connection, *, lock: bool) -> Head:
    """Read the end of the chain; with `lock`, wait until no other writer holds it."""
    asked = select(HEAD.c.number, HEAD.c.hash, HEAD.c.allocations, HEAD.c.era)
    row = connection.execute(locked(asked) if lock else asked).one()
    return Head(number=row.number, hash=row.hash, allocations=row.allocations, era=row.era)


def locked(asked: Select[Any]) -> Select[Any]:
    """Let the row asked for wait for its other writers; on SQLite the transaction did so."""
    return asked.with_for_update()


def read_sites(connection: Connection) -> dict[str, Site]:
    """Read every site that was ever opened, as its events leave it."""
    sites: dict[str, Site] = {}
    for event in read_events(connection, kinds=("site opened", "site closed")):
        name = str(event.site)
        if event.kind == "site opened":
            cap = event.payload.get("cap")
            sites[name] = Site(site=name, is_open=True, cap=cap, details=event.payload)
        elif name in sites:
            sites[name] = replace(sites[name], is_open=False)
    return sites


def randomised(events: Iterable[Event], *, protocol: Protocol) -> pl.DataFrame:
    """Every patient randomised so far: ARMCD, and the levels as corrected, a column a factor."""
    levels: dict[str, dict[str, str]] = {}
    for event in events:
        arm = {"ARMCD": event.payload["arm"]} if event.kind == "randomised" else {}
        told = levels.setdefault(str(event.subject), {})
        told |= {**event.payload["strata"], **arm}
    names = [*(factor.id for factor in plan_of(protocol).strata), "ARMCD"]
    return pl.DataFrame(list(levels.values()), schema=dict.fromkeys(names, pl.String))
