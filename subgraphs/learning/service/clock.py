"""The database's clock: what all processes agree on, whatever their own clocks say."""

from datetime import datetime

import sqlalchemy as sa

from shared.db import ReadSession


async def now(session: ReadSession) -> datetime:
    """The present moment, moving on within a transaction."""
    moment: datetime = (await session.execute(sa.select(sa.func.clock_timestamp()))).scalar_one()
    return moment
