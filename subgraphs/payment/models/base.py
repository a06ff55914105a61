"""The registry of payment's tables, and what all of them use."""

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from shared.db import TYPES, new_metadata
from shared.idempotency import add_idempotency_table
from shared.outbox import add_event_tables
from shared.references import UserRefColumns
from shared.saga import add_saga_table


class Base(DeclarativeBase):
    """Payment's own table registry."""

    metadata = new_metadata()
    type_annotation_map = {**TYPES, int: sa.BigInteger()}


add_event_tables(Base.metadata)
add_idempotency_table(Base.metadata)
add_saga_table(Base.metadata)


class UserRef(UserRefColumns, Base):
    """What payment knows of a user: the name stands on invoices."""

    __tablename__ = "user_refs"
