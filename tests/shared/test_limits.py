"""Limits on documents, and that each document is read once."""

import asyncio
from typing import Any

import pytest
import strawberry
from graphql.language.parser import Parser

from shared.graph import build_schema
from shared.graph.limits import MAX_ALIASES, MAX_DEPTH, MAX_TOKENS
from shared.graph.schema import MOST_DOCUMENTS, Schema


@strawberry.type
class Node:
    @strawberry.field
    def inner(self) -> "Node":
        return Node()

    @strawberry.field
    def ping(self) -> str:
        return "pong"


@strawberry.type
class Query:
    @strawberry.field
    def inner(self) -> Node:
        return Node()

    @strawberry.field
    def ping(self, word: str = "pong") -> str:
        return word


def schema() -> Schema:
    return build_schema("learning", query=Query)


SCHEMA = schema()


async def refusals(query: str) -> list[tuple[str, dict[str, Any]]]:
    result = await SCHEMA.execute(query)
    if result.errors is None:
        return []
    assert result.data is None
    return [(error.message, dict(error.extensions or {})) for error in result.errors]


def named(name: str, most: int) -> list[tuple[str, dict[str, Any]]]:
    text = f"The document exceeds the limit {name} of {most}."
    return [(text, {"code": "INVALID_INPUT", "limit": {"name": name, "max": most}})]


def nested(depth: int) -> str:
    """`depth` fields within each other."""
    return "inner { " * (depth - 1) + "ping" + " }" * (depth - 1)


DEEP_FRAGMENT = f"fragment Deep on Node {{ {nested(MAX_DEPTH - 1)} }}"


@pytest.mark.parametrize(
    "query",
    [
        f"{{ {nested(MAX_DEPTH)} }}",
        "{ inner { ...Deep } } " + DEEP_FRAGMENT,
        "{ inner { ... on Node { ... { ...Deep } } } } " + DEEP_FRAGMENT,
    ],
)
async def test_deepest_document_is_answered(query: str) -> None:
    assert await refusals(query) == []


@pytest.mark.parametrize(
    "query",
    [
        f"{{ {nested(MAX_DEPTH + 1)} }}",
        "{ inner { inner { ...Deep } } } " + DEEP_FRAGMENT,
        "{ inner { inner { ... on Node { ...Deep } } } } " + DEEP_FRAGMENT,
        f"{{ ping }} query other {{ {nested(MAX_DEPTH + 1)} }}".replace("{", "query one {", 1),
    ],
)
async def test_deeper_document_is_refused_with_the_limit_named(query: str) -> None:
    assert await refusals(query) == named("maxDepth", MAX_DEPTH)


def aliased(count: int) -> str:
    return " ".join(f"a{number}: ping" for number in range(count))


async def test_most_aliases_are_answered_and_one_more_is_refused() -> None:
    assert await refusals(f"{{ {aliased(MAX_ALIASES)} }}") == []
    assert await refusals(f"{{ {aliased(MAX_ALIASES + 1)} }}") == named("maxAliases", MAX_ALIASES)


async def test_aliases_count_as_often_as_their_fragment_is_spread() -> None:
    assert (
        await refusals(
            "{ x: inner { ...F } y: inner { ...F } } fragment F on Node { " + aliased(99) + " }"
        )
        == []
    )
    assert await refusals(
        "{ x: inner { ...F } y: inner { ...F } } fragment F on Node { " + aliased(100) + " }"
    ) == named("maxAliases", MAX_ALIASES)
    doubling = "".join(
        f" fragment F{n} on Node {{ x: inner {{ ...F{n + 1} }} y: inner {{ ...F{n + 1} }} }}"
        for n in range(18)
    )
    # Under 20 fields deep and 36 aliases long, it asks for a quarter of a million values.
    assert await refusals(
        "{ inner { ...F0 } }" + doubling + " fragment F18 on Node { ping }"
    ) == named("maxAliases", MAX_ALIASES)


async def test_too_many_tokens_are_refused_with_the_limit_named() -> None:
    [(message, extensions)] = await refusals("{ " + "ping " * MAX_TOKENS + "}")
    assert str(MAX_TOKENS) in message
    assert extensions == {"code": "GRAPHQL_PARSE_FAILED"}


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("{ ...A } fragment A on Query { ...A }", "Cannot spread fragment 'A' within itself."),
        (
            "{ inner { ...A } } fragment A on Node { inner { ...B } }"
            " fragment B on Node { inner { ...A } }",
            "Cannot spread fragment 'A' within itself via 'B'.",
        ),
        (
            "{ ...A ...B ...C } fragment A on Query { ...B ...C } fragment B on Query { ...A ...C }"
            " fragment C on Query { ...A ...B }",
            "Cannot spread fragment 'A' within itself via 'B'.",
        ),
        ("{ ...Nobody }", "Unknown fragment 'Nobody'."),
    ],
)
async def test_fragments_in_a_circle_or_unknown_are_refused(query: str, complaint: str) -> None:
    async with asyncio.timeout(5):
        found = await refusals(query)
    assert {extensions["code"] for _, extensions in found} == {"GRAPHQL_VALIDATION_FAILED"}
    messages = [message for message, _ in found]
    assert complaint in messages
    # Our own rule came to its end: it did not follow the circle until the stack was full.
    assert "Validation aborted." not in messages


@pytest.mark.parametrize(
    "query",
    [
        "{ inner " * 4000,
        f"{{ {nested(2500)} }}",
        "{ ping(word: " + "[" * 4000 + "]" * 4000 + ") }",
        "{ " + "ping " * 4000 + "}",
        "{ inner { ...F0 } }"
        + "".join(f" fragment F{n} on Node {{ inner {{ ...F{n + 1} }} }}" for n in range(700))
        + " fragment F700 on Node { ping }",
    ],
    ids=["open", "deep", "list", "repeated", "fragments"],
)
async def test_monstrous_document_is_refused_and_never_an_accident(query: str) -> None:
    found = await refusals(query)
    assert found
    assert "INTERNAL" not in {extensions["code"] for _, extensions in found}


async def test_document_is_parsed_once_and_the_cache_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[str] = []
    original = Parser.parse_document

    def note(parser: Parser) -> Any:
        parsed.append(parser._lexer.source.body)
        return original(parser)

    own = schema()
    monkeypatch.setattr(Parser, "parse_document", note)
    query = "query($word: String!) { ping(word: $word) }"
    for word in ("a", "b", "c"):
        result = await own.execute(query, variable_values={"word": word})
        assert result.data == {"ping": word}
    assert parsed == [query]
    for number in range(MOST_DOCUMENTS):
        await own.execute(f"{{ a{number}: ping }}")
    assert len(own.documents) == MOST_DOCUMENTS
    parsed.clear()
    await own.execute(query, variable_values={"word": "a"})
    assert parsed == [query]


async def test_refused_document_is_refused_again() -> None:
    query = f"{{ first: {nested(MAX_DEPTH + 1)} }}"
    assert await refusals(query) == await refusals(query) == named("maxDepth", MAX_DEPTH)
