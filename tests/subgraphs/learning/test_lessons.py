"""The life of a lesson: moving it, calling it off, holding it, and what goes wrong."""

import asyncio
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from shared.ids import new_id
from shared.runtime import Runtime
from subgraphs.learning.service.cancellation import refund_for
from subgraphs.learning.timers import complete_lessons
from tests.subgraphs.learning import operations as op
from tests.subgraphs.learning.booking import Booking, at, kinds, start_in, value
from tests.support.graph import GraphClient, published
from tests.support.operations import code, run, unchanged

POLICY = [
    {"hours_before": 24, "refund_bps": 10_000},
    {"hours_before": 12, "refund_bps": 5_000},
]


@pytest.mark.parametrize(
    ("seconds", "refund"),
    [
        (24 * 3600, 10_000),
        (24 * 3600 - 1, 5_000),
        (12 * 3600, 5_000),
        (12 * 3600 - 1, 0),
        (0, 0),
        (-1, 0),
    ],
)
def test_refund_changes_to_the_second(seconds: int, refund: int) -> None:
    assert refund_for(POLICY, timedelta(seconds=seconds)) == refund


@pytest.mark.parametrize(
    ("starts_in", "refund"),
    [
        (timedelta(hours=24, seconds=30), 10_000),
        (timedelta(hours=24, seconds=-1), 5_000),
        (timedelta(hours=12, seconds=30), 5_000),
        (timedelta(hours=12, seconds=-1), 0),
    ],
)
async def test_student_who_cancels_gets_back_what_the_policy_says(
    booking: Booking, starts_in: timedelta, refund: int
) -> None:
    lesson_id = await booking.schedule()
    await start_in(booking.runtime, lesson_id, starts_in)
    cancelled = await run(booking.student, op.CANCEL_LESSON, id=lesson_id, reason="I am ill")
    assert (cancelled["status"], cancelled["refundBps"]) == ("CANCELLED_BY_STUDENT", refund)
    [*_, (kind, payload)] = await published(booking.runtime)
    assert kind == "edtech.learning.lesson.cancelled.v1"
    assert (payload["refundBps"], payload["version"]) == (refund, 3)
    assert "reason" not in payload
    assert await code(booking.student, op.CANCEL_LESSON, id=lesson_id) == "LESSON_STATE_CHANGED"
    # The slot is free again.
    start = datetime.fromisoformat(cancelled["startsAt"])
    assert (await booking.reserve(start))["status"] == "PENDING_PAYMENT"


async def test_tutor_or_admin_who_cancels_gives_everything_back(
    booking: Booking, admin: GraphClient
) -> None:
    for client, status in (
        (booking.tutor, "CANCELLED_BY_TUTOR"),
        (admin, "CANCELLED_BY_SYSTEM"),
    ):
        lesson_id = await booking.schedule()
        await start_in(booking.runtime, lesson_id, timedelta(seconds=30))
        cancelled = await run(client, op.CANCEL_LESSON, id=lesson_id)
        assert (cancelled["status"], cancelled["refundBps"]) == (status, 10_000)


async def test_policy_is_as_it_was_when_the_lesson_was_booked(booking: Booking) -> None:
    lesson_id = await booking.schedule()
    query = "query($id: ID!) { lesson(id: $id) { cancellationPolicy { hoursBefore refundBps } } }"
    found = (await booking.student.ask(query, id=lesson_id)).data["lesson"]
    assert found["cancellationPolicy"] == [
        {"hoursBefore": 24, "refundBps": 10_000},
        {"hoursBefore": 12, "refundBps": 5_000},
    ]
    async with booking.runtime.database.write() as session:
        own = """UPDATE lessons SET cancellation_policy =
          '[{"hours_before": 1, "refund_bps": 2500}]'"""
        await session.execute(sa.text(own))
    await start_in(booking.runtime, lesson_id, timedelta(hours=2))
    assert (await run(booking.student, op.CANCEL_LESSON, id=lesson_id))["refundBps"] == 2500


