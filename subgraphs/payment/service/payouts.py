"""What tutors are paid out: balances, requests, the weekly run, and what banks say."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared import saga as sagas
from shared.db import ReadSession, WriteSession, among, database_now, violated_constraint
from shared.errors import Conflict, InvalidInput
from shared.events.payment import PayoutEvent, PayoutFailed, PayoutPaid
from shared.ids import parse_id_or_none
from shared.lookup import ByKey
from shared.outbox import publish
from shared.pages import ListsByParent, Order, Page, PageRequest
from shared.viewer import Viewer
from subgraphs.payment.config import Settings
from subgraphs.payment.models import (
    Account,
    LedgerEntry,
    Payment,
    PaymentStatus,
    Payout,
    PayoutAccount,
    PayoutAccountStatus,
    PayoutStatus,
    Transaction,
    TransactionKind,
    TutorBalance,
)
from subgraphs.payment.service import history, ledger
from subgraphs.payment.service.ledger import Line

SAGA = "payout"
SEND, WATCH = "send", "watch"
_NEWEST = Order.by(Payout.id.desc())
_OF_USER = ListsByParent(sa.select(Payout), _NEWEST, parent=Payout.user_id)


class PayoutAccountMissing(Conflict):
    """The tutor cannot be paid yet: finish the onboarding first."""

    code = "PAYOUT_ACCOUNT_MISSING"


class BalanceTooLow(Conflict):
    """There is less available than was asked for, or than a payout needs."""

    code = "BALANCE_TOO_LOW"


@dataclass(frozen=True)
class Balance:
    """A tutor's money in one currency."""

    currency: str
    held: int
    available: int
    pending: int
    paid_out: int
    debt: int


async def request_payout(
    session: WriteSession, viewer: Viewer, *, amount: int | None, currency: str, settings: Settings
) -> Payout:
    """Pay out a part of what is available, or all of it. Raises BalanceTooLow, …"""
    viewer.require_role("tutor")
    user_id = viewer.require_user()
    if amount is not None and amount < 1:
        raise InvalidInput("amount must be positive.", field="amount")
    await _require_account(session, user_id)
    balance = await ledger.lock_balance(session, user_id, currency)
    available = await _available(session, balance)
    wanted = available if amount is None else amount
    least = settings.least_payout(currency)
    if wanted > available:
        raise BalanceTooLow(f"{max(available, 0)} is available.", field="amount")
    if wanted < least:
        raise BalanceTooLow(f"A payout needs at least {least}.", field="amount")
    return await _start(session, balance, wanted, period=None, actor=viewer.key)


async def _require_account(session: WriteSession, user_id: UUID) -> None:
    enabled = sa.select(PayoutAccount.id).where(
        PayoutAccount.user_id == user_id, PayoutAccount.status == PayoutAccountStatus.ENABLED
    )
    if await session.scalar(enabled) is None:
        raise PayoutAccountMissing("Finish the onboarding for payouts first.")


async def _available(session: WriteSession, balance: TutorBalance) -> int:
    """What may leave: not what is on its way, owed, or disputed by a payer's bank."""
    disputed = await session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Payment.disputed_total), 0)).where(
            Payment.payee_id == balance.user_id,
            Payment.currency == balance.currency,
            Payment.status == PaymentStatus.SUCCEEDED,
            Payment.transferred_total > 0,
        )
    )
    on_account = balance.transferred - balance.paid_out - balance.pending
    return on_account - balance.debt - int(disputed or 0)


async def _start(
    session: WriteSession, balance: TutorBalance, amount: int, *, period: str | None, actor: str
) -> Payout:
    payout = Payout(
        user_id=balance.user_id,
        amount=amount,
        currency=balance.currency,
        period=period,
        status=PayoutStatus.PENDING,
    )
    session.add(payout)
    balance.pending += amount
    await session.flush()
    history.audit(session, "payout", payout.id, "REQUESTED", {}, {"amount": amount}, actor=actor)
    await sagas.start(session, SAGA, id=payout.id, step=SEND)
    return payout


