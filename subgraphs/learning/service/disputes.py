"""Disputes: a student says that a lesson was not as it should be; the money waits for an admin."""

from uuid import UUID

from shared.db import WriteSession, database_now
from shared.errors import Conflict, Forbidden
from shared.events.learning import LessonCompleted, LessonDisputed
from shared.validation import between, text
from shared.viewer import Viewer
from subgraphs.learning.models import Lesson, LessonRole, LessonStatus
from subgraphs.learning.service import lessons
from subgraphs.learning.service.booking import FULL_REFUND
from subgraphs.learning.service.lessons import MOST_REASON, TooLate


async def open_dispute(
    session: WriteSession, viewer: Viewer, lesson_id: UUID, *, reason: str
) -> Lesson:
    """The student disputes a paid lesson in time. Raises TooLate, LessonStateChanged, …"""
    lesson, place = await lessons.lock_lesson(session, viewer, lesson_id)
    if place is None or place.role != LessonRole.STUDENT:
        raise Forbidden("Only the student can dispute a lesson.")
    lessons.require_status(lesson, LessonStatus.COMPLETED, LessonStatus.NO_SHOW_STUDENT)
    if lesson.price_amount == 0:
        raise Conflict("Nothing was paid for this lesson.")
    now = await database_now(session)
    if lesson.dispute_until is None or now > lesson.dispute_until:
        raise TooLate("The time for a dispute is over.")
    await lessons.move(
        session,
        lesson,
        LessonStatus.DISPUTED,
        LessonDisputed,
        by=viewer.user_id,
        reason=text(reason, field="reason", least=1, most=MOST_REASON, lines=True),
        refund_bps=None,
    )
    return lesson


async def resolve_dispute(
    session: WriteSession, viewer: Viewer, lesson_id: UUID, *, refund_bps: int
) -> Lesson:
    """An admin decides what the student gets back; nothing more can be disputed then."""
    viewer.require_role("admin")
    lesson, _ = await lessons.lock_lesson(session, viewer, lesson_id)
    lessons.require_status(lesson, LessonStatus.DISPUTED)
    between(refund_bps, field="refundBps", least=0, most=FULL_REFUND)
    now = await database_now(session)
    await lessons.move(
        session,
        lesson,
        LessonStatus.COMPLETED,
        LessonCompleted,
        by=viewer.user_id,
        refund_bps=refund_bps,
        completed_at=lesson.completed_at or now,
        dispute_until=now,
    )
    return lesson
