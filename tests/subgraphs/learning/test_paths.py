"""Learning paths: a student's own plan, and what of it is done."""

from typing import Any

import pytest
import sqlalchemy as sa

from shared.ids import new_id
from subgraphs.learning.models import Course, LearningPath
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.support.graph import GraphClient, counted
from tests.support.operations import code, run, unchanged


async def units_of(client: GraphClient, course: Course) -> list[str]:
    query = "query($id: ID!) { course(id: $id) { units { nodes { id } } } }"
    found = (await client.ask(query, id=course.id)).data["course"]["units"]["nodes"]
    return [unit["id"] for unit in found]


@pytest.fixture
async def course(learning: GraphClient) -> Course:
    """A free course with two units."""
    async with learning.runtime.database.write() as session:
        return await factories.create_course(session)


async def make(client: GraphClient, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return await run(client, op.CREATE_PATH, title="To play", steps=list(steps), **more)


async def test_steps_are_done_by_a_tick_or_by_what_was_completed(
    student: GraphClient, course: Course
) -> None:
    first, second = await units_of(student, course)
    path = await make(
        student,
        {"courseId": course.id},
        {"unitId": first},
        {"skillId": new_id(), "text": "Chords"},
        {"text": "Buy a guitar"},
        idempotencyKey="a-key-of-mine",
    )
    assert [(step["position"], step["kind"], step["isDone"]) for step in path["steps"]] == [
        (1, "COURSE", False),
        (2, "UNIT", False),
        (3, "SKILL", False),
        (4, "TEXT", False),
    ]
    await run(student, op.ENROLL, courseId=course.id)
    await run(student, op.COMPLETE_UNIT, unitId=first)
    ticked = await run(student, op.TICK_STEP, stepId=path["steps"][3]["id"], isDone=True)
    assert [step["isDone"] for step in ticked["steps"]] == [False, True, False, True]
    assert ticked["percent"] == 50
    await run(student, op.COMPLETE_UNIT, unitId=second)
    back = await run(student, op.TICK_STEP, stepId=path["steps"][3]["id"], isDone=False)
    assert [step["isDone"] for step in back["steps"]] == [True, True, False, False]


async def test_steps_take_another_order(student: GraphClient) -> None:
    path = await make(student, {"text": "a"}, {"text": "b"}, {"text": "c"})
    ids = [step["id"] for step in path["steps"]]
    turned = await run(student, op.REORDER_PATH, id=path["id"], stepIds=ids[::-1])
    assert [(s["position"], s["text"]) for s in turned["steps"]] == [(1, "c"), (2, "b"), (3, "a")]
    for wrong in (ids[:2], [*ids[:2], ids[0]], [*ids[:2], str(new_id())]):
        assert await code(student, op.REORDER_PATH, id=path["id"], stepIds=wrong) == (
            "INVALID_INPUT"
        )


async def test_paths_are_for_their_student_and_admins(
    student: GraphClient, admin: GraphClient, tutor: GraphClient, learning: GraphClient
) -> None:
    path = await make(student, {"text": "a"})
    query = "query($id: ID!) { learningPath(id: $id) { title } }"
    for client, sees in ((student, True), (admin, True), (tutor, False), (learning, False)):
        found = (await client.ask(query, id=path["id"])).data["learningPath"]
        assert found == ({"title": "To play"} if sees else None)
    step = path["steps"][0]["id"]
    for client in (tutor, admin):
        assert await code(client, op.TICK_STEP, stepId=step, isDone=True) == "NOT_FOUND"
        assert await code(client, op.DELETE_PATH, id=path["id"]) == "NOT_FOUND"
    assert (await run(student, op.DELETE_PATH, id=path["id"]))["title"] == "To play"
    assert (await student.ask(query, id=path["id"])).data == {"learningPath": None}


async def test_steps_without_one_clear_target_are_refused(
    student: GraphClient, course: Course, learning: GraphClient
) -> None:
    [first, _] = await units_of(student, course)
    async with learning.runtime.database.write() as session:
        draft = await factories.create_course(session, status="DRAFT")
    for steps, expected in (
        ([], "INVALID_INPUT"),
        ([{}], "INVALID_INPUT"),
        ([{"text": " "}], "INVALID_INPUT"),
        ([{"courseId": course.id, "unitId": first}], "INVALID_INPUT"),
        ([{"courseId": new_id()}], "NOT_FOUND"),
        ([{"courseId": draft.id}], "NOT_FOUND"),
        ([{"unitId": new_id()}], "NOT_FOUND"),
        ([{"text": "a"}] * 101, "INVALID_INPUT"),
    ):
        async with unchanged(student.runtime):
            assert (await make(student, *steps))["code"] == expected, steps


async def test_paths_take_one_statement_per_relation(
    student: GraphClient, admin: GraphClient, course: Course
) -> None:
    units = await units_of(student, course)
    for _ in range(3):
        await make(student, {"courseId": course.id}, *({"unitId": unit} for unit in units))
    async with student.runtime.database.read() as session:
        owner = await session.scalar(sa.select(LearningPath.student_id).limit(1))
    fields = "learningPaths { nodes { percent steps { course { id } unit { id } } } }"
    with counted(student.runtime.database) as statements:
        answer = await admin.entities("User", [owner], fields)
    nodes = answer.data["_entities"][0]["learningPaths"]["nodes"]
    assert [len(node["steps"]) for node in nodes] == [3, 3, 3]
    # Viewer, paths, steps, courses, units.
    assert len(statements) == 5
