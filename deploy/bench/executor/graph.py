"""The graph that is measured; graphql.mjs has the same one in JavaScript. It needs no database."""

from functools import cache
from typing import Any

import strawberry
from strawberry.dataloader import DataLoader

COURSES, USERS = 1000, 20
LANGUAGES = ("en", "pt", "de", "fr")


@strawberry.federation.type(keys=["id"])
class Course:
    id: strawberry.ID
    title: str
    language: str
    seats: int
    rating: float
    is_open: bool

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Course | None":
        """The course of an id."""
        return _courses_by_id().get(id)


@strawberry.type
class User:
    id: strawberry.ID
    name: str

    @strawberry.field
    def courses(self, info: strawberry.Info[dict[str, Any], None]) -> list[Course]:
        """Five courses, loaded together with those of other users: the loader's own future."""
        return info.context["courses"].load(self.id)  # type: ignore[no-any-return]

    @strawberry.field
    async def awaited_courses(self, info: strawberry.Info[dict[str, Any], None]) -> list[Course]:
        """The same by a coroutine."""
        found: list[Course] = await info.context["courses"].load(self.id)
        return found


@strawberry.type
class Query:
    @strawberry.field
    def ping(self) -> str:
        """The smallest answer."""
        return "pong"

    @strawberry.field
    def courses(self, first: int) -> list[Course]:
        """The first courses."""
        return _courses()[:first]

    @strawberry.field
    def users(self, first: int) -> list[User]:
        """The first users."""
        return _users()[:first]


def _course(number: int) -> Course:
    return Course(
        id=strawberry.ID(str(number)),
        title=f"Course {number}",
        language=LANGUAGES[number % 4],
        seats=number % 30,
        rating=1 + number % 4 + 0.5,
        is_open=number % 2 == 0,
    )


@cache
def _courses() -> list[Course]:
    return [_course(number) for number in range(COURSES)]


@cache
def _courses_by_id() -> dict[str, Course]:
    return {course.id: course for course in _courses()}


@cache
def _users() -> list[User]:
    return [User(id=strawberry.ID(str(n)), name=f"User {n}") for n in range(USERS)]


async def _load_courses(user_ids: list[str]) -> list[list[Course]]:
    return [_courses()[5 * int(id_) : 5 * int(id_) + 5] for id_ in user_ids]


def context() -> dict[str, Any]:
    """What one request brings."""
    return {"courses": DataLoader(load_fn=_load_courses)}
