"""Lessons: the states they go through, who is in them, and reading them.

Locks are taken in one order everywhere: course, people (`lock_people`), lessons by id, saga. Every
change of a lesson goes through `move`: it raises the version, writes the history and tells of it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from shared.db import ReadSession, WriteSession, among, violated_constraint
from shared.errors import Conflict, Forbidden, NotFound
from shared.events.learning import LessonState
from shared.outbox import publish
from shared.pages import ListsByParent, Order, Page, PageRequest, keyset_by_parent
from shared.validation import optional_text
from shared.viewer import Viewer
from subgraphs.learning.models import (
    ONE_TRIAL,
    Lesson,
    LessonEvent,
    LessonKind,
    LessonParticipant,
    LessonRole,
    LessonStatus,
    is_overlap,
)

S = LessonStatus
CANCELLED = frozenset({S.CANCELLED_BY_STUDENT, S.CANCELLED_BY_TUTOR, S.CANCELLED_BY_SYSTEM})
# What a lesson can become. The same state again: moved, joined, left, or told of a late payment.
TRANSITIONS: dict[LessonStatus, frozenset[LessonStatus]] = {
    S.PENDING_PAYMENT: CANCELLED | {S.SCHEDULED, S.EXPIRED},
    S.SCHEDULED: CANCELLED
    | {S.SCHEDULED, S.IN_PROGRESS, S.COMPLETED, S.NO_SHOW_STUDENT, S.NO_SHOW_TUTOR},
    S.IN_PROGRESS: frozenset({S.COMPLETED, S.NO_SHOW_STUDENT}),
    S.COMPLETED: frozenset({S.DISPUTED}),
    S.NO_SHOW_STUDENT: frozenset({S.DISPUTED}),
    S.NO_SHOW_TUTOR: frozenset(),
    S.DISPUTED: frozenset({S.COMPLETED}),
    S.EXPIRED: frozenset({S.EXPIRED, S.SCHEDULED}),
    **{status: frozenset({status}) for status in CANCELLED},
}
MOST_REASON = 1_000
_LATEST = Order.by(Lesson.starts_at.desc(), Lesson.id.desc())
_EARLIEST = Order.by(Lesson.starts_at, Lesson.id)
_IN_TIME = Order.by(LessonEvent.version)
_HISTORY = ListsByParent(sa.select(LessonEvent), _IN_TIME, parent=LessonEvent.lesson_id)
_BY_USER = Order.by(LessonParticipant.user_id)


class SlotTaken(Conflict):
    """Somebody has another lesson at that time."""

    code = "SLOT_TAKEN"


class TrialUsed(Conflict):
    """There was a trial lesson with this tutor already."""

    code = "TRIAL_USED"


class LessonStateChanged(Conflict):
    """The lesson is no longer in a state that allows this."""

    code = "LESSON_STATE_CHANGED"


class TooEarly(Conflict):
    """It is too early for this."""

    code = "TOO_EARLY"


class TooLate(Conflict):
    """It is too late for this."""

    code = "TOO_LATE"


# All keys are locked in their own order, whoever asks: two who need the same people queue up.
_LOCK_PEOPLE = sa.text(
    "SELECT count(pg_advisory_xact_lock(key)) FROM (SELECT hashtextextended(id::text, 0) AS key"
    " FROM unnest(CAST(:ids AS uuid[])) AS id ORDER BY 1 OFFSET 0) AS keys"
)


async def lock_people(session: WriteSession, *user_ids: UUID) -> None:
    """Let nobody else give these people's time away until the transaction ends.

    The exclusion constraints are what decides; but two inserts that meet in one would wait for each
    other, and the database would have to break that off.
    """
    await session.execute(_LOCK_PEOPLE, {"ids": list(user_ids)})


async def move(
    session: WriteSession,
    lesson: Lesson,
    to: LessonStatus,
    event: type[LessonState],
    *,
    by: UUID | None,
    reason: str | None = None,
    **changes: Any,
) -> None:
    """Bring a locked lesson to another state. Raises LessonStateChanged, SlotTaken, TrialUsed."""
    before = LessonStatus(lesson.status)
    if to not in TRANSITIONS[before]:
        raise state_changed(lesson)
    lesson.status = to
    for name, value in changes.items():
        setattr(lesson, name, value)
    lesson.version += 1
    note(session, lesson, before=before, by=by, reason=reason)
    await flush(session)
    await tell(session, lesson, event)


def state_changed(lesson: Lesson) -> LessonStateChanged:
    """The refusal that names the present state."""
    return LessonStateChanged(f"The lesson is {lesson.status} now.")


def note(
    session: WriteSession,
    lesson: Lesson,
    *,
    before: str | None,
    by: UUID | None,
    reason: str | None,
) -> None:
    """Add to the history what has led to the lesson's present version."""
    session.add(
        LessonEvent(
            lesson_id=lesson.id,
            version=lesson.version,
            from_status=before,
            to_status=lesson.status,
            starts_at=lesson.starts_at,
            actor_id=by,
            reason=optional_text(reason, field="reason", most=MOST_REASON, lines=True),
        )
    )


