"""Events that payment listens to; each handler makes one service call."""

from collections.abc import Sequence

from shared.db import WriteSession
from shared.events.identity import USER_STATES, UserState
from shared.events.learning import (
    EnrollmentActivated,
    EnrollmentCancelled,
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
    SeatReleased,
    SeatReserved,
)
from shared.inbox import Handlers
from shared.references import upsert_user_refs
from subgraphs.payment import models
from subgraphs.payment.service import payables

LESSON_STATES: tuple[type[LessonState], ...] = (
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
handlers = Handlers("payment")


@handlers.on_batch(*USER_STATES)
async def user_state(session: WriteSession, events: Sequence[UserState]) -> None:
    """Keep the local reference of users."""
    await upsert_user_refs(session, models.UserRef, events)


async def lesson_state(session: WriteSession, event: LessonState) -> None:
    """Follow a lesson: what it costs, what goes back, when the tutor is paid."""
    await payables.lesson_changed(session, event)


for _state in LESSON_STATES:
    handlers.on(_state)(lesson_state)


@handlers.on(SeatReserved)
async def seat_reserved(session: WriteSession, event: SeatReserved) -> None:
    """A seat can be paid for."""
    await payables.seat_reserved(session, event)


@handlers.on(EnrollmentActivated)
async def enrollment_activated(session: WriteSession, event: EnrollmentActivated) -> None:
    """A seat is taken."""
    await payables.seat_taken(session, event)


@handlers.on(EnrollmentCancelled)
async def enrollment_cancelled(session: WriteSession, event: EnrollmentCancelled) -> None:
    """A seat was given back."""
    await payables.seat_given_back(session, event)


@handlers.on(SeatReleased)
async def seat_released(session: WriteSession, event: SeatReleased) -> None:
    """A seat is held no more."""
    await payables.seat_given_back(session, event)
