"""The waitlist: a free seat is held for the first in line, for a while."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from shared.db import utc_now
from shared.ids import new_id
from shared.runtime import Runtime
from subgraphs.learning.models import Course, WaitlistEntry
from subgraphs.learning.timers import end_waitlist_offers
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.support.graph import GraphClient, published
from tests.support.operations import code, run, unchanged


@pytest.fixture
async def course(learning: GraphClient) -> Course:
    """A full course of one seat."""
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session, max_students=1)
        await factories.create_enrollment(session, course)
        return course


def holder(learning: GraphClient) -> GraphClient:
    return learning.as_user(new_id())


async def free_a_seat(learning: GraphClient, course: Course) -> None:
    async with learning.runtime.database.read() as session:
        row = (
            await session.execute(
                sa.text("SELECT id, student_id FROM enrollments WHERE status = 'ACTIVE' LIMIT 1")
            )
        ).one()
    result = await run(learning.as_user(row.student_id), op.CANCEL, id=row.id)
    assert result["status"] == "CANCELLED"


async def seats(runtime: Runtime, course: Course) -> tuple[int, int]:
    async with runtime.database.read() as session:
        row = (
            await session.execute(
                sa.select(Course.current_students, Course.held_seats).where(Course.id == course.id)
            )
        ).one()
        return row[0], row[1]


async def line(runtime: Runtime) -> list[str]:
    async with runtime.database.read() as session:
        return list(
            await session.scalars(
                sa.select(WaitlistEntry.status).order_by(WaitlistEntry.created_at)
            )
        )


async def run_out(runtime: Runtime) -> None:
    """Let every open offer end."""
    async with runtime.database.write() as session:
        await session.execute(
            sa.text(
                "UPDATE waitlist_entries SET offer_expires_at = clock_timestamp()"
                " WHERE status = 'OFFERED'"
            )
        )


async def offers(runtime: Runtime) -> list[UUID]:
    """To whom seats were offered, in order."""
    return [
        UUID(payload["studentId"])
        for kind, payload in await published(runtime)
        if kind == "edtech.learning.enrollment.waitlist_offered.v1"
    ]


async def test_full_course_takes_students_into_its_line(
    learning: GraphClient, course: Course, student: GraphClient
) -> None:
    result = await run(student, op.JOIN_WAITLIST, courseId=course.id)
    assert (result["status"], result["offerExpiresAt"]) == ("WAITING", None)
    async with unchanged(student.runtime):
        assert await run(student, op.JOIN_WAITLIST, courseId=course.id) == result
    assert await published(student.runtime) == []
    query = "query($id: ID!) { course(id: $id) { myWaitlistEntry { id status } } }"
    for client, entry in ((student, {"id": result["id"], "status": "WAITING"}), (learning, None)):
        assert (await client.ask(query, id=course.id)).data["course"]["myWaitlistEntry"] == entry


async def test_who_may_not_wait_is_told_why(
    learning: GraphClient, course: Course, student: GraphClient
) -> None:
    async with learning.runtime.database.write() as session:
        free = await factories.create_course(session)
        archived = await factories.create_course(session, status="ARCHIVED")
        draft = await factories.create_course(session, status="DRAFT")
        enrolled = await session.scalar(sa.text("SELECT student_id FROM enrollments"))
    assert enrolled is not None
    assert await code(student, op.JOIN_WAITLIST, courseId=free.id) == "SEATS_FREE"
    assert await code(student, op.JOIN_WAITLIST, courseId=archived.id) == "CONFLICT"
    assert await code(student, op.JOIN_WAITLIST, courseId=draft.id) == "NOT_FOUND"
    assert await code(student, op.JOIN_WAITLIST, courseId="no-id") == "INVALID_INPUT"
    assert await code(learning, op.JOIN_WAITLIST, courseId=course.id) == "UNAUTHENTICATED"
    tutor = learning.as_user(course.tutor_id, "tutor")
    assert await code(tutor, op.JOIN_WAITLIST, courseId=course.id) == "OWN_COURSE"
    client = learning.as_user(enrolled)
    assert await code(client, op.JOIN_WAITLIST, courseId=course.id) == "ALREADY_ENROLLED"
    assert await code(student, op.LEAVE_WAITLIST, courseId=course.id) == "NOT_FOUND"
    assert await code(learning, op.LEAVE_WAITLIST, courseId=course.id) == "UNAUTHENTICATED"


async def test_freed_seat_is_held_for_the_first_in_line_for_24_hours(
    learning: GraphClient, course: Course
) -> None:
    first, second = holder(learning), holder(learning)
    entry = await run(first, op.JOIN_WAITLIST, courseId=course.id)
    await run(second, op.JOIN_WAITLIST, courseId=course.id)
    before = utc_now()
    await free_a_seat(learning, course)
    after = utc_now()
    assert await line(learning.runtime) == ["OFFERED", "WAITING"]
    assert await seats(learning.runtime, course) == (0, 1)
    [_, (kind, payload)] = await published(learning.runtime)
    assert kind == "edtech.learning.enrollment.waitlist_offered.v1"
    assert (payload["entryId"], payload["version"]) == (entry["id"], 2)
    day = timedelta(hours=24)
    # One machine, one clock: the database's lies between the two readings of ours.
    assert before + day <= datetime.fromisoformat(payload["expiresAt"]) <= after + day


async def test_held_seat_is_for_nobody_else(learning: GraphClient, course: Course) -> None:
    first, second, stranger = holder(learning), holder(learning), holder(learning)
    await run(first, op.JOIN_WAITLIST, courseId=course.id)
    await run(second, op.JOIN_WAITLIST, courseId=course.id)
    await free_a_seat(learning, course)
    assert await code(second, op.ENROLL, courseId=course.id) == "COURSE_FULL"
    assert await code(stranger, op.ENROLL, courseId=course.id) == "COURSE_FULL"
    assert (await run(first, op.ENROLL, courseId=course.id))["status"] == "ACTIVE"
    assert await line(learning.runtime) == ["ACCEPTED", "WAITING"]
    assert await seats(learning.runtime, course) == (1, 0)


async def test_offer_that_runs_out_goes_to_the_next(learning: GraphClient, course: Course) -> None:
    clients = [holder(learning) for _ in range(2)]
    for client in clients:
        await run(client, op.JOIN_WAITLIST, courseId=course.id)
    await free_a_seat(learning, course)
    async with unchanged(learning.runtime):
        await end_waitlist_offers(learning.runtime)
    await run_out(learning.runtime)
    assert await code(clients[0], op.ENROLL, courseId=course.id) == "COURSE_FULL"
    await end_waitlist_offers(learning.runtime)
    assert await line(learning.runtime) == ["EXPIRED", "OFFERED"]
    assert await seats(learning.runtime, course) == (0, 1)
    assert (await run(clients[1], op.ENROLL, courseId=course.id))["status"] == "ACTIVE"
    # Who let an offer run out may wait again, at the end.
    again = await run(clients[0], op.JOIN_WAITLIST, courseId=course.id)
    assert again["status"] == "WAITING"


async def test_last_offer_that_runs_out_frees_the_seat_for_all(
    learning: GraphClient, course: Course
) -> None:
    await run(holder(learning), op.JOIN_WAITLIST, courseId=course.id)
    await free_a_seat(learning, course)
    await run_out(learning.runtime)
    await end_waitlist_offers(learning.runtime)
    assert await seats(learning.runtime, course) == (0, 0)
    async with unchanged(learning.runtime):
        await end_waitlist_offers(learning.runtime)
    result = await run(holder(learning), op.ENROLL, courseId=course.id)
    assert result["__typename"] == "Enrollment"


async def test_leaving_passes_an_offer_on(learning: GraphClient, course: Course) -> None:
    first, second = holder(learning), holder(learning)
    await run(first, op.JOIN_WAITLIST, courseId=course.id)
    await run(second, op.JOIN_WAITLIST, courseId=course.id)
    await free_a_seat(learning, course)
    result = await run(first, op.LEAVE_WAITLIST, courseId=course.id)
    assert result["status"] == "LEFT"
    assert await line(learning.runtime) == ["LEFT", "OFFERED"]
    assert await seats(learning.runtime, course) == (0, 1)
    assert await code(first, op.LEAVE_WAITLIST, courseId=course.id) == "NOT_FOUND"
    await run(second, op.LEAVE_WAITLIST, courseId=course.id)
    assert await seats(learning.runtime, course) == (0, 0)


async def test_leaving_without_an_offer_moves_nobody_s_seat(
    learning: GraphClient, course: Course
) -> None:
    client = holder(learning)
    await run(client, op.JOIN_WAITLIST, courseId=course.id)
    await run(client, op.LEAVE_WAITLIST, courseId=course.id)
    assert await seats(learning.runtime, course) == (1, 0)
    assert await published(learning.runtime) == []


async def test_more_seats_are_offered_to_the_line_in_order(
    learning: GraphClient, course: Course
) -> None:
    clients = [holder(learning) for _ in range(3)]
    entries = [await run(client, op.JOIN_WAITLIST, courseId=course.id) for client in clients]
    tutor = learning.as_user(course.tutor_id, "tutor")
    result = await run(tutor, op.UPDATE_COURSE, id=course.id, input={"maxStudents": 3})
    assert (result["currentStudents"], result["seatsLeft"]) == (1, 0)
    assert await line(learning.runtime) == ["OFFERED", "OFFERED", "WAITING"]
    events = await published(learning.runtime)
    assert [payload.get("entryId") for _, payload in events] == [
        None,
        entries[0]["id"],
        entries[1]["id"],
    ]
    result = await run(tutor, op.UPDATE_COURSE, id=course.id, input={"maxStudents": 9})
    assert result["seatsLeft"] == 5
    assert len(await offers(learning.runtime)) == 3


async def test_archived_course_ends_its_line_and_offers_no_more(
    learning: GraphClient, course: Course
) -> None:
    first, second = holder(learning), holder(learning)
    await run(first, op.JOIN_WAITLIST, courseId=course.id)
    await free_a_seat(learning, course)
    await run(second, op.JOIN_WAITLIST, courseId=course.id)
    tutor = learning.as_user(course.tutor_id, "tutor")
    assert (await run(tutor, op.ARCHIVE_COURSE, id=course.id))["seatsLeft"] == 1
    assert await line(learning.runtime) == ["EXPIRED", "EXPIRED"]
    assert await seats(learning.runtime, course) == (0, 0)
    assert await code(first, op.ENROLL, courseId=course.id) == "CONFLICT"
    assert await code(first, op.LEAVE_WAITLIST, courseId=course.id) == "NOT_FOUND"
    async with unchanged(learning.runtime):
        await end_waitlist_offers(learning.runtime)
    assert len(await offers(learning.runtime)) == 1


async def test_seat_freed_in_an_archived_course_is_offered_to_nobody(
    learning: GraphClient,
) -> None:
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session, status="ARCHIVED", max_students=1)
        await factories.create_enrollment(session, course)
        await factories.create_waitlist_entry(session, course)
    await free_a_seat(learning, course)
    assert await seats(learning.runtime, course) == (0, 0)
    assert await offers(learning.runtime) == []


async def test_offer_hours_are_a_setting(
    learning: GraphClient, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = learning.runtime.settings.model_copy(update={"waitlist_offer_hours": 1})
    monkeypatch.setattr(learning.runtime, "settings", settings)
    await run(holder(learning), op.JOIN_WAITLIST, courseId=course.id)
    await free_a_seat(learning, course)
    async with learning.runtime.database.read() as session:
        ends = await session.scalar(sa.select(WaitlistEntry.offer_expires_at))
    assert ends is not None
    assert utc_now() < ends <= utc_now() + timedelta(hours=1)
