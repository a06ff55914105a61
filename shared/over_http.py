"""GraphQL over HTTP: what a request asks for, and how its answer is written.

Rules of https://graphql.github.io/graphql-over-http/draft: JSON over POST, queries over GET, and
two media types. `application/json` answers 200 to whatever was understood as a GraphQL request;
`application/graphql-response+json` answers 400 when nothing was executed.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

JSON = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"
_ALLOWED = {
    "GET": {OperationType.QUERY},
    "POST": {OperationType.QUERY, OperationType.MUTATION},
}


class BadRequest(Exception):
    """This is no GraphQL request; `status` says why, `headers` what would be one."""

    def __init__(self, message: str, status: int = 400, **headers: str) -> None:
        super().__init__(message)
        self.message, self.status, self.headers = message, status, headers


@dataclass(frozen=True, slots=True)
class Asked:
    """A GraphQL request as HTTP carried it."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None
    allowed: set[OperationType]


def read(method: str, content_type: str | None, query_string: bytes, body: bytes) -> Asked:
    """What is asked for. Raises BadRequest."""
    if method == "POST":
        if not is_json(content_type):
            raise BadRequest("The content type must be application/json, in UTF-8.", 415)
        return _asked(method, _json_object(body, "The body"))
    if method == "GET":
        return _asked(method, _parameters(query_string))
    raise BadRequest("Ask by POST, or by GET for queries.", 405, allow="GET, POST")


def is_json(content_type: str | None) -> bool:
    """Whether a content type is JSON as this endpoint reads it: UTF-8, named or not."""
    media_type, _, parameters = (content_type or "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    return media_type.strip().lower() == JSON and charset in {"", "charset=utf-8"}


def _parameters(query_string: bytes) -> dict[str, Any]:
    try:
        given: dict[str, Any] = dict(parse_qsl(query_string.decode("ascii"), errors="strict"))
    except ValueError:
        raise BadRequest("The query string must be percent-encoded UTF-8.") from None
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = _json_object(given[name].encode(), f"`{name}`")
    return given


def _json_object(text: bytes, about: str) -> dict[str, Any]:
    try:
        found = _parse(text)
    except (ValueError, RecursionError):
        raise BadRequest(f"{about} must be a JSON object.") from None
    if not isinstance(found, dict):
        raise BadRequest(f"{about} must be a JSON object.")
    return found


def _parse(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # Half a surrogate pair is JSON, too (RFC 8259, 8.2): its field can be named in the refusal.
        return json.loads(text)


def _asked(method: str, given: dict[str, Any]) -> Asked:
    query = given.get("query")
    if not isinstance(query, str) or not query:
        raise BadRequest("`query` must be the text of a GraphQL document.")
    name = given.get("operationName")
    if not isinstance(name, str | None):
        raise BadRequest("`operationName` must be a string or null.")
    for key in ("variables", "extensions"):
        if not isinstance(given.get(key), dict | None):
            raise BadRequest(f"`{key}` must be an object or null.")
    return Asked(query, given.get("variables"), name, given.get("extensions"), _ALLOWED[method])


def media_type(accept: str | None) -> str:
    """The media type of the answer, the client's favourite of the two. Raises BadRequest (406)."""
    if accept is None or accept in {"*/*", JSON}:
        return JSON
    quality = {JSON: -1.0, GRAPHQL_RESPONSE: -1.0}
    exact: set[str] = set()
    for part in accept.lower().split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        weight = _weight(parameters)
        for kind in quality:
            if name == kind:
                quality[kind] = weight
                exact.add(kind)
            elif name in {"*/*", "application/*"} and kind not in exact:
                # Who only says "anything" may not know of the newer type.
                quality[kind] = weight if kind == JSON else quality[kind]
    best = max(quality, key=lambda kind: (quality[kind], kind == GRAPHQL_RESPONSE))
    if quality[best] <= 0:
        raise BadRequest(f"The answer would be {GRAPHQL_RESPONSE} or {JSON}.", 406)
    return best


def _weight(parameters: list[str]) -> float:
    for each in parameters:
        name, _, value = each.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def answer(result: ExecutionResult, kind: str) -> tuple[int, bytes]:
    """Status and body of a result. Without data there was nothing that could be executed."""
    errors = result.errors
    refused = result.data is None and errors and all(each.path is None for each in errors)
    body: dict[str, Any] = {} if refused else {"data": result.data}
    if errors:
        body["errors"] = [each.formatted for each in errors]
    if result.extensions:
        body["extensions"] = result.extensions
    return 400 if refused and kind == GRAPHQL_RESPONSE else 200, _write(body)


def _write(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # Half a surrogate pair that came with the request, or a number of more than 64 bits.
        return json.dumps(body, separators=(",", ":")).encode()
