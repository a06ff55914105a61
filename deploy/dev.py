"""`make dev`: the whole platform on this machine, until Ctrl-C."""

import os
import shutil
import signal
import threading
import time
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table

from deploy.local import tools
from deploy.local.contracts import contracts_from_environment, default_ports
from deploy.local.errors import LocalServiceError
from deploy.local.kafka_install import kafka_home
from deploy.local.platform import DEFAULT_PORTS, Platform, running_environment
from deploy.local.ports import ports_from_environment
from deploy.local.process import Progress
from deploy.local.router import GATEWAY
from deploy.local.tools import ROOT

# Where data, logs and secrets lie; installed tools are in `.local/tools` in any case.
FOLDER = Path(os.environ.get("EDTECH_FOLDER", ROOT / ".local")).absolute()
KEPT = ("tools", "bootstrap.lock")


def first_query() -> str:
    """The query to begin with, which the IDE offers, too."""
    lines = (GATEWAY / "default-query.graphql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


class ProgressTable:
    """What each part is doing, in a table that is drawn anew; plain lines without a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: dict[str, str] = {}
        self._lock = threading.Lock()
        self._live: Live | None = None

    def __enter__(self) -> "ProgressTable":
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=8, transient=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, part: str, message: str) -> None:
        """Say what a part is doing; called from several threads."""
        with self._lock:
            before, self._rows[part] = self._rows.get(part), message
            if self._live is None:
                # A log wants what is done, not how far it is.
                if before is None or before.split(",")[0] != message.split(",")[0]:
                    self._console.print(f"{part}: {message}", highlight=False)
                return
            table = Table.grid(padding=(0, 2))
            for name, text in self._rows.items():
                done = text.startswith(("ready", "composed", "loaded"))
                table.add_row(f"[{'green' if done else 'yellow'}]{name}[/]", text)
            self._live.update(table)


def up(console: Console) -> None:
    """Start, show where everything is, wait. Raises LocalServiceError."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if not stopping.is_set():
            stopping.set()
            raise KeyboardInterrupt

    # Both, also where a shell has started this in the background with SIGINT ignored.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    began = time.monotonic()
    contracts = contracts_from_environment()
    ports = ports_from_environment(DEFAULT_PORTS | default_ports(contracts))
    with ProgressTable(console) as table:
        platform = Platform(FOLDER, ports=ports, contracts=contracts, progress=table.show)
        try:
            platform.start()
            _heed(stopping)
            table.show("Demo data", "loading")
            platform.run_command("local", "seed")
            table.show("Demo data", "loaded")
            _heed(stopping)
        except KeyboardInterrupt:
            platform.stop()
            raise
        except BaseException:
            platform.stop()
            raise
    console.print(_welcome(platform, time.monotonic() - began))
    try:
        while (death := platform.died()) is None:
            _heed(stopping)
            time.sleep(0.5)
        raise LocalServiceError(death)
    finally:
        console.print("Stopping …")
        platform.stop()
        console.print(f"Stopped; the data stays in {platform.directory} (`make reset` removes it).")


def _heed(stopping: threading.Event) -> None:
    """Stop after all when an interrupt came where Python ignores exceptions."""
    if stopping.is_set():
        raise KeyboardInterrupt


def _welcome(platform: Platform, seconds: float) -> Panel:
    table = Table.grid(padding=(0, 2))
    rows = {
        "GraphQL and IDE": f"{platform.router_url}/graphql",
        **{
            f"Contract {name}": f"{router.url}/graphql"
            for name, router in platform.contract_routers.items()
        },
        "Router metrics": f"http://127.0.0.1:{platform.ports['router_admin']}/metrics",
        "Subgraph metrics": f"http://127.0.0.1:{platform.ports['api_admin']}/metrics",
        "Mail catcher": platform.env["MAIL_CATCHER_URL"],
        "Demo accounts": f"admin@edtech.example …, password in {platform.directory}/demo-password",
        "Logs": str(platform.directory / "logs"),
    }
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/]", value)
    table.add_row("", "")
    table.add_row("[bold]Try this[/]", first_query())
    return Panel(table, title=f"EdTech supergraph, up in {seconds:.0f} s; Ctrl-C stops it")


def prepare(progress: Progress) -> None:
    """Install what services and router need, so that tests find it. Raises LocalServiceError."""
    kafka_home(progress)
    tools.dynoxide(progress)
    tools.npm_install(GATEWAY, progress, title="Router")
    tools.npm_install(tools.ROOT / "tests" / "clients", progress, title="Client compilers")


def reset() -> None:
    """Remove the data of `make dev`. Raises LocalServiceError while it runs."""
    if running_environment(FOLDER) is not None:
        raise LocalServiceError("`make dev` is running: stop it first (Ctrl-C in its terminal).")
    for path in FOLDER.glob("*"):
        if path.name not in KEPT:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
