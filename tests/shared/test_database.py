"""The database layer: sessions, pool, timeouts, logins."""

import psycopg
import pytest
import sqlalchemy as sa

from schema.registry import load_subgraph, names
from shared.db import Database
from shared.errors import InvalidInput, Timeout, Unavailable
from shared.runtime import Runtime
from tests.support import services


async def test_read_session_cannot_write(runtime: Runtime) -> None:
    with pytest.raises(sa.exc.InternalError, match="read-only transaction"):
        async with runtime.database.read() as session:
            await session.execute(sa.text("INSERT INTO inbox VALUES (gen_random_uuid())"))


async def test_write_session_is_one_transaction(runtime: Runtime) -> None:
    with pytest.raises(ZeroDivisionError):
        async with runtime.database.write() as session:
            await session.execute(sa.text("INSERT INTO inbox VALUES (gen_random_uuid())"))
            raise ZeroDivisionError
    async with runtime.database.read() as session:
        assert await session.scalar(sa.text("SELECT count(*) FROM inbox")) == 0


async def test_slow_statement_is_a_timeout(runtime: Runtime) -> None:
    async with runtime.database.read() as session:
        shown = await session.scalar(
            sa.text("SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'")
        )
        assert shown == runtime.settings.db_statement_timeout_ms > 0
    with pytest.raises(Timeout):
        async with runtime.database.read() as session:
            await session.execute(sa.text("SET statement_timeout = '50ms'"))
            await session.execute(sa.text("SELECT pg_sleep(5)"))


async def test_text_that_cannot_be_stored_is_invalid_input(runtime: Runtime) -> None:
    with pytest.raises(InvalidInput):
        async with runtime.database.write() as session:
            await session.execute(sa.text("SELECT :value"), {"value": "a\0b"})


async def test_exhausted_pool_is_unavailable_and_recovers(runtime: Runtime) -> None:
    settings = runtime.settings.model_copy(
        update={"db_pool_max": 1, "db_connect_timeout_seconds": 0.2}
    )
    database = Database(settings)
    await database.open()
    try:
        async with database.write() as held:
            await held.execute(sa.text("SELECT 1"))
            with pytest.raises(Unavailable):
                async with database.write() as session:
                    await session.execute(sa.text("SELECT 1"))
        async with database.write() as session:
            assert await session.scalar(sa.text("SELECT 1")) == 1
    finally:
        await database.close()


async def test_database_that_is_away_is_unavailable(runtime: Runtime) -> None:
    settings = runtime.settings.model_copy(update={"db_port": 9, "db_connect_timeout_seconds": 0.2})
    database = Database(settings)
    await database.open()
    try:
        with pytest.raises(Unavailable):
            async with database.read() as session:
                await session.execute(sa.text("SELECT 1"))
    finally:
        await database.close()


async def test_connection_that_broke_is_replaced(runtime: Runtime) -> None:
    database = Database(runtime.settings.model_copy(update={"db_pool_max": 1}))
    await database.open()
    try:
        async with database.read() as session:
            pid = await session.scalar(sa.text("SELECT pg_backend_pid()"))
        with services.as_admin() as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        answers = []
        for _ in range(3):
            try:
                async with database.read() as session:
                    answers.append(await session.scalar(sa.text("SELECT 1")))
            except Unavailable:
                answers.append(None)
        assert answers == [None, 1, 1]
    finally:
        await database.close()


async def test_error_texts_quote_no_values(runtime: Runtime) -> None:
    with pytest.raises(sa.exc.ProgrammingError) as caught:
        async with runtime.database.read() as session:
            await session.execute(
                sa.text("SELECT nothing FROM inbox WHERE 'x' = :v"), {"v": "ana@"}
            )
    assert "ana@" not in str(caught.value)


@pytest.mark.parametrize("name", names())
def test_login_cannot_open_the_database_of_another_subgraph(environment: None, name: str) -> None:
    for other in names():
        services.ensure_database(other)
    own = load_subgraph(name).settings()
    for other in names():
        other_settings = load_subgraph(other).settings()
        address = f"host={own.db_host} port={own.db_port} dbname={other_settings.database}"
        if other == name:
            psycopg.connect(f"{address} user={own.login}").close()
        else:
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                psycopg.connect(f"{address} user={own.login}").close()
