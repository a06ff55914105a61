"""One supervised child process: it dies with its parent, and says why when it dies alone."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from deploy.local.errors import LocalServiceError

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_LIMIT = 20_000_000
POLL = 0.02

Progress = Callable[[str, str], None]
"""Told (service, what it is doing now); called from several threads."""


def silent(_service: str, _message: str) -> None:
    """Show no progress."""


class ChildProcess:
    """A program under supervision; its output goes to a log file.

    The child gets `stop_signal` from the kernel when this process ends, even by kill -9. It has a
    session of its own, so Ctrl-C in the terminal reaches only us and we stop it in order.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: tuple[int, int] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_timeout: float = 10.0,
        keep_open: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.env = dict(os.environ if env is None else env)
        self.cwd = cwd
        self.user = user or (os.geteuid(), os.getegid())
        self.stop_signal = stop_signal
        self.stop_timeout = stop_timeout
        self.keep_open = tuple(keep_open)
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The pid of the running child, or None."""
        popen = self._popen
        return popen.pid if popen and not _has_ended(popen.pid) else None

    def start(self) -> None:
        """Start the program; use `wait_until` to learn whether it works."""
        if self.pid is not None:
            raise LocalServiceError(f"{self.name} runs already (pid {self.pid}).")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            arguments = [
                *(sys.executable, "-I", "-S", str(LAUNCHER)),
                *(str(int(self.stop_signal)), str(os.getpid()), *map(str, self.user)),
                *self.command,
            ]
            # The kernel's death signal follows the thread that forked, so that must be one that
            # lives as long as the process, not the caller's.
            self._popen = (
                _forker(os.getpid())
                .submit(
                    lambda: subprocess.Popen(
                        arguments,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        env=self.env,
                        cwd=self.cwd,
                        start_new_session=True,
                        pass_fds=self.keep_open,
                    )
                )
                .result()
            )

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Wait until `ready()`; a death or `timeout` seconds raise with the last log lines."""
        deadline = time.monotonic() + timeout
        while not ready():
            if self.pid is None:
                raise LocalServiceError(f"{self.name} ended at once: {self.last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise LocalServiceError(
                    f"{self.name} was not ready after {timeout:.0f} s: {self.last_words()}"
                )
            time.sleep(POLL)

    def wait(self, timeout: float) -> None:
        """Wait for the program's own end; anything but exit code 0 raises."""
        if not self._ends_within(timeout):
            self.kill()
            raise LocalServiceError(
                f"{self.name} did not end within {timeout:.0f} s: {self.last_words()}"
            )
        code = self.kill()
        if code != 0:
            raise LocalServiceError(f"{self.name} failed (exit {code}): {self.last_words()}")

    def stop(self) -> None:
        """Ask the program to end, and kill it when it has not after `stop_timeout` seconds."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, self.stop_signal)
            self._ends_within(self.stop_timeout)
        self.kill()

    def kill(self) -> int | None:
        """Kill the program and what is left of its session with SIGKILL; returns its exit code."""
        popen, self._popen = self._popen, None
        if popen is None:
            return None
        # The leader has not been reaped yet, so the number cannot belong to somebody else.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
        return popen.wait()

    def restart(self) -> None:
        """Stop and start the same program again."""
        self.stop()
        self.start()

    def _ends_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True

    def output(self) -> str:
        """What the program has written since its last start."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def last_words(self) -> str:
        """The last three lines that the program wrote, on one line, and where to read more."""
        lines = [line.strip() for line in self.output().splitlines() if line.strip()]
        return f"{' | '.join(lines[-3:]) or 'it wrote nothing'} (log: {self.log})"[-900:]


def run(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: tuple[int, int] | None = None,
) -> None:
    """Run a program to its end; it dies with this process, and a failure raises its last words."""
    child = ChildProcess(name, command, log=log, env=env, cwd=cwd, user=user)
    try:
        child.start()
        child.wait(timeout)
    finally:
        child.kill()


def is_running(pid: int) -> bool:
    """Say whether a process has this pid; one that has ended but was not reaped does not count."""
    try:
        # The state follows the program's name, which stands in parentheses and may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _has_ended(pid: int) -> bool:
    """Say whether our child has ended, without reaping it: its pid stays ours until `kill`."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


@cache
def _forker(_pid: int) -> ThreadPoolExecutor:
    """Give this process its forking thread; the pid keeps a forked copy from inheriting it."""
    return ThreadPoolExecutor(1, thread_name_prefix="forker")
