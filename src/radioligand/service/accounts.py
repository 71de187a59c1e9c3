# SPDX-License-Identifier: Apache-2.0
"""Accounts: passwords, one-time codes, lock-out; an account is ended, never removed or renamed."""

import hmac
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from radioligand.service.database import reading
from radioligand.service.keys import Keys, KeysError
from radioligand.service.roles import Role, is_bound_to_site

TABLES = MetaData()
ACCOUNTS = Table(
    "accounts",
    TABLES,
    Column("name", String(40), primary_key=True),
    Column("full_name", String(120), nullable=False),
    Column("role", String(40), nullable=False),
    Column("site", String(20)),
    Column("password", Text, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("code_secret", Text),
    Column("code_counter", Integer, nullable=False, default=0),
    Column("failures", Integer, nullable=False, default=0),
    Column("locked_until", String(40)),
    Column("ended", String(40)),
    Column("made", String(40), nullable=False),
)
FAILURES = Table(
    "sign_in_failures",
    TABLES,
    Column("number", Integer, primary_key=True),
    Column("address", String(64), nullable=False, index=True),
    Column("at", String(40), nullable=False),
)

TRIES = 5
TRIES_BY_ADDRESS = 30
LOCKED = timedelta(minutes=15)
SHORTEST = 12
LONGEST = 200
CODE_SECONDS = 30
SECRET = re.compile("[A-Z2-7]{32}")  # of an authenticator: 20 bytes in base 32
# OWASP's least for argon2id; each hash holds 19 MiB, so only a few are made at once
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
HASHING = threading.BoundedSemaphore(4)
NOBODY = HASHER.hash(secrets.token_urlsafe(16))  # compared with when there is no such account


class AccountError(ValueError):
    """An account cannot be made or changed as asked; the message is for whoever asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who somebody is to the portal; holds neither password nor secret."""

    name: str
    full_name: str
    role: Role
    site: str | None
    must_change: bool
    has_code: bool
    ended: bool


def stamp(moment: datetime) -> str:
    """Return a moment as it is stored: UTC, to the microsecond, in an order that sorts."""
    if moment.utcoffset() != timedelta(0):
        raise ValueError(f"{moment} is not in UTC; all times are kept in UTC")
    return moment.isoformat(timespec="microseconds")


def make_account(
    engine: Engine,
    *,
    name: str,
    full_name: str,
    role: Role,
    site: str | None,
    password: str | None = None,
    now: datetime,
) -> str:
    """Make an account and return its password, to be changed at the first sign-in.

    A given `password` is kept as it is: of demonstration accounts, which share one. Raises
    AccountError with every fault; a name once used is never used again, not even of an ended
    account.
    """
    faults = list(_faults(name, full_name, role, site))
    with engine.begin() as at:
        if at.execute(select(ACCOUNTS.c.name).where(ACCOUNTS.c.name == name)).first():
            faults.append(f"{name!r} has been used before; a name is never used again")
        if faults:
            raise AccountError("; ".join(faults))
        one_time = password or secrets.token_urlsafe(12)
        at.execute(
            insert(ACCOUNTS).values(
                name=name,
                full_name=full_name.strip(),
                role=str(role),
                site=site,
                password=_hashed(one_time),
                must_change=password is None,
                code_counter=0,
                failures=0,
                made=stamp(now),
            )
        )
    return one_time


def _faults(name: str, full_name: str, role: Role, site: str | None) -> Iterator[str]:
    if not (2 <= len(name) <= 40 and name.isascii() and name.replace(".", "").isalnum()):
        yield "a name has 2 to 40 letters, digits or full stops"
    if not 2 <= len(full_name.strip()) <= 120:
        yield "the printed name has 2 to 120 letters; it stands under every signature"
    if site and not (len(site) <= 20 and site.isprintable()):
        yield "a site has 1 to 20 letters"
    if is_bound_to_site(role) and not site:
        yield f"a {role} belongs to a site"
    if not is_bound_to_site(role) and site:
        yield f"a {role} belongs to no site"


def account(engine: Engine, name: str) -> Account | None:
    """Return the account of that name, ended or not."""
    with reading(engine) as at:
        row = at.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).mappings().first()
    return None if row is None else _account(row)


