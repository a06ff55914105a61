"""Chargebacks: the payer's bank takes money back, for now or for good."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, database_now
from shared.errors import Conflict, NotFound
from shared.events.payment import DisputeClosed, DisputeOpened
from shared.validation import text
from shared.viewer import Viewer
from subgraphs.payment.models import (
    Account,
    Dispute,
    DisputeStatus,
    Payment,
    RefundKind,
    TransactionKind,
)
from subgraphs.payment.service import history, ledger, refunds, settlement
from subgraphs.payment.service.history import Happened
from subgraphs.payment.service.ledger import Line


class DisputeIsClosed(Conflict):
    """The bank has decided already."""

    code = "DISPUTE_CLOSED"


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
    # What is not on its way yet is the bank's to decide now.
    await refunds.supersede(session, payment, actor=actor)
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
    lost = dispute.amount if won else dispute.amount - dispute.counted
    if lost:
        where = Account.PROVIDER_BALANCE if won else Account.DISPUTE_LOSSES
        await ledger.post(
            session,
            TransactionKind.DISPUTE_WON if won else TransactionKind.DISPUTE_LOST,
            dispute.id,
            Line(where, lost),
            Line(Account.DISPUTED, -lost),
            amount=lost,
            currency=dispute.currency,
            payment_id=payment.id,
            provider_id=None,
        )
    if not won and dispute.counted:
        # Divided and taken back from the tutor as a refund is, but the bank has paid it out.
        await refunds.start(
            session,
            payment,
            RefundKind.CHARGEBACK,
            dispute.counted,
            actor=actor,
            dispute_id=dispute.id,
        )
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
        sa.select(Dispute).where(Dispute.payment_id.in_(payment_ids)).order_by(Dispute.id)
    )
    found: dict[UUID, list[Dispute]] = {}
    for row in rows:
        found.setdefault(row.payment_id, []).append(row)
    return [found.get(id_, []) for id_ in payment_ids]
