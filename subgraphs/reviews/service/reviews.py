"""Reviews: written once by who is eligible, blind until both sides wrote, open to edits briefly."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession, among, database_now
from shared.errors import Conflict, Forbidden, NotFound
from shared.events.reviews import ReviewEvent, ReviewPublished, ReviewSubmitted
from shared.lookup import ByKey
from shared.outbox import publish
from shared.pages import Order, Page, PageRequest, keyset_by_parent
from shared.validation import between, optional_text, text
from shared.viewer import Viewer
from subgraphs.reviews.models import (
    CourseRef,
    Eligibility,
    EligibilityStatus,
    HelpfulVote,
    LessonRef,
    Reply,
    Review,
    ReviewStatus,
    TargetType,
)
from subgraphs.reviews.service import ratings, users

MOST_COMMENT = 5_000
MOST_REPLY = 2_000
_PUBLISHED = Order.by(Review.published_at.desc(), Review.id.desc())
_BY_ID = Order.by(Review.id.desc())


class NotEligible(Forbidden):
    """Only who had the lesson or completed the course may review it, for a while."""

    code = "NOT_ELIGIBLE"


class AlreadyReviewed(Conflict):
    """There is a review already."""

    code = "ALREADY_REVIEWED"


class EditWindowOver(Conflict):
    """The review can no longer be changed."""

    code = "EDIT_WINDOW_OVER"


async def submit_review(
    session: WriteSession,
    viewer: Viewer,
    *,
    lesson_id: UUID | None,
    course_id: UUID | None,
    target_id: UUID | None,
    rating: int,
    comment: str | None,
    blind_days: int,
) -> Review:
    """Use up the right to a review. Raises NotEligible, AlreadyReviewed, InvalidInput, …

    The other side of a lesson cannot read it before it has written its own, or some days went by.
    `target_id` tells the students of a group apart, for their tutor.
    """
    reviewer_id = await users.require_verified(session, viewer)
    between(rating, field="rating", least=1, most=5)
    comment = optional_text(comment, field="comment", most=MOST_COMMENT, lines=True)
    if lesson_id is not None:
        # Both sides lock the lesson, so that of two who write at once one sees the other.
        await session.get(LessonRef, lesson_id, with_for_update=True)
    right = await _lock_right(session, reviewer_id, lesson_id, course_id, target_id)
    review = Review(
        eligibility_id=right.id,
        reviewer_id=reviewer_id,
        target_type=right.target_type,
        target_id=right.target_id,
        lesson_id=right.lesson_id,
        course_id=right.course_id,
        rating=rating,
        comment=comment,
        is_counted=right.is_counted,
        status=ReviewStatus.BLIND,
        publish_at=await database_now(session) + timedelta(days=blind_days),
    )
    right.status = EligibilityStatus.USED
    session.add(review)
    await session.flush()
    await session.refresh(review)
    _tell(session, ReviewSubmitted, review)
    counterpart = await _counterpart(session, review)
    if review.target_type == TargetType.COURSE or counterpart is not None:
        for each in (review, counterpart):
            if each is not None and each.status == ReviewStatus.BLIND:
                await publish_review(session, each)
    return review


async def _lock_right(
    session: WriteSession,
    reviewer_id: UUID,
    lesson_id: UUID | None,
    course_id: UUID | None,
    target_id: UUID | None,
) -> Eligibility:
    statement = sa.select(Eligibility).where(Eligibility.reviewer_id == reviewer_id)
    if lesson_id is not None:
        statement = statement.where(Eligibility.lesson_id == lesson_id)
    else:
        statement = statement.where(
            Eligibility.course_id == course_id, Eligibility.lesson_id.is_(None)
        )
    if target_id is not None:
        statement = statement.where(Eligibility.target_id == target_id)
    statement = statement.order_by(Eligibility.id).with_for_update()
    rights = (await session.scalars(statement)).all()
    if target_id is None and len(rights) > 1:
        raise NotEligible("Say which of the students you mean.", field="targetId")
    if not rights:
        raise NotEligible("You can review what you have had or completed yourself.")
    [right] = rights
    if right.status == EligibilityStatus.USED:
        raise AlreadyReviewed("You have reviewed this already.")
    if right.status == EligibilityStatus.REVOKED:
        raise NotEligible("This was paid back, so it cannot be reviewed.")
    if right.expires_at <= await database_now(session):
        raise NotEligible("It is too late to review this.")
    return right


async def _counterpart(session: WriteSession, review: Review) -> Review | None:
    """What the other side of the lesson wrote about the reviewer."""
    if review.lesson_id is None:
        return None
    found: Review | None = await session.scalar(
        sa.select(Review)
        .where(
            Review.lesson_id == review.lesson_id,
            Review.reviewer_id == review.target_id,
            Review.target_id == review.reviewer_id,
        )
        .with_for_update()
    )
    return found


async def publish_review(session: WriteSession, review: Review) -> None:
    """Let everybody read a blind review, and count it."""
    review.published_at = await database_now(session)
    review.status = ReviewStatus.PUBLISHED
    review.version += 1
    await session.flush()
    _tell(session, ReviewPublished, review)
    await ratings.recompute(session, TargetType(review.target_type), review.target_id)


async def list_due(session: ReadSession, *, most: int = 100) -> list[UUID]:
    """Blind reviews whose time is up."""
    rows = await session.scalars(
        sa.select(Review.id)
        .where(Review.status == ReviewStatus.BLIND, Review.publish_at <= sa.func.clock_timestamp())
        .order_by(Review.publish_at)
        .limit(most)
    )
    return list(rows)


async def publish_due(session: WriteSession, review_id: UUID) -> bool:
    """Publish a blind review whose time is up; False when somebody else has done so."""
    review: Review | None = await session.scalar(
        sa.select(Review)
        .where(
            Review.id == review_id,
            Review.status == ReviewStatus.BLIND,
            Review.publish_at <= sa.func.clock_timestamp(),
        )
        .with_for_update(skip_locked=True)
    )
    if review is None:
        return False
    await publish_review(session, review)
    return True


async def edit_review(
    session: WriteSession,
    viewer: Viewer,
    review_id: UUID,
    *,
    rating: int | None,
    comment: str | None,
    edit_hours: int,
) -> Review:
    """Change one's own review for some hours. Raises EditWindowOver, NotFound, Conflict.

    Once both sides can read each other the rating stays, so that nobody retaliates.
    """
    reviewer_id = viewer.require_user()
    review = await session.get(Review, review_id, with_for_update=True)
    if review is None or not may_see(review, viewer):
        raise NotFound("There is no such review.")
    if review.reviewer_id != reviewer_id:
        raise Forbidden("This review is somebody else's.")
    if review.submitted_at + timedelta(hours=edit_hours) <= await database_now(session):
        raise EditWindowOver(f"A review can be changed for {edit_hours} hours.")
    if review.status == ReviewStatus.HIDDEN:
        raise Conflict("A moderator has hidden this review.")
    if rating is not None and rating != review.rating:
        between(rating, field="rating", least=1, most=5)
        if review.status == ReviewStatus.PUBLISHED and review.target_type != TargetType.COURSE:
            raise EditWindowOver("The rating stays once both have written.", field="rating")
        review.rating = rating
    if comment is not None:
        review.comment = optional_text(comment, field="comment", most=MOST_COMMENT, lines=True)
    if not session.is_modified(review):
        return review
    review.edited_at = await database_now(session)
    review.version += 1
    await session.flush()
    if review.status == ReviewStatus.PUBLISHED:
        await ratings.recompute(session, TargetType(review.target_type), review.target_id)
    return review


async def reply_to_review(
    session: WriteSession, viewer: Viewer, review_id: UUID, answer: str
) -> Review:
    """Answer in public, once; again replaces it. For the reviewed person or the course's tutor."""
    author_id = viewer.require_user()
    answer = text(answer, field="text", least=1, most=MOST_REPLY, lines=True)
    review = await session.get(Review, review_id, with_for_update=True)
    if review is None or review.status != ReviewStatus.PUBLISHED:
        raise NotFound("There is no such review.")
    addressee: UUID | None = review.target_id
    if review.target_type == TargetType.COURSE:
        addressee = await session.scalar(
            sa.select(CourseRef.tutor_id).where(CourseRef.course_id == review.course_id)
        )
    if addressee != author_id:
        raise Forbidden("Only the reviewed person may reply.")
    statement = insert(Reply).values(review_id=review.id, author_id=author_id, text=answer)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["review_id"], set_={"text": statement.excluded.text}
        )
    )
    return review


