"""The public and the admin listener: CORS, forgery, public routes, IDE, health and metrics."""

import asyncio
import re

import httpx
import pytest
from graphql import get_introspection_query

from tests.gateway.subgraphs import Record
from tests.gateway.support import Router, bearer, only_error
from tests.support.plain import PLAIN

APP = "https://app.test"
PREFLIGHT = {
    "origin": APP,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type, authorization",
}


async def test_preflight_of_an_allowed_origin(router: Router) -> None:
    async with router.client() as client:
        answer = await client.options("/graphql", headers=PREFLIGHT)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == APP
    assert "authorization" in answer.headers["access-control-allow-headers"].split(", ")
    assert "access-control-allow-credentials" not in answer.headers


async def test_foreign_origin_gets_no_cors_headers(router: Router) -> None:
    async with router.client() as client:
        for origin in ("https://evil.test", "null", "https://app.test.evil.test"):
            answer = await client.options("/graphql", headers={**PREFLIGHT, "origin": origin})
            assert "access-control-allow-origin" not in answer.headers


async def test_refusals_are_readable_for_the_web_app(router: Router) -> None:
    headers = {"origin": APP, "authorization": "Bearer wrong"}
    answer = await router.ask("{ courseTitle }", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == APP
    assert "x-request-id" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "type_",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
async def test_content_types_that_need_no_preflight_are_refused(
    router: Router, record: Record, type_: str
) -> None:
    async with router.client() as client:
        answer = await client.post(
            "/graphql", content=b'{"query":"{ courseTitle }"}', headers={"content-type": type_}
        )
    assert answer.status_code == 415
    assert only_error(answer)["extensions"]["code"] == "INVALID_INPUT"
    assert record.requests == []


async def test_get_needs_a_header_that_forces_a_preflight(router: Router, record: Record) -> None:
    params = {"query": "{ courseTitle }"}
    async with router.client() as client:
        refused = await client.get("/graphql", params=params)
        assert refused.status_code == 403
        assert only_error(refused)["extensions"]["code"] == "FORBIDDEN"
        assert record.requests == []
        headers = {"apollo-require-preflight": "true"}
        good = await client.get("/graphql", params=params, headers=headers)
        assert good.json() == {"data": {"courseTitle": "Algebra"}}


async def test_mutation_by_get_is_refused(router: Router, record: Record) -> None:
    async with router.client() as client:
        answer = await client.get(
            "/graphql",
            params={"query": 'mutation { rename(name: "x") }'},
            headers={"graphql-require-preflight": "1"},
        )
    assert answer.status_code == 405
    assert only_error(answer)["extensions"]["code"] == "INVALID_INPUT"
    assert record.requests == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(router: Router, method: str) -> None:
    async with router.client() as client:
        answer = await client.request(method, "/graphql", json={"query": "{ courseTitle }"})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST, OPTIONS"


async def test_public_route_reaches_its_subgraph_signed(router: Router, record: Record) -> None:
    sent = {
        "x-forwarded-for": "6.6.6.6, 203.0.113.9",
        "x-forwarded-proto": "https",
        "x-gateway-signature": "t=1,ip=6.6.6.6,v1=00",
        "x-request-id": "webhook-0001",
        "stripe-signature": "t=1,v1=2",
        "cookie": "a=b",
    }
    body = b'{"exact":  "bytes \xf0\x9f\x98\x80"}'
    async with router.client() as client:
        answer = await client.post("/hooks/stripe/in?a=1&b=%2F", content=body, headers=sent)
    assert answer.status_code == 201
    assert answer.json() == {
        "path": "/users/hooks/stripe/in",
        "query": "a=1&b=%2F",
        "body": body.decode(),
    }
    assert answer.headers["x-answer"] == "yes"
    assert answer.headers["x-request-id"] == "webhook-0001"
    assert "set-cookie" not in answer.headers
    [got] = record.requests
    assert got.body == body
    assert got.ip == "203.0.113.9"
    assert got.headers["x-forwarded-for"] == "203.0.113.9"
    assert got.headers["x-forwarded-proto"] == "https"
    assert got.headers["stripe-signature"] == "t=1,v1=2"
    assert "cookie" not in got.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/.well-known/jwks.json"),
        ("GET", "/.well-known/jwks.json/x"),
        ("GET", "/users/.well-known/jwks.json"),
        ("GET", "/users/graphql"),
        ("POST", "/users/graphql"),
        ("GET", "/hooks/in"),
        ("GET", "/hooks//in"),
        ("GET", "/hooks/a/b/in"),
        ("GET", "/hooks/%2e%2e/in"),
        ("GET", "/hooks/a%2fb/in"),
        ("GET", "/hooks/a%5Cb/in"),
        ("GET", "/metrics"),
        ("GET", "/health/ready"),
        ("GET", "/readiness"),
        ("GET", "/healthcheck"),
        ("GET", "/"),
        ("GET", "/graphql/"),
    ],
)
async def test_everything_else_is_404(
    router: Router, record: Record, method: str, path: str
) -> None:
    async with router.client() as client:
        answer = await client.request(method, path)
    assert answer.status_code == 404
    assert only_error(answer)["extensions"]["code"] == "NOT_FOUND"
    assert record.requests == []


