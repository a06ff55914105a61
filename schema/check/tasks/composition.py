"""Tasks 1 and 2: each SDL can be read, and together they make a supergraph."""

import re

from schema.check.context import Context
from schema.check.facts import CompositionFault, Directive, mentioned
from schema.check.findings import Finding, Place, Severity, Task

NEWEST = (2, 9)
_VERSION = re.compile(r"specs\.apollo\.dev/federation/v(\d+)\.(\d+)")


def parse(context: Context) -> Task:
    """Each SDL is GraphQL and asks for a federation version that can be composed."""
    task = Task("parse")
    for name, index in sorted(context.facts.answer["head"]["subgraphs"].items()):
        path = context.head.subgraphs[name].path
        if index["error"] is not None:
            place = Place(path, index["error"]["line"])
            task.findings.append(
                Finding(
                    "SDL_SYNTAX",
                    Severity.ERROR,
                    index["error"]["message"],
                    subgraph=name,
                    place=place,
                )
            )
        for link in index["links"]:
            version = version_of(link)
            if version is not None and version > NEWEST:
                message = (
                    f"{name} asks for federation {version[0]}.{version[1]};"
                    f" {NEWEST[0]}.{NEWEST[1]} is the newest that can be composed."
                )
                place = Place(path, link["line"])
                task.findings.append(
                    Finding(
                        "FEDERATION_VERSION_UNSUPPORTED",
                        Severity.ERROR,
                        message,
                        subgraph=name,
                        place=place,
                    )
                )
    task.facts["subgraphs"] = len(context.head.subgraphs)
    return task


def version_of(link: Directive) -> tuple[int, int] | None:
    """The federation version that a @link asks for."""
    found = _VERSION.search(link["arguments"].get("url", ""))
    return (int(found[1]), int(found[2])) if found else None


def compose(context: Context, parsed: Task) -> Task:
    """The subgraphs compose; otherwise all errors at once, with the subgraph at fault."""
    task = Task("composition")
    if any(each.fails for each in parsed.findings):
        task.skipped = "not every SDL can be read"
        return task
    for fault in context.facts.answer["head"]["errors"]:
        task.findings.append(as_finding(context, fault))
    return task


def as_finding(context: Context, fault: CompositionFault) -> Finding:
    """A composition error with the line that it speaks of."""
    name = fault.get("subgraph")
    indexes = context.facts.head_indexes
    known = [indexes[name]] if name in indexes else list(indexes.values())
    coordinate = mentioned(fault["message"], known)
    # Without a name, the newest change of what it speaks of is the likely cause.
    if name is None and coordinate is not None:
        name = context.facts.subgraph_of(coordinate)
    place = context.facts.place(coordinate, name) if coordinate else None
    if place is None and name in context.head.subgraphs:
        place = Place(context.head.subgraphs[name].path, 1)
    return Finding(
        fault["code"],
        Severity.ERROR,
        fault["message"].strip(),
        coordinate=coordinate,
        subgraph=name,
        place=place,
    )
