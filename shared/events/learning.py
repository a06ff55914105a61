"""What learning publishes: courses as whole states, enrolments as occurrences."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from shared.events import Event

COURSE_TOPIC = "edtech.learning.course.v1"
ENROLLMENT_LOG = "edtech.learning.enrollment.log.v1"


class CourseState(Event):
    """The whole reference of a course that was published at least once."""

    topic: ClassVar[str] = COURSE_TOPIC
    subject_field: ClassVar[str] = "course_id"

    course_id: UUID
    tutor_id: UUID
    title: str
    category: str | None
    level: str
    language: str
    price_amount: int
    price_currency: str
    duration_minutes: int
    status: Literal["PUBLISHED", "ARCHIVED"]


class CoursePublished(CourseState):
    """A course can be found and enrolled in."""

    type: ClassVar[str] = "edtech.learning.course.published.v1"


class CourseUpdated(CourseState):
    """A published course changed."""

    type: ClassVar[str] = "edtech.learning.course.updated.v1"


class CourseArchived(CourseState):
    """A course takes no new students; those it has go on."""

    type: ClassVar[str] = "edtech.learning.course.archived.v1"


class EnrollmentEvent(Event):
    """An occurrence in the life of one enrolment."""

    topic: ClassVar[str] = ENROLLMENT_LOG
    subject_field: ClassVar[str] = "enrollment_id"

    enrollment_id: UUID
    course_id: UUID
    student_id: UUID


class EnrollmentActivated(EnrollmentEvent):
    """A student has a seat, for the first time or again."""

    type: ClassVar[str] = "edtech.learning.enrollment.activated.v1"


class EnrollmentCancelled(EnrollmentEvent):
    """A student gave the seat back."""

    type: ClassVar[str] = "edtech.learning.enrollment.cancelled.v1"


class EnrollmentCompleted(EnrollmentEvent):
    """A student completed every unit."""

    type: ClassVar[str] = "edtech.learning.enrollment.completed.v1"


class UnitCompleted(EnrollmentEvent):
    """A student completed a unit."""

    type: ClassVar[str] = "edtech.learning.enrollment.unit_completed.v1"

    unit_id: UUID
    completed_units: int
    total_units: int


class CertificateIssued(EnrollmentEvent):
    """A certificate can be verified by its code."""

    type: ClassVar[str] = "edtech.learning.enrollment.certificate_issued.v1"

    certificate_id: UUID


class WaitlistSeatOffered(Event):
    """A seat is held for somebody on the waitlist until the offer ends."""

    topic: ClassVar[str] = ENROLLMENT_LOG
    type: ClassVar[str] = "edtech.learning.enrollment.waitlist_offered.v1"
    subject_field: ClassVar[str] = "entry_id"

    entry_id: UUID
    course_id: UUID
    student_id: UUID
    expires_at: datetime
