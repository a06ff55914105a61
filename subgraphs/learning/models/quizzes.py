"""Quizzes: questions, and the attempts of students at them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.learning.models.base import Base


class QuestionKind(StrEnum):
    """How a question is answered."""

    SINGLE_CHOICE = "SINGLE_CHOICE"
    MULTIPLE_CHOICE = "MULTIPLE_CHOICE"
    SHORT_ANSWER = "SHORT_ANSWER"


class Quiz(Timestamps, Base):
    """Questions on a course, or on one of its units; a required one guards the unit."""

    __tablename__ = "quizzes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    course_id: Mapped[UUID] = mapped_column(sa.ForeignKey("courses.id", ondelete="RESTRICT"))
    unit_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("course_units.id", ondelete="CASCADE"), index=True
    )
    title: Mapped[str] = mapped_column(sa.String(200))
    pass_percent: Mapped[int]
    max_attempts: Mapped[int]
    is_required: Mapped[bool]

    __table_args__ = (
        sa.CheckConstraint("pass_percent BETWEEN 1 AND 100", name="pass_percent"),
        sa.CheckConstraint("max_attempts BETWEEN 1 AND 100", name="max_attempts"),
        sa.CheckConstraint("NOT is_required OR unit_id IS NOT NULL", name="required"),
        sa.Index("idx_quizzes_course_id", "course_id", "id"),
    )


class QuizQuestion(Base):
    """A question; `solution` never leaves the service but as a score."""

    __tablename__ = "quiz_questions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    quiz_id: Mapped[UUID] = mapped_column(sa.ForeignKey("quizzes.id", ondelete="CASCADE"))
    position: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(20))
    prompt: Mapped[str]
    choices: Mapped[list[str]] = mapped_column(JSONB)
    # Places of the right choices, or the accepted short answers.
    solution: Mapped[list[Any]] = mapped_column(JSONB)

    __table_args__ = (
        sa.UniqueConstraint("quiz_id", "position"),
        one_of("kind", QuestionKind),
    )


class QuizAttempt(Base):
    """One finished attempt; the number is what limits them."""

    __tablename__ = "quiz_attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    quiz_id: Mapped[UUID] = mapped_column(sa.ForeignKey("quizzes.id", ondelete="CASCADE"))
    student_id: Mapped[UUID] = mapped_column(index=True)
    number: Mapped[int]
    answers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    score_percent: Mapped[int]
    is_passed: Mapped[bool]
    submitted_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())

    __table_args__ = (
        sa.UniqueConstraint("quiz_id", "student_id", "number"),
        sa.CheckConstraint("score_percent BETWEEN 0 AND 100", name="score"),
        sa.CheckConstraint("number > 0", name="number"),
    )
