"""What reviews publishes: reviews as occurrences, ratings as whole states."""

from typing import ClassVar, Literal
from uuid import UUID

from shared.events import Event

REVIEW_LOG = "edtech.reviews.review.log.v1"
RATING_TOPIC = "edtech.reviews.rating.v1"


class ReviewEvent(Event):
    """An occurrence in the life of one review."""

    topic: ClassVar[str] = REVIEW_LOG
    subject_field: ClassVar[str] = "review_id"

    review_id: UUID
    reviewer_id: UUID
    target_type: Literal["TUTOR", "STUDENT", "COURSE"]
    target_id: UUID
    lesson_id: UUID | None
    course_id: UUID | None
    rating: int


class ReviewSubmitted(ReviewEvent):
    """A review was written; it is hidden until both have written or time is up."""

    type: ClassVar[str] = "edtech.reviews.review.submitted.v1"


class ReviewPublished(ReviewEvent):
    """A review can be read by everybody."""

    type: ClassVar[str] = "edtech.reviews.review.published.v1"


class ReviewHidden(ReviewEvent):
    """A moderator has hidden a review."""

    type: ClassVar[str] = "edtech.reviews.review.hidden.v1"


class RatingUpdated(Event):
    """The whole rating of a tutor, a student or a course."""

    topic: ClassVar[str] = RATING_TOPIC
    type: ClassVar[str] = "edtech.reviews.rating.updated.v1"
    subject_field: ClassVar[str] = "target_id"

    target_id: UUID
    target_type: Literal["TUTOR", "STUDENT", "COURSE"]
    count: int
    # In hundredths: 487 is 4.87. The mean as it is, and the Bayesian score that lists sort by.
    mean: int | None
    score: int
    # How many gave 1, 2, 3, 4, 5.
    histogram: tuple[int, int, int, int, int]
