"""Enrolments: seats, progress, completion. Seats equal live enrolments, whatever races."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession, among, utc_now
from shared.errors import Conflict, Forbidden, NotFound, Unauthenticated
from shared.events.learning import (
    EnrollmentActivated,
    EnrollmentCancelled,
    EnrollmentCompleted,
    EnrollmentEvent,
    UnitCompleted,
)
from shared.outbox import publish
from shared.pages import ListsByParent, Order, Page, PageRequest
from shared.viewer import Viewer, ViewerKind
from subgraphs.learning.config import Settings
from subgraphs.learning.models import (
    SEATED,
    Course,
    CourseUnit,
    Enrollment,
    EnrollmentStatus,
    UnitProgress,
)
from subgraphs.learning.service import groups, purchases, quizzes, users, waitlist
from subgraphs.learning.service.certificates import issue_certificate
from subgraphs.learning.service.seats import (
    AlreadyEnrolled,
    CourseFull,
    PaymentRequired,
    lock_open_course,
)

# What a partner's program needs to read the enrolments of the account that it acts for.
READ_SCOPE = "enrollments:read"
_NEWEST = Order.by(Enrollment.id.desc())
_COURSES_OF_STUDENT = ListsByParent(
    sa.select(Course)
    .join(Enrollment, Enrollment.course_id == Course.id)
    .where(Enrollment.status.in_(SEATED), Course.deleted_at.is_(None)),
    _NEWEST,
    parent=Enrollment.student_id,
)
_OF_COURSE = ListsByParent(sa.select(Enrollment), _NEWEST, parent=Enrollment.course_id)
_OF_STUDENT = ListsByParent(sa.select(Enrollment), _NEWEST, parent=Enrollment.student_id)


@dataclass(frozen=True)
class Progress:
    """How far a student is; a completed enrolment stays completed when units are added."""

    completed_units: int
    total_units: int

    @property
    def percent(self) -> int:
        """Whole percent, rounded down, so that 100 means all of it."""
        return 100 * self.completed_units // self.total_units if self.total_units else 0


async def enroll_free(session: WriteSession, viewer: Viewer, course_id: UUID) -> Enrollment:
    """Take a seat in a free course. Raises CourseFull, AlreadyEnrolled, PaymentRequired, …"""
    student_id = viewer.require_user()
    course = await lock_open_course(session, viewer, course_id)
    if course.price_amount > 0:
        raise PaymentRequired("This course is not free.")
    await users.meet(session, student_id)
    row = (
        await session.execute(
            insert(Enrollment)
            .values(course_id=course.id, student_id=student_id, status=EnrollmentStatus.ACTIVE)
            .on_conflict_do_update(
                index_elements=["course_id", "student_id"],
                set_={
                    "status": EnrollmentStatus.ACTIVE,
                    "enrolled_at": sa.func.clock_timestamp(),
                    "cancelled_at": None,
                    "purchase_id": None,
                    "version": Enrollment.version + 1,
                },
                where=Enrollment.status == EnrollmentStatus.CANCELLED,
            )
            .returning(Enrollment)
        )
    ).scalar_one_or_none()
    if row is None:
        raise AlreadyEnrolled("You are enrolled already.")
    offered = await waitlist.take_offer(session, course, student_id)
    if not offered and course.seats_left <= 0:
        raise CourseFull(f"All {course.max_students} seats are taken.")
    course.current_students += 1
    await session.flush()
    _tell(session, EnrollmentActivated, course, row)
    await groups.join_lessons(session, course, student_id)
    return row


async def cancel_enrollment(
    session: WriteSession, viewer: Viewer, enrollment_id: UUID, *, settings: Settings
) -> Enrollment:
    """Give the seat back, or give up paying for it; cancelling twice changes nothing.

    A bought seat gives the money back for some days, while little of the course is done.
    Raises NotFound, Conflict.
    """
    course, enrollment = await _locked(session, viewer, enrollment_id)
    if enrollment.status == EnrollmentStatus.CANCELLED:
        return enrollment
    if enrollment.status == EnrollmentStatus.COMPLETED:
        raise Conflict("A completed course cannot be cancelled.")
    if enrollment.status == EnrollmentStatus.PENDING_PAYMENT:
        await purchases.cancel_purchase(session, course, enrollment)
        return enrollment
    [progress] = await get_progress(session, [enrollment.id])
    refund = await purchases.refund_of(
        session,
        enrollment,
        completed_units=progress.completed_units,
        total_units=progress.total_units,
        settings=settings,
    )
    enrollment.status = EnrollmentStatus.CANCELLED
    enrollment.cancelled_at = utc_now()
    enrollment.version += 1
    course.current_students -= 1
    await session.flush()
    _tell(
        session,
        EnrollmentCancelled,
        course,
        enrollment,
        purchase_id=enrollment.purchase_id,
        refund_bps=refund,
    )
    await groups.leave_lessons(session, course, enrollment.student_id)
    await waitlist.offer_free_seats(session, course, offer_hours=settings.waitlist_offer_hours)
    return enrollment


async def complete_unit(session: WriteSession, viewer: Viewer, unit_id: UUID) -> Enrollment:
    """Tick a unit off; the last one completes the course. Twice changes nothing, unless a unit that
    was missing has been removed since: then it completes the course, too.

    Raises NotFound for who is not enrolled, Conflict, Unavailable.
    """
    student_id = viewer.require_user()
    found = (
        await session.execute(
            sa.select(Enrollment.id)
            .join(CourseUnit, CourseUnit.course_id == Enrollment.course_id)
            .where(CourseUnit.id == unit_id, Enrollment.student_id == student_id)
        )
    ).scalar_one_or_none()
    if found is None:
        raise NotFound("There is no such unit in a course of yours.")
    course, enrollment = await _locked(session, viewer, found)
    if enrollment.status == EnrollmentStatus.CANCELLED:
        raise Conflict("Your enrolment is cancelled.")
    if enrollment.status == EnrollmentStatus.PENDING_PAYMENT:
        raise PaymentRequired("Your enrolment is not paid yet.")
    if await session.get(UnitProgress, (enrollment.id, unit_id)) is None:
        await quizzes.require_passed(session, unit_id, student_id)
    inserted = await session.scalar(
        insert(UnitProgress)
        .from_select(
            ["enrollment_id", "unit_id"],
            sa.select(sa.literal(enrollment.id), CourseUnit.id).where(CourseUnit.id == unit_id),
        )
        .on_conflict_do_nothing()
        .returning(UnitProgress.unit_id)
    )
    if inserted is None and await session.get(CourseUnit, unit_id) is None:
        raise NotFound("There is no such unit in a course of yours.")
    [progress] = await get_progress(session, [enrollment.id])
    if inserted is not None:
        enrollment.version += 1
        publish(
            session,
            UnitCompleted(
                enrollment_id=enrollment.id,
                course_id=course.id,
                student_id=student_id,
                tutor_id=course.tutor_id,
                unit_id=unit_id,
                completed_units=progress.completed_units,
                total_units=progress.total_units,
                version=enrollment.version,
            ),
        )
    if (
        enrollment.status == EnrollmentStatus.ACTIVE
        and progress.completed_units == progress.total_units
    ):
        enrollment.status = EnrollmentStatus.COMPLETED
        enrollment.completed_at = utc_now()
        enrollment.version += 1
        _tell(session, EnrollmentCompleted, course, enrollment)
        await issue_certificate(session, course, enrollment)
    await session.flush()
    return enrollment


async def _locked(
    session: WriteSession, viewer: Viewer, enrollment_id: UUID
) -> tuple[Course, Enrollment]:
    """The student's own enrolment with its course, locked in the order that all keep."""
    viewer.require_user()
    course_id = await session.scalar(
        sa.select(Enrollment.course_id).where(Enrollment.id == enrollment_id)
    )
    if course_id is None:
        raise NotFound("There is no such enrolment.")
    course = await session.get_one(Course, course_id, with_for_update=True)
    enrollment = await session.get_one(Enrollment, enrollment_id, with_for_update=True)
    if not viewer.may_see_private(enrollment.student_id):
        raise Forbidden("This enrolment is somebody else's.")
    return course, enrollment


