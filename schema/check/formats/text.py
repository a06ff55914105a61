"""Text for a terminal: what fails first, safe changes only as a count."""

from schema.check.findings import Finding, Report, Severity


def write(report: Report) -> str:
    """Verdict, findings by task, counts."""
    lines = []
    for task in report.tasks:
        about = f" ({task.skipped})" if task.skipped else ""
        lines.append(f"{task.status.value:<8} {task.name}{about}")
        for finding in task.findings:
            if finding.severity is not Severity.SAFE:
                lines += finding_lines(finding)
        safe = sum(each.severity is Severity.SAFE for each in task.findings)
        if safe:
            lines.append(f"  {safe} safe")
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items() if count)
    verdict = "FAILED" if report.failed else "PASSED"
    lines += ["", f"{verdict}: {counts or 'nothing found'}"]
    return "\n".join(lines)


def finding_lines(finding: Finding) -> list[str]:
    """A finding with its places and what it hits, indented."""
    level = "approved" if finding.approved else finding.severity.value
    # Descriptions and reasons may hold line breaks, and what a terminal would obey.
    message = "".join(c if c.isprintable() else " " for c in finding.message)
    lines = [f"  {level:<9} {finding.id}: {' '.join(message.split())}"]
    places = [str(place) for place in (finding.place, finding.python) if place is not None]
    if places:
        lines.append(f"            at {', '.join(places)}")
    lines += [f"            used by {hit}" for hit in finding.hits]
    lines += [
        f"            approved in {each.scope} by {each.by}: {each.reason}"
        for each in finding.approvals
    ]
    return lines
