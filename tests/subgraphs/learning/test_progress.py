"""Progress, completion and certificates."""

import asyncio
import re
from typing import Any

import pytest
import sqlalchemy as sa

from shared.ids import new_id
from subgraphs.learning.models import Course, CourseUnit
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.support.graph import GraphClient, published
from tests.support.operations import code, run, unchanged

CERTIFICATE = """query($code: String!) { certificate(code: $code) {
  code studentName courseTitle course { id } } }"""


async def study(student: GraphClient, units: int) -> tuple[Course, list[str]]:
    """The student sits in a course of so many units."""
    async with student.runtime.database.write() as session:
        course = await factories.create_course(session, units=units)
        unit_ids = await session.scalars(
            sa.select(CourseUnit.id)
            .where(CourseUnit.course_id == course.id)
            .order_by(CourseUnit.position)
        )
        ids = [str(unit_id) for unit_id in unit_ids]
    await run(student, op.ENROLL, courseId=course.id)
    return course, ids


async def kinds(client: GraphClient) -> list[str]:
    return [kind.split(".")[-2] for kind, _ in await published(client.runtime)]


def progress(completed: int, total: int, percent: int) -> dict[str, int]:
    return {"completedUnits": completed, "totalUnits": total, "percent": percent}


async def test_each_unit_moves_progress_and_the_last_one_completes(student: GraphClient) -> None:
    _, units = await study(student, 3)
    answers = [await run(student, op.COMPLETE_UNIT, unitId=unit_id) for unit_id in units]
    assert [answer["progress"] for answer in answers] == [
        progress(1, 3, 33),
        progress(2, 3, 66),
        progress(3, 3, 100),
    ]
    assert [answer["status"] for answer in answers] == ["ACTIVE", "ACTIVE", "COMPLETED"]
    assert [answer["certificate"] is None for answer in answers] == [True, True, False]
    assert answers[2]["completedAt"] is not None
    events = await published(student.runtime)
    assert await kinds(student) == [
        "activated",
        "unit_completed",
        "unit_completed",
        "unit_completed",
        "completed",
        "certificate_issued",
    ]
    assert [payload["version"] for _, payload in events] == [1, 2, 3, 4, 5, 6]
    assert [
        (payload["unitId"], payload["completedUnits"], payload["totalUnits"])
        for _, payload in events[1:4]
    ] == [(unit_id, number, 3) for number, unit_id in enumerate(units, 1)]


async def test_unit_is_ticked_off_once(student: GraphClient) -> None:
    _, units = await study(student, 2)
    first = await run(student, op.COMPLETE_UNIT, unitId=units[0])
    async with unchanged(student.runtime):
        assert await run(student, op.COMPLETE_UNIT, unitId=units[0]) == first


async def test_units_are_for_who_is_enrolled(student: GraphClient, learning: GraphClient) -> None:
    _, units = await study(student, 1)
    stranger = learning.as_user(new_id())
    assert await code(stranger, op.COMPLETE_UNIT, unitId=units[0]) == "NOT_FOUND"
    assert await code(student, op.COMPLETE_UNIT, unitId=new_id()) == "NOT_FOUND"
    assert await code(student, op.COMPLETE_UNIT, unitId="no-id") == "INVALID_INPUT"
    assert await code(learning, op.COMPLETE_UNIT, unitId=units[0]) == "UNAUTHENTICATED"


async def test_last_two_units_at_once_complete_the_course_once(student: GraphClient) -> None:
    _, units = await study(student, 5)
    for unit_id in units[:3]:
        await run(student, op.COMPLETE_UNIT, unitId=unit_id)
    answers = await asyncio.gather(
        *(run(student, op.COMPLETE_UNIT, unitId=unit_id) for unit_id in units[3:] * 3)
    )
    assert "COMPLETED" in [answer["status"] for answer in answers]
    found = await kinds(student)
    assert found.count("unit_completed") == 5
    assert (found.count("completed"), found.count("certificate_issued")) == (1, 1)
    async with student.runtime.database.read() as session:
        assert await session.scalar(sa.text("SELECT count(*) FROM certificates")) == 1


