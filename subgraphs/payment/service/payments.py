"""Paying: beginning a payment, and what the provider says became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared import saga as sagas
from shared.db import ReadSession, WriteSession, among, database_now
from shared.errors import NotFound
from shared.events.payment import (
    PaymentActionRequired,
    PaymentFailed,
    PaymentInitiated,
    PaymentSucceeded,
)
from shared.ids import parse_id_or_none
from shared.lookup import ByKey
from shared.pages import ListsByParent, Order, Page, PageRequest, keyset
from shared.viewer import Viewer
from subgraphs.payment.models import (
    Account,
    Payment,
    PaymentStatus,
    TransactionKind,
)
from subgraphs.payment.ports import Intent
from subgraphs.payment.service import coupons, history, invoices, ledger, refunds, settlement
from subgraphs.payment.service.history import Happened
from subgraphs.payment.service.ledger import Line
from subgraphs.payment.service.settlement import UNPAID

_NEWEST = Order.by(Payment.id.desc())
_OF_USER = ListsByParent(sa.select(Payment), _NEWEST, parent=Payment.payer_id)


@dataclass(frozen=True)
class Begun:
    """A payment that goes on at the provider."""

    payment_id: UUID
    key: str
    purchase_id: UUID
    amount: int
    currency: str
    customer_id: str | None
    intent_id: str | None
    # Nothing is missing of what the provider said when the payment was opened.
    is_open: bool


async def get_begun(session: ReadSession, payment_id: UUID) -> Begun:
    """What the provider must be told of a payment; the key is the same for ever."""
    row = await session.get_one(Payment, payment_id)
    return Begun(
        payment_id=row.id,
        key=f"{row.payable_type.lower()}:{row.purchase_id}:v{row.attempt}",
        purchase_id=row.purchase_id,
        amount=row.amount,
        currency=row.currency,
        customer_id=row.provider_customer_id,
        intent_id=row.provider_intent_id,
        # A notification that was faster than the answer brings no secret.
        is_open=row.client_secret is not None or row.status not in UNPAID,
    )


async def keep_intent(
    session: WriteSession, payment: Payment, intent: Intent, *, actor: str
) -> None:
    """Remember the provider's payment of a locked payment, once."""
    payment.client_secret = payment.client_secret or intent.client_secret
    if payment.provider_intent_id is None:
        await history.record(
            session,
            payment,
            Happened.INTENT_CREATED,
            actor=actor,
            provider_intent_id=intent.id,
        )
        history.tell(session, payment, PaymentInitiated)


async def apply_intent(
    session: WriteSession, payment: Payment, intent: Intent, *, actor: str
) -> None:
    """Bring a locked payment up to what the provider says, whatever came before.

    States only go forward: after the end nothing counts, so notifications may come in any order.
    """
    if payment.status not in UNPAID or payment.provider_intent_id not in (None, intent.id):
        return
    if payment.provider_intent_id is None:
        await keep_intent(session, payment, intent, actor=actor)
    match intent.status:
        case "succeeded":
            await _succeed(session, payment, intent, actor=actor)
        case "canceled":
            await _end(session, payment, intent.failure_code or "cancelled", actor=actor)
        case "requires_action" if payment.status != PaymentStatus.ACTION_REQUIRED:
            await history.record(
                session,
                payment,
                Happened.ACTION_REQUIRED,
                actor=actor,
                status=PaymentStatus.ACTION_REQUIRED,
            )
            history.tell(session, payment, PaymentActionRequired)
        case "processing" if payment.status != PaymentStatus.PROCESSING:
            await history.record(
                session,
                payment,
                Happened.PROCESSING,
                actor=actor,
                status=PaymentStatus.PROCESSING,
            )
        case "requires_payment_method" if intent.failure_code is not None:
            declined = (PaymentStatus.PENDING, intent.failure_code)
            if (payment.status, payment.failure_code) != declined:
                await history.record(
                    session,
                    payment,
                    Happened.DECLINED,
                    actor=actor,
                    status=PaymentStatus.PENDING,
                    failure_code=intent.failure_code,
                )
                history.tell(
                    session, payment, PaymentFailed, reason=intent.failure_code, is_final=False
                )


async def _succeed(session: WriteSession, payment: Payment, intent: Intent, *, actor: str) -> None:
    if (intent.amount_received, intent.currency) != (payment.amount, payment.currency):
        await _mismatch(session, payment, intent, actor=actor)
        return
    await ledger.post(
        session,
        TransactionKind.PAYMENT,
        payment.id,
        Line(Account.PROVIDER_BALANCE, payment.amount),
        Line(Account.COUPON_COST, payment.coupon_cost),
        Line(Account.HELD_FOR_TUTORS, -payment.tutor_part),
        Line(Account.PLATFORM_FEES, -payment.platform_fee),
        amount=payment.amount,
        currency=payment.currency,
        payment_id=payment.id,
        provider_id=intent.charge_id,
    )
    await history.record(
        session,
        payment,
        Happened.SUCCEEDED,
        actor=actor,
        status=PaymentStatus.SUCCEEDED,
        provider_charge_id=intent.charge_id,
        failure_code=None,
        succeeded_at=await database_now(session),
    )
    history.tell(session, payment, PaymentSucceeded)
    await settlement.settle(session, payment, actor=actor)
    await sagas.end(session, payment.id)
    await invoices.issue(session, payment)


