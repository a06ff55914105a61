"""Mistakes that were made once, each by its name."""

import asyncio
from typing import Any

import pytest
import strawberry
from graphql import ExecutionResult, parse
from strawberry.dataloader import DataLoader
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as CoreExecutor

from shared.executor import CompiledExecutor, CompiledSchema, Settings

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.timeout(20)]


async def answered(schema: Any, text: str, context: Any = None) -> tuple[Any, list[str]]:
    """The data and the messages of the answer by a compiled plan."""
    operation = schema.documents.find(text).operation(None)
    operation.plan(operation.variables({}))  # as if it had been asked for before
    before = schema.engine.counts.compiled
    found = await schema.execute(text, context_value=context() if context else None)
    assert schema.engine.counts.compiled == before + 1
    return found.data, [error.message for error in found.errors or ()]


async def test_a_plan_of_one_schema_does_not_run_in_another() -> None:
    """Documents are parsed once for several schemas; a plan belongs to one of them."""

    @strawberry.type(name="Query")
    class One:
        value: str = strawberry.field(resolver=lambda: "one")

    @strawberry.type(name="Query")
    class Other:
        value: str = strawberry.field(resolver=lambda: "other")

    executor = CompiledExecutor.with_settings(Settings())
    document = parse("{ value }")
    for _ in range(3):
        for query, value in ((One, "one"), (Other, "other")):
            schema = SCHEMAS.setdefault(query.__qualname__, strawberry.Schema(query=query))
            run = executor.build(schema._schema, document)
            assert isinstance(run, CoreExecutor)
            assert run.execute_operation() == ExecutionResult({"value": value}, None)
    assert executor.engine.counts.compiled == 4
    assert len(executor.engine.operations) == 2


SCHEMAS: dict[str, strawberry.Schema] = {}


notes: list[str] = []


@strawberry.type
class Leaf:
    @strawberry.field
    async def shared(self, info: strawberry.Info) -> str:
        value: str = await info.context.load("key")
        return value

    @strawberry.field
    async def fails(self) -> str:
        raise ValueError("failed")

    @strawberry.field
    async def note(self) -> str:
        await asyncio.sleep(0)
        notes.append("note")
        return "note"

    @strawberry.field
    def broken(self) -> str:
        raise ValueError("broken")

    @strawberry.field
    async def slow(self) -> str:
        await asyncio.sleep(30)
        return "slow"


@strawberry.type
class Branch:
    leaf: Leaf = strawberry.field(resolver=lambda: Leaf())

    @strawberry.field
    def maybe(self) -> Leaf | None:
        return Leaf()

    @strawberry.field
    def leaves(self) -> list[Leaf | None]:
        return [Leaf(), Leaf()]

    @strawberry.field
    def sleepers(self) -> list[Leaf] | None:
        async def sleeper() -> Leaf:
            notes.append("note")
            return Leaf()

        return [Leaf(), ValueError("broken"), sleeper()]  # type: ignore[list-item]

    @strawberry.field
    async def later(self) -> Leaf | None:
        await asyncio.sleep(0)
        return Leaf()


@strawberry.type
class Query:
    @strawberry.field
    def branch(self) -> Branch:
        return Branch()

    @strawberry.field
    def branches(self) -> list[Branch | None]:
        return [Branch(), Branch()]

    @strawberry.field
    async def first(self) -> str:
        await asyncio.sleep(0)
        return "first"

    @strawberry.field
    async def second(self) -> Leaf | None:
        return Leaf()


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def step(self, name: str) -> str:
        await asyncio.sleep(0)
        return name


@pytest.fixture
def schema() -> CompiledSchema:
    """A schema with a loader that two places share, one of them below a place that becomes null."""
    return CompiledSchema(query=Query, mutation=Mutation)


def loader() -> DataLoader[str, str]:
    """A loader that takes its time."""

    async def load(keys: list[str]) -> list[str]:
        await asyncio.sleep(0.01)
        return [f"loaded {key}" for key in keys]

    return DataLoader(load)


async def test_a_null_place_does_not_take_the_future_of_a_loader_along(
    schema: CompiledSchema,
) -> None:
    """What is below it waits for the future that another place waits for, too."""
    text = "{ branch { maybe { fails shared } leaf { shared } later { fails shared } } }"
    data, errors = await answered(schema, text, loader)
    assert data == {"branch": {"maybe": None, "leaf": {"shared": "loaded key"}, "later": None}}
    assert errors == ["failed", "failed"]


