"""`make dev` as a newcomer meets it, and the README's query with the answer it promises."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from deploy.dev import first_query
from deploy.local.contracts import DEFAULT, default_ports
from deploy.local.platform import DEFAULT_PORTS
from deploy.local.ports import free_port, setting_of
from deploy.local.tools import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1].strip()


@pytest.fixture
def environment_of_a_newcomer(tmp_path: Path) -> dict[str, str]:
    keys = DEFAULT_PORTS | default_ports([DEFAULT])
    ports = {setting_of(key): str(free_port()) for key in keys}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | ports | {"EDTECH_FOLDER": str(tmp_path / "local")}


@contextmanager
def started(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`edtech local up`; it ends with the block, whatever fails there."""
    with subprocess.Popen(
        [sys.executable, "-m", "deploy", "local", "up"],
        env=environment,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                interrupt(process)


def read_until(process: subprocess.Popen[str], is_last: Callable[[str], bool]) -> str:
    """What is printed up to a line."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if is_last(line):
            return "".join(lines)
    raise AssertionError("".join(lines))


def wait_until_up(process: subprocess.Popen[str]) -> str:
    """What was printed until the summary stood there."""
    return read_until(process, lambda line: line.startswith("╰"))


def interrupt(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGINT)
    sys.stdout.write(process.communicate(timeout=60)[0] or "")
    # As a shell shows it: an interrupt while the interpreter still starts ends it by the signal.
    return 128 + signal.SIGINT if process.returncode == -signal.SIGINT else process.returncode


def living(folder: str) -> list[str]:
    """Command lines of processes that belong to a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            text = path.read_bytes() + path.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if folder.encode() in text and int(path.parent.name) != os.getpid():
            found.append(path.with_name("cmdline").read_bytes().decode().replace("\0", " "))
    return found


def interrupt_at(sign: str, environment: dict[str, str]) -> None:
    """Start, and stop at a line of progress; nothing is left."""
    with started(environment) as process:
        read_until(process, lambda line: sign in line)
        assert interrupt(process) == 130
    # The folder stands in the environment of everything that was started.
    assert living(environment["EDTECH_FOLDER"]) == []


def test_readme_shows_the_query_that_is_printed() -> None:
    assert block("graphql") == first_query()


def test_newcomer_interrupts_starts_again_and_gets_the_answer_of_the_readme(
    environment_of_a_newcomer: dict[str, str],
) -> None:
    interrupt_at("Databases: migrating", environment_of_a_newcomer)
    router = f"http://127.0.0.1:{environment_of_a_newcomer['EDTECH_ROUTER_PORT']}"

    def answer() -> object:
        return httpx.post(
            f"{router}/graphql", json={"query": block("graphql")}, timeout=20, trust_env=False
        ).json()

    with started(environment_of_a_newcomer) as dev:
        printed = wait_until_up(dev)
        assert f"{router}/graphql" in printed
        assert "searchCourses" in printed
        assert answer() == json.loads(block("json"))
        assert interrupt(dev) == 130
    assert living(environment_of_a_newcomer["EDTECH_FOLDER"]) == []


def test_taken_port_is_one_line_and_starts_nothing(
    environment_of_a_newcomer: dict[str, str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started(environment_of_a_newcomer | {"EDTECH_ROUTER_PORT": str(port)}) as process:
            output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
    [line] = output.strip().splitlines()
    assert str(port) in line
    assert "EDTECH_ROUTER_PORT" in line
    assert living(environment_of_a_newcomer["EDTECH_FOLDER"]) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "sign", ["starting", "ready", "Supergraph: composed", "Router: starting", "Demo data: loading"]
)
def test_interrupt_at_any_moment_leaves_nothing_and_the_next_start_works(
    sign: str, environment_of_a_newcomer: dict[str, str]
) -> None:
    interrupt_at(sign, environment_of_a_newcomer)
    with started(environment_of_a_newcomer) as again:
        wait_until_up(again)
        assert interrupt(again) == 130
