"""Matching requests: candidates with reasons, the choice, and who may see them."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from shared.db import utc_now
from shared.ids import new_id
from subgraphs.matching.models import Skill, SkillLevel
from subgraphs.matching.timers import match_open_requests
from tests.subgraphs.matching import factories
from tests.subgraphs.matching import operations as op
from tests.subgraphs.matching.factories import DAY, next_day
from tests.subgraphs.matching.operations import refusal, run
from tests.support.graph import GraphClient, counted, published, send

OF_LESSON = "matchingRequest { id acceptedTutor { id } candidates { score } }"


@pytest.fixture
async def guitar(matching: GraphClient) -> Skill:
    """A skill that can be asked for."""
    async with matching.runtime.database.write() as session:
        return await factories.create_skill(session, "Guitar")


async def make(matching: GraphClient, skill: Skill, level: str = "ADVANCED", **more: Any) -> UUID:
    async with matching.runtime.database.write() as session:
        taught = [(skill, SkillLevel(level), more.pop("rate", None))]
        tutor = await factories.create_tutor(session, skills=taught, **more)
    return tutor.id


def wanted(skill: Skill, **changes: Any) -> dict[str, Any]:
    return {"skillId": skill.id, "level": "INTERMEDIATE", **changes}


async def test_candidates_are_scored_with_reasons(
    matching: GraphClient, student: GraphClient, guitar: Skill
) -> None:
    old = utc_now() - 100 * DAY
    rated: dict[str, Any] = {"verified_at": old, "rating": (40, 480, 450)}
    best = await make(matching, guitar, languages=["en", "pt-BR"], rate=3000, **rated)
    dear = await make(matching, guitar, languages=["en"], rate=3600, **rated)
    fresh = await make(matching, guitar, languages=["de"], rate_amount=9000)
    await make(matching, guitar, "BEGINNER")
    await make(matching, guitar, is_payable=False)
    schedule = [{"weekday": day, "startLocal": "10:00", "endLocal": "11:00"} for day in range(1, 8)]
    given = wanted(
        guitar,
        budget={"amount": 3000, "currency": "USD"},
        languages=["pt"],
        schedule=schedule,
        timeZone="UTC",
        requirements="Patience.",
    )
    found = await run(student, op.CREATE_REQUEST, input=given)
    assert found["status"] == "FOUND"
    assert found["budget"] == {"amount": 3000, "currency": "USD"}
    assert (found["requirements"], found["skill"]) == ("Patience.", {"name": "Guitar"})
    scores = {each["tutor"]["id"]: each["score"] for each in found["candidates"]}
    assert list(scores.items()) == [(str(best), 104), (str(dear), 67), (str(fresh), 55)]
    assert found["candidates"][0]["reasons"] == [
        {"code": "TEACHES_SKILL", "weight": 30, "text": "Teaches Guitar up to advanced level."},
        {"code": "SPEAKS_LANGUAGE", "weight": 25, "text": "Speaks pt-BR."},
        {"code": "WITHIN_BUDGET", "weight": 20, "text": "An hour is within the budget."},
        {"code": "FITS_SCHEDULE", "weight": 15,
         "text": found["candidates"][0]["reasons"][3]["text"]},
        {"code": "WELL_RATED", "weight": 14, "text": "Rated 4.50 of 5."},
    ]  # fmt: skip
    codes = [[reason["code"] for reason in each["reasons"]] for each in found["candidates"][1:]]
    assert codes == [
        ["TEACHES_SKILL", "NEAR_BUDGET", "FITS_SCHEDULE", "WELL_RATED"],
        ["TEACHES_SKILL", "FITS_SCHEDULE", "NEW_TUTOR"],
    ]
    events = await published(matching.runtime)
    assert [(kind, event["version"]) for kind, event in events] == [
        ("edtech.matching.request.created.v1", 1),
        ("edtech.matching.request.found.v1", 2),
    ]
    assert len(events[1][1]["tutorIds"]) == 3


async def test_candidate_is_accepted_once(
    matching: GraphClient, student: GraphClient, guitar: Skill
) -> None:
    tutors = [await make(matching, guitar) for _ in range(3)]
    request = await run(student, op.CREATE_REQUEST, input=wanted(guitar))
    results = await asyncio.gather(
        *(run(student, op.ACCEPT_MATCH, requestId=request["id"], tutorId=each) for each in tutors)
    )
    codes = sorted(result.get("code", "accepted") for result in results)
    assert codes == ["REQUEST_CLOSED"] * 2 + ["accepted"]
    [accepted] = [result for result in results if "id" in result]
    assert accepted["status"] == "ACCEPTED"
    chosen = accepted["acceptedTutor"]["id"]
    # Once more the same is no other choice.
    again = await run(student, op.ACCEPT_MATCH, requestId=request["id"], tutorId=chosen)
    assert again == accepted
    events = [event for kind, event in await published(matching.runtime) if "accepted" in kind]
    assert [(event["version"], event["requestId"]) for event in events] == [(3, request["id"])]
    assert await refusal(student, op.CANCEL_REQUEST, id=request["id"]) == ("REQUEST_CLOSED", None)


async def test_only_candidates_who_take_lessons_are_accepted(
    matching: GraphClient, student: GraphClient, admin: GraphClient, guitar: Skill
) -> None:
    candidate = await make(matching, guitar)
    other = await make(matching, guitar, "BEGINNER")
    request = await run(student, op.CREATE_REQUEST, input=wanted(guitar))
    given = {"requestId": request["id"], "tutorId": candidate}
    await run(admin, op.PAUSE, id=candidate)
    assert await refusal(student, op.ACCEPT_MATCH, **given) == ("TUTOR_UNAVAILABLE", "tutorId")
    wrong = given | {"tutorId": other}
    assert await refusal(student, op.ACCEPT_MATCH, **wrong) == ("NOT_FOUND", "tutorId")
    stranger = matching.as_user(new_id())
    assert await refusal(stranger, op.ACCEPT_MATCH, **given) == ("NOT_FOUND", None)
    for _ in range(2):
        found = await run(student, op.CANCEL_REQUEST, id=request["id"])
        assert found["status"] == "CANCELLED"
    assert await refusal(student, op.ACCEPT_MATCH, **given) == ("REQUEST_CLOSED", None)


async def test_request_without_candidates_is_tried_again(
    matching: GraphClient, student: GraphClient, guitar: Skill
) -> None:
    request = await run(student, op.CREATE_REQUEST, input=wanted(guitar))
    assert (request["status"], request["candidates"]) == ("OPEN", [])
    tutor = await make(matching, guitar)
    query = "query($id: ID!) { matchingRequest(id: $id) { status candidates { tutor { id } } } }"

    async def after_timer() -> Any:
        await asyncio.gather(*(match_open_requests(matching.runtime) for _ in range(3)))
        return (await student.ask(query, id=request["id"])).data["matchingRequest"]

    # It was tried a moment ago.
    assert (await after_timer())["status"] == "OPEN"
    async with matching.runtime.database.write() as session:
        aged = "UPDATE matching_requests SET searched_at = now() - interval '11 minutes'"
        await session.execute(sa.text(aged))
    assert await after_timer() == {"status": "FOUND", "candidates": [{"tutor": {"id": str(tutor)}}]}
    kinds = [kind.split(".")[-2] for kind, _ in await published(matching.runtime)]
    assert kinds == ["created", "found"]


async def test_same_key_makes_one_request_and_open_ones_are_limited(
    student: GraphClient, guitar: Skill
) -> None:
    given = wanted(guitar)
    results = await asyncio.gather(
        *(
            run(student, op.CREATE_REQUEST, input=given, idempotencyKey="request-1")
            for _ in range(3)
        )
    )
    assert len({result["id"] for result in results}) == 1
    results = await asyncio.gather(
        *(run(student, op.CREATE_REQUEST, input=given) for _ in range(11))
    )
    codes = sorted(result.get("code", "made") for result in results)
    assert codes == ["TOO_MANY_REQUESTS"] * 2 + ["made"] * 9
    assert (await refusal(student, op.CREATE_REQUEST, input=given))[0] == "TOO_MANY_REQUESTS"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"skillId": str(new_id())}, ("NOT_FOUND", "skillId")),
        ({"skillId": "no-id"}, ("INVALID_INPUT", "skillId")),
        ({"budget": {"amount": -1, "currency": "USD"}}, ("INVALID_INPUT", "budget")),
        ({"languages": ["xx!"]}, ("INVALID_INPUT", "languages")),
        ({"timeZone": "Nowhere"}, ("INVALID_INPUT", "timeZone")),
        ({"requirements": "x" * 2001}, ("INVALID_INPUT", "requirements")),
        (
            {"schedule": [{"weekday": 8, "startLocal": "10:00", "endLocal": "11:00"}]},
            ("INVALID_INPUT", "schedule.0.weekday"),
        ),
        (
            {"schedule": [{"weekday": 1, "startLocal": "10", "endLocal": "11:00"}]},
            ("INVALID_INPUT", "schedule.0.startLocal"),
        ),
        (
            {"schedule": [{"weekday": 1, "startLocal": "10:00", "endLocal": "11:00"}] * 22},
            ("INVALID_INPUT", "schedule"),
        ),
    ],
)
async def test_malformed_request_is_refused_by_field(
    student: GraphClient, guitar: Skill, change: dict[str, Any], code: tuple[str, str]
) -> None:
    assert await refusal(student, op.CREATE_REQUEST, input=wanted(guitar) | change) == code


async def test_lesson_shows_the_request_to_its_student_and_tutor(
    matching: GraphClient, student: GraphClient, admin: GraphClient, guitar: Skill
) -> None:
    async with matching.runtime.database.write() as session:
        taught = [(guitar, SkillLevel.ADVANCED, None)]
        profile = await factories.create_tutor(session, skills=taught)
    request = await run(student, op.CREATE_REQUEST, input=wanted(guitar))
    await run(student, op.ACCEPT_MATCH, requestId=request["id"], tutorId=profile.id)
    [created, *_] = await published(matching.runtime)
    student_id = UUID(created[1]["studentId"])
    lesson = factories.lesson(profile.user_id, next_day(), student_ids=(student_id,))
    other = factories.lesson(profile.user_id, next_day() + DAY)
    await send(matching.subgraph, matching.runtime, lesson, other)
    tutor = matching.as_user(profile.user_id, "tutor")
    stranger = matching.as_user(new_id())
    chosen = {"id": str(profile.id)}
    whole = {"id": request["id"], "acceptedTutor": chosen, "candidates": [{"score": 40}]}
    for client, sees in (
        (student, whole),
        (admin, whole),
        # The other candidates are not the tutor's business.
        (tutor, whole | {"candidates": None}),
        (stranger, None),
        (matching, None),
    ):
        ids = [lesson.lesson_id, other.lesson_id, new_id(), "no-id"]
        found = (await client.entities("Lesson", ids, OF_LESSON)).data["_entities"]
        assert [each and each["matchingRequest"] for each in found] == [sees, None, None, None]
        known = (await client.entities("MatchingRequest", [request["id"]], "id")).data["_entities"]
        assert (known[0] is not None) is (sees is not None)
    with counted(matching.runtime.database) as statements:
        fields = "matchingRequest { id }"
        await admin.entities("Lesson", [lesson.lesson_id, other.lesson_id], fields)
    assert len(statements) == 2
