"""Money that goes back: asking for it, dividing it, and booking what came of it."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from shared import saga as sagas
from shared.db import ReadSession, WriteSession, among, database_now
from shared.errors import Conflict, InvalidInput, NotFound
from shared.events.payment import PaymentRefunded, RefundFailed
from shared.ids import parse_id_or_none
from shared.lookup import ByKey
from shared.validation import text
from shared.viewer import Viewer
from subgraphs.payment.models import (
    Account,
    Dispute,
    DisputeStatus,
    Payment,
    PaymentStatus,
    Refund,
    RefundKind,
    RefundStatus,
    TransactionKind,
    Transfer,
    TransferStatus,
)
from subgraphs.payment.service import history, invoices, ledger, transfers
from subgraphs.payment.service.history import Happened
from subgraphs.payment.service.ledger import Line

SAGA = "refund"
PREPARE, REVERSE, PAY, WATCH = "prepare", "reverse", "pay", "watch"


class RefundTooLarge(Conflict):
    """More than is left of the payment."""

    code = "REFUND_TOO_LARGE"


class NotPaid(Conflict):
    """The payment has no money that could go back."""

    code = "NOT_PAID"


async def request_refund(
    session: WriteSession, viewer: Viewer, payment_id: UUID, *, amount: int | None, reason: str
) -> Refund:
    """Give back a part, or all that is left, for admins. Raises NotPaid, RefundTooLarge, …"""
    viewer.require_role("admin")
    reason = text(reason, field="reason", least=3, most=500)
    payment = await history.lock(session, payment_id)
    if payment is None:
        raise NotFound("There is no such payment.", field="paymentId")
    if payment.status != PaymentStatus.SUCCEEDED:
        raise NotPaid("The payment was not received.")
    wanted = payment.refundable if amount is None else amount
    if amount is not None and amount < 1:
        raise InvalidInput("amount must be positive.", field="amount")
    if wanted > payment.refundable or wanted == 0:
        raise RefundTooLarge(f"At most {payment.refundable} can be refunded.", field="amount")
    return await start(
        session,
        payment,
        RefundKind.REQUEST,
        wanted,
        actor=viewer.key,
        reason=reason,
        requested_by=viewer.user_id,
    )


async def start(
    session: WriteSession,
    payment: Payment,
    kind: RefundKind,
    amount: int,
    *,
    actor: str,
    reason: str | None = None,
    requested_by: UUID | None = None,
    dispute_id: UUID | None = None,
) -> Refund:
    """Reserve an amount of a locked payment and let the saga give it back."""
    refund = Refund(
        payment_id=payment.id,
        kind=kind,
        amount=amount,
        currency=payment.currency,
        reason=reason,
        requested_by=requested_by,
        dispute_id=dispute_id,
    )
    session.add(refund)
    await session.flush()
    await history.record(
        session, payment, Happened.REFUND_REQUESTED, actor=actor, add={"refund_pending": amount}
    )
    await sagas.start(
        session, SAGA, id=refund.id, step=PREPARE, data={"payment_id": str(payment.id)}
    )
    return refund


async def start_unmatched(
    session: WriteSession, payment: Payment, *, amount: int, currency: str
) -> None:
    """Send back what was received and not asked for: it is no part of the payment's amount."""
    refund = Refund(
        payment_id=payment.id,
        kind=RefundKind.UNMATCHED,
        amount=amount,
        currency=currency,
        reason="amount mismatch",
    )
    session.add(refund)
    await session.flush()
    await sagas.start(
        session, SAGA, id=refund.id, step=PREPARE, data={"payment_id": str(payment.id)}
    )


async def lock_refund(session: WriteSession, refund_id: UUID) -> Refund:
    """A refund, locked; its payment is locked before."""
    return await session.get_one(Refund, refund_id, with_for_update=True, populate_existing=True)


async def waits_for_bank(session: WriteSession, refund: Refund) -> bool:
    """Whether the provider refuses it for now, since the payer's bank has not decided yet."""
    if refund.kind == RefundKind.CHARGEBACK:
        return False
    undecided = sa.select(Dispute.id).where(
        Dispute.payment_id == refund.payment_id, Dispute.status == DisputeStatus.OPEN
    )
    return await session.scalar(undecided.limit(1)) is not None


