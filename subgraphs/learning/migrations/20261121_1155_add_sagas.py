"""add sagas"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.migrations.triggers import keep_updated_at

revision = "d090be99e7be"
down_revision = "e8b13e068104"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "saga_instances",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column(
            "data", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("deadline", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state IN ('RUNNING', 'COMPLETED', 'COMPENSATED', 'NEEDS_ATTENTION')",
            name=op.f("ck_saga_instances_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saga_instances")),
    )
    op.create_index(
        "idx_saga_instances_due",
        "saga_instances",
        ["deadline"],
        unique=False,
        postgresql_where=sa.text("state = 'RUNNING'"),
    )
    op.create_index("idx_saga_instances_state", "saga_instances", ["state", "id"], unique=False)
    keep_updated_at("saga_instances")


def downgrade() -> None:
    """Undo."""
    op.drop_index("idx_saga_instances_state", table_name="saga_instances")
    op.drop_index(
        "idx_saga_instances_due",
        table_name="saga_instances",
        postgresql_where=sa.text("state = 'RUNNING'"),
    )
    op.drop_table("saga_instances")
