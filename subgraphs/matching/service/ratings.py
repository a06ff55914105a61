"""Tutors' ratings as the reviews tell of them."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, among
from subgraphs.matching.models import RatingRef


async def get_ratings(session: ReadSession, user_ids: Sequence[UUID]) -> list[RatingRef | None]:
    """The rating of each tutor (a user)."""
    rows = await session.scalars(sa.select(RatingRef).where(among(RatingRef.user_id, user_ids)))
    found = {row.user_id: row for row in rows}
    return [found.get(id_) for id_ in user_ids]
