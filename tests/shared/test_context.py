"""Loaders of a request: one batch per relation; on a socket nothing is remembered."""

import asyncio
from collections.abc import Sequence

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


async def ask(context: BaseContext, *keys: int, **arguments: str) -> list[str]:
    loader = context.loader(shout, **arguments)
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
