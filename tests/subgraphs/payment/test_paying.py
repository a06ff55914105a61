"""Paying: from the reservation to the money, and everything that can come between."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.db import utc_now
from shared.events.learning import LessonExpired
from shared.ids import new_id
from tests.subgraphs.payment.world import World
from tests.support.pipeline import user_state


async def test_lesson_is_paid_and_booked(world: World) -> None:
    lesson = await world.reserve(price_amount=9_999)
    made = await world.create(lesson.lesson_id)
    assert made["status"] == "PENDING"
    assert made["nextAction"] == "CHOOSE_METHOD"
    assert made["amount"] == {"amount": 9_999, "currency": "USD"}
    assert made["clientSecret"].startswith("pi_")
    await world.give_card(made)
    await world.notify(times=2)
    payment = await world.payment(made["id"])
    assert payment.status == "SUCCEEDED"
    # 20 % of 99.99, half a cent rounded up.
    assert (payment.fee_bps, payment.platform_fee, payment.tutor_part) == (2000, 2000, 7999)
    assert await world.accounts(payment.id) == {
        "PROVIDER_BALANCE": 9_999,
        "HELD_FOR_TUTORS": -7_999,
        "PLATFORM_FEES": -2_000,
    }
    assert await world.told() == ["payment.initiated", "payment.succeeded", "invoice.issued"]
    [succeeded] = await world.told_of("succeeded")
    assert succeeded["purchaseId"] == succeeded["payableId"] == str(lesson.lesson_id)
    assert (succeeded["amount"], succeeded["currency"]) == (9_999, "USD")
    books = await world.provider.books()
    assert [charge["amount"] for charge in books["charges"]] == [9_999]
    assert books["payment_intents"][0]["transfer_group"] == str(lesson.lesson_id)


async def test_unknown_reservation_is_not_ready(world: World) -> None:
    made = await world.create(new_id())
    assert made["code"] == "PAYABLE_NOT_READY"
    assert await world.scalar("SELECT count(*) FROM payments") == 0
    assert (await world.provider.books())["payment_intents"] == []


async def test_lesson_of_somebody_else_is_not_found(world: World) -> None:
    lesson = await world.reserve(student_ids=(new_id(),))
    assert (await world.create(lesson.lesson_id))["code"] == "NOT_FOUND"
    assert await world.scalar("SELECT count(*) FROM payments") == 0


async def test_ended_reservation_is_refused(world: World) -> None:
    lesson = await world.reserve(hold_expires_at=utc_now() - timedelta(seconds=1))
    assert (await world.create(lesson.lesson_id))["code"] == "RESERVATION_ENDED"
    gone = await world.reserve()
    await world.follow(gone, LessonExpired, "EXPIRED")
    assert (await world.create(gone.lesson_id))["code"] == "RESERVATION_ENDED"
    assert await world.scalar("SELECT count(*) FROM payments") == 0
    assert await world.told() == []


async def test_free_lesson_needs_no_payment(world: World) -> None:
    lesson = await world.reserve(price_amount=0)
    assert (await world.create(lesson.lesson_id))["code"] == "NOTHING_TO_PAY"


async def test_paid_lesson_is_not_paid_again(world: World) -> None:
    lesson, _ = await world.paid_lesson()
    assert (await world.create(lesson.lesson_id))["code"] == "ALREADY_PAID"
    assert len((await world.provider.books())["charges"]) == 1


async def test_same_key_gives_the_same_payment_and_another_input_is_refused(world: World) -> None:
    lesson, other = await world.reserve(), await world.reserve()
    first = await world.create(lesson.lesson_id, key="key-number-1")
    assert await world.create(lesson.lesson_id, key="key-number-1") == first
    assert (await world.create(other.lesson_id, key="key-number-1"))["code"] == "CONFLICT"
    assert len((await world.provider.books())["payment_intents"]) == 1


async def test_ten_at_once_make_one_payment_and_one_intent(world: World) -> None:
    lesson = await world.reserve()
    made = await asyncio.gather(*(world.create(lesson.lesson_id) for _ in range(10)))
    assert len({payment["id"] for payment in made}) == 1
    assert len({payment["clientSecret"] for payment in made}) == 1
    assert await world.scalar("SELECT count(*) FROM payments") == 1
    assert len((await world.provider.books())["payment_intents"]) == 1
    assert await world.told() == ["payment.initiated"]


async def test_declined_card_can_be_followed_by_another(world: World) -> None:
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id)
    await world.give_card(made, "pm_card_chargeDeclinedInsufficientFunds")
    await world.notify()
    again = await world.create(lesson.lesson_id)
    assert (again["id"], again["status"]) == (made["id"], "PENDING")
    assert again["failureCode"] == "insufficient_funds"
    [failed] = await world.told_of("failed")
    assert (failed["reason"], failed["isFinal"]) == ("insufficient_funds", False)
    assert await world.accounts() == {}
    await world.give_card(again)
    await world.notify()
    assert (await world.payment(made["id"])).status == "SUCCEEDED"


async def test_bank_asks_the_payer_to_confirm(world: World) -> None:
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id)
    await world.give_card(made, "pm_card_threeDSecure2Required")
    await world.notify()
    waiting = await world.create(lesson.lesson_id)
    assert (waiting["status"], waiting["nextAction"]) == ("ACTION_REQUIRED", "AUTHENTICATE")
    [intent] = (await world.provider.books())["payment_intents"]
    await world.provider.act("settle-intent", intent=intent["id"])
    await world.notify()
    assert (await world.payment(made["id"])).status == "SUCCEEDED"
    assert await world.told("payment.action_required", "payment.succeeded") == [
        "payment.action_required",
        "payment.succeeded",
    ]


async def test_notifications_in_reverse_order_come_to_the_same(world: World) -> None:
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id)
    await world.give_card(made, "pm_card_chargeDeclined")
    await world.give_card(made, "pm_card_threeDSecure2Required")
    [intent] = (await world.provider.books())["payment_intents"]
    await world.provider.act("settle-intent", intent=intent["id"])
    types = await world.notify(lambda events: events[::-1], times=2)
    assert types[0] == "payment_intent.succeeded"
    assert (await world.payment(made["id"])).status == "SUCCEEDED"
    # What came before the end says nothing after it.
    assert await world.told() == ["payment.initiated", "payment.succeeded", "invoice.issued"]


async def test_amount_never_comes_from_the_client(world: World) -> None:
    lesson = await world.reserve()
    values = {"payableType": "LESSON", "payableId": lesson.lesson_id, "amount": 1}
    query = (
        "mutation($input: CreatePaymentIntentInput!)"
        " { createPaymentIntent(input: $input) { __typename } }"
    )
    answer = await world.student.ask(query, input=values)
    assert "errors" in answer.body
    assert await world.scalar("SELECT count(*) FROM payments") == 0


@pytest.mark.parametrize("amount", [9_999, 10_001])
async def test_other_amount_goes_back_whole(world: World, amount: int) -> None:
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id)
    [intent] = (await world.provider.books())["payment_intents"]
    await world.provider.act("settle-intent", intent=intent["id"], amount=amount)
    await world.notify()
    await world.work()
    payment = await world.payment(made["id"])
    assert (payment.status, payment.attention) == ("CANCELLED", "amount mismatch")
    [failed] = await world.told_of("failed")
    assert (failed["reason"], failed["isFinal"]) == ("amount_mismatch", True)
    assert await world.told("payment.succeeded") == []
    books = await world.provider.books()
    assert [refund["amount"] for refund in books["refunds"]] == [amount]
    assert await world.accounts() == {}
    query = "{ paymentsNeedingAttention { nodes { id attention } } }"
    found = (await world.admin.ask(query)).data["paymentsNeedingAttention"]["nodes"]
    assert found == [{"id": made["id"], "attention": "amount mismatch"}]
    clear = "mutation($id: ID!) { clearPaymentAttention(id: $id) { __typename } }"
    await world.admin.ask(clear, id=made["id"])
    assert (await world.payment(made["id"])).attention is None


async def test_lost_notification_is_made_good_by_asking(world: World) -> None:
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id)
    await world.give_card(made)
    assert len(await world.waiting()) == 3
    await world.work(after="4 minutes")
    assert (await world.payment(made["id"])).status == "PENDING"
    await world.work(after="2 minutes")
    assert (await world.payment(made["id"])).status == "SUCCEEDED"
    saga = "SELECT state FROM saga_instances WHERE id = :id"
    assert await world.scalar(saga, id=made["id"]) == "COMPLETED"


async def test_end_of_the_reservation_cancels_at_the_provider(world: World) -> None:
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id)
    await world.follow(lesson, LessonExpired, "EXPIRED")
    await world.work()
    payment = await world.payment(made["id"])
    assert payment.status == "CANCELLED"
    assert [i["status"] for i in (await world.provider.books())["payment_intents"]] == ["canceled"]
    [failed] = await world.told_of("failed")
    assert failed["isFinal"] is True
    await world.notify()
    assert len(await world.told_of("failed")) == 1


async def test_success_after_the_end_is_told_and_learning_decides(world: World) -> None:
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id)
    await world.give_card(made)
    # The money came in the moment in which the hold ran out; its notification is late.
    expired = await world.follow(lesson, LessonExpired, "EXPIRED")
    await world.work()
    payment = await world.payment(made["id"])
    assert payment.status == "SUCCEEDED"
    assert await world.told("payment.succeeded", "payment.failed") == ["payment.succeeded"]
    await world.notify()
    assert payment.refunded_total == 0
    await world.follow(expired, LessonExpired, "EXPIRED", refund_bps=10_000)
    await world.work()
    assert (await world.payment(made["id"])).refunded_total == 10_000
    assert await world.accounts() == {}


async def test_payer_gives_up_and_begins_again(world: World) -> None:
    lesson = await world.reserve()
    first = await world.create(lesson.lesson_id)
    cancel = """mutation($id: ID!) { cancelPayment(id: $id) {
        ... on Payment { id status } ... on Problem { code } } }"""
    stranger = world.graph.as_user(new_id())
    assert (await stranger.ask(cancel, id=first["id"])).data["cancelPayment"] == {
        "code": "NOT_FOUND"
    }
    answer = await world.student.ask(cancel, id=first["id"])
    assert answer.data["cancelPayment"] == {"id": first["id"], "status": "CANCELLED"}
    second = await world.create(lesson.lesson_id)
    assert second["id"] != first["id"]
    statuses = [i["status"] for i in (await world.provider.books())["payment_intents"]]
    assert statuses == ["canceled", "requires_payment_method"]


async def test_course_is_paid_with_its_own_currency(world: World) -> None:
    seat = await world.reserve_seat()
    made = await world.create(seat.course_id, payableType="COURSE")
    await world.give_card(made)
    await world.notify()
    [succeeded] = await world.told_of("succeeded")
    assert succeeded["payableId"] == str(seat.course_id)
    assert succeeded["purchaseId"] == str(seat.purchase_id)
    assert (succeeded["payableType"], succeeded["currency"]) == ("COURSE", "EUR")
    query = "{ _entities(representations: $r) { ... on Course { myPurchase { id } } } }"
    representation: list[dict[str, Any]] = [{"__typename": "Course", "id": str(seat.course_id)}]
    found = await world.student.ask(f"query($r: [_Any!]!) {query}", r=representation)
    assert found.data["_entities"] == [{"myPurchase": {"id": made["id"]}}]


async def test_unverified_user_cannot_pay(world: World) -> None:
    student_id = new_id()
    await world.send(user_state(student_id, status="UNVERIFIED"))
    lesson = await world.reserve(student_ids=(student_id,))
    made = await world.create(lesson.lesson_id, client=world.graph.as_user(student_id))
    assert made["code"] == "EMAIL_NOT_VERIFIED"
    assert await world.scalar("SELECT count(*) FROM payments") == 0
