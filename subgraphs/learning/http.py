"""Routes beside GraphQL: calendar feeds (RFC 5545), for calendars that can carry no token."""

import hashlib

from icalendar import Calendar, Event
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.errors import DomainError, NotFound, RateLimited
from shared.runtime import Runtime
from subgraphs.learning.config import Settings
from subgraphs.learning.models import LessonRole, LessonStatus
from subgraphs.learning.service import feeds
from subgraphs.learning.service.feeds import FeedEntry

CONTENT_TYPE = "text/calendar; charset=utf-8"
CACHE_SECONDS = 300
# Calendars ask every few minutes at most; a guesser asks more often.
HITS, WINDOW_SECONDS = 120, 60
_CANCELLED = (
    LessonStatus.CANCELLED_BY_STUDENT,
    LessonStatus.CANCELLED_BY_TUTOR,
    LessonStatus.CANCELLED_BY_SYSTEM,
)
_STATUS = {"NOT_FOUND": 404, "RATE_LIMITED": 429}


async def calendar_feed(request: Request) -> Response:
    """`GET /calendar/{token}.ics`: the lessons of whose feed it is."""
    runtime: Runtime = request.app.state.runtime
    settings = runtime.settings
    if not isinstance(settings, Settings):
        raise TypeError("not learning's settings")
    try:
        await runtime.cache.limit(
            "calendar", request.state.ip or "unknown", hits=HITS, seconds=WINDOW_SECONDS
        )
        name = str(request.path_params["file"])
        if not name.endswith(".ics"):
            raise NotFound("There is no such feed.")
        async with runtime.database.read() as session:
            entries = await feeds.read_feed(session, name.removesuffix(".ics"), settings=settings)
    except DomainError as error:
        headers = {"cache-control": "no-store"}
        if isinstance(error, RateLimited):
            headers["retry-after"] = str(error.retry_after)
        return Response(error.message, _STATUS.get(error.general_code(), 503), headers)
    body = to_calendar(entries)
    # Of what the calendar says, so that the same lessons are the same answer on every copy.
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": f"private, max-age={CACHE_SECONDS}"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, CONTENT_TYPE)


def to_calendar(entries: list[FeedEntry]) -> bytes:
    """Lessons as iCalendar: the version is the sequence, so that calendars take what is newer."""
    calendar = Calendar()
    calendar.add("prodid", "-//EdTech//Lessons//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    for entry in entries:
        lesson = entry.lesson
        event = Event()
        event.add("uid", str(lesson.id))
        event.add("sequence", lesson.version)
        event.add("dtstamp", lesson.updated_at)
        event.add("dtstart", lesson.starts_at)
        event.add("dtend", lesson.ends_at)
        event.add("summary", _summary(entry))
        event.add("status", "CANCELLED" if lesson.status in _CANCELLED else "CONFIRMED")
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _summary(entry: FeedEntry) -> str:
    if not entry.with_whom:
        return "Lesson"
    if entry.lesson.course_id is not None:
        return f"{entry.with_whom} (group)"
    verb = "Teaching" if entry.role == LessonRole.TUTOR else "Lesson with"
    return f"{verb} {entry.with_whom}"


routes = (Route("/calendar/{file}", calendar_feed, methods=["GET"]),)
