"""Events that reviews listens to; each handler makes one service call."""

from collections.abc import Sequence
from typing import cast

from shared.db import WriteSession
from shared.events.identity import USER_STATES, UserState
from shared.events.learning import (
    CourseArchived,
    CoursePublished,
    CourseState,
    CourseUpdated,
    EnrollmentCompleted,
    LessonCancelled,
    LessonCompleted,
    LessonDisputed,
    LessonNoShow,
    LessonRescheduled,
    LessonScheduled,
    LessonState,
)
from shared.events.payment import DisputeClosed, PaymentRefunded
from shared.inbox import Handlers
from shared.references import upsert_user_refs
from subgraphs.reviews import models
from subgraphs.reviews.config import Settings
from subgraphs.reviews.service import eligibility, references

handlers = Handlers("reviews")


def _settings(session: WriteSession) -> Settings:
    return cast("Settings", session.settings)


@handlers.on_batch(*USER_STATES)
async def user_state(session: WriteSession, events: Sequence[UserState]) -> None:
    """Keep the local reference of users."""
    await upsert_user_refs(session, models.UserRef, events)


@handlers.on_batch(CoursePublished, CourseUpdated, CourseArchived)
async def course_state(session: WriteSession, events: Sequence[CourseState]) -> None:
    """Keep who teaches each course."""
    await references.note_courses(session, events)


@handlers.on(
    LessonScheduled,
    LessonRescheduled,
    LessonCancelled,
    LessonNoShow,
    LessonDisputed,
    LessonCompleted,
)
async def lesson_state(session: WriteSession, event: LessonState) -> None:
    """Keep who took part in a lesson; a completed one may be reviewed."""
    settings = _settings(session)
    await eligibility.lesson_changed(
        session, event, days=settings.eligibility_days, least_price=settings.least_price
    )


@handlers.on(EnrollmentCompleted)
async def enrollment_completed(session: WriteSession, event: EnrollmentCompleted) -> None:
    """A completed course may be reviewed."""
    await eligibility.course_completed(session, event, days=_settings(session).eligibility_days)


@handlers.on(PaymentRefunded)
async def payment_refunded(session: WriteSession, event: PaymentRefunded) -> None:
    """Who got everything back does not rate."""
    if not event.is_partial:
        await eligibility.payment_taken_back(session, event)


@handlers.on(DisputeClosed)
async def dispute_closed(session: WriteSession, event: DisputeClosed) -> None:
    """A lost chargeback is a refund."""
    if not event.is_won:
        await eligibility.payment_taken_back(session, event)
