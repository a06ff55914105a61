"""Starts what the tests need: the servers behind the router, the router itself, its clients."""

import asyncio
import json
import os
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect

from deploy.local import tools
from deploy.local.ports import free_port
from schema.compose import node_environment
from tests.gateway import tokens
from tests.gateway.subgraphs import COURSES, GHOST, SECRET, USERS, subgraph_app
from tests.support.plain import PLAIN

GATEWAY = tools.ROOT / "gateway"
PATIENCE = 20.0


def compose(
    subgraphs: list[dict[str, str]], contracts: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Run compose.mjs as the checker does."""
    done = subprocess.run(
        [tools.node(), GATEWAY / "compose.mjs"],
        input=json.dumps({"subgraphs": subgraphs, "contracts": contracts or {}}),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=node_environment(),
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


async def eventually(condition: Any, what: str) -> None:
    """Wait until a condition holds; fail with its description when it never does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened: {what}")
        await asyncio.sleep(0.01)


@dataclass
class Backend:
    """Subgraphs, keys, supergraph and a trace collector on one port, in a thread of their own."""

    port: int = field(default_factory=free_port)
    supergraph: str = ""
    supergraph_status: int = 200
    jwks_down: bool = False
    jwks_fetches: int = 0
    spans: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.apps = {
            "users": subgraph_app("users", USERS),
            "courses": subgraph_app("courses", COURSES),
        }
        config = uvicorn.Config(
            self, port=self.port, log_level="critical", lifespan="off", ws="websockets-sansio"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    @property
    def url(self) -> str:
        """Where everything is served."""
        return f"http://127.0.0.1:{self.port}"

    def subgraphs(self) -> list[dict[str, str]]:
        """What compose.mjs takes; nothing listens at the third subgraph's address."""
        sdl = {"users": USERS.as_str(), "courses": COURSES.as_str(), "ghost": GHOST.as_str()}
        urls = {name: f"{self.url}/{name}/graphql" for name in ("users", "courses")}
        urls["ghost"] = f"http://127.0.0.1:{free_port()}/ghost/graphql"
        return [{"name": name, "url": urls[name], "sdl": sdl[name]} for name in sdl]

    def start(self) -> Self:
        """Serve."""
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Stop serving, open connections included."""
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(timeout=10)

    def _collect(self, export: dict[str, Any]) -> None:
        for resource in export["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                self.spans.extend(scope["spans"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route by the first segment of the path."""
        name = scope["path"].split("/")[1]
        app: ASGIApp = PlainTextResponse("not here", 404)
        if name in self.apps:
            app = self.apps[name]
        elif name == "jwks":
            self.jwks_fetches += 1
            app = JSONResponse(tokens.public_keys(), 503 if self.jwks_down else 200)
        elif name == "v1":
            self._collect(await Request(scope, receive).json())
            app = JSONResponse({})
        elif name == "supergraph":
            app = PlainTextResponse(self.supergraph, self.supergraph_status)
        await app(scope, receive, send)


class Router:
    """One real router process."""

    def __init__(self, backend: Backend, folder: Path, **changes: str | None) -> None:
        """`changes` override the environment; None removes a variable."""
        folder.mkdir(parents=True, exist_ok=True)
        registry = folder / "supergraph.yaml"
        registry.write_text(REGISTRY.format(url=backend.url))
        self.log_file = folder / "router.log"
        settings: dict[str, str | None] = {
            "ROUTER_ENV": "production",
            "ROUTER_PORT": "0",
            "ROUTER_ADMIN_PORT": "0",
            "SUPERGRAPH_URL": f"{backend.url}/supergraph",
            "SUPERGRAPH_POLL_MS": "100",
            "SUPERGRAPH_CONFIG": str(registry),
            "JWKS_URL": f"{backend.url}/jwks",
            "JWT_ISSUER": tokens.ISSUER,
            "JWT_AUDIENCE": tokens.AUDIENCE,
            "GATEWAY_SECRET": f"{SECRET},second-secret-of-the-router-987654321",
            "SUBGRAPH_TIMEOUT_MS": "1000",
            "BREAKER_FAILURES": "1000",
            **changes,
        }
        self.env = {name: value for name, value in settings.items() if value is not None}
        self.port = self.admin_port = 0

    def launch(self) -> Self:
        """Start the process, and wait until it listens."""
        env = {"PATH": os.environ["PATH"], **self.env}
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [tools.node(), GATEWAY / "server.mjs"], env=env, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE
        while not (listening := self.lines("listening")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the router did not start: {self.log_file.read_text()}")
            time.sleep(0.02)
        self.port, self.admin_port = listening[0]["port"], listening[0]["adminPort"]
        return self

    def start(self) -> Self:
        """Start the process, and wait until it is ready."""
        self.launch()
        deadline = time.monotonic() + PATIENCE
        while self.admin("/health/ready").status_code != 200:
            if time.monotonic() > deadline:
                raise AssertionError(f"the router is not ready: {self.log_file.read_text()}")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """End the process, gently first."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def lines(self, message: str) -> list[dict[str, Any]]:
        """The log lines with this message."""
        entries = [
            json.loads(line)
            for line in self.log_file.read_text().splitlines()
            if line.startswith("{")
        ]
        return [entry for entry in entries if entry["message"] == message]

    def admin(self, path: str) -> httpx.Response:
        """Ask the admin listener."""
        url = f"http://127.0.0.1:{self.admin_port}{path}"
        return httpx.get(url, trust_env=False, timeout=5, verify=PLAIN)

    def metric(self, sample: str) -> float:
        """The value of one sample, zero if there is none."""
        for line in self.admin("/metrics").text.splitlines():
            if line.startswith(f"{sample} "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    @property
    def url(self) -> str:
        """The public address."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.AsyncClient:
        """An HTTP client of the public port."""
        return httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=PATIENCE, verify=PLAIN)

    async def ask(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        *,
        headers: dict[str, str] | None = None,
        **body: Any,
    ) -> httpx.Response:
        """Send one operation over HTTP."""
        content = {"query": query, **({"variables": variables} if variables else {}), **body}
        async with self.client() as client:
            return await client.post("/graphql", json=content, headers=headers)

    @asynccontextmanager
    async def socket(
        self, payload: dict[str, Any] | None = None, **options: Any
    ) -> AsyncIterator["Socket"]:
        """A graphql-transport-ws connection that was acknowledged."""
        subprotocols: Any = ["graphql-transport-ws"]
        url = f"ws://127.0.0.1:{self.port}/graphql"
        async with connect(url, subprotocols=subprotocols, proxy=None, **options) as connection:
            await connection.send(json.dumps({"type": "connection_init", "payload": payload or {}}))
            assert json.loads(await connection.recv())["type"] == "connection_ack"
            yield Socket(connection)


@dataclass
class Socket:
    """One client connection; operations are told apart by id."""

    connection: ClientConnection

    async def send(self, id: str, query: str, **more: Any) -> None:
        """Start an operation."""
        message = {"id": id, "type": "subscribe", "payload": {"query": query, **more}}
        await self.connection.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """The next message that is not a ping."""
        while True:
            text = await asyncio.wait_for(self.connection.recv(), PATIENCE)
            message: dict[str, Any] = json.loads(text)
            if message["type"] != "ping":
                return message

    async def run(self, query: str, **more: Any) -> list[dict[str, Any]]:
        """The results of one operation until it completes."""
        await self.send("1", query, **more)
        results = []
        while (message := await self.receive())["type"] != "complete":
            results.append(message["payload"])
        return results


def bearer(**changes: Any) -> dict[str, str]:
    """The header of a signed-in caller."""
    return {"authorization": f"Bearer {tokens.token(**changes)}"}


def only_error(response: httpx.Response) -> dict[str, Any]:
    """The one error of a body that holds nothing else, with its request id checked."""
    body = response.json()
    assert len(body["errors"]) == 1, body
    assert body.get("data") is None
    error: dict[str, Any] = body["errors"][0]
    assert error["extensions"]["requestId"] == response.headers["x-request-id"]
    return error


REGISTRY = """\
subgraphs:
  users:
    url: {url}/users/graphql
    public:
      - {{ method: [GET], path: /.well-known/jwks.json, partners: true }}
      - {{ method: [GET, POST], path: "/hooks/{{provider}}/in" }}
  courses:
    url: {url}/courses/graphql
    public: []
"""
