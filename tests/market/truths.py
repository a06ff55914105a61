"""What is true of the market: after every step, and when everything has come to rest."""

from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.runtime import Runtime
from subgraphs.payment.models import (
    Dispute,
    LedgerEntry,
    PayableRef,
    Payment,
    PaymentEvent,
    Payout,
    Refund,
    Transaction,
    Transfer,
    TutorBalance,
)
from subgraphs.payment.service import history
from tests.market.town import Town

LIVE = "('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS')"
PAID = ("SCHEDULED", "IN_PROGRESS", "COMPLETED", "NO_SHOW_STUDENT", "NO_SHOW_TUTOR", "DISPUTED")
# One statement a database; what it counts must be nought.
_LEARNING = sa.text(f"""
  SELECT
    (SELECT count(*) FROM lessons a JOIN lessons b ON a.tutor_id = b.tutor_id AND a.id < b.id
       AND tstzrange(a.starts_at, a.ends_at, '[)') && tstzrange(b.starts_at, b.ends_at, '[)')
     WHERE a.status IN {LIVE} AND b.status IN {LIVE}) AS overlaps_of_tutors,
    (SELECT count(*) FROM lesson_participants a JOIN lesson_participants b
       ON a.user_id = b.user_id AND a.lesson_id < b.lesson_id
       AND tstzrange(a.starts_at, a.ends_at, '[)') && tstzrange(b.starts_at, b.ends_at, '[)')
     WHERE a.is_live AND b.is_live AND a.is_exclusive AND b.is_exclusive) AS overlaps_of_people,
    (SELECT count(*) FROM lesson_participants p JOIN lessons l ON l.id = p.lesson_id
     WHERE p.starts_at <> l.starts_at OR p.ends_at <> l.ends_at
       OR p.is_live <> (l.status IN {LIVE})) AS participants_out_of_step,
    (SELECT count(*) FROM courses c
     WHERE current_students <> (SELECT count(*) FROM enrollments e
         WHERE e.course_id = c.id AND e.status IN ('ACTIVE', 'COMPLETED'))
       OR held_seats <> (SELECT count(*) FROM enrollments e
           WHERE e.course_id = c.id AND e.status = 'PENDING_PAYMENT')
         + (SELECT count(*) FROM waitlist_entries w
           WHERE w.course_id = c.id AND w.status = 'OFFERED')
       OR current_students + held_seats > max_students) AS wrong_seats,
    (SELECT count(*) FROM saga_instances
     WHERE state = 'NEEDS_ATTENTION' OR last_error ~ '^[A-Za-z]+(Error|Exception)$')
      AS accidents_of_sagas
""")  # noqa: S608 - a constant of this module
_PAYMENT = sa.text("""
  SELECT
    (SELECT count(*) FROM (SELECT 1 FROM ledger_entries GROUP BY transaction_id, currency
       HAVING sum(amount) <> 0) AS t) AS unbalanced_transactions,
    (SELECT count(*) FROM (SELECT 1 FROM ledger_entries e
       JOIN transactions t ON t.id = e.transaction_id
       GROUP BY t.payment_id, e.currency HAVING sum(e.amount) <> 0) AS t) AS unbalanced_payments,
    (SELECT count(*) FROM payments p
     WHERE p.refunded_total + p.refund_pending + p.disputed_total > p.amount
       OR p.refunded_total <> (SELECT coalesce(sum(r.amount), 0) FROM refunds r
         WHERE r.payment_id = p.id AND r.kind <> 'UNMATCHED' AND r.status = 'SUCCEEDED')
       OR p.refund_pending <> (SELECT coalesce(sum(r.amount), 0) FROM refunds r
         WHERE r.payment_id = p.id AND r.kind <> 'UNMATCHED'
           AND r.status IN ('PENDING', 'IN_FLIGHT', 'FAILED'))
       OR p.disputed_total <> (SELECT coalesce(sum(d.counted), 0) FROM disputes d
         WHERE d.payment_id = p.id AND d.status = 'OPEN')) AS wrong_refunds,
    (SELECT count(*) FROM payments p
     WHERE p.fee_refunded_total <>
       (2 * p.platform_fee * p.refunded_total + p.amount) / (2 * p.amount)
       OR p.platform_fee <> (p.amount * p.fee_bps + 5000) / 10000) AS wrong_fees,
    (SELECT count(*) FROM (SELECT 1 FROM payments WHERE status = 'SUCCEEDED'
       GROUP BY purchase_id HAVING count(*) > 1) AS t) AS paid_twice,
    (SELECT count(*) FROM saga_instances
     WHERE last_error ~ '^[A-Za-z]+(Error|Exception)$') AS accidents_of_sagas
""")


