"""The bookings of the built-in calendar."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
OVERLAPS = """
    SELECT RAISE(ABORT, 'bookings_no_overlap') WHERE EXISTS (
        SELECT 1 FROM bookings AS other
        WHERE other.status = 'accepted'
          AND other.booking_uid <> NEW.booking_uid
          AND other.starts_at < NEW.ends_at AND NEW.starts_at < other.ends_at
    );
"""


def upgrade() -> None:
    op.create_table(
        "bookings",
        sa.Column("booking_uid", sa.String, primary_key=True),
        sa.Column("event_type_id", sa.String, nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("idempotency_key", sa.String, nullable=False),
        sa.Column("location", sa.String, nullable=False),
        sa.Column("attendee_name", sa.String, nullable=False),
        sa.Column("attendee_zone", sa.String, nullable=False),
        sa.Column("attendee_phone", sa.String),
        sa.Column("attendee_email", sa.String),
        sa.Column("notes", sa.Text, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_index("ix_bookings_slots", "bookings", ["status", "starts_at", "ends_at"])
    op.create_index("ix_bookings_key", "bookings", ["idempotency_key"])
    if op.get_bind().dialect.name == "sqlite":
        for event in ("insert", "update"):
            op.execute(
                f"CREATE TRIGGER bookings_no_overlap_{event} BEFORE {event} ON bookings "
                f"WHEN NEW.status = 'accepted' BEGIN {OVERLAPS} END"
            )
    else:
        op.execute(
            "ALTER TABLE bookings ADD CONSTRAINT bookings_no_overlap EXCLUDE USING gist "
            "(tstzrange(starts_at, ends_at) WITH &&) WHERE (status = 'accepted')"
        )
