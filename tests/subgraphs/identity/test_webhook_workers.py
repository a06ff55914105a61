"""Workers that send webhooks: several at once, hanging endpoints, deaths between steps."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schema.registry import ROOT
from shared.errors import Unavailable
from shared.ids import new_id
from shared.kafka import ensure_topics
from subgraphs.identity.ports import Answer
from subgraphs.identity.service import webhook_deliveries
from subgraphs.identity.timers import purge_credentials
from tests.subgraphs.identity.people import execute, rows, runtime_of
from tests.subgraphs.identity.receiver import Receiver
from tests.subgraphs.identity.webhooks import (
    DELETE,
    PUBLISHED,
    Partner,
    happen,
    make_due,
    published,
    run,
    states,
    tries,
)
from tests.support.graph import GraphClient
from tests.support.operations import run as act
from tests.support.pipeline import eventually, producing, record, start_at_end, working

pytestmark = pytest.mark.usefixtures("webhooks")


async def test_copies_of_the_worker_send_each_message_once(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    await school.endpoint(receiver.url)
    await happen(identity, *(published() for _ in range(15)))
    await asyncio.gather(*(run(identity) for _ in range(4)))
    assert len(receiver.requests) == 15
    assert len({message.id for message in receiver.requests}) == 15
    assert await states(identity) == [("DELIVERED", 1)] * 15


async def test_endpoint_that_hangs_keeps_no_other_waiting(
    identity: GraphClient,
    school: Partner,
    receiver: Receiver,
    webhooks: Callable[..., None],
) -> None:
    webhooks(webhook_timeout_seconds=2)
    hanging = Receiver(hangs=True)
    await school.endpoint(hanging.url)
    await happen(identity, *(published() for _ in range(webhook_deliveries.EACH)))
    await school.endpoint(receiver.url)
    await happen(identity, published())

    async def arrived() -> bool:
        return len(receiver.requests) == 1

    running = asyncio.create_task(run(identity))
    await eventually(arrived)
    # It has a share of its own, and its next message waits for the first ones to end.
    assert len(hanging.requests) <= webhook_deliveries.EACH
    await running
    hanging.close()
    assert set(await tries(identity)) == {(204, None), (None, "no answer within 2 seconds")}
    assert sorted(await states(identity)) == [
        ("DELIVERED", 1),
        *[("PENDING", 1)] * (webhook_deliveries.EACH + 1),
    ]


async def test_worker_that_dies_before_sending_leaves_the_message_to_the_next(
    identity: GraphClient,
    school: Partner,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await school.endpoint(receiver.url)
    await happen(identity, published())

    async def die(url: str, *, headers: dict[str, str], body: bytes) -> Answer:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(runtime_of(identity).webhooks, "post", die)
        with pytest.raises(asyncio.CancelledError):
            await run(identity)
    await run(identity)
    assert receiver.requests == []
    await make_due(identity)
    await run(identity)
    assert len(receiver.requests) == 1
    assert await states(identity) == [("DELIVERED", 2)]


async def test_message_that_cannot_be_signed_keeps_no_other_waiting(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    await school.endpoint(receiver.url)
    await execute(identity, "UPDATE webhook_secrets SET secret = 'sealed with a lost key'")
    await school.endpoint(receiver.url)
    await happen(identity, published())
    await run(identity)
    assert len(receiver.requests) == 1
    assert sorted(await states(identity)) == [("DELIVERED", 1), ("PENDING", 1)]
    assert (None, "RuntimeError") in await tries(identity)


async def test_database_that_fails_lets_what_is_under_way_end(
    identity: GraphClient,
    school: Partner,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await school.endpoint(receiver.url)
    await happen(identity, published(), published(), published())
    real = webhook_deliveries.settle
    failed: list[Any] = []

    async def once_away(*given: Any, **named: Any) -> None:
        if not failed:
            failed.append(given)
            raise Unavailable("The database is not available.")
        await real(*given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(webhook_deliveries, "settle", once_away)
        with pytest.raises(Unavailable):
            await run(identity)
    assert sorted(await states(identity)) == [("DELIVERED", 1)] * 2 + [("PENDING", 1)]


async def test_worker_that_dies_after_the_answer_sends_the_same_message_again(
    identity: GraphClient,
    school: Partner,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await school.endpoint(receiver.url)
    await happen(identity, published())

    async def die(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(webhook_deliveries, "settle", die)
        with pytest.raises(asyncio.CancelledError):
            await run(identity)
    await make_due(identity)
    await run(identity)
    first, second = receiver.requests
    assert (first.id, first.body) == (second.id, second.body)
    assert await states(identity) == [("DELIVERED", 2)]


WORKER = """
import asyncio
from schema.registry import load_subgraph
from subgraphs.identity.timers import send_webhooks

