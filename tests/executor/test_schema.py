"""`CompiledSchema` and its entities behave as Strawberry's schema does, where they should."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import strawberry
from graphql import ExecutionHooks, GraphQLError, parse
from graphql.pyutils import AbortController
from strawberry import relay
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import ParserCache, SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as CoreExecutor
from strawberry.types.execution import PreExecutionError
from strawberry.types.field import StrawberryField
from strawberry.types.graphql import OperationType

from shared.executor import CompiledExecutor, CompiledSchema, Counts, Settings, functions
from tests.executor.domain import Context, build

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.timeout(20)]


class Stop(BaseException):
    """What is no `Exception` ends more than a field."""


@strawberry.federation.type(keys=["id"])
class Product:
    id: strawberry.ID
    name: str = "product"

    @strawberry.field
    def stops(self) -> str | None:
        raise Stop

    @classmethod
    def resolve_reference(cls, info: strawberry.Info, id: strawberry.ID) -> "Product":
        if id == "bug":
            raise ValueError("bug")
        return cls(id=strawberry.ID(f"{id} for {info.context}"))


@strawberry.federation.type(keys=["id"])
class Pointer:
    id: strawberry.ID


@strawberry.federation.type(keys=["id"])
class Ticket:
    id: relay.GlobalID


@strawberry.type
class Query:
    @strawberry.field
    def product(self, id: strawberry.ID | None = None) -> Product:
        return Product(id=id or strawberry.ID("1"))

    @strawberry.field
    def products(self) -> list[Product]:
        return [Product(id=strawberry.ID("1"))]

    @strawberry.field
    def pointer(self) -> Pointer:
        return Pointer(id=strawberry.ID("1"))

    @strawberry.field
    async def later(self) -> str:
        await asyncio.sleep(0)
        return "later"

    @strawberry.field
    async def stops(self) -> str | None:
        await asyncio.sleep(0)
        raise Stop

    @strawberry.field
    def product_by_future(self, stops: bool = False) -> Product | None:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(Stop()) if stops else future.set_result(Product(id=strawberry.ID("1")))
        return future  # type: ignore[return-value]

    @strawberry.field
    async def product_later(self) -> Product | None:
        await asyncio.sleep(0)
        return Product(id=strawberry.ID("1"))

    @strawberry.field
    async def cancels_itself(self) -> str | None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)
        return "never"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> str:
        return "changed"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def products(self) -> AsyncIterator[Product]:
        yield Product(id=strawberry.ID("1"))
        yield Product(id=strawberry.ID("2"))


def make(schema_class: Any = CompiledSchema, **options: Any) -> Any:
    """The schema as one of the given class."""
    return schema_class(query=Query, mutation=Mutation, subscription=Subscription, **options)


async def twice(schema: Any, text: str, **request: Any) -> Any:
    """The second answer; it is that of a compiled plan."""
    await schema.execute(text, **request)
    before = schema.engine.counts.compiled
    found = await schema.execute(text, **request)
    assert schema.engine.counts.compiled == before + 1
    return found


# -- requests that are refused


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("", {}, MissingQueryError),
        (None, {}, MissingQueryError),
        ("{ later }", {"operation_name": "Other"}, CannotGetOperationTypeError),
        ("fragment F on Query { later }", {}, CannotGetOperationTypeError),
        ("mutation { change }", {"allowed_operation_types": [OperationType.QUERY]}, None),
    ],
)
async def test_what_is_no_request_raises_what_strawberry_raises(
    text: str | None, options: dict[str, Any], expected: type[Exception] | None
) -> None:
    for schema in (make(strawberry.federation.Schema), make()):
        with pytest.raises(expected or InvalidOperationTypeError):
            await schema.execute(text, **options)


@pytest.mark.parametrize("text", ["{ later", "{ nothing }"])
async def test_what_is_wrong_before_execution_is_marked_so(text: str) -> None:
    schema = make()
    for _ in range(2):
        assert type(await schema.execute(text)) is PreExecutionError


async def test_wrong_variables_are_no_accident() -> None:
    schema = make()
    text = "query($id: ID!) { product(id: $id) { id } }"
    for _ in range(3):
        found = await schema.execute(text, {"id": [1]})
        assert type(found) is not PreExecutionError
        assert found.data is None
        assert "Variable '$id'" in found.errors[0].message
    assert schema.engine.counts == Counts()


async def test_an_accident_while_variables_are_read_is_an_answer() -> None:
    """As in Strawberry, where an input type's own code runs then."""
    schema = make()
    text = "query($id: ID!) { product(id: $id) { id } }"

    def fails(_: Any) -> Any:
        raise ValueError("accident")

    schema.documents.find(text).operation(None).variables = fails
    found = await schema.execute(text, {"id": "1"})
    assert type(found) is PreExecutionError
    assert [type(error) for error in found.errors or ()] == [GraphQLError]


