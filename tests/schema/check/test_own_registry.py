"""The check of this repository itself, and the files that it goes by."""

from datetime import date
from importlib import import_module

import pytest

from schema.check import facts, origins, settings, snapshot, sources
from schema.check.run import Proposal, check
from schema.check.tasks.events import fields
from schema.registry import ROOT, names

# Filled from several logs, not from one state.
COLLECTED = {("payment", "payable_refs"), ("reviews", "purchase_refs")}


@pytest.fixture(scope="module")
def own() -> snapshot.Snapshot:
    return snapshot.read(sources.from_folder(ROOT))


def test_registry_is_its_own_baseline_without_findings() -> None:
    report = check(Proposal(root=ROOT, baseline=str(ROOT), today=date(2026, 1, 1)))
    assert [each.id for each in report.findings if each.fails] == []
    statuses = {task.name: task.status.value for task in report.tasks}
    assert statuses.pop("usage") == "SKIPPED"
    assert set(statuses.values()) == {"PASSED"}


def test_references_name_every_local_copy_and_its_columns(own: snapshot.Snapshot) -> None:
    listed = {(each.subgraph, each.table): each for each in own.references}
    there = {}
    for name in names():
        metadata = import_module(f"subgraphs.{name}.models").Base.metadata
        for table in metadata.tables.values():
            if table.name.endswith("_refs"):
                there[name, table.name] = set(table.columns.keys())
    assert listed.keys() == there.keys() - COLLECTED
    for key, reference in listed.items():
        assert reference.columns.keys() <= there[key], key


def test_lint_names_owners_that_exist(own: snapshot.Snapshot) -> None:
    owners = settings.lint_settings(own.texts).owners
    assert set(owners.values()) <= set(names())


def test_python_lines_of_this_schema_are_found() -> None:
    def text_at(subgraph: str, coordinate: str) -> str:
        place = origins.place_of(ROOT, subgraph, coordinate)
        assert place is not None
        return (ROOT / place.file).read_text().splitlines()[place.line - 1].strip()

    assert text_at("learning", "CourseUnit.durationMinutes").startswith("def duration_minutes")
    assert text_at("learning", "CourseUnit") == "class CourseUnit:"
    assert text_at("learning", "CourseStatus.DRAFT").startswith("DRAFT=")
    assert "AddCourseUnitResult" in text_at("learning", "AddCourseUnitResult")
    assert "def add_course_unit" in text_at("learning", "Mutation.addCourseUnit")
    assert text_at("learning", "Problem.message").startswith("message")


def test_most_of_the_schema_has_a_python_line(own: snapshot.Snapshot) -> None:
    answer = facts.gather(None, own, timeout=60).answer["head"]["subgraphs"]
    whole, without = 0, []
    for name, index in answer.items():
        for coordinate, entry in index["coordinates"].items():
            if entry["kind"] not in ("object", "field", "enumValue", "input", "enum", "union"):
                continue
            whole += 1
            if origins.place_of(ROOT, name, coordinate) is None:
                without.append(f"{name}:{coordinate}")
    assert len(without) < whole // 20, without[:40]


def test_fields_of_an_event_are_read_through_references() -> None:
    event = {
        "$defs": {"Price": {"properties": {"amount": {"type": "integer"}}, "required": []}},
        "properties": {
            "price": {"anyOf": [{"$ref": "#/$defs/Price"}, {"type": "null"}]},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["price"],
    }
    found = fields(event)
    assert set(found) == {"price", "price.amount", "tags", "tags[]"}
    assert found["price"].nullable
    assert found["price"].required
    assert not found["tags"].required
