"""Coupons and who used them."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps
from shared.ids import new_id
from subgraphs.payment.models.base import Base


class Coupon(Timestamps, Base):
    """A discount of the platform (no owner) or of a tutor."""

    __tablename__ = "coupons"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(sa.String(40), unique=True)
    owner_id: Mapped[UUID | None] = mapped_column(index=True)
    percent_off: Mapped[int | None] = mapped_column(sa.Integer)
    amount_off: Mapped[int | None]
    currency: Mapped[str | None] = mapped_column(sa.CHAR(3))
    # What it is good for; each that is given must hold.
    payable_type: Mapped[str | None] = mapped_column(sa.String(20))
    payable_id: Mapped[UUID | None]
    tutor_id: Mapped[UUID | None]
    most_uses: Mapped[int | None]
    most_uses_per_user: Mapped[int | None]
    uses: Mapped[int] = mapped_column(default=0, server_default="0")
    expires_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        sa.CheckConstraint(
            "(percent_off IS NULL) <> (amount_off IS NULL)"
            " AND (amount_off IS NULL) = (currency IS NULL)",
            name="discount",
        ),
        sa.CheckConstraint("percent_off BETWEEN 1 AND 100", name="percent"),
        sa.CheckConstraint("amount_off > 0", name="amount"),
        sa.CheckConstraint("uses >= 0 AND (most_uses IS NULL OR uses <= most_uses)", name="uses"),
    )


class CouponRedemption(Base):
    """One use of a coupon by a payment; released when the payment is given up."""

    __tablename__ = "coupon_redemptions"

    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"), primary_key=True)
    coupon_id: Mapped[UUID] = mapped_column(sa.ForeignKey("coupons.id"))
    user_id: Mapped[UUID]
    redeemed_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())
    released_at: Mapped[datetime | None]

    __table_args__ = (sa.Index("idx_coupon_redemptions_coupon_id", "coupon_id", "user_id"),)
