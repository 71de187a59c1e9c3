# SPDX-License-Identifier: Apache-2.0
"""The whole ledger in one file, and back: for a copy every night, and from SQLite to PostgreSQL.

A backup is lines of JSON, gzipped: what it is, every row of every table, and at last the SHA-256
of all lines before. It holds what the database holds: the list stays sealed in it, and accounts
come with it, so that no name is used twice; sessions do not. It is read in one transaction, so
writers may go on meanwhile.
"""

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, text

from radioligand.service.accounts import ACCOUNTS
from radioligand.service.audit import Head, canonical
from radioligand.service.database import (
    AUDIT,
    METADATA,
    DatabaseError,
    has_ledger,
    reading,
)
from radioligand.service.journal import read_head
from radioligand.service.schema import check_version, create_tables

FORMAT = "radioligand ledger backup 1"
ROWS = 500  # inserted at once
KEPT = (*METADATA.sorted_tables, ACCOUNTS)  # not who is signed in now, nor who failed to


def write_backup(engine: Engine, path: Path) -> Head:
    """Write the ledger to a new file and return the head it holds.

    Raises DatabaseError if the file exists or the database holds no ledger.
    """
    if path.exists():
        raise DatabaseError(f"{path} exists; a backup is never replaced.")
    if not has_ledger(engine):
        raise DatabaseError("this database holds no ledger.")
    check_version(engine)
    partly = path.with_name(path.name + ".part")
    partly.touch(mode=0o600)  # it holds patients
    digest = hashlib.sha256()
    with reading(engine) as connection, gzip.open(partly, "wb") as file:
        if connection.dialect.name == "postgresql":
            connection.execute(text("set transaction isolation level repeatable read read only"))
        head = read_head(connection, lock=False)
        for row in _lines(connection, head):
            line = canonical(row).encode() + b"\n"
            digest.update(line)
            file.write(line)
        file.write(canonical({"sha256": digest.hexdigest()}).encode() + b"\n")
    with partly.open("rb+") as whole:
        os.fsync(whole.fileno())
    partly.rename(path)
    return head


def _lines(connection: Connection, head: Head) -> Iterator[dict[str, Any]]:
    yield {"format": FORMAT, "number": head.number, "hash": head.hash}
    for table in KEPT:
        for row in connection.execute(select(table)).mappings():
            yield {"table": table.name, "row": dict(row)}


def read_backup(path: Path) -> tuple[dict[str, list[dict[str, Any]]], str]:
    """Return the rows of a backup by table, and the hash of its head.

    Raises DatabaseError unless the file is a backup, whole and unchanged.
    """
    try:
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        start, told = json.loads(lines[0]), json.loads(lines[-1])
        whole = told.get("sha256") == hashlib.sha256(b"".join(lines[:-1])).hexdigest()
        known = start.get("format") == FORMAT
    except (OSError, EOFError, ValueError, IndexError, AttributeError) as error:
        raise DatabaseError(f"{path} is no backup of a ledger: {error}") from None
    if not known:
        raise DatabaseError(f"{path} is no backup of a ledger.")
    if not whole:
        raise DatabaseError(f"{path} is damaged: its contents do not have its SHA-256.")
    tables: dict[str, list[dict[str, Any]]] = {}
    for line in lines[1:-1]:
        row = json.loads(line)
        tables.setdefault(row["table"], []).append(row["row"])
    return tables, str(start["hash"])


def restore_backup(engine: Engine, path: Path) -> Head:
    """Fill an empty database, of either kind, from a backup, and return its head.

    What happened after the backup is not in it: a ledger opened on it with its anchor does not
    randomise before it is reconciled. Raises DatabaseError if a ledger is there already.
    """
    tables, digest = read_backup(path)
    if has_ledger(engine):
        raise DatabaseError("this database holds a ledger; restore into an empty one.")
    with engine.begin() as connection:
        create_tables(connection)
        for table in KEPT:
            rows = tables.get(table.name, [])
            for at in range(0, len(rows), ROWS):
                connection.execute(insert(table), rows[at : at + ROWS])
        head = read_head(connection, lock=False)
        last = select(AUDIT.c.hash).order_by(AUDIT.c.number.desc()).limit(1)
        if not digest == head.hash == connection.execute(last).scalar_one():
            raise DatabaseError(f"{path}: its head is not its last record.")
    return head
