"""Ports: chosen free, refused when taken, moved by the environment."""

import random
import socket
import subprocess
import sys

import pytest

from deploy.local.errors import LocalServiceError
from deploy.local.ports import check_free, free_port, is_free, ports_from_environment


def test_chosen_ports_differ_and_are_free() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(is_free(port) for port in ports)


def test_port_given_to_another_process_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    choose = "from deploy.local.ports import free_port; print(free_port(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", choose], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        assert is_free(theirs)
        offered, choose_any = [theirs], random.randint
        monkeypatch.setattr(
            random, "randint", lambda *range_: offered.pop() if offered else choose_any(*range_)
        )
        assert free_port() != theirs
        assert not offered
        other.stdin.close()


def test_taken_port_is_refused_with_its_service_and_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalServiceError) as caught:
            check_free({"EDTECH_VALKEY_PORT": ("Valkey", port)})
    assert str(caught.value) == (
        f"Port {port}, wanted by Valkey, is taken by another program:"
        " stop that program or set EDTECH_VALKEY_PORT to another port."
    )


def test_one_port_for_two_services_is_refused() -> None:
    port = free_port()
    with pytest.raises(LocalServiceError, match=f"S3 and Valkey were both given port {port}"):
        check_free({"EDTECH_VALKEY_PORT": ("Valkey", port), "EDTECH_S3_PORT": ("S3", port)})


def test_environment_moves_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDTECH_MAIL_HTTP_PORT", "8123")
    monkeypatch.delenv("EDTECH_KAFKA_PORT", raising=False)
    assert ports_from_environment({"mail_http": 8025, "kafka": 9092}) == {
        "mail_http": 8123,
        "kafka": 9092,
    }


@pytest.mark.parametrize("text", ["", "x", "0", "65536", "-1", "8000 "])
def test_malformed_port_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("EDTECH_KAFKA_PORT", text)
    with pytest.raises(LocalServiceError, match=r"EDTECH_KAFKA_PORT is .* between 1 and 65535"):
        ports_from_environment({"kafka": 9092})
