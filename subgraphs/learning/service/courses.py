"""Courses: writing, publishing, archiving, and reading."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, utc_now
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.events.learning import CourseArchived, CoursePublished, CourseState, CourseUpdated
from shared.lookup import ByKey
from shared.outbox import publish
from shared.pages import Order, Page, PageRequest, keyset, keyset_by_parent
from shared.validation import between, text
from shared.viewer import Viewer
from subgraphs.learning.models import Course, CourseLevel, CourseStatus, CourseUnit
from subgraphs.learning.service import users, waitlist

MAX_STUDENTS_DEFAULT = 10
SHORTEST_MINUTES = 30
LARGEST = 100_000
NEWEST = Order.by(Course.published_at.desc(), Course.id.desc())
_BY_ID = Order.by(Course.id.desc())
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class CourseEmpty(Conflict):
    """The course has no units yet."""

    code = "COURSE_EMPTY"


class SeatsBelowStudents(Conflict):
    """There are more students than the new number of seats."""

    code = "SEATS_BELOW_STUDENTS"


@dataclass(frozen=True)
class CourseDraft:
    """What a tutor says of a course; None leaves a value as it is, empty text clears it."""

    title: str | None = None
    description: str | None = None
    category: str | None = None
    level: CourseLevel | None = None
    language: str | None = None
    price_amount: int | None = None
    price_currency: str | None = None
    duration_minutes: int | None = None
    max_students: int | None = None


def _checked(draft: CourseDraft) -> CourseDraft:
    if draft.title is not None:
        draft = replace(draft, title=text(draft.title, field="title", least=3, most=200))
    if draft.language is not None and not _LANGUAGE.fullmatch(draft.language):
        raise InvalidInput("language is not a BCP 47 tag such as en or pt-BR.", field="language")
    if draft.price_amount is not None and draft.price_amount < 0:
        raise InvalidInput("price must not be negative.", field="price")
    if draft.duration_minutes is not None:
        between(
            draft.duration_minutes, field="durationMinutes", least=SHORTEST_MINUTES, most=LARGEST
        )
    if draft.max_students is not None:
        between(draft.max_students, field="maxStudents", least=1, most=LARGEST)
    if draft.description is not None:
        description = text(draft.description, field="description", most=20_000, lines=True)
        draft = replace(draft, description=description)
    if draft.category is not None:
        draft = replace(draft, category=text(draft.category, field="category", most=50))
    return draft


async def create_course(session: WriteSession, viewer: Viewer, draft: CourseDraft) -> Course:
    """Begin a draft. Raises Forbidden for who is no tutor, InvalidInput."""
    viewer.require_role("tutor")
    tutor_id = viewer.require_user()
    draft = _checked(draft)
    if draft.title is None or draft.duration_minutes is None:
        raise InvalidInput("title and durationMinutes are required.", field="title")
    course = Course(
        tutor_id=tutor_id,
        title=draft.title,
        description=draft.description or None,
        category=draft.category or None,
        level=draft.level or CourseLevel.BEGINNER,
        language=draft.language or "en",
        price_amount=draft.price_amount or 0,
        price_currency=draft.price_currency or "USD",
        duration_minutes=draft.duration_minutes,
        max_students=draft.max_students or MAX_STUDENTS_DEFAULT,
    )
    session.add(course)
    await users.meet(session, tutor_id)
    await session.flush()
    return course


async def update_course(
    session: WriteSession,
    viewer: Viewer,
    course_id: UUID,
    draft: CourseDraft,
    *,
    offer_hours: int,
) -> Course:
    """Change a course; new seats go to the waitlist first. Raises SeatsBelowStudents, …"""
    course = await lock_own_course(session, viewer, course_id)
    refuse_archived(course)
    draft = _checked(draft)
    if draft.max_students is not None:
        if draft.max_students < course.current_students + course.held_seats:
            raise SeatsBelowStudents(
                f"{course.current_students + course.held_seats} seats are taken or offered.",
                field="maxStudents",
            )
        course.max_students = draft.max_students
    for name in (
        "title",
        "description",
        "category",
        "level",
        "language",
        "price_amount",
        "price_currency",
        "duration_minutes",
    ):
        value = getattr(draft, name)
        if value is not None:
            setattr(course, name, None if value == "" else value)
    if not session.is_modified(course):
        return course
    await _touch(session, course, CourseUpdated)
    await waitlist.offer_free_seats(session, course, offer_hours=offer_hours)
    return course


async def publish_course(session: WriteSession, viewer: Viewer, course_id: UUID) -> Course:
    """Make a draft visible; publishing again changes nothing. Raises CourseEmpty, Conflict, …"""
    viewer.require_role("tutor")
    course = await lock_own_course(session, viewer, course_id)
    await users.require_verified(session, viewer)
    if course.status == CourseStatus.PUBLISHED:
        return course
    refuse_archived(course)
    units = await session.scalar(
        sa.select(sa.func.count()).where(CourseUnit.course_id == course.id)
    )
    if not units:
        raise CourseEmpty("Add at least one unit first.")
    course.status = CourseStatus.PUBLISHED
    course.published_at = utc_now()
    await _touch(session, course, CoursePublished)
    return course


async def archive_course(session: WriteSession, viewer: Viewer, course_id: UUID) -> Course:
    """Take no new students and end the line; those enrolled go on. Raises Conflict, …"""
    course = await lock_own_course(session, viewer, course_id)
    if course.status == CourseStatus.ARCHIVED:
        return course
    if course.status == CourseStatus.DRAFT:
        raise Conflict("Delete a draft instead of archiving it.")
    course.status = CourseStatus.ARCHIVED
    course.archived_at = utc_now()
    await waitlist.close(session, course)
    await _touch(session, course, CourseArchived)
    return course


async def delete_draft(session: WriteSession, viewer: Viewer, course_id: UUID) -> Course:
    """Remove a course that was never published (softly). Raises Conflict for another one."""
    course = await lock_own_course(session, viewer, course_id)
    if course.status != CourseStatus.DRAFT:
        raise Conflict("A course that was published can only be archived.")
    course.deleted_at = utc_now()
    course.version += 1
    await session.flush()
    return course


async def lock_own_course(session: WriteSession, viewer: Viewer, course_id: UUID) -> Course:
    """The course, locked, for its tutor or an admin. Raises NotFound or Forbidden."""
    viewer.require_user()
    course = await session.get(Course, course_id, with_for_update=True)
    if course is None or course.deleted_at is not None or not may_see(course, viewer):
        raise NotFound("There is no such course.")
    if not viewer.may_see_private(course.tutor_id):
        raise Forbidden("This course belongs to another tutor.")
    return course


def refuse_archived(course: Course) -> None:
    """An archived course stays as it is. Raises Conflict."""
    if course.status == CourseStatus.ARCHIVED:
        raise Conflict("An archived course cannot be changed.")


def may_see(course: Course, viewer: Viewer) -> bool:
    """Drafts are visible to their tutor and to admins alone."""
    return course.status != CourseStatus.DRAFT or viewer.may_see_private(course.tutor_id)


async def _touch(session: WriteSession, course: Course, event: type[CourseState]) -> None:
    course.version += 1
    await session.flush()
    # A draft is nobody else's business.
    if course.status != CourseStatus.DRAFT:
        publish(
            session,
            event(
                course_id=course.id,
                tutor_id=course.tutor_id,
                title=course.title,
                category=course.category,
                level=course.level,
                language=course.language,
                price_amount=course.price_amount,
                price_currency=course.price_currency,
                duration_minutes=course.duration_minutes,
                status="ARCHIVED" if course.status == CourseStatus.ARCHIVED else "PUBLISHED",
                version=course.version,
            ),
        )


_COURSES = ByKey(sa.select(Course).where(Course.deleted_at.is_(None)), Course.id)


async def get_courses(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[Course | None]:
    """Many courses at once, in the order asked for; those deleted or not visible are None."""
    return await _COURSES.find(session, ids, visible=lambda course: may_see(course, viewer))


def published() -> sa.Select[Any]:
    """Courses that everybody can find."""
    return sa.select(Course).where(
        Course.deleted_at.is_(None), Course.status == CourseStatus.PUBLISHED
    )


async def list_courses(session: ReadSession, page: PageRequest) -> Page[Course]:
    """Published courses, the newest first."""
    return await keyset(session, published(), NEWEST, page)


async def list_taught_courses(
    session: ReadSession, tutor_ids: Sequence[UUID], *, page: PageRequest, viewer: Viewer
) -> list[Page[Course]]:
    """Courses of each tutor, the newest first, as far as the viewer may see them."""
    statement = sa.select(Course).where(Course.deleted_at.is_(None))
    if not viewer.is_admin:
        own = Course.tutor_id == viewer.user_id
        statement = statement.where(sa.or_(Course.status != CourseStatus.DRAFT, own))
    return await keyset_by_parent(
        session, statement, _BY_ID, page, parent=Course.tutor_id, parents=tutor_ids
    )
