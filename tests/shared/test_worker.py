"""Timers of a worker, and what the purge may delete."""

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shared.errors import Unavailable
from shared.inbox import Handlers
from shared.runtime import Runtime, Subgraph, Timer
from shared.worker import purge
from tests.support.graph import GraphClient
from tests.support.pipeline import eventually, working


@pytest.fixture
def quiet(learning: GraphClient) -> Subgraph:
    """Learning without anything to listen to."""
    return replace(learning.subgraph, handlers=Handlers("timers"), timers=())


def count(timer: str, outcome: str) -> float:
    labels = {"subgraph": "learning", "timer": timer, "outcome": outcome}
    return REGISTRY.get_sample_value("edtech_timer_runs_total", labels) or 0


async def test_failing_timer_goes_on_and_so_do_the_others(
    runtime: Runtime, quiet: Subgraph
) -> None:
    runs = {"broken": 0, "away": 0, "fine": 0}

    async def broken(_: Runtime) -> None:
        runs["broken"] += 1
        raise RuntimeError("secret detail")

    async def away(_: Runtime) -> None:
        runs["away"] += 1
        raise Unavailable("The database is not available.")

    async def fine(given: Runtime) -> None:
        assert given is runtime
        runs["fine"] += 1

    async def enough() -> bool:
        return min(runs.values()) >= 3

    timers = [Timer(run.__name__, 0.01, run) for run in (broken, away, fine)]
    with capture_logs() as logs:
        async with working(replace(quiet, timers=timers), runtime):
            await eventually(enough, what="three runs of each timer")
    assert count("broken", "failed") == runs["broken"]
    assert count("away", "unavailable") == runs["away"]
    assert count("fine", "ok") == runs["fine"]
    failures = [entry for entry in logs if entry["event"] == "timer failed"]
    assert [entry["timer"] for entry in failures] == ["broken"] * runs["broken"]


async def test_stop_does_not_wait_for_the_next_run_but_for_the_present_one(
    runtime: Runtime, quiet: Subgraph
) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow(_: Runtime) -> None:
        began.set()
        await asyncio.sleep(0.2)
        ended.set()

    # `working` gives the worker 20 seconds to end; the timer's next run is in an hour.
    async with working(replace(quiet, timers=[Timer("slow", 3600, slow)]), runtime):
        await asyncio.wait_for(began.wait(), 20)
    assert ended.is_set()
    assert count("slow", "ok") == 1


async def test_purge_deletes_old_rows_that_are_done_alone(runtime: Runtime) -> None:
    async with runtime.database.write() as session:
        for key, created, published in (
            ("published long ago", 9, 8),
            ("published lately", 9, 6),
            ("never published", 400, None),
        ):
            await session.execute(
                sa.text(
                    "INSERT INTO outbox (event_id, topic, key, type, created_at, published_at)"
                    " VALUES (gen_random_uuid(), 't', :key, 'x', now() - make_interval(days => :c),"
                    " now() - make_interval(days => CAST(:p AS int)))"
                ),
                {"key": key, "c": created, "p": published},
            )
        for days in (31, 29):
            await session.execute(
                sa.text(
                    "INSERT INTO inbox VALUES"
                    " (gen_random_uuid(), now() - make_interval(days => :days))"
                ),
                {"days": days},
            )
        await session.execute(
            sa.text(
                'INSERT INTO dead_letters (topic, partition, "offset", reason, failed_at)'
                " VALUES ('t', 0, 0, 'r', now() - interval '1 year')"
            )
        )
    await purge(runtime)
    await purge(runtime)
    async with runtime.database.read() as session:
        keys = (await session.scalars(sa.text("SELECT key FROM outbox ORDER BY key"))).all()
        ages = await session.scalars(
            sa.text("SELECT extract(day FROM now() - processed_at)::int FROM inbox")
        )
        assert keys == ["never published", "published lately"]
        assert ages.all() == [29]
        assert await session.scalar(sa.text("SELECT count(*) FROM dead_letters")) == 1
