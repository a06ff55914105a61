"""Reviews' tables. Users, lessons and courses are soft references."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.db import TYPES, Timestamps, new_metadata, one_of
from shared.idempotency import add_idempotency_table
from shared.ids import new_id
from shared.outbox import add_event_tables
from shared.references import UserRefColumns


class Base(DeclarativeBase):
    """Reviews' own table registry."""

    metadata = new_metadata()
    type_annotation_map = TYPES


add_event_tables(Base.metadata)
add_idempotency_table(Base.metadata)


class TargetType(StrEnum):
    """What a review is about."""

    TUTOR = "TUTOR"
    STUDENT = "STUDENT"
    COURSE = "COURSE"


class ReviewStatus(StrEnum):
    """Who may read a review."""

    BLIND = "BLIND"
    PUBLISHED = "PUBLISHED"
    HIDDEN = "HIDDEN"


class EligibilityStatus(StrEnum):
    """Whether a review may still be written."""

    OPEN = "OPEN"
    USED = "USED"
    REVOKED = "REVOKED"


class ReportKind(StrEnum):
    """Why moderators look at a review."""

    REPORT = "REPORT"
    APPEAL = "APPEAL"


class ReportStatus(StrEnum):
    """What became of a report."""

    OPEN = "OPEN"
    UPHELD = "UPHELD"
    DISMISSED = "DISMISSED"


class UserRef(UserRefColumns, Base):
    """What reviews knows of a user."""

    __tablename__ = "user_refs"


class LessonRef(Base):
    """Who took part in a lesson; its row is locked by whoever reviews the lesson."""

    __tablename__ = "lesson_refs"

    lesson_id: Mapped[UUID] = mapped_column(primary_key=True)
    tutor_id: Mapped[UUID]
    student_ids: Mapped[list[UUID]] = mapped_column(ARRAY(sa.Uuid))
    course_id: Mapped[UUID | None]
    is_completed: Mapped[bool]
    version: Mapped[int] = mapped_column(sa.BigInteger)


class CourseRef(Base):
    """Who teaches a course."""

    __tablename__ = "course_refs"

    course_id: Mapped[UUID] = mapped_column(primary_key=True)
    tutor_id: Mapped[UUID]
    version: Mapped[int] = mapped_column(sa.BigInteger)


class PurchaseRef(Base):
    """Whether a payer got the money back; made by whichever comes first, review or refund."""

    __tablename__ = "purchase_refs"

    payable_id: Mapped[UUID] = mapped_column(primary_key=True)
    payer_id: Mapped[UUID] = mapped_column(primary_key=True)
    is_void: Mapped[bool] = mapped_column(server_default=sa.false())


class Eligibility(Timestamps, Base):
    """The right to write one review, proof that it is verified."""

    __tablename__ = "review_eligibility"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    reviewer_id: Mapped[UUID]
    target_type: Mapped[str] = mapped_column(sa.String(20))
    target_id: Mapped[UUID]
    lesson_id: Mapped[UUID | None]
    course_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(sa.String(20), server_default=EligibilityStatus.OPEN)
    # Whether the review will count towards the rating.
    is_counted: Mapped[bool] = mapped_column(server_default=sa.true())
    expires_at: Mapped[datetime]

    __table_args__ = (
        one_of("target_type", TargetType),
        one_of("status", EligibilityStatus),
        sa.CheckConstraint("reviewer_id <> target_id", name="not_oneself"),
        sa.CheckConstraint("(target_type = 'COURSE') = (lesson_id IS NULL)", name="subject"),
        sa.CheckConstraint("target_type <> 'COURSE' OR course_id = target_id", name="course"),
        sa.Index(
            "uq_review_eligibility_lesson",
            "reviewer_id",
            "lesson_id",
            "target_id",
            unique=True,
            postgresql_where=sa.text("lesson_id IS NOT NULL"),
        ),
        sa.Index(
            "uq_review_eligibility_course",
            "reviewer_id",
            "course_id",
            unique=True,
            postgresql_where=sa.text("lesson_id IS NULL"),
        ),
        sa.Index(
            "idx_review_eligibility_open",
            "reviewer_id",
            sa.text("id DESC"),
            postgresql_where=sa.text("status = 'OPEN'"),
        ),
        sa.Index("idx_review_eligibility_lesson_id", "lesson_id"),
    )


