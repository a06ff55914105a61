"""A refund: divided, taken back from the tutor's account where it is there, given to the payer."""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from shared.db import WriteSession, utc_now
from shared.saga import LEASE, Saga, advance, complete, give_up
from subgraphs.payment.models import Payment, Refund, RefundKind, RefundStatus
from subgraphs.payment.ports import InsufficientFunds, ProviderRefused
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.service import disputes, history, refunds, transfers
from subgraphs.payment.service.refunds import PAY, PREPARE, REVERSE, WATCH

ACTOR = "system:refund"
BLOCKED_PAUSE = timedelta(seconds=2)
WATCH_PAUSE = timedelta(hours=1)
# Refusals of the provider before a person has to look, and the pause after the first.
REFUSALS = 3
REFUSAL_PAUSE = timedelta(seconds=10)


class Locked(NamedTuple):
    """A refund with its payment, locked in the order that all keep."""

    payment: Payment
    refund: Refund


async def _lock(session: WriteSession, saga: Saga) -> Locked:
    payment = await history.lock(session, UUID(saga.data["payment_id"]))
    if payment is None:
        raise LookupError("a payment is gone")
    return Locked(payment, await refunds.lock_refund(session, saga.id))


async def prepare(runtime: PaymentRuntime, saga: Saga) -> None:
    """Divide the amount, when no other movement of the payment's money is on its way."""
    async with runtime.database.write() as session:
        payment, refund = await _lock(session, saga)
        if refund.status not in (RefundStatus.PENDING, RefundStatus.FAILED):
            await complete(session, saga)
            return
        if await refunds.waits_for_bank(session, refund):
            # The end of the chargeback wakes it.
            await advance(session, saga, PREPARE, deadline=None)
            return
        if await refunds.is_blocked(session, payment, refund):
            await advance(session, saga, PREPARE, deadline=utc_now() + BLOCKED_PAUSE)
            return
        needed = await refunds.prepare(session, payment, refund)
        step = REVERSE if needed else PAY
        # The lease goes on: this worker does the next step at once, or another one later.
        saga = await advance(session, saga, step, deadline=utc_now() + LEASE, needed=needed)
    await (reverse if needed else pay)(runtime, saga)


async def reverse(runtime: PaymentRuntime, saga: Saga) -> None:
    """Take the tutor's part back; what the account does not hold any more is owed."""
    async with runtime.database.read() as session:
        payment_id = UUID(saga.data["payment_id"])
        transfer = await transfers.get_transfer(session, payment_id)
        turn = (await session.get_one(Refund, saga.id)).turn
    needed = int(saga.data["needed"])
    wanted, taken, provider_id = 0, 0, None
    if transfer is not None and transfer.provider_transfer_id is not None:
        wanted = min(needed, transfer.sent - transfer.reversed)
    if wanted and transfer is not None and transfer.provider_transfer_id is not None:
        try:
            moved = await runtime.provider.reverse_transfer(
                transfer.provider_transfer_id,
                amount=wanted,
                key=f"reversal:{saga.id}:{turn}",
                metadata={"payment_id": str(payment_id), "refund_id": str(saga.id)},
            )
            taken, provider_id = moved.amount, moved.id
        except InsufficientFunds:
            taken = 0
    async with runtime.database.write() as session:
        payment, refund = await _lock(session, saga)
        found = await transfers.get_transfer(session, payment.id)
        if found is None:
            raise LookupError("a transfer is gone")
        saga = await advance(session, saga, PAY, deadline=utc_now() + LEASE)
        await transfers.take_back(
            session,
            payment,
            found,
            refund,
            reversed=taken,
            owed=needed - taken,
            provider_id=provider_id,
            actor=ACTOR,
        )
    await pay(runtime, saga)


async def pay(runtime: PaymentRuntime, saga: Saga) -> None:
    """Give the amount to the payer; of a chargeback the bank has done that."""
    async with runtime.database.read() as session:
        refund = await session.get_one(Refund, saga.id)
        payment = await session.get_one(Payment, refund.payment_id)
    if refund.kind == RefundKind.CHARGEBACK:
        await _finish(runtime, saga, None)
        return
    try:
        moved = await runtime.provider.create_refund(
            payment.provider_charge_id or "",
            amount=refund.amount,
            key=f"refund:{refund.id}:{refund.turn}",
            metadata={"payment_id": str(payment.id), "refund_id": str(refund.id)},
        )
    except ProviderRefused as error:
        await _refused(runtime, saga, error.reason)
        return
    if moved.status in ("failed", "canceled"):
        await _refused(runtime, saga, moved.failure_code or moved.status)
    elif moved.status == "succeeded":
        await _finish(runtime, saga, moved.id)
    else:
        async with runtime.database.write() as session:
            _, refund = await _lock(session, saga)
            refund.provider_refund_id = moved.id
            await advance(session, saga, WATCH, deadline=utc_now() + WATCH_PAUSE)


async def watch(runtime: PaymentRuntime, saga: Saga) -> None:
    """A refund that the bank takes time for: ask, in case its notification is lost."""
    async with runtime.database.read() as session:
        refund = await session.get_one(Refund, saga.id)
    moved = await runtime.provider.get_refund(refund.provider_refund_id or "")
    if moved.status == "succeeded":
        await _finish(runtime, saga, moved.id)
    elif moved.status in ("failed", "canceled"):
        await _refused(runtime, saga, moved.failure_code or moved.status)
    else:
        async with runtime.database.write() as session:
            await advance(session, saga, WATCH, deadline=utc_now() + WATCH_PAUSE)


async def _finish(runtime: PaymentRuntime, saga: Saga, provider_id: str | None) -> None:
    async with runtime.database.write() as session:
        payment, refund = await _lock(session, saga)
        await complete(session, saga)
        await refunds.finish(session, payment, refund, provider_id=provider_id, actor=ACTOR)


async def _refused(runtime: PaymentRuntime, saga: Saga, reason: str) -> None:
    """Try again under another key, a few times; then it needs a person, and may be retried."""
    refusals = int(saga.data.get("refusals", 0)) + 1
    if reason in disputes.REFUSALS and refusals < REFUSALS:
        await _give_way(runtime, saga, refusals)
        return
    async with runtime.database.write() as session:
        payment, refund = await _lock(session, saga)
        if refund.status != RefundStatus.IN_FLIGHT:
            return
        refunds.next_turn(refund)
        if refusals < REFUSALS:
            pause = REFUSAL_PAUSE * 2**refusals
            await advance(session, saga, PAY, deadline=utc_now() + pause, refusals=refusals)
            return
        await refunds.fail(session, payment, refund, reason, actor=ACTOR)
        moved = await advance(session, saga, PREPARE, deadline=None, refusals=0)
        await give_up(session, moved, reason)


async def _give_way(runtime: PaymentRuntime, saga: Saga, refusals: int) -> None:
    """The payer's bank has the money: ask what it said, and wait for it or leave it the refund."""
    async with runtime.database.read() as session:
        payment = await session.get_one(Payment, UUID(saga.data["payment_id"]))
    said = [item async for item in runtime.provider.list_disputes(payment.provider_charge_id)]
    async with runtime.database.write() as session:
        payment, refund = await _lock(session, saga)
        if refund.status != RefundStatus.IN_FLIGHT:
            return
        pause = REFUSAL_PAUSE * 2**refusals
        await advance(session, saga, PREPARE, deadline=utc_now() + pause, refusals=refusals)
        await disputes.give_way(session, payment, refund, said=said, actor=ACTOR)
