"""Events leave with the transaction that caused them, and take effect once.

`publish` keeps an event until the transaction is about to commit; then all of them are written to
the `outbox` in one statement, after every aggregate row is locked. That order matters: sequence
numbers taken before the lock are not in commit order. The relay (shared/relay.py) sends the rows.
"""

from typing import Any

import orjson
import sqlalchemy as sa
from opentelemetry import propagate
from sqlalchemy.dialects.postgresql import JSONB

from shared.db import WriteSession
from shared.events import Event
from shared.ids import new_id
from shared.telemetry import current_causation, current_correlation

_INSERT = sa.text(
    "INSERT INTO outbox (event_id, topic, key, type, payload, headers)"
    " SELECT event_id, topic, key, type, payload, headers"
    " FROM ROWS FROM (jsonb_to_recordset(CAST(:rows AS jsonb))"
    " AS (event_id uuid, topic text, key text, type text, payload text, headers jsonb))"
    " WITH ORDINALITY AS r (event_id, topic, key, type, payload, headers, n) ORDER BY n"
)


def add_event_tables(metadata: sa.MetaData) -> None:
    """Add `outbox`, `inbox` and `dead_letters` to a subgraph's tables."""
    now = sa.func.clock_timestamp()
    outbox = sa.Table(
        "outbox",
        metadata,
        sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("event_id", sa.Uuid, nullable=False, unique=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        # Text, not jsonb: the bytes that a consumer gets are the bytes that were published, and a
        # dead letter may hold what is not JSON. NULL is a tombstone.
        sa.Column("payload", sa.Text),
        sa.Column("headers", JSONB, nullable=False, server_default="{}"),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=now),
        sa.Column("published_at", sa.TIMESTAMP(timezone=True)),
    )
    sa.Index("idx_outbox_pending", outbox.c.seq, postgresql_where=outbox.c.published_at.is_(None))
    sa.Index(
        "idx_outbox_published_at",
        outbox.c.published_at,
        postgresql_where=outbox.c.published_at.is_not(None),
    )
    sa.Table(
        "inbox",
        metadata,
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column(
            "processed_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            server_default=now,
            index=True,
        ),
    )
    sa.Table(
        "dead_letters",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("type", sa.Text),
        sa.Column("event_id", sa.Text),
        sa.Column("payload", sa.LargeBinary),
        sa.Column("headers", JSONB, nullable=False, server_default="[]"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("failed_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=now),
        sa.Column("resolved_at", sa.TIMESTAMP(timezone=True)),
        sa.Column("resolution", sa.Text),
        sa.UniqueConstraint("topic", "partition", "offset"),
        sa.CheckConstraint("resolution IN ('retried', 'dropped')", name="resolution"),
    )


def publish(session: WriteSession, event: Event) -> None:
    """Send an event with this transaction; refused or rolled back, it never leaves."""
    pending: list[Event] | None = session.info.get("events")
    if pending is None:
        pending = session.info["events"] = []
        session.before_commit.append(_store)
    pending.append(event)


async def _store(session: WriteSession) -> None:
    trace: dict[str, str] = {}
    propagate.inject(trace)
    rows = [_row(event, trace) for event in session.info.pop("events")]
    await session.execute(_INSERT, {"rows": orjson.dumps(rows).decode()})


def _row(event: Event, trace: dict[str, str]) -> dict[str, Any]:
    headers = {"aggregateversion": str(event.version), **trace}
    if correlation := current_correlation():
        headers["correlationid"] = correlation
    if causation := current_causation():
        headers["causationid"] = causation
    return {
        "event_id": str(new_id()),
        "topic": event.topic,
        "key": str(event.subject),
        "type": event.type,
        "payload": None if event.tombstone else event.payload(),
        "headers": headers,
    }
