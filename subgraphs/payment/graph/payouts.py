"""Payout accounts, balances and payouts as clients see them."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import Currency, IdempotencyKey, MinorUnits, Money, Problem, described_enum
from shared.idempotency import once
from shared.ids import parse_id_or_none
from subgraphs.payment import models
from subgraphs.payment.graph.context import Info, money
from subgraphs.payment.sagas import accounts as steps
from subgraphs.payment.service import accounts, payouts

described_enum(
    models.PayoutAccountStatus,
    "Whether a tutor can be paid.",
    ONBOARDING="The provider has not checked the tutor yet.",
    ENABLED="The tutor can be paid.",
    RESTRICTED="The provider wants more from the tutor first.",
)
described_enum(
    models.PayoutStatus,
    "Where a payout is in its life.",
    PENDING="It is about to be sent.",
    IN_TRANSIT="It is on its way to the bank.",
    PAID="The bank has it.",
    FAILED="The bank sent it back; the balance is restored.",
)


@strawberry.type(description="A tutor's account at the payment provider.")
class PayoutAccount:
    status: models.PayoutAccountStatus = strawberry.field(
        description="Whether the tutor can be paid."
    )
    requirements_due: int = strawberry.field(
        description="How many things the provider still wants to know."
    )
    enabled_at: datetime | None = strawberry.field(description="When it was enabled first.")

    @classmethod
    def of(cls, row: models.PayoutAccount) -> Self:
        """From its row."""
        return cls(
            status=models.PayoutAccountStatus(row.status),
            requirements_due=row.requirements_due,
            enabled_at=row.enabled_at,
        )


@strawberry.type(description="A page of the provider on which a tutor's account is set up.")
class PayoutOnboarding:
    account: PayoutAccount = strawberry.field(description="The account.")
    url: str = strawberry.field(description="Works once, for some minutes; ask again for another.")


@strawberry.type(description="A tutor's money in one currency.")
class TutorBalance:
    held: Money = strawberry.field(description="Received for the tutor and not transferred yet.")
    available: Money = strawberry.field(description="What can be paid out now.")
    pending: Money = strawberry.field(description="Payouts on their way to the bank.")
    paid_out: Money = strawberry.field(description="What the bank has.")
    debt: Money = strawberry.field(description="What is netted from the next transfers.")

    @classmethod
    def of(cls, found: payouts.Balance) -> Self:
        """From the ledger's figures."""
        return cls(
            held=money(found.held, found.currency),
            available=money(found.available, found.currency),
            pending=money(found.pending, found.currency),
            paid_out=money(found.paid_out, found.currency),
            debt=money(found.debt, found.currency),
        )


@strawberry.federation.type(keys=["id"], description="Money on its way to a tutor's bank.")
class Payout:
    row: strawberry.Private[models.Payout]

    @strawberry.field(description="Identifies the payout.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="Where the payout is in its life.")
    def status(self) -> models.PayoutStatus:
        return models.PayoutStatus(self.row.status)

    @strawberry.field(description="How much.")
    def amount(self) -> Money:
        return money(self.row.amount, self.row.currency)

    @strawberry.field(description="The week of a scheduled payout; null for one asked for.")
    def period(self) -> str | None:
        return self.row.period

    @strawberry.field(description="Why the bank sent it back, by the provider's code.")
    def failure_code(self) -> str | None:
        return self.row.failure_code

    @strawberry.field(description="When it was begun.")
    def created_at(self) -> datetime:
        return self.row.created_at

    @strawberry.field(description="When the bank had it, or sent it back.")
    def settled_at(self) -> datetime | None:
        return self.row.settled_at

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Self | None]:
        loader = info.context.loader(payouts.get_payouts, into=cls, viewer=info.context.viewer)
        return loader.load(parse_id_or_none(id))


StartPayoutOnboardingResult = Annotated[
    PayoutOnboarding | Problem,
    strawberry.union("StartPayoutOnboardingResult", description="The page, or why not."),
]
RequestPayoutResult = Annotated[
    Payout | Problem,
    strawberry.union("RequestPayoutResult", description="The payout, or why not."),
]


@strawberry.type
class PayoutMutations:
    @strawberry.mutation(description="Set up the viewer's account for payouts; for tutors.")
    async def start_payout_onboarding(self, info: Info) -> StartPayoutOnboardingResult:
        runtime = info.context.payment
        async with info.context.write() as session:
            row = await accounts.begin(session, info.context.viewer)
        provider_id = await steps.open_account(runtime, row.id, row.user_id)
        # Coming back proves nothing: only the provider's own word enables the account.
        page = f"{runtime.settings.public_url.rstrip('/')}/payouts/onboarding"
        url = await runtime.provider.create_account_link(
            provider_id, return_url=f"{page}/done", refresh_url=page
        )
        return PayoutOnboarding(account=PayoutAccount.of(row), url=url)

    @strawberry.mutation(description="Pay out the viewer's balance, or a part of it; for tutors.")
    async def request_payout(
        self,
        info: Info,
        currency: Annotated[Currency, strawberry.argument(description="The currency.")],
        amount: Annotated[
            MinorUnits | None,
            strawberry.argument(description="In minor units; all that is available without."),
        ] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> RequestPayoutResult:
        viewer, settings = info.context.viewer, info.context.settings
        request = {"amount": amount, "currency": currency}
        async with info.context.write() as session:

            async def work() -> UUID:
                row = await payouts.request_payout(
                    session, viewer, amount=amount, currency=currency, settings=settings
                )
                return row.id

            id_ = await once(session, viewer, "requestPayout", idempotency_key, request, work)
            row = await session.get_one(models.Payout, id_)
        return Payout(row=row)
