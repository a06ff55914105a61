"""Tutor search: words with corrections, filters, order, and facets over so many hits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import TSQUERY

from shared.db import ReadSession, utc_now
from shared.errors import InvalidInput
from shared.pages import Order, Page, PageRequest, from_cursor, keyset
from shared.validation import between, optional_text
from subgraphs.matching.models import SkillLevel, TutorListing, TutorProfile
from subgraphs.matching.service import slots, values
from subgraphs.matching.service.listings import HORIZON, currency_tag, language_tag, skill_tag

# Upper bounds of the price ranges that facets count, in minor units; the last one is open.
PRICE_RANGES = (1_000, 2_000, 3_000, 5_000, 10_000)
# Lower bounds of the rating ranges, in hundredths; each includes those above.
RATING_RANGES = (450, 400, 350, 300)
_OPEN = -1
# Facets count so many hits, and a text's matches are ranked among so many, the best standing first.
MOST_COUNTED = 1_000
MOST_RANKED = 200
# So many listings are tried in the wanted order before all that match are collected.
MOST_TRIED = 2_000
MOST_WORDS = 10
LONGEST_WINDOW = timedelta(days=7)
_WORD = re.compile(r"\w+")


class TutorSort(StrEnum):
    """The order of found tutors."""

    RELEVANCE = "RELEVANCE"
    PRICE = "PRICE"
    RATING = "RATING"
    NEWEST = "NEWEST"


# The table, or a part of it under its name.
Listing: TypeAlias = type[TutorListing]


def _order(sort: TutorSort, listing: Listing = TutorListing) -> Order:
    if sort is TutorSort.PRICE:
        return Order.by(listing.price_amount, listing.profile_id)
    first = {
        TutorSort.RELEVANCE: listing.standing,
        TutorSort.RATING: listing.score,
        TutorSort.NEWEST: listing.listed_at,
    }[sort]
    return Order.by(first.desc(), listing.profile_id.desc())


@dataclass(frozen=True)
class TutorFilter:
    """What is looked for; hashable, so that one request counts it once."""

    text: str | None = None
    skill_id: UUID | None = None
    level: SkillLevel | None = None
    language: str | None = None
    price_least: int | None = None
    price_most: int | None = None
    currency: str | None = None
    rating_least: int | None = None
    available_from: datetime | None = None
    available_to: datetime | None = None

    @property
    def has_guessed_parts(self) -> bool:
        """Whether there is a part whose hits the database cannot estimate well."""
        return bool(self.skill_id or self.language or self.currency or self.available_from)

    def price_range(self) -> "TutorFilter":
        """The range of prices alone."""
        return TutorFilter(price_least=self.price_least, price_most=self.price_most)

    def checked(self) -> "TutorFilter":
        """The filter without blanks. Raises InvalidInput for what cannot be meant."""
        least, most = self.price_least, self.price_most
        if least is not None and most is not None and least > most:
            raise InvalidInput("priceLeast is above priceMost.", field="priceLeast")
        if self.level is not None and self.skill_id is None:
            raise InvalidInput("A level is of a skill: give skillId.", field="level")
        if self.rating_least is not None:
            between(self.rating_least, field="ratingLeast", least=0, most=500)
        self._check_window()
        wanted = replace(
            self,
            text=optional_text(self.text, field="text", most=200),
            language=optional_text(self.language, field="language", most=35),
        )
        if wanted.language is not None:
            values.language(wanted.language, field="language")
        return wanted

    def _check_window(self) -> None:
        start, end = self.available_from, self.available_to
        if start is None and end is None:
            return
        if start is None or end is None or start >= end:
            raise InvalidInput(
                "availableFrom and availableTo are given together, in order.",
                field="availableFrom",
            )
        if end - start > LONGEST_WINDOW or end > utc_now() + HORIZON:
            raise InvalidInput(
                f"The window takes at most {LONGEST_WINDOW.days} days and ends within"
                f" {HORIZON.days}.",
                field="availableTo",
            )


@dataclass(frozen=True)
class Words:
    """A text as queries: what was written, and that or what is near to it."""

    exact: str
    near: str


# Words that everybody uses do not count; a word that is in no listing may be a slip of the pen.
_WORDS = sa.text("""
SELECT
  CASE WHEN numnode(query.english) > 0 THEN (query.english || query.plain)::text END AS exact,
  (query.english || query.plain || coalesce(other.words, ''::tsquery))::text AS near,
  query.plain::text AS plain
FROM unnest(CAST(:words AS text[])) WITH ORDINALITY AS given (raw, place)
CROSS JOIN LATERAL (SELECT unaccent(given.raw) AS word) AS plain
CROSS JOIN LATERAL (SELECT plainto_tsquery('english', plain.word) AS english,
  plainto_tsquery('simple', plain.word) AS plain) AS query
