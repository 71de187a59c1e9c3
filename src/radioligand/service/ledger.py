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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import SQLAlchemyError

from radioligand.allocation import ListError, plan_of, stratum_of
from radioligand.protocol import Protocol
from radioligand.service.amendments import RULED, Held, document_hash, held
from radioligand.service.audit import Head, anchor_line, canonical, write_anchor
from radioligand.service.database import ANSWER, DatabaseError, has_ledger, is_passing, reading
from radioligand.service.envelopes import entered
from radioligand.service.events import KINDS, Event, Patient, Signature, faults_of, patient_of
from radioligand.service.forms import judged
from radioligand.service.journal import (
    Clock,
    Site,
    append,
    iso,
    read_events,
    read_head,
    read_sites,
    utc_now,
)
from radioligand.service.keys import Keys
from radioligand.service.opening import open_ledger, plan_hash
from radioligand.service.randomising import Wish, randomise
from radioligand.service.reconciling import (
    Certificate,
    acknowledged,
    is_anchored,
    is_reconciling,
    reconciled,
    state_of,
)
from radioligand.service.refusals import BusyError, RefusalError
from radioligand.service.schema import check_version

__all__ = ["Allocation", "BusyError", "Ledger", "RefusalError", "Site", "open_ledger", "utc_now"]

NOT_RECORDED = ("randomised", "ledger opened", "restored", "reconciled")  # these are done
NAMES = {"subject": 60, "site": 40, "actor": 100}  # and their longest
LONGEST_REASON = 1000  # letters
PATIENCE = 30  # seconds for a transaction that the database breaks off; the key makes it safe

