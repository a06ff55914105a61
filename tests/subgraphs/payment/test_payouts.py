"""Onboarding and payouts: what is available, when it leaves, what comes back."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from subgraphs.payment.timers import pay_out_period
from tests.subgraphs.payment.world import World

REQUEST = """mutation($amount: MinorUnits, $currency: Currency!, $key: String) {
  requestPayout(amount: $amount, currency: $currency, idempotencyKey: $key) {
    __typename ... on Payout { id status amount { amount currency } }
    ... on Problem { code field } } }"""
ONBOARD = """mutation { startPayoutOnboarding {
  __typename ... on PayoutOnboarding { url account { status } } ... on Problem { code } } }"""


async def earn(world: World, price: int = 10_000, **changes: Any) -> None:
    """A lesson is paid, given and transferred."""
    lesson, _ = await world.paid_lesson(price_amount=price, **changes)
    await world.complete(lesson)
    await world.work()


async def ask_for(world: World, amount: int | None = None, **more: Any) -> dict[str, Any]:
    """The tutor asks for a payout."""
    answer = await world.tutor.ask(REQUEST, **({"amount": amount, "currency": "USD"} | more))
    found: dict[str, Any] = answer.data["requestPayout"]
    return found


async def settle(world: World, *, paid: bool) -> None:
    """The tutor's bank takes the last payout, or sends it back."""
    payout = (await world.provider.books())["payouts"][-1]["id"]
    await world.provider.act("settle-payout", payout=payout, paid=paid)
    await world.notify(times=2)


async def test_each_onboarding_has_a_fresh_page_of_one_account(world: World) -> None:
    first = (await world.tutor.ask(ONBOARD)).data["startPayoutOnboarding"]
    second = (await world.tutor.ask(ONBOARD)).data["startPayoutOnboarding"]
    assert first["url"] != second["url"]
    assert first["account"] == {"status": "ONBOARDING"}
    assert await world.scalar("SELECT count(*) FROM payout_accounts") == 1
    stored = await world.scalar("SELECT row_to_json(a)::text FROM payout_accounts a")
    assert first["url"] not in stored
    answer = await world.student.ask(ONBOARD)
    assert answer.data["startPayoutOnboarding"]["code"] == "FORBIDDEN"


async def test_ten_onboardings_at_once_make_one_account(world: World) -> None:
    await asyncio.gather(*(world.tutor.ask(ONBOARD) for _ in range(10)))
    ids = await world.rows("SELECT DISTINCT provider_account_id FROM payout_accounts")
    assert len(ids) == 1


async def test_account_is_enabled_only_by_the_provider_itself(world: World) -> None:
    await world.tutor.ask(ONBOARD)
    await world.work()
    assert await world.told("payout_account.enabled") == []
    account = await world.scalar("SELECT provider_account_id FROM payout_accounts")
    await world.provider.act("account", account=account, enabled=True)
    await world.provider.act("account", account=account, enabled=False, due=["passport"])
    await world.provider.act("account", account=account, enabled=True)
    # The notification that it is restricted comes last: what counts is what is fetched.
    events = await world.waiting()
    for event in (events[2], events[0], events[1]):
        assert await world.post(event["payload"], event["signature"]) == 200
    await world.work()
    assert await world.scalar("SELECT status FROM payout_accounts") == "ENABLED"
    [told] = await world.told_of("payout_account.enabled")
    assert (told["userId"], told["isEnabled"]) == (str(world.tutor_id), True)


async def test_payout_takes_the_balance_and_the_bank_confirms(world: World) -> None:
    await world.onboard()
    await earn(world)
    made = await ask_for(world)
    assert made["amount"] == {"amount": 8_000, "currency": "USD"}
    await world.work()
    assert (await world.balance()).pending == 8_000
    await settle(world, paid=True)
    balance = await world.balance()
    assert (balance.pending, balance.paid_out) == (0, 8_000)
    assert await world.accounts() == {"PROVIDER_BALANCE": 2_000, "PLATFORM_FEES": -2_000}
    assert len(await world.told_of("payout.paid")) == 1
    assert (await ask_for(world))["code"] == "BALANCE_TOO_LOW"


