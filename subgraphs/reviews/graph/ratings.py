"""Ratings as clients see them."""

from datetime import date, datetime
from typing import Annotated, Self

import strawberry

from subgraphs.reviews import models
from subgraphs.reviews.graph.context import Info
from subgraphs.reviews.service import ratings


@strawberry.federation.type(
    description="How many gave a number of stars.", tags=["course", "tutor"]
)
class RatingCount:
    rating: int = strawberry.field(description="1 to 5.")
    count: int = strawberry.field(description="How many gave it.")


@strawberry.type(description="How a rating stood at the end of a day on which it changed.")
class RatingTrendPoint:
    day: date = strawberry.field(description="The day, in UTC.")
    count: int = strawberry.field(description="How many ratings counted.")
    mean_hundredths: int | None = strawberry.field(description="487 is 4.87.")
    score_hundredths: int = strawberry.field(description="487 is 4.87.")


@strawberry.type(description="The rating of a tutor, a student or a course.")
class RatingSummary:
    row: strawberry.Private[models.RatingSummary | None]
    target_id: strawberry.Private[object]
    target_type: strawberry.Private[models.TargetType]

    @strawberry.federation.field(
        description="How many ratings count: the latest one of each reviewer.",
        tags=["course", "tutor"],
    )
    def count(self) -> int:
        return self.row.count if self.row else 0

    @strawberry.federation.field(
        description="The plain mean in hundredths, 487 is 4.87; null without any.",
        tags=["course", "tutor"],
    )
    def mean_hundredths(self) -> int | None:
        return self.row.mean if self.row else None

    @strawberry.federation.field(
        description="What lists sort by, in hundredths: a few ratings stay near everybody's mean.",
        tags=["course", "tutor"],
    )
    def score_hundredths(self) -> int:
        return self.row.score if self.row else ratings.FIRST_MEAN

    @strawberry.federation.field(
        description="How many gave 1, 2, 3, 4 and 5 stars.", tags=["course", "tutor"]
    )
    def histogram(self) -> list[RatingCount]:
        counts = self.row.histogram if self.row else [0] * 5
        return [RatingCount(rating=i, count=count) for i, count in enumerate(counts, 1)]

    @strawberry.federation.field(
        description="When the rating last changed.", tags=["course", "tutor"]
    )
    def updated_at(self) -> datetime | None:
        return self.row.updated_at if self.row else None

    @strawberry.field(description="The days on which the rating changed, the oldest first.")
    async def trend(
        self,
        info: Info,
        days: Annotated[
            int, strawberry.argument(description="How far back, at most 365 days.")
        ] = 90,
    ) -> list[RatingTrendPoint]:
        days = max(1, min(days, ratings.TREND_DAYS))
        loader = info.context.loader(ratings.get_trends, target_type=self.target_type, days=days)
        return [
            RatingTrendPoint(
                day=point.day,
                count=point.count,
                mean_hundredths=point.mean,
                score_hundredths=point.score,
            )
            for point in await loader.load(self.target_id)
        ]

    @classmethod
    async def load(cls, info: Info, target_type: models.TargetType, target_id: object) -> Self:
        """The rating of a target; empty as long as nobody has rated it."""
        loader = info.context.loader(ratings.get_summaries, target_type=target_type)
        row = await loader.load(target_id)
        return cls(row=row, target_id=target_id, target_type=target_type)
