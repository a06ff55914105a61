"""Start, reload and stop: settings, a missing or bad supergraph, and the drain on SIGTERM."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from deploy.local import tools
from deploy.local.ports import free_port
from tests.gateway.subgraphs import Record
from tests.gateway.support import GATEWAY, Backend, Router, compose, eventually

TITLE = {"data": {"courseTitle": "Algebra"}}


def refusal_to_start(router: Router, **changes: str | None) -> tuple[int, list[str]]:
    """Exit code and lines on standard error."""
    env = {**router.env, **{k: v for k, v in changes.items() if v is not None}}
    env = {name: value for name, value in env.items() if changes.get(name, "") is not None}
    done = subprocess.run(
        [tools.node(), GATEWAY / "server.mjs"],
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr.splitlines()


def test_missing_and_malformed_settings_are_named_one_per_line(router: Router) -> None:
    code, lines = refusal_to_start(
        router,
        ROUTER_PORT=None,
        SUPERGRAPH_URL="localhost:4000",
        JWKS_URL=None,
        GATEWAY_SECRET="short",
        ROUTER_ENV="staging",
        MAX_DEPTH="deep",
        SUBGRAPH_TIMEOUTS="identity:3000",
        CORS_ORIGINS="https://app.test/path",
        VALKEY_URL="http://valkey",
        OTEL_TRACES_SAMPLER_ARG="2",
        SUPERGRAPH_CONFIG="/does/not/exist.yaml",
        TRUSTED_DOCUMENTS="/does/not/exist.json",
    )
    assert code == 3
    assert sorted(line.split()[0] for line in lines) == [
        "CORS_ORIGINS",
        "GATEWAY_SECRET",
        "JWKS_URL",
        "MAX_DEPTH",
        "OTEL_TRACES_SAMPLER_ARG",
        "ROUTER_ENV",
        "ROUTER_PORT",
        "SUBGRAPH_TIMEOUTS",
        "SUPERGRAPH_CONFIG",
        "SUPERGRAPH_URL",
        "TRUSTED_DOCUMENTS",
        "VALKEY_URL",
    ]
    assert "short" not in "".join(lines).replace("shortest", "")


def test_port_in_use_is_one_line(router: Router) -> None:
    code, lines = refusal_to_start(router, ROUTER_PORT=str(router.port))
    assert code == 3
    assert len(lines) == 1
    assert lines[0].startswith("ROUTER_PORT ")


def test_registry_with_two_owners_of_one_route_is_refused(router: Router, tmp_path: Path) -> None:
    registry = tmp_path / "supergraph.yaml"
    route = 'public: [{method: [GET], path: "/feeds/{user}.ics"}]'.replace("}.ics", "}")
    entries = [f"  {name}: {{url: http://x/{name}/graphql, {route}}}" for name in ("a", "b")]
    registry.write_text("\n".join(["subgraphs:", *entries]))
    code, lines = refusal_to_start(router, SUPERGRAPH_CONFIG=str(registry))
    assert code == 3
    assert lines == [
        f"SUPERGRAPH_CONFIG {registry} cannot be used: two subgraphs claim GET /feeds/{{user}}"
    ]


async def test_start_without_a_supergraph_then_become_ready(backend: Backend, folder: Path) -> None:
    backend.supergraph_status = 503
    router = Router(backend, folder / "waiting", SUPERGRAPH_POLL_MS="60000").launch()
    try:
        assert router.admin("/health/live").status_code == 200
        assert router.admin("/health/ready").status_code == 503
        answer = await router.ask("{ courseTitle }")
        assert answer.status_code == 503
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        backend.supergraph_status = 200
        # Although the interval is a minute: until the first success it asks twice a second.
        await eventually(lambda: router.admin("/readiness").status_code == 200, "readiness")
        assert (await router.ask("{ courseTitle }")).json() == TITLE
        assert len(router.lines("supergraph not loaded: nothing can be served yet")) == 1
    finally:
        backend.supergraph_status = 200
        router.stop()


async def test_bad_supergraph_keeps_the_last_good_one_and_a_good_one_is_taken(
    router: Router, backend: Backend
) -> None:
    good = backend.supergraph
    kept = "supergraph not loaded: the previous one stays in service"
    failed = 'router_supergraph_loads_total{result="failed"}'
    loaded = 'router_supergraph_loads_total{result="loaded"}'
    try:
        bad = ["garbage {", "type Query { a: Int }", good.replace("enum join__Graph", "enum Other")]
        for text in [*bad, ""]:
            failures = router.metric(failed)
            backend.supergraph = text
            await eventually(lambda n=failures: router.metric(failed) > n, "the poll failed")
            assert (await router.ask("{ courseTitle }")).json() == TITLE
            assert router.admin("/health/ready").status_code == 200
        assert router.lines(kept)

        before = router.metric(loaded)
        changed = [
            {**s, "sdl": s["sdl"].replace("courseTitle", "courseName")}
            if s["name"] == "courses"
            else s
            for s in backend.subgraphs()
        ]
        composed = compose(changed)
        assert composed["errors"] == []
        backend.supergraph = composed["supergraphSdl"]
        await eventually(lambda: router.metric(loaded) == before + 1, "the new one was loaded")
        assert "errors" in (await router.ask("{ courseTitle }")).json()
    finally:
        before = router.metric(loaded)
        backend.supergraph = good
        await eventually(lambda: router.metric(loaded) == before + 1, "the first one is back")
    assert (await router.ask("{ courseTitle }")).json() == TITLE


async def test_queries_survive_reloads_and_subscriptions_complete(
    router: Router, backend: Backend, record: Record
) -> None:
    good = backend.supergraph
    loaded = 'router_supergraph_loads_total{result="loaded"}'
    before = router.metric(loaded)
    try:
        async with router.socket() as socket:
            await socket.send("a", "subscription { ticks(count: 100000, ms: 20) { number } }")
            await socket.receive()
            slow = asyncio.create_task(router.ask("{ slow(ms: 700) }"))
            await eventually(lambda: record.opened == 2, "the slow query runs")
            backend.supergraph = good + "\n# changed\n" + "scalar Extra\n"
            await eventually(lambda: router.metric(loaded) == before + 1, "the reload")
            assert (await slow).json() == {"data": {"slow": "done"}}
            while (message := await socket.receive())["type"] == "next":
                pass
            assert message == {"id": "a", "type": "complete"}
    finally:
        backend.supergraph = good
        await eventually(lambda: router.metric(loaded) == before + 2, "the first one is back")


async def test_sigterm_finishes_requests_and_says_goodbye_to_sockets(
    backend: Backend, folder: Path, record: Record
) -> None:
    router = Router(backend, folder / "drained", SUBGRAPH_TIMEOUT_MS="5000").start()
    try:
        async with router.socket() as socket, router.client() as client:
            running = asyncio.create_task(
                client.post("/graphql", json={"query": "{ slow(ms: 1000) }"})
            )
            sse = asyncio.create_task(
                router.ask(
                    "subscription { ticks(count: 100000, ms: 20) { number } }",
                    headers={"accept": "text/event-stream"},
                )
            )
            await eventually(lambda: record.opened == 2, "both run in the subgraph")
            router.process.send_signal(signal.SIGTERM)
            await eventually(lambda: router.lines("draining"), "the drain began")
            await socket.connection.wait_closed()
            assert socket.connection.close_code == 1001
            assert (await running).json() == {"data": {"slow": "done"}}
            stream = await sse
            assert stream.text.rstrip().endswith("event: complete\ndata:")
        assert await asyncio.to_thread(router.process.wait, 20) == 0
        assert len(router.lines("drained")) == 1
    finally:
        router.stop()


async def test_drain_has_an_end(backend: Backend, folder: Path, record: Record) -> None:
    router = Router(
        backend, folder / "cut", SUBGRAPH_TIMEOUT_MS="60000", DRAIN_TIMEOUT_MS="300"
    ).start()
    try:
        stuck = asyncio.create_task(router.ask("{ slow(ms: 5000) }"))
        await eventually(lambda: record.opened == 1, "the query runs")
        router.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(router.process.wait, 4) == 0
        [failure] = await asyncio.gather(stuck, return_exceptions=True)
        assert isinstance(failure, Exception)
    finally:
        router.stop()


async def test_base_url_moves_every_subgraph(backend: Backend, folder: Path) -> None:
    elsewhere = Backend(port=free_port())
    composed = compose(
        [{**s, "url": f"http://{s['name']}.invalid:8000/graphql"} for s in backend.subgraphs()]
    )
    elsewhere.supergraph = composed["supergraphSdl"]
    elsewhere.start()
    router = Router(elsewhere, folder / "moved", SUBGRAPH_BASE_URL=f"{backend.url}/").start()
    try:
        answer = await router.ask("{ user(id: 1) { name courses } }")
        assert answer.json() == {"data": {"user": {"name": "user 1", "courses": ["course of 1"]}}}
        async with router.socket() as socket:
            [result] = await socket.run("subscription { ticks(count: 1) { number } }")
            assert result == {"data": {"ticks": {"number": 0}}}
        async with router.client() as client:
            assert (await client.get("/.well-known/jwks.json")).status_code == 201
    finally:
        router.stop()
        elsewhere.stop()


async def test_trace_runs_from_the_client_through_the_router_to_each_subgraph(
    backend: Backend, folder: Path, record: Record
) -> None:
    router = Router(backend, folder / "traced", OTEL_EXPORTER_OTLP_ENDPOINT=backend.url).start()
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    try:
        headers = {"traceparent": f"00-{trace}-{parent}-01"}
        await router.ask("{ user(id: 1) { name courses } }", headers=headers)
    finally:
        router.stop()
    names = {span["name"]: span for span in backend.spans}
    assert set(names) == {"POST /graphql", "subgraph users", "subgraph courses"}
    assert {span["traceId"] for span in backend.spans} == {trace}
    server = names["POST /graphql"]
    assert server["parentSpanId"] == parent
    assert names["subgraph users"]["parentSpanId"] == server["spanId"]
    ids = {name: names[f"subgraph {name}"]["spanId"] for name in ("users", "courses")}
    sent = {r.subgraph: r.headers["traceparent"] for r in record.requests}
    assert sent == {name: f"00-{trace}-{span}-01" for name, span in ids.items()}