LEFT JOIN LATERAL (
  SELECT string_agg(quote_literal(similar_to.word), ' | ')::tsquery AS words FROM (
    SELECT known.word FROM search_words known
    WHERE known.word % plain.word AND similarity(known.word, plain.word) >= 0.4
      AND NOT EXISTS (SELECT FROM search_words same WHERE same.word = ANY (
        plain.word || tsvector_to_array(to_tsvector('english', plain.word))))
    ORDER BY similarity(known.word, plain.word) DESC, known.word LIMIT 3
  ) AS similar_to
) AS other ON true
ORDER BY given.place
""")


async def _read_words(session: ReadSession, text: str | None) -> Words | None:
    """The words of a text; None where there are none. One statement if there are."""
    words = list(dict.fromkeys(_WORD.findall((text or "").lower())))[:MOST_WORDS]
    if not words:
        return None
    rows = (await session.execute(_WORDS, {"words": words})).all()
    # A text of nothing but common words is taken at its word.
    counting = [(row.exact, row.near) for row in rows if row.exact] or [
        (row.plain, row.plain) for row in rows
    ]
    exact, near = (" & ".join(f"({each})" for each in part) for part in zip(*counting, strict=True))
    return Words(exact, near)


def _matching(
    wanted: TutorFilter,
    words: Words | None,
    sort: TutorSort = TutorSort.RELEVANCE,
    listing: Listing = TutorListing,
) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if words is not None:
        found.append(listing.search.bool_op("@@")(sa.cast(words.near, TSQUERY)))
    tags = []
    if wanted.skill_id is not None:
        tags.append(skill_tag(wanted.skill_id, wanted.level))
    if wanted.language is not None:
        tags.append(language_tag(wanted.language))
    if wanted.currency is not None:
        tags.append(currency_tag(wanted.currency))
    if tags:
        found.append(listing.tags.contains(tags))
    price: sa.ColumnElement[int] = sa.inspect(listing.price_amount)
    if found and sort is not TutorSort.PRICE:
        # Few rows are left: a sum keeps the planner from reading half an index for them.
        price = listing.price_amount + 0
    if wanted.price_least is not None:
        found.append(price >= wanted.price_least)
    if wanted.price_most is not None:
        found.append(price <= wanted.price_most)
    if wanted.rating_least is not None:
        found.append(listing.rating_mean >= wanted.rating_least)
    if wanted.available_from is not None and wanted.available_to is not None:
        found += _free_within(listing, wanted.available_from, wanted.available_to)
    return found


def _free_within(listing: Listing, start: datetime, end: datetime) -> list[sa.ColumnElement[bool]]:
    """Who can be booked for a whole lesson within the window, minimum notice kept."""
    earliest, latest = start.timestamp(), end.timestamp()
    hours = list(range(int(earliest // slots.HOUR), int(-(-latest // slots.HOUR))))
    begins = sa.func.unnest(listing.free_starts).column_valued("begins")
    now = sa.func.extract("epoch", sa.func.now()) / slots.MINUTE
    fits = sa.exists(
        sa.select(sa.literal(1))
        .select_from(begins.scalar_alias)
        .where(
            begins >= earliest / slots.MINUTE,
            begins >= now + listing.notice_minutes,
            begins + listing.shortest_minutes <= latest / slots.MINUTE,
        )
    )
    # The hours are indexed; the starts decide.
    return [listing.is_bookable, listing.free_hours.overlap(hours), fits]


async def search_tutors(
    session: ReadSession, wanted: TutorFilter, sort: TutorSort, page: PageRequest
) -> Page[TutorProfile]:
    """One page of the listed tutors that match.

    One statement, one more for a text, and one more where few match.
    """
    wanted = wanted.checked()
    words = await _read_words(session, wanted.text)
    matching = _matching(wanted, words, sort)
    if words is not None and sort is TutorSort.RELEVANCE:
        return await _most_relevant(session, words, matching, page)
    if words is None and not wanted.has_guessed_parts:
        return await _page_of(session, TutorListing, matching, sort, page)
    # How many rows have a tag or an hour is a guess where few have it, and one that is wrong makes
    # the database walk all listings in order. So the walk ends early, and who is rare is collected.
    near = _part(_walk(wanted, sort, page))
    found = await _page_of(session, near, _matching(wanted, words, sort, near), sort, page)
    if found.has_previous if page.backward else found.has_next:
        return found
    return await _page_of(session, _part(_all_of(matching, sort, page)), [], sort, page)


def _walk(wanted: TutorFilter, sort: TutorSort, page: PageRequest) -> sa.Select[Any]:
    table = sa.select(TutorListing.__table__)
    if sort is TutorSort.PRICE:
        # The walk begins where the range does.
        table = table.where(*_matching(wanted.price_range(), None, sort))
    return from_cursor(table, _order(sort), page).limit(MOST_TRIED)


def _all_of(
    matching: list[sa.ColumnElement[bool]], sort: TutorSort, page: PageRequest
) -> sa.Select[Any]:
    # An offset keeps the limit outside from guiding the plan.
    table = sa.select(TutorListing.__table__).where(*matching)
    return from_cursor(table, _order(sort), page).offset(0)


def _part(statement: sa.Select[Any]) -> Listing:
    """Some of the listings under the table's own name, so that cursors are the same."""
    return orm.aliased(TutorListing, statement.subquery(TutorListing.__tablename__))


