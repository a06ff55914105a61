"""Queries: each question at the yardstick, at the subgraphs and through the router, in turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from statistics import median

from deploy.bench.http_load import Plan, run_apart
from deploy.bench.meters import (
    Sample,
    Statements,
    cpu_seconds,
    middle,
    percentile,
    resident_mib,
)
from deploy.bench.questions import Question, Target

CONNECTIONS = 8
DATABASE = "PostgreSQL"


@dataclass(frozen=True)
class Effort:
    """How long is measured; each run ends at the first of the two limits."""

    rounds: int = 3
    seconds: float = 2.0
    most: int = 4000
    warm_up: int = 60


@dataclass
class Figures:
    """What one question cost at each of its targets, one sample per round."""

    question: Question
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)  # MiB by process, at the end

    def of(self, target: Target) -> Sample:
        """The medians of one target."""
        return middle(self.samples[target.name])

    @property
    def parts(self) -> Sample | None:
        """What all parts together cost: CPU and statements; None when there is but one."""
        found = [self.samples[target.name] for target in self.question.targets if target.is_part]
        if len(found) < 2:
            return None
        sums = []
        for samples in zip(*found, strict=True):
            cpu = {name: sum(s.cpu[name] for s in samples) for name in samples[0].cpu}
            statements = sum(s.statements for s in samples)
            # One request after the other, as the router has to.
            per_second = 1 / sum(1 / s.per_second for s in samples)
            sums.append(
                Sample(per_second, sum(s.p50 for s in samples), float("nan"), cpu, statements)
            )
        return middle(sums)

    def ratio(self, target: Target) -> tuple[float, float]:
        """Requests/s and CPU against the yardstick, the median of the rounds' ratios."""
        yardstick, given = (
            self.samples[self.question.targets[0].name],
            self.samples[target.name],
        )
        pairs = list(zip(given, yardstick, strict=True))
        return (
            median(s.per_second / y.per_second for s, y in pairs),
            # The kernel counts in ticks of 10 ms: very few requests may have cost none.
            median(s.cpu_total / y.cpu_total if y.cpu_total else nan for s, y in pairs),
        )


def measure(
    questions: Sequence[Question],
    processes: Mapping[str, int],
    statements: Statements,
    effort: Effort,
) -> list[Figures]:
    """Ask every question at every target, round by round, so that noise meets all alike.

    `processes` are pids by name; PostgreSQL's stands for its whole family.
    """
    figures = [Figures(question) for question in questions]
    for number in range(effort.rounds):
        for each in figures:
            for target in each.question.targets:
                if number == 0:
                    run_apart(_plan(target, effort, most=effort.warm_up))
                sample = _sample(target, processes, statements, effort)
                each.samples.setdefault(target.name, []).append(sample)
            each.memory = {
                name: resident_mib(pid) for name, pid in processes.items() if name != DATABASE
            }
    return figures


def _plan(target: Target, effort: Effort, *, most: int) -> Plan:
    return Plan(
        target.name, "127.0.0.1", target.port, target.exchanges(), CONNECTIONS, effort.seconds, most
    )


def _cpu(processes: Mapping[str, int]) -> dict[str, float]:
    return {name: cpu_seconds(pid, family=name == DATABASE) for name, pid in processes.items()}


def _sample(
    target: Target, processes: Mapping[str, int], statements: Statements, effort: Effort
) -> Sample:
    cpu, calls = _cpu(processes), statements.count()
    seen = run_apart(_plan(target, effort, most=effort.most))
    spent = _cpu(processes)
    count = len(seen.latencies)
    return Sample(
        per_second=count / seen.seconds,
        p50=1000 * percentile(seen.latencies, 0.5),
        p99=1000 * percentile(seen.latencies, 0.99),
        cpu={name: 1000 * (spent[name] - cpu[name]) / count for name in processes},
        statements=(statements.count() - calls) / count,
    )
