# SPDX-License-Identifier: Apache-2.0
"""Accounts and sessions: what lets somebody in, what keeps them out, and what ends it."""

from base64 import b32decode, urlsafe_b64decode

import argon2
import pyotp
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from radioligand.service import accounts, sessions
from radioligand.service.accounts import ACCOUNTS, AccountError
from radioligand.service.keys import KeysError, keys_of
from radioligand.service.roles import MATRIX, Action, Role, may
from radioligand.service.sessions import SESSIONS

from .conftest import PASSWORD

NAME = "investigator.2002"


def enter(portal, *, password=PASSWORD, code="", address="192.0.2.7", name=NAME):
    engine, now = portal.engine, portal.clock()
    return accounts.sign_in(
        engine, name=name, password=password, code=code, address=address, keys=portal.keys, now=now
    )


def test_passwords_are_hashed_no_weaker_than_owasp_asks():
    made = PasswordHasher.from_parameters(argon2.extract_parameters(accounts.HASHER.hash("x")))
    assert made.type is argon2.Type.ID
    assert (made.memory_cost, made.time_cost) >= (19_456, 2)


def test_a_password_is_kept_as_argon2id_alone(portal):
    with portal.engine.connect() as at:
        kept = at.execute(select(ACCOUNTS.c.password).where(ACCOUNTS.c.name == NAME)).scalar_one()
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept


def test_five_failures_lock_for_fifteen_minutes(portal, moments):
    for _ in range(5):
        assert enter(portal, password="wrong password") is None

    assert enter(portal) is None  # the right password does not help
    moments.on(minutes=15, seconds=1)
    assert enter(portal).name == NAME


def test_a_success_forgets_earlier_failures(portal):
    for _ in range(4):
        enter(portal, password="wrong password")
    assert enter(portal)
    for _ in range(4):
        enter(portal, password="wrong password")
    assert enter(portal)


def test_one_address_cannot_try_all_names(portal):
    for number in range(30):
        assert enter(portal, name=f"nobody{number}") is None

    assert enter(portal) is None
    assert enter(portal, address="192.0.2.8")


def test_a_code_is_asked_for_once_enrolled_and_counts_once(portal, moments):
    secret = accounts.new_secret()
    code = pyotp.TOTP(secret)
    enrolling = code.at(moments())
    accounts.enrol(
        portal.engine, name=NAME, secret=secret, code=enrolling, keys=portal.keys, now=moments()
    )

    assert enter(portal) is None
    assert enter(portal, code=enrolling) is None  # it was used to enrol
    moments.on(seconds=60)
    now = code.at(moments())
    assert enter(portal, code=now)
    assert enter(portal, code=now) is None


def test_the_secret_of_an_authenticator_cannot_be_read_in_the_database(portal, moments):
    secret = accounts.new_secret()
    code = pyotp.TOTP(secret)
    enrolling = code.at(moments())
    accounts.enrol(
        portal.engine, name=NAME, secret=secret, code=enrolling, keys=portal.keys, now=moments()
    )
    with portal.engine.connect() as at:
        rows = at.execute(select(accounts.ACCOUNTS.c.name, accounts.ACCOUNTS.c.code_secret)).all()
    sealed = dict(rows)[NAME]
    raw = urlsafe_b64decode(sealed)

    assert secret not in sealed
    assert b32decode(secret) not in raw
    assert len(sealed) == 64
    assert portal.keys.open_code(sealed, account=NAME) == secret
    for keys, name in ((keys_of(b"another key of thirty-two bytes!"), NAME), (portal.keys, "x")):
        with pytest.raises(KeysError):
            keys.open_code(sealed, account=name)


def test_the_authenticator_of_another_account_opens_nothing(portal, moments):
    """Whoever can write into the database cannot give an account an authenticator of their own."""
    secret = accounts.new_secret()
    code = pyotp.TOTP(secret)
    accounts.enrol(
        portal.engine,
        name="monitor",
        secret=secret,
        code=code.at(moments()),
        keys=portal.keys,
        now=moments(),
    )
    table = accounts.ACCOUNTS
    with portal.engine.begin() as at:
        mine = select(table.c.code_secret).where(table.c.name == "monitor").scalar_subquery()
        at.execute(update(table).where(table.c.name == NAME).values(code_secret=mine))
    moments.on(seconds=60)
    assert enter(portal, code=code.at(moments())) is None
    assert enter(portal, code=code.at(moments()), name="monitor")