async def list_due(session: ReadSession) -> list[tuple[UUID, str]]:
    """Tutors and currencies with money on their accounts."""
    rows = await session.execute(
        sa.select(TutorBalance.user_id, TutorBalance.currency)
        .join(PayoutAccount, PayoutAccount.user_id == TutorBalance.user_id)
        .where(
            PayoutAccount.status == PayoutAccountStatus.ENABLED,
            TutorBalance.transferred - TutorBalance.paid_out - TutorBalance.pending > 0,
        )
        .order_by(TutorBalance.user_id, TutorBalance.currency)
    )
    return [(row.user_id, row.currency) for row in rows]


async def start_scheduled(
    session: WriteSession, user_id: UUID, currency: str, *, period: str, settings: Settings
) -> Payout | None:
    """The payout of a period, once, when there is enough; None otherwise."""
    balance = await ledger.lock_balance(session, user_id, currency)
    available = await _available(session, balance)
    if available < settings.least_payout(currency):
        return None
    try:
        async with session.begin_nested():
            return await _start(session, balance, available, period=period, actor="system:schedule")
    except sa.exc.IntegrityError as error:
        if violated_constraint(error) != "uq_payouts_user_id_currency_period":
            raise
        return None


async def lock_payout(session: WriteSession, payout_id: UUID) -> Payout:
    """A payout, locked; before the tutor's balance."""
    return await session.get_one(Payout, payout_id, with_for_update=True, populate_existing=True)


async def sent(session: WriteSession, payout: Payout, provider_id: str) -> None:
    """The provider has taken a payout."""
    if payout.status == PayoutStatus.PENDING:
        payout.status = PayoutStatus.IN_TRANSIT
        payout.provider_payout_id = provider_id
        await _changed(session, payout, PayoutStatus.PENDING, actor="system:payout")


async def apply_payout(
    session: WriteSession, payout: Payout, status: str, code: str | None, *, actor: str
) -> None:
    """Bring a locked payout up to what the provider says; a failure is the end, even after paid."""
    if status == "paid" and payout.status in (PayoutStatus.PENDING, PayoutStatus.IN_TRANSIT):
        balance = await ledger.lock_balance(session, payout.user_id, payout.currency)
        balance.pending -= payout.amount
        balance.paid_out += payout.amount
        await _book(session, payout, TransactionKind.PAYOUT, -payout.amount)
        await _settle(session, payout, PayoutStatus.PAID, actor=actor)
        _tell(session, payout, PayoutPaid)
    elif status in ("failed", "canceled") and payout.status != PayoutStatus.FAILED:
        balance = await ledger.lock_balance(session, payout.user_id, payout.currency)
        if payout.status == PayoutStatus.PAID:
            balance.paid_out -= payout.amount
            await _book(session, payout, TransactionKind.PAYOUT_RETURNED, payout.amount)
        else:
            balance.pending -= payout.amount
        payout.failure_code = (code or status)[:100]
        await _settle(session, payout, PayoutStatus.FAILED, actor=actor)
        _tell(session, payout, PayoutFailed, reason=payout.failure_code)


async def _book(session: WriteSession, payout: Payout, kind: TransactionKind, amount: int) -> None:
    await ledger.post(
        session,
        kind,
        payout.id,
        Line(Account.TUTOR_FUNDS, amount, payout.user_id),
        Line(Account.TUTOR_PAYABLE, -amount, payout.user_id),
        amount=payout.amount,
        currency=payout.currency,
        provider_id=payout.provider_payout_id,
    )


async def _settle(
    session: WriteSession, payout: Payout, status: PayoutStatus, *, actor: str
) -> None:
    before = PayoutStatus(payout.status)
    payout.status = status
    payout.settled_at = await database_now(session)
    await _changed(session, payout, before, actor=actor)
    saga = await sagas.lock(session, payout.id)
    if saga is not None and saga.state in (
        sagas.SagaState.RUNNING,
        sagas.SagaState.NEEDS_ATTENTION,
    ):
        await sagas.complete(session, saga)


async def _changed(
    session: WriteSession, payout: Payout, before: PayoutStatus, *, actor: str
) -> None:
    payout.version += 1
    history.audit(
        session,
        "payout",
        payout.id,
        str(payout.status),
        {"status": str(before)},
        {"status": str(payout.status)},
        actor=actor,
    )
    await session.flush()


