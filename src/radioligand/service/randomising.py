# SPDX-License-Identifier: Apache-2.0
"""One randomisation inside a transaction: every check, then the cursor, then the one next entry.

The checks do not read the list, and their words and their cost do not depend on what stands in it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from radioligand.allocation import ListError, fallback_stratum, minimise, plan_of, stratum_of
from radioligand.protocol import Protocol
from radioligand.protocol.records import Arm
from radioligand.service.audit import Head
from radioligand.service.database import ALLOCATION, CURSOR, LIST_ENTRY
from radioligand.service.events import Event, Patient, Signature, faults_of, patient_of
from radioligand.service.journal import (
    Site,
    append,
    locked,
    randomised,
    read_events,
    read_sites,
)
from radioligand.service.keys import Keys
from radioligand.service.opening import place_of
from radioligand.service.refusals import RefusalError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who is to be randomised where, by whom, at what time. It names no arm."""

    subject: str
    site: str
    actor: str
    at: str
    signature: Signature
    strata: Mapping[str, str] | None = None


def next_envelope(connection: Connection, stratum: str) -> int | None:
    """Return the number of a stratum's next sealed envelope; None if there is none left."""
    asked = locked(select(CURSOR).where(CURSOR.c.stratum == fallback_stratum(stratum)))
    cursor = connection.execute(asked).first()
    if cursor is None or cursor.next_sequence > cursor.entries:
        return None
    return int(cursor.next_sequence)


def randomise(
    connection: Connection, head: Head, wish: Wish, *, protocol: Protocol, keys: Keys
) -> dict[str, Any]:
    """Allocate, append the audit record and return what the site is told.

    Raises RefusalError, always before the list is read.
    """
    patient = patient_of(wish.subject, read_events(connection, subject=wish.subject))
    _refuse_closed(connection, head, wish.site)
    _refuse_unready(patient, wish)
    levels = _entered(patient, wish.strata)
    stratum = _stratum(levels, protocol=protocol, site=wish.site)
    _refuse_exhausted(connection, stratum)
    return take_entry(connection, head, wish, levels=levels, protocol=protocol, keys=keys)


def take_entry(
    connection: Connection,
    head: Head,
    wish: Wish,
    *,
    levels: Mapping[str, str],
    protocol: Protocol,
    keys: Keys,
    payload: Mapping[str, Any] | None = None,
    is_fallback: bool = False,
) -> dict[str, Any]:
    """Take the next entry of the stratum, or of its fallback list, and append and store it."""
    stratum = stratum_of(levels, protocol=protocol, site=wish.site)
    if is_fallback:
        stratum = fallback_stratum(stratum)
    entry, sequence = _next_entry(connection, stratum, trial=protocol.trial.id, keys=keys)
    arm = _arm_of(connection, entry, levels, protocol=protocol)
    told = {"strata": dict(levels), "stratum": stratum, "arm": arm.id}  # its place stays untold
    told["regimen"] = "radioligand" if _has_radioligand(arm, protocol) else "other"
    event = append(
        connection,
        replace(head, allocations=head.allocations + 1),
        kind="randomised",
        actor=wish.actor,
        at=wish.at,
        site=wish.site,
        subject=wish.subject,
        payload=told | dict(payload or {}),
        signature=wish.signature,
    )
    row = {"number": event.number, "stratum": stratum, "sequence": sequence}
    row |= {"subject": wish.subject, "site": wish.site, "arm": arm.id}
    connection.execute(insert(ALLOCATION), row)
    return _answer(event, arm)


def _answer(event: Event, arm: Arm) -> dict[str, Any]:
    return {
        "number": event.number,
        "subject": event.subject,
        "site": event.site,
        "arm": arm.id,
        "arm_label": arm.label,
        "strata": event.payload["strata"],
        "at": event.at,
        "actor": event.actor,
        "signature": asdict(event.signature) if event.signature else None,
        "reference": event.hash,
    }


