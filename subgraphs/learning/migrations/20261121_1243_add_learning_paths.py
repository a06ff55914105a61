"""add learning paths"""

import sqlalchemy as sa
from alembic import op

from shared.migrations.triggers import keep_updated_at

revision = "adb2d8dcc1d7"
down_revision = "afeaffe100c0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "learning_paths",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learning_paths")),
    )
    op.create_index(
        "idx_learning_paths_student_id",
        "learning_paths",
        ["student_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "learning_path_steps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("path_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=True),
        sa.Column("unit_id", sa.Uuid(), nullable=True),
        sa.Column("skill_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("completed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "CASE kind WHEN 'COURSE' THEN course_id IS NOT NULL"
            " WHEN 'SKILL' THEN skill_id IS NOT NULL WHEN 'TEXT' THEN text IS NOT NULL"
            " ELSE true END",
            name=op.f("ck_learning_path_steps_target"),
        ),
        sa.CheckConstraint(
            "kind IN ('COURSE', 'UNIT', 'SKILL', 'TEXT')", name=op.f("ck_learning_path_steps_kind")
        ),
        sa.CheckConstraint("position > 0", name=op.f("ck_learning_path_steps_position")),
        sa.ForeignKeyConstraint(
            ["course_id"],
            ["courses.id"],
            name=op.f("fk_learning_path_steps_course_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["path_id"],
            ["learning_paths.id"],
            name=op.f("fk_learning_path_steps_path_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"],
            ["course_units.id"],
            name=op.f("fk_learning_path_steps_unit_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learning_path_steps")),
        sa.UniqueConstraint(
            "path_id",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name=op.f("uq_learning_path_steps_path_id_position"),
        ),
    )
    op.create_index(
        op.f("idx_learning_path_steps_course_id"),
        "learning_path_steps",
        ["course_id"],
        unique=False,
    )
    op.create_index(
        op.f("idx_learning_path_steps_unit_id"), "learning_path_steps", ["unit_id"], unique=False
    )
    keep_updated_at("learning_paths")


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f("idx_learning_path_steps_unit_id"), table_name="learning_path_steps")
    op.drop_index(op.f("idx_learning_path_steps_course_id"), table_name="learning_path_steps")
    op.drop_table("learning_path_steps")
    op.drop_index("idx_learning_paths_student_id", table_name="learning_paths")
    op.drop_table("learning_paths")
