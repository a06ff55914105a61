"""Booking: an offer becomes a held slot, a payment makes it a lesson, time ends the hold."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from shared import saga
from shared.db import WriteSession, among, database_now
from shared.errors import Conflict, InvalidInput
from shared.events.learning import (
    LessonCancelled,
    LessonExpired,
    LessonRescheduled,
    LessonReserved,
    LessonScheduled,
)
from shared.events.matching import OFFER, Offer
from shared.saga import SagaState
from shared.seal import BadSeal, SealExpired, unseal
from shared.telemetry import log
from shared.viewer import Viewer
from subgraphs.learning.config import Settings
from subgraphs.learning.models import (
    Course,
    Lesson,
    LessonKind,
    LessonParticipant,
    LessonRole,
    LessonStatus,
)
from subgraphs.learning.service import groups, lessons, tutors, users
from subgraphs.learning.service.lessons import SlotTaken, TooLate, TrialUsed

LESSON_PURCHASE = "lesson_purchase"
AWAIT_PAYMENT = "await_payment"
FULL_REFUND = 10_000


class OfferExpired(InvalidInput):
    """The offer is too old: look for slots again."""

    code = "OFFER_EXPIRED"


class OfferInvalid(InvalidInput):
    """The offer does not hold for this."""

    code = "OFFER_INVALID"


class OwnLesson(Conflict):
    """Tutors cannot book lessons of their own."""

    code = "OWN_LESSON"


class StartPassed(Conflict):
    """The lesson would have begun already."""

    code = "START_PASSED"


class PriceChanged(Conflict):
    """The new time has another price."""

    code = "PRICE_CHANGED"


def open_offer(settings: Settings, token: str, student_id: UUID) -> Offer:
    """The offer in a token, for this student. Raises OfferExpired or OfferInvalid."""
    try:
        offer = unseal(settings.seal_secrets, OFFER, token, Offer)
    except SealExpired:
        message = "This offer is too old. Look for slots again."
        raise OfferExpired(message, field="offerToken") from None
    except BadSeal:
        raise OfferInvalid("This is not an offer of ours.", field="offerToken") from None
    if offer.student_id not in (None, student_id):
        raise OfferInvalid("This offer is for another student.", field="offerToken")
    if offer.ends_at <= offer.starts_at:
        raise OfferInvalid("This offer has no duration.", field="offerToken")
    return offer


async def book_lesson(
    session: WriteSession, viewer: Viewer, offer_token: str, *, settings: Settings
) -> Lesson:
    """Hold the slot of an offer while the student pays; a free one is scheduled at once.

    Raises OfferExpired, OfferInvalid, OwnLesson, StartPassed, TutorNotBookable, SlotTaken,
    TrialUsed, EmailNotVerified.
    """
    student_id = await users.require_verified(session, viewer)
    offer = open_offer(settings, offer_token, student_id)
    if offer.tutor_id == student_id:
        raise OwnLesson("This is your own lesson.")
    if offer.price_amount > 0:
        await tutors.require_bookable(session, offer.tutor_id)
    await users.meet(session, student_id, offer.tutor_id)
    await lessons.lock_people(session, student_id, offer.tutor_id)
    await end_stale_holds(session, student_id, offer.tutor_id)
    now = await database_now(session)
    if offer.starts_at <= now:
        raise StartPassed("This lesson would have begun already.")
    paid = offer.price_amount > 0
    hold = min(now + timedelta(seconds=settings.hold_seconds), offer.starts_at) if paid else None
    lesson = Lesson(
        tutor_id=offer.tutor_id,
        student_id=student_id,
        skill_id=offer.skill_id,
        kind=LessonKind(offer.kind),
        status=LessonStatus.PENDING_PAYMENT if paid else LessonStatus.SCHEDULED,
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
        price_amount=offer.price_amount,
        price_currency=offer.price_currency,
        cancellation_policy=[tier.model_dump() for tier in settings.cancellation_policy],
        hold_expires_at=hold,
    )
    session.add(lesson)
    await lessons.flush(session)
    await lessons.enter(session, lesson, student_id, LessonRole.STUDENT)
    await lessons.enter(session, lesson, offer.tutor_id, LessonRole.TUTOR)
    lessons.note(session, lesson, before=None, by=student_id, reason=None)
    await lessons.tell(session, lesson, LessonReserved if paid else LessonScheduled)
    if paid:
        await saga.start(session, LESSON_PURCHASE, id=lesson.id, step=AWAIT_PAYMENT, deadline=hold)
    return lesson


async def end_stale_holds(session: WriteSession, *user_ids: UUID) -> None:
    """End the holds of these people that have run out, before the worker has seen them.

    The constraint cannot know the time: a hold that has run out keeps the slot until it is ended.
    """
    theirs = sa.select(LessonParticipant.lesson_id).where(
        among(LessonParticipant.user_id, user_ids), LessonParticipant.is_live
    )
    stale = await session.scalars(
        sa.select(Lesson)
        .where(
            Lesson.id.in_(theirs),
            Lesson.status == LessonStatus.PENDING_PAYMENT,
            Lesson.hold_expires_at <= sa.func.clock_timestamp(),
        )
        .order_by(Lesson.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    # Their sagas find them ended when their deadline is fired.
    for lesson in stale:
        await _expire(session, lesson)


async def expire(session: WriteSession, lesson_id: UUID) -> None:
    """Give a held slot back; a lesson that is not held any more stays as it is."""
    lesson = await session.get(Lesson, lesson_id, with_for_update=True, populate_existing=True)
    if lesson is not None and lesson.status == LessonStatus.PENDING_PAYMENT:
        await _expire(session, lesson)


async def _expire(session: WriteSession, lesson: Lesson) -> None:
    await lessons.move(session, lesson, LessonStatus.EXPIRED, LessonExpired, by=None)


async def confirm_payment(session: WriteSession, lesson_id: UUID) -> None:
    """The payment has arrived, once: schedule the lesson, or give the money back.

    After the hold has run out the same slot is taken again, if it is free and not past.
    """
    lesson = await _lock_for_payment(session, lesson_id)
    if lesson is None or lesson.student_id is None:
        log.error("payment for an unknown lesson", lesson_id=str(lesson_id))
        return
    if lesson.paid_at is not None:
        return
    now = await database_now(session)
    status = LessonStatus(lesson.status)
    if status == LessonStatus.PENDING_PAYMENT:
        await _schedule(session, lesson, paid_at=now)
        instance = await saga.lock(session, lesson.id)
        if instance is not None and instance.state is not SagaState.COMPENSATED:
            await saga.complete(session, instance)
    elif status == LessonStatus.EXPIRED:
        await _schedule_late(session, lesson, paid_at=now)
    elif status in lessons.CANCELLED:
        # It was called off while the student paid: say once more what goes back.
        await lessons.move(
            session,
            lesson,
            status,
            LessonCancelled,
            by=None,
            reason="paid after cancellation",
            paid_at=now,
            refund_bps=FULL_REFUND,
        )


async def _lock_for_payment(session: WriteSession, lesson_id: UUID) -> Lesson | None:
    """The lesson, locked; of one that has expired its people, too, and these first."""
    found = (
        await session.execute(
            sa.select(Lesson.tutor_id, Lesson.student_id, Lesson.status).where(
                Lesson.id == lesson_id
            )
        )
    ).one_or_none()
    if found is None or found.student_id is None:
        return None
    if found.status != LessonStatus.EXPIRED:
        look = await session.begin_nested()
        lesson = await session.get_one(
            Lesson, lesson_id, with_for_update=True, populate_existing=True
        )
        if lesson.status != LessonStatus.EXPIRED:
            await look.commit()
            return lesson
        # It has expired since: going back to the savepoint lets go of the lesson.
        await look.rollback()
    await lessons.lock_people(session, found.tutor_id, found.student_id)
    return await session.get_one(Lesson, lesson_id, with_for_update=True, populate_existing=True)


async def _schedule(session: WriteSession, lesson: Lesson, *, paid_at: datetime) -> None:
    await lessons.move(
        session, lesson, LessonStatus.SCHEDULED, LessonScheduled, by=None, paid_at=paid_at
    )


async def _schedule_late(session: WriteSession, lesson: Lesson, *, paid_at: datetime) -> None:
    if lesson.starts_at > paid_at:
        try:
            async with session.begin_nested():
                await _schedule(session, lesson, paid_at=paid_at)
        except (SlotTaken, TrialUsed):
            await session.refresh(lesson, with_for_update=True)
        else:
            return
    await lessons.move(
        session,
        lesson,
        LessonStatus.EXPIRED,
        LessonExpired,
        by=None,
        reason="paid too late",
        paid_at=paid_at,
        refund_bps=FULL_REFUND,
    )


async def reschedule_lesson(
    session: WriteSession,
    viewer: Viewer,
    lesson_id: UUID,
    *,
    offer_token: str | None,
    starts_at: datetime | None,
    settings: Settings,
) -> Lesson:
    """Move a scheduled lesson: students to a slot on offer at the same price and length, tutors to
    a time of their choice. Neither the old nor the new time may be close, so that a student whose
    lesson was moved can still give it back for all of the money.

    Raises TooLate, PriceChanged, OfferInvalid, SlotTaken, LessonStateChanged, …
    """
    user_id = viewer.require_user()
    # Course and people before the lesson; neither tutor nor payer of a lesson ever changes.
    found = await session.get(Lesson, lesson_id)
    if found is not None:
        if found.course_id is not None:
            await session.get(Course, found.course_id, with_for_update=True, populate_existing=True)
        students = await lessons.student_ids(session, lesson_id)
        await lessons.lock_people(session, found.tutor_id, *students)
        await end_stale_holds(session, found.tutor_id, *students)
    lesson, place = await lessons.lock_lesson(session, viewer, lesson_id)
    lessons.require_status(lesson, LessonStatus.SCHEDULED)
    length = lesson.ends_at - lesson.starts_at
    by_student = place is not None and place.role == LessonRole.STUDENT
    if by_student:
        start = _offered_start(lesson, user_id, offer_token, settings)
    elif starts_at is None:
        raise InvalidInput("startsAt is required.", field="startsAt")
    else:
        start = starts_at
    now = await database_now(session)
    notice = timedelta(hours=settings.reschedule_hours)
    if lesson.starts_at - now < notice:
        raise TooLate(f"A lesson can be moved until {settings.reschedule_hours} hours before it.")
    if start <= now or (not by_student and start - now < notice):
        raise StartPassed("The new time is too close.", field="startsAt")
    if start == lesson.starts_at:
        return lesson
    if lessons.is_group(lesson):
        await groups.release_students(session, lesson.id)
    await lessons.move(
        session,
        lesson,
        LessonStatus.SCHEDULED,
        LessonRescheduled,
        by=user_id,
        starts_at=start,
        ends_at=start + length,
    )
    if lessons.is_group(lesson):
        await groups.claim_students(session, lesson.id)
    return lesson


def _offered_start(
    lesson: Lesson, student_id: UUID, offer_token: str | None, settings: Settings
) -> datetime:
    if lessons.is_group(lesson):
        raise OfferInvalid("Only the tutor can move a group lesson.", field="offerToken")
    if offer_token is None:
        raise InvalidInput("offerToken is required.", field="offerToken")
    offer = open_offer(settings, offer_token, student_id)
    if offer.tutor_id != lesson.tutor_id or offer.kind != lesson.kind:
        raise OfferInvalid("This offer is for another lesson.", field="offerToken")
    if offer.ends_at - offer.starts_at != lesson.ends_at - lesson.starts_at:
        raise OfferInvalid("The new slot must be as long as the lesson.", field="offerToken")
    if (offer.price_amount, offer.price_currency) != (lesson.price_amount, lesson.price_currency):
        raise PriceChanged("The new time has another price.", field="offerToken")
    return offer.starts_at
