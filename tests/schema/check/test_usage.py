"""Usage records: what was used in the period fails, what was not can pass by rule."""

import json
from datetime import date, timedelta

from tests.schema.check.registry import APPROVALS, CATALOG, LINT, TODAY, Registry, failing, found

_OLD_NAME = (
    '  "Its old name."\n'
    '  oldName: String @deprecated(reason: "Use title. Removed after 2026-01-31.")\n'
)


def record(coordinate: str, count: int, day: date = TODAY, client: str = "app") -> str:
    return json.dumps(
        {
            "date": day.isoformat(),
            "client": client,
            "operation": "Old",
            "count": count,
            "coordinates": [coordinate],
        }
    )


def verdict(registry: Registry, *lines: str) -> list[str]:
    file = registry.root / "usage.ndjson"
    file.write_text("\n".join(lines) + "\n")
    return failing(registry.check(usage=file))


def test_use_in_the_period_keeps_a_rule_from_passing_it(registry: Registry) -> None:
    registry.edit(CATALOG, (_OLD_NAME, ""))
    used = ["CHANGE_IN_USE Course.oldName FIELD_REMOVED", "FIELD_REMOVED Course.oldName"]
    assert verdict(registry, record("Course.oldName", 3)) == used
    assert verdict(registry, record("Course.title", 3)) == []
    long_ago = TODAY - timedelta(days=31)
    assert verdict(registry, record("Course.oldName", 3, long_ago)) == []
    assert verdict(registry, record("Course.oldName", 3, TODAY + timedelta(days=1))) == []


def test_minimum_count_percentage_and_excluded_clients(registry: Registry) -> None:
    registry.edit(CATALOG, (_OLD_NAME, ""))
    used = ["CHANGE_IN_USE Course.oldName FIELD_REMOVED", "FIELD_REMOVED Course.oldName"]
    registry.write(LINT, "usage: { minimum_count: 4 }\n")
    assert verdict(registry, record("Course.oldName", 3)) == []
    assert verdict(registry, record("Course.oldName", 4)) == used
    registry.write(LINT, "usage: { minimum_percentage: 10 }\n")
    assert verdict(registry, record("Course.oldName", 9), record("Course.title", 91)) == []
    assert verdict(registry, record("Course.oldName", 10), record("Course.title", 90)) == used
    registry.write(LINT, "usage: { excluded_clients: [app] }\n")
    assert verdict(registry, record("Course.oldName", 9)) == []


def test_approval_names_clients_that_were_seen(registry: Registry) -> None:
    registry.edit(CATALOG, (_OLD_NAME, ""))
    registry.write(
        APPROVALS,
        "approvals:\n  - change: FIELD_REMOVED Course.oldName\n    scope: public\n"
        "    reason: Yes.\n    approved_by: team\n    expires: 2026-12-31\n    clients: [app]\n",
    )
    assert verdict(registry, record("Course.oldName", 3)) == []
    file = registry.root / "usage.ndjson"
    report = registry.check(usage=file)
    assert found(report, "FIELD_REMOVED Course.oldName").usage == {"app": 3}
    both = [record("Course.oldName", 3), record("Course.oldName", 1, client="other")]
    assert "APPROVAL_INCOMPLETE FIELD_REMOVED Course.oldName public" in verdict(registry, *both)


def test_rule_needs_documents_or_records(registry: Registry) -> None:
    registry.edit(CATALOG, (_OLD_NAME, ""))
    for file in (registry.root / "schema" / "operations").rglob("*.graphql"):
        file.unlink()
    report = registry.check()
    assert failing(report) == ["FIELD_REMOVED Course.oldName"]
    assert verdict(registry, record("Course.title", 3)) == []
