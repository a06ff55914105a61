"""The registry of matching's tables, and what all of them use."""

from enum import StrEnum

from sqlalchemy.orm import DeclarativeBase

from shared.db import TYPES, new_metadata
from shared.idempotency import add_idempotency_table
from shared.outbox import add_event_tables


class Base(DeclarativeBase):
    """Matching's own table registry."""

    metadata = new_metadata()
    type_annotation_map = TYPES


add_event_tables(Base.metadata)
add_idempotency_table(Base.metadata)


class SkillLevel(StrEnum):
    """How far somebody is in a skill, from the lowest."""

    BEGINNER = "BEGINNER"
    INTERMEDIATE = "INTERMEDIATE"
    ADVANCED = "ADVANCED"

    @property
    def and_below(self) -> list["SkillLevel"]:
        """The levels up to this one."""
        levels = list(SkillLevel)
        return levels[: levels.index(self) + 1]
