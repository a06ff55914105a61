"""Work that is cut off anywhere ends as if it had not been, and the provider acts once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.db import Database, WriteSession
from shared.events.learning import LessonCancelled
from subgraphs.payment.ports import Provider
from tests.subgraphs.payment.world import World

CALLS = (
    "create_intent",
    "get_intent",
    "cancel_intent",
    "create_refund",
    "create_transfer",
    "reverse_transfer",
    "create_payout",
    "get_account",
)


class Killed(BaseException):
    """The process dies here."""


class Fuse:
    """Dies at the n-th of the places where a process can: around calls and commits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, at: int) -> None:
        self.left = at
        self.places: list[str] = []
        for name in CALLS:
            monkeypatch.setattr(Provider, name, self._around(getattr(Provider, name), name))
        original = Database.write

        @asynccontextmanager
        async def write(database: Database) -> AsyncIterator[WriteSession]:
            self._pass("before commit")
            async with original(database) as session:
                yield session
            self._pass("after commit")

        monkeypatch.setattr(Database, "write", write)

    def _around(self, call: Callable[..., Awaitable[Any]], name: str) -> Callable[..., Any]:
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            self._pass(f"before {name}")
            answer = await call(*args, **kwargs)
            self._pass(f"after {name}")
            return answer

        return guarded

    def _pass(self, place: str) -> None:
        self.places.append(place)
        self.left -= 1
        if self.left == 0:
            raise Killed(place)


async def die_at(place: int, act: Callable[[], Awaitable[None]]) -> bool:
    """Act and die at one place; whether there was such a place."""
    with pytest.MonkeyPatch.context() as patch:
        Fuse(patch, at=place)
        try:
            await act()
        except Killed:
            return True
    return False


async def test_paying_survives_a_death_anywhere(world: World) -> None:
    place, lessons = 0, 0
    while True:
        place += 1
        lesson = await world.reserve()
        lessons += 1

        async def act(lesson: Any = lesson) -> None:
            await world.create(lesson.lesson_id)

        died = await die_at(place, act)
        # The worker, or the payer who tries again, goes on.
        if place % 2:
            await world.work()
        made = await world.create(lesson.lesson_id)
        assert made["__typename"] == "Payment"
        await world.give_card(made)
        await world.notify()
        assert (await world.payment(made["id"])).status == "SUCCEEDED"
        if not died:
            break
    books = await world.provider.books()
    assert len(books["payment_intents"]) == len(books["charges"]) == lessons > 4
    assert len(await world.told_of("succeeded")) == lessons


async def test_refund_after_transfer_survives_a_death_anywhere(world: World) -> None:
    await world.onboard()
    place = 0
    while True:
        place += 1
        lesson, payment = await world.paid_lesson()
        await world.complete(lesson)
        await world.work()
        await world.refund(payment, 5_000)
        died = await die_at(place, world.work)
        await world.work()
        found = await world.payment(payment.id)
        assert (found.refunded_total, found.reversed_total) == (5_000, 4_000), place
        if not died:
            break
    books = await world.provider.books()
    assert [r["amount"] for r in books["refunds"]] == [5_000] * place
    assert [r["amount"] for r in books["transfer_reversals"]] == [4_000] * place
    assert place > 8
    assert len(await world.told_of("refunded")) == place


async def test_transfer_survives_a_death_anywhere(world: World) -> None:
    await world.onboard()
    place = 0
    while True:
        place += 1
        lesson, _ = await world.paid_lesson()
        await world.complete(lesson)
        died = await die_at(place, world.work)
        await world.work()
        if not died:
            break
    books = await world.provider.books()
    assert [t["amount"] for t in books["transfers"]] == [8_000] * place
    assert place > 5
    assert (await world.balance()).transferred == 8_000 * place
    assert len(await world.told_of("transfer_created")) == place


async def test_cancelling_survives_a_death_anywhere(world: World) -> None:
    place = 0
    while True:
        place += 1
        lesson = await world.reserve()
        made = await world.create(lesson.lesson_id)
        await world.follow(lesson, LessonCancelled, "CANCELLED_BY_TUTOR", refund_bps=10_000)
        died = await die_at(place, world.work)
        await world.work()
        assert (await world.payment(made["id"])).status == "CANCELLED"
        if not died:
            break
    statuses = {i["status"] for i in (await world.provider.books())["payment_intents"]}
    assert statuses == {"canceled"}
    assert len(await world.told_of("failed")) == place > 4


async def test_payout_survives_a_death_anywhere(world: World) -> None:
    await world.onboard()
    place = 0
    while True:
        place += 1
        lesson, _ = await world.paid_lesson()
        await world.complete(lesson)
        await world.work()
        await world.tutor.ask('mutation { requestPayout(currency: "USD") { __typename } }')
        died = await die_at(place, world.work)
        await world.work()
        payout = (await world.provider.books())["payouts"][-1]
        await world.provider.act("settle-payout", payout=payout["id"], paid=True)
        await world.notify()
        if not died:
            break
    books = await world.provider.books()
    assert [p["amount"] for p in books["payouts"]] == [8_000] * place
    balance = await world.balance()
    assert (balance.paid_out, balance.pending) == (8_000 * place, 0)
    assert len(await world.told_of("payout.paid")) == place > 4
