"""Invoices and credit notes: numbers without gaps, and who may see them."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession, among, database_now
from shared.events.payment import InvoiceIssued
from shared.lookup import ByKey
from shared.outbox import publish
from shared.pages import ListsByParent, Order, Page, PageRequest
from shared.viewer import Viewer
from subgraphs.payment.models import (
    Invoice,
    InvoiceCounter,
    InvoiceKind,
    Payment,
    Refund,
)
from subgraphs.payment.service import users

SERIES = {InvoiceKind.INVOICE: "INV", InvoiceKind.CREDIT_NOTE: "CN"}
_NEWEST = Order.by(Invoice.id.desc())
_OF_USER = ListsByParent(sa.select(Invoice), _NEWEST, parent=Invoice.payer_id)


async def issue(session: WriteSession, payment: Payment, refund: Refund | None = None) -> Invoice:
    """Give a payment its invoice, or a refund its credit note, under the next number.

    The counter stays locked until the transaction ends, and is rolled back with it: no gaps. So
    this is the last lock that a transaction takes.
    """
    kind = InvoiceKind.CREDIT_NOTE if refund else InvoiceKind.INVOICE
    payer = await users.name_of(session, payment.payer_id)
    payee = await users.name_of(session, payment.payee_id)
    year = (await database_now(session)).year
    series = SERIES[kind]
    serial = await session.scalar(
        insert(InvoiceCounter)
        .values(series=series, year=year, last=1)
        .on_conflict_do_update(
            index_elements=["series", "year"], set_={"last": InvoiceCounter.last + 1}
        )
        .returning(InvoiceCounter.last)
    )
    invoice = Invoice(
        kind=kind,
        series=series,
        year=year,
        serial=serial,
        payment_id=payment.id,
        refund_id=refund.id if refund else None,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        payer_name=payer,
        payee_name=payee,
        amount=refund.amount if refund else payment.amount,
        currency=payment.currency,
    )
    session.add(invoice)
    await session.flush()
    publish(
        session,
        InvoiceIssued(
            invoice_id=invoice.id,
            payment_id=payment.id,
            payer_id=payment.payer_id,
            payee_id=payment.payee_id,
            number=invoice.number,
            version=1,
        ),
    )
    return invoice


def may_see(invoice: Invoice, viewer: Viewer) -> bool:
    """An invoice is for its payer, its payee and admins."""
    return viewer.may_see_private(invoice.payer_id) or viewer.is_user(invoice.payee_id)


_INVOICES = ByKey(sa.select(Invoice), Invoice.id)


async def get_invoices(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[Invoice | None]:
    """Many invoices at once, in the order asked for; those not visible are None."""
    return await _INVOICES.find(session, ids, visible=lambda row: may_see(row, viewer))


async def get_payment_invoices(
    session: ReadSession, payment_ids: Sequence[UUID]
) -> list[list[Invoice]]:
    """The invoice and credit notes of each payment, the oldest first."""
    rows = await session.scalars(
        sa.select(Invoice).where(among(Invoice.payment_id, payment_ids)).order_by(Invoice.id)
    )
    found: dict[UUID, list[Invoice]] = {}
    for row in rows:
        found.setdefault(row.payment_id, []).append(row)
    return [found.get(id_, []) for id_ in payment_ids]


async def get_payable_invoices(
    session: ReadSession, payable_ids: Sequence[UUID], *, viewer: Viewer
) -> list[Invoice | None]:
    """The newest invoice for each lesson that the viewer may see."""
    rows = await session.execute(
        sa.select(Invoice, Payment.payable_id)
        .join(Payment, Payment.id == Invoice.payment_id)
        .where(among(Payment.payable_id, payable_ids), Invoice.kind == InvoiceKind.INVOICE)
        .order_by(Invoice.id)
    )
    found = {payable_id: row for row, payable_id in rows if may_see(row, viewer)}
    return [found.get(id_) for id_ in payable_ids]


async def list_invoices(
    session: ReadSession, user_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[Invoice]]:
    """What was invoiced to each user, the newest first."""
    return await _OF_USER.pages(session, page, user_ids)
