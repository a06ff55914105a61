"""Chargebacks: the payer's bank takes money back, for now or for good.

While a bank decides, the provider refuses refunds of the charge: they wait. When the bank gives the
money to the payer, that takes the place of refunds which the payer does not have yet, so that tutor
and platform bear it once; what the payer had already is the platform's loss.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared import saga as sagas
from shared.db import ReadSession, WriteSession, among, database_now
from shared.errors import Conflict, NotFound
from shared.events.payment import DisputeClosed, DisputeOpened
from shared.validation import text
from shared.viewer import Viewer
from subgraphs.payment.models import (
    Account,
    Dispute,
    DisputeStatus,
    Payment,
    Refund,
    RefundKind,
    RefundStatus,
    TransactionKind,
)
from subgraphs.payment.service import history, ledger, payments, refunds, settlement
from subgraphs.payment.service.history import Happened
from subgraphs.payment.service.ledger import Line

# Why the provider refuses a refund, or a refund on its way fails, because of a chargeback.
REFUSALS = frozenset({"charge_disputed", "charge_for_pending_refund_disputed"})
_OWED = (RefundKind.DECISION, RefundKind.REQUEST)


class DisputeIsClosed(Conflict):
    """The bank has decided already."""

    code = "DISPUTE_CLOSED"


async def hear(session: WriteSession, item: Mapping[str, Any], *, actor: str) -> bool:
    """Apply what the provider says of a chargeback; False when its charge is not known (yet)."""
    payment_id = await payments.find_charged_id(session, item.get("charge") or "")
    payment = await history.lock(session, payment_id) if payment_id else None
    if payment is None:
        return False
    await apply_dispute(session, payment, item, actor=actor)
    return True


async def list_open(session: ReadSession) -> Sequence[str]:
    """The provider's ids of chargebacks that no bank has decided, as far as is known."""
    found = await session.scalars(
        sa.select(Dispute.provider_dispute_id).where(Dispute.status == DisputeStatus.OPEN)
    )
    return found.all()


async def apply_dispute(
    session: WriteSession, payment: Payment, item: Mapping[str, Any], *, actor: str
) -> None:
    """Bring a locked payment up to what the provider says of a chargeback, in any order."""
    dispute = await session.scalar(
        sa.select(Dispute).where(Dispute.provider_dispute_id == item["id"]).with_for_update()
    )
    if dispute is None:
        dispute = await _open(session, payment, item, actor=actor)
    if dispute.status == DisputeStatus.OPEN and item["status"] in ("won", "lost"):
        await _close(session, payment, dispute, won=item["status"] == "won", actor=actor)


async def _open(
    session: WriteSession, payment: Payment, item: Mapping[str, Any], *, actor: str
) -> Dispute:
    # What has not begun is the bank's to decide now. For what has, money of the tutor's may be
    # here already: it waits, and goes on when the bank decides for the platform.
    for refund in await refunds.lock_idle(session, payment.id):
        begun = refund.status != RefundStatus.PENDING or refund.reversed or refund.owed
        if refund.kind in _OWED and not begun:
            await refunds.supersede(session, payment, refund, actor=actor)
    due = (item.get("evidence_details") or {}).get("due_by")
    dispute = Dispute(
        payment_id=payment.id,
        provider_dispute_id=item["id"],
        amount=item["amount"],
        # What the payer has back already is charged to the tutor and the platform only once.
        counted=min(item["amount"], payment.refundable),
        currency=payment.currency,
        reason=(item.get("reason") or "")[:100] or None,
        status=DisputeStatus.OPEN,
        evidence_due_at=datetime.fromtimestamp(due, UTC) if due else None,
    )
    session.add(dispute)
    await session.flush()
    await ledger.post(
        session,
        TransactionKind.DISPUTE,
        dispute.id,
        Line(Account.PROVIDER_BALANCE, -dispute.amount),
        Line(Account.DISPUTED, dispute.amount),
        amount=dispute.amount,
        currency=dispute.currency,
        payment_id=payment.id,
        provider_id=dispute.provider_dispute_id,
    )
    await history.record(
        session,
        payment,
        Happened.DISPUTE_OPENED,
        actor=actor,
        add={"disputed_total": dispute.counted},
    )
    history.tell(
        session, payment, DisputeOpened, dispute_id=dispute.id, disputed_amount=dispute.amount
    )
    return dispute


async def _close(
    session: WriteSession, payment: Payment, dispute: Dispute, *, won: bool, actor: str
) -> None:
    dispute.status = DisputeStatus.WON if won else DisputeStatus.LOST
    dispute.closed_at = await database_now(session)
    await history.record(
        session,
        payment,
        Happened.DISPUTE_WON if won else Happened.DISPUTE_LOST,
        actor=actor,
        add={"disputed_total": -dispute.counted},
    )
    history.tell(
        session,
        payment,
        DisputeClosed,
        dispute_id=dispute.id,
        disputed_amount=dispute.amount,
        is_won=won,
    )
    if won:
        await _post(session, dispute, Account.PROVIDER_BALANCE, dispute.amount, dispute.id)
    else:
        dispute.counted = 0
        await _count(session, payment, dispute, actor=actor)
        lost = dispute.amount - dispute.counted
        await _post(session, dispute, Account.DISPUTE_LOSSES, lost, dispute.id)
    for refund in await refunds.lock_idle(session, payment.id):
        await sagas.wake(session, refund.id, refunds.PREPARE)
    await settlement.settle(session, payment, actor=actor)


