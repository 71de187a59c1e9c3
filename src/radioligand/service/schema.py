# SPDX-License-Identifier: Apache-2.0
"""Versions of the database: how its tables come to be, and how an older one is brought up.

A new database gets the tables as they are now, and their version. An older one goes through the
migrations (Alembic) that lie in `migrations`, in one transaction. They add and widen; no record of
the audit is touched, so its chain and its anchor hold as before.
"""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select

from radioligand.service.accounts import TABLES
from radioligand.service.database import METADATA, DatabaseError, has_ledger, reading
from radioligand.service.guards import create_guards

VERSION = "2"  # of the newest migration
VERSIONS = Table(
    "schema_version", MetaData(), Column("version_num", String(32), primary_key=True)
)  # as Alembic knows it


def create_tables(connection: Connection) -> None:
    """Create every table with its triggers and the version, inside the caller's transaction."""
    for tables in (METADATA, TABLES, VERSIONS.metadata):
        tables.create_all(connection, checkfirst=False)
    create_guards(connection)
    connection.execute(VERSIONS.insert().values(version_num=VERSION))


def version_of(engine: Engine) -> int:
    """Return the version of a database that holds a ledger; 0 before versions were written."""
    if not inspect(engine).has_table(VERSIONS.name):
        return 0
    with reading(engine) as connection:
        return int(connection.execute(select(VERSIONS.c.version_num)).scalar_one())


def check_version(engine: Engine) -> None:
    """Refuse a database that is older or newer than this program, by DatabaseError."""
    found = version_of(engine)
    if found < int(VERSION):
        raise DatabaseError(
            f"the database has schema version {found}, this program needs {VERSION}: stop the "
            "service, copy the database, then `radioligand ledger upgrade` it."
        )
    if found > int(VERSION):
        raise DatabaseError(
            f"the database has schema version {found}, this program knows {VERSION}: it was used "
            "by a newer radioligand; install that one."
        )


def upgrade(engine: Engine, *, to: str = VERSION) -> int:
    """Bring an older database to a version, all of it or nothing; return the one it had.

    Raises DatabaseError if there is no ledger, or a newer one.
    """
    if not has_ledger(engine):
        raise DatabaseError("this database holds no ledger.")
    found = version_of(engine)
    if found > int(VERSION):
        check_version(engine)
    with engine.begin() as connection:
        migrate(connection, to=to)
    return found


def migrate(connection: Connection, *, to: str) -> None:
    """Run the migrations up to a version inside the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(files("radioligand.service") / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
