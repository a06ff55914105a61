"""Users: their fields answer well, badly, late and not at all."""

import asyncio
import decimal
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import strawberry

from tests.executor.domain.objects import (
    Address,
    Circle,
    Course,
    Edge,
    Money,
    Node,
    Review,
    Shape,
    Slow,
    course,
)
from tests.executor.domain.parts import (
    Allowed,
    AllowedLater,
    Bare,
    Boom,
    Even,
    Later,
    Level,
    Proxy,
    Range,
    Row,
    Upper,
    UpperLater,
    marked,
)

Anything = Annotated[Course | Review | Address, strawberry.union("Anything")]
Odd = Annotated[Course | Edge[Course] | Edge[Money], strawberry.union("Odd")]


@strawberry.federation.type(keys=["id"])
class User(Node):
    name: str = ""
    age: int | None = None
    score: float | None = None
    active: bool = True
    uid: uuid.UUID = uuid.UUID(int=5)
    tags: list[str] = strawberry.field(default_factory=list)
    odd_tags: list[str | None] | None = None
    address: Address | None = None
    home: Address = strawberry.field(default_factory=lambda: Address(id=strawberry.ID("h")))
    rank: Level | None = None
    even: Even | None = None
    anything_now: Any = strawberry.field(graphql_type=str | None, default=None)

    @strawberry.field
    async def courses(self, info: strawberry.Info) -> list[Course]:
        found: list[Course] = await info.context.courses.load(self.id)
        return found

    @strawberry.field
    def courses_later(self, info: strawberry.Info) -> list[Course] | None:
        return info.context.courses.load(self.id)  # type: ignore[no-any-return]

    @strawberry.field
    async def both_courses(self, info: strawberry.Info) -> list[list[Course]] | None:
        return await info.context.courses.load_many([self.id, "0"])  # type: ignore[no-any-return]

    @strawberry.field
    def greet(self, greeting: str = "hi", times: int | None = 1, level: Level = Level.LOW) -> str:
        return f"{greeting} {self.name} {times} {level.name}"

    @strawberry.field
    def ranged(
        self, range: Range | None = None, ids: list[int] | None = None, even: Even | None = None
    ) -> str:
        return f"{range} {ids} {even}"

    @strawberry.field
    async def ranged_later(self, range: Range, parent: strawberry.Parent[Any]) -> str:
        return f"{range.low} {range.inner and range.inner.level} {parent.name}"

    @strawberry.field
    def fails(self) -> str | None:
        raise Boom(f"fails {self.id}")

    @strawberry.field
    async def fails_later(self, returned: bool = False) -> str | None:
        await asyncio.sleep(0)
        if returned:
            return Boom("returned")  # type: ignore[return-value]
        raise Boom(f"fails later {self.id}")

    @strawberry.field
    def strict(self) -> str:
        return None if self.id == "1" else "strict"  # type: ignore[return-value]

    @strawberry.field(permission_classes=[Allowed])
    def secret(self) -> str | None:
        return "secret"

    @strawberry.field(permission_classes=[AllowedLater])
    async def secret_later(self, level: Level = Level.HIGH) -> str | None:
        return f"secret {level.name}"

    @strawberry.field(extensions=[Upper()])
    def shout(self, times: int = 1) -> str:
        return self.name * times

    @strawberry.field(extensions=[UpperLater()])
    async def shout_later(self) -> str:
        return self.name

    @strawberry.field
    def where(self, info: strawberry.Info) -> list[str]:
        raw = info._raw_info
        assert raw.schema is info.schema._schema
        assert raw.is_awaitable(asyncio.sleep) is False
        assert raw.root_value is None
        assert raw.abort_signal is None
        assert raw.async_helpers is not None
        seen = [raw.parent_type.name, str(raw.return_type), raw.operation.operation.value]
        names = [*sorted(raw.fragments), *sorted(info.variable_values), str(info.input_extensions)]
        return [*map(str, info.path.as_list()), info.field_name, *seen, *names]

    @strawberry.field
    def selected(self, info: strawberry.Info) -> Course | None:
        found = [s for chosen in info.selected_fields for s in chosen.selections]
        names = [getattr(s, "name", type(s).__name__) for s in found]
        return Course(id=strawberry.ID("77"), title=",".join(names))

    @strawberry.field
    async def anything(self) -> list[Anything]:
        cast = strawberry.cast(Address, course("2"))
        return [course("1"), Review(id=strawberry.ID("4")), Address(id=strawberry.ID("2")), cast]

    @strawberry.field
    def something(self) -> Anything | None:
        found = course(self.id)
        if self.id == "2":
            return Review(id=self.id, stars=4)
        return strawberry.cast(Address, found) if self.id == "1" else found

    @strawberry.field
    def wrong(self) -> Annotated[Course | Review, strawberry.union("Wrong")] | None:
        if self.id == "1":
            return Address(id=strawberry.ID("2"))  # type: ignore[return-value]
        return course("8")

    @strawberry.field(graphql_type=list[int])
    async def numbers(self, until: int = 2) -> AsyncIterator[int]:
        for number in range(until):
            yield number

    @strawberry.field(graphql_type=list[Review | None] | None)
    async def reviews_one_by_one(self) -> AsyncIterator[Review | None]:
        yield Review(id=strawberry.ID("1"))
        yield None
        if self.id == "1":
            raise Boom("no more")

    @strawberry.field
    def bad_number(self) -> int | None:
        return "x1"  # type: ignore[return-value]

    @strawberry.field
    def listed_errors(self) -> list[int | None]:
        return [1, Boom("in a list"), None, 2**40, "7", True]  # type: ignore[list-item]

    @strawberry.field
    def generated(self, broken: bool = False) -> list[Course] | None:
        def courses() -> Iterator[Course]:
            yield course("3")
            if broken:
                raise Boom("broken off")
            yield course("1")

        return courses()  # type: ignore[return-value]

    @strawberry.field
    def not_a_list(self) -> list[int] | None:
        return 5 if self.id == "1" else "five"  # type: ignore[return-value]

    @strawberry.field
    def sleepers(self, strict: bool = False) -> list[str | None]:
        async def sleeper(number: int) -> str:
            await asyncio.sleep(0)
            if number == 1 and self.id == "1":
                raise Boom("a sleeper")
            return f"{number}"

        return [sleeper(0), sleeper(1), "2", sleeper(3)]  # type: ignore[list-item]

    @strawberry.field
    def futures(self) -> list[Course | None] | None:
        """Done, failed, soon and later; and a task."""
        loop = asyncio.get_running_loop()
        made: list[Any] = [loop.create_future() for _ in range(4)]
        made[0].set_result(course("0"))
        made[1].set_exception(Boom("a future"))
        loop.call_soon(made[2].set_result, course("2"))
        loop.call_later(0.001, lambda: made[3].done() or made[3].set_result(course("1")))

        async def sleeper() -> Course:
            await asyncio.sleep(0)
            return course("3")

        if self.id == "1":
            return [*made, loop.create_task(sleeper())]
        return [made[0], made[2], made[3]]

    @strawberry.field
    def future(self) -> "User":
        made = asyncio.get_running_loop().create_future()
        made.set_result(self)
        return made  # type: ignore[return-value]

    @strawberry.field
    def strict_sleepers(self) -> list[Course] | None:
        async def sleeper(number: str) -> Course | None:
            await asyncio.sleep(0)
            return None if number == self.id else course(number)

        bad = Boom("not a course") if self.id == "2" else None
        return [sleeper("0"), sleeper("1"), bad or course("3"), sleeper("4")]  # type: ignore[list-item]

    @strawberry.field
    async def twice_later(self) -> str | None:
        return Later("again")  # type: ignore[return-value]

    @strawberry.field
    def empty_later(self) -> str | None:
        return Bare()  # type: ignore[return-value]

    @strawberry.field
    async def timed_out(self) -> str | None:
        if self.id == "1":
            raise TimeoutError
        return "in time"

    @strawberry.field
    def mark(self, mark: str = "marked") -> "User":
        marked.set(mark)
        return self

    @strawberry.field
    async def mark_later(self, mark: str = "marked later") -> "User":
        await asyncio.sleep(0)
        marked.set(mark)
        return self

    @strawberry.field
    async def marked(self) -> str:
        return marked.get()

    @strawberry.field
    def money(self) -> list[Money | None]:
        return [Proxy(), None, Money(amount=decimal.Decimal(1), currency="EUR"), Row("3", 4)]  # type: ignore[list-item]

    @strawberry.field
    def edges(self) -> list[Edge[Course]]:
        return [Edge(cursor="a", node=course("3")), Edge(cursor="b", node=course("1"))]

    @strawberry.field
    async def edges_later(self) -> Edge[Course] | None:
        return None if self.id == "2" else Edge(cursor="a", node=course("4"))

    @strawberry.field
    def odd(self) -> list[Odd | None]:
        euro = Money(amount=decimal.Decimal(2), currency="EUR")
        found: list[Any] = [Edge(cursor="c", node=course("3")), Edge(cursor="m", node=euro), None]
        one, several = strawberry.cast(Course, Row("5", 1)), strawberry.cast(Edge, Row("6", 1))
        return [*found, one, several, one]

    @strawberry.field
    def cast_home(self) -> Address | None:
        other = Address(id=strawberry.ID("cast"))
        return strawberry.cast(Course, other) if self.id == "1" else other

    @strawberry.field
    def homes(self) -> list[Address | None]:
        homes: list[Any] = [Address(id=strawberry.ID(str(n)), zip=n) for n in range(3)]
        strawberry.cast(Course, homes[1])
        return [*homes, course("3"), None, Boom("homeless")]

    @strawberry.field
    def shapes(self) -> list[Shape | None]:
        names = ("first", "later", "nothing", "where", "first")
        return [Circle(name=name) for name in names]

    @strawberry.field
    def slow(self) -> list[Slow | None]:
        return [Slow(id=strawberry.ID("1")), Slow(id=strawberry.ID("2"), label="wrong"), None]

    @strawberry.field
    def slow_one(self) -> Slow | None:
        return Slow(id=strawberry.ID("1"), label="wrong" if self.id == "1" else None)

    @strawberry.field
    def slow_node(self) -> Node | None:
        return Slow(id=strawberry.ID("1"))

    @strawberry.field
    def levels(self) -> list[Level | None]:
        return [Level.LOW, Level.HIDDEN, "high", "unknown", None]  # type: ignore[list-item]

    @strawberry.field
    def evens(self) -> list[Even | None]:
        return [Even(2), Even(3), Even(13), None]

    @strawberry.field
    @staticmethod
    def static(text: str = "static") -> str:
        return text

    @classmethod
    async def resolve_reference(cls, id: strawberry.ID, info: strawberry.Info) -> Any:
        await asyncio.sleep(0)
        if id == "3":
            raise Boom("no such user")
        return None if id == "4" else users()[int(id) % 3]


def users() -> list[User]:
    """Three users; the last has no home, which it must have."""
    made = [
        User(
            id=strawberry.ID(str(n)),
            name=f"user {n}",
            age=None if n == 2 else 20 + n,
            score=float("inf") if n == 2 else n / 2,
            tags=["a", "b"],
            odd_tags=None if n == 0 else ["x", None],
            address=None if n == 1 else Address(id=strawberry.ID(f"a{n}"), zip=n),
            rank=None if n else Level.HIGH,
            even=Even(n),
        )
        for n in range(3)
    ]
    made[2].home = made[2].tags = None  # type: ignore[assignment]
    made[1].anything_now = Later("awaited")
    return made
