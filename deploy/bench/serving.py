"""How the benchmark's own servers are served: as the subgraphs are, one process each."""

import asyncio
from typing import Any

import uvicorn
import uvloop

from shared.garbage import collect_for_requests


def serve(app: Any, port: int, *, lifespan: bool = False) -> None:
    """Serve an ASGI app on the loopback until SIGTERM."""
    config = uvicorn.Config(
        app,
        port=port,
        http="httptools",
        lifespan="on" if lifespan else "off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    collect_for_requests()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())
