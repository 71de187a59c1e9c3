# SPDX-License-Identifier: Apache-2.0
"""Sessions: kept on the server, ended by idleness, by age, by leaving or by an administrator."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Engine, String, Table, delete, insert, select, update

from radioligand.service.accounts import TABLES, Account, account, stamp
from radioligand.service.database import reading

SESSIONS = Table(
    "sessions",
    TABLES,
    Column("token_hash", String(64), primary_key=True),
    Column("name", String(40), nullable=False, index=True),
    Column("form_token", String(64), nullable=False),
    Column("begun", String(40), nullable=False),
    Column("seen", String(40), nullable=False),
)
COOKIE = "radioligand"
IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who asks, and the token that each of their forms must carry."""

    account: Account
    form_token: str
    begun: str

    def owns(self, form_token: str) -> bool:
        """Whether a form comes from this session's own pages."""
        return hmac.compare_digest(self.form_token.encode(), form_token.encode())


def begin(engine: Engine, name: str, *, now: datetime) -> str:
    """Begin a session and return its token; only the token's hash is kept."""
    token = secrets.token_urlsafe(32)
    with engine.begin() as at:
        at.execute(
            insert(SESSIONS).values(
                token_hash=_hash(token),
                name=name,
                form_token=secrets.token_urlsafe(32),
                begun=stamp(now),
                seen=stamp(now),
            )
        )
    return token


def resume(engine: Engine, token: str, *, now: datetime) -> Session | None:
    """Return the session of a token and note that it was used; None once it is over.

    Over: fifteen minutes without use, twelve hours in all, revoked, or of an ended account.
    """
    mine = SESSIONS.c.token_hash == _hash(token)
    with reading(engine) as at:
        row = at.execute(select(SESSIONS).where(mine)).mappings().first()
    if row is None:
        return None
    if row["seen"] < stamp(now - IDLE) or row["begun"] < stamp(now - LONGEST):
        finish(engine, token)
        return None
    found = account(engine, row["name"])
    if found is None or found.ended:
        return None
    if row["seen"] < stamp(now - timedelta(seconds=20)):  # not a write for every picture of a page
        with engine.begin() as at:
            at.execute(update(SESSIONS).where(mine).values(seen=stamp(now)))
    return Session(account=found, form_token=row["form_token"], begun=row["begun"])


def finish(engine: Engine, token: str) -> None:
    """End one session."""
    with engine.begin() as at:
        at.execute(delete(SESSIONS).where(SESSIONS.c.token_hash == _hash(token)))


def revoke(engine: Engine, name: str) -> int:
    """End every session of an account; returns how many there were."""
    with engine.begin() as at:
        return at.execute(delete(SESSIONS).where(SESSIONS.c.name == name)).rowcount


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
