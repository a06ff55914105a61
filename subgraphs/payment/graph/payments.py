"""Payments as clients see them."""

from collections.abc import Awaitable
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from shared.errors import NotFound
from shared.graph import (
    After,
    Before,
    Connection,
    First,
    IdempotencyKey,
    Last,
    Money,
    Problem,
    described_enum,
    page_of,
)
from shared.idempotency import once
from shared.ids import new_id, parse_id, parse_id_or_none
from subgraphs.payment import models
from subgraphs.payment.graph.context import Info, money
from subgraphs.payment.graph.invoices import Invoice
from subgraphs.payment.graph.refunds import Dispute, Refund, Transfer
from subgraphs.payment.sagas import payments as steps
from subgraphs.payment.service import audit, checkout, disputes, invoices, payments, refunds
from subgraphs.payment.service.settlement import UNPAID

if TYPE_CHECKING:
    from subgraphs.payment.graph.users import Course, Lesson, User

LazyUser = Annotated["User", strawberry.lazy("subgraphs.payment.graph.users")]
LazyLesson = Annotated["Lesson", strawberry.lazy("subgraphs.payment.graph.users")]
LazyCourse = Annotated["Course", strawberry.lazy("subgraphs.payment.graph.users")]


class PaymentNextAction(StrEnum):
    """What the payer does next."""

    CHOOSE_METHOD = "CHOOSE_METHOD"
    AUTHENTICATE = "AUTHENTICATE"
    WAIT = "WAIT"


_NEXT = {
    models.PaymentStatus.PENDING: PaymentNextAction.CHOOSE_METHOD,
    models.PaymentStatus.ACTION_REQUIRED: PaymentNextAction.AUTHENTICATE,
    models.PaymentStatus.PROCESSING: PaymentNextAction.WAIT,
}

described_enum(
    PaymentNextAction,
    "What the payer does next, with the client secret.",
    CHOOSE_METHOD="Give a card or another method; after a refusal, another one.",
    AUTHENTICATE="Confirm at the bank (3-D Secure).",
    WAIT="Nothing: the bank takes its time.",
)
described_enum(
    models.PaymentStatus,
    "Where a payment is in its life.",
    PENDING="It waits for the payer.",
    ACTION_REQUIRED="The payer's bank wants the payer to confirm.",
    PROCESSING="The bank takes its time.",
    SUCCEEDED="The whole amount was received.",
    CANCELLED="It was given up; another one may be begun.",
)


@strawberry.type(description="Who changed what.")
class PaymentAuditEntry:
    action: str = strawberry.field(description="What happened.")
    old_value: JSON = strawberry.field(description="The changed values before.")
    new_value: JSON = strawberry.field(description="The changed values after.")
    changed_by: str = strawberry.field(description="A user, or the system with what made it act.")
    changed_at: datetime = strawberry.field(description="When.")