async def check_step(town: Town) -> None:
    """What holds at every moment; a database that nobody wrote to is not asked."""
    for name, runtime, statement in (
        ("learning", town.learning.runtime, _LEARNING),
        ("payment", town.payment.runtime, _PAYMENT),
    ):
        if name in town.chaos.written:
            async with runtime.database.read() as session:
                counts = (await session.execute(statement)).one()._asdict()
            assert not any(counts.values()), {k: v for k, v in counts.items() if v}
    town.chaos.written.clear()


class Accounts:
    """Everything that payment has written, read once."""

    def __init__(self) -> None:
        self.payments: list[Payment] = []
        self.refs: dict[UUID, PayableRef] = {}
        self.refunds: dict[UUID, list[Refund]] = defaultdict(list)
        self.transfers: dict[UUID, Transfer] = {}
        self.transactions: list[Transaction] = []
        self.entries: dict[UUID, list[LedgerEntry]] = defaultdict(list)
        self.balances: list[TutorBalance] = []
        self.payouts: list[Payout] = []
        self.disputes: list[Dispute] = []
        self.events: dict[UUID, list[PaymentEvent]] = defaultdict(list)

    @classmethod
    async def read(cls, runtime: Runtime) -> "Accounts":
        found = cls()
        async with runtime.database.read() as session:
            found.payments = list(await session.scalars(sa.select(Payment).order_by(Payment.id)))
            found.refs = {r.purchase_id: r for r in await session.scalars(sa.select(PayableRef))}
            for refund in await session.scalars(sa.select(Refund).order_by(Refund.id)):
                found.refunds[refund.payment_id].append(refund)
            found.transfers = {t.payment_id: t for t in await session.scalars(sa.select(Transfer))}
            found.transactions = list(await session.scalars(sa.select(Transaction)))
            for entry in await session.scalars(sa.select(LedgerEntry)):
                found.entries[entry.transaction_id].append(entry)
            found.balances = list(await session.scalars(sa.select(TutorBalance)))
            found.payouts = list(await session.scalars(sa.select(Payout)))
            found.disputes = list(await session.scalars(sa.select(Dispute)))
            for event in await session.scalars(
                sa.select(PaymentEvent).order_by(PaymentEvent.payment_id, PaymentEvent.version)
            ):
                found.events[event.payment_id].append(event)
        return found

    def sums(self, *, by_party: bool = False) -> dict[tuple[Any, ...], int]:
        """What each account holds in each currency."""
        found: dict[tuple[Any, ...], int] = defaultdict(int)
        for entries in self.entries.values():
            for entry in entries:
                party = (entry.party_id,) if by_party else ()
                found[(*party, entry.account, entry.currency)] += entry.amount
        return found

    def stuck(self, payment: Payment) -> list[Refund]:
        """What is owed besides a chargeback of a part that was lost: a person has to look."""
        lost = [d for d in self.disputes if (d.payment_id, d.status) == (payment.id, "LOST")]
        if not any(d.counted == d.amount < payment.amount for d in lost):
            return []
        refused = [r for r in self.refunds[payment.id] if r.status == "FAILED"]
        return [r for r in refused if r.failure_code == "charge_disputed"]

    def held(self, payment: Payment) -> int:
        """What is still kept for the tutor of a payment."""
        return -sum(
            entry.amount
            for moved in self.transactions
            if moved.payment_id == payment.id
            for entry in self.entries[moved.id]
            if entry.account == "HELD_FOR_TUTORS"
        )


