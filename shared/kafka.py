"""The only import of kafka-python: it blocks, so each client lives in a thread of its own.

kafka-python is pinned. Version 3.0.12 forgets fetched records of a partition after `pause` and
`resume`; `_release_parked_records` is the way around, and tests/shared/test_kafka.py shows both.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from kafka import (
    ConsumerRebalanceListener,
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
)
from kafka.admin import NewTopic
from kafka.errors import KafkaError, KafkaTimeoutError, TopicAlreadyExistsError

from shared.events import is_compacted
from shared.inbox import Record
from shared.telemetry import log

PARTITIONS = 6
WEEK_MS = 7 * 24 * 3600 * 1000
MOST_WAITING = 4000  # records read ahead of the database, over all partitions


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to send."""

    topic: str
    key: str
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Producer:
    """Sends batches, in order per key; one that was not confirmed raises, and may be sent again."""

    def __init__(self, brokers: str) -> None:
        self._brokers = brokers
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-producer")
        self._client: Any = None
        self._closing = threading.Event()

    async def send(self, batch: Sequence[Outgoing]) -> None:
        """Send a batch and wait for the brokers' word. Raises KafkaError."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._send, batch)

    def _send(self, batch: Sequence[Outgoing]) -> None:
        try:
            if self._client is None:
                self._client = KafkaProducer(
                    bootstrap_servers=self._brokers.split(","),
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,
                    batch_size=256 * 1024,
                    # Giving up a batch while later ones pass would break the order of a key.
                    delivery_timeout_ms=24 * 3600 * 1000,
                    request_timeout_ms=5000,
                    reconnect_backoff_max_ms=1000,
                    max_block_ms=5000,
                    metrics_enabled=False,
                )
            futures = [
                self._client.send(r.topic, key=r.key.encode(), value=r.value, headers=r.headers)
                for r in batch
            ]
            # In short steps, so that the process can stop while Kafka is down.
            while True:
                try:
                    self._client.flush(timeout=0.5)
                    break
                except KafkaTimeoutError:
                    if self._closing.is_set():
                        raise
            for future in futures:
                future.get(timeout=1)
        except Exception:
            self._drop()
            raise

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close(timeout=0)

    def interrupt(self) -> None:
        """Let a flush that waits for a broker that is down give up."""
        self._closing.set()

    async def close(self) -> None:
        """Stop, at once even while Kafka is down; what was not confirmed stays in the outbox."""
        self._closing.set()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=False)


class Subscription:
    """Reads topics as a member of a group in a thread; records wait here until they are taken."""

    def __init__(
        self,
        brokers: str,
        group: str,
        topics: Sequence[str],
        *,
        member: str | None = None,
        stall_seconds: float = 15,
    ) -> None:
        self.group = group
        self._topics = list(topics)
        self._stall_seconds = stall_seconds
        self._config: dict[str, Any] = {
            "bootstrap_servers": brokers.split(","),
            "group_id": group,
            # A static member that was killed is back in a moment, not after the session's timeout.
            "group_instance_id": member,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "session_timeout_ms": 6000,
            "heartbeat_interval_ms": 500,
            "fetch_min_bytes": 1,
            "fetch_max_wait_ms": 500,
            "max_poll_records": 1000,
            "request_timeout_ms": 15000,
            "reconnect_backoff_max_ms": 1000,
            "retry_backoff_ms": 50,
            "metadata_max_age_ms": 5000,
            "metrics_enabled": False,
        }
        self._lock = threading.Lock()
        self._waiting: dict[TopicPartition, list[Record]] = {}
        self._done: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._stop = threading.Event()
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.lag: dict[str, int] = {}

    # --- used on the event loop

    def start(self) -> None:
        """Join the group."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=f"kafka-{self.group}", daemon=True)
        self._thread.start()

    async def wait(self, seconds: float) -> None:
        """Until records may be there, or the time is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), seconds)
        self._arrived.clear()

    def peek(
        self, most: int, *, without: frozenset[tuple[str, int]] = frozenset()
    ) -> dict[tuple[str, int], list[Record]]:
        """The next records of each partition, at most so many in all; they stay until `done`."""
        found: dict[tuple[str, int], list[Record]] = {}
        with self._lock:
            for place, records in self._waiting.items():
                key = (place.topic, place.partition)
                if key not in without and records and most > 0:
                    found[key] = records[:most]
                    most -= len(found[key])
        return found

    def done(self, records: Sequence[Record]) -> None:
        """These records of one partition had their effect; forget them."""
        last = records[-1]
        place = TopicPartition(last.topic, last.partition)
        with self._lock:
            waiting = self._waiting.get(place)
            if waiting is None:
                return  # The partition was taken away meanwhile; its new owner meets the inbox.
            self._waiting[place] = [r for r in waiting if r.offset > last.offset]
            self._done[place] = max(self._done.get(place, 0), last.offset + 1)
            if any(self._waiting.values()):
                self._arrived.set()

    async def stop(self) -> None:
        """Commit what is done and leave."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join, 10)

    # --- used in the thread

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._read_until_stopped()
            except Exception as error:
                log.warning("consumer restarts", group=self.group, error=type(error).__name__)
                self._forget(list(self._waiting))
                self._stop.wait(0.5)

    def _read_until_stopped(self) -> None:
        consumer = KafkaConsumer(**self._config)
        try:
            consumer.subscribe(self._topics, listener=_Listener(self, consumer))
            # A leader that does not know the topics yet assigns none of their partitions, and may
            # never notice (seen with 3.0.12 on a busy machine). It joins with the first poll.
            for topic in self._topics:
                consumer.partitions_for_topic(topic)
            committed_at = time.monotonic()
            progress = _Progress(self._stall_seconds)
            while not self._stop.is_set():
                _release_parked_records(consumer)
                polled = consumer.poll(timeout_ms=100)
                now = time.monotonic()
                if polled:
                    self._arrive(polled)
                self._apply_back_pressure(consumer)
                if now - committed_at > 0.2:
                    self._commit(consumer)
                    self._measure(consumer)
                    committed_at = now
                if progress.is_stalled(consumer, now):
                    raise KafkaError("records wait at the broker but none arrive")
            self._commit(consumer, wait=True)
        finally:
            with contextlib.suppress(Exception):
                consumer.close(autocommit=False, timeout_ms=3000)

    def _arrive(self, polled: Mapping[TopicPartition, Sequence[Any]]) -> None:
        with self._lock:
            for place, records in polled.items():
                self._waiting.setdefault(place, []).extend(
                    Record(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers or ()))
                    for r in records
                )
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is gone: the process is ending
                self._loop.call_soon_threadsafe(self._arrived.set)

    def _apply_back_pressure(self, consumer: Any) -> None:
        with self._lock:
            waiting = sum(map(len, self._waiting.values()))
        paused = consumer.paused()
        if waiting > MOST_WAITING and not paused:
            consumer.pause(*consumer.assignment())
        elif waiting < MOST_WAITING // 2 and paused:
            consumer.resume(*paused)

    def _commit(self, consumer: Any, *, wait: bool = False) -> None:
        with self._lock:
            new = {p: o for p, o in self._done.items() if self._committed.get(p) != o}
        if not new:
            return
        offsets = {place: OffsetAndMetadata(offset, "", -1) for place, offset in new.items()}
        with contextlib.suppress(KafkaError):  # the inbox is the truth; an offset only saves work
            if wait:
                consumer.commit(offsets, timeout_ms=3000)
            else:
                consumer.commit_async(offsets)
            self._committed.update(new)

    def _measure(self, consumer: Any) -> None:
        lag: dict[str, int] = dict.fromkeys(self._topics, 0)
        for place in consumer.assignment():
            high = consumer.highwater(place)
            done = self._done.get(place)
            if high is not None and done is not None:
                lag[place.topic] = lag.get(place.topic, 0) + max(0, high - done)
        self.lag = lag

    def _forget(self, places: Sequence[TopicPartition]) -> None:
        with self._lock:
            for place in places:
                self._waiting.pop(place, None)
                self._done.pop(place, None)
                self._committed.pop(place, None)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs on the client's own thread, where only the asynchronous commit may be called."""

    def __init__(self, subscription: Subscription, consumer: Any) -> None:
        self._subscription, self._consumer = subscription, consumer

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        self._subscription._commit(self._consumer)
        self._subscription._forget(revoked)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        log.info("partitions assigned", group=self._subscription.group, count=len(assigned))

    def on_partitions_lost(self, lost: Sequence[TopicPartition]) -> None:
        self._subscription._forget(lost)


