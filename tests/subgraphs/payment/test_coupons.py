"""Coupons: who bears them, what they are good for, and the race for the last use."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.ids import new_id
from tests.subgraphs.payment.world import World, later
from tests.support.graph import GraphClient
from tests.support.pipeline import user_state

CREATE = """mutation($input: CreateCouponInput!) { createCoupon(input: $input) {
  __typename ... on Coupon { id couponCode isPlatforms } ... on Problem { code field } } }"""


async def make(client: GraphClient, **values: Any) -> dict[str, Any]:
    """A coupon of somebody."""
    answer = await client.ask(CREATE, input={"code": "SAVE20", "percentOff": 20} | values)
    found: dict[str, Any] = answer.data["createCoupon"]
    return found


async def more_students(world: World, count: int) -> list[UUID]:
    """Further verified students."""
    ids = [new_id() for _ in range(count)]
    await world.send(*(user_state(id_) for id_ in ids))
    return ids


async def test_platforms_coupon_leaves_the_tutor_the_whole_part(world: World) -> None:
    await make(world.admin)
    lesson = await world.reserve()
    payment = await world.pay(lesson, couponCode=" save20 ")
    assert (payment.price, payment.amount, payment.coupon_cost) == (10_000, 8_000, 2_000)
    assert (payment.platform_fee, payment.tutor_part) == (2_000, 8_000)
    assert await world.accounts(payment.id) == {
        "PROVIDER_BALANCE": 8_000,
        "COUPON_COST": 2_000,
        "HELD_FOR_TUTORS": -8_000,
        "PLATFORM_FEES": -2_000,
    }
    await world.refund(payment, 4_000)
    await world.refund(payment, 4_000)
    await world.work()
    assert await world.accounts(payment.id) == {}


async def test_tutors_coupon_is_the_tutors_own_cost(world: World) -> None:
    await make(world.tutor)
    payment = await world.pay(await world.reserve(), couponCode="SAVE20")
    assert (payment.amount, payment.coupon_cost) == (8_000, 0)
    assert (payment.platform_fee, payment.tutor_part) == (1_600, 6_400)


async def test_large_coupon_of_the_platform_is_transferred_whole(world: World) -> None:
    await world.onboard()
    await make(world.admin, percentOff=90)
    await world.pay(await world.reserve())
    lesson = await world.reserve()
    payment = await world.pay(lesson, couponCode="SAVE20")
    assert (payment.amount, payment.tutor_part) == (1_000, 8_000)
    await world.complete(lesson)
    await world.work()
    [transfer] = (await world.provider.books())["transfers"]
    # More than the charge holds: out of the platform's balance.
    assert (transfer["amount"], transfer["source_transaction"]) == (8_000, None)


async def test_last_use_goes_to_one_of_ten(world: World) -> None:
    await make(world.admin, mostUses=1)
    students = await more_students(world, 10)
    lessons = [await world.reserve(student_ids=(student,)) for student in students]
    made = await asyncio.gather(
        *(
            world.create(lesson.lesson_id, client=world.graph.as_user(student), couponCode="SAVE20")
            for lesson, student in zip(lessons, students, strict=True)
        )
    )
    assert sorted(m.get("code", "won") for m in made) == ["COUPON_NOT_APPLICABLE"] * 9 + ["won"]
    assert await world.scalar("SELECT uses FROM coupons") == 1
    assert await world.scalar("SELECT count(*) FROM payments") == 1


async def test_one_user_uses_it_as_often_as_allowed(world: World) -> None:
    await make(world.admin, mostUsesPerUser=1)
    first, second = await world.reserve(), await world.reserve()
    made = await asyncio.gather(
        *(world.create(lesson.lesson_id, couponCode="SAVE20") for lesson in (first, second))
    )
    assert sorted(m.get("code", "won") for m in made) == ["COUPON_NOT_APPLICABLE", "won"]
    [taken] = [m for m in made if "id" in m]
    # Giving the payment up gives the use back.
    await world.student.ask(
        "mutation($id: ID!) { cancelPayment(id: $id) { __typename } }", id=taken["id"]
    )
    assert await world.scalar("SELECT uses FROM coupons") == 0
    third = await world.reserve()
    assert (await world.create(third.lesson_id, couponCode="SAVE20"))["__typename"] == "Payment"


@pytest.mark.parametrize(
    "limits",
    [
        {"expiresAt": later(-1).isoformat()},
        {"payableType": "COURSE"},
        {"payableId": str(new_id())},
        {"tutorId": str(new_id())},
        {"percentOff": None, "amountOff": {"amount": 100, "currency": "EUR"}},
        {"percentOff": 100},
    ],
)
async def test_coupon_that_is_not_good_for_this_is_refused(
    world: World, limits: dict[str, Any]
) -> None:
    assert (await make(world.admin, **limits))["__typename"] == "Coupon"
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id, couponCode="SAVE20")
    assert (made["code"], made["field"]) == ("COUPON_NOT_APPLICABLE", "couponCode")
    assert await world.scalar("SELECT count(*) FROM payments") == 0
    assert await world.scalar("SELECT uses FROM coupons") == 0


async def test_fixed_amount_is_taken_off(world: World) -> None:
    await make(world.admin, percentOff=None, amountOff={"amount": 2_500, "currency": "USD"})
    payment = await world.pay(await world.reserve(), couponCode="SAVE20")
    assert payment.amount == 7_500


async def test_other_coupon_needs_the_first_payment_cancelled(world: World) -> None:
    await make(world.admin)
    lesson = await world.reserve()
    await world.create(lesson.lesson_id)
    made = await world.create(lesson.lesson_id, couponCode="SAVE20")
    assert made["code"] == "PAYMENT_IN_PROGRESS"
    assert await world.scalar("SELECT uses FROM coupons") == 0


async def test_coupons_are_made_by_tutors_and_admins(world: World) -> None:
    assert (await make(world.student))["code"] == "FORBIDDEN"
    assert (await make(world.tutor, tutorId=str(new_id())))["code"] == "FORBIDDEN"
    made = await make(world.tutor)
    assert made["isPlatforms"] is False
    assert (await make(world.admin))["code"] == "COUPON_CODE_TAKEN"
    assert (await make(world.admin, code="x"))["field"] == "code"
    assert (await make(world.admin, code="BOTH", percentOff=None))["code"] == "INVALID_INPUT"
    end = "mutation($id: ID!) { endCoupon(id: $id) { __typename } }"
    other = await world.graph.as_user(new_id(), "tutor").ask(end, id=made["id"])
    assert other.data["endCoupon"]["__typename"] == "Problem"
    await world.tutor.ask(end, id=made["id"])
    lesson = await world.reserve()
    refused = await world.create(lesson.lesson_id, couponCode="SAVE20")
    assert refused["code"] == "COUPON_NOT_APPLICABLE"
    query = "{ coupons { nodes { couponCode } } }"
    assert (await world.tutor.ask(query)).data["coupons"]["nodes"] == [{"couponCode": "SAVE20"}]
