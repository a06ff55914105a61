"""People for identity's tests: accounts, their clients, their mails."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import httpx
import orjson
import sqlalchemy as sa

from shared.auth import SIGNATURE_HEADER, sign
from subgraphs.identity.runtime import IdentityRuntime
from subgraphs.identity.service import users
from tests.support.graph import GraphClient
from tests.support.services import SECRET

PASSWORD = "violet-otter-93-harbour"
NEW_PASSWORD = "copper lantern 58 meadow"
TERMS = "2026-11"

LOGIN = """
mutation($input: LoginInput!) { login(input: $input) { __typename
  ... on AuthTokens { accessToken refreshToken expiresAt user { id email roles isEmailVerified } }
  ... on Problem { code message field } } }
"""
REFRESH = """
mutation($token: String!) { refresh(refreshToken: $token) { __typename
  ... on AuthTokens { accessToken refreshToken user { id roles } }
  ... on Problem { code message field } } }
"""
REGISTER = """
mutation($input: RegisterInput!, $key: String) { register(input: $input, idempotencyKey: $key) {
  __typename ... on RegistrationAccepted { email } ... on Problem { code message field } } }
"""

_hashes: dict[int, str] = {}


@dataclass
class Person:
    """A signed-in user; `client` carries the access token."""

    id: UUID
    email: str
    client: GraphClient
    access_token: str
    refresh_token: str


def runtime_of(identity: GraphClient) -> IdentityRuntime:
    """The runtime behind a client."""
    return cast("IdentityRuntime", identity.runtime)


async def seed(
    identity: GraphClient, email: str, *roles: str, verified: bool = True, **names: str
) -> UUID:
    """An account with the usual password, without a session."""
    runtime = runtime_of(identity)
    hashed = _hashes.get(id(runtime))
    if hashed is None:
        hashed = _hashes[id(runtime)] = await runtime.passwords.hash(PASSWORD)
    async with runtime.database.write() as session:
        user = await users.seed_user(
            session,
            email=email,
            password_hash=hashed,
            roles=roles or ("student",),
            verified=verified,
            **names,
        )
    return user.id


async def sign_in(
    identity: GraphClient, email: str, password: str = PASSWORD, **codes: str
) -> Person:
    """A session of an account that exists."""
    answer = await identity.ask(LOGIN, input={"email": email, "password": password, **codes})
    tokens = answer.data["login"]
    assert tokens["__typename"] == "AuthTokens", tokens
    return Person(
        id=UUID(tokens["user"]["id"]),
        email=email,
        client=identity.with_token(tokens["accessToken"]),
        access_token=tokens["accessToken"],
        refresh_token=tokens["refreshToken"],
    )


async def person(
    identity: GraphClient, email: str = "ada@example.org", *roles: str, **names: Any
) -> Person:
    """A new account with a session."""
    await seed(identity, email, *roles, **names)
    return await sign_in(identity, email)


async def login_problem(identity: GraphClient, email: str, password: str, **codes: str) -> Any:
    """What a refused sign-in answers."""
    answer = await identity.ask(LOGIN, input={"email": email, "password": password, **codes})
    return answer.data["login"]


async def rows(identity: GraphClient, query: str, **values: Any) -> Sequence[Any]:
    """What the database holds."""
    async with identity.runtime.database.read() as session:
        return (await session.execute(sa.text(query), values)).all()


async def value(identity: GraphClient, query: str, **values: Any) -> Any:
    """One value of the database."""
    return (await rows(identity, query, **values))[0][0]


async def execute(identity: GraphClient, statement: str, **values: Any) -> None:
    """Change the database behind the service's back."""
    async with identity.runtime.database.write() as session:
        await session.execute(sa.text(statement), values)


async def mails(identity: GraphClient) -> list[tuple[str, str, dict[str, str]]]:
    """Template, recipient and values of the queued mails, oldest first."""
    found = await rows(
        identity, "SELECT template, recipient, context FROM mail_jobs ORDER BY created_at, id"
    )
    vault = runtime_of(identity).vault
    return [
        (row.template, row.recipient, orjson.loads(vault.open(bytes(row.context)))) for row in found
    ]


async def mailed_token(identity: GraphClient, template: str) -> str:
    """The token in the link of the newest mail of a template."""
    links = [values["link"] for name, _, values in await mails(identity) if name == template]
    return parse_qs(urlsplit(links[-1]).query)["token"][0]


async def actions(identity: GraphClient) -> list[str]:
    """What the audit log says, oldest first."""
    return [row.action for row in await rows(identity, "SELECT action FROM audit_log ORDER BY id")]


async def http(
    identity: GraphClient,
    method: str,
    path: str,
    *,
    form: dict[str, str] | bytes | None = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """A request to a public route, signed as the router signs it."""
    body = urlencode(form).encode() if isinstance(form, dict) else form or b""
    sent = {SIGNATURE_HEADER: sign(SECRET.encode(), body, ip=identity.ip)}
    if form is not None:
        sent["content-type"] = "application/x-www-form-urlencoded"
    transport = httpx.ASGITransport(identity.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://identity", trust_env=False
    ) as client:
        return await client.request(method, path, content=body, headers=sent | (headers or {}))
