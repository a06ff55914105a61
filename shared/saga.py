"""Sagas: work over several steps, events and days that survives the death of every process.

An instance is a row in the database of the subgraph that owns the result. It stands at one step and
has a deadline by the database's clock. Whoever moves it, an event's handler or the worker at the
deadline, does so under a condition on its version, in the transaction of the step's effect: two
that race give one move. A step that calls another company claims the instance for a while (its
lease) and may be run again after a crash, so it carries an idempotency key. See
docs/architecture.md, "Sagas".
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from shared.db import ReadSession, WriteSession, database_now
from shared.errors import Conflict, DomainError, NotFound, Unavailable
from shared.pages import Order, Page, PageRequest, keyset
from shared.runtime import Runtime, Timer
from shared.telemetry import SAGAS, log, story
from shared.viewer import Viewer

BATCH = 20
LEASE = timedelta(seconds=60)
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(hours=1)
OUTAGE_PAUSE = timedelta(seconds=10)


class SagaState(StrEnum):
    """Where a saga is in its life."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    COMPENSATED = "COMPENSATED"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"


class SagaMoved(Conflict):
    """Somebody else has moved the saga since it was read."""


@dataclass(frozen=True)
class Saga:
    """One instance, as it was read; `version` is what a move is conditional on."""

    id: UUID
    kind: str
    state: SagaState
    step: str
    data: dict[str, Any]
    deadline: datetime | None
    attempts: int
    version: int
    last_error: str | None
    created_at: datetime
    updated_at: datetime


Run = Callable[[Any, Saga], Awaitable[None]]
Undo = Callable[[WriteSession, Saga], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """What happens at a step's deadline, and what takes the step back.

    `run(runtime, saga)` may call other systems, with an idempotency key, and ends by moving the
    saga in a transaction of its own. `undo(session, saga)` only writes to the own database: all
    steps that are taken back are one transaction.
    """

    name: str
    run: Run
    undo: Undo | None = None
    # Tries at the deadline before a person has to look.
    attempts: int = 10


@dataclass
class Sagas:
    """The sagas of one subgraph, by kind, each with its steps in order."""

    kinds: dict[str, tuple[Step, ...]] = field(default_factory=dict)

    def define(self, kind: str, *steps: Step) -> None:
        """Add a kind of saga. Raises TypeError for one that is known or names a step twice."""
        if kind in self.kinds or len({step.name for step in steps}) != len(steps):
            raise TypeError(f"{kind} is defined twice, or names a step twice")
        self.kinds[kind] = steps

    def step(self, kind: str, name: str) -> Step:
        """A step by its name. Raises KeyError."""
        return next(step for step in self.kinds[kind] if step.name == name)

    def timers(self) -> Sequence[Timer]:
        """The worker's part: fire deadlines, and count instances for the metrics."""

        async def fire(runtime: Runtime) -> None:
            while await run_due(runtime, self) == BATCH:
                pass

        return Timer("sagas", None, fire), Timer("measure-sagas", 15, self._measure)

    async def _measure(self, runtime: Runtime) -> None:
        async with runtime.database.read() as session:
            rows = (await session.execute(_COUNT)).all()
        found = {(row.kind, row.state): row.n for row in rows}
        for kind in self.kinds:
            for state in SagaState:
                count = found.get((kind, state), 0)
                SAGAS.labels(runtime.settings.subgraph, kind, state).set(count)


def add_saga_table(metadata: sa.MetaData) -> None:
    """Add `saga_instances` to a subgraph's tables; its migration keeps `updated_at` by trigger."""
    now = sa.func.clock_timestamp()
    table = sa.Table(
        "saga_instances",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("data", JSONB, nullable=False, server_default="{}"),
        sa.Column("deadline", sa.TIMESTAMP(timezone=True)),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=now),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=now),
        sa.CheckConstraint(
            f"state IN ({', '.join(repr(str(state)) for state in SagaState)})", name="state"
        ),
    )
    sa.Index(
        "idx_saga_instances_due", table.c.deadline, postgresql_where=sa.text("state = 'RUNNING'")
    )
    sa.Index("idx_saga_instances_state", table.c.state, table.c.id)