def test_enrolment_needs_a_right_code_and_happens_once(portal, moments):
    secret = accounts.new_secret()
    with pytest.raises(AccountError, match="code is not the one"):
        accounts.enrol(
            portal.engine, name=NAME, secret=secret, code="000000", keys=portal.keys, now=moments()
        )
    right = pyotp.TOTP(secret).at(moments())
    accounts.enrol(
        portal.engine, name=NAME, secret=secret, code=right, keys=portal.keys, now=moments()
    )
    other = accounts.new_secret()
    right = pyotp.TOTP(other).at(moments())
    with pytest.raises(AccountError, match="enrolled already"):
        accounts.enrol(
            portal.engine, name=NAME, secret=other, code=right, keys=portal.keys, now=moments()
        )


def test_a_name_is_never_used_again(portal, moments):
    accounts.end_account(portal.engine, name=NAME, now=moments())

    assert enter(portal) is None
    with pytest.raises(AccountError, match="has been used before"):
        accounts.make_account(
            portal.engine,
            name=NAME,
            full_name="Somebody Else",
            role=Role.AUDITOR,
            site=None,
            now=moments(),
        )


def test_every_fault_of_a_new_account_is_told(portal, moments):
    with pytest.raises(AccountError) as told:
        accounts.make_account(
            portal.engine, name="x", full_name="", role=Role.INVESTIGATOR, site=None, now=moments()
        )
    assert str(told.value).count(";") >= 2
    assert "belongs to a site" in str(told.value)


@pytest.mark.parametrize(
    ("new", "says"),
    [("short", "12 to 200"), (f"{NAME} and more", "holds the name"), (PASSWORD, "old one")],
)
def test_a_weak_password_is_refused(portal, moments, new, says):
    with pytest.raises(AccountError, match=says):
        accounts.change_password(portal.engine, name=NAME, old=PASSWORD, new=new, now=moments())


def test_a_time_that_is_not_utc_is_refused(moments):
    with pytest.raises(ValueError, match="UTC"):
        accounts.stamp(moments().astimezone().replace(tzinfo=None))


# -- sessions -------------------------------------------------------------------------------------


def test_a_session_ends_by_idleness(portal, moments):
    token = sessions.begin(portal.engine, NAME, now=moments())
    moments.on(minutes=14)
    assert sessions.resume(portal.engine, token, now=moments())
    moments.on(minutes=14)
    assert sessions.resume(portal.engine, token, now=moments())
    moments.on(minutes=15, seconds=1)
    assert sessions.resume(portal.engine, token, now=moments()) is None


def test_a_session_ends_after_twelve_hours_however_busy(portal, moments):
    token = sessions.begin(portal.engine, NAME, now=moments())
    for _ in range(72):
        moments.on(minutes=10)
        assert sessions.resume(portal.engine, token, now=moments())
    moments.on(minutes=10)
    assert sessions.resume(portal.engine, token, now=moments()) is None


def test_the_database_holds_no_token(portal, moments):
    token = sessions.begin(portal.engine, NAME, now=moments())
    with portal.engine.connect() as at:
        kept = [row for row in at.execute(select(SESSIONS)).all() if token in map(str, row)]
    assert kept == []


def test_an_ended_account_loses_its_live_session_at_once(browser, portal, moments):
    investigator = browser(Role.INVESTIGATOR)
    assert investigator.get("/patients").status_code == 200

    administrator = browser(Role.ADMINISTRATOR)
    administrator.fill("/accounts/end", name="investigator")

    assert investigator.get("/patients").headers["location"].startswith("/sign-in")