class Review(Timestamps, Base):
    """One review; it can be read by everybody once both sides wrote or time is up."""

    __tablename__ = "reviews"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    eligibility_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("review_eligibility.id", ondelete="RESTRICT"), unique=True
    )
    reviewer_id: Mapped[UUID]
    target_type: Mapped[str] = mapped_column(sa.String(20))
    target_id: Mapped[UUID]
    lesson_id: Mapped[UUID | None]
    course_id: Mapped[UUID | None]
    rating: Mapped[int] = mapped_column(sa.SmallInteger)
    comment: Mapped[str | None]
    status: Mapped[str] = mapped_column(sa.String(20))
    # Refunds take the weight away; the text stays.
    is_counted: Mapped[bool]
    submitted_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())
    edited_at: Mapped[datetime | None]
    # When a blind review is published even without its counterpart.
    publish_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(sa.BigInteger, default=1, server_default="1")

    __table_args__ = (
        one_of("target_type", TargetType),
        one_of("status", ReviewStatus),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        sa.CheckConstraint("reviewer_id <> target_id", name="not_oneself"),
        sa.CheckConstraint("(status = 'BLIND') <= (publish_at IS NOT NULL)", name="blind"),
        sa.CheckConstraint("(status = 'PUBLISHED') <= (published_at IS NOT NULL)", name="public"),
        sa.Index(
            "idx_reviews_target",
            "target_type",
            "target_id",
            sa.text("published_at DESC"),
            sa.text("id DESC"),
            postgresql_where=sa.text("status = 'PUBLISHED'"),
        ),
        sa.Index("idx_reviews_reviewer_id", "reviewer_id", sa.text("id DESC")),
        sa.Index("idx_reviews_lesson_id", "lesson_id"),
        sa.Index("idx_reviews_blind", "publish_at", postgresql_where=sa.text("status = 'BLIND'")),
    )


class Reply(Timestamps, Base):
    """What the reviewed person, or a course's tutor, answers in public."""

    __tablename__ = "review_replies"

    review_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("reviews.id", ondelete="CASCADE"), primary_key=True
    )
    author_id: Mapped[UUID]
    text: Mapped[str]


class HelpfulVote(Base):
    """Somebody found a review helpful."""

    __tablename__ = "helpful_votes"

    review_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("reviews.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    voted_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())


class Report(Timestamps, Base):
    """Somebody asks moderators to look at a review, or its author to look again."""

    __tablename__ = "review_reports"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    review_id: Mapped[UUID] = mapped_column(sa.ForeignKey("reviews.id", ondelete="CASCADE"))
    reporter_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(sa.String(20))
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(sa.String(20), server_default=ReportStatus.OPEN)
    closed_by: Mapped[UUID | None]
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("kind", ReportKind),
        one_of("status", ReportStatus),
        sa.Index(
            "uq_review_reports_open",
            "review_id",
            "reporter_id",
            "kind",
            unique=True,
            postgresql_where=sa.text("status = 'OPEN'"),
        ),
        sa.Index("idx_review_reports_queue", "status", "id"),
    )


class ModerationAction(Base):
    """What a moderator did to a review, and why; never changed."""

    __tablename__ = "moderation_actions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    review_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("reviews.id", ondelete="CASCADE"), index=True
    )
    moderator_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(sa.String(20))
    reason: Mapped[str]
    acted_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())


class RatingSummary(Timestamps, Base):
    """The rating of one target, recomputed from its reviews under this row's lock."""

    __tablename__ = "rating_summaries"

    target_type: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    target_id: Mapped[UUID] = mapped_column(primary_key=True)
    # Of the latest counted review of each reviewer.
    count: Mapped[int] = mapped_column(server_default="0")
    total: Mapped[int] = mapped_column(server_default="0")
    histogram: Mapped[list[int]] = mapped_column(ARRAY(sa.Integer), server_default="{0,0,0,0,0}")
    # In hundredths.
    mean: Mapped[int | None]
    score: Mapped[int] = mapped_column(server_default="0")
    # The mean of the platform that the score rests on.
    platform_mean: Mapped[int | None]
    version: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")

    __table_args__ = (one_of("target_type", TargetType),)


class RatingHistory(Base):
    """How a rating stood at the end of each day on which it changed."""

    __tablename__ = "rating_history"

    target_type: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    target_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    count: Mapped[int]
    mean: Mapped[int | None]
    score: Mapped[int]


class PlatformMean(Base):
    """The mean of all counted ratings of one kind, in hundredths; refreshed by the worker."""

    __tablename__ = "platform_means"

    target_type: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    mean: Mapped[int]
