"""Tutors' profiles: who may have one, who may see it, and when it can be booked."""

import asyncio
from typing import Any

import pytest

from shared.events.identity import UserRestored, UserSuspended
from shared.events.payment import PayoutAccountRestricted
from shared.ids import new_id
from subgraphs.matching.models import TutorProfile
from tests.subgraphs.matching import factories
from tests.subgraphs.matching import operations as op
from tests.subgraphs.matching.operations import refusal, run, unchanged
from tests.support.graph import GraphClient, published, send
from tests.support.pipeline import user_state

INPUT: dict[str, Any] = {
    "headline": "Maths without fear",
    "languages": ["en", "pt-BR"],
    "hourlyRate": {"amount": 4500, "currency": "EUR"},
}
BY_ID = "query($id: ID!) { tutorProfile(id: $id) { id isVerified isPaused isBookable } }"
DOCUMENTS = [{"kind": "passport", "reference": "asset:1"}]


def state_of(event: dict[str, Any]) -> tuple[int, bool, bool, bool]:
    return event["version"], event["isVerified"], event["isPaused"], event["isBookable"]


async def test_verified_user_becomes_tutor(matching: GraphClient, student: GraphClient) -> None:
    given = INPUT | {
        "bio": "Ten years of teaching.\nTwo books.",
        "trial": {"price": 0, "minutes": 20},
        "videoUrl": "https://video.example/1",
    }
    found = await run(student, op.BECOME_TUTOR, input=given)
    [(kind, event)] = await published(matching.runtime)
    assert kind == "edtech.matching.tutor.created.v1"
    assert event == {
        "profileId": found["id"],
        "userId": found["userId"],
        "timeZone": "Europe/Lisbon",
        "isVerified": False,
        "isPaused": False,
        "isBookable": False,
        "version": 1,
    }
    del found["id"], found["userId"]
    assert found == {
        "__typename": "TutorProfile",
        "headline": "Maths without fear",
        "bio": "Ten years of teaching.\nTwo books.",
        "languages": ["en", "pt-BR"],
        "timeZone": "Europe/Lisbon",
        "hourlyRate": {"amount": 4500, "currency": "EUR"},
        "trialPrice": {"amount": 0, "currency": "EUR"},
        "trialMinutes": 20,
        "lessonMinutes": [30, 60, 90],
        "videoUrl": "https://video.example/1",
        "isVerified": False,
        "isPaused": False,
        "isBookable": False,
    }


async def test_who_is_not_verified_or_known_does_not_become_tutor(matching: GraphClient) -> None:
    stranger = matching.as_user(new_id())
    assert await refusal(stranger, op.BECOME_TUTOR, input=INPUT) == ("UNAVAILABLE", None)
    async with matching.runtime.database.write() as session:
        user = await factories.create_user(session, status="UNVERIFIED")
    client = matching.as_user(user.user_id)
    assert await refusal(client, op.BECOME_TUTOR, input=INPUT) == ("EMAIL_NOT_VERIFIED", None)
    assert await refusal(matching, op.BECOME_TUTOR, input=INPUT) == ("UNAUTHENTICATED", None)


async def test_user_is_one_tutor_at_most(student: GraphClient) -> None:
    results = await asyncio.gather(*(run(student, op.BECOME_TUTOR, input=INPUT) for _ in range(5)))
    codes = sorted(result.get("code", "made") for result in results)
    assert codes == ["ALREADY_TUTOR"] * 4 + ["made"]
    assert len(await published(student.runtime)) == 1


async def test_same_key_gives_the_first_profile(student: GraphClient) -> None:
    key = "become-tutor-1"
    first = await run(student, op.BECOME_TUTOR, input=INPUT, idempotencyKey=key)
    async with unchanged(student.runtime):
        assert await run(student, op.BECOME_TUTOR, input=INPUT, idempotencyKey=key) == first
    other = INPUT | {"headline": "Another headline"}
    code = await refusal(student, op.BECOME_TUTOR, input=other, idempotencyKey=key)
    assert code == ("CONFLICT", "idempotencyKey")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"headline": "Hi"}, "headline"),
        ({"headline": "Maths\nfor all"}, "headline"),
        ({"bio": "x" * 5001}, "bio"),
        ({"languages": []}, "languages"),
        ({"languages": ["english"]}, "languages"),
        ({"languages": ["e" + chr(97 + n) for n in range(11)]}, "languages"),
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"hourlyRate": {"amount": -1, "currency": "USD"}}, "hourlyRate"),
        ({"hourlyRate": {"amount": 1_000_000_001, "currency": "USD"}}, "hourlyRate"),
        ({"trial": {"price": -1, "minutes": 30}}, "trial.price"),
        ({"trial": {"price": 1, "minutes": 10}}, "trial.minutes"),
        ({"trial": {"price": 1, "minutes": 33}}, "trial.minutes"),
        ({"videoUrl": "http://video.example"}, "videoUrl"),
        ({"videoUrl": "javascript:alert(1)"}, "videoUrl"),
        ({"videoUrl": "https://user:secret@video.example"}, "videoUrl"),
        ({"videoUrl": "https://[::1"}, "videoUrl"),
    ],
)
async def test_malformed_profile_is_refused_by_field(
    student: GraphClient, change: dict[str, Any], field: str
) -> None:
    code = await refusal(student, op.BECOME_TUTOR, input=INPUT | change)
    assert code == ("INVALID_INPUT", field)


