"""What learning publishes: courses and lessons as whole states, enrolments as occurrences."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from shared.events import Event

COURSE_TOPIC = "edtech.learning.course.v1"
ENROLLMENT_LOG = "edtech.learning.enrollment.log.v1"
LESSON_TOPIC = "edtech.learning.lesson.v1"


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
    # Whose course it is; None in events of older releases.
    tutor_id: UUID | None = None


class EnrollmentActivated(EnrollmentEvent):
    """A student has a seat, for the first time or again."""

    type: ClassVar[str] = "edtech.learning.enrollment.activated.v1"

    # Of a purchase; until `refund_until` it can be given back for money, then the tutor is paid.
    purchase_id: UUID | None = None
    refund_until: datetime | None = None


class EnrollmentCancelled(EnrollmentEvent):
    """A student gave the seat back."""

    type: ClassVar[str] = "edtech.learning.enrollment.cancelled.v1"

    # Of a purchase; what the payer gets back, in basis points of the amount.
    purchase_id: UUID | None = None
    refund_bps: int | None = None


class SeatReserved(EnrollmentEvent):
    """A seat is held for a student who pays until `expires_at`."""

    type: ClassVar[str] = "edtech.learning.enrollment.seat_reserved.v1"

    purchase_id: UUID
    tutor_id: UUID
    price_amount: int
    price_currency: str
    expires_at: datetime


class SeatReleased(EnrollmentEvent):
    """A held seat was given up; `refund_bps` says what goes back of a late payment."""

    type: ClassVar[str] = "edtech.learning.enrollment.seat_released.v1"

    purchase_id: UUID
    refund_bps: int | None = None


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


class LessonState(Event):
    """The whole reference of a lesson: every event of the topic carries it.

    Consumers act upon the state with its version, so that a record that compaction has removed is
    not missed: the latest one says as much.
    """

    topic: ClassVar[str] = LESSON_TOPIC
    subject_field: ClassVar[str] = "lesson_id"

    lesson_id: UUID
    tutor_id: UUID
    # One, but for group lessons.
    student_ids: tuple[UUID, ...]
    course_id: UUID | None
    kind: Literal["ONE_TO_ONE", "GROUP", "TRIAL"]
    status: Literal[
        "PENDING_PAYMENT",
        "SCHEDULED",
        "IN_PROGRESS",
        "COMPLETED",
        "EXPIRED",
        "CANCELLED_BY_STUDENT",
        "CANCELLED_BY_TUTOR",
        "CANCELLED_BY_SYSTEM",
        "NO_SHOW_STUDENT",
        "NO_SHOW_TUTOR",
        "DISPUTED",
    ]
    starts_at: datetime
    ends_at: datetime
    price_amount: int
    price_currency: str
    # Until when the slot is held for the payer.
    hold_expires_at: datetime | None
    completed_at: datetime | None
    # Until when it may be disputed; the tutor is paid then. Of completed lessons and no-shows.
    dispute_until: datetime | None
    # What the payer gets back, in basis points of the amount; None while nothing is decided.
    refund_bps: int | None


class LessonReserved(LessonState):
    """A slot is held for a student who pays."""

    type: ClassVar[str] = "edtech.learning.lesson.reserved.v1"


class LessonScheduled(LessonState):
    """A lesson will take place."""

    type: ClassVar[str] = "edtech.learning.lesson.scheduled.v1"


class LessonRescheduled(LessonState):
    """A lesson will take place at another time."""

    type: ClassVar[str] = "edtech.learning.lesson.rescheduled.v1"


class LessonStarted(LessonState):
    """A lesson is taking place."""

    type: ClassVar[str] = "edtech.learning.lesson.started.v1"


class LessonCompleted(LessonState):
    """A lesson took place, or a dispute about it ended that way."""

    type: ClassVar[str] = "edtech.learning.lesson.completed.v1"


class LessonCancelled(LessonState):
    """A lesson does not take place; `status` says who called it off."""

    type: ClassVar[str] = "edtech.learning.lesson.cancelled.v1"


class LessonExpired(LessonState):
    """The payer did not pay in time, or paid after the slot was gone (with `refund_bps`)."""

    type: ClassVar[str] = "edtech.learning.lesson.expired.v1"


class LessonNoShow(LessonState):
    """Somebody did not come; `status` says who."""

    type: ClassVar[str] = "edtech.learning.lesson.no_show.v1"


class LessonDisputed(LessonState):
    """A participant says that the lesson was not as it should be; the money waits."""

    type: ClassVar[str] = "edtech.learning.lesson.disputed.v1"
