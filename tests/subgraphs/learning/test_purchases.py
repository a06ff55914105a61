"""Buying a seat: held while the student pays, taken once, or passed on once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from shared.ids import new_id
from shared.runtime import Runtime
from shared.saga import run_due
from subgraphs.learning.models import Course
from subgraphs.learning.sagas import sagas
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.subgraphs.learning.booking import hold_runs_out, kinds, payment, states, value
from tests.support.graph import GraphClient, published, send
from tests.support.operations import code, run

PRICE = 4900


async def priced(client: GraphClient, **overrides: Any) -> Course:
    async with client.runtime.database.write() as session:
        return await factories.create_course(session, price_amount=PRICE, **overrides)


async def someone(learning: GraphClient) -> GraphClient:
    async with learning.runtime.database.write() as session:
        user = await factories.create_user(session)
    return learning.as_user(user.user_id)


async def paid(client: GraphClient, course: Course, purchase_id: Any) -> None:
    await send(client.subgraph, client.runtime, payment("COURSE", course.id, purchase_id))


async def seats(runtime: Runtime, course: Course) -> tuple[int, int]:
    async with runtime.database.read() as session:
        row = await session.get_one(Course, course.id)
        return row.current_students, row.held_seats


async def bought(client: GraphClient, course: Course) -> dict[str, Any]:
    enrollment = await run(client, op.PURCHASE, courseId=course.id)
    await paid(client, course, enrollment["purchaseId"])
    return enrollment


async def test_seat_is_held_and_payment_takes_it(student: GraphClient) -> None:
    course = await priced(student)
    held = await run(student, op.PURCHASE, courseId=course.id)
    assert held["status"] == "PENDING_PAYMENT"
    assert await seats(student.runtime, course) == (0, 1)
    await paid(student, course, held["purchaseId"])
    assert await seats(student.runtime, course) == (1, 0)
    [(reserved, first), (activated, second)] = await published(student.runtime)
    assert reserved == "edtech.learning.enrollment.seat_reserved.v1"
    assert activated == "edtech.learning.enrollment.activated.v1"
    student_id = first["studentId"]
    shared = {
        "enrollmentId": held["id"],
        "courseId": str(course.id),
        "studentId": student_id,
        "purchaseId": held["purchaseId"],
    }
    assert first == shared | {
        "version": 1,
        "tutorId": str(course.tutor_id),
        "priceAmount": PRICE,
        "priceCurrency": "USD",
        "expiresAt": held["holdExpiresAt"],
    }
    until = second.pop("refundUntil")
    assert second == shared | {"version": 2, "tutorId": str(course.tutor_id)}
    query = "query($id: ID!) { enrollment(id: $id) { status refundUntil holdExpiresAt } }"
    assert (await student.ask(query, id=held["id"])).data["enrollment"] == {
        "status": "ACTIVE",
        "refundUntil": until,
        "holdExpiresAt": None,
    }
    days = "SELECT refund_until - paid_at FROM course_purchases"
    assert abs(await value(student.runtime, days) - timedelta(days=14)) < timedelta(seconds=5)
    assert await states(student.runtime) == [("course_purchase", "COMPLETED")]


async def test_unpaid_seat_opens_nothing(student: GraphClient, learning: GraphClient) -> None:
    course = await priced(student)
    query = """query($id: ID!) { course(id: $id) { seatsLeft currentStudents
      myEnrollment { id status } units { nodes { id isCompleted } } } }"""
    await run(student, op.PURCHASE, courseId=course.id)
    found = (await student.ask(query, id=course.id)).data["course"]
    assert (found["seatsLeft"], found["currentStudents"]) == (9, 0)
    assert found["myEnrollment"]["status"] == "PENDING_PAYMENT"
    [unit, _] = found["units"]["nodes"]
    assert await code(student, op.COMPLETE_UNIT, unitId=unit["id"]) == "PAYMENT_REQUIRED"
    async with student.runtime.database.write() as session:
        # Ticked while the seat was had before.
        tick = "INSERT INTO unit_progress (enrollment_id, unit_id) VALUES (:e, :u)"
        await session.execute(sa.text(tick), {"e": found["myEnrollment"]["id"], "u": unit["id"]})
    found = (await student.ask(query, id=course.id)).data["course"]
    assert [each["isCompleted"] for each in found["units"]["nodes"]] == [False, False]


async def test_refusals_name_their_reason(student: GraphClient, learning: GraphClient) -> None:
    course = await priced(student)
    free = await priced(student)
    async with student.runtime.database.write() as session:
        await session.execute(
            sa.text("UPDATE courses SET price_amount = 0 WHERE id = :id"), {"id": free.id}
        )
        unverified = await factories.create_user(session, status="UNVERIFIED")
        full = await factories.create_course(session, price_amount=PRICE, max_students=1)
        await factories.create_enrollment(session, full, status="PENDING_PAYMENT")
    archived = await priced(student, status="ARCHIVED")
    draft = await priced(student, status="DRAFT")
    for wanted, expected in (
        (free.id, "COURSE_IS_FREE"),
        (full.id, "COURSE_FULL"),
        (archived.id, "CONFLICT"),
        (draft.id, "NOT_FOUND"),
        (new_id(), "NOT_FOUND"),
        ("no-id", "INVALID_INPUT"),
    ):
        assert await code(student, op.PURCHASE, courseId=wanted) == expected
    assert await code(learning, op.PURCHASE, courseId=course.id) == "UNAUTHENTICATED"
    client = learning.as_user(unverified.user_id)
    assert await code(client, op.PURCHASE, courseId=course.id) == "EMAIL_NOT_VERIFIED"
    async with student.runtime.database.write() as session:
        tutor = await factories.create_user(session, user_id=course.tutor_id, roles=["tutor"])
    own = learning.as_user(tutor.user_id, "tutor")
    assert await code(own, op.PURCHASE, courseId=course.id) == "OWN_COURSE"
    await run(student, op.PURCHASE, courseId=course.id)
    assert await code(student, op.PURCHASE, courseId=course.id) == "ALREADY_ENROLLED"
    assert await code(student, op.ENROLL, courseId=course.id) == "PAYMENT_REQUIRED"


async def test_same_key_holds_one_seat(student: GraphClient) -> None:
    course = await priced(student)
    values = {"courseId": course.id, "idempotencyKey": "a-key-of-mine"}
    first = await run(student, op.PURCHASE, **values)
    assert await run(student, op.PURCHASE, **values) == first
    assert await seats(student.runtime, course) == (0, 1)


async def test_last_seat_is_held_for_one_of_twenty(learning: GraphClient) -> None:
    course = await priced(learning, max_students=1)
    people = [await someone(learning) for _ in range(20)]
    outcomes = await asyncio.gather(
        *(run(each, op.PURCHASE, courseId=course.id) for each in people)
    )
    codes = sorted(each.get("code", "held") for each in outcomes)
    assert codes == sorted(["held", *["COURSE_FULL"] * 19])
    assert await seats(learning.runtime, course) == (0, 1)
    assert await kinds(learning.runtime) == ["seat_reserved"]


async def test_unpaid_seat_goes_to_the_first_in_line(
    student: GraphClient, learning: GraphClient
) -> None:
    course = await priced(student, max_students=1)
    held = await run(student, op.PURCHASE, courseId=course.id)
    waiting = await someone(learning)
    await run(waiting, op.JOIN_WAITLIST, courseId=course.id)
    await hold_runs_out(student.runtime)
    assert await kinds(student.runtime) == ["seat_reserved", "seat_released", "waitlist_offered"]
    assert await seats(student.runtime, course) == (0, 1)
    assert await states(student.runtime) == [("course_purchase", "COMPENSATED")]
    assert await code(student, op.PURCHASE, courseId=course.id) == "COURSE_FULL"
    # The late payment goes back: the seat is held for somebody else.
    await paid(student, course, held["purchaseId"])
    await paid(student, course, held["purchaseId"])
    events = await published(student.runtime)
    [(kind, payload)] = events[3:]
    assert (kind.split(".")[-2], payload["refundBps"], payload["version"]) == (
        "seat_released",
        10000,
        3,
    )
    offered = await run(waiting, op.PURCHASE, courseId=course.id)
    await paid(waiting, course, offered["purchaseId"])
    assert await seats(student.runtime, course) == (1, 0)


async def test_late_payment_takes_a_seat_that_is_free(student: GraphClient) -> None:
    course = await priced(student, max_students=1)
    held = await run(student, op.PURCHASE, courseId=course.id)
    await hold_runs_out(student.runtime)
    assert await seats(student.runtime, course) == (0, 0)
    await paid(student, course, held["purchaseId"])
    assert await seats(student.runtime, course) == (1, 0)
    events = await published(student.runtime)
    assert [(kind.split(".")[-2], p["version"]) for kind, p in events] == [
        ("seat_reserved", 1),
        ("seat_released", 2),
        ("activated", 3),
    ]


async def test_late_payment_of_an_older_purchase_goes_back(student: GraphClient) -> None:
    course = await priced(student)
    old = await run(student, op.PURCHASE, courseId=course.id)
    await hold_runs_out(student.runtime)
    new = await run(student, op.PURCHASE, courseId=course.id)
    assert (new["id"], new["status"]) == (old["id"], "PENDING_PAYMENT")
    assert new["purchaseId"] != old["purchaseId"]
    await paid(student, course, old["purchaseId"])
    await paid(student, course, new["purchaseId"])
    assert await seats(student.runtime, course) == (1, 0)
    told = [
        (kind.split(".")[-2], p["purchaseId"], p.get("refundBps"))
        for kind, p in await published(student.runtime)
    ]
    assert told == [
        ("seat_reserved", old["purchaseId"], None),
        ("seat_released", old["purchaseId"], None),
        ("seat_reserved", new["purchaseId"], None),
        ("seat_released", old["purchaseId"], 10000),
        ("activated", new["purchaseId"], None),
    ]


async def test_own_hold_that_ran_out_gives_way_to_a_new_one(student: GraphClient) -> None:
    course = await priced(student)
    await run(student, op.PURCHASE, courseId=course.id)
    await hold_runs_out(student.runtime, fire=False)
    again = await run(student, op.PURCHASE, courseId=course.id)
    assert again["status"] == "PENDING_PAYMENT"
    assert await seats(student.runtime, course) == (0, 1)
    await run_due(student.runtime, sagas)
    assert await seats(student.runtime, course) == (0, 1)
    assert [state for _, state in await states(student.runtime)] == ["COMPENSATED", "RUNNING"]


async def test_giving_up_paying_releases_the_seat_and_the_payment_goes_back(
    student: GraphClient,
) -> None:
    course = await priced(student)
    held = await run(student, op.PURCHASE, courseId=course.id)
    assert (await run(student, op.CANCEL, id=held["id"]))["status"] == "CANCELLED"
    assert await seats(student.runtime, course) == (0, 0)
    assert await run_due(student.runtime, sagas) == 1
    await paid(student, course, held["purchaseId"])
    told = [
        (kind.split(".")[-2], p.get("refundBps")) for kind, p in await published(student.runtime)
    ]
    assert told == [("seat_reserved", None), ("seat_released", 10000), ("seat_released", 10000)]
    assert await seats(student.runtime, course) == (0, 0)


async def test_payment_and_the_end_of_the_hold_at_the_same_moment_agree(
    learning: GraphClient,
) -> None:
    course = await priced(learning)
    for round_ in range(1, 6):
        client = await someone(learning)
        held = await run(client, op.PURCHASE, courseId=course.id)
        await hold_runs_out(learning.runtime, fire=False)
        await asyncio.gather(
            paid(client, course, held["purchaseId"]), run_due(learning.runtime, sagas)
        )
        assert await seats(learning.runtime, course) == (round_, 0)
    verbs = await kinds(learning.runtime)
    assert verbs.count("activated") == 5
    assert verbs.count("seat_reserved") == 5


async def test_archived_course_keeps_the_seat_of_who_is_paying(
    student: GraphClient, learning: GraphClient
) -> None:
    course = await priced(student, max_students=2)
    held = await run(student, op.PURCHASE, courseId=course.id)
    async with student.runtime.database.write() as session:
        row = await session.get_one(Course, course.id)
        row.held_seats += 1
        entry = await factories.create_waitlist_entry(
            session, course, status="OFFERED", offer_expires_at=sa.func.now()
        )
    assert entry.status == "OFFERED"
    tutor = learning.as_user(course.tutor_id, "tutor")
    await run(tutor, op.ARCHIVE_COURSE, id=course.id)
    assert await seats(student.runtime, course) == (0, 1)
    await paid(student, course, held["purchaseId"])
    assert await seats(student.runtime, course) == (1, 0)


@pytest.mark.parametrize(
    ("units", "ticked", "seconds_left", "refund"),
    [
        (5, 0, 30, 10_000),
        (5, 0, -1, 0),
        (5, 1, 30, 0),
        (6, 1, 30, 10_000),
    ],
)
async def test_bought_seat_gives_money_back_in_time_and_before_a_fifth_is_done(
    student: GraphClient, units: int, ticked: int, seconds_left: int, refund: int
) -> None:
    course = await priced(student, units=units)
    held = await bought(student, course)
    query = "query($id: ID!) { course(id: $id) { units { nodes { id } } } }"
    found = (await student.ask(query, id=course.id)).data["course"]["units"]["nodes"]
    for unit in found[:ticked]:
        await run(student, op.COMPLETE_UNIT, unitId=unit["id"])
    async with student.runtime.database.write() as session:
        await session.execute(
            sa.text(
                "UPDATE course_purchases SET refund_until ="
                " clock_timestamp() + CAST(:left AS interval)"
            ),
            {"left": timedelta(seconds=seconds_left)},
        )
    await run(student, op.CANCEL, id=held["id"])
    [*_, (kind, payload)] = await published(student.runtime)
    assert kind == "edtech.learning.enrollment.cancelled.v1"
    assert (payload["purchaseId"], payload["refundBps"]) == (held["purchaseId"], refund)
    again = await run(student, op.PURCHASE, courseId=course.id)
    assert again["id"] == held["id"]


async def test_worker_killed_around_the_end_of_a_hold_releases_the_seat_once(
    student: GraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = await priced(student)
    await run(student, op.PURCHASE, courseId=course.id)
    first, second = sagas.kinds["course_purchase"]

    class Killed(BaseException):
        pass

    async def before(runtime: Any, instance: Any) -> None:
        raise Killed

    async def after(runtime: Any, instance: Any) -> None:
        await second.run(runtime, instance)
        raise Killed

    for run_ in (before, after):
        with monkeypatch.context() as patched:
            broken = type(second)(second.name, run_)
            patched.setitem(sagas.kinds, "course_purchase", (first, broken))
            await hold_runs_out(student.runtime, fire=False)
            with pytest.raises(Killed):
                await run_due(student.runtime, sagas)
    await hold_runs_out(student.runtime)
    assert await seats(student.runtime, course) == (0, 0)
    assert await kinds(student.runtime) == ["seat_reserved", "seat_released"]


async def test_unknown_purchases_change_nothing(student: GraphClient) -> None:
    course = await priced(student)
    await paid(student, course, new_id())
    assert await published(student.runtime) == []


async def test_purchase_is_not_shown_to_the_tutor(
    student: GraphClient, learning: GraphClient
) -> None:
    course = await priced(student)
    held = await bought(student, course)
    query = "query($id: ID!) { enrollment(id: $id) { status purchaseId } }"
    tutor = learning.as_user(course.tutor_id, "tutor")
    assert (await tutor.ask(query, id=held["id"])).data["enrollment"] == {
        "status": "ACTIVE",
        "purchaseId": None,
    }
