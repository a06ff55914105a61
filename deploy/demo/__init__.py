"""`edtech demo`: the journeys of tutors and students, each operation shown with its answer.

Everything goes through the router, as from a web app; links are taken from the mail catcher.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx
from rich.console import Console
from rich.panel import Panel

from deploy.demo import course, lesson
from deploy.demo.journey import Journey, Refused
from deploy.demo.lesson import Backstage
from deploy.dev import FOLDER, ProgressTable
from deploy.local.errors import LocalServiceError
from deploy.local.platform import Platform, inherited, running_environment
from deploy.local.tools import ROOT
from deploy.market import Bank, TimeMachine

__all__ = ["Journey", "backstage_of", "run"]


def run(console: Console) -> None:
    """Walk them on the running `make dev`, else on services of the demo's own.

    Raises LocalServiceError.
    """
    running = running_environment(FOLDER)
    if running is not None:
        _walk(running["ROUTER_URL"], running, console)
        return
    console.print("`make dev` is not running: starting services of the demo's own.")
    with tempfile.TemporaryDirectory(prefix="edtech-demo-") as folder:
        with ProgressTable(console) as table:
            platform = Platform(Path(folder), progress=table.show)
            platform.start()
        try:
            _walk(platform.router_url, platform.env, console)
        finally:
            platform.stop()


def backstage_of(environment: Mapping[str, str]) -> Backstage:
    """Bank, clock and operator of a local platform, by its settings."""

    def promote(email: str) -> None:
        command = [sys.executable, "-m", "deploy", "grant-admin", email]
        variables = {**inherited(), **environment}
        done = subprocess.run(
            command,
            env=variables,
            cwd=ROOT,
            timeout=60,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Refused(done.stderr.strip() or "grant-admin failed")

    return Backstage(Bank.of(environment), TimeMachine(environment), promote)


def _walk(router: str, environment: Mapping[str, str], console: Console) -> None:
    journey = Journey(router, environment["MAIL_CATCHER_URL"], console)
    try:
        course.walk(journey)
        lesson.walk(journey, backstage_of(environment))
    except (Refused, httpx.HTTPError) as error:
        raise LocalServiceError(f"The demo stopped: {error}") from error
    finally:
        journey.close()
    console.print(Panel("Both journeys went through the router.", border_style="green"))
