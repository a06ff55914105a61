"""What is kept of documents and operations, and when an operation is compiled."""

import asyncio
import logging
import threading
from typing import Any, NewType

import pytest
import strawberry
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLSyntaxError,
    get_variable_values,
    parse,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as CoreExecutor

from shared.executor import (
    CompiledExecutor,
    CompiledSchema,
    Counts,
    Difference,
    Documents,
    Settings,
    difference,
)
from shared.executor.operations import MOST_VARIANTS, Operation
from shared.executor.recent import Recent

Locked = NewType("Locked", object)
SCALARS: dict[object, Any] = {
    Locked: strawberry.scalar(name="Locked", parse_value=lambda _: threading.Lock())
}


@strawberry.type
class Query:
    number: int = strawberry.field(resolver=lambda: 1)

    @strawberry.field
    def drifting(self, info: strawberry.Info) -> list[str | None]:
        info.context["calls"] += 1
        return [f"secret {info.context['calls']}"]

    @strawberry.field
    async def drifting_later(self, info: strawberry.Info) -> str:
        info.context["calls"] += 1
        return f"secret {info.context['calls']}"

    @strawberry.field
    async def unlucky(self, info: strawberry.Info) -> int:
        """The second time, it awaits a future that is cancelled."""
        info.context["calls"] += 1
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if info.context["calls"] == 2:
            future.cancel()
        else:
            future.set_result(1)
        return await future

    @strawberry.field
    def soon_or_later(self, info: strawberry.Info) -> int:
        info.context["calls"] += 1
        if info.context["calls"] == 2:
            return asyncio.sleep(0, 2)  # type: ignore[return-value]
        return 1

    @strawberry.field
    async def slower(self, info: strawberry.Info) -> int:
        """The second time, it takes long."""
        info.context["calls"] += 1
        await asyncio.sleep(0 if info.context["calls"] == 1 else 10)
        return 1

    @strawberry.field
    def locked(self, value: Locked) -> str:
        return type(value).__name__

    @strawberry.field
    def doubling(self, info: strawberry.Info, values: list[int]) -> list[int]:
        values.append(len(values))
        return values


@strawberry.type
class Mutation:
    @strawberry.mutation
    def count(self, info: strawberry.Info) -> int:
        info.context["calls"] += 1
        return int(info.context["calls"])


def schema(**settings: Any) -> CompiledSchema:
    """A small schema."""
    config = StrawberryConfig(scalar_map=SCALARS)
    return CompiledSchema(
        query=Query, mutation=Mutation, compiled=Settings(**settings), config=config
    )


# -- what is kept


def test_the_memory_is_bounded_by_number_and_by_weight() -> None:
    memory: Recent[str, int] = Recent(most=3, most_weight=10)
    for number, key in enumerate("abc"):
        memory.put(key, number, 2)
    assert memory.get("a") == 0
    memory.put("d", 3, 2)
    assert [memory.get(key) for key in "abcd"] == [0, None, 2, 3]
    memory.put("e", 4, 8)
    assert [memory.get(key) for key in "acde"] == [None, None, 3, 4]
    memory.put("f", 5, 11)
    assert memory.get("f") is None
    memory.put("e", 6, 1)
    memory.put("g", 7, 7)
    assert [memory.get(key) for key in "deg"] == [3, 6, 7]
    assert len(memory) == 3


async def test_documents_are_parsed_and_validated_once_and_not_kept_for_ever() -> None:
    calls: list[str] = []

    def parsed(text: str) -> Any:
        calls.append(text)
        return parse(text)

    def valid(*_: Any) -> list[GraphQLError]:
        calls.append("validated")
        return []

    compiled = CompiledSchema(
        query=Query,
        config=StrawberryConfig(scalar_map=SCALARS),
        documents=lambda schema: Documents(schema, parsed, valid, most=2, most_characters=50),
    )
    for _ in range(3):
        assert (await compiled.execute("{ number }")).data == {"number": 1}
    assert calls == ["{ number }", "validated"]
    for name in "abcd":
        await compiled.execute(f"{{ {name}: number }}")
    assert len(compiled.documents) == 2
    calls.clear()
    await compiled.execute("{ number }")
    assert calls == ["{ number }", "validated"]
    calls.clear()
    for _ in range(2):
        await compiled.execute("{ number " + " " * 50 + "}")
    assert len(calls) == 4


