"""Outbox to Kafka to inbox, on real parts."""

import asyncio

import sqlalchemy as sa

from deploy import events as operations
from shared.events.identity import TOPIC, UserUpdated
from shared.events.learning import CoursePublished
from shared.ids import new_id
from shared.kafka import Outgoing, read_topic
from shared.outbox import publish
from shared.runtime import Runtime, Subgraph
from tests.support.pipeline import eventually, producing, record, user_state, working


def course_published(**changes: object) -> CoursePublished:
    values = {
        "course_id": new_id(),
        "tutor_id": new_id(),
        "title": "Guitar",
        "category": "music",
        "level": "BEGINNER",
        "language": "en",
        "price_amount": 0,
        "price_currency": "USD",
        "duration_minutes": 30,
        "status": "PUBLISHED",
        "version": 2,
    }
    return CoursePublished.model_validate(values | changes)


async def scalar(runtime: Runtime, sql: str, **values: object) -> object:
    async with runtime.database.read() as session:
        return await session.scalar(sa.text(sql), values)


async def user_refs(runtime: Runtime) -> list[tuple[object, ...]]:
    async with runtime.database.read() as session:
        rows = await session.execute(sa.text("SELECT * FROM user_refs ORDER BY user_id"))
        return [tuple(row) for row in rows]


async def test_event_leaves_with_its_transaction_and_arrives_with_its_envelope(
    runtime: Runtime, subgraph: Subgraph, topics: list[str]
) -> None:
    event = course_published()
    async with working(subgraph, runtime):
        async with runtime.database.write() as session:
            publish(session, event)
        await eventually(
            lambda: _is(runtime, "SELECT count(*) FROM outbox WHERE published_at IS NULL", 0)
        )
    found = [
        record
        for batch in read_topic(runtime.settings.kafka_brokers, event.topic)
        for record in batch
        if record.key == str(event.course_id).encode()
    ]
    assert len(found) == 1
    assert CoursePublished.model_validate_json(found[0].value or b"") == event
    assert found[0].header("ce_type") == "edtech.learning.course.published.v1"
    assert found[0].header("ce_specversion") == "1.0"
    assert found[0].header("ce_source") == "/learning"
    assert found[0].header("ce_subject") == str(event.course_id)
    assert found[0].header("aggregateversion") == "2"


async def _is(runtime: Runtime, sql: str, wanted: object) -> bool:
    return await scalar(runtime, sql) == wanted


async def test_event_of_a_transaction_that_is_rolled_back_never_leaves(runtime: Runtime) -> None:
    try:
        async with runtime.database.write() as session:
            publish(session, course_published())
            await session.flush()
            raise RuntimeError("the transaction fails")
    except RuntimeError:
        pass
    assert await scalar(runtime, "SELECT count(*) FROM outbox") == 0


async def test_events_of_one_transaction_are_stored_in_order_by_one_statement(
    runtime: Runtime,
) -> None:
    ids = [new_id() for _ in range(5)]
    async with runtime.database.write() as session:
        for course_id in ids:
            publish(session, course_published(course_id=course_id))
    async with runtime.database.read() as session:
        keys = (await session.scalars(sa.text("SELECT key FROM outbox ORDER BY seq"))).all()
    assert keys == [str(course_id) for course_id in ids]


async def test_newest_user_state_wins_and_second_delivery_changes_nothing(
    runtime: Runtime, subgraph: Subgraph, topics: list[str]
) -> None:
    user_id, first, second = new_id(), new_id(), new_id()
    created = user_state(user_id, version=1, first_name="Ana")
    updated = user_state(user_id, kind=UserUpdated, version=2, first_name="Anna")
    last = user_state(new_id())
    async with producing(runtime) as producer, working(subgraph, runtime):
        await producer.send(
            [
                record(updated, event_id=second),
                record(created, event_id=first),
                record(updated, event_id=second),
                record(created, event_id=first),
                record(last),
            ]
        )
        await eventually(lambda: _known(runtime, str(last.user_id)), what="the last user")
        await eventually(lambda: _known(runtime, str(user_id)), what="the first user")
    assert (
        await scalar(runtime, "SELECT first_name FROM user_refs WHERE user_id = :id", id=user_id)
        == "Anna"
    )
    assert (
        await scalar(
            runtime, "SELECT count(*) FROM inbox WHERE event_id IN (:a, :b)", a=first, b=second
        )
        == 2
    )


async def _known(runtime: Runtime, user_id: str) -> bool:
    found = await scalar(
        runtime, "SELECT version FROM user_refs WHERE user_id = CAST(:id AS uuid)", id=user_id
    )
    return found is not None


