"""The registry of payment's tables, and what all of them use."""

from collections.abc import Iterable
from enum import StrEnum

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


def one_of(column: str, values: type[StrEnum]) -> sa.CheckConstraint:
    """A constraint that keeps a column to the values of an enum."""
    return sa.CheckConstraint(f"{column} IN ({_listed(values)})", name=column)


def _listed(values: Iterable[StrEnum]) -> str:
    return ", ".join(f"'{value}'" for value in values)


class UserRef(UserRefColumns, Base):
    """What payment knows of a user: the name stands on invoices."""

    __tablename__ = "user_refs"
