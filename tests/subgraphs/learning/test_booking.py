"""Booking and paying for a lesson: who gets the slot, and what becomes of it."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from shared.events.matching import Offer
from shared.ids import new_id
from shared.saga import run_due
from shared.seal import seal
from subgraphs.learning.sagas import sagas
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.subgraphs.learning.booking import (
    Booking,
    at,
    hold_runs_out,
    kinds,
    pay,
    start_in,
    states,
    value,
)
from tests.support.graph import GraphClient, counted, published
from tests.support.operations import code, run, unchanged

STATUS = "SELECT status FROM lessons WHERE id = :id"
HISTORY = """query($id: ID!) { lesson(id: $id) { status history { nodes {
  from to reason by { id } } } } }"""


async def test_booking_holds_the_slot_and_payment_schedules_the_lesson(booking: Booking) -> None:
    start = at(timedelta(hours=48))
    lesson = await booking.reserve(start)
    assert (lesson["status"], lesson["kind"]) == ("PENDING_PAYMENT", "ONE_TO_ONE")
    held = datetime.fromisoformat(lesson["holdExpiresAt"]) - at(timedelta())
    assert timedelta(seconds=895) < held <= timedelta(seconds=901)
    await pay(booking.learning, lesson["id"])
    [(reserved, first), (scheduled, second)] = await published(booking.runtime)
    assert reserved == "edtech.learning.lesson.reserved.v1"
    assert scheduled == "edtech.learning.lesson.scheduled.v1"
    expected = {
        "version": 1,
        "lessonId": lesson["id"],
        "tutorId": str(booking.tutor_id),
        "studentIds": [str(booking.student_id)],
        "courseId": None,
        "kind": "ONE_TO_ONE",
        "status": "PENDING_PAYMENT",
        "startsAt": start.isoformat().replace("+00:00", "Z"),
        "endsAt": (start + timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
        "priceAmount": 2500,
        "priceCurrency": "USD",
        "holdExpiresAt": lesson["holdExpiresAt"],
        "completedAt": None,
        "disputeUntil": None,
        "refundBps": None,
    }
    assert first == expected
    assert second == expected | {"version": 2, "status": "SCHEDULED"}
    assert await states(booking.runtime) == [("lesson_purchase", "COMPLETED")]
    history = (await booking.student.ask(HISTORY, id=lesson["id"])).data["lesson"]
    student = {"id": str(booking.student_id)}
    assert history == {
        "status": "SCHEDULED",
        "history": {
            "nodes": [
                {"from": None, "to": "PENDING_PAYMENT", "reason": None, "by": student},
                {"from": "PENDING_PAYMENT", "to": "SCHEDULED", "reason": None, "by": None},
            ]
        },
    }


async def test_free_lesson_is_scheduled_at_once_even_of_a_tutor_who_sells_none(
    booking: Booking,
) -> None:
    tutor_id = new_id()
    lesson = await booking.reserve(tutor_id=tutor_id, price_amount=0)
    assert (lesson["status"], lesson["holdExpiresAt"]) == ("SCHEDULED", None)
    assert await kinds(booking.runtime) == ["scheduled"]
    assert await states(booking.runtime) == []


async def test_offers_that_do_not_hold_are_refused(booking: Booking, admin: GraphClient) -> None:
    async def refused(token: str, client: GraphClient | None = None) -> str:
        return await code(client or booking.student, op.BOOK, offerToken=token)

    good = booking.offer()
    assert await refused(booking.offer(seconds=-1)) == "OFFER_EXPIRED"
    body, _, mac = good.partition(".")
    other_body = booking.offer(price_amount=1).partition(".")[0]
    for token in (f"{other_body}.{mac}", f"{body}.{mac[:-1]}", body, "", "a.b", "é.é"):
        assert await refused(token) == "OFFER_INVALID"
    assert await refused(booking.offer(student_id=new_id())) == "OFFER_INVALID"
    assert await refused(booking.offer(minutes=0)) == "OFFER_INVALID"
    start = at(timedelta(hours=48))
    content = Offer(
        tutor_id=booking.tutor_id,
        starts_at=start,
        ends_at=start + timedelta(hours=1),
        kind="ONE_TO_ONE",
        price_amount=1,
        price_currency="USD",
    )
    secrets = booking.runtime.settings.seal_secrets
    assert await refused(seal(secrets, "something-else", content, seconds=60)) == "OFFER_INVALID"
    foreign = [b"another-secret-of-the-same-length-as-ours"]
    assert await refused(seal(foreign, "lesson-offer", content, seconds=60)) == "OFFER_INVALID"
    assert await refused(booking.offer(timedelta(seconds=-1))) == "START_PASSED"
    assert await refused(good, booking.tutor) == "OWN_LESSON"
    assert await refused(good, booking.learning) == "UNAUTHENTICATED"
    assert await refused(good, booking.learning.as_user(new_id())) == "UNAVAILABLE"
    assert await refused(booking.offer(tutor_id=new_id())) == "TUTOR_NOT_BOOKABLE"
    async with booking.runtime.database.write() as session:
        unverified = await factories.create_user(session, status="UNVERIFIED")
        paused = await factories.create_tutor_ref(session, is_bookable=False)
        gone = await factories.create_user(session, status="SUSPENDED")
        await factories.create_tutor_ref(session, user_id=gone.user_id)
    client = booking.learning.as_user(unverified.user_id)
    assert await refused(good, client) == "EMAIL_NOT_VERIFIED"
    for tutor in (paused, gone):
        assert await refused(booking.offer(tutor_id=tutor.user_id)) == "TUTOR_NOT_BOOKABLE"


async def test_old_offer_keeps_its_price(booking: Booking) -> None:
    old, new = booking.offer(price_amount=2000), booking.offer(price_amount=9000)
    lesson = await run(booking.student, op.BOOK, offerToken=old)
    query = "query($id: ID!) { lesson(id: $id) { price { amount currency } } }"
    found = (await booking.student.ask(query, id=lesson["id"])).data["lesson"]
    assert found == {"price": {"amount": 2000, "currency": "USD"}}
    assert await code(booking.student, op.BOOK, offerToken=new) == "SLOT_TAKEN"


async def test_same_key_books_once_and_another_offer_is_refused(booking: Booking) -> None:
    token = booking.offer()
    first = await run(booking.student, op.BOOK, offerToken=token, idempotencyKey="a-key-of-mine")
    async with unchanged(booking.runtime):
        again = await run(
            booking.student, op.BOOK, offerToken=token, idempotencyKey="a-key-of-mine"
        )
    assert again == first
    other = booking.offer(timedelta(hours=72))
    refused = await code(booking.student, op.BOOK, offerToken=other, idempotencyKey="a-key-of-mine")
    assert refused == "CONFLICT"


async def test_lessons_may_touch_but_not_overlap(booking: Booking) -> None:
    start = at(timedelta(hours=48))
    await booking.reserve(start)
    other = await booking.another_student()
    for minutes in (-59, -30, 0, 30, 59):
        token = other.offer(start + timedelta(minutes=minutes))
        assert await code(other.student, op.BOOK, offerToken=token) == "SLOT_TAKEN", minutes
    for minutes in (-60, 60):
        found = await other.reserve(start + timedelta(minutes=minutes))
        assert found["status"] == "PENDING_PAYMENT"


async def test_twenty_bookers_of_overlapping_slots_give_one_lesson(booking: Booking) -> None:
    start = at(timedelta(hours=48))
    people = [await booking.another_student() for _ in range(20)]

    async def book(number: int, who: Booking) -> str:
        shift = timedelta(minutes=0 if number % 2 else 15)
        return str((await who.reserve(start + shift)).get("code", "booked"))

    outcomes = await asyncio.gather(*(book(i, who) for i, who in enumerate(people)))
    assert sorted(outcomes) == sorted(["booked", *["SLOT_TAKEN"] * 19])
    assert await kinds(booking.runtime) == ["reserved"]
    assert await value(booking.runtime, "SELECT count(*) FROM lesson_participants") == 2


async def test_student_is_not_booked_twice_at_a_time_by_two_tutors(booking: Booking) -> None:
    start = at(timedelta(hours=48))
    tutors = [booking, *[await booking.another_tutor() for _ in range(5)]]
    outcomes = await asyncio.gather(*(each.reserve(start) for each in tutors))
    assert sorted(each.get("code", "booked") for each in outcomes) == sorted(
        ["booked", *["SLOT_TAKEN"] * 5]
    )


async def test_nobody_teaches_and_learns_at_the_same_time(booking: Booking) -> None:
    start = at(timedelta(hours=48))
    await booking.reserve(start)
    other = await booking.another_tutor()
    token = other.offer(start)
    assert await code(booking.tutor, op.BOOK, offerToken=token) == "SLOT_TAKEN"


async def test_two_who_book_each_other_at_once_get_one_lesson(booking: Booking) -> None:
    async with booking.runtime.database.write() as session:
        await factories.create_tutor_ref(session, user_id=booking.student_id)
    start = at(timedelta(hours=48))
    turned = Booking(booking.learning, booking.student_id, booking.tutor_id)
    for round_ in range(4):
        moment = start + timedelta(hours=2 * round_)
        outcomes = await asyncio.gather(booking.reserve(moment), turned.reserve(moment))
        assert sorted(each.get("code", "booked") for each in outcomes) == ["SLOT_TAKEN", "booked"]


async def test_one_trial_per_tutor_unless_it_did_not_take_place(booking: Booking) -> None:
    first = await booking.reserve(kind="TRIAL")
    token = booking.offer(timedelta(hours=72), kind="TRIAL")
    assert await code(booking.student, op.BOOK, offerToken=token) == "TRIAL_USED"
    other = await booking.another_tutor()
    assert (await other.reserve(timedelta(hours=96), kind="TRIAL"))["kind"] == "TRIAL"
    await run(booking.student, op.CANCEL_LESSON, id=first["id"])
    second = await run(booking.student, op.BOOK, offerToken=token)
    assert second["status"] == "PENDING_PAYMENT"


async def test_hold_that_ran_out_gives_way_before_the_worker_sees_it(booking: Booking) -> None:
    start = at(timedelta(hours=48))
    first = await booking.reserve(start)
    await hold_runs_out(booking.runtime, fire=False)
    other = await booking.another_student()
    second = await other.reserve(start)
    assert second["status"] == "PENDING_PAYMENT"
    assert await value(booking.runtime, STATUS, id=first["id"]) == "EXPIRED"
    assert await kinds(booking.runtime) == ["reserved", "expired", "reserved"]
    # The purchase of the first one ends by itself, and changes nothing more.
    assert await run_due(booking.runtime, sagas) == 1
    assert await kinds(booking.runtime) == ["reserved", "expired", "reserved"]
    assert [state for _, state in await states(booking.runtime)] == ["COMPENSATED", "RUNNING"]


async def test_refused_booking_leaves_a_hold_that_ran_out_to_the_worker(booking: Booking) -> None:
    start = at(timedelta(hours=48))
    await booking.reserve(start)
    scheduled = await booking.another_student()
    await scheduled.schedule(starts_in=start + timedelta(hours=1))
    await hold_runs_out(booking.runtime, fire=False)
    token = booking.offer(start, minutes=90)
    assert await code(booking.student, op.BOOK, offerToken=token) == "SLOT_TAKEN"


async def test_hold_lasts_no_longer_than_the_start(booking: Booking) -> None:
    start = at(timedelta(minutes=5))
    lesson = await booking.reserve(start)
    assert datetime.fromisoformat(lesson["holdExpiresAt"]) == start


async def test_unpaid_hold_expires_once(booking: Booking) -> None:
    lesson = await booking.reserve()
    await hold_runs_out(booking.runtime)
    assert await value(booking.runtime, STATUS, id=lesson["id"]) == "EXPIRED"
    assert await kinds(booking.runtime) == ["reserved", "expired"]
    assert await states(booking.runtime) == [("lesson_purchase", "COMPENSATED")]
    assert await run_due(booking.runtime, sagas) == 0
    live = "SELECT count(*) FROM lesson_participants WHERE is_live"
    assert await value(booking.runtime, live) == 0


async def test_deadline_before_the_end_of_the_hold_changes_nothing(booking: Booking) -> None:
    lesson = await booking.reserve()
    async with booking.runtime.database.write() as session:
        await session.execute(sa.text("UPDATE saga_instances SET deadline = clock_timestamp()"))
    assert await run_due(booking.runtime, sagas) == 1
    assert await value(booking.runtime, STATUS, id=lesson["id"]) == "PENDING_PAYMENT"
    same = "SELECT deadline = hold_expires_at FROM saga_instances JOIN lessons USING (id)"
    assert await value(booking.runtime, same) is True


async def test_late_payment_takes_the_same_slot_again_if_it_is_free(booking: Booking) -> None:
    lesson = await booking.reserve()
    await hold_runs_out(booking.runtime)
    await pay(booking.learning, lesson["id"])
    assert await value(booking.runtime, STATUS, id=lesson["id"]) == "SCHEDULED"
    events = await published(booking.runtime)
    assert [kind.split(".")[-2] for kind, _ in events] == ["reserved", "expired", "scheduled"]
    assert [payload["version"] for _, payload in events] == [1, 2, 3]
    other = await booking.another_student()
    start = datetime.fromisoformat(lesson["startsAt"])
    assert await code(other.student, op.BOOK, offerToken=other.offer(start)) == "SLOT_TAKEN"


@pytest.mark.parametrize("reason", ["taken", "past", "student busy"])
async def test_late_payment_goes_back_if_the_slot_is_gone(booking: Booking, reason: str) -> None:
    lesson = await booking.reserve()
    start = datetime.fromisoformat(lesson["startsAt"])
    await hold_runs_out(booking.runtime)
    if reason == "taken":
        await (await booking.another_student()).reserve(start)
    elif reason == "student busy":
        await (await booking.another_tutor()).reserve(start)
    else:
        await start_in(booking.runtime, lesson["id"], timedelta(seconds=-1))
    await pay(booking.learning, lesson["id"])
    await pay(booking.learning, lesson["id"])
    own = [p for _, p in await published(booking.runtime) if p["lessonId"] == lesson["id"]]
    assert [(p["status"], p["version"], p["refundBps"]) for p in own] == [
        ("PENDING_PAYMENT", 1, None),
        ("EXPIRED", 2, None),
        ("EXPIRED", 3, 10000),
    ]


async def test_late_payment_of_a_trial_goes_back_if_another_trial_was_booked(
    booking: Booking,
) -> None:
    lesson = await booking.reserve(kind="TRIAL")
    await hold_runs_out(booking.runtime)
    await booking.reserve(timedelta(hours=72), kind="TRIAL")
    await pay(booking.learning, lesson["id"])
    assert (
        await value(
            booking.runtime, "SELECT refund_bps FROM lessons WHERE id = :id", id=lesson["id"]
        )
        == 10000
    )


async def test_payment_of_a_cancelled_lesson_goes_back(booking: Booking) -> None:
    lesson = await booking.reserve()
    cancelled = await run(booking.student, op.CANCEL_LESSON, id=lesson["id"])
    assert (cancelled["status"], cancelled["refundBps"]) == ("CANCELLED_BY_STUDENT", 10000)
    assert await run_due(booking.runtime, sagas) == 1
    assert await states(booking.runtime) == [("lesson_purchase", "COMPENSATED")]
    await pay(booking.learning, lesson["id"])
    await pay(booking.learning, lesson["id"])
    own = [(p["status"], p["version"], p["refundBps"]) for _, p in await published(booking.runtime)]
    assert own == [
        ("PENDING_PAYMENT", 1, None),
        ("CANCELLED_BY_STUDENT", 2, 10000),
        ("CANCELLED_BY_STUDENT", 3, 10000),
    ]


async def test_payments_of_unknown_and_free_lessons_change_nothing(booking: Booking) -> None:
    free = await booking.reserve(price_amount=0)
    for lesson_id in (free["id"], new_id()):
        before = await published(booking.runtime)
        await pay(booking.learning, lesson_id)
        assert await published(booking.runtime) == before


async def test_payment_and_the_end_of_the_hold_at_the_same_moment_agree(booking: Booking) -> None:
    for round_ in range(6):
        lesson = await booking.reserve(timedelta(hours=48 + 2 * round_))
        await hold_runs_out(booking.runtime, fire=False)
        await asyncio.gather(pay(booking.learning, lesson["id"]), run_due(booking.runtime, sagas))
        # Whoever was first: the slot was free, so the payment has it in the end.
        assert await value(booking.runtime, STATUS, id=lesson["id"]) == "SCHEDULED"
        own = [p for _, p in await published(booking.runtime) if p["lessonId"] == lesson["id"]]
        assert [p["version"] for p in own] == list(range(1, len(own) + 1))
        assert len(own) in (2, 3)


async def test_worker_killed_around_the_end_of_a_hold_ends_it_once(
    booking: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = await booking.reserve()

    class Killed(BaseException):
        pass

    step = sagas.step("lesson_purchase", "await_payment")

    async def killed_before(runtime: Any, instance: Any) -> None:
        raise Killed

    async def killed_after(runtime: Any, instance: Any) -> None:
        await step.run(runtime, instance)
        raise Killed

    for run_ in (killed_before, killed_after):
        with monkeypatch.context() as patched:
            first, second = sagas.kinds["lesson_purchase"]
            broken = type(second)(second.name, run_)
            patched.setitem(sagas.kinds, "lesson_purchase", (first, broken))
            await hold_runs_out(booking.runtime, fire=False)
            with pytest.raises(Killed):
                await run_due(booking.runtime, sagas)
    await hold_runs_out(booking.runtime)
    assert await value(booking.runtime, STATUS, id=lesson["id"]) == "EXPIRED"
    assert await kinds(booking.runtime) == ["reserved", "expired"]
    assert await states(booking.runtime) == [("lesson_purchase", "COMPENSATED")]


async def test_sagas_are_for_admins_and_can_be_retried(
    booking: Booking, admin: GraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = await booking.reserve()
    first, second = sagas.kinds["lesson_purchase"]

    async def fails(runtime: Any, instance: Any) -> None:
        raise RuntimeError("no such luck")

    with monkeypatch.context() as patched:
        broken = type(second)(second.name, fails, attempts=1)
        patched.setitem(sagas.kinds, "lesson_purchase", (first, broken))
        await hold_runs_out(booking.runtime)
    query = """query($state: SagaState) { learningSagas(state: $state) { nodes {
      id kind state step attempts lastError } } }"""
    answer = await admin.ask(query, state="NEEDS_ATTENTION")
    assert answer.data["learningSagas"]["nodes"] == [
        {
            "id": lesson["id"],
            "kind": "lesson_purchase",
            "state": "NEEDS_ATTENTION",
            "step": "await_payment",
            "attempts": 1,
            "lastError": "RuntimeError",
        }
    ]
    assert (await admin.ask(query, state="COMPLETED")).data["learningSagas"]["nodes"] == []
    assert (await booking.student.ask(query)).codes == ["FORBIDDEN"]
    assert await code(booking.student, op.RETRY_SAGA, id=lesson["id"]) == "FORBIDDEN"
    retried = await run(admin, op.RETRY_SAGA, id=lesson["id"])
    assert (retried["state"], retried["attempts"]) == ("RUNNING", 0)
    assert await code(admin, op.RETRY_SAGA, id=lesson["id"]) == "NOT_FOUND"
    assert await run_due(booking.runtime, sagas) == 1
    assert await value(booking.runtime, STATUS, id=lesson["id"]) == "EXPIRED"


async def test_lessons_are_for_those_who_take_part_and_admins(
    booking: Booking, admin: GraphClient, student: GraphClient
) -> None:
    lesson_id = await booking.schedule()
    fields = "id tutor { id } tutorProfile { userId } students { nodes { id } }"
    seen = {
        "__typename": "Lesson",
        "id": lesson_id,
        "tutor": {"id": str(booking.tutor_id)},
        "tutorProfile": {"userId": str(booking.tutor_id)},
        "students": {"nodes": [{"id": str(booking.student_id)}]},
    }
    for client, expected in (
        (booking.tutor, seen),
        (booking.student, seen),
        (admin, seen),
        (student, None),
        (booking.learning, None),
    ):
        answer = await client.entities("Lesson", [lesson_id, new_id(), "no-id"], fields)
        assert answer.data["_entities"] == [expected, None, None]
        query = "query($id: ID!) { lesson(id: $id) { id } }"
        found = (await client.ask(query, id=lesson_id)).data["lesson"]
        assert found == (expected and {"id": lesson_id})
    assert await code(student, op.CANCEL_LESSON, id=lesson_id) == "NOT_FOUND"
    assert await code(booking.student, op.START_LESSON, id=lesson_id) == "FORBIDDEN"


LIST = """query($role: LessonRole, $status: [LessonStatus!], $from: DateTime, $to: DateTime) {
  myLessons(role: $role, status: $status, from: $from, to: $to) { nodes { id } } }"""


async def test_lessons_of_a_person_are_listed_by_role_state_and_time(
    booking: Booking, admin: GraphClient, student: GraphClient
) -> None:
    start = at(timedelta(hours=48))
    first = await booking.schedule(starts_in=start)
    second = (await booking.reserve(start + timedelta(days=1)))["id"]

    async def listed(client: GraphClient, **arguments: Any) -> list[str]:
        nodes = (await client.ask(LIST, **arguments)).data["myLessons"]["nodes"]
        return [node["id"] for node in nodes]

    assert await listed(booking.student) == [second, first]
    assert await listed(booking.tutor, role="TUTOR") == [second, first]
    assert await listed(booking.tutor, role="STUDENT") == []
    assert await listed(booking.student, status=["SCHEDULED"]) == [first]
    assert await listed(booking.student, status=[]) == []
    later = {"from": (start + timedelta(seconds=1)).isoformat()}
    assert await listed(booking.student, **later) == [second]
    sooner = {"from": start.isoformat(), "to": (start + timedelta(days=1)).isoformat()}
    assert await listed(booking.student, **sooner) == [first]
    fields = "lessons(first: 1) { nodes { id } pageInfo { hasNextPage } }"
    for client, sees in ((booking.student, True), (admin, True), (student, False)):
        answer = await client.entities("User", [booking.student_id], fields)
        found = answer.data["_entities"][0]["lessons"]
        expected = {"nodes": [{"id": second}], "pageInfo": {"hasNextPage": True}}
        assert found == (expected if sees else None)
    assert (await booking.learning.ask(LIST)).codes == ["UNAUTHENTICATED"]


@pytest.mark.parametrize("count", [1, 8])
async def test_lists_of_lessons_take_one_statement_per_relation(
    booking: Booking, count: int
) -> None:
    for number in range(count):
        await booking.reserve(timedelta(hours=48 + 2 * number), price_amount=0)
    query = """{ myLessons(first: 100) { nodes { id status price { amount } tutor { id }
      tutorProfile { userId } students { nodes { id } } course { id }
      participants { nodes { role hasConflict user { id } } }
      history { nodes { to } } } } }"""
    with counted(booking.runtime.database) as statements:
        nodes = (await booking.student.ask(query)).data["myLessons"]["nodes"]
    assert len(nodes) == count
    # Viewer, lessons, students, participants, conflicts, history.
    assert len(statements) == 6
