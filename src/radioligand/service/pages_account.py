# SPDX-License-Identifier: Apache-2.0
"""Pages of signing in and out, of the own account, and of everybody's accounts."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import segno
from starlette.responses import Response

from radioligand.service import accounts, sessions
from radioligand.service.portal import Ask, NotGivenError, Page, sent_to, shown
from radioligand.service.refusals import RefusalError
from radioligand.service.roles import Action, Role
from radioligand.service.sessions import COOKIE

WRONG = (
    "Name, password or code is wrong, or the account is locked for fifteen minutes "
    "after five failures."
)


def _note(
    ask: Ask, kind: str, actor: str, payload: Mapping[str, Any] | None = None, *, reason: str = ""
) -> None:
    """Append what happened to an account; a ledger that waits to be reconciled takes nothing."""
    with suppress(RefusalError):
        ask.portal.ledger.record(kind, actor=actor, payload=payload, reason=reason or None)


# -- in and out -----------------------------------------------------------------------------------


def show_sign_in(ask: Ask) -> Response:
    """The form of name, password and code."""
    if ask.session:
        return sent_to("/")
    return shown(
        ask, "sign_in.html", {"says": "", "following": ask.query.get("next", "/"), "name": ""}
    )


def sign_in(ask: Ask) -> Response:
    """Begin a session under a new token, whatever token the browser had."""
    name = ask.form.get("name", "").strip().lower()
    following = ask.form.get("next", "/")
    found = accounts.sign_in(
        ask.portal.engine,
        name=name,
        password=ask.form.get("password", ""),
        code=ask.form.get("code", ""),
        address=ask.address,
        keys=ask.portal.keys,
        now=ask.now,
    )
    if found is None:
        _note(ask, "sign-in refused", name[:40] or "nobody", {"address": ask.address})
        told = {"says": WRONG, "following": following, "name": name}
        return shown(ask, "sign_in.html", told, status=403)
    if ask.token:
        sessions.finish(ask.portal.engine, ask.token)
    token = sessions.begin(ask.portal.engine, found.name, now=ask.now)
    _note(ask, "signed in", found.name, {"role": str(found.role), "site": found.site})
    answer = sent_to(following)
    answer.set_cookie(
        COOKIE,
        token,
        path="/",
        httponly=True,
        secure=ask.portal.is_encrypted,
        samesite="strict",
    )
    return answer


def sign_out(ask: Ask) -> Response:
    """End the session on the server, and forget its token."""
    sessions.finish(ask.portal.engine, ask.token)
    _note(ask, "signed out", ask.signed_in.account.name)
    answer = sent_to("/sign-in")
    answer.delete_cookie(COOKIE, path="/")
    return answer


# -- the own account ------------------------------------------------------------------------------


def show_account(ask: Ask) -> Response:
    """What is still to be set up, and how to change it."""
    return _own(ask)


def _own(ask: Ask, *, says: str = "", done: str = "", secret: str = "") -> Response:
    own = ask.signed_in.account
    secret = secret or accounts.new_secret()
    address = accounts.secret_address(secret, name=own.name, trial=ask.portal.protocol.trial.name)
    square = segno.make(address, error="m").svg_data_uri(scale=4, dark="#14202b")
    context = {"own": own, "says": says, "done": done, "secret": secret, "square": square}
    return shown(ask, "account.html", context, status=422 if says else 200)


def change_password(ask: Ask) -> Response:
    """Set a new password; other sessions of the account end."""
    form = ask.form
    name = ask.signed_in.account.name
    if form.get("new", "") != form.get("again", ""):
        return _own(ask, says="The two new passwords differ.")
    try:
        accounts.change_password(
            ask.portal.engine,
            name=name,
            old=form.get("old", ""),
            new=form.get("new", ""),
            now=ask.now,
        )
    except accounts.AccountError as error:
        return _own(ask, says=str(error))
    sessions.revoke(ask.portal.engine, name)
    _note(ask, "account changed", name, {"name": name, "what": "password"})
    return sent_to("/sign-in")


def enrol(ask: Ask) -> Response:
    """Take over an authenticator, once it shows the right code."""
    secret = ask.form.get("secret", "")
    try:
        accounts.enrol(
            ask.portal.engine,
            name=ask.signed_in.account.name,
            secret=secret,
            code=ask.form.get("code", ""),
            keys=ask.portal.keys,
            now=ask.now,
        )
    except (accounts.AccountError, ValueError) as error:
        shown_before = secret if accounts.SECRET.fullmatch(secret) else ""
        return _own(ask, says=str(error), secret=shown_before)
    name = ask.signed_in.account.name
    _note(ask, "account changed", name, {"name": name, "what": "authenticator"})
    return sent_to("/account")


# -- everybody's accounts -------------------------------------------------------------------------


def show_accounts(ask: Ask) -> Response:
    """Who has an account, and a form for another; no data of the trial."""
    return _everybody(ask)


def _everybody(ask: Ask, *, says: str = "", made: tuple[str, str] | None = None) -> Response:
    listed = accounts.accounts(ask.portal.engine)
    context = {"listed": listed, "roles": list(Role), "says": says, "made": made}
    return shown(ask, "accounts.html", context, status=422 if says else 200)


def make_account(ask: Ask) -> Response:
    """Make an account and show its one-time password once."""
    form = ask.form
    name = form.get("name", "").strip().lower()
    try:
        role = Role(form.get("role", ""))
        one_time = accounts.make_account(
            ask.portal.engine,
            name=name,
            full_name=form.get("full_name", ""),
            role=role,
            site=form.get("site", "").strip() or None,
            now=ask.now,
        )
    except ValueError as error:
        return _everybody(ask, says=str(error))
    made = {"name": name, "role": str(role), "site": form.get("site", "").strip() or None}
    _note(ask, "account created", ask.signed_in.account.name, made)
    return _everybody(ask, made=(name, one_time))


def reset_account(ask: Ask) -> Response:
    """Give a new one-time password and end the account's sessions."""
    name = _other(ask)
    one_time = accounts.reset(ask.portal.engine, name=name)
    sessions.revoke(ask.portal.engine, name)
    what = {"name": name, "what": "reset by an administrator"}
    _note(ask, "account changed", ask.signed_in.account.name, what)
    return _everybody(ask, made=(name, one_time))


