"""A schema that holds everything that a field, a type or a value can be."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any

import strawberry
from strawberry.dataloader import DataLoader
from strawberry.schema.config import StrawberryConfig

from tests.executor.domain.objects import (
    Address,
    Circle,
    Course,
    Node,
    Review,
    Slow,
    Stub,
    course,
)
from tests.executor.domain.parts import (
    EVEN,
    Boom,
    Even,
    Halt,
    Refusal,
    RefusalHandler,
    Refused,
    Row,
    marked,
)
from tests.executor.domain.people import User, users

Renamed = Annotated[User | Refusal, strawberry.union("Renamed")]


@dataclass
class Context:
    """What a request has: loaders, which may be halted, and a log of what was done."""

    halted: bool = False
    log: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.course: DataLoader[str, Any] = DataLoader(self._load_course)
        self.courses: DataLoader[str, Any] = DataLoader(self._load_courses)
        self.reviews: DataLoader[str, Any] = DataLoader(self._load_reviews)

    async def _load_course(self, keys: list[str]) -> list[Any]:
        await asyncio.sleep(0)
        found = {"3": Boom("no such course"), "4": None}
        return [Halt() if self.halted else found.get(key, course(key)) for key in keys]

    async def _load_courses(self, keys: list[str]) -> list[Any]:
        await asyncio.sleep(0)
        if self.halted:
            return [Halt() for _ in keys]
        return [[course(f"{key}{n}") for n in range(3)] for key in keys]

    async def _load_reviews(self, keys: list[str]) -> list[Any]:
        made = [Review(id=strawberry.ID(str(n)), stars=n + 2, text="text") for n in range(3)]
        return [Boom(f"reviews of {key}") if key[-1] == "2" else made for key in keys]


@strawberry.type
class Query:
    ping: str = strawberry.field(resolver=lambda: "pong")

    @strawberry.field
    async def ping_later(self) -> str:
        return "pong"

    @strawberry.field
    def users(self, first: int = 2) -> list[User]:
        return users()[:first]

    @strawberry.field
    async def users_later(self, first: int | None = None) -> list[User | None]:
        await asyncio.sleep(0)
        return [*users()[:first], None]

    @strawberry.field
    def user(self, id: strawberry.ID) -> User | None:
        return next((user for user in users() if user.id == id), None)

    @strawberry.field
    async def strict_user(self, id: strawberry.ID) -> User:
        return next((user for user in users() if user.id == id), None)  # type: ignore[return-value]

    @strawberry.field
    def nodes(self) -> list[Node]:
        return [users()[0], course("5"), Review(id=strawberry.ID("3")), Address(id="q")]  # type: ignore[arg-type]

    @strawberry.field
    def maybe_nodes(self) -> list[Node | None] | None:
        return [users()[1], None, Boom("bad node"), Row("6", 3), Row("7", 4), 5]  # type: ignore[list-item]

    @strawberry.field
    async def matrix(self) -> list[list[User | None]]:
        return [[users()[0], None], [users()[2]], []]

    @strawberry.field
    def search(self, text: str = "x") -> list[Annotated[User | Course, strawberry.union("Found")]]:
        return (users()[0], course("6"), course("1"))  # type: ignore[return-value]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def rename(self, info: strawberry.Info, id: strawberry.ID, name: str) -> User | None:
        await asyncio.sleep(0)
        info.context.log.append(("rename", id, name))
        marked.set(name)
        if name == "boom":
            raise Boom("rename")
        return users()[int(id) % 3]

    @strawberry.mutation
    def touch(self, info: strawberry.Info, id: strawberry.ID) -> User:
        info.context.log.append(("touch", id, marked.get()))
        if id == "4":
            raise Boom("untouchable")
        return users()[int(id) % 3]

    @strawberry.mutation
    async def refuse(self, info: strawberry.Info, reason: str = "because") -> Renamed:
        info.context.log.append(("refuse", reason, marked.get()))
        if reason == "none":
            return users()[0]
        raise Refused(reason) if reason != "boom" else Boom(reason)

    @strawberry.mutation
    def refuse_now(self, reason: str = "declined") -> Renamed | None:
        raise Refused(reason)


def build(schema_class: Any, **options: Any) -> Any:
    """The schema as one of the given class."""
    schema = schema_class(
        query=Query,
        mutation=Mutation,
        types=[Course, Review, Address, User, Slow, Circle, Stub],
        exception_handlers=[RefusalHandler()],
        config=StrawberryConfig(scalar_map={Even: EVEN}),
        **options,
    )
    # A field whose function is not Strawberry's, and one without any.
    schema._schema.type_map["Money"].fields["currency"].resolve = None
    label = schema._schema.type_map["Circle"].fields["name"]
    label.resolve = lambda source, info: source.name + info.field_name
    return schema