async def flush(session: WriteSession) -> None:
    """Write; the constraints decide who has the time. Raises SlotTaken or TrialUsed."""
    try:
        await session.flush()
    except IntegrityError as error:
        constraint = violated_constraint(error)
        if is_overlap(constraint):
            raise SlotTaken("This time is taken. Choose another one.") from None
        if constraint == ONE_TRIAL:
            raise TrialUsed("You had a trial lesson with this tutor already.") from None
        raise


async def enter(session: WriteSession, lesson: Lesson, user_id: UUID, role: LessonRole) -> None:
    """Give somebody a place in the lesson. Raises SlotTaken when the person is busy."""
    session.add(
        LessonParticipant(
            lesson_id=lesson.id,
            user_id=user_id,
            role=role,
            # The trigger sets what the lesson says; the columns only may not be NULL before.
            starts_at=lesson.starts_at,
            ends_at=lesson.ends_at,
            is_live=True,
        )
    )
    await flush(session)


async def tell(session: WriteSession, lesson: Lesson, event: type[LessonState]) -> None:
    """Publish the whole state of a locked lesson."""
    students = (
        [lesson.student_id]
        if lesson.student_id is not None
        else await student_ids(session, lesson.id)
    )
    publish(
        session,
        event.model_validate(
            {
                "lesson_id": lesson.id,
                "tutor_id": lesson.tutor_id,
                "student_ids": students,
                "course_id": lesson.course_id,
                "kind": str(lesson.kind),
                "status": str(lesson.status),
                "starts_at": lesson.starts_at,
                "ends_at": lesson.ends_at,
                "price_amount": lesson.price_amount,
                "price_currency": lesson.price_currency,
                "hold_expires_at": lesson.hold_expires_at,
                "completed_at": lesson.completed_at,
                "dispute_until": lesson.dispute_until,
                "refund_bps": lesson.refund_bps,
                "version": lesson.version,
            }
        ),
    )


async def student_ids(session: ReadSession, lesson_id: UUID) -> list[UUID]:
    """The students of a lesson."""
    return list(
        await session.scalars(
            sa.select(LessonParticipant.user_id)
            .where(
                LessonParticipant.lesson_id == lesson_id,
                LessonParticipant.role == LessonRole.STUDENT,
            )
            .order_by(LessonParticipant.user_id)
        )
    )


async def lock_lesson(
    session: WriteSession, viewer: Viewer, lesson_id: UUID
) -> tuple[Lesson, LessonParticipant | None]:
    """The lesson, locked, and the viewer's place in it; None for an admin. Raises NotFound."""
    user_id = viewer.require_user()
    lesson = await session.get(Lesson, lesson_id, with_for_update=True, populate_existing=True)
    place = await session.get(LessonParticipant, (lesson_id, user_id))
    if lesson is None or (place is None and not viewer.is_admin):
        raise NotFound("There is no such lesson.")
    return lesson, place


async def lock_taught_lesson(session: WriteSession, viewer: Viewer, lesson_id: UUID) -> Lesson:
    """The lesson, locked, for its tutor or an admin. Raises NotFound or Forbidden."""
    lesson, place = await lock_lesson(session, viewer, lesson_id)
    if place is not None and place.role != LessonRole.TUTOR and not viewer.is_admin:
        raise Forbidden("Only the tutor can do this.")
    return lesson