async def test_lesson_is_held_from_start_to_completion(booking: Booking) -> None:
    lesson_id = await booking.schedule()
    assert await code(booking.tutor, op.START_LESSON, id=lesson_id) == "TOO_EARLY"
    assert await code(booking.tutor, op.COMPLETE_LESSON, id=lesson_id) == "TOO_EARLY"
    await start_in(booking.runtime, lesson_id, timedelta(minutes=10, seconds=20))
    assert await code(booking.tutor, op.START_LESSON, id=lesson_id) == "TOO_EARLY"
    await start_in(booking.runtime, lesson_id, timedelta(minutes=10, seconds=-1))
    assert (await run(booking.tutor, op.START_LESSON, id=lesson_id))["status"] == "IN_PROGRESS"
    assert await code(booking.tutor, op.START_LESSON, id=lesson_id) == "LESSON_STATE_CHANGED"
    assert await code(booking.student, op.CANCEL_LESSON, id=lesson_id) == "LESSON_STATE_CHANGED"
    assert await code(booking.student, op.COMPLETE_LESSON, id=lesson_id) == "FORBIDDEN"
    await start_in(booking.runtime, lesson_id, timedelta(seconds=-1))
    done = await run(booking.tutor, op.COMPLETE_LESSON, id=lesson_id)
    assert (done["status"], done["refundBps"]) == ("COMPLETED", None)
    until = datetime.fromisoformat(done["disputeUntil"])
    assert until - datetime.fromisoformat(done["completedAt"]) == timedelta(hours=72)
    [*_, (kind, payload)] = await published(booking.runtime)
    assert kind == "edtech.learning.lesson.completed.v1"
    assert payload["disputeUntil"] == done["disputeUntil"]
    assert await kinds(booking.runtime) == ["reserved", "scheduled", "started", "completed"]


async def test_lesson_that_nobody_ended_completes_a_day_after_its_end(booking: Booking) -> None:
    lesson_id = await booking.schedule()
    await start_in(booking.runtime, lesson_id, timedelta(hours=-25, seconds=20))
    async with unchanged(booking.runtime):
        await complete_lessons(booking.runtime)
    await start_in(booking.runtime, lesson_id, timedelta(hours=-25, seconds=-1))
    await asyncio.gather(*(complete_lessons(booking.runtime) for _ in range(4)))
    assert await kinds(booking.runtime) == ["reserved", "scheduled", "completed"]


async def test_lesson_that_both_joined_completes_soon_after_its_end(booking: Booking) -> None:
    lesson_id = await booking.schedule()
    assert await code(booking.student, op.JOIN_LESSON, id=lesson_id) == "TOO_EARLY"
    await start_in(booking.runtime, lesson_id, timedelta(minutes=1))
    await run(booking.tutor, op.JOIN_LESSON, id=lesson_id)
    await start_in(booking.runtime, lesson_id, timedelta(minutes=-75, seconds=-1))
    async with unchanged(booking.runtime):
        await complete_lessons(booking.runtime)
    await run(booking.student, op.JOIN_LESSON, id=lesson_id)
    await run(booking.student, op.LEAVE_LESSON, id=lesson_id)
    await complete_lessons(booking.runtime)
    query = """query($id: ID!) { lesson(id: $id) { status participants { nodes {
      role attendance joinedAt leftAt } } } }"""
    lesson = (await booking.tutor.ask(query, id=lesson_id)).data["lesson"]
    assert lesson["status"] == "COMPLETED"
    places = {each["role"]: each for each in lesson["participants"]["nodes"]}
    assert {each["attendance"] for each in places.values()} == {"PRESENT"}
    assert places["TUTOR"]["leftAt"] is None
    assert places["STUDENT"]["leftAt"] > places["STUDENT"]["joinedAt"]
    assert await code(booking.student, op.JOIN_LESSON, id=lesson_id) == "LESSON_STATE_CHANGED"


