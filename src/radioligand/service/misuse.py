# SPDX-License-Identifier: Apache-2.0
"""Attempts that were refused, as events: who tried what, for auditors alone."""

import hashlib
from contextlib import suppress
from typing import Literal

from radioligand.service.portal import Ask
from radioligand.service.refusals import BusyError, RefusalError

Attempt = Literal["page", "patient", "signature"]
LONGEST = 200


def note_refused(ask: Ask, attempt: Attempt, says: str) -> None:
    """Append what somebody signed in was refused, the first of its sort in a session and minute.

    So nobody fills the ledger by asking. A patient that does not exist is noted as one of another
    site is, or the time of an answer would tell them apart; the number stands in the payload, as
    the event is none of that patient's. Nothing is noted of whoever is not signed in, nor while
    the ledger takes nothing.
    """
    if ask.session is None:
        return
    session = hashlib.sha256(ask.token.encode()).hexdigest()[:32]
    payload = {"attempt": attempt, "method": ask.method, "says": says[:LONGEST]}
    payload |= {name: value[:LONGEST] for name, value in ask.path.items()}
    with suppress(RefusalError, BusyError):  # the key of a second one is used already
        ask.portal.ledger.record(
            "refused",
            actor=ask.session.account.name,
            site=ask.session.account.site,
            payload=payload,
            key=f"refused {attempt} {ask.now:%Y-%m-%dT%H:%M} {session}",
        )
