"""What calendars tell by themselves, and up to when their changes have been read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("delivery_id", sa.String, primary_key=True),
        sa.Column("news", sa.String, nullable=False),
        sa.Column("booking_uid", sa.String, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("run_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("done_at", TIME),
    )
    op.create_index("ix_webhook_deliveries_booking_uid", "webhook_deliveries", ["booking_uid"])
    op.create_index("ix_webhook_deliveries_due", "webhook_deliveries", ["done_at", "run_at"])
    op.create_table(
        "calendar_syncs",
        sa.Column("calendar", sa.String, primary_key=True),
        sa.Column("reached", TIME),
        sa.Column("next_at", TIME, nullable=False),
    )
    op.create_index("ix_appointments_booking_uid", "appointments", ["booking_uid"])
