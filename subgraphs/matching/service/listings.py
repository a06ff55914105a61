"""The read model of search, written in the transaction of whatever it shows.

`standing` orders tutors where nothing else does: the rating's score in hundredths, or
`UNRATED` without one, plus a boost for new tutors: `BOOST` x (1 - ratings / `BOOST_RATINGS`) x
(1 - days since verification / `BOOST_DAYS`), each factor at least 0.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, among, among_given, database_now
from subgraphs.matching.models import Skill, SkillLevel, TutorListing, TutorProfile, TutorSkill
from subgraphs.matching.service import slots
from subgraphs.matching.service.schedules import get_lesson_times, get_schedules

# How far ahead search knows when tutors are free.
HORIZON = timedelta(days=28)
UNRATED = 350
BOOST = 60
BOOST_RATINGS = 10
BOOST_DAYS = 60
_BATCH = 50
_WORD = "length(word) BETWEEN 3 AND 40 AND word ~ '[[:alpha:]]'"


def _weighted(text: str, weight: str) -> str:
    # Both dictionaries: stems for English, whole words for every other language.
    return (
        f"setweight(to_tsvector('english', {text}), '{weight}')"
        f" || setweight(to_tsvector('simple', {text}), '{weight}')"
    )


# What a listing is made of, of each given profile.
_SOURCE = """
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
      AS given (id uuid, tags text[], skills text, starts int[], hours int[])
    JOIN tutor_profiles p ON p.id = given.id
    LEFT JOIN user_refs u ON u.user_id = p.user_id
    LEFT JOIN rating_refs r ON r.user_id = p.user_id
    CROSS JOIN LATERAL (SELECT
      unaccent(p.headline || ' ' || given.skills) AS subject,
      unaccent(concat(u.first_name, ' ', u.last_name)) AS name,
      unaccent(coalesce(p.bio, '')) AS bio) AS words
