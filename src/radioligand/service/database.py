# SPDX-License-Identifier: Apache-2.0
"""The tables of the ledger, on SQLite or PostgreSQL, and what the database itself refuses.

Every write takes the one row of the head, and an allocation then the row of its stratum's cursor,
always in that order, so that writers stand in one queue: on PostgreSQL by row locks, on SQLite
because a writing transaction begins with the write lock. What has been written cannot be changed:
triggers abort every update and deletion, on PostgreSQL the service's role lacks the right as well.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Engine,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError

METADATA = MetaData()
LOCK_SECONDS = 15  # a writer waits for the others before it tries again

AUDIT = Table(
    "audit",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(40), nullable=False, index=True),
    Column("site", String(40), index=True),
    Column("subject", String(60), index=True),
    Column("record", Text, nullable=False),  # canonical JSON: all that is known of the event
    Column("hash", String(64), nullable=False),
)
HEAD = Table(
    "head",
    METADATA,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),  # of the last audit record
    Column("hash", String(64), nullable=False),
    Column("allocations", Integer, nullable=False),
    Column("era", Integer, nullable=False),  # restores that were reconciled so far
)
CURSOR = Table(
    "cursor",
    METADATA,
    Column("stratum", String(200), primary_key=True),
    Column("next_sequence", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
)
LIST_ENTRY = Table(
    "list_entry",
    METADATA,
    Column("stratum", String(200), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("sealed", Text, nullable=False),  # the arm, encrypted under a key kept elsewhere
    Column("commitment", String(64), nullable=False),
)
ALLOCATION = Table(
    "allocation",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),  # its audit record
    Column("stratum", String(200), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("subject", String(60), nullable=False, unique=True),
    Column("site", String(40), nullable=False, index=True),
    Column("arm", String(8), nullable=False),
    UniqueConstraint("stratum", "sequence"),
    ForeignKeyConstraint(["stratum", "sequence"], ["list_entry.stratum", "list_entry.sequence"]),
    ForeignKeyConstraint(["number"], ["audit.number"]),
)
ANSWER = Table(
    "answer",
    METADATA,
    Column("key", String(100), primary_key=True),  # the client's idempotency key
    Column("request", String(64), nullable=False),  # hash of who asked what
    Column("number", Integer, nullable=False, unique=True),
    Column("response", Text, nullable=False),
    ForeignKeyConstraint(["number"], ["audit.number"]),
)
APPEND_ONLY = (AUDIT, LIST_ENTRY, ALLOCATION, ANSWER)
STEPPING = {CURSOR: "next_sequence", HEAD: "number"}  # may be updated, by one step each time


class DatabaseError(ValueError):
    """A database cannot hold the ledger; the message says what to mend."""


def connect(url: str, *, role: str | None = None) -> Engine:
    """Open `url`, a SQLAlchemy URL or the path of a SQLite file, as the ledger needs it.

    SQLite: write-ahead log, synced at each commit, foreign keys, and a transaction that begins
    with the write lock unless the connection has the option ``reads`` (see `reading`).
    PostgreSQL: `role` is taken on after connecting (``SET ROLE``), see `restrict`.

    Raises DatabaseError for another kind of database, and for SQLite in memory or on a network.
    """
    try:
        address = make_url(url if "://" in url else f"sqlite:///{url}")
    except ArgumentError as error:
        raise DatabaseError(f"{url!r} is no database URL: {error}") from None
    match address.get_backend_name():
        case "sqlite":
            return _sqlite(address.database)
        case "postgresql":
            return _postgresql(str(address.render_as_string(hide_password=False)), role)
        case other:
            raise DatabaseError(f"the ledger runs on sqlite and postgresql, not on {other}.")


def _sqlite(path: str | None) -> Engine:
    if path in (None, "", ":memory:"):
        raise DatabaseError("a ledger in memory would be lost; name a file, such as ledger.db.")
    kind = _file_system(Path(str(path)).resolve())
    if kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"):
        raise DatabaseError(f"{path} lies on {kind}, which locks unsafely; use a local disk.")
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": LOCK_SECONDS})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for setting in ("journal_mode=wal", "synchronous=full", "foreign_keys=on"):
            connection.execute(f"pragma {setting}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _file_system(path: Path) -> str:
    """Kind of file system that holds `path`, or '' where the machine does not tell."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    rows = [line.split() for line in mounts.read_text("utf-8").splitlines()]
    holding = [row for row in rows if path.is_relative_to(row[1])]
    return max(holding, key=lambda row: len(row[1]))[2] if holding else ""


