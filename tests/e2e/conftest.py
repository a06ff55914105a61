"""The whole platform, started once for the journeys of a process."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.platform import Platform
from tests.e2e.client import Client, web_app
from tests.e2e.collector import Collector
from tests.e2e.market import Market, make_admin

# Journeys register many people from one address, and nobody waits for what is due at once.
GENEROUS = {
    "WORKER_POLL_SECONDS": "0.2",
    "IDENTITY_LIMIT_REGISTER_IP": "100000/3600",
    "IDENTITY_LIMIT_LOGIN_IP": "100000/300",
    "IDENTITY_LIMIT_LOGIN_ACCOUNT": "100000/300",
    "IDENTITY_LIMIT_TOKEN_IP": "100000/300",
    "IDENTITY_LIMIT_REFRESH_IP": "100000/300",
    "IDENTITY_LIMIT_MAIL_IP": "100000/3600",
    "IDENTITY_ARGON2_MEMORY_KIB": "1024",
    # Partners' servers are on this machine.
    "IDENTITY_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
}


@pytest.fixture(scope="package")
def platform() -> Iterator[Platform]:
    """Everything on free ports, in a folder that is removed afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="edtech-e2e-") as folder,
        Platform(Path(folder), durable=False, settings=GENEROUS) as running,
    ):
        yield running


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    """Takes spans."""
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture(scope="package")
def split_platform(collector: Collector) -> Iterator[Platform]:
    """APIs and workers in processes of their own, which may be killed; everything is traced."""
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER_ARG": "1"}
    with (
        tempfile.TemporaryDirectory(prefix="edtech-split-") as folder,
        Platform(
            Path(folder),
            durable=True,
            split=True,
            settings=GENEROUS | tracing | {"OTEL_BSP_SCHEDULE_DELAY": "200"},
            router_settings=tracing,
        ) as running,
    ):
        yield running


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    """A web app of the router, not signed in."""
    with web_app(platform) as client:
        yield client


@pytest.fixture(scope="package")
def admin(platform: Platform) -> Iterator[Client]:
    """The platform's admin, signed in once for all journeys."""
    with web_app(platform) as client:
        yield make_admin(platform, client)


@pytest.fixture
def market(platform: Platform, client: Client, admin: Client) -> Market:
    """The marketplace of the platform, with its bank and its clock."""
    return Market(platform, client, admin)
