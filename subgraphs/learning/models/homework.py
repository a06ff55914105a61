"""Homework that a tutor gives after a lesson."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps
from shared.ids import new_id
from subgraphs.learning.models.base import Base


class HomeworkStatus(StrEnum):
    """Where homework is in its life."""

    ASSIGNED = "ASSIGNED"
    SUBMITTED = "SUBMITTED"
    REVIEWED = "REVIEWED"


class Homework(Timestamps, Base):
    """What one student is to do, has done, and what the tutor says to that."""

    __tablename__ = "homework"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lesson_id: Mapped[UUID] = mapped_column(sa.ForeignKey("lessons.id", ondelete="CASCADE"))
    student_id: Mapped[UUID] = mapped_column(index=True)
    instructions: Mapped[str]
    due_at: Mapped[datetime | None]
    submission: Mapped[str | None]
    submitted_at: Mapped[datetime | None]
    feedback: Mapped[str | None]
    reviewed_at: Mapped[datetime | None]

    __table_args__ = (
        sa.CheckConstraint(
            "(submission IS NULL) = (submitted_at IS NULL)"
            " AND (feedback IS NULL) = (reviewed_at IS NULL)",
            name="times",
        ),
        sa.CheckConstraint("reviewed_at IS NULL OR submitted_at IS NOT NULL", name="order"),
        sa.Index("idx_homework_lesson_id", "lesson_id", sa.text("id DESC")),
    )

    @property
    def status(self) -> HomeworkStatus:
        """Where it is in its life."""
        if self.reviewed_at is not None:
            return HomeworkStatus.REVIEWED
        if self.submitted_at is not None:
            return HomeworkStatus.SUBMITTED
        return HomeworkStatus.ASSIGNED
