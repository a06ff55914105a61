"""The request context of learning, and what its resolvers share."""

from typing import TypeAlias, cast

import strawberry

from shared import graph
from shared.graph import BaseContext
from shared.pages import PageRequest
from subgraphs.learning.config import Settings

COURSE_PAGE = 10


class Context(BaseContext):
    """Learning needs no more than every subgraph."""

    @property
    def settings(self) -> Settings:
        """Learning's settings."""
        return cast("Settings", self.runtime.settings)

    @property
    def offer_hours(self) -> int:
        """How long a seat is held for somebody on the waitlist."""
        return self.settings.waitlist_offer_hours


Info: TypeAlias = strawberry.Info[Context, None]


def page_of(
    first: int | None, after: str | None, last: int | None, before: str | None
) -> PageRequest:
    """Relay's arguments, checked; ten entries without."""
    return graph.page_of(first, after, last, before, default=COURSE_PAGE)
