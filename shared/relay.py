"""Outbox to Kafka: one relay per database at a time, in order per aggregate.

Rows are marked one by one as published, never by a watermark: sequence numbers are not in commit
order, and a watermark would lose the late ones. NOTIFY wakes the relay; an advisory lock on the
connection that marks makes it the only one, for as long as that connection lives.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
from kafka.errors import KafkaError
from psycopg.rows import namedtuple_row

from shared.config import SubgraphSettings
from shared.kafka import Outgoing, Producer
from shared.telemetry import OUTBOX_AGE, OUTBOX_DEPTH, PUBLISHED, log

LOCK = 0x0B0C5
BATCH = 500
POLL_SECONDS = 1.0
_PENDING = (
    "SELECT seq, event_id, topic, key, type, payload, headers, created_at"
    " FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT %s"
)
_MARK = "UPDATE outbox SET published_at = clock_timestamp() WHERE seq = ANY(%s)"
_DEPTH = (
    "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)"
    " FROM outbox WHERE published_at IS NULL"
)


class Relay:
    """Sends what the outbox of one subgraph holds."""

    def __init__(self, settings: SubgraphSettings) -> None:
        self._settings = settings
        self._producer = Producer(settings.kafka_brokers)
        self._stop = asyncio.Event()
        self._source = f"/{settings.subgraph}".encode()
        self.leads = False

    async def run(self) -> None:
        """Until `stop`; whatever fails is tried again with back-off."""
        pause = 0.2
        while not self._stop.is_set():
            try:
                await self._lead()
                pause = 0.2
            except (psycopg.Error, OSError, KafkaError) as error:
                log.warning(
                    "relay waits", subgraph=self._settings.subgraph, error=type(error).__name__
                )
                await self._rest(pause)
                pause = min(pause * 2, 2)
            finally:
                self.leads = False
        await self._producer.close()

    def stop(self) -> None:
        """End after the batch in flight."""
        self._stop.set()
        self._producer.interrupt()

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        s = self._settings
        return await psycopg.AsyncConnection.connect(
            host=s.db_host,
            port=s.db_port,
            dbname=s.database,
            user=s.login,
            password=s.db_password.get_secret_value(),
            connect_timeout=max(1, int(s.db_connect_timeout_seconds)),
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            application_name=f"edtech-{s.subgraph}-relay",
            autocommit=True,
            row_factory=namedtuple_row,
        )

    async def _lead(self) -> None:
        async with await self._connect() as listening, await self._connect() as working:
            while not await self._locked(working):
                await self._rest(0.5)
                if self._stop.is_set():
                    return
            self.leads = True
            # Before the first read: what is committed after it notifies.
            await listening.execute("LISTEN outbox")
            while not self._stop.is_set():
                rows: Sequence[Any] = await (await working.execute(_PENDING, (BATCH,))).fetchall()
                if rows:
                    await self._producer.send([self._outgoing(row) for row in rows])
                    # On the lock's connection: once the lock is lost, nothing can be marked.
                    await working.execute(_MARK, ([row.seq for row in rows],))
                    PUBLISHED.labels(self._settings.subgraph).inc(len(rows))
                if len(rows) == BATCH:
                    continue
                async for _ in listening.notifies(timeout=POLL_SECONDS, stop_after=1):
                    break

    @staticmethod
    async def _locked(connection: psycopg.AsyncConnection[Any]) -> bool:
        row = await (
            await connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
        ).fetchone()
        return bool(row and row[0])

    def _outgoing(self, row: Any) -> Outgoing:
        envelope = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(row.event_id).encode()),
            ("ce_type", row.type.encode()),
            ("ce_source", self._source),
            ("ce_time", row.created_at.isoformat().encode()),
            ("ce_subject", row.key.encode()),
            ("content-type", b"application/json"),
        ]
        return Outgoing(
            topic=row.topic,
            key=row.key,
            value=None if row.payload is None else row.payload.encode(),
            headers=envelope + [(name, text.encode()) for name, text in row.headers.items()],
        )

    async def measure(self) -> None:
        """Depth and age of the outbox, for the metrics; Kafka being down shows here."""
        async with await self._connect() as connection:
            row = await (await connection.execute(_DEPTH)).fetchone()
            if row is not None:
                OUTBOX_DEPTH.labels(self._settings.subgraph).set(row[0])
                OUTBOX_AGE.labels(self._settings.subgraph).set(float(row[1]))
