"""`_entities`: each representation stands for itself, whatever the others are."""

import asyncio
from typing import Any, Self

import pytest
import strawberry

from shared.errors import NotFound, Unavailable
from shared.graph import REFERENCE, build_schema


@strawberry.federation.type(keys=["id"])
class Course:
    id: strawberry.ID
    title: str

    @classmethod
    async def resolve_reference(cls, id: strawberry.ID) -> Self | None:
        await asyncio.sleep(0)
        if id == "bug":
            raise RuntimeError("secret detail")
        if id == "away":
            raise Unavailable("The database is not available.")
        return None if id == "none" else cls(id=id, title=f"Course {id}")


@strawberry.federation.type(keys=["id"])
class User:
    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, info: strawberry.Info, id: strawberry.ID) -> Self:
        if id == "missing":
            raise NotFound("No such user.")
        return cls(id=strawberry.ID(f"{id} for {info.context}"))


@strawberry.federation.type(keys=[REFERENCE])
class Lesson:
    id: strawberry.ID


@strawberry.type
class Query:
    @strawberry.field
    def lesson(self) -> Lesson | None:
        return None


SCHEMA = build_schema("learning", query=Query, types=[Course, User])
QUERY = """query($r: [_Any!]!) {
  _entities(representations: $r) { __typename ... on Course { title } ... on User { id } }
}"""


async def resolve(*representations: Any) -> tuple[Any, list[tuple[Any, str, str]]]:
    result = await SCHEMA.execute(
        QUERY, variable_values={"r": list(representations)}, context_value="ana"
    )
    errors = [
        ((error.path or [])[-1:], error.message, (error.extensions or {})["code"])
        for error in result.errors or []
    ]
    return (result.data or {}).get("_entities"), sorted(errors)


def course(id_: Any, **more: Any) -> dict[str, Any]:
    return {"__typename": "Course", "id": id_, **more}


GOOD = {"__typename": "Course", "title": "Course 1"}


async def test_types_are_mixed_and_keep_their_order() -> None:
    data, errors = await resolve(course("1"), {"__typename": "User", "id": "u"}, course("2"))
    assert errors == []
    assert data == [
        GOOD,
        {"__typename": "User", "id": "u for ana"},
        {"__typename": "Course", "title": "Course 2"},
    ]


async def test_unknown_id_is_null_without_an_error() -> None:
    assert await resolve(course("none"), course("1")) == ([None, GOOD], [])


@pytest.mark.parametrize(
    ("bad", "message", "code"),
    [
        (course("bug"), "Unexpected error.", "INTERNAL"),
        (course("away"), "The database is not available.", "UNAVAILABLE"),
        ({"__typename": "User", "id": "missing"}, "No such user.", "NOT_FOUND"),
        ({"__typename": "Nobody", "id": "1"}, "Unknown representation.", "INVALID_INPUT"),
        ({"id": "1"}, "Unknown representation.", "INVALID_INPUT"),
        ({"__typename": "Course"}, "Unknown representation.", "INVALID_INPUT"),
        (course("1", title="x"), "Unknown representation.", "INVALID_INPUT"),
        (course("1", info="x"), "Unknown representation.", "INVALID_INPUT"),
        ({"__typename": ["Course"], "id": "1"}, "Unknown representation.", "INVALID_INPUT"),
    ],
    ids=["bug", "away", "missing", "nobody", "untyped", "keyless", "extra", "info", "typed twice"],
)
async def test_one_failure_is_alone(bad: dict[str, Any], message: str, code: str) -> None:
    assert await resolve(course("1"), bad, course("1")) == (
        [GOOD, None, GOOD],
        [([1], message, code)],
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"__typename": "Lesson", "id": "1"},
        {"__typename": "Query", "id": "1"},
        {"__typename": "ProblemCode", "id": "1"},
        {"__typename": "String", "id": "1"},
        {"__typename": "User", "id": "u", "info": "x"},
        5,
        "Course",
        ["Course"],
    ],
    ids=["reference", "query", "enum", "scalar", "info", "number", "text", "list"],
)
async def test_what_is_no_entity_is_alone(bad: Any) -> None:
    good = {"__typename": "User", "id": "u"}
    shown = {"__typename": "User", "id": "u for ana"}
    assert await resolve(good, bad, good) == (
        [shown, None, shown],
        [([1], "Unknown representation.", "INVALID_INPUT")],
    )


async def test_variables_are_left_as_they_came() -> None:
    given = course("1")
    for _ in range(2):
        assert await resolve(given) == ([GOOD], [])
    assert given == course("1")


async def test_no_representation_is_no_entity() -> None:
    assert await resolve() == ([], [])
