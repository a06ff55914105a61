"""The data that is measured, and the hand-written endpoints: they answer what the graph answers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
import sqlalchemy as sa
from joserfc import jwt

from deploy.bench import crowd, market, questions
from deploy.bench.handwritten import Handwritten
from subgraphs.identity.runtime import IdentityRuntime
from tests.support.graph import GraphClient, published

SIZE = crowd.Size(students=30, tutors=3, courses=12)


@pytest.fixture
async def people(identity: GraphClient, learning: GraphClient) -> crowd.Crowd:
    """A small crowd."""
    return await crowd.write(cast("IdentityRuntime", identity.runtime), learning.runtime, SIZE)


@pytest.fixture
async def matching(client_of: Callable[[str], Awaitable[GraphClient]]) -> GraphClient:
    """A client of matching over an empty database."""
    return await client_of("matching")


@pytest.fixture
async def tutors(matching: GraphClient) -> market.Market:
    """A small market."""
    async with matching.runtime.database.write() as session:
        return await market.write(session, 40)


@pytest.fixture
async def yardstick(
    identity: GraphClient, learning: GraphClient, matching: GraphClient
) -> AsyncIterator[httpx.AsyncClient]:
    """The hand-written endpoints."""
    settings = [client.runtime.settings for client in (identity, learning, matching)]
    app = Handwritten(*settings).app()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hand") as client,
    ):
        yield client


async def ask(client: httpx.AsyncClient, path: str, token: str | None, **values: Any) -> Any:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = await client.post(path, json=values, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_crowd_is_enrolled_and_tells_of_itself(
    identity: GraphClient, learning: GraphClient, people: crowd.Crowd
) -> None:
    async with learning.runtime.database.read() as session:
        rows = await session.execute(
            sa.text("SELECT count(*) FROM enrollments GROUP BY student_id")
        )
        counts = rows.scalars().all()
        wrong = await session.scalar(
            sa.text(
                "SELECT count(*) FROM courses c WHERE current_students <>"
                " (SELECT count(*) FROM enrollments e WHERE e.course_id = c.id)"
            )
        )
    assert (len(people.everybody), counts, wrong) == (34, [crowd.COURSES_PER_USER] * 34, 0)
    told = [payload["userId"] for _, payload in await published(identity.runtime)]
    assert told == [str(id_) for id_ in people.everybody]


async def test_tokens_name_user_session_and_roles(
    identity: GraphClient, people: crowd.Crowd
) -> None:
    runtime = cast("IdentityRuntime", identity.runtime)
    [token] = await crowd.tokens(runtime, [people.admin], "admin")
    signer = await runtime.keyring.signer()
    claims = jwt.decode(token, signer.key, algorithms=["ES256"]).claims
    assert claims["sub"] == claims["sid"] == str(people.admin)
    assert claims["roles"] == ["admin"]


async def test_me_is_what_identity_says(
    identity: GraphClient, yardstick: httpx.AsyncClient, people: crowd.Crowd
) -> None:
    user_id = people.students[7]
    client = identity.as_user(user_id, session_id=user_id)
    wanted = (await client.ask(questions.ME)).data
    assert wanted["me"]["name"] == "Person 8"
    assert await ask(yardstick, "/me", client.token) == wanted


async def test_names_are_what_identity_says(
    yardstick: httpx.AsyncClient, identity: GraphClient, people: crowd.Crowd
) -> None:
    ids = [str(id_) for id_ in people.students[:5]]
    representations = [{"__typename": "User", "id": id_} for id_ in ids]
    theirs = await identity.ask(questions.NAMES_IN_IDENTITY, representations=representations)
    assert await ask(yardstick, "/names", None, ids=ids) == theirs.data


async def test_search_is_what_learning_and_identity_say(
    identity: GraphClient,
    learning: GraphClient,
    yardstick: httpx.AsyncClient,
    people: crowd.Crowd,
) -> None:
    wanted = (await learning.ask(questions.SEARCH_IN_LEARNING, text="guitar")).data
    courses = wanted["searchCourses"]["nodes"]
    assert len(courses) == 2
    names = (await identity.entities("User", [c["tutor"]["id"] for c in courses], "name")).data
    for course, tutor in zip(courses, names["_entities"], strict=True):
        course["tutor"] = {"id": course["tutor"]["id"], "name": tutor["name"]}
    assert await ask(yardstick, "/search", None, text="guitar") == wanted


async def test_page_of_users_is_what_identity_and_learning_say(
    identity: GraphClient,
    learning: GraphClient,
    yardstick: httpx.AsyncClient,
    people: crowd.Crowd,
) -> None:
    admin = identity.as_user(people.admin, "admin", session_id=people.admin)
    first = (await admin.ask(questions.CURSORS)).data["users"]["edges"][2]
    variables = {"first": 20, "after": first["cursor"]}
    users = (await admin.ask(questions.USERS_IN_IDENTITY, **variables)).data["users"]["nodes"]
    assert len(users) == 20
    references = [{"__typename": "User", "id": user["id"]} for user in users]
    courses = (
        await learning.with_token(admin.token).ask(
            questions.COURSES_IN_LEARNING, representations=references
        )
    ).data["_entities"]
    names = {str(id_): f"Person {n}" for n, id_ in enumerate(people.tutors, 1)}
    wanted = [
        {
            "id": user["id"],
            "name": user["name"],
            "enrolledCourses": {
                "nodes": [
                    {
                        "id": course["id"],
                        "title": course["title"],
                        "tutor": {"name": names[course["tutor"]["id"]]},
                    }
                    for course in found["enrolledCourses"]["nodes"]
                ]
            },
        }
        for user, found in zip(users, courses, strict=True)
    ]
    assert all(len(user["enrolledCourses"]["nodes"]) == 5 for user in wanted)
    found = await ask(yardstick, "/users", admin.token, before=first["node"]["id"])
    assert found == {"users": {"nodes": wanted}}


async def test_page_of_tutors_is_what_matching_says(
    matching: GraphClient, yardstick: httpx.AsyncClient, tutors: market.Market
) -> None:
    sizes = []
    for skill in tutors.skills:
        wanted = (await matching.ask(questions.TUTORS, skill=str(skill))).data
        assert await ask(yardstick, "/tutors", None, skill=str(skill)) == wanted
        sizes.append(len(wanted["tutors"]["nodes"]))
    assert sum(sizes) == 40 * 3


async def test_nothing_is_free_so_soon_that_answers_would_change(
    matching: GraphClient, tutors: market.Market
) -> None:
    async with matching.runtime.database.read() as session:
        soonest, lists = (
            await session.execute(
                sa.text(
                    "SELECT min(free_starts[1]) - extract(epoch FROM now()) / 60, count(*)"
                    " FROM tutor_listings WHERE cardinality(free_starts) > 0"
                )
            )
        ).one()
    assert lists == 40
    assert soonest > 24 * 60


async def test_busy_tutor_has_slots_between_two_hundred_lessons(
    matching: GraphClient, tutors: market.Market
) -> None:
    async with matching.runtime.database.read() as session:
        spans = (
            await session.execute(
                sa.text("SELECT count(*), min(starts_at), max(ends_at) FROM lesson_busy_refs")
            )
        ).one()
    assert spans[0] == market.LESSONS
    assert tutors.start <= spans[1] < spans[2] <= tutors.end == tutors.start + timedelta(weeks=4)
    period = {"from": tutors.start.isoformat(), "to": tutors.end.isoformat()}
    found = await matching.ask(questions.SLOTS, tutor=str(tutors.busy_tutor), **period)
    assert len(found.data["availableSlots"]) > 200