async def test_payout_that_fails_restores_the_balance(world: World) -> None:
    await world.onboard()
    await earn(world)
    await ask_for(world, 5_000)
    await world.work()
    await settle(world, paid=False)
    balance = await world.balance()
    assert (balance.pending, balance.paid_out, balance.transferred) == (0, 0, 8_000)
    [failed] = await world.told_of("payout.failed")
    assert (failed["amount"], failed["reason"]) == (5_000, "account_closed")
    # Once more, and this time the bank sends it back after it had taken it.
    await ask_for(world, 8_000)
    await world.work()
    await settle(world, paid=True)
    await settle(world, paid=False)
    balance = await world.balance()
    assert (balance.pending, balance.paid_out) == (0, 0)
    assert (await world.accounts())["TUTOR_FUNDS"] == 8_000


async def test_failure_that_comes_before_success_stays_a_failure(world: World) -> None:
    await world.onboard()
    await earn(world)
    await ask_for(world)
    await world.work()
    payout = (await world.provider.books())["payouts"][-1]["id"]
    await world.provider.act("settle-payout", payout=payout, paid=True)
    await world.provider.act("settle-payout", payout=payout, paid=False)
    await world.notify(lambda events: events[::-1])
    assert await world.scalar("SELECT status FROM payouts") == "FAILED"
    assert (await world.balance()).paid_out == 0


async def test_minimum_and_balance_are_kept_by_the_row_lock(world: World) -> None:
    await world.onboard()
    await earn(world)
    assert (await ask_for(world, 1_999))["code"] == "BALANCE_TOO_LOW"
    assert (await ask_for(world, 8_001))["code"] == "BALANCE_TOO_LOW"
    assert (await ask_for(world, 0))["code"] == "INVALID_INPUT"
    made = await asyncio.gather(*(ask_for(world, 3_000) for _ in range(5)))
    assert sorted(payout["__typename"] for payout in made) == ["Payout"] * 2 + ["Problem"] * 3
    assert (await world.balance()).pending == 6_000


async def test_tutor_without_account_cannot_ask(world: World) -> None:
    assert (await ask_for(world))["code"] == "PAYOUT_ACCOUNT_MISSING"
    assert await world.scalar("SELECT count(*) FROM payouts") == 0


async def test_weekly_payout_happens_once_a_week(world: World) -> None:
    await world.onboard()
    await earn(world)
    await earn(world, price=2_000)
    monday = datetime(2026, 11, 23, 8, tzinfo=UTC)
    await asyncio.gather(*(pay_out_period(world.runtime, monday) for _ in range(3)))
    await world.work()
    assert [p["amount"] for p in (await world.provider.books())["payouts"]] == [9_600]
    await earn(world)
    await pay_out_period(world.runtime, monday)
    assert await world.rows("SELECT amount, period FROM payouts") == [(9_600, "2026-W48")]


async def test_lost_notification_of_a_payout_is_made_good_by_asking(world: World) -> None:
    await world.onboard()
    await earn(world)
    await ask_for(world)
    await world.work()
    payout = (await world.provider.books())["payouts"][-1]["id"]
    await world.provider.act("settle-payout", payout=payout, paid=True)
    await world.waiting()
    await world.work(after="13 hours")
    assert await world.scalar("SELECT status FROM payouts") == "PAID"


async def test_refused_payout_restores_the_balance(world: World) -> None:
    await world.onboard()
    await earn(world)
    await ask_for(world)
    await world.provider.fail("refuse", path="/payouts", status=400, code="payouts_not_allowed")
    await world.work()
    assert await world.rows("SELECT status, failure_code FROM payouts") == [
        ("FAILED", "payouts_not_allowed")
    ]
    assert (await world.balance()).pending == 0