async def _count(session: WriteSession, payment: Payment, dispute: Dispute, *, actor: str) -> int:
    """Charge tutor and platform with what a bank gave to a payer who did not have it; how much."""
    missing = left = dispute.amount - dispute.counted
    for refund in await refunds.lock_idle(session, payment.id):
        if refund.kind not in _OWED or left == 0:
            continue
        await refunds.supersede(session, payment, refund, actor=actor)
        rest = max(0, refund.amount - left)
        left -= refund.amount - rest
        if rest and refund.kind == RefundKind.REQUEST:
            # A decision's rest is found again by `settle`.
            await refunds.start(
                session,
                payment,
                RefundKind.REQUEST,
                rest,
                actor=actor,
                reason=refund.reason,
                requested_by=refund.requested_by,
            )
    counted = min(missing, payment.refundable)
    if counted:
        dispute.counted += counted
        # Divided and taken back from the tutor as a refund is, but the bank has paid it out.
        await refunds.start(
            session,
            payment,
            RefundKind.CHARGEBACK,
            counted,
            actor=actor,
            dispute_id=dispute.id,
        )
    return counted


async def _post(
    session: WriteSession,
    dispute: Dispute,
    account: Account,
    amount: int,
    cause_id: UUID,
    *,
    turn: int = 1,
) -> None:
    """Book what of a chargeback goes to an account, or (negative) comes back from it."""
    if amount:
        won = account == Account.PROVIDER_BALANCE
        await ledger.post(
            session,
            TransactionKind.DISPUTE_WON if won else TransactionKind.DISPUTE_LOST,
            cause_id,
            Line(account, amount),
            Line(Account.DISPUTED, -amount),
            amount=abs(amount),
            currency=dispute.currency,
            payment_id=dispute.payment_id,
            turn=turn,
        )


async def give_way(
    session: WriteSession,
    payment: Payment,
    refund: Refund,
    *,
    said: Iterable[Mapping[str, Any]] = (),
    actor: str,
) -> None:
    """A refund in flight was refused because of a chargeback: wait, or let it take the place.

    `said` is what the provider tells of the charge's chargebacks: their notifications may be lost.
    """
    refunds.next_turn(refund)
    refund.status = RefundStatus.PENDING
    await session.flush()
    for item in said:
        await apply_dispute(session, payment, item, actor=actor)
    await charge_again(session, payment, refund, actor=actor)


async def charge_again(
    session: WriteSession, payment: Payment, refund: Refund, *, actor: str
) -> None:
    """A refund turned out not to be with the payer: what a bank gave them was no loss, so far."""
    dispute = await session.scalar(
        sa.select(Dispute)
        .where(
            Dispute.payment_id == payment.id,
            Dispute.status == DisputeStatus.LOST,
            Dispute.counted < Dispute.amount,
        )
        .order_by(Dispute.id)
        .limit(1)
        .with_for_update()
    )
    if dispute is None:
        return
    counted = await _count(session, payment, dispute, actor=actor)
    # The refund is the cause: it may come to nothing more than once.
    await _post(session, dispute, Account.DISPUTE_LOSSES, -counted, refund.id, turn=refund.turn)
    await settlement.settle(session, payment, actor=actor)


async def answer_dispute(
    session: WriteSession, viewer: Viewer, dispute_id: UUID, evidence: str
) -> Dispute:
    """Keep what an admin hands in against a chargeback. Raises NotFound, DisputeIsClosed."""
    viewer.require_role("admin")
    evidence = text(evidence, field="evidence", least=3, most=20_000, lines=True)
    dispute = await session.get(Dispute, dispute_id, with_for_update=True)
    if dispute is None:
        raise NotFound("There is no such dispute.", field="disputeId")
    if dispute.status != DisputeStatus.OPEN:
        raise DisputeIsClosed("The bank has decided already.")
    dispute.evidence = evidence
    dispute.answered_at = await database_now(session)
    history.audit(
        session, "dispute", dispute.id, "ANSWERED", {}, {"length": len(evidence)}, actor=viewer.key
    )
    await session.flush()
    return dispute


async def get_payment_disputes(
    session: ReadSession, payment_ids: Sequence[UUID]
) -> list[list[Dispute]]:
    """The chargebacks of each payment, the oldest first."""
    rows = await session.scalars(
        sa.select(Dispute).where(among(Dispute.payment_id, payment_ids)).order_by(Dispute.id)
    )
    found: dict[UUID, list[Dispute]] = {}
    for row in rows:
        found.setdefault(row.payment_id, []).append(row)
    return [found.get(id_, []) for id_ in payment_ids]
