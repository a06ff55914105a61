"""What matching keeps of lessons, ratings and courses; only newer versions are written."""

from collections.abc import Mapping, Sequence
from typing import TypeVar
from uuid import UUID

import orjson
import sqlalchemy as sa

from shared.db import WriteSession
from shared.events import Event
from shared.events.learning import CourseState, LessonState
from shared.events.reviews import RatingUpdated
from subgraphs.matching.service.listings import refresh_listings
from subgraphs.matching.service.profiles import lock_profiles_of

E = TypeVar("E", bound=Event)


def _upsert(table: str, key: str, returned: str, **types: str) -> sa.TextClause:
    """All rows as one parameter, ordered, so that two consumers lock them in the same order."""
    typed = ", ".join(f"{name} {type_}" for name, type_ in types.items())
    changes = ", ".join(f"{name} = excluded.{name}" for name in types if name != key)
    return sa.text(
        f"INSERT INTO {table} AS known ({', '.join(types)}) SELECT {', '.join(types)}"  # noqa: S608 - names of our own code
        f" FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given ({typed}) ORDER BY {key}"
        f" ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE excluded.version > known.version"
        f" RETURNING known.{returned}"
    )


_LESSONS = _upsert(
    "lesson_busy_refs",
    "lesson_id",
    "tutor_id",
    lesson_id="uuid",
    tutor_id="uuid",
    student_ids="uuid[]",
    kind="text",
    status="text",
    starts_at="timestamptz",
    ends_at="timestamptz",
    hold_expires_at="timestamptz",
    version="bigint",
)
_RATINGS = _upsert(
    "rating_refs",
    "user_id",
    "user_id",
    user_id="uuid",
    count="int",
    mean="int",
    score="int",
    version="bigint",
)
_COURSES = _upsert(
    "course_refs",
    "course_id",
    "course_id",
    course_id="uuid",
    tutor_id="uuid",
    status="text",
    version="bigint",
)


def _newest(events: Sequence[E]) -> list[E]:
    found: dict[UUID, E] = {}
    for event in events:
        known = found.get(event.subject)
        if known is None or event.version > known.version:
            found[event.subject] = event
    return list(found.values())


async def _write(
    session: WriteSession, upsert: sa.TextClause, rows: Sequence[Mapping[str, object]]
) -> list[UUID]:
    given = {"rows": orjson.dumps(rows).decode()}
    return list(dict.fromkeys((await session.execute(upsert, given)).scalars()))


async def follow_lessons(session: WriteSession, events: Sequence[LessonState]) -> None:
    """A lesson keeps its tutor busy while it is live."""
    rows = [
        {
            "lesson_id": event.lesson_id,
            "tutor_id": event.tutor_id,
            "student_ids": event.student_ids,
            "kind": event.kind,
            "status": event.status,
            "starts_at": event.starts_at,
            "ends_at": event.ends_at,
            "hold_expires_at": event.hold_expires_at,
            "version": event.version,
        }
        for event in _newest(events)
    ]
    await _refresh(session, await _write(session, _LESSONS, rows))


async def follow_ratings(session: WriteSession, events: Sequence[RatingUpdated]) -> None:
    """A tutor's rating counts in search."""
    rows = [
        {
            "user_id": event.target_id,
            "count": event.count,
            "mean": event.mean,
            "score": event.score,
            "version": event.version,
        }
        for event in _newest([event for event in events if event.target_type == "TUTOR"])
    ]
    if rows:
        await _refresh(session, await _write(session, _RATINGS, rows))


async def follow_courses(session: WriteSession, events: Sequence[CourseState]) -> None:
    """Keep whose course it is."""
    rows = [
        {
            "course_id": event.course_id,
            "tutor_id": event.tutor_id,
            "status": event.status,
            "version": event.version,
        }
        for event in _newest(events)
    ]
    await _write(session, _COURSES, rows)


async def _refresh(session: WriteSession, user_ids: list[UUID]) -> None:
    if user_ids:
        await refresh_listings(session, await lock_profiles_of(session, user_ids))
