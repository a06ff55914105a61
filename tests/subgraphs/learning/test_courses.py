"""Courses: drafts, publishing, archiving, limits, visibility, events."""

from typing import Any

import pytest
import sqlalchemy as sa

from shared.ids import new_id
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.support.graph import GraphClient, published
from tests.support.operations import code, run, unchanged

MINIMAL = {"title": "Guitar", "durationMinutes": 30}
COURSE = "query($id: ID!) { course(id: $id) { id title status } }"


async def new_draft(tutor: GraphClient, *, units: int = 1, **changes: Any) -> str:
    course = await run(tutor, op.CREATE_COURSE, input=MINIMAL | changes)
    for number in range(units):
        unit = {"courseId": course["id"], "title": f"Unit {number + 1}"}
        assert (await run(tutor, op.ADD_UNIT, input=unit))["position"] == number + 1
    return str(course["id"])


async def test_draft_has_defaults_and_is_nobody_elses_business(tutor: GraphClient) -> None:
    result = await run(tutor, op.CREATE_COURSE, input=MINIMAL)
    assert result.pop("id")
    assert result == {
        "__typename": "Course",
        "title": "Guitar",
        "description": None,
        "category": None,
        "level": "BEGINNER",
        "language": "en",
        "price": {"amount": 0, "currency": "USD"},
        "durationMinutes": 30,
        "status": "DRAFT",
        "maxStudents": 10,
        "currentStudents": 0,
        "seatsLeft": 10,
    }
    assert await published(tutor.runtime) == []


async def test_course_goes_from_draft_to_published_to_archived(tutor: GraphClient) -> None:
    course_id = await new_draft(tutor, category="music")
    assert (await run(tutor, op.PUBLISH_COURSE, id=course_id))["status"] == "PUBLISHED"
    await run(tutor, op.UPDATE_COURSE, id=course_id, input={"title": "Guitar II"})
    assert (await run(tutor, op.ARCHIVE_COURSE, id=course_id))["status"] == "ARCHIVED"
    events = await published(tutor.runtime)
    assert [kind.rsplit(".", 2)[1] for kind, _ in events] == ["published", "updated", "archived"]
    assert [payload["version"] for _, payload in events] == [2, 3, 4]
    tutor_id = events[0][1].pop("tutorId")
    assert events[0][1] == {
        "version": 2,
        "courseId": course_id,
        "title": "Guitar",
        "category": "music",
        "level": "BEGINNER",
        "language": "en",
        "priceAmount": 0,
        "priceCurrency": "USD",
        "durationMinutes": 30,
        "status": "PUBLISHED",
    }
    assert events[2][1] == {
        **events[0][1],
        "tutorId": tutor_id,
        "title": "Guitar II",
        "version": 4,
        "status": "ARCHIVED",
    }


async def test_publishing_and_archiving_twice_change_nothing(tutor: GraphClient) -> None:
    course_id = await new_draft(tutor)
    for operation, status in ((op.PUBLISH_COURSE, "PUBLISHED"), (op.ARCHIVE_COURSE, "ARCHIVED")):
        await run(tutor, operation, id=course_id)
        async with unchanged(tutor.runtime):
            assert (await run(tutor, operation, id=course_id))["status"] == status


async def test_update_that_changes_nothing_publishes_nothing(tutor: GraphClient) -> None:
    course_id = await new_draft(tutor)
    await run(tutor, op.PUBLISH_COURSE, id=course_id)
    async with unchanged(tutor.runtime):
        await run(tutor, op.UPDATE_COURSE, id=course_id, input=MINIMAL | {"level": "BEGINNER"})


async def test_draft_without_units_is_not_published(tutor: GraphClient) -> None:
    course_id = await new_draft(tutor, units=0)
    assert await code(tutor, op.PUBLISH_COURSE, id=course_id) == "COURSE_EMPTY"


