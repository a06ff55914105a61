"""A world around payment for each test; afterwards its books must add up."""

from collections.abc import AsyncIterator

import pytest

from tests.subgraphs.payment.world import World, provider
from tests.support.graph import GraphClient


@pytest.fixture
async def world(payment: GraphClient) -> AsyncIterator[World]:
    """Empty books, a student, a tutor and an admin; every test ends with a look at the ledger."""
    async with provider() as simulated:
        made = World(payment, simulated)
        made.runtime.provider.breaker.reset()
        await made.settle_in()
        yield made
        await made.check_books()
