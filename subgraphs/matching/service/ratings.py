"""Tutors' ratings as the reviews tell of them."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession
from shared.lookup import ByKey
from subgraphs.matching.models import RatingRef

_RATINGS = ByKey(sa.select(RatingRef), RatingRef.user_id)


async def get_ratings(session: ReadSession, user_ids: Sequence[UUID]) -> list[RatingRef | None]:
    """The rating of each tutor (a user)."""
    return await _RATINGS.find(session, user_ids)