async def test_unverified_tutor_may_draft_but_not_publish(learning: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        user = await factories.create_user(session, status="UNVERIFIED", roles=["tutor"])
    tutor = learning.as_user(user.user_id, "tutor")
    course_id = await new_draft(tutor)
    assert await code(tutor, op.PUBLISH_COURSE, id=course_id) == "EMAIL_NOT_VERIFIED"


async def test_tutor_whose_event_is_not_here_yet_is_asked_to_wait(learning: GraphClient) -> None:
    tutor = learning.as_user(new_id(), "tutor")
    course_id = await new_draft(tutor)
    assert await code(tutor, op.PUBLISH_COURSE, id=course_id) == "UNAVAILABLE"


async def test_former_tutor_does_not_publish(learning: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        user = await factories.create_user(session)
        course = await factories.create_course(session, status="DRAFT", tutor_id=user.user_id)
    client = learning.as_user(user.user_id, "student")
    assert await code(client, op.PUBLISH_COURSE, id=course.id) == "FORBIDDEN"


async def test_only_tutors_create_courses(student: GraphClient, learning: GraphClient) -> None:
    assert await code(student, op.CREATE_COURSE, input=MINIMAL) == "FORBIDDEN"
    assert await code(learning, op.CREATE_COURSE, input=MINIMAL) == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (op.UPDATE_COURSE, {"input": {"title": "Mine now"}}),
        (op.PUBLISH_COURSE, {}),
        (op.ARCHIVE_COURSE, {}),
        (op.DELETE_DRAFT, {}),
    ],
)
async def test_courses_of_others_are_left_alone(
    learning: GraphClient, tutor: GraphClient, operation: str, arguments: dict[str, Any]
) -> None:
    async with learning.runtime.database.write() as session:
        visible = await factories.create_course(session)
        hidden = await factories.create_course(session, status="DRAFT")
    assert await code(tutor, operation, id=visible.id, **arguments) == "FORBIDDEN"
    assert await code(tutor, operation, id=hidden.id, **arguments) == "NOT_FOUND"
    assert await code(tutor, operation, id=new_id(), **arguments) == "NOT_FOUND"
    assert await code(tutor, operation, id="no-id", **arguments) == "INVALID_INPUT"
    assert await code(learning, operation, id=visible.id, **arguments) in {
        "UNAUTHENTICATED",
    }


async def test_drafts_are_visible_to_their_tutor_and_admins_alone(
    learning: GraphClient, tutor: GraphClient, student: GraphClient, admin: GraphClient
) -> None:
    course_id = await new_draft(tutor)
    seen = {"id": course_id, "title": "Guitar", "status": "DRAFT"}
    for client, answer in ((tutor, seen), (admin, seen), (student, None), (learning, None)):
        assert (await client.ask(COURSE, id=course_id)).data == {"course": answer}
        [entity] = (await client.entities("Course", [course_id], "id")).data["_entities"]
        assert entity == (answer and {"__typename": "Course", "id": course_id})


async def test_unknown_and_malformed_ids_are_null(learning: GraphClient) -> None:
    for course_id in (new_id(), "no-id", "", "\0", "urn:uuid:" + str(new_id())):
        assert (await learning.ask(COURSE, id=course_id)).data == {"course": None}


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("durationMinutes", [30, 100_000], [29, 0, -1, 100_001]),
        ("title", ["abc", "x" * 200, "🎸" * 200], ["", "  ab  ", "x" * 201, "a\0bc", "a\nbc"]),
        ("description", ["x" * 20_000, "a\n\tb", ""], ["x" * 20_001, "a\0b"]),
        ("category", ["x" * 50, ""], ["x" * 51, "a\0b"]),
        ("language", ["en", "pt-BR", "zh-Hant-TW"], ["", "e", "EN", "en_US", "en\n", "x" * 40]),
        ("maxStudents", [1, 100_000], [0, -1, 100_001]),
        ("price", [0, 2**53 - 1], [-1]),
    ],
)
async def test_fields_have_limits(
    tutor: GraphClient, field: str, good: list[Any], bad: list[Any]
) -> None:
    course_id = await new_draft(tutor)

    def given(value: Any) -> dict[str, Any]:
        return {field: {"amount": value, "currency": "EUR"} if field == "price" else value}

    for value in good:
        created = await run(tutor, op.CREATE_COURSE, input=MINIMAL | given(value))
        assert created["__typename"] == "Course", created
        updated = await run(tutor, op.UPDATE_COURSE, id=course_id, input=given(value))
        expected = None if value == "" else given(value)[field]
        assert (created[field], updated[field]) == (expected, expected)
    for value in bad:
        for operation, arguments in (
            (op.CREATE_COURSE, {"input": MINIMAL | given(value)}),
            (op.UPDATE_COURSE, {"id": course_id, "input": given(value)}),
        ):
            async with unchanged(tutor.runtime):
                problem = await run(tutor, operation, **arguments)
            assert (problem["code"], problem["field"]) == ("INVALID_INPUT", field), value


