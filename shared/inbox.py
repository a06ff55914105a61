"""Events arrive twice and late; their effect happens once.

The inbox row is inserted in the transaction of the effect. What cannot be read or applied becomes a
dead letter: a row to look at and a record on `<topic>.dlq`, again in one transaction.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import orjson
import sqlalchemy as sa
from opentelemetry import propagate, trace
from pydantic import ValidationError

from shared.db import WriteSession
from shared.events import Event, events_of, publisher_of
from shared.telemetry import CONSUMED, story, tracer

E = TypeVar("E", bound=Event)
Handler = Callable[[WriteSession, Any], Awaitable[None]]
BatchHandler = Callable[[WriteSession, Sequence[Any]], Awaitable[None]]

_CLAIM = sa.text(
    "INSERT INTO inbox (event_id) SELECT unnest(CAST(:ids AS uuid[]))"
    " ON CONFLICT DO NOTHING RETURNING event_id"
)
_BURY = sa.text(
    "INSERT INTO dead_letters"
    ' (topic, partition, "offset", key, type, event_id, payload, headers, reason)'
    " VALUES (:topic, :partition, :offset, :key, :type, :event_id, :payload,"
    " CAST(:headers AS jsonb), :reason) ON CONFLICT DO NOTHING RETURNING 1"
)
_FORWARD = sa.text(
    "INSERT INTO outbox (event_id, topic, key, type, payload, headers)"
    " VALUES (gen_random_uuid(), :topic, :key, :type, :payload, CAST(:headers AS jsonb))"
)


class Unreadable(Exception):
    """A record that no retry can make readable."""


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record, whatever it holds."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> str | None:
        """A header's text, the last one of that name; undecodable bytes are replaced."""
        found = [value for key, value in self.headers if key == name and value is not None]
        return found[-1].decode(errors="replace") if found else None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event with what its envelope says."""

    id: UUID
    event: Event
    correlation: str | None = None
    trace: tuple[tuple[str, str], ...] = ()


@dataclass
class Handlers:
    """The events that one subgraph listens to; `consumer` is also its Kafka group."""

    consumer: str
    one: dict[type[Event], Handler] = field(default_factory=dict)
    many: dict[type[Event], BatchHandler] = field(default_factory=dict)

    def on(
        self, *event_types: type[E]
    ) -> Callable[
        [Callable[[WriteSession, E], Awaitable[None]]], Callable[[WriteSession, E], Awaitable[None]]
    ]:
        """Call the function for each event of the types, inside the batch's transaction."""

        def register(
            function: Callable[[WriteSession, E], Awaitable[None]],
        ) -> Callable[[WriteSession, E], Awaitable[None]]:
            for event_type in event_types:
                self._claim(event_type)
                self.one[event_type] = function
            return function

        return register

    def on_batch(
        self, *event_types: type[E]
    ) -> Callable[
        [Callable[[WriteSession, Sequence[E]], Awaitable[None]]],
        Callable[[WriteSession, Sequence[E]], Awaitable[None]],
    ]:
        """Call the function once per batch with all events of the types, for reference upserts."""

        def register(
            function: Callable[[WriteSession, Sequence[E]], Awaitable[None]],
        ) -> Callable[[WriteSession, Sequence[E]], Awaitable[None]]:
            for event_type in event_types:
                self._claim(event_type)
                self.many[event_type] = function
            return function

        return register

    def _claim(self, event_type: type[Event]) -> None:
        if event_type in self.one or event_type in self.many:
            raise TypeError(f"{self.consumer} already handles {event_type.__name__}")

    @property
    def topics(self) -> list[str]:
        """The topics to subscribe to."""
        return sorted({event.topic for event in (*self.one, *self.many)})

    def wants(self, event_type: type[Event]) -> bool:
        """Whether the subgraph listens to events of the type."""
        return event_type in self.one or event_type in self.many

    async def apply(self, session: WriteSession, deliveries: Sequence[Delivery]) -> None:
        """Hand events to their handlers: batches first (references), then one by one in order."""
        batches: dict[BatchHandler, list[Delivery]] = {}
        for delivery in deliveries:
            if (batch := self.many.get(type(delivery.event))) is not None:
                batches.setdefault(batch, []).append(delivery)
        for function, group in batches.items():
            links = [
                trace.Link(context)
                for delivery in group
                if (context := _span_context(delivery)).is_valid
            ]
            with tracer.start_as_current_span(
                f"{self.consumer} {function.__name__}", links=links, kind=trace.SpanKind.CONSUMER
            ):
                await function(session, [delivery.event for delivery in group])
        for delivery in deliveries:
            if (handler := self.one.get(type(delivery.event))) is not None:
                with ExitStack() as stack:
                    stack.enter_context(
                        story(correlation=delivery.correlation, causation=str(delivery.id))
                    )
                    stack.enter_context(
                        tracer.start_as_current_span(
                            f"{self.consumer} {handler.__name__}",
                            context=propagate.extract(dict(delivery.trace)),
                            kind=trace.SpanKind.CONSUMER,
                        )
                    )
                    await handler(session, delivery.event)