async def test_tutor_records_who_came(booking: Booking) -> None:
    lesson_id = await booking.schedule()
    values = {"lessonId": lesson_id, "studentId": booking.student_id, "attendance": "ABSENT"}
    assert await code(booking.tutor, op.RECORD_ATTENDANCE, **values) == "TOO_EARLY"
    await start_in(booking.runtime, lesson_id, timedelta(seconds=-1))
    assert await code(booking.student, op.RECORD_ATTENDANCE, **values) == "FORBIDDEN"
    unknown = values | {"studentId": booking.tutor_id}
    assert await code(booking.tutor, op.RECORD_ATTENDANCE, **unknown) == "NOT_FOUND"
    await run(booking.tutor, op.RECORD_ATTENDANCE, **values)
    found = "SELECT attendance FROM lesson_participants WHERE role = 'STUDENT'"
    assert await value(booking.runtime, found) == "ABSENT"


@pytest.mark.parametrize(
    ("who", "status", "refund"),
    [("STUDENT", "NO_SHOW_STUDENT", 0), ("TUTOR", "NO_SHOW_TUTOR", 10_000)],
)
async def test_who_does_not_come_is_reported_by_the_other_side(
    booking: Booking, who: str, status: str, refund: int
) -> None:
    lesson_id = await booking.schedule()
    reporter, missing = booking.student, booking.tutor
    if who == "STUDENT":
        reporter, missing = missing, reporter
    values = {"lessonId": lesson_id, "who": who}
    await start_in(booking.runtime, lesson_id, timedelta(minutes=-10, seconds=20))
    assert await code(reporter, op.REPORT_NO_SHOW, **values) == "TOO_EARLY"
    await start_in(booking.runtime, lesson_id, timedelta(hours=-24, seconds=-1))
    assert await code(reporter, op.REPORT_NO_SHOW, **values) == "TOO_LATE"
    await start_in(booking.runtime, lesson_id, timedelta(minutes=-10, seconds=-1))
    assert await code(missing, op.REPORT_NO_SHOW, **values) == "FORBIDDEN"
    await run(missing, op.JOIN_LESSON, id=lesson_id)
    assert await code(reporter, op.REPORT_NO_SHOW, **values) == "WAS_PRESENT"
    async with booking.runtime.database.write() as session:
        await session.execute(sa.text("UPDATE lesson_participants SET attendance = 'UNKNOWN'"))
    found = await run(reporter, op.REPORT_NO_SHOW, **values)
    assert (found["status"], found["refundBps"]) == (status, refund)
    assert (found["disputeUntil"] is None) == (who == "TUTOR")
    assert (await kinds(booking.runtime))[-1] == "no_show"


async def test_tutor_who_started_the_lesson_was_there(booking: Booking) -> None:
    lesson_id = await booking.schedule()
    await start_in(booking.runtime, lesson_id, timedelta(minutes=-11))
    await run(booking.tutor, op.START_LESSON, id=lesson_id)
    refused = await code(booking.student, op.REPORT_NO_SHOW, lessonId=lesson_id, who="TUTOR")
    assert refused == "LESSON_STATE_CHANGED"


async def completed(booking: Booking) -> str:
    lesson_id = await booking.schedule()
    await start_in(booking.runtime, lesson_id, timedelta(hours=-2))
    await run(booking.tutor, op.COMPLETE_LESSON, id=lesson_id)
    return lesson_id


async def dispute_ends_in(runtime: Runtime, seconds: int) -> None:
    async with runtime.database.write() as session:
        await session.execute(
            sa.text(
                "UPDATE lessons SET dispute_until = clock_timestamp() + CAST(:s AS interval)"
                " WHERE dispute_until IS NOT NULL"
            ),
            {"s": timedelta(seconds=seconds)},
        )


