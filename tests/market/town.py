"""A small town with a market: learning and payment as they are, and everybody around them.

Each action is what one person, the bank, the provider, the clock or a worker does. A refusal is an
answer; an accident fails the test.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import httpx
import sqlalchemy as sa

from shared.auth import SIGNATURE_HEADER, sign
from shared.db import WriteSession, utc_now
from shared.errors import DomainError
from shared.events.matching import OFFER, Offer
from shared.ids import new_id
from shared.saga import retry, run_due
from shared.seal import seal
from shared.viewer import Viewer, ViewerKind
from subgraphs.learning.config import Settings as LearningSettings
from subgraphs.learning.models import Course, CourseStatus, LessonRole
from subgraphs.learning.models import UserRef as LearningUser
from subgraphs.learning.sagas import sagas as learning_sagas
from subgraphs.learning.service import (
    attendance,
    booking,
    cancellation,
    disputes,
    enrollments,
    purchases,
    waitlist,
)
from subgraphs.learning.timers import complete_lessons, end_waitlist_offers
from subgraphs.payment.models import UserRef as PaymentUser
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.sagas import accounts as account_steps
from subgraphs.payment.sagas import sagas as payment_sagas
from subgraphs.payment.service import accounts, payouts, refunds
from subgraphs.payment.timers import catch_up_disputes, pay_out_period, reconcile
from tests.market.chaos import Chaos
from tests.market.courier import Courier
from tests.subgraphs.learning import factories
from tests.subgraphs.payment.world import Provider
from tests.support.graph import GraphClient, clean
from tests.support.services import SECRET

TUTORS, STUDENTS = 3, 4
COURSES = ((0, 4001, "EUR"), (1, 9999, "USD"))
SLOT = timedelta(minutes=30)
CREATE = """mutation($input: CreatePaymentIntentInput!, $key: String) {
  createPaymentIntent(input: $input, idempotencyKey: $key) {
    __typename ... on Payment { id status clientSecret } ... on Problem { code message } } }"""
CANCEL = """mutation($id: ID!) { cancelPayment(id: $id) {
  __typename ... on Payment { id status } ... on Problem { code message } } }"""
# Requests that do nothing, one for each path that can be made to fail.
PLACES = (
    ("GET", "payment_intents"),
    ("GET", "refunds"),
    ("GET", "transfers"),
    ("POST", "transfers/none/reversals"),
    ("GET", "payouts"),
    ("GET", "accounts/none"),
)
# What payment does not listen to; each would cost a request.
UNHEARD = ("payment_intent.created", "charge.succeeded", "charge.refunded", "transfer.")
# A notification about these is asked for again if it is lost; the others are sent until they come.
MAY_BE_LOST = ("payment_intent.", "refund.created", "charge.dispute.", "account.updated")


@dataclass(frozen=True)
class Purchase:
    """A lesson, or a seat in a course, that somebody has reserved."""

    id: UUID
    payable_id: UUID
    student: int
    tutor: int
    enrollment_id: UUID | None = None
    number: int = 0

    def __repr__(self) -> str:
        return f"{'seat' if self.enrollment_id else 'lesson'} {self.number}"

    @property
    def kind(self) -> str:
        """As payment calls it."""
        return "COURSE" if self.enrollment_id else "LESSON"


class Town:
    """The people of one sequence of steps, and what they can do."""

    def __init__(
        self, learning: GraphClient, payment: GraphClient, provider: Provider, chaos: Chaos
    ) -> None:
        self.learning, self.payment = learning, payment
        self.provider, self.chaos = provider, chaos
        self.courier = Courier.between(learning, payment)
        self.tutors: list[UUID] = []
        self.students: list[UUID] = []
        self.admin_id = new_id()
        self.courses: list[UUID] = []
        self.units: list[UUID] = []
        self.secrets: dict[UUID, str] = {}
        self.accounts: list[str] = []
        self.count = 0
        self.start = utc_now()
        self._unanswered: list[dict[str, Any]] = []

    @property
    def bank(self) -> PaymentRuntime:
        """Payment's runtime."""
        return cast("PaymentRuntime", self.payment.runtime)

    @property
    def rules(self) -> LearningSettings:
        """Learning's settings."""
        return cast("LearningSettings", self.learning.runtime.settings)

    # Beginning

    async def settle_in(self) -> None:
        """Empty books; everybody is known everywhere, two of three tutors can be paid."""
        self.chaos.disarm()
        self.bank.provider.breaker.reset()
        await clean(self.learning.runtime)
        await clean(self.payment.runtime)
        await self.provider.act("reset")
        self.tutors = [new_id() for _ in range(TUTORS)]
        # The last student teaches, too.
        self.students = [*(new_id() for _ in range(STUDENTS - 1)), self.tutors[-1]]
        self.admin_id = new_id()
        self.courier = Courier.between(self.learning, self.payment)
        self.secrets, self.count, self._unanswered = {}, 0, []
        self.start = (utc_now() + timedelta(hours=48)).replace(microsecond=0)
        people = {id_: ["student"] for id_ in self.students} | {self.admin_id: ["admin"]}
        people |= {id_: ["student", "tutor"] for id_ in self.tutors}
        async with self.learning.runtime.database.write() as session:
            session.add_all(_known(LearningUser, id_, roles) for id_, roles in people.items())
            for id_ in self.tutors:
                await factories.create_tutor_ref(session, user_id=id_)
            made = [
                Course(
                    tutor_id=self.tutors[tutor],
                    title=f"Course of {price}",
                    level="BEGINNER",
                    price_amount=price,
                    price_currency=currency,
                    duration_minutes=60,
                    max_students=2,
                    language="en",
                    status=CourseStatus.PUBLISHED,
                    published_at=utc_now(),
                    version=2,
                )
                for tutor, price, currency in COURSES
            ]
            session.add_all(made)
            await session.flush()
            self.courses = [course.id for course in made]
            units = [
                await factories.create_unit(session, course_id=id_, position=position)
                for id_ in self.courses
                for position in (1, 2)
            ]
            self.units = [unit.id for unit in units[::2]]
        async with self.payment.runtime.database.write() as session:
            session.add_all(_known(PaymentUser, id_, roles) for id_, roles in people.items())
        self.accounts = [await self._onboard(number) for number in range(TUTORS)]
        for account in self.accounts[:-1]:
            await self.provider.act("account", account=account, enabled=True)
        await self.provider.act("events")
        await run_due(self.bank, payment_sagas)
        self.chaos.written.clear()

    async def _onboard(self, tutor: int) -> str:
        async with self.bank.database.write() as session:
            row = await accounts.begin(session, self.tutor(tutor))
        return await account_steps.open_account(self.bank, row.id, row.user_id)

    # Who acts

    def tutor(self, number: int) -> Viewer:
        """A tutor."""
        return _viewer(self.tutors[number], "tutor", "student")

    def student(self, number: int) -> Viewer:
        """A student."""
        return _viewer(self.students[number], "student")

    @property
    def admin(self) -> Viewer:
        """An admin."""
        return _viewer(self.admin_id, "admin")

    async def _learn(self, work: Callable[[WriteSession], Awaitable[Any]]) -> Any:
        try:
            async with self.learning.runtime.database.write() as session:
                return await work(session)
        except DomainError as refusal:
            return refusal.code

    async def _bank(self, work: Callable[[WriteSession], Awaitable[Any]]) -> Any:
        try:
            async with self.bank.database.write() as session:
                return await work(session)
        except DomainError as refusal:
            return refusal.code

    # Learning

    async def book(
        self, student: int, tutor: int, slot: int, minutes: int, price: int, currency: str
    ) -> Purchase | str:
        """Hold a slot of the third day; slots overlap."""
        start = self.start + slot * SLOT
        offer = Offer(
            tutor_id=self.tutors[tutor],
            starts_at=start,
            ends_at=start + timedelta(minutes=minutes),
            kind="ONE_TO_ONE",
            price_amount=price,
            price_currency=currency,
        )
        token = seal(self.rules.seal_secrets, OFFER, offer, seconds=600)
        row = await self._learn(
            lambda s: booking.book_lesson(s, self.student(student), token, settings=self.rules)
        )
        if isinstance(row, str):
            return row
        self.count += 1
        return Purchase(row.id, row.id, student, tutor, number=self.count)

    async def buy(self, student: int, course: int) -> Purchase | str:
        """Hold a seat."""
        viewer = self.student(student)
        row = await self._learn(
            lambda s: purchases.purchase_course(
                s, viewer, self.courses[course], settings=self.rules
            )
        )
        if isinstance(row, str):
            return row
        self.count += 1
        tutor = COURSES[course][0]
        return Purchase(
            row.purchase_id, self.courses[course], student, tutor, row.id, number=self.count
        )

    async def wait(self, student: int, course: int) -> Any:
        """Stand in line for a seat."""
        viewer = self.student(student)
        return await self._learn(lambda s: waitlist.join_waitlist(s, viewer, self.courses[course]))

    async def study(self, seat: Purchase) -> Any:
        """Do half of the course."""
        unit = self.units[self.courses.index(seat.payable_id)]
        viewer = self.student(seat.student)
        return await self._learn(lambda s: enrollments.complete_unit(s, viewer, unit))

    async def cancel(self, purchase: Purchase, by: str) -> Any:
        """Call a lesson off, or give a seat back."""
        if purchase.enrollment_id is not None:
            id_ = purchase.enrollment_id
            viewer = self.student(purchase.student)
            return await self._learn(
                lambda s: enrollments.cancel_enrollment(s, viewer, id_, settings=self.rules)
            )
        who = {
            "student": self.student(purchase.student),
            "tutor": self.tutor(purchase.tutor),
            "admin": self.admin,
        }[by]
        return await self._learn(
            lambda s: cancellation.cancel_lesson(s, who, purchase.id, reason=None)
        )

    async def begin_in(self, lesson: Purchase, hours: float) -> str:
        """Let a lesson begin in so many hours, if nobody is busy then."""
        try:
            async with self.learning.runtime.database.write() as session:
                await session.execute(
                    sa.text(
                        "UPDATE lessons SET ends_at = now() + :away + (ends_at - starts_at),"
                        " starts_at = now() + :away WHERE id = :id"
                    ),
                    {"away": timedelta(hours=hours), "id": lesson.id},
                )
        except sa.exc.IntegrityError:
            return "SLOT_TAKEN"
        return "moved"

    async def reschedule(self, lesson: Purchase, slot: int) -> Any:
        """The tutor moves a lesson."""
        start = self.start + slot * SLOT
        return await self._learn(
            lambda s: booking.reschedule_lesson(
                s,
                self.tutor(lesson.tutor),
                lesson.id,
                offer_token=None,
                starts_at=start,
                settings=self.rules,
            )
        )

    async def complete(self, lesson: Purchase) -> Any:
        """The lesson takes place, at a time when nothing else did."""
        await self.begin_in(lesson, -1.5 - 2 * lesson.number)
        return await self._learn(
            lambda s: attendance.complete_lesson(
                s, self.tutor(lesson.tutor), lesson.id, settings=self.rules
            )
        )

    async def miss(self, lesson: Purchase, who: LessonRole) -> Any:
        """Somebody does not come."""
        await self.begin_in(lesson, -0.5)
        viewer = self.student(lesson.student)
        if who == LessonRole.STUDENT:
            viewer = self.tutor(lesson.tutor)
        return await self._learn(
            lambda s: attendance.report_no_show(s, viewer, lesson.id, who=who, settings=self.rules)
        )

    async def complain(self, lesson: Purchase) -> Any:
        """The student disputes the lesson."""
        viewer = self.student(lesson.student)
        return await self._learn(
            lambda s: disputes.open_dispute(s, viewer, lesson.id, reason="not as agreed")
        )

    async def decide(self, lesson: Purchase, refund_bps: int) -> Any:
        """An admin decides a dispute."""
        return await self._learn(
            lambda s: disputes.resolve_dispute(s, self.admin, lesson.id, refund_bps=refund_bps)
        )

    async def run_learning(self) -> int:
        """Learning's worker."""
        ran = await run_due(self.learning.runtime, learning_sagas)
        await complete_lessons(self.learning.runtime)
        await end_waitlist_offers(self.learning.runtime)
        return ran

    # The payer

    async def begin(self, purchase: Purchase, *, key: str | None = None) -> str:
        """The payer begins to pay, or goes on."""
        client = self.payment.as_user(self.students[purchase.student], "student")
        given = {"payableType": purchase.kind, "payableId": purchase.payable_id}
        answer = await client.ask(CREATE, input=given, key=key)
        if answer.codes:
            assert "INTERNAL" not in answer.codes, answer.body
            return answer.codes[0]
        found = answer.data["createPaymentIntent"]
        if found["__typename"] == "Problem":
            return str(found["code"])
        if found["clientSecret"]:
            self.secrets[purchase.id] = found["clientSecret"]
        return str(found["status"])

    async def give_up(self, purchase: Purchase) -> str:
        """The payer gives the payment up."""
        id_ = await self._payment_id(purchase)
        if id_ is None:
            return "nothing"
        client = self.payment.as_user(self.students[purchase.student], "student")
        answer = await client.ask(CANCEL, id=id_)
        assert "INTERNAL" not in answer.codes, answer.body
        found = answer.codes or answer.data["cancelPayment"]
        return str(found.get("code", found.get("status")) if isinstance(found, dict) else found)

    async def give_card(self, purchase: Purchase, card: str) -> str:
        """The browser confirms with a card; the provider says what comes of it."""
        secret = self.secrets.get(purchase.id)
        if secret is None:
            return "not begun"
        answer = await self._control("pay", client_secret=secret, payment_method=card)
        return str(answer.get("status") or answer["error"].get("code"))

    async def confirm_at_bank(self, purchase: Purchase, outcome: str) -> str:
        """The payer confirms, or a slow payment arrives; or not."""
        secret = self.secrets.get(purchase.id)
        if secret is None:
            return "not begun"
        intent = await self.intent(secret)
        if intent["status"] not in ("requires_action", "processing"):
            return str(intent["status"])
        answer = await self._control("settle-intent", intent=intent["id"], outcome=outcome)
        return str(answer["status"])

    async def intent(self, secret: str) -> dict[str, Any]:
        """A payment as the provider sees it."""
        return await self.look(f"payment_intents/{secret.partition('_secret_')[0]}")

    async def look(self, path: str, *, account: str | None = None) -> dict[str, Any]:
        """Ask the provider's API, past the port."""
        headers = {"stripe-account": account} if account else {}
        answer = await self.provider.client.get(f"/v1/{path}", headers=headers)
        # A fault that waits for the next request hits this one, too.
        while answer.status_code >= 500:
            answer = await self.provider.client.get(f"/v1/{path}", headers=headers)
        found: dict[str, Any] = answer.json()
        return found

    async def _control(self, action: str, **params: Any) -> dict[str, Any]:
        answer = await self.provider.client.post(f"/_test/{action}", json=params)
        found: dict[str, Any] = answer.json()
        return found

    async def sell(self, *bought: Purchase, cards: Sequence[str] = ()) -> str:
        """The payers begin and give their cards, and the news arrives."""
        await self.courier.all()
        outcomes = []
        for purchase, card in zip(bought, cards or ["pm_card_visa"] * len(bought), strict=False):
            begun = await self.begin(purchase)
            paid = await self.give_card(purchase, card)
            outcomes.append(f"{begun}, {paid}")
        await self.notify("in order")
        await self.courier.all()
        return "; ".join(outcomes)

    async def have(self, *bought: Purchase) -> None:
        """Paid lessons take place long ago, and the tutor has the money."""
        for purchase in bought:
            await self.complete(purchase)
            await self.courier.all()
        await self.let_time_pass(60 * 24 * 4)
        await self.run_payment()

    # Banks, and the platform's staff

    async def refund(self, purchase: Purchase, amount: int | None) -> str:
        """An admin gives money back."""
        id_ = await self._payment_id(purchase)
        if id_ is None:
            return "nothing"
        found = await self._bank(
            lambda s: refunds.request_refund(s, self.admin, id_, amount=amount, reason="as agreed")
        )
        return found if isinstance(found, str) else f"refund of {found.amount}"

    async def charge_back(self, purchase: Purchase, amount: int | None) -> str:
        """The payer's bank takes the charge back; it does that once for a charge. Its id."""
        secret = self.secrets.get(purchase.id)
        charge = (await self.intent(secret))["latest_charge"] if secret else None
        if charge is None or (await self.look(f"disputes?charge={charge}"))["data"]:
            return ""
        whole = (await self.look(f"charges/{charge}"))["amount"]
        taken = min(amount or whole, whole)
        return str((await self._control("open-dispute", charge=charge, amount=taken))["id"])

    async def close_dispute(self, dispute: str, *, won: bool) -> str:
        """The bank decides, once."""
        found = await self.look(f"disputes/{dispute}")
        if found["status"] not in ("won", "lost"):
            await self._control("close-dispute", dispute=dispute, won=won)
        return str(found["status"])

    async def _payment_id(self, purchase: Purchase) -> UUID | None:
        async with self.bank.database.read() as session:
            found: UUID | None = await session.scalar(
                sa.text(
                    "SELECT id FROM payments WHERE purchase_id = :id"
                    " ORDER BY status = 'CANCELLED', attempt DESC LIMIT 1"
                ),
                {"id": purchase.id},
            )
        return found

    # Tutors

    async def change_account(self, tutor: int, *, enabled: bool) -> None:
        """The provider wants more from a tutor, or has what it wants."""
        await self._control("account", account=self.accounts[tutor], enabled=enabled)

    async def request_payout(self, tutor: int, amount: int | None, currency: str) -> str:
        """A tutor wants money."""
        found = await self._bank(
            lambda s: payouts.request_payout(
                s,
                self.tutor(tutor),
                amount=amount,
                currency=currency,
                settings=self.bank.settings,
            )
        )
        return found if isinstance(found, str) else f"payout of {found.amount}"

    async def pay_out(self, weeks: int) -> None:
        """The weekly run."""
        await pay_out_period(self.bank, utc_now() + timedelta(weeks=weeks))

    async def settle_payouts(self, *, paid: bool) -> int:
        """The tutors' banks take what is on its way, or send it back."""
        waiting = [
            item for item in (await self.provider.books())["payouts"] if item["status"] == "pending"
        ]
        for item in waiting:
            await self._control("settle-payout", payout=item["id"], paid=paid)
        return len(waiting)

    # Notifications, workers and time

    async def notify(self, order: str) -> int:
        """Deliver what the provider has to say: in order, reversed, twice, or not at all."""
        events: list[dict[str, Any]] = await self.provider.act("events")
        events = [e for e in events if not e["type"].startswith(UNHEARD)]
        if order == "lost":
            events = [e for e in events if not e["type"].startswith(MAY_BE_LOST)]
        if order == "reversed":
            events.reverse()
        # The provider sends again what was not answered, so a death in between loses nothing.
        self._unanswered += events
        for event in list(self._unanswered):
            for _ in range(2 if order == "twice" else 1):
                await self._post(event["payload"], event["signature"])
            self._unanswered.remove(event)
        return len(events)

    async def _post(self, payload: str, signature: str) -> None:
        body = payload.encode()
        headers = {
            SIGNATURE_HEADER: sign(SECRET.encode(), body, ip="192.0.2.9"),
            "stripe-signature": signature,
        }
        transport = httpx.ASGITransport(self.payment.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://payment", trust_env=False
        ) as client:
            answer = await client.post("/webhooks/stripe", content=body, headers=headers)
        assert answer.status_code == 200, answer.text

    async def run_payment(self) -> int:
        """Payment's worker."""
        return await run_due(self.bank, payment_sagas)

    async def fail(self, when: str, path: str, count: int) -> None:
        """The provider has a bad moment."""
        await self.provider.fail(when, path=path, count=count)

    async def use_up_failures(self) -> None:
        """The provider is well again: what was still to go wrong goes wrong now."""
        for method, path in PLACES:
            while (await self.provider.client.request(method, f"/v1/{path}")).status_code >= 500:
                pass

    async def let_time_pass(self, minutes: float) -> None:
        """Every deadline comes nearer; lessons keep their times, which have rules of their own."""
        away = {"away": timedelta(minutes=minutes)}
        async with self.learning.runtime.database.write() as session:
            await session.execute(_LATER_IN_LEARNING, away)
        async with self.bank.database.write() as session:
            await session.execute(_LATER_IN_PAYMENT, away)
        self.bank.provider.breaker.reset()

    async def ask_for_chargebacks(self) -> None:
        """Payment asks the provider what banks did."""
        await catch_up_disputes(self.bank, utc_now() - timedelta(hours=1))

    async def compare_books(self) -> int:
        """Payment asks the provider what it did; how many differences are new."""
        return await reconcile(self.bank, utc_now() - timedelta(hours=1))

    async def retry_stuck(self) -> list[str]:
        """An admin lets everything that needs attention run again; what it was."""
        async with self.bank.database.write() as session:
            rows = (await session.execute(_STUCK)).all()
            for row in rows:
                await retry(session, self.admin, row.id)
        return [f"{row.kind} {row.step}: {row.last_error}" for row in rows]

    async def progress(self) -> tuple[Any, ...]:
        """A number of each thing that moves; the same twice means that all is at rest."""
        async with self.bank.database.read() as session:
            row = (await session.execute(_PROGRESS)).one()
        return tuple(row)

    async def end_hold(self, purchase: Purchase) -> None:
        """The time to pay is over; payment has heard of another end."""
        async with self.learning.runtime.database.write() as session:
            await session.execute(_END_HOLD, {"id": purchase.id})


