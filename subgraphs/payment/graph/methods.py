"""Saved payment methods as their owners see them."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from shared.graph import IdempotencyKey, Problem
from shared.ids import new_id, parse_id
from subgraphs.payment import models
from subgraphs.payment.graph.context import Info
from subgraphs.payment.service import methods


@strawberry.type(description="A card that its owner has saved.")
class SavedPaymentMethod:
    id: strawberry.ID = strawberry.field(description="Identifies the method.")
    brand: str = strawberry.field(description="The card's brand.")
    last4: str = strawberry.field(description="The last digits of its number.")
    expires_month: int = strawberry.field(description="The month of its end, from 1.")
    expires_year: int = strawberry.field(description="The year of its end.")
    created_at: datetime = strawberry.field(description="When it was saved.")

    @classmethod
    def of(cls, row: models.SavedMethod) -> Self:
        """From its row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            brand=row.brand,
            last4=row.last4,
            expires_month=row.expires_month,
            expires_year=row.expires_year,
            created_at=row.created_at,
        )


@strawberry.type(description="By which the viewer's browser saves a card.")
class PaymentMethodSetup:
    client_secret: str = strawberry.field(description="For the viewer's browser alone.")


SavePaymentMethodResult = Annotated[
    PaymentMethodSetup | Problem,
    strawberry.union("SavePaymentMethodResult", description="The setup, or why not."),
]
RemovePaymentMethodResult = Annotated[
    SavedPaymentMethod | Problem,
    strawberry.union("RemovePaymentMethodResult", description="The method, or why not."),
]


@strawberry.type
class MethodQueries:
    @strawberry.field(description="The viewer's saved methods, the newest first.")
    async def saved_payment_methods(self, info: Info) -> list[SavedPaymentMethod]:
        async with info.context.read() as session:
            rows = await methods.list_methods(session, info.context.viewer)
        return [SavedPaymentMethod.of(row) for row in rows]


@strawberry.type
class MethodMutations:
    @strawberry.mutation(description="Begin to save a card; it appears once the browser is done.")
    async def save_payment_method(
        self, info: Info, idempotency_key: IdempotencyKey = None
    ) -> SavePaymentMethodResult:
        user_id = info.context.viewer.require_user()
        provider = info.context.payment.provider
        async with info.context.read() as session:
            customer = await methods.get_customer(session, user_id)
        if customer is None:
            customer = await provider.create_customer(user_id)
            async with info.context.write() as session:
                await methods.keep_customer(session, user_id, customer)
        key = f"setup:{user_id}:{idempotency_key or new_id()}"
        return PaymentMethodSetup(client_secret=await provider.create_setup(customer, key=key))

    @strawberry.mutation(description="Forget a saved card.")
    async def remove_payment_method(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The method.")],
    ) -> RemovePaymentMethodResult:
        method_id = parse_id(id, field="id")
        viewer = info.context.viewer
        async with info.context.write() as session:
            row = await methods.remove_method(session, viewer, method_id)
        # It is gone here; a provider that is away is told when the call is repeated.
        await info.context.payment.provider.detach_method(row.provider_method_id)
        return SavedPaymentMethod.of(row)
