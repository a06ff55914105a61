"""Task 6: what clients were seen to ask for, when a usage file is given."""

from schema.check.context import Context, touched
from schema.check.findings import Finding, Severity, Task


def run(context: Context) -> Task:
    """A breaking change of what was used in the period fails, registered or not."""
    task = Task("usage")
    if context.usage is None:
        task.skipped = "no usage file was given"
        return task
    task.facts["operations"] = context.usage.total
    for change in context.changes:
        if change.severity is not Severity.BREAKING:
            continue
        change.usage = context.usage.of(touched(change))
        if not change.usage:
            continue
        clients = ", ".join(sorted(change.usage))
        count = sum(change.usage.values())
        task.findings.append(
            Finding(
                "CHANGE_IN_USE",
                Severity.BREAKING,
                f"{change.id} breaks what {clients} used {count} times"
                f" in {context.usage.settings.days} days.",
                coordinate=change.coordinate,
                detail=change.code,
                subgraph=change.subgraph,
                place=change.place,
                usage=change.usage,
                follows=(change.id,),
            )
        )
    return task
