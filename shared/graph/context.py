"""What each request carries: who asks, the subgraph's runtime, and its loaders."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from strawberry.dataloader import DataLoader

from shared.db import ReadSession, WriteSession
from shared.runtime import Runtime
from shared.viewer import Viewer

T = TypeVar("T")
V = TypeVar("V")
MOST_LOADERS_OF_SOCKET = 100


@dataclass
class BaseContext:
    """Extended by each subgraph; never shared between requests."""

    viewer: Viewer
    runtime: Runtime
    language: str | None = None
    _loaders: dict[Hashable, DataLoader[Any, Any]] = field(default_factory=dict)
    # Set by Strawberry on WebSockets: the payload of the connection init.
    connection_params: dict[str, Any] | None = None

    def read(self) -> AbstractAsyncContextManager[ReadSession]:
        """A short session for one read or one loader batch."""
        return self.runtime.database.read()

    def write(self) -> AbstractAsyncContextManager[WriteSession]:
        """One transaction, for one mutation field."""
        return self.runtime.database.write()

    @overload
    def loader(
        self, load: Callable[..., Awaitable[Sequence[V]]], into: None = None, **arguments: Hashable
    ) -> DataLoader[Any, V]: ...

    @overload
    def loader(
        self, load: Callable[..., Awaitable[Sequence[Any]]], into: type[T], **arguments: Hashable
    ) -> DataLoader[Any, T | None]: ...

    def loader(
        self,
        load: Callable[..., Awaitable[Sequence[Any]]],
        into: Callable[..., Any] | None = None,
        **arguments: Hashable,
    ) -> DataLoader[Any, Any]:
        """The request's loader of one relation with one set of arguments.

        `load(session, keys, **arguments)` gives one value per key, in order: one statement per
        relation per request, whatever the number of parents. The key None leads to None. `into` is
        the GraphQL type whose `row` each value is; without it the values come as they are.

        On a WebSocket this context lasts as long as the socket, so nothing is remembered there.
        """
        on_socket = self.connection_params is not None
        if on_socket and len(self._loaders) >= MOST_LOADERS_OF_SOCKET:
            self._loaders.clear()
        key = (load, into, *sorted(arguments.items()))
        loader = self._loaders.get(key)
        if loader is None:

            async def batch(keys: list[Any]) -> list[Any]:
                found: dict[Any, Any] = {None: None}
                if unique := [key for key in dict.fromkeys(keys) if key is not None]:
                    async with self.read() as session:
                        values = await load(session, unique, **arguments)
                    if into is not None:
                        values = [into(row=row) if row is not None else None for row in values]
                    found.update(zip(unique, values, strict=True))
                return [found[key] for key in keys]

            loader = self._loaders[key] = DataLoader(load_fn=batch, cache=not on_socket)
        return loader
