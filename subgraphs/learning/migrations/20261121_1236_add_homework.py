"""add homework"""

import sqlalchemy as sa
from alembic import op

from shared.migrations.triggers import keep_updated_at

revision = "e1e487ff8648"
down_revision = "3353d12879e8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "homework",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lesson_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("submission", sa.Text(), nullable=True),
        sa.Column("submitted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("feedback", sa.Text(), nullable=True),
        sa.Column("reviewed_at", sa.TIMESTAMP(timezone=True), nullable=True),
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
        sa.CheckConstraint(
            "(submission IS NULL) = (submitted_at IS NULL)"
            " AND (feedback IS NULL) = (reviewed_at IS NULL)",
            name=op.f("ck_homework_times"),
        ),
        sa.CheckConstraint(
            "reviewed_at IS NULL OR submitted_at IS NOT NULL", name=op.f("ck_homework_order")
        ),
        sa.ForeignKeyConstraint(
            ["lesson_id"], ["lessons.id"], name=op.f("fk_homework_lesson_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_homework")),
    )
    op.create_index(
        "idx_homework_lesson_id",
        "homework",
        ["lesson_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(op.f("idx_homework_student_id"), "homework", ["student_id"], unique=False)
    keep_updated_at("homework")


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f("idx_homework_student_id"), table_name="homework")
    op.drop_index("idx_homework_lesson_id", table_name="homework")
    op.drop_table("homework")
