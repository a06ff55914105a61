"""Style of what changed, and what operations take before and after."""

import pytest

from tests.schema.check.registry import CATALOG, LINT, PEOPLE, Registry, failing, found

_NEW = """
"A thing."
type bad_name @key(fields: "id") {
  "Identifies it."
  id: ID!
  Undescribed: Int
  "All of them."
  others: [bad_name!]!
  "A page without an end."
  page: CourseConnection
  "A person."
  owner: Person!
}

"Something that is sent."
input Wrong {
  "Where."
  Bad_field: Int
}

"Some values."
enum Kind {
  "One."
  lower_case
}
"""


def test_rules_of_style_hold_for_what_is_new(registry: Registry) -> None:
    registry.write(CATALOG, registry.read(CATALOG) + _NEW)
    registry.edit(
        CATALOG,
        (
            "type Mutation {\n",
            "type Mutation {\n"
            '  "Make one."\n  make("What." Input: Wrong, "Which." kind: Kind): bad_name\n',
        ),
        (
            '  "One course."\n',
            '  "One thing."\n  getThing: bad_name\n  "One course."\n',
        ),
    )
    registry.edit(PEOPLE, ("  fans: Int\n", '  fans: Int\n  "Who reads it."\n  readers: Int!\n'))
    assert failing(registry.check()) == [
        "ARGUMENT_NAME Mutation.make(Input:)",
        "CONNECTION_ARGUMENTS bad_name.page",
        "CONTRIBUTED_NON_NULL Course.readers",
        "DESCRIPTION_MISSING bad_name.Undescribed",
        "ENUM_VALUE_NAME Kind.lower_case",
        "FIELD_NAME Wrong.Bad_field",
        "FIELD_NAME bad_name.Undescribed",
        "INPUT_NAME Wrong",
        "LIST_NOT_PAGED bad_name.others",
        "MUTATION_RESULT Mutation.make",
        "QUERY_NAME Query.getThing",
        "REFERENCE_NON_NULL bad_name.owner",
        "TYPE_NAME bad_name",
    ]


def test_rules_can_be_turned_off_and_have_exceptions(registry: Registry) -> None:
    registry.write(CATALOG, registry.read(CATALOG) + '\n"A thing."\ntype bad {\n  Up: Int\n}\n')
    registry.write(
        LINT,
        "rules: { TYPE_NAME: off, DESCRIPTION_MISSING: warning }\n"
        'exceptions: { FIELD_NAME: ["bad.*"] }\n',
    )
    report = registry.check()
    assert failing(report) == []
    assert found(report, "DESCRIPTION_MISSING bad.Up").severity == "warning"


def test_what_was_there_before_is_left_alone(registry: Registry) -> None:
    registry.write(CATALOG, registry.read(CATALOG) + '\n"A thing."\ntype bad {\n  Up: Int\n}\n')
    registry.commit()
    registry.edit(CATALOG, ("  stars: Int!\n", '  stars: Int!\n  "When."\n  year: Int\n'))
    report = registry.check()
    assert failing(report) == []
    [lint] = [task for task in report.tasks if task.name == "lint"]
    assert lint.facts == {"coordinates": 1}


@pytest.mark.parametrize("day", ["2026-08-29", "2026-08-30"])
def test_deprecation_leaves_clients_their_time(day: str, registry: Registry) -> None:
    reason = f'@deprecated(reason: "Use title. Removed after {day}.")'
    registry.edit(CATALOG, ("subtitle: String\n", f"subtitle: String {reason}\n"))
    early = ["DEPRECATION_DAY Course.subtitle"] if day == "2026-08-29" else []
    assert failing(registry.check()) == early


def test_nothing_is_removed_before_its_day(registry: Registry) -> None:
    old = 'oldName: String @deprecated(reason: "Use title. Removed after 2026-01-31.")'
    registry.edit(CATALOG, (old, old.replace("2026-01-31", "2026-06-01")))
    registry.commit()
    registry.edit(CATALOG, (f'  "Its old name."\n  {old.replace("01-31", "06-01")}\n', ""))
    # The last day is still one of its own.
    assert failing(registry.check()) == [
        "FIELD_REMOVED Course.oldName",
        "REMOVED_EARLY Course.oldName",
    ]


def test_operation_that_takes_more_fetches_is_told(registry: Registry) -> None:
    registry.write(
        "schema/operations/web/1.0/Prices.graphql",
        "query Prices {\n  courses {\n    nodes {\n      price\n    }\n  }\n}\n",
    )
    registry.commit()
    registry.edit(CATALOG, ('  "What it costs, in cents."\n  price: Int!\n', ""))
    registry.edit(
        PEOPLE,
        ("  fans: Int\n", '  fans: Int\n  "What it costs, in cents."\n  price: Int!\n'),
    )
    registry.write(LINT, "plans: { added_fetches: 0 }\n")
    report = registry.check()
    assert failing(report) == ["PLAN_FETCHES_ADDED web/1.0/Prices"]
    registry.write(LINT, "plans: { added_fetches: 1 }\n")
    report = registry.check()
    assert failing(report) == []
    assert found(report, "PLAN_FETCHES_ADDED web/1.0/Prices").severity == "warning"
    # Inside a subgraph the field is gone; for clients it has only moved.
    change = found(report, "FIELD_REMOVED Course.price")
    assert (change.severity, list(change.scopes)) == ("dangerous", ["subgraph:catalog"])
    assert change.hits == []
