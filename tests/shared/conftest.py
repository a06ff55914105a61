"""Fixtures for the platform library: learning serves as the subgraph under which it runs."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from shared.inbox import Handlers
from shared.kafka import ensure_topics
from shared.runtime import Runtime, Subgraph
from tests.support.graph import GraphClient


@pytest.fixture
async def runtime(learning: GraphClient) -> AsyncIterator[Runtime]:
    """Learning's runtime over an empty database."""
    yield learning.runtime


@pytest.fixture
def topics(runtime: Runtime) -> list[str]:
    """The topics that learning reads and writes exist."""
    names = ["edtech.identity.user.v1", "edtech.learning.course.v1"]
    ensure_topics(runtime.settings.kafka_brokers, names, replication=1)
    return names


@pytest.fixture
def subgraph(learning: GraphClient) -> Subgraph:
    """Learning with a consumer group of its own, so that tests do not share offsets."""
    handlers = learning.subgraph.handlers
    own = Handlers(f"learning-{uuid.uuid4().hex[:8]}", one=handlers.one, many=handlers.many)
    return replace(learning.subgraph, handlers=own, timers=())
