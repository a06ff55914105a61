"""What is asked of each executor."""

import json
from dataclasses import dataclass
from typing import Any

FIELDS = "id title language seats rating isOpen"
ENTITIES = (
    "query($representations: [_Any!]!) { _entities(representations: $representations)"
    f" {{ ... on Course {{ {FIELDS} }} }} }}"
)


@dataclass(frozen=True)
class Case:
    """One operation; `entities` is how many the answer has, 0 where that says nothing."""

    name: str
    query: str
    variables: dict[str, Any]
    entities: int = 0

    def body(self) -> bytes:
        """The operation as HTTP carries it."""
        asked = {"query": self.query, "variables": self.variables}
        return json.dumps(asked, separators=(",", ":")).encode()


def _entities(count: int) -> Case:
    representations = [{"__typename": "Course", "id": str(n)} for n in range(count)]
    return Case(f"_entities {count}", ENTITIES, {"representations": representations}, count)


CASES = (
    Case("ping", "{ ping }", {}),
    _entities(1),
    _entities(10),
    _entities(100),
    _entities(1000),
    Case("list of 100", f"query($n: Int!) {{ courses(first: $n) {{ {FIELDS} }} }}", {"n": 100}),
    Case(
        "20 users x 5, loader",
        "query($n: Int!) { users(first: $n) { id name courses { id title } } }",
        {"n": 20},
    ),
    Case(
        "20 users x 5, loader, awaited",
        "query($n: Int!) { users(first: $n) { id name awaitedCourses { id title } } }",
        {"n": 20},
    ),
)
