"""Courses and their curriculum."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.learning.models.base import ALIVE, Base


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


class Course(Timestamps, Base):
    """A course with its seats: `current_students` have one, `held_seats` wait for an answer.

    Held are the seats on offer to the waitlist and those that somebody is paying for.
    """

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
        one_of("status", CourseStatus),
        one_of("level", CourseLevel),
        sa.Index("idx_courses_tutor_id", "tutor_id", "id", **ALIVE),
        sa.Index(
            "idx_courses_published",
            sa.text("published_at DESC"),
            sa.text("id DESC"),
            postgresql_where=sa.text("deleted_at IS NULL AND status = 'PUBLISHED'"),
        ),
        sa.Index("idx_courses_category", "category", **ALIVE),
        sa.Index("idx_courses_level", "level", **ALIVE),
        sa.Index("idx_courses_language", "language", **ALIVE),
        sa.Index("idx_courses_price_amount", "price_amount", "id", **ALIVE),
        sa.Index("idx_courses_search", "search", postgresql_using="gin", **ALIVE),
    )

    @property
    def seats_left(self) -> int:
        """Seats that nobody has and that are held for nobody."""
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
