"""Subscriptions over WebSocket and SSE, and what happens when either side ends them."""

import json
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from deploy.local.ports import free_port
from tests.gateway.subgraphs import Record
from tests.gateway.support import Backend, Router, bearer, eventually

TICKS = "subscription Ticks($n: Int!) { ticks(count: $n, ms: 5) { number user { courses } } }"
ENDLESS = "subscription { ticks(count: 100000, ms: 20) { number } }"
SSE = {"accept": "text/event-stream"}


def tick(number: int) -> dict[str, object]:
    """The result of one event, joined with the other subgraph."""
    return {"data": {"ticks": {"number": number, "user": {"courses": [f"course of {number}"]}}}}


async def test_websocket_delivers_each_event_with_its_join(router: Router, record: Record) -> None:
    async with router.socket(bearer()) as socket:
        results = await socket.run(TICKS, variables={"n": 3})
    assert results == [tick(0), tick(1), tick(2)]
    await eventually(lambda: (record.opened, record.closed) == (1, 1), "the generator ended")


async def test_sse_delivers_each_event_with_its_join(router: Router, record: Record) -> None:
    answer = await router.ask(TICKS, {"n": 3}, headers={**bearer(), **SSE})
    assert answer.headers["content-type"] == "text/event-stream"
    blocks = [block for block in answer.text.split("\n\n") if block.startswith("event: ")]
    assert [block.split("\n")[0] for block in blocks] == ["event: next"] * 3 + ["event: complete"]
    data = [json.loads(block.split("data: ")[1]) for block in blocks[:3]]
    assert data == [tick(0), tick(1), tick(2)]
    assert record.connections[0]["authorization"].startswith("Bearer ")


async def test_complete_over_websocket_cancels_the_generator(
    router: Router, record: Record
) -> None:
    async with router.socket() as socket:
        await socket.send("a", ENDLESS)
        await socket.receive()
        await socket.connection.send(json.dumps({"id": "a", "type": "complete"}))
        await eventually(lambda: record.closed == 1, "the generator was cancelled")
        assert await socket.run("{ courseTitle }") == [{"data": {"courseTitle": "Algebra"}}]


async def test_closing_the_websocket_cancels_the_generator(router: Router, record: Record) -> None:
    async with router.socket() as socket:
        await socket.send("a", ENDLESS)
        await socket.receive()
    await eventually(lambda: record.closed == 1, "the generator was cancelled")
    await eventually(lambda: router.metric("router_subscriptions") == 0, "the gauge went back")


async def test_leaving_an_sse_stream_cancels_the_generator(router: Router, record: Record) -> None:
    async with (
        router.client() as client,
        client.stream("POST", "/graphql", json={"query": ENDLESS}, headers=SSE) as stream,
    ):
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                break
    await eventually(lambda: record.closed == 1, "the generator was cancelled")
    await eventually(lambda: router.metric("router_subscriptions") == 0, "the gauge went back")


async def test_refused_subscription_over_sse_is_an_error_not_a_stream(router: Router) -> None:
    answer = await router.ask(ENDLESS, headers={**SSE, "authorization": "Bearer wrong"})
    assert answer.status_code == 401
    assert '"code":"UNAUTHENTICATED"' in answer.text


async def test_mutation_and_query_over_websocket(router: Router, record: Record) -> None:
    async with router.socket() as socket:
        [result] = await socket.run('mutation { rename(name: "y") }')
        assert result == {"data": {"rename": "y"}}
        [result] = await socket.run("{ leak }")
        [error] = result["errors"]
        assert error["extensions"]["code"] == "INTERNAL"
        assert set(error["extensions"]) == {"code", "requestId"}


async def test_subscriptions_of_one_caller_share_one_upstream_socket(
    router: Router, record: Record
) -> None:
    header = bearer()
    async with router.socket(header) as socket:
        await socket.send("a", ENDLESS)
        await socket.send("b", ENDLESS)
        await eventually(lambda: record.opened == 2, "both run")
    # Two when the minute, which is part of the proof, changed in between.
    assert len(record.connections) in (1, 2)
    await eventually(lambda: record.closed == 2, "both ended")


async def test_oversized_message_closes_the_socket_alone(router: Router) -> None:
    async with router.socket() as socket:
        await socket.send("a", "#" + "x" * 20_000)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    assert (await router.ask("{ courseTitle }")).status_code == 200


async def test_subscription_to_a_subgraph_that_is_down_is_unavailable(
    backend: Backend, folder: Path
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    router = Router(backend, folder / "nowhere", SUBGRAPH_BASE_URL=nowhere).start()
    try:
        async with router.socket() as socket:
            [result] = await socket.run(ENDLESS)
            [error] = result["errors"]
            assert error["extensions"]["code"] == "UNAVAILABLE"
            assert "127.0.0.1" not in json.dumps(result)
        answer = await router.ask(ENDLESS, headers=SSE)
        assert '"code":"UNAVAILABLE"' in answer.text
        assert "127.0.0.1" not in answer.text
    finally:
        router.stop()
