# SPDX-License-Identifier: Apache-2.0
"""Version 1: the ledger with its guards, accounts and sessions.

A ledger made before versions were written has its tables already, and perhaps no accounts yet.
"""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

APPEND_ONLY = ("audit", "list_entry", "allocation", "answer")
STEPPING = {"cursor": "next_sequence", "head": "number"}


def upgrade() -> None:
    """Create what is not there yet."""
    there = sa.inspect(op.get_bind()).get_table_names()
    if "head" not in there:
        _ledger()
        _guards()
    if "accounts" not in there:
        _accounts()


def _ledger() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(40), nullable=False, index=True),
        sa.Column("site", sa.String(40), index=True),
        sa.Column("subject", sa.String(60), index=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "head",
        sa.Column(
            "id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False
        ),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("allocations", sa.Integer, nullable=False),
        sa.Column("era", sa.Integer, nullable=False),
    )
    op.create_table(
        "cursor",
        sa.Column("stratum", sa.String(200), primary_key=True),
        sa.Column("next_sequence", sa.Integer, nullable=False),
        sa.Column("entries", sa.Integer, nullable=False),
    )
    op.create_table(
        "list_entry",
        sa.Column("stratum", sa.String(200), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("commitment", sa.String(64), nullable=False),
    )
    op.create_table(
        "allocation",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("stratum", sa.String(200), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("subject", sa.String(60), nullable=False, unique=True),
        sa.Column("site", sa.String(40), nullable=False, index=True),
        sa.Column("arm", sa.String(8), nullable=False),
        sa.UniqueConstraint("stratum", "sequence"),
        sa.ForeignKeyConstraint(
            ["stratum", "sequence"], ["list_entry.stratum", "list_entry.sequence"]
        ),
        sa.ForeignKeyConstraint(["number"], ["audit.number"]),
    )
    op.create_table(
        "answer",
        sa.Column("key", sa.String(100), primary_key=True),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, unique=True),
        sa.Column("response", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["number"], ["audit.number"]),
    )


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("full_name", sa.String(120), nullable=False),
        sa.Column("role", sa.String(40), nullable=False),
        sa.Column("site", sa.String(20)),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("must_change", sa.Boolean, nullable=False),
        sa.Column("code_secret", sa.String(64)),
        sa.Column("code_counter", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", sa.String(40)),
        sa.Column("ended", sa.String(40)),
        sa.Column("made", sa.String(40), nullable=False),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("address", sa.String(64), nullable=False, index=True),
        sa.Column("at", sa.String(40), nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(40), nullable=False, index=True),
        sa.Column("form_token", sa.String(64), nullable=False),
        sa.Column("begun", sa.String(40), nullable=False),
        sa.Column("seen", sa.String(40), nullable=False),
    )


def _guards() -> None:
    if op.get_context().dialect.name == "sqlite":
        _guards_of_sqlite()
    else:
        _guards_of_postgresql()


def _guards_of_sqlite() -> None:
    for table in APPEND_ONLY:
        for verb in ("update", "delete"):
            op.execute(
                f"create trigger {table}_no_{verb} before {verb} on {table} "
                f"begin select raise(abort, '{table} is append-only'); end"
            )
    for table, column in STEPPING.items():
        op.execute(
            f"create trigger {table}_step before update on {table} "
            f"when new.{column} <> old.{column} + 1 "
            f"begin select raise(abort, '{table} goes one step at a time'); end"
        )
        op.execute(
            f"create trigger {table}_no_delete before delete on {table} "
            f"begin select raise(abort, '{table} is never deleted'); end"
        )


def _guards_of_postgresql() -> None:
    op.execute(
        "create function ledger_refuses() returns trigger language plpgsql as "
        "$$ begin raise exception '% is append-only', tg_table_name; end $$"
    )
    for table in (*APPEND_ONLY, *STEPPING):
        verbs = "update or delete" if table in APPEND_ONLY else "delete"
        op.execute(
            f"create trigger {table}_guard before {verbs} on {table} "
            "for each row execute function ledger_refuses()"
        )
        op.execute(
            f"create trigger {table}_no_truncate before truncate on {table} "
            "for each statement execute function ledger_refuses()"
        )
    for table, column in STEPPING.items():
        op.execute(
            f"create trigger {table}_step before update on {table} for each row "
            f"when (new.{column} <> old.{column} + 1) execute function ledger_refuses()"
        )
