"""Tutor search over few and many tutors: the same question at both in turns, with its plans."""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy import provision
from deploy.bench.many_tutors import make_many_tutors
from shared.config import load
from shared.db import ReadSession
from shared.pages import MOST, PageRequest
from shared.runtime import Runtime
from subgraphs.matching.config import Settings
from subgraphs.matching.models import Skill, SkillLevel
from subgraphs.matching.service.search import TutorFilter, TutorSort, count_facets, search_tutors

PAGE = 20
DEEP = 500
_WARM_UP = 5  # psycopg prepares a statement when it sends it for the fourth time.
_HOURS = timedelta(hours=1)

Ask = Callable[[ReadSession], Awaitable[Any]]


@dataclass(frozen=True)
class Sizes:
    """How many tutors there are, and how often each question is asked."""

    few: int = 1_000
    many: int = 100_000
    rounds: int = 60


@dataclass(frozen=True)
class Case:
    """A page of search, or its facets, as somebody may ask for it."""

    name: str
    wanted: TutorFilter
    sort: TutorSort = TutorSort.RELEVANCE
    facets: bool = False

    async def ask(self, session: ReadSession) -> Any:
        """The first page, or the counts."""
        if self.facets:
            return await count_facets(session, [self.wanted])
        return await search_tutors(session, self.wanted, self.sort, PageRequest(PAGE))


@dataclass(frozen=True)
class Pair:
    """Medians in ms of one question asked in two ways, and the median of the rounds' ratios."""

    name: str
    first: float
    second: float
    ratio: float

    @classmethod
    def of(cls, name: str, rounds: Sequence[tuple[float, float]]) -> "Pair":
        """From the times of each round."""
        firsts, seconds = zip(*rounds, strict=True)
        ratio = median(second / first for first, second in rounds)
        return cls(name, median(firsts), median(seconds), ratio)


@dataclass(frozen=True)
class Plan:
    """How the database answers the last statement of a question."""

    name: str
    text: str
    nodes: Sequence[str]


@dataclass(frozen=True)
class Found:
    """Everything about scale."""

    sizes: Sizes
    pages: Sequence[Pair]
    facets: Sequence[Pair]
    depth: Sequence[Pair]
    plans: Sequence[Plan]


def cases(skills: Sequence[UUID], now: datetime) -> list[Case]:
    """Each order, and the filters that people use, alone and together."""
    day = _monday(now)
    found = [Case(f"all, by {sort.lower()}", TutorFilter(), sort) for sort in TutorSort]
    free = partial(_free, day)
    rated = TutorFilter(skill_id=skills[1], language="de", price_most=5_000, rating_least=400)
    taught = TutorFilter(skill_id=skills[1], level=SkillLevel.ADVANCED)
    found += [
        Case("skill", TutorFilter(skill_id=skills[0])),
        Case("skill and level, by price", taught, TutorSort.PRICE),
        Case("skill, language, price, rating, by rating", rated, TutorSort.RATING),
        Case("free in two hours of a day", free(10, 12)),
        Case("free in a week, by price", free(0, 7 * 24), TutorSort.PRICE),
        Case("free at night, when few are", free(2, 5)),
        Case("a language that nobody speaks", TutorFilter(language="eo")),
        Case("a currency that nobody takes", TutorFilter(currency="JPY")),
        Case("free on a Sunday, when nobody is", free(6 * 24, 7 * 24)),
        Case("skill and two hours, by rating", free(10, 12, skill_id=skills[2]), TutorSort.RATING),
        Case("text: a frequent word", TutorFilter(text="word5")),
        Case("text: two frequent words", TutorFilter(text="word5 word9")),
        Case("text: one tutor in 20", TutorFilter(text="subject7")),
        Case("text: one tutor in 20, by price", TutorFilter(text="subject7"), TutorSort.PRICE),
        Case("text: a rare word", TutorFilter(text="word1900")),
        Case("text: a slip of the pen", TutorFilter(text="wrd1900")),
        Case("text: a name", TutorFilter(text="last77")),
    ]
    found += [
        Case("facets of all", TutorFilter(), facets=True),
        Case("facets of a skill", TutorFilter(skill_id=skills[0]), facets=True),
        Case("facets of a frequent word", TutorFilter(text="word5"), facets=True),
    ]
    return found


def _monday(moment: datetime) -> datetime:
    """The midnight that begins the next Monday, at least a day away."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days=7 - day.weekday() + 7 * (day.weekday() == 6))


def _free(day: datetime, first: int, last: int, skill_id: UUID | None = None) -> TutorFilter:
    return TutorFilter(
        skill_id=skill_id,
        available_from=day + first * _HOURS,
        available_to=day + last * _HOURS,
    )


@asynccontextmanager
async def runtimes(sizes: Sizes, progress: Console) -> AsyncIterator[tuple[Runtime, Runtime]]:
    """Matching over a database with few tutors and over one with many, made for this."""
    with _bar(progress) as bar:
        async with (
            _filled("edtech_few_tutors_db", sizes.few, bar) as few,
            _filled("edtech_many_tutors_db", sizes.many, bar) as many,
        ):
            bar.stop()
            yield few, many


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("[dim]{task.description}[/]"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
        yield bar


@asynccontextmanager
async def _filled(database: str, number: int, bar: Progress) -> AsyncIterator[Runtime]:
    with _named(database):
        # What takes too long is to be measured, not refused.
        settings = load(Settings, db_statement_timeout_ms=60_000)
        provision.create_database(settings, load(provision.AdminSettings))
        provision.upgrade("matching")
    runtime = Runtime(settings)
    await runtime.open()
    try:
        task = bar.add_task(f"{number:,} tutors", total=number)
        async with runtime.database.write() as session:
            await make_many_tutors(session, number, lambda made: bar.update(task, completed=made))
        _vacuum(settings)
        yield runtime
    finally:
        await runtime.close()


@contextmanager
def _named(database: str) -> Iterator[None]:
    """Migrations read the database's name from the environment."""
    os.environ["MATCHING_DB_NAME"] = database
    try:
        yield
    finally:
        del os.environ["MATCHING_DB_NAME"]


