"""Loaders of a request: one batch per relation; on a socket nothing is remembered."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from shared.db import ReadSession
from shared.graph import BaseContext
from shared.graph.context import MOST_LOADERS_OF_SOCKET
from shared.runtime import Runtime
from shared.viewer import ANONYMOUS
from tests.support.graph import counted

batches: list[tuple[str, list[int]]] = []


async def shout(session: ReadSession, keys: Sequence[int], *, end: str = "") -> list[str]:
    batches.append((end, list(keys)))
    return [f"{key}{end}" for key in keys]


async def ask(context: BaseContext, *keys: int | None, end: str = "") -> list[str]:
    loader = context.loader(shout, end=end)
    return list(await asyncio.gather(*(loader.load(key) for key in keys)))


async def test_one_batch_per_relation_and_arguments(runtime: Runtime) -> None:
    batches.clear()
    context = BaseContext(ANONYMOUS, runtime)
    with counted(runtime.database) as statements:
        found = await asyncio.gather(
            ask(context, 1, 2, 1), ask(context, 2, 3), ask(context, 1, end="!")
        )
        assert list(found) == [["1", "2", "1"], ["2", "3"], ["1!"]]
        assert await ask(context, 3, 1) == ["3", "1"]
    assert batches == [("", [1, 2, 3]), ("!", [1])]
    assert statements == []


async def test_no_key_leads_to_nothing_and_asks_nobody(runtime: Runtime) -> None:
    batches.clear()
    context = BaseContext(ANONYMOUS, runtime)
    assert await ask(context, None) == [None]
    assert batches == []
    assert await ask(context, 1, None) == ["1", None]
    assert batches == [("", [1])]


@dataclass
class Shout:
    """As a GraphQL type over a row is."""

    row: str


async def none_for_odd(session: ReadSession, keys: Sequence[int]) -> list[str | None]:
    return [
        None if key % 2 else row for key, row in zip(keys, await shout(session, keys), strict=True)
    ]


async def test_values_become_what_shows_them(runtime: Runtime) -> None:
    context = BaseContext(ANONYMOUS, runtime)
    shown = context.loader(none_for_odd, into=Shout)
    assert context.loader(none_for_odd, into=Shout) is shown
    assert context.loader(none_for_odd) is not shown
    keys = (1, 2, None, 2)
    first, second, third, fourth = await asyncio.gather(*(shown.load(key) for key in keys))
    assert (first, second, third) == (None, Shout("2"), None)
    assert fourth is second


async def test_loaders_of_two_requests_are_apart(runtime: Runtime) -> None:
    batches.clear()
    for _ in range(2):
        assert await ask(BaseContext(ANONYMOUS, runtime), 1) == ["1"]
    assert batches == [("", [1]), ("", [1])]


async def test_socket_batches_and_remembers_nothing(runtime: Runtime) -> None:
    batches.clear()
    context = BaseContext(ANONYMOUS, runtime, connection_params={})
    for _ in range(2):
        assert await ask(context, 2, 1, 2) == ["2", "1", "2"]
    assert batches == [("", [2, 1]), ("", [2, 1])]
    for number in range(MOST_LOADERS_OF_SOCKET * 2):
        assert await ask(context, 1, end=str(number)) == [f"1{number}"]
    assert len(context._loaders) <= MOST_LOADERS_OF_SOCKET
