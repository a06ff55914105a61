"""The registry of learning's tables, and what all of them use."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from shared.db import TYPES, new_metadata
from shared.idempotency import add_idempotency_table
from shared.outbox import add_event_tables
from shared.references import UserRefColumns
from shared.saga import add_saga_table


class Base(DeclarativeBase):
    """Learning's own table registry."""

    metadata = new_metadata()
    type_annotation_map = TYPES


add_event_tables(Base.metadata)
add_idempotency_table(Base.metadata)
add_saga_table(Base.metadata)


ALIVE: dict[str, Any] = {"postgresql_where": sa.text("deleted_at IS NULL")}


class UserRef(UserRefColumns, Base):
    """What learning knows of a user."""

    __tablename__ = "user_refs"
