"""Deadlines of learning, fired by the worker from the database's clock."""

from typing import cast

from shared.runtime import Runtime
from subgraphs.learning.config import Settings
from subgraphs.learning.service import waitlist


async def end_waitlist_offers(runtime: Runtime) -> None:
    """Pass on the seats of offers that have run out, a transaction per course."""
    hours = cast("Settings", runtime.settings).waitlist_offer_hours
    async with runtime.database.read() as session:
        courses = await waitlist.courses_with_ended_offers(session)
    for course_id in courses:
        async with runtime.database.write() as session:
            await waitlist.end_offers(session, course_id, offer_hours=hours)
