"""The tutor's part on its way to the tutor: when it may leave, how much, and taking it back."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared import saga as sagas
from shared.db import ReadSession, WriteSession, database_now
from shared.events.payment import TransferCreated, TransferReversed
from shared.ids import new_id
from subgraphs.payment.models import (
    Account,
    Dispute,
    DisputeStatus,
    PayableRef,
    PayableStatus,
    Payment,
    PaymentStatus,
    PayoutAccount,
    PayoutAccountStatus,
    Refund,
    RefundStatus,
    TransactionKind,
    Transfer,
    TransferStatus,
)
from subgraphs.payment.ports import Moved
from subgraphs.payment.service import history, ledger
from subgraphs.payment.service.history import Happened
from subgraphs.payment.service.ledger import Line

SAGA = "transfer"
WAIT, SEND = "wait", "send"
OPEN_REFUNDS = (RefundStatus.PENDING, RefundStatus.IN_FLIGHT, RefundStatus.FAILED)


async def due_at(session: WriteSession, ref: PayableRef) -> datetime | None:
    """When the tutor's part may leave; None while that is not decided or frozen."""
    if ref.status == PayableStatus.DISPUTED:
        return None
    if ref.status in (PayableStatus.CANCELLED, PayableStatus.RELEASED):
        # What the payer does not get back is the tutor's, now that it is decided.
        return await database_now(session) if ref.refund_bps is not None else None
    return ref.transfer_due_at


async def plan(session: WriteSession, payment: Payment, ref: PayableRef) -> None:
    """Bring the transfer of a locked payment in line with what learning says now."""
    if payment.status != PaymentStatus.SUCCEEDED:
        return
    due = await due_at(session, ref)
    transfer = await get_transfer(session, payment.id)
    if transfer is None:
        if due is None:
            return
        transfer = await _create(session, payment)
        await sagas.start(session, SAGA, id=transfer.id, step=WAIT, deadline=due)
        return
    if transfer.status != TransferStatus.WAITING:
        return
    saga = await sagas.lock(session, transfer.id)
    if saga is not None and saga.state == sagas.SagaState.RUNNING:
        await sagas.advance(session, saga, WAIT, deadline=due)


async def _create(session: WriteSession, payment: Payment) -> Transfer:
    values = {
        "id": new_id(),
        "payment_id": payment.id,
        "payee_id": payment.payee_id,
        "currency": payment.currency,
    }
    await session.execute(insert(Transfer).values(values).on_conflict_do_nothing())
    found = await get_transfer(session, payment.id)
    assert found is not None  # noqa: S101 - inserted above
    return found


async def get_transfer(session: ReadSession, payment_id: UUID) -> Transfer | None:
    """The transfer of a payment, if one is planned."""
    return await session.scalar(
        sa.select(Transfer)
        .where(Transfer.payment_id == payment_id)
        .execution_options(populate_existing=True)
    )


async def obstacle(session: WriteSession, payment: Payment, ref: PayableRef) -> str | None:
    """Why the transfer cannot leave yet: a word, or None."""
    due = await due_at(session, ref)
    if due is None:
        return "decision"
    if due > await database_now(session):
        return "time"
    open_dispute = sa.select(Dispute.id).where(
        Dispute.payment_id == payment.id, Dispute.status == DisputeStatus.OPEN
    )
    if await session.scalar(open_dispute.limit(1)) is not None:
        return "chargeback"
    open_refund = sa.select(Refund.id).where(
        Refund.payment_id == payment.id, Refund.status.in_(OPEN_REFUNDS)
    )
    if await session.scalar(open_refund.limit(1)) is not None:
        return "refund"
    if payment.tutor_part <= payment.tutor_refunded_total:
        # Nothing is left to send, whatever the account.
        return None
    enabled = sa.select(PayoutAccount.id).where(
        PayoutAccount.user_id == payment.payee_id,
        PayoutAccount.status == PayoutAccountStatus.ENABLED,
    )
    if await session.scalar(enabled) is None:
        return "account"
    return None


