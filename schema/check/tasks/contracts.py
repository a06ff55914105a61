"""Task 3: each contract composes, and its tags say what they seem to say."""

from collections import defaultdict
from collections.abc import Iterator

from schema.check.context import Context
from schema.check.facts import Entry, parent_of
from schema.check.findings import Finding, Place, Severity, Task
from schema.check.snapshot import CONTRACTS, Contract
from schema.check.tasks.composition import as_finding

_BUILT_IN = frozenset({"Int", "Float", "String", "Boolean", "ID"})


def run(context: Context) -> Task:
    """Compose each contract, and find tags that hide more than they show."""
    task = Task("contracts", facts={"contracts": len(context.head.contracts)})
    if not context.head.contracts:
        task.skipped = "there are no contracts"
        return task
    if not context.composes:
        task.skipped = "the subgraphs do not compose"
        return task
    tags = tags_of(context)
    known = {tag for each in tags.values() for tag in each}
    for name, contract in sorted(context.head.contracts.items()):
        scopes = {f"contract:{name}": Severity.ERROR}
        found = list(_settings(context, name, contract, known))
        for fault in context.facts.answer["head"]["contracts"][name]["errors"]:
            if fault["code"] == "UNKNOWN_TAG":
                continue
            finding = as_finding(context, fault)
            finding.detail = name
            found.append(finding)
        found += _hidden(context, name, contract, tags)
        for finding in found:
            finding.scopes = dict.fromkeys(scopes, finding.severity)
        task.findings += found
    return task


def tags_of(context: Context) -> dict[str, set[str]]:
    """The tags of each coordinate over all subgraphs; a type's tags are those of its fields."""
    own: defaultdict[str, set[str]] = defaultdict(set)
    for index in context.facts.head_indexes.values():
        for coordinate, entry in index.items():
            own[coordinate].update(_tags(entry))
    for coordinate in list(own):
        owner = coordinate.partition(".")[0]
        if owner != coordinate:
            own[coordinate] |= own.get(owner, set())
    return own


def _tags(entry: Entry) -> Iterator[str]:
    for directive in entry["directives"]:
        if directive["name"] in ("tag", "federation__tag"):
            yield directive["arguments"].get("name", "").strip('"')


def _settings(
    context: Context, name: str, contract: Contract, known: set[str]
) -> Iterator[Finding]:
    lines = context.head.texts[CONTRACTS].splitlines()
    line = next((at for at, text in enumerate(lines, 1) if text.strip() == f"{name}:"), 1)
    place = Place(CONTRACTS, line)

    def fault(code: str, message: str, subject: str) -> Finding:
        return Finding(code, Severity.ERROR, message, coordinate=name, detail=subject, place=place)

    for tag in sorted({*contract.include, *contract.exclude} - known):
        yield fault("UNKNOWN_TAG", f"{name} names the tag {tag}, which nothing has.", tag)
    for tag in sorted({*contract.include} & {*contract.exclude}):
        message = f"{name} includes and excludes the tag {tag}."
        yield fault("CONTRACT_CONTRADICTORY", message, tag)
    for event in contract.events:
        if event not in context.head.events:
            message = f"{name} names the event {event}, which nobody publishes."
            yield fault("CONTRACT_UNKNOWN_EVENT", message, event)


def _hidden(
    context: Context, name: str, contract: Contract, tags: dict[str, set[str]]
) -> Iterator[Finding]:
    include, exclude = {*contract.include}, {*contract.exclude}

    def shows(coordinate: str) -> bool:
        own = tags.get(coordinate, set())
        return (not include or bool(own & include)) and not own & exclude

    parts: defaultdict[str, list[str]] = defaultdict(list)
    for coordinate in tags:
        if "." in coordinate and "(" not in coordinate:
            parts[coordinate.partition(".")[0]].append(coordinate)

    def visible(type_name: str) -> bool:
        return any(map(shows, parts.get(type_name, [type_name])))

    seen: set[str] = set()
    for subgraph, index in context.facts.head_indexes.items():
        for coordinate, entry in sorted(index.items()):
            if coordinate in seen or not include or entry["kind"] not in ("field", "argument"):
                continue
            seen.add(coordinate)
            parent = parent_of(coordinate) or ""
            message = None
            if entry["kind"] == "argument" and shows(parent) and not shows(coordinate):
                required = (entry["type"] or "").endswith("!") and not entry["hasDefault"]
                code = "TAG_ARGUMENT_REQUIRED" if required else "TAG_ARGUMENT_HIDDEN"
                message = (
                    f"{name} shows {parent} without its required argument."
                    if required
                    else f"{name} shows {parent} without this argument."
                )
            elif entry["kind"] == "field" and shows(coordinate):
                type_name = (entry["type"] or "").strip("[]!")
                code = "TAG_TYPE_HIDDEN"
                if type_name not in _BUILT_IN and not visible(type_name):
                    message = f"{name} shows {coordinate}, but not its type {type_name}."
            if message is None or context.lint.excepts(code, coordinate):
                continue
            severity = Severity.WARNING if code == "TAG_ARGUMENT_HIDDEN" else Severity.ERROR
            yield Finding(
                code,
                severity,
                message,
                coordinate=coordinate,
                detail=name,
                subgraph=subgraph,
                place=context.facts.place(coordinate, subgraph),
            )
