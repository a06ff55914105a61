"""The ledger beside the provider's books: what differs is kept for a person, never mended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from shared.db import ReadSession, WriteSession, database_now
from shared.errors import NotFound
from shared.ids import new_id, parse_id_or_none
from shared.pages import Order, Page, PageRequest, keyset
from shared.telemetry import log
from shared.viewer import Viewer
from subgraphs.payment.models import (
    Account,
    LedgerEntry,
    ReconciliationDifference,
    Transaction,
    TransactionKind,
)
from subgraphs.payment.ports import Moved
from subgraphs.payment.service import history

_NEWEST = Order.by(ReconciliationDifference.id.desc())
_LEDGER = {
    "CHARGE": (TransactionKind.PAYMENT, TransactionKind.UNMATCHED),
    "REFUND": (TransactionKind.REFUND, TransactionKind.UNMATCHED_REFUND),
    "TRANSFER": (TransactionKind.TRANSFER,),
}


@dataclass(frozen=True)
class Difference:
    """What the ledger and the provider say of one movement; None where one knows nothing."""

    kind: str
    provider_id: str
    payment_id: UUID | None
    currency: str
    booked: int | None
    found: int | None


async def compare(
    session: ReadSession,
    kind: str,
    found: Mapping[str, Moved],
    *,
    since: datetime,
    before: datetime,
) -> list[Difference]:
    """The differences of one kind among what happened between two moments."""
    # What of a transfer went against a debt was not sent.
    amount: sa.ColumnElement[int] = sa.inspect(Transaction.amount)
    if kind == "TRANSFER":
        amount = _sent()
    rows = await session.execute(
        sa.select(
            Transaction.provider_id,
            Transaction.payment_id,
            Transaction.currency,
            amount.label("amount"),
            Transaction.created_at,
        ).where(
            Transaction.kind.in_(_LEDGER[kind]),
            Transaction.provider_id.is_not(None),
            ~_came_back(),
            sa.or_(
                Transaction.provider_id.in_(list(found)),
                sa.and_(Transaction.created_at >= since, Transaction.created_at < before),
            ),
        )
    )
    booked = {row.provider_id: row for row in rows}
    differences = [
        Difference(kind, id_, row.payment_id, row.currency, int(row.amount), None)
        for id_, row in booked.items()
        if id_ not in found
    ]
    for id_, moved in found.items():
        if moved.status == "pending":
            continue
        if moved.status in ("failed", "canceled"):
            if row := booked.get(id_):
                # It failed after it had succeeded, and that was not heard.
                amounts = int(row.amount), 0
                differences.append(Difference(kind, id_, row.payment_id, row.currency, *amounts))
            continue
        if moved.created_at is not None and moved.created_at >= before:
            continue
        row = booked.get(id_)
        payment_id = row.payment_id if row else parse_id_or_none(moved.payment_id)
        if row is None:
            differences.append(
                Difference(kind, id_, payment_id, moved.currency, None, moved.amount)
            )
        elif (int(row.amount), row.currency) != (moved.amount, moved.currency):
            differences.append(
                Difference(kind, id_, payment_id, moved.currency, int(row.amount), moved.amount)
            )
    return differences


def _came_back() -> sa.ColumnElement[bool]:
    other = aliased(Transaction)
    return (
        sa.select(other.id)
        .where(
            other.cause_id == Transaction.cause_id,
            other.kind == TransactionKind.REFUND_RETURNED,
        )
        .correlate(Transaction)
        .exists()
    )


def unknown_dispute(item: Mapping[str, Any]) -> Difference:
    """A chargeback of a charge that is not ours."""
    currency = str(item["currency"]).upper()
    return Difference("DISPUTE", item["id"], None, currency, None, item["amount"])


def _sent() -> sa.ColumnElement[int]:
    return (
        sa.select(sa.func.coalesce(sa.func.sum(LedgerEntry.amount), 0))
        .where(
            LedgerEntry.transaction_id == Transaction.id,
            LedgerEntry.account == Account.TUTOR_FUNDS,
        )
        .correlate(Transaction)
        .scalar_subquery()
    )


async def keep(session: WriteSession, differences: list[Difference]) -> int:
    """Write down what is new; how many."""
    if not differences:
        return 0
    rows = [{"id": new_id(), **vars(difference)} for difference in differences]
    known = await session.scalars(
        insert(ReconciliationDifference)
        .values(rows)
        .on_conflict_do_nothing(index_elements=["kind", "provider_id"])
        .returning(ReconciliationDifference.id)
    )
    new = len(known.all())
    if new:
        log.error("ledger and provider differ", differences=new)
    return new


async def list_differences(
    session: ReadSession, viewer: Viewer, page: PageRequest, *, is_open: bool | None
) -> Page[ReconciliationDifference]:
    """Differences, the newest first, for admins."""
    viewer.require_role("admin")
    statement = sa.select(ReconciliationDifference)
    if is_open is not None:
        resolved = ReconciliationDifference.resolved_at
        statement = statement.where(resolved.is_(None) if is_open else resolved.is_not(None))
    return await keyset(session, statement, _NEWEST, page)


async def resolve(
    session: WriteSession, viewer: Viewer, difference_id: UUID
) -> ReconciliationDifference:
    """A person has explained a difference, for admins. Raises NotFound."""
    viewer.require_role("admin")
    row = await session.get(ReconciliationDifference, difference_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such difference.", field="id")
    if row.resolved_at is None:
        row.resolved_at = await database_now(session)
        history.audit(session, "difference", row.id, "RESOLVED", {}, {}, actor=viewer.key)
        await session.flush()
    return row
