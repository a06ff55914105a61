"""add calendar feeds"""

import sqlalchemy as sa
from alembic import op

from shared.migrations.triggers import keep_updated_at

revision = "3353d12879e8"
down_revision = "8b9ee4f43b82"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "calendar_feeds",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("generation > 0", name=op.f("ck_calendar_feeds_generation")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_calendar_feeds")),
    )
    keep_updated_at("calendar_feeds")


def downgrade() -> None:
    """Undo."""
    op.drop_table("calendar_feeds")