"""
_COLUMNS = {
    "profile_id": "p.id",
    "is_bookable": "p.is_payable",
    "price_amount": "p.rate_amount",
    "rating_mean": "coalesce(r.mean, 0)",
    "score": "coalesce(r.score, 0)",
    "standing": (
        f"coalesce(r.score, {UNRATED}) + round({BOOST}"
        f" * greatest(0, 1 - coalesce(r.count, 0) / {BOOST_RATINGS}::numeric)"
        " * greatest(0, 1 - extract(epoch FROM clock_timestamp() - p.verified_at)"
        f" / 86400 / {BOOST_DAYS}))"
    ),
    "listed_at": "p.verified_at",
    "notice_minutes": "p.minimum_notice_minutes",
    "shortest_minutes": "(SELECT min(minutes) FROM unnest(p.durations) AS minutes)",
    "tags": "given.tags",
    "search": " || ".join(
        (
            _weighted("words.subject", "A"),
            _weighted("words.name", "B"),
            _weighted("words.bio", "C"),
        )
    ),
    "free_starts": "given.starts",
    "free_hours": "given.hours",
    "refreshed_at": "clock_timestamp()",
}
_UPSERT = sa.text(
    f"INSERT INTO tutor_listings ({', '.join(_COLUMNS)})"
    f" SELECT {', '.join(_COLUMNS.values())} {_SOURCE} ORDER BY p.id"
    " ON CONFLICT (profile_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "profile_id")
)
_WORDS = sa.text(
    "INSERT INTO search_words (word) SELECT DISTINCT word FROM (SELECT unnest(tsvector_to_array("  # noqa: S608 - as above
    f"to_tsvector('simple', words.subject || ' ' || words.name))) AS word {_SOURCE}) AS found"
    f" WHERE {_WORD} ORDER BY word ON CONFLICT DO NOTHING"
)
_PURGE_WORDS = sa.text(
    "DELETE FROM search_words WHERE word NOT IN"
    " (SELECT word FROM ts_stat('SELECT search FROM tutor_listings'))"
)


def skill_tag(skill_id: UUID, level: SkillLevel | None = None) -> str:
    """What a listing is tagged with for a skill, at a level where one is given."""
    return f"skill:{skill_id}:{level}" if level else f"skill:{skill_id}"


def language_tag(language: str) -> str:
    """What a listing is tagged with for a language; case does not matter to tags."""
    return f"lang:{language.lower()}"


def currency_tag(currency: str) -> str:
    """What a listing is tagged with for the currency of its price."""
    return f"money:{currency}"


def _tags(
    currency: str, languages: Iterable[str], skills: Iterable[tuple[UUID, SkillLevel]]
) -> list[str]:
    found = [currency_tag(currency), *map(language_tag, languages)]
    # Who speaks pt-BR is found by pt, too.
    found += [language_tag(each.split("-")[0]) for each in languages]
    for skill_id, level in skills:
        found += [skill_tag(skill_id), *map(partial(skill_tag, skill_id), level.and_below)]
    return sorted(set(found))


async def refresh_listings(session: WriteSession, profiles: Sequence[TutorProfile]) -> None:
    """Bring what search shows of tutors up to date; their profiles' rows are locked."""
    await session.flush()
    listed = [profile for profile in profiles if profile.is_listed]
    hidden = [profile.id for profile in profiles if not profile.is_listed]
    if hidden:
        await session.execute(sa.delete(TutorListing).where(TutorListing.profile_id.in_(hidden)))
    if not listed:
        return
    free = await _free_starts(session, listed)
    skills = await _skills(session, [profile.id for profile in listed])
    rows = [
        {
            "id": profile.id,
            "tags": _tags(
                profile.rate_currency,
                profile.languages,
                [(id_, level) for id_, level, _ in taught],
            ),
            "skills": " ".join(name for _, _, name in taught),
            "starts": [start // slots.MINUTE for start in starts],
            "hours": sorted({start // slots.HOUR for start in starts}),
        }
        for profile, taught, starts in zip(listed, skills, free, strict=True)
    ]
    given = {"rows": orjson.dumps(rows).decode()}
    await session.execute(_UPSERT, given)
    await session.execute(_WORDS, given)


async def _free_starts(session: ReadSession, profiles: Sequence[TutorProfile]) -> list[list[int]]:
    now = await database_now(session)
    end = now + HORIZON
    schedules = await get_schedules(session, profiles, start=now, end=end)
    lessons = await get_lesson_times(
        session, [profile.user_id for profile in profiles], start=now, end=end
    )
    return [
        slots.find_starts(
            schedule,
            [slots.seconds_of(each) for each in busy],
            # Without the notice, which moves on between two refreshes.
            earliest=int(now.timestamp()),
            end=int(end.timestamp()),
            latest=int((now + timedelta(days=profile.booking_window_days)).timestamp()),
            minutes=min(profile.durations),
        )
        for profile, schedule, busy in zip(profiles, schedules, lessons, strict=True)
    ]


async def _skills(
    session: ReadSession, profile_ids: Sequence[UUID]
) -> list[list[tuple[UUID, SkillLevel, str]]]:
    rows = await session.execute(
        sa.select(TutorSkill.profile_id, Skill.id, TutorSkill.level, Skill.name)
        .join(Skill, Skill.id == TutorSkill.skill_id)
        .where(among(TutorSkill.profile_id, profile_ids))
        .order_by(Skill.name, Skill.id)
    )
    found: dict[UUID, list[tuple[UUID, SkillLevel, str]]] = {}
    for profile_id, skill_id, level, name in rows:
        found.setdefault(profile_id, []).append((skill_id, SkillLevel(level), name))
    return [found.get(id_, []) for id_ in profile_ids]


async def refresh_stale(session: WriteSession, *, hours: int) -> int:
    """Refresh some listings that are older than so many hours; how many they were."""
    due = (
        sa.select(TutorListing.profile_id)
        .where(
            TutorListing.refreshed_at
            < sa.func.clock_timestamp() - sa.func.make_interval(0, 0, 0, 0, hours)
        )
        .order_by(TutorListing.refreshed_at)
        .limit(_BATCH)
    )
    profiles = (
        await session.scalars(
            sa.select(TutorProfile)
            .where(TutorProfile.id.in_(due.scalar_subquery()))
            .order_by(TutorProfile.id)
            # Whoever holds a profile refreshes its listing.
            .with_for_update(skip_locked=True)
        )
    ).all()
    await refresh_listings(session, profiles)
    return len(profiles)


async def purge_words(session: WriteSession) -> None:
    """Forget words that are in no listing any more."""
    await session.execute(sa.text("SET LOCAL statement_timeout = 0"))
    await session.execute(_PURGE_WORDS)


@cache
def _next_starts() -> sa.Select[Any]:
    earliest = sa.func.extract("epoch", sa.func.now()) / slots.MINUTE + TutorListing.notice_minutes
    start = sa.func.unnest(TutorListing.free_starts).column_valued("start")
    first = sa.select(sa.func.min(start)).where(start >= earliest).scalar_subquery()
    return sa.select(TutorListing.profile_id, sa.func.to_timestamp(first * slots.MINUTE)).where(
        among_given(TutorListing.profile_id, "profile_ids"), TutorListing.is_bookable
    )


async def get_next_starts(
    session: ReadSession, profile_ids: Sequence[UUID]
) -> list[datetime | None]:
    """When each tutor's next bookable slot begins; None for who has none. One statement."""
    rows = await session.execute(_next_starts(), {"profile_ids": list(profile_ids)})
    found = {row[0]: row[1] for row in rows}
    return [found.get(id_) for id_ in profile_ids]
