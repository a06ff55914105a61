"""The report as text, JSON, Markdown, SARIF, GitHub annotations or JUnit."""

from collections.abc import Callable
from enum import StrEnum

from schema.check.findings import Report
from schema.check.formats import github, json_report, junit, markdown, sarif, text


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    GITHUB = "github"
    JUNIT = "junit"


_WRITERS: dict[Format, Callable[[Report], str]] = {
    Format.TEXT: text.write,
    Format.JSON: json_report.write,
    Format.MARKDOWN: markdown.write,
    Format.SARIF: sarif.write,
    Format.GITHUB: github.write,
    Format.JUNIT: junit.write,
}


def write(report: Report, form: Format) -> str:
    """The report in a format, ending with a line break."""
    return _WRITERS[form](report).rstrip("\n") + "\n"
