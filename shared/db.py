"""PostgreSQL: one engine pair per subgraph, read and write sessions as different types.

A `ReadSession` runs every statement on its own, on the replica where there is one, and cannot
write; a `WriteSession` is one transaction. Each resolver or loader batch opens its own short
session, since sibling resolvers run concurrently. See docs/architecture.md, "Database".
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from time import time_ns
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    URL,
    BindParameter,
    CheckConstraint,
    ColumnElement,
    DateTime,
    MetaData,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.pool import NullPool

from shared.config import SubgraphSettings
from shared.errors import InvalidInput, Timeout, Unavailable
from shared.reads import Reads

NAMING = {
    "ix": "idx_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
# Column types by annotation: text without a length limit, times always with a zone.
TYPES: dict[Any, Any] = {str: Text(), datetime: TIMESTAMP(timezone=True), UUID: Uuid()}


def new_metadata() -> MetaData:
    """The table registry of one subgraph, with the platform's constraint names."""
    return MetaData(naming_convention=NAMING)


class Timestamps:
    """`created_at` and `updated_at`; a trigger keeps the second (shared/migrations/triggers.py)."""

    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.clock_timestamp(), sort_order=900
    )
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.clock_timestamp(), sort_order=901
    )


def utc_now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """A constraint that keeps a column to some values, such as those of a StrEnum."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class ReadSession(AsyncSession):
    """Reads only: the database refuses a write. Most selects go past the session (`Reads`)."""

    reads: Reads | None = None

    def _goes_past(self, statement: Any) -> bool:
        # A session with a connection goes on with it: nobody may wait for a second one.
        return (
            self.reads is not None and isinstance(statement, Select) and not self.in_transaction()
        )

    if not TYPE_CHECKING:  # their types are SQLAlchemy's

        async def execute(self, statement, params=None, **options):
            """Execute a statement: directly where that can be done, else by the session."""
            if self._goes_past(statement) and not options:
                result = await self.reads.execute(statement, params)
                if result is not None:
                    return result
            return await super().execute(statement, params, **options)

        async def scalars(self, statement, params=None, **options):
            """The first column of all rows."""
            return (await self.execute(statement, params, **options)).scalars()

        async def scalar(self, statement, params=None, **options):
            """The first column of the first row, or None."""
            return (await self.execute(statement, params, **options)).scalar()

    async def __aexit__(self, *error: Any) -> None:
        """Close; what went past the session left nothing open."""
        if self.reads is None or self.in_transaction():
            await super().__aexit__(*error)


class WriteSession(ReadSession):
    """One transaction; `before_commit` hooks run after the last flush, in order.

    `settings` are the subgraph's own, for handlers, which get nothing but session and event.
    """

    before_commit: list[Callable[["WriteSession"], Awaitable[None]]]

    def __init__(self, engine: AsyncEngine, settings: SubgraphSettings) -> None:
        super().__init__(engine, expire_on_commit=False)
        self.settings = settings
        self.before_commit = []


async def database_now(session: ReadSession) -> datetime:
    """The present moment by the database's clock, which all processes agree on.

    It moves on within a transaction.
    """
    moment: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return moment


def among(column: Any, values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether a column has one of these values: one array as parameter.

    `column.in_(values)` has a parameter for each, and so another text for each number of them,
    which SQLAlchemy writes, psycopg prepares and PostgreSQL plans anew.
    """
    return _among(column, bindparam(None, list(values), type_=ARRAY(column.type), unique=True))


def among_given(column: Any, name: str) -> ColumnElement[bool]:
    """`among` for a statement that is made once: its values, a list, are given by this name."""
    return _among(column, bindparam(name, type_=ARRAY(column.type)))


def _among(column: Any, values: BindParameter[Any]) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column == any_(values)
    return found


R = TypeVar("R")


def violated_constraint(error: IntegrityError) -> str | None:
    """The name of the constraint that refused a row."""
    original = error.orig
    return original.diag.constraint_name if isinstance(original, psycopg.Error) else None


