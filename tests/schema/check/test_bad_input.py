"""Bad input is a finding with a code and a place, or one line and exit code 3 (2 for usage)."""

from pathlib import Path

import pytest

from schema.check.findings import InputError, Place, Report, TimedOut, WrongUsage
from schema.check.program import Program
from tests.schema.check.registry import (
    APPROVALS,
    CATALOG,
    CONTRACTS,
    COURSES_PAGE,
    LINT,
    PEOPLE,
    TODAY,
    Registry,
    failing,
    found,
    line_of,
)

_ENTRY = """\
approvals:
  - change: {change}
    scope: {scope}
    reason: It is agreed.
    approved_by: team
    expires: {expires}
"""
_SUBTITLE = '  "What it was called. Nobody asks for it."\n  subtitle: String\n'


def place_of_code(report: Report, code: str) -> Place | None:
    [finding] = [each for each in report.findings if each.code == code]
    assert finding.fails
    return finding.place


def test_text_that_is_no_graphql_has_a_line_and_stops_the_rest(registry: Registry) -> None:
    registry.edit(CATALOG, ("type Course implements Named", "type Course implements {"))
    report = registry.check()
    line = line_of(registry.read(CATALOG), "type Course implements {")
    assert place_of_code(report, "SDL_SYNTAX") == Place(CATALOG, line)
    assert [task.name for task in report.tasks if task.status == "SKIPPED"] == [
        "composition",
        "contracts",
        "changes",
        "operations",
        "usage",
        "lint",
        "plans",
    ]


def test_unknown_directive_is_named_with_its_subgraph(registry: Registry) -> None:
    registry.edit(CATALOG, ("subtitle: String\n", "subtitle: String @sparkling\n"))
    [finding] = [each for each in registry.check().findings if each.code == "INVALID_GRAPHQL"]
    assert finding.subgraph == "catalog"
    assert "@sparkling" in finding.message
    assert finding.place is not None
    assert finding.place.file == CATALOG


def test_operation_among_types_is_no_sdl(registry: Registry) -> None:
    registry.write(CATALOG, registry.read(CATALOG) + "\nquery Q { me { id } }\n")
    report = registry.check()
    assert failing(report) == ["SDL_SYNTAX"]
    place = place_of_code(report, "SDL_SYNTAX")
    assert place == Place(CATALOG, line_of(registry.read(CATALOG), "query Q"))


def test_what_the_library_throws_at_is_a_finding(registry: Registry) -> None:
    # It keeps types in plain objects, where this name is taken.
    registry.write(
        CATALOG,
        registry.read(CATALOG) + '\n"A."\ntype constructor {\n  "B."\n  size: Int\n}\n',
    )
    assert failing(registry.check()) == ["COMPOSITION_ERROR"]


def test_newer_federation_is_refused_at_its_line(registry: Registry) -> None:
    registry.edit(PEOPLE, ("federation/v2.9", "federation/v2.11"))
    report = registry.check()
    assert place_of_code(report, "FEDERATION_VERSION_UNSUPPORTED") == Place(PEOPLE, 1)


def test_one_name_for_two_kinds_of_type_is_found(registry: Registry) -> None:
    registry.write(PEOPLE, registry.read(PEOPLE) + '\n"A level."\nscalar Level\n')
    finding = found(registry.check(), "TYPE_KIND_MISMATCH Level")
    assert finding.place is not None


def test_value_types_that_differ_are_found(registry: Registry) -> None:
    registry.edit(PEOPLE, ("hasNextPage: Boolean!", "hasNextPage: Int!"))
    finding = found(registry.check(), "FIELD_TYPE_MISMATCH PageInfo.hasNextPage")
    assert finding.place is not None


@pytest.mark.parametrize("key", ["nothing", "teacher { nothing }"])
def test_key_that_cannot_be_resolved_is_found(key: str, registry: Registry) -> None:
    registry.edit(CATALOG, ('@key(fields: "slug")', f'@key(fields: "{key}")'))
    assert place_of_code(registry.check(), "KEY_INVALID_FIELDS") is not None


def test_all_composition_errors_are_told_at_once(registry: Registry) -> None:
    registry.edit(PEOPLE, ("hasNextPage: Boolean!", "hasNextPage: Int!"), ("fans: Int", "id2: ID"))
    registry.write(PEOPLE, registry.read(PEOPLE) + '\n"A level."\nscalar Level\n')
    codes = {each.code for each in registry.check().findings if each.fails}
    assert codes >= {"FIELD_TYPE_MISMATCH", "TYPE_KIND_MISMATCH"}


def test_unknown_tag_and_contradiction_are_found_in_the_contracts_file(registry: Registry) -> None:
    registry.edit(CONTRACTS, ("include: [partner]", "include: [partner, nobody]"))
    registry.edit(CONTRACTS, ("exclude: []", "exclude: [partner]"))
    report = registry.check()
    assert found(report, "UNKNOWN_TAG partner nobody").place == Place(CONTRACTS, 2)
    assert found(report, "CONTRACT_CONTRADICTORY partner partner").place == Place(CONTRACTS, 2)


