"""Where partners' programs are told of events: endpoints and their secrets.

A program may listen to the events that its contract names. It manages its own endpoints; admins
manage everybody's.
"""

import base64
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from shared import validation
from shared.db import ReadSession, WriteSession
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import parse_id_or_none
from shared.pages import Order, Page, PageRequest, keyset
from shared.viewer import Viewer, ViewerKind
from subgraphs.identity.config import Settings
from subgraphs.identity.models import OauthClient, WebhookDelivery, WebhookEndpoint, WebhookSecret
from subgraphs.identity.ports import WebhookSender
from subgraphs.identity.service import audit, partners
from subgraphs.identity.service.secrets import Vault
from subgraphs.identity.service.webhook_events import OFFERED

MOST_ENDPOINTS = 10
MOST_URL = 2000
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret of the standard begins with
OVERLAP = timedelta(hours=24)
# FOR NO KEY UPDATE: new messages to a locked endpoint need not wait.
LOCK = {"key_share": True}


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """An endpoint with its secret in the clear, which is shown this once."""

    endpoint: WebhookEndpoint
    secret: str


def client_of(viewer: Viewer, wanted: UUID | None) -> UUID | None:
    """The program whose endpoints are meant: a partner's own, or the one that an admin names.

    None stands for all, which only admins may mean. Raises Unauthenticated, Forbidden, NotFound.
    """
    if viewer.kind is not ViewerKind.PARTNER:
        viewer.require_role("admin")
        return wanted
    own = parse_id_or_none(viewer.client_id or "")
    if own is None or wanted not in (None, own):
        raise NotFound("There is no such client.", field="clientId")
    return own


def _actor(viewer: Viewer) -> UUID | None:
    return parse_id_or_none(viewer.client_id) if viewer.client_id else None


def _new_secret(session: WriteSession, endpoint_id: UUID, vault: Vault) -> str:
    key = secrets.token_bytes(SECRET_BYTES)
    session.add(WebhookSecret(endpoint_id=endpoint_id, secret=vault.seal(key)))
    return SECRET_PREFIX + base64.b64encode(key).decode()


def events_of_contract(contract: str, settings: Settings) -> frozenset[str]:
    """The types of events that programs of a contract may listen to. Raises Unavailable."""
    found = partners.contracts(settings).get(contract)
    return frozenset(found.events if found else ()) & OFFERED.keys()


def _checked_events(client: OauthClient, events: list[str], settings: Settings) -> list[str]:
    allowed = events_of_contract(client.contract, settings)
    wanted = sorted(set(events))
    if not wanted:
        raise InvalidInput("events must name at least one type of event.", field="events")
    if unknown := [each for each in wanted if each not in allowed]:
        listed = ", ".join(sorted(allowed)) or "none"
        raise InvalidInput(
            f"{unknown[0][:100]} is no event of this contract; there are: {listed}.", field="events"
        )
    return wanted


def _checked_url(sender: WebhookSender, url: str) -> str:
    url = validation.text(url, field="url", least=1, most=MOST_URL)
    try:
        return sender.checked_url(url)
    except ValueError as error:
        raise InvalidInput(f"url {error}.", field="url") from None


async def create_endpoint(
    session: WriteSession,
    *,
    viewer: Viewer,
    client_id: UUID | None,
    url: str,
    events: list[str],
    sender: WebhookSender,
    settings: Settings,
    vault: Vault,
) -> IssuedSecret:
    """Tell a program's address of events from now on. Raises NotFound, InvalidInput, Conflict."""
    wanted = client_of(viewer, client_id)
    if wanted is None:
        raise InvalidInput("clientId says whose endpoint it is.", field="clientId")
    # The lock makes the count hold.
    client = await session.get(OauthClient, wanted, with_for_update=True)
    if client is None or client.revoked_at is not None:
        raise NotFound("There is no such client.", field="clientId")
    endpoint = WebhookEndpoint(
        client_id=client.id,
        url=_checked_url(sender, url),
        events=_checked_events(client, events, settings),
    )
    known = await session.scalar(
        sa.select(sa.func.count()).where(WebhookEndpoint.client_id == client.id)
    )
    if (known or 0) >= MOST_ENDPOINTS:
        raise Conflict(f"A client may have at most {MOST_ENDPOINTS} endpoints.")
    session.add(endpoint)
    await session.flush()
    secret = _new_secret(session, endpoint.id, vault)
    record(session, "created", viewer, endpoint, events=endpoint.events)
    return IssuedSecret(endpoint, secret)


def record(
    session: WriteSession,
    what: str,
    viewer: Viewer,
    endpoint: WebhookEndpoint,
    **details: object,
) -> None:
    """Note under the client's id what was done to its endpoint."""
    audit.record(
        session,
        f"webhook_endpoint.{what}",
        viewer=viewer,
        subject_id=endpoint.client_id,
        actor_id=_actor(viewer),
        endpoint=str(endpoint.id),
        **details,
    )


