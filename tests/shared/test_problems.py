"""Problem codes and enums: each subgraph's schema has its own, described."""

from enum import Enum
from typing import Annotated, Any

import pytest
import strawberry

from shared.errors import Conflict, DomainError, InvalidInput
from shared.graph import Problem, build_schema, described_enum
from shared.graph.problem import ProblemCode

GENERAL = {
    "CONFLICT",
    "EMAIL_NOT_VERIFIED",
    "FORBIDDEN",
    "INTERNAL",
    "INVALID_INPUT",
    "NOT_FOUND",
    "RATE_LIMITED",
    "TIMEOUT",
    "UNAUTHENTICATED",
    "UNAVAILABLE",
}


class SlotTaken(Conflict):
    """The slot is somebody else's.

    Not shown.
    """

    __module__ = "subgraphs.alpha.service"
    code = "SLOT_TAKEN"


class SlotIsMine(SlotTaken):
    """Has no code of its own."""

    __module__ = "subgraphs.alpha.service"


class BadColour(InvalidInput):
    """Speaks with the general code, and does not explain it."""

    __module__ = "subgraphs.beta.service.colours"


class PaintOut(DomainError):
    """No paint is left."""

    __module__ = "subgraphs.beta.service.colours"
    code = "PAINT_OUT"


@strawberry.type
class Thing:
    name: str


Result = Annotated[Thing | Problem, strawberry.union("DoResult")]
RAISED: dict[str, DomainError] = {
    "taken": SlotTaken("Taken.", field="slot"),
    "mine": SlotIsMine("Mine."),
    "colour": BadColour("Bad."),
    "paint": PaintOut("Out."),
}


@strawberry.type
class Query:
    @strawberry.field
    def ping(self) -> str:
        return "pong"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def do(self, how: str) -> Result:
        if how in RAISED:
            raise RAISED[how]
        return Thing(name=how)


ALPHA = build_schema("alpha", query=Query, mutation=Mutation)
BETA = build_schema("beta", query=Query, mutation=Mutation)
DO = "mutation($how: String!) { do(how: $how) { ... on Thing { name }" + (
    " ... on Problem { code message field } } }"
)


def shared_codes() -> list[str]:
    """The codes that stand in the enum of all subgraphs, between two builds."""
    definition: Any = ProblemCode
    return [each.name for each in definition.__strawberry_definition__.values]


async def codes(schema: Any) -> dict[str, str]:
    result = await schema.execute(
        '{ __type(name: "ProblemCode") { enumValues { name description } } }'
    )
    return {each["name"]: each["description"] for each in result.data["__type"]["enumValues"]}


async def test_each_subgraph_of_a_process_has_its_own_codes() -> None:
    alpha, beta = await codes(ALPHA), await codes(BETA)
    assert set(alpha) == GENERAL | {"SLOT_TAKEN"}
    assert set(beta) == GENERAL | {"PAINT_OUT"}
    assert shared_codes() == ["INTERNAL"]


async def test_code_is_described_by_its_own_error() -> None:
    alpha, beta = await codes(ALPHA), await codes(BETA)
    assert alpha["SLOT_TAKEN"] == "The slot is somebody else's."
    assert beta["PAINT_OUT"] == "No paint is left."
    assert alpha["INVALID_INPUT"] == "A value breaks a rule; `field` names it."
    assert {code: text for code, text in alpha.items() if code in GENERAL} == {
        code: text for code, text in beta.items() if code in GENERAL
    }
    assert all(alpha.values())


@pytest.mark.parametrize(
    ("schema", "how", "problem"),
    [
        (ALPHA, "taken", {"code": "SLOT_TAKEN", "message": "Taken.", "field": "slot"}),
        (ALPHA, "mine", {"code": "SLOT_TAKEN", "message": "Mine.", "field": None}),
        (BETA, "colour", {"code": "INVALID_INPUT", "message": "Bad.", "field": None}),
        (BETA, "paint", {"code": "PAINT_OUT", "message": "Out.", "field": None}),
    ],
)
async def test_refusal_of_a_mutation_is_data(
    schema: Any, how: str, problem: dict[str, Any]
) -> None:
    result = await schema.execute(DO, variable_values={"how": how})
    assert result.errors is None
    assert result.data == {"do": problem}


async def test_result_of_a_mutation_is_the_thing() -> None:
    result = await ALPHA.execute(DO, variable_values={"how": "Guitar"})
    assert (result.data, result.errors) == ({"do": {"name": "Guitar"}}, None)


async def test_code_of_another_subgraph_is_an_accident() -> None:
    result = await ALPHA.execute(DO, variable_values={"how": "paint"})
    assert result.errors is not None
    assert [error.message for error in result.errors] == ["Unexpected error."]
    assert "PAINT_OUT" not in str(result)


def test_two_errors_with_one_code_do_not_build() -> None:
    first = type("First", (Conflict,), {"code": "TWICE", "__module__": "subgraphs.gamma.a"})
    second = type("Second", (Conflict,), {"code": "TWICE", "__module__": "subgraphs.gamma.b"})
    with pytest.raises(TypeError, match="Second and First both have TWICE"):
        build_schema("gamma", query=Query)
    assert (first.__module__, second.__module__) == ("subgraphs.gamma.a", "subgraphs.gamma.b")
    assert shared_codes() == ["INTERNAL"]


class Level(Enum):
    LOW = "low"
    HIGH = "high"


def test_each_value_of_an_enum_is_described() -> None:
    with pytest.raises(TypeError, match=r"^Level: describe each value once; differing: HIGH, MID$"):
        described_enum(Level, "How far.", LOW="Near.", MID="Between.")
    assert described_enum(Level, "How far.", LOW="Near.", HIGH="Far.") is Level
    definition: Any = Level
    values = definition.__strawberry_definition__.values
    assert [(each.name, each.description) for each in values] == [
        ("LOW", "Near."),
        ("HIGH", "Far."),
    ]
