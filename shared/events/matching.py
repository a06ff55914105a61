"""What matching publishes: tutors as whole states, availability and requests as occurrences.

`Offer` travels in the hand of the client instead of Kafka: matching seals it, learning opens it.
"""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.events import Event

TUTOR_TOPIC = "edtech.matching.tutor.v1"
TUTOR_LOG = "edtech.matching.tutor.log.v1"
REQUEST_LOG = "edtech.matching.request.log.v1"
# What an offer is sealed for; a token of another purpose does not open.
OFFER = "lesson-offer"


class Offer(BaseModel):
    """One bookable slot at one price, promised for some minutes (`shared/seal.py`).

    `student_id` is the one whom the price holds for, where it is not for everybody.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    tutor_id: UUID
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    kind: Literal["ONE_TO_ONE", "TRIAL"]
    price_amount: int = Field(ge=0)
    price_currency: str = Field(min_length=3, max_length=3)
    skill_id: UUID | None = None
    student_id: UUID | None = None


class TutorProfileState(Event):
    """The whole reference of a tutor's profile; personal data stays in identity's topic."""

    topic: ClassVar[str] = TUTOR_TOPIC
    subject_field: ClassVar[str] = "profile_id"

    profile_id: UUID
    user_id: UUID
    time_zone: str
    is_verified: bool
    is_paused: bool
    # Verified, not paused, and able to be paid: only then are new lessons sold.
    is_bookable: bool


class TutorProfileCreated(TutorProfileState):
    """Somebody became a tutor."""

    type: ClassVar[str] = "edtech.matching.tutor.created.v1"


class TutorProfileUpdated(TutorProfileState):
    """A tutor's profile changed, or whether it can be booked."""

    type: ClassVar[str] = "edtech.matching.tutor.updated.v1"


class TutorProfileVerified(TutorProfileState):
    """An admin has verified the tutor's documents."""

    type: ClassVar[str] = "edtech.matching.tutor.verified.v1"


class TutorProfilePaused(TutorProfileState):
    """A tutor takes no new lessons for now."""

    type: ClassVar[str] = "edtech.matching.tutor.paused.v1"


class AvailabilityChanged(Event):
    """A tutor's rules or overrides changed."""

    topic: ClassVar[str] = TUTOR_LOG
    type: ClassVar[str] = "edtech.matching.tutor.availability_changed.v1"
    subject_field: ClassVar[str] = "profile_id"

    profile_id: UUID
    user_id: UUID


class MatchingRequestEvent(Event):
    """An occurrence in the life of one matching request."""

    topic: ClassVar[str] = REQUEST_LOG
    subject_field: ClassVar[str] = "request_id"

    request_id: UUID
    student_id: UUID
    skill_id: UUID


class MatchRequested(MatchingRequestEvent):
    """A student asked for a tutor."""

    type: ClassVar[str] = "edtech.matching.request.created.v1"


class MatchFound(MatchingRequestEvent):
    """Candidates were found."""

    type: ClassVar[str] = "edtech.matching.request.found.v1"

    tutor_ids: tuple[UUID, ...]


class MatchAccepted(MatchingRequestEvent):
    """The student chose a candidate."""

    type: ClassVar[str] = "edtech.matching.request.accepted.v1"

    tutor_id: UUID
    accepted_at: datetime
