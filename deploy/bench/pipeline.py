"""Events: from a commit in identity to the row in learning, and how fast a backlog goes."""

import asyncio
import sys
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle, islice
from typing import Any
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
_SEEN = "SELECT user_id, version, at FROM bench_seen ORDER BY user_id, version"
# Without the first transaction: its work was done before its own time is noted.
_SPAN = """
WITH done AS (SELECT {at} AS at, xmin::text AS tx FROM {table} WHERE {at} IS NOT NULL),
     first AS (SELECT tx FROM done ORDER BY at LIMIT 1)
SELECT count(*) FILTER (WHERE done.tx <> first.tx), extract(epoch FROM max(at) - min(at))
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
        self._forget(probe=False)
        with self._database("identity") as database, self._worker("identity", leads=False) as pid:
            await self._backlog(numbers.backlog)
            spent = cpu_seconds(pid)
            database.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
            await self._until("identity", "outbox WHERE published_at IS NOT NULL", numbers.backlog)
            relay = self._span("Relay", "identity", "outbox", "published_at", pid, spent)
        with self._worker("learning") as pid:
            spent = cpu_seconds(pid)
            await self._until("learning", "inbox", numbers.backlog)
            consumer = self._span("Consumer", "learning", "inbox", "processed_at", pid, spent)
        return [relay, consumer]
