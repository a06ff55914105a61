"""Any number of plausible tutors, made by SQL alone: for measurements and tests of search."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.db import WriteSession
from shared.ids import new_id

SKILLS = 60
_BATCH = 2_000
# Of 2,000 words, those at the front are frequent, as in a language.
_WORDS = "'word' || floor(2000 * power(random(), 3))::int"

_SKILLS = (
    "SELECT setseed(0.5)",
    """INSERT INTO skills (id, name, slug, category)
    SELECT gen_random_uuid(), 'Subject' || n, 'subject-' || n, 'category' || n % 8
    FROM generate_series(1, :skills) n ON CONFLICT DO NOTHING""",
)
# For the users of one batch.
_TUTORS = (
    """INSERT INTO user_refs (user_id, first_name, last_name, roles, status, version)
    SELECT id, 'First' || n % 500, 'Last' || n % 5000, '{tutor}', 'ACTIVE', 1
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS g (id, n)""",
    f"""INSERT INTO tutor_profiles (id, user_id, headline, bio, languages, time_zone, rate_amount,
      minimum_notice_minutes, is_verified, verified_at, is_payable)
    SELECT gen_random_uuid(), user_id, concat_ws(' ', {", ".join([_WORDS] * 5)}),
      concat_ws(' ', {", ".join([_WORDS] * 40)}),
      ARRAY[(ARRAY['en', 'en-GB', 'de', 'fr', 'pt-BR', 'es'])[1 + floor(6 * random())::int], 'en'],
      'Europe/Lisbon', 1000 + floor(9000 * random()), 120, true,
      now() - interval '700 days' * random(), random() < 0.9
    FROM unnest(CAST(:ids AS uuid[])) AS g (user_id)""",  # noqa: S608 - words of our own
    """INSERT INTO tutor_skills (profile_id, skill_id, level)
    SELECT p.id, s.id, (ARRAY['BEGINNER', 'INTERMEDIATE', 'ADVANCED'])[1 + floor(3 * random())::int]
    FROM tutor_profiles p CROSS JOIN LATERAL (
      SELECT id FROM skills WHERE p.id IS NOT NULL ORDER BY random() LIMIT 3) s
    WHERE p.user_id = ANY(:ids)""",
    """INSERT INTO availability_rules (id, profile_id, weekday, start_local, end_local)
    SELECT gen_random_uuid(), p.id, day, '09:00', '17:00'
    FROM tutor_profiles p, generate_series(1, 5) day WHERE p.user_id = ANY(:ids)""",
    """INSERT INTO rating_refs (user_id, count, mean, score, version)
    SELECT user_id, 1 + floor(100 * random()), 300 + floor(201 * random()),
      350 + floor(140 * random()), 1
    FROM unnest(CAST(:ids AS uuid[])) AS g (user_id) WHERE random() < 0.8""",
    # What service/listings.py would write, with a third of four weeks' slots taken at random.
    """INSERT INTO tutor_listings (profile_id, is_bookable, price_amount,
      rating_mean, score, standing, listed_at, notice_minutes, shortest_minutes, tags, search,
      free_starts, free_hours, refreshed_at)
    SELECT p.id, p.is_payable, p.rate_amount, coalesce(r.mean, 0),
      coalesce(r.score, 0), coalesce(r.score, 350), p.verified_at, p.minimum_notice_minutes, 30,
      t.tags || ('money:' || p.rate_currency)
        || ARRAY(SELECT DISTINCT 'lang:' || lower(l) FROM unnest(p.languages) l),
      setweight(to_tsvector('simple', p.headline || ' ' || t.names), 'A')
        || setweight(to_tsvector('simple', u.first_name || ' ' || u.last_name), 'B')
        || setweight(to_tsvector('simple', p.bio), 'C'),
      f.starts, ARRAY(SELECT DISTINCT s / 60 FROM unnest(f.starts) s), now()
    FROM tutor_profiles p
    JOIN user_refs u USING (user_id)
    LEFT JOIN rating_refs r USING (user_id)
    CROSS JOIN LATERAL (SELECT array_agg(DISTINCT x.tag) AS tags, string_agg(x.name, ' ') AS names
      FROM (SELECT unnest(ARRAY['skill:' || s.id, 'skill:' || s.id || '\\:BEGINNER',
          'skill:' || s.id || ':' || ts.level]) AS tag, s.name
        FROM tutor_skills ts JOIN skills s ON s.id = ts.skill_id WHERE ts.profile_id = p.id) x) t
    CROSS JOIN LATERAL (SELECT array_agg(m ORDER BY m) AS starts FROM (
      SELECT (extract(epoch FROM date_trunc('day', now())) / 60)::int + d * 1440 + 540 + k * 30
        + 60 * ('{0,0,0,0,1,1,2,-5,-5,-8,5,9}'::int[])[1 + abs(hashtext(p.id::text)) % 12] AS m
      FROM generate_series(0, 27) d, generate_series(0, 15) k
      WHERE p.id IS NOT NULL AND extract(isodow FROM now() + make_interval(days => d)) < 6
        AND random() < 0.67) y) f
    WHERE p.user_id = ANY(:ids)""",
)
_SEARCH_WORDS = """INSERT INTO search_words (word)
    SELECT word FROM ts_stat('SELECT search FROM tutor_listings') ON CONFLICT DO NOTHING"""


async def make_many_tutors(
    session: WriteSession, number: int, progress: Callable[[int], None] | None = None
) -> None:
    """Add so many tutors with skills, hours and a listing, nine of ten bookable.

    `progress` is told how many there are after each batch.
    """
    await session.execute(sa.text("SET LOCAL statement_timeout = 0"))
    for statement in _SKILLS:
        await _run(session, statement, skills=SKILLS)
    for first in range(0, number, _BATCH):
        ids: Sequence[UUID] = [new_id() for _ in range(min(_BATCH, number - first))]
        for statement in _TUTORS:
            await _run(session, statement, ids=ids)
        if progress is not None:
            progress(first + len(ids))
    await _run(session, _SEARCH_WORDS)


async def _run(session: WriteSession, statement: str, **values: Any) -> None:
    # Each text binds what it names, no more.
    names = {name: value for name, value in values.items() if f":{name}" in statement}
    await session.execute(sa.text(statement), names)
