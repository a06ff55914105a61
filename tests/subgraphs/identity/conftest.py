"""Identity with cheap password hashes, generous limits and a provider of the tests."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import uvicorn

from schema.registry import load_subgraph
from subgraphs.identity.ports import WebhookSender
from subgraphs.identity.runtime import IdentityRuntime
from subgraphs.identity.service import keys
from tests.subgraphs.identity.openid import CLIENT_ID, CLIENT_SECRET, OpenIdProvider
from tests.subgraphs.identity.receiver import Receiver
from tests.subgraphs.identity.webhooks import Partner, partner
from tests.support import services
from tests.support.graph import GraphClient, clean
from tests.support.tokens import KEY, JwksServer

MANY = "100000/60"


@pytest.fixture(scope="session")
async def openid_server() -> AsyncIterator[OpenIdProvider]:
    """The provider, on a free port."""
    provider = OpenIdProvider()
    listener = socket.create_server(("127.0.0.1", 0))
    provider.issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(provider.app(), log_level="error", lifespan="off"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    yield provider
    server.should_exit = True
    await running


@pytest.fixture
def openid(openid_server: OpenIdProvider) -> OpenIdProvider:
    """The provider, as if nothing had happened."""
    openid_server.reset()
    return openid_server


@pytest.fixture(scope="session")
async def identity_runtime(
    environment: None, openid_server: OpenIdProvider
) -> AsyncIterator[IdentityRuntime]:
    """Identity's runtime on this process's database."""
    services.ensure_database("identity")
    provider = {
        "issuer": openid_server.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    limits: dict[str, Any] = {
        name: MANY
        for name in load_subgraph("identity").settings.model_fields
        if name.startswith("limit_")
    }
    runtime = load_subgraph("identity").start(
        argon2_memory_kib=64,
        argon2_passes=1,
        providers={"google": provider, "apple": provider | {"response_mode": "form_post"}},
        **limits,
    )
    assert isinstance(runtime, IdentityRuntime)
    await runtime.open()
    yield runtime
    await runtime.close()


@pytest.fixture
async def identity(identity_runtime: IdentityRuntime, jwks: JwksServer) -> GraphClient:
    """A client of identity over an empty database, whose signing key is published."""
    await clean(identity_runtime)
    runtime = identity_runtime
    runtime.keyring = keys.Keyring(
        runtime.settings, runtime.vault, read=runtime.database.read, write=runtime.database.write
    )
    await runtime.keyring.signer()
    async with runtime.database.read() as session:
        jwks.keys = [dict(KEY.as_dict(private=False)), *await keys.published(session)]
    return GraphClient(load_subgraph("identity"), runtime)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A partner's server."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
async def school(identity: GraphClient) -> Partner:
    """A partner's program with the catalogue."""
    return await partner(identity)


@pytest.fixture
def webhooks(
    identity: GraphClient, identity_runtime: IdentityRuntime, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Changes settings of webhooks for a test; this machine may be called."""
    runtime = identity_runtime

    def use(**changes: Any) -> None:
        settings = runtime.settings.model_copy(update=changes)
        monkeypatch.setattr(runtime, "settings", settings)
        monkeypatch.setattr(runtime.database, "settings", settings)
        monkeypatch.setattr(runtime, "webhooks", WebhookSender(settings))

    use(
        webhook_allowed_networks=("127.0.0.0/8",),
        webhook_timeout_seconds=5,
        worker_poll_seconds=0.05,
    )
    return use
