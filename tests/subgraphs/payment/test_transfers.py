"""Transfers: the tutor is paid once, when it is due and nothing is in the way."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from shared.events.learning import (
    EnrollmentActivated,
    LessonCancelled,
    LessonCompleted,
    LessonDisputed,
    LessonNoShow,
)
from tests.subgraphs.payment.world import World, later


async def waits_for(world: World) -> str | None:
    found: str | None = await world.scalar("SELECT waits_for FROM transfers")
    return found


async def test_tutors_part_is_sent_when_the_dispute_window_ends(world: World) -> None:
    account = await world.onboard()
    lesson, payment = await world.paid_lesson(price_amount=9_999)
    done = await world.complete(lesson, dispute_until=later(72))
    await world.work()
    assert (await world.provider.books())["transfers"] == []
    await world.work(after="70 hours")
    assert (await world.provider.books())["transfers"] == []
    # The window ends: by the database's clock, not by the saga's.
    await world.follow(
        done, LessonCompleted, "COMPLETED", dispute_until=later(0) - timedelta(seconds=1)
    )
    await world.work()
    [transfer] = (await world.provider.books())["transfers"]
    charge = (await world.provider.books())["charges"][0]["id"]
    assert (transfer["amount"], transfer["destination"]) == (7_999, account)
    assert (transfer["source_transaction"], transfer["transfer_group"]) == (
        charge,
        str(lesson.lesson_id),
    )
    [created] = await world.told_of("transfer_created")
    assert created["transferAmount"] == 7_999
    assert await world.accounts(payment.id) == {
        "PROVIDER_BALANCE": 2_000,
        "PLATFORM_FEES": -2_000,
        "TUTOR_FUNDS": 7_999,
        "TUTOR_PAYABLE": -7_999,
    }


async def test_saga_that_is_early_waits_for_the_database_clock(world: World) -> None:
    await world.onboard()
    lesson, _ = await world.paid_lesson()
    await world.complete(lesson, dispute_until=later(1))
    async with world.runtime.database.write() as session:
        await session.execute(sa.text("UPDATE saga_instances SET deadline = clock_timestamp()"))
    await world.work()
    assert await waits_for(world) == "time"
    assert (await world.provider.books())["transfers"] == []


async def test_tutor_without_account_is_paid_once_it_is_enabled(world: World) -> None:
    lesson, _ = await world.paid_lesson()
    await world.complete(lesson)
    await world.work()
    assert await waits_for(world) == "account"
    assert (await world.provider.books())["transfers"] == []
    await world.onboard()
    await world.work()
    assert [t["amount"] for t in (await world.provider.books())["transfers"]] == [8_000]


async def test_restricted_tutor_waits_until_enabled_again(world: World) -> None:
    account = await world.onboard()
    lesson, _ = await world.paid_lesson()
    await world.provider.act("account", account=account, enabled=False, due=["passport"])
    await world.notify()
    await world.work()
    await world.complete(lesson)
    await world.work()
    assert await waits_for(world) == "account"
    await world.provider.act("account", account=account, enabled=True)
    await world.notify()
    await world.work()
    assert [t["amount"] for t in (await world.provider.books())["transfers"]] == [8_000]
    assert [event["isEnabled"] for event in await world.told_of("payout_account.restricted")] == [
        False
    ]
    assert len(await world.told_of("payout_account.enabled")) == 2


async def test_account_restricted_unheard_is_looked_at_and_waited_for(world: World) -> None:
    account = await world.onboard()
    lesson, _ = await world.paid_lesson()
    await world.provider.act("account", account=account, enabled=False, due=["passport"])
    await world.waiting()
    await world.complete(lesson)
    await world.work()
    assert await waits_for(world) == "account"
    assert await world.scalar("SELECT status FROM payout_accounts") == "RESTRICTED"
    await world.provider.act("account", account=account, enabled=True)
    await world.waiting()
    # No notification comes: accounts are looked at once a day.
    await world.work(after="25 hours")
    assert [t["amount"] for t in (await world.provider.books())["transfers"]] == [8_000]


@pytest.mark.parametrize(("refusals", "sent"), [(2, [8_000]), (3, [])])
async def test_account_that_seems_well_is_tried_again_a_few_times(
    world: World, refusals: int, sent: list[int]
) -> None:
    await world.onboard()
    lesson, _ = await world.paid_lesson()
    code = "insufficient_capabilities_for_transfer"
    await world.provider.fail("refuse", count=refusals, path="/transfers", status=400, code=code)
    await world.complete(lesson)
    await world.work()
    assert [t["amount"] for t in (await world.provider.books())["transfers"]] == sent
    stuck = "SELECT count(*) FROM saga_instances WHERE state = 'NEEDS_ATTENTION'"
    assert await world.scalar(stuck) == (0 if sent else 1)


async def test_dispute_freezes_and_its_end_decides(world: World) -> None:
    await world.onboard()
    lesson, payment = await world.paid_lesson()
    done = await world.complete(lesson, dispute_until=later(72))
    disputed = await world.follow(done, LessonDisputed, "DISPUTED")
    await world.work(after="80 hours")
    assert (await world.provider.books())["transfers"] == []
    await world.complete(disputed, refund_bps=2_500)
    await world.work()
    assert (await world.payment(payment.id)).refunded_total == 2_500
    assert [t["amount"] for t in (await world.provider.books())["transfers"]] == [6_000]


async def test_no_show_of_the_student_pays_the_tutor(world: World) -> None:
    await world.onboard()
    lesson, payment = await world.paid_lesson()
    await world.follow(
        lesson,
        LessonNoShow,
        "NO_SHOW_STUDENT",
        refund_bps=0,
        dispute_until=later(0) - timedelta(seconds=1),
    )
    await world.work()
    assert [t["amount"] for t in (await world.provider.books())["transfers"]] == [8_000]
    assert (await world.payment(payment.id)).refunded_total == 0


async def test_late_cancellation_leaves_the_tutor_the_rest(world: World) -> None:
    await world.onboard()
    lesson, payment = await world.paid_lesson()
    await world.follow(lesson, LessonCancelled, "CANCELLED_BY_STUDENT", refund_bps=5_000)
    await world.work()
    assert (await world.payment(payment.id)).refunded_total == 5_000
    assert [t["amount"] for t in (await world.provider.books())["transfers"]] == [4_000]


async def test_course_is_transferred_when_it_cannot_be_given_back(world: World) -> None:
    await world.onboard()
    seat = await world.reserve_seat()
    made = await world.create(seat.course_id, payableType="COURSE")
    await world.give_card(made)
    await world.notify()
    active = EnrollmentActivated(
        enrollment_id=seat.enrollment_id,
        course_id=seat.course_id,
        student_id=seat.student_id,
        purchase_id=seat.purchase_id,
        refund_until=later(0) - timedelta(seconds=1),
        version=2,
    )
    await world.send(active)
    await world.work()
    [transfer] = (await world.provider.books())["transfers"]
    assert (transfer["amount"], transfer["currency"]) == (16_000, "eur")
    assert (await world.balance(currency="EUR")).transferred == 16_000


async def test_refund_before_the_transfer_makes_it_smaller(world: World) -> None:
    await world.onboard()
    lesson, payment = await world.paid_lesson()
    await world.refund(payment, 3_333)
    await world.complete(lesson)
    await world.work()
    assert [t["amount"] for t in (await world.provider.books())["transfers"]] == [5_334]
    assert (await world.provider.books())["transfer_reversals"] == []


async def test_refused_transfer_is_left_to_a_person_and_can_be_retried(world: World) -> None:
    await world.onboard()
    lesson, _ = await world.paid_lesson()
    await world.provider.fail("refuse", path="/transfers", status=400, code="account_closed")
    await world.complete(lesson)
    await world.work()
    assert await waits_for(world) == "provider"
    query = "{ paymentSagas(state: NEEDS_ATTENTION) { nodes { id kind } } }"
    [saga] = (await world.admin.ask(query)).data["paymentSagas"]["nodes"]
    assert saga["kind"] == "transfer"
    retry = "mutation($id: ID!) { retryPaymentSaga(id: $id) { __typename } }"
    await world.admin.ask(retry, id=saga["id"])
    await world.work()
    assert [t["amount"] for t in (await world.provider.books())["transfers"]] == [8_000]


async def test_workers_timers_fire_the_sagas(world: World) -> None:
    await world.onboard()
    lesson, _ = await world.paid_lesson()
    await world.complete(lesson)
    timers = {timer.name: timer for timer in world.graph.subgraph.timers}
    assert set(timers) == {"weekly-payouts", "reconcile", "sagas", "measure-sagas"}
    for timer in timers.values():
        await timer.run(world.runtime)
    assert [t["amount"] for t in (await world.provider.books())["transfers"]] == [8_000]
