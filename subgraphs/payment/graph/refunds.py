"""Refunds, transfers and chargebacks as clients see them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import IdempotencyKey, MinorUnits, Money, Problem, described_enum
from shared.idempotency import once
from shared.ids import parse_id
from subgraphs.payment import models
from subgraphs.payment.graph.context import Info, money
from subgraphs.payment.service import disputes, refunds

if TYPE_CHECKING:
    from subgraphs.payment.graph.payments import Payment

LazyPayment = Annotated["Payment", strawberry.lazy("subgraphs.payment.graph.payments")]

described_enum(
    models.RefundKind,
    "Who decided a refund.",
    DECISION="It follows from what became of the lesson or course.",
    REQUEST="An admin asked for it.",
    CHARGEBACK="The payer's bank took the money.",
    UNMATCHED="Something else was received than was asked for.",
)
described_enum(
    models.RefundStatus,
    "Where a refund is in its life.",
    PENDING="It waits for its turn.",
    IN_FLIGHT="It is on its way.",
    SUCCEEDED="The payer has it.",
    FAILED="The provider refused it; a person looks.",
    RETURNED="The payer's bank sent it back.",
    SUPERSEDED="A chargeback came first.",
)
described_enum(
    models.TransferStatus,
    "Where the tutor's part is on its way.",
    WAITING="It waits until it is due and nothing is in its way.",
    IN_FLIGHT="It is on its way.",
    SUCCEEDED="It is on the tutor's account.",
    SKIPPED="Nothing was left to send.",
)
described_enum(
    models.DisputeStatus,
    "Where a chargeback is in its life.",
    OPEN="The bank has not decided.",
    WON="The money came back.",
    LOST="The money is gone.",
)


@strawberry.type(description="Money that goes back to a payer.")
class Refund:
    id: strawberry.ID = strawberry.field(description="Identifies the refund.")
    kind: models.RefundKind = strawberry.field(description="Who decided it.")
    status: models.RefundStatus = strawberry.field(description="Where it is in its life.")
    amount: Money = strawberry.field(description="What the payer gets.")
    created_at: datetime = strawberry.field(description="When it was decided.")
    settled_at: datetime | None = strawberry.field(description="When the payer had it.")

    @classmethod
    def of(cls, row: models.Refund) -> Self:
        """From its row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            kind=models.RefundKind(row.kind),
            status=models.RefundStatus(row.status),
            amount=money(row.amount, row.currency),
            created_at=row.created_at,
            settled_at=row.settled_at,
        )


@strawberry.type(description="The tutor's part on its way to the tutor.")
class Transfer:
    id: strawberry.ID = strawberry.field(description="Identifies the transfer.")
    status: models.TransferStatus = strawberry.field(description="Where it is.")
    amount: Money = strawberry.field(description="What was sent to the tutor's account.")
    netted: Money = strawberry.field(description="What went against the tutor's debt.")
    waits_for: str | None = strawberry.field(
        description="What is in its way: decision, time, chargeback, refund, account, provider."
    )
    sent_at: datetime | None = strawberry.field(description="When it was sent.")

    @classmethod
    def of(cls, row: models.Transfer) -> Self:
        """From its row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            status=models.TransferStatus(row.status),
            amount=money(row.sent, row.currency),
            netted=money(row.netted, row.currency),
            waits_for=row.waits_for,
            sent_at=row.sent_at,
        )


@strawberry.type(description="A chargeback: the payer's bank took money back.")
class Dispute:
    id: strawberry.ID = strawberry.field(description="Identifies the chargeback.")
    status: models.DisputeStatus = strawberry.field(description="Where it is in its life.")
    amount: Money = strawberry.field(description="What the bank took.")
    reason: str | None = strawberry.field(description="The bank's reason.")
    evidence_due_at: datetime | None = strawberry.field(description="Until when it is answered.")
    answered_at: datetime | None = strawberry.field(description="When it was answered.")
    closed_at: datetime | None = strawberry.field(description="When the bank decided.")

    @classmethod
    def of(cls, row: models.Dispute) -> Self:
        """From its row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            status=models.DisputeStatus(row.status),
            amount=money(row.amount, row.currency),
            reason=row.reason,
            evidence_due_at=row.evidence_due_at,
            answered_at=row.answered_at,
            closed_at=row.closed_at,
        )


RequestRefundResult = Annotated[
    LazyPayment | Problem,
    strawberry.union("RequestRefundResult", description="The payment, or why it was refused."),
]
AnswerDisputeResult = Annotated[
    Dispute | Problem,
    strawberry.union("AnswerDisputeResult", description="The chargeback, or why it was refused."),
]


@strawberry.type
class RefundMutations:
    @strawberry.federation.mutation(
        description="Give money back to a payer; for admins.", tags=["admin"]
    )
    async def request_refund(
        self,
        info: Info,
        payment_id: Annotated[strawberry.ID, strawberry.argument(description="The payment.")],
        reason: Annotated[str, strawberry.argument(description="3 to 500 characters.")],
        amount: Annotated[
            MinorUnits | None,
            strawberry.argument(description="In minor units; all that is left without."),
        ] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> RequestRefundResult:
        from subgraphs.payment.graph.payments import Payment

        viewer = info.context.viewer
        wanted = parse_id(payment_id, field="paymentId")
        request = {"payment": wanted, "amount": amount, "reason": reason}
        async with info.context.write() as session:

            async def work() -> UUID:
                row = await refunds.request_refund(
                    session, viewer, wanted, amount=amount, reason=reason
                )
                return row.payment_id

            payment_id_ = await once(
                session, viewer, "requestRefund", idempotency_key, request, work
            )
        return await Payment.load_or_refuse(info, payment_id_)

    @strawberry.federation.mutation(
        description="Hand in what speaks against a chargeback; for admins.", tags=["admin"]
    )
    async def answer_dispute(
        self,
        info: Info,
        dispute_id: Annotated[strawberry.ID, strawberry.argument(description="The chargeback.")],
        evidence: Annotated[str, strawberry.argument(description="3 to 20,000 characters.")],
    ) -> AnswerDisputeResult:
        async with info.context.write() as session:
            row = await disputes.answer_dispute(
                session, info.context.viewer, parse_id(dispute_id, field="disputeId"), evidence
            )
        # After the commit: a provider that is away is told when the call is repeated.
        await info.context.payment.provider.answer_dispute(row.provider_dispute_id, evidence)
        return Dispute.of(row)