_START = sa.text(
    "INSERT INTO saga_instances (id, kind, state, step, data, deadline)"
    " VALUES (:id, :kind, 'RUNNING', :step, CAST(:data AS jsonb),"
    " COALESCE(:deadline, clock_timestamp())) ON CONFLICT (id) DO NOTHING RETURNING id"
)
_GET = sa.text("SELECT * FROM saga_instances WHERE id = :id FOR UPDATE")
_MOVE = sa.text(
    "UPDATE saga_instances SET state = :state, step = :step, data = CAST(:data AS jsonb),"
    " deadline = :deadline, attempts = 0, last_error = :error, version = version + 1"
    " WHERE id = :id AND version = :version AND state IN ('RUNNING', 'NEEDS_ATTENTION')"
    " RETURNING *"
)
# The lease is the new deadline: a worker that dies leaves the instance to the next one.
_CLAIM = sa.text(
    "UPDATE saga_instances SET deadline = clock_timestamp() + CAST(:lease AS interval),"
    " attempts = attempts + 1, version = version + 1"
    " WHERE id IN (SELECT id FROM saga_instances WHERE state = 'RUNNING'"
    " AND deadline <= clock_timestamp() ORDER BY deadline LIMIT :most FOR UPDATE SKIP LOCKED)"
    " RETURNING *"
)
_POSTPONE = sa.text(
    "UPDATE saga_instances SET deadline = clock_timestamp() + CAST(:pause AS interval),"
    " state = :state, attempts = :attempts, last_error = :error, version = version + 1"
    " WHERE id = :id AND version = :version AND state = 'RUNNING'"
)
_RETRY = sa.text(
    "UPDATE saga_instances SET state = 'RUNNING', deadline = clock_timestamp(), attempts = 0,"
    " version = version + 1 WHERE id = :id AND state = 'NEEDS_ATTENTION' RETURNING *"
)
_COUNT = sa.text("SELECT kind, state, count(*) AS n FROM saga_instances GROUP BY kind, state")
_ID = sa.column("id", sa.Uuid)
_LIST = sa.text("SELECT * FROM saga_instances WHERE id = ANY(:ids)")


def _of(row: Any) -> Saga:
    return Saga(**{**row._mapping, "state": SagaState(row.state)})


async def start(
    session: WriteSession,
    kind: str,
    *,
    id: UUID,
    step: str,
    data: dict[str, Any] | None = None,
    deadline: datetime | None = None,
) -> bool:
    """Begin an instance at a step; without a deadline the step is due at once.

    The id is that of what the saga is about, so that starting twice starts one: False then.
    """
    values = {
        "id": id,
        "kind": kind,
        "step": step,
        "data": orjson.dumps(data or {}).decode(),
        "deadline": deadline,
    }
    return (await session.execute(_START, values)).scalar() is not None


async def lock(session: WriteSession, id: UUID) -> Saga | None:
    """The instance, locked until the transaction ends, or None. Lock the aggregate first."""
    row = (await session.execute(_GET, {"id": id})).one_or_none()
    return _of(row) if row else None


async def advance(
    session: WriteSession,
    saga: Saga,
    step: str,
    *,
    deadline: datetime | None,
    **data: Any,
) -> Saga:
    """Move to another step (or wait at this one); None as deadline waits for an event alone.

    Raises SagaMoved when somebody else has moved it, or it has ended.
    """
    return await _move(session, saga, SagaState.RUNNING, step, saga.data | data, deadline)


async def wake(session: WriteSession, id: UUID, step: str) -> None:
    """Make an instance that waits at this step due now; any other stays as it is."""
    saga = await lock(session, id)
    if saga is not None and saga.state == SagaState.RUNNING and saga.step == step:
        await advance(session, saga, step, deadline=await database_now(session))


async def end(session: WriteSession, id: UUID) -> None:
    """End well, without its steps, what something else has settled; once."""
    saga = await lock(session, id)
    if saga is not None and saga.state in (SagaState.RUNNING, SagaState.NEEDS_ATTENTION):
        await complete(session, saga)


async def complete(session: WriteSession, saga: Saga, **data: Any) -> Saga:
    """End well. Raises SagaMoved."""
    return await _move(session, saga, SagaState.COMPLETED, saga.step, saga.data | data, None)


async def give_up(session: WriteSession, saga: Saga, reason: str) -> Saga:
    """Leave it to a person, with the reason (no personal data). Raises SagaMoved."""
    log.error("saga needs attention", kind=saga.kind, saga_id=str(saga.id), reason=reason)
    state = SagaState.NEEDS_ATTENTION
    return await _move(session, saga, state, saga.step, saga.data, None, error=reason)


