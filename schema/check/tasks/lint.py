"""Task 7: the rules of style, applied to what changed and nothing else."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

from schema.check import deprecation
from schema.check.context import Context
from schema.check.facts import Entry, parent_of, shape
from schema.check.findings import PUBLIC, Finding, Severity, Task

Index = dict[str, Entry]
Said = Iterator[tuple[str, str]]  # code and message

_PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*")
_CAMEL = re.compile(r"[a-z][A-Za-z0-9]*")
_SCREAMING = re.compile(r"[A-Z][A-Z0-9_]*")
_VERB_FIRST = re.compile(r"(get|list|fetch|find|query)[A-Z]")
_TYPES = frozenset({"object", "interface", "union", "enum", "input", "scalar"})
_PAGE = frozenset({"edges", "nodes"})
_ROOTS = frozenset({"Query", "Mutation", "Subscription"})
_REMOVALS = frozenset({"FIELD_REMOVED", "FIELD_ARGUMENT_REMOVED", "ENUM_VALUE_REMOVED",
                       "INPUT_FIELD_REMOVED"})  # fmt: skip


def run(context: Context) -> Task:
    """Look at each coordinate that is new or was changed."""
    task = Task("lint")
    if not context.composes:
        task.skipped = "the subgraphs do not compose"
        return task
    looked = 0
    for name, index in context.facts.head_indexes.items():
        old = context.facts.base_indexes.get(name, {})
        for coordinate, entry in index.items():
            # Names that begin with two underscores or one are those of federation itself.
            if coordinate.startswith("_") or _same(old.get(coordinate), entry):
                continue
            looked += 1
            for code, message in _all(context, name, index, coordinate, entry, old):
                _add(context, task, code, message, coordinate, name)
    task.facts["coordinates"] = looked
    for change in context.changes:
        if change.code in _REMOVALS and PUBLIC in change.scopes:
            for code, message in _removal(context, change):
                _add(context, task, code, message, change.coordinate or "", change.subgraph, change)
    return task


def _same(before: Entry | None, after: Entry) -> bool:
    # A tag or a scope changes nothing that the rules are about, a deprecation does.
    return shape(before) == shape(after) and (
        deprecation.reason_of(before) == deprecation.reason_of(after)
    )


def _add(
    context: Context,
    task: Task,
    code: str,
    message: str,
    coordinate: str,
    subgraph: str | None,
    change: Finding | None = None,
) -> None:
    level = context.lint.rules.get(code, "error")
    if level == "off" or context.lint.excepts(code, coordinate):
        return
    task.findings.append(
        Finding(
            code,
            Severity(level),
            message,
            coordinate=coordinate,
            subgraph=subgraph,
            place=context.facts.place(coordinate, subgraph),
            follows=(change.id,) if change else (),
        )
    )


def _all(
    context: Context, subgraph: str, index: Index, coordinate: str, entry: Entry, old: Index
) -> Said:
    yield from _naming(coordinate, entry)
    if not entry["described"] and coordinate not in _ROOTS and not _is_stub(entry):
        yield "DESCRIPTION_MISSING", f"{coordinate} has no description."
    if entry["kind"] == "field":
        yield from _pagination(index, coordinate, entry)
        yield from _nullability(context, subgraph, index, coordinate, entry)
    yield from _deprecated(context, entry, old.get(coordinate))


def _naming(coordinate: str, entry: Entry) -> Said:
    kind = entry["kind"]
    name = re.split(r"[.(]", coordinate.rstrip(":)"))[-1]
    checks: dict[str, tuple[str, Callable[[str], object], str]] = {
        "field": ("FIELD_NAME", _CAMEL.fullmatch, "camelCase"),
        "inputField": ("FIELD_NAME", _CAMEL.fullmatch, "camelCase"),
        "argument": ("ARGUMENT_NAME", _CAMEL.fullmatch, "camelCase"),
        "enumValue": ("ENUM_VALUE_NAME", _SCREAMING.fullmatch, "SCREAMING_CASE"),
    }
    code, fits, style = checks.get(kind, ("TYPE_NAME", _PASCAL.fullmatch, "PascalCase"))
    if not fits(name):
        yield code, f"{coordinate}: the name {name} is not in {style}."
    if kind == "input" and not name.endswith("Input"):
        yield "INPUT_NAME", f"{name} is an input: its name ends with Input."
    if coordinate.startswith("Query.") and kind == "field" and _VERB_FIRST.match(name):
        yield "QUERY_NAME", f"{name}: queries are nouns."
    if coordinate.startswith("Mutation.") and kind == "field":
        result = (entry["type"] or "").strip("[]!")
        if not result.endswith("Result"):
            yield "MUTATION_RESULT", f"{name} answers {result}, not <Mutation>Result."


def _pagination(index: Index, coordinate: str, entry: Entry) -> Said:
    owner, _, name = coordinate.partition(".")
    printed = entry["type"] or ""
    type_name = printed.strip("[]!")
    # Inside a connection, edges and nodes are the page itself.
    if printed.startswith("[") and (name not in _PAGE or owner in _ROOTS):
        target = index.get(type_name)
        if target and any(each["name"] == "key" for each in target["directives"]):
            yield "LIST_NOT_PAGED", f"{coordinate} lists {type_name} without pages."
    if type_name.endswith("Connection"):
        first = index.get(f"{coordinate}(first:)") or index.get(f"{coordinate}(last:)")
        if first is None:
            yield "CONNECTION_ARGUMENTS", f"{coordinate} is a connection without first or last."


def _nullability(
    context: Context, subgraph: str, index: Index, coordinate: str, entry: Entry
) -> Said:
    printed = entry["type"] or ""
    owner = coordinate.partition(".")[0]
    names = {each["name"] for each in entry["directives"]}
    if not printed.endswith("!") or "external" in names or owner in _ROOTS:
        return
    target = index.get(printed.strip("[]!"))
    if target is not None and _is_stub(target) and not printed.startswith("["):
        yield (
            "REFERENCE_NON_NULL",
            f"{coordinate} leads to another subgraph's entity and is never null.",
        )
    declaring = context.lint.owners.get(owner)
    parent = index[owner]
    keys = " ".join(
        each["arguments"].get("fields", "")
        for each in parent["directives"]
        if each["name"] == "key"
    )
    if declaring not in (None, subgraph) and coordinate.partition(".")[2] not in re.findall(
        r"\w+", keys
    ):
        yield (
            "CONTRIBUTED_NON_NULL",
            f"{subgraph} adds {coordinate} to an entity of {declaring}: it has to be nullable.",
        )


def _is_stub(entry: Entry) -> bool:
    keys = [each for each in entry["directives"] if each["name"] == "key"]
    return bool(keys) and all(each["arguments"].get("resolvable") == "false" for each in keys)


def _deprecated(context: Context, entry: Entry, before: Entry | None) -> Said:
    reason = deprecation.reason_of(entry)
    if reason is None or reason == deprecation.reason_of(before):
        return
    if reason == deprecation.DEFAULT_REASON:
        yield "DEPRECATION_REASON", "It is deprecated without a reason: name what replaces it."
        return
    day = deprecation.day_of(reason)
    if day is None:
        yield (
            "DEPRECATION_DAY",
            'The reason of a deprecation ends with "Removed after YYYY-MM-DD."',
        )
        return
    earliest = context.today + timedelta(days=context.lint.grace_days)
    if day < earliest and deprecation.reason_of(before) is None:
        yield (
            "DEPRECATION_DAY",
            f"It would be removed after {day}; clients have until {earliest}.",
        )


def _removal(context: Context, change: Finding) -> Said:
    coordinate = change.coordinate or ""
    reasons = {
        reason
        for index in context.facts.base_indexes.values()
        for each in (coordinate, parent_of(coordinate) if coordinate.endswith(")") else None)
        if each and (reason := deprecation.reason_of(index.get(each))) is not None
    }
    if not reasons:
        yield "REMOVED_UNDEPRECATED", f"{coordinate} was removed without having been deprecated."
        return
    days = [day for reason in reasons if (day := deprecation.day_of(reason)) is not None]
    if days and context.today <= max(days):
        yield "REMOVED_EARLY", f"{coordinate} was promised to stay until {max(days)}."
