"""A lesson takes place: who came, when it began and ended, and who did not come."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, database_now
from shared.errors import Conflict, Forbidden, NotFound
from shared.events.learning import LessonCompleted, LessonNoShow, LessonStarted
from shared.viewer import Viewer
from subgraphs.learning.config import Settings
from subgraphs.learning.models import (
    Attendance,
    Lesson,
    LessonParticipant,
    LessonRole,
    LessonStatus,
)
from subgraphs.learning.service import lessons
from subgraphs.learning.service.booking import FULL_REFUND
from subgraphs.learning.service.lessons import TooEarly, TooLate

OPEN = (LessonStatus.SCHEDULED, LessonStatus.IN_PROGRESS)


class WasPresent(Conflict):
    """Whoever is said to be missing was seen in the lesson."""

    code = "WAS_PRESENT"


async def start_lesson(
    session: WriteSession, viewer: Viewer, lesson_id: UUID, *, settings: Settings
) -> Lesson:
    """The tutor begins, at most some minutes early. Raises TooEarly, LessonStateChanged, …"""
    lesson = await lessons.lock_taught_lesson(session, viewer, lesson_id)
    lessons.require_status(lesson, LessonStatus.SCHEDULED)
    now = await database_now(session)
    _refuse_early(lesson, now=now, settings=settings)
    await lessons.move(
        session,
        lesson,
        LessonStatus.IN_PROGRESS,
        LessonStarted,
        by=viewer.user_id,
        started_at=now,
    )
    return lesson


async def complete_lesson(
    session: WriteSession, viewer: Viewer, lesson_id: UUID, *, settings: Settings
) -> Lesson:
    """The tutor says that the lesson is over. Raises TooEarly, LessonStateChanged, …"""
    lesson = await lessons.lock_taught_lesson(session, viewer, lesson_id)
    lessons.require_status(lesson, *OPEN)
    if await database_now(session) < lesson.starts_at:
        raise TooEarly("The lesson has not begun yet.")
    await _complete(session, lesson, by=viewer.user_id, settings=settings)
    return lesson


async def _complete(
    session: WriteSession, lesson: Lesson, *, by: UUID | None, settings: Settings
) -> None:
    now = await database_now(session)
    await lessons.move(
        session,
        lesson,
        LessonStatus.COMPLETED,
        LessonCompleted,
        by=by,
        completed_at=now,
        dispute_until=now + timedelta(hours=settings.dispute_hours),
    )


async def lessons_to_complete(
    session: ReadSession, *, settings: Settings, most: int = 100
) -> list[UUID]:
    """Lessons that are over: long past their end, or past it with both sides seen there."""
    now = sa.func.clock_timestamp()
    seen = [
        sa.exists().where(
            LessonParticipant.lesson_id == Lesson.id,
            LessonParticipant.role == role,
            LessonParticipant.attendance == Attendance.PRESENT,
        )
        for role in LessonRole
    ]
    rows = await session.scalars(
        sa.select(Lesson.id)
        .where(
            Lesson.status.in_(OPEN),
            sa.or_(
                Lesson.ends_at <= now - timedelta(hours=settings.completion_hours),
                sa.and_(
                    Lesson.ends_at <= now - timedelta(minutes=settings.joined_completion_minutes),
                    *seen,
                ),
            ),
        )
        .order_by(Lesson.ends_at)
        .limit(most)
    )
    return list(rows)


async def complete_by_itself(session: WriteSession, lesson_id: UUID, *, settings: Settings) -> bool:
    """Complete a lesson that is over, unless somebody was faster; whether this did it."""
    lesson = await session.get(Lesson, lesson_id, with_for_update=True, populate_existing=True)
    if lesson is None or lesson.status not in OPEN:
        return False
    await _complete(session, lesson, by=None, settings=settings)
    return True


async def join_lesson(
    session: WriteSession, viewer: Viewer, lesson_id: UUID, *, settings: Settings
) -> Lesson:
    """A participant is there; joining again changes nothing but that. Raises TooEarly, …"""
    lesson, place = await lessons.lock_lesson(session, viewer, lesson_id)
    if place is None:
        raise Forbidden("Only participants can join.")
    lessons.require_status(lesson, *OPEN)
    now = await database_now(session)
    _refuse_early(lesson, now=now, settings=settings)
    place.attendance = Attendance.PRESENT
    place.joined_at = place.joined_at or now
    place.left_at = None
    await session.flush()
    return lesson


async def leave_lesson(session: WriteSession, viewer: Viewer, lesson_id: UUID) -> Lesson:
    """A participant goes; the last time counts. Raises Conflict for who did not join."""
    lesson, place = await lessons.lock_lesson(session, viewer, lesson_id)
    if place is None or place.joined_at is None:
        raise Conflict("You have not joined this lesson.")
    place.left_at = await database_now(session)
    await session.flush()
    return lesson


async def record_attendance(
    session: WriteSession,
    viewer: Viewer,
    lesson_id: UUID,
    *,
    student_id: UUID,
    attendance: Attendance,
) -> Lesson:
    """The tutor says whether a student came. Raises TooEarly, LessonStateChanged, NotFound, …"""
    lesson = await lessons.lock_taught_lesson(session, viewer, lesson_id)
    lessons.require_status(lesson, *OPEN, LessonStatus.COMPLETED)
    if await database_now(session) < lesson.starts_at:
        raise TooEarly("The lesson has not begun yet.")
    place = await session.get(LessonParticipant, (lesson_id, student_id))
    if place is None or place.role != LessonRole.STUDENT:
        raise NotFound("There is no such student in this lesson.", field="studentId")
    place.attendance = attendance
    await session.flush()
    return lesson


async def report_no_show(
    session: WriteSession,
    viewer: Viewer,
    lesson_id: UUID,
    *,
    who: LessonRole,
    settings: Settings,
) -> Lesson:
    """Say that the other side did not come, soon after the start. Raises WasPresent, TooEarly, …

    The tutor's absence gives all the money back, the student's none; the student may dispute it.
    """
    lesson, place = await lessons.lock_lesson(session, viewer, lesson_id)
    if place is not None and place.role == who:
        raise Forbidden("Only the other side can report this.")
    if who == LessonRole.STUDENT and lessons.is_group(lesson):
        raise Conflict("Record the attendance of a group's students instead.")
    missed = LessonStatus.NO_SHOW_TUTOR
    if who == LessonRole.STUDENT:
        missed = LessonStatus.NO_SHOW_STUDENT
    # A tutor who has started the lesson was there.
    started = () if who == LessonRole.TUTOR else (LessonStatus.IN_PROGRESS,)
    lessons.require_status(lesson, LessonStatus.SCHEDULED, *started)
    now = await database_now(session)
    if now < lesson.starts_at + timedelta(minutes=settings.no_show_grace_minutes):
        raise TooEarly(f"Wait {settings.no_show_grace_minutes} minutes for the other side.")
    if now > lesson.starts_at + timedelta(hours=settings.no_show_hours):
        raise TooLate(f"This can be reported for {settings.no_show_hours} hours.")
    if await _was_present(session, lesson.id, who):
        raise WasPresent("The other side was seen in the lesson.")
    by_student = who == LessonRole.TUTOR
    await lessons.move(
        session,
        lesson,
        missed,
        LessonNoShow,
        by=viewer.user_id,
        refund_bps=FULL_REFUND if by_student else 0,
        dispute_until=None if by_student else now + timedelta(hours=settings.dispute_hours),
    )
    return lesson


async def _was_present(session: ReadSession, lesson_id: UUID, role: LessonRole) -> bool:
    statement = sa.select(
        sa.exists().where(
            LessonParticipant.lesson_id == lesson_id,
            LessonParticipant.role == role,
            LessonParticipant.attendance == Attendance.PRESENT,
        )
    )
    return bool(await session.scalar(statement))


def _refuse_early(lesson: Lesson, *, now: datetime, settings: Settings) -> None:
    if now < lesson.starts_at - timedelta(minutes=settings.start_minutes_before):
        raise TooEarly(f"This is possible {settings.start_minutes_before} minutes before.")
