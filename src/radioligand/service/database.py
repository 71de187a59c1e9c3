# SPDX-License-Identifier: Apache-2.0
"""The tables of the ledger, and how a database, SQLite or PostgreSQL, is connected to.

Every write takes the one row of the head, and an allocation then the row of its stratum's cursor,
always in that order, so that writers stand in one queue: on PostgreSQL by row locks, on SQLite
because a writing transaction begins with the write lock. What the database itself refuses stands
in `guards`, how tables come to be and change from version to version in `schema`.
"""

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
)
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

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


class DatabaseError(ValueError):
    """A database cannot hold the ledger; the message says what to mend."""


def connect(url: str, *, role: str | None = None) -> Engine:
    """Open `url`, a SQLAlchemy URL or the path of a SQLite file, as the ledger needs it.

    SQLite: write-ahead log, synced at each commit, foreign keys, and a transaction that begins
    with the write lock unless the connection has the option ``reads`` (see `reading`).
    PostgreSQL: `role` is taken on after connecting (``SET ROLE``), see `guards.restrict`.

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
        if Path(str(path)).stat().st_size == 0:  # new: it will hold patients
            Path(str(path)).chmod(0o600)
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


def is_passing(error: Exception) -> bool:
    """Whether the same transaction may succeed later: a lock, a lost connection, a full disk."""
    if isinstance(error, PoolTimeout):  # every connection of this process is in use
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    if not hasattr(error.orig, "sqlstate"):  # SQLite
        words = ("locked", "busy", "disk is full", "disk I/O error")
        is_operational = isinstance(error, OperationalError)
        return is_operational and any(word in str(error.orig) for word in words)
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # PostgreSQL was not reached
        return isinstance(error, OperationalError)
    # 40: rolled back to let another pass; 53: resources; 55P03: lock; 57: shut down; 08: connection
    return str(state)[:2] in ("40", "53", "55", "57", "08")
