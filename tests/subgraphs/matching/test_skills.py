"""Skills: administration, links, paths, and who teaches them."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.events.learning import CourseArchived
from shared.ids import new_id
from subgraphs.matching.models import SkillEdge, SkillLinkKind, TutorProfile
from tests.subgraphs.matching import factories
from tests.subgraphs.matching import operations as op
from tests.subgraphs.matching.operations import refusal, run
from tests.support.graph import GraphClient, published, send

PATH = """query($from: ID!, $to: ID!) { skillPath(from: $from, to: $to) {
  skill { name } kind cost } }"""
GUITAR = {"name": "Guitar", "slug": "guitar", "category": "music"}


async def make(client: GraphClient, *names: str) -> dict[str, UUID]:
    async with client.runtime.database.write() as session:
        return {name: (await factories.create_skill(session, name)).id for name in names}


async def link(
    client: GraphClient,
    from_id: UUID,
    to_id: UUID,
    kind: SkillLinkKind = SkillLinkKind.PREREQUISITE,
    weight: int = 1,
) -> None:
    if kind is SkillLinkKind.RELATED:
        from_id, to_id = sorted((from_id, to_id))
    async with client.runtime.database.write() as session:
        session.add(SkillEdge(from_id=from_id, to_id=to_id, kind=kind, weight=weight))


async def path(client: GraphClient, start: UUID, goal: UUID) -> list[tuple[str, str | None, int]]:
    steps = (await client.ask(PATH, **{"from": start, "to": goal})).data["skillPath"]
    return [(step["skill"]["name"], step["kind"], step["cost"]) for step in steps]


async def test_admins_make_skills_with_unique_slugs(
    matching: GraphClient, student: GraphClient, admin: GraphClient
) -> None:
    made = await run(admin, op.CREATE_SKILL, input=GUITAR, idempotencyKey="guitar-1")
    assert {name: made[name] for name in GUITAR} == GUITAR
    again = await run(admin, op.CREATE_SKILL, input=GUITAR, idempotencyKey="guitar-1")
    assert again["id"] == made["id"]
    assert await refusal(admin, op.CREATE_SKILL, input=GUITAR) == ("SLUG_TAKEN", "slug")
    assert await refusal(student, op.CREATE_SKILL, input=GUITAR) == ("FORBIDDEN", None)
    assert await refusal(matching, op.CREATE_SKILL, input=GUITAR) == ("UNAUTHENTICATED", None)
    query = "query($id: ID!) { skill(id: $id) { slug } }"
    assert (await matching.ask(query, id=made["id"])).data == {"skill": {"slug": "guitar"}}
    assert (await matching.ask(query, id=new_id())).data == {"skill": None}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "Guitar"}, "slug"),
        ({"slug": "-guitar"}, "slug"),
        ({"slug": "a" * 101}, "slug"),
        ({"name": "G"}, "name"),
        ({"category": ""}, "category"),
    ],
)
async def test_malformed_skill_is_refused_by_field(
    admin: GraphClient, change: dict[str, str], field: str
) -> None:
    code = await refusal(admin, op.CREATE_SKILL, input=GUITAR | change)
    assert code == ("INVALID_INPUT", field)


async def test_skills_are_listed_by_name_and_found_by_nearly_that(matching: GraphClient) -> None:
    await make(matching, "Piano", "Guitar", "Algebra")
    query = """query($search: String, $category: String) {
      skills(search: $search, category: $category) { nodes { name } } }"""

    async def names(**wanted: str) -> list[str]:
        nodes = (await matching.ask(query, **wanted)).data["skills"]["nodes"]
        return [node["name"] for node in nodes]

    assert await names() == ["Algebra", "Guitar", "Piano"]
    assert await names(search="UIT") == ["Guitar"]
    assert await names(search="giutar") == []
    assert await names(search="guitr") == ["Guitar"]
    assert await names(search="%") == []
    assert await names(category="music", search="a") == ["Algebra", "Guitar", "Piano"]
    assert await names(category="maths") == []


async def test_links_are_made_by_admins_and_weighed_anew(
    matching: GraphClient, admin: GraphClient, student: GraphClient
) -> None:
    ids = await make(matching, "A", "B", "C")

    def given(start: str, goal: str, kind: str, weight: int = 1) -> dict[str, Any]:
        return {"from": ids[start], "to": ids[goal], "kind": kind, "weight": weight}

    for weight in (5, 2):
        await run(admin, op.LINK_SKILLS, input=given("A", "B", "PREREQUISITE", weight))
    await run(admin, op.LINK_SKILLS, input=given("B", "A", "RELATED", 7))
    await run(admin, op.LINK_SKILLS, input=given("A", "B", "RELATED", 3))
    query = """query($id: ID!) { skill(id: $id) {
      pre: leadsTo(kind: PREREQUISITE) { skill { name } weight }
      back: reachedFrom(kind: PREREQUISITE) { skill { name } weight }
      related: leadsTo(kind: RELATED) { skill { name } weight } } }"""
    assert (await matching.ask(query, id=ids["A"])).data["skill"] == {
        "pre": [{"skill": {"name": "B"}, "weight": 2}],
        "back": [],
        "related": [{"skill": {"name": "B"}, "weight": 3}],
    }
    assert (await matching.ask(query, id=ids["B"])).data["skill"] == {
        "pre": [],
        "back": [{"skill": {"name": "A"}, "weight": 2}],
        "related": [{"skill": {"name": "A"}, "weight": 3}],
    }
    refused = await refusal(student, op.LINK_SKILLS, input=given("A", "C", "RELATED"))
    assert refused == ("FORBIDDEN", None)
    for change, code in (
        ({"weight": 0}, ("INVALID_INPUT", "weight")),
        ({"weight": 1001}, ("INVALID_INPUT", "weight")),
        ({"to": ids["A"]}, ("SKILL_CYCLE", "to")),
        ({"to": new_id()}, ("NOT_FOUND", "to")),
        ({"from": new_id()}, ("NOT_FOUND", "from")),
    ):
        wanted = given("A", "C", "PREREQUISITE") | change
        assert await refusal(admin, op.LINK_SKILLS, input=wanted) == code


async def test_prerequisites_never_lead_back(matching: GraphClient, admin: GraphClient) -> None:
    ids = await make(matching, "A", "B", "C")
    await link(matching, ids["A"], ids["B"])
    await link(matching, ids["B"], ids["C"])
    back = {"from": ids["C"], "to": ids["A"], "kind": "PREREQUISITE"}
    assert await refusal(admin, op.LINK_SKILLS, input=back) == ("SKILL_CYCLE", "to")
    # Another kind of link is another matter.
    assert "id" in await run(admin, op.LINK_SKILLS, input=back | {"kind": "BROADER"})


async def test_two_links_at_once_make_no_cycle(matching: GraphClient, admin: GraphClient) -> None:
    ids = await make(matching, "A", "B")
    results = await asyncio.gather(
        *(
            run(admin, op.LINK_SKILLS, input={"from": a, "to": b, "kind": "PREREQUISITE"})
            for a, b in ((ids["A"], ids["B"]), (ids["B"], ids["A"]))
        )
    )
    assert sorted(result.get("code", "made") for result in results) == ["SKILL_CYCLE", "made"]


async def test_path_is_the_cheapest_over_all_kinds_of_links(matching: GraphClient) -> None:
    ids = await make(matching, "A", "B", "C", "D", "E")
    await link(matching, ids["A"], ids["E"], weight=10)
    await link(matching, ids["A"], ids["B"], weight=2)
    await link(matching, ids["C"], ids["B"], SkillLinkKind.RELATED, weight=3)
    await link(matching, ids["C"], ids["E"], SkillLinkKind.BROADER, weight=4)
    await link(matching, ids["B"], ids["E"], weight=8)
    assert await path(matching, ids["A"], ids["E"]) == [
        ("A", None, 0),
        ("B", "PREREQUISITE", 2),
        ("C", "RELATED", 5),
        ("E", "BROADER", 9),
    ]
    # Prerequisites and broader skills lead one way; D is linked to nothing.
    assert await path(matching, ids["E"], ids["A"]) == []
    assert await path(matching, ids["A"], ids["D"]) == []
    assert await path(matching, ids["A"], ids["A"]) == [("A", None, 0)]
    answer = await matching.ask(PATH, **{"from": ids["A"], "to": new_id()})
    assert answer.codes == ["NOT_FOUND"]


async def test_path_is_bounded_and_dense_graphs_are_no_trouble(matching: GraphClient) -> None:
    names = [f"S{number:02}" for number in range(16)]
    ids = list((await make(matching, *names)).values())
    async with matching.runtime.database.write() as session:
        for number in range(15):
            session.add(
                SkillEdge(
                    from_id=ids[number],
                    to_id=ids[number + 1],
                    kind=SkillLinkKind.PREREQUISITE,
                    weight=1,
                )
            )
    assert len(await path(matching, ids[0], ids[12])) == 13
    assert await path(matching, ids[0], ids[13]) == []
    async with matching.runtime.database.write() as session:
        for one in range(16):
            for other in range(one + 1, 16):
                first, second = sorted((ids[one], ids[other]))
                session.add(
                    SkillEdge(
                        from_id=first,
                        to_id=second,
                        kind=SkillLinkKind.RELATED,
                        weight=100 * (other - one),
                    )
                )
    found = await path(matching, ids[0], ids[15])
    assert (len(found), found[-1][2]) == (13, 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 400)


async def test_tutor_teaches_skills_up_to_a_level_at_a_rate(
    matching: GraphClient, tutor: GraphClient, student: GraphClient, profile: TutorProfile
) -> None:
    ids = await make(matching, "Guitar", "Bass")
    given = [
        {"skillId": ids["Guitar"], "level": "ADVANCED", "hourlyRate": 5000},
        {"skillId": ids["Bass"], "level": "BEGINNER"},
    ]
    found = await run(tutor, op.SET_SKILLS, profileId=profile.id, skills=given)
    assert found["skills"] == [
        {
            "skill": {"name": "Bass"},
            "level": "BEGINNER",
            "hourlyRate": {"amount": 4000, "currency": "USD"},
        },
        {
            "skill": {"name": "Guitar"},
            "level": "ADVANCED",
            "hourlyRate": {"amount": 5000, "currency": "USD"},
        },
    ]
    assert [kind for kind, _ in await published(matching.runtime)] == [
        "edtech.matching.tutor.updated.v1"
    ]
    wanted = {"profileId": profile.id, "skills": given}
    assert await refusal(student, op.SET_SKILLS, **wanted) == ("FORBIDDEN", None)
    for skills, code in (
        ([*given, given[0]], ("INVALID_INPUT", "skills")),
        ([{"skillId": new_id(), "level": "BEGINNER"}], ("NOT_FOUND", "skills")),
        ([given[0] | {"hourlyRate": -1}], ("INVALID_INPUT", "hourlyRate")),
        (given * 26, ("INVALID_INPUT", "skills")),
    ):
        assert await refusal(tutor, op.SET_SKILLS, profileId=profile.id, skills=skills) == code
    found = await run(tutor, op.SET_SKILLS, profileId=profile.id, skills=[])
    assert found["skills"] == []


async def test_tutor_of_a_course_says_what_it_teaches(
    matching: GraphClient, tutor: GraphClient, student: GraphClient, profile: TutorProfile
) -> None:
    ids = await make(matching, "Guitar", "Bass")
    course = factories.course(profile.user_id, version=2)
    taken = course.model_copy(update={"tutor_id": new_id(), "version": 1})
    wanted = {"courseId": course.course_id, "skillIds": [ids["Guitar"], ids["Bass"]]}
    assert await refusal(tutor, op.SET_COURSE_SKILLS, **wanted) == ("NOT_FOUND", None)
    await send(matching.subgraph, matching.runtime, course, taken)
    await send(matching.subgraph, matching.runtime, taken)
    found = await run(tutor, op.SET_COURSE_SKILLS, **wanted)
    assert found["skills"] == [{"name": "Bass"}, {"name": "Guitar"}]
    assert await refusal(student, op.SET_COURSE_SKILLS, **wanted) == ("FORBIDDEN", None)
    for skill_ids, code in (
        ([ids["Bass"]] * 2, ("INVALID_INPUT", "skills")),
        ([new_id()], ("NOT_FOUND", "skills")),
        ([new_id() for _ in range(21)], ("INVALID_INPUT", "skillIds")),
    ):
        changed = wanted | {"skillIds": skill_ids}
        assert await refusal(tutor, op.SET_COURSE_SKILLS, **changed) == code
    archived = CourseArchived(**{**course.model_dump(), "status": "ARCHIVED", "version": 3})
    await send(matching.subgraph, matching.runtime, archived)
    changed = wanted | {"skillIds": [ids["Bass"]]}
    assert (await run(tutor, op.SET_COURSE_SKILLS, **changed))["skills"] == [{"name": "Bass"}]
