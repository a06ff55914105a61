"""The whole platform on one machine: services, subgraphs, workers, supergraph, router.

`make dev`, `make demo`, the benchmarks and the end-to-end tests all start this.
"""

import json
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import yaml

from deploy.local.contracts import ContractRouter, audiences, port_key, require_known
from deploy.local.errors import LocalServiceError
from deploy.local.ports import HOST, check_free, free_port, setting_of
from deploy.local.process import ChildProcess, Progress, run, silent
from deploy.local.router import Router
from deploy.local.service import http_status
from deploy.local.stack import Stack
from deploy.local.supergraph import SupergraphServer
from deploy.local.tools import ROOT
from shared.contracts import PATH as CONTRACTS_FILE

DEFAULT_PORTS = {
    "router": 4000,
    "router_admin": 4001,
    "mail_http": 4025,
    "api": 4100,
    "api_admin": 4101,
    "worker_admin": 4102,
    "supergraph": 4103,
    "mail": 11025,
    "stripe": 12111,
    "postgres": 15432,
    "valkey": 16379,
    "dynamodb": 18000,
    "kafka": 19092,
    "s3": 19000,
}
OWN = ("router", "router_admin", "api", "api_admin", "worker_admin", "supergraph")
PROVISION_TIMEOUT = 120
START_TIMEOUT = 60
STATE = "platform.json"


