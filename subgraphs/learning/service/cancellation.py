"""Calling a lesson off: who does it, and when, decides what goes back; payment carries it out."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared import saga
from shared.db import WriteSession, database_now, utc_now
from shared.errors import Forbidden
from shared.events.learning import LessonCancelled
from shared.saga import SagaState
from shared.viewer import Viewer
from subgraphs.learning.models import Lesson, LessonRole, LessonStatus
from subgraphs.learning.service import lessons
from subgraphs.learning.service.booking import FULL_REFUND


def refund_for(policy: Sequence[dict[str, int]], notice: timedelta) -> int:
    """What a student who cancels so long before the start gets back, in basis points."""
    for tier in policy:
        if notice >= timedelta(hours=tier["hours_before"]):
            return tier["refund_bps"]
    return 0


async def cancel_lesson(
    session: WriteSession, viewer: Viewer, lesson_id: UUID, *, reason: str | None
) -> Lesson:
    """Call a lesson off, by a participant or an admin. Raises LessonStateChanged, Forbidden, …"""
    lesson, place = await lessons.lock_lesson(session, viewer, lesson_id)
    is_held = lesson.status == LessonStatus.PENDING_PAYMENT
    if place is None:
        status, refund = LessonStatus.CANCELLED_BY_SYSTEM, FULL_REFUND
    elif place.role == LessonRole.TUTOR:
        status, refund = LessonStatus.CANCELLED_BY_TUTOR, FULL_REFUND
    else:
        if lessons.is_group(lesson):
            raise Forbidden("Only the tutor can cancel a group lesson.")
        status = LessonStatus.CANCELLED_BY_STUDENT
        notice = lesson.starts_at - await database_now(session)
        refund = FULL_REFUND if is_held else refund_for(lesson.cancellation_policy, notice)
    # One that was called off before is not called off again.
    lessons.require_status(lesson, LessonStatus.PENDING_PAYMENT, LessonStatus.SCHEDULED)
    await lessons.move(
        session,
        lesson,
        status,
        LessonCancelled,
        by=viewer.user_id,
        reason=reason,
        refund_bps=refund,
    )
    if is_held:
        # The purchase finds at once that there is nothing left to wait for.
        instance = await saga.lock(session, lesson.id)
        if instance is not None and instance.state is SagaState.RUNNING:
            await saga.advance(session, instance, instance.step, deadline=utc_now())
    return lesson
