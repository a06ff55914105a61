"""The ledger: every movement of money, as entries that sum to zero. See docs/domain/payment.md."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from shared.db import WriteSession
from shared.ids import new_id
from subgraphs.payment.models import (
    Account,
    LedgerEntry,
    Payment,
    Transaction,
    TransactionKind,
    TutorBalance,
)


class Line(NamedTuple):
    """One entry; accounts that are kept by tutor have a party."""

    account: Account
    amount: int
    party_id: UUID | None = None


class Shares(NamedTuple):
    """How a refund is divided: tutor + fee - coupon is what the payer gets."""

    tutor: int
    fee: int
    coupon: int


def fee_of(amount: int, bps: int) -> int:
    """A part in basis points, half a unit rounded up."""
    return (amount * bps + 5000) // 10_000


def share(part: int, total: int, whole: int) -> int:
    """What belongs to `total` of `whole` when `part` belongs to all of it, rounded half up."""
    return (2 * part * total + whole) // (2 * whole)


def shares_of_refund(payment: Payment, amount: int) -> Shares:
    """Divide the next refund so that the totals are right, whatever was refunded before.

    Rounding each refund by itself would end wrong; the cumulative rule never does.
    """
    total = payment.refunded_total + amount
    fee = share(payment.platform_fee, total, payment.amount) - payment.fee_refunded_total
    coupon = share(payment.coupon_cost, total, payment.amount) - payment.coupon_refunded_total
    return Shares(tutor=amount - fee + coupon, fee=fee, coupon=coupon)


async def post(
    session: WriteSession,
    kind: TransactionKind,
    cause_id: UUID,
    *lines: Line,
    amount: int,
    currency: str,
    payment_id: UUID | None = None,
    provider_id: str | None = None,
    turn: int = 1,
) -> None:
    """Write one transaction; the database refuses one that does not sum to zero, or a second."""
    transaction = Transaction(
        id=new_id(),
        kind=kind,
        cause_id=cause_id,
        turn=turn,
        payment_id=payment_id,
        amount=amount,
        currency=currency,
        provider_id=provider_id,
    )
    session.add(transaction)
    await session.flush()
    session.add_all(
        LedgerEntry(
            transaction_id=transaction.id,
            account=line.account,
            party_id=line.party_id,
            amount=line.amount,
            currency=currency,
        )
        for line in lines
        if line.amount != 0
    )
    await session.flush()


async def lock_balance(session: WriteSession, user_id: UUID, currency: str) -> TutorBalance:
    """A tutor's balance, made when missing, locked; after the payment, before sagas."""
    await session.execute(
        insert(TutorBalance).values(user_id=user_id, currency=currency).on_conflict_do_nothing()
    )
    return await session.get_one(
        TutorBalance, (user_id, currency), with_for_update=True, populate_existing=True
    )
