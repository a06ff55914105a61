"""Execution behind HTTP: CPU of each server per request, one server at a time under load."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.bench.executor.alone import CACHES, COMPILED, NODE, PLAIN, SCRIPT, node_environment
from deploy.bench.executor.cases import CASES, Case
from deploy.bench.http_load import Plan, http_request, run_apart
from deploy.bench.meters import cpu_seconds
from deploy.local.ports import free_port
from deploy.local.process import ChildProcess
from deploy.local.service import accepts
from deploy.local.tools import ROOT, node

CONNECTIONS = 16
_KINDS = {COMPILED: "compiled", PLAIN: "plain", CACHES: "caches"}


@dataclass(frozen=True)
class Sample:
    """One case at one server in one round."""

    cpu: float  # µs per request
    per_second: float


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    pid: int


Samples = dict[str, list[list[Sample]]]  # by executor, case and round


@contextmanager
def servers() -> Iterator[dict[str, Server]]:
    """One of each kind, in processes of their own."""
    with tempfile.TemporaryDirectory(prefix="edtech-bench-") as folder, ExitStack() as stack:
        found = {}
        for name in (*_KINDS, NODE):
            port = free_port()
            python = [sys.executable, "-m", "deploy.bench.executor.server"]
            command: list[str | Path] = (
                [node(), SCRIPT, "serve", str(port)]
                if name == NODE
                else [*python, _KINDS[name], str(port)]
            )
            env = node_environment() if name == NODE else dict(os.environ)
            log = Path(folder) / f"{port}.log"
            child = ChildProcess(name, command, log=log, env=env, cwd=ROOT)
            child.start()
            stack.callback(child.stop)
            child.wait_until(lambda port=port: accepts(port), 30)  # type: ignore[misc]
            found[name] = Server(port, child.pid or 0)
        yield found


def measure(rounds: int, seconds: float, show: Callable[[str], None]) -> Samples:
    """All cases at all servers, round by round. Raises when two servers answer differently."""
    with servers() as running, httpx.Client(trust_env=False, timeout=30) as client:
        answers = [_answer(client, running, case) for case in CASES]
        found: Samples = {name: [[] for _ in CASES] for name in running}
        for number in range(rounds + 1):
            show(f"HTTP, round {number}" if number else "HTTP, warming up")
            for name, server in running.items():
                for at, case in enumerate(CASES):
                    sample = _sample(name, server, case, answers[at], seconds)
                    if number > 0:
                        found[name][at].append(sample)
        return found


def _answer(client: httpx.Client, running: dict[str, Server], case: Case) -> str:
    """What all of them answer, byte for byte."""
    texts = {
        name: client.post(
            f"http://127.0.0.1:{server.port}/",
            content=case.body(),
            headers={"content-type": "application/json"},
        ).text
        for name, server in running.items()
    }
    if len(set(texts.values())) != 1 or '"data":{' not in texts[COMPILED]:
        raise ValueError(f"{case.name}: the servers answer differently: {texts}")
    return texts[COMPILED]


def _sample(name: str, server: Server, case: Case, answer: str, seconds: float) -> Sample:
    request = http_request("/", case.body(), [])
    plan = Plan(name, "127.0.0.1", server.port, [(request, answer)], CONNECTIONS, seconds, 100_000)
    before = cpu_seconds(server.pid)
    seen = run_apart(plan)
    spent = cpu_seconds(server.pid) - before
    count = len(seen.latencies)
    return Sample(1_000_000 * spent / count, count / seen.seconds)
