"""The check: read both registries, ask for the facts, judge them task by task."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from schema.check import facts as facts_module
from schema.check import origins, published, settings, snapshot, sources
from schema.check import usage as usage_file
from schema.check.context import Context
from schema.check.findings import InputError, Report, Task, TimedOut, WrongUsage, in_order
from schema.check.sources import Files
from schema.check.tasks import (
    approvals,
    changes,
    composition,
    contracts,
    events,
    lint,
    operations,
    plans,
    usage,
)
from schema.registry import ROOT

DEFAULT_TIMEOUT_SECONDS = 120.0
Progress = Callable[[str], None]
Watch = Callable[[dict[str, float]], None]


def silent(_step: object) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Proposal:
    """What is checked against what."""

    root: Path = ROOT
    baseline: str | None = None
    # A proposed SDL for a subgraph, from outside of the registry.
    subgraph: str | None = None
    sdl: Path | None = None
    usage: Path | None = None
    today: date | None = None
    warn_only: bool = False
    timeout: float = DEFAULT_TIMEOUT_SECONDS


@dataclass
class _Deadline:
    seconds: float
    started: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Seconds that remain. Raises TimedOut."""
        left = self.seconds - (time.monotonic() - self.started)
        if left <= 0:
            raise TimedOut(f"The check did not end within {self.seconds:g} seconds.")
        return left


def check(proposal: Proposal, progress: Progress = silent, watch: Watch = silent) -> Report:
    """Run the ten tasks. Raises InputError, WrongUsage and TimedOut."""
    deadline = _Deadline(proposal.timeout)
    progress("read")
    head_files, base_files = _files(proposal)
    head, base = snapshot.read(head_files), snapshot.read(base_files)
    lint_settings = settings.lint_settings(head.texts)
    approved = settings.approvals(head.texts)
    today = proposal.today or _today(proposal.root)
    used = usage_file.read(proposal.usage, lint_settings.usage, today) if proposal.usage else None
    deadline.left()

    progress("facts")
    found = facts_module.gather(base, head, timeout=deadline.left())
    watch(found.answer["timings"])
    context = Context(head, base, found, lint_settings, approved, used, today)
    tasks: list[Task] = []

    def do(name: str, work: Callable[[], Task]) -> Task:
        progress(name)
        task = work()
        tasks.append(task)
        deadline.left()
        return task

    parsed = do("parse", lambda: composition.parse(context))
    do("composition", lambda: composition.compose(context, parsed))
    do("contracts", lambda: contracts.run(context))
    do("changes", lambda: changes.run(context))
    do("operations", lambda: operations.run(context))
    do("usage", lambda: usage.run(context))
    do("lint", lambda: lint.run(context))
    do("plans", lambda: plans.run(context))
    do("events", lambda: events.run(context))
    do("approvals", lambda: approvals.run(context, list(tasks)))

    progress("places")
    for task in tasks:
        task.findings = in_order(task.findings)
        # A proposal from outside is not what the Python here says.
        if proposal.sdl is None:
            for finding in task.findings:
                finding.python = origins.place_of(
                    proposal.root, finding.subgraph, finding.coordinate
                )
    return Report(
        tasks,
        today.isoformat(),
        {"revision": base.revision, "digest": base.digest},
        head.digest,
        proposal.warn_only,
    )


def load(root: Path, name: str) -> Files:
    """A registry by git revision, folder or published version. Raises InputError."""
    if name.startswith("s3://"):
        return published.read(name)
    folder = Path(name)
    folder = folder if folder.is_absolute() else root / folder
    if published.is_published(name, root):
        return published.read(str(root / name))
    if (folder / sources.REGISTRY).is_file():
        return sources.from_folder(folder)
    if sources.is_repository(root) and sources.resolve(root, name) is not None:
        return sources.from_git(root, name)
    if folder.is_dir():
        raise InputError(f"The baseline {name!r} holds no registry.")
    raise InputError(f"The baseline {name!r} does not exist: no revision, folder or version.")


def _files(proposal: Proposal) -> tuple[Files, Files]:
    if (proposal.subgraph is None) != (proposal.sdl is None):
        raise WrongUsage("--subgraph and --sdl go together.")
    head = sources.from_folder(proposal.root)
    if proposal.sdl is not None and proposal.subgraph is not None:
        before = head if proposal.baseline is None else load(proposal.root, proposal.baseline)
        return _with_sdl(head, proposal.subgraph, proposal.sdl), before
    if proposal.baseline is not None:
        return head, load(proposal.root, proposal.baseline)
    if not sources.is_repository(proposal.root):
        raise InputError("This is no git repository: name a baseline.")
    return head, sources.from_commit(proposal.root, sources.merge_base(proposal.root))


def _with_sdl(head: Files, name: str, file: Path) -> Files:
    known = snapshot.read(head).subgraphs
    if name not in known:
        raise WrongUsage(f"There is no subgraph {name!r}; there are: {', '.join(known)}.")
    try:
        [(_, text)] = sources.decoded([(str(file), file.read_bytes())]).items()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    return replace(head, texts={**head.texts, known[name].path: text})


def _today(root: Path) -> date:
    found = sources.date_of_head(root)
    if found is None:
        raise WrongUsage("There is no commit whose date could be taken: give --today.")
    return found
