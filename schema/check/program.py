"""`gateway/check.mjs` as a process: a request in, an answer out, as often as it is asked."""

import json
import subprocess
import tempfile
from threading import Event, Lock, Timer
from typing import IO, Any, Self

from schema.check.findings import InputError, TimedOut
from schema.compose import CompositionError, node, node_environment
from schema.registry import ROOT

# Composition makes much that is soon forgotten: with more room for it, it takes half the time.
_SETTINGS = ("--max-semi-space-size=64",)
_GOODBYE_SECONDS = 5.0


class Program:
    """Starts with the first request, and anew with the next one after a failure or a timeout."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, request: dict[str, Any], *, timeout: float) -> Any:
        """One answer. Raises InputError and TimedOut; either way the process has ended."""
        with self._lock:
            answered = False
            try:
                answer = self._answer(request, timeout)
                answered = True
            finally:
                # Also when the caller was interrupted: half an answer may be on its way.
                if not answered:
                    self._end(kill=True)
            return answer

    def close(self) -> None:
        """End the process, which has nothing left to do."""
        with self._lock:
            self._end(kill=False)

    def _answer(self, request: dict[str, Any], timeout: float) -> Any:
        process = self._process or self._start()
        assert process.stdin is not None  # noqa: S101 - narrows the type
        assert process.stdout is not None  # noqa: S101 - narrows the type
        late = Event()

        def end() -> None:
            late.set()
            process.kill()

        # Whether it does not read, does not think to an end or does not write: time is up.
        clock = Timer(max(timeout, 0.001), end)
        clock.start()
        try:
            # Without characters beyond ASCII, of which JavaScript takes some for ends of lines.
            process.stdin.write(json.dumps(request, ensure_ascii=True) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            clock.cancel()
            clock.join()
        if late.is_set():
            raise TimedOut("Composition and comparison did not end in time.")
        if not line.endswith("\n"):
            raise InputError(f"gateway/check.mjs failed: {self._reason()}")
        return json.loads(line)

    def _start(self) -> subprocess.Popen[str]:
        if not (ROOT / "gateway" / "node_modules").is_dir():
            raise InputError("The router's packages are not installed: run `make schema-check`.")
        try:
            program = node()
        except CompositionError as error:
            raise InputError(str(error)) from None
        # A file never fills up as a pipe does that nobody reads.
        self._errors = tempfile.TemporaryFile(  # noqa: SIM115 - closed with the process
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [program, *_SETTINGS, ROOT / "gateway" / "check.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=node_environment(),
            encoding="utf-8",
        )
        return self._process

    def _reason(self) -> str:
        if self._process is None or self._errors is None:
            return "no reason"
        self._process.wait()
        self._errors.seek(0)
        lines = [line for line in self._errors if "Error" in line]
        return (lines or ["no reason"])[0].strip()

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is not None:
            if kill:
                process.kill()
            try:
                # Closes its input, at whose end it ends.
                process.communicate(timeout=_GOODBYE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        if self._errors is not None:
            self._errors.close()
            self._errors = None


def run(request: dict[str, Any], *, timeout: float) -> Any:
    """The answer of a process of its own. Raises InputError and TimedOut."""
    with Program() as program:
        return program.ask(request, timeout=timeout)
