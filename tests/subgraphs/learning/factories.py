"""Rows of learning, written past the rules, as a test needs them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.db import WriteSession, utc_now
from shared.ids import new_id
from subgraphs.learning.models import (
    Course,
    CourseLevel,
    CoursePurchase,
    CourseStatus,
    CourseUnit,
    Enrollment,
    TutorRef,
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
    course = await session.get_one(Course, course.id)
    if enrollment.status == "PENDING_PAYMENT":
        purchase = CoursePurchase(
            course_id=course.id,
            student_id=enrollment.student_id,
            price_amount=4900,
            price_currency="USD",
            hold_expires_at=utc_now() + timedelta(minutes=15),
            refund_days=14,
            offer_hours=24,
        )
        session.add(purchase)
        await session.flush()
        enrollment.purchase_id = purchase.id
        course.held_seats += 1
    session.add(enrollment)
    course.current_students += enrollment.status not in ("CANCELLED", "PENDING_PAYMENT")
    await session.flush()
    return enrollment


async def create_tutor_ref(session: WriteSession, **overrides: Any) -> TutorRef:
    """What learning knows of a tutor whose lessons are sold."""
    values: dict[str, Any] = {
        "user_id": new_id(),
        "profile_id": new_id(),
        "time_zone": "Europe/Lisbon",
        "is_bookable": True,
        "is_verified": True,
        "version": 1,
    }
    tutor = TutorRef(**(values | overrides))
    session.add(tutor)
    await session.flush()
    return tutor


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
