"""A payout: sent to the tutor's bank, then watched until the bank has it or sends it back."""

from datetime import timedelta

from shared.db import utc_now
from shared.saga import LEASE, Saga, SagaState, advance, lock
from subgraphs.payment.models import Payout, PayoutStatus
from subgraphs.payment.ports import ProviderRefused
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.service import accounts, payouts
from subgraphs.payment.service.payouts import WATCH

ACTOR = "system:payout"
WATCH_PAUSE = timedelta(hours=12)


async def _account_id(runtime: PaymentRuntime, payout: Payout) -> str:
    async with runtime.database.read() as session:
        [account] = await accounts.get_accounts(session, [payout.user_id])
    return (account.provider_account_id if account else None) or ""


async def send(runtime: PaymentRuntime, saga: Saga) -> None:
    """Ask the provider to pay out; a refusal restores the balance."""
    async with runtime.database.read() as session:
        payout = await session.get_one(Payout, saga.id)
    if payout.status == PayoutStatus.PENDING:
        try:
            moved = await runtime.provider.create_payout(
                await _account_id(runtime, payout),
                amount=payout.amount,
                currency=payout.currency,
                key=f"payout:{payout.id}",
                metadata={"payout_id": str(payout.id)},
            )
        except ProviderRefused as error:
            async with runtime.database.write() as session:
                payout = await payouts.lock_payout(session, saga.id)
                await payouts.apply_payout(session, payout, "failed", error.reason, actor=ACTOR)
            return
        async with runtime.database.write() as session:
            payout = await payouts.lock_payout(session, saga.id)
            await payouts.sent(session, payout, moved.id)
            await payouts.apply_payout(
                session, payout, moved.status, moved.failure_code, actor=ACTOR
            )
            found = await lock(session, saga.id)
            if found is not None and found.state == SagaState.RUNNING:
                await advance(session, found, WATCH, deadline=utc_now() + WATCH_PAUSE)
        return
    async with runtime.database.write() as session:
        await advance(session, saga, WATCH, deadline=utc_now() + LEASE)


async def watch(runtime: PaymentRuntime, saga: Saga) -> None:
    """A notification may be lost: ask the provider now and then."""
    async with runtime.database.read() as session:
        payout = await session.get_one(Payout, saga.id)
    moved = await runtime.provider.get_payout(
        await _account_id(runtime, payout), payout.provider_payout_id or ""
    )
    async with runtime.database.write() as session:
        payout = await payouts.lock_payout(session, saga.id)
        await payouts.apply_payout(session, payout, moved.status, moved.failure_code, actor=ACTOR)
        found = await lock(session, saga.id)
        if found is not None and found.state == SagaState.RUNNING:
            await advance(session, found, WATCH, deadline=utc_now() + WATCH_PAUSE)
