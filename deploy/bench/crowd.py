"""The data that is measured: users who are all enrolled in courses, written set by set."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import sqlalchemy as sa

from deploy.events import opened
from schema.registry import load_subgraph
from shared.events.identity import Role, UserCreated
from shared.ids import new_id
from shared.outbox import publish
from shared.runtime import Runtime
from subgraphs.identity.runtime import IdentityRuntime

SUBJECTS = ("guitar", "algebra", "german", "drawing", "chess", "physics", "baking", "singing")
COURSES_PER_USER = 6
EVENTS_TIMEOUT = 60

_USERS = sa.text(
    """
    WITH given AS (
        SELECT * FROM ROWS FROM (unnest(CAST(:ids AS uuid[]))) WITH ORDINALITY AS g (id, n)
    ), people AS (
        INSERT INTO users (id, email, is_email_verified, first_name, last_name, status)
        SELECT id, 'person-' || id || '@bench.example', true, 'Person', n::text, 'ACTIVE' FROM given
    ), profiles AS (
        INSERT INTO user_profiles (user_id) SELECT id FROM given
    ), roles AS (
        INSERT INTO user_roles (user_id, role) SELECT id, :role FROM given
    )
    INSERT INTO user_sessions (id, user_id, method, expires_at)
    SELECT id, id, 'password', clock_timestamp() + interval '1 day' FROM given
    """
)
_COURSES = sa.text(
    """
    INSERT INTO courses (id, tutor_id, title, category, level, price_amount, duration_minutes,
                         max_students, current_students, status, published_at)
    SELECT id, tutor_id, title, category, 'BEGINNER', 0, 60, :seats, taken, 'PUBLISHED',
           clock_timestamp()
    FROM ROWS FROM (unnest(CAST(:ids AS uuid[])), unnest(CAST(:tutors AS uuid[])),
                    unnest(CAST(:titles AS text[])), unnest(CAST(:subjects AS text[])),
                    unnest(CAST(:taken AS integer[])))
         AS c (id, tutor_id, title, category, taken)
    """
)
_ENROLLMENTS = sa.text(
    """
    INSERT INTO enrollments (id, course_id, student_id, status)
    SELECT id, course_id, student_id, 'ACTIVE'
    FROM ROWS FROM (unnest(CAST(:ids AS uuid[])), unnest(CAST(:courses AS uuid[])),
                    unnest(CAST(:students AS uuid[]))) AS e (id, course_id, student_id)
    """
)
_KNOWN = sa.text("SELECT count(*) FROM user_refs WHERE user_id = ANY(:ids) AND version > 0")


@dataclass(frozen=True)
class Size:
    """How many there are of each."""

    students: int = 400
    tutors: int = 40
    courses: int = 200


@dataclass(frozen=True)
class Crowd:
    """Who was made; each session has the id of its user."""

    students: list[UUID]
    tutors: list[UUID]
    admin: UUID

    @property
    def everybody(self) -> list[UUID]:
        """All ids."""
        return [*self.students, *self.tutors, self.admin]


@asynccontextmanager
async def runtimes() -> AsyncIterator[tuple[IdentityRuntime, Runtime, Runtime]]:
    """Of identity, learning and matching, on the platform that the environment leads to."""
    async with (
        opened(load_subgraph("identity")) as identity,
        opened(load_subgraph("learning")) as learning,
        opened(load_subgraph("matching")) as matching,
    ):
        yield cast("IdentityRuntime", identity), learning, matching


async def load(identity: IdentityRuntime, learning: Runtime, size: Size) -> Crowd:
    """Write users and courses, and wait until learning knows all users by their events."""
    crowd = await write(identity, learning, size)
    await _until_known(learning, crowd.everybody)
    return crowd


async def write(identity: IdentityRuntime, learning: Runtime, size: Size) -> Crowd:
    """Write users with their events, and courses that everybody is enrolled in."""
    students = await _users(identity, size.students, "student")
    tutors = await _users(identity, size.tutors, "tutor")
    [admin] = await _users(identity, 1, "admin")
    crowd = Crowd(students, tutors, admin)
    await _courses(learning, crowd, size.courses)
    return crowd


async def _users(identity: IdentityRuntime, count: int, role: Role) -> list[UUID]:
    ids = [new_id() for _ in range(count)]
    async with identity.database.write() as session:
        await session.execute(_USERS, {"ids": ids, "role": role})
        for number, user_id in enumerate(ids, 1):
            publish(
                session,
                UserCreated(
                    user_id=user_id,
                    version=1,
                    email=f"person-{user_id}@bench.example",
                    first_name="Person",
                    last_name=str(number),
                    role=role,
                    roles=(role,),
                    status="ACTIVE",
                    ver=1,
                    time_zone="UTC",
                    locale="en",
                ),
            )
    return ids


async def _courses(learning: Runtime, crowd: Crowd, count: int) -> None:
    chance = random.Random(count)  # noqa: S311 - the same data in every run, not a secret
    courses = [new_id() for _ in range(count)]
    taken = dict.fromkeys(courses, 0)
    seats: list[tuple[UUID, UUID]] = []
    for user_id in crowd.everybody:
        for course_id in chance.sample(courses, min(COURSES_PER_USER, count)):
            taken[course_id] += 1
            seats.append((course_id, user_id))
    async with learning.database.write() as session:
        await session.execute(
            _COURSES,
            {
                "ids": courses,
                "tutors": [crowd.tutors[n % len(crowd.tutors)] for n in range(count)],
                "titles": [
                    f"{SUBJECTS[n % len(SUBJECTS)].title()}, part {n}" for n in range(count)
                ],
                "subjects": [SUBJECTS[n % len(SUBJECTS)] for n in range(count)],
                "taken": list(taken.values()),
                "seats": len(crowd.everybody),
            },
        )
        await session.execute(
            _ENROLLMENTS,
            {
                "ids": [new_id() for _ in seats],
                "courses": [course_id for course_id, _ in seats],
                "students": [user_id for _, user_id in seats],
            },
        )


async def _until_known(learning: Runtime, ids: Sequence[UUID]) -> None:
    async with asyncio.timeout(EVENTS_TIMEOUT):
        while True:
            async with learning.database.read() as session:
                if await session.scalar(_KNOWN, {"ids": list(ids)}) == len(ids):
                    return
            await asyncio.sleep(0.1)


async def tokens(identity: IdentityRuntime, ids: Sequence[UUID], *roles: Role) -> list[str]:
    """An access token of each user, signed with identity's key of the moment."""
    signer = await identity.keyring.signer()
    settings, now = identity.settings, int(time.time())
    return [
        signer.sign(
            {
                "iss": settings.jwt_issuer,
                "aud": settings.jwt_audiences[0],
                "sub": str(user_id),
                "roles": list(roles),
                "scope": "",
                "sid": str(user_id),
                "ver": 1,
                "iat": now,
                "exp": now + settings.access_token_seconds,
            }
        )
        for user_id in ids
    ]
