"""Recordings, their parts, video lessons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recordings",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("lesson_id", sa.String(40), sa.ForeignKey("lessons.id"), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_recordings_lesson_id", "recordings", ["lesson_id"])
    op.create_index("ix_recordings_state", "recordings", ["state"])
    op.create_table(
        "parts",
        sa.Column("recording_id", sa.String(40), sa.ForeignKey("recordings.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("started_at_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger, nullable=True),
        sa.Column("reason", sa.String(11), nullable=True),
    )
    op.create_table(
        "videos",
        sa.Column("id", sa.String(40), sa.ForeignKey("recordings.id"), primary_key=True),
        sa.Column("lesson_id", sa.String(40), sa.ForeignKey("lessons.id"), nullable=False),
        sa.Column("teacher_id", sa.String(40), sa.ForeignKey("teachers.id"), nullable=False),
        sa.Column("teacher_name", sa.String(60), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("search", sa.Text, nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("grade", sa.Integer, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("recorded_at_ms", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("published_at_ms", sa.BigInteger, nullable=True),
    )
    op.create_index("ix_videos_lesson_id", "videos", ["lesson_id"])
    op.create_index("videos_newest", "videos", ["recorded_at_ms", "id"])
    for name, column in (
        ("videos_of_subject", "subject"),
        ("videos_of_grade", "grade"),
        ("videos_of_teacher_name", "teacher_name"),
        ("videos_of_teacher", "teacher_id"),
    ):
        op.create_index(name, "videos", [column, "recorded_at_ms", "id"])


def downgrade() -> None:
    for table in ("videos", "parts", "recordings"):
        op.drop_table(table)
