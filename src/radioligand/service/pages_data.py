# SPDX-License-Identifier: Apache-2.0
"""Pages on which the study is taken as SDTM: whole, or without arms for blinded readers."""

from starlette.responses import Response

from radioligand.service.portal import Ask, Page, shown
from radioligand.service.roles import Action
from radioligand.service.sdtm import last_event, packed, sdtm, without_arms


def show_data(ask: Ask) -> Response:
    """What can be taken, and as of which event."""
    patients = ask.portal.ledger.patients()
    context = {"last": last_event(patients), "patients": len(patients)}
    return shown(ask, "data.html", context)


def take_whole(ask: Ask) -> Response:
    """The whole study; that it was taken is an event of its own."""
    return _taken(ask, "whole")


def take_blinded(ask: Ask) -> Response:
    """The study without arms, treatment and what follows from them."""
    return _taken(ask, "without arms")


def _taken(ask: Ask, scope: str) -> Response:
    portal = ask.portal
    patients = portal.ledger.patients()
    frames = sdtm(patients, protocol=portal.protocol, is_simulated=portal.is_demonstration)
    if scope != "whole":
        frames = without_arms(frames)
    last = last_event(patients)
    payload = {"what": "SDTM", "scope": scope, "last_event": last.number if last else 0}
    portal.ledger.record("exported", actor=ask.signed_in.account.name, payload=payload)
    name = f"{portal.protocol.trial.id}-sdtm-{payload['last_event']}.zip"
    return Response(
        packed(frames, protocol=portal.protocol, last=last),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


PAGES = (
    Page(path="/data", method="GET", action=Action.SEE_DATA, answer=show_data),
    Page(path="/data/sdtm", method="POST", action=Action.TAKE_DATA, answer=take_whole),
    Page(
        path="/data/sdtm-blinded",
        method="POST",
        action=Action.TAKE_BLINDED_DATA,
        answer=take_blinded,
    ),
)
