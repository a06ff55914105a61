"""Partners' programs: OAuth 2 clients that get tokens for one contract of the graph."""

import re
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared import validation
from shared.db import ReadSession, WriteSession, utc_now
from shared.errors import InvalidInput, NotFound
from shared.ids import new_id, parse_id_or_none
from shared.pages import Order, Page, PageRequest, keyset
from shared.viewer import Viewer
from subgraphs.identity.config import Settings
from subgraphs.identity.models import OauthClient, OauthClientSecret
from subgraphs.identity.service import audit
from subgraphs.identity.service.keys import Signer
from subgraphs.identity.service.secrets import digest, new_secret

CONTRACT = re.compile(r"[a-z][a-z0-9-]{1,49}")
SCOPE = re.compile(r"[a-z][a-z0-9_-]*:[a-z][a-z0-9_-]*")
MOST_SCOPES = 50
OVERLAP_HOURS = 24


@dataclass(frozen=True, slots=True)
class Issued:
    """A client with its secret in the clear, which is shown this once."""

    client: OauthClient
    secret: str


async def create(
    session: WriteSession, *, viewer: Viewer, name: str, contract: str, scopes: list[str]
) -> Issued:
    """Register a partner's program. Raises InvalidInput."""
    viewer.require_role("admin")
    if not CONTRACT.fullmatch(contract) or contract == "graph":
        raise InvalidInput("contract is the name of a contract of the graph.", field="contract")
    if len(scopes) > MOST_SCOPES or not all(SCOPE.fullmatch(scope) for scope in scopes):
        raise InvalidInput("scopes are written as courses:read.", field="scopes")
    client = OauthClient(
        name=validation.text(name, field="name", least=1, most=200),
        contract=contract,
        scopes=sorted(set(scopes)),
    )
    session.add(client)
    await session.flush()
    secret = _add_secret(session, client)
    audit.record(
        session, "oauth_client.created", viewer=viewer, subject_id=client.id, contract=contract
    )
    return Issued(client, secret)


def _add_secret(session: WriteSession, client: OauthClient) -> str:
    secret = new_secret()
    session.add(OauthClientSecret(client_id=client.id, secret_hash=digest(secret)))
    return secret


async def _locked(session: WriteSession, client_id: UUID) -> OauthClient:
    client = await session.get(OauthClient, client_id, with_for_update=True)
    if client is None:
        raise NotFound("There is no such client.", field="clientId")
    return client


async def get(session: ReadSession, *, viewer: Viewer, client_id: UUID) -> OauthClient:
    """A client by id, for admins. Raises NotFound."""
    viewer.require_role("admin")
    client = await session.get(OauthClient, client_id, populate_existing=True)
    if client is None:
        raise NotFound("There is no such client.", field="clientId")
    return client


async def rotate_secret(session: WriteSession, *, viewer: Viewer, client_id: UUID) -> Issued:
    """A new secret; the present one works for a day more, older ones stop at once."""
    viewer.require_role("admin")
    client = await _locked(session, client_id)
    if client.revoked_at is not None:
        raise NotFound("This client was revoked.", field="clientId")
    table = OauthClientSecret
    await session.execute(
        sa.delete(table).where(table.client_id == client.id, table.expires_at.is_not(None))
    )
    await session.execute(
        sa.update(table)
        .where(table.client_id == client.id)
        .values(expires_at=sa.func.clock_timestamp() + timedelta(hours=OVERLAP_HOURS))
    )
    secret = _add_secret(session, client)
    audit.record(session, "oauth_client.secret_rotated", viewer=viewer, subject_id=client.id)
    return Issued(client, secret)


async def revoke(session: WriteSession, *, viewer: Viewer, client_id: UUID) -> OauthClient:
    """Give the client no more tokens; those that are out end within minutes."""
    viewer.require_role("admin")
    client = await _locked(session, client_id)
    if client.revoked_at is None:
        client.revoked_at = utc_now()
        audit.record(session, "oauth_client.revoked", viewer=viewer, subject_id=client.id)
    return client


async def list_clients(
    session: ReadSession, *, viewer: Viewer, page: PageRequest
) -> Page[OauthClient]:
    """Clients, newest first, for admins."""
    viewer.require_role("admin")
    return await keyset(session, sa.select(OauthClient), Order.by(OauthClient.id.desc()), page)


async def authenticate(session: ReadSession, *, client_id: str, secret: str) -> OauthClient | None:
    """The client whose secret this is; None for a wrong, expired or revoked one."""
    id_ = parse_id_or_none(client_id)
    rows = (
        await session.execute(
            sa.select(OauthClient, OauthClientSecret.secret_hash)
            .join(OauthClientSecret, OauthClientSecret.client_id == OauthClient.id)
            .where(
                OauthClient.id == id_,
                OauthClient.revoked_at.is_(None),
                sa.or_(
                    OauthClientSecret.expires_at.is_(None),
                    OauthClientSecret.expires_at > sa.func.clock_timestamp(),
                ),
            )
        )
    ).all()
    given = digest(secret)
    found = [client for client, stored in rows if secrets.compare_digest(bytes(stored), given)]
    return found[0] if found else None


def granted_scopes(client: OauthClient, asked: str | None) -> list[str] | None:
    """The scopes to grant: all of the client's unless fewer are asked for; None for too many."""
    if asked is None:
        return list(client.scopes)
    wanted = asked.split()
    return wanted if wanted and set(wanted) <= set(client.scopes) else None


def access_token(
    signer: Signer, settings: Settings, client: OauthClient, scopes: list[str]
) -> tuple[str, int]:
    """A partner's token for its contract, and its lifetime in seconds."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": settings.jwt_issuer,
        "aud": client.contract,
        "sub": str(client.id),
        "client_id": str(client.id),
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + settings.access_token_seconds,
        "jti": str(new_id()),
    }
    return signer.sign(claims), settings.access_token_seconds
