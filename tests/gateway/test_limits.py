"""How much may be asked: every limit refuses by name, and just below it everything passes."""

import json
from typing import Any

import httpx
import pytest

from tests.gateway.subgraphs import Record
from tests.gateway.support import Router, only_error


def aliases(count: int) -> str:
    """A query with this many aliases."""
    return "{ " + " ".join(f"a{n}: courseTitle" for n in range(count)) + " }"


def limit_of(answer: httpx.Response) -> dict[str, Any]:
    """The limit that a refusal names."""
    error = only_error(answer)
    assert error["extensions"]["code"] == "INVALID_INPUT"
    named: dict[str, Any] = error["extensions"]["limit"]
    assert named["name"] in error["message"]
    return named


PAGE = "query Page($n: Int = 5) { users(first: $n) { nodes { id } } }"
FRAGMENT_BOMB = (
    "query { ...A ...A } "
    + " ".join(
        f"fragment {a} on Query {{ ...{b} ...{b} }}" for a, b in ("AB", "BC", "CD", "DE", "EF")
    )
    + " fragment F on Query { user(id: 1) { friends(first: 20) { nodes { id } } } }"
)


def limit(name: str, maximum: int, found: int) -> dict[str, Any]:
    """What `extensions.limit` must say."""
    return {"name": name, "max": maximum, "found": found}


REFUSED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "depth": (
        "{ user(id: 1) { friends(first: 1) { nodes { friends(first: 1) { nodes { friends(first: 1)"
        " { pageInfo { hasNextPage } } } } } } } }",
        {},
        limit("MAX_DEPTH", 6, 8),
    ),
    "tokens": (
        "{ " + "courseTitle " * 199 + "}",
        {},
        limit("MAX_TOKENS", 200, 201),
    ),
    "aliases": (aliases(6), {}, limit("MAX_ALIASES", 5, 6)),
    "directives": (
        "{ courseTitle @skip(if: false) @include(if: true)"
        " user(id: 1) @skip(if: false) @include(if: true) { id } }",
        {},
        limit("MAX_DIRECTIVES", 3, 4),
    ),
    "cost": (
        "{ users(first: 100) { nodes { friends(first: 2) { nodes { id } } } } }",
        {},
        # 100 pages rows x (connection 1 + node 1 + 2 friends x (connection 1 + node 1))
        limit("MAX_COST", 500, 600),
    ),
    "cost-without-first": (
        "{ users { nodes { friends { nodes { friends { nodes { id } } } } } } }",
        {},
        limit("MAX_DEPTH", 6, 7),
    ),
    "page-literal": (
        "{ users(first: 101) { nodes { id } } }",
        {},
        limit("MAX_PAGE_SIZE", 100, 101),
    ),
    "page-last": (
        "{ users(last: 5000) { nodes { id } } }",
        {},
        limit("MAX_PAGE_SIZE", 100, 5000),
    ),
    "page-variable": (PAGE, {"n": 101}, limit("MAX_PAGE_SIZE", 100, 101)),
    "page-default": (
        PAGE.replace("5", "500"),
        {},
        limit("MAX_PAGE_SIZE", 100, 500),
    ),
    "fragment-bomb": (FRAGMENT_BOMB, {}, limit("MAX_COST", 500, 64 * 41)),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_with_the_name_of_the_limit(
    router: Router, record: Record, name: str
) -> None:
    query, variables, expected = REFUSED[name]
    answer = await router.ask(query, variables)
    assert limit_of(answer) == expected
    assert answer.status_code == 400
    assert record.requests == []


async def test_the_same_document_is_judged_anew_for_each_set_of_variables(router: Router) -> None:
    for n, status in ((5, 200), (101, 400), (100, 200), (101, 400)):
        assert (await router.ask(PAGE, {"n": n})).status_code == status
    assert (await router.ask(PAGE)).status_code == 200