def _postgresql(url: str, role: str | None) -> Engine:
    plain = make_url(url).set(drivername="postgresql+psycopg")
    options = {"options": f"-c lock_timeout={LOCK_SECONDS}s -c timezone=UTC"}
    engine = create_engine(plain, pool_pre_ping=True, connect_args=options)
    if role:

        @event.listens_for(engine, "connect")
        def _take_role(connection: Any, record: object) -> None:
            with connection.cursor() as cursor:
                quoted = role.replace('"', '""')
                cursor.execute(f'set role "{quoted}"')
            connection.commit()

    return engine


def has_ledger(engine: Engine) -> bool:
    """Whether the database holds a ledger."""
    return inspect(engine).has_table(HEAD.name)


def reading(engine: Engine) -> Connection:
    """Open a connection that only reads: on SQLite it waits for no writer."""
    return engine.connect().execution_options(reads=True)


def create_tables(connection: Connection) -> None:
    """Create the tables and the triggers that guard them, inside the caller's transaction."""
    METADATA.create_all(connection, checkfirst=False)
    create_guards(connection)


def create_guards(connection: Connection) -> None:
    """Create the triggers that make tables append-only and the head and cursors step by one."""
    for statement in _guards(connection.dialect.name):
        connection.execute(text(statement))


def _guards(dialect: str) -> Iterator[str]:
    if dialect == "sqlite":
        for table in APPEND_ONLY:
            for verb in ("update", "delete"):
                yield (
                    f"create trigger {table.name}_no_{verb} before {verb} on {table.name} "
                    f"begin select raise(abort, '{table.name} is append-only'); end"
                )
        for table, column in STEPPING.items():
            yield (
                f"create trigger {table.name}_step before update on {table.name} "
                f"when new.{column} <> old.{column} + 1 "
                f"begin select raise(abort, '{table.name} goes one step at a time'); end"
            )
            yield (
                f"create trigger {table.name}_no_delete before delete on {table.name} "
                f"begin select raise(abort, '{table.name} is never deleted'); end"
            )
        return
    yield (
        "create function ledger_refuses() returns trigger language plpgsql as "
        "$$ begin raise exception '% is append-only', tg_table_name; end $$"
    )
    for table in (*APPEND_ONLY, *STEPPING):
        verbs = "update or delete" if table in APPEND_ONLY else "delete"
        yield (
            f"create trigger {table.name}_guard before {verbs} on {table.name} "
            "for each row execute function ledger_refuses()"
        )
        yield (
            f"create trigger {table.name}_no_truncate before truncate on {table.name} "
            "for each statement execute function ledger_refuses()"
        )
    for table, column in STEPPING.items():
        yield (
            f"create trigger {table.name}_step before update on {table.name} for each row "
            f"when (new.{column} <> old.{column} + 1) execute function ledger_refuses()"
        )


def restrict(connection: Connection, role: str) -> None:
    """Give the service's PostgreSQL `role` what it needs and no more.

    It may read and append everywhere, and step the head and the cursors; it may neither update
    nor delete what was appended, nor add to the list. The role has to exist.
    """
    quoted = '"' + role.replace('"', '""') + '"'
    for table in METADATA.sorted_tables:
        connection.execute(text(f"revoke all on {table.name} from {quoted}"))
        rights = "select" if table in (LIST_ENTRY, CURSOR, HEAD) else "select, insert"
        connection.execute(text(f"grant {rights} on {table.name} to {quoted}"))
    connection.execute(text(f"grant update (next_sequence) on cursor to {quoted}"))
    columns = "number, hash, allocations, era"
    connection.execute(text(f"grant update ({columns}) on head to {quoted}"))
