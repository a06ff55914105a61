"""Objects of all kinds: of one type or several, told by class, by value, or only later."""

import asyncio
import datetime
import decimal
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import strawberry

from tests.executor.domain.parts import (
    Boom,
    Level,
    Row,
)

if TYPE_CHECKING:
    from tests.executor.domain.people import User

T = TypeVar("T")
_User = Annotated["User", strawberry.lazy("tests.executor.domain.people")]


@strawberry.interface
class Node:
    id: strawberry.ID
    label: str | None = None


@strawberry.federation.type(keys=["id"])
class Address(Node):
    street: str = "street"
    zip: int | None = None

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Any:
        if id == "2":
            raise Boom("no such address")
        return Boom("returned") if id == "3" else Address(id=id, label="reference")


@strawberry.federation.type(keys=["id"])
class Stub:
    """An entity that is made from its key."""

    id: strawberry.ID
    size: int = 3


@strawberry.type
class Money:
    amount: decimal.Decimal
    currency: str


@strawberry.type
class Review(Node):
    stars: int = 5
    text: str | None = None

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        return isinstance(value, Review | Row) and value.stars != 4

    @strawberry.field
    async def author(
        self,
    ) -> _User | None:
        from tests.executor.domain import people

        await asyncio.sleep(0)
        return people.users()[int(self.id[-1]) % 3]

    @strawberry.field
    def risky(root) -> int:  # noqa: N805 - how Strawberry names a parent
        if root.stars == 3:
            raise Boom(f"risky {root.id}")
        return int(root.stars)


@strawberry.type
class Slow(Node):
    """A type that only an await can tell."""

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> Any:
        async def belongs() -> bool:
            await asyncio.sleep(0)
            return isinstance(value, Slow) and value.label != "wrong"

        return belongs()


@strawberry.interface
class Shape:
    name: str

    @classmethod
    def resolve_type(cls, value: Any, info: Any, type_: Any) -> Any:
        async def later() -> str:
            return "Circle"

        if value.name == "where":
            raise Boom(str(info.path.as_list()))
        return {"later": later, "nothing": lambda: None}.get(value.name, lambda: "Circle")()


@strawberry.type
class Circle(Shape):
    radius: float = 1.5


@strawberry.type
class Edge(Generic[T]):
    cursor: str
    node: T


@strawberry.federation.type(keys=["id"])
class Course(Node):
    title: str = ""
    level: Level = Level.LOW
    price: Money | None = None
    grid: list[list[int | None]] = strawberry.field(default_factory=list)
    strict_grid: list[list[int] | None] | None = None
    created: datetime.datetime = datetime.datetime(2024, 1, 2, 3, 4, 5)  # noqa: DTZ001

    @strawberry.field
    async def reviews(self, info: strawberry.Info, first: int = 2) -> list[Review]:
        found: list[Review] = await info.context.reviews.load(self.id)
        return found[:first]

    @strawberry.field
    def reviews_at_once(self, info: strawberry.Info) -> list[Review] | None:
        return info.context.reviews.load(self.id)  # type: ignore[no-any-return]

    @classmethod
    def resolve_reference(cls, id: strawberry.ID, info: strawberry.Info) -> Any:
        if id == "0":
            done: asyncio.Future[Course] = asyncio.get_running_loop().create_future()
            done.set_result(course(id))
            return done
        return info.context.course.load(id)

    @strawberry.field
    async def must(self) -> str:
        await asyncio.sleep(0)
        if self.id.endswith("1"):
            raise Boom(f"must {self.id}")
        return self.title

    @strawberry.field
    async def maybe_reviews(self) -> list[Review | None]:
        return [Review(id=strawberry.ID("7"), stars=3), None, Review(id=strawberry.ID("9"))]


def course(id: str) -> Course:
    """A course with a grid and a price."""
    price = Money(amount=decimal.Decimal("1.50"), currency="EUR") if id != "1" else None
    strict: Any = [[1], None, [2, None]] if id.endswith("2") else [[3]]
    return Course(
        id=strawberry.ID(id),
        title=f"course {id}",
        level=Level.HIGH if id == "3" else Level.LOW,
        price=price,
        grid=[[1, None], []],
        strict_grid=strict,
    )