@strawberry.federation.type(
    keys=["id"], description="A payment for a lesson or course; for its payer, payee and admins."
)
class Payment:
    row: strawberry.Private[models.Payment]

    @strawberry.field(description="Identifies the payment.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="Where the payment is in its life.")
    def status(self) -> models.PaymentStatus:
        return models.PaymentStatus(self.row.status)

    @strawberry.field(description="What is paid for.")
    def payable_type(self) -> models.PayableType:
        return models.PayableType(self.row.payable_type)

    @strawberry.field(description="The lesson that is paid for, if it is one.")
    def lesson(self) -> LazyLesson | None:
        from subgraphs.payment.graph.users import Lesson

        is_lesson = self.row.payable_type == models.PayableType.LESSON
        return Lesson.of(self.row.payable_id) if is_lesson else None

    @strawberry.field(description="The course that is paid for, if it is one.")
    def course(self) -> LazyCourse | None:
        from subgraphs.payment.graph.users import Course

        is_course = self.row.payable_type == models.PayableType.COURSE
        return Course.of(self.row.payable_id) if is_course else None

    @strawberry.field(description="Who pays.")
    def payer(self) -> LazyUser | None:
        from subgraphs.payment.graph.users import User

        return User.of(self.row.payer_id)

    @strawberry.field(description="Whom the payment is for.")
    def payee(self) -> LazyUser | None:
        from subgraphs.payment.graph.users import User

        return User.of(self.row.payee_id)

    @strawberry.field(description="What the payer pays.")
    def amount(self) -> Money:
        return money(self.row.amount, self.row.currency)

    @strawberry.field(description="The price without a coupon.")
    def price(self) -> Money:
        return money(self.row.price, self.row.currency)

    @strawberry.field(description="What the platform keeps; null but for the payee and admins.")
    def platform_fee(self, info: Info) -> Money | None:
        return money(self.row.platform_fee, self.row.currency) if self._is_payee(info) else None

    @strawberry.field(description="The tutor's part before refunds; null but for payee, admins.")
    def payee_amount(self, info: Info) -> Money | None:
        return money(self.row.tutor_part, self.row.currency) if self._is_payee(info) else None

    @strawberry.field(description="What has gone back to the payer.")
    def refunded_amount(self) -> Money:
        return money(self.row.refunded_total, self.row.currency)

    @strawberry.field(description="What is on its way back to the payer.")
    def pending_refund_amount(self) -> Money:
        return money(self.row.refund_pending, self.row.currency)

    @strawberry.field(description="Why the last try was refused, by the provider's code.")
    def failure_code(self) -> str | None:
        return self.row.failure_code

    @strawberry.field(description="By which the payer's browser goes on; null for all others.")
    def client_secret(self, info: Info) -> str | None:
        is_payer = info.context.viewer.is_user(self.row.payer_id)
        return self.row.client_secret if is_payer and self.row.status in UNPAID else None

    @strawberry.field(description="What the payer does next, until the payment has ended.")
    def next_action(self) -> PaymentNextAction | None:
        return _NEXT.get(models.PaymentStatus(self.row.status))

    @strawberry.field(description="When the amount was received.")
    def succeeded_at(self) -> datetime | None:
        return self.row.succeeded_at

    @strawberry.field(description="When the payment was begun.")
    def created_at(self) -> datetime:
        return self.row.created_at

    @strawberry.field(description="Why a person has to look; null but for admins.")
    def attention(self, info: Info) -> str | None:
        return self.row.attention if info.context.viewer.is_admin else None

    @strawberry.field(description="What goes back to the payer, the oldest first.")
    async def refunds(self, info: Info) -> list[Refund]:
        rows = await info.context.loader(refunds.get_payment_refunds).load(self.row.id)
        return [Refund.of(row) for row in rows]

    @strawberry.field(description="The tutor's part on its way; null but for payee and admins.")
    async def transfer(self, info: Info) -> Transfer | None:
        if not self._is_payee(info):
            return None
        row = await info.context.loader(refunds.get_payment_transfers).load(self.row.id)
        return Transfer.of(row) if row else None

    @strawberry.field(description="Chargebacks; null but for the payee and admins.")
    async def disputes(self, info: Info) -> list[Dispute] | None:
        if not self._is_payee(info):
            return None
        rows = await info.context.loader(disputes.get_payment_disputes).load(self.row.id)
        return [Dispute.of(row) for row in rows]

    @strawberry.field(description="The invoice and its credit notes, the oldest first.")
    async def invoices(self, info: Info) -> list[Invoice]:
        rows = await info.context.loader(invoices.get_payment_invoices).load(self.row.id)
        return [Invoice(row=row) for row in rows]

    @strawberry.field(description="Who changed what; null but for admins.")
    async def audit_log(self, info: Info) -> list[PaymentAuditEntry] | None:
        if not info.context.viewer.is_admin:
            return None
        rows = await info.context.loader(audit.get_entries).load(self.row.id)
        return [
            PaymentAuditEntry(
                action=row.action,
                old_value=_json(row.old_value),
                new_value=_json(row.new_value),
                changed_by=row.changed_by,
                changed_at=row.changed_at,
            )
            for row in rows
        ]

    def _is_payee(self, info: Info) -> bool:
        return info.context.viewer.may_see_private(self.row.payee_id)

    @classmethod
    def load(cls, info: Info, payment_id: UUID | None) -> Awaitable[Self | None]:
        """The payment, if the viewer may see it."""
        loader = info.context.loader(payments.get_payments, into=cls, viewer=info.context.viewer)
        return loader.load(payment_id)

    @classmethod
    async def load_or_refuse(cls, info: Info, payment_id: UUID) -> Self:
        """The payment as it is after a mutation. Raises NotFound."""
        found = await cls.load(info, payment_id)
        if found is None:
            raise NotFound("There is no such payment.")
        return found

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Self | None]:
        return cls.load(info, parse_id_or_none(id))


def _json(value: Any) -> JSON:
    return JSON(value)


