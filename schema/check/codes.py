"""What each finding code means and what to do about it, for `edtech schema explain`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_FILE = Path(__file__).with_name("codes.yaml")


@dataclass(frozen=True)
class Explanation:
    """What a code means, and what to do."""

    code: str
    task: str
    meaning: str
    remedy: str


@cache
def all_codes() -> dict[str, Explanation]:
    """Every code by name, in the order of the tasks."""
    tasks: dict[str, dict[str, list[str]]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {
        code: Explanation(code, task, meaning, remedy)
        for task, codes in tasks.items()
        for code, (meaning, remedy) in codes.items()
    }


def explain(code: str) -> Explanation:
    """A code's explanation. Composition has codes of its own library: those are told in general."""
    return all_codes().get(code) or Explanation(
        code,
        "composition",
        "The subgraphs do not make one graph; the message says where.",
        "Mend the subgraph that the message names; the code is one of Apollo Federation 2.",
    )
