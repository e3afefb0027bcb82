"""Messages of every kind and channel, some for later; an appointment's versions, its host and its message plan."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


def upgrade() -> None:
    op.add_column("appointments", sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    op.add_column("appointments", sa.Column("host_name", sa.String, nullable=False, server_default=""))
    op.add_column("appointments", sa.Column("attendee_answers", sa.JSON, nullable=False, server_default="{}"))
    for table in ("appointments", "changes"):
        op.execute(f"ALTER TABLE {table} RENAME COLUMN texts TO plan")
    op.add_column("opt_outs", sa.Column("because", sa.String, nullable=False, server_default="stop"))
    _make_plans()
    _widen_the_outbox()


def _make_plans() -> None:
    """Turn the templates that were kept with bookings and changes into message plans."""
    for name, key in (("appointments", "appointment_id"), ("changes", "change_id")):
        columns = [sa.column(key), sa.column("plan", sa.JSON)]
        if name == "changes":
            columns.append(sa.column("kind"))
        table = sa.table(name, *columns)
        connection = op.get_bind()
        for row in connection.execute(sa.select(table)).mappings().all():
            plan = _plan(row["plan"], change=row.get("kind", ""))
            connection.execute(table.update().where(table.c[key] == row[key]).values(plan=plan))


def _plan(texts: dict[str, str], *, change: str) -> dict[str, Any]:
    if change:
        done = "cancelled" if change == "cancel" else "moved"
        kinds = {"confirmed": done, "unconfirmed": "change_unconfirmed", "failed": "change_failed"}
        templates = {kinds[kind]: texts.get(kind, "") for kind in kinds}
    else:
        templates = {
            "confirmation": texts.get("confirmed", ""),
            "requested": texts.get("unconfirmed", ""),
            "unconfirmed": texts.get("unconfirmed", ""),
            "failed": texts.get("failed", ""),
        }
    kept = {kind: template for kind, template in templates.items() if template}
    return {"to": texts.get("to", ""), "business": texts.get("business", ""), "templates": kept}


def _widen_the_outbox() -> None:
    op.execute("ALTER TABLE outbox RENAME COLUMN to_number TO receiver")
    for column in (
        sa.Column("call_sid", sa.String),
        sa.Column("channel", sa.String, nullable=False, server_default="sms"),
        sa.Column("kind", sa.String, nullable=False, server_default="confirmation"),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("subject", sa.Text, nullable=False, server_default=""),
        sa.Column("attachment", sa.JSON),
        sa.Column("reason", sa.String, nullable=False, server_default=""),
        sa.Column("not_before", TIME),
        sa.Column("expires_at", TIME),
    ):
        op.add_column("outbox", column)
    outbox = sa.table("outbox", sa.column("not_before", TIME), sa.column("dedupe_key"), sa.column("kind"))
    op.execute(outbox.update().values(not_before=AT_ONCE))
    for told, kind in (("unconfirmed", "unconfirmed"), ("failed", "failed")):
        op.execute(outbox.update().where(outbox.c.dedupe_key.like(f"%|{told}|%")).values(kind=kind))
    # A change's texts are known by the change, whose kind tells what was done.
    for told, kind in (("unconfirmed", "change_unconfirmed"), ("failed", "change_failed")):
        op.execute(outbox.update().where(outbox.c.dedupe_key.like(f"ch%|{told}|%")).values(kind=kind))
    for change, kind in (("move", "moved"), ("cancel", "cancelled")):
        made = sa.text(
            "UPDATE outbox SET kind = :kind WHERE dedupe_key IN "
            "(SELECT change_id || '|confirmed|1' FROM changes WHERE kind = :change)"
        )
        op.get_bind().execute(made, {"kind": kind, "change": change})
    with op.batch_alter_table("outbox") as batch:
        batch.alter_column("appointment_id", existing_type=sa.String, nullable=True)
        batch.alter_column("not_before", existing_type=TIME, nullable=False)
    op.drop_index("ix_outbox_due", "outbox")
    op.create_index("ix_outbox_due", "outbox", ["state", "not_before", "run_at"])
    op.create_index("ix_outbox_receiver", "outbox", ["receiver", "tried_at"])
    op.create_index("ix_outbox_tried", "outbox", ["tried_at"])
