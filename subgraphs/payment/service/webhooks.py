"""Notifications of the provider: each counts once, in whatever order they come."""

from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from shared import saga as sagas
from shared.db import WriteSession, database_now
from shared.ids import new_id
from subgraphs.payment.models import WebhookEvent, WebhookStatus
from subgraphs.payment.ports import Intent, Notification
from subgraphs.payment.service import accounts, disputes, history, payments, payouts, refunds

SOURCE = "stripe"
SAGA = "webhook"
APPLY, FETCH = "apply", "fetch"
_INTENTS = frozenset(
    f"payment_intent.{what}"
    for what in ("succeeded", "payment_failed", "requires_action", "processing", "canceled")
)
_REFUNDS = frozenset(f"refund.{what}" for what in ("created", "updated", "failed"))
_DISPUTES = frozenset(f"charge.dispute.{what}" for what in ("created", "updated", "closed"))
_PAYOUTS = frozenset(f"payout.{what}" for what in ("paid", "failed", "canceled"))
_OF_ACCOUNTS = _PAYOUTS | {"account.updated"}
_METHODS = frozenset(f"payment_method.{what}" for what in ("attached", "updated", "detached"))


async def receive(session: WriteSession, notification: Notification) -> WebhookStatus | None:
    """Apply a verified notification in this transaction; None for one that was seen before.

    One about something unknown is kept, and looked at again: its row may be on its way.
    """
    event_id = await session.scalar(
        insert(WebhookEvent)
        .values(
            id=new_id(),
            source=SOURCE,
            external_id=notification.id,
            type=notification.type[:100],
            data={"object": notification.object, "account": notification.account},
            happened_at=notification.happened_at,
            status=WebhookStatus.IGNORED,
        )
        .on_conflict_do_nothing(index_elements=["source", "external_id"])
        .returning(WebhookEvent.id)
    )
    if event_id is None:
        return None
    event = await session.get_one(WebhookEvent, event_id)
    event.status = await apply(session, event)
    if event.status == WebhookStatus.WAITING:
        await sagas.start(
            session, SAGA, id=event.id, step=FETCH if event.type in _METHODS else APPLY
        )
    await session.flush()
    return WebhookStatus(event.status)


async def apply(session: WriteSession, event: WebhookEvent) -> WebhookStatus:
    """Do what a notification says; WAITING when what it is about is not known (yet)."""
    item: dict[str, Any] = event.data["object"]
    metadata = item.get("metadata") or {}
    actor = f"system:webhook:{event.external_id}"
    account = event.data["account"]
    if account is not None and event.type not in _OF_ACCOUNTS:
        # What tutors' accounts do by themselves is not the platform's money.
        return WebhookStatus.IGNORED
    if event.type in _INTENTS:
        payment_id = await payments.find_id(session, intent_id=item["id"], metadata=metadata)
        return await _with_payment(session, payment_id, Intent.of(item), actor)
    if event.type in _REFUNDS:
        return await _apply_refund(session, item, metadata, actor)
    if event.type in _DISPUTES:
        known = await disputes.hear(session, item, actor=actor)
        return WebhookStatus.APPLIED if known else WebhookStatus.WAITING
    if event.type in _PAYOUTS:
        payout_id = await payouts.find_id(
            session, provider_id=item["id"], metadata=metadata, account=account
        )
        if payout_id is None:
            return WebhookStatus.WAITING
        payout = await payouts.lock_payout(session, payout_id)
        # A notification may be faster than the answer that it is about.
        await payouts.sent(session, payout, item["id"])
        code = item.get("failure_code")
        await payouts.apply_payout(session, payout, item["status"], code, actor=actor)
        return WebhookStatus.APPLIED
    if event.type == "account.updated":
        known = await accounts.changed(session, item["id"])
        return WebhookStatus.APPLIED if known else WebhookStatus.WAITING
    # A card's numbers are fetched, not taken from the notification.
    return WebhookStatus.WAITING if event.type in _METHODS else WebhookStatus.IGNORED


async def _with_payment(
    session: WriteSession, payment_id: UUID | None, intent: Intent, actor: str
) -> WebhookStatus:
    payment = await history.lock(session, payment_id) if payment_id else None
    if payment is None:
        return WebhookStatus.WAITING
    await payments.apply_intent(session, payment, intent, actor=actor)
    return WebhookStatus.APPLIED


async def _apply_refund(
    session: WriteSession, item: dict[str, Any], metadata: dict[str, str], actor: str
) -> WebhookStatus:
    found = await refunds.find(session, provider_id=item["id"], metadata=metadata)
    if found is None:
        # Made by hand at the provider: reconciliation tells of it.
        return WebhookStatus.IGNORED
    payment = await history.lock(session, found.payment_id)
    refund = await refunds.lock_refund(session, found.id)
    if payment is None or item["status"] not in ("succeeded", "failed", "canceled"):
        return WebhookStatus.IGNORED
    if item["status"] == "succeeded":
        if refund.status == "IN_FLIGHT":
            await refunds.finish(session, payment, refund, provider_id=item["id"], actor=actor)
            await sagas.end(session, refund.id)
        return WebhookStatus.APPLIED
    code = item.get("failure_reason") or item["status"]
    if refund.status == "IN_FLIGHT" and code in disputes.REFUSALS:
        saga = await sagas.lock(session, refund.id)
        if saga is not None and saga.state == sagas.SagaState.RUNNING:
            await sagas.advance(
                session, saga, refunds.PREPARE, deadline=await database_now(session)
            )
        await disputes.give_way(session, payment, refund, actor=actor)
    elif refund.status == "IN_FLIGHT":
        refunds.next_turn(refund)
        await refunds.fail(session, payment, refund, code, actor=actor)
        saga = await sagas.lock(session, refund.id)
        if saga is not None and saga.state == sagas.SagaState.RUNNING:
            moved = await sagas.advance(session, saga, refunds.PREPARE, deadline=None)
            await sagas.give_up(session, moved, code)
    else:
        await refunds.take_return(session, payment, refund, code, actor=actor)
        await disputes.charge_again(session, payment, refund, actor=actor)
    return WebhookStatus.APPLIED
