"""What a caller sees of errors: refusals as they are, accidents by the request's id alone."""

from enum import Enum
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shared.errors import Conflict, InvalidInput, NotFound, RateLimited, Timeout, Unavailable
from shared.graph import build_schema
from shared.telemetry import story

SECRET = "ana@example.test"


class SlotTaken(Conflict):
    """A slot is taken."""

    code = "SLOT_TAKEN"


@strawberry.enum
class Colour(Enum):
    RED = "red"


def chained() -> Exception:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        found = LookupError(SECRET)
        found.__cause__ = error
        return found


RAISED: dict[str, BaseException] = {
    "accident": RuntimeError(SECRET),
    "chained": chained(),
    "system": SystemError(SECRET),
    "wrapped": GraphQLError("outer " + SECRET, original_error=RuntimeError(SECRET)),
    "nameless": GraphQLError(SECRET),
    "slot": SlotTaken("That slot is taken.", field="slotId"),
    "missing": NotFound("No such course."),
    "many": RateLimited("Too many tries.", retry_after=7),
    "away": Unavailable("The database is not available."),
    "slow": Timeout("The database took too long."),
    "input": InvalidInput("A value cannot be stored."),
    "chosen": GraphQLError("Chosen.", extensions={"code": "INVALID_INPUT"}),
}


@strawberry.type
class Query:
    @strawberry.field
    def ping(self) -> str:
        return "pong"

    @strawberry.field
    def fail(self, how: str) -> str | None:
        raise RAISED[how]

    @strawberry.field
    def number(self) -> int | None:
        return 2**40

    @strawberry.field
    def colour(self) -> Colour | None:
        return SECRET  # type: ignore[return-value]

    @strawberry.field
    def certain(self) -> str:
        return None  # type: ignore[return-value]


SCHEMA = build_schema("learning", query=Query)


async def errors(query: str, **variables: Any) -> list[dict[str, Any]]:
    with story(correlation="req-1"):
        result = await SCHEMA.execute(query, variable_values=variables)
    assert result.errors is not None
    assert all(error.original_error is None for error in result.errors)
    return [dict(error.formatted) for error in result.errors]


@pytest.mark.parametrize(
    "query",
    [
        *(
            f'{{ fail(how: "{how}") }}'
            for how in ("accident", "chained", "system", "wrapped", "nameless")
        ),
        "{ number }",
        "{ colour }",
        "{ certain }",
    ],
)
async def test_accident_shows_only_the_request_id(query: str) -> None:
    with capture_logs() as logs:
        [error] = await errors(query)
    assert error["message"] == "Unexpected error."
    assert error["extensions"] == {"code": "INTERNAL", "requestId": "req-1"}
    assert sorted(error) == ["extensions", "locations", "message", "path"]
    for word in (SECRET, str(2**40), "Error", "Traceback", "outer", "null"):
        assert word not in str(error | {"message": ""})
    [entry] = logs
    assert (entry["event"], entry["subgraph"], entry["log_level"]) == (
        "unexpected error",
        "learning",
        "error",
    )
    assert isinstance(entry["exc_info"][1], BaseException)


@pytest.mark.parametrize(
    ("how", "message", "extensions"),
    [
        ("slot", "That slot is taken.", {"code": "CONFLICT", "field": "slotId"}),
        ("missing", "No such course.", {"code": "NOT_FOUND"}),
        ("many", "Too many tries.", {"code": "RATE_LIMITED", "retryAfter": 7}),
        ("away", "The database is not available.", {"code": "UNAVAILABLE"}),
        ("slow", "The database took too long.", {"code": "TIMEOUT"}),
        ("input", "A value cannot be stored.", {"code": "INVALID_INPUT"}),
        ("chosen", "Chosen.", {"code": "INVALID_INPUT"}),
    ],
)
async def test_refusal_carries_its_general_code(
    how: str, message: str, extensions: dict[str, Any]
) -> None:
    with capture_logs() as logs:
        [error] = await errors("query($how: String!) { fail(how: $how) }", how=how)
    assert error["message"] == message
    assert error["extensions"] == extensions | {"requestId": "req-1"}
    assert error["path"] == ["fail"]
    assert logs == []


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{ ping", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query($how: String!) { fail(how: $how) }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query($how: String!) { fail(how: $how) }", {"how": 5}, "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_fault_of_the_request_is_named_and_not_logged(
    query: str, variables: dict[str, Any], code: str
) -> None:
    with capture_logs() as logs:
        [error] = await errors(query, **variables)
    assert error["extensions"]["code"] == code
    assert error["message"] != "Unexpected error."
    assert logs == []


async def test_suggestions_do_not_tell_of_hidden_fields() -> None:
    [error] = await errors("{ pin }")
    assert error["message"] == "Cannot query field 'pin' on type 'Query'."


async def test_errors_are_counted_by_code() -> None:
    def count(code: str) -> float:
        labels = {"subgraph": "learning", "code": code}
        return REGISTRY.get_sample_value("edtech_field_errors_total", labels) or 0

    before = count("INTERNAL"), count("CONFLICT")
    await errors('{ a: fail(how: "accident") b: fail(how: "slot") c: fail(how: "slot") }')
    assert (count("INTERNAL"), count("CONFLICT")) == (before[0] + 1, before[1] + 2)


async def test_without_a_request_no_id_is_made_up() -> None:
    result = await SCHEMA.execute('{ fail(how: "slot") }')
    assert result.errors is not None
    assert result.errors[0].extensions == {"code": "CONFLICT", "field": "slotId"}
