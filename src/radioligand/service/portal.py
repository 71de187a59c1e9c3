# SPDX-License-Identifier: Apache-2.0
"""What every page is given: the trial, its ledger, the one who asks, and how to answer."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Engine
from starlette.responses import HTMLResponse, RedirectResponse, Response

from radioligand.protocol import Protocol
from radioligand.service.keys import Keys
from radioligand.service.ledger import Ledger
from radioligand.service.roles import Action, Role, is_bound_to_site, may
from radioligand.service.sessions import Session

SIMULATED = "Simulated data: no real patients"


class NotGivenError(Exception):
    """The page is not given; `says` is for the reader and tells nothing of others' patients."""

    def __init__(self, status: int, says: str) -> None:
        """Keep the status of HTTP and the words."""
        super().__init__(says)
        self.status, self.says = status, says


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """One running trial and how it is reached.

    `keys` open what the database holds sealed, such as authenticators; `origins` are the addresses
    a browser may know the portal by; `clock` gives the time in UTC.
    """

    protocol: Protocol
    engine: Engine
    ledger: Ledger
    keys: Keys
    clock: Callable[[], datetime]
    origins: frozenset[str]
    is_demonstration: bool = False

    @property
    def is_encrypted(self) -> bool:
        """Whether browsers reach it by https alone."""
        return all(origin.startswith("https://") for origin in self.origins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: plain values alone, so that a page is a function of them."""

    portal: Portal
    now: datetime
    method: Literal["GET", "POST"]
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    files: Mapping[str, bytes]
    address: str
    session: Session | None = None
    token: str = ""
    body: bytes = field(default=b"", repr=False)

    @property
    def today(self) -> date:
        """The day in UTC."""
        return self.now.date()

    @property
    def key(self) -> str:
        """A fresh key for a form: sent twice, it is recorded once."""
        return secrets.token_urlsafe(12)

    @property
    def role(self) -> Role:
        """The role of whoever asks."""
        return self.signed_in.account.role

    @property
    def signed_in(self) -> Session:
        """The session; a page of the matrix has one."""
        if self.session is None:
            raise NotGivenError(401, "Please sign in.")
        return self.session

    @property
    def site(self) -> str | None:
        """The only site whose patients this reader may see; None: all sites."""
        account = self.signed_in.account
        return account.site if is_bound_to_site(account.role) else None

    def may(self, action: Action) -> bool:
        """Whether this reader may do an action."""
        return self.session is not None and may(self.role, action)

    @property
    def sees_arms(self) -> bool:
        """Whether arms, doses and what follows from them are shown."""
        return self.may(Action.SEE_TREATMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One address: how it is asked for, what the matrix must grant, and what answers.

    `action` None is open to everybody. A page `of_own_account` is given also before password and
    authenticator are set up; one `for_machines` has no session and so no form token.
    """

    path: str
    method: Literal["GET", "POST"]
    action: Action | None
    answer: Callable[[Ask], Response]
    of_own_account: bool = False
    for_machines: bool = False


def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("radioligand.service"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["day"] = lambda value: "" if value is None else f"{value:%Y-%m-%d}"
    made.filters["moment"] = lambda text: f"{str(text)[:10]} {str(text)[11:16]} UTC" if text else ""
    made.filters["unit"] = _unit
    made.filters["number"] = lambda value: "" if value is None else f"{value:g}"
    return made


def _unit(text: object) -> str:
    """Return a unit as people write it; records keep CDISC's letters."""
    written = str(text).replace("10^9", "10⁹").replace("umol", "µmol")
    return "°C" if written == "C" else written


TEMPLATES = _templates()

NAVIGATION = (
    ("/", "Home", Action.OWN_ACCOUNT),
    ("/patients", "Patients", Action.SEE_PATIENTS),
    ("/due", "Due", Action.SEE_DUE),
    ("/screening", "Screen a patient", Action.SCREEN),
    ("/office", "Trial office", Action.SEE_ACCRUAL),
    ("/audit", "Audit", Action.AUDIT),
    ("/data", "Data", Action.SEE_DATA),
    ("/accounts", "Accounts", Action.MANAGE_ACCOUNTS),
    ("/guidance", "Guidance", Action.READ_STATEMENTS),
)


def shown(ask: Ask, template: str, context: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a page of the portal made from a template."""
    trial = ask.portal.protocol.trial
    page = TEMPLATES.get_template(template).render(
        trial=trial,
        links=[(path, text) for path, text, action in NAVIGATION if ask.may(action)],
        ask=ask,
        Action=Action,
        form_token=ask.session.form_token if ask.session else "",
        banner=SIMULATED if ask.portal.is_demonstration else "",
        **context,
    )
    return HTMLResponse(page, status_code=status)


def sent_to(path: str) -> Response:
    """Return the answer that makes a browser ask for another page; only pages of the portal."""
    if not path.startswith("/") or path.startswith(("//", "/\\")):
        path = "/"
    return RedirectResponse(path, status_code=303)