async def main():
    runtime = load_subgraph("identity").start(webhook_allowed_networks=("127.0.0.0/8",))
    await runtime.open()
    await send_webhooks(runtime)

asyncio.run(main())
"""


async def test_worker_that_is_killed_while_it_waits_leaves_the_message_to_the_next(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    receiver.hangs = True
    await school.endpoint(receiver.url)
    await happen(identity, published())
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, cwd=ROOT)

    async def arrived() -> bool:
        return len(receiver.requests) == 1

    try:
        await eventually(arrived)
    finally:
        worker.kill()
        await worker.wait()
    assert await states(identity) == [("PENDING", 1)]
    receiver.hangs = False
    await run(identity)
    assert len(receiver.requests) == 1
    await make_due(identity)
    await run(identity)
    first, second = receiver.requests
    assert (first.id, first.body) == (second.id, second.body)
    assert await states(identity) == [("DELIVERED", 2)]


async def test_worker_that_comes_back_after_its_lease_changes_nothing_but_the_log(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    await school.endpoint(receiver.url)
    await happen(identity, published())
    runtime = runtime_of(identity)
    async with runtime.database.write() as session:
        [late] = await webhook_deliveries.claim_due(session, most=10)
    await make_due(identity)
    await run(identity)
    async with runtime.database.write() as session:
        await webhook_deliveries.settle(
            session,
            late,
            Answer(status=500, error=None, milliseconds=1),
            settings=runtime.settings,
            post=runtime.post,
        )
    assert await states(identity) == [("DELIVERED", 2)]
    assert await tries(identity) == [(204, None), (500, None)]


async def test_message_of_a_deleted_endpoint_that_is_under_way_is_forgotten(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    endpoint_id, _ = await school.endpoint(receiver.url)
    await happen(identity, published())
    runtime = runtime_of(identity)
    async with runtime.database.write() as session:
        [message] = await webhook_deliveries.claim_due(session, most=10)
    await act(school.client, DELETE, id=endpoint_id)
    async with runtime.database.write() as session:
        await webhook_deliveries.settle(
            session,
            message,
            Answer(status=204, error=None, milliseconds=1),
            settings=runtime.settings,
            post=runtime.post,
        )
    assert await tries(identity) == []


async def test_purge_keeps_what_waits_and_what_is_young(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    await school.endpoint(receiver.url)
    await happen(identity, published(), published(), published())
    await execute(
        identity,
        "UPDATE webhook_deliveries SET status = 'DELIVERED', settled_at = now() - interval"
        " '31 days' WHERE id = (SELECT min(id::text)::uuid FROM webhook_deliveries)",
    )
    await execute(
        identity,
        "UPDATE webhook_deliveries SET status = 'DELIVERED', settled_at = now()"
        " WHERE id = (SELECT max(id::text)::uuid FROM webhook_deliveries)",
    )
    await purge_credentials(runtime_of(identity))
    found = await rows(identity, "SELECT status FROM webhook_deliveries ORDER BY id")
    assert [row.status for row in found] == ["PENDING", "DELIVERED"]
    await execute(identity, "UPDATE oauth_clients SET revoked_at = now()")
    await execute(
        identity, "UPDATE webhook_deliveries SET next_attempt_at = now() - interval '31 days'"
    )
    await purge_credentials(runtime_of(identity))
    assert await states(identity) == [("DELIVERED", 0)]


async def test_worker_takes_events_from_kafka_and_sends_them(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    runtime = identity.runtime
    await school.endpoint(receiver.url)
    handlers = replace(identity.subgraph.handlers, consumer=f"webhooks-{new_id()}")
    brokers = runtime.settings.kafka_brokers
    ensure_topics(brokers, handlers.topics, replication=1)
    start_at_end(brokers, handlers.consumer, handlers.topics)
    event_id, course_id = new_id(), new_id()
    message = record(published(course_id), event_id=event_id)

    async def arrived() -> bool:
        return len(receiver.requests) > 0

    subgraph = replace(identity.subgraph, handlers=handlers)
    async with working(subgraph, runtime), producing(runtime) as producer:
        await producer.send([message, message])
        await eventually(arrived)
    assert {(each.id, each.content["type"]) for each in receiver.requests} == {
        (str(event_id), PUBLISHED)
    }
    assert len(await states(identity)) == 1
