"""The DynamoDB API from dynoxide, an npm package that carries one SQLite-backed binary."""

from pathlib import Path

from deploy.local import tools
from deploy.local.ports import HOST
from deploy.local.service import Service


class DynamoDB(Service):
    """One DynamoDB endpoint; any region and any key pair are accepted."""

    key = "dynamodb"
    title = "DynamoDB"

    _binary: Path

    def env(self) -> dict[str, str]:
        """The endpoint."""
        return {"DYNAMODB_ENDPOINT": f"http://{HOST}:{self.port}"}

    def prepare(self) -> None:
        """Install the binary."""
        self._binary = tools.dynoxide(self.progress)

    def command(self) -> list[str | Path]:
        """The server with its tables in one file."""
        return [
            self._binary,
            *("--host", HOST),
            *("--port", str(self.port)),
            *("--db-path", self.directory / "tables.sqlite"),
        ]
