"""Sagas: one move wins, deadlines fire once, failures wait longer each time, nothing is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from shared import saga as sagas_module
from shared.db import WriteSession
from shared.errors import Conflict, Forbidden, NotFound, Unauthenticated, Unavailable
from shared.ids import new_id
from shared.pages import PageRequest
from shared.runtime import Runtime
from shared.saga import (
    Saga,
    SagaMoved,
    Sagas,
    SagaState,
    Step,
    advance,
    compensate,
    complete,
    give_up,
    list_sagas,
    lock,
    retry,
    run_due,
    start,
)
from shared.viewer import ANONYMOUS, Viewer, ViewerKind

ADMIN = Viewer(kind=ViewerKind.USER, user_id=new_id(), roles=frozenset({"admin"}))
STUDENT = Viewer(kind=ViewerKind.USER, user_id=new_id(), roles=frozenset({"student"}))
PAGE = PageRequest.of(first=None, after=None, last=None, before=None)


class Journey:
    """A saga of two steps that notes what happens; `failing` makes the first one raise."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.undone: list[str] = []
        self.failing: Exception | None = None
        self.sagas = Sagas()
        self.sagas.define(
            "journey",
            Step("reserve", self.step("reserve", "pay"), self.undo("reserve"), attempts=3),
            Step("pay", self.step("pay", None), self.undo("pay")),
        )

    def step(self, name: str, following: str | None) -> Callable[[Any, Saga], Awaitable[None]]:
        async def run(runtime: Runtime, saga: Saga) -> None:
            self.ran.append(name)
            if self.failing is not None:
                raise self.failing
            async with runtime.database.write() as session:
                if following is None:
                    await complete(session, saga, paid=True)
                else:
                    await advance(session, saga, following, deadline=datetime.now(UTC))

        return run

    def undo(self, name: str) -> Callable[[WriteSession, Saga], Awaitable[None]]:
        async def undo(session: WriteSession, saga: Saga) -> None:
            self.undone.append(name)

        return undo


async def begin(runtime: Runtime, **options: Any) -> Saga:
    id_ = new_id()
    async with runtime.database.write() as session:
        assert await start(session, "journey", id=id_, step="reserve", **options)
    return await read(runtime, id_)


async def read(runtime: Runtime, id: Any) -> Saga:
    async with runtime.database.write() as session:
        found = await lock(session, id)
    assert found is not None
    return found


async def make_due(runtime: Runtime) -> None:
    async with runtime.database.write() as session:
        await session.execute(sa.text("UPDATE saga_instances SET deadline = clock_timestamp()"))


async def test_steps_follow_one_another_to_the_end(runtime: Runtime) -> None:
    journey, saga = Journey(), await begin(runtime, data={"lesson": "x"})
    assert await run_due(runtime, journey.sagas) == 1
    assert await run_due(runtime, journey.sagas) == 1
    assert await run_due(runtime, journey.sagas) == 0
    ended = await read(runtime, saga.id)
    assert journey.ran == ["reserve", "pay"]
    assert (ended.state, ended.step, ended.deadline) == (SagaState.COMPLETED, "pay", None)
    assert ended.data == {"lesson": "x", "paid": True}


async def test_starting_twice_starts_one(runtime: Runtime) -> None:
    saga = await begin(runtime, data={"n": 1})
    async with runtime.database.write() as session:
        again = await start(session, "journey", id=saga.id, step="pay", data={"n": 2})
    assert not again
    assert (await read(runtime, saga.id)).data == {"n": 1}


async def test_deadline_in_the_future_waits(runtime: Runtime) -> None:
    journey = Journey()
    await begin(runtime, deadline=datetime.now(UTC) + timedelta(minutes=15))
    assert await run_due(runtime, journey.sagas) == 0
    assert journey.ran == []


async def test_workers_at_once_run_each_step_once(runtime: Runtime) -> None:
    journey = Journey()
    for _ in range(15):
        await begin(runtime)
    claimed = await asyncio.gather(*(run_due(runtime, journey.sagas) for _ in range(4)))
    while await run_due(runtime, journey.sagas):
        pass
    assert sum(claimed) >= 15
    assert sorted(journey.ran) == ["pay"] * 15 + ["reserve"] * 15


async def test_of_an_event_and_a_deadline_that_race_one_moves_it(runtime: Runtime) -> None:
    saga = await begin(runtime)

    async def move(step: str) -> str:
        try:
            async with runtime.database.write() as session:
                await advance(session, saga, step, deadline=None)
        except SagaMoved:
            return "late"
        return "moved"

    outcomes = await asyncio.gather(*(move("pay") for _ in range(8)))
    assert sorted(outcomes) == ["late"] * 7 + ["moved"]
    assert (await read(runtime, saga.id)).version == saga.version + 1


async def test_step_overtaken_by_an_event_changes_nothing(runtime: Runtime) -> None:
    saga = await begin(runtime)

    async def overtaken(runtime: Runtime, claimed: Saga) -> None:
        async with runtime.database.write() as session:
            await complete(session, claimed, by="event")
        async with runtime.database.write() as session:
            await session.execute(sa.text("CREATE TABLE should_not_be (id int)"))
            await advance(session, claimed, "pay", deadline=None)

    sagas = Sagas()
    sagas.define("journey", Step("reserve", overtaken), Step("pay", overtaken))
    assert await run_due(runtime, sagas) == 1
    ended = await read(runtime, saga.id)
    assert (ended.state, ended.data, ended.last_error) == (
        SagaState.COMPLETED,
        {"by": "event"},
        None,
    )
    async with runtime.database.read() as session:
        assert await session.scalar(sa.text("SELECT to_regclass('should_not_be')")) is None


async def test_ended_saga_moves_no_more(runtime: Runtime) -> None:
    saga = await begin(runtime)
    async with runtime.database.write() as session:
        ended = await complete(session, saga)
    for each in (saga, ended):
        with pytest.raises(SagaMoved):
            async with runtime.database.write() as session:
                await advance(session, each, "pay", deadline=None)


async def test_worker_killed_in_a_step_leaves_it_to_the_next(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey, saga = Journey(), await begin(runtime)
    monkeypatch.setattr(sagas_module, "LEASE", timedelta(seconds=0.3))

    async def die(runtime: Runtime, saga: Saga) -> None:
        raise asyncio.CancelledError

    deadly = Sagas()
    deadly.define("journey", Step("reserve", die))
    with pytest.raises(asyncio.CancelledError):
        await run_due(runtime, deadly)
    # Nobody else takes it while the lease of the dead one lasts.
    assert await run_due(runtime, journey.sagas) == 0
    await asyncio.sleep(0.35)
    assert await run_due(runtime, journey.sagas) == 1
    assert (await read(runtime, saga.id)).step == "pay"


async def test_failing_step_is_tried_again_until_a_person_has_to_look(runtime: Runtime) -> None:
    journey, saga = Journey(), await begin(runtime)
    journey.failing = Conflict("The provider refuses.")
    pauses = []
    for _ in range(2):
        assert await run_due(runtime, journey.sagas) == 1
        waiting = await read(runtime, saga.id)
        assert waiting.state is SagaState.RUNNING
        assert waiting.deadline is not None
        pauses.append((waiting.deadline - datetime.now(UTC)).total_seconds())
        await make_due(runtime)
    assert pauses[1] > pauses[0] + 1
    assert await run_due(runtime, journey.sagas) == 1
    stuck = await read(runtime, saga.id)
    assert (stuck.state, stuck.attempts) == (SagaState.NEEDS_ATTENTION, 3)
    assert stuck.last_error == "The provider refuses."
    await make_due(runtime)
    assert await run_due(runtime, journey.sagas) == 0


async def test_accident_in_a_step_is_named_by_its_kind_alone(runtime: Runtime) -> None:
    journey, saga = Journey(), await begin(runtime)
    journey.failing = RuntimeError("ana@example.test")
    await run_due(runtime, journey.sagas)
    assert (await read(runtime, saga.id)).last_error == "RuntimeError"


async def test_outage_uses_up_no_attempt(runtime: Runtime) -> None:
    journey, saga = Journey(), await begin(runtime)
    journey.failing = Unavailable("The provider is not available.")
    for _ in range(5):
        assert await run_due(runtime, journey.sagas) == 1
        await make_due(runtime)
    waiting = await read(runtime, saga.id)
    assert (waiting.state, waiting.attempts) == (SagaState.RUNNING, 0)
    journey.failing = None
    await run_due(runtime, journey.sagas)
    assert (await read(runtime, saga.id)).step == "pay"


async def test_compensation_takes_back_what_was_reached_last_first(runtime: Runtime) -> None:
    journey, saga = Journey(), await begin(runtime)
    async with runtime.database.write() as session:
        await compensate(session, journey.sagas, saga, "not paid in time")
    assert journey.undone == ["reserve"]
    other = await begin(runtime)
    await run_due(runtime, journey.sagas)
    other = await read(runtime, other.id)
    async with runtime.database.write() as session:
        ended = await compensate(session, journey.sagas, other, "declined")
    assert journey.undone == ["reserve", "pay", "reserve"]
    assert (ended.state, ended.last_error) == (SagaState.COMPENSATED, "declined")


async def test_compensating_twice_undoes_once(runtime: Runtime) -> None:
    journey, saga = Journey(), await begin(runtime)

    async def take_back() -> None:
        async with runtime.database.write() as session:
            await compensate(session, journey.sagas, saga, "late")

    outcomes = await asyncio.gather(*(take_back() for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(SagaMoved) == 4
    assert journey.undone == ["reserve"]


async def test_admin_lets_a_stuck_saga_run_again(runtime: Runtime) -> None:
    journey, saga = Journey(), await begin(runtime)
    async with runtime.database.write() as session:
        await give_up(session, saga, "amount differs")
    for viewer, refusal in ((STUDENT, Forbidden), (ANONYMOUS, Unauthenticated)):
        with pytest.raises(refusal):
            async with runtime.database.write() as session:
                await retry(session, viewer, saga.id)
    async with runtime.database.write() as session:
        assert (await retry(session, ADMIN, saga.id)).state is SagaState.RUNNING
    with pytest.raises(NotFound):
        async with runtime.database.write() as session:
            await retry(session, ADMIN, saga.id)
    assert await run_due(runtime, journey.sagas) == 1
    assert (await read(runtime, saga.id)).step == "pay"


async def test_admins_list_sagas_by_state(runtime: Runtime) -> None:
    first, second = await begin(runtime), await begin(runtime)
    async with runtime.database.write() as session:
        await give_up(session, first, "look")
    async with runtime.database.read() as reading:
        every = await list_sagas(reading, ADMIN, PAGE)
        stuck = await list_sagas(reading, ADMIN, PAGE, state=SagaState.NEEDS_ATTENTION)
        with pytest.raises(Forbidden):
            await list_sagas(reading, STUDENT, PAGE)
    assert [saga.id for saga in every.items] == [second.id, first.id]
    assert [(saga.id, saga.last_error) for saga in stuck.items] == [(first.id, "look")]


async def test_states_are_metrics(runtime: Runtime) -> None:
    journey = Journey()
    await begin(runtime)
    stuck = await begin(runtime)
    async with runtime.database.write() as session:
        await give_up(session, stuck, "look")
    [_, measure] = journey.sagas.timers()
    await measure.run(runtime)

    def value(state: str) -> float | None:
        labels = {"subgraph": "learning", "kind": "journey", "state": state}
        return REGISTRY.get_sample_value("edtech_sagas", labels)

    assert (value("RUNNING"), value("NEEDS_ATTENTION"), value("COMPLETED")) == (1, 1, 0)


def test_kind_is_defined_once_and_names_each_step_once() -> None:
    journey = Journey()
    with pytest.raises(TypeError):
        journey.sagas.define("journey", Step("other", journey.step("other", None)))
    with pytest.raises(TypeError):
        journey.sagas.define("again", *(Step("a", journey.step("a", None)),) * 2)
