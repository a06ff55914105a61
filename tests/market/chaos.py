"""Deaths of the process: an exception at one place inside a step, where a kill would hit."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from shared.db import Database, WriteSession
from subgraphs.payment.ports import Provider

CALLS = (
    "create_intent",
    "get_intent",
    "cancel_intent",
    "create_refund",
    "get_refund",
    "create_transfer",
    "reverse_transfer",
    "create_payout",
    "get_payout",
    "get_account",
)


class Killed(BaseException):
    """The process is gone: no handler of errors sees this."""


class Chaos:
    """Counts the places that a step passes, and dies at one; knows which databases were written."""

    def __init__(self) -> None:
        self._left = 0
        self.written: set[str] = set()

    def arm(self, place: int) -> None:
        """Die at the so-manieth place from here."""
        self._left = place

    def disarm(self) -> None:
        """Live on."""
        self._left = 0

    def _pass(self, place: str) -> None:
        if self._left:
            self._left -= 1
            if not self._left:
                raise Killed(place)

    @contextmanager
    def installed(self) -> Iterator["Chaos"]:
        """Guard every transaction and every call of the provider."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(Provider, name, self._around(getattr(Provider, name), name))
            patch.setattr(Database, "write", self._write(Database.write))
            yield self

    def _around(self, call: Callable[..., Awaitable[Any]], name: str) -> Callable[..., Any]:
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            self._pass(f"before {name}")
            answer = await call(*args, **kwargs)
            self._pass(f"after {name}")
            return answer

        return guarded

    def _write(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @asynccontextmanager
        async def write(database: Database) -> AsyncIterator[WriteSession]:
            name = database.settings.subgraph
            async with original(database) as session:
                yield session
                self._pass(f"before a commit in {name}")
            self.written.add(name)
            self._pass(f"after a commit in {name}")

        return write
