"""JSON: everything, the same bytes for the same input."""

import json

from schema.check.findings import Report


def write(report: Report) -> str:
    """The report as JSON; `json_version` rises when a reader would have to change."""
    return json.dumps(report.as_json(), indent=2, ensure_ascii=False)
