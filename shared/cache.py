"""Valkey, for what may be lost: caches and rate limits. Losing it loses nothing that matters.

Keys follow `{subgraph}:{resource}:{id}:{field}`. Each operation has a short timeout and at most one
quick retry; after that it goes on without the cache.
"""

import asyncio
import time
from collections import OrderedDict
from typing import cast

from redis.asyncio import Redis
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
_FAILURES = (RedisError, OSError, asyncio.TimeoutError)


class Cache:
    """One subgraph's view of Valkey; without a URL it only keeps rate limits, in this process."""

    def __init__(self, url: str | None, subgraph: str) -> None:
        self._subgraph = subgraph
        self._local = _LocalWindows()
        self._client: Redis | None = None
        if url is not None:
            self._client = Redis.from_url(
                url,
                socket_timeout=0.25,
                socket_connect_timeout=0.25,
                retry=Retry(ConstantBackoff(0.05), 1),
                decode_responses=False,
            )
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
        try:
            return cast("bytes | None", await self._client.get(self._key(key)))
        except _FAILURES as error:
            self._warn(error)
            return None

    async def set(self, key: str, value: bytes, *, seconds: int) -> None:
        """Keep a value for some seconds, if Valkey answers."""
        if self._client is not None:
            try:
                await self._client.set(self._key(key), value, ex=seconds)
            except _FAILURES as error:
                self._warn(error)

    async def delete(self, *keys: str) -> None:
        """Forget values, if Valkey answers; their lifetime bounds the damage when it does not."""
        if self._client is not None and keys:
            try:
                await self._client.delete(*(self._key(key) for key in keys))
            except _FAILURES as error:
                self._warn(error)

    async def limit(self, name: str, who: str, *, hits: int, seconds: int) -> None:
        """Count one hit in a fixed window. Raises RateLimited past `hits`.

        Without Valkey the window is kept in this process, so that a guesser is still slowed down.
        """
        key = self._key(f"limit:{name}:{who}")
        count, left = self._local.hit(key, seconds) if self._client is None else (0, 0.0)
        if self._client is not None:
            try:
                answer = await self._hit(keys=[key], args=[seconds * 1000])
                count, left = int(answer[0]), int(answer[1]) / 1000
            except _FAILURES as error:
                self._warn(error)
                count, left = self._local.hit(key, seconds)
        if count > hits:
            retry_after = max(1, round(left))
            raise RateLimited(
                f"Too many tries. Try again in {retry_after} seconds.", retry_after=retry_after
            )

    def _warn(self, error: BaseException) -> None:
        log.warning("cache unavailable", subgraph=self._subgraph, error=type(error).__name__)


class _LocalWindows:
    """Rate-limit windows of this process alone, for as long as Valkey is away; bounded in size."""

    def __init__(self, most: int = 10_000) -> None:
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._most = most

    def hit(self, key: str, seconds: int) -> tuple[int, float]:
        now = time.monotonic()
        ends, count = self._windows.pop(key, (0.0, 0))
        if ends <= now:
            ends, count = now + seconds, 0
        self._windows[key] = (ends, count + 1)
        while len(self._windows) > self._most:
            self._windows.popitem(last=False)
        return count + 1, ends - now
