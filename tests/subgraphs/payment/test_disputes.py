"""Chargebacks: frozen while the bank decides, charged once, whatever was refunded."""

from shared.events.learning import LessonCancelled
from tests.subgraphs.payment.world import World

ANSWER = """mutation($id: ID!, $evidence: String!) {
  answerDispute(disputeId: $id, evidence: $evidence) {
    __typename ... on Dispute { status answeredAt } ... on Problem { code } } }"""


async def charge_back(world: World, amount: int | None = None) -> str:
    """The payer's bank takes money of the last charge; the chargeback's id there."""
    charge = (await world.provider.books())["charges"][-1]["id"]
    opened = await world.provider.act("open-dispute", charge=charge, amount=amount)
    await world.notify(times=2)
    return str(opened["id"])


async def decide(world: World, dispute: str, *, won: bool) -> None:
    """The bank decides."""
    await world.provider.act("close-dispute", dispute=dispute, won=won)
    await world.notify(times=2)
    await world.work()


async def test_open_chargeback_freezes_the_transfer_and_won_lets_it_go(world: World) -> None:
    await world.onboard()
    lesson, payment = await world.paid_lesson()
    dispute = await charge_back(world)
    await world.complete(lesson)
    await world.work()
    assert await world.scalar("SELECT waits_for FROM transfers") == "chargeback"
    assert (await world.accounts(payment.id))["DISPUTED"] == 10_000
    assert (await world.payment(payment.id)).disputed_total == 10_000
    await decide(world, dispute, won=True)
    assert [t["amount"] for t in (await world.provider.books())["transfers"]] == [8_000]
    assert (await world.payment(payment.id)).disputed_total == 0
    assert "DISPUTED" not in await world.accounts(payment.id)
    assert await world.told("payment.dispute_opened", "payment.dispute_closed") == [
        "payment.dispute_opened",
        "payment.dispute_closed",
    ]
    [closed] = await world.told_of("dispute_closed")
    assert closed["isWon"] is True


async def test_lost_chargeback_takes_the_transfer_back(world: World) -> None:
    await world.onboard()
    lesson, payment = await world.paid_lesson()
    await world.complete(lesson)
    await world.work()
    dispute = await charge_back(world)
    query = (
        "{ _entities(representations: $r) { ... on User { balance { available { amount } } } } }"
    )
    user = [{"__typename": "User", "id": str(world.tutor_id)}]
    found = await world.tutor.ask(f"query($r: [_Any!]!) {query}", r=user)
    assert found.data["_entities"][0]["balance"] == [{"available": {"amount": 0}}]
    await decide(world, dispute, won=False)
    books = await world.provider.books()
    assert [r["amount"] for r in books["transfer_reversals"]] == [8_000]
    assert books["refunds"] == []
    assert await world.accounts(payment.id) == {}
    after = await world.payment(payment.id)
    assert (after.refunded_total, after.fee_refunded_total) == (10_000, 2_000)
    assert await world.told("payment.refunded") == []


async def test_chargeback_after_a_refund_is_charged_once(world: World) -> None:
    _, payment = await world.paid_lesson()
    await world.refund(payment, 4_000)
    await world.work()
    dispute = await charge_back(world, amount=10_000)
    assert (await world.payment(payment.id)).disputed_total == 6_000
    await decide(world, dispute, won=False)
    after = await world.payment(payment.id)
    assert (after.refunded_total, after.fee_refunded_total) == (10_000, 2_000)
    # What the bank took a second time is nobody's but the platform's.
    assert await world.accounts(payment.id) == {
        "PROVIDER_BALANCE": -4_000,
        "DISPUTE_LOSSES": 4_000,
    }


async def test_refund_after_a_chargeback_is_refused(world: World) -> None:
    _, payment = await world.paid_lesson()
    dispute = await charge_back(world)
    assert (await world.refund(payment, 1))["code"] == "REFUND_TOO_LARGE"
    await decide(world, dispute, won=False)
    assert (await world.refund(payment, 1))["code"] == "REFUND_TOO_LARGE"
    assert (await world.provider.books())["refunds"] == []


async def test_chargeback_takes_the_place_of_a_waiting_refund(world: World) -> None:
    lesson, payment = await world.paid_lesson()
    await world.follow(lesson, LessonCancelled, "CANCELLED_BY_TUTOR", refund_bps=10_000)
    dispute = await charge_back(world)
    await world.work()
    assert (await world.provider.books())["refunds"] == []
    # The bank gives the money back: then the decision is carried out after all.
    await decide(world, dispute, won=True)
    assert [r["amount"] for r in (await world.provider.books())["refunds"]] == [10_000]
    assert (await world.payment(payment.id)).refunded_total == 10_000


async def test_end_that_comes_before_the_beginning_is_the_end(world: World) -> None:
    _, payment = await world.paid_lesson()
    charge = (await world.provider.books())["charges"][-1]["id"]
    opened = await world.provider.act("open-dispute", charge=charge)
    await world.provider.act("close-dispute", dispute=opened["id"], won=True)
    await world.notify(lambda events: events[::-1], times=2)
    assert await world.scalar("SELECT status FROM disputes") == "WON"
    assert (await world.accounts(payment.id))["PROVIDER_BALANCE"] == 10_000


async def test_admin_answers_an_open_chargeback(world: World) -> None:
    await world.paid_lesson()
    dispute = await charge_back(world)
    id_ = await world.scalar("SELECT id FROM disputes")
    values = {"id": id_, "evidence": "The lesson took place."}
    refused = await world.tutor.ask(ANSWER, **values)
    assert refused.data["answerDispute"]["code"] == "FORBIDDEN"
    answered = await world.admin.ask(ANSWER, **values)
    assert answered.data["answerDispute"]["__typename"] == "Dispute"
    found = await world.provider.client.get(f"/v1/disputes/{dispute}")
    assert found.json()["evidence"] == {"uncategorized_text": "The lesson took place."}
    assert found.json()["status"] == "under_review"
    await world.notify()
    await decide(world, dispute, won=True)
    late = await world.admin.ask(ANSWER, **values)
    assert late.data["answerDispute"]["code"] == "DISPUTE_CLOSED"
