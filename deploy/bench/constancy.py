"""How many statements and subgraph requests the federated query costs, for pages of any size."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from deploy.bench.meters import Statements
from deploy.bench.questions import USERS, Body, Faces

SIZES = (1, 20, 100)
REPEATS = 5


@dataclass(frozen=True)
class Cost:
    """What one request of so many users cost."""

    users: int
    statements: float
    requests: dict[str, float]  # by subgraph

    def is_like(self, other: "Cost") -> bool:
        """Whether the size of the page made no difference."""
        return (self.statements, self.requests) == (other.statements, other.requests)


def subgraph_requests(client: httpx.Client, admin_port: int) -> dict[str, int]:
    """Requests to each subgraph so far, by the router's own metrics."""
    text = client.get(f"http://127.0.0.1:{admin_port}/metrics").text
    prefix = 'router_subgraph_seconds_count{subgraph="'
    found = {}
    for line in text.splitlines():
        if line.startswith(prefix):
            name, _, count = line.removeprefix(prefix).partition('"} ')
            found[name] = int(float(count))
    return found


def measure(
    faces: Faces,
    client: httpx.Client,
    statements: Statements,
    *,
    admin_port: int,
    token: str,
    sizes: Sequence[int] = SIZES,
) -> list[Cost]:
    """The cost of each size, an average over some requests; it must be the same whole number."""
    costs = []
    for size in sizes:
        variables = {"first": size, "after": None}
        target = faces.through_router([Body({"query": USERS, "variables": variables}, token)])
        target.ask(client, 0)
        before, calls = subgraph_requests(client, admin_port), statements.count()
        for _ in range(REPEATS):
            target.ask(client, 0)
        after = subgraph_requests(client, admin_port)
        asked = {name: after[name] - before.get(name, 0) for name in sorted(after)}
        costs.append(
            Cost(
                size,
                (statements.count() - calls) / REPEATS,
                {name: count / REPEATS for name, count in asked.items() if count},
            )
        )
    return costs
