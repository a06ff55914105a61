"""What students ask for, and who was found for them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.matching.models.base import Base, SkillLevel


class MatchingRequestStatus(StrEnum):
    """Where a request is in its life."""

    OPEN = "OPEN"
    FOUND = "FOUND"
    ACCEPTED = "ACCEPTED"
    CANCELLED = "CANCELLED"


class MatchingRequest(Timestamps, Base):
    """A student who looks for a tutor. Nothing else of it is changed than its state."""

    __tablename__ = "matching_requests"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    student_id: Mapped[UUID]
    skill_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("skills.id", ondelete="RESTRICT"), index=True
    )
    level: Mapped[str] = mapped_column(sa.String(20))
    budget_amount: Mapped[int | None] = mapped_column(sa.BigInteger)
    budget_currency: Mapped[str] = mapped_column(sa.CHAR(3), server_default="USD")
    languages: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default="{}")
    # [{weekday, start, end}] in wall times of `time_zone`.
    schedule: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    time_zone: Mapped[str] = mapped_column(sa.String(64))
    requirements: Mapped[str | None]
    status: Mapped[str] = mapped_column(sa.String(20), default=MatchingRequestStatus.OPEN)
    accepted_profile_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("tutor_profiles.id", ondelete="SET NULL"), index=True
    )
    # The tutor as a user, as lessons name tutors.
    accepted_tutor_id: Mapped[UUID | None]
    accepted_at: Mapped[datetime | None]
    # When tutors were last looked for; those that nobody was found for are tried again.
    searched_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())
    version: Mapped[int] = mapped_column(sa.BigInteger, default=1, server_default="1")

    __table_args__ = (
        sa.Index(
            "idx_matching_requests_open",
            "searched_at",
            postgresql_where=sa.text("status = 'OPEN'"),
        ),
        one_of("status", MatchingRequestStatus),
        one_of("level", SkillLevel),
        sa.CheckConstraint("budget_amount >= 0", name="budget"),
        sa.CheckConstraint("(status = 'ACCEPTED') = (accepted_at IS NOT NULL)", name="accepted"),
        sa.Index("idx_matching_requests_student_id", "student_id", sa.text("id DESC")),
        sa.Index(
            "idx_matching_requests_pair",
            "accepted_tutor_id",
            "student_id",
            postgresql_where=sa.text("status = 'ACCEPTED'"),
        ),
    )


class MatchCandidate(Base):
    """A tutor who was found for a request, and why."""

    __tablename__ = "match_candidates"

    request_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("matching_requests.id", ondelete="CASCADE"), primary_key=True
    )
    profile_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("tutor_profiles.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    position: Mapped[int]
    score: Mapped[int]
    # [{code, weight, text}]
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")

    __table_args__ = (sa.UniqueConstraint("request_id", "position"),)