async def vote_helpful(
    session: WriteSession, viewer: Viewer, review_id: UUID, *, helpful: bool
) -> Review:
    """Find a review helpful, or no longer; twice changes nothing. Not one's own."""
    user_id = await users.require_verified(session, viewer)
    review = await session.get(Review, review_id)
    if review is None or review.status != ReviewStatus.PUBLISHED:
        raise NotFound("There is no such review.")
    if review.reviewer_id == user_id:
        raise Forbidden("This review is your own.")
    if helpful:
        await session.execute(
            insert(HelpfulVote)
            .values(review_id=review.id, user_id=user_id)
            .on_conflict_do_nothing()
        )
    else:
        await session.execute(
            sa.delete(HelpfulVote).where(
                HelpfulVote.review_id == review.id, HelpfulVote.user_id == user_id
            )
        )
    return review


def may_see(review: Review, viewer: Viewer) -> bool:
    """What is not published is visible to its author and to moderators alone."""
    return (
        review.status == ReviewStatus.PUBLISHED
        or viewer.is_user(review.reviewer_id)
        or viewer.has_role("moderator")
    )


def _visible(viewer: Viewer) -> sa.Select[Any]:
    statement = sa.select(Review)
    if viewer.has_role("moderator"):
        return statement
    mine = Review.reviewer_id == viewer.user_id
    return statement.where(sa.or_(Review.status == ReviewStatus.PUBLISHED, mine))


