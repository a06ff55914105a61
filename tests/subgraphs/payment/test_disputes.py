"""Chargebacks: frozen while the bank decides, charged once, whatever was refunded."""

from datetime import timedelta

import pytest

from shared.db import utc_now
from shared.events.learning import LessonCancelled
from subgraphs.payment.models import Payment
from subgraphs.payment.timers import reconcile
from tests.subgraphs.payment.world import World

ANSWER = """mutation($id: ID!, $evidence: String!) {
  answerDispute(disputeId: $id, evidence: $evidence) {
    __typename ... on Dispute { status answeredAt } ... on Problem { code } } }"""


async def charge_back(world: World, amount: int | None = None, *, heard: bool = True) -> str:
    """The payer's bank takes money of the last charge; the chargeback's id there."""
    charge = (await world.provider.books())["charges"][-1]["id"]
    opened = await world.provider.act("open-dispute", charge=charge, amount=amount)
    if heard:
        await world.notify(times=2)
    return str(opened["id"])


async def ask(world: World) -> int:
    """Payment compares its books with the provider's; the new differences."""
    return await reconcile(world.runtime, utc_now() - timedelta(hours=1))


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


async def test_refused_refund_learns_of_a_chargeback_that_was_not_heard_of(world: World) -> None:
    _, payment = await world.paid_lesson()
    dispute = await charge_back(world, heard=False)
    await world.refund(payment, 4_000)
    await world.work()
    after = await world.payment(payment.id)
    assert (after.refund_pending, after.disputed_total, after.attention) == (0, 10_000, None)
    assert await world.scalar("SELECT status FROM refunds") == "SUPERSEDED"
    # The notification comes at last, and says nothing new.
    await decide(world, dispute, won=False)
    after = await world.payment(payment.id)
    assert (after.refunded_total, after.fee_refunded_total) == (10_000, 2_000)
    assert await world.accounts(payment.id) == {}


async def paid_out_and_half_refunded(world: World) -> tuple[Payment, str]:
    """The tutor's part of a refund is back when the provider refuses it, for a chargeback."""
    await world.onboard()
    lesson, payment = await world.paid_lesson()
    await world.complete(lesson)
    await world.work()
    dispute = await charge_back(world, heard=False)
    await world.refund(payment, 4_000)
    await world.work()
    after = await world.payment(payment.id)
    assert (after.reversed_total, after.refund_pending, after.disputed_total) == (
        3_200,
        4_000,
        6_000,
    )
    assert await world.scalar("SELECT status FROM refunds") == "PENDING"
    return payment, dispute


async def test_begun_refund_goes_on_when_the_chargeback_is_won(world: World) -> None:
    payment, dispute = await paid_out_and_half_refunded(world)
    await decide(world, dispute, won=True)
    books = await world.provider.books()
    assert [r["amount"] for r in books["refunds"]] == [4_000]
    assert [r["amount"] for r in books["transfer_reversals"]] == [3_200]
    after = await world.payment(payment.id)
    assert (after.refunded_total, after.refund_pending, after.disputed_total) == (4_000, 0, 0)
    assert "HELD_FOR_TUTORS" not in await world.accounts(payment.id)


async def test_lost_chargeback_takes_the_place_of_a_begun_refund(world: World) -> None:
    payment, dispute = await paid_out_and_half_refunded(world)
    await decide(world, dispute, won=False)
    books = await world.provider.books()
    assert books["refunds"] == []
    assert sum(r["amount"] for r in books["transfer_reversals"]) == 8_000
    after = await world.payment(payment.id)
    assert (after.refunded_total, after.fee_refunded_total) == (10_000, 2_000)
    assert (after.refund_pending, await world.accounts(payment.id)) == (0, {})


@pytest.mark.parametrize("refused_first", [True, False])
async def test_part_of_a_begun_refund_is_left_when_the_bank_took_less(
    world: World, refused_first: bool
) -> None:
    lesson, payment = await world.paid_lesson()
    await world.follow(lesson, LessonCancelled, "CANCELLED_BY_STUDENT", refund_bps=9_000)
    await world.provider.fail("before", count=3, path="/refunds")
    await world.run_due()
    dispute = await charge_back(world, 5_000)
    assert (await world.payment(payment.id)).disputed_total == 1_000
    if refused_first:
        await world.work()
    await decide(world, dispute, won=False)
    # 5,000 of 10,000 are with the payer by the bank, and 4,000 are owed besides.
    after = await world.payment(payment.id)
    assert (after.refunded_total, after.refund_pending) == (5_000, 4_000)
    assert "DISPUTE_LOSSES" not in await world.accounts(payment.id)
    # The provider gives nothing back of a charge whose chargeback was lost: a person has to.
    assert after.attention == "refund failed"


