"""Deadlines of reviews, fired by the worker from the database's clock."""

from shared.runtime import Runtime
from subgraphs.reviews.models import TargetType
from subgraphs.reviews.service import ratings, reviews

PORTION = 200


async def publish_blind_reviews(runtime: Runtime) -> None:
    """Publish what nobody answered in time, a transaction per review."""
    async with runtime.database.read() as session:
        due = await reviews.list_due(session)
    for review_id in due:
        async with runtime.database.write() as session:
            await reviews.publish_due(session, review_id)


async def refresh_platform_means(runtime: Runtime) -> None:
    """Bring the platform's means up to date, and with them every score that rests on one."""
    for target_type in TargetType:
        async with runtime.database.write() as session:
            await ratings.refresh_platform_mean(session, target_type)
    while True:
        async with runtime.database.read() as session:
            stale = await ratings.list_stale(session, most=PORTION)
        for target_type, target_id in stale:
            async with runtime.database.write() as session:
                await ratings.recompute(session, target_type, target_id)
        if len(stale) < PORTION:
            return
