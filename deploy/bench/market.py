"""The marketplace that is measured: tutors to be found, and one with many lessons."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from deploy.bench.many_tutors import make_many_tutors
from shared.db import WriteSession
from shared.ids import new_id

LESSONS = 200
WEEKS = 4
LENGTH = timedelta(minutes=30)

# Answers must be the same as long as they are measured, so nothing is free within the next day.
_NOT_SOON = """
UPDATE tutor_listings SET free_starts = ARRAY(
  SELECT start FROM unnest(free_starts) AS start
  WHERE start > extract(epoch FROM now()) / 60 + 1440 + notice_minutes ORDER BY start)
"""
_BUSY = "SELECT id, user_id FROM tutor_profiles WHERE is_payable ORDER BY id LIMIT 1"
_HOURS = """
WITH past AS (DELETE FROM availability_rules WHERE profile_id = :profile)
INSERT INTO availability_rules (id, profile_id, weekday, start_local, end_local)
SELECT gen_random_uuid(), :profile, day, '08:00', '20:00' FROM generate_series(1, 7) day
"""
_LESSONS = """
INSERT INTO lesson_busy_refs (lesson_id, tutor_id, kind, status, starts_at, ends_at, version)
SELECT id, :tutor, 'ONE_TO_ONE', 'SCHEDULED', starts_at, starts_at + CAST(:length AS interval), 1
FROM unnest(CAST(:ids AS uuid[]), CAST(:starts AS timestamptz[])) AS l (id, starts_at)
"""


@dataclass(frozen=True)
class Market:
    """What can be asked about."""

    skills: list[UUID]
    # Has lessons within four weeks from `start`.
    busy_tutor: UUID
    start: datetime

    @property
    def end(self) -> datetime:
        """The end of the four weeks."""
        return self.start + timedelta(weeks=WEEKS)


def lesson_starts(start: datetime) -> list[datetime]:
    """When the lessons of four weeks begin: seven or eight a day, spread from 09:00 on."""
    per_day, more = divmod(LESSONS, 7 * WEEKS)
    return [
        start + timedelta(days=day, hours=9, minutes=90 * number)
        for day in range(7 * WEEKS)
        for number in range(per_day + (day < more))
    ]


async def write(session: WriteSession, tutors: int) -> Market:
    """Write so many tutors, the first of them with the lessons."""
    await make_many_tutors(session, tutors)
    await session.execute(sa.text(_NOT_SOON))
    skills = (await session.scalars(sa.text("SELECT id FROM skills ORDER BY slug"))).all()
    busy = (await session.execute(sa.text(_BUSY))).one()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    market = Market(list(skills), busy.id, midnight + timedelta(days=2))
    starts = lesson_starts(market.start)
    await session.execute(sa.text(_HOURS), {"profile": busy.id})
    await session.execute(
        sa.text(_LESSONS),
        {
            "tutor": busy.user_id,
            "length": LENGTH,
            "ids": [new_id() for _ in starts],
            "starts": starts,
        },
    )
    return market
