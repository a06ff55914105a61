"""What admins see of the machinery: sagas that are stuck, and what the books differ in."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from shared import saga as sagas
from shared.graph import (
    After,
    Before,
    Connection,
    Currency,
    First,
    Last,
    MinorUnits,
    Problem,
    Saga,
    page_of,
)
from shared.ids import parse_id
from subgraphs.payment import models
from subgraphs.payment.graph.context import Info
from subgraphs.payment.service import reconciliation


@strawberry.type(description="The ledger and the provider disagree about one movement of money.")
class ReconciliationDifference:
    id: strawberry.ID = strawberry.field(description="Identifies the difference.")
    kind: str = strawberry.field(description="CHARGE, REFUND or TRANSFER.")
    provider_id: str = strawberry.field(description="The provider's id of the movement.")
    currency: Currency = strawberry.field(description="Of both amounts.")
    booked: MinorUnits | None = strawberry.field(
        description="What the ledger says; null when it knows nothing of it."
    )
    found: MinorUnits | None = strawberry.field(
        description="What the provider says; null when it knows nothing of it."
    )
    detected_at: datetime = strawberry.field(description="When it was found.")
    resolved_at: datetime | None = strawberry.field(description="When a person explained it.")

    @classmethod
    def of(cls, row: models.ReconciliationDifference) -> Self:
        """From its row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            kind=row.kind,
            provider_id=row.provider_id,
            currency=Currency(row.currency),
            booked=None if row.booked is None else MinorUnits(row.booked),
            found=None if row.found is None else MinorUnits(row.found),
            detected_at=row.detected_at,
            resolved_at=row.resolved_at,
        )


RetryPaymentSagaResult = Annotated[
    Saga | Problem,
    strawberry.union("RetryPaymentSagaResult", description="The saga, or why not."),
]
ResolveReconciliationDifferenceResult = Annotated[
    ReconciliationDifference | Problem,
    strawberry.union(
        "ResolveReconciliationDifferenceResult", description="The difference, or why not."
    ),
]


@strawberry.type
class OperationQueries:
    @strawberry.federation.field(
        description="Payment's sagas, the newest first; for admins.", tags=["admin"]
    )
    async def payment_sagas(
        self,
        info: Info,
        state: Annotated[
            sagas.SagaState | None, strawberry.argument(description="Only those in this state.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Saga]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await sagas.list_sagas(session, info.context.viewer, page, state=state)
        return Connection.of(found.map(Saga.of))

    @strawberry.federation.field(
        description="Where ledger and provider disagree; for admins.", tags=["admin"]
    )
    async def reconciliation_differences(
        self,
        info: Info,
        is_open: Annotated[
            bool | None, strawberry.argument(description="Only those not explained, or only those.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ReconciliationDifference]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await reconciliation.list_differences(
                session, info.context.viewer, page, is_open=is_open
            )
        return Connection.of(found.map(ReconciliationDifference.of))


@strawberry.type
class OperationMutations:
    @strawberry.federation.mutation(
        description="Let a saga that needs attention run again; for admins.", tags=["admin"]
    )
    async def retry_payment_saga(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> RetryPaymentSagaResult:
        async with info.context.write() as session:
            found = await sagas.retry(session, info.context.viewer, parse_id(id, field="id"))
        return Saga.of(found)

    @strawberry.federation.mutation(
        description="Say that a difference is explained; for admins.", tags=["admin"]
    )
    async def resolve_reconciliation_difference(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> ResolveReconciliationDifferenceResult:
        async with info.context.write() as session:
            row = await reconciliation.resolve(
                session, info.context.viewer, parse_id(id, field="id")
            )
        return ReconciliationDifference.of(row)