def _entered(patient: Patient, entered: Mapping[str, str] | None) -> dict[str, str]:
    """Tell the levels by factor, from the screening form and from what was entered.

    Raises RefusalError where the two disagree.
    """
    told = patient.levels
    given = dict(entered or {})
    faults = [
        f"{name} was entered as {given[name]!r}, by the screening form it is {level!r}"
        for name, level in told.items()
        if level is not None and given.get(name, level) != level
    ]
    if faults:
        raise RefusalError("strata", *faults, "correct the form and have it signed again")
    return {name: level for name, level in told.items() if level is not None} | given


def _refuse_closed(connection: Connection, head: Head, name: str) -> None:
    """Refuse a site that is not open, a list not released, and a cap that is reached."""
    site = read_sites(connection).get(name)
    if site is None or not site.is_open:
        raise RefusalError("site", f"site {name} is not open for randomisation")
    if not read_events(connection, kinds=("list released",), limit=1):
        raise RefusalError("release", "the randomisation list has not been released")
    caps = read_events(connection, kinds=("caps set",))
    limit = caps[-1].payload.get("trial") if caps else None
    if limit is not None and head.allocations >= limit:
        raise RefusalError("cap", f"the trial has its {limit} patients")
    if site.cap is not None and _count(connection, site) >= site.cap:
        raise RefusalError("cap", f"site {name} has its {site.cap} patients")


def _count(connection: Connection, site: Site) -> int:
    asked = select(func.count()).select_from(ALLOCATION).where(ALLOCATION.c.site == site.site)
    return int(connection.execute(asked).scalar_one())


def _refuse_unready(patient: Patient, wish: Wish) -> None:
    faults = faults_of(
        "randomised",
        patient,
        site=wish.site,
        payload={"regimen": "other"},  # the true one is known after the list is read
        reason=None,
        signature=wish.signature,
    )
    if faults:
        raise RefusalError("state", *faults)


def _stratum(levels: Mapping[str, str], *, protocol: Protocol, site: str) -> str:
    try:
        return stratum_of(levels, protocol=protocol, site=site)
    except ListError as error:
        raise RefusalError("strata", str(error)) from None


def _refuse_exhausted(connection: Connection, stratum: str) -> None:
    asked = locked(select(CURSOR).where(CURSOR.c.stratum == stratum))
    cursor = connection.execute(asked).first()
    if cursor is None:
        raise RefusalError("strata", f"the list has no stratum {stratum}")
    if cursor.next_sequence > cursor.entries:
        raise RefusalError("exhausted", f"the list of stratum {stratum} is used up")


def _next_entry(connection: Connection, stratum: str, *, trial: str, keys: Keys) -> tuple[str, int]:
    """Advance the stratum's cursor and open the entry that it stood at."""
    asked = select(CURSOR.c.next_sequence).where(CURSOR.c.stratum == stratum)
    sequence = int(connection.execute(locked(asked)).scalar_one())
    here = (LIST_ENTRY.c.stratum == stratum) & (LIST_ENTRY.c.sequence == sequence)
    sealed = connection.execute(select(LIST_ENTRY.c.sealed).where(here)).scalar_one()
    stepped = update(CURSOR).where(CURSOR.c.stratum == stratum)
    connection.execute(stepped.values(next_sequence=sequence + 1))
    return keys.unseal(sealed, place=place_of(trial, stratum, sequence)), sequence


def _arm_of(
    connection: Connection, entry: str, levels: Mapping[str, str], *, protocol: Protocol
) -> Arm:
    """Turn an entry into the arm: it is its ARMCD, or the uniform number of minimisation."""
    plan = plan_of(protocol)
    if plan.method == "minimisation":
        entry = minimise(
            randomised(
                read_events(connection, kinds=("randomised", "stratum corrected")),
                protocol=protocol,
            ),
            levels,
            protocol=protocol,
            uniform=float(entry),
            probability=plan.probability,
        )
    return next(arm for arm in protocol.arms if arm.id == entry)


def _has_radioligand(arm: Arm, protocol: Protocol) -> bool:
    dosing = protocol.dosing
    return dosing is not None and any(one.name == dosing.treatment for one in arm.treatments)
