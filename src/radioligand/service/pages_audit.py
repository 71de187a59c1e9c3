# SPDX-License-Identifier: Apache-2.0
"""Pages of the auditor: every event in its order, the chain verified, the head and a copy taken."""

import csv
import io
import json
from collections.abc import Iterable

from starlette.responses import Response

from radioligand.service.audit import canonical
from radioligand.service.events import KINDS, Event
from radioligand.service.portal import Ask, Page, shown
from radioligand.service.roles import Action
from radioligand.service.verification import Verification, verify_ledger

ON_A_PAGE = 100
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute what begins like this


def show_events(ask: Ask) -> Response:
    """The events, newest first, of everything or of one patient or kind."""
    return _events(ask)


def verify(ask: Ask) -> Response:
    """The same page, with chain, head, list and anchor held against each other."""
    ledger = ask.portal.ledger
    return _events(ask, verdict=verify_ledger(ledger.engine, anchor=ledger.anchor))


def _events(ask: Ask, verdict: Verification | None = None) -> Response:
    ledger = ask.portal.ledger
    subject = ask.query.get("subject", "").strip()
    kind = ask.query.get("kind", "")
    found = ledger.events(subject=subject or None, kinds=(kind,) if kind in KINDS else ())
    last = _whole(ask.query.get("before", ""))
    shown_now = [one for one in reversed(found) if last is None or one.number < last]
    context = {
        "events": shown_now[:ON_A_PAGE],
        "more": shown_now[ON_A_PAGE - 1].number if len(shown_now) > ON_A_PAGE else None,
        "kinds": sorted(KINDS),
        "kind": kind,
        "subject": subject,
        "head": ledger.head(),
        "restored": ledger.events(kinds=("restored", "reconciled"))[-1:],
        "protocol": ledger.protocol_held(),
        "verdict": verdict,
        "as_json": canonical,
    }
    return shown(ask, "audit.html", context)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def take_head(ask: Ask) -> Response:
    """The head to be kept elsewhere: number and hash of the last event."""
    head = ask.portal.ledger.head()
    told = {
        "trial": ask.portal.protocol.trial.id,
        "at": ask.now.isoformat(),
        "number": head.number,
        "hash": head.hash,
        "allocations": head.allocations,
    }
    return Response(
        json.dumps(told, indent=2) + "\n",
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="head-{head.number}.json"'},
    )


def take_events(ask: Ask) -> Response:
    """Every event as a table for people; no cell can be computed by a spreadsheet."""
    events = ask.portal.ledger.events()
    return Response(
        as_csv(events),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="events.csv"'},
    )


def as_csv(events: Iterable[Event]) -> str:
    """Return events as CSV; what a spreadsheet would take for a formula stands behind a quote."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ("number", "at", "kind", "actor", "site", "subject", "payload", "reason", "signed", "hash")
    )
    for one in events:
        signed = f"{one.signature.name}: {one.signature.meaning}" if one.signature else ""
        cells = (
            *(one.number, one.at, one.kind, one.actor, one.site or "", one.subject or ""),
            *(canonical(one.payload), one.reason or "", signed, one.hash),
        )
        writer.writerow([_harmless(str(cell)) for cell in cells])
    return out.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


PAGES = (
    Page(path="/audit", method="GET", action=Action.AUDIT, answer=show_events),
    Page(path="/audit/verification", method="GET", action=Action.AUDIT, answer=verify),
    Page(path="/audit/head.json", method="GET", action=Action.AUDIT, answer=take_head),
    Page(path="/audit/events.csv", method="GET", action=Action.AUDIT, answer=take_events),
)
