"""Two small subgraphs that accept only the router, and remember what it sent them."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import strawberry
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.types import Info

SECRET = "first-secret-of-the-router-0123456789"
LEAK = "db password=hunter2 at postgres.internal"


def verify(header: str, payload: bytes, *, skew: int) -> str:
    """The client's address if the proof is right; the reference for every verifier in Python."""
    parts = dict(part.split("=", 1) for part in header.split(","))
    if abs(time.time() - int(parts["t"])) > skew:
        raise ValueError("stale")
    text = parts["t"].encode() + b"." + parts["ip"].encode() + b"." + payload
    wanted = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, parts["v1"]):
        raise ValueError("wrong signature")
    return parts["ip"]


@dataclass
class Received:
    """One request that a subgraph accepted."""

    subgraph: str
    path: str
    headers: dict[str, str]
    body: bytes
    ip: str


@dataclass
class Work:
    """Slow work of one test; what an earlier test left running ends in its own count."""

    opened: int = 0
    closed: int = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """One piece of it."""
        self.opened += 1
        try:
            yield
        finally:
            self.closed += 1


@dataclass
class Record:
    """What happened in the subgraphs, and how they are told to behave."""

    requests: list[Received] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    connections: list[dict[str, Any]] = field(default_factory=list)
    status: dict[str, int] = field(default_factory=dict)
    work: Work = field(default_factory=Work)

    @property
    def opened(self) -> int:
        """How much slow work began during this test."""
        return self.work.opened

    @property
    def closed(self) -> int:
        """How much of it has ended."""
        return self.work.closed

    def to(self, subgraph: str) -> list[Received]:
        """The requests of one subgraph."""
        return [request for request in self.requests if request.subgraph == subgraph]

    def clear(self) -> None:
        """Forget everything and behave well again."""
        self.__init__()  # type: ignore[misc]


RECORD = Record()


class RouterOnly:
    """Refuses whatever the router did not sign, records the rest, and misbehaves on request."""

    def __init__(self, app: ASGIApp, subgraph: str) -> None:
        self.app, self.subgraph = app, subgraph

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Verify the exact bytes of an HTTP request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request = Request(scope, receive)
        body = await request.body()
        response: Response | None = None
        try:
            ip = verify(request.headers.get("x-gateway-signature", ""), body, skew=60)
        except (KeyError, ValueError) as error:
            RECORD.refused.append(str(error))
            response = PlainTextResponse("unsigned", 401)
        else:
            path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            headers = dict(request.headers)
            RECORD.requests.append(Received(self.subgraph, path, headers, body, ip))
        if self.subgraph in RECORD.status:
            response = PlainTextResponse("internal page", RECORD.status[self.subgraph])
        if response:
            return await response(scope, receive, send)

        async def again() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        return await self.app(scope, again, send)


class SignedGraphQL(GraphQL[Any, Any]):
    """Verifies the proof in the connection init of a WebSocket."""

    async def on_ws_connect(self, context: Any) -> Any:
        """Accept the router only."""
        given = context.get("connection_params") or {}
        payload = str(given.get("authorization", "")).encode()
        try:
            verify(str(given.get("x-gateway-signature", "")), payload, skew=180)
        except (KeyError, ValueError):
            raise ConnectionRejectionError({"reason": "unsigned"}) from None
        RECORD.connections.append(dict(given))
        return await super().on_ws_connect(context)


@strawberry.type
class PageInfo:
    has_next_page: bool = False


@strawberry.federation.type(keys=["id"])
class User:
    id: strawberry.ID
    name: str

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "User":
        """Any id exists."""
        return cls(id=id, name=f"user {id}")

    @strawberry.field
    def friends(self, first: int | None = None, last: int | None = None) -> "UserConnection":
        """A connection below a connection."""
        return UserConnection(nodes=[])


@strawberry.type
class UserEdge:
    node: User


@strawberry.type
class UserConnection:
    nodes: list[User]
    edges: list[UserEdge] = strawberry.field(default_factory=list)
    page_info: PageInfo = strawberry.field(default_factory=PageInfo)


