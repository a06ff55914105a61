"""What a plain comparison of schemas does not see: directives of federation."""

from collections.abc import Iterator

from schema.check.context import Context
from schema.check.facts import Directive, Entry
from schema.check.findings import Finding, Severity
from schema.check.tasks.composition import version_of

# (added, removed): how bad it is. What is not named here is dangerous both ways.
_LEVELS = {
    "key": (Severity.SAFE, Severity.DANGEROUS),
    "tag": (Severity.SAFE, Severity.SAFE),
    "shareable": (Severity.SAFE, Severity.DANGEROUS),
    "override": (Severity.DANGEROUS, Severity.DANGEROUS),
    "requiresScopes": (Severity.BREAKING, Severity.DANGEROUS),
    "authenticated": (Severity.BREAKING, Severity.DANGEROUS),
    "policy": (Severity.BREAKING, Severity.DANGEROUS),
    "deprecated": (Severity.SAFE, Severity.SAFE),
    "specifiedBy": (Severity.SAFE, Severity.SAFE),
    "inaccessible": (Severity.SAFE, Severity.SAFE),
}
_REPEATABLE = frozenset({"key", "tag", "join", "composeDirective"})
# The comparison of shapes tells of these.
_TOLD_ELSEWHERE = ("field", "enumValue")


def changes(context: Context) -> Iterator[Finding]:
    """Directives that were added to, removed from or changed at what exists on both sides."""
    facts = context.facts
    entities = _shared_entities(context)
    watched = {
        tag
        for name, contract in context.head.contracts.items()
        # A new contract is looked at as a whole.
        if context.base is not None and name in context.base.contracts
        for tag in (*contract.include, *contract.exclude)
    }
    for name, index in facts.head_indexes.items():
        old = facts.base_indexes.get(name, {})
        for coordinate, entry in index.items():
            before = old.get(coordinate)
            if before is None or not (before["directives"] or entry["directives"]):
                continue
            for finding in _between(coordinate, before, entry):
                if finding.code == "KEY_REMOVED" and coordinate in entities:
                    finding.severity = Severity.BREAKING
                    finding.message += " Other subgraphs still point at it by this key."
                if finding.code in ("TAG_ADDED", "TAG_REMOVED") and finding.detail in watched:
                    finding.severity = Severity.DANGEROUS
                    finding.message += " A contract goes by this tag."
                finding.subgraph = name
                finding.scopes = {f"subgraph:{name}": finding.severity}
                finding.place = facts.place(coordinate, name)
                yield finding
    yield from _versions(context)


def _between(coordinate: str, before: Entry, after: Entry) -> Iterator[Finding]:
    old, new = _grouped(before["directives"]), _grouped(after["directives"])
    for key in sorted({*old, *new}):
        directive, subject = key
        if directive == "deprecated" and after["kind"] in _TOLD_ELSEWHERE:
            continue
        added, removed = _LEVELS.get(directive, (Severity.DANGEROUS, Severity.DANGEROUS))
        code = "".join(f"_{c}" if c.isupper() else c.upper() for c in directive)
        if key not in old:
            step, severity, text = "ADDED", added, f"@{directive}{_text(new[key])} was added."
        elif key not in new:
            step, severity, text = "REMOVED", removed, f"@{directive}{_text(old[key])} was removed."
        elif old[key] != new[key]:
            step, severity = "CHANGED", max(added, removed, key=lambda level: -level.rank)
            text = f"@{directive}{_text(old[key])} became @{directive}{_text(new[key])}."
        else:
            continue
        yield Finding(f"{code}_{step}", severity, text, coordinate=coordinate, detail=subject)


def _grouped(directives: list[Directive]) -> dict[tuple[str, str | None], dict[str, str]]:
    """Directives by name; those that can be repeated by what tells them apart, too."""
    found: dict[tuple[str, str | None], dict[str, str]] = {}
    for each in directives:
        name = each["name"].removeprefix("federation__")
        subject = None
        if name in _REPEATABLE:
            first = each["arguments"].get("fields") or each["arguments"].get("name") or ""
            subject = " ".join(first.strip('"').split())
        found[name, subject] = each["arguments"]
    return found


def _text(arguments: dict[str, str]) -> str:
    inside = ", ".join(f"{name}: {value}" for name, value in sorted(arguments.items()))
    return f"({inside})" if inside else ""


def _shared_entities(context: Context) -> set[str]:
    """Types that more than one subgraph of the baseline knows by a key."""
    seen: set[str] = set()
    shared: set[str] = set()
    for index in context.facts.base_indexes.values():
        for coordinate, entry in index.items():
            if any(name == "key" for name, _ in _grouped(entry["directives"])):
                (shared if coordinate in seen else seen).add(coordinate)
    return shared


def _versions(context: Context) -> Iterator[Finding]:
    base = context.facts.answer["base"]
    for name, index in sorted(context.facts.answer["head"]["subgraphs"].items()):
        old = base["subgraphs"].get(name) if base else None
        if old is None:
            continue
        before, after = (
            next(filter(None, map(version_of, each["links"])), None) for each in (old, index)
        )
        if before != after:
            yield Finding(
                "FEDERATION_VERSION_CHANGED",
                Severity.DANGEROUS,
                f"{name} goes from federation {_dotted(before)} to {_dotted(after)}.",
                coordinate=name,
                subgraph=name,
                scopes={f"subgraph:{name}": Severity.DANGEROUS},
            )


def _dotted(version: tuple[int, int] | None) -> str:
    return f"{version[0]}.{version[1]}" if version else "1"
