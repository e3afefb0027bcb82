"""Who keeps which time: appointments and holds in one table, whose rows never overlap unless they have one owner."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
OVERLAPS = """
    SELECT RAISE(ABORT, 'no_overlap') WHERE EXISTS (
        SELECT 1 FROM slot_claims AS other
        WHERE other.resource = NEW.resource
          AND other.claim_id <> NEW.claim_id
          AND other.owner <> NEW.owner
          AND other.busy_from < NEW.busy_until AND NEW.busy_from < other.busy_until
    );
"""


def upgrade() -> None:
    op.create_table(
        "slot_claims",
        sa.Column("claim_id", sa.String, primary_key=True),
        sa.Column("resource", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("event_type_id", sa.String, nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("busy_from", TIME, nullable=False),
        sa.Column("busy_until", TIME, nullable=False),
        sa.Column("caller", sa.String),
        sa.Column("expires_at", TIME),
        sa.Column("reservation", sa.String, nullable=False),
    )
    op.create_index("ix_slot_claims_owner", "slot_claims", ["owner"])
    op.create_index("ix_slot_claims_busy", "slot_claims", ["resource", "busy_from", "busy_until"])
    if op.get_bind().dialect.name == "sqlite":
        _keep_apart_by_triggers()
    else:
        _keep_apart_by_exclusion()
    op.execute(
        "INSERT INTO slot_claims "
        "(claim_id, resource, owner, event_type_id, starts_at, ends_at, busy_from, busy_until, reservation) "
        "SELECT 'cl_' || appointment_id, event_type_id, appointment_id, event_type_id, "
        "starts_at, ends_at, starts_at, ends_at, '' "
        "FROM appointments WHERE status IN ('pending', 'active', 'unconfirmed')"
    )


def _keep_apart_by_triggers() -> None:
    for event in ("insert", "update"):
        op.execute(f"DROP TRIGGER appointments_no_overlap_{event}")
        op.execute(f"CREATE TRIGGER slot_claims_no_overlap_{event} BEFORE {event} ON slot_claims BEGIN {OVERLAPS} END")


def _keep_apart_by_exclusion() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.execute(
        "ALTER TABLE slot_claims ADD CONSTRAINT no_overlap EXCLUDE USING gist "
        "(resource WITH =, owner WITH <>, tstzrange(busy_from, busy_until) WITH &&)"
    )
