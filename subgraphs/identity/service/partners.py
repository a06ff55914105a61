"""Partners' programs: OAuth 2 clients that get tokens for one contract of the graph.

Contracts and their scopes are those of `schema/contracts.yaml` at the moment of the question, so a
contract that leaves the file gives no more tokens. Tokens live for less than a minute: so a closed
program is out everywhere within that time, with nothing to ask and nothing that could be lost.
"""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared import validation
from shared.contracts import Contract, ContractsError, read_contracts
from shared.db import ReadSession, WriteSession, among, utc_now
from shared.errors import InvalidInput, NotFound, Unavailable
from shared.ids import new_id, parse_id_or_none
from shared.pages import Order, Page, PageRequest, keyset
from shared.telemetry import log
from shared.viewer import Viewer
from subgraphs.identity.config import Settings
from subgraphs.identity.models import OauthClient, OauthClientSecret, User
from subgraphs.identity.service import audit
from subgraphs.identity.service.keys import Signer
from subgraphs.identity.service.secrets import digest, new_secret

OVERLAP_HOURS = 24
MOST_OVERLAP_HOURS = 7 * 24


@dataclass(frozen=True, slots=True)
class Issued:
    """A client with its secret in the clear, which is shown this once."""

    client: OauthClient
    secret: str


@dataclass(frozen=True, slots=True)
class Application:
    """What a partner's program is to be."""

    name: str
    contract: str
    scopes: list[str]
    acts_for: UUID | None = None
    contact: str | None = None


class TokenRefused(Exception):
    """No token: `reason` is for the audit log, `error` and `message` speak OAuth to the caller."""

    def __init__(
        self, reason: str, error: str, message: str, *, client_id: UUID | None = None
    ) -> None:
        super().__init__(reason)
        self.reason, self.error, self.message, self.client_id = reason, error, message, client_id


def contracts(settings: Settings) -> Mapping[str, Contract]:
    """The contracts that partners' programs can be bound to. Raises Unavailable."""
    try:
        found = read_contracts(settings.contracts_file)
    except ContractsError as error:
        log.error("contracts cannot be read", error=str(error))
        raise Unavailable("The contracts cannot be read at the moment.") from None
    return {name: contract for name, contract in found.items() if contract.for_partners}


async def create(
    session: WriteSession, *, viewer: Viewer, settings: Settings, application: Application
) -> Issued:
    """Register a partner's program. Raises InvalidInput."""
    viewer.require_role("admin")
    given = application
    contract = contracts(settings).get(given.contract)
    if contract is None:
        names = ", ".join(contracts(settings)) or "there are none"
        raise InvalidInput(f"contract is one of: {names}.", field="contract")
    unknown = sorted(set(given.scopes) - set(contract.scopes))
    if unknown or contract.scopes[0] not in given.scopes:
        names = ", ".join(contract.scopes)
        raise InvalidInput(
            f"scopes of {given.contract} are {names}; the first is always needed.", field="scopes"
        )
    if given.acts_for is not None and not await _is_open(session, given.acts_for):
        raise InvalidInput("actsFor is no account that is open.", field="actsFor")
    contact = given.contact and validation.email(given.contact, field="contact")
    client = OauthClient(
        name=validation.text(given.name, field="name", least=1, most=200),
        contract=given.contract,
        scopes=[scope for scope in contract.scopes if scope in given.scopes],
        acts_for=given.acts_for,
        contact=contact or None,
    )
    session.add(client)
    await session.flush()
    secret = _add_secret(session, client)
    details: dict[str, Any] = {"contract": client.contract, "scopes": client.scopes}
    if client.acts_for is not None:
        details["acts_for"] = str(client.acts_for)
    audit.record(session, "oauth_client.created", viewer=viewer, subject_id=client.id, **details)
    return Issued(client, secret)


async def _is_open(session: ReadSession | WriteSession, user_id: UUID) -> bool:
    # Whoever may sign in may be acted for: an account that is closed takes its programs with it.
    found = await session.scalar(
        sa.select(User.id).where(
            User.id == user_id, User.status == "ACTIVE", User.deleted_at.is_(None)
        )
    )
    return found is not None


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


