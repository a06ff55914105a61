"""The figures as tables."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from deploy.bench import scale as scales
from deploy.bench import slots as calculation
from deploy.bench.constancy import Cost
from deploy.bench.meters import Sample
from deploy.bench.pipeline import Lag, Throughput
from deploy.bench.queries import DATABASE, Figures

# A target is served by the hand-written endpoints or by the subgraphs, never by both.
PROCESSES = {"Python": ("hand-written", "subgraphs"), "Node": ("router",), "Postgres": (DATABASE,)}


def _table(title: str, *headings: str) -> Table:
    return Table(*headings, title=title, title_justify="left", box=box.SIMPLE_HEAD)


def queries(figures: Figures) -> Table:
    """One question: what each target did, and how that compares with the yardstick."""
    table = _table(f"{figures.question.name} (CPU in ms per request)")
    table.add_column("target", no_wrap=True)
    for heading in ("req/s", "p50 ms", "p99 ms", *PROCESSES, "all", "SQL", "x req/s", "x CPU"):
        table.add_column(heading, justify="right", no_wrap=True)

    def row(name: str, sample: Sample, ratio: tuple[float, float] | None) -> None:
        table.add_row(
            name,
            f"{sample.per_second:.0f}",
            f"{sample.p50:.1f}",
            "" if sample.p99 != sample.p99 else f"{sample.p99:.1f}",
            *(f"{sum(sample.cpu[name] for name in names):.2f}" for names in PROCESSES.values()),
            f"{sample.cpu_total:.2f}",
            f"{sample.statements:.1f}",
            *(("", "") if ratio is None else (f"{ratio[0]:.2f}", f"{ratio[1]:.1f}")),
        )

    for target in figures.question.targets:
        if not target.is_part and (parts := figures.parts) is not None and target.name == "router":
            row("subgraphs, all parts", parts, None)
        row(target.name, figures.of(target), figures.ratio(target))
    return table


def memory(figures: Sequence[Figures]) -> Table:
    """What the processes held at the end."""
    table = _table("Memory after all queries", "process")
    table.add_column("RSS MiB", justify="right")
    for name, size in figures[-1].memory.items():
        table.add_row(name, f"{size:.0f}")
    return table


def constancy(costs: Sequence[Cost]) -> Table:
    """What one federated request cost by the size of its page."""
    names = sorted({name for cost in costs for name in cost.requests})
    table = _table("One federated request, by size of the page")
    for heading in ("users", "SQL statements", *(f"requests to {name}" for name in names)):
        table.add_column(heading, justify="right")
    for cost in costs:
        requests = (f"{cost.requests.get(name, 0):g}" for name in names)
        table.add_row(str(cost.users), f"{cost.statements:g}", *requests)
    return table


def lags(found: Sequence[Lag]) -> Table:
    """Commit to commit."""
    table = _table("Commit in identity to commit in learning", "load")
    for heading in ("events", "reached/s", "p50 ms", "p99 ms", "max ms"):
        table.add_column(heading, justify="right")
    for lag in found:
        table.add_row(
            lag.name,
            str(len(lag.latencies)),
            f"{lag.per_second:.0f}",
            f"{lag.p50:.1f}",
            f"{lag.p99:.1f}",
            f"{max(lag.latencies):.1f}",
        )
    return table


def throughput(found: Sequence[Throughput]) -> Table:
    """Backlogs."""
    table = _table("A backlog, one process each", "part")
    for heading in ("events", "events/s", "CPU µs per event"):
        table.add_column(heading, justify="right")
    for each in found:
        table.add_row(each.name, str(each.events), f"{each.per_second:.0f}", f"{each.cpu:.0f}")
    return table


def slots(count: int, costs: Sequence[calculation.Cost]) -> Table:
    """CPU time of one tutor's slots."""
    table = _table(f"{count} slots of four weeks around 200 lessons", "work")
    for heading in ("runs", "CPU ms", "p99 CPU ms"):
        table.add_column(heading, justify="right")
    for cost in costs:
        table.add_row(cost.name, str(cost.runs), f"{cost.middle:.2f}", f"{cost.p99:.2f}")
    return table


def scale(found: scales.Found) -> list[Table]:
    """Few tutors against many, page 1 against a deep one, and the plans over the many."""
    few, many = f"{found.sizes.few:,} tutors", f"{found.sizes.many:,}"
    deep = f"page {scales.DEEP}"
    plans = _table(f"What is read for it from {many} tutors", "question", "reads")
    for plan in found.plans:
        plans.add_row(plan.name, "\n".join(plan.nodes))
    return [
        _pairs("Tutor search, p50 in ms", few, many, found.pages),
        _pairs("Facets of at most 1,000 hits, p50 in ms", few, many, found.facets),
        _pairs(f"All of {many} tutors, p50 in ms", "page 1", deep, found.depth),
        plans,
    ]


def _pairs(title: str, first: str, second: str, pairs: Sequence[scales.Pair]) -> Table:
    table = _table(title, "question")
    for heading in (first, second, "ratio"):
        table.add_column(heading, justify="right")
    for pair in pairs:
        table.add_row(pair.name, f"{pair.first:.2f}", f"{pair.second:.2f}", f"{pair.ratio:.2f}")
    return table
