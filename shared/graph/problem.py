"""Refusals as data: what a mutation answers when a rule says no."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import strawberry
from strawberry.federation.schema_directives import Tag
from strawberry.types.enum import EnumValue, StrawberryEnumDefinition
from strawberry.types.field import StrawberryField

from shared.errors import DomainError
from shared.graph.tags import PUBLIC


@strawberry.enum(description="Why something was refused; each subgraph adds its own codes.")
class ProblemCode(Enum):
    INTERNAL = "INTERNAL"


@strawberry.federation.type(
    shareable=True,
    description="A refusal that the caller can understand and mend.",
    tags=[PUBLIC],
)
class Problem:
    code: ProblemCode = strawberry.field(description="What was refused, for programs.")
    message: str = strawberry.field(description="What was refused, for people.")
    field: str | None = strawberry.field(description="The argument at fault, when it is one.")


class ProblemHandler(strawberry.ExceptionHandler[DomainError, Problem]):
    """Answers a DomainError with a Problem wherever the field's type has one."""

    def handle(
        self, exception: DomainError, *, field: StrawberryField, info: strawberry.Info[Any, Any]
    ) -> Problem:
        # The enum's values are plain strings at run time, collected from the error classes.
        code: Any = exception.code
        return Problem(code=code, message=exception.message, field=exception.field)


def _error_classes(subgraph: str) -> Iterator[type[DomainError]]:
    pending: deque[type[DomainError]] = deque([DomainError])
    while pending:
        error = pending.popleft()
        pending.extend(error.__subclasses__())
        ours = error.__module__ == DomainError.__module__
        if ours or error.__module__.startswith(f"subgraphs.{subgraph}."):
            yield error


def _codes(subgraph: str) -> dict[str, EnumValue]:
    """The codes as clients see them. Raises TypeError when two errors claim one code."""
    owners: dict[str, type[DomainError]] = {}
    for error in _error_classes(subgraph):
        # An error without a code of its own speaks with the one above it, and does not explain it.
        if "code" not in vars(error):
            continue
        known = owners.setdefault(error.code, error)
        if known is not error:
            raise TypeError(f"{error.__name__} and {known.__name__} both have {error.code}")
    return {code: _value(error) for code, error in owners.items()}


def _value(error: type[DomainError]) -> EnumValue:
    if error is DomainError:
        text = "Something unexpected went wrong; it was logged under the request's id."
    else:
        text = (error.__doc__ or "").split("\n", 1)[0]
    # A partner who may be refused sees the general codes, not what else the platform can do.
    general = error is DomainError or DomainError in error.__bases__
    tags = [Tag(name=PUBLIC)] if general else []
    return EnumValue(name=error.code, value=error.code, description=text, directives=tags)


@contextmanager
def problem_codes_of(subgraph: str) -> Iterator[None]:
    """Give `ProblemCode` the codes of one subgraph's errors while its schema is built.

    Several subgraphs live in one process, so the shared enum's values are not fixed for all.
    """
    definition: StrawberryEnumDefinition = ProblemCode.__strawberry_definition__  # type: ignore[attr-defined]
    before = definition.values
    definition.values = [value for _, value in sorted(_codes(subgraph).items())]
    try:
        yield
    finally:
        definition.values = before
