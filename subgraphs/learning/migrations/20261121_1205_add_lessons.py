"""add lessons"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.migrations.triggers import keep_updated_at

revision = "8b9ee4f43b82"
down_revision = "d090be99e7be"
branch_labels = None
depends_on = None

# A participant has the times of the lesson, and keeps them free for it while the lesson is live, in
# the statement that changes the lesson: no caller can forget it.
ENTER = """
CREATE FUNCTION enter_lesson() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT l.starts_at, l.ends_at, l.status IN ('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS')
    INTO NEW.starts_at, NEW.ends_at, NEW.is_live FROM lessons l WHERE l.id = NEW.lesson_id;
  RETURN NEW;
END $$
"""
FOLLOW = """
CREATE FUNCTION follow_lesson() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE lesson_participants SET starts_at = NEW.starts_at, ends_at = NEW.ends_at,
    is_live = NEW.status IN ('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS')
    WHERE lesson_id = NEW.id;
  RETURN NULL;
END $$
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "tutor_refs",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("is_bookable", sa.Boolean(), nullable=False),
        sa.Column("is_verified", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_tutor_refs")),
    )
    op.create_table(
        "course_purchases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("price_amount", sa.BigInteger(), nullable=False),
        sa.Column("price_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("hold_expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("refund_days", sa.Integer(), nullable=False),
        sa.Column("offer_hours", sa.Integer(), nullable=False),
        sa.Column("paid_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("refund_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("refund_bps", sa.Integer(), nullable=True),
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
            "price_amount BETWEEN 1 AND 9007199254740991", name=op.f("ck_course_purchases_price")
        ),
        sa.CheckConstraint(
            "refund_bps BETWEEN 0 AND 10000", name=op.f("ck_course_purchases_refund")
        ),
        sa.ForeignKeyConstraint(
            ["course_id"],
            ["courses.id"],
            name=op.f("fk_course_purchases_course_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_purchases")),
    )
    op.create_index(
        "idx_course_purchases_course_id_student_id",
        "course_purchases",
        ["course_id", "student_id"],
        unique=False,
    )
    op.create_table(
        "lessons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tutor_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=True),
        sa.Column("course_id", sa.Uuid(), nullable=True),
        sa.Column("skill_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("starts_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("price_amount", sa.BigInteger(), nullable=False),
        sa.Column("price_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("cancellation_policy", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("hold_expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("paid_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("completed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("dispute_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("refund_bps", sa.Integer(), nullable=True),
        sa.Column("shared_notes", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
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
        postgresql.ExcludeConstraint(
            (sa.text("tutor_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at, '[)')"), "&&"),
            where=sa.text("status IN ('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS')"),
            using="gist",
            name="ex_lessons_tutor_id",
        ),
        sa.CheckConstraint(
            "(status = 'PENDING_PAYMENT') <= (hold_expires_at IS NOT NULL)",
            name=op.f("ck_lessons_hold"),
        ),
        sa.CheckConstraint(
            "CASE kind WHEN 'GROUP' THEN course_id IS NOT NULL AND student_id IS NULL"
            " ELSE student_id IS NOT NULL AND student_id <> tutor_id END",
            name=op.f("ck_lessons_people"),
        ),
        sa.CheckConstraint(
            "kind IN ('ONE_TO_ONE', 'GROUP', 'TRIAL')", name=op.f("ck_lessons_kind")
        ),
        sa.CheckConstraint(
            "status IN ('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS', 'COMPLETED', 'EXPIRED',"
            " 'CANCELLED_BY_STUDENT', 'CANCELLED_BY_TUTOR', 'CANCELLED_BY_SYSTEM',"
            " 'NO_SHOW_STUDENT', 'NO_SHOW_TUTOR', 'DISPUTED')",
            name=op.f("ck_lessons_status"),
        ),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_lessons_times")),
        sa.CheckConstraint(
            "price_amount BETWEEN 0 AND 9007199254740991", name=op.f("ck_lessons_price")
        ),
        sa.CheckConstraint("refund_bps BETWEEN 0 AND 10000", name=op.f("ck_lessons_refund")),
        sa.ForeignKeyConstraint(
            ["course_id"], ["courses.id"], name=op.f("fk_lessons_course_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lessons")),
    )
    op.create_index(
        "idx_lessons_course_id", "lessons", ["course_id", "starts_at", "id"], unique=False
    )
    op.create_index(
        "idx_lessons_open",
        "lessons",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('SCHEDULED', 'IN_PROGRESS')"),
    )
    op.create_index("idx_lessons_tutor_id", "lessons", ["tutor_id"], unique=False)
    op.create_index(
        "uq_lessons_trial",
        "lessons",
        ["tutor_id", "student_id"],
        unique=True,
        postgresql_where=sa.text(
            "kind = 'TRIAL' AND status IN ('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS',"
            " 'COMPLETED', 'NO_SHOW_STUDENT', 'DISPUTED')"
        ),
    )
    op.create_table(
        "lesson_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lesson_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=True),
        sa.Column("to_status", sa.String(length=20), nullable=False),
        sa.Column("starts_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "happened_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["lesson_id"],
            ["lessons.id"],
            name=op.f("fk_lesson_events_lesson_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lesson_events")),
        sa.UniqueConstraint(
            "lesson_id", "version", name=op.f("uq_lesson_events_lesson_id_version")
        ),
    )
    op.create_table(
        "lesson_participants",
        sa.Column("lesson_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("starts_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("is_exclusive", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("attendance", sa.String(length=20), server_default="UNKNOWN", nullable=False),
        sa.Column("joined_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("left_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("private_note", sa.Text(), nullable=True),
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
        postgresql.ExcludeConstraint(
            (sa.text("user_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at, '[)')"), "&&"),
            where=sa.text("is_live AND is_exclusive"),
            using="gist",
            name="ex_lesson_participants_user_id",
        ),
        sa.CheckConstraint(
            "attendance IN ('UNKNOWN', 'PRESENT', 'ABSENT')",
            name=op.f("ck_lesson_participants_attendance"),
        ),
        sa.CheckConstraint(
            "role IN ('TUTOR', 'STUDENT')", name=op.f("ck_lesson_participants_role")
        ),
        sa.ForeignKeyConstraint(
            ["lesson_id"],
            ["lessons.id"],
            name=op.f("fk_lesson_participants_lesson_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("lesson_id", "user_id", name=op.f("pk_lesson_participants")),
    )
    op.create_index(
        "idx_lesson_participants_user_id",
        "lesson_participants",
        ["user_id", sa.literal_column("starts_at DESC"), sa.literal_column("lesson_id DESC")],
        unique=False,
    )
    op.add_column("enrollments", sa.Column("purchase_id", sa.Uuid(), nullable=True))
    op.create_unique_constraint(op.f("uq_enrollments_purchase_id"), "enrollments", ["purchase_id"])
    op.create_foreign_key(
        op.f("fk_enrollments_purchase_id"),
        "enrollments",
        "course_purchases",
        ["purchase_id"],
        ["id"],
        ondelete="RESTRICT",
    )
    op.execute(ENTER)
    op.execute(FOLLOW)
    op.execute(
        "CREATE TRIGGER lesson_participants_enter BEFORE INSERT ON lesson_participants"
        " FOR EACH ROW EXECUTE FUNCTION enter_lesson()"
    )
    op.execute(
        "CREATE TRIGGER lessons_follow AFTER UPDATE ON lessons FOR EACH ROW"
        " WHEN (OLD.status <> NEW.status OR OLD.starts_at <> NEW.starts_at"
        " OR OLD.ends_at <> NEW.ends_at) EXECUTE FUNCTION follow_lesson()"
    )
    keep_updated_at("lessons", "lesson_participants", "course_purchases")
    op.drop_constraint(op.f("ck_enrollments_status"), "enrollments")
    op.create_check_constraint(
        op.f("ck_enrollments_status"),
        "enrollments",
        "status IN ('PENDING_PAYMENT', 'ACTIVE', 'COMPLETED', 'CANCELLED')",
    )
    op.create_check_constraint(
        op.f("ck_enrollments_purchase"),
        "enrollments",
        "(status = 'PENDING_PAYMENT') <= (purchase_id IS NOT NULL)",
    )


def downgrade() -> None:
    """Undo."""
    op.execute(
        "UPDATE courses c SET held_seats = held_seats - (SELECT count(*) FROM enrollments e"
        " WHERE e.course_id = c.id AND e.status = 'PENDING_PAYMENT') WHERE held_seats > 0"
    )
    op.execute(
        "UPDATE enrollments SET status = 'CANCELLED', cancelled_at = clock_timestamp(),"
        " version = version + 1 WHERE status = 'PENDING_PAYMENT'"
    )
    op.drop_constraint(op.f("ck_enrollments_purchase"), "enrollments")
    op.drop_constraint(op.f("ck_enrollments_status"), "enrollments")
    op.create_check_constraint(
        op.f("ck_enrollments_status"),
        "enrollments",
        "status IN ('ACTIVE', 'COMPLETED', 'CANCELLED')",
    )
    op.drop_constraint(op.f("fk_enrollments_purchase_id"), "enrollments", type_="foreignkey")
    op.drop_constraint(op.f("uq_enrollments_purchase_id"), "enrollments", type_="unique")
    op.drop_column("enrollments", "purchase_id")
    op.drop_index("idx_lesson_participants_user_id", table_name="lesson_participants")
    op.drop_table("lesson_participants")
    op.drop_table("lesson_events")
    op.drop_index(
        "uq_lessons_trial",
        table_name="lessons",
        postgresql_where=sa.text(
            "kind = 'TRIAL' AND status IN ('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS',"
            " 'COMPLETED', 'NO_SHOW_STUDENT', 'DISPUTED')"
        ),
    )
    op.drop_index("idx_lessons_tutor_id", table_name="lessons")
    op.drop_index(
        "idx_lessons_open",
        table_name="lessons",
        postgresql_where=sa.text("status IN ('SCHEDULED', 'IN_PROGRESS')"),
    )
    op.drop_index("idx_lessons_course_id", table_name="lessons")
    op.drop_table("lessons")
    op.drop_index("idx_course_purchases_course_id_student_id", table_name="course_purchases")
    op.drop_table("course_purchases")
    op.drop_table("tutor_refs")
    op.execute("DROP FUNCTION follow_lesson()")
    op.execute("DROP FUNCTION enter_lesson()")
