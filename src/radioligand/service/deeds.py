# SPDX-License-Identifier: Apache-2.0
"""What a page does to the ledger: find the patient its reader may see, sign, record."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from radioligand.patient_form import EARLIEST
from radioligand.service.accounts import is_own_password
from radioligand.service.events import Event, Patient, Signature
from radioligand.service.misuse import note_refused
from radioligand.service.portal import Ask, NotGivenError


class UnfitError(ValueError):
    """What was sent cannot be recorded; the message is for whoever filled it in."""


def patient_asked(ask: Ask) -> Patient:
    """Return the patient of the page's address.

    Raises NotGivenError with the same words for a patient of another site as for none at all.
    """
    found = ask.portal.ledger.patient(ask.path["subject"])
    if not found.events or (ask.site is not None and found.site != ask.site):
        note_refused(ask, "patient", "There is no such patient.")
        raise NotGivenError(404, "There is no such patient.")
    return found


def patients_seen(ask: Ask) -> tuple[Patient, ...]:
    """Return every patient that this reader may see."""
    return ask.portal.ledger.patients(site=ask.site)


def signature_of(ask: Ask, meaning: str) -> Signature:
    """Return the signature of whoever asks: both the meaning and the password came with the form.

    Raises UnfitError if the meaning was not agreed to or the password is wrong.
    """
    account = ask.signed_in.account
    if ask.form.get("meaning") != meaning:
        raise UnfitError("A signature needs its meaning: tick the sentence above the password.")
    password = ask.form.get("password", "")
    if not is_own_password(ask.portal.engine, name=account.name, password=password, now=ask.now):
        note_refused(ask, "signature", f"A wrong password for: {meaning}")
        raise UnfitError("The password is wrong, or the account is locked: nothing was signed.")
    return Signature(name=account.full_name, meaning=meaning)


def recorded(
    ask: Ask,
    kind: str,
    patient: Patient,
    payload: Mapping[str, Any] | None = None,
    *,
    reason: str | None = None,
    signature: Signature | None = None,
) -> Event:
    """Append an event on a patient, of the patient's own site and under the form's key."""
    return ask.portal.ledger.record(
        kind,
        actor=ask.signed_in.account.name,
        subject=patient.subject,
        site=patient.site,
        payload=payload,
        reason=reason or None,
        signature=signature,
        key=key_of(ask),
    )


def key_of(ask: Ask) -> str | None:
    """Return the key under which a form is recorded once, however often it is sent."""
    sent = ask.form.get("key", "")
    return f"{ask.signed_in.account.name}:{sent}"[:100] if sent else None


def day_typed(ask: Ask, name: str, *, label: str, not_before: str | None = None) -> str:
    """Return a date of the form as ISO text; raises UnfitError for none, or one to come."""
    text = ask.form.get(name, "").strip()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UnfitError(
            f"{label}: {text or 'nothing'} is not a date such as 2024-03-09."
        ) from None
    if day < EARLIEST:
        raise UnfitError(f"{label}: {text} is not possible.")
    if day > ask.today:
        raise UnfitError(f"{label}: {text} has not come yet.")
    if not_before and day.isoformat() < not_before:
        raise UnfitError(f"{label}: {text} lies before {not_before}.")
    return day.isoformat()


def number_typed(ask: Ask, name: str, *, label: str, lowest: float, highest: float) -> float:
    """Return a number of the form; raises UnfitError if it is none or impossible."""
    text = ask.form.get(name, "").strip().replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        raise UnfitError(f"{label}: {text or 'nothing'} is not a number.") from None
    if not lowest <= value <= highest:
        raise UnfitError(f"{label}: {value:g} does not lie between {lowest:g} and {highest:g}.")
    return value