def test_tag_that_hides_more_than_it_shows_is_found(registry: Registry) -> None:
    registry.edit(
        CATALOG,
        (
            'course("Which one." id: ID!): Course\n',
            'course("Which one." id: ID!): Course @tag(name: "partner")\n',
        ),
        ("teacher: Person\n", 'teacher: Person @tag(name: "partner")\n'),
    )
    report = registry.check()
    assert found(report, "TAG_ARGUMENT_REQUIRED Query.course(id:) partner").fails
    assert found(report, "TAG_TYPE_HIDDEN Course.teacher partner").fails


def test_approval_with_its_day_to_come_counts(registry: Registry) -> None:
    registry.edit(CATALOG, (_SUBTITLE, ""))
    entry = _ENTRY.format(
        change="FIELD_REMOVED Course.subtitle", scope="public", expires="2026-06-01"
    )
    registry.write(APPROVALS, entry)
    report = registry.check()
    assert not report.failed
    assert [each.by for each in found(report, "FIELD_REMOVED Course.subtitle").approvals] == [
        "team"
    ]
    # What only repeats the removal passes with it.
    assert found(report, "REMOVED_UNDEPRECATED Course.subtitle").approved


def test_expired_approval_does_not_count(registry: Registry) -> None:
    registry.edit(CATALOG, (_SUBTITLE, ""))
    registry.write(
        APPROVALS,
        _ENTRY.format(change="FIELD_REMOVED Course.subtitle", scope="public", expires="2026-05-31"),
    )
    report = registry.check()
    assert place_of_code(report, "APPROVAL_EXPIRED") == Place(APPROVALS, 2)
    assert found(report, "FIELD_REMOVED Course.subtitle").fails


@pytest.mark.parametrize(
    ("change", "scope"),
    [("FIELD_REMOVED Course.price", "public"), ("FIELD_REMOVED Course.subtitle", "contract:x")],
)
def test_approval_for_another_change_or_scope_does_not_count(
    change: str, scope: str, registry: Registry
) -> None:
    registry.edit(CATALOG, (_SUBTITLE, ""))
    registry.write(APPROVALS, _ENTRY.format(change=change, scope=scope, expires="2026-12-31"))
    report = registry.check()
    assert [each.code for each in report.findings if each.code.startswith("APPROVAL")] == [
        "APPROVAL_UNUSED"
    ]
    assert found(report, "FIELD_REMOVED Course.subtitle").fails


def test_approval_of_what_clients_use_has_to_name_them(registry: Registry) -> None:
    registry.edit(CATALOG, ("  price: Int!\n", "  price: Int\n"))
    entry = _ENTRY.format(
        change="FIELD_TYPE_CHANGED Course.price", scope="public", expires="2026-12-31"
    )
    registry.write(APPROVALS, entry)
    report = registry.check()
    assert place_of_code(report, "APPROVAL_INCOMPLETE") == Place(APPROVALS, 2)
    assert found(report, "FIELD_TYPE_CHANGED Course.price").fails
    registry.write(APPROVALS, entry + "    clients: [web]\n")
    report = registry.check()
    assert not report.failed
    assert [hit.client for hit in found(report, "FIELD_TYPE_CHANGED Course.price").hits] == ["web"]


def test_document_with_a_syntax_error_has_a_line(registry: Registry) -> None:
    registry.edit(COURSES_PAGE, ("    nodes {\n", "    nodes {{\n"))
    assert place_of_code(registry.check(), "DOCUMENT_SYNTAX") == Place(COURSES_PAGE, 3)


def test_document_that_asks_for_what_never_was_is_invalid(registry: Registry) -> None:
    registry.edit(COURSES_PAGE, ("  price\n", "  prize\n"))
    assert place_of_code(registry.check(), "DOCUMENT_INVALID") == Place(COURSES_PAGE, 12)


def test_document_for_a_root_that_is_not_there_is_invalid(registry: Registry) -> None:
    path = "schema/operations/web/1.0/Live.graphql"
    registry.write(path, "subscription Live {\n  anything\n}\n")
    assert place_of_code(registry.check(), "DOCUMENT_INVALID") == Place(path, 1)


def test_partners_document_is_held_against_its_contract(registry: Registry) -> None:
    registry.write(
        "schema/operations/partner/1/Prices.graphql",
        """\
query Prices {
  courses {
    nodes {
      price
    }
  }
}
""",
    )
    assert place_of_code(registry.check(), "DOCUMENT_INVALID") == Place(
        "schema/operations/partner/1/Prices.graphql", 4
    )


