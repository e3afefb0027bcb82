"""Texts that come in, each worked through once, and what our last one has asked its receiver."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "received_texts",
        sa.Column("message_sid", sa.String, primary_key=True),
        sa.Column("number", sa.String, nullable=False),
        sa.Column("called", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("kept_at", TIME, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("lease_until", TIME),
        sa.Column("settled_at", TIME),
        sa.Column("act", sa.String, nullable=False),
        sa.Column("is_way_out", sa.Boolean, nullable=False),
    )
    op.create_index("ix_received_texts_number", "received_texts", ["number", "received_at"])
    op.create_index("ix_received_texts_settled", "received_texts", ["settled_at", "kept_at"])
    op.create_table(
        "text_questions",
        sa.Column("number", sa.String, primary_key=True),
        sa.Column("wish", sa.String, nullable=False),
        sa.Column("appointment_ids", sa.JSON, nullable=False),
        sa.Column("until", TIME, nullable=False),
    )