async def rotate_secret(
    session: WriteSession, *, viewer: Viewer, client_id: UUID, overlap_hours: int = OVERLAP_HOURS
) -> Issued:
    """A new secret; the present one works for `overlap_hours` more, older ones stop at once."""
    viewer.require_role("admin")
    if not 0 <= overlap_hours <= MOST_OVERLAP_HOURS:
        raise InvalidInput(f"overlapHours is from 0 to {MOST_OVERLAP_HOURS}.", field="overlapHours")
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
        .values(expires_at=sa.func.clock_timestamp() + timedelta(hours=overlap_hours))
    )
    secret = _add_secret(session, client)
    audit.record(
        session,
        "oauth_client.secret_rotated",
        viewer=viewer,
        subject_id=client.id,
        overlap_hours=overlap_hours,
    )
    return Issued(client, secret)


async def revoke(session: WriteSession, *, viewer: Viewer, client_id: UUID) -> OauthClient:
    """Give the client no more tokens; those that are out end within a minute."""
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


async def count_secrets(session: ReadSession, client_ids: list[UUID]) -> list[int]:
    """How many secrets of each client are valid now: two while one is being replaced."""
    rows = await session.execute(
        sa.select(OauthClientSecret.client_id, sa.func.count())
        .where(among(OauthClientSecret.client_id, client_ids), _secret_is_valid())
        .group_by(OauthClientSecret.client_id)
    )
    found = {id_: count for id_, count in rows}  # noqa: C416 - a Row is no tuple to mypy
    return [found.get(id_, 0) for id_ in client_ids]


def _secret_is_valid() -> sa.ColumnElement[bool]:
    expires_at = OauthClientSecret.expires_at
    return sa.or_(expires_at.is_(None), expires_at > sa.func.clock_timestamp())


async def authenticate(
    session: ReadSession, *, settings: Settings, client_id: str, secret: str
) -> OauthClient:
    """The client whose secret this is, while it may have tokens. Raises TokenRefused."""
    id_ = parse_id_or_none(client_id)
    rows = (
        await session.execute(
            sa.select(OauthClient, OauthClientSecret.secret_hash, _secret_is_valid())
            .outerjoin(OauthClientSecret, OauthClientSecret.client_id == OauthClient.id)
            .where(OauthClient.id == id_)
        )
    ).all()
    given = digest(secret)
    known = [
        valid
        for _, stored, valid in rows
        if stored and secrets.compare_digest(bytes(stored), given)
    ]
    client = rows[0][0] if rows else None
    if client is None or not any(known) or client.revoked_at is not None:
        # All answered the same; only the audit log tells them apart.
        reason = "expired_secret" if known else "wrong_secret"
        if client is not None and client.revoked_at is not None:
            reason = "revoked"
        raise TokenRefused(
            reason,
            "invalid_client",
            "The client or its secret is wrong.",
            client_id=client.id if client else None,
        )
    if client.contract not in contracts(settings):
        raise TokenRefused(
            "contract_withdrawn",
            "unauthorized_client",
            f"The contract {client.contract} is not offered any more.",
            client_id=client.id,
        )
    if client.acts_for is not None and not await _is_open(session, client.acts_for):
        raise TokenRefused(
            "account_closed",
            "unauthorized_client",
            "The account that the client acts for is closed.",
            client_id=client.id,
        )
    return client


def grant_scopes(client: OauthClient, settings: Settings, asked: str | None) -> list[str]:
    """The scopes to grant: all of the client's unless fewer are asked for. Raises TokenRefused.

    A scope that has left the contract is granted no more.
    """
    offered = contracts(settings)[client.contract].scopes
    held = [scope for scope in client.scopes if scope in offered]
    wanted = held if asked is None else asked.split()
    if not wanted or not set(wanted) <= set(held):
        raise TokenRefused(
            "scope_not_held",
            "invalid_scope",
            "The client may not have these scopes.",
            client_id=client.id,
        )
    return wanted


def record_refusal(session: WriteSession, refused: TokenRefused, *, viewer: Viewer) -> None:
    """Note that a known client was refused a token, and why."""
    audit.record(
        session,
        "oauth_client.refused",
        viewer=viewer,
        subject_id=refused.client_id,
        reason=refused.reason,
    )


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
        "exp": now + settings.partner_token_seconds,
        "jti": str(new_id()),
    }
    if client.acts_for is not None:
        claims["acts_for"] = str(client.acts_for)
    return signer.sign(claims), settings.partner_token_seconds
