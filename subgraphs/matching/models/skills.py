"""What can be taught, how skills hang together, and who teaches them."""

from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.matching.models.base import Base, SkillLevel
from subgraphs.matching.models.profiles import MOST_MONEY


class SkillLinkKind(StrEnum):
    """How one skill leads to another."""

    PREREQUISITE = "PREREQUISITE"
    RELATED = "RELATED"
    BROADER = "BROADER"


class Skill(Timestamps, Base):
    """Something that can be taught."""

    __tablename__ = "skills"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(sa.String(100))
    slug: Mapped[str] = mapped_column(sa.String(100), unique=True)
    category: Mapped[str] = mapped_column(sa.String(50))

    __table_args__ = (
        sa.Index("idx_skills_order", "name", "id"),
        sa.Index("idx_skills_category", "category"),
    )


class SkillEdge(Base):
    """A way from one skill to another; related skills are linked both ways by one row."""

    __tablename__ = "skill_edges"

    from_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("skills.id", ondelete="CASCADE"), primary_key=True
    )
    to_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("skills.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    kind: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    weight: Mapped[int]

    __table_args__ = (
        one_of("kind", SkillLinkKind),
        sa.CheckConstraint("from_id <> to_id", name="ends"),
        # One row for a pair that leads both ways.
        sa.CheckConstraint("kind <> 'RELATED' OR from_id < to_id", name="related"),
        sa.CheckConstraint("weight > 0", name="weight"),
    )


class TutorSkill(Base):
    """A skill that a tutor teaches, up to a level, at a rate of its own or the usual one."""

    __tablename__ = "tutor_skills"

    profile_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("tutor_profiles.id", ondelete="CASCADE"), primary_key=True
    )
    skill_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("skills.id", ondelete="RESTRICT"), primary_key=True, index=True
    )
    level: Mapped[str] = mapped_column(sa.String(20))
    rate_amount: Mapped[int | None] = mapped_column(sa.BigInteger)

    __table_args__ = (
        one_of("level", SkillLevel),
        sa.CheckConstraint(f"rate_amount BETWEEN 0 AND {MOST_MONEY}", name="rate"),
    )


class CourseSkill(Base):
    """A skill that a course teaches."""

    __tablename__ = "course_skills"

    course_id: Mapped[UUID] = mapped_column(primary_key=True)
    skill_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("skills.id", ondelete="RESTRICT"), primary_key=True, index=True
    )
