"""Reviews as clients see them, and what can be done with them."""

from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from shared.errors import InvalidInput
from shared.graph import (
    After,
    Before,
    Connection,
    First,
    IdempotencyKey,
    Last,
    Problem,
    described_enum,
    page_of,
)
from shared.idempotency import once
from shared.ids import parse_id, parse_id_or_none
from subgraphs.reviews import models
from subgraphs.reviews.graph.context import Info
from subgraphs.reviews.service import eligibility, reviews

if TYPE_CHECKING:
    from subgraphs.reviews.graph.entities import Course, Lesson, User

LazyUser = Annotated["User", strawberry.lazy("subgraphs.reviews.graph.entities")]
LazyLesson = Annotated["Lesson", strawberry.lazy("subgraphs.reviews.graph.entities")]
LazyCourse = Annotated["Course", strawberry.lazy("subgraphs.reviews.graph.entities")]

described_enum(
    models.TargetType,
    "What a review is about.",
    TUTOR="Somebody as a tutor.",
    STUDENT="Somebody as a student.",
    COURSE="A course.",
)
described_enum(
    models.ReviewStatus,
    "Who may read a review.",
    BLIND="Its author alone, until the other side has written or time is up.",
    PUBLISHED="Everybody.",
    HIDDEN="Its author and moderators: a moderator has hidden it.",
)


@strawberry.type(description="The public answer of the reviewed person or the course's tutor.")
class ReviewReply:
    row: strawberry.Private[models.Reply]

    @strawberry.field(description="What they say.")
    def text(self) -> str:
        return self.row.text

    @strawberry.field(description="Who answered.")
    def author(self) -> LazyUser | None:
        from subgraphs.reviews.graph.entities import User

        return User.of(self.row.author_id)

    @strawberry.field(description="When they answered first.")
    def created_at(self) -> datetime:
        return self.row.created_at

    @strawberry.field(description="When they last changed the answer.")
    def updated_at(self) -> datetime:
        return self.row.updated_at


@strawberry.federation.type(keys=["id"], description="What somebody says of a lesson or a course.")
class Review:
    row: strawberry.Private[models.Review]

    @strawberry.field(description="Identifies the review.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="1 to 5 stars.")
    def rating(self) -> int:
        return self.row.rating

    @strawberry.field(description="What they say.")
    def comment(self) -> str | None:
        return self.row.comment

    @strawberry.field(description="Always true: only who had the lesson or course can review it.")
    def is_verified(self) -> bool:
        return True

    @strawberry.field(description="Whether it counts; not so after a refund, or for a mere coin.")
    def counts_towards_rating(self) -> bool:
        return self.row.is_counted

    @strawberry.field(description="Who may read it.")
    def status(self) -> models.ReviewStatus:
        return models.ReviewStatus(self.row.status)

    @strawberry.field(description="What it is about.")
    def target_type(self) -> models.TargetType:
        return models.TargetType(self.row.target_type)

    @strawberry.field(description="Who wrote it.")
    def reviewer(self) -> LazyUser | None:
        from subgraphs.reviews.graph.entities import User

        return User.of(self.row.reviewer_id)

    @strawberry.field(description="The reviewed person; null for a course.")
    def target(self) -> LazyUser | None:
        from subgraphs.reviews.graph.entities import User

        is_course = self.row.target_type == models.TargetType.COURSE
        return None if is_course else User.of(self.row.target_id)

    @strawberry.field(description="The lesson that it is about, if it is one.")
    def lesson(self) -> LazyLesson | None:
        from subgraphs.reviews.graph.entities import Lesson

        return Lesson.of(self.row.lesson_id) if self.row.lesson_id else None

    @strawberry.field(description="The course that it is about, or that the lesson belongs to.")
    def course(self) -> LazyCourse | None:
        from subgraphs.reviews.graph.entities import Course

        return Course.of(self.row.course_id) if self.row.course_id else None

    @strawberry.field(description="When it was written.")
    def submitted_at(self) -> datetime:
        return self.row.submitted_at

    @strawberry.field(description="When everybody could first read it.")
    def published_at(self) -> datetime | None:
        return self.row.published_at

    @strawberry.field(description="When it was last changed.")
    def edited_at(self) -> datetime | None:
        return self.row.edited_at

    @strawberry.field(description="Until when its author can change it.")
    def editable_until(self, info: Info) -> datetime:
        return self.row.submitted_at + timedelta(hours=info.context.settings.edit_hours)

    @strawberry.field(description="The public answer to it.")
    async def reply(self, info: Info) -> ReviewReply | None:
        return await info.context.loader(reviews.get_replies, into=ReviewReply).load(self.row.id)

    @strawberry.field(description="How many found it helpful.")
    async def helpful_count(self, info: Info) -> int:
        return await info.context.loader(reviews.count_votes).load(self.row.id)

    @strawberry.field(description="Whether the viewer found it helpful; null for guests.")
    async def is_helpful_to_me(self, info: Info) -> bool | None:
        user_id = info.context.viewer.user_id
        if user_id is None:
            return None
        return await info.context.loader(reviews.get_own_votes, user_id=user_id).load(self.row.id)

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Self | None]:
        loader = info.context.loader(reviews.get_reviews, into=cls, viewer=info.context.viewer)
        return loader.load(parse_id_or_none(id))


