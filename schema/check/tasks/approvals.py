"""Task 10: what approvals.yaml lets pass, and what in it has no effect."""

from schema.check import deprecation
from schema.check.context import Context
from schema.check.facts import parent_of
from schema.check.findings import Approval, Finding, Place, Severity, Task
from schema.check.settings import APPROVALS, ApprovalEntry, ApprovalRule


def run(context: Context, tasks: list[Task]) -> Task:
    """Mark what is approved in every scope where it fails; tell of entries that do not count."""
    task = Task("approvals", facts={"entries": len(context.approvals.approvals)})
    found = [each for done in tasks for each in done.findings if _can_be_approved(done, each)]
    used: set[int] = set()
    for finding in found:
        for scope in _failing_scopes(finding):
            for number, entry in enumerate(context.approvals.approvals):
                if entry.change != finding.id or entry.scope not in (scope, "*"):
                    continue
                used.add(number)
                refusal = _refusal(context, entry, finding)
                if refusal is not None:
                    code, message = refusal
                    task.findings.append(_about(context, number, code, Severity.ERROR, message))
                    continue
                expires = entry.expires.isoformat()
                finding.approvals.append(Approval(scope, entry.approved_by, entry.reason, expires))
            _by_rule(context, finding, scope)
    _settle(found, tasks)
    for number, entry in enumerate(context.approvals.approvals):
        if number in used:
            continue
        message = f"There is no change {entry.change} in {entry.scope}: remove the entry."
        code = "APPROVAL_UNUSED"
        if entry.expires < context.today:
            code, message = "APPROVAL_EXPIRED", f"It expired on {entry.expires}: remove the entry."
        task.findings.append(_about(context, number, code, Severity.WARNING, message))
    task.facts["approved"] = sum(each.approved for each in found)
    return task


def _can_be_approved(task: Task, finding: Finding) -> bool:
    """What cannot be run is mended, not approved."""
    return finding.severity.fails and task.name not in ("parse", "composition", "contracts")


def _failing_scopes(finding: Finding) -> list[str]:
    return [scope for scope, level in sorted(finding.scopes.items()) if level.fails] or ["*"]


def _refusal(context: Context, entry: ApprovalEntry, finding: Finding) -> tuple[str, str] | None:
    if entry.expires < context.today:
        return "APPROVAL_EXPIRED", f"The approval of {entry.change} expired on {entry.expires}."
    using = {*(hit.client for hit in finding.hits), *finding.usage}
    if missing := sorted(using - {*entry.clients}):
        return (
            "APPROVAL_INCOMPLETE",
            f"{entry.change} is used by {', '.join(missing)}, not named in the approval's clients.",
        )
    return None


def _by_rule(context: Context, finding: Finding, scope: str) -> None:
    # Without documents or records, nobody knows whether it is used.
    if not context.head.documents and context.usage is None:
        return
    if finding.hits or finding.usage:
        return
    for rule in context.approvals.rules:
        if rule.covers(finding.code, scope) and _is_due(context, rule, finding):
            finding.approvals.append(Approval(scope, f"rule {rule.name}", rule.reason, None))
            return


def _is_due(context: Context, rule: ApprovalRule, finding: Finding) -> bool:
    if not rule.after_deprecation:
        return True
    coordinate = finding.coordinate or ""
    names = [coordinate, parent_of(coordinate) if coordinate.endswith(")") else None]
    reasons = [
        reason
        for index in context.facts.base_indexes.values()
        for name in names
        if name and (reason := deprecation.reason_of(index.get(name))) is not None
    ]
    days = [deprecation.day_of(reason) for reason in reasons]
    return bool(days) and all(day is not None and day < context.today for day in days)


def _settle(found: list[Finding], tasks: list[Task]) -> None:
    for finding in found:
        covered = {each.scope for each in finding.approvals}
        finding.approved = covered.issuperset(_failing_scopes(finding))
    open_changes = {each.id for each in found if not each.approved and not each.follows}
    for task in tasks:
        for finding in task.findings:
            # What only repeats changes passes with them.
            if finding.follows and finding.severity.fails:
                finding.approved |= not open_changes & {*finding.follows}


def _about(context: Context, number: int, code: str, severity: Severity, message: str) -> Finding:
    entry = context.approvals.approvals[number]
    lines = context.head.texts[APPROVALS].splitlines()
    at = [line for line, text in enumerate(lines, 1) if text.lstrip().startswith("- change:")]
    place = Place(APPROVALS, at[number] if number < len(at) else 1)
    return Finding(
        code, severity, message, coordinate=entry.change, detail=entry.scope, place=place
    )
