"""lint.yaml and approvals.yaml: what a project wants of its schema, and what it lets pass."""

from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schema.check.snapshot import read_yaml

LINT = "schema/lint.yaml"
APPROVALS = "schema/approvals.yaml"


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# YAML reads a plain `off` as false.
Level = Annotated[
    Literal["off", "warning", "error"],
    BeforeValidator(lambda given: "off" if given is False else given),
]


class UsageSettings(_Settings):
    """From when on a use counts."""

    days: Annotated[int, Field(ge=1)] = 30
    minimum_count: Annotated[int, Field(ge=1)] = 1
    minimum_percentage: Annotated[float, Field(ge=0, le=100)] = 0
    excluded_clients: tuple[str, ...] = ()


class PlanSettings(_Settings):
    """How much dearer an operation may become before the check fails."""

    added_fetches: Annotated[int, Field(ge=0)] = 2
    added_depth: Annotated[int, Field(ge=0)] = 1
    added_cost_percent: Annotated[int, Field(ge=0)] = 50


class LintSettings(_Settings):
    """Rules by code, exceptions by coordinate."""

    rules: dict[str, Level] = {}
    exceptions: dict[str, tuple[str, ...]] = {}
    # Who declares an entity that several subgraphs add fields to.
    owners: dict[str, str] = {}
    grace_days: Annotated[int, Field(ge=0)] = 90
    usage: UsageSettings = UsageSettings()
    plans: PlanSettings = PlanSettings()

    def excepts(self, code: str, coordinate: str) -> bool:
        """Whether a rule does not hold at a coordinate."""
        return any(fnmatchcase(coordinate, each) for each in self.exceptions.get(code, ()))


class ApprovalEntry(_Settings):
    """One change in one scope that may pass until a day; `clients` are those that know of it."""

    change: Annotated[str, Field(min_length=3)]
    scope: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    approved_by: Annotated[str, Field(min_length=1)]
    expires: date
    clients: tuple[str, ...] = ()


class ApprovalRule(_Settings):
    """Changes that pass when nobody uses what they break."""

    name: Annotated[str, Field(min_length=1)]
    codes: tuple[str, ...]
    scopes: tuple[str, ...]
    reason: Annotated[str, Field(min_length=1)]
    # The element was deprecated, and the day that its reason names has come.
    after_deprecation: bool = True

    def covers(self, code: str, scope: str) -> bool:
        """Whether the rule speaks of such a change in such a scope."""
        return code in self.codes and any(fnmatchcase(scope, each) for each in self.scopes)


class Approvals(_Settings):
    """approvals.yaml."""

    rules: tuple[ApprovalRule, ...] = ()
    approvals: tuple[ApprovalEntry, ...] = ()


def lint_settings(texts: dict[str, str]) -> LintSettings:
    """What lint.yaml says. Raises InputError."""
    return read_yaml(texts, LINT, LintSettings) if LINT in texts else LintSettings()


def approvals(texts: dict[str, str]) -> Approvals:
    """What approvals.yaml says. Raises InputError."""
    return read_yaml(texts, APPROVALS, Approvals) if APPROVALS in texts else Approvals()
