"""Enrolments, progress, the waitlist and certificates."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.learning.models.base import Base


class EnrollmentStatus(StrEnum):
    """Where an enrolment is in its life."""

    PENDING_PAYMENT = "PENDING_PAYMENT"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class WaitlistStatus(StrEnum):
    """Where a place on a waitlist is in its life."""

    WAITING = "WAITING"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    EXPIRED = "EXPIRED"
    LEFT = "LEFT"


# With one of these a student has a seat; before, it is only held.
SEATED = (EnrollmentStatus.ACTIVE, EnrollmentStatus.COMPLETED)


class Enrollment(Timestamps, Base):
    """A student in a course; a cancelled row is revived, never doubled."""

    __tablename__ = "enrollments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    course_id: Mapped[UUID] = mapped_column(sa.ForeignKey("courses.id", ondelete="RESTRICT"))
    student_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(sa.String(20), default=EnrollmentStatus.ACTIVE)
    enrolled_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())
    completed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    # The purchase that the seat is held or was paid by; NULL for a free seat.
    purchase_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("course_purchases.id", ondelete="RESTRICT"), unique=True
    )
    version: Mapped[int] = mapped_column(sa.BigInteger, default=1, server_default="1")

    __table_args__ = (
        sa.UniqueConstraint("course_id", "student_id"),
        one_of("status", EnrollmentStatus),
        sa.CheckConstraint(
            "(status = 'PENDING_PAYMENT') <= (purchase_id IS NOT NULL)", name="purchase"
        ),
        sa.Index("idx_enrollments_student_id", "student_id", sa.text("id DESC")),
    )


class CoursePurchase(Timestamps, Base):
    """One try to buy a seat: it is held until `hold_expires_at`, then paid or given up."""

    __tablename__ = "course_purchases"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    course_id: Mapped[UUID] = mapped_column(sa.ForeignKey("courses.id", ondelete="RESTRICT"))
    student_id: Mapped[UUID]
    price_amount: Mapped[int] = mapped_column(sa.BigInteger)
    price_currency: Mapped[str] = mapped_column(sa.CHAR(3))
    hold_expires_at: Mapped[datetime]
    # As they were on the day: what the seat can be given back for, and how long the next waits.
    refund_days: Mapped[int]
    offer_hours: Mapped[int]
    paid_at: Mapped[datetime | None]
    refund_until: Mapped[datetime | None]
    refund_bps: Mapped[int | None]

    __table_args__ = (
        sa.CheckConstraint("price_amount BETWEEN 1 AND 9007199254740991", name="price"),
        sa.CheckConstraint("refund_bps BETWEEN 0 AND 10000", name="refund"),
        sa.Index("idx_course_purchases_course_id_student_id", "course_id", "student_id"),
    )


class UnitProgress(Base):
    """A unit that a student has completed."""

    __tablename__ = "unit_progress"

    enrollment_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("enrollments.id", ondelete="CASCADE"), primary_key=True
    )
    unit_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("course_units.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    completed_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())


class WaitlistEntry(Timestamps, Base):
    """A student who waits for a seat, or is offered one until `offer_expires_at`."""

    __tablename__ = "waitlist_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    course_id: Mapped[UUID] = mapped_column(sa.ForeignKey("courses.id", ondelete="CASCADE"))
    student_id: Mapped[UUID] = mapped_column(index=True)
    status: Mapped[str] = mapped_column(sa.String(20), default=WaitlistStatus.WAITING)
    offer_expires_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(sa.BigInteger, default=1, server_default="1")

    __table_args__ = (
        one_of("status", WaitlistStatus),
        sa.CheckConstraint("(status = 'OFFERED') <= (offer_expires_at IS NOT NULL)", name="offer"),
        sa.Index(
            "uq_waitlist_entries_live",
            "course_id",
            "student_id",
            unique=True,
            postgresql_where=sa.text("status IN ('WAITING', 'OFFERED')"),
        ),
        # By the database's clock: ids are made by processes whose clocks may differ.
        sa.Index(
            "idx_waitlist_entries_queue",
            "course_id",
            "created_at",
            "id",
            postgresql_where=sa.text("status = 'WAITING'"),
        ),
        sa.Index(
            "idx_waitlist_entries_offers",
            "offer_expires_at",
            postgresql_where=sa.text("status = 'OFFERED'"),
        ),
    )


class Certificate(Base):
    """Proof of a completed course; names are as they were on the day."""

    __tablename__ = "certificates"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    enrollment_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("enrollments.id", ondelete="RESTRICT"), unique=True
    )
    course_id: Mapped[UUID] = mapped_column(sa.ForeignKey("courses.id", ondelete="RESTRICT"))
    student_id: Mapped[UUID]
    code: Mapped[str] = mapped_column(sa.String(32), unique=True)
    student_name: Mapped[str]
    course_title: Mapped[str]
    issued_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())

    __table_args__ = (
        sa.Index("idx_certificates_student_id", "student_id", sa.text("id DESC")),
        sa.Index("idx_certificates_course_id", "course_id"),
    )