async def get_reviews(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[Review | None]:
    """Many reviews at once, in the order asked for; those not visible are None."""
    rows = await session.scalars(_visible(viewer).where(among(Review.id, ids)))
    found = {row.id: row for row in rows}
    return [found.get(id_) for id_ in ids]


async def list_received(
    session: ReadSession,
    target_ids: Sequence[UUID],
    *,
    target_type: TargetType | None,
    page: PageRequest,
) -> list[Page[Review]]:
    """The published reviews of each target, the newest first; of people, as tutor and student."""
    statement = sa.select(Review).where(Review.status == ReviewStatus.PUBLISHED)
    wanted = [target_type] if target_type else [TargetType.TUTOR, TargetType.STUDENT]
    statement = statement.where(Review.target_type.in_(wanted))
    return await keyset_by_parent(
        session, statement, _PUBLISHED, page, parent=Review.target_id, parents=target_ids
    )


async def list_written(
    session: ReadSession, reviewer_ids: Sequence[UUID], *, viewer: Viewer, page: PageRequest
) -> list[Page[Review]]:
    """The reviews that each person wrote, as far as the viewer may see them."""
    return await keyset_by_parent(
        session, _visible(viewer), _BY_ID, page, parent=Review.reviewer_id, parents=reviewer_ids
    )


async def list_of_lessons(
    session: ReadSession, lesson_ids: Sequence[UUID], *, viewer: Viewer, page: PageRequest
) -> list[Page[Review]]:
    """The reviews of each lesson, as far as the viewer may see them."""
    return await keyset_by_parent(
        session, _visible(viewer), _BY_ID, page, parent=Review.lesson_id, parents=lesson_ids
    )


_REPLIES = ByKey(sa.select(Reply), Reply.review_id)


async def get_replies(session: ReadSession, review_ids: Sequence[UUID]) -> list[Reply | None]:
    """The answer to each review."""
    return await _REPLIES.find(session, review_ids)


async def count_votes(session: ReadSession, review_ids: Sequence[UUID]) -> list[int]:
    """How many found each review helpful."""
    rows = await session.execute(
        sa.select(HelpfulVote.review_id, sa.func.count())
        .where(among(HelpfulVote.review_id, review_ids))
        .group_by(HelpfulVote.review_id)
    )
    found: dict[UUID, int] = {row[0]: row[1] for row in rows}
    return [found.get(id_, 0) for id_ in review_ids]


async def get_own_votes(
    session: ReadSession, review_ids: Sequence[UUID], *, user_id: UUID
) -> list[bool]:
    """Whether the user found each review helpful."""
    rows = await session.scalars(
        sa.select(HelpfulVote.review_id).where(
            among(HelpfulVote.review_id, review_ids), HelpfulVote.user_id == user_id
        )
    )
    found = set(rows)
    return [id_ in found for id_ in review_ids]


def _tell(session: WriteSession, event: type[ReviewEvent], review: Review) -> None:
    publish(session, told(event, review))


def told(event: type[ReviewEvent], review: Review) -> ReviewEvent:
    """An occurrence in a review's life, as it is published."""
    return event(
        review_id=review.id,
        reviewer_id=review.reviewer_id,
        target_type=TargetType(review.target_type).value,
        target_id=review.target_id,
        lesson_id=review.lesson_id,
        course_id=review.course_id,
        rating=review.rating,
        version=review.version,
    )