class _Progress:
    """Since when each partition stands still although the broker has more, or tells nothing of it.

    After two rebalances in a row a partition was seen that was never fetched from again (3.0.12).
    """

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._moved: dict[TopicPartition, tuple[int | None, float]] = {}

    def is_stalled(self, consumer: Any, now: float) -> bool:
        """Whether a partition has stood still for too long; one that we paused may."""
        stalled = False
        states = dict(consumer._subscription.assignment)
        for place, state in states.items():
            at = state.position.offset if state.position is not None else None
            is_behind = at is None or state.highwater is None or state.highwater > at
            before, since = self._moved.get(place, (at, now))
            if state.paused or not is_behind or at != before:
                since = now
            self._moved[place] = (at, since)
            stalled = stalled or now - since > self._stall_seconds
        # One that comes back later starts anew.
        self._moved = {place: moved for place, moved in self._moved.items() if place in states}
        return stalled


def _release_parked_records(consumer: Any) -> None:
    """Let records of resumed partitions through: an empty slot that is not None holds them back."""
    fetcher = consumer._fetcher
    slot = fetcher._next_partition_records
    if slot is not None and not slot:
        fetcher._next_partition_records = None


def ensure_topics(brokers: str, topics: Sequence[str], *, replication: int) -> list[str]:
    """Create the topics that are missing, with their dead-letter topics; the names created."""
    admin = KafkaAdminClient(bootstrap_servers=brokers.split(","), request_timeout_ms=10000)
    try:
        known = set(admin.list_topics())
        wanted = [name for topic in topics for name in (topic, f"{topic}.dlq")]
        created = []
        for name in dict.fromkeys(wanted):
            if name not in known:
                with contextlib.suppress(TopicAlreadyExistsError):
                    admin.create_topics([_new_topic(name, replication)], timeout_ms=10000)
                    created.append(name)
        return created
    finally:
        admin.close()


