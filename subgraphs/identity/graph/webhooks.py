"""Webhooks as clients see them: endpoints, messages, tries."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import (
    After,
    Before,
    Connection,
    First,
    Last,
    described_enum,
    page_of,
)
from shared.ids import parse_id, parse_id_or_none
from subgraphs.identity import models
from subgraphs.identity.graph.context import Info
from subgraphs.identity.models.webhooks import WebhookDeliveryStatus, WebhookDisabledReason
from subgraphs.identity.service import webhook_deliveries, webhooks

# The tag of contracts whose programs may listen to events.
TAG = "webhooks"

described_enum(
    WebhookDisabledReason,
    "Why an endpoint gets nothing more.",
    tags=[TAG],
    ASKED="Its owner or an admin has asked for it.",
    GONE="It answered 410 Gone.",
    FAILING="It took nothing for days.",
)
described_enum(
    WebhookDeliveryStatus,
    "What became of a message.",
    tags=[TAG],
    PENDING="It is to be sent, or sent again.",
    DELIVERED="The endpoint took it.",
    FAILED="It was given up; it can be replayed.",
)


EndpointId = Annotated[strawberry.ID, strawberry.argument(description="The endpoint's id.")]


@strawberry.federation.type(description="One try to deliver a message.", tags=[TAG])
class WebhookAttempt:
    at: datetime = strawberry.field(description="When it ended.")
    status_code: int | None = strawberry.field(
        description="The HTTP status; null without an answer."
    )
    error: str | None = strawberry.field(
        description="Why there was no answer, or why it does not count."
    )
    milliseconds: int = strawberry.field(description="How long it took.")
    response: str | None = strawberry.field(
        description="The beginning of the answer, at most 500 characters."
    )

    @classmethod
    def of(cls, row: models.WebhookAttempt) -> Self:
        """From its row."""
        return cls(
            at=row.at,
            status_code=row.status_code,
            error=row.error,
            milliseconds=row.milliseconds,
            response=row.response,
        )


@strawberry.federation.type(description="One event for one endpoint.", tags=[TAG])
class WebhookDelivery:
    id: strawberry.ID = strawberry.field(description="Identifies the delivery.")
    event_id: strawberry.ID = strawberry.field(
        description="The header webhook-id; the same in every try."
    )
    event_type: str = strawberry.field(description="The type of the event.")
    body: str = strawberry.field(description="The JSON that is sent: type, time and ids.")
    status: WebhookDeliveryStatus = strawberry.field(description="What became of it.")
    attempts: int = strawberry.field(
        description="How often it was tried since it was written or replayed."
    )
    next_attempt_at: datetime | None = strawberry.field(
        description="When it is tried next, while it is."
    )
    created_at: datetime = strawberry.field(description="When it was written.")
    settled_at: datetime | None = strawberry.field(description="When it was delivered or given up.")

    @strawberry.field(description="Every try that has ended, the oldest first.")
    async def log(self, info: Info) -> list[WebhookAttempt]:
        rows = await info.context.loader(webhook_deliveries.get_attempts_of).load(UUID(self.id))
        return [WebhookAttempt.of(row) for row in rows]

    @classmethod
    def of(cls, row: models.WebhookDelivery) -> Self:
        """From its row."""
        status = WebhookDeliveryStatus(row.status)
        return cls(
            id=strawberry.ID(str(row.id)),
            event_id=strawberry.ID(str(row.event_id)),
            event_type=row.event_type,
            body=row.body,
            status=status,
            attempts=row.attempts,
            next_attempt_at=row.next_attempt_at
            if status is WebhookDeliveryStatus.PENDING
            else None,
            created_at=row.created_at,
            settled_at=row.settled_at,
        )


@strawberry.federation.type(
    description="An address of a partner's program that is told of events.", tags=[TAG]
)
class WebhookEndpoint:
    id: strawberry.ID = strawberry.field(description="Identifies the endpoint.")
    client_id: strawberry.ID = strawberry.field(description="Whose it is: the client_id of OAuth.")
    url: str = strawberry.field(description="Where messages are sent to.")
    events: list[str] = strawberry.field(description="The types of events that it is told of.")
    created_at: datetime = strawberry.field(description="When it was made.")
    failing_since: datetime | None = strawberry.field(
        description="The first failure since a message got through."
    )
    disabled_at: datetime | None = strawberry.field(description="Since when it gets nothing.")
    disabled_reason: WebhookDisabledReason | None = strawberry.field(
        description="Why it gets nothing."
    )

    @strawberry.federation.field(
        description="Its messages, newest first; kept for 30 days.", tags=[TAG]
    )
    async def deliveries(
        self,
        info: Info,
        status: Annotated[
            WebhookDeliveryStatus | None,
            strawberry.argument(description="Only those of this status."),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[WebhookDelivery]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            rows = await webhook_deliveries.list_deliveries(
                session, UUID(self.id), status=status.value if status else None, page=page
            )
        return Connection.of(rows.map(WebhookDelivery.of))

    @classmethod
    def of(cls, row: models.WebhookEndpoint) -> Self:
        """From its row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            client_id=strawberry.ID(str(row.client_id)),
            url=row.url,
            events=list(row.events),
            created_at=row.created_at,
            failing_since=row.failing_since,
            disabled_at=row.disabled_at,
            disabled_reason=WebhookDisabledReason(row.disabled_reason)
            if row.disabled_reason
            else None,
        )


@strawberry.type
class WebhookQueries:
    @strawberry.federation.field(
        description="Endpoints, newest first: a partner's own, or everybody's for admins.",
        tags=[TAG],
    )
    async def webhook_endpoints(
        self,
        info: Info,
        client_id: Annotated[
            strawberry.ID | None,
            strawberry.federation.argument(
                description="For admins: only this client's.", tags=["admin"]
            ),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[WebhookEndpoint]:
        page = page_of(first, after, last, before)
        wanted = parse_id(client_id, field="clientId") if client_id else None
        async with info.context.read() as session:
            rows = await webhooks.list_endpoints(
                session, viewer=info.context.viewer, client_id=wanted, page=page
            )
        return Connection.of(rows.map(WebhookEndpoint.of))

    @strawberry.federation.field(
        description="An endpoint; null for one that is somebody else's.", tags=[TAG]
    )
    async def webhook_endpoint(self, info: Info, id: EndpointId) -> WebhookEndpoint | None:
        endpoint_id = parse_id_or_none(id)
        if endpoint_id is None:
            return None
        async with info.context.read() as session:
            row = await webhooks.get_endpoint(
                session, viewer=info.context.viewer, endpoint_id=endpoint_id
            )
        return WebhookEndpoint.of(row) if row else None
