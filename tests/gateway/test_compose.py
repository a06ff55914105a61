"""compose.mjs: errors are data that name their subgraph, and the output is deterministic."""

from typing import Any

from graphql import build_schema

from tests.gateway.support import Backend, compose


def test_composition_is_the_same_whatever_the_order(backend: Backend) -> None:
    subgraphs = backend.subgraphs()
    forwards, backwards = compose(subgraphs), compose(subgraphs[::-1])
    assert forwards == backwards
    assert forwards["errors"] == []
    assert f'name: "users", url: "{backend.url}/users/graphql"' in forwards["supergraphSdl"]


def test_public_schema_has_no_federation_in_it(backend: Backend) -> None:
    public = compose(backend.subgraphs())["publicSdl"]
    schema = build_schema(public)
    user = schema.type_map["User"]
    assert list(user.fields) == sorted(["id", "name", "friends", "courses", "ghost"])  # type: ignore[attr-defined]
    assert "join__" not in public
    assert "@key" not in public
    assert "_entities" not in public
    assert "@link" not in public


def test_composition_errors_name_code_and_subgraph() -> None:
    head = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])'
    first = {
        "name": "first",
        "url": "http://first/graphql",
        "sdl": f"{head} type Query {{ a: Thing }} type Thing {{ size: Int }}",
    }
    second = {
        "name": "second",
        "url": "http://second/graphql",
        "sdl": f"{head} type Query {{ b: Thing }} type Thing {{ size: String }}",
    }
    result = compose([first, second])
    assert result["supergraphSdl"] is None
    assert result["publicSdl"] is None
    codes = {error["code"] for error in result["errors"]}
    assert "FIELD_TYPE_MISMATCH" in codes
    assert all(error["message"] for error in result["errors"])

    unknown_key = {
        **first,
        "sdl": f'{head} type Query {{ a: Int }} type Thing @key(fields: "nope") {{ id: ID }}',
    }
    result = compose([unknown_key, second])
    assert {error.get("subgraph") for error in result["errors"]} == {"first"}
    assert {error["code"] for error in result["errors"]} == {"KEY_INVALID_FIELDS"}


def test_text_that_is_no_graphql_is_an_error_of_its_subgraph() -> None:
    result = compose([{"name": "broken", "url": "http://broken/graphql", "sdl": "type {"}])
    [error] = result["errors"]
    assert error["code"] == "INVALID_GRAPHQL"
    assert error["subgraph"] == "broken"


def test_composition_of_a_contract_reports_like_any_other() -> None:
    head = (
        'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9",'
        ' import: ["@key", "@tag"])'
    )
    sdl = f"""{head}
    type Query {{ a(x: Int!): Thing @tag(name: "part") b: Int }}
    type Thing {{ id: ID }}"""
    subgraph = {"name": "one", "url": "http://one/graphql", "sdl": sdl}

    def part(*include: str) -> Any:
        contract = {"include": list(include), "exclude": []}
        return compose([subgraph], contracts={"part": contract})["contracts"]["part"]

    refused = part("part")
    codes = {error["code"] for error in refused["errors"]}
    # A required argument and a type that the contract does not have.
    assert codes == {"REQUIRED_INACCESSIBLE", "REFERENCED_INACCESSIBLE"}
    assert refused["supergraphSdl"] is None
    [unknown] = part("nothing")["errors"]
    assert unknown == {
        "code": "UNKNOWN_TAG",
        "message": 'Nothing in the graph has the tag "nothing".',
    }
