"""Run the APIs and workers of any number of subgraphs in one process, until SIGTERM or SIGINT.

Draining: new connections are refused, running requests and the batch in flight finish, offsets are
committed; after 30 seconds the process ends all the same.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import uvicorn
import uvloop
from starlette.types import ASGIApp

from shared import telemetry
from shared.app import create_admin_app, create_process_app
from shared.garbage import collect_for_requests
from shared.runtime import Runtime, Subgraph
from shared.worker import Worker

DRAIN_SECONDS = 25
STOP_SECONDS = 30


@dataclass(frozen=True)
class Listen:
    """Where a process listens; the admin port is not for the outside."""

    host: str = "127.0.0.1"
    port: int = 8000
    admin_port: int = 9000


class _Server(uvicorn.Server):
    """A server that leaves signals to us: several of them share the process."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Nothing."""
        yield


def _server(app: ASGIApp, host: str, port: int) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            timeout_keep_alive=75,
            ws="websockets-sansio",
            lifespan="on",
        )
    )


async def serve(
    subgraphs: Sequence[Subgraph],
    listen: Listen,
    *,
    api: bool = True,
    worker: bool = True,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until told to stop. Raises SettingsError before anything is opened."""
    parts = [(subgraph, subgraph.start()) for subgraph in subgraphs]
    role = "run" if api and worker else "api" if api else "worker"
    telemetry.configure(parts[0][1].settings, f"{'+'.join(s.name for s in subgraphs)}-{role}")
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with _opened(parts):
        collect_for_requests()
        servers = [_server(create_admin_app(parts), listen.host, listen.admin_port)]
        if api:
            servers.append(_server(create_process_app(parts), listen.host, listen.port))
        workers = [Worker(subgraph, runtime) for subgraph, runtime in parts] if worker else []
        tasks = [asyncio.create_task(each.serve()) for each in servers]
        tasks += [asyncio.create_task(each.run()) for each in workers]
        stopping = asyncio.create_task(stop.wait())
        # A part that ends by itself ends the process: a supervisor starts it anew.
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for server in servers:
            server.should_exit = True
        for each in workers:
            each.stop()
        _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    telemetry.shutdown()
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


@contextlib.asynccontextmanager
async def _opened(parts: Sequence[tuple[Subgraph, Runtime]]) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for _, runtime in parts:
            await runtime.open()
            stack.push_async_callback(runtime.close)
        yield


def run(
    subgraphs: Sequence[Subgraph], listen: Listen, *, api: bool = True, worker: bool = True
) -> None:
    """`serve` on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(subgraphs, listen, api=api, worker=worker))
