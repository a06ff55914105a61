"""Health and metrics: what the admin port says, and that the public port says nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from shared.app import create_admin_app, create_process_app
from shared.auth import SIGNATURE_HEADER, sign
from shared.runtime import Runtime
from tests.support.graph import GraphClient
from tests.support.services import SECRET


async def get(app: Starlette, path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://admin", trust_env=False
    ) as client:
        return await client.get(path, headers=headers)


@asynccontextmanager
async def changed(runtime: Runtime, **settings: Any) -> AsyncIterator[Runtime]:
    """The same runtime with other settings."""
    found = type(runtime)(runtime.settings.model_copy(update=settings))
    await found.open()
    try:
        yield found
    finally:
        await found.close()


async def test_process_lives_and_is_ready(learning: GraphClient) -> None:
    app = create_admin_app([(learning.subgraph, learning.runtime)])
    assert (await get(app, "/health/live")).json() == {"status": "live"}
    ready = await get(app, "/health/ready")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ready", "databases": {"learning": "ok"}},
    )


async def test_without_its_database_it_lives_but_is_not_ready(
    learning: GraphClient, identity: GraphClient
) -> None:
    away = {"db_port": 9, "db_connect_timeout_seconds": 0.2}
    async with changed(learning.runtime, **away) as runtime:
        app = create_admin_app(
            [(identity.subgraph, identity.runtime), (learning.subgraph, runtime)]
        )
        assert (await get(app, "/health/live")).status_code == 200
        ready = await get(app, "/health/ready")
    assert (ready.status_code, ready.json()) == (
        503,
        {"status": "not ready", "databases": {"identity": "ok", "learning": "unavailable"}},
    )


async def test_without_kafka_and_valkey_it_is_ready(learning: GraphClient) -> None:
    async with changed(
        learning.runtime, kafka_brokers="127.0.0.1:9", valkey_url="redis://127.0.0.1:9/0"
    ) as runtime:
        ready = await get(create_admin_app([(learning.subgraph, runtime)]), "/health/ready")
    assert ready.status_code == 200


async def test_metrics_have_their_names(learning: GraphClient) -> None:
    assert (await learning.ask("{ nothing }")).codes == ["GRAPHQL_VALIDATION_FAILED"]
    answer = await get(create_admin_app([(learning.subgraph, learning.runtime)]), "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert {line.split()[2] for line in lines if line.startswith("# TYPE edtech_")} >= {
        "edtech_request_seconds",
        "edtech_field_errors_total",
        "edtech_db_pool",
        "edtech_outbox_depth",
        "edtech_outbox_age_seconds",
        "edtech_events_published_total",
        "edtech_events_consumed_total",
        "edtech_consumer_lag",
        "edtech_timer_runs_total",
    }
    assert 'edtech_db_pool{figure="pool_max",pool="write",subgraph="learning"} 6.0' in lines
    for beginning in (
        'edtech_request_seconds_count{outcome="answered",subgraph="learning"} ',
        'edtech_field_errors_total{code="GRAPHQL_VALIDATION_FAILED",subgraph="learning"} ',
        'edtech_db_pool{figure="pool_size",pool="read",subgraph="learning"} ',
    ):
        assert [line for line in lines if line.startswith(beginning)], beginning


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
async def test_public_port_serves_none_of_it(learning: GraphClient, path: str) -> None:
    app = create_process_app([(learning.subgraph, learning.runtime)])
    signature = {SIGNATURE_HEADER: sign(SECRET.encode(), b"")}
    assert (await get(app, path)).status_code == 404
    assert (await get(app, f"/learning{path}")).status_code == 401
    assert (await get(app, f"/learning{path}", **signature)).status_code == 404


async def test_public_app_leaves_the_runtime_open(learning: GraphClient) -> None:
    app = create_process_app([(learning.subgraph, learning.runtime)])
    async with app.router.lifespan_context(app):
        pass
    admin = create_admin_app([(learning.subgraph, learning.runtime)])
    assert (await get(admin, "/health/ready")).status_code == 200
