"""Events that matching listens to; each handler makes one service call."""

from collections.abc import Sequence

from shared.db import WriteSession
from shared.events.identity import USER_STATES, UserState
from shared.events.learning import (
    CourseArchived,
    CoursePublished,
    CourseState,
    CourseUpdated,
    LessonCancelled,
    LessonCompleted,
    LessonDisputed,
    LessonExpired,
    LessonNoShow,
    LessonRescheduled,
    LessonReserved,
    LessonScheduled,
    LessonStarted,
    LessonState,
)
from shared.events.payment import (
    PayoutAccountEnabled,
    PayoutAccountRestricted,
    PayoutAccountState,
)
from shared.events.reviews import RatingUpdated
from shared.inbox import Handlers
from subgraphs.matching.service import profiles, references

handlers = Handlers("matching")


@handlers.on_batch(*USER_STATES)
async def user_state(session: WriteSession, events: Sequence[UserState]) -> None:
    """Keep the local reference of users."""
    await profiles.follow_users(session, events)


@handlers.on_batch(
    LessonReserved,
    LessonScheduled,
    LessonRescheduled,
    LessonStarted,
    LessonCompleted,
    LessonCancelled,
    LessonExpired,
    LessonNoShow,
    LessonDisputed,
)
async def lesson_state(session: WriteSession, events: Sequence[LessonState]) -> None:
    """Keep when tutors are busy."""
    await references.follow_lessons(session, events)


@handlers.on_batch(CoursePublished, CourseUpdated, CourseArchived)
async def course_state(session: WriteSession, events: Sequence[CourseState]) -> None:
    """Keep whose courses there are."""
    await references.follow_courses(session, events)


@handlers.on_batch(RatingUpdated)
async def rating_updated(session: WriteSession, events: Sequence[RatingUpdated]) -> None:
    """Keep tutors' ratings."""
    await references.follow_ratings(session, events)


@handlers.on(PayoutAccountEnabled)
async def payout_account_enabled(session: WriteSession, event: PayoutAccountState) -> None:
    """A tutor can be paid."""
    await profiles.follow_payout_account(session, event)


@handlers.on(PayoutAccountRestricted)
async def payout_account_restricted(session: WriteSession, event: PayoutAccountState) -> None:
    """A tutor cannot be paid for now."""
    await profiles.follow_payout_account(session, event)
