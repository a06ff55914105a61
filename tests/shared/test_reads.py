"""Reads past the session: the same answers, and nobody waits for a second connection."""

import asyncio
import tomllib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, load_only
from sqlalchemy.sql.cache_key import CacheKey

from schema.registry import names
from shared import reads
from shared.db import Database, ReadSession, among
from shared.errors import InvalidInput, Timeout, Unavailable
from shared.lookup import ByKey
from shared.runtime import Runtime
from subgraphs.identity.models import User, UserProfile
from subgraphs.learning.models import Course, Enrollment, UserRef
from tests.support import services
from tests.support.graph import GraphClient

ROOT = Path(__file__).parents[2]
IDS = [UUID(int=number) for number in range(1, 6)]
DIALECT = sa.create_mock_engine("postgresql+psycopg://", print).dialect
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SAMPLES: dict[type[Any], list[tuple[Any, Any]]] = {
    sa.String: [(sa.Text, "Ána "), (sa.String(5), "x"), (sa.Text, None)],
    sa.Uuid: [(sa.Uuid, IDS[0])],
    sa.DateTime: [(sa.TIMESTAMP(timezone=True), NOON)],
    sa.Date: [(sa.Date, date(2026, 2, 28))],
    sa.Time: [(sa.Time, time(8, 30))],
    sa.Integer: [(sa.Integer, -1), (sa.SmallInteger, 7), (sa.BigInteger, 2**53)],
    sa.Numeric: [(sa.Numeric(10, 2), Decimal("12.30"))],
    sa.Double: [(sa.Double, 0.1)],
    sa.Boolean: [(sa.Boolean, True)],
    sa.LargeBinary: [(sa.LargeBinary, b"\0x")],
    JSONB: [(JSONB, {"a": [1, None, "ü"]}), (JSONB, [])],
    sa.ARRAY: [
        (sa.ARRAY(sa.Text), ["a", None]),
        (sa.ARRAY(sa.Uuid), IDS),
        (sa.ARRAY(sa.Integer), []),
        (sa.ARRAY(sa.BigInteger), [2**40]),
        (sa.ARRAY(sa.TIMESTAMP(timezone=True)), [NOON]),
    ],
}


@pytest.fixture
async def filled(runtime: Runtime) -> Runtime:
    """Learning with courses, references and enrolments."""
    async with runtime.database.write() as session:
        session.add_all(
            UserRef(user_id=id_, first_name=f"U{n}", roles=["tutor"], status="ACTIVE")
            for n, id_ in enumerate(IDS)
        )
        session.add_all(
            Course(
                id=id_,
                tutor_id=IDS[n % 2],
                title=f"Course {n}",
                category="Maths",
                level="BEGINNER",
                description="About numbers",
                duration_minutes=60,
                price_amount=100 * n,
                price_currency="EUR",
            )
            for n, id_ in enumerate(IDS)
        )
        await session.flush()
        session.add_all(
            Enrollment(course_id=id_, student_id=IDS[0], status="ACTIVE") for id_ in IDS[:3]
        )
    return runtime


def base_of(subgraph: str) -> Any:
    """The declarative base of a subgraph's models."""
    models = import_module(f"subgraphs.{subgraph}.models")
    return models.Base if hasattr(models, "Base") else models.base.Base


def shown(value: Any) -> Any:
    """An entity by its columns, whoever made it; anything else as it is."""
    if isinstance(value, datetime):
        return value, str(value.utcoffset())
    if type(value).__name__ in ("Course", "Enrollment", "UserRef", "User", "UserProfile"):
        return type(value).__name__, {
            key: shown(each) for key, each in vars(value).items() if not key.startswith("_sa_")
        }
    return value


