"""The schema check of a graph as large as it is meant to become, by step."""

import tempfile
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import yaml
from rich import box
from rich.table import Table

from schema.check.run import Proposal, check
from schema.registry import PATH, ROOT

SUBGRAPHS = 11
DOCUMENTS = 500
# One is held against its contract, the other against the whole graph.
CLIENTS = ("web", "app")
TYPES = 40  # of a generated subgraph

_LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9",'
    ' import: ["@key", "@shareable", "@tag"])\n'
)


@dataclass
class Figures:
    """Seconds of each step, and what the check was over."""

    seconds: dict[str, float] = field(default_factory=dict)
    whole: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)


def measure() -> Figures:
    """Check one changed field per subgraph against the registry of before."""
    with tempfile.TemporaryDirectory(prefix="edtech-checks-") as folder:
        before, after = Path(folder) / "before", Path(folder) / "after"
        counts = _write(before, changed=False)
        _write(after, changed=True)
        figures = Figures(counts=counts)
        marks: list[tuple[str, float]] = []
        inside: dict[str, float] = {}
        began = time.perf_counter()
        report = check(
            Proposal(root=after, baseline=str(before), today=date(2026, 1, 1)),
            lambda step: marks.append((step, time.perf_counter())),
            inside.update,
        )
        ended = time.perf_counter()
    figures.whole = ended - began
    for (step, at), (_, until) in zip(marks, [*marks[1:], ("", ended)], strict=True):
        if step != "facts":
            figures.seconds[step] = until - at
            continue
        known = {f"facts: {name}": each / 1000 for name, each in inside.items()}
        figures.seconds |= known
        # The start of the process, and its way in and out.
        figures.seconds["facts: process"] = until - at - sum(known.values())
    counts["findings"] = len(report.findings)
    return figures


def table(figures: Figures) -> Table:
    """The figures as a table."""
    counts = ", ".join(f"{count:,} {name}" for name, count in figures.counts.items())
    shown = Table(
        "step", title=f"Schema check of {counts}", title_justify="left", box=box.SIMPLE_HEAD
    )
    shown.add_column("seconds", justify="right")
    for step, seconds in figures.seconds.items():
        shown.add_row(step, f"{seconds:.2f}")
    shown.add_row("all", f"{figures.whole:.2f}")
    return shown


def _write(root: Path, *, changed: bool) -> dict[str, int]:
    """The registry of this repository, filled up to the full numbers."""
    registry = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    subgraphs = {}
    lines = 0
    for name, entry in registry["subgraphs"].items():
        text = (ROOT / entry["schema"]).read_text(encoding="utf-8")
        if changed:
            text += f'\n"""What is new in {name}."""\ntype {name.title()}News {{ id: ID! }}\n'
        subgraphs[name] = {"url": entry["url"], "schema": entry["schema"]}
        _file(root, entry["schema"], text)
        lines += len(text.splitlines())
    generated = max(SUBGRAPHS - len(subgraphs), 1)
    for number in range(generated):
        name = f"generated{number}"
        path = f"schema/subgraphs/{name}.graphql"
        subgraphs[name] = {"url": f"http://{name}/graphql", "schema": path}
        text = _subgraph(number, generated, changed=changed)
        _file(root, path, text)
        lines += len(text.splitlines())
    _file(root, "gateway/supergraph.yaml", yaml.safe_dump({"subgraphs": subgraphs}))
    contracts = (ROOT / "schema" / "contracts.yaml").read_text(encoding="utf-8")
    _file(root, "schema/contracts.yaml", contracts)
    for event in sorted((ROOT / "schema" / "events").glob("*.json")):
        _file(root, f"schema/events/{event.name}", event.read_text(encoding="utf-8"))
    _documents(root, generated)
    return {
        "subgraphs": len(subgraphs),
        "lines": lines,
        "contracts": len(yaml.safe_load(contracts)["contracts"]),
        "documents": DOCUMENTS,
    }


def _subgraph(number: int, generated: int, *, changed: bool) -> str:
    types = []
    for at in range(TYPES):
        name = f"Item{number}x{at}"
        # The key of the next subgraph's type, so that plans have to go there and come back.
        other = f"Item{(number + 1) % generated}x{at}"
        price = '  "Its price."\n  price: Int\n' if changed and at == 0 else ""
        types.append(
            f'"An item."\ntype {name} @key(fields: "id") @tag(name: "public") {{\n'
            f'  "Identifies it."\n  id: ID!\n  "Its title."\n  title(\n    "In which language."\n'
            f"    language: String\n  ): String!\n"
            f'  "Its size."\n  size: Int @tag(name: "admin")\n{price}'
            f'  "What follows."\n  next: {other}\n}}\n\n'
            f'"What follows an item."\ntype {other} @key(fields: "id", resolvable: false) {{\n'
            f'  "Identifies it."\n  id: ID!\n}}\n'
        )
    fields = "".join(
        f'  "One item."\n  item{number}x{at}("Which one." id: ID! @tag(name: "public")):'
        f' Item{number}x{at} @tag(name: "public")\n'
        for at in range(TYPES)
    )
    return f"{_LINK}\ntype Query {{\n{fields}}}\n\n" + "\n".join(types)


def _documents(root: Path, generated: int) -> None:
    """Registered ones, as often as it takes under other names, and some over generated types."""
    registered = sorted((ROOT / "schema" / "operations").rglob("*.graphql"))
    texts = [(file.stem, file.read_text(encoding="utf-8")) for file in registered]
    half = DOCUMENTS // 2 if texts else 0
    for number in range(DOCUMENTS):
        if number < half:
            stem, text = texts[number % len(texts)]
            name = f"{stem}N{number}"
            text = text.replace(f" {stem}", f" {name}", 1)
        else:
            subgraph, at = number % generated, number // 7 % TYPES
            name = f"Generated{number}"
            item = f"item{subgraph}x{at}"
            text = (
                f"query {name}($id: ID!) {{\n  {item}(id: $id) {{\n    id\n    title\n    size\n"
                "    next {\n      title\n      next {\n        size\n      }\n    }\n  }\n}\n"
            )
        _file(root, f"schema/operations/{CLIENTS[number % 2]}/1.0/{name}.graphql", text)


def _file(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
