"""The load generator counts what came back, and accepts nothing but the expected answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.bench.http_load import Plan, http_request, run_apart, send
from deploy.local.errors import LocalServiceError


@asynccontextmanager
async def server(answers: dict[bytes, bytes], *, status: int = 200) -> AsyncIterator[int]:
    """A server that answers each body with what the table holds; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                body = answers[await reader.readexactly(length)]
                lines = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write(lines.encode() + body)
        except asyncio.IncompleteReadError:
            writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with running:
        yield running.sockets[0].getsockname()[1]


def plan(port: int, *exchanges: tuple[str, str], most: int = 10) -> Plan:
    requests = [(http_request("/", sent.encode(), []), wanted) for sent, wanted in exchanges]
    return Plan("it", "127.0.0.1", port, requests, connections=3, seconds=20, most=most)


async def test_as_many_requests_are_sent_as_asked_for() -> None:
    async with server({b"a": b"1", b"b": b"2"}) as port:
        seen = await send(plan(port, ("a", "1"), ("b", "2"), most=11))
    assert len(seen.latencies) == 11


async def test_answer_to_another_request_ends_the_run() -> None:
    async with server({b"a": b"1", b"b": b"1"}) as port:
        with pytest.raises(ValueError, match="status 200, 1 instead of 2"):
            await send(plan(port, ("a", "1"), ("b", "2")))


async def test_refusal_ends_the_run() -> None:
    async with server({b"a": b"1"}, status=503) as port:
        with pytest.raises(ValueError, match="status 503, 1 instead of 1"):
            await send(plan(port, ("a", "1")))


async def test_process_of_its_own_reports_the_count_or_the_reason() -> None:
    async with server({b"a": b"1", b"b": b"1"}) as port:
        seen = await asyncio.to_thread(run_apart, plan(port, ("a", "1"), most=7))
        assert len(seen.latencies) == 7
        with pytest.raises(LocalServiceError, match=r"Under load, it gave .* 1 instead of 2"):
            await asyncio.to_thread(run_apart, plan(port, ("b", "2")))


def test_request_carries_length_and_headers() -> None:
    assert http_request("/graphql", b"{}", [("authorization", "Bearer x")]) == (
        "POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        "content-length: 2\r\nauthorization: Bearer x\r\n\r\n{}"
    )
