"""Payment with everybody around it: learning's events, the payer's browser, bank and provider."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import httpx
import sqlalchemy as sa

from shared.auth import SIGNATURE_HEADER, sign
from shared.db import utc_now
from shared.events import Event
from shared.events.learning import (
    LessonCompleted,
    LessonReserved,
    LessonState,
    SeatReserved,
)
from shared.ids import new_id
from shared.saga import run_due
from subgraphs.payment.models import (
    LedgerEntry,
    Payment,
    PaymentEvent,
    Transaction,
    TutorBalance,
)
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.sagas import sagas
from subgraphs.payment.service import history
from tests.support.graph import GraphClient, published, send
from tests.support.pipeline import user_state
from tests.support.plain import PLAIN
from tests.support.services import SECRET

PAYMENT = """
  id status amount { amount currency } refundedAmount { amount } pendingRefundAmount { amount }
  clientSecret nextAction failureCode
"""
CREATE = f"""mutation($input: CreatePaymentIntentInput!, $key: String) {{
  createPaymentIntent(input: $input, idempotencyKey: $key) {{
    __typename ... on Payment {{ {PAYMENT} }} ... on Problem {{ code message field }} }} }}"""
REFUND = """mutation($id: ID!, $amount: MinorUnits, $reason: String!, $key: String) {
  requestRefund(paymentId: $id, amount: $amount, reason: $reason, idempotencyKey: $key) {
    __typename ... on Payment { id refundedAmount { amount } pendingRefundAmount { amount } }
    ... on Problem { code message field } } }"""


@dataclass
class Provider:
    """The simulated provider's control API."""

    client: httpx.AsyncClient

    async def act(self, action: str, **params: Any) -> Any:
        """Do what payer, bank or provider would do."""
        answer = await self.client.post(f"/_test/{action}", json=params)
        assert answer.status_code in (200, 402), answer.text
        return answer.json()

    async def books(self) -> dict[str, Any]:
        """What the provider did."""
        found: dict[str, Any] = await self.act("books")
        return found

    async def fail(self, when: str, **fault: Any) -> None:
        """Let the next requests go wrong."""
        await self.act("faults", **({"count": 1} | fault), when=when)


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """The books of this process, empty."""
    headers = {"authorization": f"Bearer {os.environ['STRIPE_API_KEY']}"}
    base = os.environ["STRIPE_API_BASE"]
    async with httpx.AsyncClient(
        base_url=base, headers=headers, trust_env=False, verify=PLAIN
    ) as client:
        found = Provider(client)
        await found.act("reset")
        yield found


