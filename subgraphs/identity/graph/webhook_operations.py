"""What is done with webhooks: a partner's program manages its own, admins everybody's."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry.types.union import StrawberryUnion

from shared import idempotency
from shared.graph import IdempotencyKey, Problem
from shared.ids import parse_id
from subgraphs.identity.graph.context import Info
from subgraphs.identity.graph.webhooks import TAG, EndpointId, WebhookDelivery, WebhookEndpoint
from subgraphs.identity.service import webhook_deliveries, webhooks


def _result(mutation: str) -> StrawberryUnion:
    name = f"{mutation[0].upper()}{mutation[1:]}Result"
    union: StrawberryUnion = strawberry.federation.union(
        name,
        description=f"What {mutation} answers: the result, or why there is none.",
        tags=[TAG],
    )
    return union


@strawberry.federation.type(
    description="An endpoint with its secret, which is shown this once.", tags=[TAG]
)
class WebhookEndpointSecret:
    endpoint: WebhookEndpoint = strawberry.field(description="The endpoint.")
    secret: str | None = strawberry.field(
        description="What its messages are signed with; null when the call was repeated."
    )


@strawberry.federation.type(description="What was queued to be sent again.", tags=[TAG])
class WebhookReplay:
    endpoint: WebhookEndpoint = strawberry.field(description="The endpoint.")
    messages: int = strawberry.field(description="How many messages are sent again.")


@strawberry.federation.type(description="An endpoint that was removed.", tags=[TAG])
class WebhookEndpointDeleted:
    id: strawberry.ID = strawberry.field(description="The id that it had.")


@strawberry.federation.input(description="Where to tell of which events.", tags=[TAG])
class CreateWebhookEndpointInput:
    url: str = strawberry.field(
        description="An https address on the internet, at most 2,000 characters."
    )
    events: list[str] = strawberry.field(description="Types of events of the contract.")
    client_id: strawberry.ID | None = strawberry.federation.field(
        default=None, description="For admins: whose endpoint it is.", tags=["admin"]
    )


@strawberry.federation.input(
    description="What changes; what is left out stays as it is.", tags=[TAG]
)
class UpdateWebhookEndpointInput:
    id: strawberry.ID = strawberry.field(description="The endpoint's id.")
    url: str | None = strawberry.field(default=None, description="Another address.")
    events: list[str] | None = strawberry.field(default=None, description="Other types of events.")


@strawberry.type
class WebhookMutations:
    @strawberry.federation.mutation(
        description="Be told of events; at most 10 endpoints per client.", tags=[TAG]
    )
    async def create_webhook_endpoint(
        self,
        info: Info,
        input: Annotated[
            CreateWebhookEndpointInput, strawberry.argument(description="The endpoint.")
        ],
        idempotency_key: IdempotencyKey = None,
    ) -> Annotated[WebhookEndpointSecret | Problem, _result("createWebhookEndpoint")]:
        viewer, runtime = info.context.viewer, info.context.runtime
        client_id = parse_id(input.client_id, field="clientId") if input.client_id else None
        secret: str | None = None
        async with info.context.write() as session:

            async def work() -> UUID:
                nonlocal secret
                issued = await webhooks.create_endpoint(
                    session,
                    viewer=viewer,
                    client_id=client_id,
                    url=input.url,
                    events=input.events,
                    sender=runtime.webhooks,
                    settings=runtime.settings,
                    vault=runtime.vault,
                )
                secret = issued.secret
                return issued.endpoint.id

            endpoint_id = await idempotency.once(
                session, viewer, "createWebhookEndpoint", idempotency_key, vars(input), work
            )
            row = await webhooks.locked_endpoint(session, viewer=viewer, endpoint_id=endpoint_id)
        return WebhookEndpointSecret(endpoint=WebhookEndpoint.of(row), secret=secret)

    @strawberry.federation.mutation(
        description="Another address or other events; what waits goes to the new address.",
        tags=[TAG],
    )
    async def update_webhook_endpoint(
        self,
        info: Info,
        input: Annotated[
            UpdateWebhookEndpointInput, strawberry.argument(description="What changes.")
        ],
    ) -> Annotated[WebhookEndpoint | Problem, _result("updateWebhookEndpoint")]:
        runtime = info.context.runtime
        async with info.context.write() as session:
            row = await webhooks.update_endpoint(
                session,
                viewer=info.context.viewer,
                endpoint_id=parse_id(input.id, field="id"),
                url=input.url,
                events=input.events,
                sender=runtime.webhooks,
                settings=runtime.settings,
            )
        return WebhookEndpoint.of(row)

    @strawberry.federation.mutation(
        description="A new secret; for a day messages are signed with the present one, too.",
        tags=[TAG],
    )
    async def rotate_webhook_secret(
        self, info: Info, id: EndpointId
    ) -> Annotated[WebhookEndpointSecret | Problem, _result("rotateWebhookSecret")]:
        async with info.context.write() as session:
            issued = await webhooks.rotate_secret(
                session,
                viewer=info.context.viewer,
                endpoint_id=parse_id(id, field="id"),
                vault=info.context.runtime.vault,
            )
        return WebhookEndpointSecret(
            endpoint=WebhookEndpoint.of(issued.endpoint), secret=issued.secret
        )

    @strawberry.federation.mutation(
        description="Send nothing more for now; what waits counts as failed.", tags=[TAG]
    )
    async def disable_webhook_endpoint(
        self, info: Info, id: EndpointId
    ) -> Annotated[WebhookEndpoint | Problem, _result("disableWebhookEndpoint")]:
        async with info.context.write() as session:
            row = await webhooks.disable_endpoint(
                session, viewer=info.context.viewer, endpoint_id=parse_id(id, field="id")
            )
        return WebhookEndpoint.of(row)

    @strawberry.federation.mutation(
        description="Send again from now on; replay what failed before.", tags=[TAG]
    )
    async def enable_webhook_endpoint(
        self, info: Info, id: EndpointId
    ) -> Annotated[WebhookEndpoint | Problem, _result("enableWebhookEndpoint")]:
        async with info.context.write() as session:
            row = await webhooks.enable_endpoint(
                session, viewer=info.context.viewer, endpoint_id=parse_id(id, field="id")
            )
        return WebhookEndpoint.of(row)

    @strawberry.federation.mutation(
        description="Remove an endpoint with its messages and their log.", tags=[TAG]
    )
    async def delete_webhook_endpoint(
        self, info: Info, id: EndpointId
    ) -> Annotated[WebhookEndpointDeleted | Problem, _result("deleteWebhookEndpoint")]:
        async with info.context.write() as session:
            removed = await webhooks.delete_endpoint(
                session, viewer=info.context.viewer, endpoint_id=parse_id(id, field="id")
            )
        return WebhookEndpointDeleted(id=strawberry.ID(str(removed)))

    @strawberry.federation.mutation(
        description="Queue a message without an event, to see that it arrives.", tags=[TAG]
    )
    async def send_test_webhook(
        self, info: Info, id: EndpointId
    ) -> Annotated[WebhookDelivery | Problem, _result("sendTestWebhook")]:
        # The address is the partner's word alone: nobody may be flooded through us.
        rate = info.context.runtime.settings.limit_webhook_tests
        await info.context.limit("webhook-tests", info.context.viewer.key, rate)
        async with info.context.write() as session:
            row = await webhook_deliveries.send_test(
                session, viewer=info.context.viewer, endpoint_id=parse_id(id, field="id")
            )
        return WebhookDelivery.of(row)

    @strawberry.federation.mutation(
        description="Send one message again, whatever became of it.", tags=[TAG]
    )
    async def replay_webhook_delivery(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The delivery's id.")],
    ) -> Annotated[WebhookDelivery | Problem, _result("replayWebhookDelivery")]:
        async with info.context.write() as session:
            row = await webhook_deliveries.replay(
                session, viewer=info.context.viewer, delivery_id=parse_id(id, field="id")
            )
        return WebhookDelivery.of(row)

    @strawberry.federation.mutation(
        description="Send again what an endpoint did not take since a moment.", tags=[TAG]
    )
    async def replay_failed_webhooks(
        self,
        info: Info,
        id: EndpointId,
        since: Annotated[
            datetime, strawberry.argument(description="Only what was written since then.")
        ],
    ) -> Annotated[WebhookReplay | Problem, _result("replayFailedWebhooks")]:
        async with info.context.write() as session:
            row, count = await webhook_deliveries.replay_failed(
                session,
                viewer=info.context.viewer,
                endpoint_id=parse_id(id, field="id"),
                since=since,
            )
        return WebhookReplay(endpoint=WebhookEndpoint.of(row), messages=count)
