"""Beginning to pay for what is reserved, and giving up."""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from shared import saga as sagas
from shared.db import ReadSession, WriteSession, database_now
from shared.errors import Conflict, NotFound, Unavailable
from shared.viewer import Viewer
from subgraphs.payment.config import Settings
from subgraphs.payment.models import (
    Coupon,
    CouponRedemption,
    Customer,
    PayableRef,
    PayableStatus,
    PayableType,
    Payment,
    PaymentStatus,
    SavedMethod,
)
from subgraphs.payment.service import coupons, history, ledger, settlement, users
from subgraphs.payment.service.settlement import CREATE, SAGA, UNPAID

# How long the request that began a payment has for the provider before the worker goes on.
CREATE_LEASE = timedelta(seconds=60)


class PayableNotReady(Unavailable):
    """The purchase has not arrived here yet; the same request works a moment later."""

    code = "PAYABLE_NOT_READY"


class ReservationEnded(Conflict):
    """Nothing is held for the payer any more: reserve again."""

    code = "RESERVATION_ENDED"


class AlreadyPaid(Conflict):
    """The purchase is paid."""

    code = "ALREADY_PAID"


class NothingToPay(Conflict):
    """The purchase costs nothing."""

    code = "NOTHING_TO_PAY"


class PaymentInProgress(Conflict):
    """There is a payment with other terms: cancel it first."""

    code = "PAYMENT_IN_PROGRESS"


async def begin(
    session: WriteSession,
    viewer: Viewer,
    *,
    payable_type: PayableType,
    payable_id: UUID,
    coupon_code: str | None,
    settings: Settings,
) -> Payment:
    """Begin to pay for what is reserved for the viewer, or go on with what was begun.

    Amount and currency are those that learning told, never the client's. Raises PayableNotReady,
    ReservationEnded, AlreadyPaid, …
    """
    payer_id = viewer.require_user()
    ref = await _lock_payable(session, payer_id, payable_type, payable_id)
    await users.require_verified(session, viewer)
    live = await session.scalar(
        sa.select(Payment).where(
            Payment.purchase_id == ref.purchase_id, Payment.status != PaymentStatus.CANCELLED
        )
    )
    if live is not None and live.status == PaymentStatus.SUCCEEDED:
        raise AlreadyPaid("This is paid already.")
    if ref.price_amount is None or ref.price_currency is None or ref.payee_id is None:
        raise PayableNotReady("The reservation is still on its way. Try again in a moment.")
    now = await database_now(session)
    if ref.status != PayableStatus.RESERVED or (ref.expires_at and ref.expires_at <= now):
        raise ReservationEnded("The reservation has ended. Reserve again.")
    if live is not None:
        if await _coupon_code(session, live) != (
            coupon_code.strip().upper() if coupon_code else None
        ):
            raise PaymentInProgress("A payment with another coupon was begun. Cancel it first.")
        return live
    if ref.price_amount == 0:
        raise NothingToPay("This costs nothing.")
    payment = await _new_payment(session, ref, coupon_code, settings)
    await history.begin(session, payment, actor=viewer.key)
    if payment.coupon_id is not None:
        session.add(
            CouponRedemption(payment_id=payment.id, coupon_id=payment.coupon_id, user_id=payer_id)
        )
    await sagas.start(session, SAGA, id=payment.id, step=CREATE, deadline=now + CREATE_LEASE)
    await session.flush()
    return payment


async def _lock_payable(
    session: WriteSession, payer_id: UUID, payable_type: PayableType, payable_id: UUID
) -> PayableRef:
    reserved = PayableRef.status == PayableStatus.RESERVED
    found = await session.scalar(
        sa.select(PayableRef)
        .where(
            PayableRef.payable_id == payable_id,
            PayableRef.payable_type == payable_type,
            PayableRef.payer_id == payer_id,
        )
        # A course may have been bought before: what is reserved now comes first.
        .order_by(reserved.desc(), PayableRef.purchase_id.desc())
        .limit(1)
        .with_for_update()
    )
    if found is not None:
        return found
    # Somebody else's: the payer's own may have arrived since the first look.
    known = sa.select(PayableRef.purchase_id).where(
        PayableRef.purchase_id == payable_id, PayableRef.payer_id != payer_id
    )
    if payable_type == PayableType.LESSON and await session.scalar(known) is not None:
        raise NotFound("There is no such reservation.", field="payableId")
    raise PayableNotReady("The reservation is still on its way. Try again in a moment.")


async def _coupon_code(session: WriteSession, payment: Payment) -> str | None:
    if payment.coupon_id is None:
        return None
    return (await session.get_one(Coupon, payment.coupon_id)).code


async def _new_payment(
    session: WriteSession, ref: PayableRef, coupon_code: str | None, settings: Settings
) -> Payment:
    price = ref.price_amount or 0
    coupon, off, carried = None, 0, 0
    if coupon_code is not None:
        coupon, off = await coupons.redeem(
            session, ref, coupon_code, min_charge=settings.min_charge
        )
        # The platform's coupon leaves the tutor with the part of the full price.
        carried = off if coupon.owner_id is None else 0
    attempts = await session.scalar(
        sa.select(sa.func.count()).where(Payment.purchase_id == ref.purchase_id)
    )
    customer = await session.get(Customer, ref.payer_id)
    return Payment(
        payable_type=ref.payable_type,
        payable_id=ref.payable_id,
        purchase_id=ref.purchase_id,
        attempt=(attempts or 0) + 1,
        payer_id=ref.payer_id,
        payee_id=ref.payee_id,
        currency=ref.price_currency,
        price=price,
        amount=price - off,
        coupon_cost=carried,
        fee_bps=settings.fee_bps,
        platform_fee=ledger.fee_of(price - off + carried, settings.fee_bps),
        coupon_id=coupon.id if coupon else None,
        status=PaymentStatus.PENDING,
        # Kept, so that a repeated call to the provider has the same parameters.
        provider_customer_id=customer.provider_customer_id if customer else None,
    )


async def request_cancel(session: WriteSession, viewer: Viewer, payment_id: UUID) -> Payment:
    """Give up a payment that has no money yet. Raises NotFound, AlreadyPaid."""
    viewer.require_user()
    payment = await history.lock(session, payment_id)
    if payment is None or not viewer.may_see_private(payment.payer_id):
        raise NotFound("There is no such payment.", field="id")
    if payment.status == PaymentStatus.SUCCEEDED:
        raise AlreadyPaid("This is paid already.")
    if payment.status in UNPAID:
        await settlement.give_up(session, payment)
    return payment


async def get_saved_method(session: ReadSession, viewer: Viewer, method_id: UUID) -> SavedMethod:
    """A card of the viewer. Raises NotFound."""
    row = await session.get(SavedMethod, method_id)
    if row is None or row.removed_at is not None or not viewer.is_user(row.user_id):
        raise NotFound("There is no such saved method.", field="savedMethodId")
    return row