@dataclass
class World:
    """One test's people, with what they can do."""

    graph: GraphClient
    provider: Provider
    student_id: UUID = field(default_factory=new_id)
    tutor_id: UUID = field(default_factory=new_id)
    admin_id: UUID = field(default_factory=new_id)

    @property
    def runtime(self) -> PaymentRuntime:
        """Payment's runtime."""
        return cast("PaymentRuntime", self.graph.runtime)

    @property
    def student(self) -> GraphClient:
        """The payer."""
        return self.graph.as_user(self.student_id, "student")

    @property
    def tutor(self) -> GraphClient:
        """The payee."""
        return self.graph.as_user(self.tutor_id, "tutor")

    @property
    def admin(self) -> GraphClient:
        """An admin."""
        return self.graph.as_user(self.admin_id, "admin")

    async def settle_in(self) -> None:
        """Everybody registers."""
        await self.send(
            user_state(self.student_id),
            user_state(self.tutor_id, first_name="Tom", last_name="Teacher", roles=("tutor",)),
            user_state(self.admin_id, roles=("admin",)),
        )

    async def send(self, *events: Event, twice: bool = True) -> None:
        """Deliver events of others."""
        await send(self.graph.subgraph, self.graph.runtime, *events, twice=twice)

    # Learning

    def lesson(self, kind: type[LessonState] = LessonReserved, **changes: Any) -> LessonState:
        """A lesson of the tutor with the student."""
        now = utc_now()
        values: dict[str, Any] = {
            "lesson_id": new_id(),
            "tutor_id": self.tutor_id,
            "student_ids": (self.student_id,),
            "course_id": None,
            "kind": "ONE_TO_ONE",
            "status": "PENDING_PAYMENT",
            "starts_at": now + timedelta(days=3),
            "ends_at": now + timedelta(days=3, hours=1),
            "price_amount": 10_000,
            "price_currency": "USD",
            "hold_expires_at": now + timedelta(minutes=15),
            "completed_at": None,
            "dispute_until": None,
            "refund_bps": None,
            "version": 1,
        }
        return kind(**(values | changes))

    async def reserve(self, **changes: Any) -> LessonState:
        """A slot is held for the student."""
        lesson = self.lesson(**changes)
        await self.send(lesson)
        return lesson

    async def follow(
        self, lesson: LessonState, kind: type[LessonState], status: str, **changes: Any
    ) -> LessonState:
        """What became of a lesson."""
        values = lesson.model_dump() | {"status": status, "version": lesson.version + 1} | changes
        event = kind(**values)
        await self.send(event)
        return event

    async def complete(self, lesson: LessonState, **changes: Any) -> LessonState:
        """The lesson took place, and cannot be disputed any more."""
        values = {"completed_at": utc_now(), "dispute_until": utc_now() - timedelta(seconds=1)}
        return await self.follow(lesson, LessonCompleted, "COMPLETED", **(values | changes))

    async def reserve_seat(self, **changes: Any) -> SeatReserved:
        """A seat is held for the student."""
        values: dict[str, Any] = {
            "enrollment_id": new_id(),
            "course_id": new_id(),
            "student_id": self.student_id,
            "purchase_id": new_id(),
            "tutor_id": self.tutor_id,
            "price_amount": 20_000,
            "price_currency": "EUR",
            "expires_at": utc_now() + timedelta(minutes=15),
            "version": 1,
        }
        event = SeatReserved(**(values | changes))
        await self.send(event)
        return event

    # The payer

    async def create(
        self,
        payable_id: UUID,
        *,
        client: GraphClient | None = None,
        key: str | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """Begin to pay."""
        values = {"payableType": "LESSON", "payableId": payable_id} | changes
        answer = await (client or self.student).ask(CREATE, input=values, key=key)
        found: dict[str, Any] = answer.data["createPaymentIntent"]
        return found

    async def give_card(self, payment: dict[str, Any], card: str = "pm_card_visa") -> Any:
        """The browser confirms with a card."""
        secret = payment["clientSecret"]
        return await self.provider.act("pay", client_secret=secret, payment_method=card)

    async def pay(self, lesson: LessonState, **changes: Any) -> Payment:
        """Pay for a lesson, to the end."""
        made = await self.create(lesson.lesson_id, **changes)
        assert made["__typename"] == "Payment", made
        await self.give_card(made)
        await self.notify()
        payment = await self.payment(made["id"])
        assert payment.status == "SUCCEEDED"
        return payment

    async def paid_lesson(self, **changes: Any) -> tuple[LessonState, Payment]:
        """A lesson that is paid."""
        lesson = await self.reserve(**changes)
        return lesson, await self.pay(lesson)

    async def refund(self, payment: Payment, amount: int | None = None) -> dict[str, Any]:
        """An admin gives money back."""
        answer = await self.admin.ask(REFUND, id=payment.id, amount=amount, reason="as agreed")
        found: dict[str, Any] = answer.data["requestRefund"]
        return found

    # The tutor

    async def onboard(self, tutor_id: UUID | None = None) -> str:
        """The tutor's account is set up and enabled; its id at the provider."""
        client = self.graph.as_user(tutor_id or self.tutor_id, "tutor")
        answer = await client.ask(
            "mutation { startPayoutOnboarding { __typename ... on PayoutOnboarding { url } } }"
        )
        assert answer.data["startPayoutOnboarding"]["__typename"] == "PayoutOnboarding"
        account = await self.scalar(
            "SELECT provider_account_id FROM payout_accounts WHERE user_id = :id",
            id=tutor_id or self.tutor_id,
        )
        await self.provider.act("account", account=account, enabled=True)
        await self.notify()
        await self.work()
        return str(account)

    # The provider's notifications, and the worker

    async def post(self, payload: str, signature: str | None) -> int:
        """A notification as the router passes it on."""
        body = payload.encode()
        headers = {SIGNATURE_HEADER: sign(SECRET.encode(), body, ip="192.0.2.9")}
        if signature is not None:
            headers["stripe-signature"] = signature
        transport = httpx.ASGITransport(self.graph.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://payment", trust_env=False
        ) as client:
            answer = await client.post("/webhooks/stripe", content=body, headers=headers)
        return answer.status_code

    async def waiting(self) -> list[dict[str, Any]]:
        """Notifications that wait to be delivered; they count as sent then."""
        found: list[dict[str, Any]] = await self.provider.act("events")
        return found

    async def notify(
        self, order: Callable[[list[Any]], list[Any]] = list, *, times: int = 1
    ) -> list[str]:
        """Deliver what waits, in an order of the test's own, so many times."""
        events = order(await self.waiting())
        for _ in range(times):
            for event in events:
                assert await self.post(event["payload"], event["signature"]) == 200
        return [event["type"] for event in events]

    async def work(self, *, after: str = "0 seconds") -> None:
        """After some time the worker runs what is due soon, until nothing is."""
        pass_time = "UPDATE saga_instances SET deadline = deadline - CAST(:after AS interval)"
        hurry = (
            "UPDATE saga_instances SET deadline = clock_timestamp() WHERE state = 'RUNNING'"
            " AND deadline BETWEEN clock_timestamp() AND clock_timestamp() + interval '5 minutes'"
        )
        async with self.runtime.database.write() as session:
            await session.execute(sa.text(pass_time), {"after": after})
        for _ in range(50):
            async with self.runtime.database.write() as session:
                await session.execute(sa.text(hurry))
            if await run_due(self.runtime, sagas) == 0:
                return
        raise AssertionError("the sagas do not come to rest")

    async def run_due(self) -> None:
        """The worker runs once what is due by now."""
        await run_due(self.runtime, sagas)

    # What there is

    async def payment(self, id: object) -> Payment:
        """A payment's row."""
        async with self.runtime.database.read() as session:
            return await session.get_one(Payment, UUID(str(id)))

    async def scalar(self, query: str, **values: Any) -> Any:
        """One value of the database."""
        async with self.runtime.database.read() as session:
            return (await session.execute(sa.text(query), values)).scalar()

    async def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        async with self.runtime.database.read() as session:
            return [tuple(row) for row in await session.execute(sa.text(query), values)]

    async def told(self, *kinds: str) -> list[str]:
        """The events of payment that were published, by the last words of their types."""
        found = [
            type_.removeprefix("edtech.payment.") for type_, _ in await published(self.runtime)
        ]
        names = [name.removesuffix(".v1") for name in found]
        return [name for name in names if not kinds or name in kinds]

    async def told_of(self, kind: str) -> list[dict[str, Any]]:
        """The payloads of one kind of event."""
        return [payload for type_, payload in await published(self.runtime) if f".{kind}." in type_]

    async def accounts(self, payment_id: UUID | None = None) -> dict[str, int]:
        """What the ledger's accounts hold, without those at zero."""
        rows = await self.rows(
            "SELECT e.account, sum(e.amount) FROM ledger_entries e"
            " JOIN transactions t ON t.id = e.transaction_id"
            " WHERE CAST(:id AS uuid) IS NULL OR t.payment_id = :id"
            " GROUP BY 1 HAVING sum(e.amount) <> 0",
            id=payment_id,
        )
        return {account: int(amount) for account, amount in rows}

    async def balance(self, tutor_id: UUID | None = None, currency: str = "USD") -> TutorBalance:
        """A tutor's balance."""
        async with self.runtime.database.read() as session:
            return await session.get_one(TutorBalance, (tutor_id or self.tutor_id, currency))

    async def check_books(self) -> None:
        """What holds after every test: sums, replays, balances, and the cumulative rule."""
        async with self.runtime.database.read() as session:
            unbalanced = await session.execute(
                sa.select(Transaction.id)
                .outerjoin(LedgerEntry, LedgerEntry.transaction_id == Transaction.id)
                .group_by(Transaction.id, LedgerEntry.currency)
                .having(
                    sa.or_(sa.func.sum(LedgerEntry.amount) != 0, sa.func.count(LedgerEntry.id) < 2)
                )
            )
            assert unbalanced.all() == []
            payments = (await session.scalars(sa.select(Payment))).all()
            events = (
                await session.scalars(
                    sa.select(PaymentEvent).order_by(PaymentEvent.payment_id, PaymentEvent.version)
                )
            ).all()
            balances = (await session.scalars(sa.select(TutorBalance))).all()
        for payment in payments:
            own = [event for event in events if event.payment_id == payment.id]
            assert [event.version for event in own] == list(range(1, payment.version + 1))
            replayed = history.without_nothing(history.replay(own))
            assert replayed == history.as_replayed(payment)
            held = (await self.accounts(payment.id)).get("HELD_FOR_TUTORS", 0)
            if payment.status == "SUCCEEDED":
                assert held == -(
                    payment.tutor_part
                    - payment.tutor_refunded_total
                    - payment.transferred_total
                    + payment.reversed_total
                )
        for balance in balances:
            sums = dict(
                await self.rows(
                    "SELECT account, sum(amount) FROM ledger_entries"
                    " WHERE party_id = :id AND currency = :currency GROUP BY 1",
                    id=balance.user_id,
                    currency=balance.currency,
                )
            )
            on_account = balance.transferred - balance.paid_out
            assert int(sums.get("TUTOR_FUNDS", 0)) == on_account
            assert int(sums.get("TUTOR_PAYABLE", 0)) == -on_account


def later(hours: float) -> datetime:
    """A moment from now."""
    return utc_now() + timedelta(hours=hours)