async def _page_of(
    session: ReadSession,
    listing: Listing,
    matching: list[sa.ColumnElement[bool]],
    sort: TutorSort,
    page: PageRequest,
) -> Page[TutorProfile]:
    statement = (
        sa.select(TutorProfile)
        .join(listing, listing.profile_id == TutorProfile.id)
        .where(*matching)
    )
    return await keyset(session, statement, _order(sort, listing), page)


async def _most_relevant(
    session: ReadSession, words: Words, matching: list[sa.ColumnElement[bool]], page: PageRequest
) -> Page[TutorProfile]:
    """What was written ranks before what is near to it, and either by where it stands."""
    exact = sa.cast(TutorListing.search.bool_op("@@")(sa.cast(words.exact, TSQUERY)), sa.Integer)
    # Normalised to less than 1, so that the two do not mix.
    rank = exact + sa.func.ts_rank(TutorListing.search, sa.cast(words.near, TSQUERY), 32)
    # The name tells the orders of different texts apart in cursors.
    name = f"rank_{crc32(repr(words).encode())}"
    best = (
        sa.select(TutorListing.profile_id, sa.cast(rank, sa.Double).label(name))
        .where(*matching)
        .order_by(TutorListing.standing.desc(), TutorListing.profile_id.desc())
        .limit(MOST_RANKED)
        .subquery("best")
    )
    statement = sa.select(TutorProfile).join(best, best.c.profile_id == TutorProfile.id)
    order = Order.by(best.c[name].desc(), best.c.profile_id.desc())
    return await keyset(session, statement, order, page)


@dataclass
class TutorFacets:
    """Counts over the hits, at most `MOST_COUNTED` of them."""

    counted: int = 0
    is_capped: bool = False
    skills: list[tuple[UUID, int]] = field(default_factory=list)
    languages: list[tuple[str, int]] = field(default_factory=list)
    # By the range's upper bound, ascending; None is the open range, the last one.
    prices: list[tuple[int | None, int]] = field(default_factory=list)
    # By the range's lower bound, descending; each includes those above.
    ratings: list[tuple[int, int]] = field(default_factory=list)


async def count_facets(session: ReadSession, filters: Sequence[TutorFilter]) -> list[TutorFacets]:
    """Counts for each filter (there is one per request)."""
    found = []
    for wanted in filters:
        checked = wanted.checked()
        words = await _read_words(session, checked.text)
        found.append(await _count(session, _matching(checked, words)))
    return found


async def _count(session: ReadSession, matching: list[sa.ColumnElement[bool]]) -> TutorFacets:
    hits = (
        sa.select(TutorListing.tags, TutorListing.price_amount, TutorListing.rating_mean)
        .where(*matching)
        .order_by(TutorListing.standing.desc(), TutorListing.profile_id.desc())
        .limit(MOST_COUNTED + 1)
        .cte("hits")
    )
    counted = sa.select(hits).limit(MOST_COUNTED).cte("counted")
    tags = sa.select(sa.func.unnest(counted.c.tags).label("tag")).subquery("tags")
    price = sa.case(*((counted.c.price_amount <= most, most) for most in PRICE_RANGES), else_=_OPEN)
    rating = sa.case(
        *((counted.c.rating_mean >= least, least) for least in RATING_RANGES), else_=_OPEN
    )
    rows = await session.execute(
        sa.union_all(
            _group("total", sa.literal(""), sa.select().select_from(hits)),
            _group("tag", tags.c.tag, sa.select().select_from(tags)),
            _group("price", price, sa.select().select_from(counted)),
            _group("rating", rating, sa.select().select_from(counted)),
        )
    )
    return _facets({(row.kind, row.value): row.n for row in rows})


def _group(kind: str, value: sa.ColumnElement[Any], source: sa.Select[Any]) -> sa.Select[Any]:
    named = sa.cast(value, sa.Text).label("value")
    return source.add_columns(
        sa.literal(kind).label("kind"), named, sa.func.count().label("n")
    ).group_by(named)


def _facets(counts: dict[tuple[str, str], int]) -> TutorFacets:
    total = counts.get(("total", ""), 0)
    facets = TutorFacets(counted=min(total, MOST_COUNTED), is_capped=total > MOST_COUNTED)
    for (kind, value), count in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        if kind != "tag":
            continue
        group, _, rest = value.partition(":")
        if group == "lang":
            facets.languages.append((rest, count))
        elif group == "skill" and ":" not in rest:
            facets.skills.append((UUID(rest), count))
    for most in PRICE_RANGES:
        if count := counts.get(("price", str(most)), 0):
            facets.prices.append((most, count))
    if count := counts.get(("price", str(_OPEN)), 0):
        facets.prices.append((None, count))
    so_far = 0
    for least in RATING_RANGES:
        so_far += counts.get(("rating", str(least)), 0)
        if so_far:
            facets.ratings.append((least, so_far))
    return facets
