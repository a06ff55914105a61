"""Double entry: every movement of money is a transaction whose entries sum to zero."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.payment.models.base import Base


class Account(StrEnum):
    """The accounts; what the platform has is positive, what it owes or earns negative."""

    PROVIDER_BALANCE = "PROVIDER_BALANCE"
    HELD_FOR_TUTORS = "HELD_FOR_TUTORS"
    PLATFORM_FEES = "PLATFORM_FEES"
    COUPON_COST = "COUPON_COST"
    TUTOR_FUNDS = "TUTOR_FUNDS"
    TUTOR_PAYABLE = "TUTOR_PAYABLE"
    TUTOR_DEBT = "TUTOR_DEBT"
    DISPUTED = "DISPUTED"
    DISPUTE_LOSSES = "DISPUTE_LOSSES"
    UNMATCHED_RECEIPTS = "UNMATCHED_RECEIPTS"


class TransactionKind(StrEnum):
    """Why money moved."""

    PAYMENT = "PAYMENT"
    REFUND = "REFUND"
    REFUND_RETURNED = "REFUND_RETURNED"
    TRANSFER = "TRANSFER"
    TRANSFER_REVERSAL = "TRANSFER_REVERSAL"
    DISPUTE = "DISPUTE"
    DISPUTE_WON = "DISPUTE_WON"
    DISPUTE_LOST = "DISPUTE_LOST"
    CHARGEBACK = "CHARGEBACK"
    PAYOUT = "PAYOUT"
    PAYOUT_RETURNED = "PAYOUT_RETURNED"
    UNMATCHED = "UNMATCHED"
    UNMATCHED_REFUND = "UNMATCHED_REFUND"


class Transaction(Base):
    """One movement of money; of one kind there is one for one cause."""

    __tablename__ = "transactions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(sa.String(20))
    # The payment, refund, transfer, dispute or payout that is its cause.
    cause_id: Mapped[UUID]
    # A cause may move money more than once (a refund that came back and went again).
    turn: Mapped[int] = mapped_column(default=1, server_default="1")
    payment_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("payments.id"), index=True)
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    provider_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())

    __table_args__ = (
        one_of("kind", TransactionKind),
        sa.UniqueConstraint("kind", "cause_id", "turn"),
        sa.Index("idx_transactions_created_at", "created_at"),
    )


class LedgerEntry(Base):
    """One line of a transaction; append-only. A deferred trigger keeps each sum at zero."""

    __tablename__ = "ledger_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    transaction_id: Mapped[UUID] = mapped_column(sa.ForeignKey("transactions.id"), index=True)
    account: Mapped[str] = mapped_column(sa.String(20))
    # The tutor, on the accounts that are kept by tutor.
    party_id: Mapped[UUID | None]
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())

    __table_args__ = (
        one_of("account", Account),
        sa.CheckConstraint("amount <> 0", name="amount"),
        sa.Index("idx_ledger_entries_account", "account", "currency", "created_at"),
        sa.Index("idx_ledger_entries_party_id", "party_id", "created_at"),
    )


class TutorBalance(Timestamps, Base):
    """A tutor's money in one currency; the row is the lock of transfers and payouts."""

    __tablename__ = "tutor_balances"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(sa.CHAR(3), primary_key=True)
    # On the tutor's account at the provider, before payouts: transfers less reversals.
    transferred: Mapped[int] = mapped_column(default=0, server_default="0")
    paid_out: Mapped[int] = mapped_column(default=0, server_default="0")
    pending: Mapped[int] = mapped_column(default=0, server_default="0")
    # What the tutor owes: refunds that could not be taken back from the account.
    debt: Mapped[int] = mapped_column(default=0, server_default="0")

    __table_args__ = (
        sa.CheckConstraint("transferred >= 0 AND paid_out >= 0", name="totals"),
        sa.CheckConstraint("pending >= 0 AND debt >= 0", name="pending"),
    )
