"""Random operations: compiled plans answer them as graphql-core does.

`DIFFERENTIAL_OPERATIONS` and `DIFFERENTIAL_SEED` draw more of them, or others. The whole operation
is in the failure when one is answered differently.
"""

import asyncio
import builtins
import os
import re
from collections.abc import Iterator
from types import CodeType

import pytest

from shared.executor import functions
from tests.executor.judge import Judge

OPERATIONS = int(os.environ.get("DIFFERENTIAL_OPERATIONS", "5000"))
SEED = os.environ.get("DIFFERENTIAL_SEED", "1")
# Most that may be answered by nobody, because graphql-core cancelled its own request.
MOST_UNANSWERED = 0.003

pytestmark = [
    # graphql-core leaves coroutines behind that it never awaits.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.usefixtures("quiet", "unheard"),
    pytest.mark.timeout(120 + OPERATIONS // 50),
]


async def test_random_operations_are_answered_alike() -> None:
    judge = Judge()
    for number in range(OPERATIONS):
        await judge.judge(f"{SEED}/{number}")
    print(dict(judge.seen))  # noqa: T201 - for those who run more of them by hand
    assert judge.sampled.engine.counts.different == 0
    assert judge.seen["graphql-core had no answer"] <= OPERATIONS * MOST_UNANSWERED
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=5)
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Lines:
    """Which kinds of statements were generated, and which of them ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.generated: dict[str, int] = {}
        self.ran: set[int] = set()
        compile_source = functions._compile.__wrapped__

        def compile_counted(source: str) -> CodeType:
            return compile_source("\n".join(self._counted(source)))

        monkeypatch.setattr(functions, "_compile", compile_counted)
        monkeypatch.setattr(builtins, "ran", self.ran.add, raising=False)

    def _counted(self, source: str) -> Iterator[str]:
        """The source with a note before each statement."""
        for line in source.split("\n"):
            statement = line.lstrip()
            if not statement.startswith(("def ", "elif ", "else:", "except ", "try:")):
                number = self.generated.setdefault(self._kind(statement), len(self.generated))
                yield " " * (len(line) - len(statement)) + f"ran({number})"
            yield line

    @staticmethod
    def _kind(line: str) -> str:
        """The statement without what differs from field to field."""
        line = re.sub(r"'[^']*'", "'name'", line)
        line = re.sub(r"\b(v|c|f|F|b|s|a|λ|λinfo|λparent|λroot)\d+\b", r"\1", line)
        line = line.replace("(path, len(out), None)", "path").replace(
            "(path, 'name', 'name')", "path"
        )
        return re.sub(r"{.*}", "{fields}", line)

    def never(self) -> list[str]:
        """The kinds that did not run."""
        return [kind for kind, number in self.generated.items() if number not in self.ran]


async def test_every_kind_of_generated_statement_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, lines = Judge(), Lines(monkeypatch)
    for number in range(300):
        await judge.judge(f"statements/{number}")
    assert lines.never() == []
    assert len(lines.ran) >= 60
