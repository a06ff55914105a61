"""The address of one's own calendar feed."""

from typing import Annotated

import strawberry

from shared.graph import Problem
from subgraphs.learning.graph.context import Info
from subgraphs.learning.service import feeds


@strawberry.type(description="Where a calendar can read one's lessons.")
class CalendarFeed:
    url: str = strawberry.field(
        description="Whoever has it sees the lessons; reset the feed when somebody should not."
    )


ResetCalendarFeedResult = Annotated[
    CalendarFeed | Problem,
    strawberry.union("ResetCalendarFeedResult", description="The new address, or why not."),
]


@strawberry.type(description="What can be asked of calendar feeds.")
class FeedQueries:
    @strawberry.field(description="The address of the viewer's lessons for calendars (.ics).")
    async def calendar_feed_url(self, info: Info) -> str:
        async with info.context.read() as session:
            return await feeds.feed_url(
                session, info.context.viewer, settings=info.context.settings
            )


@strawberry.type(description="What can be done with calendar feeds.")
class FeedMutations:
    @strawberry.mutation(description="A new address for one's feed; the old one ends.")
    async def reset_calendar_feed(self, info: Info) -> ResetCalendarFeedResult:
        async with info.context.write() as session:
            url = await feeds.reset_feed(
                session, info.context.viewer, settings=info.context.settings
            )
        return CalendarFeed(url=url)
