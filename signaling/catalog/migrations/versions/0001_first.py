"""Teachers, lessons, links, events, attendance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "teachers",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "used_keys",
        sa.Column("jti", sa.String(40), primary_key=True),
        sa.Column("teacher_id", sa.String(40), nullable=False),
        sa.Column("used_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "lessons",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("teacher_id", sa.String(40), sa.ForeignKey("teachers.id"), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("grade", sa.Integer, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger, nullable=True),
    )
    op.create_index("lessons_of_teacher", "lessons", ["teacher_id", "created_at_ms"])
    op.create_table(
        "links",
        sa.Column("code", sa.String(13), primary_key=True),
        sa.Column("lesson_id", sa.String(40), sa.ForeignKey("lessons.id"), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
    )
    op.create_index("ix_links_lesson_id", "links", ["lesson_id"])
    op.create_table(
        "lesson_events",
        sa.Column("lesson_id", sa.String(40), sa.ForeignKey("lessons.id"), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "attendance",
        sa.Column("lesson_id", sa.String(40), sa.ForeignKey("lessons.id"), primary_key=True),
        sa.Column("participant", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("first_in_ms", sa.BigInteger, nullable=False),
        sa.Column("last_out_ms", sa.BigInteger, nullable=True),
        sa.Column("present_ms", sa.BigInteger, nullable=False),
        sa.Column("stays", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    for table in ("attendance", "lesson_events", "links", "lessons", "used_keys", "teachers"):
        op.drop_table(table)