def _user(n: int) -> User:
    return User(id=strawberry.ID(str(n)), name=f"user {n}")


@strawberry.type
class UsersQuery:
    @strawberry.field
    def user(self, id: strawberry.ID) -> User | None:
        """One user."""
        return User(id=id, name=f"user {id}")

    @strawberry.field
    def users(self, first: int | None = None, last: int | None = None) -> UserConnection:
        """A page of two."""
        return UserConnection(nodes=[_user(1), _user(2)])

    @strawberry.field
    def user_list(self) -> list[User]:
        """A list without pages."""
        return [_user(1)]

    @strawberry.field
    async def slow(self, ms: int) -> str | None:
        """Answers late."""
        with RECORD.work.running():
            await asyncio.sleep(ms / 1000)
        return "done"

    @strawberry.field
    def leak(self) -> str | None:
        """Fails with a text that nobody may see."""
        raise ValueError(LEAK)

    @strawberry.field
    def fails_with(self, code: str, public: bool = False) -> str | None:
        """Fails with a code of its own."""
        extensions: dict[str, Any] = {"code": code, "stack": LEAK}
        if public:
            extensions["public"] = True
        raise GraphQLError("the words of the subgraph", extensions=extensions)


@strawberry.type
class UsersMutation:
    @strawberry.mutation
    def rename(self, name: str) -> str | None:
        """Echo."""
        return name


@strawberry.type
class Tick:
    number: int
    user: User


@strawberry.type
class UsersSubscription:
    @strawberry.subscription
    async def ticks(self, count: int, ms: int = 5) -> AsyncIterator[Tick]:
        """Count up."""
        with RECORD.work.running():
            for number in range(count):
                await asyncio.sleep(ms / 1000)
                yield Tick(number=number, user=_user(number))


@strawberry.federation.type(name="User", keys=["id"])
class CourseUser:
    id: strawberry.ID

    @strawberry.field
    def courses(self) -> list[str] | None:
        """Contributed, hence nullable."""
        return [f"course of {self.id}"]

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "CourseUser":
        """Any id exists."""
        return cls(id=id)


@strawberry.type
class CoursesQuery:
    @strawberry.field
    def course_title(self, info: Info) -> str | None:
        """A field without a join."""
        return "Algebra"


@strawberry.federation.type(name="User", keys=["id"])
class GhostUser:
    id: strawberry.ID

    @strawberry.field
    def ghost(self) -> str | None:
        """Contributed by a subgraph that is always down."""
        return None

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "GhostUser":
        """Never called."""
        return cls(id=id)


@strawberry.type
class GhostQuery:
    @strawberry.field
    def ghosts(self) -> str | None:
        """Never answered."""
        return None


def _schema(query: type, types: list[Any], **more: Any) -> strawberry.federation.Schema:
    return strawberry.federation.Schema(query=query, types=types, federation_version="2.9", **more)


USERS = _schema(UsersQuery, [User], mutation=UsersMutation, subscription=UsersSubscription)
COURSES = _schema(CoursesQuery, [CourseUser])
GHOST = _schema(GhostQuery, [GhostUser])


def subgraph_app(name: str, schema: strawberry.federation.Schema) -> ASGIApp:
    """GraphQL at /<name>/graphql and public routes beside it, for the router only."""
    graphql = SignedGraphQL(schema, graphql_ide=None)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == f"/{name}/graphql":
            await graphql(scope, receive, send)
        elif scope["type"] == "http":
            await (await _public(Request(scope, receive)))(scope, receive, send)
        else:
            await WebSocket(scope, receive, send).close(4404)

    return RouterOnly(app, name)


async def _public(request: Request) -> Response:
    if request.query_params.get("slow"):
        await asyncio.sleep(5)
    body = (await request.body()).decode()
    answer = {"path": request.url.path, "query": request.url.query, "body": body}
    headers = {"x-answer": "yes", "set-cookie": "a=b", "x-request-id": "from-the-subgraph"}
    return JSONResponse(answer, status_code=201, headers=headers)