async def check_rest(town: Town) -> None:
    """What holds when everything has arrived and nothing is left to do."""
    await check_step(town)
    found = await Accounts.read(town.payment.runtime)
    _check_payments(found)
    await _check_provider(town, found)
    _check_balances(found)
    await _check_lessons(town, found)
    await _check_seats(town, found)
    async with town.payment.runtime.database.read() as session:
        stuck = await session.execute(
            sa.text(
                "SELECT id, kind, step, last_error FROM saga_instances"
                " WHERE state = 'NEEDS_ATTENTION'"
            )
        )
        refused = [refund.id for each in found.payments for refund in found.stuck(each)]
        assert {tuple(row) for row in stuck} == {
            (id_, "refund", "prepare", "charge_disputed") for id_ in refused
        }
    assert await town.compare_books() == 0


def _check_payments(found: Accounts) -> None:
    """Payments have ended, are what their history says, and the tutor has the rest."""
    for payment in found.payments:
        assert payment.status in ("SUCCEEDED", "CANCELLED"), payment.status
        replayed = history.without_nothing(history.replay(found.events[payment.id]))
        assert replayed == history.as_replayed(payment)
        if payment.status == "CANCELLED":
            continue
        assert payment.disputed_total == 0
        stuck = found.stuck(payment)
        assert payment.refund_pending == sum(refund.amount for refund in stuck)
        if stuck:
            continue
        back = payment.tutor_refunded_total
        gone = payment.transferred_total - payment.reversed_total
        assert found.held(payment) == payment.tutor_part - back - gone
        ref, transfer = found.refs[payment.purchase_id], found.transfers.get(payment.id)
        is_over = ref.status == "DONE" or ref.refund_bps is not None
        if ref.payable_type == "COURSE":
            is_over = is_over or ref.status == "ACTIVE"
        if is_over and ref.status != "DISPUTED":
            # Every window has ended: nothing is kept back.
            assert found.held(payment) == 0, (ref.status, transfer and transfer.waits_for)
        else:
            assert gone == 0, ref.status


async def _check_provider(town: Town, found: Accounts) -> None:
    """The provider did what the ledger says, each once."""
    books = await town.provider.books()
    booked: dict[str, Counter[tuple[str, int]]] = defaultdict(Counter)
    for moved in found.transactions:
        if moved.provider_id is None:
            continue
        amount = moved.amount
        if moved.kind in ("TRANSFER", "TRANSFER_REVERSAL"):
            amount = abs(
                sum(e.amount for e in found.entries[moved.id] if e.account == "TUTOR_FUNDS")
            )
        booked[moved.kind][moved.provider_id, amount] += 1
    for kind, items in (
        ("PAYMENT", books["charges"]),
        ("REFUND", books["refunds"]),
        ("TRANSFER", books["transfers"]),
        ("TRANSFER_REVERSAL", books["transfer_reversals"]),
    ):
        assert booked[kind] == Counter((item["id"], item["amount"]) for item in items), kind
    for items in (books["refunds"], books["transfer_reversals"]):
        causes = Counter(item["metadata"]["refund_id"] for item in items)
        assert not causes or max(causes.values()) == 1
    assert len({i["metadata"]["payment_id"] for i in books["transfers"]}) == len(books["transfers"])
    paid_out = {p.provider_payout_id: p for p in found.payouts if p.provider_payout_id}
    assert {(i["id"], i["amount"], i["status"].upper()) for i in books["payouts"]} == {
        (id_, p.amount, p.status) for id_, p in paid_out.items()
    }
    sums = found.sums()
    for currency in ("USD", "EUR"):
        held = books["balance"].get(currency.lower(), 0)
        assert held == sums["PROVIDER_BALANCE", currency]
        assert sums["DISPUTED", currency] == 0
        assert sums["UNMATCHED_RECEIPTS", currency] == 0
    parties = found.sums(by_party=True)
    for tutor, account in zip(town.tutors, town.accounts, strict=True):
        there = (await town.look("balance", account=account))["available"]
        amounts = {item["currency"].upper(): item["amount"] for item in there}
        for currency in ("USD", "EUR"):
            assert amounts.get(currency, 0) == parties[tutor, "TUTOR_FUNDS", currency]


