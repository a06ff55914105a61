"""Learning's operations as tests send them, and a guard for what may not change."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa

from shared.runtime import Runtime
from tests.support.graph import GraphClient

COURSE = """id title description category level language price { amount currency }
 durationMinutes status maxStudents currentStudents seatsLeft"""
UNIT = "id position title summary durationMinutes"
ENROLLMENT = "id status completedAt progress { completedUnits totalUnits percent }"
ENTRY = "id status offerExpiresAt"


def mutation(field: str, declared: str, answers: str, selection: str) -> str:
    """A mutation whose arguments carry the names of its variables."""
    names = ", ".join(f"{name}: ${name}" for name in re.findall(r"\$(\w+)", declared))
    return (
        f"mutation({declared}) {{ result: {field}({names}) {{ __typename"
        f" ... on {answers} {{ {selection} }} ... on Problem {{ code message field }} }} }}"
    )


CREATE_COURSE = mutation(
    "createCourse", "$input: CreateCourseInput!, $idempotencyKey: String", "Course", COURSE
)
UPDATE_COURSE = mutation("updateCourse", "$id: ID!, $input: UpdateCourseInput!", "Course", COURSE)
PUBLISH_COURSE = mutation("publishCourse", "$id: ID!", "Course", COURSE)
ARCHIVE_COURSE = mutation("archiveCourse", "$id: ID!", "Course", COURSE)
DELETE_DRAFT = mutation("deleteCourseDraft", "$id: ID!", "Course", COURSE)
ADD_UNIT = mutation(
    "addCourseUnit", "$input: AddCourseUnitInput!, $idempotencyKey: String", "CourseUnit", UNIT
)
UPDATE_UNIT = mutation("updateCourseUnit", "$input: UpdateCourseUnitInput!", "CourseUnit", UNIT)
REMOVE_UNIT = mutation("removeCourseUnit", "$id: ID!", "Course", "units { nodes { id position } }")
REORDER_UNITS = mutation(
    "reorderCourseUnits",
    "$courseId: ID!, $unitIds: [ID!]!",
    "Course",
    "units(first: 100) { nodes { id position } }",
)
ENROLL = mutation("enrollFree", "$courseId: ID!, $idempotencyKey: String", "Enrollment", ENROLLMENT)
CANCEL = mutation("cancelEnrollment", "$id: ID!", "Enrollment", ENROLLMENT)
COMPLETE_UNIT = mutation(
    "completeUnit", "$unitId: ID!", "Enrollment", f"{ENROLLMENT} certificate {{ code }}"
)
JOIN_WAITLIST = mutation("joinWaitlist", "$courseId: ID!", "WaitlistEntry", ENTRY)
LEAVE_WAITLIST = mutation("leaveWaitlist", "$courseId: ID!", "WaitlistEntry", ENTRY)


async def run(client: GraphClient, operation: str, **variables: Any) -> dict[str, Any]:
    """What the mutation answers: the thing or a Problem."""
    result: dict[str, Any] = (await client.ask(operation, **variables)).data["result"]
    return result


async def code(client: GraphClient, operation: str, **variables: Any) -> str:
    """The Problem's code; the refusal neither writes nor publishes anything."""
    async with unchanged(client.runtime):
        result = await run(client, operation, **variables)
    assert result["__typename"] == "Problem", result
    return str(result["code"])


async def contents(runtime: Runtime) -> dict[str, list[str]]:
    """Every row of every table, the outbox included."""
    async with runtime.database.read() as session:
        tables = await session.scalars(
            sa.text(
                "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
                " AND tablename <> 'alembic_version' ORDER BY 1"
            )
        )
        return {
            name: list(
                await session.scalars(
                    sa.text(f"SELECT to_jsonb(t)::text FROM {name} t ORDER BY 1")  # noqa: S608
                )
            )
            for name in tables
        }


@asynccontextmanager
async def unchanged(runtime: Runtime) -> AsyncIterator[None]:
    """What happens inside writes nothing and publishes nothing."""
    before = await contents(runtime)
    yield
    assert await contents(runtime) == before
