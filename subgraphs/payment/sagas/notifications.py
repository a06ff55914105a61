"""Notifications that could not be applied at once: their subject may still be on its way."""

from datetime import timedelta

from shared.db import utc_now
from shared.saga import Saga, advance, complete, give_up
from subgraphs.payment.models import WebhookEvent, WebhookStatus
from subgraphs.payment.ports import Card
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.service import methods, webhooks
from subgraphs.payment.service.webhooks import APPLY


async def apply(runtime: PaymentRuntime, saga: Saga) -> None:
    """Try once more; after a few times a person has to look."""
    settings = runtime.settings
    async with runtime.database.write() as session:
        event = await session.get_one(WebhookEvent, saga.id)
        event.status = await webhooks.apply(session, event)
        if event.status != WebhookStatus.WAITING:
            await complete(session, saga)
            return
        tries = int(saga.data.get("tries", 0)) + 1
        if tries >= settings.webhook_attempts:
            await give_up(session, saga, f"{event.type} about something unknown")
            return
        pause = timedelta(seconds=settings.webhook_pause_seconds * 2 ** (tries - 1))
        await advance(session, saga, APPLY, deadline=utc_now() + pause, tries=tries)


async def fetch(runtime: PaymentRuntime, saga: Saga) -> None:
    """Look at a saved card: a notification says that it changed, and may be older than another."""
    async with runtime.database.read() as session:
        event = await session.get_one(WebhookEvent, saga.id)
    card: Card = await runtime.provider.get_method(event.data["object"]["id"])
    async with runtime.database.write() as session:
        event = await session.get_one(WebhookEvent, saga.id)
        await methods.apply_card(session, card)
        event.status = WebhookStatus.APPLIED
        await complete(session, saga)
