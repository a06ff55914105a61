"""What learning knows of tutors, from matching's events."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.events.matching import (
    TutorProfileCreated,
    TutorProfilePaused,
    TutorProfileState,
    TutorProfileVerified,
)
from shared.ids import new_id
from subgraphs.learning.models import TutorRef
from tests.support.graph import GraphClient, send

USER, PROFILE = new_id(), new_id()


def state(kind: type[TutorProfileState], version: int, **changes: Any) -> TutorProfileState:
    values: dict[str, Any] = {
        "profile_id": PROFILE,
        "user_id": USER,
        "time_zone": "Asia/Kathmandu",
        "is_verified": False,
        "is_paused": False,
        "is_bookable": False,
        "version": version,
    }
    return kind(**(values | changes))


async def known(learning: GraphClient) -> list[tuple[UUID, bool, bool, int]]:
    async with learning.runtime.database.read() as session:
        rows = await session.scalars(sa.select(TutorRef))
        return [(row.user_id, row.is_bookable, row.is_verified, row.version) for row in rows]


async def test_newest_state_of_a_tutor_wins_whatever_the_order(learning: GraphClient) -> None:
    created = state(TutorProfileCreated, 1)
    verified = state(TutorProfileVerified, 2, is_verified=True, is_bookable=True)
    paused = state(TutorProfilePaused, 3, is_verified=True, is_paused=True)
    await send(learning.subgraph, learning.runtime, verified, created)
    assert await known(learning) == [(USER, True, True, 2)]
    await send(learning.subgraph, learning.runtime, paused)
    await send(learning.subgraph, learning.runtime, verified)
    assert await known(learning) == [(USER, False, True, 3)]