def accounts(engine: Engine) -> tuple[Account, ...]:
    """Return every account, by name."""
    with reading(engine) as at:
        rows = at.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name)).mappings().all()
    return tuple(_account(row) for row in rows)


def _account(row: Any) -> Account:
    return Account(
        name=row["name"],
        full_name=row["full_name"],
        role=Role(row["role"]),
        site=row["site"],
        must_change=row["must_change"],
        has_code=row["code_secret"] is not None,
        ended=row["ended"] is not None,
    )


# -- signing in -----------------------------------------------------------------------------------


def sign_in(
    engine: Engine,
    *,
    name: str,
    password: str,
    code: str,
    address: str,
    keys: Keys,
    now: datetime,
) -> Account | None:
    """Return the account if name, password and, once enrolled, the code are right; else None.

    Nothing tells an unknown name from a wrong password, a wrong code or a locked account: all
    take one hash and give None. Five failures in a row lock the account for fifteen minutes,
    thirty from one address within fifteen minutes refuse that address.
    """
    with reading(engine) as at:
        if _failed_lately(at, address, now) >= TRIES_BY_ADDRESS:
            return None
        row = at.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).mappings().first()
    password_is_right = _verified(row["password"] if row else NOBODY, password)
    with engine.begin() as at:
        counter = _counter_of(row, code, keys, now) if row else 0
        locked = row is not None and (row["locked_until"] or "") > stamp(now)
        right = password_is_right and counter is not None and not locked
        if row is None or not right or row["ended"] or not _entered(at, name, counter):
            _count_failure(at, row, address, now, is_locked=locked)
            return None
    return _account(row)


def _entered(at: Connection, name: str, counter: int | None) -> bool:
    """Note that somebody signed in; false if the same code was used in this very moment."""
    unused = (ACCOUNTS.c.name == name) & (
        ACCOUNTS.c.code_secret.is_(None) | (ACCOUNTS.c.code_counter < counter)
    )
    done = at.execute(
        update(ACCOUNTS).where(unused).values(failures=0, locked_until=None, code_counter=counter)
    )
    return bool(done.rowcount)


def is_own_password(engine: Engine, *, name: str, password: str, now: datetime) -> bool:
    """Whether whoever is signed in knows the password: asked again for each signature.

    Failures count as those of signing in do, so a signature cannot be guessed either.
    """
    with reading(engine) as at:
        row = at.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).mappings().one()
    right = _verified(row["password"], password)
    locked = (row["locked_until"] or "") > stamp(now)
    if right and not locked and not row["ended"]:
        return True
    with engine.begin() as at:
        _count_failure(at, row, None, now, is_locked=locked)
    return False


def _count_failure(
    at: Connection, row: Any, address: str | None, now: datetime, *, is_locked: bool
) -> None:
    if address is not None:
        at.execute(insert(FAILURES).values(address=address, at=stamp(now)))
    if row is None or is_locked:
        return
    failures = ACCOUNTS.c.failures + 1
    name = row["name"]
    at.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(failures=failures))
    at.execute(
        update(ACCOUNTS)
        .where(ACCOUNTS.c.name == name, ACCOUNTS.c.failures >= TRIES)
        .values(failures=0, locked_until=stamp(now + LOCKED))
    )


def _failed_lately(at: Connection, address: str, now: datetime) -> int:
    lately = (FAILURES.c.address == address) & (FAILURES.c.at > stamp(now - LOCKED))
    return int(at.execute(select(func.count()).select_from(FAILURES).where(lately)).scalar_one())


