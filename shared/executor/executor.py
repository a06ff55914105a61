"""The executor that Strawberry takes, and what decides how an operation is answered."""

import logging
from asyncio import CancelledError, current_task, timeout
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from graphql import ExecutionResult, OperationType
from graphql.pyutils import is_awaitable
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as CoreExecutor

from .operations import Operations
from .run import Run
from .sampling import Difference, difference
from .slots import Completer

log = logging.getLogger(__name__)
Answer = ExecutionResult | Awaitable[ExecutionResult]


@dataclass(frozen=True)
class Settings:
    """How operations are answered.

    `enabled=False` leaves all to graphql-core. With `sample_every=n`, one query in n is answered by
    graphql-core, too, if it can within `sample_seconds`; a difference is counted, logged and given
    to `on_difference`.
    """

    enabled: bool = True
    sample_every: int = 0
    sample_seconds: float = 5
    on_difference: Callable[[Difference], None] | None = None
    most_operations: int = 1000


@dataclass
class Counts:
    """How many operations were answered in which way since the start."""

    compiled: int = 0
    interpreted: int = 0
    sampled: int = 0
    different: int = 0


class Engine:
    """Answers requests by their plans, or leaves them to graphql-core."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.counts = settings, Counts()
        self.operations = Operations(settings.most_operations)
        self._queries = 0

    def plan(self, run: Run) -> list[Completer] | None:
        """The plan by which a request is to be answered, or None."""
        plan = run.operation.plan(run.variable_values) if self.settings.enabled else None
        if plan is None:
            self.counts.interpreted += 1
        else:
            self.counts.compiled += 1
        return plan

    def answer(self, run: Run, plan: list[Completer]) -> Answer:
        """Execute a request by its plan; now and then let graphql-core do so, too."""
        if not self._is_sample(run):
            return run.execute(plan)
        twin = run.twin()
        ours = run.execute(plan)
        if twin is None:
            return ours
        if not isinstance(ours, ExecutionResult):
            return self._compare_later(ours, twin.execute_operation)
        theirs: Any = twin.execute_operation()
        if isinstance(theirs, ExecutionResult):
            return self._compared(ours, theirs)
        return self._compare_later(ours, lambda: theirs)

    def _is_sample(self, run: Run) -> bool:
        if not self.settings.sample_every or run.operation.type is not OperationType.QUERY:
            return False
        self._queries += 1
        return self._queries % self.settings.sample_every == 0

    async def _compare_later(self, ours: Answer, ask: Callable[[], Any]) -> ExecutionResult:
        if not isinstance(ours, ExecutionResult):
            ours = await ours
        try:
            async with timeout(self.settings.sample_seconds):
                theirs = ask()
                if not isinstance(theirs, ExecutionResult):
                    theirs = await theirs
        except (CancelledError, TimeoutError):
            task = current_task()
            if task is None or task.cancelling():
                raise
            # graphql-core cancelled a future that others share, or waits for one.
            return ours
        return self._compared(ours, theirs)

    def _compared(self, ours: ExecutionResult, theirs: ExecutionResult) -> ExecutionResult:
        """Ours where both are the same, else that of graphql-core."""
        self.counts.sampled += 1
        found = difference(ours, theirs)
        if found is None:
            return ours
        self.counts.different += 1
        log.error("compiled answer differs in its %s at %s", found.kind, list(found.path))
        if self.settings.on_difference is not None:
            self.settings.on_difference(found)
        return theirs


class CompiledExecutor(CoreExecutor):
    """graphql-core's executor, which runs compiled plans and leaves the rest to its base class.

    For Strawberry's `execution_context_class`; `with_settings` makes one for a single schema.
    """

    engine: ClassVar[Engine] = Engine(Settings())

    @classmethod
    def with_settings(cls, settings: Settings) -> type[Self]:
        """A subclass with settings, counts and plans of its own."""
        return type(cls.__name__, (cls,), {"engine": Engine(settings)})

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Execute the operation; awaitable if something in it is."""
        middleware = self.middleware_manager
        if (
            serially is not None
            or (middleware is not None and middleware.middlewares)
            or self.abort_signal is not None
            or self.hooks is not None
            or self.hide_suggestions
            # Whoever says of coroutines that they are not is not asked by generated code.
            or self.is_awaitable not in (is_awaitable, optimized_is_awaitable)
        ):
            return super().execute_operation(serially)
        run = Run(
            self.engine.operations.of(self),
            self.variable_values,
            self.context_value,
            self.root_value,
            self.operation_extensions,
            core=self,
        )
        plan = self.engine.plan(run)
        return super().execute_operation() if plan is None else self.engine.answer(run, plan)
