"""Invoices and credit notes with gapless numbers."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import one_of
from shared.ids import new_id
from subgraphs.payment.models.base import Base


class InvoiceKind(StrEnum):
    """What a document says."""

    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"


class InvoiceCounter(Base):
    """The last number of a series in a year; locked until the number's transaction ends."""

    __tablename__ = "invoice_counters"

    series: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    year: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    last: Mapped[int]


class Invoice(Base):
    """A document with its number; names are as they were on the day."""

    __tablename__ = "invoices"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(sa.String(20))
    series: Mapped[str] = mapped_column(sa.String(10))
    year: Mapped[int] = mapped_column(sa.Integer)
    serial: Mapped[int]
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"))
    refund_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("refunds.id"), unique=True)
    payer_id: Mapped[UUID]
    payee_id: Mapped[UUID]
    payer_name: Mapped[str]
    payee_name: Mapped[str]
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    issued_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())

    __table_args__ = (
        one_of("kind", InvoiceKind),
        sa.UniqueConstraint("series", "year", "serial"),
        sa.CheckConstraint("serial > 0 AND amount > 0", name="serial"),
        sa.CheckConstraint("(kind = 'CREDIT_NOTE') = (refund_id IS NOT NULL)", name="refund"),
        sa.Index(
            "uq_invoices_payment_id",
            "payment_id",
            unique=True,
            postgresql_where=sa.text("kind = 'INVOICE'"),
        ),
        sa.Index("idx_invoices_payer_id", "payer_id", sa.text("id DESC")),
        sa.Index("idx_invoices_payee_id", "payee_id", sa.text("id DESC")),
        sa.Index("idx_invoices_payment", "payment_id"),
    )

    @property
    def number(self) -> str:
        """The number as people read it."""
        return f"{self.series}-{self.year}-{self.serial:06d}"
