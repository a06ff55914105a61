"""What happens to money after it was received: refunds, transfers to tutors, chargebacks."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.payment.models.base import Base


class RefundKind(StrEnum):
    """Who decided a refund."""

    DECISION = "DECISION"
    REQUEST = "REQUEST"
    CHARGEBACK = "CHARGEBACK"
    UNMATCHED = "UNMATCHED"


class RefundStatus(StrEnum):
    """Where a refund is in its life."""

    PENDING = "PENDING"
    IN_FLIGHT = "IN_FLIGHT"
    SUCCEEDED = "SUCCEEDED"
    # Owed still: a person has to look.
    FAILED = "FAILED"
    # The payer's bank has sent it back.
    RETURNED = "RETURNED"
    # A chargeback came first.
    SUPERSEDED = "SUPERSEDED"


class TransferStatus(StrEnum):
    """Where a transfer is in its life."""

    WAITING = "WAITING"
    IN_FLIGHT = "IN_FLIGHT"
    SUCCEEDED = "SUCCEEDED"
    SKIPPED = "SKIPPED"


class DisputeStatus(StrEnum):
    """Where a chargeback is in its life."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


class Refund(Timestamps, Base):
    """Money that goes back to a payer, divided between tutor, platform and coupon."""

    __tablename__ = "refunds"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"))
    kind: Mapped[str] = mapped_column(sa.String(20))
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    # What is taken from the platform's fee, the tutor's part and the coupon's cost.
    fee_part: Mapped[int] = mapped_column(default=0, server_default="0")
    tutor_part: Mapped[int] = mapped_column(default=0, server_default="0")
    coupon_part: Mapped[int] = mapped_column(default=0, server_default="0")
    # What of the tutor's part was taken back from the tutor's account, or is owed.
    reversed: Mapped[int] = mapped_column(default=0, server_default="0")
    owed: Mapped[int] = mapped_column(default=0, server_default="0")
    reason: Mapped[str | None] = mapped_column(sa.String(500))
    requested_by: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(sa.String(20), default=RefundStatus.PENDING)
    # Part of the provider's idempotency key: a refusal is final for its key.
    turn: Mapped[int] = mapped_column(default=1, server_default="1")
    provider_refund_id: Mapped[str | None] = mapped_column(unique=True)
    dispute_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("disputes.id"), index=True)
    failure_code: Mapped[str | None]
    settled_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("kind", RefundKind),
        one_of("status", RefundStatus),
        sa.CheckConstraint("amount > 0", name="amount"),
        sa.Index("idx_refunds_payment_id", "payment_id", "id"),
        # One at a time, so that the cumulative rule is applied in one order.
        sa.Index(
            "uq_refunds_in_flight",
            "payment_id",
            unique=True,
            postgresql_where=sa.text("status = 'IN_FLIGHT'"),
        ),
    )


class Transfer(Timestamps, Base):
    """The tutor's part on its way to the tutor's account; one for each payment."""

    __tablename__ = "transfers"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"), unique=True)
    payee_id: Mapped[UUID]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    # What is due, what of it went against the tutor's debt, and what was sent.
    amount: Mapped[int] = mapped_column(default=0, server_default="0")
    netted: Mapped[int] = mapped_column(default=0, server_default="0")
    reversed: Mapped[int] = mapped_column(default=0, server_default="0")
    status: Mapped[str] = mapped_column(sa.String(20), default=TransferStatus.WAITING)
    turn: Mapped[int] = mapped_column(default=1, server_default="1")
    # Why it waits: a word of the saga, for the admin who asks.
    waits_for: Mapped[str | None] = mapped_column(sa.String(40))
    provider_transfer_id: Mapped[str | None] = mapped_column(unique=True)
    sent_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("status", TransferStatus),
        sa.CheckConstraint("netted BETWEEN 0 AND amount", name="netted"),
        sa.CheckConstraint("reversed BETWEEN 0 AND amount - netted", name="reversed"),
        sa.Index("idx_transfers_payee_id", "payee_id", "id"),
    )

    @property
    def sent(self) -> int:
        """What went to the tutor's account."""
        return self.amount - self.netted


class Dispute(Timestamps, Base):
    """A chargeback: the payer's bank took money back, for now or for good."""

    __tablename__ = "disputes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"), index=True)
    provider_dispute_id: Mapped[str] = mapped_column(unique=True)
    amount: Mapped[int]
    # What of it was not refunded before: only that is the tutor's and the platform's to bear.
    counted: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    reason: Mapped[str | None] = mapped_column(sa.String(100))
    status: Mapped[str] = mapped_column(sa.String(20), default=DisputeStatus.OPEN)
    evidence: Mapped[str | None]
    evidence_due_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("status", DisputeStatus),
        sa.CheckConstraint("counted BETWEEN 0 AND amount", name="counted"),
    )
