"""All services together: beside each other, after a kill, with one owner per folder."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import psycopg
import pytest

from deploy.local.errors import LocalServiceError
from deploy.local.process import is_running
from deploy.local.stack import Stack, temporary_stack
from deploy.local.tools import ROOT

OWNER = """\
import signal, sys, time
from pathlib import Path
from deploy.local.stack import Stack
stack = Stack(Path(sys.argv[1]))
stack.start()
print(stack.postgres.port, *(service.pid for service in stack.services), flush=True)
time.sleep(600)
"""

NAMES = {
    *("DB_HOST", "DB_PORT", "KAFKA_BROKERS", "VALKEY_URL", "DYNAMODB_ENDPOINT"),
    *("S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"),
    *("SMTP_HOST", "SMTP_PORT", "MAIL_CATCHER_URL"),
    *("STRIPE_API_BASE", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"),
}


def read_line(stream: IO[str] | None) -> list[int]:
    assert stream is not None
    return [int(word) for word in stream.readline().split()]


def insert(port: int, sql: bytes) -> None:
    with psycopg.connect(host="127.0.0.1", port=port, user="postgres") as connection:
        connection.execute(sql)


def test_killed_owner_leaves_no_process_and_its_data_to_the_next(folder: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        port, *pids = read_line(owner.stdout)
        insert(port, b"create table kept as select 42 as n")
        with pytest.raises(LocalServiceError, match=f"is in use by process {owner.pid}: stop"):
            Stack(folder).start()
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        if owner.stdout:
            owner.stdout.close()
    assert len(pids) == 7
    # At once, while the killed one's services may still be ending.
    with Stack(folder) as stack:
        assert [pid for pid in pids if is_running(pid)] == []
        assert set(stack.env()) == NAMES
        assert stack.died() is None
        with psycopg.connect(
            host="127.0.0.1", port=stack.postgres.port, user="postgres"
        ) as connection:
            assert connection.execute("select n from kept").fetchall() == [(42,)]
        # A second one beside it, and what it says when a service ends by itself.
        with temporary_stack() as second:
            assert second.died() is None
            first_ports = {port for s in stack.services for _, port in s.ports.values()}
            second_ports = {port for s in second.services for _, port in s.ports.values()}
            assert len(first_ports | second_ports) == 16
            second.valkey.kill()
            assert str(second.died()).startswith("Valkey has ended: ")
            temporary = second.directory
        assert not temporary.exists()
        running = [service.pid for service in stack.services if service.pid]
        assert len(running) == 7
    assert [pid for pid in running if is_running(pid)] == []


def test_taken_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stack = Stack(tmp_path, ports={"valkey": server.getsockname()[1]})
        with pytest.raises(LocalServiceError, match=r"wanted by Valkey.*EDTECH_VALKEY_PORT"):
            stack.start()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_failure_alongside_stops_what_had_started(folder: Path) -> None:
    def fail() -> None:
        deadline = time.monotonic() + 30
        while stack.valkey.pid is None and time.monotonic() < deadline:
            time.sleep(0.01)
        started.append(stack.valkey.pid)
        raise LocalServiceError("The router could not be installed.")

    started: list[int | None] = []
    stack = Stack(folder, alongside=[fail])
    with pytest.raises(LocalServiceError, match=r"The router could not be installed\."):
        stack.start()
    assert started[0] is not None
    assert [service.pid for service in stack.services] == [None] * 7
