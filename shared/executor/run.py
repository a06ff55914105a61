"""One request: the values that it came with, and the state of its execution."""

from collections.abc import Awaitable
from copy import deepcopy
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    default_field_resolver,
    default_type_resolver,
)
from graphql.execution.executor import CollectedErrors
from graphql.execution.values import VariableValues
from graphql.pyutils.is_awaitable import is_async_iterable
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as CoreExecutor

from .awaiting import Waiting
from .operations import Operation
from .slots import Completer, Slot


class Run(Waiting):
    """The execution of one operation; it keeps nothing beyond it."""

    __slots__ = (
        "_core",
        "arguments",
        "context_value",
        "field_resolver",
        "is_async_iterable",
        "operation",
        "operation_extensions",
        "root_value",
        "type_resolver",
        "variable_values",
    )

    def __init__(
        self,
        operation: Operation,
        variable_values: VariableValues,
        context_value: Any = None,
        root_value: Any = None,
        operation_extensions: dict[str, Any] | None = None,
        core: CoreExecutor | None = None,
    ) -> None:
        self.operation, self.variable_values = operation, variable_values
        self.context_value, self.root_value = context_value, root_value
        self.operation_extensions = operation_extensions
        self._core = core
        self.field_resolver: Any = core.field_resolver if core else default_field_resolver
        self.type_resolver: Any = core.type_resolver if core else default_type_resolver
        self.is_awaitable = core.is_awaitable if core else optimized_is_awaitable
        self.is_async_iterable = core.is_async_iterable if core else is_async_iterable
        self.collected = core.collected_errors if core else CollectedErrors()
        self.arguments: dict[Slot, dict[str, Any]] = {}
        self.data = None
        self.queue = []
        self.active = set()
        self.tasks = {}
        self.arrived = []
        self.idle = self.broken = None
        self.forgetting = False

    @property
    def core(self) -> CoreExecutor:
        """graphql-core's executor for this request, for what is left to it."""
        if self._core is None:
            self._core = self._core_with(self.variable_values)
            self._core.collected_errors = self.collected
        return self._core

    def twin(self) -> CoreExecutor | None:
        """graphql-core's executor for the same request once more; None if it cannot be had."""
        try:
            # What resolvers do to their arguments must not reach the other execution.
            coerced = deepcopy(self.variable_values.coerced)
        except Exception:  # e.g. an uploaded file
            return None
        return self._core_with(VariableValues(self.variable_values.sources, coerced))

    def _core_with(self, variables: VariableValues) -> CoreExecutor:
        operation = self.operation
        return CoreExecutor(
            operation.schema,
            operation.fragment_definitions,
            operation.fragments,
            self.root_value,
            self.context_value,
            operation.node,
            variables,
            self.field_resolver,
            self.type_resolver,
            default_field_resolver,
            is_awaitable=self.is_awaitable,
            is_async_iterable=self.is_async_iterable,
            operation_extensions=self.operation_extensions,
        )

    def execute(self, steps: list[Completer]) -> ExecutionResult | Awaitable[ExecutionResult]:
        """Execute the operation by its plan; awaitable if something in it is."""
        data: dict[str, Any] = {}
        for index, step in enumerate(steps):
            self._step(step)
            if self.queue:
                return self._finish(data, steps[index + 1 :])
            if self.data is None:
                return self._result(None)
            data.update(self.data)
        return self._result(data)

    def _step(self, step: Completer) -> None:
        try:
            self.data = step(self.root_value, None, self)
        except GraphQLError as error:
            self.abandon(self.take())
            self.fail_root(error)

    async def _finish(self, data: dict[str, Any], steps: list[Completer]) -> ExecutionResult:
        try:
            await self.drain()
            for step in steps:
                if self.data is None:
                    break
                data.update(self.data)
                self._step(step)
                await self.drain()
        except BaseException as error:
            await self.end(error)
            raise
        if self.data is None:
            return self._result(None)
        data.update(self.data)
        return self._result(data)

    def _result(self, data: dict[str, Any] | None) -> ExecutionResult:
        self.leave()
        return ExecutionResult(data, self.collected.errors or None)
