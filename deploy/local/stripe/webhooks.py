"""Signed notifications, delivered as a provider does: more than once, late, in any order."""

import asyncio
import hashlib
import hmac
import time

import httpx

from deploy.local.stripe.store import Json, Store

LONGEST_PAUSE = 60.0


def signature(payload: str, secret: str, *, at: int | None = None) -> str:
    """The header that proves a notification: HMAC over time and exact body."""
    moment = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), f"{moment}.{payload}".encode(), hashlib.sha256)
    return f"t={moment},v1={mac.hexdigest()}"


class Sender:
    """Posts notifications to one address until each is accepted; without one they wait."""

    def __init__(self, store: Store, url: str | None, secret: str) -> None:
        self.store, self.url, self.secret = store, url, secret
        # deliver, hold (all wait), duplicate (each twice), reverse (the newest first), drop
        self.mode = "deliver"
        self._posting = asyncio.Lock()

    async def turn(self, mode: str | None, url: str | None) -> None:
        """Change how, or where to; what is being posted is through when this returns."""
        async with self._posting:
            self.mode = mode or self.mode
            self.url = url or self.url

    async def run(self) -> None:
        """Deliver what waits, again and again."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            while True:
                await self._deliver(client)
                await asyncio.sleep(0.1)

    async def _deliver(self, client: httpx.AsyncClient) -> None:
        waiting = self.store.events()
        for event in reversed(waiting) if self.mode == "reverse" else waiting:
            async with self._posting:
                if self.url is None or self.mode == "hold":
                    return
                await self._settle(client, self.url, event)

    async def _settle(self, client: httpx.AsyncClient, url: str, event: Json) -> None:
        if self.mode == "drop":
            self.store.settle(event["seq"])
            return
        accepted = False
        for _ in range(2 if self.mode == "duplicate" else 1):
            accepted = await self._post(client, url, event["payload"])
        pause = min(2.0 ** event["attempts"], LONGEST_PAUSE)
        self.store.settle(event["seq"], retry_in=None if accepted else pause)

    async def _post(self, client: httpx.AsyncClient, url: str, payload: str) -> bool:
        headers = {
            "content-type": "application/json",
            "stripe-signature": signature(payload, self.secret),
        }
        try:
            answer = await client.post(url, content=payload.encode(), headers=headers)
        except httpx.HTTPError:
            return False
        return answer.is_success
