"""The request context of reviews, and what its resolvers share."""

from typing import TypeAlias, cast

import strawberry

from shared.graph import BaseContext
from shared.pages import PageRequest
from subgraphs.reviews.config import Settings

REVIEW_PAGE = 10


class Context(BaseContext):
    """Reviews' settings beside what every subgraph has."""

    @property
    def settings(self) -> Settings:
        """The rules that operators may change."""
        return cast("Settings", self.runtime.settings)


Info: TypeAlias = strawberry.Info[Context, None]


def page_of(
    first: int | None, after: str | None, last: int | None, before: str | None
) -> PageRequest:
    """Relay's arguments, checked; ten entries without."""
    return PageRequest.of(first=first, after=after, last=last, before=before, default=REVIEW_PAGE)
