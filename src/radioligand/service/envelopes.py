# SPDX-License-Identifier: Apache-2.0
"""Allocations from sealed envelopes, made while the portal was away, as they come into the ledger.

The envelopes are a list of their own that the service never takes from, so nothing is given twice.
An envelope takes the next entry of its stratum's fallback list and has to come out with the arm
that was in it: the arm is compared with the list and never obeyed.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from radioligand.allocation import ListError, stratum_of
from radioligand.protocol import Protocol
from radioligand.service.audit import Head
from radioligand.service.events import faults_of, patient_of
from radioligand.service.journal import read_events
from radioligand.service.keys import Keys
from radioligand.service.randomising import Wish, next_envelope, take_entry
from radioligand.service.reconciling import Certificate, is_reconciling
from radioligand.service.refusals import RefusalError


def entered(
    connection: Connection,
    head: Head,
    one: Certificate,
    *,
    actor: str,
    reason: str,
    at: str,
    protocol: Protocol,
    keys: Keys,
) -> Mapping[str, Any]:
    """Enter the allocation of one envelope; the patient has consent, form and signature by now.

    Neither a closed site nor a cap stands against it: the patient has been randomised already.
    Raises RefusalError if it comes out of order, without reason or time, with other strata than
    the form says, or with another arm than the list.
    """
    if is_reconciling(connection):
        raise RefusalError("reconcile", "the ledger was restored and is not reconciled")
    if not reason.strip():
        raise RefusalError("request", "an envelope needs the reason why it was opened")
    opened_at = _time_of(one, at)
    patient = patient_of(one.subject, read_events(connection, subject=one.subject))
    faults = faults_of(
        "randomised",
        patient,
        site=one.site,
        payload={"regimen": "other"},
        reason=None,
        signature=one.signature,
    )
    if faults:
        raise RefusalError("state", *faults)
    told_by_form = {name: level for name, level in patient.levels.items() if level is not None}
    if {**one.strata, **told_by_form} != dict(one.strata):
        raise RefusalError("strata", f"the form of {one.subject} says {told_by_form}")
    try:
        stratum = stratum_of(one.strata, protocol=protocol, site=one.site)
    except ListError as error:
        raise RefusalError("strata", str(error)) from None
    number = next_envelope(connection, stratum)
    if number is None:
        raise RefusalError("exhausted", f"the list has no sealed envelope of {stratum} left")
    if number != one.envelope:
        raise RefusalError(
            "request", f"envelope {number} of {stratum} comes first, not {one.envelope}"
        )
    wish = Wish(subject=one.subject, site=one.site, actor=actor, at=at, signature=one.signature)
    payload = {"envelope": number, "opened_at": opened_at, "date": opened_at[:10]}
    told = take_entry(
        connection,
        head,
        wish,
        levels=one.strata,
        protocol=protocol,
        keys=keys,
        payload=payload | {"opened_by": one.actor, "opened_because": reason},
        is_fallback=True,
    )
    if told["arm"] != one.arm:
        raise RefusalError(
            "reconcile", f"envelope {number} of {stratum} does not agree with the list"
        )
    return told


def _time_of(one: Certificate, at: str) -> str:
    """Return when the envelope was opened. Raises RefusalError for no time, or one to come."""
    try:
        opened = datetime.fromisoformat(one.opened_at or "")
    except ValueError:
        opened = None
    if opened is None or opened.utcoffset() != timedelta(0):
        raise RefusalError("request", f"{one.opened_at!r} is not a time in UTC, with its zone")
    if opened > datetime.fromisoformat(at):
        raise RefusalError("request", f"the envelope was opened at {one.opened_at}, yet to come")
    return opened.isoformat()
