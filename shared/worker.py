"""A subgraph's worker: relay, consumer and timers, until it is told to stop."""

import asyncio
import contextlib
import os
import random
import socket

import psycopg
import sqlalchemy as sa

from shared import idempotency
from shared.consumer import Consumer
from shared.errors import Unavailable
from shared.relay import Relay
from shared.runtime import Runtime, Subgraph, Timer
from shared.telemetry import TIMER_RUNS, log

# An inbox row must outlive the topics' retention, or a late second delivery would count.
_PURGE = (
    idempotency.PURGE,
    sa.text("DELETE FROM outbox WHERE published_at < clock_timestamp() - interval '7 days'"),
    sa.text("DELETE FROM inbox WHERE processed_at < clock_timestamp() - interval '30 days'"),
)


async def purge(runtime: Runtime) -> None:
    """Delete rows of outbox, inbox and idempotency keys that nobody can ask for again."""
    for statement in _PURGE:
        # One transaction each: a large table may not keep the locks of the others.
        async with runtime.database.write() as session:
            await session.execute(sa.text("SET LOCAL statement_timeout = 0"))
            await session.execute(statement)


class Worker:
    """Everything of one subgraph that runs beside its API."""

    def __init__(self, subgraph: Subgraph, runtime: Runtime) -> None:
        self._subgraph, self._runtime = subgraph, runtime
        self._stop = asyncio.Event()
        self.relay = Relay(runtime.settings)
        self.consumer: Consumer | None = None
        if subgraph.handlers.topics:
            self.consumer = Consumer(
                runtime.database,
                subgraph.handlers,
                runtime.settings.kafka_brokers,
                member=f"{socket.gethostname()}-{os.environ.get('WORKER_SLOT', '0')}",
            )

    async def run(self) -> None:
        """Until `stop`; the runtime is opened and closed by the caller."""

        async def measure(_: Runtime) -> None:
            with contextlib.suppress(psycopg.Error, OSError):
                await self.relay.measure()

        timers = [
            *self._subgraph.timers,
            Timer("purge", 3600, purge),
            Timer("measure-outbox", 5, measure),
        ]
        async with asyncio.TaskGroup() as group:
            group.create_task(self.relay.run())
            if self.consumer is not None:
                group.create_task(self.consumer.run())
            for timer in timers:
                group.create_task(self._tick(timer))

    def stop(self) -> None:
        """End: the batch in flight and a running timer finish first."""
        self._stop.set()
        self.relay.stop()
        if self.consumer is not None:
            self.consumer.stop()

    async def _tick(self, timer: Timer) -> None:
        seconds = self._runtime.settings.worker_poll_seconds
        if timer.seconds is not None:
            seconds = timer.seconds
        # Spread, so that copies started together do not all run at the same moment.
        delay = min(seconds, 1) * random.random()  # noqa: S311 - not for secrets
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay)
                return
            outcome = "ok"
            try:
                await timer.run(self._runtime)
            except Unavailable:
                outcome = "unavailable"
            except Exception:
                outcome = "failed"
                log.exception("timer failed", subgraph=self._subgraph.name, timer=timer.name)
            TIMER_RUNS.labels(self._subgraph.name, timer.name, outcome).inc()
            delay = seconds
