"""The S3 API from `rclone serve s3`, over a plain folder: a bucket is a folder, a key a file.

It verifies signatures, presigned ones too, but neither checks upload checksums nor keeps object
metadata over a restart.
"""

import os
import shutil
import sys
from pathlib import Path

from deploy.local.errors import LocalServiceError
from deploy.local.ports import HOST
from deploy.local.process import ChildProcess
from deploy.local.service import Service, http_status

ACCESS_KEY = "local-access-key"
SECRET_KEY = "local-secret-key"  # noqa: S105 - guards nothing but this folder on the loopback


class S3(Service):
    """One S3 endpoint; the region does not matter."""

    key = "s3"
    title = "S3"

    def env(self) -> dict[str, str]:
        """Endpoint and key pair."""
        return {
            "S3_ENDPOINT": f"http://{HOST}:{self.port}",
            "S3_ACCESS_KEY": ACCESS_KEY,
            "S3_SECRET_KEY": SECRET_KEY,
        }

    @property
    def buckets(self) -> Path:
        """The folder that holds the buckets."""
        return self.directory / "buckets"

    def prepare(self) -> None:
        """Create the folder of the buckets."""
        self.buckets.mkdir(exist_ok=True)

    def command(self) -> list[str | Path]:
        """The server, independent of any rclone configuration of the user."""
        return [
            _rclone(),
            *("serve", "s3", self.buckets),
            *("--addr", f"{HOST}:{self.port}"),
            *("--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"),
            *("--allow-origin", "*"),
            *("--config", ""),
            *("--cache-dir", self.directory / "cache"),
            # The bucket folder has no other writer, but each start must see the last one's files.
            *("--dir-cache-time", "5s"),
            *("--log-level", "NOTICE"),
        ]

    def is_ready(self) -> bool:
        """Say whether it answers, be it with a refusal."""
        return http_status(self.port, "/") is not None

    def _child(self) -> ChildProcess:
        environment = {n: v for n, v in os.environ.items() if not n.startswith("RCLONE_")}
        return ChildProcess(
            self.title, self.command(), log=self.log, env=environment, keep_open=self.keep_open
        )


def _rclone() -> Path:
    beside_python = Path(sys.executable).parent / "rclone"
    if beside_python.exists():
        return beside_python
    found = shutil.which("rclone")
    if found is None:
        raise LocalServiceError("rclone is not installed: run `python3 deploy/bootstrap.py`.")
    return Path(found)
