"""Messages to partners' endpoints: written with the event, sent by the worker, tried again.

At least once: a worker that dies after the partner's answer leaves the message to the next one. All
tries of a message carry the id of its event, by which a receiver tells that it has it already.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession, among, database_now, utc_now
from shared.errors import Conflict, NotFound
from shared.events import Event
from shared.ids import new_id
from shared.pages import Order, Page, PageRequest, keyset
from shared.telemetry import log
from shared.viewer import Viewer
from subgraphs.identity.config import Settings
from subgraphs.identity.models import (
    OauthClient,
    User,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
)
from subgraphs.identity.ports import Answer
from subgraphs.identity.service import webhooks
from subgraphs.identity.service.mails import Post
from subgraphs.identity.service.secrets import Vault
from subgraphs.identity.service.webhook_events import OFFERED

# Longer than a try may take; then another worker may send the message.
LEASE = timedelta(seconds=60)
# After the n-th try: three days and a bit in all.
DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
# How many messages of one endpoint are under way at once.
EACH = 4
GONE = 410
TEST_TYPE = "edtech.webhook.test.v1"

_CLAIM = sa.text(
    """
    WITH due AS (
        SELECT d.id FROM webhook_endpoints e
        JOIN oauth_clients c ON c.id = e.client_id AND c.revoked_at IS NULL
        CROSS JOIN LATERAL (
            SELECT id FROM webhook_deliveries
            WHERE endpoint_id = e.id AND status = 'PENDING'
                AND next_attempt_at <= statement_timestamp()
            ORDER BY next_attempt_at LIMIT :each
            FOR UPDATE SKIP LOCKED
        ) d
        WHERE e.disabled_at IS NULL AND NOT (e.id = ANY(CAST(:busy AS uuid[])))
        LIMIT :most
    )
    UPDATE webhook_deliveries w
    SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + CAST(:lease AS interval)
    FROM due WHERE w.id = due.id
    RETURNING w.id, w.endpoint_id, w.event_id, w.body, w.attempts, w.next_attempt_at
    """
)


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed delivery: what is sent where, and until when it is this worker's."""

    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID
    url: str
    body: bytes
    attempt: int
    leased_until: datetime
    sealed: tuple[bytes, ...]

    def headers(self, vault: Vault) -> dict[str, str]:
        """Those of Standard Webhooks 1.0, signed now with every secret that is valid.

        Raises RuntimeError when no master key opens a secret.
        """
        moment = str(int(time.time()))
        content = b".".join([str(self.event_id).encode(), moment.encode(), self.body])
        signatures = [
            base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
            for key in map(vault.open, self.sealed)
        ]
        return {
            "content-type": "application/json",
            "user-agent": "EdTech-Webhooks/1.0",
            "accept-encoding": "identity",
            "webhook-id": str(self.event_id),
            "webhook-timestamp": moment,
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }


def body_of(event_type: str, ids: dict[str, str]) -> str:
    """The message: type, time and ids. What they stand for is read from the graph."""
    moment = utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return orjson.dumps({"type": event_type, "timestamp": moment, "data": ids}).decode()


async def enqueue(
    session: WriteSession, event: Event, *, event_id: UUID, settings: Settings
) -> None:
    """Write one message per endpoint that listens and may; the same event writes none again."""
    offer = OFFERED[event.type]
    listening = (
        await session.execute(
            sa.select(WebhookEndpoint.id, OauthClient.contract, OauthClient.acts_for)
            .join(OauthClient, OauthClient.id == WebhookEndpoint.client_id)
            .outerjoin(User, User.id == OauthClient.acts_for)
            .where(
                # Who acts for a closed account is told no more than it may ask.
                sa.or_(OauthClient.acts_for.is_(None), User.status == "ACTIVE"),
                WebhookEndpoint.events.contains([event.type]),
                WebhookEndpoint.disabled_at.is_(None),
                OauthClient.revoked_at.is_(None),
            )
        )
    ).all()
    owner = getattr(event, offer.owner) if offer.owner else None
    told = [
        row.id
        for row in listening
        # The contract may have lost the event since the endpoint was made.
        if event.type in webhooks.events_of_contract(row.contract, settings)
        and (offer.owner is None or (owner is not None and row.acts_for == owner))
    ]
    if told:
        values = event.model_dump(mode="json", by_alias=True, include=set(offer.ids))
        await _insert(session, told, event_id, event.type, body_of(event.type, values))


