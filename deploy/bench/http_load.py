"""The load generator: a process of its own that keeps a fixed number of connections busy.

`python -m deploy.bench.http_load` reads a plan as JSON from stdin and writes what it saw to stdout.
Each connection sends its next request when the last answer is complete (a closed loop).
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import cast

import httptools
import uvloop

from deploy.local.errors import LocalServiceError

GRACE_SECONDS = 30


@dataclass(frozen=True)
class Plan:
    """What to send, in turn until a limit is reached; another answer than the expected ends it."""

    name: str
    host: str
    port: int
    # Whole HTTP requests with the bodies that answer them, as latin-1 text.
    exchanges: list[tuple[str, str]]
    connections: int
    seconds: float
    most: int


@dataclass(frozen=True)
class Seen:
    """What came back; latencies in seconds."""

    seconds: float
    latencies: list[float]


def http_request(
    path: str, body: bytes, headers: Sequence[tuple[str, str]], *, host: str = "127.0.0.1"
) -> str:
    """One POST of JSON as the bytes on the wire."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {host}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join([*lines, "", body.decode("latin-1")])


class _Connection(asyncio.Protocol):
    """One kept-alive connection; `following` gives the next exchange, None at the end."""

    def __init__(
        self, following: Callable[[], tuple[bytes, bytes] | None], latencies: list[float]
    ) -> None:
        self._following, self._latencies = following, latencies
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Feed the answer's parser."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing may close a connection while an answer is awaited."""
        self._end(exc or ConnectionError("The server closed the connection."))

    def on_body(self, body: bytes) -> None:
        """Collect a piece of the answer."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Note the time; what answers another request, or refuses, ends the run."""
        self._latencies.append(time.perf_counter() - self._sent_at)
        body, status = b"".join(self._body), self._parser.get_status_code()
        if status != 200 or body != self._expected:
            given, wanted = body.decode(errors="replace"), self._expected.decode(errors="replace")
            self._end(ValueError(f"status {status}, {given[:150]} instead of {wanted[:150]}"))
        else:
            self._send()

    def _send(self) -> None:
        exchange = self._following()
        if exchange is None:
            self._end(None)
            return
        request, self._expected = exchange
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)
        self._transport.close()


async def send(plan: Plan) -> Seen:
    """Carry out a plan. Raises what went wrong first."""
    exchanges = cycle(
        [(sent.encode("latin-1"), wanted.encode("latin-1")) for sent, wanted in plan.exchanges]
    )
    latencies: list[float] = []
    left = plan.most
    started = time.perf_counter()
    deadline = started + plan.seconds

    def following() -> tuple[bytes, bytes] | None:
        nonlocal left
        if left <= 0 or time.perf_counter() > deadline:
            return None
        left -= 1
        return next(exchanges)

    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(
            lambda: _Connection(following, latencies), plan.host, plan.port
        )
        for _ in range(plan.connections)
    ]
    async with asyncio.timeout(plan.seconds + GRACE_SECONDS):
        await asyncio.gather(*(connection.ended for _, connection in opened))
    return Seen(time.perf_counter() - started, latencies)


def run_apart(plan: Plan) -> Seen:
    """Carry out a plan in another process. Raises LocalServiceError."""
    child = subprocess.run(
        [sys.executable, "-m", "deploy.bench.http_load"],
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        timeout=plan.seconds + 2 * GRACE_SECONDS,
        check=False,
    )
    if child.returncode != 0:
        words = (child.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        raise LocalServiceError(f"Under load, {plan.name} gave something else: {words}")
    return Seen(**json.loads(child.stdout))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(send(Plan(**json.load(sys.stdin))))
    # A buffer of its own: unbuffered (PYTHONUNBUFFERED), a write to a full pipe may lose the rest.
    with open(sys.stdout.fileno(), "w", closefd=False) as out:
        json.dump(asdict(seen), out)
