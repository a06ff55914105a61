"""One backend for the session, one router process per configuration."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import tools
from deploy.local.valkey import Valkey
from tests.gateway.subgraphs import RECORD, Record
from tests.gateway.support import GATEWAY, Backend, Router, compose


@pytest.fixture(scope="session")
def node_modules() -> None:
    """The locked npm packages of the router."""
    tools.npm_install(GATEWAY, title="Router")


@pytest.fixture(scope="session")
def backend(node_modules: None) -> Iterator[Backend]:
    """Subgraphs, keys and a composed supergraph."""
    backend = Backend().start()
    composed = compose(backend.subgraphs())
    assert composed["errors"] == []
    backend.supergraph = composed["supergraphSdl"]
    yield backend
    backend.stop()


@pytest.fixture
def record(backend: Backend) -> Iterator[Record]:
    """What the subgraphs saw during this test alone."""
    RECORD.clear()
    yield RECORD
    RECORD.clear()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where routers keep their logs and settings."""
    return tmp_path_factory.mktemp("routers")


@pytest.fixture(scope="session")
def router(backend: Backend, folder: Path) -> Iterator[Router]:
    """Production, with limits small enough to be met."""
    router = Router(
        backend,
        folder / "production",
        MAX_DEPTH="6",
        MAX_TOKENS="200",
        MAX_ALIASES="5",
        MAX_DIRECTIVES="3",
        MAX_COST="500",
        MAX_BODY_BYTES="20000",
        MAX_SUBSCRIPTIONS_PER_SOCKET="2",
        CORS_ORIGINS="https://app.test",
        JWKS_COOLDOWN_MS="60000",
        TRUSTED_PROXIES="1",
    ).start()
    yield router
    router.stop()


@pytest.fixture(scope="session")
def development(backend: Backend, folder: Path) -> Iterator[Router]:
    """Development: introspection, suggestions and the IDE; a breaker that is easily met."""
    router = Router(
        backend,
        folder / "development",
        ROUTER_ENV="development",
        BREAKER_FAILURES="3",
        BREAKER_RESET_MS="300",
    ).start()
    yield router
    router.stop()


@pytest.fixture(scope="session")
def valkey(folder: Path) -> Iterator[Valkey]:
    """A real Valkey."""
    service = Valkey(folder / "valkey")
    service.prepare()
    service.start()
    yield service
    service.stop()
