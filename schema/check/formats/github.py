"""Workflow commands of GitHub Actions: one annotation at the SDL line, one at the Python line."""

from schema.check.findings import Finding, Place, Report, Severity


def write(report: Report) -> str:
    """A command per place; safe changes have none."""
    lines = []
    for finding in report.findings:
        if finding.severity is Severity.SAFE:
            continue
        places = {finding.place, finding.python} - {None} or {None}
        lines += [_command(finding, place) for place in sorted(places, key=str)]
    lines.append(f"Schema check {'failed' if report.failed else 'passed'}.")
    return "\n".join(lines)


def _command(finding: Finding, place: Place | None) -> str:
    level = "error" if finding.fails else "notice" if finding.approved else "warning"
    properties = {"title": finding.code}
    if place is not None:
        properties = {"file": place.file, "line": str(place.line), **properties}
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {given}::{_data(f'{finding.id}: {finding.message}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
