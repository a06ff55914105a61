"""What `edtech partners` does: identity's rules, asked by the platform itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from deploy import events
from schema.registry import load_subgraph
from shared.pages import PageRequest
from shared.viewer import Viewer
from subgraphs.identity.models import OauthClient
from subgraphs.identity.runtime import IdentityRuntime
from subgraphs.identity.service import partners

PAGE = 100
OPERATOR = Viewer.system()


@dataclass(frozen=True)
class Program:
    """A partner's program, and how many of its secrets are valid."""

    client: OauthClient
    valid_secrets: int


async def create(
    *,
    name: str,
    contract: str,
    scopes: list[str] | None,
    acts_for: UUID | None,
    contact: str | None,
) -> partners.Issued:
    """Register a program, with all scopes of the contract unless some are named."""
    async with _opened() as runtime, runtime.database.write() as session:
        known = partners.contracts(runtime.settings).get(contract)
        application = partners.Application(
            name=name,
            contract=contract,
            scopes=scopes or list(known.scopes if known else ()),
            acts_for=acts_for,
            contact=contact,
        )
        return await partners.create(
            session, viewer=OPERATOR, settings=runtime.settings, application=application
        )


async def every() -> list[OauthClient]:
    """All programs, the newest first."""
    found: list[OauthClient] = []
    cursor: str | None = None
    async with _opened() as runtime:
        while True:
            page = PageRequest.of(first=PAGE, after=cursor, last=None, before=None)
            async with runtime.database.read() as session:
                rows = await partners.list_clients(session, viewer=OPERATOR, page=page)
            found += rows.items
            if not rows.has_next:
                return found
            cursor = rows.cursors[-1]


async def get(client_id: UUID) -> Program:
    """One program. Raises NotFound."""
    async with _opened() as runtime, runtime.database.read() as session:
        client = await partners.get(session, viewer=OPERATOR, client_id=client_id)
        [valid] = await partners.count_secrets(session, [client_id])
        return Program(client, valid)


async def rotate(client_id: UUID, overlap_hours: int) -> partners.Issued:
    """A new secret; the present one works for a while more. Raises NotFound."""
    async with _opened() as runtime, runtime.database.write() as session:
        return await partners.rotate_secret(
            session, viewer=OPERATOR, client_id=client_id, overlap_hours=overlap_hours
        )


async def revoke(client_id: UUID) -> OauthClient:
    """Close a program. Raises NotFound."""
    async with _opened() as runtime, runtime.database.write() as session:
        return await partners.revoke(session, viewer=OPERATOR, client_id=client_id)


@asynccontextmanager
async def _opened() -> AsyncIterator[IdentityRuntime]:
    async with events.opened(load_subgraph("identity")) as runtime:
        if not isinstance(runtime, IdentityRuntime):
            raise TypeError("identity has a runtime of its own")
        yield runtime