async def _insert(
    session: WriteSession, endpoints: Sequence[UUID], event_id: UUID, event_type: str, body: str
) -> None:
    rows = [
        {
            "id": new_id(),
            "endpoint_id": endpoint_id,
            "event_id": event_id,
            "event_type": event_type,
            "body": body,
        }
        for endpoint_id in endpoints
    ]
    await session.execute(insert(WebhookDelivery).values(rows).on_conflict_do_nothing())


async def claim_due(
    session: WriteSession, *, most: int, busy: Sequence[UUID] = ()
) -> list[Message]:
    """Take messages that are due, for a minute; none of the busy endpoints.

    The try is counted before it is made, so that one that kills the worker ends, too.
    """
    rows = (
        await session.execute(
            _CLAIM, {"each": EACH, "most": most, "busy": list(busy), "lease": LEASE}
        )
    ).all()
    if not rows:
        return []
    known = (
        await session.execute(
            sa.select(WebhookEndpoint.id, WebhookEndpoint.url, WebhookSecret.secret)
            .join(WebhookSecret, WebhookSecret.endpoint_id == WebhookEndpoint.id)
            .where(
                WebhookEndpoint.id.in_({row.endpoint_id for row in rows}),
                sa.or_(
                    WebhookSecret.expires_at.is_(None),
                    WebhookSecret.expires_at > sa.func.clock_timestamp(),
                ),
            )
            .order_by(WebhookSecret.id.desc())
        )
    ).all()
    urls = {row.id: row.url for row in known}
    return [
        Message(
            delivery_id=row.id,
            endpoint_id=row.endpoint_id,
            event_id=row.event_id,
            url=urls[row.endpoint_id],
            body=row.body.encode(),
            attempt=row.attempts,
            leased_until=row.next_attempt_at,
            sealed=tuple(bytes(each.secret) for each in known if each.id == row.endpoint_id),
        )
        for row in rows
        if row.endpoint_id in urls
    ]


async def settle(
    session: WriteSession, message: Message, answer: Answer, *, settings: Settings, post: Post
) -> None:
    """Note what came of a try: delivered, due again later, or given up.

    A worker that comes back after its lease changes nothing but the log. An endpoint that is gone,
    or took nothing for days, is disabled, and its program's contact is told.
    """
    endpoint = await session.get(
        WebhookEndpoint, message.endpoint_id, with_for_update=webhooks.LOCK
    )
    delivery = await session.get(WebhookDelivery, message.delivery_id, with_for_update=True)
    if endpoint is None or delivery is None:
        return
    session.add(
        WebhookAttempt(
            delivery_id=delivery.id,
            status_code=answer.status,
            error=answer.error,
            milliseconds=answer.milliseconds,
            response=answer.response,
        )
    )
    is_ours = delivery.status == "PENDING" and delivery.next_attempt_at == message.leased_until
    now = await database_now(session)
    if answer.is_delivered:
        endpoint.failing_since = None
        if is_ours:
            delivery.status, delivery.settled_at = "DELIVERED", now
        return
    log.warning(
        "webhook not delivered",
        endpoint=str(endpoint.id),
        delivery=str(delivery.id),
        attempt=message.attempt,
        status=answer.status,
        reason=answer.error,
    )
    endpoint.failing_since = endpoint.failing_since or now
    if is_ours and message.attempt > len(DELAYS):
        delivery.status, delivery.settled_at = "FAILED", now
    elif is_ours:
        delivery.next_attempt_at = now + DELAYS[message.attempt - 1]
    failing_for = now - endpoint.failing_since
    if answer.status == GONE:
        await _give_up(session, endpoint, "GONE", post)
    elif failing_for >= timedelta(hours=settings.webhook_disable_hours):
        await _give_up(session, endpoint, "FAILING", post)


