"""What changed in a contract, from the revisions of its schema in git."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
)
from graphql.utilities import BreakingChange, DangerousChange, SafeChangeType, find_schema_changes

MOST_REVISIONS = 20
MOST_CHANGES = 200
TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One difference between two revisions."""

    kind: str  # breaking, dangerous, deprecated, safe
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What one revision changed."""

    date: str
    changes: tuple[Change, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """The newest entry first; `deprecated_since` by coordinate."""

    entries: tuple[Entry, ...]
    deprecated_since: dict[str, str]


def history(path: Path, *, root: Path, now: str) -> History:
    """The history of a schema file, up to what is in the working tree now.

    Without git, or for a file that it does not know, there is none.
    """
    revisions = list(_revisions(path, root))
    if revisions and revisions[-1][1] != now:
        revisions.append(("Not released", now))
    entries: list[Entry] = []
    since: dict[str, str] = {}
    before: GraphQLSchema | None = None
    for date, text in revisions:
        try:
            after = build_schema(text)
        except GraphQLError:
            continue
        known = set() if before is None else deprecated(before)
        for coordinate in sorted(deprecated(after) - known):
            since.setdefault(coordinate, date)
        if before is not None:
            changes = sorted(set(_changes(before, after)))
            if changes:
                left_out = max(0, len(changes) - MOST_CHANGES)
                entries.append(Entry(date, tuple(changes[:MOST_CHANGES]), left_out))
        elif len(revisions) < MOST_REVISIONS:
            entries.append(Entry(date, (Change("safe", "The first revision of this contract."),)))
        before = after
    return History(tuple(reversed(entries)), since)


def _revisions(path: Path, root: Path) -> Iterator[tuple[str, str]]:
    log = _git(root, "log", f"-{MOST_REVISIONS}", "--format=%H %cs", "--", str(path))
    for line in reversed((log or "").splitlines()):
        revision, _, date = line.partition(" ")
        text = _git(root, "show", f"{revision}:./{path.as_posix()}")
        if text is not None:
            yield date, text


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None


def _changes(before: GraphQLSchema, after: GraphQLSchema) -> Iterator[Change]:
    for change in find_schema_changes(before, after):
        if isinstance(change, BreakingChange):
            yield Change("breaking", change.description)
        elif isinstance(change, DangerousChange):
            yield Change("dangerous", change.description)
        elif change.type is not SafeChangeType.DESCRIPTION_CHANGED:
            yield Change("safe", change.description)
    for coordinate in sorted(deprecated(after) - deprecated(before)):
        yield Change("deprecated", f"{coordinate} was deprecated.")


def deprecated(schema: GraphQLSchema) -> set[str]:
    """The coordinates of what is deprecated."""
    found: set[str] = set()
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLEnumType):
            found |= {f"{name}.{k}" for k, v in type_.values.items() if v.deprecation_reason}
        elif isinstance(type_, GraphQLInputObjectType):
            found |= {f"{name}.{k}" for k, v in type_.fields.items() if v.deprecation_reason}
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in type_.fields.items():
                if field.deprecation_reason:
                    found.add(f"{name}.{field_name}")
                found |= {
                    f"{name}.{field_name}({key}:)"
                    for key, argument in field.args.items()
                    if argument.deprecation_reason
                }
    return found
