"""What the check says: findings with stable codes and places, tasks, and the report of all."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

JSON_VERSION = 1
PUBLIC = "public"


class InputError(Exception):
    """Input or configuration cannot be used; one line says which and why."""


class WrongUsage(Exception):
    """The command was called in a way that has no meaning; one line says why."""


class TimedOut(Exception):
    """The check did not end within its time."""


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    ERROR = "error"
    BREAKING = "breaking"
    DANGEROUS = "dangerous"
    WARNING = "warning"
    SAFE = "safe"

    @property
    def fails(self) -> bool:
        """Whether it fails the check unless it is approved."""
        return self in (Severity.ERROR, Severity.BREAKING)

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)


class Status(StrEnum):
    """How a task ended."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file below the repository."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, order=True)
class Hit:
    """An operation of a registered document that a change touches, and where it does."""

    client: str
    version: str
    operation: str
    place: Place

    def __str__(self) -> str:
        return f"{self.client} {self.version} {self.operation} ({self.place})"


@dataclass(frozen=True)
class Approval:
    """Why a scope of a finding does not count: an entry or a rule of approvals.yaml."""

    scope: str
    by: str
    reason: str
    expires: str | None


@dataclass
class Finding:
    """One fact worth telling. `scopes` holds the severity in each scope that it concerns."""

    code: str
    severity: Severity
    message: str
    coordinate: str | None = None
    detail: str | None = None
    subgraph: str | None = None
    place: Place | None = None
    python: Place | None = None
    scopes: dict[str, Severity] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    approvals: list[Approval] = field(default_factory=list)
    # Changes that this one only repeats: it counts no longer when they are approved.
    follows: tuple[str, ...] = ()
    approved: bool = False

    @property
    def id(self) -> str:
        """What an approval names: code and subject."""
        return " ".join(part for part in (self.code, self.coordinate, self.detail) if part)

    @property
    def fails(self) -> bool:
        """Whether it fails the check."""
        return self.severity.fails and not self.approved

    @property
    def contracts(self) -> list[str]:
        """Contracts that show the change to their partners."""
        names = (scope.partition(":") for scope in self.scopes)
        return sorted(name for kind, _, name in names if kind == "contract")

    def as_json(self) -> dict[str, Any]:
        """The finding as plain data, keys in a fixed order."""
        return {
            "id": self.id,
            "code": self.code,
            "severity": self.severity.value,
            "approved": self.approved,
            "message": self.message,
            "coordinate": self.coordinate,
            "detail": self.detail,
            "subgraph": self.subgraph,
            "place": _place(self.place),
            "python": _place(self.python),
            "scopes": {scope: level.value for scope, level in sorted(self.scopes.items())},
            "contracts": self.contracts,
            "operations": [
                {
                    "client": hit.client,
                    "version": hit.version,
                    "operation": hit.operation,
                    "place": _place(hit.place),
                }
                for hit in sorted(self.hits)
            ],
            "usage": dict(sorted(self.usage.items())),
            "approvals": [
                {"scope": each.scope, "by": each.by, "reason": each.reason, "expires": each.expires}
                for each in sorted(self.approvals, key=lambda each: each.scope)
            ],
            "follows": list(self.follows),
        }


def _place(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else {"file": place.file, "line": place.line}


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first, then by subject: the order does not depend on how they were found."""
    return sorted(
        findings,
        key=lambda each: (
            each.severity.rank,
            each.code,
            each.coordinate or "",
            each.detail or "",
            str(each.place or ""),
            each.message,
        ),
    )


@dataclass
class Task:
    """One part of the check."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    # Why it was not done; None when it was.
    skipped: str | None = None
    facts: dict[str, int] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """Failed by a finding that is not approved."""
        if self.skipped is not None:
            return Status.SKIPPED
        return Status.FAILED if any(each.fails for each in self.findings) else Status.PASSED

    def as_json(self) -> dict[str, Any]:
        """The task as plain data."""
        return {
            "name": self.name,
            "status": self.status.value,
            "skipped": self.skipped,
            "facts": dict(sorted(self.facts.items())),
            "findings": [each.as_json() for each in self.findings],
        }


@dataclass
class Report:
    """The verdict over all tasks."""

    tasks: list[Task]
    today: str
    baseline: dict[str, str | None]
    proposal: str
    warn_only: bool = False

    @property
    def failed(self) -> bool:
        """Whether anything fails the check."""
        return any(task.status is Status.FAILED for task in self.tasks)

    @property
    def findings(self) -> list[Finding]:
        """The findings of all tasks."""
        return [each for task in self.tasks for each in task.findings]

    @property
    def counts(self) -> dict[str, int]:
        """Findings by severity; approved ones apart."""
        found = Counter(
            "approved" if each.approved else each.severity.value for each in self.findings
        )
        return {name: found.get(name, 0) for name in [*Severity, "approved"]}

    def as_json(self) -> dict[str, Any]:
        """The report as plain data: no clock, no folder, no order of chance."""
        return {
            "json_version": JSON_VERSION,
            "verdict": "FAILED" if self.failed else "PASSED",
            "warn_only": self.warn_only,
            "today": self.today,
            "baseline": self.baseline,
            "proposal": self.proposal,
            "counts": self.counts,
            "tasks": [task.as_json() for task in self.tasks],
        }
