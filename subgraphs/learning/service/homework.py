"""What is written around a lesson: notes, and homework from assignment to feedback."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, among, database_now
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.pages import Order, Page, PageRequest, keyset_by_parent
from shared.validation import optional_text, text
from shared.viewer import Viewer
from subgraphs.learning.models import (
    Homework,
    HomeworkStatus,
    Lesson,
    LessonParticipant,
    LessonRole,
)
from subgraphs.learning.service import lessons

MOST_TEXT = 20_000
_NEWEST = Order.by(Homework.id.desc())


async def save_shared_notes(
    session: WriteSession, viewer: Viewer, lesson_id: UUID, *, notes: str
) -> Lesson:
    """The tutor's notes, for all who take part; empty text removes them."""
    lesson = await lessons.lock_taught_lesson(session, viewer, lesson_id)
    lesson.shared_notes = optional_text(notes, field="notes", most=MOST_TEXT, lines=True)
    await session.flush()
    return lesson


async def save_private_note(
    session: WriteSession, viewer: Viewer, lesson_id: UUID, *, note: str
) -> Lesson:
    """A participant's own note, for nobody else; empty text removes it. Raises Forbidden."""
    lesson, place = await lessons.lock_lesson(session, viewer, lesson_id)
    if place is None:
        raise Forbidden("Only participants have notes.")
    place.private_note = optional_text(note, field="note", most=MOST_TEXT, lines=True)
    await session.flush()
    return lesson


async def assign_homework(
    session: WriteSession,
    viewer: Viewer,
    lesson_id: UUID,
    *,
    student_id: UUID,
    instructions: str,
    due_at: datetime | None,
) -> Homework:
    """The tutor gives a student of the lesson something to do. Raises NotFound, InvalidInput, …"""
    await lessons.lock_taught_lesson(session, viewer, lesson_id)
    place = await session.get(LessonParticipant, (lesson_id, student_id))
    if place is None or place.role != LessonRole.STUDENT:
        raise NotFound("There is no such student in this lesson.", field="studentId")
    if due_at is not None and due_at <= await database_now(session):
        raise InvalidInput("dueAt has passed.", field="dueAt")
    row = Homework(
        lesson_id=lesson_id,
        student_id=student_id,
        instructions=text(instructions, field="instructions", least=1, most=MOST_TEXT, lines=True),
        due_at=due_at,
    )
    session.add(row)
    await session.flush()
    return row


async def submit_homework(
    session: WriteSession, viewer: Viewer, homework_id: UUID, *, submission: str
) -> Homework:
    """The student hands in, again until it is reviewed, late if need be. Raises Conflict, …"""
    row, _ = await _locked(session, viewer, homework_id)
    if not viewer.is_user(row.student_id):
        raise Forbidden("This is somebody else's homework.")
    if row.status == HomeworkStatus.REVIEWED:
        raise Conflict("This homework has been reviewed.")
    now = await database_now(session)
    row.submission = text(submission, field="submission", least=1, most=MOST_TEXT, lines=True)
    row.submitted_at = now
    await session.flush()
    return row


async def review_homework(
    session: WriteSession, viewer: Viewer, homework_id: UUID, *, feedback: str
) -> Homework:
    """The tutor says something to what was handed in. Raises Conflict, Forbidden, …"""
    row, tutor_id = await _locked(session, viewer, homework_id)
    if not viewer.is_user(tutor_id):
        raise Forbidden("Only the tutor can do this.")
    if row.status == HomeworkStatus.ASSIGNED:
        raise Conflict("Nothing has been handed in yet.")
    now = await database_now(session)
    row.feedback = text(feedback, field="feedback", least=1, most=MOST_TEXT, lines=True)
    row.reviewed_at = now
    await session.flush()
    return row


async def _locked(
    session: WriteSession, viewer: Viewer, homework_id: UUID
) -> tuple[Homework, UUID]:
    """The homework, locked, and the lesson's tutor. Raises NotFound for who may not see it."""
    viewer.require_user()
    row = await session.get(Homework, homework_id, with_for_update=True)
    tutor_id = None
    if row is not None:
        tutor_id = await session.scalar(
            sa.select(Lesson.tutor_id).where(Lesson.id == row.lesson_id)
        )
    if row is None or tutor_id is None or not _may_see(row, tutor_id, viewer):
        raise NotFound("There is no such homework.")
    return row, tutor_id


def _may_see(row: Homework, tutor_id: UUID, viewer: Viewer) -> bool:
    """Homework is visible to its student, to the lesson's tutor and to admins."""
    return viewer.may_see_private(row.student_id) or viewer.is_user(tutor_id)


async def list_homework(
    session: ReadSession, lesson_ids: Sequence[UUID], *, page: PageRequest, viewer: Viewer
) -> list[Page[Homework]]:
    """The homework of each lesson that the viewer may see, the newest first."""
    statement = sa.select(Homework)
    if not viewer.is_admin:
        taught = sa.exists().where(
            Lesson.id == Homework.lesson_id, Lesson.tutor_id == viewer.user_id
        )
        statement = statement.where(sa.or_(Homework.student_id == viewer.user_id, taught))
    return await keyset_by_parent(
        session, statement, _NEWEST, page, parent=Homework.lesson_id, parents=lesson_ids
    )


async def get_private_notes(
    session: ReadSession, lesson_ids: Sequence[UUID], *, user_id: UUID
) -> list[str | None]:
    """The user's own note in each lesson."""
    rows = await session.execute(
        sa.select(LessonParticipant.lesson_id, LessonParticipant.private_note).where(
            among(LessonParticipant.lesson_id, lesson_ids), LessonParticipant.user_id == user_id
        )
    )
    found = {row.lesson_id: row.private_note for row in rows}
    return [found.get(id_) for id_ in lesson_ids]