# -- what stands around an execution


class Trace(SchemaExtension):
    seen: list[str] = []

    def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        self.seen.append(info.field_name)
        return _next(root, info, *args, **kwargs)


async def test_an_extension_that_wraps_fields_sees_all_of_them() -> None:
    schema = make(extensions=[Trace])
    for _ in range(3):
        Trace.seen.clear()
        assert (await schema.execute("{ product { name } }")).errors is None
        assert Trace.seen == ["product", "name"]
    assert schema.engine.counts == Counts()


async def test_the_hook_alone_runs_plans_inside_strawberry() -> None:
    hook = CompiledExecutor.with_settings(Settings())
    schema = make(
        strawberry.federation.Schema,
        execution_context_class=hook,
        extensions=[lambda: ParserCache()],
    )
    for _ in range(3):
        found = await schema.execute("{ product { name } later }")
        assert found.data == {"product": {"name": "product"}, "later": "later"}
    assert hook.engine.counts == Counts(compiled=2, interpreted=1)


async def test_subscriptions_are_executed_by_graphql_core() -> None:
    schema = make()
    for _ in range(3):
        stream = await schema.subscribe("subscription { products { id } }")
        assert [found.data["products"]["id"] async for found in stream] == ["1", "2"]
    assert schema.engine.counts == Counts()


async def test_a_subscription_that_is_executed_is_refused_as_in_strawberry() -> None:
    text = "subscription { products { id } }"
    found = [await make(c).execute(text) for c in (strawberry.federation.Schema, CompiledSchema)]
    assert str(found[0]) == str(found[1])


def test_synchronous_execution() -> None:
    schema = make(extensions=[lambda: ParserCache()])
    for _ in range(3):
        assert schema.execute_sync("{ product { id } }").data == {"product": {"id": "1"}}
    assert schema.engine.counts == Counts(compiled=2, interpreted=1)


@pytest.mark.parametrize(
    "options",
    [
        {"abort_signal": AbortController().signal},
        {"hooks": ExecutionHooks()},
        {"hide_suggestions": True},
        {"is_awaitable": lambda _: False},
        {"middleware": [lambda next_, *args, **kwargs: next_(*args, **kwargs)]},
    ],
)
async def test_what_only_graphql_core_can_do_is_left_to_it(options: dict[str, Any]) -> None:
    hook = CompiledExecutor.with_settings(Settings())
    document, schema = parse("{ product { id } }"), make()._schema
    for _ in range(3):
        run = hook.build(schema, document, **options)
        assert isinstance(run, CoreExecutor)
        found: Any = run.execute_operation()
        assert found.data == {"product": {"id": "1"}}
    assert hook.engine.counts == Counts()


# -- fields that are not passed over


async def test_a_function_that_replaces_strawberrys_is_called() -> None:
    """As instrumentation does; `functools.wraps` makes it look like the original."""
    schema, calls = make(), []
    field = schema._schema.type_map["Query"].fields["product"]
    inner = field.resolve

    @functools.wraps(inner)
    def traced(source: Any, info: Any, **arguments: Any) -> Any:
        calls.append(arguments)
        return inner(source, info, **arguments)

    field.resolve = traced
    found = await twice(schema, '{ product(id: "7") { id } }')
    assert found.data == {"product": {"id": "7"}}
    assert calls == [{"id": "7"}] * 2


async def test_a_field_class_with_a_way_of_its_own_is_asked() -> None:
    class Loud(StrawberryField):
        def get_result(self, *args: Any, **kwargs: Any) -> Any:
            return f"{super().get_result(*args, **kwargs)}!"

    @strawberry.type(name="Query")
    class Other:
        name: str = Loud(python_name="name", default="name")  # type: ignore[assignment]

    found = await twice(CompiledSchema(query=Other), "{ name }", root_value=Other())
    assert found.data == {"name": "name!"}


async def test_a_default_resolver_of_ones_own_is_asked() -> None:
    @strawberry.type(name="Query")
    class Other:
        name: str

    config = StrawberryConfig(default_resolver=lambda source, name: source[name])
    schema = CompiledSchema(query=Other, config=config)
    found = await twice(schema, "{ name }", root_value={"name": "from a dict"})
    assert found.data == {"name": "from a dict"}


