"""Units: positions count from 1 without gaps, whatever is done to them."""

import asyncio

import pytest

from shared.ids import new_id
from subgraphs.learning.models import Course, CourseUnit
from subgraphs.learning.service.units import MOST_UNITS
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.support.graph import GraphClient, published
from tests.support.operations import code, run

UNITS = "query($id: ID!) { course(id: $id) { units(first: 100) { nodes { title position } } } }"


@pytest.fixture
async def course(learning: GraphClient) -> Course:
    async with learning.runtime.database.write() as session:
        return await factories.create_course(session, units=3)


@pytest.fixture
def owner(learning: GraphClient, course: Course) -> GraphClient:
    return learning.as_user(course.tutor_id, "tutor")


async def titles(client: GraphClient, course: Course) -> list[str]:
    nodes = (await client.ask(UNITS, id=course.id)).data["course"]["units"]["nodes"]
    assert [node["position"] for node in nodes] == list(range(1, len(nodes) + 1))
    return [node["title"] for node in nodes]


async def ids(client: GraphClient, course: Course) -> list[str]:
    query = "query($id: ID!) { course(id: $id) { units(first: 100) { nodes { id } } } }"
    nodes = (await client.ask(query, id=course.id)).data["course"]["units"]["nodes"]
    return [node["id"] for node in nodes]


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (None, ["Unit 1", "Unit 2", "Unit 3", "New"]),
        (1, ["New", "Unit 1", "Unit 2", "Unit 3"]),
        (2, ["Unit 1", "New", "Unit 2", "Unit 3"]),
        (4, ["Unit 1", "Unit 2", "Unit 3", "New"]),
    ],
)
async def test_unit_is_added_at_its_position(
    owner: GraphClient, course: Course, position: int | None, expected: list[str]
) -> None:
    unit = {"courseId": course.id, "title": "New", "position": position}
    result = await run(owner, op.ADD_UNIT, input=unit)
    assert result["position"] == expected.index("New") + 1
    assert await titles(owner, course) == expected
    assert await published(owner.runtime) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("position", 0),
        ("position", 5),
        ("position", -1),
        ("title", ""),
        ("title", "x" * 201),
        ("title", "a\0b"),
        ("summary", "x" * 5_001),
        ("durationMinutes", 0),
        ("durationMinutes", 10_001),
    ],
)
async def test_bad_unit_is_refused(
    owner: GraphClient, course: Course, field: str, value: object
) -> None:
    unit = {"courseId": course.id, "title": "New", field: value}
    assert await code(owner, op.ADD_UNIT, input=unit) == "INVALID_INPUT"


async def test_unit_changes_only_where_told(owner: GraphClient, course: Course) -> None:
    unit_id = (await ids(owner, course))[1]
    full = {"unitId": unit_id, "title": "Chords", "summary": "Major", "durationMinutes": 20}
    await run(owner, op.UPDATE_UNIT, input=full)
    result = await run(owner, op.UPDATE_UNIT, input={"unitId": unit_id, "summary": ""})
    assert result == {
        "__typename": "CourseUnit",
        "id": unit_id,
        "position": 2,
        "title": "Chords",
        "summary": None,
        "durationMinutes": 20,
    }


async def test_removing_a_unit_closes_the_gap(owner: GraphClient, course: Course) -> None:
    first, second, third = await ids(owner, course)
    result = await run(owner, op.REMOVE_UNIT, id=second)
    assert result["units"]["nodes"] == [
        {"id": first, "position": 1},
        {"id": third, "position": 2},
    ]
    assert await code(owner, op.REMOVE_UNIT, id=second) == "NOT_FOUND"


async def test_last_unit_of_a_published_course_stays(owner: GraphClient, course: Course) -> None:
    first, second, third = await ids(owner, course)
    await run(owner, op.REMOVE_UNIT, id=first)
    await run(owner, op.REMOVE_UNIT, id=second)
    assert await code(owner, op.REMOVE_UNIT, id=third) == "CONFLICT"


async def test_units_take_the_order_of_the_list(owner: GraphClient, course: Course) -> None:
    wanted = (await ids(owner, course))[::-1]
    result = await run(owner, op.REORDER_UNITS, courseId=course.id, unitIds=wanted)
    assert result["units"]["nodes"] == [
        {"id": unit_id, "position": place} for place, unit_id in enumerate(wanted, 1)
    ]


async def test_new_order_names_every_unit_once(owner: GraphClient, course: Course) -> None:
    first, second, third = await ids(owner, course)
    for wrong in (
        [],
        [first, second],
        [first, second, second],
        [first, second, third, third],
        [first, second, new_id()],
        [first, second, "no-id"],
    ):
        assert await code(owner, op.REORDER_UNITS, courseId=course.id, unitIds=wrong) == (
            "INVALID_INPUT"
        )


async def test_units_of_others_are_left_alone(
    owner: GraphClient, course: Course, tutor: GraphClient, learning: GraphClient
) -> None:
    unit_ids = await ids(owner, course)
    new = {"courseId": course.id, "title": "New"}
    change = {"unitId": unit_ids[0], "title": "New"}
    for client, refusal in ((tutor, "FORBIDDEN"), (learning, "UNAUTHENTICATED")):
        assert await code(client, op.ADD_UNIT, input=new) == refusal
        assert await code(client, op.UPDATE_UNIT, input=change) == refusal
        assert await code(client, op.REMOVE_UNIT, id=unit_ids[0]) == refusal
        assert await code(client, op.REORDER_UNITS, courseId=course.id, unitIds=unit_ids) == refusal


async def test_course_has_at_most_500_units(learning: GraphClient, course: Course) -> None:
    assert MOST_UNITS == 500
    async with learning.runtime.database.write() as session:
        for position in range(4, MOST_UNITS):
            session.add(CourseUnit(course_id=course.id, position=position, title=str(position)))
    owner = learning.as_user(course.tutor_id, "tutor")
    unit = {"courseId": course.id, "title": "New", "position": 1}
    assert (await run(owner, op.ADD_UNIT, input=unit))["__typename"] == "CourseUnit"
    assert await code(owner, op.ADD_UNIT, input=unit) == "CONFLICT"


async def test_concurrent_changes_leave_no_gap(owner: GraphClient, course: Course) -> None:
    first, second, _ = await ids(owner, course)

    async def add(number: int) -> None:
        unit = {"courseId": course.id, "title": f"New {number}", "position": 1 + number % 3}
        assert (await run(owner, op.ADD_UNIT, input=unit))["__typename"] == "CourseUnit"

    await asyncio.gather(
        *(add(number) for number in range(10)),
        run(owner, op.REMOVE_UNIT, id=first),
        run(owner, op.REMOVE_UNIT, id=second),
    )
    found = await titles(owner, course)
    assert sorted(found) == sorted(["Unit 3", *(f"New {number}" for number in range(10))])


async def test_same_key_adds_one_unit(owner: GraphClient, course: Course) -> None:
    unit = {"courseId": course.id, "title": "New"}
    answers = await asyncio.gather(
        *(run(owner, op.ADD_UNIT, input=unit, idempotencyKey="add-one-unit") for _ in range(5))
    )
    assert len({answer["id"] for answer in answers}) == 1
    assert await titles(owner, course) == ["Unit 1", "Unit 2", "Unit 3", "New"]
