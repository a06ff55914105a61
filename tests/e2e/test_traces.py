"""One trace leads from the router through subgraph, SQL and Kafka to the consumer."""

import json
import secrets
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from deploy.local.platform import Platform
from schema.registry import names
from tests.e2e.client import Client, eventually
from tests.e2e.conftest import GENEROUS

ALL = "+".join(names())


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, str]


class Collector:
    """Takes spans over OTLP/HTTP, as protobuf or JSON."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self._body()
                request = ExportTraceServiceRequest()
                if "json" in self.headers["content-type"]:
                    outer.spans += list(_from_json(body))
                else:
                    request.ParseFromString(body)
                    outer.spans += list(_from_protobuf(request))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def _body(self) -> bytes:
                if "content-length" in self.headers:
                    return self.rfile.read(int(self.headers["content-length"]))
                chunks = []
                while size := int(self.rfile.readline(), 16):
                    chunks.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(chunks)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _from_protobuf(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        named = {a.key: a.value.string_value for a in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=named["service.name"],
                    name=span.name,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    links=tuple(link.trace_id.hex() for link in span.links),
                    attributes={a.key: a.value.string_value for a in span.attributes},
                )


def _from_json(body: bytes) -> Iterator[Span]:
    for resource in json.loads(body)["resourceSpans"]:
        named = {
            a["key"]: a["value"].get("stringValue", "") for a in resource["resource"]["attributes"]
        }
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield Span(
                    service=named["service.name"],
                    name=span["name"],
                    trace=span["traceId"],
                    id=span["spanId"],
                    parent=span.get("parentSpanId", ""),
                    links=(),
                    attributes={},
                )


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture(scope="module")
def traced(collector: Collector) -> Iterator[Platform]:
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER_ARG": "1"}
    with (
        tempfile.TemporaryDirectory(prefix="edtech-traces-") as folder,
        Platform(
            Path(folder),
            durable=False,
            split=True,
            settings=GENEROUS | tracing | {"OTEL_BSP_SCHEDULE_DELAY": "200"},
            router_settings=tracing,
        ) as running,
    ):
        yield running


def test_one_trace_from_the_router_to_the_consumer(traced: Platform, collector: Collector) -> None:
    trace = secrets.token_hex(16)
    with httpx.Client(
        timeout=20,
        trust_env=False,
        headers={"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"},
    ) as http:
        client = Client(http, traced.router_url, traced.env["MAIL_CATCHER_URL"])
        client.register(f"traced-{secrets.token_hex(4)}@edtech.test")

    def spans(service: str, name: str = "") -> list[Span]:
        return [
            span
            for span in list(collector.spans)
            if span.service == service
            and (span.trace == trace or trace in span.links)
            and name in span.name
        ]

    eventually(lambda: spans("router"))
    [server] = eventually(lambda: spans(f"{ALL}-api", "/graphql"))
    assert server.name == "POST /identity/graphql"
    assert server.parent in {span.id for span in spans("router")}
    sql = eventually(lambda: spans(f"{ALL}-api", "INSERT"))
    assert any("INSERT INTO outbox" in span.attributes["db.query.text"] for span in sql)
    assert not any("edtech.test" in str(span.attributes) for span in sql)
    [consumed] = eventually(lambda: spans(f"{ALL}-worker", "learning user_state"))
    assert trace in consumed.links
