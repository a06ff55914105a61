"""What a payment owes to its payer and its tutor, by what learning says of the purchase now.

Learning's events only change `payable_refs`; this brings the payment in line with it. So an event
may come twice, late or in another order: what counts is the newest state and what was done before.
"""

from shared import saga as sagas
from shared.db import WriteSession, database_now
from subgraphs.payment.models import (
    PayableRef,
    PayableStatus,
    Payment,
    PaymentStatus,
    RefundKind,
)
from subgraphs.payment.service import ledger, refunds, transfers

SAGA = "payment"
CREATE, WATCH, CANCEL = "create", "watch", "cancel"
UNPAID = (PaymentStatus.PENDING, PaymentStatus.ACTION_REQUIRED, PaymentStatus.PROCESSING)
GONE = (PayableStatus.RELEASED, PayableStatus.CANCELLED)


async def settle(session: WriteSession, payment: Payment, *, actor: str) -> None:
    """Start what follows for a locked payment; what was started before is not started again."""
    ref = await session.get_one(PayableRef, payment.purchase_id, populate_existing=True)
    if payment.status in UNPAID:
        if ref.status in GONE:
            await give_up(session, payment)
        return
    if payment.status != PaymentStatus.SUCCEEDED:
        return
    if ref.refund_bps is not None and ref.status != PayableStatus.DISPUTED:
        # What the payer gets back in all: what went back before is part of it.
        target = ledger.fee_of(payment.amount, ref.refund_bps)
        missing = target - payment.refunded_total - payment.refund_pending
        if (owed := min(missing, payment.refundable)) > 0:
            await refunds.start(session, payment, RefundKind.DECISION, owed, actor=actor)
    await transfers.plan(session, payment, ref)


async def give_up(session: WriteSession, payment: Payment) -> None:
    """Let the saga cancel the payment at the provider, now."""
    saga = await sagas.lock(session, payment.id)
    if saga is not None and saga.state in (
        sagas.SagaState.RUNNING,
        sagas.SagaState.NEEDS_ATTENTION,
    ):
        await sagas.advance(session, saga, CANCEL, deadline=await database_now(session))
