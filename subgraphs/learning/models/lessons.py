"""Lessons: sessions at a time, who takes part, and what has happened to them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.learning.models.base import Base


class LessonKind(StrEnum):
    """What sort of lesson it is."""

    ONE_TO_ONE = "ONE_TO_ONE"
    GROUP = "GROUP"
    TRIAL = "TRIAL"


class LessonStatus(StrEnum):
    """Where a lesson is in its life."""

    PENDING_PAYMENT = "PENDING_PAYMENT"
    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    EXPIRED = "EXPIRED"
    CANCELLED_BY_STUDENT = "CANCELLED_BY_STUDENT"
    CANCELLED_BY_TUTOR = "CANCELLED_BY_TUTOR"
    CANCELLED_BY_SYSTEM = "CANCELLED_BY_SYSTEM"
    NO_SHOW_STUDENT = "NO_SHOW_STUDENT"
    NO_SHOW_TUTOR = "NO_SHOW_TUTOR"
    DISPUTED = "DISPUTED"


class LessonRole(StrEnum):
    """As what somebody takes part."""

    TUTOR = "TUTOR"
    STUDENT = "STUDENT"


class Attendance(StrEnum):
    """Whether somebody came."""

    UNKNOWN = "UNKNOWN"
    PRESENT = "PRESENT"
    ABSENT = "ABSENT"


# While a lesson is in one of these, its time belongs to its people.
LIVE_LESSON = (LessonStatus.PENDING_PAYMENT, LessonStatus.SCHEDULED, LessonStatus.IN_PROGRESS)
LIVE = "status IN ('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS')"
# A trial that did not take place may be booked again.
TRIED = (
    "kind = 'TRIAL' AND status IN"
    " ('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS', 'COMPLETED', 'NO_SHOW_STUDENT', 'DISPUTED')"
)
NO_OVERLAP_OF_TUTOR = "ex_lessons_tutor_id"
NO_OVERLAP_OF_PERSON = "ex_lesson_participants_user_id"
ONE_TRIAL = "uq_lessons_trial"


class TutorRef(Base):
    """What learning knows of a tutor's profile."""

    __tablename__ = "tutor_refs"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    profile_id: Mapped[UUID]
    time_zone: Mapped[str]
    is_bookable: Mapped[bool]
    is_verified: Mapped[bool]
    version: Mapped[int] = mapped_column(sa.BigInteger)


class Lesson(Timestamps, Base):
    """A session of a tutor with one student, or with the students of a course."""

    __tablename__ = "lessons"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tutor_id: Mapped[UUID]
    # Who booked and pays; NULL for group lessons.
    student_id: Mapped[UUID | None]
    course_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("courses.id", ondelete="RESTRICT"))
    skill_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(sa.String(20))
    status: Mapped[str] = mapped_column(sa.String(20))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    price_amount: Mapped[int] = mapped_column(sa.BigInteger)
    price_currency: Mapped[str] = mapped_column(sa.CHAR(3))
    # As it was when the lesson was booked: tiers of hours before the start and refund.
    cancellation_policy: Mapped[list[dict[str, int]]] = mapped_column(JSONB)
    hold_expires_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    dispute_until: Mapped[datetime | None]
    refund_bps: Mapped[int | None]
    shared_notes: Mapped[str | None]
    version: Mapped[int] = mapped_column(sa.BigInteger, default=1, server_default="1")

    __table_args__ = (
        ExcludeConstraint(
            (sa.text("tutor_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at, '[)')"), "&&"),
            name=NO_OVERLAP_OF_TUTOR,
            using="gist",
            where=sa.text(LIVE),
        ),
        one_of("kind", LessonKind),
        one_of("status", LessonStatus),
        sa.CheckConstraint("ends_at > starts_at", name="times"),
        sa.CheckConstraint("price_amount BETWEEN 0 AND 9007199254740991", name="price"),
        sa.CheckConstraint("refund_bps BETWEEN 0 AND 10000", name="refund"),
        sa.CheckConstraint(
            "(status = 'PENDING_PAYMENT') <= (hold_expires_at IS NOT NULL)", name="hold"
        ),
        sa.CheckConstraint(
            "CASE kind WHEN 'GROUP' THEN course_id IS NOT NULL AND student_id IS NULL"
            " ELSE student_id IS NOT NULL AND student_id <> tutor_id END",
            name="people",
        ),
        sa.Index(ONE_TRIAL, "tutor_id", "student_id", unique=True, postgresql_where=sa.text(TRIED)),
        sa.Index("idx_lessons_tutor_id", "tutor_id"),
        sa.Index("idx_lessons_course_id", "course_id", "starts_at", "id"),
        sa.Index(
            "idx_lessons_open",
            "ends_at",
            postgresql_where=sa.text("status IN ('SCHEDULED', 'IN_PROGRESS')"),
        ),
    )


class LessonParticipant(Timestamps, Base):
    """Somebody in a lesson; times and `is_live` follow the lesson by a trigger."""

    __tablename__ = "lesson_participants"

    lesson_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("lessons.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(sa.String(20))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    is_live: Mapped[bool]
    # False for a student of a group who was busy elsewhere: the group meets all the same.
    is_exclusive: Mapped[bool] = mapped_column(default=True, server_default="true")
    attendance: Mapped[str] = mapped_column(
        sa.String(20), default=Attendance.UNKNOWN, server_default="UNKNOWN"
    )
    joined_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
    private_note: Mapped[str | None]

    __table_args__ = (
        ExcludeConstraint(
            (sa.text("user_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at, '[)')"), "&&"),
            name=NO_OVERLAP_OF_PERSON,
            using="gist",
            where=sa.text("is_live AND is_exclusive"),
        ),
        one_of("role", LessonRole),
        one_of("attendance", Attendance),
        sa.Index(
            "idx_lesson_participants_user_id",
            "user_id",
            sa.text("starts_at DESC"),
            sa.text("lesson_id DESC"),
        ),
    )


class LessonEvent(Base):
    """What has happened to a lesson; rows are added, never changed."""

    __tablename__ = "lesson_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lesson_id: Mapped[UUID] = mapped_column(sa.ForeignKey("lessons.id", ondelete="CASCADE"))
    # The lesson's version after it: one row per version.
    version: Mapped[int] = mapped_column(sa.BigInteger)
    from_status: Mapped[str | None] = mapped_column(sa.String(20))
    to_status: Mapped[str] = mapped_column(sa.String(20))
    starts_at: Mapped[datetime]
    # NULL is the platform itself.
    actor_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    happened_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())

    __table_args__ = (sa.UniqueConstraint("lesson_id", "version"),)


def is_overlap(constraint: str | None) -> bool:
    """Whether a refusal of the database means that the time is taken."""
    return constraint in (NO_OVERLAP_OF_TUTOR, NO_OVERLAP_OF_PERSON)
