"""The registry of identity's tables, and what all of them use."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.db import TYPES, new_metadata
from shared.idempotency import add_idempotency_table
from shared.outbox import add_event_tables

now = sa.func.clock_timestamp


def user_id_column(*, index: bool = True) -> Mapped[UUID]:
    """Whose row it is; the row goes with the user."""
    return mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=index)


class Base(DeclarativeBase):
    """The registry of identity's tables."""

    metadata = new_metadata()
    type_annotation_map = TYPES


add_event_tables(Base.metadata)
add_idempotency_table(Base.metadata)
