"""Task 8: what running each registered operation takes, before and after."""

from schema.check.context import Context
from schema.check.facts import Plan
from schema.check.findings import Finding, Place, Severity, Task

_MEASURES = {"fetches": "fetches", "depth": "fetches one after the other", "cost": "cost"}


def run(context: Context) -> Task:
    """An operation that becomes dearer is told; one that becomes much dearer fails."""
    task = Task("plans")
    if not context.compares:
        task.skipped = "there are no two supergraphs to compare"
        return task
    if not context.head.documents:
        task.skipped = "no documents are registered"
        return task
    planned = 0
    for facts in context.facts.answer["documents"]:
        document = context.head.documents[facts["id"]]
        for operation in facts["operations"]:
            if operation["plans"] is None:
                continue
            planned += 1
            name = f"{document.client}/{document.version}/{operation['name'] or 'anonymous'}"
            for finding in _compare(context, name, operation["plans"]):
                finding.place = Place(document.path, operation["line"])
                task.findings.append(finding)
    task.facts["planned"] = planned
    return task


def _compare(context: Context, name: str, plans: dict[str, Plan]) -> list[Finding]:
    before, after = plans["base"], plans["head"]
    if "error" in after and "error" not in before:
        return [Finding("PLAN_FAILED", Severity.ERROR, after["error"], coordinate=name)]
    if "error" in after or "error" in before:
        return []
    limits = context.lint.plans
    most = {
        "fetches": before["fetches"] + limits.added_fetches,
        "depth": before["depth"] + limits.added_depth,
        "cost": before["cost"] * (100 + limits.added_cost_percent) // 100,
    }
    old = {"fetches": before["fetches"], "depth": before["depth"], "cost": before["cost"]}
    new = {"fetches": after["fetches"], "depth": after["depth"], "cost": after["cost"]}
    return [
        Finding(
            f"PLAN_{measure.upper()}_{'ADDED' if new[measure] > old[measure] else 'SAVED'}",
            _severity(old[measure], new[measure], most[measure]),
            f"{name}: {words} {old[measure]} before, {new[measure]} after.",
            coordinate=name,
        )
        for measure, words in _MEASURES.items()
        if new[measure] != old[measure]
    ]


def _severity(before: int, after: int, most: int) -> Severity:
    if after <= before:
        return Severity.SAFE
    return Severity.ERROR if after > most else Severity.WARNING
