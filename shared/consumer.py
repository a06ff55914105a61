"""Kafka to the inbox: one micro-batch transaction in flight, over all partitions.

A batch that fails is taken apart: each of its partitions goes on alone, record by record, while the
others keep flowing. A record that still fails becomes a dead letter.
"""

import asyncio
from collections.abc import Sequence

from shared.db import Database
from shared.errors import Unavailable
from shared.inbox import Delivery, Handlers, Record, Unreadable, bury, deliver, read
from shared.kafka import Subscription
from shared.telemetry import CONSUMED, CONSUMER_LAG, log

BATCH = 500
TRIES = 3
FIRST_PAUSE = 0.05


class Consumer:
    """Applies the events that one subgraph listens to."""

    def __init__(
        self, database: Database, handlers: Handlers, brokers: str, *, member: str | None = None
    ) -> None:
        self._database, self._handlers = database, handlers
        self._subscription = Subscription(
            brokers, handlers.consumer, handlers.topics, member=member
        )
        self._stop = asyncio.Event()
        self._alone: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until `stop`."""
        self._subscription.start()
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            batch = self._subscription.peek(BATCH, without=frozenset(self._alone))
            if not batch:
                await self._subscription.wait(0.2)
                self._measure()
                continue
            try:
                await self._apply([record for records in batch.values() for record in records])
            except Unavailable:
                # Nobody's fault but the database's: try again for as long as it takes.
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2)
                continue
            except Exception as error:
                log.warning(
                    "batch taken apart",
                    subgraph=self._handlers.consumer,
                    error=type(error).__name__,
                )
                for place, records in batch.items():
                    task = asyncio.create_task(self._one_by_one(place, records))
                    self._alone[place] = task
                continue
            pause = FIRST_PAUSE
            for records in batch.values():
                self._subscription.done(records)
        for task in self._alone.values():
            task.cancel()
        await asyncio.gather(*self._alone.values(), return_exceptions=True)
        await self._subscription.stop()

    def stop(self) -> None:
        """End after the batch in flight."""
        self._stop.set()

    async def _apply(self, records: Sequence[Record]) -> None:
        deliveries: list[Delivery] = []
        unreadable: list[tuple[Record, str]] = []
        for record in records:
            try:
                delivery = read(record, self._handlers)
            except Unreadable as error:
                unreadable.append((record, str(error)))
                continue
            if delivery is None:
                CONSUMED.labels(self._handlers.consumer, "skipped").inc()
            else:
                deliveries.append(delivery)
        if not deliveries and not unreadable:
            return
        async with self._database.write() as session:
            await deliver(session, self._handlers, deliveries)
            for record, reason in unreadable:
                await bury(session, self._handlers, record, reason)

    async def _one_by_one(self, place: tuple[str, int], records: Sequence[Record]) -> None:
        try:
            for record in records:
                await self._patiently(record)
                self._subscription.done([record])
        finally:
            del self._alone[place]

    async def _patiently(self, record: Record) -> None:
        pause, failures = FIRST_PAUSE, 0
        reason = ""
        while True:
            try:
                if failures < TRIES:
                    await self._apply([record])
                else:
                    async with self._database.write() as session:
                        await bury(session, self._handlers, record, reason)
                    log.error(
                        "event became a dead letter",
                        subgraph=self._handlers.consumer,
                        topic=record.topic,
                        event_id=record.header("ce_id"),
                        reason=reason,
                    )
                return
            except Unavailable:
                pass
            except Exception as error:
                failures += 1
                # The kind alone: an error's text may hold personal data of the event.
                reason = f"{type(error).__name__} in the handler of {record.header('ce_type')}"
                log.warning("handler failed", reason=reason, failures=failures, exc_info=True)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2)

    def _measure(self) -> None:
        for topic, lag in self._subscription.lag.items():
            CONSUMER_LAG.labels(self._handlers.consumer, topic).set(lag)
