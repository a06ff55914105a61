"""Execution without HTTP: microseconds per operation, Python and Node in turns."""

import asyncio
import gc
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvloop

from deploy.bench.executor.cases import CASES, Case
from deploy.bench.executor.graph import context
from deploy.bench.executor.server import compiled_schema, plain_schema
from deploy.local.errors import LocalServiceError
from deploy.local.tools import ROOT, node

SCRIPT = Path(__file__).with_name("graphql.mjs")
COMPILED, PLAIN, CACHES, NODE = "compiled", "Strawberry", "+ caches", "graphql-js"
Times = dict[str, list[list[float]]]  # microseconds by executor, case and round


def node_environment() -> dict[str, str]:
    """Where graphql.mjs finds the router's graphql-js."""
    return {**os.environ, "GATEWAY": str(ROOT / "gateway"), "NODE_ENV": "production"}


def measure(rounds: int, seconds: float) -> Times:
    """All cases on all executors, round by round, so that noise meets all alike.

    `seconds` is about what one case takes on the compiled executor in one round.
    """
    return asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_measure(rounds, seconds))


async def _measure(rounds: int, seconds: float) -> Times:
    schemas: Mapping[str, Any] = {
        COMPILED: compiled_schema(),
        PLAIN: plain_schema(),
        CACHES: plain_schema(caches=True),
    }
    numbers = [await _number(schemas[COMPILED], case, seconds) for case in CASES]
    found: Times = {name: [[] for _ in CASES] for name in (*schemas, NODE)}
    for _ in range(rounds):
        for name, schema in schemas.items():
            for at, case in enumerate(CASES):
                # The slow ones would take minutes for the same number.
                number = numbers[at] if name == COMPILED else max(3, numbers[at] // 10)
                found[name][at].append(await _time(schema, case, number))
        for at, times in enumerate(node_times(numbers)):
            found[NODE][at] += times
    return found


async def _number(schema: Any, case: Case, seconds: float) -> int:
    """How many executions fill the time; the first ones compile the operation."""
    await _time(schema, case, 5)
    return max(10, int(seconds / (await _time(schema, case, 20) / 1_000_000)))


async def _time(schema: Any, case: Case, number: int) -> float:
    body = json.dumps(case.variables)
    # Fresh variables for each, as a request has them.
    asked = [(json.loads(body), context()) for _ in range(number)]
    gc.collect()
    started = time.perf_counter()
    for variables, own in asked:
        result = await schema.execute(case.query, variables, own)
    took = time.perf_counter() - started
    if result.errors:
        raise LocalServiceError(f"{case.name} failed: {result.errors[0].message}")
    return 1_000_000 * took / number


def node_times(numbers: Sequence[int]) -> list[list[float]]:
    """Microseconds of each case on graphql-js, executed so many times. Raises LocalServiceError."""
    cases = [[case.body().decode(), n] for case, n in zip(CASES, numbers, strict=True)]
    done = subprocess.run(
        [node(), SCRIPT, "execute"],
        input=json.dumps({"cases": cases, "rounds": 1}),
        env=node_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise LocalServiceError(f"graphql-js failed: {done.stderr.strip().splitlines()[-1]}")
    found: list[list[float]] = json.loads(done.stdout)
    return found
