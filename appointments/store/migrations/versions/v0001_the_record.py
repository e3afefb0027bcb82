"""Appointments that cannot overlap, the outbox, calls and their turns, used tokens, opt-outs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
OVERLAPS = """
    SELECT RAISE(ABORT, 'no_overlap') WHERE EXISTS (
        SELECT 1 FROM appointments AS other
        WHERE other.event_type_id = NEW.event_type_id
          AND other.appointment_id <> NEW.appointment_id
          AND other.status IN ('pending', 'active', 'unconfirmed')
          AND other.starts_at < NEW.ends_at AND NEW.starts_at < other.ends_at
    );
"""


def upgrade() -> None:
    _create_appointments()
    _create_outbox()
    _create_calls()
    op.create_table(
        "used_tokens",
        sa.Column("token_id", sa.String, primary_key=True),
        sa.Column("expires_at", TIME, nullable=False),
    )
    op.create_index("ix_used_tokens_expires_at", "used_tokens", ["expires_at"])
    op.create_table(
        "opt_outs",
        sa.Column("number", sa.String, primary_key=True),
        sa.Column("since", TIME, nullable=False),
    )


def _create_appointments() -> None:
    op.create_table(
        "appointments",
        sa.Column("appointment_id", sa.String, primary_key=True),
        sa.Column("call_sid", sa.String, nullable=False),
        sa.Column("event_type_id", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("zone", sa.String, nullable=False),
        sa.Column("attendee_name", sa.String, nullable=False),
        sa.Column("attendee_zone", sa.String, nullable=False),
        sa.Column("attendee_phone", sa.String),
        sa.Column("attendee_email", sa.String),
        sa.Column("notes", sa.Text, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("idempotency_key", sa.String, nullable=False, unique=True),
        sa.Column("booking_uid", sa.String),
        sa.Column("meeting_link", sa.String, nullable=False),
        sa.Column("location", sa.String, nullable=False),
        sa.Column("texts", sa.JSON, nullable=False),
        sa.Column("claimed_at", TIME, nullable=False),
        sa.Column("worked_at", TIME, nullable=False),
    )
    op.create_index("ix_appointments_call_sid", "appointments", ["call_sid"])
    op.create_index("ix_appointments_slots", "appointments", ["event_type_id", "starts_at", "ends_at"])
    op.create_index("ix_appointments_status", "appointments", ["status", "worked_at"])
    if op.get_bind().dialect.name != "sqlite":
        return  # migration 0002 replaces these triggers by what Postgres has too
    for event in ("INSERT", "UPDATE"):
        op.execute(
            f"CREATE TRIGGER appointments_no_overlap_{event.lower()} BEFORE {event} ON appointments "
            f"WHEN NEW.status IN ('pending', 'active', 'unconfirmed') BEGIN {OVERLAPS} END"
        )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("outbox_id", sa.String, primary_key=True),
        sa.Column("dedupe_key", sa.String, nullable=False, unique=True),
        sa.Column("appointment_id", sa.String, sa.ForeignKey("appointments.appointment_id"), nullable=False),
        sa.Column("to_number", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("run_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("lease_until", TIME),
        sa.Column("tried_at", TIME),
        sa.Column("message_sid", sa.String, nullable=False),
        sa.Column("error_code", sa.String, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_index("ix_outbox_appointment_id", "outbox", ["appointment_id"])
    op.create_index("ix_outbox_due", "outbox", ["state", "run_at"])


def _create_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("call_sid", sa.String, primary_key=True),
        sa.Column("caller", sa.String),
        sa.Column("called", sa.String, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("outcome", sa.String, nullable=False),
    )
    op.create_index("ix_calls_caller", "calls", ["caller", "started_at"])
    op.create_table(
        "turns",
        sa.Column("turn_id", sa.Integer, primary_key=True),
        sa.Column("call_sid", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at_ms", sa.Integer, nullable=False),
        sa.Column("tool", sa.String),
        sa.Column("took_ms", sa.Integer),
    )
    op.create_index("ix_turns_call_sid", "turns", ["call_sid"])
