"""create matching"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.migrations.triggers import drop_trigger_functions, keep_updated_at, notify_relay

revision = "448c574e3115"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "course_refs",
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("tutor_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("course_id", name=op.f("pk_course_refs")),
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
        "lesson_busy_refs",
        sa.Column("lesson_id", sa.Uuid(), nullable=False),
        sa.Column("tutor_id", sa.Uuid(), nullable=False),
        sa.Column("student_ids", postgresql.ARRAY(sa.Uuid()), server_default="{}", nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=30), nullable=False),
        sa.Column("starts_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("hold_expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lesson_id", name=op.f("pk_lesson_busy_refs")),
    )
    op.create_index(
        "idx_lesson_busy_refs_tutor_id",
        "lesson_busy_refs",
        ["tutor_id", "ends_at"],
        unique=False,
        postgresql_where=sa.text(
            "status NOT IN ('EXPIRED', 'CANCELLED_BY_STUDENT', 'CANCELLED_BY_TUTOR',"
            " 'CANCELLED_BY_SYSTEM')"
        ),
    )
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
        "payout_refs",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_payout_refs")),
    )
    op.create_table(
        "rating_refs",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("mean", sa.Integer(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_rating_refs")),
    )
    op.create_table(
        "search_words",
        sa.Column("word", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("word", name=op.f("pk_search_words")),
    )
    op.create_index(
        "idx_search_words_word",
        "search_words",
        ["word"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"word": "gin_trgm_ops"},
    )
    op.create_table(
        "skills",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("category", sa.String(length=50), nullable=False),
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_skills")),
        sa.UniqueConstraint("slug", name=op.f("uq_skills_slug")),
    )
    op.create_index("idx_skills_category", "skills", ["category"], unique=False)
    op.create_index("idx_skills_order", "skills", ["name", "id"], unique=False)
    op.create_table(
        "student_profiles",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("goals", sa.Text(), nullable=True),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
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
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_student_profiles")),
    )
    op.create_table(
        "tutor_profiles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("headline", sa.String(length=150), nullable=False),
        sa.Column("bio", sa.Text(), nullable=True),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("rate_amount", sa.BigInteger(), nullable=False),
        sa.Column("rate_currency", sa.CHAR(length=3), server_default="USD", nullable=False),
        sa.Column("trial_amount", sa.BigInteger(), nullable=True),
        sa.Column("trial_minutes", sa.Integer(), nullable=True),
        sa.Column("video_url", sa.String(length=500), nullable=True),
        sa.Column("buffer_before_minutes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("buffer_after_minutes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("minimum_notice_minutes", sa.Integer(), server_default="120", nullable=False),
        sa.Column("booking_window_days", sa.Integer(), server_default="60", nullable=False),
        sa.Column("most_per_day", sa.Integer(), nullable=True),
        sa.Column("slot_interval_minutes", sa.Integer(), server_default="30", nullable=False),
        sa.Column(
            "durations", postgresql.ARRAY(sa.Integer()), server_default="{30,60,90}", nullable=False
        ),
        sa.Column("is_verified", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("verified_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("is_paused", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("is_payable", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("is_blocked", sa.Boolean(), server_default="false", nullable=False),
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
            "(trial_amount IS NULL) = (trial_minutes IS NULL)",
            name=op.f("ck_tutor_profiles_trial_complete"),
        ),
        sa.CheckConstraint(
            "buffer_before_minutes >= 0 AND buffer_after_minutes >= 0",
            name=op.f("ck_tutor_profiles_buffers"),
        ),
        sa.CheckConstraint("cardinality(durations) > 0", name=op.f("ck_tutor_profiles_durations")),
        sa.CheckConstraint(
            "minimum_notice_minutes >= 0 AND booking_window_days > 0",
            name=op.f("ck_tutor_profiles_booking_window"),
        ),
        sa.CheckConstraint("most_per_day > 0", name=op.f("ck_tutor_profiles_most_per_day")),
        sa.CheckConstraint(
            "rate_amount BETWEEN 0 AND 9007199254740991", name=op.f("ck_tutor_profiles_rate")
        ),
        sa.CheckConstraint(
            "slot_interval_minutes > 0", name=op.f("ck_tutor_profiles_slot_interval")
        ),
        sa.CheckConstraint(
            "trial_amount BETWEEN 0 AND 9007199254740991",
            name=op.f("ck_tutor_profiles_trial_price"),
        ),
        sa.CheckConstraint("trial_minutes > 0", name=op.f("ck_tutor_profiles_trial_minutes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tutor_profiles")),
        sa.UniqueConstraint("user_id", name=op.f("uq_tutor_profiles_user_id")),
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
        "availability_overrides",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("first_date", sa.Date(), nullable=False),
        sa.Column("last_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("starts", postgresql.ARRAY(sa.Time()), server_default="{}", nullable=False),
        sa.Column("ends", postgresql.ARRAY(sa.Time()), server_default="{}", nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=True),
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
            (sa.column("profile_id"), "="),
            (sa.text("daterange(first_date, last_date, '[]')"), "&&"),
            using="gist",
            name="ex_availability_overrides_dates",
        ),
        sa.CheckConstraint(
            "(kind = 'HOURS') = (cardinality(starts) > 0)",
            name=op.f("ck_availability_overrides_hours_given"),
        ),
        sa.CheckConstraint(
            "kind <> 'TRAVEL' OR time_zone IS NOT NULL",
            name=op.f("ck_availability_overrides_travel"),
        ),
        sa.CheckConstraint(
            "kind IN ('CLOSED', 'HOURS', 'TRAVEL')", name=op.f("ck_availability_overrides_kind")
        ),
        sa.CheckConstraint(
            "cardinality(starts) = cardinality(ends)", name=op.f("ck_availability_overrides_hours")
        ),
        sa.CheckConstraint("first_date <= last_date", name=op.f("ck_availability_overrides_dates")),
        sa.ForeignKeyConstraint(
            ["profile_id"],
            ["tutor_profiles.id"],
            name=op.f("fk_availability_overrides_profile_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_overrides")),
    )
    op.create_table(
        "availability_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("start_local", sa.Time(), nullable=False),
        sa.Column("end_local", sa.Time(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.CheckConstraint("valid_from <= valid_to", name=op.f("ck_availability_rules_valid")),
        sa.CheckConstraint("weekday BETWEEN 1 AND 7", name=op.f("ck_availability_rules_weekday")),
        sa.ForeignKeyConstraint(
            ["profile_id"],
            ["tutor_profiles.id"],
            name=op.f("fk_availability_rules_profile_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_rules")),
    )
    op.create_index(
        op.f("idx_availability_rules_profile_id"),
        "availability_rules",
        ["profile_id"],
        unique=False,
    )
    op.create_table(
        "course_skills",
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("skill_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["skill_id"], ["skills.id"], name=op.f("fk_course_skills_skill_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("course_id", "skill_id", name=op.f("pk_course_skills")),
    )
    op.create_index(op.f("idx_course_skills_skill_id"), "course_skills", ["skill_id"], unique=False)
    op.create_table(
        "favourites",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["profile_id"],
            ["tutor_profiles.id"],
            name=op.f("fk_favourites_profile_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "profile_id", name=op.f("pk_favourites")),
    )
    op.create_index(op.f("idx_favourites_profile_id"), "favourites", ["profile_id"], unique=False)
    op.create_index(
        "idx_favourites_user_id",
        "favourites",
        ["user_id", sa.literal_column("created_at DESC"), "profile_id"],
        unique=False,
    )
    op.create_table(
        "matching_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("skill_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("budget_amount", sa.BigInteger(), nullable=True),
        sa.Column("budget_currency", sa.CHAR(length=3), server_default="USD", nullable=False),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "schedule", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False
        ),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("requirements", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("accepted_profile_id", sa.Uuid(), nullable=True),
        sa.Column("accepted_tutor_id", sa.Uuid(), nullable=True),
        sa.Column("accepted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "searched_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
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
            "(status = 'ACCEPTED') = (accepted_at IS NOT NULL)",
            name=op.f("ck_matching_requests_accepted"),
        ),
        sa.CheckConstraint(
            "level IN ('BEGINNER', 'INTERMEDIATE', 'ADVANCED')",
            name=op.f("ck_matching_requests_level"),
        ),
        sa.CheckConstraint(
            "status IN ('OPEN', 'FOUND', 'ACCEPTED', 'CANCELLED')",
            name=op.f("ck_matching_requests_status"),
        ),
        sa.CheckConstraint("budget_amount >= 0", name=op.f("ck_matching_requests_budget")),
        sa.ForeignKeyConstraint(
            ["accepted_profile_id"],
            ["tutor_profiles.id"],
            name=op.f("fk_matching_requests_accepted_profile_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["skill_id"],
            ["skills.id"],
            name=op.f("fk_matching_requests_skill_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matching_requests")),
    )
    op.create_index(
        op.f("idx_matching_requests_accepted_profile_id"),
        "matching_requests",
        ["accepted_profile_id"],
        unique=False,
    )
    op.create_index(
        "idx_matching_requests_open",
        "matching_requests",
        ["searched_at"],
        unique=False,
        postgresql_where=sa.text("status = 'OPEN'"),
    )
    op.create_index(
        "idx_matching_requests_pair",
        "matching_requests",
        ["accepted_tutor_id", "student_id"],
        unique=False,
        postgresql_where=sa.text("status = 'ACCEPTED'"),
    )
    op.create_index(
        op.f("idx_matching_requests_skill_id"), "matching_requests", ["skill_id"], unique=False
    )
    op.create_index(
        "idx_matching_requests_student_id",
        "matching_requests",
        ["student_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "skill_edges",
        sa.Column("from_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind <> 'RELATED' OR from_id < to_id", name=op.f("ck_skill_edges_related")
        ),
        sa.CheckConstraint(
            "kind IN ('PREREQUISITE', 'RELATED', 'BROADER')", name=op.f("ck_skill_edges_kind")
        ),
        sa.CheckConstraint("from_id <> to_id", name=op.f("ck_skill_edges_ends")),
        sa.CheckConstraint("weight > 0", name=op.f("ck_skill_edges_weight")),
        sa.ForeignKeyConstraint(
            ["from_id"], ["skills.id"], name=op.f("fk_skill_edges_from_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["to_id"], ["skills.id"], name=op.f("fk_skill_edges_to_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("from_id", "to_id", "kind", name=op.f("pk_skill_edges")),
    )
    op.create_index(op.f("idx_skill_edges_to_id"), "skill_edges", ["to_id"], unique=False)
    op.create_table(
        "tutor_listings",
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("is_bookable", sa.Boolean(), nullable=False),
        sa.Column("price_amount", sa.BigInteger(), nullable=False),
        sa.Column("rating_mean", sa.Integer(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("standing", sa.Integer(), nullable=False),
        sa.Column("listed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("notice_minutes", sa.Integer(), nullable=False),
        sa.Column("shortest_minutes", sa.Integer(), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("search", postgresql.TSVECTOR(), nullable=False),
        sa.Column(
            "free_starts", postgresql.ARRAY(sa.Integer()), server_default="{}", nullable=False
        ),
        sa.Column(
            "free_hours", postgresql.ARRAY(sa.Integer()), server_default="{}", nullable=False
        ),
        sa.Column("refreshed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_id"],
            ["tutor_profiles.id"],
            name=op.f("fk_tutor_listings_profile_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("profile_id", name=op.f("pk_tutor_listings")),
    )
    op.create_index(
        "idx_tutor_listings_free_hours",
        "tutor_listings",
        ["free_hours"],
        unique=False,
        postgresql_using="gin",
    )
    op.create_index(
        "idx_tutor_listings_listed_at",
        "tutor_listings",
        [sa.literal_column("listed_at DESC"), sa.literal_column("profile_id DESC")],
        unique=False,
    )
    op.create_index(
        "idx_tutor_listings_price_amount",
        "tutor_listings",
        ["price_amount", "profile_id"],
        unique=False,
    )
    op.create_index(
        op.f("idx_tutor_listings_refreshed_at"), "tutor_listings", ["refreshed_at"], unique=False
    )
    op.create_index(
        "idx_tutor_listings_score",
        "tutor_listings",
        [sa.literal_column("score DESC"), sa.literal_column("profile_id DESC")],
        unique=False,
    )
    op.create_index(
        "idx_tutor_listings_search",
        "tutor_listings",
        ["search"],
        unique=False,
        postgresql_using="gin",
    )
    op.create_index(
        "idx_tutor_listings_standing",
        "tutor_listings",
        [sa.literal_column("standing DESC"), sa.literal_column("profile_id DESC")],
        unique=False,
    )
    op.create_index(
        "idx_tutor_listings_tags", "tutor_listings", ["tags"], unique=False, postgresql_using="gin"
    )
    op.create_table(
        "tutor_skills",
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("skill_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("rate_amount", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "level IN ('BEGINNER', 'INTERMEDIATE', 'ADVANCED')", name=op.f("ck_tutor_skills_level")
        ),
        sa.CheckConstraint(
            "rate_amount BETWEEN 0 AND 9007199254740991", name=op.f("ck_tutor_skills_rate")
        ),
        sa.ForeignKeyConstraint(
            ["profile_id"],
            ["tutor_profiles.id"],
            name=op.f("fk_tutor_skills_profile_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["skill_id"], ["skills.id"], name=op.f("fk_tutor_skills_skill_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("profile_id", "skill_id", name=op.f("pk_tutor_skills")),
    )
    op.create_index(op.f("idx_tutor_skills_skill_id"), "tutor_skills", ["skill_id"], unique=False)
    op.create_table(
        "verifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column(
            "documents",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reviewed_by", sa.Uuid(), nullable=True),
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
            "(status = 'PENDING') = (reviewed_at IS NULL)", name=op.f("ck_verifications_reviewed")
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'APPROVED', 'REJECTED', 'REVOKED')",
            name=op.f("ck_verifications_status"),
        ),
        sa.ForeignKeyConstraint(
            ["profile_id"],
            ["tutor_profiles.id"],
            name=op.f("fk_verifications_profile_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
    )
    op.create_index(
        "idx_verifications_profile_id",
        "verifications",
        ["profile_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "idx_verifications_queue",
        "verifications",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_index(
        "uq_verifications_pending",
        "verifications",
        ["profile_id"],
        unique=True,
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_table(
        "match_candidates",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column(
            "reasons", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["profile_id"],
            ["tutor_profiles.id"],
            name=op.f("fk_match_candidates_profile_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["matching_requests.id"],
            name=op.f("fk_match_candidates_request_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("request_id", "profile_id", name=op.f("pk_match_candidates")),
        sa.UniqueConstraint(
            "request_id", "position", name=op.f("uq_match_candidates_request_id_position")
        ),
    )
    op.create_index(
        op.f("idx_match_candidates_profile_id"), "match_candidates", ["profile_id"], unique=False
    )
    keep_updated_at(
        "availability_overrides",
        "matching_requests",
        "skills",
        "student_profiles",
        "tutor_profiles",
        "verifications",
    )
    notify_relay()


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f("idx_match_candidates_profile_id"), table_name="match_candidates")
    op.drop_table("match_candidates")
    op.drop_index(
        "uq_verifications_pending",
        table_name="verifications",
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.drop_index(
        "idx_verifications_queue",
        table_name="verifications",
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.drop_index("idx_verifications_profile_id", table_name="verifications")
    op.drop_table("verifications")
    op.drop_index(op.f("idx_tutor_skills_skill_id"), table_name="tutor_skills")
    op.drop_table("tutor_skills")
    op.drop_index("idx_tutor_listings_tags", table_name="tutor_listings", postgresql_using="gin")
    op.drop_index("idx_tutor_listings_standing", table_name="tutor_listings")
    op.drop_index("idx_tutor_listings_search", table_name="tutor_listings", postgresql_using="gin")
    op.drop_index("idx_tutor_listings_score", table_name="tutor_listings")
    op.drop_index(op.f("idx_tutor_listings_refreshed_at"), table_name="tutor_listings")
    op.drop_index("idx_tutor_listings_price_amount", table_name="tutor_listings")
    op.drop_index("idx_tutor_listings_listed_at", table_name="tutor_listings")
    op.drop_index(
        "idx_tutor_listings_free_hours", table_name="tutor_listings", postgresql_using="gin"
    )
    op.drop_table("tutor_listings")
    op.drop_index(op.f("idx_skill_edges_to_id"), table_name="skill_edges")
    op.drop_table("skill_edges")
    op.drop_index("idx_matching_requests_student_id", table_name="matching_requests")
    op.drop_index(op.f("idx_matching_requests_skill_id"), table_name="matching_requests")
    op.drop_index(
        "idx_matching_requests_pair",
        table_name="matching_requests",
        postgresql_where=sa.text("status = 'ACCEPTED'"),
    )
    op.drop_index(
        "idx_matching_requests_open",
        table_name="matching_requests",
        postgresql_where=sa.text("status = 'OPEN'"),
    )
    op.drop_index(op.f("idx_matching_requests_accepted_profile_id"), table_name="matching_requests")
    op.drop_table("matching_requests")
    op.drop_index("idx_favourites_user_id", table_name="favourites")
    op.drop_index(op.f("idx_favourites_profile_id"), table_name="favourites")
    op.drop_table("favourites")
    op.drop_index(op.f("idx_course_skills_skill_id"), table_name="course_skills")
    op.drop_table("course_skills")
    op.drop_index(op.f("idx_availability_rules_profile_id"), table_name="availability_rules")
    op.drop_table("availability_rules")
    op.drop_table("availability_overrides")
    op.drop_table("user_refs")
    op.drop_table("tutor_profiles")
    op.drop_table("student_profiles")
    op.drop_index("idx_skills_order", table_name="skills")
    op.drop_index("idx_skills_category", table_name="skills")
    op.drop_table("skills")
    op.drop_index(
        "idx_search_words_word",
        table_name="search_words",
        postgresql_using="gin",
        postgresql_ops={"word": "gin_trgm_ops"},
    )
    op.drop_table("search_words")
    op.drop_table("rating_refs")
    op.drop_table("payout_refs")
    op.drop_index(
        "idx_outbox_published_at",
        table_name="outbox",
        postgresql_where=sa.text("published_at IS NOT NULL"),
    )
    op.drop_index(
        "idx_outbox_pending", table_name="outbox", postgresql_where=sa.text("published_at IS NULL")
    )
    op.drop_table("outbox")
    op.drop_index(
        "idx_lesson_busy_refs_tutor_id",
        table_name="lesson_busy_refs",
        postgresql_where=sa.text(
            "status NOT IN ('EXPIRED', 'CANCELLED_BY_STUDENT', 'CANCELLED_BY_TUTOR',"
            " 'CANCELLED_BY_SYSTEM')"
        ),
    )
    op.drop_table("lesson_busy_refs")
    op.drop_index(op.f("idx_inbox_processed_at"), table_name="inbox")
    op.drop_table("inbox")
    op.drop_index(op.f("idx_idempotency_keys_created_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("dead_letters")
    op.drop_table("course_refs")
    drop_trigger_functions()
