"""People of matching's tests, known and verified."""

from collections.abc import Awaitable, Callable

import pytest

from subgraphs.matching.models import TutorProfile
from tests.subgraphs.matching import factories
from tests.support.graph import GraphClient


@pytest.fixture
async def matching(client_of: Callable[[str], Awaitable[GraphClient]]) -> GraphClient:
    """A client of matching over an empty database."""
    return await client_of("matching")


async def _person(matching: GraphClient, *roles: str) -> GraphClient:
    async with matching.runtime.database.write() as session:
        user = await factories.create_user(session, roles=list(roles))
    return matching.as_user(user.user_id, *roles)


@pytest.fixture
async def student(matching: GraphClient) -> GraphClient:
    """A verified student."""
    return await _person(matching, "student")


@pytest.fixture
async def admin(matching: GraphClient) -> GraphClient:
    """A verified admin."""
    return await _person(matching, "admin")


@pytest.fixture
async def profile(matching: GraphClient) -> TutorProfile:
    """A bookable tutor."""
    async with matching.runtime.database.write() as session:
        return await factories.create_tutor(session)


@pytest.fixture
def tutor(matching: GraphClient, profile: TutorProfile) -> GraphClient:
    """The tutor of the profile, signed in."""
    return matching.as_user(profile.user_id, "tutor")
