"""Calendar feeds: the lessons as a calendar reads them, by an address that can be exchanged."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from icalendar import Calendar

from shared.auth import SIGNATURE_HEADER, sign
from tests.subgraphs.learning import operations as op
from tests.subgraphs.learning.booking import Booking, at
from tests.support.graph import GraphClient
from tests.support.operations import run
from tests.support.services import SECRET

RESET = "mutation { result: resetCalendarFeed { ... on CalendarFeed { url } } }"


async def address(client: GraphClient) -> str:
    return str((await client.ask("{ calendarFeedUrl }")).data["calendarFeedUrl"])


async def get(client: GraphClient, url: str, **headers: str) -> httpx.Response:
    headers[SIGNATURE_HEADER] = sign(SECRET.encode(), b"", ip=client.ip)
    transport = httpx.ASGITransport(client.app)
    path = httpx.URL(url).path
    async with httpx.AsyncClient(
        transport=transport, base_url="http://subgraph", trust_env=False
    ) as http:
        return await http.get(path, headers=headers)


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    calendar = Calendar.from_ical(answer.content)
    assert (calendar["method"], calendar["version"]) == ("PUBLISH", "2.0")
    return [
        {
            "uid": str(event["uid"]),
            "sequence": event.decoded("sequence"),
            "status": str(event["status"]),
            "summary": str(event["summary"]),
            "starts": event.decoded("dtstart"),
            "ends": event.decoded("dtend"),
        }
        for event in calendar.walk("VEVENT")
    ]


async def test_feed_holds_the_lessons_of_its_owner(booking: Booking) -> None:
    start = at(timedelta(hours=48))
    first = await booking.schedule(starts_in=start)
    second = await booking.schedule(starts_in=start + timedelta(days=1))
    await run(booking.tutor, op.CANCEL_LESSON, id=second, reason="I am on holiday")
    await booking.reserve(start + timedelta(days=2))
    for client, summary in (
        (booking.student, "Lesson with Ana Silva"),
        (booking.tutor, "Teaching Ana Silva"),
    ):
        url = await address(client)
        answer = await get(booking.learning, url)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
        assert events(answer) == [
            {
                "uid": first,
                "sequence": 2,
                "status": "CONFIRMED",
                "summary": summary,
                "starts": start,
                "ends": start + timedelta(hours=1),
            },
            {
                "uid": second,
                "sequence": 3,
                "status": "CANCELLED",
                "summary": summary,
                "starts": start + timedelta(days=1),
                "ends": start + timedelta(days=1, hours=1),
            },
        ]
        assert b"holiday" not in answer.content
        assert f"DTSTART:{start:%Y%m%dT%H%M%SZ}".encode() in answer.content


async def test_unchanged_feed_is_not_sent_again(booking: Booking) -> None:
    lesson_id = await booking.schedule()
    url = await address(booking.student)
    first = await get(booking.learning, url)
    again = await get(booking.learning, url, **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await run(booking.student, op.CANCEL_LESSON, id=lesson_id)
    changed = await get(booking.learning, url, **{"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


async def test_reset_feed_has_another_address_and_the_old_one_ends(booking: Booking) -> None:
    old = await address(booking.student)
    assert old == await address(booking.student)
    assert old != await address(booking.tutor)
    assert (await get(booking.learning, old)).status_code == 200
    new = (await booking.student.ask(RESET)).data["result"]["url"]
    assert new == await address(booking.student)
    assert (await get(booking.learning, old)).status_code == 404
    assert (await get(booking.learning, new)).status_code == 200
    assert (await booking.learning.ask("{ calendarFeedUrl }")).codes == ["UNAUTHENTICATED"]


@pytest.mark.parametrize("broken", ["tampered", "cut", "no token", "suffix", "suspended"])
async def test_address_that_is_not_ours_opens_nothing(booking: Booking, broken: str) -> None:
    url = await address(booking.student)
    token = url.rsplit("/", 1)[1].removesuffix(".ics")
    match broken:
        case "tampered":
            url = url.replace(token, ("A" if token[0] != "A" else "B") + token[1:])
        case "cut":
            url = url.replace(token, token[:-1])
        case "no token":
            url = url.replace(token, "é")
        case "suffix":
            url = url.removesuffix(".ics")
        case _:
            async with booking.runtime.database.write() as session:
                await session.execute(sa.text("UPDATE user_refs SET status = 'SUSPENDED'"))
    answer = await get(booking.learning, url)
    assert (answer.status_code, answer.text) == (404, "There is no such feed.")
