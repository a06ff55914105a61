"""Matching's operations as tests send them, and a guard for what may not change."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa

from shared.runtime import Runtime
from tests.support.graph import GraphClient

PROFILE = """id userId headline bio languages timeZone hourlyRate { amount currency }
 trialPrice { amount currency } trialMinutes lessonMinutes videoUrl
 isVerified isPaused isBookable"""
HOURS = """availability { rules { weekday startLocal endLocal validFrom validTo }
 overrides { id kind firstDate lastDate hours { startLocal endLocal } timeZone }
 preferences { bufferBeforeMinutes bufferAfterMinutes minimumNoticeMinutes bookingWindowDays
   mostPerDay slotIntervalMinutes durations } }"""
REQUEST = """id status level budget { amount currency } languages requirements skill { name }
 acceptedTutor { id } candidates { tutor { id } score reasons { code weight text } }"""


def mutation(field: str, declared: str, answers: str, selection: str) -> str:
    """A mutation whose arguments carry the names of its variables."""
    names = ", ".join(f"{name}: ${name}" for name in re.findall(r"\$(\w+)", declared))
    return (
        f"mutation({declared}) {{ result: {field}({names}) {{ __typename"
        f" ... on {answers} {{ {selection} }} ... on Problem {{ code message field }} }} }}"
    )


BECOME_TUTOR = mutation(
    "becomeTutor", "$input: BecomeTutorInput!, $idempotencyKey: String", "TutorProfile", PROFILE
)
UPDATE_PROFILE = mutation(
    "updateTutorProfile", "$id: ID!, $input: UpdateTutorProfileInput!", "TutorProfile", PROFILE
)
PAUSE = mutation("pauseTutorProfile", "$id: ID!", "TutorProfile", PROFILE)
RESUME = mutation("resumeTutorProfile", "$id: ID!", "TutorProfile", PROFILE)
SET_SKILLS = mutation(
    "setTutorSkills",
    "$profileId: ID!, $skills: [TutorSkillInput!]!",
    "TutorProfile",
    "id skills { skill { name } level hourlyRate { amount currency } }",
)
SET_AVAILABILITY = mutation(
    "setAvailability",
    "$profileId: ID!, $rules: [AvailabilityRuleInput!]!",
    "TutorProfile",
    HOURS,
)
ADD_OVERRIDE = mutation(
    "addOverride",
    "$input: AddOverrideInput!, $idempotencyKey: String",
    "AvailabilityOverride",
    "id kind firstDate lastDate hours { startLocal endLocal } timeZone",
)
REMOVE_OVERRIDE = mutation("removeOverride", "$id: ID!", "TutorProfile", HOURS)
UPDATE_PREFERENCES = mutation(
    "updateSchedulingPreferences",
    "$profileId: ID!, $input: SchedulingPreferencesInput!",
    "TutorProfile",
    HOURS,
)
SUBMIT_VERIFICATION = mutation(
    "submitVerification",
    "$profileId: ID!, $documents: [VerificationDocumentInput!]!, $idempotencyKey: String",
    "Verification",
    "id status documents { kind reference } reason reviewedAt",
)
VERIFY_TUTOR = mutation(
    "verifyTutor", "$profileId: ID!, $approve: Boolean!, $reason: String", "TutorProfile", PROFILE
)
CREATE_SKILL = mutation(
    "createSkill",
    "$input: CreateSkillInput!, $idempotencyKey: String",
    "Skill",
    "id name slug category",
)
LINK_SKILLS = mutation("linkSkills", "$input: LinkSkillsInput!", "Skill", "id")
SET_COURSE_SKILLS = mutation(
    "setCourseSkills", "$courseId: ID!, $skillIds: [ID!]!", "Course", "id skills { name }"
)
UPDATE_STUDENT = mutation(
    "updateStudentProfile",
    "$input: StudentProfileInput!",
    "StudentProfile",
    "goals languages timeZone",
)
FAVOURITE = mutation("favouriteTutor", "$tutorId: ID!", "TutorProfile", "id isFavourite")
UNFAVOURITE = mutation("unfavouriteTutor", "$tutorId: ID!", "TutorProfile", "id isFavourite")
CREATE_REQUEST = mutation(
    "createMatchingRequest",
    "$input: CreateMatchingRequestInput!, $idempotencyKey: String",
    "MatchingRequest",
    REQUEST,
)
ACCEPT_MATCH = mutation("acceptMatch", "$requestId: ID!, $tutorId: ID!", "MatchingRequest", REQUEST)
CANCEL_REQUEST = mutation("cancelMatchingRequest", "$id: ID!", "MatchingRequest", REQUEST)
SLOTS = """query($tutorId: ID, $userId: ID, $from: DateTime!, $to: DateTime!,
  $viewerZone: String! = "UTC", $durationMinutes: Int, $skillId: ID, $trial: Boolean! = false) {
  availableSlots(tutorId: $tutorId, userId: $userId, from: $from, to: $to, viewerZone: $viewerZone,
    durationMinutes: $durationMinutes, skillId: $skillId, trial: $trial) {
    startsAt endsAt localStart price { amount currency } offerToken } }"""


async def run(client: GraphClient, operation: str, **variables: Any) -> dict[str, Any]:
    """What the mutation answers: the thing or a Problem."""
    result: dict[str, Any] = (await client.ask(operation, **variables)).data["result"]
    return result


async def refusal(client: GraphClient, operation: str, **variables: Any) -> tuple[str, str | None]:
    """The Problem's code and field; the refusal neither writes nor publishes anything."""
    async with unchanged(client.runtime):
        result = await run(client, operation, **variables)
    assert result["__typename"] == "Problem", result
    return result["code"], result["field"]


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
