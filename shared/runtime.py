"""What a subgraph is made of, and what it holds open while it runs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.cache import Cache
from shared.config import SubgraphSettings, load
from shared.db import Database, ReadSession
from shared.inbox import Handlers
from shared.telemetry import trace_sql
from shared.viewer import Viewer

if TYPE_CHECKING:
    from starlette.routing import Route

    from shared.graph.context import BaseContext
    from shared.graph.schema import Schema


class Runtime:
    """A subgraph's open resources; a subclass adds its own and closes them in `close`."""

    def __init__(self, settings: SubgraphSettings) -> None:
        self.settings = settings
        self.database = Database(settings)
        self.cache = Cache(settings.valkey_url, settings.subgraph)
        self.database.observers.append(
            lambda statement, _, started: trace_sql(settings.subgraph, statement, started)
        )

    async def open(self) -> None:
        """Open what needs opening; nothing here may require that a service answers."""
        await self.database.open()

    async def close(self) -> None:
        """Close everything, in reverse."""
        try:
            await self.cache.close()
        finally:
            await self.database.close()


@dataclass(frozen=True)
class Timer:
    """Work that the worker does every so many seconds; several workers may run it at once.

    None for work that falls due row by row: it is looked for every `worker_poll_seconds`.
    """

    name: str
    seconds: float | None
    run: Callable[[Any], Awaitable[None]]


Authorize = Callable[[ReadSession, Viewer], Awaitable[Viewer]]


@dataclass(frozen=True)
class Subgraph:
    """Everything that the commands loop over; each `subgraphs/<name>/app.py` makes one."""

    name: str
    settings: type[SubgraphSettings]
    schema: "Schema"
    context: "type[BaseContext]"
    handlers: Handlers
    # Checks a token's viewer against the state that the subgraph knows: one statement per request.
    authorize: Authorize
    runtime: type[Runtime] = Runtime
    timers: Sequence[Timer] = ()
    routes: "Sequence[Route]" = field(default_factory=tuple)

    def start(self, **overrides: Any) -> Runtime:
        """A runtime with settings from the environment. Raises SettingsError."""
        return self.runtime(load(self.settings, **overrides))
