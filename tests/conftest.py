"""Fixtures for all tests: the services of the run, one runtime per subgraph, a client for each."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from redis.asyncio import Redis

from schema.registry import load_subgraph
from shared.runtime import Runtime
from tests.support import services
from tests.support.graph import GraphClient, empty
from tests.support.tokens import JwksServer

_run = ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """Under xdist the controller starts the services before its workers, which share them."""
    is_worker = hasattr(config, "workerinput")
    if not is_worker and config.getoption("numprocesses", None) and not config.option.collectonly:
        services.start(_run)


def pytest_unconfigure() -> None:
    """Stop what this process started."""
    _run.close()


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


async def _runtime(name: str) -> AsyncIterator[Runtime]:
    services.ensure_database(name)
    runtime = load_subgraph(name).start()
    await runtime.open()
    yield runtime
    await runtime.close()


@pytest.fixture(scope="session")
async def identity_runtime(environment: None) -> AsyncIterator[Runtime]:
    """Identity's runtime on this process's database."""
    async for runtime in _runtime("identity"):
        yield runtime


@pytest.fixture(scope="session")
async def learning_runtime(environment: None) -> AsyncIterator[Runtime]:
    """Learning's runtime on this process's database."""
    async for runtime in _runtime("learning"):
        yield runtime


async def _clean(runtime: Runtime) -> None:
    await empty(runtime)
    async with Redis.from_url(os.environ["VALKEY_URL"]) as valkey:
        await valkey.flushdb()


@pytest.fixture
async def identity(identity_runtime: Runtime) -> GraphClient:
    """A client of identity over an empty database, without a token."""
    await _clean(identity_runtime)
    return GraphClient(load_subgraph("identity"), identity_runtime)


@pytest.fixture
async def learning(learning_runtime: Runtime) -> GraphClient:
    """A client of learning over an empty database, without a token."""
    await _clean(learning_runtime)
    return GraphClient(load_subgraph("learning"), learning_runtime)
