"""GraphQL requests to one subgraph through its ASGI app, signed as the router signs them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import orjson
import sqlalchemy as sa
from redis.asyncio import Redis

from shared.app import create_app
from shared.auth import SIGNATURE_HEADER, sign
from shared.db import Database
from shared.events import Event
from shared.ids import new_id
from shared.inbox import Delivery, deliver
from shared.runtime import Runtime, Subgraph
from tests.support import tokens
from tests.support.services import SECRET


@dataclass
class Answer:
    """One HTTP answer of a subgraph."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """The data; fails the test when there are errors."""
        assert "errors" not in self.body, self.body["errors"]
        data: dict[str, Any] = self.body["data"]
        return data

    @property
    def codes(self) -> list[str]:
        """The codes of the errors."""
        return [error["extensions"]["code"] for error in self.body.get("errors", [])]


@dataclass
class GraphClient:
    """Asks one subgraph; `as_user` gives a client that carries a token."""

    subgraph: Subgraph
    runtime: Runtime
    app: Any = None
    http: Any = None
    token: str | None = None
    ip: str = "192.0.2.1"
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Build the app and its client once; copies share them."""
        self.app = self.app or create_app(self.subgraph, self.runtime)
        # Proxies of the environment are no business of an app in the same process.
        self.http = self.http or httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://subgraph", trust_env=False
        )

    def with_token(self, token: str | None, **options: Any) -> "GraphClient":
        """The same app, asked with this token."""
        return GraphClient(
            self.subgraph, self.runtime, self.app, self.http, token, **({"ip": self.ip} | options)
        )

    def as_user(self, user_id: UUID, *roles: str, **claims: Any) -> "GraphClient":
        """The same app, asked by a user with these roles (student without)."""
        return self.with_token(tokens.token(user_id, roles=roles or ("student",), **claims))

    async def post(
        self, body: bytes, *, signature: str | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send a raw body."""
        sent = {"content-type": "application/json", **self.headers, **(headers or {})}
        sent[SIGNATURE_HEADER] = (
            sign(SECRET.encode(), body, ip=self.ip) if signature is None else signature
        )
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        answer: httpx.Response = await self.http.post("/graphql", content=body, headers=sent)
        return answer

    async def ask(self, query: str, **variables: Any) -> Answer:
        """Run an operation."""
        body = orjson.dumps({"query": query, "variables": variables}, default=str)
        answer = await self.post(body)
        return Answer(answer.status_code, answer.json())

    async def entities(self, typename: str, ids: list[Any], fields: str) -> Answer:
        """Resolve references as the router does."""
        query = (
            "query($r: [_Any!]!) { _entities(representations: $r)"
            f" {{ __typename ... on {typename} {{ {fields} }} }} }}"
        )
        return await self.ask(query, r=[{"__typename": typename, "id": str(id_)} for id_ in ids])


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The SQL statements that run inside."""
    statements: list[str] = []

    def note(statement: str, _: object, __: int) -> None:
        statements.append(statement)

    with database.observed(note):
        yield statements


async def send(subgraph: Subgraph, runtime: Runtime, *events: Event, twice: bool = True) -> None:
    """Deliver events as the consumer does; by default each one twice."""
    deliveries = [Delivery(id=new_id(), event=event) for event in events]
    for _ in range(2 if twice else 1):
        async with runtime.database.write() as session:
            await deliver(session, subgraph.handlers, deliveries)


async def published(runtime: Runtime) -> list[tuple[str, dict[str, Any]]]:
    """What the outbox holds: types and payloads, in order."""
    async with runtime.database.read() as session:
        rows = await session.execute(sa.text("SELECT type, payload FROM outbox ORDER BY seq"))
        return [(row.type, orjson.loads(row.payload or "null")) for row in rows]


async def clean(runtime: Runtime) -> None:
    """Delete every row of the subgraph's tables, and this process's cache."""
    await _empty(runtime)
    async with Redis.from_url(os.environ["VALKEY_URL"]) as valkey:
        await valkey.flushdb()


async def _empty(runtime: Runtime) -> None:
    # Only what holds rows: emptying a table makes new files for it and its indexes.
    async with runtime.database.write() as session:
        # It tells of every table that goes along with another.
        await session.execute(
            sa.text("SET LOCAL statement_timeout = 0; SET LOCAL client_min_messages = warning")
        )
        await session.execute(_EMPTY)


_EMPTY = sa.text("""
DO $$
DECLARE
  name text;
  found boolean;
  names text[] := '{}';
BEGIN
  FOR name IN SELECT quote_ident(tablename) FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
  LOOP
    EXECUTE 'SELECT EXISTS (SELECT 1 FROM ' || name || ')' INTO found;
    IF found THEN names := names || name; END IF;
  END LOOP;
  IF names <> '{}' THEN
    EXECUTE 'TRUNCATE ' || array_to_string(names, ', ') || ' RESTART IDENTITY CASCADE';
  END IF;
END $$
""")
