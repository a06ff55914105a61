"""Operators' view of events: dead letters of a subgraph, and replay of compacted topics."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from shared import telemetry
from shared.db import WriteSession
from shared.events import is_compacted
from shared.inbox import Record, Unreadable, read
from shared.kafka import read_topic
from shared.runtime import Runtime, Subgraph

_OPEN = "SELECT * FROM dead_letters WHERE resolved_at IS NULL"
_RESOLVE = sa.text(
    "UPDATE dead_letters SET resolved_at = clock_timestamp(), resolution = :how WHERE id = :id"
)


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be applied."""

    id: int
    topic: str
    place: str
    type: str | None
    key: str | None
    reason: str
    failed_at: datetime


@dataclass(frozen=True)
class Outcome:
    """What became of a dead letter that was tried again."""

    id: int
    error: str | None


@asynccontextmanager
async def opened(subgraph: Subgraph) -> AsyncIterator[Runtime]:
    """A runtime of the subgraph, for the length of one command."""
    runtime = subgraph.start()
    # Logs of a command are those of the platform, too: no values of people in them.
    telemetry.configure(runtime.settings, f"{subgraph.name}-command")
    await runtime.open()
    try:
        yield runtime
    finally:
        await runtime.close()


async def dead_letters(runtime: Runtime) -> list[DeadLetter]:
    """The dead letters that nobody has dealt with, oldest first."""
    async with runtime.database.read() as session:
        rows = (await session.execute(sa.text(f"{_OPEN} ORDER BY id"))).all()
    return [
        DeadLetter(
            id=row.id,
            topic=row.topic,
            place=f"{row.partition}/{row.offset}",
            type=row.type,
            key=row.key,
            reason=row.reason,
            failed_at=row.failed_at,
        )
        for row in rows
    ]


async def retry(subgraph: Subgraph, runtime: Runtime, ids: Sequence[int] | None) -> list[Outcome]:
    """Apply dead letters again (all of them without ids), each in a transaction of its own."""
    known = [letter.id for letter in await dead_letters(runtime)]
    outcomes = []
    for id_ in known if ids is None else ids:
        try:
            async with runtime.database.write() as session:
                await _apply(session, subgraph, id_)
        except Exception as error:
            outcomes.append(Outcome(id_, f"{type(error).__name__}: {error}".split("\n", 1)[0]))
        else:
            outcomes.append(Outcome(id_, None))
    return outcomes


async def _apply(session: WriteSession, subgraph: Subgraph, id_: int) -> None:
    row = await _locked(session, id_)
    record = Record(
        topic=row.topic,
        partition=row.partition,
        offset=row.offset,
        key=row.key.encode() if row.key is not None else None,
        value=bytes(row.payload) if row.payload is not None else None,
        headers=tuple((name, value.encode()) for name, value in row.headers),
    )
    delivery = read(record, subgraph.handlers)
    # Past the inbox: its row was written when the record died.
    if delivery is not None:
        await subgraph.handlers.apply(session, [delivery])
    await session.execute(_RESOLVE, {"id": id_, "how": "retried"})


async def drop(runtime: Runtime, ids: Sequence[int]) -> None:
    """Give dead letters up for good. Raises LookupError for one that is not open."""
    async with runtime.database.write() as session:
        for id_ in ids:
            await _locked(session, id_)
            await session.execute(_RESOLVE, {"id": id_, "how": "dropped"})


async def _locked(session: WriteSession, id_: int) -> Any:
    row = (
        await session.execute(sa.text(f"{_OPEN} AND id = :id FOR UPDATE"), {"id": id_})
    ).one_or_none()
    if row is None:
        raise LookupError(f"There is no open dead letter {id_}.")
    return row


Progress = Callable[[str, int, int], None]


async def replay(
    subgraph: Subgraph, runtime: Runtime, *, progress: Progress | None = None
) -> dict[str, int]:
    """Rebuild reference rows from the compacted topics, past the inbox; events read per topic.

    Rows are guarded by their version, so replaying twice, or beside the worker, changes nothing.
    """
    counts: dict[str, int] = {}
    for topic in filter(is_compacted, subgraph.handlers.topics):
        counts[topic] = 0
        batches: Iterator[list[Record]] = read_topic(
            runtime.settings.kafka_brokers,
            topic,
            progress=(lambda n, total, t=topic: progress(t, n, total)) if progress else None,  # type: ignore[misc]
        )
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            deliveries = []
            for record in batch:
                try:
                    delivery = read(record, subgraph.handlers)
                except Unreadable:
                    continue  # It is a dead letter already.
                # Occurrences are not repeated: only events whose handler takes whole states.
                if delivery is not None and type(delivery.event) in subgraph.handlers.many:
                    deliveries.append(delivery)
            if deliveries:
                async with runtime.database.write() as session:
                    await subgraph.handlers.apply(session, deliveries)
                counts[topic] += len(deliveries)
    return counts
