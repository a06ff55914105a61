"""Invoices and credit notes as clients see them."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Self

import strawberry

from shared.graph import Money, described_enum
from shared.ids import parse_id_or_none
from subgraphs.payment import models
from subgraphs.payment.graph.context import Info, money
from subgraphs.payment.service import documents, invoices

described_enum(
    models.InvoiceKind,
    "What a document says.",
    INVOICE="What was paid.",
    CREDIT_NOTE="What was given back.",
)


@strawberry.federation.type(
    keys=["id"], description="An invoice or credit note; for its payer, its payee and admins."
)
class Invoice:
    row: strawberry.Private[models.Invoice]

    @strawberry.field(description="Identifies the document.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="Its number, without gaps in its series and year.")
    def number(self) -> str:
        return self.row.number

    @strawberry.field(description="What it says.")
    def kind(self) -> models.InvoiceKind:
        return models.InvoiceKind(self.row.kind)

    @strawberry.field(description="What was paid or given back.")
    def amount(self) -> Money:
        return money(self.row.amount, self.row.currency)

    @strawberry.field(description="The payer's name on the day.")
    def payer_name(self) -> str:
        return self.row.payer_name

    @strawberry.field(description="The tutor's name on the day.")
    def payee_name(self) -> str:
        return self.row.payee_name

    @strawberry.field(description="When it was issued.")
    def issued_at(self) -> datetime:
        return self.row.issued_at

    @strawberry.field(description="A link to the PDF that opens for some minutes.")
    def pdf_url(self, info: Info) -> str:
        return documents.invoice_url(info.context.settings, self.row)

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Self | None]:
        loader = info.context.loader(invoices.get_invoices, into=cls, viewer=info.context.viewer)
        return loader.load(parse_id_or_none(id))


@strawberry.type
class InvoiceQueries:
    @strawberry.field(description="An invoice, or null; for its payer, its payee and admins.")
    async def invoice(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> Invoice | None:
        return await Invoice.resolve_reference(info, id)
