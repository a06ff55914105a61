"""Relay and consumer of a subgraph running in a test, and user events as identity sends them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from shared.events import Event
from shared.events.identity import UserCreated, UserState
from shared.ids import new_id
from shared.kafka import Outgoing, Producer
from shared.runtime import Runtime, Subgraph
from shared.worker import Worker


def user_state(
    user_id: UUID | None = None,
    *,
    kind: type[UserState] = UserCreated,
    version: int = 1,
    **changes: Any,
) -> UserState:
    """A user's state as identity publishes it."""
    roles = tuple(changes.pop("roles", ("student",)))
    values: dict[str, Any] = {
        "user_id": user_id or new_id(),
        "version": version,
        "email": "ana@example.test",
        "first_name": "Ana",
        "last_name": "Silva",
        "role": roles[0],
        "roles": roles,
        "status": "ACTIVE",
        "ver": 1,
        "time_zone": "Europe/Lisbon",
        "locale": "pt",
    }
    return kind(**(values | changes))


def record(event: Event, *, event_id: UUID | None = None, **headers: str) -> Outgoing:
    """An event as the relay sends it."""
    named = {"ce_id": str(event_id or new_id()), "ce_type": event.type} | headers
    return Outgoing(
        topic=event.topic,
        key=str(event.subject),
        value=event.payload().encode(),
        headers=[(name, value.encode()) for name, value in named.items()],
    )


@asynccontextmanager
async def producing(runtime: Runtime) -> AsyncIterator[Producer]:
    """A producer for what other subgraphs would send."""
    producer = Producer(runtime.settings.kafka_brokers)
    try:
        yield producer
    finally:
        await producer.close()


def start_at_end(brokers: str, group: str, topics: list[str]) -> None:
    """Let a new group see only what is sent from now on."""
    consumer = KafkaConsumer(
        bootstrap_servers=brokers, group_id=group, enable_auto_commit=False, metrics_enabled=False
    )
    places = [
        TopicPartition(topic, number)
        for topic in topics
        for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    consumer.commit({place: OffsetAndMetadata(ends[place], "", -1) for place in places})
    consumer.close(autocommit=False)


@asynccontextmanager
async def working(subgraph: Subgraph, runtime: Runtime) -> AsyncIterator[Worker]:
    """The subgraph's worker runs."""
    worker = Worker(subgraph, runtime)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(task, 20)


async def eventually(
    check: Callable[[], Awaitable[bool]], *, within: float = 20, what: str = "it"
) -> None:
    """Wait until something holds; fails the test when it does not."""
    deadline = asyncio.get_running_loop().time() + within
    while not await check():
        assert asyncio.get_running_loop().time() < deadline, f"{what} did not come about"
        await asyncio.sleep(0.02)