def test_two_clients_cannot_have_one_operation_name(registry: Registry) -> None:
    path = "schema/operations/zoo/1/Search.graphql"
    registry.write(path, 'query Search {\n  search(text: "y") {\n    __typename\n  }\n}\n')
    assert found(registry.check(), "OPERATION_NAME_TAKEN Search zoo").place == Place(path, 1)


def test_misplaced_and_nameless_documents_are_found(registry: Registry) -> None:
    registry.write("schema/operations/web/Loose.graphql", "query Loose { me { id } }\n")
    registry.write("schema/operations/web/1.0/Nameless.graphql", "{ me { id } }\n")
    report = registry.check()
    assert place_of_code(report, "DOCUMENT_MISPLACED") == Place(
        "schema/operations/web/Loose.graphql", 1
    )
    assert place_of_code(report, "DOCUMENT_OPERATIONS") == Place(
        "schema/operations/web/1.0/Nameless.graphql", 1
    )


def test_document_that_is_no_longer_registered_is_told(registry: Registry) -> None:
    registry.remove(COURSES_PAGE)
    registry.edit(CATALOG, ("  price: Int!\n", "  price: Int\n"))
    report = registry.check()
    assert found(report, "DOCUMENT_RETIRED web/1.0 CoursesPage.graphql").severity == "warning"


@pytest.mark.parametrize("name", ["v9.9", "nowhere", "schema", "-x", "s3:///x"])
def test_baseline_that_does_not_exist_is_refused(name: str, registry: Registry) -> None:
    with pytest.raises(InputError):
        registry.check(baseline=name)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("gateway/supergraph.yaml", "subgraphs: [", "gateway/supergraph.yaml:"),
        ("gateway/supergraph.yaml", "subgraphs: {a: {url: x, schema: y}}", "y, is missing"),
        (CONTRACTS, "contracts: 3\n", f"{CONTRACTS}: contracts"),
        (CONTRACTS, "- 1\n", f"{CONTRACTS}: the file"),
        (APPROVALS, "approvals:\n  - change: X Y\n", f"{APPROVALS}: approvals.0.scope"),
        (LINT, "grace_dayz: 3\n", f"{LINT}: grace_dayz"),
        (APPROVALS, "approvals: [2026-13-45]\n", f"{APPROVALS}: month must be"),
        ("schema/events/broken.json", "{", "schema/events/broken.json"),
        ("schema/events/broken.json", "[]", "schema/events/broken.json is no JSON Schema"),
        (
            "schema/events/broken.json",
            '{"properties": {"a": {"anyOf": [{"required": 1}]}}}',
            "schema/events/broken.json is no JSON Schema",
        ),
        ("schema/operations/web/client.yaml", "contract: none\n", "no contract 'none'"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(
    path: str, text: str, said: str, registry: Registry
) -> None:
    registry.write(path, text)
    with pytest.raises(InputError) as refusal:
        registry.check()
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_file_that_is_not_utf8_is_refused(registry: Registry) -> None:
    (registry.root / CATALOG).write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8"):
        registry.check()


def test_proposal_for_an_unknown_subgraph_is_wrong_usage(registry: Registry) -> None:
    sdl = registry.root / CATALOG
    with pytest.raises(WrongUsage, match="there are: catalog, people"):
        registry.check(subgraph="nobody", sdl=sdl)
    with pytest.raises(WrongUsage):
        registry.check(subgraph="catalog")
    with pytest.raises(InputError):
        registry.check(subgraph="catalog", sdl=sdl.with_name("missing.graphql"))


def test_folder_without_git_needs_a_baseline_and_a_day(registry: Registry, tmp_path: Path) -> None:
    copy = Registry(tmp_path / "copy")
    for file in sorted(registry.root.rglob("*.*")):
        path = file.relative_to(registry.root).as_posix()
        if file.is_file() and not path.startswith(".git/"):
            copy.write(path, file.read_text())
    with pytest.raises(InputError, match="name a baseline"):
        copy.check()
    with pytest.raises(WrongUsage, match="--today"):
        copy.check(baseline=str(registry.root))
    assert not copy.check(baseline=str(registry.root), today=TODAY).failed


def test_check_that_takes_too_long_is_ended(registry: Registry, shared_program: Program) -> None:
    # Composition is asked of a process that is only starting.
    shared_program.close()
    with pytest.raises(TimedOut):
        registry.check(timeout=0.05)
    assert not registry.check().failed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "usage.ndjson:2: it is no JSON"),
        ('{"date": "2026-05-30"}', "usage.ndjson:2: client"),
        (
            '{"date": "x", "client": "a", "count": 1, "coordinates": []}',
            "usage.ndjson:2: date",
        ),
    ],
)
def test_usage_line_that_cannot_be_read_is_named(line: str, said: str, registry: Registry) -> None:
    file = registry.root / "usage.ndjson"
    file.write_text(f"\n{line}\n")
    with pytest.raises(InputError) as refusal:
        registry.check(usage=file)
    assert said in str(refusal.value)
