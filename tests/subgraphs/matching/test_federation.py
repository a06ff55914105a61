"""References from other subgraphs, private fields through them, and statement counts."""

from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLObjectType, build_ast_schema, is_nullable_type, parse

from shared.events.identity import UserSuspended
from shared.ids import new_id
from subgraphs.matching.models import CourseSkill, SkillLevel, TutorProfile
from tests.subgraphs.matching import factories
from tests.subgraphs.matching import operations as op
from tests.subgraphs.matching.factories import next_day
from tests.subgraphs.matching.operations import contents, run
from tests.support.graph import GraphClient, counted, send
from tests.support.pipeline import user_state


async def represent(client: GraphClient, *representations: dict[str, Any]) -> list[Any]:
    query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on TutorProfile { id } } }"
    wanted = [{"__typename": "TutorProfile", **each} for each in representations]
    found: list[Any] = (await client.ask(query, r=wanted)).data["_entities"]
    return found


async def test_tutor_is_known_by_profile_and_by_user(
    matching: GraphClient, profile: TutorProfile
) -> None:
    known = {"id": str(profile.id)}
    by_id: dict[str, Any]
    by_user: dict[str, Any]
    by_id, by_user = {"id": str(profile.id)}, {"userId": str(profile.user_id)}
    wanted = [
        by_id,
        by_user,
        by_id | by_user,
        {"id": str(new_id())},
        {"userId": "no-id"},
        {"id": 7},
    ]
    with counted(matching.runtime.database) as statements:
        found = await represent(matching, *wanted)
    assert found == [known, known, known, None, None, None]
    assert len(statements) == 2
    # A user's id is not a profile's.
    assert await represent(matching, {"id": str(profile.user_id)}) == [None]


async def test_hidden_tutor_is_null_through_every_door(
    matching: GraphClient, student: GraphClient, admin: GraphClient
) -> None:
    async with matching.runtime.database.write() as session:
        hidden = await factories.create_tutor(session, is_verified=False, verified_at=None)
    own = matching.as_user(hidden.user_id, "tutor")
    fields = "tutorProfile { id }"
    for client, sees in ((student, False), (matching, False), (own, True), (admin, True)):
        found = [
            *await represent(client, {"id": str(hidden.id)}, {"userId": str(hidden.user_id)}),
            (await client.entities("User", [hidden.user_id], fields)).data["_entities"][0][
                "tutorProfile"
            ],
        ]
        assert [each is not None for each in found] == [sees] * 3


async def test_private_fields_are_null_for_others(
    matching: GraphClient, student: GraphClient, profile: TutorProfile
) -> None:
    fields = "availability { rules { weekday } } verifications { nodes { id } } isFavourite"
    for client, favourite in ((student, False), (matching, None)):
        [found] = (await client.entities("TutorProfile", [profile.id], fields)).data["_entities"]
        assert found == {
            "__typename": "TutorProfile",
            "availability": None,
            "verifications": None,
            "isFavourite": favourite,
        }
    fields = "matchingRequests { nodes { id } } studentProfile { goals }"
    [found] = (await student.entities("User", [profile.user_id], fields)).data["_entities"]
    assert found == {"__typename": "User", "matchingRequests": None, "studentProfile": None}


async def test_unknown_users_courses_and_lessons_have_empty_fields(matching: GraphClient) -> None:
    for typename, fields, expected in (
        ("User", "tutorProfile { id }", {"tutorProfile": None}),
        ("Course", "skills { name }", {"skills": []}),
        ("Lesson", "matchingRequest { id }", {"matchingRequest": None}),
    ):
        ids = [new_id(), "no-id", "\0"]
        found = (await matching.entities(typename, ids, fields)).data["_entities"]
        assert found == [{"__typename": typename, **expected}, None, None]


def test_contributed_fields_are_nullable(matching: GraphClient) -> None:
    schema = build_ast_schema(parse(matching.subgraph.schema.as_str()), assume_valid_sdl=True)
    for name, key in (("User", "id"), ("Lesson", "id"), ("Course", "id")):
        kind = schema.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        for field_name, field in kind.fields.items():
            assert is_nullable_type(field.type) is (field_name != key), f"{name}.{field_name}"


async def populate(matching: GraphClient, number: int) -> tuple[list[UUID], list[UUID], list[UUID]]:
    """So many tutors, who are students with requests, too, and a course of each."""
    users, courses = [], []
    async with matching.runtime.database.write() as session:
        guitar = await factories.create_skill(session, "Guitar")
        profiles = [
            await factories.create_tutor(
                session, skills=[(guitar, SkillLevel.ADVANCED, None)], rating=(1, 400, 400)
            )
            for _ in range(number)
        ]
        for profile in profiles:
            users.append(profile.user_id)
            course = await factories.create_course_ref(session, profile.user_id)
            session.add(CourseSkill(course_id=course.course_id, skill_id=guitar.id))
            courses.append(course.course_id)
    client = matching.as_user(users[0])
    given = {"skillId": guitar.id, "level": "BEGINNER"}
    for _ in range(2):
        await run(client, op.CREATE_REQUEST, input=given)
    return users, courses, [profile.id for profile in profiles]


@pytest.mark.parametrize("number", [2, 20])
async def test_any_number_of_parents_takes_as_many_statements(
    matching: GraphClient, admin: GraphClient, number: int
) -> None:
    users, courses, _ = await populate(matching, number)
    fields = """tutorProfile { id nextFreeSlot rating { mean } skills { skill { id } }
        availability { rules { weekday } overrides { id } }
        verifications(first: 2) { nodes { id } } isFavourite }
      studentProfile { goals }
      matchingRequests(first: 2) { nodes { id skill { name } candidates { tutor { id } } } }"""
    with counted(matching.runtime.database) as statements:
        found = (await admin.entities("User", users, fields)).data["_entities"]
    assert all(user["tutorProfile"]["skills"] for user in found)
    assert len(found[0]["matchingRequests"]["nodes"]) == 2
    # The viewer; profiles, next slots, ratings, skills, rules, overrides, verifications,
    # favourites; student profiles; requests, their skills, candidates and those tutors' profiles.
    assert len(statements) == 14
    with counted(matching.runtime.database) as statements:
        found = (await admin.entities("Course", courses, "skills { name }")).data["_entities"]
    assert [course["skills"] for course in found] == [[{"name": "Guitar"}]] * number
    assert len(statements) == 2


async def test_suspended_user_is_refused(matching: GraphClient, profile: TutorProfile) -> None:
    client = matching.as_user(profile.user_id, "tutor")
    suspended = user_state(
        profile.user_id, kind=UserSuspended, version=2, ver=2, status="SUSPENDED"
    )
    await send(matching.subgraph, matching.runtime, suspended)
    answer = await client.ask("{ tutors { nodes { id } } }")
    assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])


async def test_replayed_events_change_nothing(matching: GraphClient, profile: TutorProfile) -> None:
    events = [
        user_state(profile.user_id, version=2, roles=("tutor",)),
        factories.lesson(profile.user_id, next_day().replace(hour=10)),
        factories.rating(profile.user_id, mean=470, score=450),
        factories.payout_account(profile.user_id, version=1),
        factories.course(profile.user_id),
    ]
    await send(matching.subgraph, matching.runtime, *events)

    async def known() -> dict[str, list[str]]:
        found = await contents(matching.runtime)
        return {name: rows for name, rows in found.items() if name not in ("inbox", "dead_letters")}

    before = await known()
    # With ids of their own, as after a replay past the inbox, and the other way round.
    await send(matching.subgraph, matching.runtime, *reversed(events))
    assert await known() == before
