"""Calendar feeds: whoever has the address sees the lessons, so it can be exchanged for another.

The address holds user and generation under a seal (HMAC with the secret of sealed tokens); a reset
raises the generation. Nothing that opens a feed is stored. A change of the secret ends all
addresses once the old one is taken away.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession
from shared.errors import NotFound
from shared.references import BLOCKED
from shared.viewer import Viewer
from subgraphs.learning.config import Settings
from subgraphs.learning.models import (
    CalendarFeed,
    Course,
    Lesson,
    LessonParticipant,
    LessonRole,
    LessonStatus,
    UserRef,
)

PAST = timedelta(days=90)
MOST_LESSONS = 1_000
_PURPOSE = b"calendar-feed"
_GENERATION_BYTES = 4
# Neither held nor given up: what nobody has paid is in nobody's calendar.
_SHOWN = [
    status
    for status in LessonStatus
    if status not in (LessonStatus.PENDING_PAYMENT, LessonStatus.EXPIRED)
]


@dataclass(frozen=True)
class FeedEntry:
    """A lesson as one of its people sees it."""

    lesson: Lesson
    role: LessonRole
    # The other side's name, or the course's title.
    with_whom: str


async def feed_url(session: ReadSession, viewer: Viewer, *, settings: Settings) -> str:
    """The address of the viewer's own feed, the same until it is reset."""
    user_id = viewer.require_user()
    feed = await session.get(CalendarFeed, user_id)
    return _url(settings, user_id, feed.generation if feed else 0)


async def reset_feed(session: WriteSession, viewer: Viewer, *, settings: Settings) -> str:
    """A new address for the viewer's feed; the old one opens nothing any more."""
    user_id = viewer.require_user()
    statement = (
        insert(CalendarFeed)
        .values(user_id=user_id, generation=1)
        .on_conflict_do_update(
            index_elements=["user_id"], set_={"generation": CalendarFeed.generation + 1}
        )
        .returning(CalendarFeed.generation)
    )
    return _url(settings, user_id, (await session.execute(statement)).scalar_one())


async def read_feed(session: ReadSession, token: str, *, settings: Settings) -> list[FeedEntry]:
    """The lessons of whose feed it is, the earliest first. Raises NotFound."""
    user_id, generation = _opened(settings, token)
    feed = await session.get(CalendarFeed, user_id)
    user = await session.get(UserRef, user_id)
    is_current = (feed.generation if feed else 0) == generation
    if not is_current or user is None or user.status in BLOCKED:
        raise NotFound("There is no such feed.")
    rows = (
        await session.execute(
            sa.select(Lesson, LessonParticipant.role)
            .join(LessonParticipant, LessonParticipant.lesson_id == Lesson.id)
            .where(
                LessonParticipant.user_id == user_id,
                Lesson.status.in_(_SHOWN),
                Lesson.ends_at > sa.func.clock_timestamp() - PAST,
            )
            .order_by(Lesson.starts_at, Lesson.id)
            .limit(MOST_LESSONS)
        )
    ).all()
    names = await _names(session, [row[0] for row in rows])
    entries = []
    for lesson, role in rows:
        other = lesson.student_id if role == LessonRole.TUTOR else lesson.tutor_id
        subject = lesson.course_id or other
        with_whom = names.get(subject, "") if subject is not None else ""
        entries.append(FeedEntry(lesson, LessonRole(role), with_whom))
    return entries


async def _names(session: ReadSession, lessons: Sequence[Lesson]) -> dict[UUID, str]:
    people = {lesson.tutor_id for lesson in lessons}
    people |= {lesson.student_id for lesson in lessons if lesson.student_id is not None}
    courses = {lesson.course_id for lesson in lessons if lesson.course_id is not None}
    users = await session.scalars(sa.select(UserRef).where(UserRef.user_id.in_(people)))
    titles = await session.execute(sa.select(Course.id, Course.title).where(Course.id.in_(courses)))
    return {user.user_id: user.name for user in users} | {row.id: row.title for row in titles}


def _url(settings: Settings, user_id: UUID, generation: int) -> str:
    body = user_id.bytes + generation.to_bytes(_GENERATION_BYTES, "big")
    token = _text(body + _mac(settings.seal_secrets[0], body))
    return f"{settings.jwt_issuer.rstrip('/')}/calendar/{token}.ics"


def _opened(settings: Settings, token: str) -> tuple[UUID, int]:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raise NotFound("There is no such feed.") from None
    size = 16 + _GENERATION_BYTES
    body, mac = raw[:size], raw[size:]
    known = any(hmac.compare_digest(_mac(each, body), mac) for each in settings.seal_secrets)
    # One address, one spelling: base64 lets unused bits vary.
    if not known or _text(raw) != token:
        raise NotFound("There is no such feed.")
    return UUID(bytes=body[:16]), int.from_bytes(body[16:], "big")


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.new(secret, _PURPOSE + body, hashlib.sha256).digest()


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
