"""What the triggers of the migrations do."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from shared.events.learning import EnrollmentActivated
from shared.ids import new_id
from shared.outbox import publish
from shared.runtime import Runtime
from subgraphs.learning.models import Course
from tests.subgraphs.learning.factories import create_course


async def times(runtime: Runtime, course_id: Any) -> Any:
    async with runtime.database.read() as session:
        return (
            await session.execute(
                sa.text("SELECT created_at, updated_at FROM courses WHERE id = :id"),
                {"id": course_id},
            )
        ).one()


async def test_updated_at_moves_with_every_update_whatever_the_update_says(
    runtime: Runtime,
) -> None:
    async with runtime.database.write() as session:
        course_id = (await create_course(session, units=0)).id
        other_id = (await create_course(session, units=0)).id
    before, other = await times(runtime, course_id), await times(runtime, other_id)
    changes: list[dict[str, Any]] = [
        {"title": "Piano"},
        {"updated_at": datetime(2000, 1, 1, tzinfo=UTC)},
    ]
    for change in changes:
        async with runtime.database.write() as session:
            await session.execute(sa.update(Course).where(Course.id == course_id).values(**change))
        after = await times(runtime, course_id)
        assert after.created_at == before.created_at
        assert after.updated_at > before.updated_at
        before = after
    assert await times(runtime, other_id) == other


@pytest.fixture
async def listener(runtime: Runtime) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection that hears what the relay hears."""
    s = runtime.settings
    async with await psycopg.AsyncConnection.connect(
        host=s.db_host,
        port=s.db_port,
        dbname=s.database,
        user=s.login,
        password=s.db_password.get_secret_value(),
        autocommit=True,
    ) as connection:
        await connection.execute("LISTEN outbox")
        yield connection


def activated() -> EnrollmentActivated:
    return EnrollmentActivated(
        version=1, enrollment_id=new_id(), course_id=new_id(), student_id=new_id()
    )


async def test_commit_of_events_wakes_the_relay_once(
    runtime: Runtime, listener: psycopg.AsyncConnection[Any]
) -> None:
    async with runtime.database.write() as session:
        for _ in range(3):
            publish(session, activated())
    heard = [(note.channel, note.payload) async for note in listener.notifies(timeout=1)]
    assert heard == [("outbox", "")]


async def test_nothing_is_heard_of_what_is_rolled_back_or_marked(
    runtime: Runtime, listener: psycopg.AsyncConnection[Any]
) -> None:
    async with runtime.database.write() as session:
        publish(session, activated())
    assert [note.channel async for note in listener.notifies(timeout=5, stop_after=1)] == ["outbox"]
    with pytest.raises(ZeroDivisionError):
        async with runtime.database.write() as session:
            await session.execute(
                sa.text(
                    "INSERT INTO outbox (event_id, topic, key, type)"
                    " VALUES (gen_random_uuid(), 't', 'k', 'x')"
                )
            )
            raise ZeroDivisionError
    async with runtime.database.write() as session:
        await session.execute(sa.text("UPDATE outbox SET published_at = now()"))
    # What a later commit says comes after whatever the two above said.
    async with runtime.database.write() as session:
        await session.execute(sa.text("SELECT pg_notify('outbox', 'last')"))
    heard = [note.payload async for note in listener.notifies(timeout=5, stop_after=1)]
    assert heard == ["last"]