async def prepare(session: WriteSession, payment: Payment, transfer: Transfer) -> None:
    """Fix the amount: the tutor's part less refunds, and less what the tutor owes."""
    transfer.amount = payment.tutor_part - payment.tutor_refunded_total
    transfer.waits_for = None
    if transfer.amount <= 0:
        transfer.amount = 0
        transfer.status = TransferStatus.SKIPPED
    else:
        balance = await ledger.lock_balance(session, transfer.payee_id, transfer.currency)
        transfer.netted = min(balance.debt, transfer.amount)
        # At once, so that two transfers do not pay the same debt.
        balance.debt -= transfer.netted
        transfer.status = TransferStatus.IN_FLIGHT
    await session.flush()


async def refuse(session: WriteSession, transfer: Transfer, *, waits_for: str) -> None:
    """The provider does not allow it: wait again, and let the debt stand."""
    balance = await ledger.lock_balance(session, transfer.payee_id, transfer.currency)
    balance.debt += transfer.netted
    transfer.netted = transfer.amount = 0
    transfer.turn += 1
    transfer.status = TransferStatus.WAITING
    transfer.waits_for = waits_for
    await session.flush()


async def finish(
    session: WriteSession, payment: Payment, transfer: Transfer, moved: Moved | None, *, actor: str
) -> None:
    """Book a transfer that was sent; without `moved` all of it went against the debt."""
    tutor = transfer.payee_id
    balance = await ledger.lock_balance(session, tutor, transfer.currency)
    balance.transferred += transfer.sent
    transfer.status = TransferStatus.SUCCEEDED
    transfer.sent_at = await database_now(session)
    transfer.provider_transfer_id = moved.id if moved else None
    await ledger.post(
        session,
        TransactionKind.TRANSFER,
        transfer.id,
        Line(Account.HELD_FOR_TUTORS, transfer.amount),
        Line(Account.PROVIDER_BALANCE, -transfer.sent),
        Line(Account.TUTOR_DEBT, -transfer.netted, tutor),
        Line(Account.TUTOR_FUNDS, transfer.sent, tutor),
        Line(Account.TUTOR_PAYABLE, -transfer.sent, tutor),
        amount=transfer.amount,
        currency=transfer.currency,
        payment_id=payment.id,
        provider_id=transfer.provider_transfer_id,
    )
    await history.record(
        session,
        payment,
        Happened.TRANSFERRED,
        actor=actor,
        add={"transferred_total": transfer.amount},
    )
    history.tell(
        session,
        payment,
        TransferCreated,
        transfer_id=transfer.id,
        transfer_amount=transfer.sent,
    )


async def take_back(
    session: WriteSession,
    payment: Payment,
    transfer: Transfer,
    refund: Refund,
    *,
    reversed: int,
    owed: int,
    provider_id: str | None,
    actor: str,
) -> None:
    """Book what of a transfer came back for a refund, and what the tutor owes instead."""
    tutor = transfer.payee_id
    balance = await ledger.lock_balance(session, tutor, transfer.currency)
    balance.transferred -= reversed
    balance.debt += owed
    transfer.reversed += reversed
    refund.reversed += reversed
    refund.owed += owed
    await ledger.post(
        session,
        TransactionKind.TRANSFER_REVERSAL,
        refund.id,
        Line(Account.PROVIDER_BALANCE, reversed),
        Line(Account.TUTOR_DEBT, owed, tutor),
        Line(Account.HELD_FOR_TUTORS, -reversed - owed),
        Line(Account.TUTOR_FUNDS, -reversed, tutor),
        Line(Account.TUTOR_PAYABLE, reversed, tutor),
        amount=reversed + owed,
        currency=transfer.currency,
        payment_id=payment.id,
        provider_id=provider_id,
        turn=refund.turn,
    )
    await history.record(
        session,
        payment,
        Happened.TRANSFER_REVERSED,
        actor=actor,
        add={"reversed_total": reversed + owed},
    )
    if reversed:
        history.tell(
            session,
            payment,
            TransferReversed,
            transfer_id=transfer.id,
            reversed_amount=reversed,
        )


async def resume(session: WriteSession, payee_id: UUID, *, waits_for: str | None = None) -> None:
    """Let a tutor's waiting transfers look again, all or those that wait for one thing."""
    waiting = sa.select(Transfer.id).where(
        Transfer.payee_id == payee_id, Transfer.status == TransferStatus.WAITING
    )
    if waits_for is not None:
        waiting = waiting.where(Transfer.waits_for == waits_for)
    for id_ in await session.scalars(waiting.order_by(Transfer.id)):
        await sagas.wake(session, id_, WAIT)
