"""Partners' programs with endpoints, for the tests of webhooks."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.contracts import read_contracts
from shared.events import Event
from shared.events.learning import CoursePublished, EnrollmentActivated
from shared.ids import new_id
from shared.viewer import Viewer
from subgraphs.identity.service import partners
from subgraphs.identity.timers import send_webhooks
from tests.subgraphs.identity.people import execute, rows, runtime_of
from tests.support import tokens
from tests.support.graph import GraphClient, send
from tests.support.operations import mutation

ENDPOINT = (
    "id clientId url events createdAt failingSince disabledAt disabledReason"
    " deliveries(first: 50) { nodes { id eventId eventType body status attempts nextAttemptAt"
    " settledAt log { statusCode error response } } }"
)
CREATE = mutation(
    "createWebhookEndpoint",
    "$input: CreateWebhookEndpointInput!, $idempotencyKey: String",
    "WebhookEndpointSecret",
    f"secret endpoint {{ {ENDPOINT} }}",
)
UPDATE = mutation(
    "updateWebhookEndpoint", "$input: UpdateWebhookEndpointInput!", "WebhookEndpoint", ENDPOINT
)
ROTATE = mutation("rotateWebhookSecret", "$id: ID!", "WebhookEndpointSecret", "secret")
DISABLE = mutation("disableWebhookEndpoint", "$id: ID!", "WebhookEndpoint", ENDPOINT)
ENABLE = mutation("enableWebhookEndpoint", "$id: ID!", "WebhookEndpoint", ENDPOINT)
DELETE = mutation("deleteWebhookEndpoint", "$id: ID!", "WebhookEndpointDeleted", "id")
TEST = mutation("sendTestWebhook", "$id: ID!", "WebhookDelivery", "id status eventType body")
REPLAY = mutation("replayWebhookDelivery", "$id: ID!", "WebhookDelivery", "id status attempts")
REPLAY_FAILED = mutation(
    "replayFailedWebhooks", "$id: ID!, $since: DateTime!", "WebhookReplay", "messages"
)
SHOW = f"query($id: ID!) {{ result: webhookEndpoint(id: $id) {{ {ENDPOINT} }} }}"
LIST = "{ webhookEndpoints { nodes { id } } }"

PUBLISHED = CoursePublished.type
ACTIVATED = EnrollmentActivated.type


@dataclass(frozen=True)
class Partner:
    """A registered program; `client` carries its token."""

    id: UUID
    client: GraphClient

    async def endpoint(self, url: str, *events: str) -> tuple[str, str]:
        """A new endpoint's id and secret."""
        given = {"url": url, "events": list(events or (PUBLISHED,))}
        made = (await self.client.ask(CREATE, input=given)).data["result"]
        assert made["__typename"] == "WebhookEndpointSecret", made
        return made["endpoint"]["id"], made["secret"]

    async def show(self, endpoint_id: str) -> dict[str, Any]:
        """The endpoint with its deliveries and their log."""
        found: dict[str, Any] = (await self.client.ask(SHOW, id=endpoint_id)).data["result"]
        return found


async def partner(
    identity: GraphClient, contract: str = "partner-catalog", acts_for: UUID | None = None
) -> Partner:
    """A program of a contract, with all its scopes."""
    runtime = runtime_of(identity)
    async with runtime.database.write() as session:
        issued = await partners.create(
            session,
            viewer=Viewer.system(),
            settings=runtime.settings,
            application=partners.Application(
                name="School",
                contract=contract,
                scopes=list(read_contracts()[contract].scopes),
                acts_for=acts_for,
                contact="hooks@school.example",
            ),
        )
    id_ = issued.client.id
    token = tokens.token(id_, client_id=str(id_), roles=())
    return Partner(id_, identity.with_token(token))


def published(course_id: UUID | None = None) -> CoursePublished:
    """A course was published."""
    return CoursePublished(
        course_id=course_id or new_id(),
        tutor_id=new_id(),
        title="Portuguese of Ines",
        category=None,
        level="BEGINNER",
        language="pt",
        price_amount=0,
        price_currency="EUR",
        duration_minutes=60,
        status="PUBLISHED",
        version=1,
    )


def activated(tutor_id: UUID | None) -> EnrollmentActivated:
    """Somebody enrolled in a course of the tutor."""
    return EnrollmentActivated(
        enrollment_id=new_id(),
        course_id=new_id(),
        student_id=new_id(),
        tutor_id=tutor_id,
        version=1,
    )


async def happen(identity: GraphClient, *events: Event) -> None:
    """Events arrive, each twice."""
    await send(identity.subgraph, identity.runtime, *events)


async def run(identity: GraphClient) -> None:
    """One run of the worker's timer."""
    await send_webhooks(runtime_of(identity))


async def make_due(identity: GraphClient) -> None:
    """Time passes until every message that waits is due."""
    await execute(identity, "UPDATE webhook_deliveries SET next_attempt_at = now()")


async def states(identity: GraphClient) -> list[tuple[str, int]]:
    """Status and tries of every message, oldest first."""
    found = await rows(identity, "SELECT status, attempts FROM webhook_deliveries ORDER BY id")
    return [(row.status, row.attempts) for row in found]


async def tries(identity: GraphClient) -> list[tuple[int | None, str | None]]:
    """What every try came to, oldest first."""
    found = await rows(identity, "SELECT status_code, error FROM webhook_attempts ORDER BY id")
    return [(row.status_code, row.error) for row in found]
