"""What a caller may see of an error: the text of refusals, never that of accidents."""

from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError, GraphQLSyntaxError

from shared.errors import DomainError, RateLimited
from shared.telemetry import FIELD_ERRORS, current_correlation, log

UNEXPECTED = "Unexpected error."


def mask(errors: Sequence[GraphQLError], subgraph: str) -> list[GraphQLError]:
    """The errors as they may leave: a code and the request's id on each; accidents are logged."""
    return [_mask(error, subgraph) for error in errors]


def _mask(error: GraphQLError, subgraph: str) -> GraphQLError:
    extensions: dict[str, Any] = {"code": "INTERNAL"}
    message = UNEXPECTED
    cause = _origin(error)
    if isinstance(cause, DomainError):
        message = cause.message
        extensions["code"] = cause.general_code()
        if cause.field is not None:
            extensions["field"] = cause.field
        if isinstance(cause, RateLimited):
            extensions["retryAfter"] = cause.retry_after
    elif isinstance(cause, GraphQLError) and _is_about_the_request(error, cause):
        message = error.message
        fallback = (
            "GRAPHQL_PARSE_FAILED"
            if isinstance(error, GraphQLSyntaxError)
            else "GRAPHQL_VALIDATION_FAILED"
            if error.path is None
            else "INVALID_INPUT"
        )
        extensions = {"code": fallback, **(error.extensions or {})}
    else:
        log.error(
            "unexpected error",
            subgraph=subgraph,
            path=error.path,
            exc_info=(type(cause), cause, cause.__traceback__),
        )
    FIELD_ERRORS.labels(subgraph, extensions["code"]).inc()
    if request_id := current_correlation():
        extensions["requestId"] = request_id
    # Without `original_error`, so that nothing of an accident can leak further on.
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )


def _origin(error: BaseException) -> BaseException:
    """The error below the layers that GraphQL put around it."""
    while isinstance(error, GraphQLError) and error.original_error is not None:
        error = error.original_error
    return error


def _is_about_the_request(error: GraphQLError, origin: GraphQLError) -> bool:
    """Whether the document or its variables are at fault, or somebody chose the code on purpose.

    What is left are values of ours that do not fit their type; their text quotes them.
    """
    return error.path is None or origin.nodes is not None or "code" in (origin.extensions or {})