async def test_refund_refused_after_the_chargeback_was_lost_is_no_loss(world: World) -> None:
    _, payment = await world.paid_lesson()
    await world.refund(payment, 4_000)
    # Nobody knows whether it arrived.
    await world.provider.fail("before", count=3, path="/refunds")
    await world.run_due()
    assert await world.scalar("SELECT status FROM refunds") == "IN_FLIGHT"
    dispute = await charge_back(world)
    await world.provider.act("close-dispute", dispute=dispute, won=False)
    await world.notify(times=2)
    assert (await world.accounts(payment.id))["DISPUTE_LOSSES"] == 4_000
    await world.work()
    after = await world.payment(payment.id)
    assert (after.refunded_total, after.fee_refunded_total) == (10_000, 2_000)
    assert (after.refund_pending, await world.accounts(payment.id)) == (0, {})
    assert (await world.provider.books())["refunds"] == []


async def test_refund_on_its_way_that_a_chargeback_stops_gives_way(world: World) -> None:
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id)
    await world.give_card(made, "pm_card_pendingRefund")
    await world.notify()
    payment = await world.payment(made["id"])
    await world.refund(payment, 4_000)
    await world.work()
    [refund] = (await world.provider.books())["refunds"]
    dispute = await charge_back(world)
    await world.provider.act(
        "settle-refund",
        refund=refund["id"],
        status="failed",
        reason="charge_for_pending_refund_disputed",
    )
    await world.notify(times=2)
    await world.work()
    after = await world.payment(payment.id)
    assert (after.refund_pending, after.attention) == (4_000, None)
    await decide(world, dispute, won=True)
    refunds = (await world.provider.books())["refunds"]
    assert [(r["amount"], r["status"]) for r in refunds] == [(4_000, "failed"), (4_000, "pending")]
    await world.provider.act("settle-refund", refund=refunds[1]["id"], status="succeeded")
    await world.notify(times=2)
    after = await world.payment(payment.id)
    assert (after.refunded_total, after.refund_pending) == (4_000, 0)
    assert (await world.accounts(payment.id))["PROVIDER_BALANCE"] == 6_000


async def test_failed_refund_is_settled_by_a_lost_chargeback(world: World) -> None:
    _, payment = await world.paid_lesson()
    await world.refund(payment, 4_000)
    await world.provider.fail(
        "refuse", count=3, path="/refunds", status=400, code="charge_not_refundable"
    )
    await world.work()
    assert await world.scalar("SELECT state FROM saga_instances WHERE kind = 'refund'") == (
        "NEEDS_ATTENTION"
    )
    dispute = await charge_back(world)
    await decide(world, dispute, won=False)
    after = await world.payment(payment.id)
    assert (after.refunded_total, after.refund_pending) == (10_000, 0)
    assert await world.accounts(payment.id) == {}
    stuck = "SELECT count(*) FROM saga_instances WHERE state = 'NEEDS_ATTENTION'"
    assert await world.scalar(stuck) == 0


async def test_refund_that_came_back_after_a_lost_chargeback_is_no_loss(world: World) -> None:
    _, payment = await world.paid_lesson()
    await world.refund(payment, 4_000)
    await world.work()
    [refund] = (await world.provider.books())["refunds"]
    dispute = await charge_back(world)
    await decide(world, dispute, won=False)
    assert (await world.accounts(payment.id))["DISPUTE_LOSSES"] == 4_000
    await world.provider.act("settle-refund", refund=refund["id"], status="failed")
    await world.notify(times=2)
    await world.work()
    after = await world.payment(payment.id)
    assert (after.refunded_total, after.fee_refunded_total) == (10_000, 2_000)
    assert await world.accounts(payment.id) == {}


async def test_chargeback_whose_notifications_are_lost_is_asked_for(world: World) -> None:
    _, payment = await world.paid_lesson()
    dispute = await charge_back(world, heard=False)
    await world.waiting()
    assert await ask(world) == 0
    assert (await world.payment(payment.id)).disputed_total == 10_000
    await world.provider.act("close-dispute", dispute=dispute, won=False)
    await world.waiting()
    # It may have been opened long ago.
    assert await reconcile(world.runtime, utc_now() + timedelta(minutes=1)) == 0
    await world.work()
    assert (await world.payment(payment.id)).refunded_total == 10_000
    assert await ask(world) == 0


async def test_chargeback_of_a_charge_that_is_not_ours_is_a_difference(world: World) -> None:
    await world.paid_lesson()
    api = world.provider.client
    card = {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
    assert (await api.post("/v1/payment_intents", data=card)).status_code == 200
    dispute = await charge_back(world, heard=False)
    # The charge, too, is in no book of ours.
    assert await ask(world) == 2
    found = "SELECT found FROM reconciliation_differences WHERE provider_id = :id"
    assert await world.scalar(found, id=dispute) == 500


async def test_refund_that_came_back_unheard_is_a_difference(world: World) -> None:
    _, payment = await world.paid_lesson()
    await world.refund(payment, 4_000)
    await world.work()
    [refund] = (await world.provider.books())["refunds"]
    await world.provider.act("settle-refund", refund=refund["id"], status="failed")
    late = await world.waiting()
    assert await ask(world) == 1
    found = "SELECT (booked, found) = (4000, 0) FROM reconciliation_differences"
    assert await world.scalar(found)
    for event in late:
        assert await world.post(event["payload"], event["signature"]) == 200
    assert await ask(world) == 0