def _tell(
    session: WriteSession,
    event: type[EnrollmentEvent],
    course: Course,
    row: Enrollment,
    **more: Any,
) -> None:
    publish(
        session,
        event(
            enrollment_id=row.id,
            course_id=row.course_id,
            student_id=row.student_id,
            tutor_id=course.tutor_id,
            version=row.version,
            **more,
        ),
    )


def may_see(enrollment: Enrollment, course_tutor: UUID, viewer: Viewer) -> bool:
    """An enrolment is visible to its student, to the course's tutor and to admins.

    A partner's program sees those of the tutor that it acts for. Raises Forbidden without scope.
    """
    if viewer.may_see_private(enrollment.student_id):
        return True
    return viewer.may_read_for(course_tutor, READ_SCOPE)


def require_account(viewer: Viewer) -> UUID:
    """The account that a partner's program acts for. Raises Unauthenticated or Forbidden."""
    if viewer.kind is ViewerKind.ANONYMOUS:
        raise Unauthenticated("Sign in first.")
    viewer.require_scope(READ_SCOPE)
    if viewer.acts_for is None:
        raise Forbidden("This is for programs that act for an account.")
    return viewer.acts_for


async def get_enrollments(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[Enrollment | None]:
    """Many enrolments at once, in the order asked for; those not visible are None."""
    rows = await session.execute(
        sa.select(Enrollment, Course.tutor_id)
        .join(Course, Course.id == Enrollment.course_id)
        .where(among(Enrollment.id, ids))
    )
    found = {row.id: row for row, tutor_id in rows if may_see(row, tutor_id, viewer)}
    return [found.get(id_) for id_ in ids]


async def get_own_enrollments(
    session: ReadSession, course_ids: Sequence[UUID], *, student_id: UUID
) -> list[Enrollment | None]:
    """The student's enrolment in each course."""
    rows = await session.scalars(
        sa.select(Enrollment).where(
            among(Enrollment.course_id, course_ids), Enrollment.student_id == student_id
        )
    )
    found = {row.course_id: row for row in rows}
    return [found.get(id_) for id_ in course_ids]


async def list_enrollments(
    session: ReadSession, student_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[Enrollment]]:
    """The enrolments of each student, the newest first."""
    return await _OF_STUDENT.pages(session, page, student_ids)


async def list_course_enrollments(
    session: ReadSession, course_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[Enrollment]]:
    """The enrolments in each course, the newest first."""
    return await _OF_COURSE.pages(session, page, course_ids)


async def list_enrolled_courses(
    session: ReadSession, student_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[Course]]:
    """The courses in which each student has or had a seat that was not given back."""
    return await _COURSES_OF_STUDENT.pages(session, page, student_ids)


async def get_progress(session: ReadSession, enrollment_ids: Sequence[UUID]) -> list[Progress]:
    """How far each enrolment is. One statement."""
    units = (
        sa.select(sa.func.count())
        .where(CourseUnit.course_id == Enrollment.course_id)
        .scalar_subquery()
    )
    ticked = (
        sa.select(sa.func.count())
        .where(UnitProgress.enrollment_id == Enrollment.id)
        .scalar_subquery()
    )
    rows = await session.execute(
        sa.select(Enrollment.id, ticked.label("ticked"), units.label("units")).where(
            among(Enrollment.id, enrollment_ids)
        )
    )
    found = {row.id: Progress(row.ticked, row.units) for row in rows}
    return [found.get(id_, Progress(0, 0)) for id_ in enrollment_ids]


async def get_completed(
    session: ReadSession, unit_ids: Sequence[UUID], *, student_id: UUID
) -> list[bool]:
    """Whether the student has completed each unit."""
    rows = await session.scalars(
        sa.select(UnitProgress.unit_id)
        .join(Enrollment, Enrollment.id == UnitProgress.enrollment_id)
        .where(
            among(UnitProgress.unit_id, unit_ids),
            Enrollment.student_id == student_id,
            Enrollment.status != EnrollmentStatus.PENDING_PAYMENT,
        )
    )
    found = set(rows)
    return [id_ in found for id_ in unit_ids]
