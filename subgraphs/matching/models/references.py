"""What matching keeps of other subgraphs' entities, fed by their events."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from shared.references import UserRefColumns
from subgraphs.matching.models.base import Base

# A held slot counts until its hold ends; what took place still counts for the day's maximum.
FREED = ("EXPIRED", "CANCELLED_BY_STUDENT", "CANCELLED_BY_TUTOR", "CANCELLED_BY_SYSTEM")
TAKEN = f"status NOT IN {FREED}"


class UserRef(UserRefColumns, Base):
    """What matching knows of a user."""

    __tablename__ = "user_refs"


class LessonBusyRef(Base):
    """A lesson of a tutor, in whatever state; live ones keep the tutor busy."""

    __tablename__ = "lesson_busy_refs"

    lesson_id: Mapped[UUID] = mapped_column(primary_key=True)
    tutor_id: Mapped[UUID]
    student_ids: Mapped[list[UUID]] = mapped_column(ARRAY(sa.Uuid), server_default="{}")
    kind: Mapped[str] = mapped_column(sa.String(20))
    status: Mapped[str] = mapped_column(sa.String(30))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    hold_expires_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(sa.BigInteger)

    __table_args__ = (
        sa.Index(
            "idx_lesson_busy_refs_tutor_id",
            "tutor_id",
            "ends_at",
            postgresql_where=sa.text(TAKEN),
        ),
    )


class RatingRef(Base):
    """A tutor's rating, in hundredths."""

    __tablename__ = "rating_refs"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    count: Mapped[int]
    mean: Mapped[int | None]
    score: Mapped[int]
    version: Mapped[int] = mapped_column(sa.BigInteger)


class PayoutRef(Base):
    """Whether a user can be paid."""

    __tablename__ = "payout_refs"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    is_enabled: Mapped[bool]
    version: Mapped[int] = mapped_column(sa.BigInteger)


class CourseRef(Base):
    """A course that was published at least once."""

    __tablename__ = "course_refs"

    course_id: Mapped[UUID] = mapped_column(primary_key=True)
    tutor_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(sa.String(20))
    version: Mapped[int] = mapped_column(sa.BigInteger)