def test_signing_in_gives_a_fresh_token_whatever_the_browser_had(browser):
    one = browser(Role.AUDITOR)
    before = one.cookies["radioligand"]
    one.cookies.clear()
    answer = one.post(
        "/sign-in",
        data={"name": "auditor", "password": PASSWORD},
        headers={"Cookie": f"radioligand={before}"},
    )
    assert before not in answer.headers["set-cookie"]
    one.cookies.clear()
    one.cookies.set("radioligand", before)
    assert one.get("/audit").status_code == 303  # the old one is over


def test_signing_out_ends_it_on_the_server(browser):
    one = browser(Role.AUDITOR)
    token = one.cookies["radioligand"]
    one.fill("/sign-out")
    one.cookies.set("radioligand", token)
    assert one.get("/audit").status_code == 303


def test_a_changed_password_ends_every_session(browser):
    one, other = browser(Role.MONITOR), browser(Role.MONITOR)
    new = "another long and good one"
    answer = one.fill("/account/password", old=PASSWORD, new=new, again=new)
    assert answer.headers["location"] == "/sign-in"
    assert other.get("/patients").status_code == 303
    assert other.sign_in("monitor", new).status_code == 303


# -- the first sign-in ----------------------------------------------------------------------------


def test_a_one_time_password_opens_the_own_account_alone(browser, portal, moments):
    one_time = accounts.make_account(
        portal.engine,
        name="newcomer",
        full_name="New Comer",
        role=Role.AUDITOR,
        site=None,
        now=moments(),
    )
    one = browser()
    one.sign_in("newcomer", one_time)

    assert one.get("/audit").headers["location"] == "/account"
    assert "Choose a password" in one.get("/account").text


def test_beside_demonstrations_an_authenticator_is_needed(portal, moments):
    from dataclasses import replace

    from radioligand.service.application import application
    from radioligand.service.starting import PAGES

    from .conftest import Browser

    one = Browser(application(replace(portal, is_demonstration=False), PAGES))
    one.sign_in("auditor")
    assert one.get("/audit").headers["location"] == "/account"
    page = one.get("/account").text
    secret = page.partition('name="secret" value="')[2].partition('"')[0]
    one.fill("/account/authenticator", secret=secret, code=pyotp.TOTP(secret).at(moments()))
    assert one.get("/audit").status_code == 200


# -- the matrix -----------------------------------------------------------------------------------


def test_the_matrix_has_every_action_and_grants_nothing_else():
    assert set(MATRIX) == set(Action)
    assert not may(Role.ADMINISTRATOR, "an action that is not in it")


def test_an_administrator_sees_no_data_of_the_trial():
    granted = {action for action in Action if may(Role.ADMINISTRATOR, action)}
    assert granted == {Action.OWN_ACCOUNT, Action.READ_STATEMENTS, Action.MANAGE_ACCOUNTS}


def test_who_sees_arms():
    assert {role for role in Role if may(role, Action.SEE_TREATMENT)} == {
        Role.COORDINATOR,
        Role.INVESTIGATOR,
        Role.RADIOPHARMACIST,
        Role.UNBLINDED_STATISTICIAN,
        Role.MONITOR,
        Role.AUDITOR,
    }


def test_accounts_and_access_are_logged(browser, portal):
    administrator = browser(Role.ADMINISTRATOR)
    administrator.fill("/accounts", name="new.one", full_name="New One", role="auditor")
    administrator.fill("/accounts/reset", name="new.one")
    administrator.fill("/accounts/end", name="new.one")
    browser().sign_in("monitor", "wrong")
    administrator.fill("/sign-out")

    logged = [(one.kind, one.actor) for one in portal.ledger.events() if "/" not in one.kind]

    assert logged[-6:] == [
        ("signed in", "administrator"),
        ("account created", "administrator"),
        ("account changed", "administrator"),
        ("account disabled", "administrator"),
        ("sign-in refused", "monitor"),
        ("signed out", "administrator"),
    ]


def test_no_secret_is_logged(browser, portal):
    administrator = browser(Role.ADMINISTRATOR)
    page = administrator.fill("/accounts", name="new.one", full_name="New One", role="auditor").text
    one_time = page.partition("with the password <code>")[2].partition("</code>")[0]
    assert len(one_time) >= 12
    assert not any(one_time in str(one) or PASSWORD in str(one) for one in portal.ledger.events())
