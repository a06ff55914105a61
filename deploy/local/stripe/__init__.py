"""A simulated payment provider: the part of Stripe's API that the platform uses, over HTTP.

It keeps its books in SQLite, sends signed notifications, and has a control API under `/_test/` by
which tests and the demo act as payer, bank and provider. Every API key has books of its own. Run as
`python -m deploy.local.stripe PORT FOLDER [WEBHOOK_URL [HOST [SECRET]]]`.
"""

import sys
from pathlib import Path

from deploy.local import tools
from deploy.local.ports import HOST
from deploy.local.process import ChildProcess, Progress, silent
from deploy.local.service import Service, http_status

API_KEY = "sk_test_local"
WEBHOOK_SECRET = "whsec_of_the_simulated_provider"  # noqa: S105 - it guards simulated money


class Stripe(Service):
    """One simulated provider on one HTTP port."""

    key = "stripe"
    title = "Payment provider"

    def __init__(
        self, directory: Path, *, port: int | None = None, progress: Progress = silent
    ) -> None:
        """`webhook_url` is where notifications go; without one they wait to be fetched."""
        super().__init__(directory, port=port, progress=progress)
        self.webhook_url: str | None = None

    def env(self) -> dict[str, str]:
        """Where the provider is, and its secrets."""
        return {
            "STRIPE_API_BASE": f"http://{HOST}:{self.port}",
            "STRIPE_API_KEY": API_KEY,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        }

    def command(self) -> list[str | Path]:
        """This package as a program."""
        command: list[str | Path] = [sys.executable, "-m", "deploy.local.stripe", str(self.port)]
        command.append(self.directory)
        if self.webhook_url is not None:
            command.append(self.webhook_url)
        return command

    def is_ready(self) -> bool:
        """Say whether it answers."""
        return http_status(self.port, "/health") == 200

    def _child(self) -> ChildProcess:
        return ChildProcess(
            self.title, self.command(), log=self.log, cwd=tools.ROOT, keep_open=self.keep_open
        )
