"""What the types are made of: leaves, inputs, what stands before resolvers, odd values."""

import asyncio
import decimal
import enum
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextvars import ContextVar
from typing import Any, NewType

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission

marked: ContextVar[str] = ContextVar("marked", default="unmarked")


class Boom(Exception):
    """What resolvers raise and return."""


class Halt(BaseException):
    """What ends a whole request."""


class Refused(Exception):
    """What the exception handler turns into a `Refusal`."""


# -- leaves


@strawberry.enum
class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"
    HIDDEN = strawberry.enum_value("hidden", name="SECRET")


def _even(value: int) -> int | None:
    if value == 13:
        raise Boom("unlucky")
    return value if value % 2 == 0 else None


Even = NewType("Even", int)
EVEN = strawberry.scalar(name="Even", serialize=_even, parse_value=int)


# -- what stands before resolvers


class Allowed(BasePermission):
    message = "Not allowed."

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return getattr(source, "id", "0") != "2"


class AllowedLater(BasePermission):
    message = "Not allowed later."

    async def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        await asyncio.sleep(0)
        return getattr(source, "id", "0") != "1"


class Upper(FieldExtension):
    def resolve(
        self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **arguments: Any
    ) -> Any:
        return next_(source, info, **arguments).upper()


class UpperLater(FieldExtension):
    async def resolve_async(
        self,
        next_: Callable[..., Awaitable[Any]],
        source: Any,
        info: strawberry.Info,
        **arguments: Any,
    ) -> Any:
        return (await next_(source, info, **arguments)).upper()


# -- inputs


@strawberry.input
class Inner:
    level: Level | None = None
    numbers: list[int] = strawberry.field(default_factory=list)


@strawberry.input
class Range:
    low: int = 0
    high: int | None = 5
    inner: Inner | None = None
    others: list[Inner] | None = None


@strawberry.type
class Refusal:
    reason: str


class RefusalHandler(strawberry.ExceptionHandler[Refused, Refusal]):
    def handle(self, exception: Refused, *, field: Any, info: Any) -> Refusal | None:
        return None if str(exception) == "declined" else Refusal(reason=str(exception))


# -- values


class Row:
    """An object of a class that is no Strawberry type, as an ORM has them."""

    def __init__(self, id: str, stars: int) -> None:
        self.id, self.stars, self.label = id, stars, "row"


class Proxy:
    """An object that answers for attributes it does not have."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return {"id": "p", "amount": decimal.Decimal(7), "currency": "XXX"}.get(name)


class Later:
    """An awaitable that is no coroutine, so that nobody has to await it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[None, None, Any]:
        yield
        return self._value

    def __repr__(self) -> str:
        return f"Later({self._value!r})"


class Bare:
    """An awaitable whose steps are no generator; it gives nothing."""

    def __await__(self) -> Iterator[Any]:
        return iter((None,))
