"""Alembic's entry: runs the migrations on the connection, and inside the transaction, that `migrate` hands over."""

from __future__ import annotations

from alembic import context

from controller.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
context.run_migrations()