class Platform:
    """Everything, over one folder; `split` runs the workers in a process of their own."""

    def __init__(
        self,
        directory: Path,
        *,
        ports: Mapping[str, int] | None = None,
        durable: bool = True,
        split: bool = False,
        settings: Mapping[str, str] | None = None,
        router_settings: Mapping[str, str] | None = None,
        contracts: Sequence[str] = (),
        progress: Progress = silent,
    ) -> None:
        """Without ports free ones are chosen; `settings` are added to the subgraphs' own.

        Each of `contracts` gets a router of its own; they are named in contracts.yaml, or in the
        CONTRACTS_FILE of the settings.
        """
        self._contracts_file = Path((settings or {}).get("CONTRACTS_FILE", CONTRACTS_FILE))
        require_known(contracts, self._contracts_file)
        self.directory = directory.absolute()
        self.progress = progress
        self.split = split
        given = dict(ports or {})
        own = [*OWN]
        for name in contracts:
            own += [port_key(name), f"{port_key(name)}_admin"]
        self.ports = {key: given.get(key) or free_port() for key in own}
        self.stack = Stack(
            self.directory,
            ports=given,
            durable=durable,
            progress=progress,
            # Installed beside the services, so that composition finds the router's packages.
            alongside=[lambda: self.router.prepare()],
        )
        self.supergraph = SupergraphServer(
            self.directory / "supergraph.graphql", self.ports["supergraph"]
        )
        self._secrets = _secrets(self.directory / "secrets.json")
        self.api_url = f"http://{HOST}:{self.ports['api']}"
        self.router_url = f"http://{HOST}:{self.ports['router']}"
        self.stack.stripe.webhook_url = f"{self.router_url}/webhooks/stripe"
        self.env = {**inherited(), **self._environment(), **(settings or {})}
        self.router = Router(
            self.directory,
            settings={**self._router_environment(), **(router_settings or {})},
            port=self.ports["router"],
            admin_port=self.ports["router_admin"],
            progress=progress,
        )
        self.contract_routers = {name: self.contract_router(name) for name in contracts}
        roles = {"run": "Subgraphs"} if not split else {"serve": "APIs", "worker": "Workers"}
        self.processes = {role: self._process(role, title) for role, title in roles.items()}

    def contract_router(self, name: str, contracts_file: Path | None = None) -> ContractRouter:
        """A router of one contract, not started; its supergraph is `supergraph.file_of(name)`."""
        key = port_key(name)
        return ContractRouter(
            self.directory,
            name,
            settings={
                **self._router_environment(),
                "SUPERGRAPH_URL": self.supergraph.url_of(name),
                "CONTRACTS_FILE": str(contracts_file or self._contracts_file),
            },
            port=self.ports.get(key) or free_port(),
            admin_port=self.ports.get(f"{key}_admin") or free_port(),
            progress=self.progress,
        )

    def _process(self, role: str, title: str) -> ChildProcess:
        admin = self.ports["worker_admin" if role == "worker" else "api_admin"]
        command: list[str | Path] = [sys.executable, "-m", "deploy", role]
        command += ["--admin-port", str(admin)]
        if role != "worker":
            command += ["--port", str(self.ports["api"])]
        return ChildProcess(
            title,
            command,
            log=self.directory / "logs" / f"{role}.log",
            env=self.env,
            cwd=ROOT,
            stop_timeout=35,
        )

    def _environment(self) -> dict[str, str]:
        services = self.stack.env()
        environment = {
            **services,
            "EDTECH_ENV": "development",
            "EDTECH_FOLDER": str(self.directory),
            "KAFKA_REPLICATION_FACTOR": "1",
            "GATEWAY_SECRET": self._secrets["gateway"],
            "SEAL_SECRET": self._secrets["seal"],
            "JWT_ISSUER": self.router_url,
            "JWKS_URL": f"{self.api_url}/identity/.well-known/jwks.json",
            "JWT_AUDIENCE": audiences(self._contracts_file),
            "PUBLIC_URL": "http://localhost:3000",
            "DB_ADMIN_USER": "postgres",
            "IDENTITY_MASTER_KEY": self._secrets["identity_master_key"],
            "IDENTITY_MAIL_FROM": "EdTech <no-reply@edtech.example>",
            # A receiver of webhooks may run beside it.
            "IDENTITY_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
        for name in _subgraphs():
            prefix = name.upper()
            environment |= {
                f"{prefix}_DB_HOST": services["DB_HOST"],
                f"{prefix}_DB_PORT": services["DB_PORT"],
                f"{prefix}_DB_PASSWORD": self._secrets["database"],
                # All subgraphs share one server here.
                f"{prefix}_DB_POOL_MAX": "4",
            }
        return environment

    def _router_environment(self) -> dict[str, str]:
        return {
            "ROUTER_ENV": "development",
            "SUPERGRAPH_URL": self.supergraph.url,
            "SUPERGRAPH_POLL_MS": "1000",
            "SUBGRAPH_BASE_URL": self.api_url,
            "JWKS_URL": self.env["JWKS_URL"],
            "JWT_ISSUER": self.env["JWT_ISSUER"],
            "JWT_AUDIENCE": "graph",
            "GATEWAY_SECRET": self.env["GATEWAY_SECRET"],
            "VALKEY_URL": self.env["VALKEY_URL"],
            "RATE_LIMIT_PER_MINUTE": "100000",
            "RATE_LIMIT_BURST": "10000",
        }

    def start(self) -> None:
        """Start everything; when a part cannot, none is left running. Raises LocalServiceError."""
        wanted = {setting_of(k): (_TITLES.get(k, "Router"), p) for k, p in self.ports.items()}
        check_free(wanted)
        try:
            self.stack.start()
            self.supergraph.start()
            self._provision()
            for process in self.processes.values():
                self.progress(process.name, "starting")
                process.start()
            self.wait_for_subgraphs()
            self.progress("Router", "starting")
            self.router.start()
            for router in self.contract_routers.values():
                router.start()
            self._write_state()
        except BaseException:
            self.stop()
            raise

    def _provision(self) -> None:
        """Databases, topics and supergraph, both at once, each in a process of its own."""
        self.progress("Databases", "migrating")
        migrate = self._command("migrate")
        compose = self._command("schema", "compose", "--to", str(self.supergraph.file))
        for name in self.contract_routers:
            compose.command += ["--contract", name]
        for child in (migrate, compose):
            child.start()
        try:
            migrate.wait(PROVISION_TIMEOUT)
            self.progress("Databases", "ready")
            compose.wait(PROVISION_TIMEOUT)
            self.progress("Supergraph", "composed")
        finally:
            for child in (migrate, compose):
                child.kill()

    def _command(self, *arguments: str) -> ChildProcess:
        return ChildProcess(
            f"edtech {' '.join(arguments[:2])}",
            [sys.executable, "-m", "deploy", *arguments],
            log=self.directory / "logs" / f"{arguments[0]}.log",
            env=self.env,
            cwd=ROOT,
        )

    def run_command(self, *arguments: str) -> None:
        """Run an `edtech` command with the platform's settings. Raises LocalServiceError."""
        child = self._command(*arguments)
        run(
            child.name,
            child.command,
            log=child.log,
            timeout=PROVISION_TIMEOUT,
            env=child.env,
            cwd=child.cwd,
        )

    def wait_for_subgraphs(self) -> None:
        """Until every process says that it is ready."""
        for role, process in self.processes.items():
            admin = self.ports["worker_admin" if role == "worker" else "api_admin"]
            process.wait_until(
                lambda port=admin: http_status(port, "/health/ready") == 200,  # type: ignore[misc]
                START_TIMEOUT,
            )
            self.progress(process.name, "ready")

    def stop(self) -> None:
        """Stop everything in the order of dependence; data stays."""
        (self.directory / STATE).unlink(missing_ok=True)
        for router in (*self.contract_routers.values(), self.router):
            router.stop()
        for process in self.processes.values():
            process.stop()
        self.supergraph.stop()
        self.stack.stop()

    def died(self) -> str | None:
        """One line about a part that ended by itself, or None."""
        for process in self.processes.values():
            if process.pid is None:
                return f"{process.name} ended: {process.last_words()}"
        for router in (self.router, *self.contract_routers.values()):
            if router.pid is None:
                return f"{router.title} ended: {router.last_words()}"
        return self.stack.died()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _write_state(self) -> None:
        own = {k: v for k, v in self.env.items() if os.environ.get(k) != v}
        state = {"pid": os.getpid(), "router": self.router_url, "environment": own}
        path = self.directory / STATE
        path.touch(mode=0o600)
        path.write_text(json.dumps(state))


_TITLES = {
    "router": "Router",
    "router_admin": "Router",
    "api": "Subgraphs",
    "api_admin": "Subgraphs",
    "worker_admin": "Workers",
    "supergraph": "Supergraph",
}


def inherited() -> dict[str, str]:
    """What the platform takes from the caller's environment: no address of other services."""
    kept = {
        "GRAPHQL_COMPILED",
        "GRAPHQL_SAMPLE_EVERY",
        "HOME",
        "LANG",
        "LC_ALL",
        "LOG_LEVEL",
        "PATH",
        "PIP_CERT",
        "SSL_CERT_FILE",
        "TMPDIR",
        "TZ",
    }
    own = tuple(f"{name.upper()}_" for name in _subgraphs())
    return {
        name: value
        for name, value in os.environ.items()
        if name in kept or name.startswith("OTEL_") or (name.startswith(own) and "_DB_" not in name)
    }


def running_environment(directory: Path) -> dict[str, str] | None:
    """The settings of the platform that runs over a folder, or None when none does."""
    try:
        state = json.loads((directory / STATE).read_text())
        alive = Path(f"/proc/{state['pid']}").exists()
    except (OSError, ValueError, KeyError):
        return None
    return {**state["environment"], "ROUTER_URL": state["router"]} if alive else None


def _subgraphs() -> list[str]:
    # Read here and not by schema.registry, which would load every subgraph's code.
    text = (ROOT / "gateway" / "supergraph.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load(text)["subgraphs"])


def _secrets(path: Path) -> dict[str, str]:
    """Secrets of this folder's platform, made once: nothing has a default password."""
    made = {
        "gateway": secrets.token_urlsafe(48),
        "seal": secrets.token_urlsafe(48),
        "database": secrets.token_urlsafe(24),
        "identity_master_key": secrets.token_urlsafe(32) + "=",
    }
    try:
        known: dict[str, str] = json.loads(path.read_text())
        if known.keys() >= made.keys():
            return known
        # Of an older release: what it did not need yet is added.
        made |= known
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    except ValueError:
        raise LocalServiceError(f"{path} is not readable: run `make reset`.") from None
    new = path.with_suffix(f".{os.getpid()}")
    new.touch(mode=0o600)
    new.write_text(json.dumps(made))
    new.rename(path)
    return made
