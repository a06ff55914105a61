"""All embedded services of the platform, started and stopped together."""

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from deploy.local.dynamodb import DynamoDB
from deploy.local.errors import LocalServiceError
from deploy.local.kafka import Kafka
from deploy.local.mail import Mail
from deploy.local.ports import check_free
from deploy.local.postgres import Postgres
from deploy.local.process import Progress, is_running, silent
from deploy.local.s3 import S3
from deploy.local.service import Service
from deploy.local.stripe import Stripe
from deploy.local.valkey import Valkey

TEMPORARY = "edtech-stack-"
WAIT_FOR_LAST_RUN = 30.0


class Stack:
    """PostgreSQL, Kafka, DynamoDB, S3, Valkey, mail and a payment provider over one folder.

    The folder belongs to one stack at a time. Use it as a context manager, or `start` and `stop`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        ports: Mapping[str, int] | None = None,
        durable: bool = True,
        progress: Progress = silent,
        alongside: Sequence[Callable[[], None]] = (),
    ) -> None:
        """Without ports free ones are chosen; keys: the services' names and `mail_http`.

        `durable=False` lets PostgreSQL forget commits at a power cut, for ordinary tests.
        `alongside` is further work to do while the services start, e.g. `router.prepare`.
        """
        self.directory = directory
        self.progress = progress
        self._alongside = alongside
        self._lock: int | None = None
        given = ports or {}
        self.postgres = Postgres(directory, port=given.get("postgres"), progress=progress)
        self.postgres.durable = durable
        self.kafka = Kafka(directory, port=given.get("kafka"), progress=progress)
        self.dynamodb = DynamoDB(directory, port=given.get("dynamodb"), progress=progress)
        self.s3 = S3(directory, port=given.get("s3"), progress=progress)
        self.valkey = Valkey(directory, port=given.get("valkey"), progress=progress)
        self.mail = Mail(
            directory, port=given.get("mail"), http_port=given.get("mail_http"), progress=progress
        )
        self.stripe = Stripe(directory, port=given.get("stripe"), progress=progress)

    @property
    def services(self) -> tuple[Service, ...]:
        """All of them, the slowest first."""
        return (
            self.kafka,
            self.postgres,
            self.mail,
            self.stripe,
            self.dynamodb,
            self.s3,
            self.valkey,
        )

    def start(self) -> None:
        """Start all services at once; when one cannot, none is left running.

        Raises LocalServiceError, before anything is started when a port is taken.
        """
        self._take_over()
        errors: list[BaseException] = []

        def attempt(work: Callable[[], None]) -> None:
            try:
                work()
            except BaseException as error:
                errors.append(error)

        threads = [
            threading.Thread(target=attempt, args=(work,), daemon=True)
            for work in [*(service.start for service in self.services), *self._alongside]
        ]
        try:
            check_free({name: port for s in self.services for name, port in s.ports.items()})
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads) and not errors:
                time.sleep(0.02)
            if errors:
                raise errors[0]
        except BaseException:
            self._stop_all()
            # A service that was just about to start may have missed that.
            deadline = time.monotonic() + 2
            for thread in threads:
                if thread.ident is not None:
                    thread.join(max(0.0, deadline - time.monotonic()))
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all services at once; their data stays."""
        self._stop_all()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _stop_all(self) -> None:
        threads = [threading.Thread(target=service.stop) for service in self.services]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def env(self) -> dict[str, str]:
        """The settings by which the subgraphs find all services."""
        return {name: value for service in self.services for name, value in service.env().items()}

    def died(self) -> str | None:
        """One line about a service that ended by itself since `start`, or None."""
        for service in self.services:
            if service.pid is None:
                return f"{service.title} has ended: {service.last_words()}"
        return None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _take_over(self) -> None:
        """Become the owner of the folder; the services of a killed owner get time to end.

        Every service inherits the lock, so it is free only when the last of them has ended.
        """
        if self._lock is not None:
            raise LocalServiceError(f"The services of {self.directory} run already.")
        self.directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + WAIT_FOR_LAST_RUN
        try:
            while not _locked(lock):
                owner = os.pread(lock, 20, 0).decode().strip()
                alive = owner.isdigit() and is_running(int(owner))
                if alive or time.monotonic() > deadline:
                    raise LocalServiceError(
                        f"{self.directory} is in use by process {owner or 'unknown'}:"
                        " stop that one first (Ctrl-C in its terminal)."
                    )
                self.progress("Services", "waiting for those of the last run to end")
                time.sleep(0.2)
        except BaseException:
            os.close(lock)
            raise
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        self._lock = lock
        for service in self.services:
            service.keep_open = (lock,)


@contextmanager
def temporary_stack(
    *,
    durable: bool = False,
    progress: Progress = silent,
    alongside: Sequence[Callable[[], None]] = (),
) -> Iterator[Stack]:
    """Run a stack on free ports over a folder that is removed afterwards."""
    _remove_abandoned()
    directory = Path(tempfile.mkdtemp(prefix=TEMPORARY))
    try:
        with Stack(directory, durable=durable, progress=progress, alongside=alongside) as stack:
            yield stack
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _remove_abandoned() -> None:
    """Remove the folders of test runs that were killed more than an hour ago."""
    for folder in Path(tempfile.gettempdir()).glob(f"{TEMPORARY}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime < 3600 or folder.stat().st_uid != os.geteuid():
                continue
            with (folder / ".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