async def test_a_null_place_does_not_keep_the_answer_waiting(schema: CompiledSchema) -> None:
    """Work that ends below it is not counted twice, and work that does not is not waited for."""
    text = "{ branches { maybe { fails slow shared } later { shared fails slow } } first }"
    async with asyncio.timeout(5):
        data, errors = await answered(schema, text, loader)
    assert data == {"branches": [{"maybe": None, "later": None}] * 2, "first": "first"}
    assert errors == ["failed"] * 4
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_a_place_that_is_null_at_once_does_not_keep_the_answer_waiting(
    schema: CompiledSchema,
) -> None:
    """Nor one of a list, nor all of the data; what was begun there is still finished, unheard."""
    for text, expected in (
        ("{ branch { maybe { slow note broken } } first }", {"branch": {"maybe": None}}),
        ("{ branch { leaves { slow note broken } } first }", {"branch": {"leaves": [None, None]}}),
        ("{ branch { sleepers { slow note } } first }", {"branch": {"sleepers": None}}),
        ("{ first branch { leaf { slow note broken } } }", None),
    ):
        notes.clear()
        async with asyncio.timeout(5):
            data, errors = await answered(schema, text)
        assert data == (expected and {**expected, "first": "first"})
        assert set(errors) == {"broken"}
        await asyncio.sleep(0.01)
        assert notes == ["note"] * len(notes) != []
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


async def test_awaited_root_fields_come_into_the_response(schema: CompiledSchema) -> None:
    """Of queries, whose root fields are awaited together, and of mutations, one after another."""
    data, _ = await answered(schema, "{ first second { shared } again: first }", loader)
    assert data == {"first": "first", "second": {"shared": "loaded key"}, "again": "first"}
    assert list(data) == ["first", "second", "again"]
    data, _ = await answered(schema, 'mutation { a: step(name: "a") b: step(name: "b") }')
    assert data == {"a": "a", "b": "b"}


async def test_an_alias_that_looks_like_a_name_of_the_generated_code(
    schema: CompiledSchema,
) -> None:
    """Aliases are data of the generated code; its own names mean something else."""
    names = (
        "o",
        "run",
        "path",
        "v0",
        "F0",
        "c0",
        "w",
        "d",
        "a",
        "e",
        "out",
        "None",
        "def",
        "i",
    )
    text = "{ " + " ".join(f"{name}: first" for name in names) + " }"
    data, errors = await answered(schema, text)
    assert (data, errors) == (dict.fromkeys(names, "first"), [])


async def test_a_name_cannot_break_out_of_the_generated_code() -> None:
    """GraphQL's names hold no quotes, but a library cannot know where its schemas come from."""
    hostile = "x'}, __import__('os').abort(), {'"

    @strawberry.type
    class Odd:
        @strawberry.field
        def value(self) -> str:
            return "value"

    schema = CompiledSchema(query=Odd)
    document = parse("{ name: value }")
    field = document.definitions[0].selection_set.selections[0]  # type: ignore[attr-defined]
    object.__setattr__(field.alias, "value", hostile)
    executor = CompiledExecutor.with_settings(Settings())
    for _ in range(3):
        run = executor.build(schema._schema, document)
        assert isinstance(run, CoreExecutor)
        assert run.execute_operation() == ExecutionResult({hostile: "value"}, None)
    assert executor.engine.counts.compiled == 2


async def test_a_cast_object_of_a_known_class_is_looked_at_again() -> None:
    """`strawberry.cast` decides for one object what its class decides for others."""

    @strawberry.interface
    class Animal:
        name: str

    @strawberry.type
    class Cat(Animal):
        pass

    @strawberry.type
    class Dog(Animal):
        pass

    @strawberry.type
    class Zoo:
        @strawberry.field
        def animals(self) -> list[Animal]:
            return [Cat(name="a"), Cat(name="b"), strawberry.cast(Dog, Cat(name="c"))]

        @strawberry.field
        def cats(self) -> list[Cat | None]:
            return [Cat(name="a"), strawberry.cast(Dog, Cat(name="b")), Cat(name="c")]

    schema = CompiledSchema(query=Zoo, types=[Cat, Dog])
    data, _ = await answered(schema, "{ animals { __typename name } }")
    assert [animal["__typename"] for animal in data["animals"]] == ["Cat", "Cat", "Dog"]
    data, errors = await answered(schema, "{ cats { name } }")
    assert data == {"cats": [{"name": "a"}, None, {"name": "c"}]}
    assert len(errors) == 1


async def test_a_value_that_somebody_else_cancelled_is_an_error_of_its_field() -> None:
    """graphql-core lets the whole request be cancelled; here the others are answered."""

    @strawberry.type
    class Lonely:
        @strawberry.field
        async def gone(self) -> str | None:
            future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            future.cancel()
            return await future

        @strawberry.field
        def gone_at_once(self) -> str | None:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            return future  # type: ignore[return-value]

        @strawberry.field
        async def here(self) -> str:
            return "here"

    schema = CompiledSchema(query=Lonely)
    for field in ("gone", "gone: goneAtOnce"):
        data, errors = await answered(schema, f"{{ {field} }}")
        assert (data, errors) == ({"gone": None}, ["The awaited value was cancelled."])
        data, errors = await answered(schema, f"{{ {field} here }}")
        assert data == {"gone": None, "here": "here"}
        assert errors == ["The awaited value was cancelled."]