def require_status(lesson: Lesson, *statuses: LessonStatus) -> None:
    """Refuse a lesson in another state. Raises LessonStateChanged."""
    if lesson.status not in statuses:
        raise state_changed(lesson)


def _of_viewer(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Lessons are visible to those who take part, and to admins."""
    if viewer.is_admin:
        return sa.true()
    return sa.exists().where(
        LessonParticipant.lesson_id == Lesson.id, LessonParticipant.user_id == viewer.user_id
    )


async def get_lessons(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[Lesson | None]:
    """Many lessons at once, in the order asked for; those not visible are None."""
    rows = await session.scalars(sa.select(Lesson).where(among(Lesson.id, ids), _of_viewer(viewer)))
    found = {row.id: row for row in rows}
    return [found.get(id_) for id_ in ids]


async def list_lessons(
    session: ReadSession,
    user_ids: Sequence[UUID],
    *,
    page: PageRequest,
    role: LessonRole | None,
    statuses: frozenset[LessonStatus] | None,
    since: datetime | None,
    until: datetime | None,
) -> list[Page[Lesson]]:
    """The lessons of each person that start within the bounds, the latest first."""
    statement = sa.select(Lesson).join(LessonParticipant, LessonParticipant.lesson_id == Lesson.id)
    if role is not None:
        statement = statement.where(LessonParticipant.role == role)
    if statuses is not None:
        statement = statement.where(Lesson.status.in_(statuses))
    if since is not None:
        statement = statement.where(Lesson.starts_at >= since)
    if until is not None:
        statement = statement.where(Lesson.starts_at < until)
    return await keyset_by_parent(
        session, statement, _LATEST, page, parent=LessonParticipant.user_id, parents=user_ids
    )


async def list_course_lessons(
    session: ReadSession, course_ids: Sequence[UUID], *, page: PageRequest, viewer: Viewer
) -> list[Page[Lesson]]:
    """The group lessons of each course that the viewer takes part in, the earliest first."""
    return await keyset_by_parent(
        session,
        sa.select(Lesson).where(_of_viewer(viewer)),
        _EARLIEST,
        page,
        parent=Lesson.course_id,
        parents=course_ids,
    )


async def list_history(
    session: ReadSession, lesson_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[LessonEvent]]:
    """What has happened to each lesson, in order; the caller has seen that it is visible."""
    return await _HISTORY.pages(session, page, lesson_ids)


async def list_participants(
    session: ReadSession,
    lesson_ids: Sequence[UUID],
    *,
    page: PageRequest,
    role: LessonRole | None = None,
) -> list[Page[LessonParticipant]]:
    """Who is in each lesson; the caller has seen that it is visible."""
    statement = sa.select(LessonParticipant)
    if role is not None:
        statement = statement.where(LessonParticipant.role == role)
    return await keyset_by_parent(
        session,
        statement,
        _BY_USER,
        page,
        parent=LessonParticipant.lesson_id,
        parents=lesson_ids,
    )


async def get_conflicts(session: ReadSession, keys: Sequence[tuple[UUID, UUID]]) -> list[bool]:
    """Whether the person of each (lesson, user) has another live lesson at that time."""
    here, other = sa.orm.aliased(LessonParticipant), sa.orm.aliased(LessonParticipant)
    rows = await session.execute(
        sa.select(here.lesson_id, here.user_id).where(
            sa.tuple_(here.lesson_id, here.user_id).in_(keys),
            here.is_live,
            sa.exists().where(
                other.user_id == here.user_id,
                other.lesson_id != here.lesson_id,
                other.is_live,
                other.starts_at < here.ends_at,
                other.ends_at > here.starts_at,
            ),
        )
    )
    found = {(row.lesson_id, row.user_id) for row in rows}
    return [key in found for key in keys]


def is_group(lesson: Lesson) -> bool:
    """Whether a course meets."""
    return lesson.kind == LessonKind.GROUP