def next_turn(refund: Refund) -> None:
    """Another try needs another key: this one has its answer."""
    refund.turn += 1
    refund.provider_refund_id = None


async def is_blocked(session: WriteSession, payment: Payment, refund: Refund) -> bool:
    """Whether another movement of the payment's money is on its way."""
    other = sa.select(Refund.id).where(
        Refund.payment_id == payment.id,
        Refund.status == RefundStatus.IN_FLIGHT,
        Refund.id != refund.id,
    )
    transfer = await transfers.get_transfer(session, payment.id)
    sending = transfer is not None and transfer.status == TransferStatus.IN_FLIGHT
    return sending or await session.scalar(other) is not None


async def prepare(session: WriteSession, payment: Payment, refund: Refund) -> int:
    """Divide a refund; gives what must be taken back from the tutor's account first."""
    refund.status = RefundStatus.IN_FLIGHT
    needed = 0
    if refund.kind != RefundKind.UNMATCHED:
        parts = ledger.shares_of_refund(payment, refund.amount)
        refund.tutor_part, refund.fee_part, refund.coupon_part = parts
        # What was never transferred is given back first.
        kept = payment.tutor_part - payment.transferred_total
        after = payment.tutor_refunded_total + parts.tutor
        transfer = await transfers.get_transfer(session, payment.id)
        if transfer is not None and transfer.status == TransferStatus.SUCCEEDED:
            needed = max(0, after - kept - payment.reversed_total)
    await session.flush()
    return needed


async def finish(
    session: WriteSession,
    payment: Payment,
    refund: Refund,
    *,
    provider_id: str | None,
    actor: str,
) -> None:
    """Book a refund that the payer has: once, whoever says so first."""
    if refund.status == RefundStatus.SUCCEEDED:
        return
    refund.status = RefundStatus.SUCCEEDED
    refund.provider_refund_id = provider_id
    refund.failure_code = None
    refund.settled_at = await database_now(session)
    if refund.kind == RefundKind.UNMATCHED:
        await ledger.post(
            session,
            TransactionKind.UNMATCHED_REFUND,
            refund.id,
            Line(Account.PROVIDER_BALANCE, -refund.amount),
            Line(Account.UNMATCHED_RECEIPTS, refund.amount),
            amount=refund.amount,
            currency=refund.currency,
            payment_id=payment.id,
            provider_id=provider_id,
        )
        return
    charged_back = refund.kind == RefundKind.CHARGEBACK
    source = Account.DISPUTED if charged_back else Account.PROVIDER_BALANCE
    await ledger.post(
        session,
        TransactionKind.CHARGEBACK if charged_back else TransactionKind.REFUND,
        refund.id,
        Line(source, -refund.amount),
        Line(Account.HELD_FOR_TUTORS, refund.tutor_part),
        Line(Account.PLATFORM_FEES, refund.fee_part),
        Line(Account.COUPON_COST, -refund.coupon_part),
        amount=refund.amount,
        currency=refund.currency,
        payment_id=payment.id,
        provider_id=provider_id,
    )
    await history.record(
        session,
        payment,
        Happened.REFUNDED,
        actor=actor,
        add={
            "refund_pending": -refund.amount,
            "refunded_total": refund.amount,
            "fee_refunded_total": refund.fee_part,
            "coupon_refunded_total": refund.coupon_part,
        },
    )
    if not charged_back:
        history.tell(
            session,
            payment,
            PaymentRefunded,
            refund_id=refund.id,
            refund_amount=refund.amount,
            refunded_total=payment.refunded_total,
            is_partial=payment.refunded_total < payment.amount,
        )
    transfer = await transfers.get_transfer(session, payment.id)
    if transfer is not None:
        await sagas.wake(session, transfer.id, transfers.WAIT)
    if not charged_back:
        await invoices.issue(session, payment, refund)


