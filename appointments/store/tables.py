"""The tables of the record, as the newest migration leaves them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
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
    UniqueConstraint,
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

# Two rows of one resource never overlap unless they have one owner: triggers on SQLite and an exclusion constraint on
# Postgres, made by the migrations, see to it.
slot_claims = Table(
    "slot_claims",
    metadata,
    Column("claim_id", String, primary_key=True),
    Column("resource", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("event_type_id", String, nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("busy_from", UtcDateTime, nullable=False),
    Column("busy_until", UtcDateTime, nullable=False),
    Column("caller", String),
    Column("expires_at", UtcDateTime),
    Column("reservation", String, nullable=False),
    Index("ix_slot_claims_owner", "owner"),
    Index("ix_slot_claims_busy", "resource", "busy_from", "busy_until"),
)

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
    Column("attendee_answers", JSON, nullable=False, server_default="{}"),
    Column("notes", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("idempotency_key", String, nullable=False, unique=True),
    Column("booking_uid", String),
    Column("meeting_link", String, nullable=False),
    Column("location", String, nullable=False),
    Column("host_name", String, nullable=False, server_default=""),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("plan", JSON, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("worked_at", UtcDateTime, nullable=False),
    Column("confirmed_at", UtcDateTime),
    Index("ix_appointments_phone", "attendee_phone", "starts_at"),
    Index("ix_appointments_slots", "event_type_id", "starts_at", "ends_at"),
    Index("ix_appointments_status", "status", "worked_at"),
    Index("ix_appointments_booking_uid", "booking_uid"),
)

changes = Table(
    "changes",
    metadata,
    Column("change_id", String, primary_key=True),
    Column("appointment_id", ForeignKey("appointments.appointment_id"), nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("idempotency_key", String, nullable=False, unique=True),
    Column("call_sid", String, nullable=False),
    Column("starts_at", UtcDateTime),
    Column("ends_at", UtcDateTime),
    Column("reason", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("worked_at", UtcDateTime, nullable=False),
    Index("ix_changes_state", "state", "worked_at"),
)

history = Table(
    "history",
    metadata,
    Column("entry_id", Integer, primary_key=True),
    Column("appointment_id", ForeignKey("appointments.appointment_id"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("call_sid", String, nullable=False),
    Column("event", String, nullable=False),
    Column("starts_at", UtcDateTime),
    Column("reason", Text, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("call_sid", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("number", String, nullable=False),
    Column("name", String, nullable=False),
    Column("title", String, nullable=False),
    Column("best_time", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("done_at", UtcDateTime),
    UniqueConstraint("call_sid", "kind", "title"),
)

# Accepted bookings of the built-in calendar never overlap: again triggers and an exclusion constraint.
bookings = Table(
    "bookings",
    metadata,
    Column("booking_uid", String, primary_key=True),
    Column("event_type_id", String, nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("status", String, nullable=False),
    Column("idempotency_key", String, nullable=False),
    Column("location", String, nullable=False),
    Column("attendee_name", String, nullable=False),
    Column("attendee_zone", String, nullable=False),
    Column("attendee_phone", String),
    Column("attendee_email", String),
    Column("notes", Text, nullable=False),
    Column("reason", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_bookings_slots", "status", "starts_at", "ends_at"),
    Index("ix_bookings_key", "idempotency_key"),
)

# `run_at` and the other times go by the real clock, `not_before` and `expires_at` by the business's.
outbox = Table(
    "outbox",
    metadata,
    Column("outbox_id", String, primary_key=True),
    Column("dedupe_key", String, nullable=False, unique=True),
    Column("appointment_id", ForeignKey("appointments.appointment_id"), index=True),
    Column("call_sid", String),
    Column("channel", String, nullable=False, server_default="sms"),
    Column("kind", String, nullable=False, server_default="confirmation"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("receiver", String, nullable=False),
    Column("subject", Text, nullable=False, server_default=""),
    Column("body", Text, nullable=False),
    Column("attachment", JSON),
    Column("state", String, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", String, nullable=False, server_default=""),
    Column("run_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("attempts", Integer, nullable=False),
    Column("owner", String, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("tried_at", UtcDateTime),
    Column("message_sid", String, nullable=False),
    Column("error_code", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_outbox_due", "state", "not_before", "run_at"),
    Index("ix_outbox_receiver", "receiver", "tried_at"),
    Index("ix_outbox_tried", "tried_at"),
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
    Column("greeting_ms", Integer),
    Column("worst_silence_ms", Integer),
    Column("resumes", Integer, nullable=False, server_default="0"),
    Column("handover", Text),
    Index("ix_calls_caller", "caller", "started_at"),
)

# Of each answer: from the end of the caller's words to its first sound, and the parts of that as far as known.
turn_times = Table(
    "turn_times",
    metadata,
    Column("turn_time_id", Integer, primary_key=True),
    Column("call_sid", String, nullable=False, index=True),
    Column("at_ms", Integer, nullable=False),
    Column("voice_to_voice_ms", Integer, nullable=False),
    Column("turn_end_ms", Integer),
    Column("stt_ms", Integer),
    Column("llm_ms", Integer),
    Column("tts_ms", Integer),
    Column("play_ms", Integer),
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

# `place` counts the codes of a call; without a digest nothing was texted.
codes = Table(
    "codes",
    metadata,
    Column("code_id", String, primary_key=True),
    Column("call_sid", String, nullable=False),
    Column("place", Integer, nullable=False),
    Column("number", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    UniqueConstraint("call_sid", "place"),
    Index("ix_codes_number", "number", "asked_at"),
)

proof_tries = Table(
    "proof_tries",
    metadata,
    Column("try_id", String, primary_key=True),
    Column("call_sid", String, nullable=False, index=True),
    Column("number", String, nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Index("ix_proof_tries_number", "number", "at"),
)

opt_outs = Table(
    "opt_outs",
    metadata,
    Column("number", String, primary_key=True),
    Column("because", String, nullable=False, server_default="stop"),
    Column("since", UtcDateTime, nullable=False),
)

# Texts that came in. `received_at` and `until` go by the business's clock, which a person answers by; the others by the
# real one. One that is not settled has still to be worked through.
received_texts = Table(
    "received_texts",
    metadata,
    Column("message_sid", String, primary_key=True),
    Column("number", String, nullable=False),
    Column("called", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("kept_at", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("settled_at", UtcDateTime),
    Column("act", String, nullable=False),
    Column("is_way_out", Boolean, nullable=False),
    Index("ix_received_texts_number", "number", "received_at"),
    Index("ix_received_texts_settled", "settled_at", "kept_at"),
)

text_questions = Table(
    "text_questions",
    metadata,
    Column("number", String, primary_key=True),
    Column("wish", String, nullable=False),
    Column("appointment_ids", JSON, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

# What calendars have told us by themselves. One that is not done has still to be worked through.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", String, primary_key=True),
    Column("news", String, nullable=False),
    Column("booking_uid", String, nullable=False, index=True),
    Column("received_at", UtcDateTime, nullable=False),
    Column("run_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("done_at", UtcDateTime),
    Index("ix_webhook_deliveries_due", "done_at", "run_at"),
)

# Up to when a calendar's changes have been read, by its own clock, and when the next turn is, by the real one.
calendar_syncs = Table(
    "calendar_syncs",
    metadata,
    Column("calendar", String, primary_key=True),
    Column("reached", UtcDateTime),
    Column("next_at", UtcDateTime, nullable=False),
)
