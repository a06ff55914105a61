"""Buying a seat: it is held while the student pays, then taken, or given back exactly once.

A held seat counts in `held_seats`, a paid one in `current_students`. Everything here runs under the
lock of the course's row.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from shared import saga
from shared.db import ReadSession, WriteSession, database_now, utc_now
from shared.errors import Conflict
from shared.events.learning import EnrollmentActivated, SeatReleased, SeatReserved
from shared.lookup import ByKey
from shared.outbox import publish
from shared.saga import SagaState
from shared.telemetry import log
from shared.viewer import Viewer
from subgraphs.learning.config import Settings
from subgraphs.learning.models import (
    Course,
    CoursePurchase,
    CourseStatus,
    Enrollment,
    EnrollmentStatus,
)
from subgraphs.learning.service import groups, users, waitlist
from subgraphs.learning.service.booking import AWAIT_PAYMENT, FULL_REFUND
from subgraphs.learning.service.seats import AlreadyEnrolled, CourseFull, lock_open_course

COURSE_PURCHASE = "course_purchase"


class CourseIsFree(Conflict):
    """A free course is not bought: enrol instead."""

    code = "COURSE_IS_FREE"


async def purchase_course(
    session: WriteSession, viewer: Viewer, course_id: UUID, *, settings: Settings
) -> Enrollment:
    """Hold a seat while the student pays. Raises CourseFull, AlreadyEnrolled, CourseIsFree, …"""
    student_id = await users.require_verified(session, viewer)
    course = await lock_open_course(session, viewer, course_id)
    if course.price_amount == 0:
        raise CourseIsFree("This course is free: enrol instead.")
    row = await _enrollment(session, course.id, student_id)
    if row is not None:
        await _end_stale_hold(session, course, row)
        if row.status != EnrollmentStatus.CANCELLED:
            raise AlreadyEnrolled("You are enrolled already, or paying.")
    offered = await waitlist.take_offer(session, course, student_id)
    if not offered and course.seats_left <= 0:
        raise CourseFull(f"All {course.max_students} seats are taken.")
    expires_at = await database_now(session) + timedelta(seconds=settings.hold_seconds)
    purchase = CoursePurchase(
        course_id=course.id,
        student_id=student_id,
        price_amount=course.price_amount,
        price_currency=course.price_currency,
        hold_expires_at=expires_at,
        refund_days=settings.refund_days,
        offer_hours=settings.waitlist_offer_hours,
    )
    session.add(purchase)
    await session.flush()
    if row is None:
        row = Enrollment(
            course_id=course.id,
            student_id=student_id,
            status=EnrollmentStatus.PENDING_PAYMENT,
            purchase_id=purchase.id,
        )
        session.add(row)
    else:
        row.status = EnrollmentStatus.PENDING_PAYMENT
        row.purchase_id = purchase.id
        row.enrolled_at = await database_now(session)
        row.cancelled_at = None
        row.version += 1
    course.held_seats += 1
    await session.flush()
    publish(
        session,
        SeatReserved(
            enrollment_id=row.id,
            course_id=course.id,
            student_id=student_id,
            purchase_id=purchase.id,
            tutor_id=course.tutor_id,
            price_amount=purchase.price_amount,
            price_currency=purchase.price_currency,
            expires_at=expires_at,
            version=row.version,
        ),
    )
    await saga.start(
        session, COURSE_PURCHASE, id=purchase.id, step=AWAIT_PAYMENT, deadline=expires_at
    )
    return row


async def _end_stale_hold(session: WriteSession, course: Course, row: Enrollment) -> None:
    """End the student's own hold that has run out, before the worker has seen it."""
    if row.status != EnrollmentStatus.PENDING_PAYMENT or row.purchase_id is None:
        return
    purchase = await session.get_one(CoursePurchase, row.purchase_id)
    if purchase.hold_expires_at <= await database_now(session):
        await _release(session, course, row, purchase)


async def release_seat(session: WriteSession, purchase_id: UUID) -> None:
    """Give a held seat to the next in line; one that is not held any more stays as it is."""
    course, row, purchase = await lock_purchase(session, purchase_id)
    if row.purchase_id == purchase.id and row.status == EnrollmentStatus.PENDING_PAYMENT:
        await _release(session, course, row, purchase)


async def _release(
    session: WriteSession, course: Course, row: Enrollment, purchase: CoursePurchase
) -> None:
    row.status = EnrollmentStatus.CANCELLED
    row.cancelled_at = await database_now(session)
    course.held_seats -= 1
    await _tell_released(session, row, purchase)
    await waitlist.offer_free_seats(session, course, offer_hours=purchase.offer_hours)


