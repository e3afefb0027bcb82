"""How quickly a call was answered, how often it was taken up again, and what a person who takes it over is told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("greeting_ms", sa.Integer))
    op.add_column("calls", sa.Column("worst_silence_ms", sa.Integer))
    op.add_column("calls", sa.Column("resumes", sa.Integer, nullable=False, server_default="0"))
    op.add_column("calls", sa.Column("handover", sa.Text))
    op.create_table(
        "turn_times",
        sa.Column("turn_time_id", sa.Integer, primary_key=True),
        sa.Column("call_sid", sa.String, nullable=False),
        sa.Column("at_ms", sa.Integer, nullable=False),
        sa.Column("voice_to_voice_ms", sa.Integer, nullable=False),
        sa.Column("turn_end_ms", sa.Integer),
        sa.Column("stt_ms", sa.Integer),
        sa.Column("llm_ms", sa.Integer),
        sa.Column("tts_ms", sa.Integer),
        sa.Column("play_ms", sa.Integer),
    )
    op.create_index("ix_turn_times_call_sid", "turn_times", ["call_sid"])
