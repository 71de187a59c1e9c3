# SPDX-License-Identifier: Apache-2.0
"""Version 2: accounts are never deleted or renamed, failures are append-only, secrets may be long.

An authenticator's secret was 64 letters at most; encrypted it is longer.
"""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"

FIXED = ("name", "full_name", "role", "site", "made")


def upgrade() -> None:
    """Widen one column and add the guards."""
    with op.batch_alter_table("accounts") as accounts:
        accounts.alter_column("code_secret", existing_type=sa.String(64), type_=sa.Text)
    if op.get_context().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(
                f"create trigger sign_in_failures_no_{verb} before {verb} on sign_in_failures "
                "begin select raise(abort, 'sign_in_failures is append-only'); end"
            )
        op.execute(
            "create trigger accounts_no_delete before delete on accounts "
            "begin select raise(abort, 'accounts is never deleted'); end"
        )
        op.execute(
            f"create trigger accounts_fixed before update on accounts when {_changed('is not')} "
            "begin select raise(abort, 'an account is never renamed or begun again'); end"
        )
        return
    for table, verbs in (("sign_in_failures", "update or delete"), ("accounts", "delete")):
        op.execute(
            f"create trigger {table}_guard before {verbs} on {table} "
            "for each row execute function ledger_refuses()"
        )
        op.execute(
            f"create trigger {table}_no_truncate before truncate on {table} "
            "for each statement execute function ledger_refuses()"
        )
    op.execute(
        "create trigger accounts_fixed before update on accounts for each row "
        f"when ({_changed('is distinct from')}) execute function ledger_refuses()"
    )


def _changed(differs: str) -> str:
    told = [f"new.{column} {differs} old.{column}" for column in FIXED]
    return " or ".join([*told, f"old.ended is not null and new.ended {differs} old.ended"])
