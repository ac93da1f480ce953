"""Files of lessons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "materials",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("lesson_id", sa.String(40), sa.ForeignKey("lessons.id"), nullable=False),
        sa.Column("by", sa.String(40), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("name", sa.String(160), nullable=False),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_materials_lesson_id", "materials", ["lesson_id"])


def downgrade() -> None:
    op.drop_table("materials")
