"""What belongs to the provider's side: customers, saved methods, notifications, differences."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.payment.models.base import Base


class WebhookStatus(StrEnum):
    """What became of a notification."""

    APPLIED = "APPLIED"
    IGNORED = "IGNORED"
    WAITING = "WAITING"


class Customer(Base):
    """A user's record at the provider, to which saved methods belong."""

    __tablename__ = "customers"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_customer_id: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())


class SavedMethod(Timestamps, Base):
    """A card that a user has saved; the number is the provider's alone."""

    __tablename__ = "saved_methods"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID]
    provider_method_id: Mapped[str] = mapped_column(unique=True)
    brand: Mapped[str] = mapped_column(sa.String(40))
    last4: Mapped[str] = mapped_column(sa.String(4))
    expires_month: Mapped[int]
    expires_year: Mapped[int]
    removed_at: Mapped[datetime | None]

    __table_args__ = (
        sa.Index(
            "idx_saved_methods_user_id",
            "user_id",
            sa.text("id DESC"),
            postgresql_where=sa.text("removed_at IS NULL"),
        ),
    )


class WebhookEvent(Timestamps, Base):
    """A notification of the provider, kept without personal data; each counts once."""

    __tablename__ = "webhook_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    source: Mapped[str] = mapped_column(sa.String(20))
    external_id: Mapped[str] = mapped_column(sa.String(255))
    type: Mapped[str] = mapped_column(sa.String(100))
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    happened_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(sa.String(20))

    __table_args__ = (
        one_of("status", WebhookStatus),
        sa.UniqueConstraint("source", "external_id"),
    )


class ReconciliationDifference(Base):
    """The ledger and the provider disagree; a person decides which of them is right."""

    __tablename__ = "reconciliation_differences"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(sa.String(20))
    provider_id: Mapped[str]
    payment_id: Mapped[UUID | None]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    # What the ledger and the provider say; None where one of them knows nothing of it.
    booked: Mapped[int | None]
    found: Mapped[int | None]
    detected_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())
    resolved_at: Mapped[datetime | None]

    __table_args__ = (sa.UniqueConstraint("kind", "provider_id"),)
