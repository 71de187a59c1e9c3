# SPDX-License-Identifier: Apache-2.0
"""Pages of the trial office: how the trial goes, sites, the release of the list."""

from starlette.responses import Response

from radioligand.service.deeds import UnfitError, key_of, number_typed, signature_of
from radioligand.service.office_view import HEIGHT, WIDTH, office
from radioligand.service.portal import Ask, Page, sent_to, shown
from radioligand.service.refusals import RefusalError
from radioligand.service.roles import Action

CAP = "I set how many patients this trial may randomise."
RELEASE = "I did not make this list; I have seen its check and release it for randomisation."


def show_office(ask: Ask) -> Response:
    """Accrual against plan, events against the target, what is missing; no arm."""
    return _office(ask)


def _office(ask: Ask, says: str = "") -> Response:
    ledger = ask.portal.ledger
    found = office(
        ledger.patients(),
        ledger.sites(),
        protocol=ask.portal.protocol,
        today=ask.today,
        sees_arms=ask.sees_arms,
    )
    cutoff = ask.portal.protocol.cutoff
    context = {
        "office": found,
        "cutoff": cutoff,
        "size": (WIDTH, HEIGHT),
        "is_released": bool(ledger.events(kinds=("list released",), limit=1)),
        "reconciles": ledger.state() != "open",
        "meaning": RELEASE,
        "cap": _cap(ask),
        "cap_meaning": CAP,
        "says": says,
    }
    return shown(ask, "office.html", context, status=422 if says else 200)


def open_site(ask: Ask) -> Response:
    """Open a site, or open it again with another cap."""
    try:
        site = _site(ask)
        payload = {}
        if ask.form.get("cap", "").strip():
            payload["cap"] = _whole(ask, lowest=1)
        _record(ask, "site opened", site=site, payload=payload)
    except (UnfitError, RefusalError) as error:
        return _office(ask, str(error))
    return sent_to("/office")


def close_site(ask: Ask) -> Response:
    """Close a site for randomisation, with the reason; its patients stay."""
    try:
        _record(ask, "site closed", site=_site(ask), reason=ask.form.get("reason", "").strip())
    except (UnfitError, RefusalError) as error:
        return _office(ask, str(error))
    return sent_to("/office")


def release_list(ask: Ask) -> Response:
    """Release the randomisation list: signed, by somebody else than who made it."""
    try:
        _refuse_its_maker(ask)
        _record(ask, "list released", signature=signature_of(ask, RELEASE))
    except (UnfitError, RefusalError) as error:
        return _office(ask, str(error))
    return sent_to("/office")


def set_cap(ask: Ask) -> Response:
    """Set how many patients the trial may randomise, or that there is no such number: signed."""
    try:
        reason = ask.form.get("reason", "").strip()
        if len(reason) < 3:
            raise UnfitError("A cap needs its reason.")
        cap = _whole(ask, lowest=0) if ask.form.get("cap", "").strip() else None
        signature = signature_of(ask, CAP)
        _record(ask, "caps set", payload={"trial": cap}, reason=reason, signature=signature)
    except (UnfitError, RefusalError) as error:
        return _office(ask, str(error))
    return sent_to("/office")


def _cap(ask: Ask) -> int | None:
    """Return how many patients the trial may randomise; None without a cap."""
    told = ask.portal.ledger.events(kinds=("caps set",))
    return told[-1].payload.get("trial") if told else None


def _whole(ask: Ask, *, lowest: int) -> int:
    cap = number_typed(ask, "cap", label="Cap", lowest=lowest, highest=10_000)
    if cap != int(cap):
        raise UnfitError(f"Cap: {cap:g} is no whole number.")
    return int(cap)


def _refuse_its_maker(ask: Ask) -> None:
    """Refuse an account that is the maker of the list by a name, or was made by the maker.

    The maker is whoever loaded the list, by the name given on the command line; names are compared
    with the account's own and its printed name, in any case of letters.
    """
    ledger, own = ask.portal.ledger, ask.signed_in.account
    maker = ledger.events(kinds=("ledger opened",), limit=1)[0].actor.strip().casefold()
    if maker in (own.name.casefold(), own.full_name.strip().casefold()):
        raise UnfitError("Whoever loaded the list does not release it.")
    for one in ledger.events(kinds=("account created",)):
        if one.payload.get("name") == own.name and one.actor.casefold() == maker:
            raise UnfitError("An account that was made by the list's maker does not release it.")


def _site(ask: Ask) -> str:
    site = ask.form.get("site", "").strip()
    if not (1 <= len(site) <= 20 and site.isascii() and site.isalnum()):
        raise UnfitError("A site has 1 to 20 letters or digits.")
    return site


def _record(ask: Ask, kind: str, **said: object) -> None:
    ask.portal.ledger.record(
        kind,
        actor=ask.signed_in.account.name,
        key=key_of(ask),
        **said,  # type: ignore[arg-type]
    )


PAGES = (
    Page(path="/office", method="GET", action=Action.SEE_ACCRUAL, answer=show_office),
    Page(path="/office/sites", method="POST", action=Action.MANAGE_SITES, answer=open_site),
    Page(path="/office/closures", method="POST", action=Action.MANAGE_SITES, answer=close_site),
    Page(path="/office/cap", method="POST", action=Action.MANAGE_SITES, answer=set_cap),
    Page(path="/office/list", method="POST", action=Action.MANAGE_SITES, answer=release_list),
)
