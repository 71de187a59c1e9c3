# SPDX-License-Identifier: Apache-2.0
"""Versions of the database: an older one is brought up and nothing recorded changes."""

from datetime import timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import MetaData, inspect, text
from sqlalchemy.exc import DBAPIError

from radioligand.cli import cli
from radioligand.service import opening
from radioligand.service.accounts import TABLES, account, end_account, make_account, reset, sign_in
from radioligand.service.backup import write_backup
from radioligand.service.database import METADATA, DatabaseError, connect
from radioligand.service.guards import RIGHTS, restrict
from radioligand.service.ledger import Ledger
from radioligand.service.roles import Role
from radioligand.service.schema import VERSION, VERSIONS, check_version, migrate, upgrade
from radioligand.service.sessions import begin, resume, revoke
from radioligand.service.verification import verify_ledger

from .conftest import Clock, server_of_our_own

ALL = MetaData()
for tables in (METADATA, TABLES, VERSIONS.metadata):
    for one in tables.sorted_tables:
        one.to_metadata(ALL)


def triggers(engine):
    """Name and table of every trigger, and on SQLite what it does."""
    asked = {
        "sqlite": "select name, tbl_name, sql from sqlite_master where type = 'trigger'",
        "postgresql": "select tgname, tgrelid::regclass::text, pg_get_triggerdef(oid) "
        "from pg_trigger where not tgisinternal",
    }
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(text(asked[engine.dialect.name]))}


def differences(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, ALL)


@pytest.fixture
def first(opened, url, monkeypatch):
    """A ledger whose tables the first migration made, with events; closed."""
    monkeypatch.setattr(opening, "create_tables", lambda at: migrate(at, to="1"))
    monkeypatch.setattr("radioligand.service.ledger.check_version", lambda engine: None)
    ledger = opened(url)
    monkeypatch.undo()
    return ledger


def test_a_database_of_version_1_is_upgraded_and_its_chain_is_untouched(
    first, protocol, keys, clock, ready, randomise, entries
):
    head = first.head()
    make_account(
        first.engine,
        name="kept",
        full_name="Kept Person",
        role=Role.AUDITOR,
        site=None,
        now=clock(),
    )

    assert upgrade(first.engine) == 1

    assert first.head() == head
    assert account(first.engine, "kept").full_name == "Kept Person"
    ledger = Ledger(first.engine, protocol, keys=keys, clock=clock, anchor=first.anchor)
    ready(ledger, "1001-001")
    randomise(ledger, "1001-001")
    assert verify_ledger(first.engine, anchor=first.anchor, public=keys.public).is_sound
    assert upgrade(first.engine) == int(VERSION)  # a second time changes nothing


def test_an_upgraded_database_is_as_a_new_one(first, opened, tmp_path, request):
    upgrade(first.engine)
    address = f"sqlite:///{tmp_path}/new.db"
    if first.engine.dialect.name == "postgresql":
        server = request.getfixturevalue("postgresql")
        address = server_of_our_own().new_database(server, "as new")
    new = opened(address)
    assert differences(first.engine) == differences(new.engine) == []
    assert triggers(first.engine) == triggers(new.engine) != set()


def test_another_version_is_refused_with_its_mend(first, protocol, keys, tmp_path):
    older = "has schema version 1, this program needs 2: .* `radioligand ledger upgrade`"
    with pytest.raises(DatabaseError, match=older):
        Ledger(first.engine, protocol, keys=keys)
    with pytest.raises(DatabaseError, match=older):
        write_backup(first.engine, tmp_path / "backup")

    with first.engine.begin() as connection:
        connection.execute(text("update schema_version set version_num = '3'"))
    for act in (check_version, upgrade, lambda engine: Ledger(engine, protocol, keys=keys)):
        with pytest.raises(DatabaseError, match=r"version 3, .* install that one"):
            act(first.engine)


def test_a_ledger_from_before_versions_gets_what_it_lacks(first, protocol, keys):
    with first.engine.begin() as connection:
        for name in ("schema_version", "accounts", "sign_in_failures", "sessions"):
            connection.execute(text(f"drop table {name}"))
    with pytest.raises(DatabaseError, match="has schema version 0"):
        check_version(first.engine)

    assert upgrade(first.engine) == 0

    assert differences(first.engine) == []
    assert Ledger(first.engine, protocol, keys=keys).head() == first.head()


def test_an_upgrade_that_fails_leaves_everything_as_it_was(first):
    with first.engine.begin() as connection:
        connection.execute(text("drop table accounts"))  # version 2 changes it
        connection.execute(text("create table accounts (name text)"))
    before = triggers(first.engine)

    with pytest.raises((DBAPIError, KeyError)):
        upgrade(first.engine)

    assert triggers(first.engine) == before
    with pytest.raises(DatabaseError, match="has schema version 1"):
        check_version(first.engine)


