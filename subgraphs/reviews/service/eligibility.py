"""Who may write which review: those who had the lesson or completed the course, for a while."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession, among
from shared.events.learning import EnrollmentCompleted, LessonState
from shared.events.payment import PaymentEvent
from shared.pages import Order, Page, PageRequest, keyset
from shared.viewer import Viewer
from subgraphs.reviews.models import (
    Eligibility,
    EligibilityStatus,
    Review,
    TargetType,
)
from subgraphs.reviews.service import ratings, references, users

_NEWEST = Order.by(Eligibility.id.desc())


async def lesson_changed(
    session: WriteSession, event: LessonState, *, days: int, least_price: int
) -> None:
    """A completed lesson lets its tutor and its students review each other; twice changes nothing.

    A single lesson that cost less than the least price is reviewed, but does not count.
    """
    await references.note_lesson(session, event)
    if event.status != "COMPLETED":
        return
    await users.meet(session, event.tutor_id, *event.student_ids)
    counted = event.kind == "GROUP" or event.price_amount >= least_price
    for student_id in sorted(event.student_ids):
        if student_id == event.tutor_id:
            continue
        void = await references.lock_purchase(session, event.lesson_id, student_id)
        about = {"lesson_id": event.lesson_id, "course_id": event.course_id}
        if not void:
            await _allow(
                session, student_id, TargetType.TUTOR, event.tutor_id, days, counted, **about
            )
        await _allow(session, event.tutor_id, TargetType.STUDENT, student_id, days, True, **about)


async def course_completed(session: WriteSession, event: EnrollmentCompleted, *, days: int) -> None:
    """A completed course may be reviewed by its student; twice changes nothing."""
    [tutor_id] = await references.get_course_tutors(session, [event.course_id])
    if tutor_id == event.student_id:
        return
    await users.meet(session, event.student_id)
    if not await references.lock_purchase(session, event.course_id, event.student_id):
        await _allow(
            session,
            event.student_id,
            TargetType.COURSE,
            event.course_id,
            days,
            True,
            lesson_id=None,
            course_id=event.course_id,
        )


async def _allow(
    session: WriteSession,
    reviewer_id: UUID,
    target_type: TargetType,
    target_id: UUID,
    days: int,
    counted: bool,
    **about: UUID | None,
) -> None:
    await session.execute(
        insert(Eligibility)
        .values(
            reviewer_id=reviewer_id,
            target_type=target_type,
            target_id=target_id,
            is_counted=counted,
            expires_at=sa.func.clock_timestamp() + timedelta(days=days),
            **about,
        )
        .on_conflict_do_nothing()
    )


async def payment_taken_back(session: WriteSession, event: PaymentEvent) -> None:
    """The payer got all the money back: no new review, and a written one loses its weight."""
    await references.lock_purchase(session, event.payable_id, event.payer_id, void=True)
    subject = (
        Eligibility.lesson_id == event.payable_id
        if event.payable_type == "LESSON"
        else sa.and_(Eligibility.course_id == event.payable_id, Eligibility.lesson_id.is_(None))
    )
    await session.execute(
        sa.update(Eligibility)
        .where(
            subject,
            Eligibility.reviewer_id == event.payer_id,
            Eligibility.status == EligibilityStatus.OPEN,
        )
        .values(status=EligibilityStatus.REVOKED)
    )
    written = await session.scalars(
        sa.update(Review)
        .where(
            Review.eligibility_id.in_(
                sa.select(Eligibility.id).where(subject, Eligibility.reviewer_id == event.payer_id)
            ),
            Review.is_counted,
        )
        .values(is_counted=False, version=Review.version + 1)
        .returning(Review)
    )
    for review in written.all():
        await ratings.recompute(session, TargetType(review.target_type), review.target_id)


def _open(reviewer_id: UUID) -> sa.Select[Any]:
    return sa.select(Eligibility).where(
        Eligibility.reviewer_id == reviewer_id,
        Eligibility.status == EligibilityStatus.OPEN,
        Eligibility.expires_at > sa.func.clock_timestamp(),
    )


async def list_open(session: ReadSession, viewer: Viewer, page: PageRequest) -> Page[Eligibility]:
    """What the viewer may review now, the newest first. Raises Unauthenticated."""
    return await keyset(session, _open(viewer.require_user()), _NEWEST, page)


async def may_review_lessons(
    session: ReadSession, lesson_ids: Sequence[UUID], *, reviewer_id: UUID
) -> list[bool]:
    """Whether the reviewer may review somebody for each lesson now."""
    rows = await session.scalars(
        _open(reviewer_id)
        .where(among(Eligibility.lesson_id, lesson_ids))
        .with_only_columns(Eligibility.lesson_id)
    )
    found = set(rows)
    return [id_ in found for id_ in lesson_ids]


async def may_review_courses(
    session: ReadSession, course_ids: Sequence[UUID], *, reviewer_id: UUID
) -> list[bool]:
    """Whether the reviewer may review each course now."""
    rows = await session.scalars(
        _open(reviewer_id)
        .where(among(Eligibility.course_id, course_ids), Eligibility.lesson_id.is_(None))
        .with_only_columns(Eligibility.course_id)
    )
    found = set(rows)
    return [id_ in found for id_ in course_ids]
