"""Figures from the ledger: what a tutor earned, and what the platform turned over."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession
from shared.errors import InvalidInput
from shared.viewer import Viewer
from subgraphs.payment.models import Account, LedgerEntry, Payment, Transaction, TransactionKind

MOST_LINES = 1000
# What changes a tutor's part, as opposed to where it is.
_EARNING = (
    TransactionKind.PAYMENT,
    TransactionKind.REFUND,
    TransactionKind.REFUND_RETURNED,
    TransactionKind.CHARGEBACK,
)
_GIVEN_BACK = _EARNING[1:]


@dataclass(frozen=True)
class Earnings:
    """What a tutor earned in one currency over a time."""

    currency: str
    payments: int
    gross: int
    refunded: int
    net: int
    transferred: int
    paid_out: int


@dataclass(frozen=True)
class Turnover:
    """What the platform turned over in one currency over a time."""

    currency: str
    payments: int
    gross: int
    fees: int
    refunds: int
    chargebacks: int
    coupon_cost: int
    dispute_losses: int
    transfers: int
    reversals: int
    payouts: int


@dataclass(frozen=True)
class StatementLine:
    """One movement on a tutor's statement."""

    at: datetime
    kind: TransactionKind
    payment_id: UUID | None
    amount: int
    currency: str


@dataclass(frozen=True)
class Statement:
    """A tutor's month."""

    user_id: UUID
    month: str
    lines: Sequence[StatementLine]
    earnings: Sequence[Earnings]


def check_range(since: datetime, until: datetime) -> None:
    """A range has its start before its end. Raises InvalidInput."""
    if since >= until:
        raise InvalidInput("from must be before to.", field="from")


def month_range(month: str) -> tuple[datetime, datetime]:
    """The bounds of a month such as 2026-11, in UTC. Raises InvalidInput."""
    try:
        if len(month) != 7:
            raise ValueError(month)
        start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        end = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    except ValueError:
        raise InvalidInput("month is written like 2026-11.", field="month") from None
    return start, end


def _sum(amount: Any, *conditions: Any) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(amount).filter(*conditions), 0)


def _tutors_entries(user_id: UUID) -> sa.ColumnElement[bool]:
    return sa.or_(Payment.payee_id == user_id, LedgerEntry.party_id == user_id)


async def get_earnings(
    session: ReadSession, user_id: UUID, since: datetime, until: datetime
) -> list[Earnings]:
    """What a tutor earned, by currency: from the ledger, so that it adds up."""
    check_range(since, until)
    kind, account, amount = Transaction.kind, LedgerEntry.account, LedgerEntry.amount
    held = account == Account.HELD_FOR_TUTORS
    funds = account == Account.TUTOR_FUNDS
    moved = (TransactionKind.TRANSFER, TransactionKind.TRANSFER_REVERSAL)
    paid = (TransactionKind.PAYOUT, TransactionKind.PAYOUT_RETURNED)
    rows = await session.execute(
        sa.select(
            LedgerEntry.currency,
            sa.func.count().filter(held, kind == TransactionKind.PAYMENT).label("payments"),
            (-_sum(amount, held, kind == TransactionKind.PAYMENT)).label("gross"),
            _sum(amount, held, kind.in_(_GIVEN_BACK)).label("refunded"),
            _sum(amount, funds, kind.in_(moved)).label("transferred"),
            (-_sum(amount, funds, kind.in_(paid))).label("paid_out"),
        )
        .join(Transaction, Transaction.id == LedgerEntry.transaction_id)
        .outerjoin(Payment, Payment.id == Transaction.payment_id)
        .where(_tutors_entries(user_id), *_within(since, until))
        .group_by(LedgerEntry.currency)
        .order_by(LedgerEntry.currency)
    )
    return [
        Earnings(
            currency=row.currency,
            payments=row.payments,
            gross=int(row.gross),
            refunded=int(row.refunded),
            net=int(row.gross - row.refunded),
            transferred=int(row.transferred),
            paid_out=int(row.paid_out),
        )
        for row in rows
    ]