def end_account(ask: Ask) -> Response:
    """End an account; its live sessions die at once."""
    name = _other(ask)
    accounts.end_account(ask.portal.engine, name=name, now=ask.now)
    sessions.revoke(ask.portal.engine, name)
    actor = ask.signed_in.account.name
    _note(ask, "account disabled", actor, {"name": name}, reason="ended by an administrator")
    return sent_to("/accounts")


def _other(ask: Ask) -> str:
    name = ask.form.get("name", "")
    found = accounts.account(ask.portal.engine, name)
    if found is None or found.ended:
        raise NotGivenError(404, "There is no such account.")
    if name == ask.signed_in.account.name:
        raise NotGivenError(422, "Nobody resets or ends the own account.")
    return name


PAGES = (
    Page(path="/sign-in", method="GET", action=None, answer=show_sign_in),
    Page(path="/sign-in", method="POST", action=None, answer=sign_in),
    Page(
        path="/sign-out",
        method="POST",
        action=Action.OWN_ACCOUNT,
        answer=sign_out,
        of_own_account=True,
    ),
    Page(
        path="/account",
        method="GET",
        action=Action.OWN_ACCOUNT,
        answer=show_account,
        of_own_account=True,
    ),
    Page(
        path="/account/password",
        method="POST",
        action=Action.OWN_ACCOUNT,
        answer=change_password,
        of_own_account=True,
    ),
    Page(
        path="/account/authenticator",
        method="POST",
        action=Action.OWN_ACCOUNT,
        answer=enrol,
        of_own_account=True,
    ),
    Page(path="/accounts", method="GET", action=Action.MANAGE_ACCOUNTS, answer=show_accounts),
    Page(path="/accounts", method="POST", action=Action.MANAGE_ACCOUNTS, answer=make_account),
    Page(
        path="/accounts/reset", method="POST", action=Action.MANAGE_ACCOUNTS, answer=reset_account
    ),
    Page(path="/accounts/end", method="POST", action=Action.MANAGE_ACCOUNTS, answer=end_account),
)
