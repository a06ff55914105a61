"""What payment adds to users, lessons and courses, which are others' entities."""

from typing import Self
from uuid import UUID

import strawberry

from shared.graph import After, Before, Connection, First, Last, page_of
from shared.ids import parse_id_or_none
from subgraphs.payment.graph.context import Info
from subgraphs.payment.graph.invoices import Invoice
from subgraphs.payment.graph.payments import Payment
from subgraphs.payment.graph.payouts import Payout, PayoutAccount, TutorBalance
from subgraphs.payment.service import accounts, invoices, payments, payouts


@strawberry.federation.type(keys=["id"], description="A person on the platform.")
class User:
    id: strawberry.ID = strawberry.field(description="Identifies the user.")
    user_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, user_id: UUID) -> Self:
        """A reference; identity answers whether there is such a user."""
        return cls(id=strawberry.ID(str(user_id)), user_id=user_id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Self | None:
        user_id = parse_id_or_none(id)
        return cls.of(user_id) if user_id else None

    def _is_private(self, info: Info) -> bool:
        return not info.context.viewer.may_see_private(self.user_id)

    @strawberry.field(description="What the user pays; null but for the user and admins.")
    async def payments(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Payment] | None:
        if self._is_private(info):
            return None
        loader = info.context.loader(
            payments.list_payments, page=page_of(first, after, last, before)
        )
        page = await loader.load(self.user_id)
        return Connection.of(page.map(lambda row: Payment(row=row)))

    @strawberry.field(description="What the user was invoiced; null but for the user and admins.")
    async def invoices(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Invoice] | None:
        if self._is_private(info):
            return None
        loader = info.context.loader(
            invoices.list_invoices, page=page_of(first, after, last, before)
        )
        page = await loader.load(self.user_id)
        return Connection.of(page.map(lambda row: Invoice(row=row)))

    @strawberry.field(description="The tutor's payouts; null but for the user and admins.")
    async def payouts(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Payout] | None:
        if self._is_private(info):
            return None
        loader = info.context.loader(payouts.list_payouts, page=page_of(first, after, last, before))
        page = await loader.load(self.user_id)
        return Connection.of(page.map(lambda row: Payout(row=row)))

    @strawberry.field(description="Whether the tutor can be paid; null but for user and admins.")
    async def payout_account(self, info: Info) -> PayoutAccount | None:
        if self._is_private(info):
            return None
        row = await info.context.loader(accounts.get_accounts).load(self.user_id)
        return PayoutAccount.of(row) if row else None

    @strawberry.field(
        description="The tutor's money, by currency; null but for the user and admins."
    )
    async def balance(self, info: Info) -> list[TutorBalance] | None:
        if self._is_private(info):
            return None
        found = await info.context.loader(payouts.get_balances).load(self.user_id)
        return [TutorBalance.of(row) for row in found]


@strawberry.federation.type(keys=["id"], description="One session of a tutor with students.")
class Lesson:
    id: strawberry.ID = strawberry.field(description="Identifies the lesson.")
    lesson_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, lesson_id: UUID) -> Self:
        """A reference; learning answers whether there is such a lesson."""
        return cls(id=strawberry.ID(str(lesson_id)), lesson_id=lesson_id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Self | None:
        lesson_id = parse_id_or_none(id)
        return cls.of(lesson_id) if lesson_id else None

    @strawberry.field(description="Its payment; null but for its payer, its payee and admins.")
    async def payment(self, info: Info) -> Payment | None:
        loader = info.context.loader(
            payments.get_payable_payments, into=Payment, viewer=info.context.viewer
        )
        return await loader.load(self.lesson_id)

    @strawberry.field(description="Its invoice; null but for its payer, its payee and admins.")
    async def invoice(self, info: Info) -> Invoice | None:
        loader = info.context.loader(
            invoices.get_payable_invoices, into=Invoice, viewer=info.context.viewer
        )
        return await loader.load(self.lesson_id)


@strawberry.federation.type(keys=["id"], description="A course that a tutor offers.")
class Course:
    id: strawberry.ID = strawberry.field(description="Identifies the course.")
    course_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, course_id: UUID) -> Self:
        """A reference; learning answers whether there is such a course."""
        return cls(id=strawberry.ID(str(course_id)), course_id=course_id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Self | None:
        course_id = parse_id_or_none(id)
        return cls.of(course_id) if course_id else None

    @strawberry.field(description="The viewer's own newest payment for it.")
    async def my_purchase(self, info: Info) -> Payment | None:
        payer_id = info.context.viewer.user_id
        if payer_id is None:
            return None
        loader = info.context.loader(payments.get_own_purchases, into=Payment, payer_id=payer_id)
        return await loader.load(self.course_id)
