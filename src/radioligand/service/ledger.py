# SPDX-License-Identifier: Apache-2.0
"""The ledger of a running trial: allocations and every other event, appended and never undone.

Each call is one transaction: take the head's row, look for the client's key, check, and only then
take the stratum's cursor and read the one next entry of the list; append the audit record, store
the answer, commit; sign and write down the head outside the database; answer. A client that did
not get its answer sends the same request under the same key and gets the answer that was stored.

No parameter chooses an arm: a patient gets the next entry of the stratum or a refusal, and every
refusal comes before the list is read.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, func, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError

from radioligand.allocation import ListError, minimise, plan_of, stratum_of
from radioligand.protocol import Protocol
from radioligand.protocol.records import Arm
from radioligand.service.audit import Head, anchor_line, canonical, read_anchors, write_anchor
from radioligand.service.database import (
    ALLOCATION,
    ANSWER,
    AUDIT,
    CURSOR,
    HEAD,
    LIST_ENTRY,
    DatabaseError,
    reading,
)
from radioligand.service.events import KINDS, Event, Patient, Signature, faults_of, patient_of
from radioligand.service.forms import judged, levels_of
from radioligand.service.journal import (
    Clock,
    Site,
    append,
    iso,
    locked,
    randomised,
    read_events,
    read_head,
    read_sites,
    utc_now,
)
from radioligand.service.keys import Keys
from radioligand.service.opening import open_ledger, place_of, plan_hash

__all__ = ["Allocation", "BusyError", "Ledger", "RefusalError", "Site", "open_ledger", "utc_now"]

TRIES = 40  # of one transaction that the database broke off; the key makes repeating safe
TAIL_BYTES = 4096  # of the anchor file, read before each write


class RefusalError(ValueError):
    """The ledger does not do what was asked, and nothing was written; `reasons` says why.

    `code` is for programs: "request", "site", "cap", "state", "strata", "exhausted", "key",
    "release", "reconcile".
    """

    def __init__(self, code: str, *reasons: str) -> None:
        """Keep the code and every reason."""
        self.code, self.reasons = code, reasons
        super().__init__("; ".join(reasons) + ".")


class BusyError(RuntimeError):
    """The database did not answer; nothing is known to be lost: repeat with the same key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What a site gets for a randomised patient. Nothing in it tells of the list."""

    subject: str
    site: str
    arm: str
    arm_label: str
    strata: Mapping[str, str]  # as entered
    at: str  # UTC
    actor: str
    signature: Signature
    reference: str  # the hash of its audit record


class Ledger:
    """The open ledger of one trial. Safe to share between threads; each process has its own.

    `anchor` is the file, outside the database and best on another machine, that gets the signed
    head after every event. A ledger without one cannot notice that its end was cut off.
    """

    def __init__(
        self,
        engine: Engine,
        protocol: Protocol,
        *,
        keys: Keys,
        clock: Clock = utc_now,
        anchor: Path | None = None,
    ) -> None:
        """Open the ledger. Raises DatabaseError if the database holds none, or another trial's."""
        self.engine, self.protocol, self.anchor = engine, protocol, anchor
        self._keys, self._clock = keys, clock
        self._trial = protocol.trial.id
        if not inspect(engine).has_table(HEAD.name):
            raise DatabaseError("this database holds no ledger; open one with a list first.")
        opened = self.events(kinds=("ledger opened",))[0].payload
        if (opened["trial"], opened["plan"]) != (self._trial, plan_hash(protocol)):
            raise DatabaseError(
                f"the database holds the ledger of {opened['trial']!r}, with another plan of arms "
                f"or strata than the protocol {self._trial!r}; give that ledger's protocol."
            )
        if opened["anchor_key"] != keys.public:
            raise DatabaseError("this secret is not the one that the ledger was opened with.")

    # --- what changes the ledger ------------------------------------------------------------------

    def allocate(
        self,
        subject: str,
        *,
        site: str,
        actor: str,
        key: str,
        signature: Signature,
        strata: Mapping[str, str] | None = None,
    ) -> Allocation:
        """Randomise a patient: give him the next entry of his stratum.

        The levels of the strata are read from the signed screening form; `strata`, by factor, is
        needed for factors that no form tells, and must agree with the form otherwise. The same
        `key` with the same request gives the same answer again, for ever.

        Raises RefusalError, always before the list is read; BusyError if the database is silent.
        """
        asked = {"subject": subject, "site": site, "actor": actor, "strata": strata}
        request = _request("randomised", asked | {"signature": asdict(signature)})

        def act(connection: Connection, head: Head) -> Mapping[str, Any]:
            patient = self._patient(connection, subject)
            payload = self._may_randomise(connection, head, patient, site, strata, signature)
            stratum = stratum_of(payload["strata"], protocol=self.protocol, site=site)
            entry, sequence = self._next_entry(connection, stratum)
            arm = self._arm_of(connection, entry, payload["strata"])
            payload |= {"stratum": stratum, "arm": arm.id}  # its place in the list stays untold
            payload["regimen"] = "radioligand" if self._has_radioligand(arm.id) else "other"
            event = append(
                connection,
                replace(head, allocations=head.allocations + 1),
                kind="randomised",
                actor=actor,
                at=iso(self._clock()),
                site=site,
                subject=subject,
                payload=payload,
                signature=signature,
            )
            row = {"number": event.number, "stratum": stratum, "sequence": sequence}
            row |= {"subject": subject, "site": site, "arm": arm.id}
            connection.execute(insert(ALLOCATION), row)
            return {
                "number": event.number,
                "subject": subject,
                "site": site,
                "arm": arm.id,
                "arm_label": arm.label,
                "strata": payload["strata"],
                "at": event.at,
                "actor": actor,
                "signature": asdict(signature),
                "reference": event.hash,
            }

        told = dict(self._write(key, request, act))
        told.pop("number")
        return Allocation(**told | {"signature": Signature(**told["signature"])})

    def record(
        self,
        kind: str,
        *,
        actor: str,
        subject: str | None = None,
        site: str | None = None,
        payload: Mapping[str, Any] | None = None,
        reason: str | None = None,
        signature: Signature | None = None,
        key: str | None = None,
    ) -> Event:
        """Append an event of any kind but an allocation, if it may happen now.

        A "screened" event's payload is ``{"form": ...}``; the verdict and the criteria are found
        and stored with it. Raises RefusalError with every reason; BusyError as `allocate` does.
        """
        if kind in ("randomised", "ledger opened", "reconciled"):
            raise RefusalError("request", f"{kind!r} is not recorded but done")
        given = dict(payload or {})
        if kind == "screened" and given.get("form"):
            try:
                given |= judged(given["form"], protocol=self.protocol)
            except ValueError as error:
                raise RefusalError("request", str(error)) from None
        asked: dict[str, Any] = {"site": site, "subject": subject, "actor": actor}
        asked |= {"payload": given}
        asked |= {"reason": reason, "signature": asdict(signature) if signature else None}
        about_subject = kind in KINDS and KINDS[kind].about == "subject"

        def act(connection: Connection, head: Head) -> Mapping[str, Any]:
            patient = self._patient(connection, subject) if subject and about_subject else None
            faults = faults_of(
                kind,
                patient,
                site=site,
                payload=given,
                reason=reason,
                signature=signature,
            )
            if kind == "stratum corrected" and not faults:
                faults = self._strata_faults(given["strata"], site)
            if faults:
                raise RefusalError("state", *faults)
            if kind == "list released":
                self._refuse_own_list(connection, actor)
            event = append(
                connection,
                head,
                kind=kind,
                actor=actor,
                at=iso(self._clock()),
                site=site,
                subject=subject,
                payload=given,
                reason=reason,
                signature=signature,
            )
            return {"number": event.number}

        told = self._write(key or str(uuid.uuid4()), _request(kind, asked), act)
        return self.event(told["number"])

    def correct_stratum(
        self,
        subject: str,
        *,
        strata: Mapping[str, str],
        site: str,
        actor: str,
        reason: str,
        key: str | None = None,
    ) -> Event:
        """Append the true levels of a randomised patient; the allocation and the list stay."""
        return self.record(
            "stratum corrected",
            subject=subject,
            site=site,
            actor=actor,
            payload={"strata": dict(strata)},
            reason=reason,
            key=key,
        )

    # --- what reads it ----------------------------------------------------------------------------

    def head(self) -> Head:
        """Return the end of the chain."""
        with reading(self.engine) as connection:
            return read_head(connection, lock=False)

    def events(
        self,
        *,
        subject: str | None = None,
        site: str | None = None,
        kinds: Iterable[str] = (),
        after: int = 0,
        limit: int | None = None,
    ) -> tuple[Event, ...]:
        """Return events in the order of their numbers, those after number `after`."""
        with reading(self.engine) as connection:
            return read_events(
                connection, subject=subject, site=site, kinds=tuple(kinds), after=after, limit=limit
            )

    def event(self, number: int) -> Event:
        """Return one event. Raises KeyError where there is none."""
        found = self.events(after=number - 1, limit=1)
        if not found or found[0].number != number:
            raise KeyError(number)
        return found[0]

    def patient(self, subject: str) -> Patient:
        """Return a patient as his events leave him; without events nothing holds of him."""
        return patient_of(subject, self.events(subject=subject))

    def patients(self, *, site: str | None = None) -> tuple[Patient, ...]:
        """Return every patient, or those of one site, in the order of their first events."""
        found: dict[str, list[Event]] = {}
        for event in self.events(site=site):
            if event.subject is not None and KINDS[event.kind].about == "subject":
                found.setdefault(event.subject, []).append(event)
        return tuple(patient_of(subject, events) for subject, events in found.items())

    def sites(self) -> dict[str, Site]:
        """Return every site that was ever opened."""
        with reading(self.engine) as connection:
            return read_sites(connection)

    def allocations(self) -> pl.DataFrame:
        """Every allocation with its strata as entered and as corrected: for unblinded eyes only.

        Columns: USUBJID, SITEID, ARMCD, ARM, RANDDTC, then each factor as entered, under its own
        name, and as corrected since, with the suffix C; STRATCOR is Y where the two differ.
        """
        factors = [one.id for one in plan_of(self.protocol).strata]
        labels = {arm.id: arm.label for arm in self.protocol.arms}
        rows = [
            {
                "USUBJID": one.subject,
                "SITEID": one.site,
                "ARMCD": one.arm,
                "ARM": labels[str(one.arm)],
                "RANDDTC": one.randomised_at,
                **{name: (one.strata_entered or {}).get(name) for name in factors},
                **{f"{name}C": (one.strata or {}).get(name) for name in factors},
                "STRATCOR": "Y" if one.strata != one.strata_entered else "N",
            }
            for one in self.patients()
            if one.arm is not None
        ]
        names = ["USUBJID", "SITEID", "ARMCD", "ARM", "RANDDTC", *factors]
        names += [f"{name}C" for name in factors] + ["STRATCOR"]
        return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))

    def state(self) -> str:
        """Tell whether events are taken: "open", or "reconcile" when the anchor knows of more."""
        with reading(self.engine) as connection:
            return "open" if self._lost(connection) is None else "reconcile"

    # --- inside one transaction -------------------------------------------------------------------

    def _write(
        self, key: str, request: str, act: Callable[[Connection, Head], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """Run `act` once for the key, in one transaction, and anchor the head before answering."""
        if not key or len(key) > 100:
            raise RefusalError("request", "the key of a request has 1 to 100 letters")
        for attempt in range(TRIES):
            try:
                told, head = self._once(key, request, act)
                break
            except DBAPIError as error:
                if not _is_passing(error):
                    raise
                time.sleep(0.005 * attempt)
        else:
            raise BusyError(
                "the database does not answer; send the request again with the same key."
            )
        if self.anchor is not None:
            line = anchor_line(head, trial=self._trial, at=iso(self._clock()), keys=self._keys)
            write_anchor(self.anchor, line)
        return told

    def _once(
        self, key: str, request: str, act: Callable[[Connection, Head], Mapping[str, Any]]
    ) -> tuple[Mapping[str, Any], Head]:
        with self.engine.begin() as connection:
            head = read_head(connection, lock=True)
            lost = self._lost(connection)
            if lost is not None:
                raise RefusalError("reconcile", lost)
            asked = select(ANSWER.c.request, ANSWER.c.response).where(ANSWER.c.key == key)
            stored = connection.execute(asked).first()
            if stored is not None:
                if stored.request != request:
                    raise RefusalError(
                        "key", "this key was used for another request; use a new one"
                    )
                return json.loads(stored.response), head
            told = act(connection, head)
            answer = {"key": key, "request": request, "number": told["number"]}
            connection.execute(insert(ANSWER), answer | {"response": canonical(told)})
            return told, read_head(connection, lock=False)

    def _may_randomise(
        self,
        connection: Connection,
        head: Head,
        patient: Patient,
        site: str,
        strata: Mapping[str, str] | None,
        signature: Signature,
    ) -> dict[str, Any]:
        """Check all that must hold before the list is read; return the payload so far."""
        found = read_sites(connection).get(site)
        if found is None or not found.is_open:
            raise RefusalError("site", f"site {site} is not open for randomisation")
        if not read_events(connection, kinds=("list released",), limit=1):
            raise RefusalError("release", "the randomisation list has not been released")
        probe = {"regimen": "other"}  # the true regimen is known after the list is read
        faults = faults_of(
            "randomised", patient, site=site, payload=probe, reason=None, signature=signature
        )
        if faults:
            raise RefusalError("state", *faults)
        self._refuse_over_cap(connection, head, found)
        levels = self._levels(patient, strata)
        faults = self._strata_faults(levels, site)
        if faults:
            raise RefusalError("strata", *faults)
        stratum = stratum_of(levels, protocol=self.protocol, site=site)
        cursor = connection.execute(
            locked(select(CURSOR).where(CURSOR.c.stratum == stratum))
        ).first()
        if cursor is None:
            raise RefusalError("strata", f"the list has no stratum {stratum}")
        if cursor.next_sequence > cursor.entries:
            raise RefusalError("exhausted", f"the list of stratum {stratum} is used up")
        return {"strata": levels}

    def _refuse_over_cap(self, connection: Connection, head: Head, site: Site) -> None:
        caps = read_events(connection, kinds=("caps set",))
        limit = caps[-1].payload.get("trial") if caps else None
        if limit is not None and head.allocations >= limit:
            raise RefusalError("cap", f"the trial has its {limit} patients")
        count = select(func.count()).select_from(ALLOCATION).where(ALLOCATION.c.site == site.site)
        if site.cap is not None and connection.execute(count).scalar_one() >= site.cap:
            raise RefusalError("cap", f"site {site.site} has its {site.cap} patients")

    def _levels(self, patient: Patient, strata: Mapping[str, str] | None) -> dict[str, str]:
        """Levels by factor, from the form and from what was entered. Raises RefusalError."""
        told = levels_of(patient.form or {}, protocol=self.protocol)
        given = dict(strata or {})
        faults = [
            f"{name} was entered as {given[name]!r}, by the screening form it is {level!r}"
            for name, level in told.items()
            if level is not None and given.get(name, level) != level
        ]
        if faults:
            raise RefusalError("strata", *faults, "correct the form and have it signed again")
        return {name: level for name, level in told.items() if level is not None} | given

    def _strata_faults(self, values: Mapping[str, str], site: str | None) -> tuple[str, ...]:
        try:
            stratum_of(values, protocol=self.protocol, site=site or "")
        except ListError as error:
            return (str(error),)
        return ()

    def _next_entry(self, connection: Connection, stratum: str) -> tuple[str, int]:
        """Advance the stratum's cursor and open the entry that it stood at."""
        cursor = connection.execute(locked(select(CURSOR).where(CURSOR.c.stratum == stratum))).one()
        sequence = int(cursor.next_sequence)
        here = (LIST_ENTRY.c.stratum == stratum) & (LIST_ENTRY.c.sequence == sequence)
        sealed = connection.execute(select(LIST_ENTRY.c.sealed).where(here)).scalar_one()
        opened = self._keys.unseal(sealed, place=place_of(self._trial, stratum, sequence))
        stepped = update(CURSOR).where(CURSOR.c.stratum == stratum)
        connection.execute(stepped.values(next_sequence=sequence + 1))
        return opened, sequence

    def _arm_of(self, connection: Connection, entry: str, levels: Mapping[str, str]) -> Arm:
        """Turn an entry into the arm: it is its ARMCD, or the uniform number of minimisation."""
        plan = plan_of(self.protocol)
        if plan.method == "minimisation":
            entry = minimise(
                randomised(connection, protocol=self.protocol),
                levels,
                protocol=self.protocol,
                uniform=float(entry),
                probability=plan.probability,
            )
        return next(arm for arm in self.protocol.arms if arm.id == entry)

    def _has_radioligand(self, arm_id: str) -> bool:
        dosing = self.protocol.dosing
        arm = next(arm for arm in self.protocol.arms if arm.id == arm_id)
        return dosing is not None and any(one.name == dosing.treatment for one in arm.treatments)

    def _refuse_own_list(self, connection: Connection, actor: str) -> None:
        maker = read_events(connection, kinds=("ledger opened",))[0].actor
        if maker == actor:
            raise RefusalError("release", "whoever loaded the list does not release it")

    def _patient(self, connection: Connection, subject: str) -> Patient:
        return patient_of(subject, read_events(connection, subject=subject))

    def _lost(self, connection: Connection) -> str | None:
        """Say which anchored event the database lacks, or None if it has them all."""
        if self.anchor is None:
            return None
        found = read_anchors(
            self.anchor, trial=self._trial, public=self._keys.public, last_bytes=TAIL_BYTES
        )
        era = read_head(connection, lock=False).era
        known = [one for one in found.heads if one.era >= era]
        numbers = [one.number for one in known]
        asked = select(AUDIT.c.number, AUDIT.c.hash).where(AUDIT.c.number.in_(numbers))
        hashes = {number: value for number, value in connection.execute(asked)}
        for one in known:
            if hashes.get(one.number) != one.hash:
                return (
                    f"the anchor knows event {one.number}, which this database lacks: it was "
                    "restored from an older copy and takes nothing until it is reconciled"
                )
        return None


def _request(kind: str, asked: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical({"kind": kind, **asked}).encode()).hexdigest()


def _is_passing(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed when tried again."""
    state = getattr(error.orig, "sqlstate", None)
    waits = "locked" in str(error.orig) or "busy" in str(error.orig)
    return error.connection_invalidated or waits or state in ("40001", "40P01", "55P03")
