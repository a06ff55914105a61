"""Refunds: what goes back, to whom it is charged, and what happens when it cannot."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events.learning import (
    EnrollmentActivated,
    EnrollmentCancelled,
    LessonCancelled,
    LessonNoShow,
    LessonScheduled,
    SeatReleased,
)
from subgraphs.payment.models import Payment
from subgraphs.payment.service import ledger
from tests.subgraphs.payment.world import REFUND, World, later

RETRY = """mutation($id: ID!) { retryPaymentSaga(id: $id) {
  __typename ... on Saga { state step } ... on Problem { code } } }"""


@settings(max_examples=300, deadline=None)
@given(
    price=st.integers(1, 10**9),
    bps=st.integers(0, 10_000),
    off=st.integers(0, 99),
    parts=st.lists(st.floats(0.001, 1), min_size=1, max_size=12),
)
def test_any_partial_refunds_end_with_the_exact_parts(
    price: int, bps: int, off: int, parts: list[float]
) -> None:
    amount = price - price * off // 100
    cost = price - amount
    payment = Payment(
        amount=amount,
        coupon_cost=cost,
        platform_fee=ledger.fee_of(price, bps),
        refunded_total=0,
        fee_refunded_total=0,
        coupon_refunded_total=0,
    )
    while payment.refunded_total < amount:
        for part in [*parts, 1]:
            rest = amount - payment.refunded_total
            if rest == 0:
                break
            refund = max(1, int(rest * part))
            shares = ledger.shares_of_refund(payment, refund)
            assert shares.tutor + shares.fee - shares.coupon == refund
            payment.refunded_total += refund
            payment.fee_refunded_total += shares.fee
            payment.coupon_refunded_total += shares.coupon
            total, fee = payment.refunded_total, payment.platform_fee
            assert payment.fee_refunded_total == (2 * fee * total + amount) // (2 * amount)
            if cost == 0:
                assert 0 <= shares.tutor <= refund
    assert payment.fee_refunded_total == payment.platform_fee
    assert payment.coupon_refunded_total == cost
    assert payment.tutor_refunded_total == payment.tutor_part


@pytest.mark.parametrize(
    ("bps", "back", "tutor", "fee"),
    [(10_000, 9_999, 0, 0), (5_000, 5_000, -3_999, -1_000), (0, 0, -7_999, -2_000)],
)
async def test_cancelled_lesson_gives_back_what_was_decided(
    world: World, bps: int, back: int, tutor: int, fee: int
) -> None:
    lesson, payment = await world.paid_lesson(price_amount=9_999)
    await world.follow(lesson, LessonCancelled, "CANCELLED_BY_STUDENT", refund_bps=bps)
    await world.work()
    found = await world.payment(payment.id)
    assert (found.refunded_total, found.refund_pending) == (back, 0)
    books = await world.provider.books()
    assert [refund["amount"] for refund in books["refunds"]] == ([back] if back else [])
    held = {"HELD_FOR_TUTORS": tutor, "PLATFORM_FEES": fee, "PROVIDER_BALANCE": 9_999 - back}
    assert await world.accounts(payment.id) == {k: v for k, v in held.items() if v}
    told = await world.told_of("refunded")
    assert [event["isPartial"] for event in told] == ([bps < 10_000] if back else [])
    credit = "SELECT amount FROM invoices WHERE kind = 'CREDIT_NOTE'"
    assert await world.rows(credit) == ([(back,)] if back else [])


async def test_decisions_out_of_order_and_twice_give_back_once(world: World) -> None:
    lesson, payment = await world.paid_lesson()
    values = lesson.model_dump()
    cancelled = LessonCancelled(
        **(values | {"status": "CANCELLED_BY_TUTOR", "version": 3, "refund_bps": 10_000})
    )
    scheduled = LessonScheduled(**(values | {"status": "SCHEDULED", "version": 2}))
    await world.send(cancelled, scheduled, lesson)
    await world.work()
    await world.send(cancelled)
    await world.work()
    assert (await world.payment(payment.id)).refunded_total == 10_000
    assert len((await world.provider.books())["refunds"]) == 1


async def test_decision_counts_what_went_back_before(world: World) -> None:
    lesson, payment = await world.paid_lesson()
    await world.refund(payment, 2_000)
    await world.work()
    await world.follow(lesson, LessonCancelled, "CANCELLED_BY_STUDENT", refund_bps=5_000)
    await world.work()
    assert [r["amount"] for r in (await world.provider.books())["refunds"]] == [2_000, 3_000]
    assert (await world.payment(payment.id)).refunded_total == 5_000


async def test_more_than_is_left_is_refused(world: World) -> None:
    _, payment = await world.paid_lesson()
    await world.refund(payment, 6_000)
    answer = await world.refund(payment, 4_001)
    assert (answer["code"], answer["field"]) == ("REFUND_TOO_LARGE", "amount")
    await world.work()
    assert (await world.refund(payment, 4_001))["code"] == "REFUND_TOO_LARGE"
    assert (await world.payment(payment.id)).refunded_total == 6_000
    assert len((await world.provider.books())["refunds"]) == 1


async def test_only_admins_give_money_back(world: World) -> None:
    _, payment = await world.paid_lesson()
    for client in (world.student, world.tutor):
        answer = await client.ask(REFUND, id=payment.id, reason="please")
        assert answer.data["requestRefund"]["code"] == "FORBIDDEN"
    assert await world.scalar("SELECT count(*) FROM refunds") == 0


async def test_concurrent_refunds_keep_within_the_amount(world: World) -> None:
    _, payment = await world.paid_lesson(price_amount=9_999)
    answers = await asyncio.gather(*(world.refund(payment, 3_333) for _ in range(5)))
    assert sorted(answer["__typename"] for answer in answers) == ["Payment"] * 3 + ["Problem"] * 2
    await asyncio.gather(world.work(), world.work())
    await world.work()
    found = await world.payment(payment.id)
    assert (found.refunded_total, found.fee_refunded_total) == (9_999, 2_000)
    assert await world.accounts(payment.id) == {}
    assert len((await world.provider.books())["refunds"]) == 3


async def test_refund_after_the_transfer_takes_the_tutors_part_back(world: World) -> None:
    await world.onboard()
    lesson, payment = await world.paid_lesson()
    await world.complete(lesson)
    await world.work()
    assert (await world.balance()).transferred == 8_000
    await world.refund(payment, 3_333)
    await world.work()
    found = await world.payment(payment.id)
    assert (found.refunded_total, found.fee_refunded_total, found.reversed_total) == (
        3_333,
        667,
        2_666,
    )
    books = await world.provider.books()
    assert [r["amount"] for r in books["transfer_reversals"]] == [2_666]
    assert (await world.balance()).transferred == 5_334
    [reversed_] = await world.told_of("transfer_reversed")
    assert reversed_["reversedAmount"] == 2_666
    assert await world.accounts(payment.id) == {
        "PROVIDER_BALANCE": 1_333,
        "PLATFORM_FEES": -1_333,
        "TUTOR_FUNDS": 5_334,
        "TUTOR_PAYABLE": -5_334,
    }


async def test_refund_with_an_empty_account_is_owed_and_netted(world: World) -> None:
    account = await world.onboard()
    lesson, payment = await world.paid_lesson()
    await world.complete(lesson)
    await world.work()
    # The tutor has taken everything out.
    answer = await world.tutor.ask(
        'mutation { requestPayout(currency: "USD") { __typename ... on Payout { id } } }'
    )
    assert answer.data["requestPayout"]["__typename"] == "Payout"
    await world.work()
    [payout] = (await world.provider.books())["payouts"]
    await world.provider.act("settle-payout", payout=payout["id"], paid=True)
    await world.notify()
    await world.refund(payment)
    await world.work()
    # The payer has the money all the same.
    assert (await world.payment(payment.id)).refunded_total == 10_000
    assert (await world.provider.books())["transfer_reversals"] == []
    balance = await world.balance()
    assert (balance.debt, balance.transferred, balance.paid_out) == (8_000, 8_000, 8_000)
    next_lesson, next_payment = await world.paid_lesson(price_amount=12_000)
    await world.complete(next_lesson)
    await world.work()
    transfers = (await world.provider.books())["transfers"]
    assert [(t["amount"], t["destination"]) for t in transfers][-1] == (1_600, account)
    assert (await world.balance()).debt == 0
    assert (await world.accounts(next_payment.id)).get("TUTOR_DEBT") == -8_000
    assert (await world.accounts()).get("TUTOR_DEBT") is None


async def test_provider_that_refuses_leaves_it_to_a_person(world: World) -> None:
    _, payment = await world.paid_lesson()
    await world.refund(payment, 4_000)
    await world.provider.fail(
        "refuse", count=3, path="/refunds", status=400, code="charge_not_refundable"
    )
    await world.work()
    found = await world.payment(payment.id)
    assert (found.refunded_total, found.refund_pending) == (0, 4_000)
    assert found.attention == "refund failed"
    assert len(await world.told_of("refund_failed")) == 1
    query = "{ paymentSagas(state: NEEDS_ATTENTION) { nodes { id kind lastError } } }"
    [saga] = (await world.admin.ask(query)).data["paymentSagas"]["nodes"]
    assert (saga["kind"], saga["lastError"]) == ("refund", "charge_not_refundable")
    assert (await world.student.ask(RETRY, id=saga["id"])).data["retryPaymentSaga"] == {
        "__typename": "Problem",
        "code": "FORBIDDEN",
    }
    await world.admin.ask(RETRY, id=saga["id"])
    await world.work()
    assert (await world.payment(payment.id)).refunded_total == 4_000
    assert len((await world.provider.books())["refunds"]) == 1


async def test_refund_that_the_bank_returns_is_taken_back_into_the_books(world: World) -> None:
    _, payment = await world.paid_lesson()
    await world.refund(payment, 3_000)
    await world.refund(payment, 1_000)
    await world.work()
    [larger] = [r for r in (await world.provider.books())["refunds"] if r["amount"] == 3_000]
    await world.provider.act("settle-refund", refund=larger["id"], status="failed")
    await world.notify(times=2)
    found = await world.payment(payment.id)
    assert (found.refunded_total, found.fee_refunded_total) == (1_000, 200)
    assert found.attention == "refund returned"
    assert len(await world.told_of("refund_failed")) == 1
    assert await world.accounts(payment.id) == {
        "PROVIDER_BALANCE": 9_000,
        "HELD_FOR_TUTORS": -7_200,
        "PLATFORM_FEES": -1_800,
    }


async def test_no_show_of_the_tutor_gives_everything_back(world: World) -> None:
    lesson, payment = await world.paid_lesson()
    await world.follow(
        lesson, LessonNoShow, "NO_SHOW_TUTOR", refund_bps=10_000, dispute_until=later(72)
    )
    await world.work()
    assert (await world.payment(payment.id)).refunded_total == 10_000
    assert await world.scalar("SELECT status FROM transfers") == "SKIPPED"


async def test_course_given_back_is_refunded_and_the_rest_is_the_tutors(world: World) -> None:
    await world.onboard()
    seat = await world.reserve_seat()
    made = await world.create(seat.course_id, payableType="COURSE")
    await world.give_card(made)
    await world.notify()
    common: dict[str, Any] = {
        "enrollment_id": seat.enrollment_id,
        "course_id": seat.course_id,
        "student_id": seat.student_id,
        "purchase_id": seat.purchase_id,
    }
    active = EnrollmentActivated(**common, version=2, refund_until=later(24 * 14))
    cancelled = EnrollmentCancelled(**common, version=3, refund_bps=5_000)
    await world.send(cancelled, active)
    await world.work()
    assert (await world.payment(made["id"])).refunded_total == 10_000
    [transfer] = (await world.provider.books())["transfers"]
    assert (transfer["amount"], transfer["currency"]) == (8_000, "eur")


async def test_released_seat_refunds_a_late_payment(world: World) -> None:
    seat = await world.reserve_seat()
    made = await world.create(seat.course_id, payableType="COURSE")
    await world.give_card(made)
    released = SeatReleased(
        enrollment_id=seat.enrollment_id,
        course_id=seat.course_id,
        student_id=seat.student_id,
        purchase_id=seat.purchase_id,
        version=2,
        refund_bps=10_000,
    )
    await world.send(released)
    await world.notify()
    await world.work()
    assert (await world.payment(made["id"])).refunded_total == 20_000


async def test_refund_twice_with_one_key_is_one(world: World) -> None:
    _, payment = await world.paid_lesson()
    for _ in range(2):
        await world.admin.ask(
            REFUND, id=payment.id, amount=100, reason="as agreed", key="refund-key-1"
        )
    await world.work()
    assert (await world.payment(payment.id)).refunded_total == 100
    assert await world.scalar("SELECT count(*) FROM refunds") == 1
