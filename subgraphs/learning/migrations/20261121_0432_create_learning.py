"""create learning"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.migrations.triggers import (
    drop_trigger_functions,
    keep_updated_at,
    notify_relay,
)

revision = "e8b13e068104"
down_revision = None
branch_labels = None
depends_on = None


# Both dictionaries: stems for English, whole words for stop words and every other language. The gap
# between the parts keeps a quoted phrase from matching the end of one and the start of the next.
_COURSE_SEARCH = r"""
CREATE FUNCTION course_search(title text, category text, description text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN setweight(to_tsvector('english', coalesce(title, '')), 'A') || ''' ''\:2'::tsvector
    || setweight(to_tsvector('simple', coalesce(title, '')), 'A') || ''' ''\:2'::tsvector
    || setweight(to_tsvector('english', coalesce(category, '')), 'B') || ''' ''\:2'::tsvector
    || setweight(to_tsvector('simple', coalesce(category, '')), 'B') || ''' ''\:2'::tsvector
    || setweight(to_tsvector('english', coalesce(description, '')), 'C') || ''' ''\:2'::tsvector
    || setweight(to_tsvector('simple', coalesce(description, '')), 'C')
"""


def upgrade() -> None:
    """Apply."""
    op.execute(_COURSE_SEARCH)
    op.create_table(
        "courses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tutor_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("category", sa.String(length=50), nullable=True),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=35), server_default="en", nullable=False),
        sa.Column("price_amount", sa.BigInteger(), nullable=False),
        sa.Column("price_currency", sa.CHAR(length=3), server_default="USD", nullable=False),
        sa.Column("duration_minutes", sa.Integer(), nullable=False),
        sa.Column("max_students", sa.Integer(), server_default="10", nullable=False),
        sa.Column("current_students", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held_seats", sa.Integer(), server_default="0", nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("published_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("archived_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "course_search(title, category, description)",
                persisted=True,
            ),
            nullable=False,
        ),
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
            "level IN ('BEGINNER', 'INTERMEDIATE', 'ADVANCED')", name=op.f("ck_courses_level")
        ),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'PUBLISHED', 'ARCHIVED')", name=op.f("ck_courses_status")
        ),
        sa.CheckConstraint(
            "current_students + held_seats <= max_students", name=op.f("ck_courses_seats")
        ),
        sa.CheckConstraint(
            "current_students >= 0 AND held_seats >= 0", name=op.f("ck_courses_seats_positive")
        ),
        sa.CheckConstraint("duration_minutes >= 30", name=op.f("ck_courses_duration")),
        sa.CheckConstraint("max_students > 0", name=op.f("ck_courses_max_students")),
        sa.CheckConstraint(
            "price_amount BETWEEN 0 AND 9007199254740991", name=op.f("ck_courses_price")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_courses")),
    )
    op.create_index(
        "idx_courses_category",
        "courses",
        ["category"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "idx_courses_language",
        "courses",
        ["language"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "idx_courses_level",
        "courses",
        ["level"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "idx_courses_price_amount",
        "courses",
        ["price_amount", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "idx_courses_published",
        "courses",
        [sa.literal_column("published_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND status = 'PUBLISHED'"),
    )
    op.create_index(
        "idx_courses_search",
        "courses",
        ["search"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "idx_courses_tutor_id",
        "courses",
        ["tutor_id", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column(
            "headers", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "failed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("resolved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "resolution IN ('retried', 'dropped')", name=op.f("ck_dead_letters_resolution")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        sa.UniqueConstraint(
            "topic", "partition", "offset", name=op.f("uq_dead_letters_topic_partition_offset")
        ),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("viewer", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("result_id", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("viewer", "operation", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        op.f("idx_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False
    )
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "processed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_inbox")),
    )
    op.create_index(op.f("idx_inbox_processed_at"), "inbox", ["processed_at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column(
            "headers", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("published_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_event_id")),
    )
    op.create_index(
        "idx_outbox_pending",
        "outbox",
        ["seq"],
        unique=False,
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_index(
        "idx_outbox_published_at",
        "outbox",
        ["published_at"],
        unique=False,
        postgresql_where=sa.text("published_at IS NOT NULL"),
    )
    op.create_table(
        "user_refs",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("first_name", sa.Text(), server_default="", nullable=False),
        sa.Column("last_name", sa.Text(), server_default="", nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("status", sa.Text(), server_default="UNKNOWN", nullable=False),
        sa.Column("auth_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("locale", sa.Text(), server_default="en", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_refs")),
    )
    op.create_table(
        "course_units",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("duration_minutes", sa.Integer(), nullable=True),
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
        sa.CheckConstraint("duration_minutes > 0", name=op.f("ck_course_units_duration")),
        sa.CheckConstraint("position > 0", name=op.f("ck_course_units_position")),
        sa.ForeignKeyConstraint(
            ["course_id"],
            ["courses.id"],
            name=op.f("fk_course_units_course_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_units")),
        sa.UniqueConstraint(
            "course_id",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name=op.f("uq_course_units_course_id_position"),
        ),
    )
    op.create_table(
        "enrollments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column(
            "enrolled_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("completed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.TIMESTAMP(timezone=True), nullable=True),
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
        sa.CheckConstraint(
            "status IN ('ACTIVE', 'COMPLETED', 'CANCELLED')", name=op.f("ck_enrollments_status")
        ),
        sa.ForeignKeyConstraint(
            ["course_id"],
            ["courses.id"],
            name=op.f("fk_enrollments_course_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollments")),
        sa.UniqueConstraint(
            "course_id", "student_id", name=op.f("uq_enrollments_course_id_student_id")
        ),
    )
    op.create_index(
        "idx_enrollments_student_id",
        "enrollments",
        ["student_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "waitlist_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("offer_expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
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
        sa.CheckConstraint(
            "(status = 'OFFERED') <= (offer_expires_at IS NOT NULL)",
            name=op.f("ck_waitlist_entries_offer"),
        ),
        sa.CheckConstraint(
            "status IN ('WAITING', 'OFFERED', 'ACCEPTED', 'EXPIRED', 'LEFT')",
            name=op.f("ck_waitlist_entries_status"),
        ),
        sa.ForeignKeyConstraint(
            ["course_id"],
            ["courses.id"],
            name=op.f("fk_waitlist_entries_course_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waitlist_entries")),
    )
    op.create_index(
        "idx_waitlist_entries_offers",
        "waitlist_entries",
        ["offer_expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'OFFERED'"),
    )
    op.create_index(
        "idx_waitlist_entries_queue",
        "waitlist_entries",
        ["course_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'WAITING'"),
    )
    op.create_index(
        op.f("idx_waitlist_entries_student_id"), "waitlist_entries", ["student_id"], unique=False
    )
    op.create_index(
        "uq_waitlist_entries_live",
        "waitlist_entries",
        ["course_id", "student_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('WAITING', 'OFFERED')"),
    )
    op.create_table(
        "certificates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("enrollment_id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("student_name", sa.Text(), nullable=False),
        sa.Column("course_title", sa.Text(), nullable=False),
        sa.Column(
            "issued_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["course_id"],
            ["courses.id"],
            name=op.f("fk_certificates_course_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["enrollment_id"],
            ["enrollments.id"],
            name=op.f("fk_certificates_enrollment_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("code", name=op.f("uq_certificates_code")),
        sa.UniqueConstraint("enrollment_id", name=op.f("uq_certificates_enrollment_id")),
    )
    op.create_index("idx_certificates_course_id", "certificates", ["course_id"], unique=False)
    op.create_index(
        "idx_certificates_student_id",
        "certificates",
        ["student_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "unit_progress",
        sa.Column("enrollment_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column(
            "completed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["enrollment_id"],
            ["enrollments.id"],
            name=op.f("fk_unit_progress_enrollment_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"],
            ["course_units.id"],
            name=op.f("fk_unit_progress_unit_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("enrollment_id", "unit_id", name=op.f("pk_unit_progress")),
    )
    op.create_index(op.f("idx_unit_progress_unit_id"), "unit_progress", ["unit_id"], unique=False)
    keep_updated_at("courses", "course_units", "enrollments", "waitlist_entries")
    notify_relay()


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f("idx_unit_progress_unit_id"), table_name="unit_progress")
    op.drop_table("unit_progress")
    op.drop_index("idx_certificates_student_id", table_name="certificates")
    op.drop_index("idx_certificates_course_id", table_name="certificates")
    op.drop_table("certificates")
    op.drop_index(
        "uq_waitlist_entries_live",
        table_name="waitlist_entries",
        postgresql_where=sa.text("status IN ('WAITING', 'OFFERED')"),
    )
    op.drop_index(op.f("idx_waitlist_entries_student_id"), table_name="waitlist_entries")
    op.drop_index(
        "idx_waitlist_entries_queue",
        table_name="waitlist_entries",
        postgresql_where=sa.text("status = 'WAITING'"),
    )
    op.drop_index(
        "idx_waitlist_entries_offers",
        table_name="waitlist_entries",
        postgresql_where=sa.text("status = 'OFFERED'"),
    )
    op.drop_table("waitlist_entries")
    op.drop_index("idx_enrollments_student_id", table_name="enrollments")
    op.drop_table("enrollments")
    op.drop_table("course_units")
    op.drop_table("user_refs")
    op.drop_index(
        "idx_outbox_published_at",
        table_name="outbox",
        postgresql_where=sa.text("published_at IS NOT NULL"),
    )
    op.drop_index(
        "idx_outbox_pending", table_name="outbox", postgresql_where=sa.text("published_at IS NULL")
    )
    op.drop_table("outbox")
    op.drop_index(op.f("idx_inbox_processed_at"), table_name="inbox")
    op.drop_table("inbox")
    op.drop_index(op.f("idx_idempotency_keys_created_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("dead_letters")
    op.drop_index(
        "idx_courses_tutor_id", table_name="courses", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index(
        "idx_courses_search",
        table_name="courses",
        postgresql_using="gin",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.drop_index(
        "idx_courses_published",
        table_name="courses",
        postgresql_where=sa.text("deleted_at IS NULL AND status = 'PUBLISHED'"),
    )
    op.drop_index(
        "idx_courses_price_amount",
        table_name="courses",
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.drop_index(
        "idx_courses_level", table_name="courses", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index(
        "idx_courses_language", table_name="courses", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index(
        "idx_courses_category", table_name="courses", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_table("courses")
    op.execute("DROP FUNCTION course_search(text, text, text)")
    drop_trigger_functions()
