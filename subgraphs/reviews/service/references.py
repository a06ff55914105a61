"""Local references of lessons, courses and purchases; a row is written only by a newer version."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession, among
from shared.events.learning import CourseState, LessonState
from subgraphs.reviews.models import CourseRef, LessonRef, PurchaseRef


async def note_lesson(session: WriteSession, event: LessonState) -> bool:
    """Keep who took part in a lesson; whether the event was news."""
    values = {
        "lesson_id": event.lesson_id,
        "tutor_id": event.tutor_id,
        "student_ids": list(event.student_ids),
        "course_id": event.course_id,
        "is_completed": event.status == "COMPLETED",
        "version": event.version,
    }
    statement = insert(LessonRef).values(values)
    written = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["lesson_id"],
            set_={name: statement.excluded[name] for name in values if name != "lesson_id"},
            where=statement.excluded.version > LessonRef.version,
        ).returning(LessonRef.lesson_id)
    )
    return written is not None


async def note_courses(session: WriteSession, events: Sequence[CourseState]) -> None:
    """Keep who teaches each course."""
    newest: dict[UUID, CourseState] = {}
    for event in events:
        if event.course_id not in newest or event.version > newest[event.course_id].version:
            newest[event.course_id] = event
    statement = insert(CourseRef).values(
        [
            {"course_id": id_, "tutor_id": event.tutor_id, "version": event.version}
            for id_, event in sorted(newest.items())
        ]
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["course_id"],
            set_={"tutor_id": statement.excluded.tutor_id, "version": statement.excluded.version},
            where=statement.excluded.version > CourseRef.version,
        )
    )


async def lock_purchase(
    session: WriteSession, payable_id: UUID, payer_id: UUID, *, void: bool = False
) -> bool:
    """Lock what a payer bought, whichever event is first to tell of it; whether it is void.

    A refund that arrives before the lesson's completion is thereby not forgotten.
    """
    statement = insert(PurchaseRef).values(payable_id=payable_id, payer_id=payer_id, is_void=void)
    return bool(
        await session.scalar(
            statement.on_conflict_do_update(
                index_elements=["payable_id", "payer_id"],
                set_={"is_void": sa.or_(PurchaseRef.is_void, statement.excluded.is_void)},
            ).returning(PurchaseRef.is_void)
        )
    )


async def get_course_tutors(session: ReadSession, ids: Sequence[UUID]) -> list[UUID | None]:
    """Who teaches each course, as far as known."""
    rows = await session.execute(
        sa.select(CourseRef.course_id, CourseRef.tutor_id).where(among(CourseRef.course_id, ids))
    )
    found = {row.course_id: row.tutor_id for row in rows}
    return [found.get(id_) for id_ in ids]
