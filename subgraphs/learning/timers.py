"""Deadlines of learning, fired by the worker from the database's clock."""

from typing import cast

from shared.runtime import Runtime
from subgraphs.learning.config import Settings
from subgraphs.learning.service import attendance, waitlist


async def end_waitlist_offers(runtime: Runtime) -> None:
    """Pass on the seats of offers that have run out, a transaction per course."""
    hours = cast("Settings", runtime.settings).waitlist_offer_hours
    async with runtime.database.read() as session:
        courses = await waitlist.courses_with_ended_offers(session)
    for course_id in courses:
        async with runtime.database.write() as session:
            await waitlist.end_offers(session, course_id, offer_hours=hours)


async def complete_lessons(runtime: Runtime) -> None:
    """Complete lessons that are over and that nobody has ended, a transaction each."""
    settings = cast("Settings", runtime.settings)
    async with runtime.database.read() as session:
        over = await attendance.lessons_to_complete(session, settings=settings)
    for lesson_id in over:
        async with runtime.database.write() as session:
            await attendance.complete_by_itself(session, lesson_id, settings=settings)
