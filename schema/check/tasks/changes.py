"""Task 4: what changed in each subgraph, in the public schema and in each contract."""

from collections.abc import Iterator

from schema.check.context import Context
from schema.check.findings import Finding, Severity, Task, in_order
from schema.check.snapshot import Snapshot
from schema.check.tasks import directives

_LEVELS = {
    "BREAKING": Severity.BREAKING,
    "DANGEROUS": Severity.DANGEROUS,
    "NON_BREAKING": Severity.SAFE,
}


def run(context: Context) -> Task:
    """Find all changes, once each, with their severity in every scope that shows them."""
    task = Task("changes")
    if context.base is None:
        task.skipped = "there is no baseline"
    elif not context.composes:
        task.skipped = "the subgraphs do not compose"
    elif not context.facts.base_composes:
        task.findings.append(
            Finding(
                "BASELINE_INVALID",
                Severity.WARNING,
                "The baseline does not compose, so nothing can be compared with it.",
            )
        )
    else:
        moved = _registry(context.base, context.head)
        found = [*_shapes(context), *directives.changes(context), *moved]
        context.changes = in_order(found)
        for change in context.changes:
            change.hits = context.hits(change) if change.severity is not Severity.SAFE else []
        task.findings = context.changes
    return task


def _shapes(context: Context) -> Iterator[Finding]:
    found: dict[str, Finding] = {}
    for scope, changes in sorted(context.facts.answer["changes"].items()):
        for change in changes:
            finding = Finding(
                change["code"],
                Severity.SAFE,
                change["message"].rstrip(".") + ".",
                coordinate=change["coordinate"],
                detail=change["detail"],
            )
            finding = found.setdefault(finding.id, finding)
            level = _LEVELS[change["level"]]
            # What clients see decides; inside a subgraph it is a matter of the order of deploys.
            if scope.startswith("subgraph:") and level is Severity.BREAKING:
                level = Severity.DANGEROUS
            finding.scopes[scope] = level
    for finding in found.values():
        finding.severity = min(finding.scopes.values(), key=lambda level: level.rank)
        inside = [scope for scope in finding.scopes if scope.startswith("subgraph:")]
        finding.subgraph = (
            inside[0].partition(":")[2]
            if inside
            else context.facts.subgraph_of(finding.coordinate or "")
        )
        finding.place = context.facts.place(finding.coordinate, finding.subgraph)
        yield finding


def _registry(base: Snapshot, head: Snapshot) -> Iterator[Finding]:
    """Subgraphs and contracts that came, went or moved."""
    before, after = base.subgraphs, head.subgraphs
    for name in sorted(after.keys() - before.keys()):
        yield _about("SUBGRAPH_ADDED", Severity.SAFE, f"The subgraph {name} is new.", name)
    for name in sorted(before.keys() - after.keys()):
        yield _about("SUBGRAPH_REMOVED", Severity.DANGEROUS, f"The subgraph {name} is gone.", name)
    for name in sorted(before.keys() & after.keys()):
        if before[name].url != after[name].url:
            message = f"{name} moves from {before[name].url} to {after[name].url}."
            yield _about("SUBGRAPH_URL_CHANGED", Severity.DANGEROUS, message, name)
    old, new = base.contracts.keys(), head.contracts.keys()
    for name in sorted(new - old):
        yield _about("CONTRACT_ADDED", Severity.SAFE, f"The contract {name} is new.", name, True)
    for name in sorted(old - new):
        message = f"The contract {name} is gone, and with it all that its partners ask for."
        yield _about("CONTRACT_REMOVED", Severity.BREAKING, message, name, True)


def _about(
    code: str, severity: Severity, message: str, name: str, contract: bool = False
) -> Finding:
    scope = f"{'contract' if contract else 'subgraph'}:{name}"
    subgraph = None if contract else name
    return Finding(
        code, severity, message, coordinate=name, subgraph=subgraph, scopes={scope: severity}
    )
