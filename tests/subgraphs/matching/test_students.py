"""Students: what they look for, favourites, and recommendations."""

import asyncio
from typing import Any

import pytest

from shared.db import utc_now
from shared.ids import new_id
from subgraphs.matching.models import SkillLevel, TutorProfile
from tests.subgraphs.matching import factories
from tests.subgraphs.matching import operations as op
from tests.subgraphs.matching.factories import DAY
from tests.subgraphs.matching.operations import refusal, run, unchanged
from tests.support.graph import GraphClient

FAVOURITES = "{ myFavourites { nodes { id isFavourite } } }"
RECOMMEND = """query($first: Int! = 10) { recommendTutors(first: $first) {
  tutor { headline } score reasons { code weight } } }"""


async def recommended(client: GraphClient) -> list[tuple[str, int, list[str]]]:
    found = (await client.ask(RECOMMEND)).data["recommendTutors"]
    return [
        (each["tutor"]["headline"], each["score"], [reason["code"] for reason in each["reasons"]])
        for each in found
    ]


async def test_student_profile_is_kept_and_private(
    matching: GraphClient, admin: GraphClient
) -> None:
    async with matching.runtime.database.write() as session:
        user = await factories.create_user(session)
    client = matching.as_user(user.user_id)
    fields = "studentProfile { goals languages timeZone }"
    assert (await client.entities("User", [user.user_id], fields)).data["_entities"][0][
        "studentProfile"
    ] is None
    given: dict[str, Any] = {"goals": "Play in a band.", "languages": ["pt", "en"]}
    results = await asyncio.gather(*(run(client, op.UPDATE_STUDENT, input=given) for _ in range(3)))
    kept = given | {"timeZone": "Europe/Lisbon"}
    assert [{name: result[name] for name in kept} for result in results] == [kept] * 3
    changed = await run(client, op.UPDATE_STUDENT, input={"goals": "", "timeZone": "Asia/Tokyo"})
    kept |= {"goals": None, "timeZone": "Asia/Tokyo"}
    assert {name: changed[name] for name in kept} == kept
    for viewer, sees in ((client, kept), (admin, kept), (matching.as_user(new_id()), None)):
        found = (await viewer.entities("User", [user.user_id], fields)).data["_entities"]
        assert found[0]["studentProfile"] == sees
    for change, field in (
        ({"timeZone": "Nowhere"}, "timeZone"),
        ({"languages": ["xx!"]}, "languages"),
        ({"goals": "x" * 2001}, "goals"),
    ):
        assert await refusal(client, op.UPDATE_STUDENT, input=change) == ("INVALID_INPUT", field)
    assert await refusal(matching, op.UPDATE_STUDENT, input=given) == ("UNAUTHENTICATED", None)


async def test_favourites_are_kept_once_and_forgotten(
    matching: GraphClient, student: GraphClient, profile: TutorProfile
) -> None:
    async with matching.runtime.database.write() as session:
        other = await factories.create_tutor(session)
        hidden = await factories.create_tutor(session, is_verified=False, verified_at=None)
    found = await asyncio.gather(
        *(run(student, op.FAVOURITE, tutorId=profile.id) for _ in range(3))
    )
    assert [each["isFavourite"] for each in found] == [True] * 3
    await run(student, op.FAVOURITE, tutorId=other.id)
    nodes = (await student.ask(FAVOURITES)).data["myFavourites"]["nodes"]
    assert nodes == [
        {"id": str(other.id), "isFavourite": True},
        {"id": str(profile.id), "isFavourite": True},
    ]
    assert await refusal(student, op.FAVOURITE, tutorId=hidden.id) == ("NOT_FOUND", None)
    assert await refusal(matching, op.FAVOURITE, tutorId=other.id) == ("UNAUTHENTICATED", None)
    assert (await matching.ask(FAVOURITES)).codes == ["UNAUTHENTICATED"]
    for _ in range(2):
        assert (await run(student, op.UNFAVOURITE, tutorId=other.id))["isFavourite"] is False
    assert await refusal(student, op.UNFAVOURITE, tutorId=hidden.id) == ("NOT_FOUND", None)
    nodes = (await student.ask(FAVOURITES)).data["myFavourites"]["nodes"]
    assert [node["id"] for node in nodes] == [str(profile.id)]


async def test_favourite_who_is_hidden_later_can_be_forgotten(
    matching: GraphClient, student: GraphClient, admin: GraphClient, profile: TutorProfile
) -> None:
    await run(student, op.FAVOURITE, tutorId=profile.id)
    revoked = {"profileId": profile.id, "approve": False, "reason": "Forged."}
    await run(admin, op.VERIFY_TUTOR, **revoked)
    assert (await student.ask(FAVOURITES)).data["myFavourites"]["nodes"] == []
    assert (await run(student, op.UNFAVOURITE, tutorId=profile.id))["id"] == str(profile.id)


async def test_recommendations_follow_profile_favourites_and_ratings(
    matching: GraphClient, student: GraphClient
) -> None:
    old = utc_now() - 100 * DAY
    async with matching.runtime.database.write() as session:
        guitar = await factories.create_skill(session, "Guitar")
        piano = await factories.create_skill(session, "Piano")
        level = SkillLevel.ADVANCED
        rated: dict[str, Any] = {"verified_at": old, "rating": (40, 480, 500)}
        liked = await factories.create_tutor(
            session, headline="Liked tutor", skills=[(guitar, level, None)], **rated
        )
        await factories.create_tutor(
            session, headline="Like the liked", skills=[(guitar, level, None)], **rated
        )
        await factories.create_tutor(
            session, headline="Speaks German", languages=["de"], verified_at=old
        )
        await factories.create_tutor(
            session, headline="Harmony for bands", skills=[(piano, level, None)], verified_at=old
        )
        await factories.create_tutor(session, headline="Fresh tutor")
        await factories.create_tutor(session, headline="Unpaid tutor", is_payable=False)
    # Guests get ratings and the boost of new tutors; those without points come last.
    assert (await recommended(matching))[:3] == [
        ("Liked tutor", 15, ["WELL_RATED"]),
        ("Like the liked", 15, ["WELL_RATED"]),
        ("Fresh tutor", 10, ["NEW_TUTOR"]),
    ]
    given = {"goals": "I want to play in a band.", "languages": ["de-CH"]}
    await run(student, op.UPDATE_STUDENT, input=given)
    await run(student, op.FAVOURITE, tutorId=liked.id)
    async with unchanged(matching.runtime):
        found = await recommended(student)
        assert found == [
            ("Like the liked", 40, ["LIKE_FAVOURITES", "WELL_RATED"]),
            ("Speaks German", 25, ["SPEAKS_LANGUAGE"]),
            ("Harmony for bands", 20, ["FITS_GOALS"]),
            ("Fresh tutor", 10, ["NEW_TUTOR"]),
        ]
        assert await recommended(student) == found
    top = (await student.ask(RECOMMEND, first=1)).data["recommendTutors"]
    assert [each["tutor"]["headline"] for each in top] == ["Like the liked"]


@pytest.mark.parametrize("first", [0, 51, -1])
async def test_number_of_recommendations_is_bounded(matching: GraphClient, first: int) -> None:
    assert (await matching.ask(RECOMMEND, first=first)).codes == ["INVALID_INPUT"]


async def test_nobody_is_recommended_to_themselves(
    tutor: GraphClient, profile: TutorProfile, student: GraphClient
) -> None:
    assert await recommended(tutor) == []
    assert [each[0] for each in await recommended(student)] == [profile.headline]