async def both(
    runtime: Runtime, statement: Any, values: dict[str, Any] | None = None
) -> tuple[list[Any], list[Any]]:
    """What a select gives directly, twice, and by the session."""
    async with runtime.database.read() as session:
        direct = [
            (await session.execute(statement, values)).all()
            for _ in range(2)
            if not session.in_transaction()
        ]
    assert len(direct) == 2, "it went by the session"
    assert [tuple(map(shown, row)) for row in direct[0]] == [
        tuple(map(shown, row)) for row in direct[1]
    ]
    async with runtime.database.read() as session:
        session.reads = None
        rows = (await session.execute(statement, values)).all()
    return [tuple(map(shown, r)) for r in direct[1]], [tuple(map(shown, r)) for r in rows]


async def test_every_type_of_a_column_comes_as_the_session_gives_it(runtime: Runtime) -> None:
    used = {
        column.type
        for name in names()
        for mapper in base_of(name).registry.mappers
        for column in mapper.columns
    }
    known = tuple(SAMPLES)
    assert not [each for each in used if not isinstance(each, (*known, TSVECTOR))]
    items = [item for each in used if isinstance(each, sa.ARRAY) for item in [each.item_type]]
    assert not [item for item in items if not isinstance(item, known)]
    for type_, value in [sample for samples in SAMPLES.values() for sample in samples]:
        statement = sa.select(sa.cast(sa.literal(value, type_), type_).label("it"))
        ours, theirs = await both(runtime, statement)
        assert ours == theirs == [(shown(value),)], type_
        assert type(ours[0][0]) is type(theirs[0][0]), type_


