"""Enrolment: who gets a seat, who does not, and giving it back."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from shared.ids import new_id
from shared.runtime import Runtime
from subgraphs.learning.models import Course, Enrollment
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.support.graph import GraphClient, published
from tests.support.operations import code, run, unchanged


async def make_course(client: GraphClient, **overrides: Any) -> Course:
    async with client.runtime.database.write() as session:
        return await factories.create_course(session, **overrides)


async def enrolled(client: GraphClient, course: Course, **overrides: Any) -> Enrollment:
    async with client.runtime.database.write() as session:
        return await factories.create_enrollment(session, course, **overrides)


async def seats(runtime: Runtime, course: Course) -> tuple[int, int]:
    async with runtime.database.read() as session:
        row = (
            await session.execute(
                sa.select(Course.current_students, Course.held_seats).where(Course.id == course.id)
            )
        ).one()
        return row[0], row[1]


async def test_student_takes_a_seat(student: GraphClient) -> None:
    course = await make_course(student)
    result = await run(student, op.ENROLL, courseId=course.id)
    enrollment_id = result.pop("id")
    assert result == {
        "__typename": "Enrollment",
        "status": "ACTIVE",
        "completedAt": None,
        "progress": {"completedUnits": 0, "totalUnits": 2, "percent": 0},
    }
    [(kind, payload)] = await published(student.runtime)
    assert kind == "edtech.learning.enrollment.activated.v1"
    student_id = payload.pop("studentId")
    assert payload == {
        "version": 1,
        "enrollmentId": enrollment_id,
        "courseId": str(course.id),
        "tutorId": str(course.tutor_id),
        "purchaseId": None,
        "refundUntil": None,
    }
    query = """query($id: ID!) { course(id: $id) { seatsLeft currentStudents
      myEnrollment { id student { id } } } }"""
    assert (await student.ask(query, id=course.id)).data["course"] == {
        "seatsLeft": 9,
        "currentStudents": 1,
        "myEnrollment": {"id": enrollment_id, "student": {"id": student_id}},
    }


async def test_refusals_name_their_reason(student: GraphClient, learning: GraphClient) -> None:
    free = await make_course(student)
    paid = await make_course(student, price_amount=1)
    full = await make_course(student, max_students=1)
    await enrolled(student, full)
    draft = await make_course(student, status="DRAFT")
    archived = await make_course(student, status="ARCHIVED")
    deleted = await make_course(student, deleted_at=sa.func.now())
    assert await code(student, op.ENROLL, courseId=paid.id) == "PAYMENT_REQUIRED"
    assert await code(student, op.ENROLL, courseId=full.id) == "COURSE_FULL"
    assert await code(student, op.ENROLL, courseId=draft.id) == "NOT_FOUND"
    assert await code(student, op.ENROLL, courseId=archived.id) == "CONFLICT"
    assert await code(student, op.ENROLL, courseId=deleted.id) == "NOT_FOUND"
    assert await code(student, op.ENROLL, courseId=new_id()) == "NOT_FOUND"
    assert await code(student, op.ENROLL, courseId="no-id") == "INVALID_INPUT"
    assert await code(learning, op.ENROLL, courseId=free.id) == "UNAUTHENTICATED"
    own = learning.as_user(free.tutor_id, "tutor")
    assert await code(own, op.ENROLL, courseId=free.id) == "OWN_COURSE"
    await run(student, op.ENROLL, courseId=free.id)
    assert await code(student, op.ENROLL, courseId=free.id) == "ALREADY_ENROLLED"


async def test_enrolled_student_of_a_full_course_is_told_so(student: GraphClient) -> None:
    course = await make_course(student, max_students=1)
    await run(student, op.ENROLL, courseId=course.id)
    assert await code(student, op.ENROLL, courseId=course.id) == "ALREADY_ENROLLED"


async def test_cancelling_frees_the_seat_once(student: GraphClient) -> None:
    course = await make_course(student)
    enrollment = await run(student, op.ENROLL, courseId=course.id)
    result = await run(student, op.CANCEL, id=enrollment["id"])
    assert result["status"] == "CANCELLED"
    assert await seats(student.runtime, course) == (0, 0)
    async with unchanged(student.runtime):
        assert await run(student, op.CANCEL, id=enrollment["id"]) == result
    assert [kind.split(".")[-2] for kind, _ in await published(student.runtime)] == [
        "activated",
        "cancelled",
    ]


async def test_second_enrolment_revives_the_row_and_keeps_progress(student: GraphClient) -> None:
    course = await make_course(student)
    query = "query($id: ID!) { course(id: $id) { units(first: 1) { nodes { id } } } }"
    [unit] = (await student.ask(query, id=course.id)).data["course"]["units"]["nodes"]
    first = await run(student, op.ENROLL, courseId=course.id)
    await run(student, op.COMPLETE_UNIT, unitId=unit["id"])
    await run(student, op.CANCEL, id=first["id"])
    assert await code(student, op.COMPLETE_UNIT, unitId=unit["id"]) == "CONFLICT"
    again = await run(student, op.ENROLL, courseId=course.id)
    assert (again["id"], again["status"]) == (first["id"], "ACTIVE")
    assert again["progress"] == {"completedUnits": 1, "totalUnits": 2, "percent": 50}
    assert await seats(student.runtime, course) == (1, 0)
    assert [payload["version"] for _, payload in await published(student.runtime)] == [1, 2, 3, 4]


async def test_enrolment_of_somebody_else_is_left_alone(
    student: GraphClient, learning: GraphClient, tutor: GraphClient
) -> None:
    course = await make_course(student)
    enrollment = await enrolled(student, course)
    assert await code(student, op.CANCEL, id=enrollment.id) == "FORBIDDEN"
    assert await code(tutor, op.CANCEL, id=enrollment.id) == "FORBIDDEN"
    assert await code(learning, op.CANCEL, id=enrollment.id) == "UNAUTHENTICATED"
    assert await code(student, op.CANCEL, id=new_id()) == "NOT_FOUND"
    assert await code(student, op.CANCEL, id="no-id") == "INVALID_INPUT"


async def test_completed_enrolment_is_not_cancelled(student: GraphClient) -> None:
    course = await make_course(student)
    enrollment = await enrolled(student, course, status="COMPLETED")
    owner = student.as_user(enrollment.student_id)
    assert await code(owner, op.CANCEL, id=enrollment.id) == "CONFLICT"


async def test_last_seat_goes_to_exactly_one_of_twenty(learning: GraphClient) -> None:
    course = await make_course(learning, max_students=3)
    await enrolled(learning, course)
    await enrolled(learning, course)
    answers = await asyncio.gather(
        *(run(learning.as_user(new_id()), op.ENROLL, courseId=course.id) for _ in range(20))
    )
    outcomes = sorted(answer.get("code", answer["__typename"]) for answer in answers)
    assert outcomes == ["COURSE_FULL"] * 19 + ["Enrollment"]
    assert await seats(learning.runtime, course) == (3, 0)
    assert len(await published(learning.runtime)) == 1
    async with learning.runtime.database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(Enrollment)) == 3


async def test_one_student_who_asks_ten_times_at_once_has_one_seat(student: GraphClient) -> None:
    course = await make_course(student)
    answers = await asyncio.gather(
        *(run(student, op.ENROLL, courseId=course.id) for _ in range(10))
    )
    outcomes = sorted(answer.get("code", answer["__typename"]) for answer in answers)
    assert outcomes == ["ALREADY_ENROLLED"] * 9 + ["Enrollment"]
    assert await seats(student.runtime, course) == (1, 0)


async def test_same_key_gives_the_same_enrolment(
    student: GraphClient, learning: GraphClient
) -> None:
    course, other = await make_course(student), await make_course(student)
    key = "enrol-me-once"
    first = await run(student, op.ENROLL, courseId=course.id, idempotencyKey=key)
    async with unchanged(student.runtime):
        assert await run(student, op.ENROLL, courseId=course.id, idempotencyKey=key) == first
        upper = str(course.id).upper()
        assert await run(student, op.ENROLL, courseId=upper, idempotencyKey=key) == first
    assert await code(student, op.ENROLL, courseId=other.id, idempotencyKey=key) == "CONFLICT"
    # A key is its viewer's own.
    someone = learning.as_user(new_id())
    result = await run(someone, op.ENROLL, courseId=other.id, idempotencyKey=key)
    assert result["__typename"] == "Enrollment"


async def test_ten_requests_with_one_key_make_one_enrolment(student: GraphClient) -> None:
    course = await make_course(student)
    answers = await asyncio.gather(
        *(
            run(student, op.ENROLL, courseId=course.id, idempotencyKey="all-at-once")
            for _ in range(10)
        )
    )
    assert len({answer["id"] for answer in answers}) == 1
    assert await seats(student.runtime, course) == (1, 0)
    assert len(await published(student.runtime)) == 1


async def test_refused_request_does_not_use_up_its_key(student: GraphClient) -> None:
    course = await make_course(student, max_students=1)
    taken = await enrolled(student, course)
    key = "try-try-again"
    assert await code(student, op.ENROLL, courseId=course.id, idempotencyKey=key) == "COURSE_FULL"
    await run(student.as_user(taken.student_id), op.CANCEL, id=taken.id)
    result = await run(student, op.ENROLL, courseId=course.id, idempotencyKey=key)
    assert result["__typename"] == "Enrollment"


async def test_enrolments_are_visible_to_student_tutor_and_admins(
    learning: GraphClient, student: GraphClient, tutor: GraphClient, admin: GraphClient
) -> None:
    course = await make_course(learning)
    enrollment = await enrolled(learning, course)
    query = "query($id: ID!) { enrollment(id: $id) { id certificate { id } } }"
    seen = {"enrollment": {"id": str(enrollment.id), "certificate": None}}
    hidden = {"enrollment": None}
    for client, expected in (
        (learning.as_user(enrollment.student_id), seen),
        (learning.as_user(course.tutor_id, "tutor"), seen),
        (admin, seen),
        (student, hidden),
        (tutor, hidden),
        (learning, hidden),
    ):
        assert (await client.ask(query, id=enrollment.id)).data == expected
    roll = "query($id: ID!) { course(id: $id) { enrollments { nodes { id } } } }"
    for client, expected_roll in (
        (learning.as_user(course.tutor_id, "tutor"), {"nodes": [{"id": str(enrollment.id)}]}),
        (admin, {"nodes": [{"id": str(enrollment.id)}]}),
        (student, None),
        (tutor, None),
        (learning, None),
    ):
        data = (await client.ask(roll, id=course.id)).data
        assert data == {"course": {"enrollments": expected_roll}}


@pytest.mark.parametrize("field", ["enrolledCourses", "enrollments", "certificates"])
async def test_lists_of_a_user_are_private(
    learning: GraphClient, student: GraphClient, admin: GraphClient, field: str
) -> None:
    user_id = new_id()
    fields = f"{field} {{ nodes {{ id }} }}"
    for client, expected in (
        (learning.as_user(user_id), {"nodes": []}),
        (admin, {"nodes": []}),
        (student, None),
        (learning, None),
    ):
        [entity] = (await client.entities("User", [user_id], fields)).data["_entities"]
        assert entity == {"__typename": "User", field: expected}
