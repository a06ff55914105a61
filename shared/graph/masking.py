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
    cause = _cause(error)
    if isinstance(cause, DomainError):
        message = cause.message
        extensions["code"] = cause.general_code()
        if cause.field is not None:
            extensions["field"] = cause.field
        if isinstance(cause, RateLimited):
            extensions["retryAfter"] = cause.retry_after
    elif cause is None:
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


def _cause(error: GraphQLError) -> Exception | None:
    """The exception below the layers of GraphQL errors; None when GraphQL itself complains."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause if isinstance(cause, Exception) else None
