"""Runs the migrations on the connection that `appointments.store.database` hands over, already inside its lock."""

from __future__ import annotations

from alembic import context

from appointments.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
