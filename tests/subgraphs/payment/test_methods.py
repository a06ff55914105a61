"""Saved methods: saved by the browser, charged at once, removed for good."""

from typing import Any

from tests.subgraphs.payment.world import World

SAVE = """mutation { savePaymentMethod {
  __typename ... on PaymentMethodSetup { clientSecret } } }"""
LIST = "{ savedPaymentMethods { id brand last4 expiresMonth expiresYear } }"
REMOVE = """mutation($id: ID!) { removePaymentMethod(id: $id) {
  __typename ... on Problem { code } } }"""


async def save(world: World, card: str = "pm_card_visa") -> dict[str, Any]:
    """The student saves a card."""
    setup = (await world.student.ask(SAVE)).data["savePaymentMethod"]
    await world.provider.act("setup", client_secret=setup["clientSecret"], method=card)
    await world.notify(times=2)
    await world.work()
    found: dict[str, Any] = (await world.student.ask(LIST)).data["savedPaymentMethods"][0]
    return found


async def test_saved_card_is_charged_at_once(world: World) -> None:
    card = await save(world)
    assert (card["brand"], card["last4"]) == ("visa", "4242")
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id, savedMethodId=card["id"], key="pay-with-card")
    assert (made["status"], made["clientSecret"]) == ("SUCCEEDED", None)
    again = await world.create(lesson.lesson_id, savedMethodId=card["id"], key="pay-with-card")
    assert again == made
    await world.notify()
    assert len((await world.provider.books())["charges"]) == 1
    assert len(await world.told_of("succeeded")) == 1


async def test_declined_card_is_a_problem_and_the_payment_goes_on(world: World) -> None:
    card = await save(world, "pm_card_chargeDeclined")
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id, savedMethodId=card["id"])
    assert made["code"] == "PAYMENT_DECLINED"
    assert await world.rows("SELECT status, failure_code FROM payments") == [
        ("PENDING", "generic_decline")
    ]
    again = await world.create(lesson.lesson_id)
    await world.give_card(again)
    await world.notify()
    assert (await world.payment(again["id"])).status == "SUCCEEDED"


async def test_bank_of_a_saved_card_may_ask_the_payer(world: World) -> None:
    card = await save(world, "pm_card_threeDSecure2Required")
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id, savedMethodId=card["id"])
    assert (made["status"], made["nextAction"]) == ("ACTION_REQUIRED", "AUTHENTICATE")
    assert made["clientSecret"]


async def test_removed_card_is_gone_and_somebody_elses_is_not_found(world: World) -> None:
    card = await save(world)
    stranger = await world.tutor.ask(REMOVE, id=card["id"])
    assert stranger.data["removePaymentMethod"]["code"] == "NOT_FOUND"
    lesson = await world.reserve(student_ids=(world.tutor_id,), tutor_id=world.admin_id)
    theirs = await world.create(lesson.lesson_id, client=world.tutor, savedMethodId=card["id"])
    assert theirs["code"] == "NOT_FOUND"
    removed = await world.student.ask(REMOVE, id=card["id"])
    assert removed.data["removePaymentMethod"]["__typename"] == "SavedPaymentMethod"
    await world.notify()
    await world.work()
    assert (await world.student.ask(LIST)).data["savedPaymentMethods"] == []
    own = await world.reserve()
    refused = await world.create(own.lesson_id, savedMethodId=card["id"])
    assert (refused["code"], refused["field"]) == ("NOT_FOUND", "savedMethodId")
    assert (await world.provider.books())["charges"] == []
