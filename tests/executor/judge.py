"""Runs random operations on graphql-core and by compiled plans, and says where answers differ."""

import asyncio
import copy
import functools
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any, NamedTuple

from graphql import ExecutionResult, parse, validate
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as CoreExecutor
from strawberry.types.graphql import OperationType

from shared.executor import (
    CompiledExecutor,
    CompiledSchema,
    Documents,
    Entities,
    Settings,
    difference,
)
from tests.executor.domain import Context, build
from tests.executor.domain.parts import Halt
from tests.executor.generator import Generator

SECONDS_EACH = 3


class Case(NamedTuple):
    """An operation to be answered."""

    text: str
    variables: dict[str, Any]
    random: Random


class Judge:
    """Lets operations be answered in several ways, and counts what it has seen."""

    def __init__(self) -> None:
        self.plain = build(Entities)
        self.compiled = self._schema(Settings())
        self.sampled = self._schema(Settings(sample_every=1))
        self.off = self._schema(Settings(enabled=False))
        self.whole = build(CompiledSchema)
        self.extended = self._schema(Settings(), extensions=[SchemaExtension])
        self.hook = CompiledExecutor.with_settings(Settings())
        self.seen: Counter[str] = Counter()
        self._document = parse("{ ping }")
        # One thread, since its name is in an error.
        self._thread = ThreadPoolExecutor(1)
        self._ways = (
            (self._by_schema, 74),
            (self._by_hook, 10),
            (self._by_sampling, 5),
            (self._without_loop, 3),
            (self._cancelled, 2),
            (self._halted, 2),
            (self._off, 1),
            (self._extended, 1),
            (self._broken, 2),
        )

    def _schema(self, settings: Settings, **options: Any) -> Any:
        def documents(schema: Any) -> Documents:
            # What was drawn is parsed once for all, and valid by construction.
            return Documents(schema, lambda _: self._document, lambda *_: [], most=1)

        return build(CompiledSchema, compiled=settings, documents=documents, **options)

    async def judge(self, seed: str) -> None:
        """Draw an operation and compare its answers. Raises AssertionError with its text."""
        random = Random(seed)
        generator = Generator(self.plain._schema, random)
        case = Case(generator.operation(), generator.variables, random)
        self._document = parse(case.text)
        if random.random() < 0.01:
            assert validate(self.plain._schema, self._document) == [], case.text
            self.seen["validated"] += 1
        ways, weights = zip(*self._ways, strict=True)
        (way,) = random.choices(ways, weights)
        await self._judge(way, case)
        if generator.toggles and random.random() < 0.2:
            # The same text with other fields selected is another plan.
            for name in generator.toggles & case.variables.keys():
                case.variables[name] = not case.variables[name]
            self.seen["variants"] += 1
            await self._judge(way, case)

    async def _judge(self, way: Callable[[Case], Awaitable[None]], case: Case) -> None:
        self.seen[way.__name__] += 1
        async with asyncio.timeout(2 * SECONDS_EACH):
            await way(case)

    # -- the ways

    async def _by_schema(self, case: Case) -> None:
        expected = await self._expected(case)
        for _ in range(2):  # a fresh plan, and one that remembers classes
            self._compare(case, expected, await self._by(self.compiled, case))

    async def _by_sampling(self, case: Case) -> None:
        self._compare(case, await self._expected(case), await self._by(self.sampled, case))

    async def _by_hook(self, case: Case) -> None:
        expected = await self._expected(case)
        for _ in range(2):
            self._compare(case, expected, await self._by_core(case, self.hook))

    async def _off(self, case: Case) -> None:
        expected = await self._expected(case)
        self._compare(case, expected, await self._ask(self.off, case, case.text))

    async def _without_loop(self, case: Case) -> None:
        """Executed by a thread: an answer may not be awaited there."""

        def run(executor_class: type[CoreExecutor]) -> ExecutionResult:
            found: Any = self._execute(case, executor_class)
            if isinstance(found, ExecutionResult):
                return found
            found.close()
            return ExecutionResult(None, None)

        in_thread = asyncio.get_running_loop().run_in_executor
        expected, found = [
            await in_thread(self._thread, functools.partial(run, executor_class))
            for executor_class in (CoreExecutor, self.hook)
        ]
        self._compare(case, expected, found)

    async def _cancelled(self, case: Case) -> None:
        """Cancelled after some steps: no task of the executor is left behind."""
        self._known(self.compiled, case)
        before = asyncio.all_tasks()
        task = self._ask(self.compiled, case, case.text)
        for _ in range(case.random.randint(1, 8)):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            self.seen["cancelled in time"] += 1
            self._check_left(before, case)

    async def _halted(self, case: Case) -> None:
        """Ended by what is no `Exception` from a loader, unless nobody waits for that."""
        self._known(self.compiled, case)
        before = asyncio.all_tasks()
        try:
            found = await self._ask(self.compiled, case, case.text, Context(halted=True))
        except Halt:
            self.seen["halted in time"] += 1
            self._check_left(before, case)
        else:
            self._compare(case, await self._expected(case), found)

    @staticmethod
    def _check_left(before: set[asyncio.Task[Any]], case: Case) -> None:
        left = [repr(task) for task in asyncio.all_tasks() - before]
        assert not [task for task in left if "_follow" in task], (left, case)

    async def _extended(self, case: Case) -> None:
        """With a schema extension, which nothing may go around."""
        expected = await self._expected(case)
        self._compare(case, expected, await self._ask(self.extended, case, case.text))

    async def _broken(self, case: Case) -> None:
        """What is no operation, or not allowed, is refused in Strawberry's words."""
        middle = case.random.randint(1, len(case.text) - 2)
        changed = case.text[:middle] + case.random.choice("{}$x ") + case.text[middle + 1 :]
        unknown = case.text.replace("@skip", "@unknown")
        text = case.random.choice((changed, changed, unknown, case.text, ""))
        options: dict[str, Any] = {"operation_name": case.random.choice((None, "Drawn", "Other"))}
        if case.random.random() < 0.5:
            options["allowed_operation_types"] = [OperationType.QUERY]
        answers: list[Any] = []
        for schema in (self.plain, self.whole):
            try:
                found = await self._ask(schema, case, text, **options)
            except (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError) as e:
                found = e
            answers.append(found)
        expected, found = answers
        assert type(expected) is type(found), (text, options, expected, found)
        if not isinstance(expected, Exception):
            self._compare(case._replace(text=text), expected, found)

    # -- their parts

    def _execute(self, case: Case, executor_class: type[CoreExecutor]) -> Any:
        variables = copy.deepcopy(case.variables)
        executor = executor_class.build(
            self.plain._schema, self._document, None, Context(), variables
        )
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        if isinstance(executor, CompiledExecutor):
            # As if it had been asked for before.
            executor.engine.operations.of(executor).plan(executor.variable_values)
        return executor.execute_operation()

    async def _expected(self, case: Case) -> ExecutionResult | None:
        """graphql-core's answer, if it has one.

        It cancels what is below a null place, and with it what others share; then it cancels its
        own request, or waits for ever.
        """
        try:
            async with asyncio.timeout(SECONDS_EACH):
                return await self._by_core(case)
        except (asyncio.CancelledError, TimeoutError):
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            self.seen["graphql-core had no answer"] += 1
            return None

    async def _by_core(
        self, case: Case, executor_class: type[CoreExecutor] = CoreExecutor
    ) -> ExecutionResult:
        async def answer() -> ExecutionResult:
            found: Any = self._execute(case, executor_class)
            return found if isinstance(found, ExecutionResult) else await found

        # In a task of its own, for context variables of its own.
        return await asyncio.create_task(answer())

    def _ask(
        self, schema: Any, case: Case, text: str, context: Context | None = None, **options: Any
    ) -> asyncio.Task[Any]:
        """Another such task."""
        variables = copy.deepcopy(case.variables)
        answer = schema.execute(text, variables, context_value=context or Context(), **options)
        return asyncio.create_task(answer)

    def _known(self, schema: Any, case: Case) -> bool:
        """Make an operation known, as if it had been asked for; false if that is refused."""
        operation = schema.documents.find(case.text).operation(None)
        values = operation.variables(copy.deepcopy(case.variables))
        if not isinstance(values, list):
            operation.plan(values)
        return not isinstance(values, list)

    async def _by(self, schema: Any, case: Case) -> Any:
        compiled = schema.engine.counts.compiled + self._known(schema, case)
        found = await self._ask(schema, case, case.text)
        assert schema.engine.counts.compiled == compiled, case
        return found

    def _compare(self, case: Case, expected: Any, found: Any) -> None:
        if expected is None:
            return  # at least the other one had
        report = f"{case.text}\n{case.variables}\n{expected}\n{found}"
        assert difference(expected, found) is None, report
        assert json.dumps(expected.data) == json.dumps(found.data), report
        self.seen["compared"] += 1
        self.seen["with errors"] += bool(expected.errors)
        self.seen["other errors"] += len(expected.errors or ()) != len(found.errors or ())
