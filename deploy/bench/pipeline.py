"""Events: from a commit in identity to the row in learning, and how fast a backlog goes."""

import asyncio
import sys
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle, islice
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import sqlalchemy as sa

from deploy.bench.crowd import Crowd
from deploy.bench.meters import cpu_seconds, percentile
from deploy.local.errors import LocalServiceError
from deploy.local.platform import Platform
from deploy.local.ports import free_port
from deploy.local.process import ChildProcess
from deploy.local.service import http_status
from deploy.local.tools import ROOT
from shared.events.identity import UserUpdated
from shared.outbox import publish
from shared.relay import LOCK
from shared.viewer import Viewer, ViewerKind
from subgraphs.identity.runtime import IdentityRuntime
from subgraphs.identity.service import profile

TRANSACTIONS_PER_SECOND = 50
CHUNK = 500  # events per transaction of the backlog
TIMEOUT = 90

# Deferred, so that it notes the moment of the commit, as the outbox row does at the other end.
_PROBE = """
CREATE TABLE bench_seen (user_id uuid, version bigint, at timestamptz);
GRANT ALL ON bench_seen TO PUBLIC;
CREATE FUNCTION bench_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO bench_seen VALUES (NEW.user_id, NEW.version, clock_timestamp());
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER bench_note AFTER INSERT OR UPDATE ON user_refs
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION bench_note();
"""
_NO_PROBE = (
    "DROP TRIGGER bench_note ON user_refs; DROP FUNCTION bench_note(); DROP TABLE bench_seen"
)
_RENAME = sa.text(
    "UPDATE users SET version = version + 1, first_name = :name WHERE id = ANY(:ids)"
    " RETURNING id, version, email, first_name, last_name, auth_version"
)
_SENT = "SELECT key::uuid, (headers->>'aggregateversion')::bigint, created_at FROM outbox"
_PUBLISHED = "SELECT count(*) FROM outbox WHERE published_at IS NOT NULL"
_APPLIED = "SELECT count(*) FROM inbox"
_VERSION = "SELECT version FROM user_refs WHERE user_id = %s"
_SEEN = "SELECT user_id, version, at FROM bench_seen ORDER BY user_id, version"
# Without the first transaction: its work was done before its own time is noted.
_SPAN = """
WITH done AS (SELECT {at} AS at, xmin::text AS tx FROM {table} WHERE {at} IS NOT NULL),
     first AS (SELECT tx FROM done ORDER BY at LIMIT 1)
SELECT count(*) FILTER (WHERE done.tx <> first.tx), count(*),
       extract(epoch FROM max(at) - min(at))
FROM done, first
"""


@dataclass(frozen=True)
class Lag:
    """Commit in identity to commit in learning, in ms by the database's clock."""

    name: str
    per_second: float
    latencies: Sequence[float]

    @property
    def p50(self) -> float:
        """Half are at least this fast."""
        return percentile(self.latencies, 0.5)

    @property
    def p99(self) -> float:
        """99 of 100 are at least this fast."""
        return percentile(self.latencies, 0.99)


@dataclass(frozen=True)
class Throughput:
    """How a backlog went."""

    name: str
    events: int
    per_second: float
    cpu: float  # µs of the worker's process per event


@dataclass(frozen=True)
class Numbers:
    """How many events are sent; rates in events per second."""

    idle: int = 500
    rates: Sequence[int] = (100, 500)
    seconds: float = 6.0
    backlog: int = 20_000