def test_the_command_upgrades_and_tells_both_versions(first, tmp_path):
    address = first.engine.url.render_as_string(hide_password=False)
    told = CliRunner().invoke(cli, ["ledger", "upgrade", address])
    assert told.exit_code == 0, told.output
    assert "schema version 1, now 2" in told.output
    empty = CliRunner().invoke(cli, ["ledger", "upgrade", str(tmp_path / "empty.db")])
    assert empty.exit_code == 1
    assert "holds no ledger" in empty.output


# --- accounts are kept, whoever asks --------------------------------------------------------------


@pytest.fixture
def accounts(ledgers):
    clock = Clock()
    for name in ("here", "gone"):
        site = {"role": Role.INVESTIGATOR, "site": "1001"}
        make_account(ledgers.engine, name=name, full_name="A Person", now=clock(), **site)
    end_account(ledgers.engine, name="gone", now=clock())
    with ledgers.engine.begin() as connection:
        tried = "insert into sign_in_failures (address, at) values ('10.0.0.1', '2026')"
        connection.execute(text(tried))
    return ledgers.engine


@pytest.mark.parametrize(
    "statement",
    [
        "delete from accounts",
        "update accounts set name = 'other'",
        "update accounts set full_name = 'Other Person'",
        "update accounts set role = 'auditor'",
        "update accounts set site = '1002'",
        "update accounts set site = null",
        "update accounts set made = '1999'",
        "update accounts set ended = null",
        "update accounts set ended = '2999' where name = 'gone'",
        "update sign_in_failures set address = 'x'",
        "delete from sign_in_failures",
    ],
)
def test_the_database_refuses_to_rename_or_remove_an_account(accounts, statement):
    with pytest.raises(DBAPIError), accounts.begin() as connection:
        connection.execute(text(statement))
    with accounts.begin() as connection:
        connection.execute(text("update accounts set failures = 1"))


# --- the service's own role on PostgreSQL ---------------------------------------------------------

REFUSED = (
    "update audit set record = '{}'",
    "delete from audit",
    "truncate answer",
    "update allocation set arm = 'X'",
    "delete from allocation",
    "insert into list_entry values ('2 / OTHER', 241, 'x', 'x')",
    "update list_entry set sealed = 'x'",
    "delete from list_entry",
    "update cursor set entries = 1000",
    "insert into cursor values ('x', 1, 1)",
    "delete from head",
    "delete from accounts",
    "update accounts set role = 'auditor'",
    "update accounts set made = 'x'",
    "update sign_in_failures set at = 'x'",
    "delete from sign_in_failures",
    "update sessions set name = 'somebody'",
    "update schema_version set version_num = '9'",
    "alter table audit disable trigger all",
    "drop table audit",
    "create table mine (x int)",
)


@pytest.fixture
def as_service(opened, postgresql_url):
    """The engine of a role that may sign in and was given its rights, and the owner's ledger."""
    owner = opened(postgresql_url)
    role = "service " + postgresql_url.split("/")[3][:8]
    with owner.engine.begin() as connection:
        connection.execute(text(f'create role "{role}" login'))
        restrict(connection, role)
    signed_in = owner.engine.url.set(username=role).render_as_string(hide_password=False)
    engine = connect(signed_in)
    yield engine, owner
    engine.dispose()


def test_the_services_role_runs_a_portal_and_can_no_more(
    as_service, protocol, keys, clock, ready, randomise
):
    engine, owner = as_service
    service = Ledger(engine, protocol, keys=keys, anchor=owner.anchor)
    ready(service, "1001-001")
    randomise(service, "1001-001")
    site = {"role": Role.INVESTIGATOR, "site": "1001", "password": "long enough"}
    make_account(engine, name="ada", full_name="Ada Person", now=clock(), **site)
    asked = {"name": "ada", "code": "", "address": "10.0.0.1", "keys": keys}
    assert sign_in(engine, password="wrong", now=clock(), **asked) is None
    assert sign_in(engine, password="long enough", now=clock(), **asked)
    token = begin(engine, "ada", now=clock())
    clock.now += timedelta(minutes=1)
    assert resume(engine, token, now=clock())
    assert reset(engine, name="ada")
    assert revoke(engine, "ada") == 1
    end_account(engine, name="ada", now=clock())
    assert verify_ledger(owner.engine, anchor=owner.anchor).is_sound

    for statement in REFUSED:
        refused = pytest.raises(DBAPIError, match=r"permission denied|must be owner")
        with refused, engine.begin() as connection:
            connection.execute(text(statement))


def test_the_rights_name_every_table(ledgers):
    there = set(inspect(ledgers.engine).get_table_names()) - {"schema_version"}
    assert {table.name for table in RIGHTS} == there
