"""Fixtures for all tests: the services of the run, one runtime per subgraph, a client for each."""

import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from schema.registry import load_subgraph
from shared.runtime import Runtime
from tests.support import services
from tests.support.graph import GraphClient, clean
from tests.support.tokens import JwksServer

_run = ExitStack()
# Nothing that is being collected is garbage; looking for some took a quarter of the time.
gc.disable()


def pytest_configure(config: pytest.Config) -> None:
    """Under xdist the controller starts the services before its workers, which share them."""
    is_worker = hasattr(config, "workerinput")
    if not is_worker and config.getoption("numprocesses", None) and not config.option.collectonly:
        services.start(_run)


# End-to-end tests that start platforms of their own, and those whose platform may be killed; all
# others share one.
OWN_PLATFORM = ("test_dev.py", "test_storm.py")
SPLIT_PLATFORM = ("test_faults.py", "test_traces.py")


class OnePlatform(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A file stays in one process, and so does everything that shares a platform."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = nodeid.split("::", 1)[0]
        if "/e2e/" not in file or file.endswith(OWN_PLATFORM):
            return file
        return "split platform" if file.endswith(SPLIT_PLATFORM) else "platform"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OnePlatform:
    """How a run with several processes deals out the tests."""
    return OnePlatform(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first: the journeys, then what starts platforms of its own."""
    end_to_end = Path(__file__).parent / "e2e"

    def place(item: pytest.Item) -> tuple[bool, bool]:
        apart = OWN_PLATFORM + SPLIT_PLATFORM
        return end_to_end not in item.path.parents, item.path.name in apart

    items.sort(key=place)


def pytest_unconfigure() -> None:
    """Stop what this process started."""
    _run.close()


def pytest_collection_finish() -> None:
    """From here on garbage is looked for, but not in the code and the tests."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    """The name of this process among the run's."""
    return str(getattr(request.config, "workerinput", {}).get("workerid", "main"))


@pytest.fixture(scope="session")
def environment(worker: str) -> Iterator[None]:
    """The services run, and the environment leads to them and to this process's databases."""
    if services.SHARED not in os.environ:
        services.start(_run)
    services.use_own_databases(worker)
    jwks = JwksServer()
    os.environ["JWKS_URL"] = jwks.url
    _jwks.append(jwks)
    yield
    jwks.close()


_jwks: list[JwksServer] = []


@pytest.fixture(scope="session")
def jwks(environment: None) -> JwksServer:
    """The key server that subgraphs under test ask; tests may add keys."""
    return _jwks[0]


@pytest.fixture(scope="session")
async def runtimes(environment: None) -> AsyncIterator[Callable[[str], Awaitable[Runtime]]]:
    """Opens the runtime of a subgraph on this process's database, once."""
    async with AsyncExitStack() as stack:
        known: dict[str, Runtime] = {}

        async def runtime(name: str) -> Runtime:
            if name not in known:
                services.ensure_database(name)
                known[name] = load_subgraph(name).start()
                await known[name].open()
                stack.push_async_callback(known[name].close)
            return known[name]

        yield runtime


@pytest.fixture
def client_of(
    runtimes: Callable[[str], Awaitable[Runtime]],
) -> Callable[[str], Awaitable[GraphClient]]:
    """Makes a client of a subgraph over an empty database, without a token."""

    async def client(name: str) -> GraphClient:
        runtime = await runtimes(name)
        await clean(runtime)
        return GraphClient(load_subgraph(name), runtime)

    return client


@pytest.fixture
async def identity(client_of: Callable[[str], Awaitable[GraphClient]]) -> GraphClient:
    """A client of identity."""
    return await client_of("identity")


@pytest.fixture
async def learning(client_of: Callable[[str], Awaitable[GraphClient]]) -> GraphClient:
    """A client of learning."""
    return await client_of("learning")


@pytest.fixture
async def reviews(client_of: Callable[[str], Awaitable[GraphClient]]) -> GraphClient:
    """A client of reviews."""
    return await client_of("reviews")


@pytest.fixture
async def payment(client_of: Callable[[str], Awaitable[GraphClient]]) -> GraphClient:
    """A client of payment."""
    return await client_of("payment")
