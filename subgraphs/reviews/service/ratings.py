"""Ratings: always computed anew from the reviews, under the lock of the summary's row.

Score = (C * m + sum of the latest counted rating of each reviewer) / (C + n), with C = 10 and m the
mean of the platform: a target with few reviews stays near the mean (a Bayesian average). A replay
gives the same, since nothing is added up event by event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on, insert

from shared.db import ReadSession, WriteSession, among
from shared.events.reviews import RatingUpdated
from shared.outbox import publish
from subgraphs.reviews.models import (
    PlatformMean,
    RatingHistory,
    RatingSummary,
    Review,
    ReviewStatus,
    TargetType,
)

CONFIDENCE = 10
# What m is before anybody has been rated, in hundredths.
FIRST_MEAN = 400
TREND_DAYS = 365


def score_of(total: int, count: int, mean: int) -> int:
    """The Bayesian average in hundredths, rounded half up."""
    return (2 * (CONFIDENCE * mean + 100 * total) + (CONFIDENCE + count)) // (
        2 * (CONFIDENCE + count)
    )


def mean_of(total: int, count: int) -> int | None:
    """The plain mean in hundredths, rounded half up; None of nothing."""
    return (200 * total + count) // (2 * count) if count else None


async def recompute(
    session: WriteSession, target_type: TargetType, target_id: UUID
) -> RatingSummary:
    """Bring a target's rating in line with its reviews; RatingUpdated only when it changed."""
    await session.flush()
    await session.execute(
        insert(RatingSummary)
        .values(target_type=target_type, target_id=target_id)
        .on_conflict_do_nothing()
    )
    summary = await session.get_one(
        RatingSummary, (target_type, target_id), with_for_update=True, populate_existing=True
    )
    # Read after the lock: whoever held it has committed what we must see.
    latest = (
        sa.select(Review.rating)
        .ext(distinct_on(Review.reviewer_id))
        .where(
            Review.target_type == target_type,
            Review.target_id == target_id,
            Review.status == ReviewStatus.PUBLISHED,
            Review.is_counted,
        )
        .order_by(Review.reviewer_id, Review.submitted_at.desc(), Review.id.desc())
        .subquery()
    )
    rows = await session.execute(
        sa.select(latest.c.rating, sa.func.count()).group_by(latest.c.rating)
    )
    found: dict[int, int] = {row[0]: row[1] for row in rows}
    histogram = [found.get(rating, 0) for rating in range(1, 6)]
    total = sum(rating * n for rating, n in found.items())
    count = sum(histogram)
    platform = await session.scalar(
        sa.select(PlatformMean.mean).where(PlatformMean.target_type == target_type)
    )
    score = score_of(total, count, FIRST_MEAN if platform is None else platform)
    summary.platform_mean = platform
    if (summary.histogram, summary.score) == (histogram, score) and summary.version > 0:
        await session.flush()
        return summary
    summary.count, summary.total, summary.histogram = count, total, histogram
    summary.mean, summary.score = mean_of(total, count), score
    summary.version += 1
    await session.flush()
    statement = insert(RatingHistory).values(
        target_type=target_type,
        target_id=target_id,
        day=sa.func.current_date(),
        count=count,
        mean=summary.mean,
        score=score,
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["target_type", "target_id", "day"],
            set_={name: statement.excluded[name] for name in ("count", "mean", "score")},
        )
    )
    publish(
        session,
        RatingUpdated(
            target_id=target_id,
            target_type=target_type.value,
            count=count,
            mean=summary.mean,
            score=score,
            histogram=(histogram[0], histogram[1], histogram[2], histogram[3], histogram[4]),
            version=summary.version,
        ),
    )
    return summary


async def refresh_platform_mean(session: WriteSession, target_type: TargetType) -> None:
    """Bring m up to date from all summaries; scores that rest on another one are stale then."""
    sums = (
        await session.execute(
            sa.select(sa.func.sum(RatingSummary.total), sa.func.sum(RatingSummary.count)).where(
                RatingSummary.target_type == target_type
            )
        )
    ).one()
    mean = mean_of(int(sums[0] or 0), int(sums[1] or 0))
    if mean is None:
        return
    statement = insert(PlatformMean).values(target_type=target_type, mean=mean)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["target_type"],
            set_={"mean": statement.excluded.mean},
            where=PlatformMean.mean != statement.excluded.mean,
        )
    )


async def list_stale(session: ReadSession, *, most: int) -> list[tuple[TargetType, UUID]]:
    """Targets whose score rests on an older mean of the platform."""
    rows = await session.execute(
        sa.select(RatingSummary.target_type, RatingSummary.target_id)
        .join(PlatformMean, PlatformMean.target_type == RatingSummary.target_type)
        .where(RatingSummary.platform_mean.is_distinct_from(PlatformMean.mean))
        .limit(most)
    )
    return [(TargetType(row[0]), row[1]) for row in rows]


async def get_summaries(
    session: ReadSession, ids: Sequence[UUID], *, target_type: TargetType
) -> list[RatingSummary | None]:
    """The ratings of many targets, in the order asked for."""
    rows = await session.scalars(
        sa.select(RatingSummary).where(
            RatingSummary.target_type == target_type, among(RatingSummary.target_id, ids)
        )
    )
    found = {row.target_id: row for row in rows}
    return [found.get(id_) for id_ in ids]


@dataclass(frozen=True)
class TrendPoint:
    """How a rating stood at the end of a day."""

    day: date
    count: int
    mean: int | None
    score: int


async def get_trends(
    session: ReadSession, ids: Sequence[UUID], *, target_type: TargetType, days: int
) -> list[list[TrendPoint]]:
    """The days on which each target's rating changed, the oldest first."""
    since = (datetime.now(UTC) - timedelta(days=days)).date()
    rows: Any = await session.scalars(
        sa.select(RatingHistory)
        .where(
            RatingHistory.target_type == target_type,
            among(RatingHistory.target_id, ids),
            RatingHistory.day >= since,
        )
        .order_by(RatingHistory.day)
    )
    found: dict[UUID, list[TrendPoint]] = {}
    for row in rows:
        point = TrendPoint(row.day, row.count, row.mean, row.score)
        found.setdefault(row.target_id, []).append(point)
    return [found.get(id_, []) for id_ in ids]
