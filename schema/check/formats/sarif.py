"""SARIF 2.1.0: annotations at the SDL line and at the Python line behind it."""

import json
from typing import Any

from schema.check import codes
from schema.check.findings import Finding, Place, Report, Severity

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def write(report: Report) -> str:
    """One run with one result per finding that is not safe."""
    findings = [each for each in report.findings if each.severity is not Severity.SAFE]
    rules = sorted({each.code for each in findings})
    run = {
        "tool": {
            "driver": {
                "name": "edtech schema check",
                "rules": [
                    {
                        "id": code,
                        "shortDescription": {"text": codes.explain(code).meaning},
                        "help": {"text": codes.explain(code).remedy},
                    }
                    for code in rules
                ],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, rules.index(each.code)) for each in findings],
    }
    return json.dumps(
        {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False
    )


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    level = "error" if finding.fails else "warning"
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": "note" if finding.approved else level,
        "message": {"text": f"{finding.id}: {finding.message}"},
        "locations": [
            _location(place) for place in (finding.place, finding.python) if place is not None
        ],
        "relatedLocations": [_location(hit.place) for hit in finding.hits],
        "partialFingerprints": {"changeId": finding.id},
    }
    if finding.approved:
        reasons = "; ".join(each.reason for each in finding.approvals)
        result["suppressions"] = [{"kind": "external", "justification": reasons}]
    return result


def _location(place: Place) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": place.file, "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": place.line},
        }
    }