async def test_dispute_waits_for_an_admin(booking: Booking, admin: GraphClient) -> None:
    lesson_id = await completed(booking)
    values = {"lessonId": lesson_id, "reason": "The tutor only talked on the phone."}
    assert await code(booking.tutor, op.OPEN_DISPUTE, **values) == "FORBIDDEN"
    assert await code(booking.student, op.OPEN_DISPUTE, lessonId=lesson_id, reason=" ") == (
        "INVALID_INPUT"
    )
    await dispute_ends_in(booking.runtime, -1)
    assert await code(booking.student, op.OPEN_DISPUTE, **values) == "TOO_LATE"
    await dispute_ends_in(booking.runtime, 30)
    assert (await run(booking.student, op.OPEN_DISPUTE, **values))["status"] == "DISPUTED"
    decision = {"lessonId": lesson_id, "refundBps": 4000}
    for client in (booking.student, booking.tutor):
        assert await code(client, op.RESOLVE_DISPUTE, **decision) == "FORBIDDEN"
    for refund in (-1, 10_001):
        wrong = decision | {"refundBps": refund}
        assert await code(admin, op.RESOLVE_DISPUTE, **wrong) == "INVALID_INPUT"
    done = await run(admin, op.RESOLVE_DISPUTE, **decision)
    assert (done["status"], done["refundBps"]) == ("COMPLETED", 4000)
    assert await code(admin, op.RESOLVE_DISPUTE, **decision) == "LESSON_STATE_CHANGED"
    assert await code(booking.student, op.OPEN_DISPUTE, **values) == "TOO_LATE"
    verbs = await kinds(booking.runtime)
    assert verbs == ["reserved", "scheduled", "completed", "disputed", "completed"]


async def test_reported_student_may_dispute_it(booking: Booking) -> None:
    lesson_id = await booking.schedule()
    await start_in(booking.runtime, lesson_id, timedelta(minutes=-11))
    await run(booking.tutor, op.REPORT_NO_SHOW, lessonId=lesson_id, who="STUDENT")
    found = await run(booking.student, op.OPEN_DISPUTE, lessonId=lesson_id, reason="I was there")
    assert (found["status"], found["refundBps"]) == ("DISPUTED", None)


async def test_student_moves_a_lesson_to_another_slot_on_offer(booking: Booking) -> None:
    start = at(timedelta(hours=48))
    lesson_id = await booking.schedule(starts_in=start)
    later = start + timedelta(minutes=30)
    token = booking.offer(later)
    moved = await run(booking.student, op.RESCHEDULE, id=lesson_id, offerToken=token)
    assert datetime.fromisoformat(moved["startsAt"]) == later
    assert datetime.fromisoformat(moved["endsAt"]) == later + timedelta(hours=1)
    [*_, (kind, payload)] = await published(booking.runtime)
    assert kind == "edtech.learning.lesson.rescheduled.v1"
    assert (payload["status"], payload["version"]) == ("SCHEDULED", 3)
    async with unchanged(booking.runtime):
        await run(booking.student, op.RESCHEDULE, id=lesson_id, offerToken=token)
    # The old time is free, the new one is not.
    other = await booking.another_student()
    assert await code(other.student, op.BOOK, offerToken=other.offer(later)) == "SLOT_TAKEN"
    before = other.offer(start - timedelta(minutes=30))
    assert (await run(other.student, op.BOOK, offerToken=before))["status"] == "PENDING_PAYMENT"


