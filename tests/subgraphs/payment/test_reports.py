"""Figures: what tutors earned, what the platform turned over, and what the books differ in."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from shared.db import utc_now
from shared.ids import new_id
from subgraphs.payment.timers import reconcile
from tests.subgraphs.payment.test_invoices import fetch
from tests.subgraphs.payment.world import World, later

EARNINGS = """query($from: DateTime!, $to: DateTime!) { earnings(from: $from, to: $to) {
  payments gross { amount currency } refunded { amount } net { amount } transferred { amount }
  paidOut { amount } } }"""
REPORT = """query($from: DateTime!, $to: DateTime!) { financialReport(from: $from, to: $to) {
  csv turnover { payments gross { amount currency } fees { amount } refunds { amount }
    chargebacks { amount } couponCost { amount } disputeLosses { amount } transfers { amount }
    reversals { amount } payouts { amount } } } }"""
DIFFERENCES = """{ reconciliationDifferences {
  nodes { id kind providerId booked found resolvedAt } } }"""
TODAY = {"from": later(-1).isoformat(), "to": later(1).isoformat()}


async def some_business(world: World) -> None:
    """Two lessons, one refunded by a third after its transfer, and a course in euros."""
    await world.onboard()
    lesson, payment = await world.paid_lesson()
    await world.complete(lesson)
    await world.work()
    await world.refund(payment, 3_000)
    await world.paid_lesson(price_amount=5_000)
    seat = await world.reserve_seat()
    await world.give_card(await world.create(seat.course_id, payableType="COURSE"))
    await world.notify()
    await world.work()


def amounts(row: dict[str, Any]) -> dict[str, int]:
    """The figures alone."""
    return {k: v["amount"] if isinstance(v, dict) else v for k, v in row.items()}


async def test_earnings_add_up_by_currency(world: World) -> None:
    await some_business(world)
    euros, dollars = (await world.tutor.ask(EARNINGS, **TODAY)).data["earnings"]
    assert euros["gross"] == {"amount": 16_000, "currency": "EUR"}
    assert amounts(dollars) == {
        "payments": 2,
        "gross": 12_000,
        "refunded": 2_400,
        "net": 9_600,
        "transferred": 5_600,
        "paidOut": 0,
    }
    assert (await world.student.ask(EARNINGS, **TODAY)).codes == ["FORBIDDEN"]
    backwards = {"from": TODAY["to"], "to": TODAY["from"]}
    assert (await world.tutor.ask(EARNINGS, **backwards)).codes == ["INVALID_INPUT"]
    past = {"from": later(-48).isoformat(), "to": later(-24).isoformat()}
    assert (await world.tutor.ask(EARNINGS, **past)).data["earnings"] == []


async def test_report_of_the_platform_adds_up(world: World) -> None:
    await some_business(world)
    report = (await world.admin.ask(REPORT, **TODAY)).data["financialReport"]
    euros, dollars = report["turnover"]
    assert amounts(euros)["gross"] == 20_000
    assert amounts(dollars) == {
        "payments": 2,
        "gross": 15_000,
        "fees": 2_400,
        "refunds": 3_000,
        "chargebacks": 0,
        "couponCost": 0,
        "disputeLosses": 0,
        "transfers": 8_000,
        "reversals": 2_400,
        "payouts": 0,
    }
    assert report["csv"].splitlines()[2].startswith("USD,2,15000,2400,3000,")
    assert (await world.tutor.ask(REPORT, **TODAY)).codes == ["FORBIDDEN"]


async def test_statement_of_a_month_lists_every_movement(world: World) -> None:
    await some_business(world)
    query = """query($month: String!) { tutorStatement(month: $month) {
      month pdfUrl lines { kind amount { amount currency } } earnings { net { amount } } } }"""
    month = f"{utc_now():%Y-%m}"
    found = (await world.tutor.ask(query, month=month)).data["tutorStatement"]
    lines = [(line["kind"], line["amount"]["amount"]) for line in found["lines"]]
    assert sorted(lines) == [
        ("PAYMENT", 4_000),
        ("PAYMENT", 8_000),
        ("PAYMENT", 16_000),
        ("REFUND", -2_400),
    ]
    document = await fetch(world, found["pdfUrl"])
    assert (document.status_code, document.content[:5]) == (200, b"%PDF-")
    for wrong in ("2026-13", "2026", "nonsense", "2026-1"):
        assert (await world.tutor.ask(query, month=wrong)).codes == ["INVALID_INPUT"]


async def test_books_that_agree_have_no_differences(world: World) -> None:
    await some_business(world)
    assert await reconcile(world.runtime, utc_now() - timedelta(hours=1)) == 0
    assert await world.scalar("SELECT count(*) FROM reconciliation_differences") == 0


async def test_what_differs_is_kept_once_and_explained_by_a_person(world: World) -> None:
    await some_business(world)
    # By hand at the provider: a refund and a payment that no row here knows.
    charge = (await world.provider.books())["charges"][1]["id"]
    await world.provider.client.post("/v1/refunds", data={"charge": charge, "amount": 700})
    # By hand in the books: a charge that the provider does not know.
    lost = new_id()
    async with world.runtime.database.write() as session:
        await session.execute(
            sa.text(
                "INSERT INTO transactions (id, kind, cause_id, amount, currency, provider_id)"
                " VALUES (:id, 'PAYMENT', :id, 900, 'USD', 'ch_lost')"
            ),
            {"id": lost},
        )
        await session.execute(
            sa.text(
                "INSERT INTO ledger_entries (id, transaction_id, account, amount, currency)"
                " VALUES (gen_random_uuid(), :id, 'PROVIDER_BALANCE', 900, 'USD'),"
                " (gen_random_uuid(), :id, 'UNMATCHED_RECEIPTS', -900, 'USD')"
            ),
            {"id": lost},
        )
    since = utc_now() - timedelta(hours=1)
    assert await reconcile(world.runtime, since) == 2
    assert await reconcile(world.runtime, since) == 0
    nodes = (await world.admin.ask(DIFFERENCES)).data["reconciliationDifferences"]["nodes"]
    assert sorted((n["kind"], n["booked"], n["found"]) for n in nodes) == [
        ("CHARGE", 900, None),
        ("REFUND", None, 700),
    ]
    assert (await world.tutor.ask(DIFFERENCES)).codes == ["FORBIDDEN"]
    resolve = """mutation($id: ID!) { resolveReconciliationDifference(id: $id) {
      ... on ReconciliationDifference { resolvedAt } } }"""
    done = await world.admin.ask(resolve, id=nodes[0]["id"])
    assert done.data["resolveReconciliationDifference"]["resolvedAt"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET amount = 2 * amount",
        "UPDATE transactions SET amount = 0",
        "UPDATE payment_events SET data = '{}'",
        "UPDATE payment_audit_log SET changed_by = 'nobody'",
        "DELETE FROM ledger_entries",
        "DELETE FROM payment_events",
        "DELETE FROM payment_audit_log",
    ],
)
async def test_history_cannot_be_changed(world: World, statement: str) -> None:
    await world.paid_lesson()
    with pytest.raises(sa.exc.IntegrityError, match="append-only"):
        async with world.runtime.database.write() as session:
            await session.execute(sa.text(statement))


async def test_transaction_that_does_not_sum_to_zero_is_refused(world: World) -> None:
    _, payment = await world.paid_lesson()
    before = await world.accounts()
    with pytest.raises(sa.exc.IntegrityError, match="does not sum to zero"):
        async with world.runtime.database.write() as session:
            await session.execute(
                sa.text(
                    "INSERT INTO ledger_entries (id, transaction_id, account, amount, currency)"
                    " SELECT gen_random_uuid(), id, 'PLATFORM_FEES', 1, 'USD' FROM transactions"
                )
            )
    assert await world.accounts() == before
    assert payment.amount == 10_000
