# SPDX-License-Identifier: Apache-2.0
"""What the database itself refuses: triggers, and on PostgreSQL the rights of the service's role.

What has been written cannot be changed: triggers abort every update and deletion, on PostgreSQL
the role that the service signs in as lacks the right as well. The head and the cursors go on by
one step; of an account, who it belongs to stays, and it ends once.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, Table, text

from radioligand.service.accounts import ACCOUNTS, FAILURES
from radioligand.service.database import ALLOCATION, ANSWER, AUDIT, CURSOR, HEAD, LIST_ENTRY
from radioligand.service.sessions import SESSIONS

APPEND_ONLY = (AUDIT, LIST_ENTRY, ALLOCATION, ANSWER, FAILURES)
STEPPING = {CURSOR: "next_sequence", HEAD: "number"}  # may be updated, by one step each time
FIXED = ("name", "full_name", "role", "site", "made")  # of an account

# what the service's role may, by table; a column with update is named, whole tables never
RIGHTS: dict[Table, str] = {
    AUDIT: "select, insert",
    ALLOCATION: "select, insert",
    ANSWER: "select, insert",
    LIST_ENTRY: "select",
    CURSOR: "select, update (next_sequence)",
    HEAD: "select, update (number, hash, allocations, era)",
    ACCOUNTS: "select, insert, update (password, must_change, code_secret, code_counter, "
    "failures, locked_until, ended)",
    FAILURES: "select, insert",
    SESSIONS: "select, insert, delete, update (seen)",
}


def create_guards(connection: Connection) -> None:
    """Create the triggers on the tables, which exist."""
    statements = _on_sqlite() if connection.dialect.name == "sqlite" else _on_postgresql()
    for statement in statements:
        connection.execute(text(statement))


def _on_sqlite() -> Iterator[str]:
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
    for table in (*STEPPING, ACCOUNTS):
        yield (
            f"create trigger {table.name}_no_delete before delete on {table.name} "
            f"begin select raise(abort, '{table.name} is never deleted'); end"
        )
    yield (
        f"create trigger accounts_fixed before update on accounts when {_changed('is not')} "
        "begin select raise(abort, 'an account is never renamed or begun again'); end"
    )


def _on_postgresql() -> Iterator[str]:
    yield (
        "create function ledger_refuses() returns trigger language plpgsql as "
        "$$ begin raise exception '% is append-only', tg_table_name; end $$"
    )
    for table in (*APPEND_ONLY, *STEPPING, ACCOUNTS):
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
    yield (
        "create trigger accounts_fixed before update on accounts for each row "
        f"when ({_changed('is distinct from')}) execute function ledger_refuses()"
    )


def _changed(differs: str) -> str:
    told = [f"new.{column} {differs} old.{column}" for column in FIXED]
    return " or ".join([*told, f"old.ended is not null and new.ended {differs} old.ended"])


def restrict(connection: Connection, role: str) -> None:
    """Give the service's PostgreSQL `role` what it needs and no more; the role has to exist.

    It may read everything, append to what grows, step the head and the cursors, keep passwords
    and sessions; it may neither change nor delete what was appended, nor add to the list, nor
    change a table.
    """
    quoted = '"' + role.replace('"', '""') + '"'
    for table, rights in RIGHTS.items():
        connection.execute(text(f"revoke all on {table.name} from {quoted}"))
        connection.execute(text(f"grant {rights} on {table.name} to {quoted}"))
    connection.execute(text(f"grant select on schema_version to {quoted}"))
    numbers = f"{FAILURES.name}_number_seq"
    connection.execute(text(f"grant usage on sequence {numbers} to {quoted}"))
