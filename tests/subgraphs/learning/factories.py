"""Rows of learning, written past the rules, as a test needs them."""

from typing import Any
from uuid import UUID

from shared.db import WriteSession, utc_now
from shared.ids import new_id
from subgraphs.learning.models import (
    Course,
    CourseLevel,
    CourseStatus,
    CourseUnit,
    Enrollment,
    UserRef,
    WaitlistEntry,
)
from subgraphs.learning.service.certificates import new_code


async def create_user(session: WriteSession, **overrides: Any) -> UserRef:
    """What learning knows of a verified student."""
    values: dict[str, Any] = {
        "user_id": new_id(),
        "first_name": "Ana",
        "last_name": "Silva",
        "roles": ["student"],
        "status": "ACTIVE",
        "auth_version": 1,
        "version": 1,
    }
    user = UserRef(**(values | overrides))
    session.add(user)
    await session.flush()
    return user


async def create_course(session: WriteSession, *, units: int = 2, **overrides: Any) -> Course:
    """A free published course with ten seats and so many units."""
    values: dict[str, Any] = {
        "tutor_id": new_id(),
        "title": "Guitar for beginners",
        "level": CourseLevel.BEGINNER,
        "price_amount": 0,
        "duration_minutes": 90,
        "max_students": 10,
        "language": "en",
        "price_currency": "USD",
        "status": CourseStatus.PUBLISHED,
        "version": 2,
    }
    values |= overrides
    if values["status"] != CourseStatus.DRAFT:
        values.setdefault("published_at", utc_now())
    course = Course(**values)
    session.add(course)
    await session.flush()
    for position in range(1, units + 1):
        await create_unit(session, course_id=course.id, position=position)
    return course


async def create_unit(session: WriteSession, **overrides: Any) -> CourseUnit:
    """A unit; `course_id` and `position` are the caller's to give."""
    unit = CourseUnit(**({"title": f"Unit {overrides['position']}"} | overrides))
    session.add(unit)
    await session.flush()
    return unit


async def create_enrollment(session: WriteSession, course: Course, **overrides: Any) -> Enrollment:
    """A student who takes a seat of the course."""
    enrollment = Enrollment(**({"course_id": course.id, "student_id": new_id()} | overrides))
    session.add(enrollment)
    course = await session.get_one(Course, course.id)
    course.current_students += enrollment.status != "CANCELLED"
    await session.flush()
    return enrollment


async def create_waitlist_entry(
    session: WriteSession, course: Course, **overrides: Any
) -> WaitlistEntry:
    """A student who waits for a seat in the course."""
    entry = WaitlistEntry(**({"course_id": course.id, "student_id": new_id()} | overrides))
    session.add(entry)
    await session.flush()
    return entry


def certificate_values(enrollment: Enrollment) -> dict[str, UUID | str]:
    """What a certificate of an enrolment holds."""
    return {
        "enrollment_id": enrollment.id,
        "course_id": enrollment.course_id,
        "student_id": enrollment.student_id,
        "code": new_code(),
        "student_name": "Ana Silva",
        "course_title": "Guitar for beginners",
    }
