"""What can be paid for: the references that learning's events keep, whatever their order."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import WriteSession
from shared.events.learning import (
    EnrollmentActivated,
    EnrollmentCancelled,
    LessonState,
    SeatReleased,
    SeatReserved,
)
from subgraphs.payment.models import PayableRef, PayableStatus, PayableType, Payment, PaymentStatus
from subgraphs.payment.service import history, settlement, users

ACTOR = "system:learning"
_LESSONS = {
    "PENDING_PAYMENT": PayableStatus.RESERVED,
    "SCHEDULED": PayableStatus.ACTIVE,
    "IN_PROGRESS": PayableStatus.ACTIVE,
    "COMPLETED": PayableStatus.DONE,
    "NO_SHOW_STUDENT": PayableStatus.DONE,
    "NO_SHOW_TUTOR": PayableStatus.CANCELLED,
    "CANCELLED_BY_STUDENT": PayableStatus.CANCELLED,
    "CANCELLED_BY_TUTOR": PayableStatus.CANCELLED,
    "CANCELLED_BY_SYSTEM": PayableStatus.CANCELLED,
    "EXPIRED": PayableStatus.RELEASED,
    "DISPUTED": PayableStatus.DISPUTED,
}


async def lesson_changed(session: WriteSession, event: LessonState) -> None:
    """Keep the newest state of a lesson, and settle its payment."""
    # A group lesson belongs to a course, which is what is paid for.
    if event.kind == "GROUP" or len(event.student_ids) != 1:
        return
    ref = await _lock(
        session,
        event.lesson_id,
        payable_type=PayableType.LESSON,
        payable_id=event.lesson_id,
        payer_id=event.student_ids[0],
    )
    if ref.version >= event.version:
        return
    ref.payee_id = event.tutor_id
    ref.price_amount = event.price_amount
    ref.price_currency = event.price_currency
    ref.expires_at = event.hold_expires_at
    ref.status = _LESSONS[event.status]
    ref.refund_bps = event.refund_bps
    ref.transfer_due_at = event.dispute_until if ref.status == PayableStatus.DONE else None
    ref.version = event.version
    await users.meet(session, ref.payer_id, event.tutor_id)
    await _settle(session, ref)


async def seat_reserved(session: WriteSession, event: SeatReserved) -> None:
    """Keep what a seat costs and until when it is held; facts count however late they are."""
    ref = await _lock_course(session, event.purchase_id, event.course_id, event.student_id)
    ref.payee_id = event.tutor_id
    ref.price_amount = event.price_amount
    ref.price_currency = event.price_currency
    ref.expires_at = event.expires_at
    if ref.version < event.version:
        ref.status = PayableStatus.RESERVED
        ref.version = event.version
    await users.meet(session, ref.payer_id, event.tutor_id)
    await _settle(session, ref)


async def seat_taken(session: WriteSession, event: EnrollmentActivated) -> None:
    """A purchase is complete: the tutor is paid when it cannot be given back any more."""
    if event.purchase_id is None:
        return
    ref = await _lock_course(session, event.purchase_id, event.course_id, event.student_id)
    if ref.version < event.version:
        ref.status = PayableStatus.ACTIVE
        ref.transfer_due_at = event.refund_until
        ref.version = event.version
        await _settle(session, ref)


async def seat_given_back(session: WriteSession, event: EnrollmentCancelled | SeatReleased) -> None:
    """A purchase is over, with or without a refund."""
    if event.purchase_id is None:
        return
    ref = await _lock_course(session, event.purchase_id, event.course_id, event.student_id)
    if ref.version < event.version:
        released = isinstance(event, SeatReleased)
        ref.status = PayableStatus.RELEASED if released else PayableStatus.CANCELLED
        ref.refund_bps = event.refund_bps
        if not released and event.refund_bps is None:
            # Given back without a refund: the tutor keeps the whole part.
            ref.refund_bps = 0
        ref.version = event.version
        await _settle(session, ref)


async def _lock_course(
    session: WriteSession, purchase_id: UUID, course_id: UUID, student_id: UUID
) -> PayableRef:
    return await _lock(
        session,
        purchase_id,
        payable_type=PayableType.COURSE,
        payable_id=course_id,
        payer_id=student_id,
    )


async def _lock(
    session: WriteSession,
    purchase_id: UUID,
    *,
    payable_type: PayableType,
    payable_id: UUID,
    payer_id: UUID,
) -> PayableRef:
    """The reference of a purchase, a stub when it is new, locked before its payment."""
    await session.execute(
        insert(PayableRef)
        .values(
            purchase_id=purchase_id,
            payable_type=payable_type,
            payable_id=payable_id,
            payer_id=payer_id,
            status=PayableStatus.UNKNOWN,
        )
        .on_conflict_do_nothing()
    )
    return await session.get_one(
        PayableRef, purchase_id, with_for_update=True, populate_existing=True
    )


async def _settle(session: WriteSession, ref: PayableRef) -> None:
    await session.flush()
    payment_id = await session.scalar(
        sa.select(Payment.id).where(
            Payment.purchase_id == ref.purchase_id, Payment.status != PaymentStatus.CANCELLED
        )
    )
    payment = await history.lock(session, payment_id) if payment_id else None
    if payment is not None:
        await settlement.settle(session, payment, actor=ACTOR)