async def test_update_changes_what_is_given_and_publishes_once(
    tutor: GraphClient, profile: TutorProfile
) -> None:
    changes = {"headline": "Another headline", "trial": {"price": 500, "minutes": 30}}
    found = await run(tutor, op.UPDATE_PROFILE, id=profile.id, input=changes)
    assert (found["headline"], found["trialMinutes"]) == ("Another headline", 30)
    assert found["hourlyRate"] == {"amount": 4000, "currency": "USD"}
    async with unchanged(tutor.runtime):
        await run(tutor, op.UPDATE_PROFILE, id=profile.id, input=changes)
    found = await run(tutor, op.UPDATE_PROFILE, id=profile.id, input={"offersTrial": False})
    assert (found["trialPrice"], found["trialMinutes"]) == (None, None)
    events = await published(tutor.runtime)
    assert [(kind, event["version"]) for kind, event in events] == [
        ("edtech.matching.tutor.updated.v1", 2),
        ("edtech.matching.tutor.updated.v1", 3),
    ]


async def test_new_zone_is_a_change_of_availability(
    tutor: GraphClient, profile: TutorProfile
) -> None:
    await run(tutor, op.UPDATE_PROFILE, id=profile.id, input={"timeZone": "Asia/Tokyo"})
    events = await published(tutor.runtime)
    assert [(kind, event["version"]) for kind, event in events] == [
        ("edtech.matching.tutor.updated.v1", 2),
        ("edtech.matching.tutor.availability_changed.v1", 2),
    ]
    assert events[0][1]["timeZone"] == "Asia/Tokyo"


async def test_only_the_tutor_and_admins_change_a_profile(
    matching: GraphClient, student: GraphClient, admin: GraphClient, profile: TutorProfile
) -> None:
    change = {"id": profile.id, "input": {"headline": "Another headline"}}
    assert await refusal(student, op.UPDATE_PROFILE, **change) == ("FORBIDDEN", None)
    assert await refusal(matching, op.UPDATE_PROFILE, **change) == ("UNAUTHENTICATED", None)
    assert await refusal(student, op.PAUSE, id=profile.id) == ("FORBIDDEN", None)
    assert await refusal(admin, op.PAUSE, id=new_id()) == ("NOT_FOUND", None)
    assert (await run(admin, op.UPDATE_PROFILE, **change))["headline"] == "Another headline"


async def test_pausing_stops_booking_and_resuming_starts_it(
    tutor: GraphClient, profile: TutorProfile
) -> None:
    for _ in range(2):
        found = await run(tutor, op.PAUSE, id=profile.id)
        assert (found["isPaused"], found["isBookable"]) == (True, False)
    for _ in range(2):
        found = await run(tutor, op.RESUME, id=profile.id)
        assert (found["isPaused"], found["isBookable"]) == (False, True)
    events = [(kind, state_of(event)) for kind, event in await published(tutor.runtime)]
    assert events == [
        ("edtech.matching.tutor.paused.v1", (2, True, True, False)),
        ("edtech.matching.tutor.updated.v1", (3, True, False, True)),
    ]


async def test_unverified_profile_is_visible_to_its_tutor_and_admins(
    matching: GraphClient, student: GraphClient, admin: GraphClient
) -> None:
    async with matching.runtime.database.write() as session:
        hidden = await factories.create_tutor(session, is_verified=False, verified_at=None)
        paused = await factories.create_tutor(session, is_paused=True)
    owner = matching.as_user(hidden.user_id, "tutor")
    for client, sees in ((owner, True), (admin, True), (student, False), (matching, False)):
        found = (await client.ask(BY_ID, id=hidden.id)).data["tutorProfile"]
        assert (found is not None) is sees
        # Others are told that there is no such tutor.
        if not sees and client is student:
            assert await refusal(client, op.PAUSE, id=hidden.id) == ("NOT_FOUND", None)
    found = (await matching.ask(BY_ID, id=paused.id)).data["tutorProfile"]
    assert found == {
        "id": str(paused.id),
        "isVerified": True,
        "isPaused": True,
        "isBookable": False,
    }


