"""Earnings, statements and the platform's report as clients see them."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from shared.graph import Money, described_enum
from subgraphs.payment import models
from subgraphs.payment.graph.context import Info, money
from subgraphs.payment.service import documents, reports

described_enum(
    models.TransactionKind,
    "Why money moved.",
    PAYMENT="A payer paid.",
    REFUND="A payer got money back.",
    REFUND_RETURNED="A refund came back.",
    TRANSFER="The tutor's part was sent.",
    TRANSFER_REVERSAL="A part of a transfer was taken back.",
    DISPUTE="A payer's bank took money for now.",
    DISPUTE_WON="A payer's bank gave it back.",
    DISPUTE_LOST="A payer's bank kept what was refunded already.",
    CHARGEBACK="A payer's bank kept it.",
    PAYOUT="A tutor's bank got money.",
    PAYOUT_RETURNED="A payout came back.",
    UNMATCHED="Something else was received than was asked for.",
    UNMATCHED_REFUND="That went back.",
)

From = Annotated[datetime, strawberry.argument(name="from", description="The start.")]
To = Annotated[datetime, strawberry.argument(name="to", description="The end, not included.")]


@strawberry.type(description="What a tutor earned in one currency over a time.")
class Earnings:
    payments: int = strawberry.field(description="How many payments were received.")
    gross: Money = strawberry.field(description="The tutor's parts of what was received.")
    refunded: Money = strawberry.field(description="What of that went back.")
    net: Money = strawberry.field(description="What remains.")
    transferred: Money = strawberry.field(description="What came to the tutor's account.")
    paid_out: Money = strawberry.field(description="What the tutor's bank got.")

    @classmethod
    def of(cls, row: reports.Earnings) -> Self:
        """From the ledger's figures."""
        return cls(
            payments=row.payments,
            gross=money(row.gross, row.currency),
            refunded=money(row.refunded, row.currency),
            net=money(row.net, row.currency),
            transferred=money(row.transferred, row.currency),
            paid_out=money(row.paid_out, row.currency),
        )


@strawberry.type(description="One movement on a tutor's statement.")
class StatementLine:
    at: datetime = strawberry.field(description="When.")
    kind: models.TransactionKind = strawberry.field(description="Why.")
    amount: Money = strawberry.field(description="Positive for the tutor; payouts are negative.")


@strawberry.type(description="A tutor's month; at most 1,000 lines.")
class TutorStatement:
    month: str = strawberry.field(description="Such as 2026-11, in UTC.")
    lines: list[StatementLine] = strawberry.field(description="In order of time.")
    earnings: list[Earnings] = strawberry.field(description="The sums, by currency.")
    pdf_url: str = strawberry.field(description="A link to the PDF that opens for some minutes.")


@strawberry.type(description="What the platform turned over in one currency.")
class Turnover:
    payments: int = strawberry.field(description="How many payments were received.")
    gross: Money = strawberry.field(description="What payers paid.")
    fees: Money = strawberry.field(description="The platform's part, after refunds.")
    refunds: Money = strawberry.field(description="What went back to payers.")
    chargebacks: Money = strawberry.field(description="What banks kept for payers.")
    coupon_cost: Money = strawberry.field(description="What coupons cost the platform.")
    dispute_losses: Money = strawberry.field(description="What banks kept besides refunds.")
    transfers: Money = strawberry.field(description="What went to tutors' accounts.")
    reversals: Money = strawberry.field(description="What was taken back from there.")
    payouts: Money = strawberry.field(description="What tutors' banks got.")

    @classmethod
    def of(cls, row: reports.Turnover) -> Self:
        """From the ledger's figures."""
        amounts = {
            name: money(value, row.currency)
            for name, value in vars(row).items()
            if name not in ("currency", "payments")
        }
        return cls(payments=row.payments, **amounts)


@strawberry.type(description="What the platform turned over.")
class FinancialReport:
    turnover: list[Turnover] = strawberry.field(description="By currency.")
    csv: str = strawberry.field(description="The same for a spreadsheet, in minor units.")


@strawberry.type
class ReportQueries:
    @strawberry.field(description="What the viewer earned, by currency; for tutors.")
    async def earnings(self, info: Info, since: From, until: To) -> list[Earnings]:
        info.context.viewer.require_role("tutor")
        user_id = info.context.viewer.require_user()
        async with info.context.read() as session:
            rows = await reports.get_earnings(session, user_id, since, until)
        return [Earnings.of(row) for row in rows]

    @strawberry.field(description="The viewer's month as a tutor; for tutors.")
    async def tutor_statement(
        self,
        info: Info,
        month: Annotated[str, strawberry.argument(description="Such as 2026-11.")],
    ) -> TutorStatement:
        info.context.viewer.require_role("tutor")
        user_id = info.context.viewer.require_user()
        async with info.context.read() as session:
            found = await reports.get_statement(session, user_id, month)
        return TutorStatement(
            month=month,
            lines=[
                StatementLine(at=line.at, kind=line.kind, amount=money(line.amount, line.currency))
                for line in found.lines
            ],
            earnings=[Earnings.of(row) for row in found.earnings],
            pdf_url=documents.statement_url(info.context.settings, user_id, month),
        )

    @strawberry.federation.field(
        description="What the platform turned over; for admins.", tags=["admin"]
    )
    async def financial_report(self, info: Info, since: From, until: To) -> FinancialReport:
        async with info.context.read() as session:
            rows = await reports.get_turnover(session, info.context.viewer, since, until)
        return FinancialReport(
            turnover=[Turnover.of(row) for row in rows], csv=reports.turnover_csv(rows)
        )