def _new_topic(name: str, replication: int) -> NewTopic:
    if name.endswith(".dlq"):
        return NewTopic(name, 1, replication, topic_configs={"retention.ms": str(4 * WEEK_MS)})
    if is_compacted(name):
        # Deletes stay readable for a week: longer than any replay takes.
        # Nothing is compacted sooner, so that a consumer that was away sees every occurrence.
        config = {
            "cleanup.policy": "compact",
            "delete.retention.ms": str(WEEK_MS),
            "min.compaction.lag.ms": str(WEEK_MS),
        }
    else:
        config = {"retention.ms": str(WEEK_MS)}
    if replication > 1:
        config["min.insync.replicas"] = "2"
    return NewTopic(name, PARTITIONS, replication, topic_configs=config)


def read_topic(
    brokers: str, topic: str, *, progress: Callable[[int, int], None] | None = None
) -> Iterator[list[Record]]:
    """All records that a topic holds now, in batches, outside any group; for replay and inspection.

    `progress(read, total)` counts offsets, which compaction leaves holes in.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=brokers.split(","),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=2000,
        metrics_enabled=False,
    )
    try:
        places = [
            TopicPartition(topic, i) for i in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        if not places:
            return
        consumer.assign(places)
        consumer.seek_to_beginning()
        first, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
        total = sum(end[p] - first[p] for p in places)
        while any(consumer.position(place) < end[place] for place in places):
            batch = [
                Record(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers or ()))
                for records in consumer.poll(timeout_ms=500).values()
                for r in records
            ]
            if batch:
                yield batch
            if progress is not None:
                progress(sum(consumer.position(p) - first[p] for p in places), total)
    finally:
        consumer.close(autocommit=False)
