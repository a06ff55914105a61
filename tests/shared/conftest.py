"""Fixtures for the platform library: learning serves as the subgraph under which it runs."""

import uuid
from dataclasses import replace

import pytest

from shared.inbox import Handlers
from shared.kafka import ensure_topics
from shared.runtime import Runtime, Subgraph
from tests.support.graph import GraphClient
from tests.support.pipeline import start_at_end


@pytest.fixture
def runtime(learning: GraphClient) -> Runtime:
    """Learning's runtime over an empty database."""
    return learning.runtime


@pytest.fixture
def topics(runtime: Runtime) -> list[str]:
    """The topics that learning reads and writes exist."""
    names = ["edtech.identity.user.v1", "edtech.learning.course.v1"]
    ensure_topics(runtime.settings.kafka_brokers, names, replication=1)
    return names


@pytest.fixture
def subgraph(learning: GraphClient, topics: list[str]) -> Subgraph:
    """Learning with a consumer group of its own that begins at the topics' present end."""
    handlers = learning.subgraph.handlers
    own = Handlers(
        f"learning-{uuid.uuid4().hex[:8]}", one=dict(handlers.one), many=dict(handlers.many)
    )
    start_at_end(learning.runtime.settings.kafka_brokers, own.consumer, own.topics)
    return replace(learning.subgraph, handlers=own, timers=())
