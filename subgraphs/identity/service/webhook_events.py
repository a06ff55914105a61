"""The events that partners can be told of, and what of them they are told: ids, nothing else."""

from dataclasses import dataclass

from shared.events import Event
from shared.events.learning import (
    CertificateIssued,
    CourseArchived,
    CoursePublished,
    CourseUpdated,
    EnrollmentActivated,
    EnrollmentCancelled,
    EnrollmentCompleted,
    UnitCompleted,
)
from shared.events.matching import (
    TutorProfilePaused,
    TutorProfileUpdated,
    TutorProfileVerified,
)


@dataclass(frozen=True, slots=True)
class Offer:
    """The ids that go out; with an owner, only to programs that act for that user."""

    event: type[Event]
    ids: tuple[str, ...]
    owner: str | None = None


_COURSE = ("course_id",)
_ENROLLMENT = ("enrollment_id", "course_id")
_OFFERS = (
    Offer(CoursePublished, _COURSE),
    Offer(CourseUpdated, _COURSE),
    Offer(CourseArchived, _COURSE),
    Offer(TutorProfileVerified, ("profile_id",)),
    Offer(TutorProfileUpdated, ("profile_id",)),
    Offer(TutorProfilePaused, ("profile_id",)),
    Offer(EnrollmentActivated, _ENROLLMENT, owner="tutor_id"),
    Offer(EnrollmentCancelled, _ENROLLMENT, owner="tutor_id"),
    Offer(EnrollmentCompleted, _ENROLLMENT, owner="tutor_id"),
    Offer(UnitCompleted, (*_ENROLLMENT, "unit_id"), owner="tutor_id"),
    Offer(CertificateIssued, (*_ENROLLMENT, "certificate_id"), owner="tutor_id"),
)
OFFERED = {offer.event.type: offer for offer in _OFFERS}
