"""Bookable slots with sealed offers, and what takes them away."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.db import utc_now
from shared.events.learning import (
    LessonCancelled,
    LessonCompleted,
    LessonExpired,
    LessonRescheduled,
    LessonReserved,
)
from shared.events.matching import OFFER, Offer
from shared.ids import new_id
from shared.seal import unseal
from subgraphs.matching.models import SkillLevel, TutorProfile
from subgraphs.matching.service.offers import price_of
from tests.subgraphs.matching import factories
from tests.subgraphs.matching import operations as op
from tests.subgraphs.matching.factories import DAY, iso, next_day
from tests.subgraphs.matching.operations import run
from tests.support.graph import Answer, GraphClient, counted, send


async def ask(client: GraphClient, profile: TutorProfile, **changes: Any) -> Answer:
    day = next_day()
    wanted = {"tutorId": profile.id, "from": iso(day), "to": iso(day + DAY)}
    return await client.ask(op.SLOTS, **(wanted | changes))


async def slots(client: GraphClient, profile: TutorProfile, **changes: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ask(client, profile, **changes)).data["availableSlots"]
    return found


async def hours(client: GraphClient, profile: TutorProfile, **changes: Any) -> list[int]:
    return [int(slot["startsAt"][11:13]) for slot in await slots(client, profile, **changes)]


def opened(client: GraphClient, slot: dict[str, Any]) -> Offer:
    return unseal(client.runtime.settings.seal_secrets, OFFER, slot["offerToken"], Offer)


async def test_slots_have_times_prices_and_offers_that_learning_can_open(
    matching: GraphClient, profile: TutorProfile
) -> None:
    day = next_day()
    found = await slots(matching, profile, viewerZone="Asia/Kathmandu", durationMinutes=90)
    assert [(slot["startsAt"], slot["endsAt"]) for slot in found] == [
        (iso(day.replace(hour=hour)), iso(day.replace(hour=hour) + timedelta(minutes=90)))
        for hour in (9, 10)
    ]
    assert found[0]["localStart"] == f"{day:%Y-%m-%d}T14:45:00+05:45"
    assert found[0]["price"] == {"amount": 6000, "currency": "USD"}
    assert opened(matching, found[0]) == Offer(
        tutor_id=profile.user_id,
        starts_at=day.replace(hour=9),
        ends_at=day.replace(hour=10, minute=30),
        kind="ONE_TO_ONE",
        price_amount=6000,
        price_currency="USD",
    )


async def test_shortest_lessons_are_offered_unless_asked(
    matching: GraphClient, profile: TutorProfile
) -> None:
    assert await hours(matching, profile) == [9, 10, 11]
    by_user = {"tutorId": None, "userId": profile.user_id}
    assert await hours(matching, profile, **by_user) == [9, 10, 11]


@pytest.mark.parametrize(
    ("rate", "minutes", "price"),
    [
        (4000, 60, 4000),
        (4001, 30, 2001),
        (4001, 90, 6002),
        (1, 30, 1),
        (1, 29, 0),
        (100, 20, 33),
        (100, 50, 83),
        (10, 45, 8),
        (0, 60, 0),
        (1_000_000_000, 480, 8_000_000_000),
    ],
)
def test_prices_are_rounded_half_up(rate: int, minutes: int, price: int) -> None:
    assert price_of(rate, minutes) == price


async def test_skill_with_a_rate_of_its_own_costs_that(matching: GraphClient) -> None:
    async with matching.runtime.database.write() as session:
        guitar = await factories.create_skill(session, "Guitar")
        bass = await factories.create_skill(session, "Bass")
        drums = await factories.create_skill(session, "Drums")
        level = SkillLevel.ADVANCED
        profile = await factories.create_tutor(
            session, skills=[(guitar, level, 5_555), (bass, level, None)]
        )
    found = await slots(matching, profile, skillId=guitar.id, durationMinutes=90)
    assert found[0]["price"]["amount"] == 8333
    offer = opened(matching, found[0])
    assert (offer.skill_id, offer.price_amount) == (guitar.id, 8333)
    [first, *_] = await slots(matching, profile, skillId=bass.id)
    assert first["price"]["amount"] == 4000
    answer = await ask(matching, profile, skillId=drums.id)
    assert answer.codes == ["INVALID_INPUT"]
    assert answer.body["errors"][0]["extensions"]["field"] == "skillId"


async def test_trial_is_offered_once_to_each_student(
    matching: GraphClient, student: GraphClient
) -> None:
    student_id = new_id()
    client = matching.as_user(student_id)
    async with matching.runtime.database.write() as session:
        profile = await factories.create_tutor(session, trial_amount=0, trial_minutes=30)
        without = await factories.create_tutor(session)
    [first, *others] = await slots(client, profile, trial=True)
    assert len(others) == 2
    assert first["price"] == {"amount": 0, "currency": "USD"}
    offer = opened(matching, first)
    assert (offer.kind, offer.student_id) == ("TRIAL", student_id)
    assert offer.ends_at - offer.starts_at == timedelta(minutes=30)
    # Guests see when, and have to sign in to book.
    assert [slot["offerToken"] for slot in await slots(matching, profile, trial=True)] == [None] * 3
    assert await slots(client, without, trial=True) == []
    answer = await ask(client, profile, trial=True, durationMinutes=60)
    assert answer.codes == ["INVALID_INPUT"]

    lesson = factories.lesson(
        profile.user_id, next_day() + 9 * DAY, student_ids=(student_id,), minutes=30
    ).model_copy(update={"kind": "TRIAL"})
    await send(matching.subgraph, matching.runtime, lesson)
    assert await slots(client, profile, trial=True) == []
    assert len(await slots(client, profile)) == 3
    assert len(await slots(student, profile, trial=True)) == 3
    cancelled = LessonCancelled(
        **{**lesson.model_dump(), "status": "CANCELLED_BY_TUTOR", "version": 2}
    )
    await send(matching.subgraph, matching.runtime, cancelled)
    assert len(await slots(client, profile, trial=True)) == 3


async def test_tutor_who_cannot_be_booked_offers_nothing(matching: GraphClient) -> None:
    async with matching.runtime.database.write() as session:
        unpaid = await factories.create_tutor(session, is_payable=False)
        paused = await factories.create_tutor(session, is_paused=True)
        hidden = await factories.create_tutor(session, is_verified=False, verified_at=None)
    assert await slots(matching, unpaid) == []
    assert await slots(matching, paused) == []
    assert (await ask(matching, hidden)).codes == ["NOT_FOUND"]
    assert await slots(matching.as_user(hidden.user_id), hidden) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"viewerZone": "Mars/Olympus"}, "viewerZone"),
        ({"durationMinutes": 45}, "durationMinutes"),
        ({"durationMinutes": -60}, "durationMinutes"),
        ({"userId": str(new_id())}, "tutorId"),
        ({"tutorId": None}, "tutorId"),
        ({"tutorId": "no-id"}, "tutorId"),
        ({"skillId": "no-id"}, "skillId"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-02T00:00:00Z"}, "from"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:01Z"}, "to"),
    ],
)
async def test_malformed_question_is_refused_by_field(
    matching: GraphClient, profile: TutorProfile, changes: dict[str, Any], field: str
) -> None:
    answer = await ask(matching, profile, **changes)
    assert answer.codes == ["INVALID_INPUT"]
    assert answer.body["errors"][0]["extensions"]["field"] == field


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-31T00:00:00Z"),
        ("9999-12-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("2020-01-01T00:00:00Z", "2020-01-31T00:00:00Z"),
    ],
)
async def test_ends_of_the_calendar_have_no_slots(
    matching: GraphClient, profile: TutorProfile, start: str, end: str
) -> None:
    assert await slots(matching, profile, **{"from": start, "to": end}) == []


async def test_lessons_take_slots_while_they_live(
    matching: GraphClient, profile: TutorProfile
) -> None:
    day = next_day()
    lesson = factories.lesson(profile.user_id, day.replace(hour=10), version=2)
    fields = lesson.model_dump()
    await send(matching.subgraph, matching.runtime, lesson)
    assert await hours(matching, profile) == [9, 11]
    moved = LessonRescheduled(
        **{
            **fields,
            "starts_at": day.replace(hour=9),
            "ends_at": day.replace(hour=10),
            "version": 3,
        }
    )
    await send(matching.subgraph, matching.runtime, moved)
    assert await hours(matching, profile) == [10, 11]
    # What happened before arrives late.
    late = LessonReserved(**{**fields, "status": "PENDING_PAYMENT", "version": 1})
    await send(matching.subgraph, matching.runtime, late, lesson)
    assert await hours(matching, profile) == [10, 11]
    cancelled = LessonCancelled(**{**fields, "status": "CANCELLED_BY_STUDENT", "version": 4})
    await send(matching.subgraph, matching.runtime, cancelled)
    assert await hours(matching, profile) == [9, 10, 11]


async def test_cancellation_before_its_lesson_leaves_the_slot_free(
    matching: GraphClient, profile: TutorProfile
) -> None:
    lesson = factories.lesson(profile.user_id, next_day().replace(hour=10))
    expired = LessonExpired(**{**lesson.model_dump(), "status": "EXPIRED", "version": 2})
    await send(matching.subgraph, matching.runtime, expired)
    await send(matching.subgraph, matching.runtime, lesson)
    assert await hours(matching, profile) == [9, 10, 11]


async def test_hold_takes_a_slot_until_it_ends(
    matching: GraphClient, profile: TutorProfile
) -> None:
    day = next_day()
    for hour, minutes in ((9, 15), (10, -1)):
        held = factories.lesson(
            profile.user_id,
            day.replace(hour=hour),
            kind=LessonReserved,
            status="PENDING_PAYMENT",
            hold_expires_at=utc_now() + timedelta(minutes=minutes),
        )
        await send(matching.subgraph, matching.runtime, held)
    assert await hours(matching, profile) == [10, 11]


async def test_lesson_that_took_place_counts_for_the_day(matching: GraphClient) -> None:
    day = next_day()
    async with matching.runtime.database.write() as session:
        profile = await factories.create_tutor(session, most_per_day=1)
    done = factories.lesson(
        profile.user_id, day.replace(hour=6), kind=LessonCompleted, status="COMPLETED"
    )
    await send(matching.subgraph, matching.runtime, done)
    assert await hours(matching, profile) == []
    following = {"from": iso(day + DAY), "to": iso(day + 2 * DAY)}
    assert await hours(matching, profile, **following) == [9, 10, 11]


async def test_lessons_of_others_and_of_unknown_tutors_take_nothing(
    matching: GraphClient, profile: TutorProfile
) -> None:
    lesson = factories.lesson(new_id(), next_day().replace(hour=10))
    await send(matching.subgraph, matching.runtime, lesson)
    assert await hours(matching, profile) == [9, 10, 11]


async def test_new_zone_leaves_lessons_where_they_are(
    matching: GraphClient, tutor: GraphClient, profile: TutorProfile
) -> None:
    day = next_day()
    lesson = factories.lesson(profile.user_id, day.replace(hour=10))
    await send(matching.subgraph, matching.runtime, lesson)
    # Three hours east, without a change of the clock.
    await run(tutor, op.UPDATE_PROFILE, id=profile.id, input={"timeZone": "Africa/Nairobi"})
    assert await hours(matching, profile) == [6, 7, 8]
    await run(tutor, op.UPDATE_PROFILE, id=profile.id, input={"timeZone": "Etc/GMT+1"})
    assert await hours(matching, profile) == [11, 12]


async def test_slots_take_four_statements(matching: GraphClient, profile: TutorProfile) -> None:
    # The tutor with the time, rules, overrides and lessons.
    with counted(matching.runtime.database) as statements:
        assert len(await slots(matching, profile)) == 3
    assert len(statements) == 4


async def test_storm_of_lessons_leaves_listing_and_slots_in_agreement(
    matching: GraphClient, tutor: GraphClient, profile: TutorProfile
) -> None:
    first = next_day()
    lessons = [
        factories.lesson(profile.user_id, (first + number % 4 * DAY).replace(hour=9 + number % 3))
        for number in range(12)
    ]
    rules = [
        {"weekday": weekday, "startLocal": "09:00", "endLocal": "11:00"} for weekday in range(1, 8)
    ]
    await asyncio.gather(
        *(send(matching.subgraph, matching.runtime, lesson) for lesson in lessons),
        run(tutor, op.SET_AVAILABILITY, profileId=profile.id, rules=rules),
        run(tutor, op.UPDATE_PREFERENCES, profileId=profile.id, input={"durations": [30, 60]}),
    )
    query = "query($id: ID!) { tutorProfile(id: $id) { nextFreeSlot } }"
    known = (await matching.ask(query, id=profile.id)).data["tutorProfile"]["nextFreeSlot"]
    now = utc_now()
    wanted = {"from": iso(now), "to": iso(now + 28 * DAY), "durationMinutes": 30}
    assert known == (await slots(matching, profile, **wanted))[0]["startsAt"]
