"""Learning's tables. Users are soft references; there is no foreign key to another database."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.db import TYPES, Timestamps, new_metadata
from shared.idempotency import add_idempotency_table
from shared.ids import new_id
from shared.outbox import add_event_tables
from shared.references import UserRefColumns


class Base(DeclarativeBase):
    """Learning's own table registry."""

    metadata = new_metadata()
    type_annotation_map = TYPES


add_event_tables(Base.metadata)
add_idempotency_table(Base.metadata)


class CourseStatus(StrEnum):
    """Where a course is in its life."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    ARCHIVED = "ARCHIVED"


class CourseLevel(StrEnum):
    """What a course expects its students to know."""

    BEGINNER = "BEGINNER"
    INTERMEDIATE = "INTERMEDIATE"
    ADVANCED = "ADVANCED"


class EnrollmentStatus(StrEnum):
    """Where an enrolment is in its life."""

    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class WaitlistStatus(StrEnum):
    """Where a place on a waitlist is in its life."""

    WAITING = "WAITING"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    EXPIRED = "EXPIRED"
    LEFT = "LEFT"


def _one_of(column: str, values: type[StrEnum]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


_ALIVE: dict[str, Any] = {"postgresql_where": sa.text("deleted_at IS NULL")}


class UserRef(UserRefColumns, Base):
    """What learning knows of a user."""

    __tablename__ = "user_refs"


class Course(Timestamps, Base):
    """A course with its seats; `current_students` counts live enrolments, `held_seats` offers."""

    __tablename__ = "courses"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tutor_id: Mapped[UUID]
    title: Mapped[str] = mapped_column(sa.String(200))
    description: Mapped[str | None]
    category: Mapped[str | None] = mapped_column(sa.String(50))
    level: Mapped[str] = mapped_column(sa.String(20))
    language: Mapped[str] = mapped_column(sa.String(35), server_default="en")
    price_amount: Mapped[int] = mapped_column(sa.BigInteger)
    price_currency: Mapped[str] = mapped_column(sa.CHAR(3), server_default="USD")
    duration_minutes: Mapped[int]
    max_students: Mapped[int] = mapped_column(server_default="10")
    current_students: Mapped[int] = mapped_column(default=0, server_default="0")
    held_seats: Mapped[int] = mapped_column(default=0, server_default="0")
    status: Mapped[str] = mapped_column(sa.String(20), default=CourseStatus.DRAFT)
    published_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(sa.BigInteger, default=1, server_default="1")
    search: Mapped[Any] = mapped_column(
        # The function is made by the first migration, which says what it does.
        TSVECTOR,
        sa.Computed("course_search(title, category, description)", persisted=True),
        deferred=True,
    )

    __table_args__ = (
        sa.CheckConstraint("price_amount BETWEEN 0 AND 9007199254740991", name="price"),
        sa.CheckConstraint("duration_minutes >= 30", name="duration"),
        sa.CheckConstraint("max_students > 0", name="max_students"),
        sa.CheckConstraint("current_students >= 0 AND held_seats >= 0", name="seats_positive"),
        sa.CheckConstraint("current_students + held_seats <= max_students", name="seats"),
        _one_of("status", CourseStatus),
        _one_of("level", CourseLevel),
        sa.Index("idx_courses_tutor_id", "tutor_id", "id", **_ALIVE),
        sa.Index(
            "idx_courses_published",
            sa.text("published_at DESC"),
            sa.text("id DESC"),
            postgresql_where=sa.text("deleted_at IS NULL AND status = 'PUBLISHED'"),
        ),
        sa.Index("idx_courses_category", "category", **_ALIVE),
        sa.Index("idx_courses_level", "level", **_ALIVE),
        sa.Index("idx_courses_language", "language", **_ALIVE),
        sa.Index("idx_courses_price_amount", "price_amount", "id", **_ALIVE),
        sa.Index("idx_courses_search", "search", postgresql_using="gin", **_ALIVE),
    )

    @property
    def seats_left(self) -> int:
        """Seats that nobody has and nobody is offered."""
        return self.max_students - self.current_students - self.held_seats


class CourseUnit(Timestamps, Base):
    """A part of a course's curriculum; positions count from 1 without gaps."""

    __tablename__ = "course_units"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    course_id: Mapped[UUID] = mapped_column(sa.ForeignKey("courses.id", ondelete="CASCADE"))
    position: Mapped[int]
    title: Mapped[str] = mapped_column(sa.String(200))
    summary: Mapped[str | None]
    duration_minutes: Mapped[int | None]

    __table_args__ = (
        # Deferred, so that positions may be exchanged within a transaction.
        sa.UniqueConstraint("course_id", "position", deferrable=True, initially="DEFERRED"),
        sa.CheckConstraint("position > 0", name="position"),
        sa.CheckConstraint("duration_minutes > 0", name="duration"),
    )