async def test_unit_added_later_changes_percent_but_not_completion(
    student: GraphClient, learning: GraphClient
) -> None:
    course, units = await study(student, 1)
    done = await run(student, op.COMPLETE_UNIT, unitId=units[0])
    tutor = learning.as_user(course.tutor_id, "tutor")
    added = await run(tutor, op.ADD_UNIT, input={"courseId": course.id, "title": "More"})
    query = """query($id: ID!) { enrollment(id: $id) { status certificate { code }
      progress { completedUnits totalUnits percent } } }"""
    assert (await student.ask(query, id=done["id"])).data["enrollment"] == {
        "status": "COMPLETED",
        "certificate": done["certificate"],
        "progress": progress(1, 2, 50),
    }
    again = await run(student, op.COMPLETE_UNIT, unitId=added["id"])
    assert (again["progress"], again["certificate"]) == (progress(2, 2, 100), done["certificate"])
    assert (await kinds(student)).count("certificate_issued") == 1


async def test_removed_unit_does_not_keep_a_student_from_completing(
    student: GraphClient, learning: GraphClient
) -> None:
    course, units = await study(student, 2)
    await run(student, op.COMPLETE_UNIT, unitId=units[0])
    await run(learning.as_user(course.tutor_id, "tutor"), op.REMOVE_UNIT, id=units[1])
    result = await run(student, op.COMPLETE_UNIT, unitId=units[0])
    assert (result["status"], result["progress"]) == ("COMPLETED", progress(1, 1, 100))
    assert (await kinds(student))[-2:] == ["completed", "certificate_issued"]
    assert await code(student, op.COMPLETE_UNIT, unitId=units[1]) == "NOT_FOUND"


async def test_certificate_waits_for_a_name(learning: GraphClient) -> None:
    student = learning.as_user(new_id())
    _, units = await study(student, 1)
    assert await code(student, op.COMPLETE_UNIT, unitId=units[0]) == "UNAVAILABLE"


async def test_certificate_is_verified_by_anybody_who_has_its_code(
    student: GraphClient, learning: GraphClient
) -> None:
    course, units = await study(student, 1)
    result = await run(student, op.COMPLETE_UNIT, unitId=units[0])
    printed = result["certificate"]["code"]
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){4}[0-9A-HJKMNP-TV-Z]{4}", printed)
    expected = {
        "code": printed,
        "studentName": "Ana Silva",
        "courseTitle": "Guitar for beginners",
        "course": {"id": str(course.id)},
    }
    for written in (
        printed,
        printed.lower(),
        printed.replace("-", ""),
        f" {printed.replace('-', ' ')}\n",
        printed.replace("0", "O").replace("1", "l"),
        printed.lower().replace("0", "o").replace("1", "I"),
    ):
        assert (await learning.ask(CERTIFICATE, code=written)).data == {"certificate": expected}


async def test_codes_forgive_letters_that_look_like_digits(learning: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session)
        enrollment = await factories.create_enrollment(session, course, status="COMPLETED")
        values = factories.certificate_values(enrollment) | {"code": "0123-1000-ZZZZ-YYYY-0101"}
        await session.execute(
            sa.text(
                "INSERT INTO certificates (id, enrollment_id, course_id, student_id, code,"
                " student_name, course_title) VALUES (:id, :enrollment_id, :course_id,"
                " :student_id, :code, :student_name, :course_title)"
            ),
            {"id": new_id()} | values,
        )
    for written in ("O123-IOOO-zzzz-yyyy-o1oL", "o123loooZZZZYYYY0i0l"):
        data = (await learning.ask(CERTIFICATE, code=written)).data
        assert data["certificate"]["code"] == "0123-1000-ZZZZ-YYYY-0101"


@pytest.mark.parametrize("written", ["", "-", "\0", "é", "7QX2-0MVB-ZK4T-9HWA-3DNC", "x" * 5_000])
async def test_unknown_code_is_null(learning: GraphClient, written: str) -> None:
    assert (await learning.ask(CERTIFICATE, code=written)).data == {"certificate": None}


async def test_viewer_sees_which_units_are_done(
    student: GraphClient, learning: GraphClient
) -> None:
    course, units = await study(student, 2)
    await run(student, op.COMPLETE_UNIT, unitId=units[0])
    query = "query($id: ID!) { course(id: $id) { units { nodes { isCompleted } } } }"

    async def seen(client: GraphClient) -> list[Any]:
        nodes = (await client.ask(query, id=course.id)).data["course"]["units"]["nodes"]
        return [node["isCompleted"] for node in nodes]

    assert await seen(student) == [True, False]
    assert await seen(learning.as_user(new_id())) == [False, False]
    assert await seen(learning) == [None, None]
