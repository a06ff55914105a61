"""Group lessons: a course meets. Its students come and go with their enrolments.

A student who is busy elsewhere does not keep the group from meeting: the place is then not
exclusive, and shows a conflict. Callers hold the course's lock.
"""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from shared.db import WriteSession, among, database_now
from shared.errors import Conflict, InvalidInput
from shared.events.learning import LessonScheduled
from shared.validation import between
from shared.viewer import Viewer
from subgraphs.learning.config import Settings
from subgraphs.learning.models import (
    SEATED,
    Course,
    CourseStatus,
    Enrollment,
    Lesson,
    LessonKind,
    LessonRole,
    LessonStatus,
)
from subgraphs.learning.service import lessons
from subgraphs.learning.service.courses import lock_own_course

SHORTEST_MINUTES = 15
LONGEST_MINUTES = 12 * 60
# Every event of a lesson names its students, and each new student joins what is still to come.
MOST_STUDENTS = 500
MOST_AHEAD = 100

_ENTER = sa.text(
    "INSERT INTO lesson_participants"
    " (lesson_id, user_id, role, starts_at, ends_at, is_live, is_exclusive)"
    " SELECT l.id, u, 'STUDENT', l.starts_at, l.ends_at, true, false"
    " FROM lessons l, unnest(CAST(:users AS uuid[])) AS u"
    " WHERE l.id = ANY(:lessons) ON CONFLICT (lesson_id, user_id) DO NOTHING"
)
_RELEASE = sa.text(
    "UPDATE lesson_participants SET is_exclusive = false"
    " WHERE lesson_id = :lesson AND role = 'STUDENT' AND is_exclusive"
)
_CLAIM = sa.text(
    "UPDATE lesson_participants p SET is_exclusive = true"
    " WHERE p.lesson_id = ANY(:lessons) AND p.role = 'STUDENT' AND NOT p.is_exclusive"
    " AND NOT EXISTS (SELECT 1 FROM lesson_participants o WHERE o.user_id = p.user_id"
    " AND o.lesson_id <> p.lesson_id AND o.is_live AND o.is_exclusive"
    " AND tstzrange(o.starts_at, o.ends_at, '[)') && tstzrange(p.starts_at, p.ends_at, '[)'))"
)
_LEAVE = sa.text(
    "DELETE FROM lesson_participants"
    " WHERE lesson_id = ANY(:lessons) AND user_id = :user AND role = 'STUDENT'"
)


async def schedule_group_lesson(
    session: WriteSession,
    viewer: Viewer,
    course_id: UUID,
    *,
    starts_at: datetime,
    duration_minutes: int,
    settings: Settings,
) -> Lesson:
    """Let a course meet with all who have a seat. Raises SlotTaken for the tutor's time, …"""
    course = await lock_own_course(session, viewer, course_id)
    if course.status == CourseStatus.DRAFT:
        raise Conflict("Publish the course first.")
    if course.max_students > MOST_STUDENTS:
        raise Conflict(f"Group lessons are for courses of at most {MOST_STUDENTS} seats.")
    between(duration_minutes, field="durationMinutes", least=SHORTEST_MINUTES, most=LONGEST_MINUTES)
    if starts_at <= await database_now(session):
        raise InvalidInput("startsAt has passed.", field="startsAt")
    if len(await _lessons_ahead(session, course.id)) >= MOST_AHEAD:
        raise Conflict(f"At most {MOST_AHEAD} lessons of a course may be ahead.")
    students = list(
        await session.scalars(
            sa.select(Enrollment.student_id).where(
                Enrollment.course_id == course.id, Enrollment.status.in_(SEATED)
            )
        )
    )
    await lessons.lock_people(session, course.tutor_id, *students)
    lesson = Lesson(
        tutor_id=course.tutor_id,
        course_id=course.id,
        kind=LessonKind.GROUP,
        status=LessonStatus.SCHEDULED,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=duration_minutes),
        price_amount=0,
        price_currency=course.price_currency,
        cancellation_policy=[tier.model_dump() for tier in settings.cancellation_policy],
    )
    session.add(lesson)
    await lessons.flush(session)
    lessons.note(session, lesson, before=None, by=viewer.user_id, reason=None)
    await lessons.enter(session, lesson, course.tutor_id, LessonRole.TUTOR)
    if students:
        await _enter(session, [lesson.id], students)
    await lessons.tell(session, lesson, LessonScheduled)
    return lesson


async def join_lessons(session: WriteSession, course: Course, student_id: UUID) -> None:
    """Let a student who has just got a seat take part in what is still to come."""
    ahead = await _lessons_ahead(session, course.id)
    if not ahead:
        return
    await lessons.lock_people(session, student_id)
    locked = await _lock(session, ahead)
    await _enter(session, [lesson.id for lesson in locked], [student_id])
    await _tell(session, locked, student_id)


async def leave_lessons(session: WriteSession, course: Course, student_id: UUID) -> None:
    """Let a student who has given the seat back out of what is still to come."""
    ahead = await _lessons_ahead(session, course.id)
    if not ahead:
        return
    locked = await _lock(session, ahead)
    await session.execute(_LEAVE, {"lessons": [x.id for x in locked], "user": student_id})
    await _tell(session, locked, student_id)


async def release_students(session: WriteSession, lesson_id: UUID) -> None:
    """Give the students' time back while the lesson is moved."""
    await session.execute(_RELEASE, {"lesson": lesson_id})


async def claim_students(session: WriteSession, *lesson_ids: UUID) -> None:
    """Keep the time of the students who have it; `lock_people` has locked them."""
    await session.execute(_CLAIM, {"lessons": list(lesson_ids)})


async def _enter(session: WriteSession, lesson_ids: list[UUID], students: list[UUID]) -> None:
    await session.execute(_ENTER, {"lessons": lesson_ids, "users": students})
    await claim_students(session, *lesson_ids)


async def _tell(session: WriteSession, changed: list[Lesson], student_id: UUID) -> None:
    for lesson in changed:
        await lessons.move(session, lesson, LessonStatus.SCHEDULED, LessonScheduled, by=student_id)


async def _lessons_ahead(session: WriteSession, course_id: UUID) -> list[UUID]:
    return list(
        await session.scalars(
            sa.select(Lesson.id).where(
                Lesson.course_id == course_id,
                Lesson.status == LessonStatus.SCHEDULED,
                Lesson.starts_at > sa.func.clock_timestamp(),
            )
        )
    )


async def _lock(session: WriteSession, lesson_ids: list[UUID]) -> list[Lesson]:
    """Those that are still to come, locked in the order of their ids."""
    return list(
        await session.scalars(
            sa.select(Lesson)
            .where(among(Lesson.id, lesson_ids), Lesson.status == LessonStatus.SCHEDULED)
            .order_by(Lesson.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )
