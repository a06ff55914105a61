"""Many requests at once: on shared loaders, cancelled in mid-flight, and forgotten afterwards."""

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Iterable
from contextvars import ContextVar
from random import Random
from typing import Any

import pytest
import strawberry
from strawberry.dataloader import DataLoader

from shared.executor import CompiledSchema
from shared.executor.errors import Job
from shared.executor.run import Run

AT_ONCE = 200
REQUESTS = int(os.environ.get("CONCURRENT_REQUESTS", "5000"))
viewer: ContextVar[str] = ContextVar("viewer", default="nobody")
trail: ContextVar[str] = ContextVar("trail", default="")

pytestmark = pytest.mark.timeout(120 + REQUESTS // 100)


class Shared:
    """What all requests of a test share: loaders that take their time."""

    def __init__(self, seed: int = 0, seconds: float = 0.005, pauses: bool = True) -> None:
        self.random, self.seconds, self.pauses = Random(seed), seconds, pauses
        self.futures: list[asyncio.Future[Any]] = []
        # Loaders that are closed answer nobody until they are opened.
        self.opened = asyncio.Event()
        self.opened.set()
        self._items = DataLoader(self._load)

    async def _load(self, keys: list[str]) -> list[str]:
        await asyncio.sleep((self.random.random() + 1) / 2 * self.seconds)
        await self.opened.wait()
        return [f"item {key}" for key in keys]

    def item(self, key: str) -> Any:
        """The future of an item; all who ask for it get the same."""
        future = self._items.load(key)
        self.futures.append(future)  # type: ignore[arg-type]
        return future

    async def pause(self) -> None:
        """A moment, now and then a longer one."""
        if self.pauses:
            draw = self.random.random()
            await asyncio.sleep(0 if draw < 0.5 else draw * self.seconds)


@strawberry.type
class Thing:
    id: int

    @strawberry.field
    async def item(self, info: strawberry.Info) -> str:
        await info.context.pause()
        found: str = await info.context.item(str(self.id % 7))
        return found

    @strawberry.field
    def item_at_once(self, info: strawberry.Info) -> str:
        return info.context.item(str(self.id % 5))  # type: ignore[no-any-return]

    @strawberry.field
    async def items(self, info: strawberry.Info) -> list[str]:
        return list(await asyncio.gather(*(info.context.item(str(n)) for n in range(3))))

    @strawberry.field
    async def grouped(self, info: strawberry.Info) -> list[str]:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(info, n)) for n in range(3)]
        return [task.result() for task in tasks]

    async def _one(self, info: strawberry.Info, number: int) -> str:
        await info.context.pause()
        return f"{number} for {viewer.get()}"

    @strawberry.field
    async def things(self, info: strawberry.Info) -> list["Thing"]:
        await info.context.pause()
        return [Thing(id=self.id + n) for n in range(2)]

    @strawberry.field
    async def walk(self, step: str) -> "Thing":
        trail.set(trail.get() + step)
        await asyncio.sleep(0)
        return self

    @strawberry.field
    async def trail(self) -> str:
        return trail.get()

    @strawberry.field
    async def viewer(self) -> str:
        await asyncio.sleep(0)
        return viewer.get()

    @strawberry.field
    async def fails(self, info: strawberry.Info) -> str | None:
        await info.context.pause()
        raise ValueError(f"no {self.id}")


@strawberry.type
class Query:
    @strawberry.field
    async def waiting(self, info: strawberry.Info) -> str:
        return str(await info.context)

    @strawberry.field
    def waiting_at_once(self, info: strawberry.Info) -> str:
        return info.context  # type: ignore[no-any-return]

    @strawberry.field
    def thing(self, id: int) -> Thing | None:
        return Thing(id=id)

    @strawberry.field
    async def things(self, info: strawberry.Info, first: int) -> list[Thing]:
        await info.context.pause()
        return [Thing(id=n) for n in range(first)]


TEXTS = (
    "query($n: Int!) { thing(id: $n) { item } }",
    "query($n: Int!) { thing(id: $n) { itemAtOnce } }",
    "query($n: Int!) { thing(id: $n) { item itemAtOnce items viewer } }",
    "query($n: Int!) { thing(id: $n) { things { item things { itemAtOnce viewer } } grouped } }",
    "query($n: Int!) { things(first: 3) { item fails } thing(id: $n) { fails items } }",
)


def plan_all(schema: CompiledSchema) -> None:
    """Make each text known, as if it had been asked for before."""
    for text in TEXTS:
        operation = schema.documents.find(text).operation(None)
        values = operation.variables({"n": 1})
        assert not isinstance(values, list)
        operation.plan(values)


async def ask(schema: Any, number: int, context: Shared) -> tuple[Any, list[str]]:
    """One request, by a viewer of its own."""
    viewer.set(f"viewer {number % 11}")
    text = TEXTS[number % len(TEXTS)]
    found = await schema.execute(text, {"n": number % 13}, context_value=context)
    return found.data, sorted(error.message for error in found.errors or ())


def others() -> set[asyncio.Task[Any]]:
    """All tasks but this one."""
    return asyncio.all_tasks() - {asyncio.current_task()}


def dispatching() -> set[asyncio.Task[Any]]:
    """The tasks of loaders, which end by themselves."""
    return {task for task in others() if "dispatch_batch" in repr(task)}


async def alone(numbers: Iterable[int]) -> dict[int, tuple[Any, list[str]]]:
    """What graphql-core answers to requests, each with loaders of its own."""
    plain = strawberry.federation.Schema(query=Query)
    tasks = {n: asyncio.create_task(ask(plain, n, Shared(n, 0))) for n in numbers}
    return {number: await task for number, task in tasks.items()}


@pytest.fixture
def compiled() -> CompiledSchema:
    """A schema that knows all texts."""
    schema = CompiledSchema(query=Query)
    plan_all(schema)
    return schema


@pytest.mark.usefixtures("quiet")
async def test_requests_on_shared_loaders_do_not_mix(compiled: CompiledSchema) -> None:
    before = others()
    expected = await alone(range(AT_ONCE))
    shared = Shared()
    found = await asyncio.gather(*(ask(compiled, n, shared) for n in range(AT_ONCE)))
    for number, answer in enumerate(found):
        assert answer == expected[number], number
    assert compiled.engine.counts.compiled == AT_ONCE
    assert others() == before


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("seed", range(5))
async def test_a_cancelled_request_takes_nothing_from_others(
    compiled: CompiledSchema, seed: int
) -> None:
    """They share loaders; those who are left are answered, and nothing of the others is."""
    random, shared, before = Random(seed), Shared(seed), others()
    # By the clock alone, a slow machine would have answered all of them before.
    shared.opened.clear()
    tasks = [asyncio.create_task(ask(compiled, n, shared)) for n in range(AT_ONCE)]
    doomed = random.sample(range(AT_ONCE), AT_ONCE // 2)
    for number in doomed:
        if random.random() < 0.3:
            await asyncio.sleep(random.random() / 2000)
        tasks[number].cancel()
    shared.opened.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    cancelled = [n for n, answer in enumerate(answers) if isinstance(answer, BaseException)]
    assert 10 < len(cancelled) <= len(doomed)
    assert set(cancelled) <= set(doomed)
    assert others() - before <= dispatching()
    expected = await alone(number for number in range(AT_ONCE) if number not in cancelled)
    for number, answer in expected.items():
        assert answers[number] == answer, number
    if loading := others() - before:
        await asyncio.wait(loading, timeout=10)
    assert others() == before


@pytest.mark.parametrize(
    "text",
    [
        "{ waiting }",
        "{ waiting: waitingAtOnce }",
        "{ waiting: waitingAtOnce again: waitingAtOnce }",
    ],
)
async def test_a_cancelled_request_leaves_futures_to_others(
    compiled: CompiledSchema, text: str
) -> None:
    """A future that nobody else waits for is cancelled; a loader waits for all of its own."""
    shared = Shared(seconds=0.1, pauses=False)
    operation = compiled.documents.find(text).operation(None)
    operation.plan(operation.variables({}))  # type: ignore[arg-type]
    first, second = [asyncio.get_running_loop().create_future() for _ in range(2)]
    waiting = [
        asyncio.create_task(compiled.execute(text, context_value=future))
        for future in (first, second, second)
    ]
    loading = asyncio.create_task(ask(compiled, 0, shared))
    await asyncio.sleep(0.01)
    for task in (*waiting[:2], *waiting[:2], loading):
        task.cancel()
    gone = await asyncio.gather(*waiting[:2], loading, return_exceptions=True)
    assert [type(answer) for answer in gone] == [asyncio.CancelledError] * 3
    futures = (first, second, *shared.futures)
    assert [future.cancelled() for future in futures] == [True, False, False]
    second.set_result("done")
    answer = await waiting[2]
    assert set((answer.data or {}).values()) == {"done"}
    assert await shared.futures[0] == "item 0"


@pytest.mark.parametrize(
    "text",
    [
        '{ thing(id: 1) { a: walk(step: "a") { trail b: walk(step: "b") { trail } } } }',
        '{ thing(id: 1) { a: walk(step: "a") { trail c: trail } b: walk(step: "b") { trail } } }',
        '{ thing(id: 1) { a: walk(step: "a") { b: walk(step: "b") { trail c: trail } trail } } }',
        '{ things(first: 2) { a: walk(step: "a") { trail } } trail: thing(id: 1) { trail } }',
    ],
)
async def test_context_variables_go_where_graphql_core_takes_them(text: str) -> None:
    """What an awaited field sets is seen below it; and by its caller if it was awaited alone."""
    compiled, plain = CompiledSchema(query=Query), strawberry.federation.Schema(query=Query)
    operation = compiled.documents.find(text).operation(None)
    operation.plan(operation.variables({}))  # type: ignore[arg-type]

    async def answer(schema: Any) -> tuple[Any, str]:
        found = await schema.execute(text, context_value=Shared())
        return found.data, trail.get()

    expected = await asyncio.create_task(answer(plain))
    assert await asyncio.create_task(answer(compiled)) == expected
    assert compiled.engine.counts.compiled == 1


@pytest.mark.usefixtures("quiet")
async def test_nothing_of_a_request_is_kept(compiled: CompiledSchema) -> None:
    async def some(first: int) -> None:
        contexts = [Shared(first + n) for n in range(50)]
        await asyncio.gather(*(ask(compiled, first + n, c) for n, c in enumerate(contexts)))

    def alive() -> Counter[str]:
        gc.collect()
        # Tasks and futures are among all objects: those of other tests come and go here, too.
        kinds = (Run, Job, Shared)
        return Counter(type(o).__name__ for o in gc.get_objects() if isinstance(o, kinds))

    await some(0)
    assert alive() == {}
    objects = len(gc.get_objects())
    for first in range(0, REQUESTS, 50):
        await some(first)
    assert alive() == {}
    # Some hundred of memories of whatever kind, but none per request.
    assert len(gc.get_objects()) - objects < 1000
    assert len(compiled.documents) == len(TEXTS)
