"""TCP ports of the embedded services: chosen, checked, and named when they are taken."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from deploy.local.errors import LocalServiceError

HOST = "127.0.0.1"

_given: set[int] = set()


def is_free(port: int) -> bool:
    """Say whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Choose a free port that no other process of ours is given, nor an outgoing connection."""
    # Below the range from which the kernel picks the local ports of outgoing connections: a port
    # chosen inside it could be gone before the service has bound it.
    highest = _first_ephemeral_port() - 1
    for _ in range(1000):
        port = random.randint(min(15_000, highest - 1000), highest)  # noqa: S311 - not a secret
        if port not in _given and is_free(port) and _reserve(port):
            _given.add(port)
            return port
    raise LocalServiceError("No free TCP port was found on 127.0.0.1: stop some programs.")


def check_free(wanted: Mapping[str, tuple[str, int]]) -> None:
    """Refuse ports that are taken or given twice. Keys are settings, values (service, port)."""
    users: dict[int, str] = {}
    for setting, (service, port) in wanted.items():
        if port in users:
            raise LocalServiceError(
                f"{service} and {users[port]} were both given port {port}:"
                f" set {setting} to another port."
            )
        users[port] = service
        if not is_free(port):
            raise LocalServiceError(
                f"Port {port}, wanted by {service}, is taken by another program:"
                f" stop that program or set {setting} to another port."
            )


def setting_of(key: str) -> str:
    """Name the environment variable that moves a service to another port."""
    return f"EDTECH_{key.upper()}_PORT"


def ports_from_environment(defaults: Mapping[str, int]) -> dict[str, int]:
    """Give each service its default port, or the one that EDTECH_<SERVICE>_PORT asks for."""
    ports = {}
    for key, default in defaults.items():
        text = os.environ.get(setting_of(key), str(default))
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
            raise LocalServiceError(
                f"{setting_of(key)} is {text!r}: it must be a port between 1 and 65535."
            )
        ports[key] = int(text)
    return ports


def _reserve(port: int) -> bool:
    """Keep other processes of this user from choosing a port, as long as this one lives.

    A port is chosen seconds before its service listens: a suite beside this one would take it.
    """
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _reservations() -> int:
    """One byte for each port; a lock goes with its process, so the file is never closed."""
    path = Path(tempfile.gettempdir()) / f"edtech-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _first_ephemeral_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