async def test_unreadable_records_become_dead_letters_and_the_consumer_goes_on(
    runtime: Runtime, subgraph: Subgraph, topics: list[str]
) -> None:
    good = user_state()
    unknown = Outgoing(TOPIC, "k", b"{}", [("ce_id", str(new_id()).encode()), ("ce_type", b"no")])
    broken = record(user_state())
    garbage = Outgoing(TOPIC, broken.key, b"\x00\xff not json", broken.headers)
    nameless = Outgoing(TOPIC, "k", record(user_state()).value, [("ce_type", broken.headers[1][1])])
    async with producing(runtime) as producer, working(subgraph, runtime):
        await producer.send([unknown, garbage, nameless, record(good)])
        await eventually(lambda: _known(runtime, str(good.user_id)), what="the good event")
        await eventually(lambda: _is(runtime, "SELECT count(*) FROM dead_letters", 3))
        await eventually(
            lambda: _is(runtime, "SELECT count(*) FROM outbox WHERE published_at IS NULL", 0)
        )
    letters = await operations.dead_letters(runtime)
    assert sorted(letter.reason for letter in letters) == [
        "no event id",
        "not a UserCreated: json_invalid",
        "unknown event type 'no'",
    ]
    reasons = {
        record.header("dlq_reason")
        for batch in read_topic(runtime.settings.kafka_brokers, f"{TOPIC}.dlq")
        for record in batch
        if record.header("dlq_consumer") == subgraph.handlers.consumer
    }
    assert reasons == {letter.reason for letter in letters}


async def test_failing_handler_does_not_block_others_and_its_event_can_be_retried(
    runtime: Runtime, subgraph: Subgraph, topics: list[str]
) -> None:
    poison, good = user_state(first_name="poison"), user_state(first_name="fine")
    healthy = dict(subgraph.handlers.many)
    apply = next(iter(healthy.values()))
    broken = True

    async def sometimes(session: object, events: list[object]) -> None:
        if broken and any(getattr(event, "first_name", "") == "poison" for event in events):
            raise ValueError("cannot digest this")
        await apply(session, events)  # type: ignore[arg-type]

    for event_type in healthy:
        subgraph.handlers.many[event_type] = sometimes  # type: ignore[assignment]
    async with producing(runtime) as producer, working(subgraph, runtime):
        await producer.send([record(poison), record(good)])
        await eventually(lambda: _known(runtime, str(good.user_id)), what="the good event")
        await eventually(lambda: _is(runtime, "SELECT count(*) FROM dead_letters", 1))
    [letter] = await operations.dead_letters(runtime)
    assert letter.reason == "ValueError in the handler of edtech.identity.user.created.v1"
    assert not await _known(runtime, str(poison.user_id))
    assert [o.error for o in await operations.retry(subgraph, runtime, [letter.id])] == [
        "ValueError: cannot digest this"
    ]
    broken = False
    assert [o.error for o in await operations.retry(subgraph, runtime, None)] == [None]
    assert await _known(runtime, str(poison.user_id))
    assert await operations.dead_letters(runtime) == []


async def test_replay_rebuilds_emptied_references_and_twice_gives_the_same(
    runtime: Runtime, subgraph: Subgraph, topics: list[str]
) -> None:
    states = [user_state(version=v) for v in (1, 3)]
    async with producing(runtime) as producer, working(subgraph, runtime):
        await producer.send([record(state) for state in states])
        for state in states:
            await eventually(lambda s=state: _known(runtime, str(s.user_id)))  # type: ignore[misc]
    mine = {state.user_id for state in states}
    before = [row for row in await user_refs(runtime) if row[0] in mine]
    assert len(before) == 2
    async with runtime.database.write() as session:
        await session.execute(sa.text("TRUNCATE user_refs"))
    await operations.replay(subgraph, runtime)
    assert [row for row in await user_refs(runtime) if row[0] in mine] == before
    everything = await user_refs(runtime)
    await operations.replay(subgraph, runtime)
    assert await user_refs(runtime) == everything


async def test_two_relays_send_each_event_once_and_in_order(
    runtime: Runtime, subgraph: Subgraph, topics: list[str]
) -> None:
    course_id = new_id()
    async with working(subgraph, runtime) as first, working(subgraph, runtime) as second:
        for version in range(1, 31):
            async with runtime.database.write() as session:
                publish(session, course_published(course_id=course_id, version=version))
        await eventually(
            lambda: _is(runtime, "SELECT count(*) FROM outbox WHERE published_at IS NULL", 0)
        )
        assert [first.relay.leads, second.relay.leads].count(True) == 1
    versions = [
        record.header("aggregateversion")
        for batch in read_topic(runtime.settings.kafka_brokers, "edtech.learning.course.v1")
        for record in batch
        if record.key == str(course_id).encode()
    ]
    assert versions == [str(v) for v in range(1, 31)]


async def test_worker_stops_at_once(
    runtime: Runtime, subgraph: Subgraph, topics: list[str]
) -> None:
    async def leads() -> bool:
        return worker.relay.leads

    async with asyncio.timeout(15), working(subgraph, runtime) as worker:
        await eventually(leads)
