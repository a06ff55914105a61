"""A transfer: it waits until nothing is in its way, then the tutor's part is sent, once."""

from typing import NamedTuple

from shared.db import WriteSession, utc_now
from shared.saga import LEASE, Saga, advance, complete, give_up
from subgraphs.payment.models import (
    PayableRef,
    Payment,
    PayoutAccount,
    Transfer,
    TransferStatus,
)
from subgraphs.payment.ports import ProviderRefused
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.service import accounts, history, transfers
from subgraphs.payment.service.transfers import SEND, WAIT

ACTOR = "system:transfer"
# Why the provider does not let an account have money.
ACCOUNT_REFUSALS = frozenset({"insufficient_capabilities_for_transfer", "transfers_not_allowed"})
# Refusals of an account that seems to be well before a person looks.
REFUSALS = 3


class Locked(NamedTuple):
    """A transfer with its payment, locked in the order that all keep."""

    payment: Payment
    transfer: Transfer


async def _lock(session: WriteSession, saga: Saga) -> Locked:
    transfer = await session.get_one(Transfer, saga.id)
    payment = await history.lock(session, transfer.payment_id)
    if payment is None:
        raise LookupError("a payment is gone")
    found = await session.get_one(Transfer, saga.id, with_for_update=True, populate_existing=True)
    return Locked(payment, found)


async def prepare(runtime: PaymentRuntime, saga: Saga) -> None:
    """Look whether the transfer may leave now; else wait for what is in its way."""
    async with runtime.database.write() as session:
        payment, transfer = await _lock(session, saga)
        if transfer.status != TransferStatus.WAITING:
            await complete(session, saga)
            return
        ref = await session.get_one(PayableRef, payment.purchase_id, populate_existing=True)
        obstacle = await transfers.obstacle(session, payment, ref)
        if obstacle is not None:
            transfer.waits_for = obstacle
            # All but the time wake it when they are out of its way.
            deadline = await transfers.due_at(session, ref) if obstacle == "time" else None
            await advance(session, saga, WAIT, deadline=deadline, refusals=0)
            return
        await transfers.prepare(session, payment, transfer)
        if transfer.status == TransferStatus.SKIPPED:
            await complete(session, saga)
            return
        saga = await advance(session, saga, SEND, deadline=utc_now() + LEASE)
    await send(runtime, saga)


async def send(runtime: PaymentRuntime, saga: Saga) -> None:
    """Send the amount that was fixed; all of it may have gone against the tutor's debt."""
    async with runtime.database.read() as session:
        transfer = await session.get_one(Transfer, saga.id)
        payment = await session.get_one(Payment, transfer.payment_id)
        [account] = await accounts.get_accounts(session, [transfer.payee_id])
    moved = None
    if transfer.sent:
        try:
            moved = await runtime.provider.create_transfer(
                key=f"transfer:{transfer.id}:{transfer.turn}",
                amount=transfer.sent,
                currency=transfer.currency,
                account_id=(account.provider_account_id if account else None) or "",
                # A coupon of the platform may make the tutor's part larger than the charge.
                charge_id=(
                    payment.provider_charge_id
                    if transfer.sent <= payment.amount - payment.refunded_total
                    else None
                ),
                group=str(payment.purchase_id),
                metadata={"payment_id": str(payment.id), "transfer_id": str(transfer.id)},
            )
        except ProviderRefused as error:
            await _refused(runtime, saga, error.reason, account)
            return
    async with runtime.database.write() as session:
        payment, transfer = await _lock(session, saga)
        await complete(session, saga)
        await transfers.finish(session, payment, transfer, moved, actor=ACTOR)


async def _refused(
    runtime: PaymentRuntime, saga: Saga, reason: str, account: PayoutAccount | None
) -> None:
    """Nothing was sent: let go of what was fixed, and leave it to a person.

    An account may have been restricted, and its notification be late: it is looked at first, and
    wakes the transfer if it is enabled, now or later.
    """
    refusals = int(saga.data.get("refusals", 0)) + 1
    async with runtime.database.write() as session:
        _, transfer = await _lock(session, saga)
        if account is not None and reason in ACCOUNT_REFUSALS and refusals < REFUSALS:
            await transfers.refuse(session, transfer, waits_for="account")
            await advance(session, saga, WAIT, deadline=None, refusals=refusals)
            await accounts.look(session, account.id)
            return
        await transfers.refuse(session, transfer, waits_for="provider")
        moved = await advance(session, saga, WAIT, deadline=None, refusals=0)
        await give_up(session, moved, reason)
