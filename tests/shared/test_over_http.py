"""GraphQL over HTTP: media types, methods, and what is no GraphQL request."""

import json
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest
from strawberry.types import ExecutionResult

from shared import over_http
from shared.auth import SIGNATURE_HEADER, sign
from tests.support.graph import GraphClient
from tests.support.services import SECRET

JSON, NEWER = over_http.JSON, over_http.GRAPHQL_RESPONSE
QUERY = "{ courses(first: 1) { nodes { id } } }"
INVALID = "{ courses { nonsense } }"
ANSWER: dict[str, Any] = {"data": {"courses": {"nodes": []}}}


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (NEWER, NEWER),
        (f"{NEWER}, {JSON}", NEWER),
        (f"{NEWER};q=0.5, {JSON}", JSON),
        (f"{JSON};q=0.2, {NEWER}; charset=utf-8; q=0.9", NEWER),
        (f"text/html, {NEWER};q=0.9, */*;q=0.8", NEWER),
        ("text/html, */*;q=0.8", JSON),
        (f"{JSON};q=0, */*", None),
        ("text/html", None),
        (f"{NEWER};q=x", None),
    ],
)
def test_media_type_is_the_clients_favourite(accept: str | None, chosen: str | None) -> None:
    if chosen is not None:
        assert over_http.media_type(accept) == chosen
        return
    with pytest.raises(over_http.BadRequest) as caught:
        over_http.media_type(accept)
    assert caught.value.status == 406


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=UTF-8", True),
        ('application/json; charset="utf-8"', True),
        ("application/json; charset=latin-1", False),
        ("application/jsonp", False),
        ("text/plain", False),
        ("multipart/form-data; boundary=x", False),
        ("", False),
        (None, False),
    ],
)
def test_content_type_is_json_in_utf_8(content_type: str | None, is_json: bool) -> None:
    assert over_http.is_json(content_type) is is_json


@pytest.mark.parametrize(
    ("accept", "status"), [(JSON, 200), (NEWER, 400)], ids=["json", "graphql-response"]
)
@pytest.mark.parametrize("query", [INVALID, "{ courses", "query A { __typename } query B { x }"])
async def test_what_cannot_be_executed_has_no_data(
    learning: GraphClient, accept: str, status: int, query: str
) -> None:
    answer = await learning.post(orjson.dumps({"query": query}), headers={"accept": accept})
    assert answer.status_code == status
    assert answer.headers["content-type"] == accept
    assert "data" not in answer.json()
    assert answer.json()["errors"]


@pytest.mark.parametrize("accept", [JSON, NEWER])
async def test_what_was_executed_is_200_with_its_media_type(
    learning: GraphClient, accept: str
) -> None:
    answer = await learning.post(orjson.dumps({"query": QUERY}), headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == accept
    assert answer.json() == ANSWER


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"{",
        b"\xff",
        b"[" * 10_000,
        b'{"query": 1}',
        b'{"query": ""}',
        b'{"variables": {}}',
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "extensions": "x"}',
        b'{"query": "{ __typename }", "operationName": 1}',
        b'[{"query": "{ __typename }"}]',
    ],
)
async def test_malformed_request_is_one_error(learning: GraphClient, body: bytes) -> None:
    _refused(await learning.post(body), 400)


async def test_half_a_surrogate_pair_is_bad_input_like_any(learning: GraphClient) -> None:
    query = "query($n: Int) { courses(first: $n) { nodes { id } } }"
    body = b'{"query": "%s", "variables": {"n": "\\ud800"}}' % query.encode()
    answer = await learning.post(body)
    assert answer.status_code == 200
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_what_few_parsers_like_is_written_all_the_same() -> None:
    result = ExecutionResult(data={"text": "\ud800", "number": 2**70}, errors=None)
    status, body = over_http.answer(result, JSON)
    assert status == 200
    assert json.loads(body) == {"data": result.data}


async def test_operation_that_is_not_there_is_one_error(learning: GraphClient) -> None:
    body = {"query": "query A { __typename }", "operationName": "B"}
    answer = await learning.post(orjson.dumps(body))
    assert 'Unknown operation named "B"' in _refused(answer, 400)


async def test_other_content_type_and_unknown_answer_are_refused(learning: GraphClient) -> None:
    body = orjson.dumps({"query": QUERY})
    for sent, status in (
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
        ({"accept": "text/html"}, 406),
    ):
        _refused(await learning.post(body, headers=sent), status)


async def test_query_over_get_is_answered_when_its_text_is_signed(learning: GraphClient) -> None:
    query = "query($n: Int) { courses(first: $n) { nodes { id } } }"
    asked = {"query": query, "variables": '{"n": 1}'}
    assert (await _get(learning, asked)).json() == ANSWER
    signed_for_another = sign(SECRET.encode(), b"", ip=learning.ip)
    assert (await _get(learning, asked, signed_for_another)).status_code == 401


async def test_get_changes_nothing(learning: GraphClient) -> None:
    answer = await _get(learning, {"query": "mutation { __typename }"})
    _refused(answer, 405)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("asked", [{}, {"query": QUERY, "variables": "x"}])
async def test_malformed_get_is_one_error(learning: GraphClient, asked: dict[str, str]) -> None:
    _refused(await _get(learning, asked), 400)


async def _get(
    client: GraphClient, asked: dict[str, str], signature: str | None = None
) -> httpx.Response:
    text = urlencode(asked)
    proof = signature or sign(SECRET.encode(), text.encode(), ip=client.ip)
    answer: httpx.Response = await client.http.get(
        f"/graphql?{text}", headers={SIGNATURE_HEADER: proof}
    )
    return answer


def _refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert "data" not in body
    [error] = body["errors"]
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert error["extensions"]["requestId"]
    return str(error["message"])
