"""What each request to identity carries."""

from dataclasses import dataclass

import strawberry

from shared.graph import BaseContext
from subgraphs.identity.config import Rate
from subgraphs.identity.runtime import IdentityRuntime
from subgraphs.identity.service.secrets import digest


@dataclass
class Context(BaseContext):
    """The platform's context with identity's runtime."""

    runtime: IdentityRuntime

    async def limit(self, name: str, who: str, rate: Rate) -> None:
        """Count a try. Raises RateLimited. `who` is hashed: it may be an address."""
        key = digest(who.lower()).hex()[:32]
        await self.runtime.cache.limit(name, key, hits=rate.hits, seconds=rate.seconds)

    async def limit_ip(self, name: str, rate: Rate) -> None:
        """Count a try of the caller's network address. Raises RateLimited."""
        await self.limit(name, self.viewer.ip or "unknown", rate)

    async def limit_user(self, name: str, rate: Rate) -> None:
        """Count a try of the signed-in user. Raises Unauthenticated or RateLimited."""
        await self.limit(name, str(self.viewer.require_user()), rate)


Info = strawberry.Info[Context, None]
