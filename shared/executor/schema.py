"""The schema: operations that it knows are executed at once, with nothing put around them."""

from collections.abc import Callable, Iterable
from typing import Any

from graphql import ExecutionResult as CoreResult
from graphql import GraphQLError, GraphQLSchema
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from .documents import Documents
from .entities import Entities
from .executor import CompiledExecutor, Settings
from .run import Run


class CompiledSchema(Entities):
    """A federated schema whose operations are compiled when they come again.

    `documents` makes the memory of parsed and validated documents; by default they are parsed and
    validated as Strawberry does.
    """

    def __init__(
        self,
        *args: Any,
        compiled: Settings | None = None,
        documents: Callable[[GraphQLSchema], Documents] = Documents,
        **options: Any,
    ) -> None:
        executor = CompiledExecutor.with_settings(compiled or Settings())
        super().__init__(*args, execution_context_class=executor, **options)
        self.engine = executor.engine
        self.documents = documents(self._schema)

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Execute an operation: at once, or through Strawberry where something is put around it."""
        if self._has_surroundings():
            return await super().execute(
                query,
                variable_values,
                context_value,
                root_value,
                operation_name,
                allowed_operation_types,
                operation_extensions,
            )
        return await self.execute_compiled(
            query,
            variable_values,
            operation_name,
            context_value,
            root_value,
            allowed_operation_types,
            operation_extensions,
        )

    async def execute_compiled(
        self,
        query: str | None,
        variables: dict[str, Any] | None = None,
        operation_name: str | None = None,
        context: Any = None,
        root: Any = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Execute an operation without schema extensions.

        Raises MissingQueryError, CannotGetOperationTypeError and InvalidOperationTypeError, like
        Strawberry's own `execute`.
        """
        if not query:
            raise MissingQueryError
        try:
            document = self.documents.find(query)
        except Exception as error:
            return self._refused([error])
        try:
            operation = document.operation(operation_name)
        except LookupError as error:
            raise CannotGetOperationTypeError(operation_name) from error
        if allowed_operation_types is not None:
            kind = OperationType(operation.type.value)
            if kind not in allowed_operation_types:
                raise InvalidOperationTypeError(kind)
        if document.errors:
            return self._refused(document.errors)
        if not operation.is_compilable:
            return await super().execute(
                query,
                variables,
                context,
                root,
                operation_name,
                allowed_operation_types,
                operation_extensions,
            )
        try:
            values = operation.variables(variables or {})
            if isinstance(values, list):
                return self._answered(CoreResult(None, values))
            run = Run(operation, values, context, root, operation_extensions)
            plan = self.engine.plan(run)
            found: Any = (
                run.core.execute_operation() if plan is None else self.engine.answer(run, plan)
            )
            return self._answered(found if isinstance(found, CoreResult) else await found)
        except Exception as error:
            return self._refused([error])

    def _has_surroundings(self) -> bool:
        incremental = self.config.enable_experimental_incremental_execution
        return bool(self.extensions or self.directives or incremental)

    def _answered(self, result: CoreResult) -> ExecutionResult:
        if result.errors:
            self._process_errors(result.errors)
        return ExecutionResult(result.data, result.errors)

    def _refused(self, errors: Iterable[Exception]) -> PreExecutionError:
        found = [
            error
            if isinstance(error, GraphQLError)
            else GraphQLError(str(error), original_error=error)
            for error in errors
        ]
        self._process_errors(found)
        return PreExecutionError(None, found)
