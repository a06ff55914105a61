"""A payment at the provider: opened, watched until its end, cancelled when nothing is held."""

from datetime import datetime, timedelta
from uuid import UUID

from shared.db import WriteSession, utc_now
from shared.saga import Saga, SagaState, advance, complete, lock
from subgraphs.payment.models import PaymentStatus
from subgraphs.payment.ports import Declined, Intent, ProviderRefused
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.service import history, payments
from subgraphs.payment.service.settlement import CREATE, UNPAID, WATCH

# Money that is on its way cannot be cancelled: ask again.
CANCEL_PAUSE = timedelta(minutes=1)


async def open_intent(runtime: PaymentRuntime, payment_id: UUID, *, actor: str) -> str:
    """The provider's payment, made when missing; whoever repeats this gets the same one.

    Raises ProviderUnavailable or ProviderRefused.
    """
    async with runtime.database.read() as session:
        begun = await payments.get_begun(session, payment_id)
    if begun.intent_id is None:
        intent = await runtime.provider.create_intent(
            key=begun.key,
            payment_id=begun.payment_id,
            purchase_id=begun.purchase_id,
            amount=begun.amount,
            currency=begun.currency,
            customer_id=begun.customer_id,
        )
    elif begun.is_open:
        return begun.intent_id
    else:
        intent = await runtime.provider.get_intent(begun.intent_id)
    async with runtime.database.write() as session:
        payment = await history.lock(session, payment_id)
        if payment is not None:
            await payments.keep_intent(session, payment, intent, actor=actor)
            saga = await lock(session, payment_id)
            if saga is not None and saga.step == CREATE and saga.state == SagaState.RUNNING:
                await advance(session, saga, WATCH, deadline=_next_look(runtime))
    return intent.id


def _next_look(runtime: PaymentRuntime) -> datetime:
    return utc_now() + timedelta(minutes=runtime.settings.poll_after_minutes)


async def confirm(
    runtime: PaymentRuntime, payment_id: UUID, intent_id: str, method_id: str, *, key: str
) -> None:
    """Charge a saved method. Raises Declined, after the refusal is written down."""
    refusal: Declined | None = None
    try:
        intent = await runtime.provider.confirm_intent(intent_id, method_id, key=key)
    except Declined as error:
        refusal = error
        intent = await runtime.provider.get_intent(intent_id)
    except ProviderRefused:
        # Its state does not allow it (any more): look at that.
        intent = await runtime.provider.get_intent(intent_id)
    async with runtime.database.write() as session:
        await apply(session, payment_id, intent, actor="system:provider")
    if refusal is not None:
        raise refusal


async def apply(
    session: WriteSession, payment_id: UUID, intent: Intent, *, actor: str
) -> PaymentStatus:
    """Bring a payment up to what the provider said."""
    payment = await history.lock(session, payment_id)
    if payment is None:
        raise LookupError("a payment is gone")
    await payments.apply_intent(session, payment, intent, actor=actor)
    return PaymentStatus(payment.status)


async def create(runtime: PaymentRuntime, saga: Saga) -> None:
    """The request that began the payment did not get to the end: go on for it."""
    await open_intent(runtime, saga.id, actor="system:saga")
    async with runtime.database.write() as session:
        found = await lock(session, saga.id)
        if found is not None and found.step == CREATE and found.state == SagaState.RUNNING:
            # It was opened, and the request died before it said so.
            await advance(session, found, WATCH, deadline=_next_look(runtime))


async def watch(runtime: PaymentRuntime, saga: Saga) -> None:
    """A notification may be lost: ask the provider now and then."""
    intent_id = await open_intent(runtime, saga.id, actor="system:saga")
    intent = await runtime.provider.get_intent(intent_id)
    async with runtime.database.write() as session:
        status = await apply(session, saga.id, intent, actor="system:poll")
        if status in UNPAID:
            await advance(session, saga, WATCH, deadline=_next_look(runtime))


async def cancel(runtime: PaymentRuntime, saga: Saga) -> None:
    """Give the payment up at the provider; if it has succeeded meanwhile, that counts."""
    # Without an id it may exist all the same: the same key tells.
    status = await cancel_intent(runtime, saga.id)
    if status in UNPAID:
        async with runtime.database.write() as session:
            await advance(session, saga, saga.step, deadline=utc_now() + CANCEL_PAUSE)


async def cancel_intent(runtime: PaymentRuntime, payment_id: UUID) -> PaymentStatus:
    """Cancel at the provider and book what it answers."""
    intent_id = await open_intent(runtime, payment_id, actor="system:saga")
    intent = await runtime.provider.cancel_intent(intent_id)
    async with runtime.database.write() as session:
        status = await apply(session, payment_id, intent, actor="system:cancel")
        saga = await lock(session, payment_id)
        ended = status not in UNPAID
        if ended and saga is not None and saga.state == SagaState.RUNNING:
            await complete(session, saga)
    return status
