"""Measure the executor alone, print tables."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from rich import box
from rich.table import Table

from deploy.bench.executor import alone, served
from deploy.bench.executor.alone import COMPILED, NODE, PLAIN
from deploy.bench.executor.cases import CASES


@dataclass(frozen=True)
class Effort:
    """How long is measured."""

    rounds: int = 3
    seconds: float = 0.3
    seconds_of_load: float = 1.5


def tables(effort: Effort, show: Callable[[str], None]) -> Iterator[Table]:
    """Execution alone, then behind HTTP."""
    show("execution alone")
    times = alone.measure(effort.rounds, effort.seconds)
    yield _table(
        "Execution alone, µs per operation and per entity: minimum (median)",
        {
            name: [[f"{_short(min(case))} ({_short(median(case))})"] for case in cases]
            for name, cases in times.items()
        },
        [ratios(times, at) for at in range(len(CASES))],
        per_entity=[_per_entity(min(times[COMPILED][at]), at) for at in range(len(CASES))],
    )
    samples = served.measure(effort.rounds, effort.seconds_of_load, show)
    cpu = {name: [[each.cpu for each in case] for case in cases] for name, cases in samples.items()}
    yield _table(
        "Behind HTTP, one process, 16 connections: CPU µs per request, requests/s (medians)",
        {
            name: [
                [
                    f"{median(cpu[name][at]):,.0f}",
                    f"{median(each.per_second for each in case):,.0f}",
                ]
                for at, case in enumerate(cases)
            ]
            for name, cases in samples.items()
        },
        [ratios(cpu, at) for at in range(len(CASES))],
    )


def ratios(figures: dict[str, list[list[float]]], at: int) -> list[str]:
    """How many times compiled's cost Strawberry and Node need: the median of the rounds' ratios."""
    own = figures[COMPILED][at]
    return [
        f"{median(other / ours for other, ours in zip(figures[name][at], own, strict=True)):.2f}"
        for name in (PLAIN, NODE)
    ]


def _short(micros: float) -> str:
    return f"{micros:.1f}" if micros < 100 else f"{micros:.0f}"


def _per_entity(micros: float, at: int) -> str:
    return f"{micros / CASES[at].entities:.2f}" if CASES[at].entities else ""


def _table(
    title: str,
    figures: dict[str, list[list[str]]],
    ratios: Sequence[Sequence[str]],
    *,
    per_entity: Sequence[str] | None = None,
) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("case", no_wrap=True)
    for name, cases in figures.items():
        table.add_column(name, justify="right", no_wrap=True)
        for _ in cases[0][1:]:
            table.add_column("/s", justify="right", no_wrap=True)
    for heading in (f"x {PLAIN}", f"x {NODE}"):
        table.add_column(heading, justify="right")
    if per_entity is not None:
        table.add_column("entity", justify="right")
    for at, case in enumerate(CASES):
        cells = [cell for cases in figures.values() for cell in cases[at]]
        table.add_row(case.name, *cells, *ratios[at], *([per_entity[at]] if per_entity else []))
    return table