class Pipeline:
    """Measures over a platform whose own workers are stopped; starts one worker per subgraph."""

    def __init__(self, platform: Platform, identity: IdentityRuntime, crowd: Crowd) -> None:
        self._platform, self._identity = platform, identity
        self._users = cycle(crowd.everybody)
        self._most_at_once = len(crowd.everybody)

    async def lags(self, numbers: Numbers) -> list[Lag]:
        """The lag when one update follows the other, and at each rate."""
        found = []
        with self._worker("identity"), self._worker("learning"), self._probe():
            await self._one_by_one(20)  # Plans, prepared statements, the group's first fetch.
            self._forget()
            started = time.perf_counter()
            await self._one_by_one(numbers.idle)
            found.append(await self._lag("one at a time", time.perf_counter() - started))
            for rate in numbers.rates:
                self._forget()
                seconds = await self._at_rate(rate, numbers.seconds)
                found.append(await self._lag(f"at {rate}/s", seconds))
        return found

    async def throughput(self, numbers: Numbers) -> list[Throughput]:
        """How fast identity's relay sends a backlog, then how fast learning applies it."""
        self._forget()
        with self._database("identity") as database:
            # The lock of the relay: it waits until all is there.
            database.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            with self._worker("identity") as pid:
                await self._backlog(numbers.backlog)
                spent = cpu_seconds(pid)
                database.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
                await _until(database, _PUBLISHED, numbers.backlog)
                relay = self._span("Relay", "identity", "outbox", "published_at", pid, spent)
        with self._database("learning") as database, self._worker("learning") as pid:
            spent = cpu_seconds(pid)
            await _until(database, _APPLIED, numbers.backlog)
            consumer = self._span("Consumer", "learning", "inbox", "processed_at", pid, spent)
        return [relay, consumer]

    # --- what is sent

    async def _one_by_one(self, count: int) -> None:
        """Profile updates as users make them, each after the last one has arrived."""
        with self._database("learning") as database:
            for number, user_id in enumerate(islice(self._users, count)):
                viewer = Viewer(kind=ViewerKind.USER, user_id=user_id)
                changes = profile.Changes(first_name=f"Name {number} {time.monotonic_ns()}")
                async with self._identity.database.write() as session:
                    user = await profile.update(session, viewer=viewer, changes=changes)
                await _until(database, _VERSION, user.version, user_id, pause=0.004)

    async def _at_rate(self, rate: int, seconds: float) -> float:
        """Updates at a steady rate in 50 transactions a second; how long that took."""
        each = max(1, rate // TRANSACTIONS_PER_SECOND)
        pause = each / rate
        loop = asyncio.get_running_loop()
        started = loop.time()
        for number in range(round(seconds / pause)):
            await asyncio.sleep(started + number * pause - loop.time())
            await self._update(each)
        return loop.time() - started

    async def _backlog(self, count: int) -> None:
        for size in [CHUNK] * (count // CHUNK) + [count % CHUNK] * (count % CHUNK > 0):
            await self._update(size)

    async def _update(self, count: int) -> None:
        """New versions of so many users with their events, in one transaction."""
        left = count
        async with self._identity.database.write() as session:
            while left > 0:
                ids = sorted(set(islice(self._users, min(left, self._most_at_once))))
                left -= len(ids)
                rows = await session.execute(_RENAME, {"ids": ids, "name": f"Name {left}"})
                for row in rows:
                    publish(
                        session,
                        UserUpdated(
                            user_id=row.id,
                            version=row.version,
                            email=row.email,
                            first_name=row.first_name,
                            last_name=row.last_name,
                            role="student",
                            roles=("student",),
                            status="ACTIVE",
                            ver=row.auth_version,
                            time_zone="UTC",
                            locale="en",
                        ),
                    )

    # --- what came of it

    async def _lag(self, name: str, seconds: float) -> Lag:
        with self._database("identity") as database:
            sent = database.execute(_SENT).fetchall()
        async with asyncio.timeout(TIMEOUT):
            while True:
                with self._database("learning") as database:
                    latencies = latencies_of(sent, database.execute(_SEEN).fetchall())
                if latencies is not None:
                    return Lag(name, len(sent) / seconds, latencies)
                await asyncio.sleep(0.2)

    def _span(
        self, name: str, subgraph: str, table: str, at: str, pid: int, spent: float
    ) -> Throughput:
        cpu = cpu_seconds(pid) - spent
        with self._database(subgraph) as database:
            [(count, total, seconds)] = database.execute(
                _SPAN.format(at=at, table=table)
            ).fetchall()
        if not seconds:
            raise LocalServiceError(f"{name}: the backlog was gone in one transaction.")
        return Throughput(name, total, count / float(seconds), 1e6 * cpu / total)

    # --- what it runs on

    @contextmanager
    def _database(self, subgraph: str) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(
            host="127.0.0.1",
            port=self._platform.env["DB_PORT"],
            user="postgres",
            dbname=f"edtech_{subgraph}_db",
            autocommit=True,
            connect_timeout=2,
        ) as connection:
            yield connection

    @contextmanager
    def _probe(self) -> Iterator[None]:
        """Learning notes when a reference changes, while this lasts."""
        with self._database("learning") as database:
            database.execute(_PROBE)
            try:
                yield
            finally:
                database.execute(_NO_PROBE)

    def _forget(self) -> None:
        """Forget events that were sent and have arrived."""
        for subgraph, table in (("identity", "outbox"), ("learning", "inbox")):
            with self._database(subgraph) as database:
                database.execute(f"TRUNCATE {table}")

    @contextmanager
    def _worker(self, subgraph: str) -> Iterator[int]:
        """One subgraph's worker in a process of its own, as in production; its pid."""
        port = free_port()
        child = ChildProcess(
            f"Worker of {subgraph}",
            [sys.executable, "-m", "deploy", "worker", subgraph, "--admin-port", str(port)],
            log=self._platform.directory / "logs" / f"worker-{subgraph}.log",
            env=self._platform.env,
            cwd=ROOT,
            stop_timeout=35,
        )
        child.start()
        try:
            child.wait_until(lambda: http_status(port, "/health/ready") == 200, 60)
            yield child.pid or 0
        finally:
            child.stop()


async def _until(
    database: psycopg.Connection[Any],
    query: LiteralString,
    wanted: int,
    *values: UUID,
    pause: float = 0.1,
) -> None:
    """Ask until the database gives at least the wanted number. Raises LocalServiceError."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        [(found,)] = database.execute(query, values).fetchall()
        if found >= wanted:
            return
        if time.monotonic() > deadline:
            raise LocalServiceError(f"Only {found} of {wanted} events arrived.")
        await asyncio.sleep(pause)


def latencies_of(
    sent: Sequence[tuple[UUID, int, datetime]], seen: Sequence[tuple[UUID, int, datetime]]
) -> list[float] | None:
    """Ms from each event to the first row of its user that is as new; None until all are there.

    A batch writes only the newest of several versions, which then stands for the older ones, too.
    """
    rows: dict[UUID, list[tuple[int, datetime]]] = defaultdict(list)
    for user_id, version, at in seen:
        rows[user_id].append((version, at))
    latencies = []
    for user_id, version, at in sent:
        of_user = rows[user_id]
        place = bisect_left(of_user, version, key=lambda row: row[0])
        if place == len(of_user):
            return None
        latencies.append(1000 * (of_user[place][1] - at).total_seconds())
    return latencies