async def compensate(session: WriteSession, sagas: Sagas, saga: Saga, reason: str) -> Saga:
    """Take back this step and those before it, the last one first, in this transaction.

    Raises SagaMoved, before anything is undone.
    """
    state = SagaState.COMPENSATED
    ended = await _move(session, saga, state, saga.step, saga.data, None, error=reason)
    steps = sagas.kinds[saga.kind]
    reached = steps.index(sagas.step(saga.kind, saga.step)) + 1
    for step in reversed(steps[:reached]):
        if step.undo is not None:
            await step.undo(session, ended)
    return ended


async def _move(
    session: WriteSession,
    saga: Saga,
    state: SagaState,
    step: str,
    data: dict[str, Any],
    deadline: datetime | None,
    error: str | None = None,
) -> Saga:
    values = {
        "id": saga.id,
        "version": saga.version,
        "state": state,
        "step": step,
        "data": orjson.dumps(data).decode(),
        "deadline": deadline,
        "error": error[:500] if error else None,
    }
    row = (await session.execute(_MOVE, values)).one_or_none()
    if row is None:
        raise SagaMoved("Somebody else has moved this on. Look again.")
    return _of(row)


async def run_due(runtime: Runtime, sagas: Sagas) -> int:
    """Run the step of each instance whose deadline has passed; how many were claimed.

    Several workers may run this at once. A step that fails is tried again, later each time, until
    its attempts are used up; an outage of the own database or of a provider uses up none.
    """
    async with runtime.database.write() as session:
        rows = (await session.execute(_CLAIM, {"lease": LEASE, "most": BATCH})).all()
    for row in rows:
        await _run(runtime, sagas, _of(row))
    return len(rows)


async def _run(runtime: Runtime, sagas: Sagas, saga: Saga) -> None:
    step = sagas.step(saga.kind, saga.step)
    with story(correlation=str(saga.id), causation=None):
        try:
            await step.run(runtime, saga)
            return
        except SagaMoved:
            # An event was faster; the transaction of the step is rolled back.
            return
        except Unavailable as error:
            state, tries = SagaState.RUNNING, saga.attempts - 1
            await _postpone(runtime, saga, OUTAGE_PAUSE, tries, state, error.message)
        except Exception as error:
            # A refusal's text is ours; that of an accident may quote anything.
            reason = error.message if isinstance(error, DomainError) else type(error).__name__
            last = saga.attempts >= step.attempts
            log.warning(
                "saga step failed",
                kind=saga.kind,
                step=saga.step,
                saga_id=str(saga.id),
                attempts=saga.attempts,
                needs_attention=last,
                exc_info=not isinstance(error, DomainError),
            )
            state = SagaState.NEEDS_ATTENTION if last else SagaState.RUNNING
            pause = min(FIRST_PAUSE * 2 ** min(saga.attempts, 12), LONGEST_PAUSE)
            await _postpone(runtime, saga, pause, saga.attempts, state, reason)


async def _postpone(
    runtime: Runtime, saga: Saga, pause: timedelta, attempts: int, state: SagaState, reason: str
) -> None:
    values = {
        "id": saga.id,
        "version": saga.version,
        "pause": pause,
        "state": state,
        "attempts": attempts,
        "error": reason[:500],
    }
    # Without the database the lease runs out, which comes to the same.
    with suppress(Unavailable):
        async with runtime.database.write() as session:
            await session.execute(_POSTPONE, values)


async def retry(session: WriteSession, viewer: Viewer, id: UUID) -> Saga:
    """Let an instance that needs attention run again, for admins. Raises Forbidden, NotFound."""
    viewer.require_role("admin")
    row = (await session.execute(_RETRY, {"id": id})).one_or_none()
    if row is None:
        raise NotFound("No saga with this id needs attention.", field="id")
    log.info("saga retried", kind=row.kind, saga_id=str(id), by=viewer.key)
    return _of(row)


async def list_sagas(
    session: ReadSession, viewer: Viewer, page: PageRequest, *, state: SagaState | None = None
) -> Page[Saga]:
    """Instances, the newest first, for admins. Raises Unauthenticated or Forbidden."""
    viewer.require_role("admin")
    found = sa.select(_ID).select_from(sa.table("saga_instances"))
    if state is not None:
        found = found.where(sa.column("state", sa.Text) == state)
    ids = await keyset(session, found, Order(((_ID, True),)), page)
    rows = await session.execute(_LIST, {"ids": ids.items})
    by_id = {row.id: _of(row) for row in rows}
    return ids.map(lambda id: by_id[id])
