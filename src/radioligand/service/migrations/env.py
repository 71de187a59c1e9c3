# SPDX-License-Identifier: Apache-2.0
"""How Alembic runs a migration here: on the connection of its caller, whose transaction it is."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="schema_version",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