def _span_context(delivery: Delivery) -> trace.SpanContext:
    return trace.get_current_span(propagate.extract(dict(delivery.trace))).get_span_context()


def read(record: Record, handlers: Handlers) -> Delivery | None:
    """The event in a record; None for a tombstone or a type not listened to. Raises Unreadable."""
    if record.value is None:
        return None
    known = events_of(publisher_of(record.topic))
    event_type = known.get(record.header("ce_type") or "")
    if event_type is None:
        raise Unreadable(f"unknown event type {record.header('ce_type')!r}")
    if not handlers.wants(event_type):
        return None
    try:
        event_id = UUID(record.header("ce_id") or "")
        event = event_type.model_validate_json(record.value)
    except ValidationError as error:
        places = ", ".join(str(e["loc"][0]) if e["loc"] else e["type"] for e in error.errors())
        raise Unreadable(f"not a {event_type.__name__}: {places}") from None
    except ValueError:
        raise Unreadable("no event id") from None
    return Delivery(
        id=event_id,
        event=event,
        correlation=record.header("correlationid"),
        trace=tuple(
            (name, v) for name in ("traceparent", "tracestate") if (v := record.header(name))
        ),
    )


async def deliver(session: WriteSession, handlers: Handlers, deliveries: Sequence[Delivery]) -> int:
    """Apply the events that were not applied before; the number of those."""
    if not deliveries:
        return 0
    by_id = {delivery.id: delivery for delivery in reversed(deliveries)}
    # Sorted, so that two consumers which were given the same events do not lock crosswise.
    ids = sorted(by_id)
    fresh = set((await session.execute(_CLAIM, {"ids": ids})).scalars())
    if fresh:
        await handlers.apply(
            session, [d for d in dict.fromkeys(by_id[d.id] for d in deliveries) if d.id in fresh]
        )
    CONSUMED.labels(handlers.consumer, "applied").inc(len(fresh))
    CONSUMED.labels(handlers.consumer, "duplicate").inc(len(deliveries) - len(fresh))
    return len(fresh)


async def bury(session: WriteSession, handlers: Handlers, record: Record, reason: str) -> None:
    """Make a record a dead letter, once; its event counts as handled."""
    headers = [[name, value.decode(errors="replace")] for name, value in record.headers]
    row = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": _storable(record.key),
        "type": record.header("ce_type"),
        "event_id": record.header("ce_id"),
        "payload": record.value,
        "headers": orjson.dumps(headers).decode().replace("\\u0000", "\ufffd"),
        "reason": reason[:2000],
    }
    if (await session.execute(_BURY, row)).scalar() is None:
        return
    # Without an id there is nothing that could come again.
    with suppress(ValueError):
        await session.execute(_CLAIM, {"ids": [UUID(record.header("ce_id") or "")]})
    forwarded = {
        "dlq_consumer": handlers.consumer,
        "dlq_reason": reason[:500],
        "dlq_of": f"{record.topic}/{record.partition}/{record.offset}",
    }
    await session.execute(
        _FORWARD,
        {
            "topic": f"{record.topic}.dlq",
            "key": row["key"] or "",
            "type": row["type"] or "unknown",
            "payload": _storable(record.value),
            "headers": orjson.dumps(forwarded).decode(),
        },
    )
    CONSUMED.labels(handlers.consumer, "dead").inc()


def _storable(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace").replace("\0", "\ufffd")
