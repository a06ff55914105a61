"""What the executor uses of its neighbours' inside: an upgrade that removes it is noticed here."""

import ast
import asyncio
import inspect
import sys
import tomllib
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from graphql.execution.executor import Executor
from strawberry.schema.schema_converter import GraphQLCoreConverter

ROOT = Path(__file__).parents[2]
PINNED = ("graphql-core", "strawberry-graphql")
# None of them is documented as public, or not what the executor relies on.
NAMES = """
graphql.execution.collect_fields: collect_fields collect_subfields FragmentDetails
graphql.execution.executor: CollectedErrors Executor invalid_return_type_error
graphql.execution.executor.CollectedErrors: add errors has_nulled_position
graphql.execution.executor.Executor: complete_value ensure_valid_runtime_type execute_operation
graphql.execution.get_variable_signature: get_variable_signature GraphQLVariableSignature
graphql.execution.values: VariableValues VariableValueSource get_argument_values
graphql.pyutils.is_awaitable: is_async_iterable
graphql.type: TypeNameMetaFieldDef
strawberry.execution: optimized_is_awaitable
strawberry.federation.schema: FederationAny
strawberry.federation.schema.Schema: entities_resolver
strawberry.schema.exceptions: CannotGetOperationTypeError InvalidOperationTypeError
strawberry.schema.schema: StrawberryGraphQLCoreExecutionContext validate_document
strawberry.schema.schema.Schema: _process_errors execute
strawberry.schema.schema_converter: GraphQLCoreConverter
strawberry.schema.schema_converter.GraphQLCoreConverter: DEFINITION_BACKREF from_resolver
strawberry.schema.schema_converter.GraphQLCoreConverter: _get_field_exception_handlers
strawberry.types.arguments: convert_argument convert_arguments
strawberry.types.base: StrawberryObjectDefinition
strawberry.types.cast: TYPE_CAST_ATTRIBUTE
strawberry.types.execution: ExecutionResult PreExecutionError
strawberry.types.field.StrawberryField: base_resolver default_resolver get_result
strawberry.types.fields.resolver.StrawberryResolver: info_parameter parent_parameter __call__
strawberry.types.fields.resolver.StrawberryResolver: is_async root_parameter self_parameter
"""


def imported(path: str) -> Any:
    """The module of that name, or the class in one."""
    try:
        return import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(import_module(module), name)


@pytest.mark.parametrize("line", NAMES.strip().splitlines())
def test_what_is_used_of_the_libraries_is_there(line: str) -> None:
    owner, names = line.split(": ")
    assert [name for name in names.split() if not hasattr(imported(owner), name)] == []


def test_the_executor_of_graphql_core_takes_what_it_is_given() -> None:
    made = list(inspect.signature(Executor).parameters)
    assert made[:10] == [
        "schema",
        "fragment_definitions",
        "fragments",
        "root_value",
        "context_value",
        "operation",
        "variable_values",
        "field_resolver",
        "type_resolver",
        "subscribe_field_resolver",
    ]
    assert {"is_awaitable", "is_async_iterable"} <= set(made)
    complete = list(inspect.signature(Executor.complete_value).parameters)[1:]
    assert complete == [
        "return_type",
        "field_details_list",
        "info",
        "path",
        "result",
        "position_context",
    ]


def test_strawberry_makes_the_functions_of_fields_where_they_are_looked_for() -> None:
    constants = GraphQLCoreConverter.from_resolver.__code__.co_consts
    names = {part.co_name for part in constants if isinstance(part, CodeType)}
    assert {"_get_basic_result", "_resolver", "_async_resolver"} <= names


async def test_futures_tell_what_tasks_and_their_guard_ask_them() -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    gathered = asyncio.gather(future)
    assert future._asyncio_future_blocking is False
    assert len(future._callbacks) == 1
    assert gathered._children == [future]  # type: ignore[attr-defined]
    future.set_result(None)
    await gathered


def test_nothing_of_the_platform_is_imported() -> None:
    """So that it can be released alone."""
    for file in (ROOT / "shared" / "executor").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [] if node.level == 1 else [node.module or ""]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            roots = {name.split(".")[0] for name in names}
            assert roots <= {"graphql", "strawberry", *sys.stdlib_module_names}, file


def test_the_versions_that_it_was_tested_with_are_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in PINNED:
        assert f"{name}=={version(name)}" in project["dependencies"]
