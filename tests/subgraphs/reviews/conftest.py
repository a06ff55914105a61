"""People of reviews' tests, known and verified."""

import pytest

from tests.subgraphs.reviews.scene import person
from tests.support.graph import GraphClient


@pytest.fixture
async def tutor(reviews: GraphClient) -> GraphClient:
    """A verified tutor."""
    return await person(reviews, "tutor")


@pytest.fixture
async def student(reviews: GraphClient) -> GraphClient:
    """A verified student."""
    return await person(reviews, "student")


@pytest.fixture
async def moderator(reviews: GraphClient) -> GraphClient:
    """A moderator."""
    return await person(reviews, "moderator")
