"""The tables of the record, as the newest migration leaves them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC. SQLite keeps no zone, so UTC is also what makes its text compare right."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the record keeps aware times only, not {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

# Two live rows of one event type never overlap: triggers of the first migration see to it.
appointments = Table(
    "appointments",
    metadata,
    Column("appointment_id", String, primary_key=True),
    Column("call_sid", String, nullable=False, index=True),
    Column("event_type_id", String, nullable=False),
    Column("title", String, nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("zone", String, nullable=False),
    Column("attendee_name", String, nullable=False),
    Column("attendee_zone", String, nullable=False),
    Column("attendee_phone", String),
    Column("attendee_email", String),
    Column("notes", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("idempotency_key", String, nullable=False, unique=True),
    Column("booking_uid", String),
    Column("meeting_link", String, nullable=False),
    Column("location", String, nullable=False),
    Column("texts", JSON, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("worked_at", UtcDateTime, nullable=False),
    Index("ix_appointments_slots", "event_type_id", "starts_at", "ends_at"),
    Index("ix_appointments_status", "status", "worked_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("outbox_id", String, primary_key=True),
    Column("dedupe_key", String, nullable=False, unique=True),
    Column("appointment_id", ForeignKey("appointments.appointment_id"), nullable=False, index=True),
    Column("to_number", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("status", String, nullable=False),
    Column("run_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("owner", String, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("tried_at", UtcDateTime),
    Column("message_sid", String, nullable=False),
    Column("error_code", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_outbox_due", "state", "run_at"),
)

calls = Table(
    "calls",
    metadata,
    Column("call_sid", String, primary_key=True),
    Column("caller", String),
    Column("called", String, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("outcome", String, nullable=False),
    Index("ix_calls_caller", "caller", "started_at"),
)

turns = Table(
    "turns",
    metadata,
    Column("turn_id", Integer, primary_key=True),
    Column("call_sid", String, nullable=False, index=True),
    Column("who", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("tool", String),
    Column("took_ms", Integer),
)

used_tokens = Table(
    "used_tokens",
    metadata,
    Column("token_id", String, primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

opt_outs = Table(
    "opt_outs",
    metadata,
    Column("number", String, primary_key=True),
    Column("since", UtcDateTime, nullable=False),
)
