"""People of learning's tests, known and verified."""

import pytest

from tests.subgraphs.learning import factories
from tests.subgraphs.learning.booking import Booking
from tests.support.graph import GraphClient


async def _person(learning: GraphClient, *roles: str) -> GraphClient:
    async with learning.runtime.database.write() as session:
        user = await factories.create_user(session, roles=list(roles))
    return learning.as_user(user.user_id, *roles)


@pytest.fixture
async def booking(learning: GraphClient) -> Booking:
    """A tutor whose lessons are sold, and a student."""
    return await Booking.make(learning)


@pytest.fixture
async def tutor(learning: GraphClient) -> GraphClient:
    """A verified tutor."""
    return await _person(learning, "tutor")


@pytest.fixture
async def student(learning: GraphClient) -> GraphClient:
    """A verified student."""
    return await _person(learning, "student")


@pytest.fixture
async def admin(learning: GraphClient) -> GraphClient:
    """A verified admin."""
    return await _person(learning, "admin")
