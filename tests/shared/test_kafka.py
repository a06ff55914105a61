"""The client's defect with paused partitions, and the way around it that shared/kafka.py takes."""

import random
import time
import uuid
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import SubscriptionState

from shared.kafka import (
    PARTITIONS,
    Outgoing,
    Subscription,
    _release_parked_records,
    ensure_topics,
)
from shared.runtime import Runtime
from tests.support.pipeline import producing

RECORDS = 12_000


@pytest.fixture
async def topic(runtime: Runtime) -> str:
    name = f"edtech.tests.pauses-{uuid.uuid4().hex[:8]}.log.v1"
    ensure_topics(runtime.settings.kafka_brokers, [name], replication=1)
    async with producing(runtime) as producer:
        for start in range(0, RECORDS, 2000):
            await producer.send(
                [Outgoing(name, str(n), b"x" * 100, []) for n in range(start, start + 2000)]
            )
    return name


def read_with_pauses(brokers: str, topic: str, *, release: bool) -> int:
    """Read a topic while partitions are paused and resumed at random; how many records came."""
    chance = random.Random(7)
    consumer = KafkaConsumer(
        bootstrap_servers=brokers,
        auto_offset_reset="earliest",
        max_poll_records=50,
        enable_auto_commit=False,
        metrics_enabled=False,
    )
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(places)
    read, last = 0, time.monotonic()
    while read < RECORDS and time.monotonic() - last < 4:
        if release:
            _release_parked_records(consumer)
        polled = sum(map(len, consumer.poll(timeout_ms=20).values()))
        read += polled
        if polled:
            last = time.monotonic()
        for place in places:
            if place in consumer.paused():
                consumer.resume(place)
            elif chance.random() < 0.3:
                consumer.pause(place)
        if not polled:
            consumer.resume(*consumer.paused())
    consumer.close(autocommit=False)
    return read


def test_every_record_comes_although_partitions_are_paused(runtime: Runtime, topic: str) -> None:
    brokers = runtime.settings.kafka_brokers
    assert read_with_pauses(brokers, topic, release=True) == RECORDS


def test_client_still_forgets_records_of_paused_partitions(runtime: Runtime, topic: str) -> None:
    """When this fails, the client was mended: unpin it and drop `_release_parked_records`."""
    brokers = runtime.settings.kafka_brokers
    assert read_with_pauses(brokers, topic, release=False) < RECORDS


async def test_partition_that_is_never_fetched_makes_the_consumer_start_anew(
    runtime: Runtime, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after two rebalances in a row; the others go on, which must not hide it."""
    forgotten = TopicPartition(topic, 0)
    fetchable = SubscriptionState.fetchable_partitions
    blind: list[Any] = []

    def without_one(state: Any) -> Any:
        if not blind:
            blind.append(state)
        found = fetchable(state)
        return [place for place in found if state is not blind[0] or place != forgotten]

    monkeypatch.setattr(SubscriptionState, "fetchable_partitions", without_one)
    subscription = Subscription(
        runtime.settings.kafka_brokers, f"tests-{uuid.uuid4().hex}", [topic], stall_seconds=1
    )
    subscription.start()
    seen: dict[int, set[int]] = {number: set() for number in range(PARTITIONS)}
    try:
        deadline = time.monotonic() + 30
        while sum(map(len, seen.values())) < RECORDS and time.monotonic() < deadline:
            await subscription.wait(0.2)
            for (_, number), records in subscription.peek(1000).items():
                seen[number] |= {record.offset for record in records}
                subscription.done(records)
    finally:
        await subscription.stop()
    assert blind
    assert {number: len(found) for number, found in seen.items() if not found} == {}
    assert sum(map(len, seen.values())) == RECORDS
