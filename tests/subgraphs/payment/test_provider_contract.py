"""What the port expects of a provider: the simulated one, and another when there is one.

STRIPE_API_BASE_CONTRACT and STRIPE_API_KEY_CONTRACT name a server, such as the provider's own test
mode, against which the same is run.
"""

import os
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from shared.config import load
from shared.db import utc_now
from shared.ids import new_id
from subgraphs.payment.config import Settings
from subgraphs.payment.ports import Declined, Intent, Provider, ProviderRefused

OTHER = os.environ.get("STRIPE_API_BASE_CONTRACT")
SERVERS = ["simulated", *(["other"] if OTHER else [])]


@pytest.fixture(params=SERVERS)
async def provider(environment: None, request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    """The port, open."""
    settings = load(Settings, db_host="127.0.0.1", db_password=SecretStr("none"))
    if request.param == "other":
        key = SecretStr(os.environ["STRIPE_API_KEY_CONTRACT"])
        changes = {"stripe_api_base": OTHER, "stripe_api_key": key}
        settings = settings.model_copy(update=changes)
    made = Provider(settings)
    await made.open()
    yield made
    await made.close()


async def intent(provider: Provider, *, amount: int = 5_000, key: str | None = None) -> Intent:
    payment_id = new_id()
    return await provider.create_intent(
        key=key or f"contract:{payment_id}",
        payment_id=payment_id,
        purchase_id=payment_id,
        amount=amount,
        currency="USD",
        customer_id=None,
    )


async def test_payment_is_opened_confirmed_and_read(provider: Provider) -> None:
    made = await intent(provider)
    assert (made.status, made.amount, made.currency) == ("requires_payment_method", 5_000, "USD")
    assert made.client_secret is not None
    done = await provider.confirm_intent(made.id, "pm_card_visa", key=f"confirm:{made.id}")
    assert (done.status, done.amount_received) == ("succeeded", 5_000)
    assert done.charge_id is not None
    assert (await provider.get_intent(made.id)).metadata == made.metadata
    found = {c.id: c async for c in provider.list_charges(utc_now() - timedelta(minutes=5))}
    assert (found[done.charge_id].amount, found[done.charge_id].currency) == (5_000, "USD")


async def test_same_key_gives_the_same_and_other_parameters_are_refused(
    provider: Provider,
) -> None:
    payment_id, key = new_id(), f"contract:{new_id()}"
    values = {"key": key, "payment_id": payment_id, "purchase_id": payment_id, "currency": "USD"}
    first = await provider.create_intent(amount=100, customer_id=None, **values)  # type: ignore[arg-type]
    again = await provider.create_intent(amount=100, customer_id=None, **values)  # type: ignore[arg-type]
    assert first == again
    with pytest.raises(ProviderRefused):
        await provider.create_intent(amount=101, customer_id=None, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("pm_card_visa_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ],
)
async def test_declined_card_says_why(provider: Provider, card: str, reason: str) -> None:
    made = await intent(provider)
    with pytest.raises(Declined) as refused:
        await provider.confirm_intent(made.id, card, key=f"confirm:{made.id}")
    assert refused.value.reason == reason
    after = await provider.get_intent(made.id)
    assert (after.status, after.failure_code) == ("requires_payment_method", reason)


async def test_card_that_needs_the_payer_says_so(provider: Provider) -> None:
    made = await intent(provider)
    waiting = await provider.confirm_intent(
        made.id, "pm_card_authenticationRequired", key=f"confirm:{made.id}"
    )
    assert waiting.status == "requires_action"
    assert (await provider.cancel_intent(made.id)).status == "canceled"
    assert (await provider.cancel_intent(made.id)).status == "canceled"


async def test_cancelling_what_succeeded_tells_so(provider: Provider) -> None:
    made = await intent(provider)
    await provider.confirm_intent(made.id, "pm_card_visa", key=f"confirm:{made.id}")
    assert (await provider.cancel_intent(made.id)).status == "succeeded"


async def test_refunds_add_up_to_the_charge_and_no_further(provider: Provider) -> None:
    made = await intent(provider)
    done = await provider.confirm_intent(made.id, "pm_card_visa", key=f"confirm:{made.id}")
    charge = done.charge_id or ""
    first = await provider.create_refund(charge, amount=2_000, key=f"r1:{made.id}", metadata={})
    again = await provider.create_refund(charge, amount=2_000, key=f"r1:{made.id}", metadata={})
    assert (first.id, first.status, first.amount) == (again.id, "succeeded", 2_000)
    with pytest.raises(ProviderRefused):
        await provider.create_refund(charge, amount=3_001, key=f"r2:{made.id}", metadata={})
    await provider.create_refund(charge, amount=3_000, key=f"r3:{made.id}", metadata={})
    with pytest.raises(ProviderRefused):
        await provider.create_refund(charge, amount=1, key=f"r4:{made.id}", metadata={})


async def test_account_is_made_once_and_waits_for_its_owner(provider: Provider) -> None:
    user_id = new_id()
    account = await provider.create_account(user_id)
    assert await provider.create_account(user_id) == account
    found = await provider.get_account(account)
    assert (found.charges_enabled, found.payouts_enabled) == (False, False)
    assert found.requirements_due > 0
    page = {"return_url": "https://web.test/a", "refresh_url": "https://web.test/b"}
    first = await provider.create_account_link(account, **page)
    assert first != await provider.create_account_link(account, **page)
    with pytest.raises(ProviderRefused):
        await provider.create_transfer(
            key=f"t:{user_id}",
            amount=100,
            currency="USD",
            account_id=account,
            charge_id=None,
            group="none",
            metadata={},
        )


async def test_unknown_ids_are_refused(provider: Provider) -> None:
    with pytest.raises(ProviderRefused) as refused:
        await provider.get_intent("pi_unknown")
    assert refused.value.reason == "resource_missing"


async def test_cards_are_saved_for_a_customer(provider: Provider) -> None:
    user_id = new_id()
    customer = await provider.create_customer(user_id)
    assert await provider.create_customer(user_id) == customer
    assert "_secret_" in await provider.create_setup(customer, key=f"setup:{user_id}")