def _counter_of(row: Any, code: str, keys: Keys, now: datetime) -> int | None:
    """Return the counter of the code, 0 if none is asked for, None if the code is wrong.

    A code counts once: neither it nor an older one is right again. Of a secret that does not open
    every code is wrong; an administrator resets the account.
    """
    if row["code_secret"] is None:
        return 0
    try:
        secret = keys.open_code(row["code_secret"], account=row["name"])
    except KeysError:
        return None
    return _code_counter(secret, code, after=row["code_counter"], now=now)


def _code_counter(secret: str, code: str, *, after: int, now: datetime) -> int | None:
    """Return the counter at which the authenticator shows this code; None if at none of now."""
    made = pyotp.TOTP(secret)
    current = int(now.timestamp()) // CODE_SECONDS
    for counter in (current - 1, current, current + 1):
        if counter > after and hmac.compare_digest(
            made.generate_otp(counter).encode(), code.strip().encode()
        ):
            return counter
    return None


@contextmanager
def _one_of_few() -> Iterator[None]:
    with HASHING:
        yield


def _hashed(password: str) -> str:
    with _one_of_few():
        return HASHER.hash(password)


def _verified(hashed: str, password: str) -> bool:
    if len(password) > LONGEST:
        return False
    with _one_of_few():
        try:
            return HASHER.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


# -- keeping an account ---------------------------------------------------------------------------


def new_secret() -> str:
    """Return a fresh secret for one-time codes, to be shown once and confirmed by a code."""
    return pyotp.random_base32()


def secret_address(secret: str, *, name: str, trial: str) -> str:
    """Return what an authenticator reads from the square: an otpauth address."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=f"radioligand {trial}")


def enrol(engine: Engine, *, name: str, secret: str, code: str, keys: Keys, now: datetime) -> None:
    """Keep the secret of one-time codes, sealed, once a code shows that it was taken over.

    Raises AccountError if the secret is none of ours, the code is wrong, or the account has a
    secret already.
    """
    if not SECRET.fullmatch(secret):
        raise AccountError("This is not a secret that the portal has shown.")
    counter = _code_counter(secret, code, after=0, now=now)
    if counter is None:
        raise AccountError("The code is not the one that the authenticator shows now.")
    fresh = (ACCOUNTS.c.name == name) & ACCOUNTS.c.code_secret.is_(None)
    sealed = keys.seal_code(secret, account=name)
    with engine.begin() as at:
        done = at.execute(
            update(ACCOUNTS).where(fresh).values(code_secret=sealed, code_counter=counter)
        )
        if not done.rowcount:
            raise AccountError("An authenticator is enrolled already; an administrator resets it.")


def change_password(engine: Engine, *, name: str, old: str, new: str, now: datetime) -> None:
    """Set a new password; raises AccountError if the old one is wrong or the new one too weak."""
    if not is_own_password(engine, name=name, password=old, now=now):
        raise AccountError("The present password is wrong, or the account is locked.")
    if not SHORTEST <= len(new) <= LONGEST:
        raise AccountError(f"A password has {SHORTEST} to {LONGEST} characters.")
    if new == old or name.lower() in new.lower():
        raise AccountError("A new password is neither the old one nor holds the name.")
    _set(engine, name, password=_hashed(new), must_change=False)


def reset(engine: Engine, *, name: str) -> str:
    """Return a new one-time password; lock and authenticator are taken back."""
    one_time = secrets.token_urlsafe(12)
    _set(
        engine,
        name,
        password=_hashed(one_time),
        must_change=True,
        code_secret=None,
        failures=0,
        locked_until=None,
    )
    return one_time


def end_account(engine: Engine, *, name: str, now: datetime) -> None:
    """End an account for good; its name stays under what it signed."""
    _set(engine, name, ended=stamp(now))


def _set(engine: Engine, name: str, **values: Any) -> None:
    with engine.begin() as at:
        at.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(**values))
