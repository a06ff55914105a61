"""Purchases of lessons and courses: reserve, wait for the payment, or take it back.

A handler ends a purchase when the payment has arrived; what stands here is the other end, at the
deadline of the hold. The instance has the id of the lesson, or of the course's purchase.
"""

from shared import saga
from shared.db import WriteSession, database_now
from shared.runtime import Runtime
from shared.saga import Saga, Sagas, Step
from subgraphs.learning.models import EnrollmentStatus, Lesson, LessonStatus
from subgraphs.learning.service import booking, purchases

NOT_PAID = "not paid in time, or called off"


async def _end_lesson_hold(runtime: Runtime, instance: Saga) -> None:
    """Give the slot back, unless the hold lasts longer than this deadline."""
    async with runtime.database.write() as session:
        lesson = await session.get_one(
            Lesson, instance.id, with_for_update=True, populate_existing=True
        )
        held = lesson.status == LessonStatus.PENDING_PAYMENT
        until = lesson.hold_expires_at
        if held and until is not None and until > await database_now(session):
            await saga.advance(session, instance, instance.step, deadline=until)
            return
        await saga.compensate(session, sagas, instance, NOT_PAID)


async def _end_seat_hold(runtime: Runtime, instance: Saga) -> None:
    """Give the seat back, unless the hold lasts longer than this deadline."""
    async with runtime.database.write() as session:
        _, row, purchase = await purchases.lock_purchase(session, instance.id)
        held = row.purchase_id == purchase.id and row.status == EnrollmentStatus.PENDING_PAYMENT
        if held and purchase.hold_expires_at > await database_now(session):
            deadline = purchase.hold_expires_at
            await saga.advance(session, instance, instance.step, deadline=deadline)
            return
        await saga.compensate(session, sagas, instance, NOT_PAID)


async def _expire_lesson(session: WriteSession, instance: Saga) -> None:
    await booking.expire(session, instance.id)


async def _release_seat(session: WriteSession, instance: Saga) -> None:
    await purchases.release_seat(session, instance.id)


sagas = Sagas()
sagas.define(
    booking.LESSON_PURCHASE,
    Step("reserve", _end_lesson_hold, undo=_expire_lesson),
    Step(booking.AWAIT_PAYMENT, _end_lesson_hold),
)
sagas.define(
    purchases.COURSE_PURCHASE,
    Step("reserve", _end_seat_hold, undo=_release_seat),
    Step(booking.AWAIT_PAYMENT, _end_seat_hold),
)
