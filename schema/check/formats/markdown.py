"""Markdown: a comment on a pull request."""

import re

from schema.check.findings import Finding, Report, Severity, Task

_OPERATIONS_SHOWN = 5
# A comment has room for so many; the other formats have all.
_FINDINGS_SHOWN = 50
_LINES_SHOWN = 60
_SECTIONS = (
    ("What fails", lambda each: each.fails),
    ("Approved", lambda each: each.approved),
    (
        "To look at",
        lambda each: each.severity in (Severity.DANGEROUS, Severity.WARNING) and not each.approved,
    ),
)


def write(report: Report) -> str:
    """Verdict and counts, the tasks, what fails, and how to approve it."""
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items() if count)
    verdict = "failed" if report.failed else "passed"
    lines = [f"## Schema check {verdict}", "", f"{counts or 'Nothing found'}.", ""]
    lines += ["| task | result | findings |", "|---|---|---|"]
    lines += [
        f"| {task.name} | {task.status.value} | {escape(task.skipped or _counts(task))} |"
        for task in report.tasks
    ]
    for title, chosen in _SECTIONS:
        found = [each for each in report.findings if chosen(each)]
        if found:
            lines += ["", f"### {title}", ""]
            for each in found[:_FINDINGS_SHOWN]:
                lines += _bullet(each)
            if len(found) > _FINDINGS_SHOWN:
                lines.append(f"- … and {len(found) - _FINDINGS_SHOWN} more")
    failing = [
        each
        for task in report.tasks
        if task.name in ("changes", "events")
        for each in task.findings
        if each.fails and each.scopes
    ]
    if failing:
        lines += _how_to_approve(failing)
    return "\n".join(lines)


def escape(text: str) -> str:
    """Text that Markdown and HTML leave as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return "`" + " ".join(text.replace("`", "'").replace("|", "/").split()) + "`"


def _counts(task: Task) -> str:
    found = [f"{count} {name.replace('_', ' ')}" for name, count in sorted(task.facts.items())]
    if task.findings:
        found.append(f"{len(task.findings)} findings")
    return ", ".join(found)


def _bullet(finding: Finding) -> list[str]:
    lines = [f"- **{finding.code}** {_code(finding.coordinate or '-')}: {escape(finding.message)}"]
    places = [_code(str(place)) for place in (finding.place, finding.python) if place is not None]
    if places:
        lines.append(f"  - at {', '.join(places)}")
    if finding.contracts:
        lines.append(f"  - contracts: {', '.join(map(_code, finding.contracts))}")
    if finding.hits:
        shown = [_code(f"{h.client} {h.version} {h.operation}") for h in finding.hits]
        more = len(shown) - _OPERATIONS_SHOWN
        rest = f" and {more} more" if more > 0 else ""
        lines.append(f"  - operations: {', '.join(shown[:_OPERATIONS_SHOWN])}{rest}")
    lines += [
        f"  - approved in {_code(each.scope)} by {escape(each.by)}: {escape(each.reason)}"
        for each in finding.approvals
    ]
    return lines


def _how_to_approve(failing: list[Finding]) -> list[str]:
    entries = [
        line
        for each in failing
        for scope, level in sorted(each.scopes.items())
        if level.fails
        for line in _entry(each, scope)
    ]
    return [
        "",
        "### How to approve",
        "",
        "Ask the clients that are named, then add to `schema/approvals.yaml`, with reason and day:",
        "",
        "```yaml",
        *entries[:_LINES_SHOWN],
        "```",
        "",
        "`edtech schema explain CODE` says what a code means and what to do instead.",
    ]


def _entry(finding: Finding, scope: str) -> list[str]:
    clients = sorted({*(hit.client for hit in finding.hits), *finding.usage})
    return [
        f"- change: {finding.id}",
        f"  scope: {scope}",
        "  reason:",
        "  approved_by:",
        "  expires:",
        *([f"  clients: [{', '.join(clients)}]"] if clients else []),
    ]
