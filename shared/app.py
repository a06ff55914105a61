"""How subgraphs become one ASGI process, and the admin app beside it.

A process serves any number of subgraphs, each under `/<name>`; production runs one per process.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import orjson
import sqlalchemy as sa
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute

from shared.auth import Authenticator, Jwks
from shared.endpoint import Endpoint, Gate
from shared.errors import DomainError
from shared.runtime import Runtime, Subgraph
from shared.telemetry import OPERATIONS, POOL


def create_app(subgraph: Subgraph, runtime: Runtime) -> Starlette:
    """One subgraph: `/graphql` and its public routes, behind the router's signature."""
    settings = runtime.settings
    authenticator = Authenticator(
        Jwks(settings.jwks_url), issuer=settings.jwt_issuer, audiences=settings.jwt_audiences
    )
    endpoint = Endpoint(subgraph, runtime, authenticator)
    app = Starlette(
        routes=[
            Route("/graphql", endpoint, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", endpoint),
            *subgraph.routes,
        ]
    )
    app.state.runtime = runtime
    # Keys and discovery are public by nature; the router and the other subgraphs fetch them.
    app.add_middleware(
        Gate, secrets=settings.gateway_secrets, open_paths=(f"/{subgraph.name}/.well-known/",)
    )
    return app


def create_process_app(parts: Sequence[tuple[Subgraph, Runtime]]) -> Starlette:
    """Several subgraphs in one process, under their names.

    The caller opens and closes the runtimes: a worker beside it still needs them when this ends.
    """
    return Starlette(
        routes=[
            Mount(f"/{subgraph.name}", create_app(subgraph, runtime)) for subgraph, runtime in parts
        ]
    )


def create_admin_app(parts: Sequence[tuple[Subgraph, Runtime]]) -> Starlette:
    """`/health/live`, `/health/ready` and `/metrics`, on a port that is not reachable from outside.

    Ready means that the databases answer. Kafka may be down: events wait in the outbox.
    """

    async def live(_: Request) -> Response:
        return Response(b'{"status":"live"}', media_type="application/json")

    async def ready(_: Request) -> Response:
        # Together, so that several that hang cost the time of one.
        found = await asyncio.gather(*(_database_state(runtime) for _, runtime in parts))
        states = {subgraph.name: state for (subgraph, _), state in zip(parts, found, strict=True)}
        good = all(state == "ok" for state in states.values())
        body = orjson.dumps({"status": "ready" if good else "not ready", "databases": states})
        return Response(body, 200 if good else 503, media_type="application/json")

    async def metrics(_: Request) -> Response:
        for subgraph, runtime in parts:
            for pool, figures in runtime.database.pool_stats().items():
                for figure, value in figures.items():
                    POOL.labels(subgraph.name, pool, figure).set(value)
            for how, count in asdict(subgraph.schema.engine.counts).items():
                OPERATIONS.labels(subgraph.name, how).set(count)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/metrics", metrics),
        ]
    )


async def _database_state(runtime: Runtime) -> str:
    try:
        async with runtime.database.read() as session:
            await session.execute(sa.text("SELECT 1"))
    except DomainError as error:
        return error.code.lower()
    return "ok"