async def test_a_document_that_cannot_be_parsed_is_not_kept() -> None:
    compiled = schema()
    for _ in range(2):
        errors = (await compiled.execute("{ number")).errors
        assert errors is not None
        assert [type(error) for error in errors] == [GraphQLSyntaxError]
    assert len(compiled.documents) == 0


async def test_what_is_wrong_with_a_document_is_kept_with_it() -> None:
    compiled = schema()
    for _ in range(2):
        errors = (await compiled.execute("{ nothing }")).errors
        assert errors is not None
        assert "Cannot query field 'nothing'" in errors[0].message
    assert len(compiled.documents) == 1
    assert compiled.engine.counts == Counts()


# -- when it is compiled


async def test_an_operation_is_compiled_when_it_comes_again() -> None:
    compiled = schema()
    for expected in (Counts(interpreted=1), Counts(1, 1), Counts(2, 1)):
        await compiled.execute("{ number }")
        assert compiled.engine.counts == expected


async def test_operations_of_one_document_are_compiled_apart() -> None:
    compiled = schema()
    text = "query A { a: number } query B { b: number }"
    for name, data in (("A", {"a": 1}), ("B", {"b": 1}), (None, {"a": 1}), ("B", {"b": 1})) * 2:
        assert (await compiled.execute(text, operation_name=name)).data == data
    assert compiled.engine.counts == Counts(compiled=5, interpreted=3)


async def test_each_choice_of_fields_has_a_plan_up_to_a_bound() -> None:
    compiled = schema()
    names = [f"v{n}" for n in range(5)]
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: number @include(if: ${name})" for name in names)
    text = f"query({declared}) {{ number {fields} }}"
    for _ in range(2):
        for choice in range(20):
            variables = {name: bool(choice >> n & 1) for n, name in enumerate(names)}
            data = {"number": 1, **{name: 1 for name, chosen in variables.items() if chosen}}
            assert (await compiled.execute(text, variables)).data == data
    assert compiled.engine.counts == Counts(MOST_VARIANTS, 40 - MOST_VARIANTS)


async def test_plans_belong_to_a_schema_and_an_operation() -> None:
    one, other = schema()._schema, schema()._schema
    executor = CompiledExecutor.with_settings(Settings(most_operations=3))
    document = parse("{ number ...F } fragment F on Query { again: number }")
    fragments = parse("{ number ...F } fragment F on Query { other: number }").definitions[1:]
    changed = document.__class__(definitions=(document.definitions[0], *fragments))

    def answer(schema: Any, document: Any) -> Any:
        run = executor.build(schema, document)
        assert isinstance(run, CoreExecutor)
        return run.execute_operation()

    for _ in range(2):
        for known in (one, other):
            assert answer(known, document).data == {"number": 1, "again": 1}
    # The same operation with other fragments is another operation.
    for _ in range(2):
        assert answer(one, changed).data == {"number": 1, "other": 1}
    assert executor.engine.counts == Counts(compiled=3, interpreted=3)
    for name in "abcde":
        answer(one, parse(f"{{ {name}: number }}"))
    assert len(executor.engine.operations) == 3


@pytest.mark.parametrize(
    "text",
    [
        "subscription { number }",
        "{ number @other }",
        "query @other { number }",
        "{ ...F(x: 1) } fragment F($x: Int) on Query { number }",
    ],
)
def test_what_is_left_to_graphql_core(text: str) -> None:
    node = parse(text, experimental_fragment_arguments=True)
    fragments = {part.name.value: part for part in node.definitions[1:]}  # type: ignore[attr-defined]
    operation = Operation(schema()._schema, node.definitions[0], fragments)  # type: ignore[arg-type]
    assert not operation.is_compilable
    values = operation.variables({})
    assert not isinstance(values, list)
    assert [operation.plan(values) for _ in range(3)] == [None] * 3