@strawberry.input(description="What is paid for, and how; the amount is not the client's to say.")
class CreatePaymentIntentInput:
    payable_type: models.PayableType = strawberry.field(description="A lesson or a course.")
    payable_id: strawberry.ID = strawberry.field(description="The lesson's or course's id.")
    coupon_code: str | None = strawberry.field(default=None, description="A coupon's code.")
    saved_method_id: strawberry.ID | None = strawberry.field(
        default=None, description="A saved method, which is charged at once."
    )


CreatePaymentIntentResult = Annotated[
    Payment | Problem,
    strawberry.union("CreatePaymentIntentResult", description="The payment, or why not."),
]
CancelPaymentResult = Annotated[
    Payment | Problem,
    strawberry.union("CancelPaymentResult", description="The payment, or why not."),
]
ClearPaymentAttentionResult = Annotated[
    Payment | Problem,
    strawberry.union("ClearPaymentAttentionResult", description="The payment, or why not."),
]
PaymentId = Annotated[strawberry.ID, strawberry.argument(description="The payment.")]


@strawberry.type
class PaymentQueries:
    @strawberry.field(description="A payment, or null; for its payer, its payee and admins.")
    async def payment(self, info: Info, id: PaymentId) -> Payment | None:
        return await Payment.resolve_reference(info, id)

    @strawberry.field(description="What the viewer pays, the newest first.")
    async def my_payments(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Payment]:
        user_id = info.context.viewer.require_user()
        loader = info.context.loader(
            payments.list_payments, page=page_of(first, after, last, before)
        )
        page = await loader.load(user_id)
        return Connection.of(page.map(lambda row: Payment(row=row)))

    @strawberry.federation.field(
        description="Payments that a person has to look at; for admins.", tags=["admin"]
    )
    async def payments_needing_attention(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Payment]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await payments.list_needing_attention(session, info.context.viewer, page)
        return Connection.of(found.map(lambda row: Payment(row=row)))


@strawberry.type
class PaymentMutations:
    @strawberry.mutation(
        description="Begin to pay for what is reserved for the viewer, or go on with it."
    )
    async def create_payment_intent(
        self,
        info: Info,
        input: Annotated[
            CreatePaymentIntentInput, strawberry.argument(description="What is paid for.")
        ],
        idempotency_key: IdempotencyKey = None,
    ) -> CreatePaymentIntentResult:
        viewer, runtime = info.context.viewer, info.context.payment
        payable_id = parse_id(input.payable_id, field="payableId")
        method = None
        if input.saved_method_id is not None:
            method_id = parse_id(input.saved_method_id, field="savedMethodId")
            async with info.context.read() as session:
                method = await checkout.get_saved_method(session, viewer, method_id)
        request = {
            "type": input.payable_type,
            "id": payable_id,
            "coupon": input.coupon_code,
            "method": input.saved_method_id,
        }
        async with info.context.write() as session:

            async def work() -> UUID:
                row = await checkout.begin(
                    session,
                    viewer,
                    payable_type=input.payable_type,
                    payable_id=payable_id,
                    coupon_code=input.coupon_code,
                    settings=runtime.settings,
                )
                return row.id

            payment_id = await once(
                session, viewer, "createPaymentIntent", idempotency_key, request, work
            )
        # Outside of the transaction; a crash from here on is healed by the saga, with the same key.
        intent_id = await steps.open_intent(runtime, payment_id, actor=viewer.key)
        if method is not None:
            await steps.confirm(
                runtime,
                payment_id,
                intent_id,
                method.provider_method_id,
                key=f"confirm:{payment_id}:{idempotency_key or new_id()}",
            )
        return await Payment.load_or_refuse(info, payment_id)

    @strawberry.mutation(description="Give up a payment that has no money yet.")
    async def cancel_payment(self, info: Info, id: PaymentId) -> CancelPaymentResult:
        payment_id = parse_id(id, field="id")
        async with info.context.write() as session:
            row = await checkout.request_cancel(session, info.context.viewer, payment_id)
        if row.status in UNPAID:
            await steps.cancel_intent(info.context.payment, payment_id)
        return await Payment.load_or_refuse(info, payment_id)

    @strawberry.federation.mutation(
        description="Say that a person has looked at a payment; for admins.", tags=["admin"]
    )
    async def clear_payment_attention(
        self, info: Info, id: PaymentId
    ) -> ClearPaymentAttentionResult:
        async with info.context.write() as session:
            row = await payments.clear_attention(
                session, info.context.viewer, parse_id(id, field="id")
            )
        return Payment(row=row)
