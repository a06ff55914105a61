"""Group lessons: a course meets, and its students come and go with their seats."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.ids import new_id
from subgraphs.learning.models import Course
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.subgraphs.learning.booking import Booking, at, kinds, value
from tests.support.graph import GraphClient, published
from tests.support.operations import code, run


@pytest.fixture
async def course(booking: Booking) -> Course:
    """A course of the bookable tutor, with one student besides."""
    async with booking.runtime.database.write() as session:
        course = await factories.create_course(session, tutor_id=booking.tutor_id)
        await factories.create_enrollment(session, course, student_id=booking.student_id)
        for status in ("CANCELLED", "PENDING_PAYMENT"):
            await factories.create_enrollment(session, course, status=status)
    return course


async def meet(
    booking: Booking, course: Course, start: datetime, **overrides: Any
) -> dict[str, Any]:
    values = {"courseId": course.id, "startsAt": start.isoformat(), "durationMinutes": 60}
    return await run(booking.tutor, op.SCHEDULE_GROUP, **(values | overrides))


def conflicts(lesson: dict[str, Any]) -> dict[str, bool]:
    return {each["user"]["id"]: each["hasConflict"] for each in lesson["participants"]["nodes"]}


async def test_course_meets_with_all_who_have_a_seat(booking: Booking, course: Course) -> None:
    start = at(timedelta(hours=48))
    lesson = await meet(booking, course, start)
    assert (lesson["kind"], lesson["status"]) == ("GROUP", "SCHEDULED")
    assert conflicts(lesson) == {str(booking.tutor_id): False, str(booking.student_id): False}
    [(kind, payload)] = await published(booking.runtime)
    assert kind == "edtech.learning.lesson.scheduled.v1"
    assert payload["studentIds"] == [str(booking.student_id)]
    assert (payload["courseId"], payload["priceAmount"]) == (str(course.id), 0)
    # The student's time is taken as by any lesson.
    other = await booking.another_tutor()
    assert await code(booking.student, op.BOOK, offerToken=other.offer(start)) == "SLOT_TAKEN"
    query = "query($id: ID!) { course(id: $id) { lessons { nodes { id course { id } } } } }"
    expected = {"nodes": [{"id": lesson["id"], "course": {"id": str(course.id)}}]}
    for client, seen in (
        (booking.student, expected),
        (booking.tutor, expected),
        (other.tutor, {"nodes": []}),
        (booking.learning, None),
    ):
        found = (await client.ask(query, id=course.id)).data["course"]
        assert found["lessons"] == seen


async def test_busy_student_does_not_keep_the_group_from_meeting(
    booking: Booking, course: Course
) -> None:
    start = at(timedelta(hours=48))
    other = await booking.another_tutor()
    await other.schedule(starts_in=start)
    lesson = await meet(booking, course, start)
    assert conflicts(lesson) == {str(booking.tutor_id): False, str(booking.student_id): True}
    later = (start + timedelta(hours=2)).isoformat()
    await run(booking.tutor, op.RESCHEDULE, id=lesson["id"], startsAt=later)
    exclusive = "SELECT bool_and(is_exclusive) FROM lesson_participants WHERE lesson_id = :id"
    assert await value(booking.runtime, exclusive, id=lesson["id"]) is True
    back = start.isoformat()
    await run(booking.tutor, op.RESCHEDULE, id=lesson["id"], startsAt=back)
    assert await value(booking.runtime, exclusive, id=lesson["id"]) is False
    # The tutor's own time decides.
    refused = {"courseId": course.id, "startsAt": back, "durationMinutes": 30}
    assert await code(booking.tutor, op.SCHEDULE_GROUP, **refused) == "SLOT_TAKEN"


async def test_attendance_of_fellow_students_is_not_shown(
    booking: Booking, course: Course, admin: GraphClient
) -> None:
    other = await booking.another_student()
    await run(other.student, op.ENROLL, courseId=course.id)
    lesson = await meet(booking, course, at(timedelta(hours=48)))
    query = """query($id: ID!) { lesson(id: $id) { participants { nodes {
      user { id } attendance hasConflict } } } }"""
    everybody = {str(booking.tutor_id), str(booking.student_id), str(other.student_id)}
    for client, seen in (
        (booking.tutor, everybody),
        (admin, everybody),
        (booking.student, {str(booking.student_id)}),
    ):
        nodes = (await client.ask(query, id=lesson["id"])).data["lesson"]["participants"]["nodes"]
        shown = {each["user"]["id"]: (each["attendance"], each["hasConflict"]) for each in nodes}
        assert shown == {
            id_: ("UNKNOWN", False) if id_ in seen else (None, None) for id_ in everybody
        }


async def test_students_come_and_go_with_their_seats(booking: Booking, course: Course) -> None:
    first = await meet(booking, course, at(timedelta(hours=48)))
    second = await meet(booking, course, at(timedelta(hours=72)))
    past = await meet(booking, course, at(timedelta(hours=96)))
    await run(booking.tutor, op.CANCEL_LESSON, id=past["id"])
    newcomer = await booking.another_student()
    enrollment = await run(newcomer.student, op.ENROLL, courseId=course.id)
    both = sorted([str(booking.student_id), str(newcomer.student_id)])
    told = [
        (p["lessonId"], p["version"], p["studentIds"])
        for kind, p in (await published(booking.runtime))[5:]
        if "lessonId" in p
    ]
    assert sorted(told) == sorted([(x["id"], 2, both) for x in (first, second)])
    await run(newcomer.student, op.CANCEL, id=enrollment["id"])
    left = [p for _, p in (await published(booking.runtime))[-2:]]
    alone = [str(booking.student_id)]
    assert [(p["version"], p["studentIds"]) for p in left] == [(3, alone)] * 2
    query = "query($id: ID!) { lesson(id: $id) { id } }"
    assert (await newcomer.student.ask(query, id=first["id"])).data == {"lesson": None}


async def test_group_lessons_are_refused_by_the_rules(
    booking: Booking, course: Course, tutor: GraphClient
) -> None:
    good = {
        "courseId": course.id,
        "startsAt": at(timedelta(hours=48)).isoformat(),
        "durationMinutes": 60,
    }
    for changes, expected in (
        ({"durationMinutes": 14}, "INVALID_INPUT"),
        ({"durationMinutes": 721}, "INVALID_INPUT"),
        ({"startsAt": at(timedelta(seconds=-5)).isoformat()}, "INVALID_INPUT"),
        ({"courseId": new_id()}, "NOT_FOUND"),
    ):
        assert await code(booking.tutor, op.SCHEDULE_GROUP, **(good | changes)) == expected
    assert await code(tutor, op.SCHEDULE_GROUP, **good) == "FORBIDDEN"
    assert await code(booking.student, op.SCHEDULE_GROUP, **good) == "FORBIDDEN"
    async with booking.runtime.database.write() as session:
        draft = await factories.create_course(session, tutor_id=booking.tutor_id, status="DRAFT")
        large = await factories.create_course(session, tutor_id=booking.tutor_id, max_students=501)
    for each in (draft, large):
        assert (
            await code(booking.tutor, op.SCHEDULE_GROUP, **(good | {"courseId": each.id}))
            == "CONFLICT"
        )
    lesson = await run(booking.tutor, op.SCHEDULE_GROUP, **good)
    assert await code(booking.student, op.CANCEL_LESSON, id=lesson["id"]) == "FORBIDDEN"
    moved = {"id": lesson["id"], "offerToken": booking.offer(timedelta(hours=72))}
    assert await code(booking.student, op.RESCHEDULE, **moved) == "OFFER_INVALID"


async def test_enrolling_while_the_group_is_scheduled_misses_nobody(
    booking: Booking, course: Course
) -> None:
    people = [await booking.another_student() for _ in range(6)]
    start = at(timedelta(hours=48))

    async def schedule(number: int) -> None:
        await meet(booking, course, start + timedelta(hours=2 * number))

    await asyncio.gather(
        *(schedule(number) for number in range(3)),
        *(run(each.student, op.ENROLL, courseId=course.id) for each in people),
    )
    rows = """SELECT array_agg(n) FROM (SELECT count(*) AS n FROM lesson_participants
      GROUP BY lesson_id) AS counted"""
    assert await value(booking.runtime, rows) == [8, 8, 8]
    versions: dict[str, list[int]] = {}
    for _, payload in await published(booking.runtime):
        if "lessonId" in payload:
            versions.setdefault(payload["lessonId"], []).append(payload["version"])
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
    assert len(await kinds(booking.runtime)) == 6 + sum(len(each) for each in versions.values())
