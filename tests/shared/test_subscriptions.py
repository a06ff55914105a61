"""Subscriptions over graphql-transport-ws: proof and token travel in the connection init."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
import strawberry
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from shared.app import create_app
from shared.auth import SIGNATURE_HEADER, sign
from shared.graph import BaseContext, build_schema
from shared.ids import new_id
from shared.runtime import Runtime, Subgraph
from tests.support import tokens
from tests.support.services import SECRET

Info = strawberry.Info[BaseContext, None]
closed: list[str] = []


@strawberry.type
class Query:
    @strawberry.field
    def ping(self) -> str:
        return "pong"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, info: Info, count: int) -> AsyncIterator[str]:
        try:
            for number in range(count):
                yield f"{info.context.viewer.user_id}:{number}"
                await asyncio.sleep(0.01)
        finally:
            closed.append("ticks")

    @strawberry.subscription
    async def broken(self) -> AsyncIterator[str]:
        yield "first"
        raise RuntimeError("secret detail")


@pytest.fixture
async def url(runtime: Runtime, subgraph: Subgraph) -> AsyncIterator[str]:
    schema = build_schema("learning", query=Query, subscription=Subscription)
    app = create_app(replace(subgraph, schema=schema, context=BaseContext), runtime)
    config = uvicorn.Config(app, port=0, log_config=None, ws="websockets-sansio", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn only has a flag
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"ws://127.0.0.1:{port}/graphql"
    server.should_exit = True
    await task


@asynccontextmanager
async def socket(url: str, params: dict[str, Any]) -> AsyncIterator[ClientConnection]:
    async with connect(url, subprotocols=["graphql-transport-ws"], proxy=None) as connection:  # type: ignore[list-item]
        await send(connection, {"type": "connection_init", "payload": params})
        yield connection


async def send(connection: ClientConnection, message: dict[str, Any]) -> None:
    await connection.send(orjson.dumps(message).decode())


async def receive(connection: ClientConnection) -> Any:
    return orjson.loads(await asyncio.wait_for(connection.recv(), 10))


def proof(authorization: str = "") -> dict[str, str]:
    params = {SIGNATURE_HEADER: sign(SECRET.encode(), authorization.encode(), ip="192.0.2.9")}
    return params | ({"authorization": authorization} if authorization else {})


async def subscribe(connection: ClientConnection, query: str) -> None:
    assert (await receive(connection))["type"] == "connection_ack"
    await send(connection, {"id": "1", "type": "subscribe", "payload": {"query": query}})


async def test_signed_socket_gets_events_with_its_viewer(url: str) -> None:
    user_id = new_id()
    async with socket(url, proof(f"Bearer {tokens.token(user_id)}")) as connection:
        await subscribe(connection, "subscription { ticks(count: 2) }")
        answers = [await receive(connection) for _ in range(3)]
    assert [a["type"] for a in answers] == ["next", "next", "complete"]
    assert [a["payload"]["data"]["ticks"] for a in answers[:2]] == [f"{user_id}:0", f"{user_id}:1"]


async def test_completing_closes_the_generator(url: str) -> None:
    closed.clear()
    async with socket(url, proof()) as connection:
        await subscribe(connection, "subscription { ticks(count: 1000000) }")
        await receive(connection)
        await send(connection, {"id": "1", "type": "complete"})
        async with asyncio.timeout(5):
            while not closed:  # noqa: ASYNC110 - the generator has only this list
                await asyncio.sleep(0.01)
    assert closed == ["ticks"]


async def test_errors_of_a_subscription_are_masked(url: str) -> None:
    async with socket(url, proof()) as connection:
        await subscribe(connection, "subscription { broken }")
        assert (await receive(connection))["payload"]["data"] == {"broken": "first"}
        answer = await receive(connection)
    assert "secret detail" not in str(answer)
    assert "INTERNAL" in str(answer)


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({}, id="unsigned"),
        pytest.param({SIGNATURE_HEADER: "t=1,ip=,v1=00"}, id="stale"),
        pytest.param(
            proof("Bearer a") | {"authorization": "Bearer b"}, id="signed for another token"
        ),
        pytest.param(proof("Bearer garbage"), id="bad token"),
    ],
)
async def test_other_sockets_are_refused(url: str, params: dict[str, Any]) -> None:
    async with socket(url, params) as connection:
        with pytest.raises(ConnectionClosed) as caught:
            await receive(connection)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4403