async def locked_endpoint(
    session: WriteSession, *, viewer: Viewer, endpoint_id: UUID
) -> WebhookEndpoint:
    """An endpoint of the viewer's program, locked. Raises NotFound."""
    own = client_of(viewer, None)
    endpoint = await session.get(WebhookEndpoint, endpoint_id, with_for_update=LOCK)
    if endpoint is None or own not in (None, endpoint.client_id):
        raise NotFound("There is no such endpoint.", field="id")
    return endpoint


async def update_endpoint(
    session: WriteSession,
    *,
    viewer: Viewer,
    endpoint_id: UUID,
    url: str | None,
    events: list[str] | None,
    sender: WebhookSender,
    settings: Settings,
) -> WebhookEndpoint:
    """Another address or other events; what waits goes to the new address."""
    endpoint = await locked_endpoint(session, viewer=viewer, endpoint_id=endpoint_id)
    if url is not None:
        endpoint.url = _checked_url(sender, url)
    if events is not None:
        client = await session.get_one(OauthClient, endpoint.client_id)
        endpoint.events = _checked_events(client, events, settings)
    await session.flush()
    record(session, "updated", viewer, endpoint, events=endpoint.events)
    return endpoint


async def rotate_secret(
    session: WriteSession, *, viewer: Viewer, endpoint_id: UUID, vault: Vault
) -> IssuedSecret:
    """A new secret; for a day messages are signed with the present one, too."""
    endpoint = await locked_endpoint(session, viewer=viewer, endpoint_id=endpoint_id)
    table = WebhookSecret
    await session.execute(
        sa.delete(table).where(table.endpoint_id == endpoint.id, table.expires_at.is_not(None))
    )
    await session.execute(
        sa.update(table)
        .where(table.endpoint_id == endpoint.id)
        .values(expires_at=sa.func.clock_timestamp() + OVERLAP)
    )
    secret = _new_secret(session, endpoint.id, vault)
    record(session, "secret_rotated", viewer, endpoint)
    return IssuedSecret(endpoint, secret)


async def disable(
    session: WriteSession, *, viewer: Viewer, endpoint: WebhookEndpoint, reason: str
) -> None:
    """Send nothing more to a locked endpoint; what waits has failed, and can be replayed."""
    if endpoint.disabled_at is not None:
        return
    endpoint.disabled_at = await session.scalar(sa.select(sa.func.clock_timestamp()))
    endpoint.disabled_reason = reason
    await session.execute(
        sa.update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.status == "PENDING")
        .values(status="FAILED", settled_at=sa.func.clock_timestamp())
    )
    await session.flush()
    record(session, "disabled", viewer, endpoint, reason=reason)


async def disable_endpoint(
    session: WriteSession, *, viewer: Viewer, endpoint_id: UUID
) -> WebhookEndpoint:
    """Send nothing more; twice changes nothing."""
    endpoint = await locked_endpoint(session, viewer=viewer, endpoint_id=endpoint_id)
    await disable(session, viewer=viewer, endpoint=endpoint, reason="ASKED")
    return endpoint


async def enable_endpoint(
    session: WriteSession, *, viewer: Viewer, endpoint_id: UUID
) -> WebhookEndpoint:
    """Send again from now on; what happened meanwhile was not kept."""
    endpoint = await locked_endpoint(session, viewer=viewer, endpoint_id=endpoint_id)
    if endpoint.disabled_at is not None:
        endpoint.disabled_at = endpoint.disabled_reason = endpoint.failing_since = None
        await session.flush()
        record(session, "enabled", viewer, endpoint)
    return endpoint


async def delete_endpoint(session: WriteSession, *, viewer: Viewer, endpoint_id: UUID) -> UUID:
    """Remove an endpoint with its deliveries and their log."""
    endpoint = await locked_endpoint(session, viewer=viewer, endpoint_id=endpoint_id)
    await session.delete(endpoint)
    record(session, "deleted", viewer, endpoint)
    return endpoint.id


async def get_endpoint(
    session: ReadSession, *, viewer: Viewer, endpoint_id: UUID
) -> WebhookEndpoint | None:
    """An endpoint of the viewer's program, as it is now."""
    own = client_of(viewer, None)
    found = await session.get(WebhookEndpoint, endpoint_id, populate_existing=True)
    return found if found is not None and own in (None, found.client_id) else None


async def list_endpoints(
    session: ReadSession, *, viewer: Viewer, client_id: UUID | None, page: PageRequest
) -> Page[WebhookEndpoint]:
    """Endpoints, newest first: of one program, or of all for admins."""
    wanted = client_of(viewer, client_id)
    statement = sa.select(WebhookEndpoint)
    if wanted is not None:
        statement = statement.where(WebhookEndpoint.client_id == wanted)
    return await keyset(session, statement, Order.by(WebhookEndpoint.id.desc()), page)