OTHER = aliased(Course)
PART = aliased(Course, sa.select(Course).where(Course.price_amount > 100).subquery("part"))
STATEMENTS: dict[str, Callable[[], tuple[Any, dict[str, Any] | None]]] = {
    "entity": lambda: (sa.select(Course).order_by(Course.id), None),
    "one": lambda: (sa.select(Course).where(Course.id == IDS[1]), None),
    "none": lambda: (sa.select(Course).where(sa.false()), None),
    "null": lambda: (sa.select(Course.id).where(Course.category == None), None),  # noqa: E711
    "list": lambda: (sa.select(Course).where(Course.id.in_(IDS[:2])).order_by(Course.id), None),
    "longer list": lambda: (sa.select(Course).where(Course.id.in_(IDS)).order_by(Course.id), None),
    "empty list": lambda: (sa.select(Course).where(Course.id.in_([])), None),
    "array": lambda: (sa.select(Course.id).where(among(Course.id, IDS[:3])), None),
    "given": lambda: (
        sa.select(Course.title).where(Course.id == sa.bindparam("id")),
        {"id": IDS[2]},
    ),
    "entity and column": lambda: (
        sa.select(Course, Enrollment.status).join(Enrollment).order_by(Course.id),
        None,
    ),
    "two entities": lambda: (
        sa.select(Enrollment, Course).join(Course).order_by(Course.id),
        None,
    ),
    "column first": lambda: (
        sa.select(sa.literal(1).label("one"), Course, Course.id).order_by(Course.id),
        None,
    ),
    "alias": lambda: (sa.select(OTHER).where(OTHER.price_amount < 200).order_by(OTHER.id), None),
    "one name twice": lambda: (
        sa.select(Course.id, OTHER.id).join(OTHER, Course.id == OTHER.id).order_by(Course.id),
        None,
    ),
    "part": lambda: (sa.select(PART).order_by(PART.id), None),
    "nothing joined": lambda: (
        sa.select(Course.id, Enrollment.id).outerjoin(Enrollment).order_by(Course.id),
        None,
    ),
    "sums": lambda: (
        sa.select(Course.tutor_id, sa.func.count(), sa.func.sum(Course.price_amount))
        .group_by(Course.tutor_id)
        .order_by(Course.tutor_id),
        None,
    ),
    "exists": lambda: (sa.select(sa.exists().where(Course.id == IDS[0])), None),
    "distinct": lambda: (sa.select(Course.tutor_id).distinct().order_by(Course.tutor_id), None),
    "page": lambda: (sa.select(Course).order_by(Course.id.desc()).limit(2).offset(1), None),
    "rows": lambda: (
        sa.select(Course.id)
        .where(sa.tuple_(Course.price_amount, Course.id) > (100, IDS[1]))
        .order_by(Course.id),
        None,
    ),
    "table": lambda: (sa.select(UserRef.__table__).order_by(UserRef.user_id), None),
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_select_gives_what_the_session_gives(filled: Runtime, name: str) -> None:
    statement, values = STATEMENTS[name]()
    ours, theirs = await both(filled, statement, values)
    assert ours == theirs
    assert bool(ours) == (name not in ("none", "null", "empty list"))


async def test_users_come_with_profile_and_roles(identity: GraphClient) -> None:
    async with identity.runtime.database.write() as session:
        session.add(
            User(
                id=IDS[0],
                email="ana@example.org",
                first_name="Ana",
                last_name="L",
                profile=UserProfile(bio="Hello"),
            )
        )
    ours, theirs = await both(identity.runtime, sa.select(User))
    assert ours == theirs
    [[(_, user)]] = ours
    assert user["profile"][1]["bio"] == "Hello"
    assert user["roles"] == []


async def test_an_entity_reads_like_its_own_and_no_session_knows_it(filled: Runtime) -> None:
    async with filled.database.read() as session:
        course = await session.scalar(sa.select(Course).where(Course.id == IDS[3]))
        user = await session.scalar(sa.select(UserRef).where(UserRef.user_id == IDS[3]))
        assert not session.in_transaction()
    assert user is not None
    assert course is not None
    assert user.name == "U3"  # a property
    with pytest.raises(AttributeError):
        _ = course.search  # a deferred column
    with pytest.raises(sa.exc.NoInspectionAvailable):
        sa.inspect(course)


async def test_columns_have_the_names_that_the_session_gives_them(filled: Runtime) -> None:
    for name in ("two entities", "column first", "one name twice", "sums"):
        statement, values = STATEMENTS[name]()
        async with filled.database.read() as session:
            ours = (await session.execute(statement, values)).keys()
            session.reads = None
            assert list((await session.execute(statement, values)).keys()) == list(ours), name


async def test_what_a_session_has_to_do_it_does(filled: Runtime) -> None:
    statements: list[Any] = [
        sa.select(Course).options(load_only(Course.title)),
        sa.select(Course).execution_options(populate_existing=True),
        sa.select(Course.id).union(sa.select(Course.tutor_id)),
        sa.text("SELECT 1"),
    ]
    for statement in statements:
        async with filled.database.read() as session:
            assert (await session.execute(statement)).all()
            assert session.in_transaction(), statement


@pytest.fixture
async def narrow(filled: Runtime) -> AsyncIterator[Database]:
    """The same database with one connection."""
    settings = filled.settings.model_copy(
        update={
            "db_pool_max": 1,
            "db_connect_timeout_seconds": 0.5,
            "db_statement_timeout_ms": 300,
        }
    )
    database = Database(settings)
    await database.open()
    yield database
    await database.close()


async def test_values_that_were_put_into_a_statement_are_the_sessions(filled: Runtime) -> None:
    statement = sa.select(Course.title).where(Course.id == sa.bindparam("id")).params(id=IDS[2])
    async with filled.database.read() as session:
        assert (await session.scalars(statement)).all() == ["Course 2"]
        assert session.in_transaction()


async def test_options_of_an_execution_are_the_sessions(filled: Runtime) -> None:
    async with filled.database.read() as session:
        await session.execute(sa.select(Course), execution_options={"populate_existing": True})
        assert session.in_transaction()


async def test_nobody_waits_for_a_second_connection(narrow: Database) -> None:
    async with narrow.read() as session:
        await session.execute(sa.text("SELECT 1"))
        assert await session.scalar(sa.select(sa.func.count()).select_from(Course)) == 5


async def test_a_select_keeps_no_connection(narrow: Database) -> None:
    async with narrow.read() as first, narrow.read() as second:
        for session in (first, second, first):
            assert len((await session.scalars(sa.select(Course))).all()) == 5


async def test_a_select_that_is_given_up_gives_its_connection_back(narrow: Database) -> None:
    async with narrow.read() as session:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await session.execute(sa.select(sa.func.pg_sleep(5)))
        assert await session.scalar(sa.select(sa.literal(1))) == 1


async def test_refusals_of_the_database_are_refusals_here(narrow: Database) -> None:
    with pytest.raises(Timeout):
        async with narrow.read() as session:
            await session.execute(sa.select(sa.func.pg_sleep(5)))
    for value in ("a\0b", "ana@example.org"):
        with pytest.raises(InvalidInput) as caught:
            async with narrow.read() as session:
                await session.execute(sa.select(sa.cast(sa.literal(value), sa.Integer)))
        assert value not in str(caught.value)


async def test_connection_that_broke_is_replaced(narrow: Database) -> None:
    async with narrow.read() as session:
        pid = await session.scalar(sa.select(sa.func.pg_backend_pid()))
    with services.as_admin() as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
    with pytest.raises(Unavailable):
        async with narrow.read() as session:
            await session.scalar(sa.select(sa.literal(1)))
    async with narrow.read() as session:
        assert await session.scalar(sa.select(sa.literal(1))) == 1


async def test_equal_statements_do_not_share_values(filled: Runtime) -> None:
    async def title(number: int) -> str | None:
        async with filled.database.read() as session:
            wanted = sa.select(Course.title).where(Course.id == IDS[number])
            return await session.scalar(wanted)

    wanted = [number % 5 for number in range(60)]
    found = await asyncio.gather(*map(title, wanted))
    assert found == [f"Course {number}" for number in wanted]


async def test_memory_of_statements_is_bounded(
    filled: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "MOST_STATEMENTS", 10)
    database = Database(filled.settings)
    await database.open()
    try:
        async with database.read() as session:
            for number in range(30):
                name = f"c{number}"
                assert (await session.execute(sa.select(Course.id.label(name)))).keys() == [name]
            assert session.reads is not None
            assert 0 < len(session.reads._known) <= 10
    finally:
        await database.close()


async def test_loaders_by_key_need_no_session(
    filled: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AsyncSession, "execute", None)
    courses = ByKey(sa.select(Course), Course.id)
    async with filled.database.read() as session:
        found = await courses.find(session, [IDS[2], UUID(int=99), IDS[0], IDS[2]])
    assert [row and row.title for row in found] == ["Course 2", None, "Course 0", "Course 2"]


async def test_loaders_by_key_work_within_a_transaction(filled: Runtime) -> None:
    courses = ByKey(sa.select(Course), Course.id)
    async with filled.database.write() as session:
        [course] = await courses.find(session, [IDS[0]])
        assert course is not None
        course.title = "Changed"
    async with filled.database.read() as session:
        assert await session.scalar(sa.select(Course.title).where(Course.id == IDS[0])) == "Changed"


def test_private_names_of_sqlalchemy_are_there() -> None:
    statement = sa.select(Course).where(Course.id.in_(IDS))
    assert CacheKey._fields == ("key", "bindparams", "params")
    assert isinstance(statement._generate_cache_key(), CacheKey)
    assert statement._with_options == ()
    assert statement._for_update_arg is None
    compiled: Any = statement.compile(dialect=DIALECT)
    for name in ("_bind_processors", "_process_parameters_for_postcompile"):
        assert hasattr(compiled, name)
    assert ReadSession.__mro__[1] is AsyncSession
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"sqlalchemy[asyncio]=={version('sqlalchemy')}" in project["dependencies"]