def _viewer(id_: UUID, *roles: str) -> Viewer:
    return Viewer(kind=ViewerKind.USER, user_id=id_, roles=frozenset(roles))


def _known(kind: Any, id_: UUID, roles: list[str]) -> Any:
    return kind(
        user_id=id_,
        first_name="Ana",
        last_name="Silva",
        roles=roles,
        status="ACTIVE",
        auth_version=1,
        version=1,
    )


_LATER_IN_LEARNING = sa.text("""
  WITH a AS (UPDATE saga_instances SET deadline = deadline - :away
             WHERE state = 'RUNNING' AND deadline IS NOT NULL),
       b AS (UPDATE lessons SET hold_expires_at = hold_expires_at - :away,
               dispute_until = dispute_until - :away
             WHERE hold_expires_at IS NOT NULL OR dispute_until IS NOT NULL),
       c AS (UPDATE course_purchases SET hold_expires_at = hold_expires_at - :away,
               refund_until = refund_until - :away)
  UPDATE waitlist_entries SET offer_expires_at = offer_expires_at - :away
  WHERE offer_expires_at IS NOT NULL""")
_LATER_IN_PAYMENT = sa.text("""
  WITH a AS (UPDATE saga_instances SET deadline = deadline - :away
             WHERE state = 'RUNNING' AND deadline IS NOT NULL)
  UPDATE payable_refs SET expires_at = expires_at - :away,
    transfer_due_at = transfer_due_at - :away""")
_STUCK = sa.text(
    "SELECT id, kind, step, last_error FROM saga_instances WHERE state = 'NEEDS_ATTENTION'"
)
_PROGRESS = sa.text("""
  SELECT (SELECT sum(version) FROM payments), (SELECT count(*) FROM transactions),
    (SELECT string_agg(status || turn, '' ORDER BY id) FROM refunds),
    (SELECT string_agg(status || turn, '' ORDER BY id) FROM transfers),
    (SELECT string_agg(status, '' ORDER BY id) FROM payouts)""")
_END_HOLD = sa.text("""
  WITH a AS (UPDATE lessons SET hold_expires_at = clock_timestamp()
             WHERE id = :id AND hold_expires_at IS NOT NULL),
       b AS (UPDATE course_purchases SET hold_expires_at = clock_timestamp() WHERE id = :id)
  UPDATE saga_instances SET deadline = clock_timestamp() WHERE id = :id AND state = 'RUNNING'""")
