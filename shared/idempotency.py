"""The same key with the same input gives the first result; with another input it is refused.

The key's row is inserted in the transaction that does the work: a second request with the key waits
for the first one's commit on the primary key, so there is no moment between check and write. Only
a hash of the input and the id of the result are kept, for 24 hours.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from shared.db import WriteSession
from shared.errors import Conflict
from shared.validation import text
from shared.viewer import Viewer

_CLAIM = sa.text(
    "INSERT INTO idempotency_keys (viewer, operation, key, request_hash)"
    " VALUES (:viewer, :operation, :key, :hash)"
    " ON CONFLICT (viewer, operation, key) DO NOTHING RETURNING 1"
)
_FIRST = sa.text(
    "SELECT request_hash, result_id FROM idempotency_keys"
    " WHERE viewer = :viewer AND operation = :operation AND key = :key"
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
    digest = hashlib.sha256(
        orjson.dumps(request, default=str, option=orjson.OPT_SORT_KEYS)
    ).digest()
    row = {"viewer": viewer.key, "operation": operation, "key": key}
    if (await session.execute(_CLAIM, {**row, "hash": digest})).scalar() is None:
        first = (await session.execute(_FIRST, row)).one()
        if bytes(first.request_hash) != digest:
            raise Conflict(
                "This idempotency key was used with another input.", field="idempotencyKey"
            )
        result: UUID = first.result_id
        return result
    result = await work()
    await session.flush()
    await session.execute(_SETTLE, {**row, "result": result})
    return result