async def test_lesson_is_moved_by_the_rules_alone(booking: Booking) -> None:
    start = at(timedelta(hours=48))
    lesson_id = await booking.schedule(starts_in=start)
    later = start + timedelta(hours=5)
    tutor = await booking.another_tutor()
    blocker = await booking.another_student()
    await blocker.schedule(starts_in=later)

    async def refused(client: GraphClient, **arguments: object) -> str:
        return await code(client, op.RESCHEDULE, id=lesson_id, **arguments)

    free = later + timedelta(hours=5)
    for changes, expected in (
        ({"price_amount": 2501}, "PRICE_CHANGED"),
        ({"price_currency": "EUR"}, "PRICE_CHANGED"),
        ({"minutes": 90}, "OFFER_INVALID"),
        ({"kind": "TRIAL"}, "OFFER_INVALID"),
        ({"tutor_id": tutor.tutor_id}, "OFFER_INVALID"),
        ({"student_id": new_id()}, "OFFER_INVALID"),
        ({"seconds": -1}, "OFFER_EXPIRED"),
    ):
        token = booking.offer(free, **changes)
        assert await refused(booking.student, offerToken=token) == expected, changes
    assert await refused(booking.student, offerToken=booking.offer(later)) == "SLOT_TAKEN"
    past = booking.offer(timedelta(seconds=-5))
    assert await refused(booking.student, offerToken=past) == "START_PASSED"
    assert await refused(booking.student, startsAt=free.isoformat()) == "INVALID_INPUT"
    assert await refused(booking.tutor) == "INVALID_INPUT"
    soon = at(timedelta(hours=23)).isoformat()
    assert await refused(booking.tutor, startsAt=soon) == "START_PASSED"
    # A token does not let the tutor past the notice.
    also = {"startsAt": soon, "offerToken": booking.offer(free)}
    assert await refused(booking.tutor, **also) == "START_PASSED"
    assert await refused(booking.tutor, startsAt=later.isoformat()) == "SLOT_TAKEN"
    assert await refused(blocker.student, startsAt=free.isoformat()) == "NOT_FOUND"
    await start_in(booking.runtime, lesson_id, timedelta(hours=24, seconds=-1))
    token = booking.offer(free)
    assert await refused(booking.student, offerToken=token) == "TOO_LATE"
    assert await refused(booking.tutor, startsAt=free.isoformat()) == "TOO_LATE"
    await start_in(booking.runtime, lesson_id, timedelta(hours=24, seconds=20))
    moved = await run(booking.tutor, op.RESCHEDULE, id=lesson_id, startsAt=free.isoformat())
    assert datetime.fromisoformat(moved["startsAt"]) == free


async def test_two_lessons_moved_into_each_other_never_overlap(booking: Booking) -> None:
    start = at(timedelta(hours=48))
    other = await booking.another_student()
    first = await booking.schedule(starts_in=start)
    second = await other.schedule(starts_in=start + timedelta(hours=3))
    middle = start + timedelta(minutes=90)
    booker = await booking.another_student()
    outcomes = await asyncio.gather(
        run(booking.student, op.RESCHEDULE, id=first, offerToken=booking.offer(middle)),
        run(other.student, op.RESCHEDULE, id=second, offerToken=other.offer(middle)),
        run(booker.student, op.BOOK, offerToken=booker.offer(middle)),
    )
    codes = sorted(each.get("code", "won") for each in outcomes)
    assert codes == ["SLOT_TAKEN", "SLOT_TAKEN", "won"]


async def test_cancelling_and_completing_at_once_decide_for_one(booking: Booking) -> None:
    for _ in range(5):
        lesson_id = await booking.schedule()
        await start_in(booking.runtime, lesson_id, timedelta(seconds=-1))
        outcomes = await asyncio.gather(
            run(booking.student, op.CANCEL_LESSON, id=lesson_id),
            run(booking.tutor, op.COMPLETE_LESSON, id=lesson_id),
            run(booking.tutor, op.START_LESSON, id=lesson_id),
        )
        final = await value(
            booking.runtime, "SELECT status FROM lessons WHERE id = :id", id=lesson_id
        )
        cancelled, done, started = (each.get("code", each.get("status")) for each in outcomes)
        if final == "CANCELLED_BY_STUDENT":
            assert (cancelled, done, started) == (final, *["LESSON_STATE_CHANGED"] * 2)
        else:
            assert (cancelled, done) == ("LESSON_STATE_CHANGED", "COMPLETED")
            assert started in ("IN_PROGRESS", "LESSON_STATE_CHANGED")
        own = [p for _, p in await published(booking.runtime) if p["lessonId"] == lesson_id]
        assert [p["version"] for p in own] == list(range(1, len(own) + 1))
