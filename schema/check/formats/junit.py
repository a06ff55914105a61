"""JUnit XML: a test suite per task, a test case per finding."""

import re
from xml.etree import ElementTree as Xml

from schema.check.findings import Finding, Report, Severity, Status, Task

# XML has no way to write these.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def write(report: Report) -> str:
    """All tasks; one without findings has a single passed or skipped case."""
    root = Xml.Element("testsuites", name="edtech schema check")
    for task in report.tasks:
        _suite(root, task)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode")


def _suite(root: Xml.Element, task: Task) -> None:
    found = [each for each in task.findings if each.severity is not Severity.SAFE]
    skipped = task.status is Status.SKIPPED
    suite = Xml.SubElement(
        root,
        "testsuite",
        name=task.name,
        tests=str(max(len(found), 1)),
        failures=str(sum(each.fails for each in found)),
        errors="0",
        skipped=str(int(skipped)),
    )
    if not found:
        case = Xml.SubElement(suite, "testcase", classname="schema", name=task.name)
        if skipped:
            Xml.SubElement(case, "skipped", message=_clean(task.skipped or ""))
    for each in found:
        _case(suite, task, each)


def _case(suite: Xml.Element, task: Task, finding: Finding) -> None:
    case = Xml.SubElement(
        suite, "testcase", classname=f"schema.{task.name}", name=_clean(finding.id)
    )
    if finding.place is not None:
        case.set("file", finding.place.file)
        case.set("line", str(finding.place.line))
    places = [str(place) for place in (finding.place, finding.python) if place is not None]
    body = _clean("\n".join([finding.message, *places, *map(str, finding.hits)]))
    if finding.fails:
        failure = Xml.SubElement(
            case, "failure", message=_clean(finding.message), type=finding.severity.value
        )
        failure.text = body
    else:
        Xml.SubElement(case, "system-out").text = body


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