@contextmanager
def _as_domain_errors() -> Iterator[None]:
    """A database that is away, slow or given unstorable text is a refusal, not an accident."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, psycopg.Error) as error:
        # As SQLAlchemy's session gives it, or as it is where there was none.
        original = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(original, psycopg.DataError):
            raise InvalidInput("A value cannot be stored.") from error
        if isinstance(original, psycopg.errors.QueryCanceled):
            raise Timeout("The database took too long.") from error
        if isinstance(original, psycopg.OperationalError | psycopg.InterfaceError):
            raise Unavailable("The database is not available.") from error
        raise


def sync_url(settings: SubgraphSettings) -> URL:
    """The address for tools that are not asynchronous (migrations), without the timeouts."""
    return URL.create(
        "postgresql+psycopg",
        username=settings.login,
        password=settings.db_password.get_secret_value(),
        host=settings.db_host,
        port=settings.db_port,
        database=settings.database,
    )


class _PooledConnection(psycopg.AsyncConnection[Any]):
    """Gives itself back to the pool when it is broken, too.

    psycopg's own `close` does nothing for a broken connection, so that its place in the pool would
    be lost for good with each one that the server cuts.
    """

    async def close(self) -> None:
        """Return to the pool, which replaces what is broken."""
        pool = getattr(self, "_pool", None)
        if self.closed and pool is not None:
            await pool.putconn(self)
        else:
            await super().close()


# Told the text, the parameters and the time (ns since 1970) at which a statement began.
Observer = Callable[[str, Any, int], None]


class _ObservedCursor(psycopg.AsyncCursor[Any]):
    observers: list[Observer]

    async def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        started = time_ns()
        try:
            return await super().execute(query, params, **options)
        finally:
            self._tell(query, params, started)

    async def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
        started = time_ns()
        try:
            await super().executemany(query, params_seq, **options)
        finally:
            self._tell(query, params_seq, started)

    def _tell(self, query: Any, params: Any, started: int) -> None:
        for observer in self.observers:
            observer(query, params, started)


class Database:
    """The pools and engines of one subgraph. Open before use, close at the end."""

    def __init__(self, settings: SubgraphSettings) -> None:
        self.settings = settings
        # Told of every statement that ran, for traces and counts.
        self.observers: list[Observer] = []
        self._cursors = type("_Cursor", (_ObservedCursor,), {"observers": self.observers})
        self._write_pool = self._pool(settings.db_host, read_only=False)
        self._read_pool = self._pool(settings.db_read_host or settings.db_host, read_only=True)
        self.write_engine = self._engine(self._write_pool)
        # Outside a transaction a read is one round trip instead of three.
        self.read_engine = self._engine(self._read_pool, isolation_level="AUTOCOMMIT")
        self._reads = Reads(self._read_pool, self.read_engine.dialect)

    def _pool(self, host: str, *, read_only: bool) -> AsyncConnectionPool[Any]:
        s = self.settings
        options = (
            f"-c statement_timeout={s.db_statement_timeout_ms}"
            " -c idle_in_transaction_session_timeout=30s -c timezone=UTC"
        )
        if read_only:
            options += " -c default_transaction_read_only=on"
            if s.db_custom_plans:
                options += " -c plan_cache_mode=force_custom_plan"
        return AsyncConnectionPool(
            kwargs={
                "host": host,
                "port": s.db_port,
                "dbname": s.database,
                "user": s.login,
                "password": s.db_password.get_secret_value(),
                "connect_timeout": max(1, int(s.db_connect_timeout_seconds)),
                "keepalives_idle": 10,
                "application_name": f"edtech-{s.subgraph}",
                "options": options,
                "prepare_threshold": 3,
                "autocommit": read_only,
                "cursor_factory": self._cursors,
            },
            connection_class=_PooledConnection,
            min_size=min(s.db_pool_min, s.db_pool_max),
            max_size=s.db_pool_max,
            max_idle=s.db_pool_idle_seconds,
            timeout=s.db_connect_timeout_seconds,
            reconnect_timeout=30,
            close_returns=True,
            open=False,
        )

    @staticmethod
    def _engine(pool: AsyncConnectionPool[Any], **options: Any) -> AsyncEngine:
        # The pool is psycopg's (it knows an idle time), so SQLAlchemy keeps none. Looking up hstore
        # would cost a statement at every checkout.
        return create_async_engine(
            "postgresql+psycopg://",
            poolclass=NullPool,
            async_creator=pool.getconn,
            use_native_hstore=False,
            # Values belong to people: no error text may quote them.
            hide_parameters=True,
            **options,
        )

    async def open(self) -> None:
        """Start the pools; a database that is down does not keep the process from starting."""
        await self._write_pool.open()
        await self._read_pool.open()

    async def close(self) -> None:
        """Return what is open."""
        await self.write_engine.dispose()
        await self.read_engine.dispose()
        await self._write_pool.close()
        await self._read_pool.close()

    @contextmanager
    def observed(self, observer: Observer) -> Iterator[None]:
        """Tell an observer of the statements that run inside."""
        self.observers.append(observer)
        try:
            yield
        finally:
            self.observers.remove(observer)

    def pool_stats(self) -> dict[str, dict[str, int]]:
        """Sizes and waits of the two pools, for the metrics."""
        return {"write": self._write_pool.get_stats(), "read": self._read_pool.get_stats()}

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """A session for reads. Raises Unavailable or Timeout."""
        with _as_domain_errors():
            async with ReadSession(self.read_engine, expire_on_commit=False) as session:
                session.reads = self._reads
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """One transaction, committed at the end. Raises Unavailable or Timeout."""
        with _as_domain_errors():
            async with WriteSession(self.write_engine, self.settings) as session, session.begin():
                yield session
                await session.flush()
                for hook in session.before_commit:
                    await hook(session)