async def _give_up(
    session: WriteSession, endpoint: WebhookEndpoint, reason: str, post: Post
) -> None:
    if endpoint.disabled_at is not None:
        return
    await session.flush()
    await webhooks.disable(session, viewer=Viewer.system(), endpoint=endpoint, reason=reason)
    client = await session.get_one(OauthClient, endpoint.client_id)
    if client.contact is not None:
        post.queue(
            session,
            "webhook_disabled",
            to=client.contact,
            locale="en",
            name=client.name,
            link=endpoint.url,
            reason=reason,
        )


async def send_test(session: WriteSession, *, viewer: Viewer, endpoint_id: UUID) -> WebhookDelivery:
    """Queue a message without an event, to see that the endpoint takes it. Raises Conflict."""
    endpoint = await webhooks.locked_endpoint(session, viewer=viewer, endpoint_id=endpoint_id)
    _require_enabled(endpoint)
    delivery = WebhookDelivery(
        endpoint_id=endpoint.id,
        event_id=new_id(),
        event_type=TEST_TYPE,
        body=body_of(TEST_TYPE, {}),
    )
    session.add(delivery)
    await session.flush()
    await session.refresh(delivery)
    return delivery


def _require_enabled(endpoint: WebhookEndpoint) -> None:
    if endpoint.disabled_at is not None:
        raise Conflict("The endpoint is disabled: enable it first.")


async def replay(session: WriteSession, *, viewer: Viewer, delivery_id: UUID) -> WebhookDelivery:
    """Send a message again as if it were new, whatever became of it. Raises NotFound, Conflict."""
    delivery = await session.get(WebhookDelivery, delivery_id)
    if delivery is None:
        raise NotFound("There is no such delivery.", field="id")
    try:
        endpoint = await webhooks.locked_endpoint(
            session, viewer=viewer, endpoint_id=delivery.endpoint_id
        )
    except NotFound:
        raise NotFound("There is no such delivery.", field="id") from None
    _require_enabled(endpoint)
    await _send_again(session, WebhookDelivery.id == delivery_id)
    webhooks.record(session, "replayed", viewer, endpoint, messages=1)
    await session.flush()
    await session.refresh(delivery)
    return delivery


async def replay_failed(
    session: WriteSession, *, viewer: Viewer, endpoint_id: UUID, since: datetime
) -> tuple[WebhookEndpoint, int]:
    """Send again what an endpoint did not take since a moment; the number of messages."""
    endpoint = await webhooks.locked_endpoint(session, viewer=viewer, endpoint_id=endpoint_id)
    _require_enabled(endpoint)
    table = WebhookDelivery
    count = await _send_again(
        session,
        sa.and_(
            table.endpoint_id == endpoint.id, table.status == "FAILED", table.created_at >= since
        ),
    )
    webhooks.record(session, "replayed", viewer, endpoint, messages=count)
    return endpoint, count


async def _send_again(session: WriteSession, chosen: sa.ColumnElement[bool]) -> int:
    table = WebhookDelivery
    found = await session.execute(
        sa.update(table)
        .where(chosen)
        .values(
            status="PENDING",
            attempts=0,
            next_attempt_at=sa.func.clock_timestamp(),
            settled_at=None,
        )
        .returning(table.id)
        .execution_options(synchronize_session=False)
    )
    return len(found.all())


async def list_deliveries(
    session: ReadSession, endpoint_id: UUID, *, status: str | None, page: PageRequest
) -> Page[WebhookDelivery]:
    """Messages of an endpoint that the caller may see, newest first."""
    statement = sa.select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    if status is not None:
        statement = statement.where(WebhookDelivery.status == status)
    return await keyset(session, statement, Order.by(WebhookDelivery.id.desc()), page)


async def get_attempts_of(
    session: ReadSession, delivery_ids: Sequence[UUID]
) -> list[list[WebhookAttempt]]:
    """The tries of each message, oldest first."""
    rows = await session.scalars(
        sa.select(WebhookAttempt)
        .where(among(WebhookAttempt.delivery_id, delivery_ids))
        .order_by(WebhookAttempt.id)
    )
    found: dict[UUID, list[WebhookAttempt]] = {}
    for row in rows:
        found.setdefault(row.delivery_id, []).append(row)
    return [found.get(delivery_id, []) for delivery_id in delivery_ids]
