"""Course search: full text, filters, order, and facets over all that was found."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from shared.db import ReadSession
from shared.errors import InvalidInput
from shared.pages import Order, Page, PageRequest, keyset
from shared.validation import optional_text
from subgraphs.learning.models import Course, CourseLevel
from subgraphs.learning.service.courses import NEWEST, published

# Upper bounds of the price ranges that facets count, in minor units; the last one is open.
PRICE_RANGES = (0, 2_000, 5_000, 10_000, 20_000)
_OPEN = -1
# -word or -"some words" at the start of a word.
_EXCLUDED = re.compile(r'(?<!\S)-("[^"]*"?|\S+)')


class CourseSort(StrEnum):
    """The order of what was found."""

    RELEVANCE = "RELEVANCE"
    NEWEST = "NEWEST"
    PRICE_ASCENDING = "PRICE_ASCENDING"
    PRICE_DESCENDING = "PRICE_DESCENDING"


@dataclass(frozen=True)
class CourseFilter:
    """What is looked for; hashable, so that one request counts it once."""

    text: str | None = None
    category: str | None = None
    level: CourseLevel | None = None
    language: str | None = None
    price_least: int | None = None
    price_most: int | None = None
    currency: str | None = None
    has_seats: bool | None = None

    def checked(self) -> "CourseFilter":
        """The filter without blanks. Raises InvalidInput for what cannot be meant."""
        least, most = self.price_least, self.price_most
        if least is not None and most is not None and least > most:
            raise InvalidInput("priceLeast is above priceMost.", field="priceLeast")
        return replace(
            self,
            text=optional_text(self.text, field="text", most=200),
            category=optional_text(self.category, field="category", most=50),
            language=optional_text(self.language, field="language", most=35),
        )


@dataclass(frozen=True)
class Facet:
    """How many of the found courses have a value."""

    value: str
    count: int


@dataclass
class Facets:
    """Counts over everything that was found, not over one page."""

    total: int = 0
    categories: list[Facet] = field(default_factory=list)
    levels: list[Facet] = field(default_factory=list)
    languages: list[Facet] = field(default_factory=list)
    # By the range's upper bound, ascending; None is the open range, the last one.
    prices: list[tuple[int | None, int]] = field(default_factory=list)


def _split(text: str) -> tuple[str, str]:
    """What is wanted, and what is excluded as alternatives."""
    return _EXCLUDED.sub(" ", text).strip(), " or ".join(_EXCLUDED.findall(text))


def _query(text: str) -> sa.ColumnElement[Any]:
    return sa.func.websearch_to_tsquery("english", text).op("||")(
        sa.func.websearch_to_tsquery("simple", text)
    )


def _matching(wanted: CourseFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.text is not None:
        # Apart, since a word is wanted in either dictionary but excluded in both.
        words, excluded = _split(wanted.text)
        if words:
            found.append(Course.search.bool_op("@@")(_query(words)))
        if excluded:
            found.append(sa.not_(Course.search.bool_op("@@")(_query(excluded))))
    if wanted.category is not None:
        found.append(Course.category == wanted.category)
    if wanted.level is not None:
        found.append(Course.level == wanted.level)
    if wanted.language is not None:
        found.append(Course.language == wanted.language)
    if wanted.price_least is not None:
        found.append(Course.price_amount >= wanted.price_least)
    if wanted.price_most is not None:
        found.append(Course.price_amount <= wanted.price_most)
    if wanted.currency is not None:
        found.append(Course.price_currency == wanted.currency)
    if wanted.has_seats is not None:
        full = Course.current_students + Course.held_seats >= Course.max_students
        found.append(sa.not_(full) if wanted.has_seats else full)
    return found


def _order(wanted: CourseFilter, sort: CourseSort) -> Order:
    if sort is CourseSort.PRICE_ASCENDING:
        return Order.by(Course.price_amount, Course.id)
    if sort is CourseSort.PRICE_DESCENDING:
        return Order.by(Course.price_amount.desc(), Course.id.desc())
    if sort is CourseSort.RELEVANCE and wanted.text is not None:
        words, _ = _split(wanted.text)
        rank = sa.cast(sa.func.ts_rank_cd(Course.search, _query(words)), sa.Double)
        return Order.by(rank.desc(), Course.id.desc())
    return NEWEST


async def search_courses(
    session: ReadSession, wanted: CourseFilter, sort: CourseSort, page: PageRequest
) -> Page[Course]:
    """One page of the published courses that match. One statement."""
    wanted = wanted.checked()
    statement = published().where(*_matching(wanted))
    return await keyset(session, statement, _order(wanted, sort), page)


async def count_facets(session: ReadSession, filters: Sequence[CourseFilter]) -> list[Facets]:
    """Counts for each filter (there is one per request). One statement each."""
    return [await _count(session, wanted.checked()) for wanted in filters]


async def _count(session: ReadSession, wanted: CourseFilter) -> Facets:
    bound = sa.case(
        *((Course.price_amount <= most, most) for most in PRICE_RANGES), else_=_OPEN
    ).label("bound")
    base = (
        published()
        .with_only_columns(Course.category, Course.level, Course.language, bound)
        .where(*_matching(wanted))
        .subquery()
    )
    columns = [base.c.category, base.c.level, base.c.language, base.c.bound]
    rows = await session.execute(
        sa.select(*columns, sa.func.grouping(*columns).label("kind"), sa.func.count().label("n"))
        .group_by(sa.func.grouping_sets(*(sa.tuple_(column) for column in columns), sa.text("()")))
        .order_by(sa.desc("n"), *columns)
    )
    facets = Facets()
    # GROUPING has a bit set for each column that a row does not group by.
    groups = {
        0b0111: (0, facets.categories),
        0b1011: (1, facets.levels),
        0b1101: (2, facets.languages),
    }
    prices: dict[int, int] = {}
    for row in rows:
        if row.kind == 0b1111:
            facets.total = row.n
            continue
        if row.kind == 0b1110:
            prices[row.bound] = row.n
            continue
        place, group = groups[row.kind]
        if row[place] is not None:
            group.append(Facet(value=str(row[place]), count=row.n))
    facets.prices = [(most, prices[most]) for most in PRICE_RANGES if most in prices]
    if _OPEN in prices:
        facets.prices.append((None, prices[_OPEN]))
    return facets
