"""Payments, what they are for, their history and their audit log."""

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


class PayableType(StrEnum):
    """What can be paid for."""

    LESSON = "LESSON"
    COURSE = "COURSE"


class PayableStatus(StrEnum):
    """What learning last said of a purchase."""

    UNKNOWN = "UNKNOWN"
    RESERVED = "RESERVED"
    ACTIVE = "ACTIVE"
    DONE = "DONE"
    DISPUTED = "DISPUTED"
    CANCELLED = "CANCELLED"
    RELEASED = "RELEASED"


class PaymentStatus(StrEnum):
    """Where a payment is in its life."""

    PENDING = "PENDING"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    CANCELLED = "CANCELLED"


class PayableRef(Timestamps, Base):
    """What payment knows of one purchase: facts once known stay, the state is the newest."""

    __tablename__ = "payable_refs"

    purchase_id: Mapped[UUID] = mapped_column(primary_key=True)
    payable_type: Mapped[str] = mapped_column(sa.String(20))
    payable_id: Mapped[UUID]
    payer_id: Mapped[UUID]
    payee_id: Mapped[UUID | None]
    price_amount: Mapped[int | None]
    price_currency: Mapped[str | None] = mapped_column(sa.CHAR(3))
    expires_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(sa.String(20), default=PayableStatus.UNKNOWN)
    # What the payer gets back in all, in basis points; None while nothing is decided.
    refund_bps: Mapped[int | None]
    # When the tutor's part may leave; None until the lesson is over or the course begun.
    transfer_due_at: Mapped[datetime | None]
    # Of the newest event applied; 0 is a stub.
    version: Mapped[int] = mapped_column(default=0, server_default="0")

    __table_args__ = (
        one_of("payable_type", PayableType),
        one_of("status", PayableStatus),
        sa.CheckConstraint("refund_bps BETWEEN 0 AND 10000", name="refund_bps"),
        sa.Index("idx_payable_refs_payable_id", "payable_id", "payer_id"),
    )


class Payment(Timestamps, Base):
    """The state of a payment, which its history adds up to (`service/history.py`)."""

    __tablename__ = "payments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payable_type: Mapped[str] = mapped_column(sa.String(20))
    payable_id: Mapped[UUID]
    purchase_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payable_refs.purchase_id"))
    attempt: Mapped[int]
    payer_id: Mapped[UUID]
    payee_id: Mapped[UUID]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    price: Mapped[int]
    # What the payer pays: the price without what a coupon takes off.
    amount: Mapped[int]
    # What the platform adds for the payer: the discount of a coupon of its own.
    coupon_cost: Mapped[int] = mapped_column(default=0, server_default="0")
    fee_bps: Mapped[int]
    platform_fee: Mapped[int]
    coupon_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("coupons.id"), index=True)
    status: Mapped[str] = mapped_column(sa.String(20), default=PaymentStatus.PENDING)

    refund_pending: Mapped[int] = mapped_column(default=0, server_default="0")
    refunded_total: Mapped[int] = mapped_column(default=0, server_default="0")
    fee_refunded_total: Mapped[int] = mapped_column(default=0, server_default="0")
    coupon_refunded_total: Mapped[int] = mapped_column(default=0, server_default="0")
    disputed_total: Mapped[int] = mapped_column(default=0, server_default="0")
    transferred_total: Mapped[int] = mapped_column(default=0, server_default="0")
    reversed_total: Mapped[int] = mapped_column(default=0, server_default="0")

    provider_intent_id: Mapped[str | None] = mapped_column(unique=True)
    provider_charge_id: Mapped[str | None] = mapped_column(unique=True)
    provider_customer_id: Mapped[str | None]
    # For the payer's browser alone: in no event, no log, no history.
    client_secret: Mapped[str | None]
    failure_code: Mapped[str | None]
    # Why a person has to look, if one has to.
    attention: Mapped[str | None]
    succeeded_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=0, server_default="0")

    __table_args__ = (
        one_of("payable_type", PayableType),
        one_of("status", PaymentStatus),
        sa.CheckConstraint("amount > 0 AND price >= amount", name="amount"),
        sa.CheckConstraint("coupon_cost BETWEEN 0 AND price - amount", name="coupon_cost"),
        sa.CheckConstraint("fee_bps BETWEEN 0 AND 10000", name="fee_bps"),
        sa.CheckConstraint("platform_fee BETWEEN 0 AND amount + coupon_cost", name="platform_fee"),
        sa.CheckConstraint(
            "refunded_total >= 0 AND refund_pending >= 0 AND disputed_total >= 0"
            " AND refunded_total + refund_pending + disputed_total <= amount",
            name="refunded",
        ),
        sa.CheckConstraint(
            "fee_refunded_total BETWEEN 0 AND platform_fee"
            " AND coupon_refunded_total BETWEEN 0 AND coupon_cost",
            name="parts_refunded",
        ),
        sa.CheckConstraint(
            "transferred_total BETWEEN 0 AND amount + coupon_cost - platform_fee"
            " AND reversed_total BETWEEN 0 AND transferred_total",
            name="transferred",
        ),
        sa.UniqueConstraint("purchase_id", "attempt"),
        # One purchase is paid once: only a payment that was given up makes room for another.
        sa.Index(
            "uq_payments_live",
            "purchase_id",
            unique=True,
            postgresql_where=sa.text("status <> 'CANCELLED'"),
        ),
        sa.Index("idx_payments_payer_id", "payer_id", sa.text("id DESC")),
        sa.Index("idx_payments_payee_id", "payee_id", sa.text("id DESC")),
        sa.Index("idx_payments_payable_id", "payable_id", sa.text("id DESC")),
        sa.Index(
            "idx_payments_attention",
            sa.text("id DESC"),
            postgresql_where=sa.text("attention IS NOT NULL"),
        ),
    )

    @property
    def tutor_part(self) -> int:
        """What the tutor gets when nothing is refunded."""
        return self.amount + self.coupon_cost - self.platform_fee

    @property
    def tutor_refunded_total(self) -> int:
        """What of the tutor's part has gone back to payers."""
        return self.refunded_total - self.fee_refunded_total + self.coupon_refunded_total

    @property
    def refundable(self) -> int:
        """What can still be given back: neither refunded, nor asked for, nor disputed."""
        return self.amount - self.refunded_total - self.refund_pending - self.disputed_total


class PaymentEvent(Base):
    """One thing that happened to a payment; append-only, the source of the payment's state."""

    __tablename__ = "payment_events"

    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(sa.String(40))
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    occurred_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())


class AuditEntry(Base):
    """Who changed what; `changed_by` is a user, or the system with what made it act."""

    __tablename__ = "payment_audit_log"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    # The payment, or the payout, account or coupon that changed.
    subject_type: Mapped[str] = mapped_column(sa.String(20))
    subject_id: Mapped[UUID]
    action: Mapped[str] = mapped_column(sa.String(100))
    old_value: Mapped[dict[str, Any]] = mapped_column(JSONB)
    new_value: Mapped[dict[str, Any]] = mapped_column(JSONB)
    changed_by: Mapped[str] = mapped_column(sa.String(200))
    changed_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())

    __table_args__ = (sa.Index("idx_payment_audit_log_subject_id", "subject_id", "id"),)
