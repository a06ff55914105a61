"""A tutor and a student who book: offers as matching seals them, payments as payment tells of them.

Times of lessons are moved past the rules, so that no test waits.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.events.matching import OFFER, Offer
from shared.events.payment import PaymentSucceeded
from shared.ids import new_id
from shared.runtime import Runtime
from shared.saga import run_due
from shared.seal import seal
from subgraphs.learning.sagas import sagas
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.support.graph import GraphClient, published, send
from tests.support.operations import run

PRICE = 2500


@dataclass
class Booking:
    """Who books with whom."""

    learning: GraphClient
    tutor_id: UUID
    student_id: UUID

    @classmethod
    async def make(cls, learning: GraphClient) -> "Booking":
        async with learning.runtime.database.write() as session:
            tutor = await factories.create_user(session, roles=["tutor"])
            student = await factories.create_user(session)
            await factories.create_tutor_ref(session, user_id=tutor.user_id)
        return cls(learning, tutor.user_id, student.user_id)

    @property
    def runtime(self) -> Runtime:
        return self.learning.runtime

    @property
    def tutor(self) -> GraphClient:
        return self.learning.as_user(self.tutor_id, "tutor")

    @property
    def student(self) -> GraphClient:
        return self.learning.as_user(self.student_id)

    async def another_student(self) -> "Booking":
        """The same tutor with another student."""
        async with self.runtime.database.write() as session:
            student = await factories.create_user(session)
        return Booking(self.learning, self.tutor_id, student.user_id)

    async def another_tutor(self) -> "Booking":
        """The same student with another tutor."""
        async with self.runtime.database.write() as session:
            tutor = await factories.create_tutor_ref(session)
        return Booking(self.learning, tutor.user_id, self.student_id)

    def offer(self, starts_in: timedelta | datetime = timedelta(hours=48), **changes: Any) -> str:
        """A sealed offer of the tutor."""
        seconds = changes.pop("seconds", 600)
        minutes = changes.pop("minutes", 60)
        start = starts_in if isinstance(starts_in, datetime) else at(starts_in)
        values: dict[str, Any] = {
            "tutor_id": self.tutor_id,
            "starts_at": start,
            "ends_at": start + timedelta(minutes=minutes),
            "kind": "ONE_TO_ONE",
            "price_amount": PRICE,
            "price_currency": "USD",
        }
        secrets = self.runtime.settings.seal_secrets
        return seal(secrets, OFFER, Offer(**(values | changes)), seconds=seconds)

    async def reserve(
        self, starts_in: timedelta | datetime = timedelta(hours=48), **changes: Any
    ) -> dict[str, Any]:
        """A held lesson (a scheduled one, if free)."""
        return await run(self.student, op.BOOK, offerToken=self.offer(starts_in, **changes))

    async def schedule(self, **changes: Any) -> str:
        """A paid lesson; its id."""
        lesson = await self.reserve(**changes)
        await pay(self.learning, lesson["id"])
        return str(lesson["id"])


def at(starts_in: timedelta) -> datetime:
    """A moment, to the second."""
    return (datetime.now(UTC) + starts_in).replace(microsecond=0)


def payment(payable_type: str, payable_id: Any, purchase_id: Any) -> PaymentSucceeded:
    """A payment as its subgraph tells of it."""
    return PaymentSucceeded(
        payment_id=new_id(),
        payable_type=payable_type,
        payable_id=payable_id,
        purchase_id=purchase_id,
        payer_id=new_id(),
        payee_id=new_id(),
        amount=PRICE,
        currency="USD",
        version=2,
    )


async def pay(client: GraphClient, lesson_id: Any, *, twice: bool = True) -> None:
    """The payment of a lesson arrives."""
    event = payment("LESSON", lesson_id, lesson_id)
    await send(client.subgraph, client.runtime, event, twice=twice)


async def hold_runs_out(runtime: Runtime, *, fire: bool = True) -> None:
    """Every hold has run out; the worker sees it unless it is not to."""
    async with runtime.database.write() as session:
        for statement in (
            # In the order in which everybody locks them.
            "SELECT 1 FROM lessons WHERE status = 'PENDING_PAYMENT' ORDER BY id FOR UPDATE",
            "UPDATE lessons SET hold_expires_at = clock_timestamp()"
            " WHERE status = 'PENDING_PAYMENT'",
            "UPDATE course_purchases SET hold_expires_at = clock_timestamp() WHERE paid_at IS NULL",
            "UPDATE saga_instances SET deadline = clock_timestamp() WHERE state = 'RUNNING'",
        ):
            await session.execute(sa.text(statement))
    if fire:
        await run_due(runtime, sagas)


async def start_in(runtime: Runtime, lesson_id: Any, starts_in: timedelta) -> None:
    """Put a lesson's start so far from now."""
    async with runtime.database.write() as session:
        await session.execute(
            sa.text(
                "UPDATE lessons SET starts_at = now() + CAST(:away AS interval),"
                " ends_at = now() + CAST(:away AS interval) + (ends_at - starts_at)"
                " WHERE id = :id"
            ),
            {"away": starts_in, "id": lesson_id},
        )


async def kinds(runtime: Runtime) -> list[str]:
    """What was published, by the verbs of the types."""
    return [kind.split(".")[-2] for kind, _ in await published(runtime)]


async def states(runtime: Runtime) -> list[tuple[str, str]]:
    """Kind and state of every saga."""
    async with runtime.database.read() as session:
        rows = await session.execute(
            sa.text("SELECT kind, state FROM saga_instances ORDER BY created_at")
        )
        return [(row.kind, row.state) for row in rows]


async def value(runtime: Runtime, query: str, **parameters: Any) -> Any:
    """One value of the database."""
    async with runtime.database.read() as session:
        return await session.scalar(sa.text(query), parameters)