class Enrollment(Timestamps, Base):
    """A student in a course; a cancelled row is revived, never doubled."""

    __tablename__ = "enrollments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    course_id: Mapped[UUID] = mapped_column(sa.ForeignKey("courses.id", ondelete="RESTRICT"))
    student_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(sa.String(20), default=EnrollmentStatus.ACTIVE)
    enrolled_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())
    completed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(sa.BigInteger, default=1, server_default="1")

    __table_args__ = (
        sa.UniqueConstraint("course_id", "student_id"),
        _one_of("status", EnrollmentStatus),
        sa.Index("idx_enrollments_student_id", "student_id", sa.text("id DESC")),
    )


class UnitProgress(Base):
    """A unit that a student has completed."""

    __tablename__ = "unit_progress"

    enrollment_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("enrollments.id", ondelete="CASCADE"), primary_key=True
    )
    unit_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("course_units.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    completed_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())


class WaitlistEntry(Timestamps, Base):
    """A student who waits for a seat, or is offered one until `offer_expires_at`."""

    __tablename__ = "waitlist_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    course_id: Mapped[UUID] = mapped_column(sa.ForeignKey("courses.id", ondelete="CASCADE"))
    student_id: Mapped[UUID] = mapped_column(index=True)
    status: Mapped[str] = mapped_column(sa.String(20), default=WaitlistStatus.WAITING)
    offer_expires_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(sa.BigInteger, default=1, server_default="1")

    __table_args__ = (
        _one_of("status", WaitlistStatus),
        sa.CheckConstraint("(status = 'OFFERED') <= (offer_expires_at IS NOT NULL)", name="offer"),
        sa.Index(
            "uq_waitlist_entries_live",
            "course_id",
            "student_id",
            unique=True,
            postgresql_where=sa.text("status IN ('WAITING', 'OFFERED')"),
        ),
        # By the database's clock: ids are made by processes whose clocks may differ.
        sa.Index(
            "idx_waitlist_entries_queue",
            "course_id",
            "created_at",
            "id",
            postgresql_where=sa.text("status = 'WAITING'"),
        ),
        sa.Index(
            "idx_waitlist_entries_offers",
            "offer_expires_at",
            postgresql_where=sa.text("status = 'OFFERED'"),
        ),
    )


class Certificate(Base):
    """Proof of a completed course; names are as they were on the day."""

    __tablename__ = "certificates"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    enrollment_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("enrollments.id", ondelete="RESTRICT"), unique=True
    )
    course_id: Mapped[UUID] = mapped_column(sa.ForeignKey("courses.id", ondelete="RESTRICT"))
    student_id: Mapped[UUID]
    code: Mapped[str] = mapped_column(sa.String(32), unique=True)
    student_name: Mapped[str]
    course_title: Mapped[str]
    issued_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())

    __table_args__ = (
        sa.Index("idx_certificates_student_id", "student_id", sa.text("id DESC")),
        sa.Index("idx_certificates_course_id", "course_id"),
    )
