"""The request context of matching, and what its resolvers share."""

from typing import TypeAlias, cast

import strawberry

from shared.graph import BaseContext
from subgraphs.matching.config import Settings


class Context(BaseContext):
    """Matching seals offers."""

    @property
    def settings(self) -> Settings:
        """Matching's settings."""
        return cast("Settings", self.runtime.settings)


Info: TypeAlias = strawberry.Info[Context, None]
