"""Tutors' accounts at the provider, and what is paid out of them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.payment.models.base import Base


class PayoutAccountStatus(StrEnum):
    """What the provider says of a tutor's account."""

    ONBOARDING = "ONBOARDING"
    ENABLED = "ENABLED"
    RESTRICTED = "RESTRICTED"


class PayoutStatus(StrEnum):
    """Where a payout is in its life."""

    PENDING = "PENDING"
    IN_TRANSIT = "IN_TRANSIT"
    PAID = "PAID"
    FAILED = "FAILED"


class PayoutAccount(Timestamps, Base):
    """A tutor's account at the provider; links to its pages are never stored."""

    __tablename__ = "payout_accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(unique=True)
    provider_account_id: Mapped[str | None] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(sa.String(20), default=PayoutAccountStatus.ONBOARDING)
    charges_enabled: Mapped[bool] = mapped_column(default=False, server_default="false")
    payouts_enabled: Mapped[bool] = mapped_column(default=False, server_default="false")
    # How many things the provider still wants to know.
    requirements_due: Mapped[int] = mapped_column(default=0, server_default="0")
    enabled_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=0, server_default="0")

    __table_args__ = (one_of("status", PayoutAccountStatus),)


class Payout(Timestamps, Base):
    """Money on its way from a tutor's account to the tutor's bank."""

    __tablename__ = "payouts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID]
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    # The ISO week of a scheduled payout; None of one that was asked for.
    period: Mapped[str | None] = mapped_column(sa.String(8))
    status: Mapped[str] = mapped_column(sa.String(20), default=PayoutStatus.PENDING)
    provider_payout_id: Mapped[str | None] = mapped_column(unique=True)
    failure_code: Mapped[str | None]
    settled_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")

    __table_args__ = (
        one_of("status", PayoutStatus),
        sa.CheckConstraint("amount > 0", name="amount"),
        sa.UniqueConstraint("user_id", "currency", "period"),
        sa.Index("idx_payouts_user_id", "user_id", sa.text("id DESC")),
    )