@strawberry.type(description="Something that the viewer may review until a moment.")
class ReviewInvitation:
    row: strawberry.Private[models.Eligibility]

    @strawberry.field(description="What the review would be about.")
    def target_type(self) -> models.TargetType:
        return models.TargetType(self.row.target_type)

    @strawberry.field(description="Whom it would be about; null for a course.")
    def target(self) -> LazyUser | None:
        from subgraphs.reviews.graph.entities import User

        is_course = self.row.target_type == models.TargetType.COURSE
        return None if is_course else User.of(self.row.target_id)

    @strawberry.field(description="The lesson, if it is one.")
    def lesson(self) -> LazyLesson | None:
        from subgraphs.reviews.graph.entities import Lesson

        return Lesson.of(self.row.lesson_id) if self.row.lesson_id else None

    @strawberry.field(description="The course, if it is one.")
    def course(self) -> LazyCourse | None:
        from subgraphs.reviews.graph.entities import Course

        return Course.of(self.row.course_id) if self.row.course_id else None

    @strawberry.field(description="Until when it can be written.")
    def expires_at(self) -> datetime:
        return self.row.expires_at


@strawberry.input(description="A review of a lesson or of a course: give one of the two.")
class SubmitReviewInput:
    rating: int = strawberry.field(description="1 to 5 stars.")
    comment: str | None = strawberry.field(default=None, description="At most 5,000 characters.")
    lesson_id: strawberry.ID | None = strawberry.field(default=None, description="The lesson.")
    course_id: strawberry.ID | None = strawberry.field(default=None, description="The course.")
    target_id: strawberry.ID | None = strawberry.field(
        default=None, description="For a tutor: which student of the lesson is meant."
    )


SubmitReviewResult = Annotated[
    Review | Problem,
    strawberry.union("SubmitReviewResult", description="The review, or why it was refused."),
]
EditReviewResult = Annotated[
    Review | Problem,
    strawberry.union("EditReviewResult", description="The review, or why it was refused."),
]
ReplyToReviewResult = Annotated[
    Review | Problem,
    strawberry.union("ReplyToReviewResult", description="The review, or why it was refused."),
]
VoteHelpfulResult = Annotated[
    Review | Problem,
    strawberry.union("VoteHelpfulResult", description="The review, or why it was refused."),
]
ReviewId = Annotated[strawberry.ID, strawberry.argument(description="The review.")]


@strawberry.type
class ReviewQueries:
    @strawberry.field(description="A review, or null; what is not public only for its author.")
    async def review(self, info: Info, id: ReviewId) -> Review | None:
        return await Review.resolve_reference(info, id)

    @strawberry.field(description="What the viewer may review now, the newest first.")
    async def review_invitations(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ReviewInvitation]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await eligibility.list_open(session, info.context.viewer, page)
        return Connection.of(found.map(lambda row: ReviewInvitation(row=row)))


@strawberry.type
class ReviewMutations:
    @strawberry.mutation(description="Review a lesson that was had, or a completed course.")
    async def submit_review(
        self,
        info: Info,
        input: Annotated[SubmitReviewInput, strawberry.argument(description="The review.")],
        idempotency_key: IdempotencyKey = None,
    ) -> SubmitReviewResult:
        if (input.lesson_id is None) == (input.course_id is None):
            raise InvalidInput("Give either lessonId or courseId.", field="lessonId")
        viewer = info.context.viewer
        request = {
            "lesson_id": _optional_id(input.lesson_id, "lessonId"),
            "course_id": _optional_id(input.course_id, "courseId"),
            "target_id": _optional_id(input.target_id, "targetId"),
        }
        async with info.context.write() as session:

            async def submit() -> UUID:
                row = await reviews.submit_review(
                    session,
                    viewer,
                    **request,
                    rating=input.rating,
                    comment=input.comment,
                    blind_days=info.context.settings.blind_days,
                )
                return row.id

            asked = {**request, "rating": input.rating, "comment": input.comment}
            review_id = await once(session, viewer, "submitReview", idempotency_key, asked, submit)
            row = await session.get_one(models.Review, review_id)
        return Review(row=row)

    @strawberry.mutation(description="Change one's own review, for two days.")
    async def edit_review(
        self,
        info: Info,
        id: ReviewId,
        rating: Annotated[int | None, strawberry.argument(description="1 to 5 stars.")] = None,
        comment: Annotated[
            str | None, strawberry.argument(description="Empty text removes it.")
        ] = None,
    ) -> EditReviewResult:
        async with info.context.write() as session:
            row = await reviews.edit_review(
                session,
                info.context.viewer,
                parse_id(id, field="id"),
                rating=rating,
                comment=comment,
                edit_hours=info.context.settings.edit_hours,
            )
        return Review(row=row)

    @strawberry.mutation(description="Answer a review in public; again replaces the answer.")
    async def reply_to_review(
        self,
        info: Info,
        id: ReviewId,
        text: Annotated[str, strawberry.argument(description="1 to 2,000 characters.")],
    ) -> ReplyToReviewResult:
        async with info.context.write() as session:
            row = await reviews.reply_to_review(
                session, info.context.viewer, parse_id(id, field="id"), text
            )
        return Review(row=row)

    @strawberry.mutation(description="Find a review helpful, or no longer.")
    async def vote_helpful(
        self,
        info: Info,
        id: ReviewId,
        helpful: Annotated[bool, strawberry.argument(description="False takes it back.")] = True,
    ) -> VoteHelpfulResult:
        async with info.context.write() as session:
            row = await reviews.vote_helpful(
                session, info.context.viewer, parse_id(id, field="id"), helpful=helpful
            )
        return Review(row=row)


def _optional_id(value: strawberry.ID | None, field: str) -> UUID | None:
    return None if value is None else parse_id(value, field=field)
