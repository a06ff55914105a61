"""`make bench`: start the platform in a temporary folder, load data, measure, print."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import httpx
from rich.console import Console

from deploy.bench import checks, constancy, crowd, market, pipeline, queries, scale, slots, tables
from deploy.bench.executor import run as executors
from deploy.bench.meters import Statements
from deploy.bench.questions import (
    Faces,
    about_me,
    course_search,
    names_of_users,
    slots_of_busy_tutor,
    tutor_search,
    user_pages,
)
from deploy.local.platform import Platform
from deploy.local.ports import free_port
from deploy.local.process import ChildProcess
from deploy.local.service import accepts
from deploy.local.tools import ROOT

WIDTH = 124


class Only(StrEnum):
    """One part of the benchmarks."""

    QUERIES = "queries"
    EVENTS = "events"
    SCALE = "scale"
    CHECKS = "checks"
    EXECUTOR = "executor"


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    size: crowd.Size = field(default_factory=crowd.Size)
    effort: queries.Effort = field(default_factory=queries.Effort)
    numbers: pipeline.Numbers = field(default_factory=pipeline.Numbers)
    sizes: scale.Sizes = field(default_factory=scale.Sizes)
    executor: executors.Effort = field(default_factory=executors.Effort)
    tutors: int = 1_000
    pages: int = 40
    callers: int = 50
    # Parts that run when none is asked for.
    parts: frozenset[Only] = frozenset(Only)

    def wants(self, part: Only, only: Only | None) -> bool:
        """Whether a part is measured."""
        return part == only if only is not None else part in self.parts


QUICK = Plan(
    size=crowd.Size(students=150, tutors=20, courses=200),
    effort=queries.Effort(rounds=1, seconds=0.5, most=300, warm_up=16),
    numbers=pipeline.Numbers(idle=30, seconds=1.0, backlog=4000),
    sizes=scale.Sizes(few=1_000, many=11_000, rounds=10),
    executor=executors.Effort(rounds=1, seconds=0.1, seconds_of_load=0.3),
    pages=10,
    callers=10,
    # Making tutors takes longer than everything else.
    parts=frozenset({Only.QUERIES, Only.EVENTS, Only.EXECUTOR}),
)
# What the database did for each question of scale, in full.
PLANS = ROOT / ".local" / "bench" / "plans.txt"


def run(out: Console, progress: Console, *, plan: Plan, only: Only | None = None) -> bool:
    """Measure and print; False when a count that has to be constant is not."""

    # A pipe counts as 80 columns, which would cut the figures.
    out.width = max(out.width, WIDTH)

    def show(part: str, message: str) -> None:
        progress.print(f"[dim]{part}: {message}[/]", highlight=False)

    if plan.wants(Only.CHECKS, only):
        out.print(checks.table(checks.measure()))
    if plan.wants(Only.EXECUTOR, only):
        for table in executors.tables(plan.executor, lambda step: show("Executor", step)):
            out.print(table)
    # They need no platform.
    if only in (Only.CHECKS, Only.EXECUTOR):
        return True
    with (
        tempfile.TemporaryDirectory(prefix="edtech-bench-") as folder,
        Platform(Path(folder), split=True, progress=show) as platform,
        environment(platform),
    ):
        return asyncio.run(_measure(platform, plan, only, out, progress))


@contextmanager
def environment(platform: Platform) -> Iterator[None]:
    """This process finds the platform as its own processes do, for as long as this lasts."""
    before = dict(os.environ)
    os.environ.update(platform.env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _measure(
    platform: Platform, plan: Plan, only: Only | None, out: Console, progress: Console
) -> bool:
    good = True
    async with crowd.runtimes() as (identity, learning, matching):
        people = await crowd.load(identity, learning, plan.size)
        # Their timers would be counted with the queries; the events start workers of their own.
        platform.processes["worker"].stop()
        if plan.wants(Only.QUERIES, only):
            [admin] = await crowd.tokens(identity, [people.admin], "admin")
            students = await crowd.tokens(identity, people.students[: plan.callers], "student")
            async with matching.database.write() as session:
                tutors = await market.write(session, plan.tutors)
            good = _queries(platform, plan, people, (admin, students), tutors, out)
            out.print(tables.slots(*slots.measure()))
        if plan.wants(Only.EVENTS, only):
            events = pipeline.Pipeline(platform, identity, people)
            out.print(tables.lags(await events.lags(plan.numbers)))
            out.print(tables.throughput(await events.throughput(plan.numbers)))
    if plan.wants(Only.SCALE, only):
        async with scale.runtimes(plan.sizes, progress) as (few, many):
            found = await scale.measure(few, many, plan.sizes)
        _show_scale(found, out)
    return good


def _show_scale(found: scale.Found, out: Console) -> None:
    for table in tables.scale(found):
        out.print(table)
    PLANS.parent.mkdir(parents=True, exist_ok=True)
    PLANS.write_text("\n\n".join(f"--- {plan.name}\n{plan.text}" for plan in found.plans))
    out.print(f"The plans in full: {PLANS.relative_to(ROOT)}", highlight=False)


def _queries(
    platform: Platform,
    plan: Plan,
    people: crowd.Crowd,
    tokens: tuple[str, list[str]],
    tutors: market.Market,
    out: Console,
) -> bool:
    admin, students = tokens
    with (
        _handwritten(platform) as yardstick,
        Statements(platform.env["DB_PORT"]) as statements,
        httpx.Client(timeout=20, trust_env=False) as client,
    ):
        faces = Faces(
            handwritten=yardstick.port,
            api=platform.ports["api"],
            router=platform.ports["router"],
            secret=platform.env["GATEWAY_SECRET"].encode(),
        )
        questions = [
            about_me(faces, students),
            names_of_users(faces, [str(id_) for id_ in people.students]),
            course_search(faces, client),
            user_pages(faces, client, admin, pages=plan.pages),
            tutor_search(faces, tutors),
            slots_of_busy_tutor(faces, tutors),
        ]
        for question in questions:
            question.check(client)
        processes = {
            "hand-written": yardstick.pid,
            "subgraphs": platform.processes["serve"].pid or 0,
            "router": platform.router.pid or 0,
            queries.DATABASE: platform.stack.postgres.pid or 0,
        }
        figures = queries.measure(questions, processes, statements, plan.effort)
        for each in figures:
            out.print(tables.queries(each))
        out.print(tables.memory(figures))
        costs = constancy.measure(
            faces,
            client,
            statements,
            admin_port=platform.ports["router_admin"],
            token=admin,
        )
    out.print(tables.constancy(costs))
    if all(cost.is_like(costs[0]) for cost in costs):
        return True
    out.print("[red]The costs depend on the size of the page.[/]")
    return False


@dataclass(frozen=True)
class Yardstick:
    """The running hand-written endpoints."""

    port: int
    pid: int


@contextmanager
def _handwritten(platform: Platform) -> Iterator[Yardstick]:
    port = free_port()
    child = ChildProcess(
        "Hand-written endpoints",
        [sys.executable, "-m", "deploy.bench.handwritten", str(port)],
        log=platform.directory / "logs" / "handwritten.log",
        env=platform.env,
        cwd=ROOT,
    )
    child.start()
    try:
        child.wait_until(lambda: accepts(port), 30)
        yield Yardstick(port, child.pid or 0)
    finally:
        child.stop()
