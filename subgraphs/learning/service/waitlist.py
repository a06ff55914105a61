"""The queue for a full course: a seat that comes free is held for the first in line for a while.

A free seat goes either to a held offer or back to everybody, in the transaction that frees it, so
nobody can slip in between. Every function here runs under the lock of the course's row. Offers are
made and ended by the database's clock alone.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, among, database_now
from shared.errors import Conflict, NotFound
from shared.events.learning import WaitlistSeatOffered
from shared.outbox import publish
from shared.viewer import Viewer
from subgraphs.learning.models import (
    Course,
    CourseStatus,
    Enrollment,
    EnrollmentStatus,
    WaitlistEntry,
    WaitlistStatus,
)
from subgraphs.learning.service import users
from subgraphs.learning.service.seats import AlreadyEnrolled, lock_open_course

LIVE = (WaitlistStatus.WAITING, WaitlistStatus.OFFERED)


class SeatsFree(Conflict):
    """There are free seats: enrol instead of waiting."""

    code = "SEATS_FREE"


async def join_waitlist(session: WriteSession, viewer: Viewer, course_id: UUID) -> WaitlistEntry:
    """Stand in line; who stands there keeps the place. Raises SeatsFree, AlreadyEnrolled, …"""
    student_id = viewer.require_user()
    course = await lock_open_course(session, viewer, course_id)
    entry = await _live_entry(session, course.id, student_id)
    if entry is not None:
        return entry
    enrolled = sa.select(Enrollment.id).where(
        Enrollment.course_id == course.id,
        Enrollment.student_id == student_id,
        Enrollment.status != EnrollmentStatus.CANCELLED,
    )
    if await session.scalar(enrolled) is not None:
        raise AlreadyEnrolled("You are enrolled already.")
    if course.seats_left > 0:
        raise SeatsFree("There are free seats: enrol now.")
    await users.meet(session, student_id)
    entry = WaitlistEntry(course_id=course.id, student_id=student_id)
    session.add(entry)
    await session.flush()
    return entry


async def leave_waitlist(
    session: WriteSession, viewer: Viewer, course_id: UUID, *, offer_hours: int
) -> WaitlistEntry:
    """Step out of the line; a seat on offer goes to the next. Raises NotFound."""
    student_id = viewer.require_user()
    course = await session.get(Course, course_id, with_for_update=True)
    entry = await _live_entry(session, course_id, student_id)
    if course is None or entry is None:
        raise NotFound("You are not on this waitlist.")
    offered = entry.status == WaitlistStatus.OFFERED
    entry.status = WaitlistStatus.LEFT
    entry.version += 1
    await session.flush()
    if offered:
        course.held_seats -= 1
        await offer_free_seats(session, course, offer_hours=offer_hours)
    return entry


async def take_offer(session: WriteSession, course: Course, student_id: UUID) -> bool:
    """Use up the student's open offer, if there is one; the seat is then no longer held."""
    entry = await _live_entry(session, course.id, student_id)
    if entry is None:
        return False
    open_offer = (
        entry.status == WaitlistStatus.OFFERED
        and entry.offer_expires_at is not None
        and entry.offer_expires_at > await database_now(session)
    )
    if open_offer or course.seats_left > 0:
        if entry.status == WaitlistStatus.OFFERED:
            course.held_seats -= 1
        entry.status = WaitlistStatus.ACCEPTED
        entry.version += 1
    return open_offer


async def offer_free_seats(session: WriteSession, course: Course, *, offer_hours: int) -> None:
    """Hold each free seat for the next in line; without a line it is free for everybody."""
    if course.status != CourseStatus.PUBLISHED or course.seats_left <= 0:
        await session.flush()
        return
    statement = (
        sa.select(WaitlistEntry)
        .where(WaitlistEntry.course_id == course.id, WaitlistEntry.status == WaitlistStatus.WAITING)
        .order_by(WaitlistEntry.created_at, WaitlistEntry.id)
        .limit(course.seats_left)
    )
    waiting = (await session.scalars(statement)).all()
    expires_at = await database_now(session) + timedelta(hours=offer_hours) if waiting else None
    for entry in waiting:
        entry.status = WaitlistStatus.OFFERED
        entry.offer_expires_at = expires_at
        entry.version += 1
        course.held_seats += 1
        publish(
            session,
            WaitlistSeatOffered(
                entry_id=entry.id,
                course_id=course.id,
                student_id=entry.student_id,
                expires_at=entry.offer_expires_at,
                version=entry.version,
            ),
        )
    await session.flush()


async def close(session: WriteSession, course: Course) -> None:
    """End the line of a course that takes no more students, open offers included."""
    offered = await session.scalar(
        sa.select(sa.func.count()).where(
            WaitlistEntry.course_id == course.id, WaitlistEntry.status == WaitlistStatus.OFFERED
        )
    )
    await session.execute(
        sa.update(WaitlistEntry)
        .where(WaitlistEntry.course_id == course.id, WaitlistEntry.status.in_(LIVE))
        .values(status=WaitlistStatus.EXPIRED, version=WaitlistEntry.version + 1)
    )
    # Who is paying keeps the seat.
    course.held_seats -= offered or 0
    await session.flush()


async def courses_with_ended_offers(session: ReadSession, *, most: int = 100) -> list[UUID]:
    """Courses in which an offer has run out."""
    rows = await session.scalars(
        sa.select(WaitlistEntry.course_id)
        .where(
            WaitlistEntry.status == WaitlistStatus.OFFERED,
            WaitlistEntry.offer_expires_at <= sa.func.clock_timestamp(),
        )
        .distinct()
        .limit(most)
    )
    return list(rows)


async def end_offers(session: WriteSession, course_id: UUID, *, offer_hours: int) -> int:
    """End the offers of a course that have run out and pass their seats on; how many ended."""
    course = await session.get(Course, course_id, with_for_update=True)
    if course is None:
        return 0
    ended = (
        await session.scalars(
            sa.select(WaitlistEntry).where(
                WaitlistEntry.course_id == course.id,
                WaitlistEntry.status == WaitlistStatus.OFFERED,
                WaitlistEntry.offer_expires_at <= sa.func.clock_timestamp(),
            )
        )
    ).all()
    for entry in ended:
        entry.status = WaitlistStatus.EXPIRED
        entry.version += 1
        course.held_seats -= 1
    await session.flush()
    await offer_free_seats(session, course, offer_hours=offer_hours)
    return len(ended)


async def get_own_entries(
    session: ReadSession, course_ids: Sequence[UUID], *, student_id: UUID
) -> list[WaitlistEntry | None]:
    """The student's live place on each course's waitlist."""
    rows = await session.scalars(
        sa.select(WaitlistEntry).where(
            among(WaitlistEntry.course_id, course_ids),
            WaitlistEntry.student_id == student_id,
            WaitlistEntry.status.in_(LIVE),
        )
    )
    found = {row.course_id: row for row in rows}
    return [found.get(id_) for id_ in course_ids]


async def _live_entry(
    session: ReadSession, course_id: UUID, student_id: UUID
) -> WaitlistEntry | None:
    entry: WaitlistEntry | None = await session.scalar(
        sa.select(WaitlistEntry).where(
            WaitlistEntry.course_id == course_id,
            WaitlistEntry.student_id == student_id,
            WaitlistEntry.status.in_(LIVE),
        )
    )
    return entry
