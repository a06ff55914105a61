"""Valkey, for what may be lost: caches and rate limits. Losing it loses nothing that matters.

Keys follow `{subgraph}:{resource}:{id}:{field}`. Each operation has a short timeout and at most one
quick retry; after that it goes on without the cache.
"""

import contextlib
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from shared.errors import RateLimited
from shared.telemetry import log

# INCR and EXPIRE in one step: a window starts with its first hit and is not moved by later ones.
_HIT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {n, redis.call('PTTL', KEYS[1])}
"""


class _Away(Exception):
    """Valkey did not answer, or not with a result."""


class Cache:
    """One subgraph's view of Valkey; without a URL it only keeps rate limits, in this process."""

    def __init__(self, url: str | None, subgraph: str) -> None:
        self._subgraph = subgraph
        self._local = _LocalWindows()
        self._client: Redis | None = None
        self._away = False
        if url is not None:
            # A pool that waits: one that refuses past its size would send the hits of a crowd to
            # the windows of this process, where they count anew.
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=8,
                timeout=1,
                socket_timeout=0.5,
                socket_connect_timeout=0.5,
                retry=Retry(ConstantBackoff(0.05), 1),
            )
            self._client = Redis.from_pool(pool)
            self._hit = self._client.register_script(_HIT)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def _key(self, key: str) -> str:
        return f"{self._subgraph}:{key}"

    async def get(self, key: str) -> bytes | None:
        """The value, or None when there is none or no Valkey."""
        if self._client is None:
            return None
        with contextlib.suppress(_Away):
            return cast("bytes | None", await self._answer(self._client.get(self._key(key))))
        return None

    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Keep a value for some seconds, if Valkey answers."""
        if self._client is not None:
            with contextlib.suppress(_Away):
                await self._answer(self._client.set(self._key(key), value, ex=seconds))

    async def delete(self, *keys: str) -> None:
        """Forget values, if Valkey answers; their lifetime bounds the damage when it does not."""
        if self._client is not None and keys:
            with contextlib.suppress(_Away):
                await self._answer(self._client.delete(*(self._key(key) for key in keys)))

    async def limit(self, name: str, who: str, *, hits: int, seconds: int) -> None:
        """Count one hit in a fixed window. Raises RateLimited past `hits`.

        Without Valkey the window goes on in this process from what it knows, so that a guesser is
        still slowed down.
        `who` may be an address: only its hash leaves.
        """
        digest = hashlib.sha256(who.encode("utf-8", "surrogatepass")).hexdigest()
        key = self._key(f"limit:{name}:{digest[:32]}")
        window: tuple[int, float] | None = None
        if self._client is not None:
            with contextlib.suppress(_Away):
                answer = await self._answer(self._hit(keys=[key], args=[seconds * 1000]))
                window = int(answer[0]), int(answer[1]) / 1000
                self._local.learn(key, *window)
        count, left = window or self._local.hit(key, seconds)
        if count > hits:
            # Upwards, so that a try after that many seconds is in the next window.
            retry_after = max(1, math.ceil(left))
            raise RateLimited(
                f"Too many tries. Try again in {retry_after} seconds.", retry_after=retry_after
            )

    async def _answer(self, reply: Awaitable[Any]) -> Any:
        try:
            answer = await reply
        except (RedisError, OSError) as error:
            # Once per outage, not once per request.
            if not self._away:
                log.warning("valkey is away", subgraph=self._subgraph, error=type(error).__name__)
            self._away = True
            raise _Away from error
        if self._away:
            log.warning("valkey is back", subgraph=self._subgraph)
        self._away = False
        return answer


class _LocalWindows:
    """Rate-limit windows of this process alone, for as long as Valkey is away; bounded in size."""

    def __init__(self, most: int = 10_000) -> None:
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._most = most

    def hit(self, key: str, seconds: int) -> tuple[int, float]:
        """One hit more; how many there are in the window, and how long it lasts."""
        now = time.monotonic()
        ends, count = self._windows.pop(key, (0.0, 0))
        if ends <= now:
            ends, count = now + seconds, 0
        self._keep(key, ends, count + 1)
        return count + 1, ends - now

    def learn(self, key: str, count: int, left: float) -> None:
        """What Valkey knows of a window. Answers may come out of order."""
        now = time.monotonic()
        ends, known = self._windows.pop(key, (0.0, 0))
        self._keep(key, now + left, count if ends <= now else max(count, known))

    def _keep(self, key: str, ends: float, count: int) -> None:
        self._windows[key] = (ends, count)
        while len(self._windows) > self._most:
            self._windows.popitem(last=False)