ACCEPTED = {
    "depth": (
        "{ user(id: 1) { friends(first: 1) { nodes { friends { pageInfo { hasNextPage } } } } } }"
    ),
    "tokens": "{ " + "courseTitle " * 198 + "}",
    "aliases": aliases(5),
    "directives": (
        "{ courseTitle @skip(if: false) a: courseTitle @skip(if: false) @include(if: true) }"
    ),
    "cost": "{ users(first: 100) { nodes { friends(first: 1) { pageInfo { hasNextPage } } } } }",
    "page": "{ users(first: 100) { nodes { id } } }",
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_accepted_just_below_the_limit(router: Router, name: str) -> None:
    answer = await router.ask(ACCEPTED[name])
    assert answer.status_code == 200
    assert "errors" not in answer.json()


async def test_lists_without_a_page_count_as_ten(router: Router) -> None:
    query = "{ userList { friends { nodes { friends { pageInfo { hasNextPage } } } } } }"
    answer = await router.ask(query)
    # 10 users x (1 + 10 friends x (1 + node 1 + 10 friends x (1 + page info 1)))
    assert limit_of(answer) == limit("MAX_COST", 500, 10 * (1 + 10 * (2 + 20)))


async def test_limits_hold_over_websocket_and_keep_the_socket(router: Router) -> None:
    async with router.socket() as socket:
        for _ in range(2):
            [result] = await socket.run(aliases(6))
            assert result["errors"][0]["extensions"]["limit"]["name"] == "MAX_ALIASES"
            assert "http" not in result["errors"][0]["extensions"]


async def test_subscriptions_of_one_socket_are_limited(router: Router, record: Record) -> None:
    query = "subscription { ticks(count: 500, ms: 50) { number } }"
    async with router.socket() as socket:
        for id_ in "abc":
            await socket.send(id_, query)
        while (message := await socket.receive())["id"] != "c":
            pass
        assert message["payload"]["errors"][0]["extensions"]["limit"] == {
            "name": "MAX_SUBSCRIPTIONS_PER_SOCKET",
            "max": 2,
            "found": 3,
        }


@pytest.mark.parametrize("chunked", [False, True])
async def test_large_body_is_413(router: Router, record: Record, chunked: bool) -> None:
    body = json.dumps({"query": "{ courseTitle }", "pad": "x" * 20_000}).encode()

    async def pieces() -> Any:
        for start in range(0, len(body), 4096):
            yield body[start : start + 4096]

    async with router.client() as client:
        headers = {"content-type": "application/json"}
        content: Any = pieces() if chunked else body
        answer = await client.post("/graphql", content=content, headers=headers)
    assert answer.status_code == 413
    assert limit_of(answer)["name"] == "MAX_BODY_BYTES"
    assert limit_of(answer)["max"] == 20_000
    assert record.requests == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"query":"{ courseTitle }"}]', "Batches are not accepted"),
        (b"{", "not valid JSON"),
        (b"3", "must be a JSON object"),
        (b"{}", "has no query"),
    ],
)
async def test_malformed_body_is_400(router: Router, content: bytes, message: str) -> None:
    async with router.client() as client:
        headers = {"content-type": "application/json"}
        answer = await client.post("/graphql", content=content, headers=headers)
    assert answer.status_code == 400
    error = only_error(answer)
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert message in error["message"]


async def test_syntax_and_validation_errors_have_their_codes(router: Router) -> None:
    assert only_error(await router.ask("{"))["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    wrong = only_error(await router.ask("{ courseTitel }"))
    assert wrong["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert wrong["message"] == 'Cannot query field "courseTitel" on type "Query".'


async def test_wrong_variable_is_invalid_input(router: Router) -> None:
    error = only_error(await router.ask("query Q($id: ID!) { user(id: $id) { id } }", {"id": []}))
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert '"$id"' in error["message"]


async def test_introspection_and_suggestions_only_in_development(
    router: Router, development: Router
) -> None:
    query = "{ __schema { queryType { name } } }"
    for refused in (query, '{ __type(name: "User") { name } }'):
        body = (await router.ask(refused)).json()
        assert "data" not in body
        assert body["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert (await development.ask(query)).json()["data"]["__schema"]["queryType"]["name"] == "Query"
    suggestion = only_error(await development.ask("{ courseTitel }"))
    assert 'Did you mean "courseTitle"?' in suggestion["message"]


@pytest.mark.parametrize(
    "query",
    [
        '{ __type(name: "User") { name } courseTitle }',
        "{ courseTitle __schema { queryType { name } } }",
        "{ ...Both } fragment Both on Query { __schema { queryType { name } } courseTitle }",
        "{ ... on Query { __schema { queryType { name } } } }",
    ],
)
async def test_questions_about_the_schema_stand_alone(development: Router, query: str) -> None:
    error = only_error(await development.ask(query))
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "in an operation of their own" in error["message"]


async def test_schema_may_be_asked_for_beside_a_typename(development: Router) -> None:
    answer = await development.ask("{ __typename a: __schema { queryType { name } } }")
    assert answer.json() == {"data": {"__typename": "Query", "a": {"queryType": {"name": "Query"}}}}
