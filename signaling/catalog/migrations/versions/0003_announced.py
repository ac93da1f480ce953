"""Lessons announced ahead."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lessons", sa.Column("opens_at_ms", sa.BigInteger, nullable=True))
    op.create_index("lessons_opening", "lessons", ["opens_at_ms"])


def downgrade() -> None:
    op.drop_index("lessons_opening", "lessons")
    op.drop_column("lessons", "opens_at_ms")