async def _tell_released(session: WriteSession, row: Enrollment, purchase: CoursePurchase) -> None:
    row.version += 1
    await session.flush()
    publish(
        session,
        SeatReleased(
            enrollment_id=row.id,
            course_id=row.course_id,
            student_id=row.student_id,
            purchase_id=purchase.id,
            refund_bps=purchase.refund_bps,
            version=row.version,
        ),
    )


async def cancel_purchase(session: WriteSession, course: Course, row: Enrollment) -> None:
    """Give up paying; whatever arrives later goes back."""
    purchase = await session.get_one(CoursePurchase, row.purchase_id)
    purchase.refund_bps = FULL_REFUND
    await _release(session, course, row, purchase)
    instance = await saga.lock(session, purchase.id)
    if instance is not None and instance.state is SagaState.RUNNING:
        # It finds at once that there is nothing left to wait for.
        await saga.advance(session, instance, instance.step, deadline=utc_now())


async def confirm_purchase(session: WriteSession, purchase_id: UUID) -> None:
    """The payment has arrived, once: the seat is taken, or the money goes back.

    After the hold has run out a seat is taken if one is free and held for nobody else.
    """
    if await session.get(CoursePurchase, purchase_id) is None:
        log.error("payment for an unknown purchase", purchase_id=str(purchase_id))
        return
    course, row, purchase = await lock_purchase(session, purchase_id)
    if purchase.paid_at is not None:
        return
    now = await database_now(session)
    purchase.paid_at = now
    if row.purchase_id == purchase.id and row.status == EnrollmentStatus.PENDING_PAYMENT:
        course.held_seats -= 1
        await _activate(session, course, row, purchase)
        instance = await saga.lock(session, purchase.id)
        if instance is not None and instance.state is not SagaState.COMPENSATED:
            await saga.complete(session, instance)
        return
    wanted = row.status == EnrollmentStatus.CANCELLED and purchase.refund_bps is None
    if wanted and course.status == CourseStatus.PUBLISHED:
        offered = await waitlist.take_offer(session, course, row.student_id)
        if offered or course.seats_left > 0:
            await _activate(session, course, row, purchase)
            return
    purchase.refund_bps = FULL_REFUND
    await _tell_released(session, row, purchase)


async def _activate(
    session: WriteSession, course: Course, row: Enrollment, purchase: CoursePurchase
) -> None:
    now = await database_now(session)
    purchase.refund_until = now + timedelta(days=purchase.refund_days)
    row.status = EnrollmentStatus.ACTIVE
    row.purchase_id = purchase.id
    row.enrolled_at = now
    row.cancelled_at = None
    row.version += 1
    course.current_students += 1
    await session.flush()
    publish(
        session,
        EnrollmentActivated(
            enrollment_id=row.id,
            course_id=row.course_id,
            student_id=row.student_id,
            tutor_id=course.tutor_id,
            purchase_id=purchase.id,
            refund_until=purchase.refund_until,
            version=row.version,
        ),
    )
    await groups.join_lessons(session, course, row.student_id)


async def refund_of(
    session: WriteSession,
    row: Enrollment,
    *,
    completed_units: int,
    total_units: int,
    settings: Settings,
) -> int | None:
    """What goes back, in basis points, when a bought seat is given back; None for a free seat."""
    if row.purchase_id is None:
        return None
    purchase = await session.get_one(CoursePurchase, row.purchase_id)
    in_time = purchase.refund_until is not None and (
        await database_now(session) <= purchase.refund_until
    )
    little = completed_units * 100 < settings.refund_progress_percent * total_units
    purchase.refund_bps = FULL_REFUND if in_time and (little or total_units == 0) else 0
    return purchase.refund_bps


async def lock_purchase(
    session: WriteSession, purchase_id: UUID
) -> tuple[Course, Enrollment, CoursePurchase]:
    """Course, enrolment and purchase, locked in the order that all keep."""
    purchase = await session.get_one(CoursePurchase, purchase_id)
    course = await session.get_one(
        Course, purchase.course_id, with_for_update=True, populate_existing=True
    )
    row = await _enrollment(session, purchase.course_id, purchase.student_id)
    purchase = await session.get_one(
        CoursePurchase, purchase_id, with_for_update=True, populate_existing=True
    )
    if row is None:
        raise LookupError("a purchase without its enrolment")
    return course, row, purchase


_PURCHASES = ByKey(sa.select(CoursePurchase), CoursePurchase.id)


async def get_purchases(session: ReadSession, ids: Sequence[UUID]) -> list[CoursePurchase | None]:
    """Many purchases at once, in the order asked for; the caller has seen the enrolment."""
    return await _PURCHASES.find(session, ids)


async def _enrollment(
    session: WriteSession, course_id: UUID, student_id: UUID
) -> Enrollment | None:
    row: Enrollment | None = await session.scalar(
        sa.select(Enrollment)
        .where(Enrollment.course_id == course_id, Enrollment.student_id == student_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return row
