"""What the worker of matching does as time passes."""

from typing import cast

from shared.runtime import Runtime
from subgraphs.matching.config import Settings
from subgraphs.matching.service import listings, requests

# A pass ends after so many transactions; the next one goes on.
_MOST_ROUNDS = 20


async def refresh_listings(runtime: Runtime) -> None:
    """Calculate free time again, of which the days go by, and the standing of new tutors."""
    hours = cast("Settings", runtime.settings).listing_hours
    for _ in range(_MOST_ROUNDS):
        async with runtime.database.write() as session:
            if not await listings.refresh_stale(session, hours=hours):
                return


async def match_open_requests(runtime: Runtime) -> None:
    """Look again for tutors where none was found."""
    for _ in range(_MOST_ROUNDS):
        async with runtime.database.write() as session:
            if not await requests.look_again(session):
                return


async def purge_words(runtime: Runtime) -> None:
    """Forget words that no listing has any more."""
    async with runtime.database.write() as session:
        await listings.purge_words(session)