Act = Callable[[Connection, Head], Mapping[str, Any]]


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
        is_amending: bool = False,
    ) -> None:
        """Open the ledger. Raises DatabaseError if the database holds none, or another trial's.

        Another document of the same trial is refused too, unless it `is_amending`: see `amend`.
        """
        self.engine, self.protocol, self.anchor = engine, protocol, anchor
        self._keys, self._clock = keys, clock
        self._trial, self._document = protocol.trial.id, document_hash(protocol)
        if not has_ledger(engine):
            raise DatabaseError("this database holds no ledger; open one with a list first.")
        check_version(engine)
        opened = self.events(kinds=("ledger opened",))[0].payload
        if (opened["trial"], opened["plan"]) != (self._trial, plan_hash(protocol)):
            raise DatabaseError(
                f"the database holds the ledger of {opened['trial']!r}, with another plan of arms "
                f"or strata than the protocol {self._trial!r}; give that ledger's protocol."
            )
        if opened["anchor_key"] != keys.public:
            raise DatabaseError("this secret is not the one that the ledger was opened with.")
        now = self.protocol_held()
        if not is_amending and now.document not in (None, self._document):
            raise DatabaseError(
                f"the protocol {self._trial!r} is not version {now.version}, by which the ledger "
                f"is run since record {now.since}: give that one, or record the change by "
                "`radioligand ledger amend`."
            )

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
        """Randomise a patient: give the next entry of the stratum.

        The levels of the strata are read from the signed screening form; `strata`, by factor, is
        needed for factors that no form tells, and must agree with the form otherwise. The same
        `key` with the same request gives the same answer again, for ever.

        Raises RefusalError, always before the list is read; BusyError if the database is silent.
        """
        asked = {"subject": subject, "site": site, "actor": actor, "strata": strata}
        request = _request("randomised", asked | {"signature": asdict(signature)})

        def act(connection: Connection, head: Head) -> Mapping[str, Any]:
            self._refuse_amended(connection)
            if is_reconciling(connection):
                raise RefusalError("reconcile", "the ledger was restored and is not reconciled")
            wish = Wish(
                subject=subject,
                site=site,
                actor=actor,
                at=iso(self._clock()),
                signature=signature,
                strata=strata,
            )
            return randomise(connection, head, wish, protocol=self.protocol, keys=self._keys)

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
        and stored with it, and so is, as with dose decisions, the hash of the protocol.
        Raises RefusalError with every reason; BusyError as `allocate` does.
        """
        if kind in NOT_RECORDED:
            raise RefusalError("request", f"{kind!r} is not recorded but done")
        given = dict(payload or {})
        if kind == "screened" and given.get("form"):
            try:
                given |= judged(given["form"], protocol=self.protocol)
            except ValueError as error:
                raise RefusalError("request", str(error)) from None
        asked: dict[str, Any] = {"site": site, "subject": subject, "actor": actor}
        asked |= {"payload": given, "reason": reason}
        asked["signature"] = asdict(signature) if signature else None

        def act(connection: Connection, head: Head) -> Mapping[str, Any]:
            self._refuse(connection, kind, asked, signature)
            ruled = {}
            if kind in RULED:
                self._refuse_amended(connection)
                ruled["protocol"] = self._document
            event = append(
                connection,
                head,
                kind=kind,
                actor=actor,
                at=iso(self._clock()),
                site=site,
                subject=subject,
                payload=given | ruled,
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

    def reconcile(
        self,
        certificates: Iterable[Certificate],
        *,
        actor: str,
        reason: str,
        key: str | None = None,
    ) -> Event:
        """Enter again the allocations that a restore lost, and open randomisation again.

        Every lost allocation needs its certificate, as the site has it. Each takes the next entry
        of its stratum, in the order in which they were first made, and has to come out with the
        arm that it had; it names that arm, it does not choose it. Raises RefusalError otherwise.
        """
        given = tuple(certificates)
        asked = {"certificates": [asdict(one) for one in given], "actor": actor, "reason": reason}

        def act(connection: Connection, head: Head) -> Mapping[str, Any]:
            event = reconciled(
                connection,
                head,
                given,
                protocol=self.protocol,
                keys=self._keys,
                anchor=self.anchor,
                actor=actor,
                reason=reason,
                at=iso(self._clock()),
            )
            return {"number": event.number}

        told = self._write(key or str(uuid.uuid4()), _request("reconciled", asked), act)
        return self.event(told["number"])

    def enter_envelope(
        self, certificate: Certificate, *, actor: str, reason: str, key: str | None = None
    ) -> Event:
        """Enter the allocation of a sealed envelope that was opened while the portal was away.

        It takes the next entry of its stratum's fallback list and has to come out with the arm
        that was in the envelope; it names that arm, it does not choose it. The patient counts as
        randomised from when it was opened. Raises RefusalError otherwise.
        """
        asked = {"certificates": [asdict(certificate)], "actor": actor, "reason": reason}
        asked |= {"subject": certificate.subject, "site": certificate.site}

        def act(connection: Connection, head: Head) -> Mapping[str, Any]:
            return entered(
                connection,
                head,
                certificate,
                actor=actor,
                reason=reason,
                at=iso(self._clock()),
                protocol=self.protocol,
                keys=self._keys,
            )

        told = self._write(key or str(uuid.uuid4()), _request("envelope", asked), act)
        return self.event(told["number"])

    def amend(self, *, actor: str, reason: str) -> Event:
        """Run the ledger by this protocol from here on; arms, strata and method stay as opened.

        Services that run by the former one refuse to screen, decide doses or randomise until they
        are started again. Raises DatabaseError if this is the protocol already.
        """
        now = self.protocol_held()
        if now.document == self._document:
            raise DatabaseError(
                f"this is version {now.version}, by which the ledger is run already."
            )
        payload = {"protocol": self._document, "was": now.document, "version": now.version + 1}
        return self.record("protocol amended", actor=actor, reason=reason, payload=payload)

    def begin_anchor(self, *, actor: str, reason: str) -> Event:
        """Begin a new anchor file where the old one is gone; the event says from where it holds.

        Raises DatabaseError if the ledger has its anchor.
        """
        if not self._lacks_anchor():
            raise DatabaseError(f"{self.anchor}: this ledger has its anchor; none is begun.")
        return self.record("anchor begun", actor=actor, reason=reason)

    def check_anchor(self) -> None:
        """Refuse a ledger under way whose anchor is gone, by DatabaseError.

        Without it a cut end or a full rewriting would go unseen from here on.
        """
        if self._lacks_anchor():
            raise DatabaseError(
                f"{self.anchor} holds no head of this ledger of {self.head().number} events: give "
                "its anchor file; if that is lost, begin another with --new-anchor and the reason."
            )

    def _lacks_anchor(self) -> bool:
        """Whether something happened since the opening that the anchor file does not know."""
        if self.anchor is None or self.head().number <= 1:
            return False
        public = self._keys.public
        return not is_anchored(trial=self._trial, public=public, anchor=self.anchor)

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
        """Return a patient as the events tell; without events nothing holds."""
        return patient_of(subject, self.events(subject=subject))

    def patients(self, *, site: str | None = None) -> tuple[Patient, ...]:
        """Return every patient, or those of one site, in the order of their first events."""
        found: dict[str, list[Event]] = {}
        for event in self.events(site=site):
            if event.subject is not None and KINDS[event.kind].about == "subject":
                found.setdefault(event.subject, []).append(event)
        return tuple(patient_of(subject, events) for subject, events in found.items())

    def protocol_held(self) -> Held:
        """Return the version of the protocol by which the ledger is run."""
        with reading(self.engine) as connection:
            return held(connection)

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
        """Tell how the ledger stands.

        "open"; "reconcile": restored from an older copy, it does not randomise until reconciled;
        "tampered": an anchored event is another one here, and nothing is taken.
        """
        with reading(self.engine) as connection:
            return state_of(
                connection, trial=self._trial, public=self._keys.public, anchor=self.anchor
            )

    # --- inside one transaction -------------------------------------------------------------------

    def _write(self, key: str, request: str, act: Act) -> Mapping[str, Any]:
        """Run `act` once for the key, in one transaction, and anchor the head before answering."""
        if not _is_name(key, 100):
            raise RefusalError("request", "the key of a request is a name of 1 to 100 letters")
        told, head = self._patiently(key, request, act)
        if self.anchor is not None:
            line = anchor_line(head, trial=self._trial, at=iso(self._clock()), keys=self._keys)
            try:
                write_anchor(self.anchor, line)
            except OSError as error:
                raise BusyError(
                    f"done but not anchored, repeat with the same key: {error}"
                ) from error
        return told

    def _patiently(self, key: str, request: str, act: Act) -> tuple[Mapping[str, Any], Head]:
        """Try the transaction again while what stopped it may pass."""
        until, pause = time.monotonic() + PATIENCE, 0.005
        while True:
            try:
                return self._once(key, request, act)
            except SQLAlchemyError as error:
                if not is_passing(error):
                    raise
                if time.monotonic() > until:
                    raise BusyError(
                        "no answer from the database; repeat with the same key"
                    ) from error
            time.sleep(pause)
            pause = min(2 * pause, 0.5)

    def _once(self, key: str, request: str, act: Act) -> tuple[Mapping[str, Any], Head]:
        with self.engine.begin() as connection:
            head = acknowledged(
                connection,
                read_head(connection, lock=True),
                trial=self._trial,
                public=self._keys.public,
                anchor=self.anchor,
                at=iso(self._clock()),
            )
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

    def _refuse_amended(self, connection: Connection) -> None:
        """Refuse to decide by a protocol that has been amended since this ledger was opened."""
        if held(connection).document not in (None, self._document):
            raise RefusalError(
                "amended", "the protocol was amended; start the portal again with the new one"
            )

    def _refuse(
        self,
        connection: Connection,
        kind: str,
        asked: Mapping[str, Any],
        signature: Signature | None,
    ) -> None:
        """Refuse an event that may not happen now."""
        subject, site, payload = asked["subject"], asked["site"], asked["payload"]
        patient = None
        if subject and kind in KINDS and KINDS[kind].about == "subject":
            patient = patient_of(subject, read_events(connection, subject=subject))
        faults = faults_of(
            kind, patient, site=site, payload=payload, reason=asked["reason"], signature=signature
        )
        if faults:
            raise RefusalError("state", *faults)
        if kind == "stratum corrected":
            try:
                stratum_of(payload["strata"], protocol=self.protocol, site=site or "")
            except ListError as error:
                raise RefusalError("strata", str(error)) from None
        if kind == "site closed" and site not in read_sites(connection):
            raise RefusalError("site", f"site {site} was never opened")
        if kind == "list released":
            maker = read_events(connection, kinds=("ledger opened",))[0].actor
            if maker == asked["actor"]:
                raise RefusalError("release", "whoever loaded the list does not release it")


def _request(kind: str, asked: Mapping[str, Any]) -> str:
    """Hash what is asked for, and by whom. Raises RefusalError for what cannot be kept."""
    faults = [
        f"{name} {asked[name]!r} is not a name of 1 to {longest} letters"
        for name, longest in NAMES.items()
        if asked.get(name) is not None and not _is_name(asked[name], longest)
    ]
    if len(asked.get("reason") or "") > LONGEST_REASON:
        faults.append(f"a reason has {LONGEST_REASON} letters at most")
    if faults:
        raise RefusalError("request", *faults)
    try:
        return hashlib.sha256(canonical({"kind": kind, **asked}).encode()).hexdigest()
    except (TypeError, ValueError) as error:
        raise RefusalError("request", f"this is not plain data: {error}") from None


def _is_name(value: object, longest: int) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= longest
