"""Moderation: people report, moderators hide or restore with a reason, authors may appeal."""

from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession, utc_now
from shared.errors import Conflict, Forbidden, NotFound
from shared.events.reviews import ReviewEvent, ReviewHidden, ReviewPublished
from shared.ids import new_id
from shared.outbox import publish
from shared.pages import Order, Page, PageRequest, keyset
from shared.validation import text
from shared.viewer import Viewer
from subgraphs.reviews.models import (
    ModerationAction,
    Report,
    ReportKind,
    ReportStatus,
    Review,
    ReviewStatus,
    TargetType,
)
from subgraphs.reviews.service import ratings, users
from subgraphs.reviews.service.reviews import may_see, told

MOST_REASON = 1_000
_OLDEST = Order.by(Report.id)


class Verdict(StrEnum):
    """What a moderator decides about a review."""

    HIDE = "HIDE"
    RESTORE = "RESTORE"
    DISMISS = "DISMISS"


async def report_review(
    session: WriteSession, viewer: Viewer, review_id: UUID, reason: str
) -> Report:
    """Ask moderators to look at a published review; again while it is open changes nothing."""
    reporter_id = await users.require_verified(session, viewer)
    review = await session.get(Review, review_id)
    if review is None or review.status != ReviewStatus.PUBLISHED:
        raise NotFound("There is no such review.")
    if review.reviewer_id == reporter_id:
        raise Forbidden("This review is your own.")
    return await _file(session, review, reporter_id, ReportKind.REPORT, reason)


async def appeal_moderation(
    session: WriteSession, viewer: Viewer, review_id: UUID, reason: str
) -> Report:
    """Ask moderators to look again at one's own hidden review."""
    author_id = viewer.require_user()
    review = await session.get(Review, review_id)
    if review is None or not may_see(review, viewer):
        raise NotFound("There is no such review.")
    if review.reviewer_id != author_id:
        raise Forbidden("This review is somebody else's.")
    if review.status != ReviewStatus.HIDDEN:
        raise Conflict("This review is not hidden.")
    return await _file(session, review, author_id, ReportKind.APPEAL, reason)


async def _file(
    session: WriteSession, review: Review, reporter_id: UUID, kind: ReportKind, reason: str
) -> Report:
    reason = text(reason, field="reason", least=3, most=MOST_REASON, lines=True)
    statement = insert(Report).values(
        id=new_id(), review_id=review.id, reporter_id=reporter_id, kind=kind, reason=reason
    )
    return (
        await session.scalars(
            # The update changes nothing but gives back the report that is open already.
            statement.on_conflict_do_update(
                index_elements=["review_id", "reporter_id", "kind"],
                index_where=sa.text("status = 'OPEN'"),
                set_={"review_id": statement.excluded.review_id},
            ).returning(Report)
        )
    ).one()


async def moderate_review(
    session: WriteSession, viewer: Viewer, review_id: UUID, verdict: Verdict, reason: str
) -> Review:
    """Hide, restore or leave a review as it is; open reports about it end with that.

    Raises Forbidden, NotFound, Conflict when there is nothing to hide or to restore.
    """
    viewer.require_role("moderator")
    reason = text(reason, field="reason", least=3, most=MOST_REASON, lines=True)
    review = await session.get(Review, review_id, with_for_update=True)
    if review is None:
        raise NotFound("There is no such review.")
    event: type[ReviewEvent] = ReviewHidden
    if verdict is Verdict.HIDE:
        if review.status != ReviewStatus.PUBLISHED:
            raise Conflict("Only a published review can be hidden.")
        review.status = ReviewStatus.HIDDEN
    elif verdict is Verdict.RESTORE:
        if review.status != ReviewStatus.HIDDEN:
            raise Conflict("Only a hidden review can be restored.")
        review.status, event = ReviewStatus.PUBLISHED, ReviewPublished
    session.add(
        ModerationAction(
            review_id=review.id, moderator_id=viewer.user_id, action=verdict, reason=reason
        )
    )
    if verdict is not Verdict.DISMISS:
        review.version += 1
        await session.flush()
        publish(session, told(event, review))
        await ratings.recompute(session, TargetType(review.target_type), review.target_id)
    upheld = sa.case(
        (sa.literal(verdict is Verdict.DISMISS), ReportStatus.DISMISSED.value),
        (
            (Report.kind == ReportKind.REPORT) == sa.literal(verdict is Verdict.HIDE),
            ReportStatus.UPHELD.value,
        ),
        else_=ReportStatus.DISMISSED.value,
    )
    await session.execute(
        sa.update(Report)
        .where(Report.review_id == review.id, Report.status == ReportStatus.OPEN)
        .values(status=upheld, closed_by=viewer.user_id, closed_at=utc_now())
    )
    return review


async def list_reports(
    session: ReadSession, viewer: Viewer, page: PageRequest, *, status: ReportStatus
) -> Page[Report]:
    """Reports and appeals, the oldest first, for moderators. Raises Forbidden."""
    viewer.require_role("moderator")
    return await keyset(session, sa.select(Report).where(Report.status == status), _OLDEST, page)