@pytest.mark.parametrize("target", ["http://[", "http://[::1", "*", "//", "/%", "/\\\\x"])
async def test_malformed_target_is_answered_and_does_not_end_the_process(
    router: Router, target: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", router.port)
    writer.write(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    status = (await reader.read()).split(b" ")[1]
    writer.close()
    assert status in (b"400", b"404")
    assert router.process.poll() is None


async def test_slow_public_route_is_504_and_large_body_413(router: Router, record: Record) -> None:
    async with router.client() as client:
        slow = await client.get("/.well-known/jwks.json?slow=1")
        assert slow.status_code == 504
        assert only_error(slow)["extensions"]["code"] == "TIMEOUT"
        large = await client.post("/hooks/stripe/in", content=b"x" * 20_001)
        assert large.status_code == 413
        assert only_error(large)["extensions"]["limit"]["name"] == "MAX_BODY_BYTES"


async def test_ide_only_in_development_and_without_other_origins(
    router: Router, development: Router
) -> None:
    html = {"accept": "text/html"}
    async with development.client() as client:
        for path in ("/", "/graphql"):
            page = await client.get(path, headers=html)
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "query Catalogue" in page.text
            assert re.findall(r'<(?:script|link)[^>]+(?:src|href)="https?:', page.text) == []
            assert "default-src 'self'" in page.headers["content-security-policy"]
    async with router.client() as client:
        assert (await client.get("/graphql", headers=html)).status_code == 403


async def test_ide_can_read_the_whole_schema(development: Router) -> None:
    body = (await development.ask(get_introspection_query())).json()
    assert "errors" not in body
    assert "User" in [type_["name"] for type_ in body["data"]["__schema"]["types"]]


def test_admin_port_serves_health_and_metrics(router: Router) -> None:
    for path in ("/health/live", "/health/ready", "/readiness"):
        assert router.admin(path).status_code == 200
    assert router.admin("/graphql").status_code == 404
    url = f"http://127.0.0.1:{router.admin_port}/metrics"
    assert httpx.post(url, trust_env=False, verify=PLAIN).status_code == 405


async def test_metrics_count_requests_and_have_no_label_that_a_client_chooses(
    router: Router,
) -> None:
    before = router.metric('router_errors_total{code="UNAUTHENTICATED"}')
    await router.ask("query Chosen { courseTitle }", headers=bearer(), operationName="Chosen")
    await router.ask("{ courseTitle }", headers={"authorization": "Bearer wrong"})
    assert router.metric('router_errors_total{code="UNAUTHENTICATED"}') == before + 1
    assert router.metric('router_subgraph_seconds_count{subgraph="courses"}') > 0
    text = router.admin("/metrics").text
    labels = set(
        re.findall(
            r"[{,](\w+)=",
            "\n".join(line for line in text.splitlines() if line.startswith("router_")),
        )
    )
    assert labels <= {"route", "operation", "status", "code", "subgraph", "result", "le"}
    assert "Chosen" not in text


async def test_logs_are_json_lines_without_tokens(router: Router) -> None:
    header = bearer()["authorization"]
    await router.ask("{ courseTitle leak }", headers={"authorization": header})
    await router.ask("{ courseTitle }", headers={"authorization": f"{header}x"})
    text = router.log_file.read_text()
    assert all(line.startswith("{") for line in text.splitlines())
    assert header.removeprefix("Bearer ")[:40] not in text
