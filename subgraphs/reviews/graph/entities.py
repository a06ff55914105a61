"""What reviews adds to users, tutors, lessons and courses, which others own."""

from typing import Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import After, Before, Connection, First, Last, page_of
from shared.ids import parse_id_or_none
from subgraphs.reviews.graph.context import Info
from subgraphs.reviews.graph.ratings import RatingSummary
from subgraphs.reviews.graph.reviews import Review
from subgraphs.reviews.models import TargetType
from subgraphs.reviews.service import eligibility, reviews


async def _received(
    info: Info, target_type: TargetType | None, target_id: UUID, *page: object
) -> Connection[Review]:
    request = page_of(*page)  # type: ignore[arg-type]
    loader = info.context.loader(reviews.list_received, target_type=target_type, page=request)
    found = await loader.load(target_id)
    return Connection.of(found.map(lambda row: Review(row=row)))


@strawberry.federation.type(keys=["id"], description="A person on the platform.")
class User:
    id: strawberry.ID = strawberry.field(description="Identifies the user.")
    user_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, user_id: UUID) -> Self:
        """A reference; identity answers whether there is such a user."""
        return cls(id=strawberry.ID(str(user_id)), user_id=user_id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Self | None:
        user_id = parse_id_or_none(id)
        return cls.of(user_id) if user_id else None

    @strawberry.field(description="Published reviews of the person, the newest first.")
    async def reviews_received(
        self,
        info: Info,
        about: Annotated[
            TargetType | None, strawberry.argument(description="As a tutor or as a student.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Review] | None:
        return await _received(info, about, self.user_id, first, after, last, before)

    @strawberry.field(description="Reviews that the person wrote; published ones for others.")
    async def reviews_written(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Review] | None:
        loader = info.context.loader(
            reviews.list_written,
            viewer=info.context.viewer,
            page=page_of(first, after, last, before),
        )
        found = await loader.load(self.user_id)
        return Connection.of(found.map(lambda row: Review(row=row)))

    @strawberry.field(description="The person's rating, as a tutor unless said otherwise.")
    async def rating_summary(
        self,
        info: Info,
        about: Annotated[
            TargetType, strawberry.argument(description="As a tutor or as a student.")
        ] = TargetType.TUTOR,
    ) -> RatingSummary | None:
        return await RatingSummary.load(info, about, self.user_id)


@strawberry.federation.type(keys=["userId"], description="A tutor's profile.")
class TutorProfile:
    user_id: strawberry.ID = strawberry.field(description="The user whose profile it is.")
    of_user: strawberry.Private[UUID]

    @classmethod
    def resolve_reference(cls, userId: strawberry.ID) -> Self | None:  # noqa: N803 - the key's name
        found = parse_id_or_none(userId)
        return cls(user_id=strawberry.ID(str(found)), of_user=found) if found else None

    @strawberry.federation.field(description="The tutor's rating.", tags=["tutor"])
    async def rating_summary(self, info: Info) -> RatingSummary | None:
        return await RatingSummary.load(info, TargetType.TUTOR, self.of_user)


@strawberry.federation.type(keys=["id"], description="A scheduled session.")
class Lesson:
    id: strawberry.ID = strawberry.field(description="Identifies the lesson.")
    lesson_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, lesson_id: UUID) -> Self:
        """A reference; learning answers whether there is such a lesson."""
        return cls(id=strawberry.ID(str(lesson_id)), lesson_id=lesson_id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Self | None:
        lesson_id = parse_id_or_none(id)
        return cls.of(lesson_id) if lesson_id else None

    @strawberry.field(description="Reviews of the lesson, as far as the viewer may read them.")
    async def reviews(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Review] | None:
        loader = info.context.loader(
            reviews.list_of_lessons,
            viewer=info.context.viewer,
            page=page_of(first, after, last, before),
        )
        found = await loader.load(self.lesson_id)
        return Connection.of(found.map(lambda row: Review(row=row)))

    @strawberry.field(description="Whether the viewer may review the lesson now; null for guests.")
    async def can_review(self, info: Info) -> bool | None:
        user_id = info.context.viewer.user_id
        if user_id is None:
            return None
        loader = info.context.loader(eligibility.may_review_lessons, reviewer_id=user_id)
        return await loader.load(self.lesson_id)


@strawberry.federation.type(keys=["id"], description="A course that a tutor offers.")
class Course:
    id: strawberry.ID = strawberry.field(description="Identifies the course.")
    course_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, course_id: UUID) -> Self:
        """A reference; learning answers whether there is such a course."""
        return cls(id=strawberry.ID(str(course_id)), course_id=course_id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Self | None:
        course_id = parse_id_or_none(id)
        return cls.of(course_id) if course_id else None

    @strawberry.field(description="Published reviews of the course, the newest first.")
    async def reviews(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Review] | None:
        return await _received(info, TargetType.COURSE, self.course_id, first, after, last, before)

    @strawberry.field(description="Whether the viewer may review the course now; null for guests.")
    async def can_review(self, info: Info) -> bool | None:
        user_id = info.context.viewer.user_id
        if user_id is None:
            return None
        loader = info.context.loader(eligibility.may_review_courses, reviewer_id=user_id)
        return await loader.load(self.course_id)

    @strawberry.federation.field(description="The course's rating.", tags=["course"])
    async def rating_summary(self, info: Info) -> RatingSummary | None:
        return await RatingSummary.load(info, TargetType.COURSE, self.course_id)
