"""Documents as PDF, behind links that open for a short while and need no token of their own."""

import io
from collections.abc import Sequence
from typing import Literal, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel

from shared.db import ReadSession
from shared.seal import BadSeal, SealExpired, seal, unseal
from subgraphs.payment.config import Settings
from subgraphs.payment.models import Invoice, InvoiceKind, Payment
from subgraphs.payment.service import reports, users

PURPOSE = "payment-document"
# Currencies whose smallest unit is the whole (ISO 4217), and those of three digits.
_WHOLE = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"),
        *("PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
    }
)
_THREE = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_TITLES = {InvoiceKind.INVOICE: "Invoice", InvoiceKind.CREDIT_NOTE: "Credit note"}


class Link(BaseModel):
    """What a link opens."""

    kind: Literal["invoice", "statement"]
    id: UUID
    month: str | None = None


class Document(NamedTuple):
    """A PDF with its file name."""

    name: str
    content: bytes


def invoice_url(settings: Settings, invoice: Invoice) -> str:
    """A link to an invoice for whoever may see it now."""
    return _url(settings, f"{invoice.number}.pdf", Link(kind="invoice", id=invoice.id))


def statement_url(settings: Settings, user_id: UUID, month: str) -> str:
    """A link to a tutor's statement."""
    link = Link(kind="statement", id=user_id, month=month)
    return _url(settings, f"statement-{month}.pdf", link)


def _url(settings: Settings, name: str, link: Link) -> str:
    token = seal(settings.seal_secrets, PURPOSE, link, seconds=settings.document_link_seconds)
    return f"{settings.jwt_issuer.rstrip('/')}/documents/{name}?token={token}"


async def open_document(
    session: ReadSession, settings: Settings, token: str, *, name: str
) -> Document | None:
    """The document that a link opens, or None for a link that is not ours or too old."""
    try:
        link = unseal(settings.seal_secrets, PURPOSE, token, Link)
    except (BadSeal, SealExpired):
        return None
    if link.kind == "statement":
        return await _statement(session, settings, link)
    row = await session.execute(
        sa.select(Invoice, Payment)
        .join(Payment, Payment.id == Invoice.payment_id)
        .where(Invoice.id == link.id)
    )
    found = row.one_or_none()
    if found is None:
        return None
    invoice, payment = found
    return Document(f"{invoice.number}.pdf", _invoice(settings, invoice, payment))


def money(amount: int, currency: str) -> str:
    """An amount as people write it: 1999 USD is 19.99 USD."""
    digits = 0 if currency in _WHOLE else 3 if currency in _THREE else 2
    sign, whole = "-" if amount < 0 else "", str(abs(amount)).rjust(digits + 1, "0")
    point = len(whole) - digits
    return f"{sign}{whole[:point]}{'.' if digits else ''}{whole[point:]} {currency}"


def _invoice(settings: Settings, invoice: Invoice, payment: Payment) -> bytes:
    lines = [
        ("Number", invoice.number),
        ("Date", f"{invoice.issued_at:%Y-%m-%d}"),
        ("To", invoice.payer_name),
        ("For", f"{payment.payable_type.capitalize()} with {invoice.payee_name}"),
        ("Reference", str(payment.purchase_id)),
    ]
    if invoice.kind == InvoiceKind.INVOICE and payment.price > payment.amount:
        lines += [
            ("Price", money(payment.price, payment.currency)),
            ("Discount", money(payment.amount - payment.price, payment.currency)),
        ]
    lines.append(("Amount", money(invoice.amount, invoice.currency)))
    return _pdf(settings, _TITLES[InvoiceKind(invoice.kind)], lines)


async def _statement(session: ReadSession, settings: Settings, link: Link) -> Document:
    month = link.month or ""
    found = await reports.get_statement(session, link.id, month)
    lines = [("Month", month), ("Tutor", await users.name_of(session, link.id))]
    lines += [
        (
            f"{line.at:%Y-%m-%d}",
            f"{line.kind.replace('_', ' ').lower()}: {money(line.amount, line.currency)}",
        )
        for line in found.lines
    ]
    lines += [("Earned", money(row.net, row.currency)) for row in found.earnings]
    lines += [("Paid out", money(row.paid_out, row.currency)) for row in found.earnings]
    return Document(f"statement-{month}.pdf", _pdf(settings, "Statement", lines))


def _pdf(settings: Settings, title: str, lines: Sequence[tuple[str, str]]) -> bytes:
    # Loaded when the first document is made: nothing else needs it.
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    # The same content gives the same bytes.
    page = Canvas(buffer, pagesize=A4, invariant=1)
    page.setTitle(title)
    page.setAuthor(settings.invoice_issuer)
    top, bottom, step = A4[1] - 30 * mm, 20 * mm, 7 * mm
    page.setFont("Helvetica-Bold", 16)
    page.drawString(25 * mm, top, f"{settings.invoice_issuer}: {title}")
    place = top - 2 * step
    for name, value in lines:
        if place < bottom:
            page.showPage()
            place = top
        page.setFont("Helvetica", 10)
        page.drawString(25 * mm, place, name)
        page.drawString(65 * mm, place, value)
        place -= step
    page.save()
    return buffer.getvalue()
