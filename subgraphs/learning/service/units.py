"""Units of a course: adding, changing, ordering; positions count from 1 without gaps."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, among
from shared.errors import Conflict, InvalidInput, NotFound
from shared.pages import ListsByParent, Order, Page, PageRequest
from shared.validation import between, optional_text, text
from shared.viewer import Viewer
from subgraphs.learning.models import Course, CourseStatus, CourseUnit
from subgraphs.learning.service.courses import lock_own_course, may_see, refuse_archived

MOST_UNITS = 500
_BY_POSITION = Order.by(CourseUnit.position, CourseUnit.id)
_OF_COURSE = ListsByParent(sa.select(CourseUnit), _BY_POSITION, parent=CourseUnit.course_id)


async def add_unit(
    session: WriteSession,
    viewer: Viewer,
    course_id: UUID,
    *,
    title: str,
    summary: str | None,
    duration_minutes: int | None,
    position: int | None,
) -> CourseUnit:
    """Add a unit at a position (at the end without). Raises NotFound, Forbidden, InvalidInput."""
    course = await lock_own_course(session, viewer, course_id)
    refuse_archived(course)
    count = await _count(session, course.id)
    if count >= MOST_UNITS:
        raise Conflict(f"A course may have at most {MOST_UNITS} units.")
    place = count + 1 if position is None else position
    between(place, field="position", least=1, most=count + 1)
    await session.execute(
        sa.update(CourseUnit)
        .where(CourseUnit.course_id == course.id, CourseUnit.position >= place)
        .values(position=CourseUnit.position + 1)
        .execution_options(synchronize_session=False)
    )
    unit = CourseUnit(
        course_id=course.id,
        position=place,
        title=text(title, field="title", least=1, most=200),
        summary=optional_text(summary, field="summary", most=5_000, lines=True),
        duration_minutes=_minutes(duration_minutes),
    )
    session.add(unit)
    await session.flush()
    return unit


async def update_unit(
    session: WriteSession,
    viewer: Viewer,
    unit_id: UUID,
    *,
    title: str | None,
    summary: str | None,
    duration_minutes: int | None,
) -> CourseUnit:
    """Change a unit; None leaves a value. Raises NotFound, Forbidden, InvalidInput."""
    unit, course = await _own_unit(session, viewer, unit_id)
    refuse_archived(course)
    if title is not None:
        unit.title = text(title, field="title", least=1, most=200)
    if summary is not None:
        unit.summary = optional_text(summary, field="summary", most=5_000, lines=True)
    if duration_minutes is not None:
        unit.duration_minutes = _minutes(duration_minutes)
    await session.flush()
    return unit


async def remove_unit(session: WriteSession, viewer: Viewer, unit_id: UUID) -> Course:
    """Remove a unit with its progress. Raises Conflict for a published course's last unit."""
    unit, course = await _own_unit(session, viewer, unit_id)
    refuse_archived(course)
    if course.status == CourseStatus.PUBLISHED and await _count(session, course.id) == 1:
        raise Conflict("A published course needs at least one unit.")
    await session.delete(unit)
    await session.flush()
    await session.execute(
        sa.update(CourseUnit)
        .where(CourseUnit.course_id == course.id, CourseUnit.position > unit.position)
        .values(position=CourseUnit.position - 1)
        .execution_options(synchronize_session=False)
    )
    return course


async def reorder_units(
    session: WriteSession, viewer: Viewer, course_id: UUID, unit_ids: Sequence[UUID]
) -> Course:
    """Give all units of a course the order of the list. Raises InvalidInput for another set."""
    course = await lock_own_course(session, viewer, course_id)
    refuse_archived(course)
    known = set(
        await session.scalars(sa.select(CourseUnit.id).where(CourseUnit.course_id == course.id))
    )
    if len(unit_ids) != len(known) or set(unit_ids) != known:
        raise InvalidInput("unitIds must name every unit of the course once.", field="unitIds")
    wanted = (
        sa.func.unnest(sa.cast(list(unit_ids), sa.ARRAY(sa.Uuid)))
        .table_valued("id", with_ordinality="place")
        .render_derived()
    )
    await session.execute(
        sa.update(CourseUnit)
        .where(CourseUnit.id == wanted.c.id)
        .values(position=sa.cast(wanted.c.place, sa.Integer))
        .execution_options(synchronize_session=False)
    )
    return course


async def _own_unit(
    session: WriteSession, viewer: Viewer, unit_id: UUID
) -> tuple[CourseUnit, Course]:
    viewer.require_user()
    course_id = await session.scalar(
        sa.select(CourseUnit.course_id).where(CourseUnit.id == unit_id)
    )
    if course_id is None:
        raise NotFound("There is no such unit.")
    course = await lock_own_course(session, viewer, course_id)
    # Again under the course's lock: it may have gone or moved meanwhile.
    unit = await session.get(CourseUnit, unit_id)
    if unit is None:
        raise NotFound("There is no such unit.")
    return unit, course


def _minutes(value: int | None) -> int | None:
    if value is not None:
        between(value, field="durationMinutes", least=1, most=10_000)
    return value


async def _count(session: ReadSession, course_id: UUID) -> int:
    statement = sa.select(sa.func.count()).where(CourseUnit.course_id == course_id)
    return (await session.scalar(statement)) or 0


async def get_units(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[CourseUnit | None]:
    """Many units at once, in the order asked for; those of hidden drafts are None."""
    rows = await session.execute(
        sa.select(CourseUnit, Course)
        .join(Course, Course.id == CourseUnit.course_id)
        .where(among(CourseUnit.id, ids), Course.deleted_at.is_(None))
    )
    found = {unit.id: unit for unit, course in rows if may_see(course, viewer)}
    return [found.get(id_) for id_ in ids]


async def list_units(
    session: ReadSession, course_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[CourseUnit]]:
    """The units of each course, in order; the caller has seen that the course is visible."""
    return await _OF_COURSE.pages(session, page, course_ids)
