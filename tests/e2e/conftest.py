"""The whole platform, started once for the journeys of a process."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.platform import Platform
from tests.e2e.client import Client
from tests.e2e.market import Market

# Journeys register many people from one address.
GENEROUS = {
    "IDENTITY_LIMIT_REGISTER_IP": "100000/3600",
    "IDENTITY_LIMIT_LOGIN_IP": "100000/300",
    "IDENTITY_LIMIT_TOKEN_IP": "100000/300",
    "IDENTITY_LIMIT_REFRESH_IP": "100000/300",
    "IDENTITY_LIMIT_MAIL_IP": "100000/3600",
    "IDENTITY_ARGON2_MEMORY_KIB": "1024",
}


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """Everything on free ports, in a folder that is removed afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="edtech-e2e-") as folder,
        Platform(Path(folder), durable=False, settings=GENEROUS) as running,
    ):
        yield running


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    """A web app of the router, not signed in."""
    with httpx.Client(timeout=20, trust_env=False) as http:
        yield Client(http, platform.router_url, platform.env["MAIL_CATCHER_URL"])


@pytest.fixture
def market(platform: Platform, client: Client) -> Market:
    """The marketplace of the platform, with its bank and its clock."""
    return Market(platform, client)
