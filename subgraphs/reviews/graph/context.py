"""The request context of reviews, and what its resolvers share."""

from typing import TypeAlias, cast

import strawberry

from shared.graph import BaseContext
from subgraphs.reviews.config import Settings


class Context(BaseContext):
    """Reviews' settings beside what every subgraph has."""

    @property
    def settings(self) -> Settings:
        """The rules that operators may change."""
        return cast("Settings", self.runtime.settings)


Info: TypeAlias = strawberry.Info[Context, None]