async def test_tutor_is_bookable_once_verified_and_payable_in_either_order(
    matching: GraphClient, admin: GraphClient
) -> None:
    for verified_first in (True, False):
        async with matching.runtime.database.write() as session:
            user = await factories.create_user(session)
        client = matching.as_user(user.user_id)
        made = await run(client, op.BECOME_TUTOR, input=INPUT)
        account = factories.payout_account(user.user_id)
        if not verified_first:
            await send(matching.subgraph, matching.runtime, account)
        await run(client, op.SUBMIT_VERIFICATION, profileId=made["id"], documents=DOCUMENTS)
        found = await run(admin, op.VERIFY_TUTOR, profileId=made["id"], approve=True)
        assert (found["isVerified"], found["isBookable"]) == (True, not verified_first)
        if verified_first:
            await send(matching.subgraph, matching.runtime, account)
        found = (await matching.ask(BY_ID, id=made["id"])).data["tutorProfile"]
        assert found["isBookable"] is True
        versions = [
            event["version"]
            for _, event in await published(matching.runtime)
            if event["profileId"] == made["id"]
        ]
        assert versions == [1, 2, 3] if verified_first else [1, 2]


async def test_payout_account_known_before_the_profile_counts(
    matching: GraphClient, admin: GraphClient
) -> None:
    user_id = new_id()
    client = matching.as_user(user_id)
    # Even before the user's own event.
    await send(matching.subgraph, matching.runtime, factories.payout_account(user_id))
    await send(matching.subgraph, matching.runtime, user_state(user_id))
    made = await run(client, op.BECOME_TUTOR, input=INPUT)
    await run(client, op.SUBMIT_VERIFICATION, profileId=made["id"], documents=DOCUMENTS)
    found = await run(admin, op.VERIFY_TUTOR, profileId=made["id"], approve=True)
    assert found["isBookable"] is True


async def test_restricted_account_stops_booking_and_old_news_changes_nothing(
    matching: GraphClient, profile: TutorProfile
) -> None:
    restricted = factories.payout_account(
        profile.user_id, kind=PayoutAccountRestricted, is_enabled=False, version=3
    )
    await send(matching.subgraph, matching.runtime, restricted)
    await send(
        matching.subgraph, matching.runtime, factories.payout_account(profile.user_id, version=2)
    )
    found = (await matching.ask(BY_ID, id=profile.id)).data["tutorProfile"]
    assert found["isBookable"] is False
    [(kind, event)] = await published(matching.runtime)
    assert kind == "edtech.matching.tutor.updated.v1"
    assert state_of(event) == (2, True, False, False)


async def test_suspended_tutor_is_neither_bookable_nor_visible(
    matching: GraphClient, profile: TutorProfile
) -> None:
    query = "{ tutors { nodes { id } } }"
    suspended = user_state(
        profile.user_id, kind=UserSuspended, version=2, ver=2, status="SUSPENDED"
    )
    await send(matching.subgraph, matching.runtime, suspended)
    assert (await matching.ask(BY_ID, id=profile.id)).data["tutorProfile"] is None
    assert (await matching.ask(query)).data["tutors"]["nodes"] == []
    restored = user_state(profile.user_id, kind=UserRestored, version=3, ver=3)
    await send(matching.subgraph, matching.runtime, restored)
    # The suspension arrives again, late.
    await send(matching.subgraph, matching.runtime, suspended)
    assert (await matching.ask(query)).data["tutors"]["nodes"] == [{"id": str(profile.id)}]
    events = [state_of(event) for _, event in await published(matching.runtime)]
    assert events == [(2, True, False, False), (3, True, False, True)]


async def test_verifying_and_pausing_at_once_leaves_both(
    matching: GraphClient, admin: GraphClient
) -> None:
    async with matching.runtime.database.write() as session:
        hidden = await factories.create_tutor(session, is_verified=False, verified_at=None)
    owner = matching.as_user(hidden.user_id, "tutor")
    await run(owner, op.SUBMIT_VERIFICATION, profileId=hidden.id, documents=DOCUMENTS)
    await asyncio.gather(
        run(admin, op.VERIFY_TUTOR, profileId=hidden.id, approve=True),
        run(owner, op.PAUSE, id=hidden.id),
        send(matching.subgraph, matching.runtime, factories.payout_account(hidden.user_id)),
    )
    events = [state_of(event) for _, event in await published(matching.runtime)]
    assert [event[0] for event in events] == [2, 3]
    assert events[-1] == (3, True, True, False)
    found = (await owner.ask(BY_ID, id=hidden.id)).data["tutorProfile"]
    assert (found["isVerified"], found["isPaused"]) == (True, True)