async def _mismatch(session: WriteSession, payment: Payment, intent: Intent, *, actor: str) -> None:
    """Something else was received than was asked for: it goes back, and a person looks."""
    received, currency = intent.amount_received, intent.currency
    await ledger.post(
        session,
        TransactionKind.UNMATCHED,
        payment.id,
        Line(Account.PROVIDER_BALANCE, received),
        Line(Account.UNMATCHED_RECEIPTS, -received),
        amount=received,
        currency=currency,
        payment_id=payment.id,
        provider_id=intent.charge_id,
    )
    await history.record(
        session,
        payment,
        Happened.MISMATCHED,
        actor=actor,
        status=PaymentStatus.CANCELLED,
        provider_charge_id=intent.charge_id,
        failure_code="amount_mismatch",
        attention="amount mismatch",
    )
    await refunds.start_unmatched(session, payment, amount=received, currency=currency)
    await coupons.release(session, payment)
    history.tell(session, payment, PaymentFailed, reason="amount_mismatch", is_final=True)
    await sagas.end(session, payment.id)


async def _end(session: WriteSession, payment: Payment, reason: str, *, actor: str) -> None:
    await history.record(
        session,
        payment,
        Happened.CANCELLED,
        actor=actor,
        status=PaymentStatus.CANCELLED,
        failure_code=reason,
    )
    await coupons.release(session, payment)
    history.tell(session, payment, PaymentFailed, reason=reason, is_final=True)
    await sagas.end(session, payment.id)


async def find_id(
    session: ReadSession, *, intent_id: str | None, metadata: dict[str, str]
) -> UUID | None:
    """The payment that the provider speaks of, by its id or by ours."""
    own = parse_id_or_none(metadata.get("payment_id"))
    return await session.scalar(
        sa.select(Payment.id).where(
            sa.or_(Payment.provider_intent_id == intent_id, Payment.id == own)
        )
    )


async def find_charged_id(session: ReadSession, charge_id: str) -> UUID | None:
    """The payment that a charge belongs to."""
    return await session.scalar(
        sa.select(Payment.id).where(Payment.provider_charge_id == charge_id)
    )


async def clear_attention(session: WriteSession, viewer: Viewer, payment_id: UUID) -> Payment:
    """A person has looked, for admins. Raises NotFound."""
    viewer.require_role("admin")
    payment = await history.lock(session, payment_id)
    if payment is None:
        raise NotFound("There is no such payment.", field="id")
    if payment.attention is not None:
        await history.record(
            session, payment, Happened.ATTENTION_CLEARED, actor=viewer.key, attention=None
        )
    return payment


def may_see(payment: Payment, viewer: Viewer) -> bool:
    """A payment is for its payer, its payee and admins."""
    return viewer.may_see_private(payment.payer_id) or viewer.is_user(payment.payee_id)


_PAYMENTS = ByKey(sa.select(Payment), Payment.id)


async def get_payments(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[Payment | None]:
    """Many payments at once, in the order asked for; those not visible are None."""
    return await _PAYMENTS.find(session, ids, visible=lambda row: may_see(row, viewer))


async def get_payable_payments(
    session: ReadSession, payable_ids: Sequence[UUID], *, viewer: Viewer
) -> list[Payment | None]:
    """The newest payment for each lesson that the viewer may see, a live one first."""
    rows = await session.scalars(
        sa.select(Payment)
        .where(among(Payment.payable_id, payable_ids))
        .order_by(Payment.status != PaymentStatus.CANCELLED, Payment.id)
    )
    found = {row.payable_id: row for row in rows if may_see(row, viewer)}
    return [found.get(id_) for id_ in payable_ids]


async def get_own_purchases(
    session: ReadSession, payable_ids: Sequence[UUID], *, payer_id: UUID
) -> list[Payment | None]:
    """The payer's newest payment for each course, a live one first."""
    rows = await session.scalars(
        sa.select(Payment)
        .where(among(Payment.payable_id, payable_ids), Payment.payer_id == payer_id)
        .order_by(Payment.status != PaymentStatus.CANCELLED, Payment.id)
    )
    found = {row.payable_id: row for row in rows}
    return [found.get(id_) for id_ in payable_ids]


async def list_payments(
    session: ReadSession, user_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[Payment]]:
    """What each user pays, the newest first."""
    return await _OF_USER.pages(session, page, user_ids)


async def list_needing_attention(
    session: ReadSession, viewer: Viewer, page: PageRequest
) -> Page[Payment]:
    """Payments that a person has to look at, for admins."""
    viewer.require_role("admin")
    statement = sa.select(Payment).where(Payment.attention.is_not(None))
    return await keyset(session, statement, _NEWEST, page)
