"""A storm of everything at once on real connections: whatever the order, the lessons agree."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from shared.runtime import Runtime
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.subgraphs.learning.booking import Booking, at, hold_runs_out, pay
from tests.support.graph import GraphClient, published
from tests.support.operations import run

ROUNDS = 14
REFUSALS = {"SLOT_TAKEN", "LESSON_STATE_CHANGED", "TOO_EARLY", "START_PASSED", "NOT_FOUND"}
OVERLAPS = """
  SELECT count(*) FROM lesson_participants a JOIN lesson_participants b
    ON a.user_id = b.user_id AND a.lesson_id < b.lesson_id
    AND tstzrange(a.starts_at, a.ends_at, '[)') && tstzrange(b.starts_at, b.ends_at, '[)')
  JOIN lessons la ON la.id = a.lesson_id JOIN lessons lb ON lb.id = b.lesson_id
  WHERE la.status IN ('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS')
    AND lb.status IN ('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS')"""
OUT_OF_STEP = """
  SELECT count(*) FROM lesson_participants p JOIN lessons l ON l.id = p.lesson_id
  WHERE p.starts_at <> l.starts_at OR p.ends_at <> l.ends_at
    OR p.is_live <> (l.status IN ('PENDING_PAYMENT', 'SCHEDULED', 'IN_PROGRESS'))"""
HISTORY = """
  SELECT l.id, l.status, l.version, array_agg(e.to_status::text ORDER BY e.version) AS steps,
    array_agg(coalesce(e.from_status, '')::text ORDER BY e.version) AS before,
    array_agg(e.version ORDER BY e.version) AS versions
  FROM lessons l JOIN lesson_events e ON e.lesson_id = l.id GROUP BY l.id"""


async def check(runtime: Runtime) -> int:
    async with runtime.database.read() as session:
        assert await session.scalar(sa.text(OVERLAPS)) == 0
        assert await session.scalar(sa.text(OUT_OF_STEP)) == 0
        rows = (await session.execute(sa.text(HISTORY))).all()
        assert await session.scalar(sa.text("SELECT count(*) FROM lessons")) == len(rows)
    told: dict[str, list[tuple[int, str]]] = {}
    for _, payload in await published(runtime):
        told.setdefault(payload["lessonId"], []).append((payload["version"], payload["status"]))
    for row in rows:
        assert row.versions == list(range(1, row.version + 1))
        assert row.steps[-1] == row.status
        assert row.before == ["", *row.steps[:-1]]
        assert told[str(row.id)] == list(zip(row.versions, row.steps, strict=True))
    return len(rows)


@pytest.mark.parametrize("seed", range(3))
async def test_lessons_agree_after_a_storm(learning: GraphClient, seed: int) -> None:
    chance = random.Random(seed)
    base = await Booking.make(learning)
    tutors = [base, await base.another_tutor()]
    students = [base.student_id]
    for _ in range(3):
        students.append((await base.another_student()).student_id)
    async with learning.runtime.database.write() as session:
        # One who teaches and learns.
        await factories.create_tutor_ref(session, user_id=students[-1])
    tutors.append(Booking(learning, students[-1], base.student_id))
    start = at(timedelta(hours=48))
    known: list[tuple[str, Booking]] = []

    async def act(who: Booking) -> dict[str, Any] | None:
        moment = start + timedelta(minutes=30 * chance.randrange(8))
        token = who.offer(moment, price_amount=chance.choice([0, 2500, 2500]))
        choice = chance.choice(
            ["book"] * 4 + ["pay"] * 3 + ["cancel", "move", "complete", "expire"]
        )
        if choice == "book" or not known:
            if who.tutor_id == who.student_id:
                return None
            found = await run(who.student, op.BOOK, offerToken=token)
            if "id" in found:
                known.append((found["id"], who))
            return found
        lesson_id, owner = chance.choice(known)
        match choice:
            case "pay":
                await pay(learning, lesson_id, twice=False)
                return None
            case "cancel":
                client = chance.choice([owner.student, owner.tutor])
                return await run(client, op.CANCEL_LESSON, id=lesson_id)
            case "move":
                when = moment.isoformat()
                return await run(owner.tutor, op.RESCHEDULE, id=lesson_id, startsAt=when)
            case "complete":
                return await run(owner.tutor, op.COMPLETE_LESSON, id=lesson_id)
            case _:
                await hold_runs_out(learning.runtime)
                return None

    async def person(number: int) -> None:
        for _ in range(ROUNDS):
            tutor = chance.choice(tutors)
            result = await act(Booking(learning, tutor.tutor_id, students[number]))
            assert result is None or result.get("code", "NOT_FOUND") in REFUSALS, result

    await asyncio.gather(*(person(number) for number in range(len(students))))
    assert await check(learning.runtime) >= 4
