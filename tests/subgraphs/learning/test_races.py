"""Storms of requests on real connections: the seats add up, whatever the order."""

import asyncio
import random
from typing import Any

import pytest
import sqlalchemy as sa

from shared.ids import new_id
from shared.runtime import Runtime
from subgraphs.learning.models import Course
from subgraphs.learning.timers import end_waitlist_offers
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.support.graph import GraphClient, published
from tests.support.operations import run

STUDENTS = 7
ROUNDS = 12
REFUSALS = {"COURSE_FULL", "ALREADY_ENROLLED", "SEATS_FREE", "NOT_FOUND"}


async def some_offers_run_out(runtime: Runtime, chance: random.Random) -> None:
    async with runtime.database.write() as session:
        # Courses are locked before their entries, as everywhere.
        await session.execute(sa.text("SELECT 1 FROM courses FOR UPDATE"))
        await session.execute(
            sa.text(
                "UPDATE waitlist_entries SET offer_expires_at = clock_timestamp()"
                " WHERE status = 'OFFERED' AND :yes"
            ),
            {"yes": chance.random() < 0.7},
        )
    await end_waitlist_offers(runtime)


async def act(client: GraphClient, course: Course, chance: random.Random) -> dict[str, Any] | None:
    choice = chance.choice(["enroll", "enroll", "cancel", "cancel", "join", "leave", "expire"])
    match choice:
        case "enroll":
            return await run(client, op.ENROLL, courseId=course.id)
        case "join":
            return await run(client, op.JOIN_WAITLIST, courseId=course.id)
        case "leave":
            return await run(client, op.LEAVE_WAITLIST, courseId=course.id)
        case "cancel":
            query = "query($id: ID!) { course(id: $id) { myEnrollment { id } } }"
            own = (await client.ask(query, id=course.id)).data["course"]["myEnrollment"]
            return await run(client, op.CANCEL, id=own["id"]) if own else None
        case _:
            await some_offers_run_out(client.runtime, chance)
            return None


async def check(runtime: Runtime, course: Course) -> None:
    async with runtime.database.read() as session:
        row = (
            await session.execute(
                sa.text("""
                SELECT c.max_students, c.current_students, c.held_seats,
                  (SELECT count(*) FROM enrollments WHERE status <> 'CANCELLED') AS live,
                  (SELECT count(*) FROM waitlist_entries WHERE status = 'OFFERED') AS offered,
                  (SELECT count(*) FROM waitlist_entries WHERE status = 'WAITING') AS waiting,
                  (SELECT count(*) FROM waitlist_entries w JOIN enrollments e USING (student_id)
                    WHERE w.status IN ('WAITING', 'OFFERED') AND e.status <> 'CANCELLED') AS both
                FROM courses c WHERE c.id = :id"""),
                {"id": course.id},
            )
        ).one()
    assert row.current_students == row.live
    assert row.held_seats == row.offered
    assert row.live + row.offered <= row.max_students
    # A seat is free only when nobody waits for it, and nobody waits who has one.
    assert row.waiting == 0 or row.live + row.offered == row.max_students
    assert row.both == 0
    events = await published(runtime)
    versions: dict[str, list[int]] = {}
    for _, payload in events:
        if "enrollmentId" in payload:
            versions.setdefault(payload["enrollmentId"], []).append(payload["version"])
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
    kinds = [kind.split(".")[-2] for kind, _ in events]
    assert kinds.count("activated") - kinds.count("cancelled") == row.live


@pytest.mark.parametrize("seed", range(4))
async def test_seats_add_up_after_a_storm(learning: GraphClient, seed: int) -> None:
    chance = random.Random(seed)
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session, max_students=2)
    tutor = learning.as_user(course.tutor_id, "tutor")

    async def student() -> None:
        client = learning.as_user(new_id())
        for _ in range(ROUNDS):
            result = await act(client, course, chance)
            assert result is None or result.get("code", "NOT_FOUND") in REFUSALS, result

    async def more_seats() -> None:
        for seats in (3, 4):
            await asyncio.sleep(0.1)
            changed = await run(tutor, op.UPDATE_COURSE, id=course.id, input={"maxStudents": seats})
            assert changed["maxStudents"] == seats

    await asyncio.gather(more_seats(), *(student() for _ in range(STUDENTS)))
    await check(learning.runtime, course)


async def test_two_timers_at_once_pass_each_seat_on_once(learning: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session, max_students=2, held_seats=2)
        for _ in range(2):
            await factories.create_waitlist_entry(
                session, course, status="OFFERED", offer_expires_at=sa.func.now()
            )
        for _ in range(3):
            await factories.create_waitlist_entry(session, course)
    await asyncio.gather(*(end_waitlist_offers(learning.runtime) for _ in range(4)))
    await check(learning.runtime, course)
    async with learning.runtime.database.read() as reading:
        statuses = await reading.scalars(
            sa.text("SELECT status FROM waitlist_entries ORDER BY created_at")
        )
    assert list(statuses) == ["EXPIRED", "EXPIRED", "OFFERED", "OFFERED", "WAITING"]


async def test_archiving_during_enrolments_leaves_no_seat_held(learning: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session, max_students=2)
    tutor = learning.as_user(course.tutor_id, "tutor")

    async def student() -> str:
        client = learning.as_user(new_id())
        first = await run(client, op.ENROLL, courseId=course.id)
        if first.get("code") == "COURSE_FULL":
            first = await run(client, op.JOIN_WAITLIST, courseId=course.id)
        return str(first.get("code", first["__typename"]))

    async def archive() -> str:
        await asyncio.sleep(0.05)
        return str((await run(tutor, op.ARCHIVE_COURSE, id=course.id))["status"])

    archived, *outcomes = await asyncio.gather(archive(), *(student() for _ in range(8)))
    assert archived == "ARCHIVED"
    assert set(outcomes) <= {"Enrollment", "WaitlistEntry", "CONFLICT"}
    async with learning.runtime.database.read() as reading:
        live = sa.text(
            "SELECT count(*) FROM waitlist_entries WHERE status IN ('WAITING', 'OFFERED')"
        )
        assert await reading.scalar(live) == 0
        held = await reading.scalar(sa.select(Course.held_seats).where(Course.id == course.id))
    assert held == 0