def _within(since: datetime, until: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return Transaction.created_at >= since, Transaction.created_at < until


async def get_turnover(
    session: ReadSession, viewer: Viewer, since: datetime, until: datetime
) -> list[Turnover]:
    """What the platform turned over, by currency, for admins."""
    viewer.require_role("admin")
    check_range(since, until)
    kind, account, amount = Transaction.kind, LedgerEntry.account, LedgerEntry.amount
    cash = account == Account.PROVIDER_BALANCE
    payouts = (TransactionKind.PAYOUT, TransactionKind.PAYOUT_RETURNED)
    refunds = (TransactionKind.REFUND, TransactionKind.REFUND_RETURNED)
    funds = account == Account.TUTOR_FUNDS
    rows = await session.execute(
        sa.select(
            LedgerEntry.currency,
            sa.func.count().filter(cash, kind == TransactionKind.PAYMENT).label("payments"),
            _sum(amount, cash, kind == TransactionKind.PAYMENT).label("gross"),
            (-_sum(amount, account == Account.PLATFORM_FEES)).label("fees"),
            (-_sum(amount, cash, kind.in_(refunds))).label("refunds"),
            (-_sum(amount, account == Account.DISPUTED, kind == TransactionKind.CHARGEBACK)).label(
                "chargebacks"
            ),
            _sum(amount, account == Account.COUPON_COST).label("coupon_cost"),
            _sum(amount, account == Account.DISPUTE_LOSSES).label("dispute_losses"),
            _sum(amount, funds, kind == TransactionKind.TRANSFER).label("transfers"),
            (-_sum(amount, funds, kind == TransactionKind.TRANSFER_REVERSAL)).label("reversals"),
            (-_sum(amount, funds, kind.in_(payouts))).label("payouts"),
        )
        .join(Transaction, Transaction.id == LedgerEntry.transaction_id)
        .where(*_within(since, until))
        .group_by(LedgerEntry.currency)
        .order_by(LedgerEntry.currency)
    )
    return [
        Turnover(
            row.currency,
            *(
                int(getattr(row, name))
                for name in Turnover.__dataclass_fields__
                if name != "currency"
            ),
        )
        for row in rows
    ]


def turnover_csv(rows: Sequence[Turnover]) -> str:
    """The same figures for a spreadsheet."""
    text = io.StringIO()
    names = list(Turnover.__dataclass_fields__)
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([getattr(row, name) for name in names] for row in rows)
    return text.getvalue()


async def get_statement(session: ReadSession, user_id: UUID, month: str) -> Statement:
    """A tutor's month: what was earned, given back and paid out. Raises InvalidInput."""
    since, until = month_range(month)
    earning = sa.and_(
        LedgerEntry.account == Account.HELD_FOR_TUTORS, Transaction.kind.in_(_EARNING)
    )
    paid = sa.and_(
        LedgerEntry.account == Account.TUTOR_FUNDS,
        Transaction.kind.in_((TransactionKind.PAYOUT, TransactionKind.PAYOUT_RETURNED)),
    )
    rows = await session.execute(
        sa.select(Transaction, LedgerEntry.account, LedgerEntry.amount)
        .join(Transaction, Transaction.id == LedgerEntry.transaction_id)
        .outerjoin(Payment, Payment.id == Transaction.payment_id)
        .where(_tutors_entries(user_id), sa.or_(earning, paid), *_within(since, until))
        .order_by(Transaction.created_at, Transaction.id)
        .limit(MOST_LINES)
    )
    lines = [
        StatementLine(
            at=row.created_at,
            kind=TransactionKind(row.kind),
            payment_id=row.payment_id,
            amount=-amount if account == Account.HELD_FOR_TUTORS else amount,
            currency=row.currency,
        )
        for row, account, amount in rows
    ]
    earnings = await get_earnings(session, user_id, since, until)
    return Statement(user_id=user_id, month=month, lines=lines, earnings=earnings)