def test_a_wrong_directive_is_left_to_graphql_core() -> None:
    """Such a document is not valid, but a hook cannot know whether it was validated."""
    text = "query($v: [Boolean]) { number @skip(if: $v) drifting @include }"
    operation = Operation(schema()._schema, parse(text).definitions[0], {})  # type: ignore[arg-type]
    for given in ({"v": [True]}, {"v": None}, {}):
        values = operation.variables(given)
        assert not isinstance(values, list)
        assert [operation.plan(values) for _ in range(3)] == [None] * 3


async def test_the_off_switch_leaves_all_to_graphql_core() -> None:
    compiled = schema(enabled=False)
    for _ in range(3):
        assert (await compiled.execute("{ number }")).data == {"number": 1}
    assert compiled.engine.counts == Counts(interpreted=3)


# -- variables


VARIABLES: tuple[dict[str, Any], ...] = (
    {"i": 1, "s": "x", "b": True, "l": ["a"], "d": 2},
    {"i": 1, "s": "x", "b": True, "l": ["a", None]},
    {"i": 2**31, "s": "x", "b": True, "l": []},
    {"i": True, "s": "x", "b": True, "l": []},
    {"i": 1, "s": 1, "b": True, "l": "one"},
    {"i": 1.0, "s": None, "b": None, "l": None},
    {"i": 1, "b": False, "other": 3},
    {"s": "x", "b": True},
    {"i": None},
    {},
)


@pytest.mark.parametrize("given", VARIABLES)
def test_variables_are_what_graphql_core_makes_of_them(given: dict[str, Any]) -> None:
    declared = "query($i: Int!, $s: String, $b: Boolean, $l: [ID], $d: Int = 7)"
    node: Any = parse(declared + " { number }").definitions[0]
    compiled = schema()._schema
    expected = get_variable_values(compiled, node.variable_definitions, given, 50)
    found = Operation(compiled, node, {}).variables(given)
    assert str(found) == str(expected)
    if not isinstance(expected, list):
        assert list(found.coerced) == list(expected.coerced)  # type: ignore[union-attr]


# -- sampling


async def test_sampling_asks_graphql_core_now_and_then() -> None:
    compiled = schema(sample_every=3)
    for _ in range(10):
        assert (await compiled.execute("{ number }")).data == {"number": 1}
    assert compiled.engine.counts == Counts(compiled=9, interpreted=1, sampled=3)


@pytest.mark.parametrize("field", ["drifting", "driftingLater"])
async def test_a_difference_is_counted_told_and_logged_without_values(
    field: str, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Difference] = []
    compiled = schema(sample_every=1, on_difference=told.append)
    context = {"calls": 0}
    await compiled.execute(f"{{ {field} }}", context_value=context)
    with caplog.at_level(logging.ERROR):
        found = await compiled.execute(f"{{ {field} }}", context_value=context)
    assert context["calls"] == 3
    path = ("drifting", 0) if field == "drifting" else ("driftingLater",)
    # Where they differ, graphql-core's answer is given.
    assert "secret 3" in str(found.data)
    assert compiled.engine.counts == Counts(compiled=1, interpreted=1, sampled=1, different=1)
    assert told == [Difference("data", path)]
    assert f"compiled answer differs in its data at {list(path)}" in caplog.text
    assert "secret" not in caplog.text


async def test_a_sample_that_graphql_core_cannot_answer_is_none() -> None:
    """A request is cancelled there when a future is that it awaits, and may wait for ever."""
    for field in ("unlucky", "slower"):
        compiled = schema(sample_every=1, sample_seconds=0.01)
        context = {"calls": 0}
        operation = compiled.documents.find(f"{{ {field} }}").operation(None)
        operation.plan(operation.variables({}))  # type: ignore[arg-type]
        found = await compiled.execute(f"{{ {field} }}", context_value=context)
        assert (found.data, context) == ({field: 1}, {"calls": 2})
        assert compiled.engine.counts == Counts(compiled=1)


