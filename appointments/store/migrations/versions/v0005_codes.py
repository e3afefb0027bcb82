"""How callers have tried to show who they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "codes",
        sa.Column("code_id", sa.String, primary_key=True),
        sa.Column("call_sid", sa.String, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("number", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME),
        sa.UniqueConstraint("call_sid", "place"),
    )
    op.create_index("ix_codes_number", "codes", ["number", "asked_at"])
    op.create_index("ix_codes_asked_at", "codes", ["asked_at"])
    op.create_table(
        "proof_tries",
        sa.Column("try_id", sa.String, primary_key=True),
        sa.Column("call_sid", sa.String, nullable=False),
        sa.Column("number", sa.String, nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_index("ix_proof_tries_call_sid", "proof_tries", ["call_sid"])
    op.create_index("ix_proof_tries_number", "proof_tries", ["number", "at"])
    op.create_index("ix_proof_tries_at", "proof_tries", ["at"])