def _check_balances(found: Accounts) -> None:
    """Tutors' balances are what the ledger says; nothing is on its way."""
    parties = found.sums(by_party=True)
    for row in found.balances:
        key = (row.currency,)
        assert row.pending == 0
        assert row.transferred - row.paid_out == parties[row.user_id, "TUTOR_FUNDS", *key]
        assert row.debt == parties[row.user_id, "TUTOR_DEBT", *key]
        assert row.paid_out == sum(
            p.amount
            for p in found.payouts
            if (p.user_id, p.currency, p.status) == (row.user_id, row.currency, "PAID")
        )
    for (party, account, _), amount in parties.items():
        if account == "TUTOR_PAYABLE":
            assert amount <= 0, party


def _by_purchase(found: Accounts) -> dict[UUID, Payment]:
    return {p.purchase_id: p for p in found.payments if p.status == "SUCCEEDED"}


def _check_refund(found: Accounts, payment: Payment, refund_bps: int | None, what: str) -> None:
    """The payer has back what was decided, and what an admin or a bank gave besides."""
    decided = (payment.amount * (refund_bps or 0) + 5000) // 10_000
    if found.stuck(payment):
        return
    done = [r for r in found.refunds[payment.id] if r.status == "SUCCEEDED"]
    besides = sum(r.amount for r in done if r.kind != "DECISION")
    assert payment.refunded_total >= decided, (what, refund_bps, payment.refunded_total)
    assert max(decided, besides) <= payment.refunded_total <= decided + besides, what
    if not besides:
        assert payment.refunded_total == decided, what


async def _check_lessons(town: Town, found: Accounts) -> None:
    """Lessons agree with their payments."""
    payments = _by_purchase(found)
    async with town.learning.runtime.database.read() as session:
        rows = (await session.execute(sa.text("SELECT * FROM lessons"))).all()
    for row in rows:
        payment = payments.get(row.id)
        what = f"a lesson that is {row.status}"
        assert row.status != "PENDING_PAYMENT"
        assert (row.paid_at is not None) == (payment is not None), what
        if row.status in PAID:
            assert payment is not None or row.price_amount == 0, what
        if payment is not None:
            assert (payment.amount, payment.currency) == (row.price_amount, row.price_currency)
            if row.status == "EXPIRED":
                assert row.refund_bps == 10_000
            if row.status.startswith("CANCELLED"):
                assert row.refund_bps is not None
            ref = found.refs[row.id]
            assert (ref.version, ref.refund_bps) == (row.version, row.refund_bps), what
            # A decision that a new dispute takes back stays paid.
            if row.status != "DISPUTED":
                _check_refund(found, payment, row.refund_bps, what)


async def _check_seats(town: Town, found: Accounts) -> None:
    """Seats agree with their payments; a purchase that has no seat any more was decided."""
    payments = _by_purchase(found)
    async with town.learning.runtime.database.read() as session:
        rows = (
            await session.execute(
                sa.text(
                    "SELECT p.*, e.status FROM course_purchases p"
                    " LEFT JOIN enrollments e ON e.purchase_id = p.id"
                    "  AND e.status <> 'CANCELLED'"
                )
            )
        ).all()
    for row in rows:
        payment = payments.get(row.id)
        what = f"a purchase whose seat is {row.status}"
        assert row.status != "PENDING_PAYMENT"
        assert (row.paid_at is not None) == (payment is not None), what
        if row.status is not None:
            assert payment is not None, what
            assert row.refund_bps is None, what
        if payment is not None:
            assert (payment.amount, payment.currency) == (row.price_amount, row.price_currency)
            assert row.status is not None or row.refund_bps is not None, what
            _check_refund(found, payment, row.refund_bps, what)