async def test_a_sample_may_have_to_be_waited_for() -> None:
    compiled = schema(sample_every=1)
    context = {"calls": 0}
    operation = compiled.documents.find("{ soonOrLater }").operation(None)
    operation.plan(operation.variables({}))  # type: ignore[arg-type]
    found = await compiled.execute("{ soonOrLater }", context_value=context)
    assert (found.data, context) == ({"soonOrLater": 2}, {"calls": 2})
    assert compiled.engine.counts == Counts(compiled=1, sampled=1, different=1)


async def test_a_request_whose_variables_cannot_be_copied_is_no_sample() -> None:
    compiled = schema(sample_every=1)
    text = "query($v: Locked!) { locked(value: $v) }"
    for _ in range(2):
        assert (await compiled.execute(text, {"v": 1})).data == {"locked": "lock"}
    assert compiled.engine.counts == Counts(compiled=1, interpreted=1)


async def test_a_request_can_be_cancelled_while_it_is_a_sample() -> None:
    compiled = schema(sample_every=1)
    context = {"calls": 0}
    operation = compiled.documents.find("{ slower }").operation(None)
    operation.plan(operation.variables({}))  # type: ignore[arg-type]
    task = asyncio.create_task(compiled.execute("{ slower }", context_value=context))
    while context["calls"] < 2:  # noqa: ASYNC110 - a resolver has nobody to tell
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert compiled.engine.counts == Counts(compiled=1)


async def test_a_mutation_is_never_run_twice() -> None:
    compiled = schema(sample_every=1)
    context = {"calls": 0}
    for number in range(1, 5):
        found = await compiled.execute("mutation { count }", context_value=context)
        assert found.data == {"count": number}
    assert compiled.engine.counts.sampled == 0


async def test_what_a_resolver_does_to_its_arguments_stays_in_its_execution() -> None:
    compiled = schema(sample_every=1)
    for _ in range(3):
        found = await compiled.execute("query($v: [Int!]!) { doubling(values: $v) }", {"v": [5]})
        assert found.data == {"doubling": [5, 1]}
    assert compiled.engine.counts == Counts(compiled=2, interpreted=1, sampled=2)


def error(message: str, *path: str | int) -> GraphQLError:
    """An error at a place."""
    return GraphQLError(message, path=path)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (({"a": 1, "b": 2}, None), ({"b": 2, "a": 1}, None), Difference("data", ())),
        (({"a": [1, 2]}, None), ({"a": [1]}, None), Difference("data", ("a",))),
        (({"a": [1, True]}, None), ({"a": [1, 1]}, None), Difference("data", ("a", 1))),
        (({"a": None}, [error("x", "a")]), ({"a": None}, None), Difference("errors", ("a",))),
        (
            ({"a": None}, [error("x", "a")]),
            ({"a": None}, [error("y", "a")]),
            Difference("errors", ("a",)),
        ),
        (
            ({"a": None}, [error("x", "a"), error("x", "a")]),
            ({"a": None}, [error("x", "a")]),
            Difference("errors", ("a",)),
        ),
        (
            ({"a": None}, [error("x", "a", "b")]),
            ({"a": None}, [error("y", "a", "c"), error("x", "a", "b")]),
            None,
        ),
        (({"a": None}, [error("x", "a", "b")]), ({"a": None}, None), Difference("errors", ("a",))),
        ((None, [error("x", "a")]), (None, [error("y", "b", 0)]), None),
        ((None, [error("x")]), (None, [error("y")]), Difference("errors", ())),
        (
            ({"a": [None, None]}, [error("x", "a", 0), error("y", "a", 1)]),
            ({"a": [None, None]}, [error("y", "a", 1), error("x", "a", 0)]),
            None,
        ),
    ],
)
def test_when_two_answers_differ(one: Any, other: Any, expected: Difference | None) -> None:
    assert difference(ExecutionResult(*one), ExecutionResult(*other)) == expected
    assert difference(ExecutionResult(*other), ExecutionResult(*one)) == expected