@pytest.mark.parametrize("amount", [2**53, -(2**53), 1.5, "1", True])
async def test_amounts_that_are_no_minor_units_are_refused(
    tutor: GraphClient, amount: object
) -> None:
    price = {"amount": amount, "currency": "USD"}
    async with unchanged(tutor.runtime):
        answer = await tutor.ask(op.CREATE_COURSE, input=MINIMAL | {"price": price})
    assert answer.codes == ["INVALID_INPUT"]


async def test_text_is_trimmed_and_empty_text_removes(tutor: GraphClient) -> None:
    course_id = await new_draft(tutor, title="  Guitar ", description=" a ", category=" music ")
    update = {"description": "", "category": " "}
    async with tutor.runtime.database.read() as session:
        row = (
            await session.execute(sa.text("SELECT title, description, category FROM courses"))
        ).one()
    assert tuple(row) == ("Guitar", "a", "music")
    result = await run(tutor, op.UPDATE_COURSE, id=course_id, input=update)
    assert (result["title"], result["description"], result["category"]) == ("Guitar", None, None)


async def test_seats_do_not_sink_below_those_taken_or_offered(learning: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session, max_students=5, held_seats=1)
        await factories.create_enrollment(session, course)
        await factories.create_enrollment(session, course)
    tutor = learning.as_user(course.tutor_id, "tutor")
    update = {"maxStudents": 2}
    assert await code(tutor, op.UPDATE_COURSE, id=course.id, input=update) == "SEATS_BELOW_STUDENTS"
    result = await run(tutor, op.UPDATE_COURSE, id=course.id, input={"maxStudents": 3})
    assert (result["maxStudents"], result["seatsLeft"]) == (3, 0)


async def test_archived_course_stays_as_it_is(learning: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        user = await factories.create_user(session, roles=["tutor"])
        course = await factories.create_course(session, status="ARCHIVED", tutor_id=user.user_id)
    tutor = learning.as_user(course.tutor_id, "tutor")
    update = {"title": "New title"}
    assert await code(tutor, op.UPDATE_COURSE, id=course.id, input=update) == "CONFLICT"
    assert await code(tutor, op.PUBLISH_COURSE, id=course.id) == "CONFLICT"
    unit = {"courseId": course.id, "title": "One more"}
    assert await code(tutor, op.ADD_UNIT, input=unit) == "CONFLICT"


async def test_deleted_draft_is_gone_for_everybody_but_kept(tutor: GraphClient) -> None:
    course_id = await new_draft(tutor)
    assert (await run(tutor, op.DELETE_DRAFT, id=course_id))["__typename"] == "Course"
    assert (await tutor.ask(COURSE, id=course_id)).data == {"course": None}
    assert await code(tutor, op.DELETE_DRAFT, id=course_id) == "NOT_FOUND"
    assert await code(tutor, op.PUBLISH_COURSE, id=course_id) == "NOT_FOUND"
    assert await published(tutor.runtime) == []
    async with tutor.runtime.database.read() as session:
        kept = await session.scalar(sa.text("SELECT deleted_at IS NOT NULL FROM courses"))
    assert kept is True


async def test_published_course_is_not_deleted_and_draft_not_archived(tutor: GraphClient) -> None:
    course_id = await new_draft(tutor)
    assert await code(tutor, op.ARCHIVE_COURSE, id=course_id) == "CONFLICT"
    await run(tutor, op.PUBLISH_COURSE, id=course_id)
    assert await code(tutor, op.DELETE_DRAFT, id=course_id) == "CONFLICT"


async def test_same_key_creates_one_course(tutor: GraphClient) -> None:
    key = "one-course-please"
    first = await run(tutor, op.CREATE_COURSE, input=MINIMAL, idempotencyKey=key)
    async with unchanged(tutor.runtime):
        assert await run(tutor, op.CREATE_COURSE, input=MINIMAL, idempotencyKey=key) == first
    other = MINIMAL | {"title": "Piano"}
    assert await code(tutor, op.CREATE_COURSE, input=other, idempotencyKey=key) == "CONFLICT"
    for bad in ("short", "x" * 129, "with\0nul-inside"):
        assert await code(tutor, op.CREATE_COURSE, input=MINIMAL, idempotencyKey=bad) == (
            "INVALID_INPUT"
        )


async def test_admin_changes_any_course(learning: GraphClient, admin: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session)
    result = await run(admin, op.UPDATE_COURSE, id=course.id, input={"title": "Better title"})
    assert result["title"] == "Better title"
