"""Changes of appointments on their way to the calendar, and the history of every appointment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("appointments", sa.Column("confirmed_at", TIME))
    op.create_index("ix_appointments_phone", "appointments", ["attendee_phone", "starts_at"])
    op.create_table(
        "changes",
        sa.Column("change_id", sa.String, primary_key=True),
        sa.Column("appointment_id", sa.String, sa.ForeignKey("appointments.appointment_id"), nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("idempotency_key", sa.String, nullable=False, unique=True),
        sa.Column("call_sid", sa.String, nullable=False),
        sa.Column("starts_at", TIME),
        sa.Column("ends_at", TIME),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("texts", sa.JSON, nullable=False),
        sa.Column("claimed_at", TIME, nullable=False),
        sa.Column("worked_at", TIME, nullable=False),
    )
    op.create_index("ix_changes_appointment_id", "changes", ["appointment_id"])
    op.create_index("ix_changes_state", "changes", ["state", "worked_at"])
    op.create_table(
        "history",
        sa.Column("entry_id", sa.Integer, primary_key=True),
        sa.Column("appointment_id", sa.String, sa.ForeignKey("appointments.appointment_id"), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("call_sid", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("starts_at", TIME),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("ix_history_appointment_id", "history", ["appointment_id"])
