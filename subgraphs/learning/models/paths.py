"""Learning paths: what a student means to learn, step by step."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.learning.models.base import Base


class StepKind(StrEnum):
    """What a step of a learning path leads to."""

    COURSE = "COURSE"
    UNIT = "UNIT"
    SKILL = "SKILL"
    TEXT = "TEXT"


class LearningPath(Timestamps, Base):
    """A student's own plan."""

    __tablename__ = "learning_paths"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    student_id: Mapped[UUID]
    title: Mapped[str] = mapped_column(sa.String(200))

    __table_args__ = (sa.Index("idx_learning_paths_student_id", "student_id", sa.text("id DESC")),)


class PathStep(Base):
    """A step of a plan; positions count from 1. A skill is matching's, so its id is all we have."""

    __tablename__ = "learning_path_steps"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    path_id: Mapped[UUID] = mapped_column(sa.ForeignKey("learning_paths.id", ondelete="CASCADE"))
    position: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(20))
    course_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("courses.id", ondelete="RESTRICT"), index=True
    )
    # A unit that is removed leaves its step, by its text.
    unit_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("course_units.id", ondelete="SET NULL"), index=True
    )
    skill_id: Mapped[UUID | None]
    text: Mapped[str | None]
    completed_at: Mapped[datetime | None]

    __table_args__ = (
        # Deferred, so that positions may be exchanged within a transaction.
        sa.UniqueConstraint("path_id", "position", deferrable=True, initially="DEFERRED"),
        one_of("kind", StepKind),
        sa.CheckConstraint("position > 0", name="position"),
        sa.CheckConstraint(
            "CASE kind WHEN 'COURSE' THEN course_id IS NOT NULL"
            " WHEN 'SKILL' THEN skill_id IS NOT NULL WHEN 'TEXT' THEN text IS NOT NULL"
            " ELSE true END",
            name="target",
        ),
    )
