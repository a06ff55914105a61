"""The provider is away, slow, or answers wrongly: refusals are typed, nothing happens twice."""

from collections.abc import AsyncIterator

import pytest

from subgraphs.payment.ports import Provider, ProviderUnavailable
from tests.subgraphs.payment.world import World


@pytest.fixture
async def impatient(world: World) -> AsyncIterator[World]:
    """A provider that is given 0.3 seconds, no second try, and three failures."""
    settings = world.runtime.settings.model_copy(
        update={
            "provider_timeout_seconds": 0.3,
            "provider_retries": 0,
            "breaker_failures": 3,
            "breaker_seconds": 1,
        }
    )
    usual = world.runtime.provider
    world.runtime.provider = Provider(settings)
    await world.runtime.provider.open()
    yield world
    await world.runtime.provider.close()
    world.runtime.provider = usual


async def test_answer_lost_after_the_charge_charges_once(impatient: World) -> None:
    world = impatient
    lesson = await world.reserve()
    await world.provider.fail("after", path="/payment_intents")
    assert (await world.create(lesson.lesson_id))["code"] == "UNAVAILABLE"
    assert await world.told() == []
    made = await world.create(lesson.lesson_id)
    await world.give_card(made)
    await world.notify()
    books = await world.provider.books()
    assert len(books["payment_intents"]) == len(books["charges"]) == 1


async def test_answer_lost_after_the_refund_refunds_once(impatient: World) -> None:
    world = impatient
    _, payment = await world.paid_lesson()
    await world.refund(payment, 1_000)
    await world.provider.fail("after", path="/refunds")
    await world.work()
    assert [r["amount"] for r in (await world.provider.books())["refunds"]] == [1_000]
    assert (await world.payment(payment.id)).refunded_total == 1_000


async def test_notification_may_be_faster_than_the_lost_answer(impatient: World) -> None:
    world = impatient
    lesson = await world.reserve()
    await world.provider.fail("after", path="/payment_intents")
    await world.create(lesson.lesson_id)
    [intent] = (await world.provider.books())["payment_intents"]
    await world.provider.act(
        "pay", client_secret=intent["client_secret"], payment_method="pm_card_visa"
    )
    await world.notify()
    assert await world.rows("SELECT status, provider_intent_id FROM payments") == [
        ("SUCCEEDED", intent["id"])
    ]
    await world.work()
    assert len((await world.provider.books())["payment_intents"]) == 1


async def test_outage_is_typed_and_opens_the_breaker(impatient: World) -> None:
    world = impatient
    lesson = await world.reserve()
    await world.provider.fail("before", count=3)
    for _ in range(3):
        assert (await world.create(lesson.lesson_id))["code"] == "UNAVAILABLE"
    assert world.runtime.provider.breaker.state == "open"
    # Refused at once: the provider would answer, and is not asked.
    assert (await world.create(lesson.lesson_id))["code"] == "UNAVAILABLE"
    assert (await world.provider.books())["payment_intents"] == []
    assert await world.told() == []
    assert await world.rows("SELECT status, provider_intent_id FROM payments") == [
        ("PENDING", None)
    ]
    world.runtime.provider.breaker.reset()
    assert (await world.create(lesson.lesson_id))["__typename"] == "Payment"
    assert await world.scalar("SELECT count(*) FROM payments") == 1


async def test_slow_provider_is_not_waited_for(impatient: World) -> None:
    world = impatient
    await world.provider.fail("slow", delay=0.6)
    with pytest.raises(ProviderUnavailable):
        await world.runtime.provider.get_intent("pi_1")


async def test_refusals_leave_the_breaker_closed(impatient: World) -> None:
    world = impatient
    for _ in range(4):
        lesson = await world.reserve()
        await world.provider.fail("refuse", path="/payment_intents", status=400, code="amount")
        assert (await world.create(lesson.lesson_id))["code"] == "PROVIDER_REFUSED"
    assert world.runtime.provider.breaker.state == "closed"


async def test_library_tries_again_by_itself(world: World) -> None:
    lesson = await world.reserve()
    await world.provider.fail("before", path="/payment_intents")
    assert (await world.create(lesson.lesson_id))["__typename"] == "Payment"


async def test_outage_uses_up_no_tries_of_a_saga(impatient: World) -> None:
    world = impatient
    _, payment = await world.paid_lesson()
    await world.refund(payment, 1_000)
    await world.provider.fail("before", count=2, path="/refunds")
    await world.work()
    saga = "SELECT state, attempts FROM saga_instances WHERE kind = 'refund'"
    assert (await world.rows(saga))[0][0] == "COMPLETED"
    assert (await world.payment(payment.id)).refunded_total == 1_000


async def test_payer_gets_the_secret_though_a_notification_was_faster(impatient: World) -> None:
    world = impatient
    lesson = await world.reserve()
    await world.provider.fail("after", path="/payment_intents")
    await world.create(lesson.lesson_id)
    [intent] = (await world.provider.books())["payment_intents"]
    await world.provider.act(
        "pay",
        client_secret=intent["client_secret"],
        payment_method="pm_card_authenticationRequired",
    )
    await world.notify()
    made = await world.create(lesson.lesson_id)
    assert (made["status"], made["clientSecret"]) == ("ACTION_REQUIRED", intent["client_secret"])
    assert len((await world.provider.books())["payment_intents"]) == 1