def _vacuum(settings: Settings) -> None:
    """What autovacuum does in time: scans of an index alone ask for the visibility map."""
    with psycopg.connect(
        host=settings.db_host,
        port=settings.db_port,
        dbname=settings.database,
        user="postgres",
        autocommit=True,
    ) as connection:
        connection.execute("VACUUM (ANALYZE)")


async def measure(few: Runtime, many: Runtime, sizes: Sizes) -> Found:
    """Every case at both, then page 1 and a deep one of each order at the many."""
    now = datetime.now(UTC)
    here, there = [cases(await _skills(each), now) for each in (few, many)]
    pages: list[Pair] = []
    facets: list[Pair] = []
    plans: list[Plan] = []
    for small, large in zip(here, there, strict=True):
        pair = await _compared(small.name, (few, small.ask), (many, large.ask), sizes.rounds)
        (facets if large.facets else pages).append(pair)
        plans.append(await explained(many, large.name, large.ask))
    depth = []
    for sort in TutorSort:
        first, deep = _page(sort, None), _page(sort, await _cursor(many, sort))
        depth.append(
            await _compared(f"by {sort.lower()}", (many, first), (many, deep), sizes.rounds)
        )
        plans.append(await explained(many, f"page {DEEP} by {sort.lower()}", deep))
    return Found(sizes, pages, facets, depth, plans)


async def _skills(runtime: Runtime) -> Sequence[UUID]:
    async with runtime.database.read() as session:
        return (await session.scalars(sa.select(Skill.id).order_by(Skill.slug))).all()


def _page(sort: TutorSort, cursor: str | None) -> Ask:
    async def ask(session: ReadSession) -> Any:
        return await search_tutors(session, TutorFilter(), sort, PageRequest(PAGE, cursor=cursor))

    return ask


async def _cursor(runtime: Runtime, sort: TutorSort) -> str:
    """Where page `DEEP` begins, found as a client finds it: page by page."""
    cursor: str | None = None
    left = (DEEP - 1) * PAGE
    async with runtime.database.read() as session:
        while left:
            request = PageRequest(min(left, MOST), cursor=cursor)
            page = await search_tutors(session, TutorFilter(), sort, request)
            cursor = page.cursors[-1]
            left -= request.size
    assert cursor is not None  # noqa: S101 - there is more than one page
    return cursor


async def _compared(
    name: str, first: tuple[Runtime, Ask], second: tuple[Runtime, Ask], rounds: int
) -> Pair:
    """Both in turns, after as many turns that do not count as statements need to be prepared."""
    for _ in range(_WARM_UP):
        await _timed(*first)
        await _timed(*second)
    times = [(await _timed(*first), await _timed(*second)) for _ in range(rounds)]
    return Pair.of(name, times)


async def _timed(runtime: Runtime, ask: Ask) -> float:
    started = time.perf_counter()
    async with runtime.database.read() as session:
        await ask(session)
    return 1000 * (time.perf_counter() - started)


async def explained(runtime: Runtime, name: str, ask: Ask) -> Plan:
    """Ask once, then have the last statement explained while it runs again."""
    sent: list[tuple[str, Any]] = []

    def note(statement: str, values: Any, _: int) -> None:
        sent.append((statement, values))

    with runtime.database.observed(note):
        async with runtime.database.read() as session:
            await ask(session)
            statement, values = sent[-1]
            connection = await session.connection()
            answer = await connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", values
            )
            [plan] = answer.scalar_one()
            answer = await connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, BUFFERS) {statement}", values
            )
            text = "\n".join(answer.scalars())
    return Plan(name, f"{statement}\n{text}", list(nodes_of(plan["Plan"])))


def nodes_of(plan: dict[str, Any]) -> Iterator[str]:
    """The nodes that read tables, with the rows that they gave and those that they threw away."""
    if (source := plan.get("Index Name") or plan.get("Relation Name")) and plan["Actual Loops"]:
        line = f"{plan['Node Type']} {source}: {_total(plan, 'Actual Rows'):,} rows"
        if thrown := _total(plan, "Rows Removed by Filter"):
            line += f", {thrown:,} thrown away"
        yield line
    for inner in plan.get("Plans", ()):
        yield from nodes_of(inner)


def _total(plan: dict[str, Any], key: str) -> int:
    # Given per loop.
    return round(float(plan.get(key, 0)) * float(plan["Actual Loops"]))
