"""Logs, traces and metrics: one JSON line per log entry, W3C trace context, Prometheus."""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from prometheus_client import Counter, Gauge, Histogram

from shared.config import PlatformSettings

tracer = trace.get_tracer("edtech")
log: structlog.stdlib.BoundLogger = structlog.get_logger("edtech")

REQUESTS = Histogram(
    "edtech_request_seconds", "GraphQL requests by subgraph and outcome.", ["subgraph", "outcome"]
)
FIELD_ERRORS = Counter(
    "edtech_field_errors_total", "Errors in GraphQL answers by code.", ["subgraph", "code"]
)
OPERATIONS = Gauge(
    "edtech_operations",
    "Operations since the start by how: compiled, interpreted, sampled; different is a defect.",
    ["subgraph", "how"],
)
POOL = Gauge("edtech_db_pool", "Database pool figures.", ["subgraph", "pool", "figure"])
OUTBOX_DEPTH = Gauge("edtech_outbox_depth", "Events that wait to be published.", ["subgraph"])
OUTBOX_AGE = Gauge("edtech_outbox_age_seconds", "Age of the oldest waiting event.", ["subgraph"])
PUBLISHED = Counter("edtech_events_published_total", "Events sent to Kafka.", ["subgraph"])
CONSUMED = Counter(
    "edtech_events_consumed_total", "Events by outcome.", ["subgraph", "outcome"]
)  # applied, duplicate, skipped, dead
CONSUMER_LAG = Gauge("edtech_consumer_lag", "Records not yet read.", ["subgraph", "topic"])
TIMER_RUNS = Counter("edtech_timer_runs_total", "Timer runs.", ["subgraph", "timer", "outcome"])
SAGAS = Gauge("edtech_sagas", "Sagas by kind and state.", ["subgraph", "kind", "state"])

_correlation: ContextVar[str | None] = ContextVar("correlation", default=None)
_causation: ContextVar[str | None] = ContextVar("causation", default=None)


def current_correlation() -> str | None:
    """The request id that all events of one story share."""
    return _correlation.get()


def current_causation() -> str | None:
    """The id of the event whose handler is running."""
    return _causation.get()


@contextmanager
def story(*, correlation: str | None, causation: str | None = None) -> Iterator[None]:
    """Name the request (and the event) that causes what happens inside, for events and logs."""
    first, second = _correlation.set(correlation), _causation.set(causation)
    try:
        with structlog.contextvars.bound_contextvars(request_id=correlation):
            yield
    finally:
        _correlation.reset(first)
        _causation.reset(second)


def _add_trace(_: Any, __: str, entry: dict[str, Any]) -> dict[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        entry["trace_id"] = format(context.trace_id, "032x")
    return entry


def _stack_without_text(_: Any, __: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Where and what kind, never the text: drivers quote values, and values belong to people."""
    given = entry.pop("exc_info", None)
    error = (
        given[1]
        if isinstance(given, tuple)
        else given
        if isinstance(given, BaseException)
        else (sys.exc_info()[1] if given else None)
    )
    chain: list[dict[str, Any]] = []
    while error is not None and len(chain) < 5:
        frames = traceback.extract_tb(error.__traceback__)
        chain.append(
            {
                "type": f"{type(error).__module__}.{type(error).__qualname__}",
                "stack": [f"{f.filename}:{f.lineno} {f.name}" for f in frames[-30:]],
            }
        )
        error = error.__cause__ or error.__context__
    if chain:
        entry["exception"] = chain
    return entry


def _foreign_without_text(record: logging.LogRecord) -> bool:
    """Libraries put the text of errors into their messages; asyncio, whole tasks behind a break."""
    if isinstance(record.msg, BaseException):
        record.msg = type(record.msg).__name__
    record.msg = str(record.msg).split("\n", 1)[0]
    if isinstance(record.args, tuple):
        record.args = tuple(
            type(value).__name__ if isinstance(value, BaseException) else value
            for value in record.args
        )
    return True


def configure(settings: PlatformSettings, service: str) -> None:
    """Set up logs and traces of this process; call it once, before anything else runs."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _add_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info
        if settings.environment == "development"
        else _stack_without_text,
    ]
    level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=[*processors, structlog.stdlib.add_logger_name],
        )
    )
    if settings.environment != "development":
        handler.addFilter(_foreign_without_text)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
    if settings.otlp_endpoint:
        provider = TracerProvider(
            resource=Resource.create({"service.name": service}),
            sampler=ParentBased(TraceIdRatioBased(settings.trace_sample_ratio)),
        )
        endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
        provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5))
        )
        trace.set_tracer_provider(provider)


def shutdown() -> None:
    """Send the spans that wait."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def trace_sql(namespace: str, statement: str, started: int) -> None:
    """A span per SQL statement inside a sampled trace; the text has placeholders, never values."""
    if trace.get_current_span().is_recording():
        span = tracer.start_span(
            statement.split(None, 1)[0].upper(),
            kind=trace.SpanKind.CLIENT,
            start_time=started,
            attributes={
                "db.system.name": "postgresql",
                "db.namespace": namespace,
                "db.query.text": statement,
            },
        )
        span.end()
