"""What is read beside the clock: CPU time and memory of processes, statements of the database."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Self

import psycopg

_TICKS = os.sysconf("SC_CLK_TCK")
# Statements of the subgraphs' own logins, whatever database they are in.
_STATEMENTS = (
    "SELECT coalesce(sum(s.calls), 0) FROM pg_stat_statements s"
    " JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname LIKE 'edtech%'"
)


def _stat(pid: int) -> list[str]:
    # The program's name stands in parentheses and may hold anything, spaces included.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pid: int, *, family: bool = False) -> float:
    """User and system time of a process; `family` adds its children, dead ones included."""
    fields = _stat(pid)
    ticks = sum(map(int, fields[11:15] if family else fields[11:13]))
    return ticks / _TICKS + (sum(map(cpu_seconds_or_0, children_of(pid))) if family else 0)


def cpu_seconds_or_0(pid: int) -> float:
    """Like `cpu_seconds`, for a process that may have just ended."""
    try:
        return cpu_seconds(pid)
    except OSError:
        return 0.0


def children_of(pid: int) -> list[int]:
    """The running children of a process."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if int(_stat(int(folder.name))[1]) == pid:
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def resident_mib(pid: int) -> float:
    """Memory that a process holds, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; `share` lies in (0, 1]."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Statements:
    """Counts the SQL statements that the subgraphs' logins have sent so far."""

    def __init__(self, port: str) -> None:
        """Connect as the local server's superuser, who needs no password on the loopback."""
        self._connection = psycopg.connect(
            host="127.0.0.1",
            port=port,
            user="postgres",
            dbname="postgres",
            autocommit=True,
            connect_timeout=2,
        )
        self._connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def count(self) -> int:
        """Statements until now."""
        row = self._connection.execute(_STATEMENTS).fetchone()
        return int(row[0]) if row else 0

    def __enter__(self) -> Self:
        """Count."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._connection.close()


@dataclass(frozen=True)
class Sample:
    """One run of one target; CPU in ms per request by process, latencies in ms."""

    per_second: float
    p50: float
    p99: float
    cpu: Mapping[str, float]
    statements: float

    @property
    def cpu_total(self) -> float:
        """CPU ms per request of all processes together."""
        return sum(self.cpu.values())


def middle(samples: Iterable[Sample]) -> Sample:
    """The median of each figure."""
    given = list(samples)
    return Sample(
        per_second=median(s.per_second for s in given),
        p50=median(s.p50 for s in given),
        p99=median(s.p99 for s in given),
        cpu={name: median(s.cpu[name] for s in given) for name in given[0].cpu},
        statements=median(s.statements for s in given),
    )
