"""Notifications: only the provider's own, each once, and none is lost for being early."""

import json
import time
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from deploy.local.stripe import WEBHOOK_SECRET
from deploy.local.stripe.webhooks import signature
from subgraphs.payment.ports import Provider
from tests.subgraphs.payment.world import World


def notification(type_: str, **item: Any) -> str:
    """A notification as the provider writes it."""
    return json.dumps(
        {
            "id": f"evt_{type_}",
            "object": "event",
            "type": type_,
            "created": int(time.time()),
            "data": {"object": item},
        }
    )


async def test_wrong_or_missing_signature_is_refused_and_nothing_is_kept(world: World) -> None:
    payload = notification("payment_intent.succeeded", id="pi_1")
    good = signature(payload, WEBHOOK_SECRET)
    assert await world.post(payload, None) == 400
    assert await world.post(payload, "t=1,v1=00") == 400
    assert await world.post(payload, "nonsense") == 400
    assert await world.post(payload, signature(payload, "whsec_of_somebody_else")) == 400
    assert await world.post(payload + " ", good) == 400
    assert await world.scalar("SELECT count(*) FROM webhook_events") == 0


@pytest.mark.parametrize(("age", "status"), [(290, 200), (310, 400)])
async def test_older_than_five_minutes_is_refused(world: World, age: int, status: int) -> None:
    payload = notification("customer.created", id="cus_1")
    sent = signature(payload, WEBHOOK_SECRET, at=int(time.time()) - age)
    assert await world.post(payload, sent) == status
    kept = await world.scalar("SELECT count(*) FROM webhook_events")
    assert kept == (1 if status == 200 else 0)


async def test_both_secrets_open_while_one_is_rotated_out(world: World) -> None:
    settings = world.runtime.settings.model_copy(
        update={"stripe_webhook_secret": SecretStr(f"whsec_of_tomorrow,{WEBHOOK_SECRET}")}
    )
    provider = Provider(settings)
    await provider.open()
    payload = notification("customer.created", id="cus_1")
    for secret in ("whsec_of_tomorrow", WEBHOOK_SECRET):
        found = provider.verify(payload.encode(), signature(payload, secret))
        assert found.type == "customer.created"
    await provider.close()


@pytest.mark.parametrize("body", ["[]", "{}", '{"id": "evt_1"}', '{"data": {"object": 7}}'])
async def test_signed_nonsense_is_refused(world: World, body: str) -> None:
    assert await world.post(body, signature(body, WEBHOOK_SECRET)) == 400
    assert await world.scalar("SELECT count(*) FROM webhook_events") == 0


async def test_each_notification_counts_once(world: World) -> None:
    _, payment = await world.paid_lesson()
    assert payment.status == "SUCCEEDED"
    before = await world.told()
    for external_id, type_ in await world.rows("SELECT external_id, type FROM webhook_events"):
        payload = json.loads(notification(type_, id="pi_other"))
        payload["id"] = external_id
        text = json.dumps(payload)
        assert await world.post(text, signature(text, WEBHOOK_SECRET)) == 200
    assert await world.told() == before
    assert await world.scalar("SELECT count(*) FROM webhook_events WHERE status='WAITING'") == 0


async def test_notification_before_the_row_is_applied_later(world: World) -> None:
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id)
    await world.give_card(made)
    # The charge is known only once the payment is: its chargeback comes first.
    charge = (await world.provider.books())["charges"][0]["id"]
    await world.provider.act("open-dispute", charge=charge)
    await world.notify(lambda events: [e for e in events[::-1] if "intent" not in e["type"]])
    waiting = "SELECT count(*) FROM webhook_events WHERE status = 'WAITING'"
    assert await world.scalar(waiting) == 1
    await world.work(after="11 minutes")
    assert (await world.payment(made["id"])).disputed_total == 10_000
    assert await world.scalar(waiting) == 0


async def test_notification_about_nothing_known_needs_a_person_in_the_end(world: World) -> None:
    payload = notification(
        "payment_intent.succeeded",
        id="pi_unknown",
        status="succeeded",
        amount=1,
        amount_received=1,
        currency="usd",
    )
    assert await world.post(payload, signature(payload, WEBHOOK_SECRET)) == 200
    for _ in range(12):
        await world.work(after="1 hour")
    query = "{ paymentSagas(state: NEEDS_ATTENTION) { nodes { kind lastError } } }"
    assert (await world.admin.ask(query)).data["paymentSagas"]["nodes"] == [
        {"kind": "webhook", "lastError": "payment_intent.succeeded about something unknown"}
    ]
    assert await world.accounts() == {}


async def test_personal_data_is_not_kept(world: World) -> None:
    payload = notification(
        "payment_intent.created",
        id="pi_1",
        receipt_email="ana@example.test",
        shipping={"name": "A"},
    )
    assert await world.post(payload, signature(payload, WEBHOOK_SECRET)) == 200
    assert await world.scalar("SELECT data -> 'object' FROM webhook_events") == {"id": "pi_1"}


async def test_webhook_without_the_routers_proof_is_refused(world: World) -> None:
    payload = notification("customer.created", id="cus_1")
    transport = httpx.ASGITransport(world.graph.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://payment", trust_env=False
    ) as client:
        headers = {"stripe-signature": signature(payload, WEBHOOK_SECRET)}
        answer = await client.post("/webhooks/stripe", content=payload, headers=headers)
    assert answer.status_code == 401
    assert await world.scalar("SELECT count(*) FROM webhook_events") == 0


async def test_what_a_tutors_account_does_pays_for_nothing(world: World) -> None:
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id)
    forged = {
        "status": "succeeded",
        "amount": 10_000,
        "amount_received": 10_000,
        "currency": "usd",
        "latest_charge": "ch_elsewhere",
        "metadata": {"payment_id": made["id"]},
    }
    of_account = json.loads(notification("payment_intent.succeeded", id="pi_elsewhere", **forged))
    of_account["account"] = "acct_of_a_tutor"
    another = notification("payment_intent.succeeded", id="pi_another", **forged)
    another = another.replace("evt_payment_intent.succeeded", "evt_2")
    for payload in (json.dumps(of_account), another):
        assert await world.post(payload, signature(payload, WEBHOOK_SECRET)) == 200
    assert (await world.payment(made["id"])).status == "PENDING"
    assert await world.accounts() == {}
    assert await world.told() == ["payment.initiated"]