async def fail(
    session: WriteSession, payment: Payment, refund: Refund, code: str, *, actor: str
) -> None:
    """The provider will not give it back: a person has to look. The amount stays owed."""
    refund.status = RefundStatus.FAILED
    refund.failure_code = code[:100]
    await history.record(
        session, payment, Happened.REFUND_FAILED, actor=actor, attention="refund failed"
    )
    history.tell(session, payment, RefundFailed, refund_id=refund.id, refund_amount=refund.amount)


async def take_return(
    session: WriteSession, payment: Payment, refund: Refund, code: str | None, *, actor: str
) -> None:
    """The payer's bank has sent a refund back: the money is here again, and owed by nobody's saga.

    The cumulative rule then holds for what remains refunded.
    """
    if refund.status != RefundStatus.SUCCEEDED or refund.kind == RefundKind.UNMATCHED:
        return
    refund.status = RefundStatus.RETURNED
    refund.failure_code = (code or "returned")[:100]
    total = payment.refunded_total - refund.amount
    fee = payment.fee_refunded_total - ledger.share(payment.platform_fee, total, payment.amount)
    coupon = payment.coupon_refunded_total - ledger.share(
        payment.coupon_cost, total, payment.amount
    )
    await ledger.post(
        session,
        TransactionKind.REFUND_RETURNED,
        refund.id,
        Line(Account.PROVIDER_BALANCE, refund.amount),
        Line(Account.HELD_FOR_TUTORS, fee - refund.amount - coupon),
        Line(Account.PLATFORM_FEES, -fee),
        Line(Account.COUPON_COST, coupon),
        amount=refund.amount,
        currency=refund.currency,
        payment_id=payment.id,
    )
    await history.record(
        session,
        payment,
        Happened.REFUND_RETURNED,
        actor=actor,
        add={
            "refunded_total": -refund.amount,
            "fee_refunded_total": -fee,
            "coupon_refunded_total": -coupon,
        },
        attention="refund returned",
    )
    history.tell(session, payment, RefundFailed, refund_id=refund.id, refund_amount=refund.amount)


async def lock_idle(session: WriteSession, payment_id: UUID) -> Sequence[Refund]:
    """A payment's refunds that are owed and not on their way, the oldest first, locked."""
    found = await session.scalars(
        sa.select(Refund)
        .where(
            Refund.payment_id == payment_id,
            Refund.status.in_((RefundStatus.PENDING, RefundStatus.FAILED)),
        )
        .order_by(Refund.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.all()


async def supersede(session: WriteSession, payment: Payment, refund: Refund, *, actor: str) -> None:
    """A chargeback takes the place of a refund that is not on its way."""
    refund.status = RefundStatus.SUPERSEDED
    await history.record(
        session,
        payment,
        Happened.REFUND_SUPERSEDED,
        actor=actor,
        add={"refund_pending": -refund.amount},
    )
    await sagas.end(session, refund.id)


async def find(
    session: ReadSession, *, provider_id: str, metadata: dict[str, str]
) -> Refund | None:
    """The refund that the provider speaks of, by its id or by ours."""
    own = parse_id_or_none(metadata.get("refund_id"))
    return await session.scalar(
        sa.select(Refund).where(sa.or_(Refund.provider_refund_id == provider_id, Refund.id == own))
    )


async def get_payment_refunds(
    session: ReadSession, payment_ids: Sequence[UUID]
) -> list[list[Refund]]:
    """The refunds of each payment, the oldest first."""
    rows = await session.scalars(
        sa.select(Refund).where(among(Refund.payment_id, payment_ids)).order_by(Refund.id)
    )
    found: dict[UUID, list[Refund]] = {}
    for row in rows:
        found.setdefault(row.payment_id, []).append(row)
    return [found.get(id_, []) for id_ in payment_ids]


_TRANSFERS_OF_PAYMENTS = ByKey(sa.select(Transfer), Transfer.payment_id)


async def get_payment_transfers(
    session: ReadSession, payment_ids: Sequence[UUID]
) -> list[Transfer | None]:
    """The transfer of each payment."""
    return await _TRANSFERS_OF_PAYMENTS.find(session, payment_ids)
