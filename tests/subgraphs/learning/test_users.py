"""What learning knows of users: newest version wins, twice is once, the state counts."""

from itertools import permutations
from typing import Any

import pytest
import sqlalchemy as sa

from shared.events.identity import UserRoleChanged, UserSuspended, UserUpdated
from shared.ids import new_id
from shared.runtime import Runtime
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.support.graph import GraphClient, send
from tests.support.operations import code, contents, run, unchanged
from tests.support.pipeline import user_state

COURSE = {"title": "Guitar", "durationMinutes": 30}


async def references(runtime: Runtime) -> list[tuple[Any, ...]]:
    async with runtime.database.read() as session:
        rows = await session.execute(
            sa.text(
                "SELECT user_id, first_name, last_name, roles, status, auth_version, time_zone,"
                " locale, version FROM user_refs ORDER BY user_id"
            )
        )
        return [tuple(row) for row in rows]


async def test_event_becomes_a_reference_without_the_address(learning: GraphClient) -> None:
    state = user_state()
    await send(learning.subgraph, learning.runtime, state)
    assert await references(learning.runtime) == [
        (
            state.user_id,
            "Ana",
            "Silva",
            ["student"],
            "ACTIVE",
            1,
            "Europe/Lisbon",
            "pt",
            1,
        )
    ]
    assert "ana@example.test" not in str(await contents(learning.runtime))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_newest_version_wins_in_any_order(
    learning: GraphClient, order: tuple[int, ...], together: bool
) -> None:
    user_id = new_id()
    states = [
        user_state(user_id, version=1, first_name="Ana"),
        user_state(user_id, kind=UserUpdated, version=2, first_name="Anna"),
        user_state(user_id, kind=UserRoleChanged, version=3, first_name="Annie", ver=2),
    ]
    shuffled = [states[place] for place in order]
    for group in [shuffled] if together else [[state] for state in shuffled]:
        await send(learning.subgraph, learning.runtime, *group)
    [row] = await references(learning.runtime)
    assert (row[1], row[5], row[8]) == ("Annie", 2, 3)


async def test_replay_of_the_same_events_changes_nothing(learning: GraphClient) -> None:
    states = [user_state(version=version) for version in (1, 2)]
    await send(learning.subgraph, learning.runtime, *states)
    before = await references(learning.runtime)
    async with learning.runtime.database.write() as session:
        await session.execute(sa.text("TRUNCATE inbox"))
    await send(learning.subgraph, learning.runtime, *states)
    assert await references(learning.runtime) == before


async def test_stub_is_filled_in_by_its_event(learning: GraphClient) -> None:
    user_id = new_id()
    tutor = learning.as_user(user_id, "tutor")
    course = await run(tutor, op.CREATE_COURSE, input=COURSE)
    assert [(row[0], row[4], row[8]) for row in await references(learning.runtime)] == [
        (user_id, "UNKNOWN", 0)
    ]
    unit = {"courseId": course["id"], "title": "One"}
    await run(tutor, op.ADD_UNIT, input=unit)
    assert await code(tutor, op.PUBLISH_COURSE, id=course["id"]) == "UNAVAILABLE"
    await send(learning.subgraph, learning.runtime, user_state(user_id, roles=("tutor",)))
    assert (await run(tutor, op.PUBLISH_COURSE, id=course["id"]))["status"] == "PUBLISHED"


async def test_verified_address_lets_a_tutor_publish(learning: GraphClient) -> None:
    user_id = new_id()
    tutor = learning.as_user(user_id, "tutor")
    unverified = user_state(user_id, roles=("tutor",), status="UNVERIFIED")
    await send(learning.subgraph, learning.runtime, unverified)
    course = await run(tutor, op.CREATE_COURSE, input=COURSE)
    await run(tutor, op.ADD_UNIT, input={"courseId": course["id"], "title": "One"})
    assert await code(tutor, op.PUBLISH_COURSE, id=course["id"]) == "EMAIL_NOT_VERIFIED"
    verified = user_state(user_id, kind=UserUpdated, version=2, roles=("tutor",))
    await send(learning.subgraph, learning.runtime, verified)
    assert (await run(tutor, op.PUBLISH_COURSE, id=course["id"]))["status"] == "PUBLISHED"


@pytest.mark.parametrize("status", ["SUSPENDED", "DEACTIVATED", "ERASED"])
async def test_token_of_a_closed_account_is_refused(learning: GraphClient, status: str) -> None:
    user_id = new_id()
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session)
    client = learning.as_user(user_id)
    await send(learning.subgraph, learning.runtime, user_state(user_id))
    assert (await client.ask("{ courses { nodes { id } } }")).status == 200
    closed = user_state(user_id, kind=UserSuspended, version=2, ver=2, status=status)
    await send(learning.subgraph, learning.runtime, closed)
    async with unchanged(learning.runtime):
        for query in ("{ courses { nodes { id } } }", op.ENROLL):
            answer = await client.ask(query, courseId=course.id)
            assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
            assert "data" not in answer.body


async def test_withdrawn_role_counts_although_the_token_still_names_it(
    learning: GraphClient,
) -> None:
    user_id = new_id()
    tutor = learning.as_user(user_id, "tutor", version=1)
    await send(learning.subgraph, learning.runtime, user_state(user_id, roles=("tutor",)))
    assert (await run(tutor, op.CREATE_COURSE, input=COURSE))["__typename"] == "Course"
    changed = user_state(user_id, kind=UserRoleChanged, version=2, ver=2, roles=("student",))
    await send(learning.subgraph, learning.runtime, changed)
    assert await code(tutor, op.CREATE_COURSE, input=COURSE) == "FORBIDDEN"


async def test_granted_role_counts_before_the_token_names_it(learning: GraphClient) -> None:
    user_id = new_id()
    client = learning.as_user(user_id, "student", version=1)
    changed = user_state(user_id, version=2, ver=2, roles=("student", "tutor"))
    await send(learning.subgraph, learning.runtime, changed)
    assert (await run(client, op.CREATE_COURSE, input=COURSE))["__typename"] == "Course"


async def test_token_newer_than_the_reference_is_believed(learning: GraphClient) -> None:
    user_id = new_id()
    await send(learning.subgraph, learning.runtime, user_state(user_id, ver=1))
    client = learning.as_user(user_id, "tutor", version=2)
    assert (await run(client, op.CREATE_COURSE, input=COURSE))["__typename"] == "Course"
