"""The same key with the same input gives the first result and one effect, on real connections."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from shared.errors import Conflict, InvalidInput
from shared.idempotency import once
from shared.ids import new_id
from shared.runtime import Runtime
from shared.viewer import Viewer, ViewerKind
from shared.worker import purge

ANA = Viewer(kind=ViewerKind.USER, user_id=new_id())
KEY = "key-of-ana"


async def effects(runtime: Runtime) -> int:
    async with runtime.database.read() as session:
        return int(await session.scalar(sa.text("SELECT count(*) FROM inbox")) or 0)


async def keys(runtime: Runtime) -> list[str]:
    async with runtime.database.read() as session:
        rows = await session.scalars(sa.text("SELECT key FROM idempotency_keys ORDER BY key"))
        return list(rows)


async def create(
    runtime: Runtime,
    *,
    viewer: Viewer = ANA,
    operation: str = "createThing",
    key: str | None = KEY,
    request: dict[str, Any] | None = None,
    fail: Exception | None = None,
) -> UUID:
    """A mutation whose effect is a row."""
    async with runtime.database.write() as session:

        async def work() -> UUID:
            created = new_id()
            await session.execute(
                sa.text("INSERT INTO inbox (event_id) VALUES (:id)"), {"id": created}
            )
            if fail is not None:
                raise fail
            return created

        return await once(
            session, viewer, operation, key, {"n": 1} if request is None else request, work
        )


async def test_twenty_at_once_get_one_id_and_one_effect(runtime: Runtime) -> None:
    found = await asyncio.gather(*(create(runtime) for _ in range(20)))
    assert len(set(found)) == 1
    assert await effects(runtime) == 1
    assert await create(runtime) == found[0]


async def test_without_a_key_each_request_counts(runtime: Runtime) -> None:
    assert await create(runtime, key=None) != await create(runtime, key=None)
    assert await effects(runtime) == 2
    assert await keys(runtime) == []


async def test_other_input_is_a_conflict_and_changes_nothing(runtime: Runtime) -> None:
    first = await create(runtime, request={"title": "Guitar", "tags": ["a", "b"]})
    for request in (
        {"title": "Piano", "tags": ["a", "b"]},
        {"title": "Guitar", "tags": ["b", "a"]},
    ):
        with pytest.raises(Conflict) as caught:
            await create(runtime, request=request)
        assert caught.value.field == "idempotencyKey"
    assert await effects(runtime) == 1
    assert await create(runtime, request={"tags": ["a", "b"], "title": "Guitar"}) == first


async def test_failed_work_leaves_no_key_and_may_be_tried_again(runtime: Runtime) -> None:
    with pytest.raises(ZeroDivisionError):
        await create(runtime, fail=ZeroDivisionError())
    assert (await keys(runtime), await effects(runtime)) == ([], 0)
    again = await create(runtime, request={"n": 2})
    assert await create(runtime, request={"n": 2}) == again
    assert await effects(runtime) == 1


async def test_one_failure_among_many_at_once_leaves_the_work_to_another(runtime: Runtime) -> None:
    failure = ZeroDivisionError()
    found = await asyncio.gather(
        create(runtime, fail=failure), *(create(runtime) for _ in range(5)), return_exceptions=True
    )
    ids = {each for each in found if isinstance(each, UUID)}
    assert len(ids) == 1
    assert await effects(runtime) == 1


async def test_keys_of_viewers_and_operations_are_apart(runtime: Runtime) -> None:
    user = new_id()
    viewers = [
        ANA,
        Viewer(kind=ViewerKind.USER, user_id=user),
        Viewer(kind=ViewerKind.PARTNER, client_id=str(user)),
        Viewer(ip="192.0.2.1"),
        Viewer(ip="192.0.2.2"),
        Viewer(),
        Viewer.system(),
    ]
    found = [await create(runtime, viewer=viewer) for viewer in viewers]
    found.append(await create(runtime, operation="createOther"))
    assert len(set(found)) == len(viewers) + 1
    assert [await create(runtime, viewer=viewer) for viewer in viewers] == found[:-1]


@pytest.mark.parametrize("key", ["", "short", "x" * 129, "with\nbreak", "\ud800" * 8])
async def test_key_out_of_bounds_is_refused(runtime: Runtime, key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await create(runtime, key=key)
    assert caught.value.field == "idempotencyKey"
    assert await effects(runtime) == 0


async def test_input_that_is_not_checked_yet_has_a_hash(runtime: Runtime) -> None:
    request = {
        "text": "\ud800",
        "number": 2**70,
        "id": new_id(),
        "at": datetime.now(UTC),
        "list": [{"b": None, "a": 1.5}],
    }
    assert await create(runtime, request=request) == await create(runtime, request=request)


async def test_purge_removes_keys_older_than_a_day_alone(runtime: Runtime) -> None:
    old, young = "key-of-25-hours", "key-of-23-hours"
    for key, hours in ((old, 25), (young, 23)):
        await create(runtime, key=key)
        async with runtime.database.write() as session:
            await session.execute(
                sa.text(
                    "UPDATE idempotency_keys SET created_at = now() - make_interval(hours => :h)"
                    " WHERE key = :key"
                ),
                {"h": hours, "key": key},
            )
    await purge(runtime)
    assert await keys(runtime) == [young]