def _tell(session: WriteSession, payout: Payout, event: type[PayoutEvent], **fields: str) -> None:
    publish(
        session,
        event(
            payout_id=payout.id,
            user_id=payout.user_id,
            amount=payout.amount,
            currency=payout.currency,
            version=payout.version,
            **fields,
        ),
    )


async def find_id(
    session: ReadSession, *, provider_id: str, metadata: dict[str, str], account: str | None
) -> UUID | None:
    """The payout of an account that the provider speaks of, by its id or by ours."""
    own = parse_id_or_none(metadata.get("payout_id"))
    return await session.scalar(
        sa.select(Payout.id)
        .join(PayoutAccount, PayoutAccount.user_id == Payout.user_id)
        .where(
            PayoutAccount.provider_account_id == account,
            sa.or_(Payout.provider_payout_id == provider_id, Payout.id == own),
        )
    )


async def list_payouts(
    session: ReadSession, user_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[Payout]]:
    """Each tutor's payouts, the newest first."""
    return await _OF_USER.pages(session, page, user_ids)


_PAYOUTS = ByKey(sa.select(Payout), Payout.id)


async def get_payouts(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[Payout | None]:
    """Many payouts at once, in the order asked for; those not visible are None."""
    return await _PAYOUTS.find(
        session, ids, visible=lambda row: viewer.may_see_private(row.user_id)
    )


async def get_balances(session: ReadSession, user_ids: Sequence[UUID]) -> list[list[Balance]]:
    """Each tutor's money by currency: held, available, on its way, owed. One statement."""
    entry, moved = LedgerEntry, Transaction
    held = (
        sa.select(
            Payment.payee_id.label("user_id"),
            entry.currency.label("currency"),
            (-sa.func.sum(entry.amount)).label("held"),
        )
        .join(moved, moved.id == entry.transaction_id)
        .join(Payment, Payment.id == moved.payment_id)
        .where(entry.account == Account.HELD_FOR_TUTORS, among(Payment.payee_id, user_ids))
        .group_by(Payment.payee_id, entry.currency)
        .subquery()
    )
    disputed = (
        sa.select(
            Payment.payee_id.label("user_id"),
            Payment.currency.label("currency"),
            sa.func.sum(Payment.disputed_total).label("disputed"),
        )
        .where(
            among(Payment.payee_id, user_ids),
            Payment.transferred_total > 0,
            Payment.disputed_total > 0,
        )
        .group_by(Payment.payee_id, Payment.currency)
        .subquery()
    )
    own = sa.select(TutorBalance).where(among(TutorBalance.user_id, user_ids)).subquery()

    def zero(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(column, 0)

    user_id = sa.func.coalesce(held.c.user_id, own.c.user_id)
    currency = sa.func.coalesce(held.c.currency, own.c.currency)
    rows = await session.execute(
        sa.select(
            user_id.label("user_id"),
            currency.label("currency"),
            zero(held.c.held).label("held"),
            zero(own.c.transferred).label("transferred"),
            zero(own.c.paid_out).label("paid_out"),
            zero(own.c.pending).label("pending"),
            zero(own.c.debt).label("debt"),
            zero(disputed.c.disputed).label("disputed"),
        )
        .select_from(held)
        .join(
            own,
            sa.and_(own.c.user_id == held.c.user_id, own.c.currency == held.c.currency),
            full=True,
        )
        .outerjoin(
            disputed, sa.and_(disputed.c.user_id == user_id, disputed.c.currency == currency)
        )
        .order_by(currency)
    )
    found: dict[UUID, list[Balance]] = {}
    for row in rows:
        on_account = int(row.transferred - row.paid_out - row.pending)
        found.setdefault(row.user_id, []).append(
            Balance(
                currency=row.currency,
                held=int(row.held),
                available=max(0, on_account - int(row.debt) - int(row.disputed)),
                pending=int(row.pending),
                paid_out=int(row.paid_out),
                debt=int(row.debt),
            )
        )
    return [found.get(id_, []) for id_ in user_ids]