async def test_what_cannot_be_compiled_is_left_to_graphql_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For the whole operation, or for the place below which it is."""
    compile_source = functions._compile
    text = "{ users { home { id } grid: courses { grid } anything { ... on Review { stars } } } }"
    plain = build(strawberry.federation.Schema)
    expected = await plain.execute(text, context_value=Context())
    # In turn: an object, a list of objects, a type behind a union, a list of lists, the root.
    for bad, compiled in (("'home'", 2), ("'grid'", 2), ("'stars'", 2), ("'users'", 0)):
        schema = build(CompiledSchema)

        def fails(source: str, bad: str = bad) -> Any:
            if bad in source:
                raise RecursionError
            return compile_source(source)

        monkeypatch.setattr(functions, "_compile", fails)
        for _ in range(3):
            found = await schema.execute(text, context_value=Context())
            assert (found.data, str(found.errors)) == (expected.data, str(expected.errors))
        assert schema.engine.counts.compiled == compiled


# -- what ends a request


@pytest.mark.parametrize(
    "text",
    [
        "{ stops }",
        "{ stops later }",
        "{ later a: stops b: stops }",
        "{ productLater { stops } }",
        "{ a: productLater { stops } b: productLater { stops } }",
        "{ productByFuture { stops } }",
        "{ a: productByFuture { stops } b: productByFuture { stops } later }",
        "{ productByFuture(stops: true) { id } later }",
    ],
)
async def test_what_is_no_exception_ends_the_request(text: str) -> None:
    schema = make()
    operation = schema.documents.find(text).operation(None)
    operation.plan(operation.variables({}))
    with pytest.raises(Stop):
        await schema.execute(text)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_task_that_ends_itself_ends_the_request() -> None:
    schema = make()
    text = "{ cancelsItself later }"
    operation = schema.documents.find(text).operation(None)
    operation.plan(operation.variables({}))
    with pytest.raises(asyncio.CancelledError):
        await schema.execute(text)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# -- entities


ENTITIES = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Product { id } } }"


class Strict(CompiledSchema):
    """As a platform may have it: what is expected fails alone, and pointers are no entities."""

    def entity_failed(self, error: Exception) -> Exception:
        if isinstance(error, AttributeError | KeyError | TypeError):
            return GraphQLError("Unknown.")
        raise error

    def reference_resolver(self, type_: Any) -> Callable[..., Any]:
        found: Callable[..., Any] = type_.resolve_reference
        return found


@pytest.mark.parametrize(
    "representation",
    [
        "text",
        5,
        ["list"],
        {},
        {"__typename": "Nobody", "id": "1"},
        {"__typename": "ID", "id": "1"},
        {"__typename": ["Product"], "id": "1"},
        {"__typename": "Product"},
        {"__typename": "Product", "id": "1", "info": "mine"},
        {"__typename": "Pointer", "id": "1"},
    ],
)
async def test_a_malformed_representation_fails_alone(representation: Any) -> None:
    given = {"r": [representation, {"__typename": "Product", "id": "1"}]}
    kept = str(given)
    found = await twice(make(Strict), ENTITIES, variable_values=given, context_value="you")
    assert found.data == {"_entities": [None, {"id": "1 for you"}]}
    assert [(error.message, error.path) for error in found.errors] == [
        ("Unknown.", ["_entities", 0])
    ]
    assert str(given) == kept


async def test_who_raises_for_one_entity_fails_all() -> None:
    given = {"r": [{"__typename": "Product", "id": "bug"}, {"__typename": "Product", "id": "1"}]}
    found = await twice(make(Strict), ENTITIES, variable_values=given)
    assert (found.data, found.errors[0].message) == (None, "bug")
    found = await twice(make(), ENTITIES, variable_values=given, context_value="you")
    assert found.data == {"_entities": [None, {"id": "1 for you"}]}


async def test_an_entity_without_a_function_is_made_from_its_key() -> None:
    text = "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }"
    names = ("Pointer", "Pointer", "Ticket", "Ticket")
    keys: tuple[dict[str, Any], ...] = (
        {"id": "1"},
        {"x": 1},
        {"id": "VGlja2V0OjE="},
        {"id": "wrong"},
    )
    given = {"r": [{"__typename": n, **key} for n, key in zip(names, keys, strict=True)]}
    found = await twice(make(types=[Ticket]), text, variable_values=given)
    pointer, ticket = {"__typename": "Pointer"}, {"__typename": "Ticket"}
    assert found.data == {"_entities": [pointer, None, ticket, None]}
    assert [error.message for error in found.errors] == [
        "Unable to resolve reference for Pointer",
        'Value cannot represent a GlobalID: "wrong".',
    ]
