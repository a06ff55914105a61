"""Each kind of change: the verdict, and the codes with their severities."""

from dataclasses import dataclass

import pytest

from schema.check import codes
from tests.schema.check.registry import (
    CATALOG,
    CONTRACTS,
    EVENT,
    PEOPLE,
    Registry,
    found,
)

Edit = tuple[str, str, str]  # path, text before, text after


@dataclass(frozen=True)
class Case:
    """A change and what is said of it: severity by id, and what else fails."""

    name: str
    edits: tuple[Edit, ...]
    passes: bool
    says: dict[str, str]


def catalog(before: str, after: str) -> Edit:
    return (CATALOG, before, after)


def people(before: str, after: str) -> Edit:
    return (PEOPLE, before, after)


_SUBTITLE = '  "What it was called. Nobody asks for it."\n  subtitle: String\n'
_OLD_NAME = (
    '  "Its old name."\n'
    '  oldName: String @deprecated(reason: "Use title. Removed after 2026-01-31.")\n'
)
_SEARCH = '"Words." text: String! = "all"'

CASES = [
    Case("nothing", (), True, {}),
    Case(
        "field added",
        (catalog(_SUBTITLE, _SUBTITLE + '  "How long it takes."\n  minutes: Int\n'),),
        True,
        {"FIELD_ADDED Course.minutes": "safe"},
    ),
    Case(
        "field removed that nobody uses, not deprecated",
        (catalog(_SUBTITLE, ""),),
        False,
        {
            "FIELD_REMOVED Course.subtitle": "breaking",
            "REMOVED_UNDEPRECATED Course.subtitle": "error",
        },
    ),
    Case(
        "field removed after its day that nobody uses",
        (catalog(_OLD_NAME, ""),),
        True,
        {"FIELD_REMOVED Course.oldName": "breaking"},
    ),
    Case(
        "field removed that operations use",
        (catalog('  "What it costs, in cents."\n  price: Int!\n', ""),),
        False,
        {
            "FIELD_REMOVED Course.price": "breaking",
            "OPERATION_BROKEN web/1.0/CoursesPage": "breaking",
        },
    ),
    Case(
        "field made nullable",
        (catalog("price: Int!", "price: Int"),),
        False,
        {
            "FIELD_TYPE_CHANGED Course.price": "breaking",
            "OPERATION_AFFECTED web/1.0/CoursesPage": "warning",
        },
    ),
    Case(
        "field made non-null",
        (catalog("subtitle: String\n", "subtitle: String!\n"),),
        True,
        {"FIELD_TYPE_CHANGED Course.subtitle": "safe"},
    ),
    Case(
        "field of another type",
        (catalog("price: Int!", "price: String!"),),
        False,
        {"FIELD_TYPE_CHANGED Course.price": "breaking"},
    ),
    Case(
        "required argument added",
        (catalog("subtitle: String\n", 'subtitle("Of when." year: Int!): String\n'),),
        False,
        {"FIELD_ARGUMENT_ADDED Course.subtitle(year:)": "breaking"},
    ),
    Case(
        "optional argument added",
        (catalog("subtitle: String\n", 'subtitle("Of when." year: Int): String\n'),),
        True,
        {"FIELD_ARGUMENT_ADDED Course.subtitle(year:)": "dangerous"},
    ),
    Case(
        "argument removed",
        (catalog('    "Of which level."\n    level: Level\n', ""),),
        False,
        {
            "FIELD_ARGUMENT_REMOVED Query.courses(level:)": "breaking",
            "REMOVED_UNDEPRECATED Query.courses(level:)": "error",
            "OPERATION_BROKEN web/1.0/CoursesPage": "breaking",
        },
    ),
    Case(
        "argument of another type",
        (catalog("    level: Level\n", "    level: String\n"),),
        False,
        {"FIELD_ARGUMENT_TYPE_CHANGED Query.courses(level:)": "breaking"},
    ),
    Case(
        "default of an argument changed",
        (catalog("first: Int = 10", "first: Int = 20"),),
        True,
        {"FIELD_ARGUMENT_DEFAULT_CHANGED Query.courses(first:)": "dangerous"},
    ),
    Case(
        "default of an argument gone",
        (catalog(_SEARCH, '"Words." text: String!'),),
        True,
        {"FIELD_ARGUMENT_DEFAULT_CHANGED Query.search(text:)": "dangerous"},
    ),
    Case(
        "enum value added",
        (catalog("  ADVANCED\n", '  ADVANCED\n  "All."\n  EXPERT\n'),),
        True,
        {
            "ENUM_VALUE_ADDED Level.EXPERT": "dangerous",
            "OPERATION_AFFECTED partner/1/PartnerList": "warning",
        },
    ),
    Case(
        "enum value removed",
        (catalog('  "The basics."\n  ADVANCED\n', ""),),
        False,
        {
            "ENUM_VALUE_REMOVED Level.ADVANCED": "breaking",
            "REMOVED_UNDEPRECATED Level.ADVANCED": "error",
        },
    ),
    Case(
        "union member added",
        (catalog("union Hit = Course | Book", "union Hit = Course | Book | Problem"),),
        True,
        {
            "UNION_MEMBER_ADDED Hit Problem": "dangerous",
            "OPERATION_AFFECTED web/1.0/Search": "warning",
        },
    ),
    Case(
        "union member removed",
        (catalog("union Hit = Course | Book", "union Hit = Course"),),
        False,
        {
            "UNION_MEMBER_REMOVED Hit Book": "breaking",
            "OPERATION_BROKEN web/1.0/Search": "breaking",
        },
    ),
    Case(
        "interface removed",
        (catalog("type Book implements Named @key", "type Book @key"),),
        False,
        {"OBJECT_TYPE_INTERFACE_REMOVED Book Named": "breaking"},
    ),
    Case(
        "interface added",
        (
            catalog(
                '"Something that has a name."',
                '"Something with an id."\ninterface Node {\n  "Identifies it."\n  id: ID!\n}\n\n'
                '"Something that has a name."',
            ),
            catalog("type Book implements Named @key", "type Book implements Named & Node @key"),
        ),
        True,
        {"OBJECT_TYPE_INTERFACE_ADDED Book Node": "dangerous", "TYPE_ADDED Node": "safe"},
    ),
    Case(
        "type removed",
        (
            catalog("union Hit = Course | Book", "union Hit = Course"),
            catalog(
                '"A book."\ntype Book implements Named @key(fields: "id") {\n'
                '  "Identifies it."\n  id: ID!\n  "What it is called."\n  title: String!\n}\n\n',
                "",
            ),
        ),
        False,
        {"TYPE_REMOVED Book": "breaking", "OPERATION_BROKEN web/1.0/Search": "breaking"},
    ),
    Case(
        "kind of a type changed",
        (catalog("union RateCourseResult = Course | Problem", "scalar RateCourseResult"),),
        False,
        {"TYPE_KIND_CHANGED RateCourseResult": "breaking"},
    ),
    Case(
        "required input field added",
        (catalog("  stars: Int!\n", '  stars: Int!\n  "When."\n  year: Int!\n'),),
        False,
        {
            "INPUT_FIELD_ADDED RateCourseInput.year": "breaking",
            "OPERATION_AFFECTED web/1.0/Rate": "warning",
        },
    ),
    Case(
        "optional input field added",
        (catalog("  stars: Int!\n", '  stars: Int!\n  "When."\n  year: Int\n'),),
        True,
        {"INPUT_FIELD_ADDED RateCourseInput.year": "safe"},
    ),
    Case(
        "input field removed",
        (catalog('  "In words."\n  text: String\n', ""),),
        False,
        {
            "INPUT_FIELD_REMOVED RateCourseInput.text": "breaking",
            "REMOVED_UNDEPRECATED RateCourseInput.text": "error",
        },
    ),
    Case(
        "input field made required",
        (catalog('  "In words."\n  text: String\n', '  "In words."\n  text: String!\n'),),
        False,
        {"INPUT_FIELD_TYPE_CHANGED RateCourseInput.text": "breaking"},
    ),
    Case(
        "input field made optional",
        (catalog("  stars: Int!\n", "  stars: Int\n"),),
        True,
        {"INPUT_FIELD_TYPE_CHANGED RateCourseInput.stars": "safe"},
    ),
    Case(
        "key replaced where others use it",
        (
            catalog(
                'type Course implements Named @key(fields: "id") @key(fields: "slug")',
                'type Course implements Named @key(fields: "id")',
            ),
        ),
        False,
        {"KEY_REMOVED Course slug": "breaking"},
    ),
    Case(
        "key that no longer leads to a field",
        (
            people(
                'type Course @key(fields: "id") {',
                'type Course @key(fields: "id", resolvable: false) {',
            ),
        ),
        False,
        {"SATISFIABILITY_ERROR Course.fans": "error"},
    ),
    Case(
        "key replaced where nobody else does",
        (
            catalog(
                'type Book implements Named @key(fields: "id")',
                'type Book implements Named @key(fields: "id title")',
            ),
        ),
        True,
        {"KEY_REMOVED Book id": "dangerous", "KEY_ADDED Book id title": "safe"},
    ),
    Case(
        "tag of a field removed",
        (catalog('  level: Level @tag(name: "partner")\n', "  level: Level\n"),),
        False,
        {
            "TAG_REMOVED Course.level partner": "dangerous",
            "FIELD_REMOVED Course.level": "breaking",
            "OPERATION_BROKEN partner/1/PartnerList": "breaking",
        },
    ),
    Case(
        "tag of an argument removed",
        (catalog('first: Int = 10 @tag(name: "partner")', "first: Int = 10"),),
        False,
        {
            "TAG_REMOVED Query.courses(first:) partner": "dangerous",
            "FIELD_ARGUMENT_REMOVED Query.courses(first:)": "breaking",
            "TAG_ARGUMENT_HIDDEN Query.courses(first:) partner": "warning",
        },
    ),
    Case(
        "tag of a field added",
        (catalog("  price: Int!\n", '  price: Int! @tag(name: "partner")\n'),),
        True,
        {"TAG_ADDED Course.price partner": "dangerous", "FIELD_ADDED Course.price": "safe"},
    ),
    Case(
        "field deprecated with a day",
        (
            catalog(
                "subtitle: String\n",
                'subtitle: String @deprecated(reason: "Use title. Removed after 2026-12-31.")\n',
            ),
        ),
        True,
        {"FIELD_DEPRECATION_ADDED Course.subtitle": "safe"},
    ),
    Case(
        "field deprecated without a day",
        (catalog("subtitle: String\n", 'subtitle: String @deprecated(reason: "Use title.")\n'),),
        False,
        {
            "FIELD_DEPRECATION_ADDED Course.subtitle": "safe",
            "DEPRECATION_DAY Course.subtitle": "error",
        },
    ),
    Case(
        "argument deprecated",
        (
            catalog(
                "    level: Level\n",
                '    level: Level @deprecated(reason: "It goes. Removed after 2026-12-31.")\n',
            ),
        ),
        True,
        {"DEPRECATED_ADDED Query.courses(level:)": "safe"},
    ),
    Case(
        "field moves to another subgraph",
        (
            people(
                "  fans: Int\n",
                '  fans: Int\n  "What it costs, in cents."\n'
                '  price: Int! @override(from: "catalog")\n',
            ),
        ),
        False,
        {
            "FIELD_ADDED Course.price": "safe",
            "CONTRIBUTED_NON_NULL Course.price": "error",
        },
    ),
    Case(
        "override added to a field",
        (
            catalog("  subtitle: String\n", "  subtitle: String\n  fans: Int @shareable\n"),
            people("  fans: Int\n", '  fans: Int @override(from: "catalog")\n'),
        ),
        False,
        {"OVERRIDE_ADDED Course.fans": "dangerous", "DESCRIPTION_MISSING Course.fans": "error"},
    ),
    Case(
        "shareable type drifts",
        (
            people(
                "  hasNextPage: Boolean!\n",
                '  hasNextPage: Boolean!\n  "How many."\n  total: Int!\n',
            ),
        ),
        False,
        {"SATISFIABILITY_ERROR PageInfo.total": "error"},
    ),
    Case(
        "shared field of another type",
        (people("  hasNextPage: Boolean!\n", "  hasNextPage: String!\n"),),
        False,
        {"FIELD_TYPE_MISMATCH PageInfo.hasNextPage": "error"},
    ),
    Case(
        "shared field no longer shareable",
        (people("type PageInfo @shareable {", "type PageInfo {"),),
        False,
        {"INVALID_FIELD_SHARING PageInfo.hasNextPage": "error"},
    ),
    Case(
        "scopes demanded",
        (people("  name: String!\n", '  name: String! @requiresScopes(scopes: [["x:read"]])\n'),),
        False,
        {
            "REQUIRES_SCOPES_ADDED Person.name": "breaking",
            "OPERATION_AFFECTED web/1.0/CoursesPage": "warning",
        },
    ),
    Case(
        "scopes no longer demanded",
        (people('email: String @requiresScopes(scopes: [["email:read"]])', "email: String"),),
        True,
        {"REQUIRES_SCOPES_REMOVED Person.email": "dangerous"},
    ),
    Case(
        "field hidden from all",
        (catalog("subtitle: String\n", "subtitle: String @inaccessible\n"),),
        False,
        {
            "INACCESSIBLE_ADDED Course.subtitle": "safe",
            "FIELD_REMOVED Course.subtitle": "breaking",
        },
    ),
    Case(
        "description changed",
        (catalog('"What it was called. Nobody asks for it."', '"What it was called."'),),
        True,
        {"FIELD_DESCRIPTION_CHANGED Course.subtitle": "safe"},
    ),
    Case(
        "federation version changed",
        (people("federation/v2.9", "federation/v2.8"),),
        True,
        {"FEDERATION_VERSION_CHANGED people": "dangerous"},
    ),
    Case(
        "contract removed",
        ((CONTRACTS, "  partner:\n", "  other:\n"),),
        False,
        {"CONTRACT_REMOVED partner": "breaking", "CONTRACT_ADDED other": "safe"},
    ),
    Case(
        "event field removed that a reference needs",
        (
            (EVENT, '    "title": {\n      "type": "string"\n    },\n', ""),
            (EVENT, '    "title",\n', ""),
        ),
        False,
        {
            "EVENT_FIELD_REMOVED edtech.catalog.course.updated.v1 title": "breaking",
            "REFERENCE_FIELD_MISSING people.course_refs.title"
            " edtech.catalog.course.updated.v1": "error",
        },
    ),
    Case(
        "event field added with a default",
        ((EVENT, '    "note": {', '    "more": {\n      "type": "string"\n    },\n    "note": {'),),
        True,
        {"EVENT_FIELD_ADDED edtech.catalog.course.updated.v1 more": "safe"},
    ),
    Case(
        "event field made required",
        ((EVENT, '    "title",\n', '    "title",\n    "note",\n'),),
        False,
        {"EVENT_FIELD_REQUIRED edtech.catalog.course.updated.v1 note": "breaking"},
    ),
    Case(
        "event field of another type",
        ((EVENT, '      "format": "uuid"', '      "format": "uri"'),),
        False,
        {"EVENT_FIELD_TYPE_CHANGED edtech.catalog.course.updated.v1 courseId": "breaking"},
    ),
    Case(
        "event value added",
        ((EVENT, '        "OPEN"\n', '        "OPEN",\n        "CLOSED"\n'),),
        True,
        {"EVENT_VALUE_ADDED edtech.catalog.course.updated.v1 status": "dangerous"},
    ),
    Case(
        "event moves to another topic",
        ((EVENT, '"x-topic": "edtech.catalog.course.v1"', '"x-topic": "edtech.catalog.log.v1"'),),
        False,
        {
            "EVENT_TOPIC_CHANGED edtech.catalog.course.updated.v1": "breaking",
            "REFERENCE_EVENT_MISSING people.course_refs edtech.catalog.course.v1": "error",
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_change_has_verdict_and_codes(case: Case, registry: Registry) -> None:
    for path, before, after in case.edits:
        registry.edit(path, (before, after))
    report = registry.check()
    seen = {each.id: each.severity.value for each in report.findings}
    assert {name: seen.get(name) for name in case.says} == case.says, seen
    assert report.failed is not case.passes, seen
    assert {each.code for each in report.findings} <= codes.all_codes().keys()


def test_safe_and_dangerous_changes_leave_no_other_failures(registry: Registry) -> None:
    registry.edit(CATALOG, (_OLD_NAME, ""))
    report = registry.check()
    removed = found(report, "FIELD_REMOVED Course.oldName")
    assert removed.approved
    assert [each.by for each in removed.approvals] == ["rule unused-after-deprecation"]
    assert not [each for each in report.findings if each.code == "REMOVED_UNDEPRECATED"]
