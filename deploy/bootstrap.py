"""Turn a bare checkout into a working .venv; does nothing when there is nothing to do.

Run by `make` before every target as `python3 deploy/bootstrap.py`. It uses the standard library
only and parses on Python 3.6, so that an old Python gets one clear line.

Exit codes: 0 ready, 2 malformed setting, 3 unsuitable machine or Python, 4 too little disk,
5 packages could not be installed, 130 interrupted.
"""

import os
import sys

OLDEST = (3, 11)
MACHINE, DISK, INSTALL, SETTING, INTERRUPTED = 3, 4, 5, 2, 130

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, ".stamp")
UV_LOCK = os.path.join(ROOT, "requirements", "uv.txt")
DEV_LOCK = os.path.join(ROOT, "requirements", "dev.txt")

LAYOUT = "3"  # Raise it when this file makes a .venv that older ones must be replaced by.

OLDEST_GLIBC = (2, 28)

COMMAND = """\
#!/bin/sh
''':'
exec "$(dirname "$0")/python" "$0" "$@"
'''
# The lines above let the shell find the Python beside this file, wherever the checkout lies.
from deploy.__main__ import run

run()
"""


def leave_old_python() -> None:
    """Become a newer Python when the PATH has one, else end with one line."""
    import shutil
    import subprocess

    for name in ("python3.13", "python3.12", "python3.11", "python3.14"):
        newer = shutil.which(name)
        # Asked first, since a version manager's stand-in may have no such Python behind it.
        if newer and subprocess.call([newer, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(newer, [newer, os.path.abspath(__file__), *sys.argv[1:]])  # noqa: S606
    print(
        f"Set-up failed: this is Python {sys.version_info[0]}.{sys.version_info[1]} and"
        f" {OLDEST[0]}.{OLDEST[1]} or newer is needed: install one, then run"
        " `make PYTHON=/path/to/python3.11` with the same target.",
        file=sys.stderr,
    )
    sys.exit(MACHINE)


if sys.version_info < OLDEST:
    leave_old_python()  # Nothing below need run on an old Python, only be parsed by it.

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"


class SetupError(Exception):
    """Set-up cannot go on; carries one line for the user and the exit code."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(line)
        self.code = code


def main() -> int:
    """Bring .venv up to date and return the exit code."""
    try:
        if read_stamp() != wanted_stamp():
            check_machine()
            set_up()
    except SetupError as error:
        print(f"Set-up failed: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("Set-up was interrupted: run the same command again.", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        print(
            f"Set-up failed: {error.strerror or error} ({error.filename or ROOT}):"
            " free some space or check the permissions, then run it again.",
            file=sys.stderr,
        )
        return DISK
    return 0


def wanted_stamp() -> list[str]:
    """Describe the .venv that belongs here: made by what and where, and out of which packages."""
    import hashlib

    packages = hashlib.sha256()
    for path in (UV_LOCK, DEV_LOCK):
        with open(path, "rb") as file:
            packages.update(file.read())
    return [f"{LAYOUT} {PYTHON} {ROOT}", packages.hexdigest()]


def read_stamp() -> list[str] | None:
    """Read how .venv was made; None when there is no whole one."""
    if not os.path.exists(os.path.join(VENV, "bin", "python")):  # Also a link to nowhere.
        return None
    try:
        with open(STAMP, encoding="utf-8") as file:
            return file.read().splitlines()
    except OSError:
        return None


def check_machine() -> None:
    """Refuse a machine on which the set-up could not succeed, before anything is touched."""
    import importlib.util
    import platform
    import shutil

    system, machine = platform.system(), platform.machine()
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):
        libc = ""
    version = tuple(int(part) for part in libc.replace("glibc ", "").split(".") if part.isdigit())
    if system != "Linux" or machine not in ("x86_64", "AMD64") or version < OLDEST_GLIBC:
        raise SetupError(
            MACHINE,
            "the embedded services need Linux x86-64 with glibc"
            f" {OLDEST_GLIBC[0]}.{OLDEST_GLIBC[1]} or newer, this is {system} {machine}"
            f" {libc or 'without glibc'}: use `docker compose -f deploy/compose.yaml up` instead.",
        )
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise SetupError(
                MACHINE,
                f"this Python has no {module} module: install it"
                f" (Debian, Ubuntu: `sudo apt install {PYTHON}-venv`).",
            )
    text = os.environ.get("EDTECH_MIN_FREE_GB", "4")
    try:
        needed = float(text)
    except ValueError:
        raise SetupError(SETTING, f"EDTECH_MIN_FREE_GB is {text!r}: it must be a number.") from None
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < needed:
        raise SetupError(
            DISK,
            f"{free:.1f} GB are free in {ROOT} and {needed:.1f} GB are needed: free some space"
            " (EDTECH_MIN_FREE_GB sets another limit).",
        )


def set_up() -> None:
    """Make or repair .venv; only one process does so at a time."""
    import fcntl

    os.makedirs(os.path.join(ROOT, ".local"), exist_ok=True)
    with open(os.path.join(ROOT, ".local", "bootstrap.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another set-up of this checkout to end ...", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        had, wanted = read_stamp(), wanted_stamp()
        if had != wanted:
            Setup(lock.fileno()).run(had, wanted)


class Setup:
    """One set-up: its steps in order, each announced with the seconds since the first."""

    def __init__(self, lock: int) -> None:
        import time

        self.clock = time.monotonic
        self.began = self.clock()
        # Programs that we start inherit the lock: killed with -9, we leave it to them.
        self.lock = lock
        self.python = os.path.join(VENV, "bin", "python")

    def run(self, had: list[str] | None, wanted: list[str]) -> None:
        """Make .venv as wanted; the stamp comes off first and goes on last."""
        if had is not None:
            os.remove(STAMP)
        # Without a stamp an earlier run may have been killed at any point: begin anew.
        if had is None or had[0] != wanted[0]:
            self.make_venv()
        self.install_packages()
        self.make_importable()
        with open(STAMP + ".new", "w", encoding="utf-8") as file:
            file.write("\n".join(wanted) + "\n")
        os.replace(STAMP + ".new", STAMP)
        self.say("ready")

    def make_venv(self) -> None:
        """Create an empty .venv that holds pip and the locked uv."""
        import shutil

        self.say(f"creating .venv with {PYTHON}")
        if os.path.lexists(VENV):
            self.say("removing the .venv that is there: it is incomplete or was made elsewhere")
        if os.path.islink(VENV) or os.path.isfile(VENV):
            os.remove(VENV)
        elif os.path.exists(VENV):
            shutil.rmtree(VENV)
        # `make` may run inside the very .venv that was just removed.
        base = getattr(sys, "_base_executable", None) or sys.executable
        self.call([base, "-m", "venv", VENV], "creating .venv")
        self.say("installing uv")
        self.call(
            [
                *(self.python, "-m", "pip", "install", "--quiet", "--no-input", "--retries", "2"),
                *("--disable-pip-version-check", "--require-hashes", "-r", UV_LOCK),
            ],
            "installing uv",
        )

    def install_packages(self) -> None:
        """Make the installed packages exactly those of the lock file."""
        self.say("installing the locked packages")
        # On a terminal uv shows its own progress bar, and its own words when it fails.
        self.call(
            [
                *(os.path.join(VENV, "bin", "uv"), "pip", "sync", "--python", self.python),
                *("--require-hashes", DEV_LOCK),
            ],
            "installing the locked packages",
            show=sys.stderr.isatty(),
        )

    def make_importable(self) -> None:
        """Let this Python import the checkout, and add the `edtech` command."""
        packages = os.path.join(VENV, "lib", PYTHON, "site-packages")
        with open(os.path.join(packages, "edtech.pth"), "w", encoding="utf-8") as file:
            file.write(ROOT + "\n")
        command = os.path.join(VENV, "bin", "edtech")
        with open(command, "w", encoding="utf-8") as file:
            file.write(COMMAND)
        os.chmod(command, 0o755)  # noqa: S103 - a command is for everybody

    def say(self, step: str) -> None:
        """Announce a step."""
        print(f"[{self.clock() - self.began:5.1f} s] {step}", flush=True)

    def call(self, command: list[str], what: str, show: bool = False) -> None:
        """Run a program; its failure becomes one line."""
        import subprocess

        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=None if show else subprocess.PIPE,
            stderr=None if show else subprocess.STDOUT,
            pass_fds=(self.lock,),
        )
        if done.returncode != 0:
            output = (done.stdout or b"").decode("utf-8", "replace")
            raise SetupError(INSTALL, f"{what}: {explain(output, done.returncode)}")


def environment() -> dict[str, str]:
    """The environment for pip and uv: uv follows pip's certificate and index settings."""
    settings = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PYTHON"):
        settings.pop(name, None)
    for source, target in (("PIP_CERT", "SSL_CERT_FILE"), ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")):
        if settings.get(source):
            settings.setdefault(target, settings[source])
    return settings


def explain(output: str, code: int) -> str:
    """Say in one line why pip, uv or venv failed, and how to mend it."""
    low = output.lower()
    if "no space left" in low:
        return "the disk is full: free some space, then run it again."
    if "hashes are required" in low or "do not match the hashes" in low or "hash mismatch" in low:
        return "a downloaded package is not the locked one (a proxy changes it?): try again."
    signs = ("connection", "connect error", "name resolution", "dns error", "proxy", "timed out")
    if any(sign in low for sign in signs) or "error sending request" in low:
        return "the package index cannot be reached: check the network, then run it again."
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    reason = (errors or lines or [f"exit code {code}, see above"])[-1]
    return f"{reason.rstrip('.')}. Then run it again."


if __name__ == "__main__":
    sys.exit(main())
