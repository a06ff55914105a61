"""What composition, comparison, validation and planning say, in one answer of gateway/check.mjs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict, cast

from schema.check import program
from schema.check.findings import Place
from schema.check.snapshot import Snapshot


class Directive(TypedDict):
    """A directive where it is applied; its arguments are GraphQL text."""

    name: str
    arguments: dict[str, str]
    line: int


class Entry(TypedDict):
    """What an SDL says of one coordinate."""

    kind: str
    line: int
    type: str | None
    hasDefault: bool
    described: bool
    directives: list[Directive]
    interfaces: list[str]
    members: list[str]


class Fault(TypedDict):
    """A message and the line that it is about."""

    message: str
    line: int


class Index(TypedDict):
    """One SDL by coordinate."""

    coordinates: dict[str, Entry]
    links: list[Directive]
    error: Fault | None


class CompositionFault(TypedDict, total=False):
    """Why subgraphs do not compose."""

    code: str
    message: str
    subgraph: str


class ContractOutcome(TypedDict):
    """Why a contract does not compose."""

    errors: list[CompositionFault]


class SideFacts(TypedDict):
    """One composed side."""

    errors: list[CompositionFault]
    contracts: dict[str, ContractOutcome]
    subgraphs: dict[str, Index]


class Change(TypedDict):
    """A difference in shape."""

    code: str
    level: str
    message: str
    coordinate: str
    detail: str | None


class Plan(TypedDict, total=False):
    """What running an operation takes, or why it cannot be planned."""

    fetches: int
    depth: int
    cost: int
    error: str


class Operation(TypedDict):
    """One operation of a document; `uses` has the line of each coordinate that it names."""

    name: str | None
    kind: str
    line: int
    uses: dict[str, int]
    plans: dict[str, Plan] | None


class DocumentFacts(TypedDict):
    """A document on both sides; without errors of a side it has no schema there."""

    id: str
    syntax: Fault | None
    errors: dict[str, list[Fault] | None]
    operations: list[Operation]


class Answer(TypedDict):
    """All of it."""

    base: SideFacts | None
    head: SideFacts
    changes: dict[str, list[Change]]
    documents: list[DocumentFacts]
    # Milliseconds by step; for the benchmark alone.
    timings: dict[str, float]


@dataclass(frozen=True)
class Facts:
    """The answer beside what was asked; knows where a coordinate stands."""

    head: Snapshot
    base: Snapshot | None
    answer: Answer

    def indexes(self, side: SideFacts | None) -> dict[str, dict[str, Entry]]:
        """Coordinates of each subgraph of a side."""
        if side is None:
            return {}
        return {name: each["coordinates"] for name, each in sorted(side["subgraphs"].items())}

    @property
    def head_indexes(self) -> dict[str, dict[str, Entry]]:
        """Coordinates of each proposed subgraph."""
        return self.indexes(self.answer["head"])

    @property
    def base_indexes(self) -> dict[str, dict[str, Entry]]:
        """Coordinates of each subgraph of the baseline."""
        return self.indexes(self.answer["base"])

    @property
    def base_composes(self) -> bool:
        """Whether there is a baseline that a router could have run."""
        side = self.answer["base"]
        return side is not None and not side["errors"]

    def subgraph_of(self, coordinate: str) -> str | None:
        """The subgraph whose change of a coordinate a reader wants to see."""
        head, base = self.head_indexes, self.base_indexes
        having = [name for name, index in head.items() if coordinate in index]
        changed = [
            name
            for name in sorted({*head, *base})
            if meaning(head.get(name, {}).get(coordinate))
            != meaning(base.get(name, {}).get(coordinate))
        ]
        for candidates in (changed, having):
            if candidates:
                return candidates[0]
        parent = parent_of(coordinate)
        return self.subgraph_of(parent) if parent else None

    def place(self, coordinate: str | None, subgraph: str | None = None) -> Place | None:
        """The line of a coordinate, or of what is left of it when it was removed."""
        if not coordinate:
            return None
        name = subgraph or self.subgraph_of(coordinate)
        if name is None or name not in self.head.subgraphs:
            return None
        index = self.head_indexes.get(name, {})
        left: str | None = coordinate
        while left is not None and left not in index:
            left = parent_of(left)
        return Place(self.head.subgraphs[name].path, index[left]["line"] if left else 1)


def meaning(entry: Entry | None) -> object:
    """What an SDL says, wherever it stands."""
    if entry is None:
        return None
    directives = [(each["name"], each["arguments"]) for each in entry["directives"]]
    return shape(entry), directives


def shape(entry: Entry | None) -> object:
    """What an SDL says but for directives."""
    return None if entry is None else {**entry, "line": 0, "directives": []}


def parent_of(coordinate: str) -> str | None:
    """`Course.lessons(first:)` is part of `Course.lessons`, and that of `Course`."""
    if coordinate.endswith(")"):
        return coordinate.partition("(")[0]
    return coordinate.partition(".")[0] if "." in coordinate else None


_COORDINATE = re.compile(r"\b[A-Z]\w*(?:\.\w+(?:\(\w+:\))?)?")


def mentioned(message: str, known: Iterable[dict[str, Entry]]) -> str | None:
    """The most precise coordinate that a message speaks of."""
    indexes = list(known)
    found = [
        word
        for word in dict.fromkeys(_COORDINATE.findall(message))
        if any(word in index for index in indexes)
    ]
    return max(found, key=lambda word: ("." in word, "(" in word), default=None)


def gather(base: Snapshot | None, head: Snapshot, *, timeout: float) -> Facts:
    """Ask once for everything that needs JavaScript. Raises InputError and TimedOut."""
    request = {
        "base": base.request() if base else None,
        "head": head.request(),
        "documents": [
            {"id": path, "text": each.text, "contract": each.contract}
            for path, each in sorted(head.documents.items())
        ],
    }
    return Facts(head, base, cast(Answer, program.run(request, timeout=timeout)))
