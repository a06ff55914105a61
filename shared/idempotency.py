"""The same key with the same input gives the first result; with another input it is refused.

The key's row is inserted in the transaction that does the work: a second request with the key waits
for the first one's commit on the primary key, so there is no moment between check and write. Only
a hash of the input and the id of the result are kept, for 24 hours.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa

from shared.db import WriteSession
from shared.errors import Conflict
from shared.validation import text
from shared.viewer import Viewer

# The update changes nothing: it is what gives back, and locks against the purge, a row that exists.
_CLAIM = sa.text(
    "INSERT INTO idempotency_keys (viewer, operation, key, request_hash)"
    " VALUES (:viewer, :operation, :key, :hash)"
    " ON CONFLICT (viewer, operation, key) DO UPDATE SET key = excluded.key"
    " RETURNING request_hash, result_id"
)
_SETTLE = sa.text(
    "UPDATE idempotency_keys SET result_id = :result"
    " WHERE viewer = :viewer AND operation = :operation AND key = :key"
)
PURGE = sa.text(
    "DELETE FROM idempotency_keys WHERE created_at < clock_timestamp() - interval '24 hours'"
)


def add_idempotency_table(metadata: sa.MetaData) -> None:
    """Add `idempotency_keys` to a subgraph's tables."""
    sa.Table(
        "idempotency_keys",
        metadata,
        sa.Column("viewer", sa.Text, primary_key=True),
        sa.Column("operation", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("result_id", sa.Uuid),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
            index=True,
        ),
    )


async def once(
    session: WriteSession,
    viewer: Viewer,
    operation: str,
    key: str | None,
    request: dict[str, Any],
    work: Callable[[], Awaitable[UUID]],
) -> UUID:
    """Do the work, or give the id it gave the first time. Raises Conflict for another input.

    Work that raises leaves no trace of the key, since the transaction ends with it. Never put a
    secret into `request` that may not be hashed, nor a token into the result.
    """
    if key is None:
        return await work()
    key = text(key, field="idempotencyKey", least=8, most=128)
    # Not orjson: the input is not checked yet, and may hold numbers and text that orjson refuses.
    digest = hashlib.sha256(json.dumps(request, default=str, sort_keys=True).encode()).digest()
    row = {"viewer": viewer.key, "operation": operation, "key": key}
    first = (await session.execute(_CLAIM, {**row, "hash": digest})).one()
    if bytes(first.request_hash) != digest:
        raise Conflict("This idempotency key was used with another input.", field="idempotencyKey")
    # Only a transaction that did the work commits, so a committed row has its result.
    if first.result_id is not None:
        return cast("UUID", first.result_id)
    result = await work()
    await session.flush()
    await session.execute(_SETTLE, {**row, "result": result})
    return result
