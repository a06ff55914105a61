"""What every embedded service has in common: a port, a folder, a child process."""

import http.client
import signal
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from deploy.local.errors import LocalServiceError
from deploy.local.ports import HOST, check_free, free_port, setting_of
from deploy.local.process import ChildProcess, Progress, silent


class Service:
    """One embedded service in its own folder; subclasses say how it is prepared and run."""

    key: ClassVar[str]
    """The name of its module, folder, log and port setting."""
    title: str
    """The name that people read."""
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_timeout: ClassVar[float] = 60.0

    keep_open: Sequence[int] = ()
    """File descriptors that the child inherits (see stack.py)."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        progress: Progress = silent,
    ) -> None:
        """Use `directory/<key>`; without a port a free one is chosen."""
        self.directory = directory.absolute() / self.key
        self.log = directory.absolute() / "logs" / f"{self.key}.log"
        self.port = port or free_port()
        self.progress = progress
        self._process: ChildProcess | None = None
        self._cancelled = threading.Event()

    @property
    def ports(self) -> dict[str, tuple[str, int]]:
        """The ports it listens on, as `check_free` wants them."""
        return {setting_of(self.key): (self.title, self.port)}

    @property
    def pid(self) -> int | None:
        """The pid of the running service, or None."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Prepare and start the service; returns when it answers. Raises LocalServiceError."""
        if self.pid is not None:
            return
        began = time.monotonic()
        self._cancelled.clear()
        check_free(self.ports)
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            self.prepare()
            self.progress(self.title, "starting")
            process = self._child()
            self._process = process
            process.start()
            if self._cancelled.is_set():
                raise LocalServiceError(f"{self.title} was stopped while it started.")
            process.wait_until(self.is_ready, self.start_timeout)
        except BaseException:
            self.kill()
            raise
        self.progress(self.title, f"ready in {time.monotonic() - began:.1f} s")

    def stop(self) -> None:
        """End the service in order; its data stays."""
        self._cancelled.set()
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """End the service as a power cut would (SIGKILL)."""
        self._cancelled.set()
        if self._process:
            self._process.kill()

    def restart(self) -> None:
        """Stop in order and start again on the same port and data."""
        self.stop()
        self.start()

    def last_words(self) -> str:
        """The last lines of its log, for an error message."""
        return self._process.last_words() if self._process else "it was never started"

    def env(self) -> dict[str, str]:
        """The settings by which a client finds this service."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Install tools and create data, once."""

    def command(self) -> list[str | Path]:
        """The program and its arguments."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Say whether the started service answers."""
        return accepts(self.port)

    def _child(self) -> ChildProcess:
        return ChildProcess(
            self.title,
            self.command(),
            log=self.log,
            stop_signal=self.stop_signal,
            keep_open=self.keep_open,
        )


def accepts(port: int) -> bool:
    """Say whether something accepts connections on this loopback port."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def http_status(port: int, path: str) -> int | None:
    """Ask a loopback server for a page and return the status, or None when it does not answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
